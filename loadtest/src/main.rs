//! `wayfarer-load`: arguments → a verb → an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use wayfarer_load::cli::{self, Cli};

// Wayfarer's own: the bare loop is to have the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::call(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if the standard error is gone.
            let _ = writeln!(std::io::stderr(), "wayfarer-load: {error}");
            ExitCode::FAILURE
        }
    }
}
