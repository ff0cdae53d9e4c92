//! Where workers hand over what they have counted, and scrapes find it.
//!
//! A worker hands over a box by swapping a pointer, and so waits for nobody. Whoever shows takes the box, adds it to
//! what was taken before, under a lock that no worker knows, and leaves it empty for the next time. A box that nobody
//! has taken yet is taken back by its worker and filled further.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::atomic::AtomicCell;

use super::counters::{Counters, Gauges};
use super::latency::{Quantiles, Recorders, Stage};
use super::render::Snapshot;
use super::worker::{JourneyCounts, ShardNumbers, WorkerMetrics};

/// Which journey and version: dense, in the order in which they were made known to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JourneyIndex(u32);

impl JourneyIndex {
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

/// A journey's version, formatted once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JourneyLabel {
    /// The journey's id.
    pub journey: String,
    /// Its version.
    pub version: String,
}

/// Takes over what workers count, and shows it. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    workers: Vec<Slot>,
    /// Recorded by others than workers: rare, so one lock will do.
    control: Mutex<Recorders>,
    labels: Mutex<Labels>,
    journeys_max: usize,
    answers: [AtomicU64; ANSWER_CLASSES.len()],
    shards: AtomicU64,
    control_epoch: AtomicU64,
    commands_pending: AtomicU64,
    /// Whether events are being processed, as health said last.
    ready: AtomicBool,
}

/// The classes of status codes, by their first digit less one.
pub(super) const ANSWER_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Between one worker and whoever shows.
#[derive(Default)]
struct Slot {
    /// What the worker has handed over and nobody has taken.
    handed: AtomicCell<Option<Box<Handed>>>,
    /// A box that was emptied, for the worker.
    spare: AtomicCell<Option<Box<Handed>>>,
    /// What was taken; locked by those who show.
    taken: Mutex<Taken>,
}

const _: () = assert!(AtomicCell::<Option<Box<Handed>>>::is_lock_free(), "a worker waits for nobody");

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// Totals as of the last hand-over, and what was timed or touched since somebody took the last.
#[derive(Debug, Default)]
struct Handed {
    counters: Counters,
    gauges: Gauges,
    shards: Vec<(u16, ShardNumbers)>,
    stages: Recorders,
    journeys: BTreeMap<JourneyIndex, JourneyCounts>,
}

impl Handed {
    fn fill(&mut self, metrics: &mut WorkerMetrics) {
        self.counters = metrics.counters;
        self.gauges = metrics.gauges;
        self.shards.clone_from(&metrics.shards);
        self.stages.take(&mut metrics.stages);
        for index in metrics.touched.drain(..) {
            self.journeys.entry(index).or_default().clone_from(&metrics.journeys[index.at()]);
        }
    }
}

/// Everything that a worker has handed over.
#[derive(Debug, Default)]
struct Taken {
    counters: Counters,
    gauges: Gauges,
    shards: Vec<(u16, ShardNumbers)>,
    stages: Recorders,
    /// By index.
    journeys: Vec<JourneyCounts>,
}

impl Taken {
    /// Leaves the box empty, but for what is written over.
    fn take(&mut self, handed: &mut Handed) {
        self.counters = handed.counters;
        self.gauges = handed.gauges;
        std::mem::swap(&mut self.shards, &mut handed.shards);
        self.stages.take(&mut handed.stages);
        while let Some((index, counts)) = handed.journeys.pop_first() {
            if index.at() >= self.journeys.len() {
                self.journeys.resize_with(index.at() + 1, JourneyCounts::default);
            }
            self.journeys[index.at()] = counts;
        }
    }
}

impl Slot {
    /// What the worker has handed over until now.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        let mut taken = lock(&self.taken);
        if let Some(mut handed) = self.handed.take() {
            taken.take(&mut handed);
            self.spare.store(Some(handed));
        }
        taken
    }
}

#[derive(Debug, Default)]
struct Labels {
    known: BTreeMap<(String, u32), JourneyIndex>,
    /// By index.
    labels: Vec<JourneyLabel>,
}

