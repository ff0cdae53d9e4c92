//! `wayfarer`: arguments → configuration → a verb → an exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use wayfarer::cli::{self, Cli, Command, Config, Rejects, RejectsArgs, exit};
use wayfarer::demo::{self, Screen};
use wayfarer::{config, ctl, journey, lifecycle, look, replay, top, topics};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The simulator knows the reference model, which knows this library: so it is a program of its own.
const SIMULATOR: &str = "wayfarer-simulate";

/// What ends a verb early: the code, and the sentence.
type Ended = (u8, String);

fn main() -> ExitCode {
    let code = match call(Cli::parse().command) {
        Ok(code) => code,
        Err((code, message)) => {
            // Nobody is left to tell if the standard error is gone.
            let _ = writeln!(io::stderr(), "wayfarer: {message}");
            code
        }
    };
    ExitCode::from(code)
}

fn call(command: Command) -> Result<u8, Ended> {
    match command {
        Command::Run(args) => Ok(wayfarer::run::run(&args)),
        Command::Check(args) => check(&args),
        Command::Schema => print(&journey::source::schema()),
        Command::States(args) => states(&args),
        Command::Rejects(args) => rejects(&args),
        Command::Config(args) => match args.command {
            Config::Dump { config } => {
                let loaded = config::load(config.as_deref()).map_err(|e| (exit::CONFIG, e.to_string()))?;
                print(&loaded.dump())
            }
            Config::Template => print(&config::template()),
        },
        Command::Topics(args) => Ok(topics::run(&args, &mut io::stdout(), &mut io::stderr())),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            cli::completions(shell, &mut out);
            bytes(Ok(out))
        }
        Command::Man { out } => man(out.as_deref()),
        Command::Explain(args) => match &args.source.directory {
            Some(directory) => {
                text(look::explain(directory, &args.user, args.journey.as_deref(), args.source.json))
            }
            None => Ok(ctl::explain(&args, &mut io::stdout(), &mut io::stderr())),
        },
        Command::Demo(args) => {
            Ok(demo::run(&args, Screen::of_stdout(), &mut io::stdout(), &mut io::stderr()))
        }
        Command::Replay(args) => Ok(replay::run(&args, &mut io::stdout(), &mut io::stderr())),
        Command::Top(args) => Ok(top::run(&args, &mut io::stdout(), &mut io::stderr())),
        Command::Simulate { arguments } => simulate(&arguments),
        Command::Ctl(args) => Ok(ctl::run(&args, &mut io::stdout(), &mut io::stderr())),
    }
}

/// Runs the program beside this one.
fn simulate(arguments: &[OsString]) -> Result<u8, Ended> {
    let beside = std::env::current_exe().map(|program| program.with_file_name(SIMULATOR));
    let status = beside.and_then(|program| std::process::Command::new(program).args(arguments).status());
    let status = status.map_err(|error| {
        let how = "`make simulate` builds it, and `cargo install --path simulate` puts it there";
        (exit::FILE, format!("{SIMULATOR} beside this program cannot be run: {error}; {how}"))
    })?;
    // Of one that a signal ended there is no code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::BUG))
}

fn rejects(args: &RejectsArgs) -> Result<u8, Ended> {
    let directory = match &args.command {
        Rejects::List { source, .. } | Rejects::Show { source, .. } => source.directory.as_deref(),
        Rejects::Replay(_) => None,
    };
    match (directory, &args.command) {
        (Some(directory), Rejects::List { from, limit, source }) => {
            text(look::rejects(directory, *from, *limit, source.json))
        }
        (Some(directory), Rejects::Show { number, raw, source }) => {
            bytes(look::reject(directory, *number, *raw, source.json))
        }
        _ => Ok(ctl::rejects(args, &mut io::stdout(), &mut io::stderr())),
    }
}

fn print(text: &str) -> Result<u8, Ended> {
    bytes(Ok(text.as_bytes().to_vec()))
}

fn text(text: Result<String, look::LookError>) -> Result<u8, Ended> {
    bytes(text.map(String::into_bytes))
}

/// Writes to the standard output; whoever has closed it (`| head`) has seen enough.
fn bytes(bytes: Result<Vec<u8>, look::LookError>) -> Result<u8, Ended> {
    let bytes = bytes.map_err(|error| (error.code(), error.to_string()))?;
    match io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((exit::FILE, format!("the standard output cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(exit::OK),
    }
}

fn check(args: &cli::CheckArgs) -> Result<u8, Ended> {
    let found = journey::source::load_paths(&args.files);
    let code = match (found.has_errors(), found.problems.iter().any(|problem| problem.code == "unreadable")) {
        (_, true) => exit::FILE,
        (true, false) => exit::PROBLEM,
        (false, false) => exit::OK,
    };
    if args.json {
        let problems = serde_json::to_string_pretty(&found.problems).expect("problems are texts and numbers");
        print(&format!("{problems}\n"))?;
        return Ok(code);
    }
    let mut lines: String = found.problems.iter().map(|problem| format!("{problem}\n")).collect();
    if found.problems.is_empty() {
        let journeys = found.journeys.len();
        lines = format!("{journeys} journey{} without a problem\n", if journeys == 1 { "" } else { "s" });
    }
    print(&lines)?;
    Ok(code)
}

fn states(args: &cli::StatesArgs) -> Result<u8, Ended> {
    let dialects = match &args.dialect {
        None => lifecycle::dialects().to_vec(),
        Some(name) => vec![lifecycle::dialect(name).map_err(|e| (exit::PROBLEM, e.to_string()))?],
    };
    let table = if args.json { lifecycle::table::json } else { lifecycle::table::text };
    print(&table(&dialects))
}

fn man(out: Option<&Path>) -> Result<u8, Ended> {
    let Some(directory) = out else {
        let mut page = Vec::new();
        cli::man(&mut page).map_err(|error| (exit::FILE, error.to_string()))?;
        return bytes(Ok(page));
    };
    let unwritable =
        |error: io::Error| (exit::FILE, format!("{} cannot be written to: {error}", directory.display()));
    std::fs::create_dir_all(directory).and_then(|()| cli::man_pages(directory)).map_err(unwritable)?;
    Ok(exit::OK)
}
