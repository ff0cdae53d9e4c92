//! A result as it is stored: one JSON document.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::scenario::{On, Phase, Scenario};

/// The number of this form; another one is not read.
pub const FORM: u32 = 3;

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORM`].
    pub form: u32,
    /// What was asked for, with what was set on the command line.
    pub scenario: Scenario,
    /// What ran, by its own word.
    pub version: String,
    /// Where it ran.
    pub machine: Machine,
    /// When it began, in microseconds since 1970.
    pub began: i64,
    /// The most that the system took.
    pub saturation: Option<Saturated>,
    /// Each phase.
    pub phases: Vec<PhaseResult>,
    /// What was seen from outside, every quarter of a second.
    pub samples: Vec<Sample>,
    /// Each verb of the operator.
    pub flips: Vec<Flip>,
    /// Each instance that was ended or killed.
    pub restarts: Vec<Restart>,
    /// Each list that was uploaded.
    pub lists: Vec<ListTaken>,
    /// Why (part of) this is no result, a sentence each.
    pub void: Vec<String>,
    /// What went otherwise than asked for and is no reason against it, a sentence each.
    pub remarks: Vec<String>,
}

/// Where it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors that there are.
    pub cores: usize,
    /// Its system, by its own word.
    pub system: String,
}

/// The most that the system took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saturated {
    /// Events a second.
    pub rate: f64,
    /// Whether it was measured here, or given.
    pub measured: bool,
    /// Whether the system was the limit; otherwise it was the generator on the same machine, and it may take more.
    pub by_system: bool,
    /// The system's own time on processors for an event, in nanoseconds; 0 if it was given.
    pub cpu_ns: f64,
    /// The brokers', if it is known.
    pub broker_cpu_ns: Option<f64>,
}

/// What came out of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseResult {
    /// Its name; from the second round on with the round's number: `NAME.2`.
    pub name: String,
    /// Who had its load.
    pub on: On,
    /// The phase that it is compared with.
    pub against: Option<String>,
    /// Whether events were poured in, without a schedule: then there are no latencies.
    pub poured: bool,
    /// Events a second that were asked for, on average, warming included; of those that are poured in, those that were
    /// committed.
    pub rate: f64,
    /// When it counts, in microseconds since 1970.
    pub from: i64,
    /// Until when.
    pub to: i64,
    /// Events that were sent, warming included.
    pub events: u64,
    /// The share of events that were late.
    pub late_share: f64,
    /// By how much the latest was late, in milliseconds.
    pub late_max_ms: f64,
    /// By stage; empty if the generator did not keep its schedule.
    pub latencies: Vec<Latency>,
    /// Events that the system committed a second.
    pub throughput: f64,
    /// The system's own time on processors for an event, in nanoseconds.
    pub cpu_ns: f64,
    /// The brokers' time on processors for an event, in nanoseconds, if it is known.
    pub broker_cpu_ns: Option<f64>,
    /// The highest lag that was seen.
    pub lag_max: u64,
    /// Resident memory at the beginning, at most, and at the end, in bytes.
    pub memory: [u64; 3],
    /// Its p99 over that of the phase that it is compared with.
    pub p99_ratio: Option<f64>,
    /// Its own CPU an event over that of the phase that it is compared with.
    pub cpu_ratio: Option<f64>,
}

impl PhaseResult {
    /// Of a phase that counts from then until then; nothing is known of it yet.
    #[must_use]
    pub fn of(phase: &Phase, (from, to): (i64, i64)) -> Self {
        Self {
            name: phase.name.clone(),
            on: phase.on,
            against: phase.against.clone(),
            poured: phase.pour.is_some(),
            rate: 0.0,
            from,
            to,
            events: 0,
            late_share: 0.0,
            late_max_ms: 0.0,
            latencies: Vec::new(),
            throughput: 0.0,
            cpu_ns: 0.0,
            broker_cpu_ns: None,
            lag_max: 0,
            memory: [0; 3],
            p99_ratio: None,
            cpu_ratio: None,
        }
    }
}

/// How long something took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// What: `schedule_to_send`, `deadline_to_send`.
    pub stage: String,
    /// How many were measured.
    pub count: u64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p90: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Milliseconds.
    pub p999: f64,
    /// Milliseconds.
    pub max: f64,
    /// The curve: percentile and milliseconds.
    pub curve: Vec<(f64, f64)>,
}

impl Latency {
    /// Of a histogram of microseconds; `None` if it is empty.
    #[must_use]
    pub fn of(stage: &str, histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let steps = histogram.iter_quantiles(5);
        // What lies beyond the last value is the last value again.
        let curve = steps.filter(|step| step.count_since_last_iteration() > 0);
        let curve = curve.map(|step| (step.quantile() * 100.0, step.value_iterated_to() as f64 / 1e3));
        (!histogram.is_empty()).then(|| Self {
            stage: stage.to_owned(),
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e3,
            curve: curve.collect(),
        })
    }
}

/// One look from outside, at whoever had the load. What is counted is counted from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// At whom.
    pub on: On,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Events that the generator has sent in this phase.
    pub generated: u64,
    /// Events that the system has committed.
    pub done: u64,
    /// Events that it has not.
    pub lag: u64,
    /// Sends that a read_committed reader has seen.
    pub sends: u64,
    /// The system's time on processors, of threads that live, in nanoseconds.
    pub cpu_ns: u64,
    /// That of the load itself: generator and reader.
    pub load_cpu_ns: u64,
    /// That of the brokers, if it is known.
    pub broker_cpu_ns: Option<u64>,
    /// The system's resident memory, in bytes.
    pub memory: u64,
    /// The p99 from schedule to send since the last look, in milliseconds.
    pub p99_ms: Option<f64>,
}

impl Sample {
    /// Events a second that were committed from this look to a later one.
    #[must_use]
    pub fn rate_to(&self, later: &Self) -> f64 {
        let seconds = (later.at - self.at).max(1) as f64 / 1e6;
        later.done.saturating_sub(self.done) as f64 / seconds
    }

    /// The processors that the system had from this look to a later one.
    #[must_use]
    pub fn cores_to(&self, later: &Self) -> f64 {
        let micros = (later.at - self.at).max(1) as f64;
        later.cpu_ns.saturating_sub(self.cpu_ns) as f64 / 1e3 / micros
    }
}

/// A verb of the operator, and what the topics say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flip {
    /// The journey.
    pub journey: String,
    /// Whose verbs it has.
    pub dialect: String,
    /// The verb.
    pub verb: String,
    /// When it was to be given, in microseconds since 1970: it is given later if the one before it was answered late.
    pub due: i64,
    /// When it was given.
    pub asked: i64,
    /// When it was answered.
    pub answered: i64,
    /// 200 if every shard had taken it by then.
    pub status: u16,
    /// The server's sentence, if it was not 200.
    pub message: String,
    /// What it shut: `entry`, `movement`, both or nothing.
    pub shut: Vec<Gate>,
    /// From the question to the last start before the next verb was given, in milliseconds, if there was one: while
    /// `starts_after` is 0, the last one under the old gate.
    pub last_start_ms: Option<f64>,
    /// Starts in the second before the question that the shut gate forbids: if no verb has any, that none came after an
    /// answer proves nothing.
    pub starts_before: u64,
    /// Starts under the shut gate: appended after the answer, and before the next verb was given.
    pub starts_after: u64,
}

impl Flip {
    /// From when it was due to the answer, in microseconds.
    #[must_use]
    pub fn answer_us(&self) -> u64 {
        (self.answered - self.due).max(0) as u64
    }

    /// The same in milliseconds.
    #[must_use]
    pub fn answer_ms(&self) -> f64 {
        self.answer_us() as f64 / 1e3
    }
}

/// One of the two gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// May somebody be enrolled?
    Entry,
    /// May a node start?
    Movement,
}

/// An instance that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restart {
    /// Which one.
    pub instance: u16,
    /// Whether it was killed rather than asked.
    pub killed: bool,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// How long until all instances were ready again, in milliseconds.
    pub ready_ms: f64,
}

/// An audience list that was uploaded, and what the topics say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListTaken {
    /// The journey.
    pub journey: String,
    /// How many rows it had.
    pub rows: u64,
    /// When the upload began, in microseconds since 1970.
    pub asked: i64,
    /// When it was answered.
    pub uploaded: i64,
    /// How many of its rows entered.
    pub entered: u64,
    /// How many entered once more, each time counted.
    pub twice: u64,
    /// How many entered who were no rows of it.
    pub strangers: u64,
    /// From the answer to the last one's entry, in milliseconds, if anybody entered.
    pub took_ms: Option<f64>,
}

impl ListTaken {
    /// One of so many rows, of which nothing is known yet.
    #[must_use]
    pub fn new(journey: &str, rows: u64) -> Self {
        let journey = journey.to_owned();
        Self { journey, rows, asked: 0, uploaded: 0, entered: 0, twice: 0, strangers: 0, took_ms: None }
    }

    /// Whether each row was taken once, and nobody else.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.entered == self.rows && self.twice == 0 && self.strangers == 0
    }
}