/// Numbers are whole after a panic elsewhere: a scrape must still be able to show them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// For so many workers, numbered from 0; `journeys_max` versions of journeys get lines of their own.
    #[must_use]
    pub fn new(workers: usize, journeys_max: usize) -> Self {
        Self(Arc::new(Inner {
            workers: (0..workers).map(|_| Slot::default()).collect(),
            control: Mutex::new(Recorders::default()),
            labels: Mutex::default(),
            journeys_max,
            answers: std::array::from_fn(|_| AtomicU64::new(0)),
            shards: AtomicU64::new(0),
            control_epoch: AtomicU64::new(0),
            commands_pending: AtomicU64::new(0),
            ready: AtomicBool::new(false),
        }))
    }

    /// The index of a journey's version; the same for the same. Asked when a plan is compiled, not for an
    /// event.
    #[must_use]
    pub fn journey(&self, id: &str, version: u32) -> JourneyIndex {
        let mut labels = lock(&self.0.labels);
        if let Some(index) = labels.known.get(&(id.to_owned(), version)) {
            return *index;
        }
        let index =
            JourneyIndex(u32::try_from(labels.labels.len()).expect("fewer than 2^32 versions are published"));
        labels.labels.push(JourneyLabel { journey: id.to_owned(), version: version.to_string() });
        labels.known.insert((id.to_owned(), version), index);
        index
    }

    /// Shows what is so in a worker that has nothing to count yet: how far its restore is.
    ///
    /// # Panics
    /// If the hub was made for fewer workers.
    pub fn restoring(&self, worker: usize, gauges: Gauges) {
        let slot = self.0.workers.get(worker).expect("the hub was made for as many workers as there are");
        slot.taken().gauges = gauges;
    }

    /// Takes over what a worker has counted: its totals are copied, its latencies added and cleared. For one thread
    /// a worker, which waits for nobody.
    ///
    /// # Panics
    /// If the hub was made for fewer workers.
    pub fn publish(&self, worker: usize, metrics: &mut WorkerMetrics) {
        let slot = self.0.workers.get(worker).expect("the hub was made for as many workers as there are");
        let handed = slot.handed.take().or_else(|| slot.spare.take());
        let mut handed = handed.unwrap_or_default();
        handed.fill(metrics);
        slot.handed.store(Some(handed));
    }

    /// One more of a stage that no worker times, such as a gate flip.
    pub fn record(&self, stage: Stage, took: Duration) {
        lock(&self.0.control).took(stage, took, 1);
    }

    /// The commands up to this number are known.
    pub fn folded(&self, epoch: u64) {
        self.0.control_epoch.fetch_max(epoch, Ordering::Relaxed);
    }

    /// The journal has so many shards.
    pub fn shards(&self, shards: u16) {
        self.0.shards.store(u64::from(shards), Ordering::Relaxed);
    }

    /// One more command that was answered before every shard had taken it.
    pub fn pending(&self) {
        self.0.commands_pending.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether events are being processed, as `/readyz` would say now.
    pub fn ready(&self, is: bool) {
        self.0.ready.store(is, Ordering::Relaxed);
    }

    /// One more request that was answered with this status.
    pub fn answered(&self, status: u16) {
        if let Some(class) =
            usize::from(status / 100).checked_sub(1).and_then(|class| self.0.answers.get(class))
        {
            class.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The quantiles of a stage since the process started, over all workers.
    #[must_use]
    pub fn quantiles(&self, stage: Stage) -> Quantiles {
        Quantiles::of(self.recorders().stage(stage))
    }

    /// All distributions since the process started, over all workers.
    pub(super) fn recorders(&self) -> Recorders {
        let mut all = lock(&self.0.control).clone();
        self.0.workers.iter().for_each(|slot| all.add(&slot.taken().stages));
        all
    }

    /// All journeys' versions with their counts over all workers, by journey and version.
    #[must_use]
    pub fn journeys(&self) -> Vec<(JourneyLabel, JourneyCounts)> {
        // Copied before the labels: whatever a worker has an index for has a label by then.
        let slots: Vec<Vec<JourneyCounts>> =
            self.0.workers.iter().map(|slot| slot.taken().journeys.clone()).collect();
        let labels = lock(&self.0.labels);
        let mut all = Vec::with_capacity(labels.labels.len());
        for index in labels.known.values() {
            let mut counts = JourneyCounts::default();
            for share in slots.iter().filter_map(|slot| slot.get(index.at())) {
                counts.add(share);
            }
            all.push((labels.labels[index.at()].clone(), counts));
        }
        all
    }

    /// Everything, in the text form that [`CONTENT_TYPE`](super::CONTENT_TYPE) names.
    #[must_use]
    pub fn render(&self) -> String {
        self.snapshot().render()
    }

    fn snapshot(&self) -> Snapshot {
        let (mut workers, mut shards) = (Vec::with_capacity(self.0.workers.len()), Vec::new());
        for slot in &self.0.workers {
            let slot = slot.taken();
            workers.push((slot.counters, slot.gauges));
            shards.extend_from_slice(&slot.shards);
        }
        let answers = std::array::from_fn(|class| self.0.answers[class].load(Ordering::Relaxed));
        // One that moves from one worker to another may be shown by both for a moment.
        shards.sort_unstable_by_key(|(shard, _)| *shard);
        shards.dedup_by_key(|(shard, _)| *shard);
        Snapshot {
            workers,
            shards,
            shards_all: self.0.shards.load(Ordering::Relaxed),
            control_epoch: self.0.control_epoch.load(Ordering::Relaxed),
            commands_pending: self.0.commands_pending.load(Ordering::Relaxed),
            ready: self.0.ready.load(Ordering::Relaxed),
            stages: self.recorders(),
            journeys: self.journeys(),
            journeys_max: self.0.journeys_max,
            answers,
        }
    }
}
