//! A shard from its records: pages first, in any order; what follows from them at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cold::{put_varint, take, take_varint};
use super::commit::key;
use super::journey_state::Kept;
use super::page::PageError;
use super::record::{Enrollment, Status};
use super::shard::{Context, Setup, Shard, State};
use super::sums::FlowRecords;
use super::touched::record_digest;
use crate::journey::catalog::{Catalog, PlanIndex};
use crate::journey::plan::NodeIndex;
use crate::model::{Format, Timestamp};

/// Why a shard cannot be restored. It stays closed then: half a state is worse than none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A page cannot be read.
    #[error("shard {shard}: the record of user {user:?} cannot be read: {error}")]
    Page {
        /// The shard.
        shard: u16,
        /// The user.
        user: String,
        /// Why.
        error: PageError,
    },
    /// A record of another kind cannot be read.
    #[error("shard {shard}: record {key} cannot be read, it is damaged or of another format")]
    Record {
        /// The shard.
        shard: u16,
        /// The key, escaped.
        key: String,
    },
    /// The last commit is of a format that this build does not read.
    #[error(
        "shard {shard}: its last commit is written in format {found}, and this build reads formats up to {reads}; \
         start the newer program again"
    )]
    Format {
        /// The shard.
        shard: u16,
        /// The format of the commit.
        found: Format,
        /// The newest that is read.
        reads: Format,
    },
    /// The records are not those that the last commit left.
    #[error("shard {shard}: {what} do not add up to the committed digest, so some are lost or foreign")]
    Digest {
        /// The shard.
        shard: u16,
        /// Which of them.
        what: &'static str,
    },
    /// The control log knows fewer journeys than the shard's records.
    #[error("shard {shard}: its records name a journey version that the control log does not know")]
    UnknownPlan {
        /// The shard.
        shard: u16,
    },
    /// Somebody stands at a node that the version does not have.
    #[error("shard {shard}: a record has somebody at node {node} of plan {plan}, which has no such node")]
    UnknownNode {
        /// The shard.
        shard: u16,
        /// The version, among all.
        plan: PlanIndex,
        /// The node, by its place in the version.
        node: NodeIndex,
    },
}

/// Collects records until the last, then makes the shard.
#[derive(Debug)]
pub struct Restore {
    state: State,
    digest: u128,
    journeys: Vec<(u16, Kept, u128)>,
    totals: Vec<(PlanIndex, Vec<u64>)>,
    flows: BTreeMap<PlanIndex, FlowRecords>,
    duplicates: Vec<DuplicateRecord>,
}

/// A record of message ids: generation, commit, what it adds to the digest, the record.
type DuplicateRecord = (u64, u64, u128, Vec<u8>);

