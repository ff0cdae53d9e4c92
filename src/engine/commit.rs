//! Between two commits: what was touched, how it looked before, and what the commit writes.
//!
//! The page of a user is encoded when it is touched first: see [`super::touched`]. That pays twice: for the digest, and
//! for the undo that an unknown outcome of the commit needs. A commit that is known to have happened forgets the old
//! pages.

use super::cycle::Cycle;
use super::flows::Flows;
use super::input::Input;
use super::journey_state::Kept;
use super::page;
use super::profile::Profile;
use super::shard::{Context, Shard, State};
use super::statistics::{Statistics, expired};
use super::storage::NONE;
use super::touched::{Touched, record_digest};
use crate::journey::catalog::{Catalog, JourneyIndex, PlanIndex};
use crate::model::{Format, Timestamp};

/// Where a commit writes its changes: the journal's record of this shard's state.
pub trait StateSink {
    /// The record `key` has this value from now on.
    fn put(&mut self, key: &[u8], value: &[u8]);
    /// There is no record `key` any more.
    fn delete(&mut self, key: &[u8]);
}

/// What kind of record a key names: its first byte.
pub mod key {
    /// A user's page; then the user's id.
    pub const USER: u8 = b'u';
    /// A journey's state in the shard; then its number, big-endian.
    pub const JOURNEY: u8 = b'j';
    /// The totals of a version; then the plan's number, big-endian.
    pub const TOTALS: u8 = b't';
    /// One hour of a version; then the plan's number and the hour's beginning, big-endian.
    pub const HOUR: u8 = b'h';
    /// Message ids that were seen; then the generation and the commit's number, big-endian.
    pub const DUPLICATES: u8 = b'd';

    /// The key of one hour of a version: of one version they are ordered by time.
    #[must_use]
    pub fn hour(plan: super::PlanIndex, beginning: super::Timestamp) -> [u8; 11] {
        let mut key = [HOUR; 11];
        key[1..3].copy_from_slice(&plan.to_be_bytes());
        key[3..].copy_from_slice(&beginning.0.to_be_bytes());
        key
    }

    /// When the hour of such a key began; `None` if it is of another kind.
    #[must_use]
    pub fn beginning(key: &[u8]) -> Option<super::Timestamp> {
        let (&[HOUR, _, _], beginning) = key.split_first_chunk::<3>()? else { return None };
        Some(super::Timestamp(i64::from_be_bytes(beginning.try_into().ok()?)))
    }
}

/// What a commit says of the shard besides its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committing {
    /// The number of the commit, from 1.
    pub seq: u64,
    /// In which format it is written.
    pub format: Format,
    /// The shard's meta: opaque to the journal, read back by [`Shard::restore`](crate::engine::restore::Restore).
    pub meta: Vec<u8>,
    /// What was read in which order: see [`crate::engine::cycle`].
    pub cycle: Vec<u8>,
    /// Versions whose conservation identity does not hold (I13): never any, or there is a bug.
    pub not_conserved: Vec<PlanIndex>,
}

/// What happened since the last commit.
#[derive(Debug, Default)]
pub(super) struct Interval {
    pub(super) touched: Touched,
    /// What was kept of them, with what their records added to the digest.
    journeys: Vec<(JourneyIndex, Kept, u128)>,
    /// By plan: the statistics as they were committed last. Valid for the numbers in `counted`.
    statistics: Vec<Statistics>,
    counted: Vec<PlanIndex>,
    closed_hours: Vec<(PlanIndex, Timestamp, Vec<u64>)>,
    /// Hours that are too old since another one has opened.
    expired_hours: Vec<(PlanIndex, Timestamp)>,
    pub(super) cycle: Cycle,
    before: Option<Before>,
    page: Vec<u8>,
    pub(super) seq: u64,
    pub(super) digest: u128,
    /// The digest of all other records.
    pub(super) others: u128,
    pub(super) duplicates: Duplicates,
    pending_duplicates: Duplicates,
    pending_digest: u128,
    pending_others: u128,
}

