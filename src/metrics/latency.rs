//! How long things take: HDR histograms in microseconds, one set a worker, added up for a scrape.

use std::time::Duration;

use hdrhistogram::Histogram;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// From an event's arrival until it was decided.
    EventToDecision,
    /// From an event's arrival until its decision was committed.
    EventToCommit,
    /// One commit.
    Commit,
    /// From an operator's verb until every shard has committed it.
    GateFlip,
    /// From a timer's deadline until it fired.
    TimerLateness,
}

impl Stage {
    /// All stages, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::EventToDecision, Self::EventToCommit, Self::Commit, Self::GateFlip, Self::TimerLateness];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventToDecision => "event_to_decision",
            Self::EventToCommit => "event_to_commit",
            Self::Commit => "commit",
            Self::GateFlip => "gate_flip",
            Self::TimerLateness => "timer_lateness",
        }
    }
}

/// The longest that is told apart, an hour; what takes longer counts as an hour.
const LONGEST_MICROS: u64 = 3_600_000_000;
/// Two digits: an error below 1 %, in 27 KB a stage, so that adding one to another costs microseconds.
const DIGITS: u8 = 2;

/// The upper bounds of the buckets that Prometheus gets, in microseconds; above the last it is `+Inf`.
pub(super) const BOUNDS_MICROS: [u64; 17] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    60_000_000,
    600_000_000,
];

/// One stage's distribution.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    histogram: Histogram<u64>,
    /// Exact, unlike what the histogram could tell.
    sum_micros: u64,
}

impl Recorder {
    pub(super) fn new() -> Self {
        let histogram =
            Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).expect("constant bounds are valid");
        Self { histogram, sum_micros: 0 }
    }

    pub(super) fn record(&mut self, took: Duration, times: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(LONGEST_MICROS);
        self.histogram.saturating_record_n(micros, times);
        self.sum_micros = self.sum_micros.saturating_add(micros.saturating_mul(times));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.histogram.reset();
        self.sum_micros = 0;
    }

    pub(super) fn add(&mut self, other: &Self) {
        if !other.is_empty() {
            self.histogram.add(&other.histogram).expect("all recorders have the same bounds");
            self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
        }
    }

    pub(super) fn sum_secs(&self) -> f64 {
        Duration::from_micros(self.sum_micros).as_secs_f64()
    }

    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How many there were in each bucket (not up to it), its upper bound in seconds.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let mut buckets: Vec<(f64, u64)> =
            BOUNDS_MICROS.iter().map(|b| (Duration::from_micros(*b).as_secs_f64(), 0)).collect();
        buckets.push((f64::INFINITY, 0));
        for step in self.histogram.iter_recorded() {
            // The least value of the step: one that was recorded as exactly a bound belongs below it.
            let value = self.histogram.lowest_equivalent(step.value_iterated_to());
            let index = BOUNDS_MICROS.partition_point(|bound| *bound < value);
            buckets[index].1 += step.count_since_last_iteration();
        }
        buckets
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        let at = |q| Duration::from_micros(self.histogram.value_at_quantile(q));
        Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_micros(self.histogram.max()),
            count: self.count(),
        }
    }
}

/// A recorder for each stage.
pub(super) type Recorders = [Recorder; Stage::ALL.len()];

pub(super) fn recorders() -> Recorders {
    std::array::from_fn(|_| Recorder::new())
}

/// What a distribution comes to; all zero if nothing was recorded. Within 1 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half took no longer.
    pub p50: Duration,
    /// Nine in ten took no longer.
    pub p90: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
    /// All but one in a thousand took no longer.
    pub p999: Duration,
    /// None took longer.
    pub max: Duration,
    /// How many there were.
    pub count: u64,
}
