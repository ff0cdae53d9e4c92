//! Who is how fast at the same job, on the same brokers, over the same events, in turns.
//!
//! The figure that counts is the ratio within a round: machines are shared and noisy, and what disturbs one entrant
//! disturbs the next one too. A first round warms the brokers and does not count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use self::measure::{Speed, Watch};
use self::ours::{Ours, Place};
use self::report::{OURS, Report};
use crate::error::{Error, Result, cannot};
use crate::generate::{self, Generate};
use crate::process::Measured;
use crate::topics::{Content, Topics};
use crate::traffic::{Shape, Traffic};

pub mod bare;
pub mod measure;
pub mod ours;
pub mod report;

/// How the race is run.
#[derive(Args, Clone, Debug)]
pub struct Race {
    /// The brokers, "host:port"
    #[arg(long, env = "WAYFARER_KAFKA", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// The events of a round
    #[arg(long, default_value_t = 4_000_000)]
    events: u64,
    /// How many rounds count
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many rounds go before, which warm the brokers
    #[arg(long, default_value_t = 1)]
    warm: usize,
    /// How many threads every entrant has
    #[arg(long, default_value_t = 2)]
    threads: u16,
    /// How many partitions the events have
    #[arg(long, default_value_t = 16)]
    partitions: u16,
    #[command(flatten)]
    shape: Shape,
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

/// The first port that Wayfarer's API may have here.
const PORT: u16 = 18_480;

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
    let raced = Running { args, topics: &topics, events: &events, directory: directory.path(), since }.run();
    topics.delete(&[events]);
    let report = raced?;
    let text = serde_json::to_string_pretty(&report).expect("numbers and names are JSON");
    std::fs::write(&args.out, text).map_err(cannot(format!("write {}", args.out.display())))?;
    Ok(report)
}

struct Running<'a> {
    args: &'a Race,
    topics: &'a Topics,
    events: &'a str,
    directory: &'a Path,
    since: u128,
}

impl Running<'_> {
    fn run(&self) -> Result<Report> {
        let Race { rounds, warm, .. } = *self.args;
        let mut lives = Vec::new();
        for round in 0..rounds + warm {
            lives.push(self.prepare(round)?);
        }
        self.load()?;
        let ends = self.topics.ends(self.events, self.args.partitions)?;
        let mut shown = Vec::new();
        let mut shape = None;
        for (round, ours) in lives.iter().enumerate() {
            let mut speeds = BTreeMap::new();
            let (speed, commits) = self.ours(ours, &ends)?;
            speeds.insert(OURS.to_owned(), speed);
            let shape = match &shape {
                Some(shape) => shape,
                None => shape.insert(self.weigh(ours, commits)?),
            };
            ours.forget(self.topics);
            speeds.insert("bare".to_owned(), self.bare(round, shape, &ends)?);
            say(round, warm, &speeds);
            if round >= warm {
                shown.push(speeds);
            }
        }
        Ok(Report::new(&shown, self.args.threads, self.args.events))
    }

    fn prepare(&self, round: usize) -> Result<Ours> {
        let place = Place {
            program: &self.args.program,
            directory: self.directory,
            journeys: &self.args.journeys,
            brokers: &self.args.brokers,
            events: self.events,
            threads: self.args.threads,
        };
        Ours::prepare(&place, &format!("race-{}-{round}.", self.since), PORT + round as u16)
    }

    fn load(&self) -> Result<()> {
        let load = Generate {
            events: self.args.events,
            rate: 0,
            shape: self.args.shape.clone(),
            brokers: self.args.brokers.clone(),
            topic: self.events.to_owned(),
            file: None,
        };
        generate::run(&load).map(drop)
    }

    /// How fast it was, and how often it has committed.
    fn ours(&self, ours: &Ours, ends: &[i64]) -> Result<(Speed, u64)> {
        let watch = Watch::new(&self.args.brokers, ours.prefix.trim_end_matches('.'), self.events, ends)?;
        let mut process = ours.start()?;
        let speed = watch.follow(&mut process)?;
        let should = self.waiting();
        let (waits, commits) = (ours.waiting(should), ours.commits()?);
        process.end()?;
        if waits == should {
            return Ok((speed, commits));
        }
        Err(Error(format!("wayfarer has {waits} users waiting, and should have {should}: the race is void")))
    }

    /// How many users wait when all is done.
    fn waiting(&self) -> u64 {
        let mut shop = Traffic::new(&self.args.shape);
        for _ in 0..self.args.events {
            shop.step();
        }
        shop.waiting()
    }

    /// What Wayfarer has written: the bare loop writes as many records of the same size.
    fn weigh(&self, ours: &Ours, commits: u64) -> Result<bare::Shape> {
        let events = self.args.events;
        let (mut users, mut lines, mut others, mut parts) =
            (Content::default(), Content::default(), Content::default(), 0);
        for name in ["state", "cycles", "sends", "transitions", "refusals"] {
            let topic = format!("{}{name}", ours.prefix);
            for (first, content) in self.topics.content(&topic, self.args.partitions)? {
                match (name, first) {
                    ("state", b'u') => users += content,
                    ("transitions" | "refusals", _) => lines += content,
                    _ => others += content,
                }
                if (name, first) == ("state", 0) {
                    parts = content.records;
                }
            }
        }
        if commits == 0 || parts == 0 || users.records == 0 {
            return Err(Error("wayfarer has committed nothing".to_owned()));
        }
        let of = |content: Content| content.records as f64 / events as f64;
        Ok(bare::Shape {
            brokers: self.args.brokers.clone(),
            events: self.events.to_owned(),
            state: String::new(),
            group: String::new(),
            threads: self.args.threads,
            batch: (events / commits) as usize,
            records: of(users),
            value: (users.values / users.records) as usize,
            lines: of(lines),
            line: lines.values.checked_div(lines.records).unwrap_or(0) as usize,
            others: others.records as f64 / parts as f64,
            other: (others.values / others.records.max(1)) as usize,
        })
    }

    fn bare(&self, round: usize, shape: &bare::Shape, ends: &[i64]) -> Result<Speed> {
        let name = format!("race-{}-{round}-bare", self.since);
        let shape = bare::Shape { state: format!("{name}.state"), group: name.clone(), ..shape.clone() };
        self.topics.make(&shape.state, self.args.partitions, true)?;
        let path = self.directory.join(format!("{name}.json"));
        let text = serde_json::to_vec(&shape).expect("numbers and names are JSON");
        std::fs::write(&path, text).map_err(cannot(format!("write {}", path.display())))?;
        let watch = Watch::new(&self.args.brokers, &name, self.events, ends)?;
        let own = std::env::current_exe().map_err(cannot("find this program"))?;
        let child = Command::new(own).args(["bare", "--shape"]).arg(&path).stdin(Stdio::null()).spawn();
        let mut process = Measured::new(child.map_err(cannot("start the bare loop"))?);
        let speed = watch.follow(&mut process);
        let _ = process.end();
        self.topics.delete(&[shape.state]);
        speed
    }
}

fn say(round: usize, warm: usize, speeds: &BTreeMap<String, Speed>) {
    use std::io::Write;
    let which = if round < warm { "warming".to_owned() } else { format!("round {}", round + 1 - warm) };
    let all: Vec<String> = speeds
        .iter()
        .map(|(name, speed)| format!("{name} {:.0} ns, {:.0}/s", speed.cpu_ns, speed.rate))
        .collect();
    // Nobody is left to tell if the standard error is gone.
    let _ = writeln!(std::io::stderr(), "{which}: {}", all.join(" · "));
}
