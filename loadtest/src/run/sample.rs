//! What is seen from outside while a load runs: lag, throughput, memory, processors, and the bar that shows it.

use std::fs::File;
use std::io::BufWriter;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use wayfarer::journal::kafka::client::{Consumer, Edge, Isolation, Partition, Settings};

use super::latency::{IntervalLog, Latencies, Stage};
use super::side::{Side, Sides};
use crate::clock::Clock;
use crate::error::Result;
use crate::generate::pace::Progress;
use crate::process;
use crate::report::form::Sample;
use crate::scenario::On;
use crate::topics::{PATIENCE, partitions_of};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Who watches.
pub struct Sampler<'a> {
    /// The generator.
    pub progress: &'a Progress,
    /// What readers measure.
    pub latencies: &'a Latencies,
    /// The time.
    pub clock: &'a Clock,
    sides: Vec<Watched<'a>>,
    /// The place of the one who has the load.
    current: AtomicUsize,
    /// The brokers' processes; empty if they are not known.
    brokers: Vec<u32>,
    samples: Mutex<Vec<Sample>>,
    bar: ProgressBar,
    /// Whoever sets it ends the watch.
    pub stop: AtomicBool,
}

/// One who can have the load.
struct Watched<'a> {
    on: On,
    side: &'a dyn Side,
    asker: Mutex<Consumer>,
    partitions: Vec<Partition>,
}

impl<'a> Watched<'a> {
    fn new(servers: &str, (on, side, partitions): (On, &'a dyn Side, u16)) -> Result<Self> {
        // Who insists on committed offsets waits while a transaction holds some, which is nearly always.
        let asker = Consumer::reader(&Settings::new(servers), side.group(), Isolation::Uncommitted)?;
        let partitions = partitions_of(&side.topic("events"), partitions);
        Ok(Self { on, side, asker: Mutex::new(asker), partitions })
    }
}

impl<'a> Sampler<'a> {
    /// Of all who take part; the scenario's own deployment has the load until [`Sampler::turn_to`] says otherwise. With
    /// the addresses come the processes of the brokers, none if they are not known.
    ///
    /// # Errors
    /// A client cannot be made.
    pub fn new(
        (servers, brokers): (&str, Vec<u32>),
        sides: &'a Sides<'_>,
        progress: &'a Progress,
        latencies: &'a Latencies,
        clock: &'a Clock,
    ) -> Result<Self> {
        let sides = sides.all().into_iter().map(|side| Watched::new(servers, side)).collect::<Result<_>>()?;
        let bar = ProgressBar::new(1);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {msg}").expect("the template is right");
        bar.set_style(style);
        Ok(Self {
            progress,
            latencies,
            clock,
            sides,
            current: AtomicUsize::new(0),
            brokers,
            samples: Mutex::new(Vec::new()),
            bar,
            stop: AtomicBool::new(false),
        })
    }

    /// From now on that one has the load; nothing changes if it does not take part.
    pub fn turn_to(&self, on: On) {
        if let Some(place) = self.sides.iter().position(|watched| watched.on == on) {
            self.current.store(place, Ordering::Relaxed);
        }
    }

    fn watched(&self) -> &Watched<'a> {
        &self.sides[self.current.load(Ordering::Relaxed)]
    }

    /// Who has the load.
    #[must_use]
    pub fn side(&self) -> &dyn Side {
        self.watched().side
    }

    /// How many events the group of whoever has the load has committed, and how many it has not.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn position(&self) -> Result<(u64, u64)> {
        self.position_of(self.watched())
    }

    fn position_of(&self, watched: &Watched<'_>) -> Result<(u64, u64)> {
        let Watched { asker, partitions, .. } = watched;
        let asker = asker.lock().unwrap_or_else(PoisonError::into_inner);
        let committed = asker.committed(partitions, PATIENCE)?;
        let ends = asker.offsets(partitions, Edge::Latest, Isolation::Uncommitted, PATIENCE)?;
        let done: u64 = committed.iter().map(|at| at.as_ref().map_or(0, |at| at.offset).max(0) as u64).sum();
        let all: u64 = ends.iter().map(|end| end.unsigned_abs()).sum();
        Ok((done, all.saturating_sub(done)))
    }

    /// What the bar says from now on, and how many steps it has.
    pub fn announce(&self, what: &str, events: u64) {
        self.bar.set_prefix(what.to_owned());
        self.bar.set_length(events.max(1));
    }

    /// One look.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn look(&self) -> Result<Sample> {
        // One and the same from here on, whoever has the load next.
        let watched = self.watched();
        let (done, lag) = self.position_of(watched)?;
        let (cpu, memory) = watched.side.used();
        let brokers: Option<Duration> = self.brokers.iter().map(|pid| process::whole_cpu_time(*pid)).sum();
        let brokers = brokers.filter(|_| !self.brokers.is_empty());
        Ok(Sample {
            on: watched.on,
            at: self.clock.now(),
            generated: self.progress.events.load(Ordering::Relaxed),
            done,
            lag,
            sends: self.latencies.seen.load(Ordering::Relaxed),
            cpu_ns: cpu.as_nanos() as u64,
            load_cpu_ns: process::cpu_time(std::process::id()).unwrap_or_default().as_nanos() as u64,
            broker_cpu_ns: brokers.map(|cpu| cpu.as_nanos() as u64),
            memory,
            p99_ms: None,
        })
    }

    /// Looks until it is to stop, and writes each interval of the latencies to the log.
    ///
    /// # Errors
    /// The brokers do not answer, one who takes part has ended by itself, or the log cannot be written.
    pub fn watch(&self, log: &mut IntervalLog<BufWriter<File>>) -> Result<()> {
        let mut from = self.clock.now();
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
            self.sides.iter().try_for_each(|watched| watched.side.is_alive())?;
            let mut sample = self.look()?;
            let interval = self.latencies.interval();
            let length = Duration::from_micros((sample.at - from).max(0) as u64);
            for seen in &interval {
                log.append(&seen.tag(), &seen.micros, from, length)?;
            }
            from = sample.at;
            // Of two phases at once, the later one: it is what runs.
            let sends = interval.iter().rfind(|seen| seen.stage == Stage::Send);
            sample.p99_ms = sends.map(|sends| sends.micros.value_at_quantile(0.99) as f64 / 1e3);
            self.show(&sample);
            self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    fn show(&self, sample: &Sample) {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = samples.last().map_or(0.0, |last| last.rate_to(sample));
        let p99 = sample.p99_ms.map_or_else(|| "–".to_owned(), |p99| format!("{p99:.1} ms"));
        self.bar.set_position(sample.generated);
        self.bar.set_message(format!("{rate:.0}/s, lag {}, p99 {p99}", sample.lag));
    }

    /// All looks so far.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
