//! What a shard knows of a journey as a whole: its gates as the shard has taken them, and what follows from them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::at_send::{SendQueue, Used};
use super::cold::{put_varint, take, take_varint};
use super::hold::Release;
use crate::journey::catalog::PlanIndex;
use crate::journey::plan::Rate;
use crate::lifecycle::{Gates, MovementGate};
use crate::model::Timestamp;
use crate::model::input::Selection;

/// Why a qualifying user was not let in, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RefusalReason {
    /// The journey takes no such entries: no version is live, or entry is not by this way.
    NoSuchEntry,
    /// The entry gate is shut.
    EntryShut,
    /// The event happened before the gate was last opened (G1).
    BeforeOpening,
    /// The event arrived too late (G27).
    Late,
    /// The user is inside, and may not be twice.
    Inside,
    /// The user may not enter again, or not yet (G30).
    Reentry,
    /// The user is in as many journeys as one may be.
    UserLimit,
    /// The journey's limit of entries is used up (G26).
    EntryLimit,
}

impl RefusalReason {
    /// Every reason, by number.
    pub const ALL: [Self; 8] = [
        Self::NoSuchEntry,
        Self::EntryShut,
        Self::BeforeOpening,
        Self::Late,
        Self::Inside,
        Self::Reentry,
        Self::UserLimit,
        Self::EntryLimit,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchEntry => "no_such_entry",
            Self::EntryShut => "entry_shut",
            Self::BeforeOpening => "before_opening",
            Self::Late => "late",
            Self::Inside => "inside",
            Self::Reentry => "reentry",
            Self::UserLimit => "user_limit",
            Self::EntryLimit => "entry_limit",
        }
    }
}

/// One journey in one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyState {
    /// The gates that the shard goes by.
    pub(super) gates: Gates,
    /// The latest opening of the entry gate.
    pub(super) opened_at: Timestamp,
    /// Since when movement is held.
    pub(super) held_since: Option<Timestamp>,
    /// For how many milliseconds movement was held in all, holds under way not counted (timer policy `freeze`).
    pub(super) frozen_ms: i64,
    /// When it was stopped: who is inside drains.
    pub(super) stopped_at: Option<Timestamp>,
    /// The shard's share of the entry limit, and how much of it is used.
    pub(super) granted: u64,
    pub(super) admitted: u64,
    pub(super) limit_exhausted: bool,
    /// How many wait at the door.
    pub(super) at_door: u64,
    /// Refusals by reason (G20).
    pub(super) refusals: [u64; RefusalReason::ALL.len()],
    /// Failures in the hour that began then (G17).
    pub(super) failures: u32,
    pub(super) failures_since: Timestamp,
    /// The entries for which they happened, as long as the budget is not spent; where spending it parks.
    pub(super) failing: BTreeSet<u64>,
    /// Releases under way.
    pub(super) release: Option<Release>,
    /// The queues of send nodes with a rate of their own, by node id.
    pub(super) queues: BTreeMap<Box<str>, SendQueue>,
    /// The live version, by which the queues are named.
    pub(super) live: Option<PlanIndex>,
    /// Whether it differs from what was committed last.
    pub(super) dirty: bool,
    /// What its record adds to the shard's digest; nothing if there is none.
    pub(super) sum: u128,
}

impl Default for JourneyState {
    fn default() -> Self {
        Self {
            gates: Gates { entry: crate::lifecycle::EntryGate::Shut, movement: MovementGate::Shut },
            opened_at: Timestamp::MAX,
            held_since: None,
            frozen_ms: 0,
            stopped_at: None,
            granted: 0,
            admitted: 0,
            limit_exhausted: false,
            at_door: 0,
            refusals: [0; RefusalReason::ALL.len()],
            failures: 0,
            failures_since: Timestamp::MIN,
            failing: BTreeSet::new(),
            release: None,
            queues: BTreeMap::new(),
            live: None,
            dirty: false,
            sum: 0,
        }
    }
}

impl JourneyState {
    /// The gates that the shard goes by.
    #[must_use]
    pub fn gates(&self) -> Gates {
        self.gates
    }

    /// How often entry was refused for that reason.
    #[must_use]
    pub fn refused(&self, reason: RefusalReason) -> u64 {
        self.refusals[reason as usize]
    }

    /// How many wait at the door for a share of the entry limit.
    #[must_use]
    pub fn at_door(&self) -> u64 {
        self.at_door
    }

    /// How much of the entry limit the shard was granted, and how much of that it used.
    #[must_use]
    pub fn share(&self) -> (u64, u64) {
        (self.granted, self.admitted)
    }

    /// Since when those inside drain.
    #[must_use]
    pub fn stopped_at(&self) -> Option<Timestamp> {
        self.stopped_at
    }

    /// Whether a release is under way.
    #[must_use]
    pub fn is_releasing(&self) -> bool {
        self.release.is_some()
    }

    /// How long movement was held up to `now`, a hold under way included, in milliseconds.
    pub(super) fn frozen_until(&self, now: Timestamp) -> i64 {
        self.frozen_ms + self.held_since.map_or(0, |since| now.since(since).as_millis() as i64)
    }
}

/// The part of a journey's state that is stored; the rest follows from it, the catalog, the users and the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    held_since: Option<Timestamp>,
    frozen_ms: i64,
    stopped_at: Option<Timestamp>,
    granted: u64,
    admitted: u64,
    limit_exhausted: bool,
    at_door: u64,
    refusals: [u64; RefusalReason::ALL.len()],
    failures: u32,
    failures_since: Timestamp,
    failing: BTreeSet<u64>,
    release: Option<Vec<Selection>>,
    spared: BTreeSet<u64>,
    used: BTreeMap<Box<str>, Used>,
}

