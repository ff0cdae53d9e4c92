//! The command line.

use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result, cannot};
use crate::generate::{self, Generate};
use crate::race::job::Job;
use crate::race::{self, Race, bare, naive};
use crate::verify::{self, Verify};

/// Load for Wayfarer: a synthetic shop's events, and the race against bare Kafka and its peers
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a shop's events into a topic, or a file
    Generate(Generate),
    /// Lets Wayfarer and the others do the same job in turns, and tells the ratios
    Race(Race),
    /// Makes every decision of a deployment at rest anew, and names what is lost, doubled or wrong
    Verify(Verify),
    /// The loop that the race compares with: reads, parses, writes as many records, and decides nothing
    Bare {
        /// A file that says how many records of which size (JSON)
        #[arg(long)]
        shape: PathBuf,
    },
    /// The obvious asynchronous program, which the race compares with
    Naive(Job),
}

/// Does what the arguments say.
///
/// # Errors
/// A sentence that says what cannot be done.
pub fn call(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Generate(args) => {
            let kept = generate::run(&args)?;
            say(&generate::told(&args, &kept))
        }
        Command::Race(args) => {
            let report = race::run(&args)?;
            say(&report.text())?;
            match report.void.len() {
                0 => Ok(()),
                count => Err(Error(format!("the race is void, for {count} reason(s) above"))),
            }
        }
        Command::Verify(args) => say(&verify::run(&args)?),
        Command::Bare { shape } => bare::run(&shape),
        Command::Naive(job) => naive::run(&job),
    }
}

fn say(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).map_err(cannot("write to the standard output"))
}
