//! One scenario, from an empty broker to a report: starts what it asks for, fills, loads, operates, measures, proves.
//!
//! - [`system`]: topics, instances, the operator's API. [`phase`]: saturation, fill, phases. [`acts`]: the operator.
//! - [`latency`], [`sample`]: what readers and the bar see. [`proof`]: starts under a shut gate.

pub mod acts;
pub mod latency;
pub mod phase;
pub mod proof;
pub mod sample;
pub mod system;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;

use self::acts::Done;
use self::latency::{IntervalLog, Latencies};
use self::phase::Stand;
use self::proof::Starts;
use self::sample::Sampler;
use self::system::{Place, System};
use crate::clock::Clock;
use crate::error::{Error, Result, cannot};
use crate::generate::pace::Progress;
use crate::report::form::{FORM, Machine, Report, Saturated};
use crate::report::{self, Files};
use crate::scenario::{Published, Scenario, read};
use crate::topics::Topics;

/// What is run, and where.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// The scenario: one of loadtest/scenarios, or one of your own
    pub scenario: PathBuf,
    /// Another value for a key of it, such as phase.0.for=5s; `*` is all of a list. As often as you like
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The brokers, "host:port"
    #[arg(long, env = "WAYFARER_KAFKA", default_value = "127.0.0.1:9092")]
    pub brokers: String,
    /// The released program
    #[arg(long, default_value = "target/release/wayfarer")]
    pub program: PathBuf,
    /// The directory of reports: NAME.json, NAME.html, NAME.hlog
    #[arg(long, default_value = "target/load")]
    pub out: PathBuf,
    /// Leave the topics where they are
    #[arg(long)]
    pub keep: bool,
}

/// Runs, and returns the report with the paths of its files.
///
/// # Errors
/// One sentence; then there is no report.
pub fn run(args: &Run) -> Result<(Report, Files)> {
    let scenario = read::scenario(&args.scenario, &args.set)?;
    let beside = args.scenario.parent().unwrap_or(Path::new("."));
    let journeys: Vec<Published> = scenario
        .journey
        .iter()
        .map(|journey| journey.published(beside))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    known(&scenario, &journeys)?;
    let version = system::version(&args.program)?;
    let files = Files::prepare(&args.out, &scenario.name)?;
    let topics = Topics::new(&args.brokers)?;
    topics.reach().inspect_err(|_| files.forget())?;
    files.clear().inspect_err(|_| files.forget())?;
    let directory = tempfile::tempdir().map_err(cannot("make a directory"))?;
    let clock = Clock::start();
    let prefix = format!("load-{}-{}.", scenario.name, clock.now() / 1_000);
    let place = Place {
        program: &args.program,
        directory: directory.path(),
        logs: &files.logs,
        brokers: &args.brokers,
        prefix: &prefix,
    };
    let system = System::start(&place, &scenario, &journeys).inspect_err(|_| files.forget())?;
    let ran = Ran { args, scenario: &scenario, journeys: &journeys, system: &system, clock: &clock };
    let ran = ran.measure(&topics, &files, version);
    system.end();
    if !args.keep {
        system.forget(&topics);
    }
    let report = ran.inspect_err(|_| files.forget())?;
    report::save(&report, &files)?;
    Ok((report, files))
}

/// That each journey has an id of its own, and the acts are about journeys that there are.
fn known(scenario: &Scenario, journeys: &[Published]) -> Result<()> {
    let mut ids: Vec<&str> = journeys.iter().map(|known| known.id.as_str()).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        let id = twice[0];
        return Err(Error(format!(
            "two journeys have the id {id:?}: `copies` makes more of one, each with its own"
        )));
    }
    let operated = scenario.operated();
    let unknown = operated.iter().find(|id| !journeys.iter().any(|known| known.id == **id));
    let Some(id) = unknown else { return Ok(()) };
    let some: Vec<&str> = journeys.iter().take(10).map(|known| known.id.as_str()).collect();
    Err(Error(format!("an act is about {id:?}, and the journeys are {}", some.join(", "))))
}