/// Records of message ids that will be deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct Duplicates {
    /// Generation and commit.
    records: Vec<(u64, u64)>,
    /// What those of each generation add to the digest: all of one go together.
    sums: Vec<(u64, u128)>,
}

impl Duplicates {
    /// A record is there; what it adds.
    pub(super) fn add(&mut self, (generation, seq): (u64, u64), digest: u128) {
        self.records.push((generation, seq));
        match self.sums.iter_mut().find(|(known, _)| *known == generation) {
            Some((_, sum)) => *sum = sum.wrapping_add(digest),
            None => self.sums.push((generation, digest)),
        }
    }

    /// Those of generations before this one go, each to `gone`.
    fn forget_before(&mut self, generation: u64, mut gone: impl FnMut((u64, u64))) {
        self.records.retain(|&(of, seq)| {
            if of < generation {
                gone((of, seq));
            }
            of >= generation
        });
        self.sums.retain(|(of, _)| *of >= generation);
    }

    fn sum(&self) -> u128 {
        self.sums.iter().fold(0, |all, (_, sum)| all.wrapping_add(*sum))
    }
}

/// What is small enough to be kept whole.
#[derive(Debug)]
struct Before {
    now: Timestamp,
    epoch: u64,
    next_entry: u64,
    positions: Vec<(u8, u64)>,
    format: Format,
    renewed: usize,
    catalog: std::sync::Arc<Catalog>,
}

impl Interval {
    pub(super) fn note(&mut self, now: Timestamp, input: &Input<'_>, shard_time: Timestamp) {
        self.cycle.note(now.max(shard_time), input);
    }

    /// What deriving has touched is no change.
    pub(super) fn forget_journeys(&mut self) {
        self.journeys.clear();
    }
}

impl Shard {
    /// Before the first input of an interval: keeps what an undo needs. Without any input, the next commit says
    /// that nothing has changed.
    pub fn begin(&mut self) {
        if self.state.interval.before.is_none() {
            self.state.interval.before = Some(Before {
                now: self.state.now,
                epoch: self.state.epoch,
                next_entry: self.state.next_entry,
                positions: self.state.positions.clone(),
                format: self.state.format,
                renewed: self.state.renewal.at,
                catalog: std::sync::Arc::clone(&self.catalog),
            });
        }
    }

