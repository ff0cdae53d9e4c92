//! One scenario, from an empty broker to a report: starts what it asks for, fills, loads, operates, measures, proves.
//!
//! - [`side`]: who can have the load. [`system`]: topics, instances, the operator's API. [`bare`]: the bare Kafka loop.
//! - [`phase`]: saturation, fill, phases. [`acts`]: the operator. [`list`]: what is uploaded.
//! - [`latency`], [`sample`]: what readers and the bar see. [`proof`]: by the topics, starts under a shut gate and what was
//!   taken of a list.

pub mod acts;
pub mod bare;
pub mod latency;
pub mod list;
pub mod phase;
pub mod proof;
pub mod sample;
pub mod side;
pub mod system;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;

use self::acts::Done;
use self::bare::Bare;
use self::latency::{IntervalLog, Latencies};
use self::phase::Stand;
use self::proof::{Starts, Taken};
use self::sample::Sampler;
use self::side::{Deployed, Sides};
use self::system::{Place, System};
use crate::clock::Clock;
use crate::error::{Error, Result, cannot};
use crate::generate::pace::Progress;
use crate::process;
use crate::report::form::{FORM, Machine, Report, Saturated};
use crate::report::{self, Files};
use crate::scenario::{Deployment, On, Published, Scenario, read};
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
    let own = published(scenario.own(), beside)?;
    known(&scenario, &own)?;
    let other = scenario.other().map(|other| published(other, beside)).transpose()?;
    other.as_deref().map_or(Ok(()), each_once)?;
    let version = system::version(&args.program)?;
    let files = Files::prepare(&args.out, &scenario.name)?;
    let topics = Topics::new(&args.brokers)?;
    topics.reach().inspect_err(|_| files.forget())?;
    files.clear().inspect_err(|_| files.forget())?;
    let directory = tempfile::tempdir().map_err(cannot("make a directory"))?;
    let clock = Clock::start();
    let starting = Starting {
        args,
        scenario: &scenario,
        topics: &topics,
        directory: directory.path(),
        files: &files,
        prefix: format!("load-{}-{}", scenario.name, clock.now() / 1_000),
    };
    let sides = starting.sides(own, other).inspect_err(|_| files.forget())?;
    let ran = Ran { args, scenario: &scenario, sides: &sides, topics: &topics, clock: &clock };
    let ran = ran.measure(&files, version);
    sides.end();
    if !args.keep {
        sides.forget(&topics);
    }
    let report = ran.inspect_err(|_| files.forget())?;
    report::save(&report, &files)?;
    Ok((report, files))
}

/// All journeys of a deployment, whose files lie beside the scenario's.
fn published(asked: Deployment<'_>, beside: &Path) -> Result<Vec<Published>> {
    let each = asked.journey.iter().map(|journey| journey.published(beside));
    Ok(each.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// What is at hand when those who take part are started.
struct Starting<'a> {
    args: &'a Run,
    scenario: &'a Scenario,
    topics: &'a Topics,
    directory: &'a Path,
    files: &'a Files,
    /// What the names of all topics and groups begin with.
    prefix: String,
}

impl<'a> Starting<'a> {
    /// Starts everybody but the bare loop, which waits until there is something to be like.
    fn sides(&self, own: Vec<Published>, other: Option<Vec<Published>>) -> Result<Sides<'a>> {
        let own = self.deploy("", self.scenario.own(), own)?;
        let asked = self.scenario.other().zip(other);
        let beside = asked.map(|(asked, journeys)| self.deploy("beside", asked, journeys)).transpose()?;
        let is_bare = self.scenario.phase.iter().any(|phase| phase.on == On::Bare);
        let bare = is_bare.then(|| {
            let place = (self.directory, self.files.log_of("bare.log"));
            let prefix = format!("{}-bare.", self.prefix);
            Bare::prepare(self.topics, (&self.args.brokers, &prefix), own.asked.system.partitions, place)
        });
        Ok(Sides { own, beside, bare: bare.transpose()? })
    }

    fn deploy(&self, which: &str, asked: Deployment<'a>, journeys: Vec<Published>) -> Result<Deployed<'a>> {
        let directory = self.directory.join(which);
        std::fs::create_dir_all(&directory).map_err(cannot(format!("make {}", directory.display())))?;
        let (dash, dot) = if which.is_empty() { ("", "") } else { ("-", ".") };
        let prefix = format!("{}{dash}{which}.", self.prefix);
        let place = Place {
            program: &self.args.program,
            directory: &directory,
            logs: &self.files.log_of(&format!("{which}{dot}")),
            brokers: &self.args.brokers,
            prefix: &prefix,
            rows: self.scenario.rows(),
        };
        let system = System::start(&place, asked.system, &journeys)?;
        Ok(Deployed { asked, journeys, system })
    }
}

/// That each journey has an id of its own, and the acts are about journeys that there are.
fn known(scenario: &Scenario, journeys: &[Published]) -> Result<()> {
    each_once(journeys)?;
    let operated = scenario.operated();
    let unknown = operated.iter().find(|id| !journeys.iter().any(|known| known.id == **id));
    let Some(id) = unknown else { return Ok(()) };
    let some: Vec<&str> = journeys.iter().take(10).map(|known| known.id.as_str()).collect();
    Err(Error(format!("an act is about {id:?}, and the journeys are {}", some.join(", "))))
}

fn each_once(journeys: &[Published]) -> Result<()> {
    let mut ids: Vec<&str> = journeys.iter().map(|known| known.id.as_str()).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        let id = twice[0];
        return Err(Error(format!(
            "two journeys have the id {id:?}: `copies` makes more of one, each with its own"
        )));
    }
    Ok(())
}

