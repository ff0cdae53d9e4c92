//! An independent verifier: reads input, control, cycles, changelog and what has left with read_committed, makes
//! every decision anew by the reference model, and names each record that is lost, doubled or wrong.
//!
//! It knows the forms on the wire and the reference, never the engine: what both had wrong it would not see.
//!
//! - [`cloud`]: CloudEvents. [`evidence`]: all that lies in the topics, in memory. [`cycle`]: what each commit read;
//!   [`head`]: what a shard knows of itself.
//! - [`model`]: a shard, made anew. [`compare`]: what differs.

pub mod cloud;
pub mod compare;
pub mod cycle;
pub mod evidence;
pub mod head;
pub mod model;
#[cfg(test)]
mod tests;

use clap::Args;

use self::compare::{Verdict, judge};
use self::evidence::Place;
use crate::error::{Error, Result};

/// How many findings are told; the rest is counted.
const TOLD_MAX: usize = 50;

/// What is verified, and where.
#[derive(Args, Debug)]
pub struct Verify {
    /// The brokers: HOST:PORT, several with commas between
    #[arg(long, default_value = "127.0.0.1:9092")]
    servers: String,
    /// What stands before the names of the topics
    #[arg(long, default_value = "wayfarer.")]
    prefix: String,
    /// The topic of events, the first of them if there are several; by default PREFIXevents
    #[arg(long)]
    events: Option<String>,
    /// How many partitions the events have
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    partitions: u16,
}

/// Verifies a deployment that has come to rest; what was compared, as a line.
///
/// # Errors
/// The brokers do not answer, or something is wrong: all of it, as sentences.
pub fn run(args: &Verify) -> Result<String> {
    let prefix = args.prefix.clone();
    let events = args.events.clone().unwrap_or_else(|| format!("{prefix}events"));
    let place = Place { servers: args.servers.clone(), prefix, events, shards: args.partitions };
    let Verdict { commits, inputs, sends, transitions, refusals, findings } = judge(&place.read()?);
    let compared = format!(
        "{commits} commits, {inputs} inputs, {sends} sends, {transitions} movements, {refusals} refusals"
    );
    if findings.is_empty() {
        return Ok(format!("{compared}: nothing is lost, doubled or wrong\n"));
    }
    let told: Vec<String> = findings.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    Err(Error(format!("{compared}; {} findings:\n{}", findings.len(), told.join("\n"))))
}
