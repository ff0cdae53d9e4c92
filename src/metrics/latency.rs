//! What is timed, and what is a rate: one set of distributions a worker, added up for a scrape.

use std::time::Duration;

use super::distribution::{DURATION, Distribution, RATE};

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
    /// From the commit of a send until the receipt that says it was delivered arrived.
    Delivery,
}

impl Stage {
    /// All stages, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::EventToDecision,
        Self::EventToCommit,
        Self::Commit,
        Self::GateFlip,
        Self::TimerLateness,
        Self::Delivery,
    ];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventToDecision => "event_to_decision",
            Self::EventToCommit => "event_to_commit",
            Self::Commit => "commit",
            Self::GateFlip => "gate_flip",
            Self::TimerLateness => "timer_lateness",
            Self::Delivery => "delivery",
        }
    }
}

/// A distribution for each stage, and that of the rates of releases.
#[derive(Clone, Debug)]
pub(super) struct Recorders {
    stages: [Distribution; Stage::ALL.len()],
    release: Distribution,
}

impl Default for Recorders {
    fn default() -> Self {
        let stages = std::array::from_fn(|_| Distribution::new(&DURATION));
        Self { stages, release: Distribution::new(&RATE) }
    }
}

impl Recorders {
    /// So many that took equally long.
    pub(super) fn took(&mut self, stage: Stage, took: Duration, times: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.stages[stage as usize].record(micros, times);
    }

    /// A release that let so many go in that time.
    pub(super) fn released(&mut self, users: u64, took: Duration) {
        let rate = users as f64 / took.as_secs_f64().max(1e-6);
        self.release.record(rate.round() as u64, 1);
    }

    pub(super) fn stage(&self, stage: Stage) -> &Distribution {
        &self.stages[stage as usize]
    }

    pub(super) fn release(&self) -> &Distribution {
        &self.release
    }

    /// Each distribution by its name in a log of intervals, in a fixed order.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, &Distribution)> {
        let stages = Stage::ALL.into_iter().map(|stage| (stage.as_str(), self.stage(stage)));
        stages.chain([("release_rate", &self.release)])
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.stages.iter_mut().zip(&other.stages).for_each(|(all, own)| all.add(own));
        self.release.add(&other.release);
    }

    /// Adds what `interval` has, and empties it.
    pub(super) fn take(&mut self, interval: &mut Self) {
        let all = self.stages.iter_mut().chain([&mut self.release]);
        let new = interval.stages.iter_mut().chain([&mut interval.release]);
        for (total, interval) in all.zip(new).filter(|(_, interval)| !interval.is_empty()) {
            total.add(interval);
            interval.clear();
        }
    }
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

impl Quantiles {
    pub(super) fn of(distribution: &Distribution) -> Self {
        let histogram = distribution.histogram();
        let at = |q| Duration::from_micros(histogram.value_at_quantile(q));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_micros(histogram.max()),
            count: histogram.len(),
        }
    }
}
