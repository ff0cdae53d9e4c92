//! `wayfarer topics`: what is needed of Kafka's topics, and making it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `topics` is given.
#[derive(Debug, Args)]
pub struct TopicsArgs {
    /// Plan or apply.
    #[command(subcommand)]
    pub command: Topics,
}

/// The verbs of `topics`.
#[derive(Debug, Subcommand)]
pub enum Topics {
    /// Compare the topics that are needed with those that are there, and change nothing
    #[command(after_long_help = "Examples:
  wayfarer topics plan --config config/kafka.toml
  wayfarer topics plan --json | jq -r '.steps[].topic'

Ends with 0 if there is nothing to do, with 1 if `topics apply` has something to do, and with the
code of the cause if something is wrong that only you can put right.")]
    Plan(TopicsOptions),
    /// Create the topics that are missing, and give settings the values that are needed
    ///
    /// Nothing is deleted, no number of partitions changed, nothing kept for a shorter time or by fewer
    /// brokers than before. To do it twice is to do it once.
    #[command(after_long_help = "Examples:
  wayfarer topics apply --config config/kafka.toml
  wayfarer topics apply --config config/kafka.toml --partitions 128

Does nothing at all if something is wrong that only you can put right, and ends with the code of
its cause.")]
    Apply(TopicsOptions),
}

/// What both verbs are given.
#[derive(Debug, Args)]
pub struct TopicsOptions {
    /// The settings; without a file: the defaults. WAYFARER_SECTION__KEY overrides either
    #[arg(long, value_name = "FILE", env = "WAYFARER_CONFIG")]
    pub config: Option<PathBuf>,
    /// How many partitions the events topic gets if there is none [default: engine.shards]
    ///
    /// It is the number of shards, for ever: a user's state lies in the partition of the user's events.
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub partitions: Option<u32>,
    /// Print an object with the number of `shards` and an array of `steps`
    #[arg(long)]
    pub json: bool,
}