    /// Whether anything happened since the last commit that a commit must carry.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.state.interval.before.is_some()
    }

    /// Writes what changed since the last commit. Afterwards the journal's answer decides: [`Shard::committed`] or
    /// [`Shard::undo`].
    pub fn commit(&mut self, sink: &mut dyn StateSink) -> Committing {
        let state = &mut self.state;
        let added = state.write_pages(sink);
        let mut interval = std::mem::take(&mut state.interval);
        interval.pending_digest = interval.digest.wrapping_add(added);
        interval.pending_others = interval.others;
        state.write_journeys(&mut interval, sink);
        let not_conserved = state.write_statistics(&mut interval, sink);
        state.write_duplicates(&mut interval, sink);
        let seq = interval.seq + 1;
        let digests = (interval.pending_digest, interval.pending_others);
        let meta = super::restore::encode_meta(state, seq, digests);
        let mut cycle = Vec::new();
        interval.cycle.encode(&meta, &mut cycle);
        state.interval = interval;
        Committing { seq, format: state.format, meta, cycle, not_conserved }
    }

    /// The commit is known to have happened: what was before is forgotten, and users who left nothing behind are gone.
    pub fn committed(&mut self) {
        self.scratch.ahead.clear();
        let state = &mut self.state;
        let mut interval = std::mem::take(&mut state.interval);
        interval.seq += 1;
        interval.digest = interval.pending_digest;
        interval.others = interval.pending_others;
        interval.duplicates = std::mem::take(&mut interval.pending_duplicates);
        for user in interval.touched.emptied() {
            state.forget_if_empty(user);
        }
        interval.touched.clear();
        for (journey, ..) in interval.journeys.drain(..) {
            state.journeys[usize::from(journey)].dirty = false;
        }
        for plan in interval.counted.drain(..) {
            state.statistics[usize::from(plan)].dirty = false;
        }
        interval.closed_hours.clear();
        interval.expired_hours.clear();
        interval.cycle.clear();
        interval.before = None;
        state.dedupe.commit();
        state.renewal.committed();
        state.interval = interval;
    }

    /// The commit is known not to have happened, or its inputs are to be taken again: everything is as it was.
    pub fn undo(&mut self) {
        self.scratch.ahead.clear();
        let mut interval = std::mem::take(&mut self.state.interval);
        let Some(before) = interval.before.take() else {
            self.state.interval = interval;
            return;
        };
        let state = &mut self.state;
        state.dedupe.undo();
        for (user, page) in interval.touched.before().rev() {
            state.clear_user(user);
            if page.is_empty() {
                state.forget_if_empty(user);
            } else {
                let read = state.read_page(user, page);
                debug_assert!(read.is_ok(), "a page that was just written reads back");
            }
        }
        interval.touched.clear();
        for (journey, kept, sum) in interval.journeys.drain(..) {
            let of_shard = &mut state.journeys[usize::from(journey)];
            of_shard.set_kept(kept);
            of_shard.sum = sum;
        }
        for plan in interval.counted.drain(..) {
            state.statistics[usize::from(plan)].clone_from(&interval.statistics[usize::from(plan)]);
        }
        interval.closed_hours.clear();
        interval.expired_hours.clear();
        interval.pending_duplicates = Duplicates::default();
        interval.cycle.clear();
        state.now = before.now;
        state.epoch = before.epoch;
        state.next_entry = before.next_entry;
        state.positions = before.positions;
        if std::mem::replace(&mut state.format, before.format) == before.format {
            state.renewal.at = before.renewed;
        } else {
            state.queue_renewal();
        }
        state.journeys.truncate(before.catalog.journeys.len());
        state.statistics.truncate(before.catalog.plan_count());
        state.interval = interval;
        self.catalog = before.catalog;
        self.derive();
    }

    /// The hours of versions that were closed since the last commit, each as a row: for whoever keeps no
    /// state.
    pub fn closed_hours(&self) -> impl Iterator<Item = (PlanIndex, Timestamp, &[u64])> {
        self.state.interval.closed_hours.iter().map(|(plan, hour, row)| (*plan, *hour, row.as_slice()))
    }

    /// The sum that a restored shard must reproduce: over all users' pages, in no order. That over everything else is
    /// [`Shard::digest_of_others`].
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.state.interval.digest
    }

    /// The sum over all records that are no pages: state of journeys, totals, hours, message ids. Since the second
    /// format a restored shard must reproduce it, too.
    #[must_use]
    pub fn digest_of_others(&self) -> u128 {
        self.state.interval.others
    }

    /// The number of the last commit.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.state.interval.seq
    }
}

impl State {
    pub(super) fn touch_journey(&mut self, journey: JourneyIndex) {
        let state = &mut self.journeys[usize::from(journey)];
        if !std::mem::replace(&mut state.dirty, true) {
            self.interval.journeys.push((journey, state.kept(), state.sum));
        }
    }