impl JourneyState {
    pub(super) fn kept(&self) -> Kept {
        Kept {
            held_since: self.held_since,
            frozen_ms: self.frozen_ms,
            stopped_at: self.stopped_at,
            granted: self.granted,
            admitted: self.admitted,
            limit_exhausted: self.limit_exhausted,
            at_door: self.at_door,
            refusals: self.refusals,
            failures: self.failures,
            failures_since: self.failures_since,
            failing: self.failing.clone(),
            release: self.release.as_ref().map(|r| r.selections.clone()),
            spared: self.release.as_ref().map(|r| r.spared.clone()).unwrap_or_default(),
            used: self.queues.iter().filter_map(|(node, queue)| Some((node.clone(), queue.used?))).collect(),
        }
    }

    pub(super) fn set_kept(&mut self, kept: Kept) {
        self.held_since = kept.held_since;
        self.frozen_ms = kept.frozen_ms;
        self.stopped_at = kept.stopped_at;
        self.granted = kept.granted;
        self.admitted = kept.admitted;
        self.limit_exhausted = kept.limit_exhausted;
        self.at_door = kept.at_door;
        self.refusals = kept.refusals;
        self.failures = kept.failures;
        self.failures_since = kept.failures_since;
        self.failing = kept.failing;
        let spared = kept.spared;
        self.release = kept.release.map(|selections| Release { selections, queue: VecDeque::new(), spared });
        self.queues = kept
            .used
            .into_iter()
            .map(|(node, used)| (node, SendQueue { used: Some(used), ..SendQueue::default() }))
            .collect();
        self.dirty = false;
    }
}

const FORMAT: u8 = 2;
/// The format before: nobody was parked.
const FORMAT_BEFORE: u8 = 1;

impl Kept {
    /// Appends the stored form.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.push(u8::from(self.limit_exhausted));
        for time in [self.held_since, self.stopped_at, Some(self.failures_since)] {
            out.extend_from_slice(&time.unwrap_or(Timestamp::MAX).0.to_le_bytes());
        }
        out.extend_from_slice(&self.frozen_ms.to_le_bytes());
        let numbers = [self.granted, self.admitted, self.at_door, u64::from(self.failures)];
        for n in numbers.into_iter().chain(self.refusals) {
            put_varint(out, n);
        }
        // A release under way names somebody, so no selection means no release.
        let selections = self.release.as_deref().unwrap_or_default();
        put_varint(out, selections.len() as u64);
        for selection in selections {
            let (kind, node) = match selection {
                Selection::All => (1, ""),
                Selection::From(node) => (2, node.as_str()),
                Selection::At(node) => (3, node.as_str()),
            };
            out.push(kind);
            put_text(out, node);
        }
        for entries in [&self.failing, &self.spared] {
            put_varint(out, entries.len() as u64);
            entries.iter().for_each(|&entry| put_varint(out, entry));
        }
        for (node, used) in &self.used {
            put_text(out, node);
            put_varint(out, used.rate.count);
            put_varint(out, used.rate.unit_ms);
            out.extend_from_slice(&used.number.to_le_bytes());
        }
    }

    /// Reads the stored form; `None` if it is damaged or of another format.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let head = take(bytes, 2)?;
        let format = head[0];
        if format != FORMAT && format != FORMAT_BEFORE {
            return None;
        }
        let limit_exhausted = head[1] != 0;
        let mut number = || take(bytes, 8).and_then(|b| b.try_into().ok()).map(i64::from_le_bytes);
        let (held, stopped, failures_since, frozen_ms) = (number()?, number()?, number()?, number()?);
        let time = |ms: i64| (ms != i64::MAX).then_some(Timestamp(ms));
        let (granted, admitted, at_door) = (take_varint(bytes), take_varint(bytes), take_varint(bytes));
        let failures = take_varint(bytes) as u32;
        let mut refusals = [0; RefusalReason::ALL.len()];
        refusals.iter_mut().for_each(|n| *n = take_varint(bytes));
        let mut selections = Vec::new();
        for _ in 0..take_varint(bytes) {
            let kind = take(bytes, 1)?[0];
            let node = take_text(bytes)?;
            selections.push(match kind {
                1 => Selection::All,
                2 => Selection::From(node),
                3 => Selection::At(node),
                _ => return None,
            });
        }
        let release = (!selections.is_empty()).then_some(selections);
        let mut entries = || match format {
            FORMAT => {
                let count = take_varint(bytes);
                // Each has a byte at least: a count that is damaged is no reason to count to it.
                (count <= bytes.len() as u64).then(|| (0..count).map(|_| take_varint(bytes)).collect())
            }
            _ => Some(BTreeSet::new()),
        };
        let (failing, spared) = (entries()?, entries()?);
        let mut used = BTreeMap::new();
        while !bytes.is_empty() {
            let node = take_text(bytes)?;
            // A rate of nothing divides by zero: no such record was written.
            let rate = Rate { count: take_varint(bytes).max(1), unit_ms: take_varint(bytes).max(1) };
            let number = take(bytes, 8).and_then(|b| b.try_into().ok()).map(i64::from_le_bytes)?;
            used.insert(node.into(), Used { rate, number });
        }
        Some(Self {
            held_since: time(held),
            frozen_ms,
            stopped_at: time(stopped),
            granted,
            admitted,
            limit_exhausted,
            at_door,
            refusals,
            failures,
            failures_since: Timestamp(failures_since),
            failing,
            release,
            spared,
            used,
        })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let len = take_varint(bytes) as usize;
    take(bytes, len).and_then(|b| std::str::from_utf8(b).ok()).map(str::to_owned)
}