impl Restore {
    /// Nothing yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            state: Shard::new(setup).state,
            digest: 0,
            journeys: Vec::new(),
            totals: Vec::new(),
            flows: BTreeMap::new(),
            duplicates: Vec::new(),
        }
    }

    /// Takes one record; the order does not matter, and a key comes once.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn record(&mut self, record: &[u8], value: &[u8]) -> Result<(), RestoreError> {
        let shard = self.state.setup.shard;
        let damaged = || RestoreError::Record { shard, key: record.escape_ascii().to_string() };
        let (&kind, rest) = record.split_first().ok_or_else(damaged)?;
        match kind {
            key::USER => {
                let id = std::str::from_utf8(rest).map_err(|_| damaged())?;
                self.digest = self.digest.wrapping_add(record_digest(record, value));
                let user = self.state.add_user(id);
                self.state.read_page(user, value).map_err(|error| RestoreError::Page {
                    shard,
                    user: id.to_owned(),
                    error,
                })?;
            }
            key::JOURNEY => {
                let journey = rest.try_into().map(u16::from_be_bytes).map_err(|_| damaged())?;
                let kept = Kept::decode(value).ok_or_else(damaged)?;
                self.journeys.push((journey, kept, record_digest(record, value)));
            }
            key::TOTALS => {
                let plan = rest.try_into().map(u16::from_be_bytes).map_err(|_| damaged())?;
                self.totals.push((plan, counts(value)));
                self.flows.entry(plan).or_default().totals(record_digest(record, value));
            }
            key::HOUR => {
                let (plan, hour) = rest.split_at_checked(2).ok_or_else(damaged)?;
                let plan = plan.try_into().map(u16::from_be_bytes).map_err(|_| damaged())?;
                let hour = hour.try_into().map(i64::from_be_bytes).map_err(|_| damaged())?;
                let of_plan = self.flows.entry(plan).or_default();
                of_plan.hour(Timestamp(hour), counts(value), record_digest(record, value));
            }
            key::DUPLICATES => {
                let (generation, seq) = rest.split_at_checked(8).ok_or_else(damaged)?;
                let generation = generation.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?;
                let seq = seq.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?;
                self.duplicates.push((generation, seq, record_digest(record, value), value.to_vec()));
            }
            _ => return Err(damaged()),
        }
        Ok(())
    }

    /// The shard as the commit with this meta left it, under the catalog of that meta's epoch.
    ///
    /// # Errors
    /// If the records do not add up to it.
    pub fn finish(mut self, meta: &[u8], catalog: &Arc<Catalog>) -> Result<Shard, RestoreError> {
        let Setup { shard, reads, .. } = self.state.setup;
        let meta = Meta::read(shard, meta, reads)?;
        if meta.digest != self.digest {
            return Err(RestoreError::Digest { shard, what: "the users' records" });
        }
        self.stand_somewhere(catalog)?;
        let state = &mut self.state;
        state.index_users();
        state.now = meta.now;
        state.epoch = meta.epoch;
        state.next_entry = meta.next_entry;
        state.positions = meta.positions;
        state.format = meta.format;
        state.queue_renewal();
        state.interval.seq = meta.seq;
        state.interval.digest = meta.digest;
        let scratch = super::scope::Scratch::default();
        let mut restored = Shard { catalog: Arc::clone(catalog), state: self.state, scratch };
        {
            let (mut effects, scratch) = (super::Effects::default(), &mut restored.scratch);
            let cx = Context { catalog: &restored.catalog, effects: &mut effects, scratch };
            restored.state.make_room(&cx);
        }
        let state = &mut restored.state;
        let others = state.put_duplicates(self.duplicates).wrapping_add(state.put_journeys(self.journeys));
        let others = others.wrapping_add(state.put_flows(self.totals, self.flows)?);
        if meta.others.is_some_and(|committed| committed != others) {
            return Err(RestoreError::Digest { shard, what: "the journeys' records" });
        }
        state.interval.others = others;
        restored.count_places();
        restored.derive();
        Ok(restored)
    }

    /// Whether everybody is at a node of a version that there is.
    fn stand_somewhere(&self, catalog: &Catalog) -> Result<(), RestoreError> {
        let (shard, known) = (self.state.setup.shard, catalog.plan_count());
        let enrollments = &self.state.enrollments;
        if enrollments.iter().any(|(_, e)| usize::from(e.plan) >= known) {
            return Err(RestoreError::UnknownPlan { shard });
        }
        let beyond = |e: &Enrollment| usize::from(e.node) >= catalog.plan(e.plan).nodes.len();
        match enrollments.iter().find(|(_, e)| beyond(e)) {
            Some((_, e)) => Err(RestoreError::UnknownNode { shard, plan: e.plan, node: e.node }),
            None => Ok(()),
        }
    }
}