    /// Statistics of a version are about to change: keeps them, once an interval, and opens the hour's bucket.
    pub(super) fn touch_statistics(&mut self, cx: &Context<'_>, plan: PlanIndex) {
        let at = usize::from(plan);
        let statistics = &mut self.statistics[at];
        if !std::mem::replace(&mut statistics.dirty, true) {
            while self.interval.statistics.len() <= at {
                self.interval.statistics.push(statistics.clone());
            }
            self.interval.statistics[at].clone_from(statistics);
            self.interval.statistics[at].dirty = false;
            self.interval.counted.push(plan);
        }
        if !statistics.is_over(self.now) {
            return;
        }
        let (zone, open) = (&cx.catalog.plan(plan).zone, statistics.open_hour().map(|(hour, _)| hour));
        if let Some((hour, bucket)) = statistics.roll(plan, self.now, zone) {
            self.interval.closed_hours.push((plan, hour, bucket));
        }
        if let (Some(open), Some((next, _))) = (open, statistics.open_hour()) {
            let expired = expired(open, next, zone).map(|hour| (plan, hour));
            self.interval.expired_hours.extend(expired);
        }
    }

    fn write_journeys(&mut self, interval: &mut Interval, sink: &mut dyn StateSink) {
        for (journey, before, sum) in &interval.journeys {
            let of_shard = &mut self.journeys[usize::from(*journey)];
            let kept = of_shard.kept();
            if kept == *before {
                continue;
            }
            let [high, low] = journey.to_be_bytes();
            let key = [key::JOURNEY, high, low];
            interval.page.clear();
            kept.encode(&mut interval.page);
            sink.put(&key, &interval.page);
            of_shard.sum = record_digest(&key, &interval.page);
            interval.pending_others = interval.pending_others.wrapping_sub(*sum).wrapping_add(of_shard.sum);
        }
    }

    fn write_statistics(&mut self, interval: &mut Interval, sink: &mut dyn StateSink) -> Vec<PlanIndex> {
        let mut not_conserved = Vec::new();
        let page = &mut interval.page;
        let mut put = |key: &[u8], counts: &[u64]| {
            page.clear();
            Flows::write(counts, page);
            sink.put(key, page);
            record_digest(key, page)
        };
        for (plan, hour, bucket) in &interval.closed_hours {
            // What it adds is among the closed hours since it was closed.
            let _ = put(&key::hour(*plan, *hour), bucket);
        }
        for &plan in &interval.counted {
            let statistics = &mut self.statistics[usize::from(plan)];
            let [high, low] = plan.to_be_bytes();
            let digest = put(&[key::TOTALS, high, low], statistics.totals());
            statistics.sums.totals(digest);
            if let Some((hour, bucket)) = statistics.open_hour() {
                let digest = put(&key::hour(plan, hour), bucket);
                statistics.sums.open(digest);
            }
            let before = interval.statistics[usize::from(plan)].sums.sum();
            let others = interval.pending_others.wrapping_sub(before);
            interval.pending_others = others.wrapping_add(statistics.sums.sum());
            if !statistics.is_conserved() {
                not_conserved.push(plan);
            }
        }
        for (plan, hour) in &interval.expired_hours {
            sink.delete(&key::hour(*plan, *hour));
        }
        not_conserved
    }

    fn write_duplicates(&self, interval: &mut Interval, sink: &mut dyn StateSink) {
        let record_key = |generation: u64, seq: u64| {
            let mut key = vec![key::DUPLICATES];
            key.extend_from_slice(&generation.to_be_bytes());
            key.extend_from_slice(&seq.to_be_bytes());
            key
        };
        let seq = interval.seq + 1;
        let mut records = interval.duplicates.clone();
        for added in self.dedupe.added() {
            let mut value = added.started.0.to_le_bytes().to_vec();
            value.extend(added.fingerprints.iter().flat_map(|f| f.to_le_bytes()));
            let key = record_key(added.generation, seq);
            sink.put(&key, &value);
            records.add((added.generation, seq), record_digest(&key, &value));
            records.forget_before(added.generation.saturating_sub(1), |(generation, seq)| {
                sink.delete(&record_key(generation, seq));
            });
        }
        let others = interval.pending_others.wrapping_sub(interval.duplicates.sum());
        interval.pending_others = others.wrapping_add(records.sum());
        interval.pending_duplicates = records;
    }

