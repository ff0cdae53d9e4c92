//! What can be said on the command line: verbs, their arguments and their help. Nothing here does anything.
//!
//! `main` parses [`Cli`], calls the verb, and ends with one of the codes in [`exit`].

mod ctl;
pub mod exit;
mod replay;
mod top;
mod topics;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::model::Timestamp;

pub use clap_complete::Shell;
pub use ctl::{
    ApiEntry, CommandOptions, CopyArgs, Ctl, CtlArgs, FailArgs, FormatArgs, KeepEdit, Put, ReactivateArgs,
    ResumeArgs, Role, Server, Show, StatisticsArgs, UploadArgs, VerbArgs,
};
pub use replay::{ListFile, Mapping, ReplayArgs};
pub use top::TopArgs;
pub use topics::{Topics, TopicsArgs, TopicsOptions};

/// The address of a server on this machine that was not told another (`http.listen`).
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// A customer-journey executor: events in, two gates, nodes, sends out, exactly once.
///
/// A journey is a graph of nodes with an entry rule and a lifecycle. Its state sets two gates: may a user who
/// qualifies enter, and may a user who is inside move on? "Paused" is two different answers in two vendors'
/// products; `wayfarer states` shows both, and `wayfarer demo` plays them.
#[derive(Debug, Parser)]
#[command(name = "wayfarer", version, max_term_width = 110, after_long_help = exit::HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Execute journeys durably on this machine, until SIGTERM
    #[command(after_long_help = "Examples:
  wayfarer run
  wayfarer run --config config/local.toml --journeys config/journeys
  wayfarer run --events events.jsonl --follow
  zcat events.jsonl.gz | wayfarer run --events -

SIGTERM and SIGINT finish the cycle at work and end with 0; a second one ends at once, and loses
nothing either.")]
    Run(RunArgs),

    /// Watch journeys of both dialects execute on a shop's traffic: weeks in seconds, nothing to set up
    #[command(after_long_help = "Examples:
  wayfarer demo
  wayfarer demo --seed 7 --json > demo.json

