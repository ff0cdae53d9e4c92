//! Who is how fast at the same job, on the same brokers, over the same events, in turns.
//!
//! The figure that counts is the ratio within a round: machines are shared and noisy, and what disturbs one entrant
//! disturbs the next one too. A first round warms the brokers and does not count; in it Wayfarer writes its lines of
//! movements, by which is seen who waits when all is done.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use self::peer::Peer;
use self::report::Report;
use self::rounds::Rounds;
use crate::error::{Result, cannot};
use crate::topics::Topics;
use crate::traffic::Shape;

pub mod bare;
pub mod fill;
pub mod job;
pub mod measure;
pub mod naive;
pub mod ours;
pub mod peer;
pub mod report;
pub mod rounds;
pub mod streams;
pub mod waiting;
pub mod weigh;

/// How the race is run.
#[derive(Args, Clone, Debug)]
pub struct Race {
    /// The brokers, "host:port"
    #[arg(long, env = "WAYFARER_KAFKA", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// The events of a round
    #[arg(long, default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    /// How many rounds count
    #[arg(long, default_value_t = 3, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000))]
    rounds: usize,
    /// How many rounds go before, which warm the brokers
    #[arg(long, default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(..=1_000))]
    warm: usize,
    /// How many threads every entrant has
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=128))]
    threads: u16,
    /// How many partitions the events have
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    partitions: u16,
    #[command(flatten)]
    shape: Shape,
    /// Who else runs, of bare, naive, streams-rocksdb, streams-memory, streams-lean
    #[arg(long, value_delimiter = ',', value_name = "PEER,...", default_values_t = Peer::ALL)]
    peers: Vec<Peer>,
    /// Let Wayfarer write its lines of movements and refusals, which no peer writes
    #[arg(long)]
    movements: bool,
    /// Take the figures of the whole way, however short, and judge nobody: to try it out, and nothing to quote
    #[arg(long)]
    trial: bool,
    /// The released program
    #[arg(long, default_value = "target/release/wayfarer")]
    program: PathBuf,
    /// The directory of the job's journey
    #[arg(long, default_value = "loadtest/journeys")]
    journeys: PathBuf,
    /// Where the ratios go
    #[arg(long, default_value = "target/race.json")]
    out: PathBuf,
}

/// Races.
///
/// # Errors
/// An entrant cannot be started, ends before its time, or has another result than the job has.
pub fn run(args: &Race) -> Result<Report> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let directory = tempfile::tempdir().map_err(cannot("make a directory"))?;
    let topics = Topics::new(&args.brokers)?;
    let events = format!("race-{since}-events");
    topics.make(&events, args.partitions, false)?;
    let raced = Rounds { args, topics: &topics, events: &events, directory: directory.path(), since }.run();
    topics.delete(&[events]);
    let report = raced?;
    let text = serde_json::to_string_pretty(&report).expect("numbers and names are JSON");
    // What cannot be written whole does not look as if it were.
    let part = args.out.with_extension("json.part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, &args.out))
        .map_err(cannot(format!("write {}", args.out.display())))?;
    Ok(report)
}