struct Ran<'a> {
    args: &'a Run,
    scenario: &'a Scenario,
    journeys: &'a [Published],
    system: &'a System,
    clock: &'a Clock,
}

impl Ran<'_> {
    fn measure(&self, topics: &Topics, files: &Files, version: String) -> Result<Report> {
        let (brokers, partitions) = (&*self.args.brokers, self.scenario.system.partitions);
        let (progress, latencies) = (Progress::default(), Latencies::new(self.scenario.operated()));
        let place = (brokers, partitions);
        let sampler = Sampler::new(place, self.system, &progress, &latencies, self.clock)?;
        let began = self.clock.now();
        let file = File::create(&files.log_part);
        let file = file.map_err(cannot(format!("write {}", files.log_part.display())))?;
        let mut log = IntervalLog::new(BufWriter::new(file));
        let sends = self.system.topic("sends");
        // Who sees nothing any more ends the load: there would be no result of it.
        let ends = |_: &Error| progress.stop.store(true, Ordering::Relaxed);
        let read = || latencies.read((brokers, &sends), partitions, self.clock).inspect_err(ends);
        let mut report = std::thread::scope(|scope| {
            let reader = scope.spawn(read);
            let watcher = scope.spawn(|| sampler.watch(&mut log).inspect_err(ends));
            let stand = Stand {
                scenario: self.scenario,
                journeys: self.journeys,
                brokers,
                sampler: &sampler,
                latencies: &latencies,
                clock: self.clock,
            };
            let report = self.phases(&stand, version, began);
            latencies.stop.store(true, Ordering::Relaxed);
            sampler.stop.store(true, Ordering::Relaxed);
            let panicked = |_| Error("a thread panicked".to_owned());
            let watched =
                [reader, watcher].map(|thread| thread.join().map_err(panicked).and_then(|said| said));
            // If they failed, what the load says follows from that.
            watched.into_iter().collect::<Result<Vec<_>>>()?;
            report
        })?;
        report.samples = sampler.samples();
        if !report.flips.is_empty() {
            let starts = Starts::read(topics, self.system, partitions, &report.flips)?;
            starts.judge(&mut report.flips);
        }
        report.judge();
        log.close()?;
        Ok(report)
    }

    fn phases(&self, stand: &Stand<'_>, version: String, began: i64) -> Result<Report> {
        let saturation = match &self.scenario.saturation {
            None => None,
            Some(asked) if asked.given > 0.0 => {
                Some(Saturated { rate: asked.given, measured: false, by_system: true, cpu_ns: 0.0 })
            }
            Some(asked) => Some(stand.saturate(asked.measure)?),
        };
        let Done { mut flips, mut restarts, .. } = stand.fill()?;
        let (mut phases, mut void, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
        for (number, phase) in self.scenario.phase.iter().enumerate() {
            let most = saturation.map(|saturated| saturated.rate);
            let (result, done, kept) = stand.phase(number, phase, most)?;
            if let Err(sentence) = kept.is_kept(&self.scenario.keeping) {
                void.push(format!("{}: {sentence}", phase.name));
            }
            if done.overdue > 0 {
                let (overdue, name) = (done.overdue, &phase.name);
                let why = "since those before them were answered so late";
                remarks.push(format!("{name}: {overdue} acts came only when it was over, {why}"));
            }
            flips.extend(done.flips);
            restarts.extend(done.restarts);
            phases.push(result);
        }
        // The last looks and sends are still on their way.
        std::thread::sleep(Duration::from_millis(500));
        Ok(Report {
            form: FORM,
            scenario: self.scenario.clone(),
            version,
            machine: Machine::this(),
            began,
            saturation,
            phases,
            samples: Vec::new(),
            flips,
            restarts,
            void,
            remarks,
        })
    }
}