The same seed gives the same bytes on the standard output; how long things took goes to the standard
error. Ends with 1 if one of the identities that it checks does not hold.")]
    Demo(DemoArgs),

    /// Find every problem in journey definitions, with its line and what is allowed
    #[command(after_long_help = "Examples:
  wayfarer check config/journeys/*.toml
  wayfarer check --json cart-rescue.toml | jq -r '.[].message'

Ends with 0 if there is none, with 1 if there is one.")]
    Check(CheckArgs),

    /// Print the JSON Schema of a journey definition
    #[command(after_long_help = "Example:
  wayfarer schema > journey.schema.json")]
    Schema,

    /// Print the states and verbs of each dialect, over the two gates
    #[command(after_long_help = "Examples:
  wayfarer states
  wayfarer states --dialect antsomi --json")]
    States(StatesArgs),

    /// Run recorded events through journeys on a virtual clock, or decide again what a journal holds
    ///
    /// With --journeys and --events: what would have been sent, to whom, and why. With --config, --directory or
    /// --kafka: whether a journal's decisions come out the same, byte for byte.
    #[command(after_long_help = replay::EXAMPLES)]
    Replay(ReplayArgs),

    /// Step three instances through a random story, with faults at every step, beside the reference model
    ///
    /// A seed gives the same bytes whenever it is run. The simulator is a program of its own, so that this one does not
    /// carry the reference model about: `wayfarer-simulate`, which lies beside it (`make simulate` builds both), is
    /// given all that follows. `wayfarer simulate --help` is its help.
    #[command(
        disable_help_flag = true,
        after_long_help = "Examples:
  wayfarer simulate --seed 7
  wayfarer simulate --seed 7 --verbose
  wayfarer simulate --seed 7 --shrink
  wayfarer simulate --seeds 10000

Ends with 1 if something differs from the reference, or an invariant does not hold."
    )]
    Simulate {
        /// What the simulator is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<std::ffi::OsString>,
    },

    /// Operate a running server: definitions, verbs, entries, lists
    #[command(after_long_help = ctl::EXAMPLES)]
    Ctl(CtlArgs),

    /// Watch running instances: rates, latencies, lag, shards and journeys, every second
    #[command(after_long_help = top::EXAMPLES)]
    Top(TopArgs),

    /// Look at the events that could not be decoded, and let them in once more
    #[command(after_long_help = "Examples:
  wayfarer rejects list
  wayfarer rejects list --directory ./data --json
  wayfarer rejects show 17 --raw > rejected.bin
  wayfarer rejects replay --code user_missing --dry-run")]
    Rejects(RejectsArgs),

    /// Tell one user's story: entries, refusals with their gate and reason, nodes, timers, holds, sends
    #[command(after_long_help = "Examples:
  wayfarer explain u-4711
  wayfarer explain u-4711 --journey cart-rescue --json")]
    Explain(ExplainArgs),

    /// Show the settings of `wayfarer run`
    Config(ConfigArgs),

    /// Compare Kafka's topics with what is needed, and make what is missing
    Topics(TopicsArgs),

    /// Print the completions for a shell
    #[command(after_long_help = "Example:
  wayfarer completions bash > /etc/bash_completion.d/wayfarer")]
    Completions {
        /// Which shell
        shell: Shell,
    },

    /// Print the manual page, or write those of all verbs into a directory
    #[command(after_long_help = "Examples:
  wayfarer man | man -l -
  wayfarer man --out /usr/local/share/man/man1")]
    Man {
        /// Write wayfarer.1, wayfarer-run.1 and so on here
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What `run` is given.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The settings; without a file: the defaults. WAYFARER_SECTION__KEY overrides either
    #[arg(long, value_name = "FILE", env = "WAYFARER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Read events from this file of JSON lines too (HTTP is always open); "-" is the standard input
    ///
    /// A file is its own log: its position is committed, so that a restart goes on where it was. The standard
    /// input is first written to the journal.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Go on reading --events as it grows; otherwise its end is the end of that input
    #[arg(long, requires = "events")]
    pub follow: bool,
    /// Put and publish the definitions of this directory that the journal does not know yet
    #[arg(long, value_name = "DIR")]
    pub journeys: Option<PathBuf>,
}

/// What `demo` is given.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What the shoppers do is a function of it
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Tell the same facts as one JSON document
    #[arg(long)]
    pub json: bool,
    /// How many events the shoppers make [default: as many as take a few seconds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub events: Option<u64>,
}

/// What `check` is given.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Definitions, TOML (.toml) or JSON (.json), and directories of them
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,
    /// Print an array of problems
    #[arg(long)]
    pub json: bool,
}

/// What `states` is given.
#[derive(Debug, Args)]
pub struct StatesArgs {
    /// Only this dialect: clevertap, antsomi
    #[arg(long, value_name = "D")]
    pub dialect: Option<String>,
    /// Print an object with an array `dialects`, each with its states
    #[arg(long)]
    pub json: bool,
}

/// Where to look: a server that is running, or the directory of one that is not.
#[derive(Debug, Args)]
pub struct Source {
    /// The server
    #[arg(long, value_name = "URL", env = "WAYFARER_URL", default_value = DEFAULT_URL)]
    pub url: String,
    /// Read the journal in this directory instead; no server may be running on it
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `rejects` is given.
#[derive(Debug, Args)]
pub struct RejectsArgs {
    /// List, show or replay.
    #[command(subcommand)]
    pub command: Rejects,
}

/// The verbs of `rejects`.
#[derive(Debug, Subcommand)]
pub enum Rejects {
    /// One line each: number, position, reason
    List {
        /// Where to look.
        #[command(flatten)]
        source: Source,
        /// Begin at this number
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// All of one: position, reason, and the bytes as they came
    Show {
        /// Its number in the list
        number: u64,
        /// Where to look.
        #[command(flatten)]
        source: Source,
        /// Print the original bytes and nothing else
        #[arg(long, conflicts_with = "json")]
        raw: bool,
    },
    /// Let some in once more, where they came from: after the cause was mended
    ///
    /// Each is appended again to the input that it came from, in the same shard and, on Kafka, under the same key, and
    /// is noted as let in: whoever repeats this lets nothing in twice, unless --again. What is rejected again is another
    /// dead letter, with a number of its own. A letter that is cut cannot be let in, nor can a row of an audience list,
    /// which is read with its list only; a line of a followed file comes back as an accepted event.
    #[command(after_long_help = "Examples:
  wayfarer rejects replay 17 18
  wayfarer rejects replay --code user_missing --since 2026-03-01T00:00:00Z --dry-run
  wayfarer rejects replay --all

Ends with 1 if some of those that were chosen were not let in; each is told with its reason.")]
    Replay(ReplayRejects),
}

/// What `rejects replay` is given: which ones, by number or by all that is said of them.
#[derive(Debug, Args)]
pub struct ReplayRejects {
    /// Their numbers in the list
    #[arg(value_name = "NUMBERS")]
    pub numbers: Vec<u64>,
    /// From this number on
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// Up to this number, with it
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// Those of this reason, by its code
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Those from this input: events, internal, receipts, "input N", "file N"
    #[arg(long, value_name = "INPUT")]
    pub source: Option<String>,
    /// Those rejected at that time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Those rejected before that time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// All that are kept
    #[arg(long)]
    pub all: bool,
    /// Those too that have been let in before
    #[arg(long)]
    pub again: bool,
    /// Say what would become of them, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The server
    #[arg(long, value_name = "URL", env = "WAYFARER_URL", default_value = DEFAULT_URL)]
    pub url: String,
    /// Print the server's answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `explain` is given.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The user's id
    pub user: String,
    /// Only this journey
    #[arg(long, value_name = "J")]
    pub journey: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub source: Source,
}

/// What `config` is given.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Dump or template.
    #[command(subcommand)]
    pub command: Config,
}

/// The verbs of `config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print every setting that is in force, and where each comes from: default, file and line, variable
    #[command(after_long_help = "Example:
  WAYFARER_ENGINE__SHARDS=16 wayfarer config dump --config config/local.toml

Ends with 3 if something is wrong, and says all that is.")]
    Dump {
        /// The settings file
        #[arg(long, value_name = "FILE", env = "WAYFARER_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Print the settings file with every key, its default, its unit and its reason
    Template,
}

/// Writes the completions for a shell.
pub fn completions(shell: Shell, out: &mut dyn Write) {
    clap_complete::generate(shell, &mut Cli::command(), "wayfarer", out);
}

/// Writes the manual page of the binary.
///
/// # Errors
/// Those of `out`.
pub fn man(out: &mut dyn Write) -> io::Result<()> {
    clap_mangen::Man::new(Cli::command()).render(out)
}

/// Writes the manual pages of the binary and of every verb into a directory.
///
/// # Errors
/// If a page cannot be written there.
pub fn man_pages(directory: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Cli::command(), directory)
}

#[cfg(test)]
mod tests;