    /// Forgets a user who has neither enrollments nor a profile.
    fn forget_if_empty(&mut self, user: u32) {
        let u = self.users[user];
        if u.first != NONE || u.profile != NONE {
            return;
        }
        self.index.remove(u.id.hash(&self.ids), |handle| handle == user);
        u.id.free(&mut self.ids);
        self.users.remove(user);
    }

    /// Takes everything of a user out of the structures but the user itself.
    fn clear_user(&mut self, user: u32) {
        while self.users[user].first != NONE {
            let handle = self.users[user].first;
            self.unlink(handle);
        }
        self.profiles.remove(self.users[user].profile);
        self.users[user].profile = NONE;
    }

    /// Puts a page's profile and enrollments under a user that has none. Derived structures follow in `derive`.
    pub(super) fn read_page(&mut self, user: u32, bytes: &[u8]) -> Result<(), page::PageError> {
        let mut page = page::Page::open(bytes, self.setup.reads)?;
        self.users[user].set_stored_in(page.format);
        if !page.profile.is_empty() {
            self.users[user].profile = self.profiles.insert(page.profile);
        }
        while let Some((mut e, cold)) = page.next(user)? {
            e.cold = if cold.is_empty() { NONE } else { self.cold.insert(cold) };
            let handle = self.enrollments.insert(e);
            self.append(user, handle);
        }
        Ok(())
    }

    /// The profile of a user into the scratch; an empty one if there is none.
    pub(super) fn load_profile(&self, cx: &mut Context<'_>, user: Option<u32>) {
        let attributes = cx.catalog.attributes().names().len();
        match user.map(|u| self.users[u].profile) {
            Some(profile) if profile != NONE => {
                cx.scratch.profile.decode(self.profiles.get(profile), attributes);
            }
            _ => cx.scratch.profile.clear(attributes),
        }
    }

    pub(super) fn load_profile_of(&self, cx: &mut Context<'_>, handle: u32) {
        self.load_profile(cx, Some(self.enrollments[handle].user));
    }

    /// Stores the profile that is in the scratch. The user must have been touched.
    pub(super) fn store_profile(&mut self, cx: &mut Context<'_>, user: u32) {
        let scratch = &mut *cx.scratch;
        scratch.bytes.clear();
        scratch.profile.encode(&mut scratch.bytes);
        let old = self.users[user].profile;
        self.users[user].profile = self.profiles.replace(old, &scratch.bytes);
    }

    /// Changes a user's profile; marks that cannot matter any more go on this occasion.
    pub(super) fn change_profile(
        &mut self,
        cx: &mut Context<'_>,
        user: u32,
        change: impl FnOnce(&mut Profile),
    ) {
        self.touch(user);
        self.load_profile(cx, Some(user));
        let (now, journeys) = (self.now, &self.journeys);
        cx.scratch.profile.marks.retain(|m| {
            let over = journeys[usize::from(m.journey)].stopped_at.is_some();
            match m.kind {
                super::profile::MarkKind::Convertible => m.at >= now,
                super::profile::MarkKind::Entered | super::profile::MarkKind::Left => !over,
            }
        });
        change(&mut cx.scratch.profile);
        self.store_profile(cx, user);
    }

    /// The cold part of an enrollment into the scratch.
    pub(super) fn load_cold(&self, cx: &mut Context<'_>, handle: u32) {
        let e = &self.enrollments[handle];
        let variables = cx.catalog.plan(e.plan).variables.len();
        let bytes = if e.cold == NONE { &[][..] } else { self.cold.get(e.cold) };
        cx.scratch.cold.decode(bytes, variables);
    }

    /// Stores the cold part that is in the scratch. The user must have been touched.
    pub(super) fn store_cold(&mut self, cx: &mut Context<'_>, handle: u32) {
        let scratch = &mut *cx.scratch;
        scratch.encoded.clear();
        scratch.cold.encode(&mut scratch.encoded);
        let old = self.enrollments[handle].cold;
        self.enrollments[handle].cold = self.cold.replace(old, &scratch.encoded);
    }
}