/// Records that are no pages are put where they belong; what they add to the digest.
impl State {
    fn put_duplicates(&mut self, mut records: Vec<DuplicateRecord>) -> u128 {
        let mut sum = 0u128;
        records.sort_unstable_by_key(|(generation, seq, ..)| (*generation, *seq));
        for (generation, seq, digest, value) in &records {
            let mut bytes = value.as_slice();
            let started =
                take(&mut bytes, 8).map_or(0, |b| i64::from_le_bytes(b.try_into().unwrap_or_default()));
            let seen: Vec<u64> =
                bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
            self.dedupe.restore_generation(*generation, Timestamp(started), &seen);
            self.interval.duplicates.add((*generation, *seq), *digest);
            sum = sum.wrapping_add(*digest);
        }
        sum
    }

    fn put_journeys(&mut self, records: Vec<(u16, Kept, u128)>) -> u128 {
        let mut sum = 0u128;
        for (journey, kept, digest) in records {
            sum = sum.wrapping_add(digest);
            if let Some(state) = self.journeys.get_mut(usize::from(journey)) {
                state.set_kept(kept);
                state.sum = digest;
            }
        }
        sum
    }

    fn put_flows(
        &mut self,
        totals: Vec<(PlanIndex, Vec<u64>)>,
        flows: BTreeMap<PlanIndex, FlowRecords>,
    ) -> Result<u128, RestoreError> {
        for (plan, totals) in totals {
            let statistics = self.statistics.get_mut(usize::from(plan));
            if !statistics.is_some_and(|statistics| statistics.set_totals(&totals)) {
                let key = format!("totals of {plan}");
                return Err(RestoreError::Record { shard: self.setup.shard, key });
            }
        }
        let mut sum = 0u128;
        for (plan, records) in flows {
            let (open, sums) = records.finish();
            sum = sum.wrapping_add(sums.sum());
            if let Some(statistics) = self.statistics.get_mut(usize::from(plan)) {
                if let Some((hour, bucket)) = open {
                    statistics.set_bucket(hour, &bucket);
                }
                statistics.sums = sums;
            }
        }
        Ok(sum)
    }
}

fn counts(mut bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        found.push(take_varint(&mut bytes));
    }
    found
}

/// What a shard's meta says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// In which format the shard was written.
    pub format: Format,
    /// The number of the commit.
    pub seq: u64,
    /// The last epoch taken.
    pub epoch: u64,
    /// The shard's time.
    pub now: Timestamp,
    /// The number of the next enrollment.
    pub next_entry: u64,
    /// The sum over all pages.
    pub digest: u128,
    /// The sum over all other records of the engine, since the second format.
    pub others: Option<u128>,
    /// The sum over the records that the worker keeps beside them, since the second format.
    pub beside: Option<u128>,
    /// The next offset of each log.
    pub positions: Vec<(u8, u64)>,
}

/// Where a meta of the second format has the worker's sum: behind the format, four numbers and two sums.
const BESIDE: std::ops::Range<usize> = 65..81;

pub(super) fn encode_meta(state: &State, seq: u64, (digest, others): (u128, u128)) -> Vec<u8> {
    let mut out = vec![state.format.0];
    for n in [seq, state.epoch, state.now.0.cast_unsigned(), state.next_entry] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(&digest.to_le_bytes());
    if state.format >= Format::WHOLE_DIGEST {
        out.extend_from_slice(&others.to_le_bytes());
        // Whoever commits the shard fills it in.
        out.extend_from_slice(&0u128.to_le_bytes());
    }
    for (source, offset) in &state.positions {
        out.push(*source);
        put_varint(&mut out, *offset);
    }
    out
}

