//! The command line.

use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result, cannot};
use crate::generate::{self, Generate};
use crate::race::job::Job;
use crate::race::{self, Race, bare, naive};
use crate::report;
use crate::run::{self, Run};
use crate::scenario::keys;
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
    /// Runs a scenario: starts what it asks for, loads it, and reports latencies from the schedule on
    Run(Run),
    /// Prints every key of a scenario: what may stand there, what holds without it, and what it means
    Keys,
    /// Renders a stored result again: the text, and the page beside it
    Report {
        /// A result, as `run` has stored it (JSON)
        result: PathBuf,
    },
    /// Prints what changed between two results, as ratios
    Compare {
        /// The result before
        before: PathBuf,
        /// The result after
        after: PathBuf,
    },
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
        Command::Run(args) => {
            let (report, files) = run::run(&args)?;
            say(&report::text::text(&report))?;
            say(&format!("\n{} and {}\n", files.json.display(), files.page.display()))?;
            match report.void.len() {
                0 => Ok(()),
                count => Err(Error(format!("this is no result, for {count} reason(s) above"))),
            }
        }
        Command::Keys => say(&keys::text()),
        Command::Report { result } => {
            let report = report::load(&result)?;
            let page = report::save_page(&report, &result)?;
            say(&report::text::text(&report))?;
            say(&format!("\n{}\n", page.display()))
        }
        Command::Compare { before, after } => {
            say(&report::compare::text(&report::load(&before)?, &report::load(&after)?))
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
