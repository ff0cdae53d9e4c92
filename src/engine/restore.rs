//! A shard from its records: pages first, in any order; what follows from them at the end.

use std::sync::Arc;

use super::cold::{put_varint, take, take_varint};
use super::commit::key;
use super::journey_state::Kept;
use super::page::PageError;
use super::record::{Enrollment, Status};
use super::shard::{Context, Setup, Shard, State};
use super::touched::page_digest;
use crate::journey::catalog::{Catalog, PlanIndex};
use crate::journey::plan::NodeIndex;
use crate::model::Timestamp;

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
    /// The records are not those that the last commit left.
    #[error("shard {shard}: the records do not add up to the committed digest, so some are lost or foreign")]
    Digest {
        /// The shard.
        shard: u16,
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
    journeys: Vec<(u16, Kept)>,
    totals: Vec<(PlanIndex, Vec<u64>)>,
    hours: Vec<(PlanIndex, Timestamp, Vec<u64>)>,
    duplicates: Vec<(u64, u64, Vec<u8>)>,
}

impl Restore {
    /// Nothing yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            state: Shard::new(setup).state,
            digest: 0,
            journeys: Vec::new(),
            totals: Vec::new(),
            hours: Vec::new(),
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
                self.digest = self.digest.wrapping_add(page_digest(record, value));
                let user = self.state.add_user(id);
                self.state.read_page(user, value).map_err(|error| RestoreError::Page {
                    shard,
                    user: id.to_owned(),
                    error,
                })?;
            }
            key::JOURNEY => {
                let journey = rest.try_into().map(u16::from_be_bytes).map_err(|_| damaged())?;
                self.journeys.push((journey, Kept::decode(value).ok_or_else(damaged)?));
            }
            key::TOTALS => {
                let plan = rest.try_into().map(u16::from_be_bytes).map_err(|_| damaged())?;
                self.totals.push((plan, counts(value)));
            }
            key::HOUR => {
                let (plan, hour) = rest.split_at_checked(2).ok_or_else(damaged)?;
                let plan = plan.try_into().map(u16::from_be_bytes).map_err(|_| damaged())?;
                let hour = hour.try_into().map(i64::from_be_bytes).map_err(|_| damaged())?;
                let newest = self.hours.iter().position(|(p, _, _)| *p == plan);
                match newest {
                    Some(at) if self.hours[at].1.0 > hour => {}
                    Some(at) => self.hours[at] = (plan, Timestamp(hour), counts(value)),
                    None => self.hours.push((plan, Timestamp(hour), counts(value))),
                }
            }
            key::DUPLICATES => {
                let (generation, seq) = rest.split_at_checked(8).ok_or_else(damaged)?;
                let generation = generation.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?;
                let seq = seq.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?;
                self.duplicates.push((generation, seq, value.to_vec()));
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
        let shard = self.state.setup.shard;
        let meta = Meta::decode(meta).ok_or(RestoreError::Record { shard, key: "meta".to_owned() })?;
        if meta.digest != self.digest {
            return Err(RestoreError::Digest { shard });
        }
        let known = catalog.plan_count();
        if self.state.enrollments.iter().any(|(_, e)| usize::from(e.plan) >= known) {
            return Err(RestoreError::UnknownPlan { shard });
        }
        let beyond = |e: &Enrollment| usize::from(e.node) >= catalog.plan(e.plan).nodes.len();
        if let Some((_, e)) = self.state.enrollments.iter().find(|(_, e)| beyond(e)) {
            return Err(RestoreError::UnknownNode { shard, plan: e.plan, node: e.node });
        }
        let state = &mut self.state;
        state.index_users();
        state.now = meta.now;
        state.epoch = meta.epoch;
        state.next_entry = meta.next_entry;
        state.positions = meta.positions;
        state.interval.seq = meta.seq;
        state.interval.digest = meta.digest;
        self.duplicates.sort_unstable_by_key(|(generation, seq, _)| (*generation, *seq));
        for (generation, seq, value) in &self.duplicates {
            let mut bytes = value.as_slice();
            let started =
                take(&mut bytes, 8).map_or(0, |b| i64::from_le_bytes(b.try_into().unwrap_or_default()));
            let seen: Vec<u64> =
                bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
            state.dedupe.restore_generation(*generation, Timestamp(started), &seen);
            state.interval.duplicates.push((*generation, *seq));
        }
        let mut shard = Shard {
            catalog: Arc::clone(catalog),
            state: self.state,
            scratch: super::scope::Scratch::default(),
        };
        {
            let mut effects = super::Effects::default();
            let cx = Context { catalog: &shard.catalog, effects: &mut effects, scratch: &mut shard.scratch };
            shard.state.make_room(&cx);
        }
        for (journey, kept) in self.journeys {
            if let Some(state) = shard.state.journeys.get_mut(usize::from(journey)) {
                state.set_kept(kept);
            }
        }
        for (plan, totals) in self.totals {
            let fits =
                shard.state.statistics.get_mut(usize::from(plan)).is_some_and(|s| s.set_totals(&totals));
            if !fits {
                return Err(RestoreError::Record {
                    shard: shard.state.setup.shard,
                    key: format!("totals of {plan}"),
                });
            }
        }
        for (plan, hour, bucket) in self.hours {
            if let Some(statistics) = shard.state.statistics.get_mut(usize::from(plan)) {
                statistics.set_bucket(hour, &bucket);
            }
        }
        shard.count_places();
        shard.derive();
        Ok(shard)
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
    /// The next offset of each log.
    pub positions: Vec<(u8, u64)>,
}

const META_FORMAT: u8 = 1;

pub(super) fn encode_meta(state: &State, seq: u64, digest: u128) -> Vec<u8> {
    let mut out = vec![META_FORMAT];
    for n in [seq, state.epoch, state.now.0.cast_unsigned(), state.next_entry] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(&digest.to_le_bytes());
    for (source, offset) in &state.positions {
        out.push(*source);
        put_varint(&mut out, *offset);
    }
    out
}

impl Meta {
    /// Reads a meta; `None` if it is damaged or of another format.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        if take(&mut bytes, 1)?[0] != META_FORMAT {
            return None;
        }
        let mut number = || take(&mut bytes, 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let (seq, epoch, now, next_entry) = (number()?, number()?, number()?, number()?);
        let digest = u128::from_le_bytes(take(&mut bytes, 16)?.try_into().ok()?);
        let mut positions = Vec::new();
        while let Some(source) = take(&mut bytes, 1) {
            positions.push((source[0], take_varint(&mut bytes)));
        }
        Some(Self { seq, epoch, now: Timestamp(now.cast_signed()), next_entry, digest, positions })
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