impl Meta {
    /// Puts the sum over the records beside the engine's into a meta that was just made; nothing in the first format,
    /// which has no place for it.
    pub fn put_beside(meta: &mut [u8], sum: u128) {
        if meta.first().is_some_and(|format| *format >= Format::WHOLE_DIGEST.0)
            && let Some(place) = meta.get_mut(BESIDE)
        {
            place.copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// Reads the meta of a shard.
    ///
    /// # Errors
    /// If it is of a newer format than `reads`, or damaged.
    pub fn read(shard: u16, bytes: &[u8], reads: Format) -> Result<Self, RestoreError> {
        match bytes.first() {
            Some(&found) if found > reads.0 => {
                Err(RestoreError::Format { shard, found: Format(found), reads })
            }
            _ => Self::decode(bytes).ok_or(RestoreError::Record { shard, key: "meta".to_owned() }),
        }
    }

    /// Reads a meta; `None` if it is damaged or of a format that this program does not know.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let format = Format(take(&mut bytes, 1)?[0]);
        if !(Format::FIRST..=Format::NEWEST).contains(&format) {
            return None;
        }
        let mut number = || take(&mut bytes, 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let (seq, epoch, now, next_entry) = (number()?, number()?, number()?, number()?);
        let mut sum = || take(&mut bytes, 16).and_then(|b| b.try_into().ok()).map(u128::from_le_bytes);
        let digest = sum()?;
        let (others, beside) = match format {
            Format::FIRST => (None, None),
            _ => (Some(sum()?), Some(sum()?)),
        };
        let mut positions = Vec::new();
        while let Some(source) = take(&mut bytes, 1) {
            positions.push((source[0], take_varint(&mut bytes)));
        }
        let now = Timestamp(now.cast_signed());
        Some(Self { format, seq, epoch, now, next_entry, digest, others, beside, positions })
    }
}

impl Shard {
    /// Counts who is where, from the enrollments.
    fn count_places(&mut self) {
        self.state.statistics.iter_mut().for_each(super::statistics::Statistics::clear_now);
        let mut effects = super::Effects::default();
        let cx = Context { catalog: &self.catalog, effects: &mut effects, scratch: &mut self.scratch };
        let state = &mut self.state;
        let places: Vec<_> = state.enrollments.iter().filter_map(|(h, _)| state.place(&cx, h)).collect();
        for spot in places {
            state.statistics[spot.plan].arrive(spot);
        }
    }

    /// Everything that follows from records, gates and time: gates, dates, queues, releases, timers.
    pub(super) fn derive(&mut self) {
        let mut effects = super::Effects::default();
        let mut cx = Context { catalog: &self.catalog, effects: &mut effects, scratch: &mut self.scratch };
        let state = &mut self.state;
        state.dates.clear();
        state.instants.clear();
        for (number, journey) in cx.catalog.journeys.iter().enumerate() {
            let lifecycle = &journey.lifecycle;
            let of_shard = &mut state.journeys[number];
            of_shard.gates = lifecycle.gates(state.now);
            of_shard.opened_at = lifecycle.opened_at(state.now).unwrap_or(Timestamp::MAX);
            of_shard.live = journey.live;
            of_shard.dirty = false;
            for queue in of_shard.queues.values_mut() {
                queue.waiting.clear();
            }
            state.dates.extend(lifecycle.next_date(state.now).map(|date| (date, number as u16)));
        }
        for number in 0..state.journeys.len() {
            state.requeue_release(&cx, number as u16);
        }
        // As they lie: a wheel gives its records by deadline and entry, in whatever order they were put in, and
        // memory is read forwards.
        let handles: Vec<u32> = state.enrollments.iter().map(|(handle, _)| handle).collect();
        let mut at_send = Vec::new();
        for handle in handles {
            state.arm(&mut cx, handle);
            let e = &state.enrollments[handle];
            if e.status() == Status::AtSend {
                at_send.push((e.entry(), handle));
            }
        }
        // In entry order, so that what is derived does not depend on the order of slabs.
        at_send.sort_unstable();
        for (_, handle) in at_send {
            state.requeue(&cx, handle);
        }
        // Deriving is no change: nothing of it is to be committed.
        state.interval.forget_journeys();
        for journey in &mut state.journeys {
            journey.dirty = false;
        }
        debug_assert!(state.interval.touched.is_empty());
    }
}