struct Ran<'a> {
    args: &'a Run,
    scenario: &'a Scenario,
    sides: &'a Sides<'a>,
    topics: &'a Topics,
    clock: &'a Clock,
}

impl Ran<'_> {
    fn measure(&self, files: &Files, version: String) -> Result<Report> {
        let brokers = &*self.args.brokers;
        let (progress, latencies) = (Progress::default(), Latencies::new(self.scenario.operated()));
        let (processes, unknown) = self.brokers()?;
        let sampler = Sampler::new((brokers, processes), self.sides, &progress, &latencies, self.clock)?;
        let began = self.clock.now();
        let file = File::create(&files.log_part);
        let file = file.map_err(cannot(format!("write {}", files.log_part.display())))?;
        let mut log = IntervalLog::new(BufWriter::new(file));
        let all = self.sides.all().into_iter();
        let sends: Vec<_> = all.map(|(_, side, partitions)| (side.topic("sends"), partitions)).collect();
        // Who sees nothing any more ends the load, the operator and the run: there would be no result of it.
        let ends = |_: &Error| progress.stop.store(true, Ordering::Relaxed);
        let read = || latencies.read(brokers, &sends, self.clock).inspect_err(ends);
        let mut report = std::thread::scope(|scope| {
            let reader = scope.spawn(read);
            let watcher = scope.spawn(|| sampler.watch(&mut log).inspect_err(ends));
            let stand = Stand {
                scenario: self.scenario,
                sides: self.sides,
                brokers,
                topics: self.topics,
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
        report.remarks.extend(unknown);
        let (system, partitions) = (&self.sides.own.system, self.scenario.system.partitions);
        if report.flips.iter().any(|flip| !flip.shut.is_empty()) {
            let starts = Starts::read(self.topics, system, partitions, &report.flips)?;
            starts.judge(&mut report.flips);
        }
        for list in &mut report.lists {
            Taken::read(self.topics, system, partitions, list)?.judge(list);
        }
        report.judge();
        log.close()?;
        Ok(report)
    }

    /// The brokers' processes, or why they are not known: then there are none.
    fn brokers(&self) -> Result<(Vec<u32>, Option<String>)> {
        let at = self.topics.brokers()?;
        let found: Vec<_> = at.iter().map(|(host, port)| process::listener(host, *port)).collect();
        let missing = at.iter().zip(&found).find(|(_, pid)| pid.is_none()).map(|((host, port), _)| {
            format!(
                "the brokers' CPU is unknown: no process of this machine was seen listening at {host}:{port}"
            )
        });
        Ok((found.into_iter().collect::<Option<_>>().unwrap_or_default(), missing))
    }

    fn phases(&self, stand: &Stand<'_>, version: String, began: i64) -> Result<Report> {
        let saturation = match &self.scenario.saturation {
            None => None,
            Some(asked) if asked.given > 0.0 => {
                let rate = asked.given;
                Some(Saturated { rate, measured: false, by_system: true, cpu_ns: 0.0, broker_cpu_ns: None })
            }
            Some(asked) => Some(stand.saturate(asked.measure)?),
        };
        let Done { flips, restarts, .. } = stand.fill()?;
        let mut report = Report {
            form: FORM,
            scenario: self.scenario.clone(),
            version,
            machine: Machine::this(),
            began,
            saturation,
            phases: Vec::new(),
            samples: Vec::new(),
            flips,
            restarts,
            lists: Vec::new(),
            void: Vec::new(),
            remarks: Vec::new(),
        };
        for (number, phase) in self.scenario.turns().iter().enumerate() {
            let most = saturation.map(|saturated| saturated.rate);
            let (result, done, kept) = stand.phase(number, phase, most)?;
            if let Err(sentence) = kept.is_kept(&self.scenario.keeping) {
                report.void.push(format!("{}: {sentence}", phase.name));
            }
            if done.overdue > 0 {
                let (overdue, name) = (done.overdue, &phase.name);
                let why = "since those before them were answered so late";
                report.remarks.push(format!("{name}: {overdue} acts came only when it was over, {why}"));
            }
            report.remarks.extend(done.remarks);
            report.flips.extend(done.flips);
            report.restarts.extend(done.restarts);
            report.lists.extend(done.lists);
            report.phases.push(result);
        }
        Ok(report)
    }
}
