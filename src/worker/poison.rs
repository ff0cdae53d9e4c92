//! Inputs whose decision panics, which is a bug of ours (protocol 14), and what becomes of them.
//!
//! After a panic the shard is read anew from its last commit and the input tried again. A record that panics twice is a
//! dead letter with its bytes, and charged to the journey that it names or that was at work. An enrollment whose own
//! timer or release panics twice is parked, so that everybody else goes on. What can be blamed on neither ends the
//! process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cycle::Cycle;
use super::decide::{self, Bad};
use crate::engine::{Body, Charge, Input, Shard};
use crate::journal::{Journal, Kind};

/// How often an input may panic before it is a dead letter.
const PANICS_MAX: u32 = 2;

/// The code of a dead letter that panicked.
const CODE: &str = "panic";

/// Some input panicked: the turn is over.
pub(super) struct Panicked;

/// What panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A record of a log, by the engine's number of the log and its offset.
    Record(u8, u64),
    /// An enrollment of the shard, by a timer or a release of its own.
    Enrollment(u64),
    /// Nothing of which there are several.
    Shard,
}

impl Place {
    pub(super) fn of(input: &Input<'_>) -> Self {
        match input {
            Input::Record(record) => Self::Record(record.source, record.offset),
            Input::Epoch(_)
            | Input::Wake { .. }
            | Input::Release { .. }
            | Input::Renew { .. }
            | Input::Park { .. } => Self::Shard,
        }
    }

    /// For people.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Record(..) => "a record that it was to pass over",
            Self::Enrollment(_) => "a timer or a release of a user whom it was to park",
            Self::Shard => "a timer of a user who is parked, an epoch, or a queue of sends",
        }
    }
}

/// What panicked, and how often.
#[derive(Clone, Debug)]
pub(super) struct Strike {
    pub(super) shard: u16,
    pub(super) place: Place,
    pub(super) count: u32,
    /// The journey that was at work, and its user.
    blame: Option<Blame>,
}

impl Strike {
    /// Whether it cannot be got round.
    pub(super) fn is_hopeless(&self) -> bool {
        match self.place {
            Place::Shard => self.count >= PANICS_MAX,
            // To pass over it, or to park, panics too.
            Place::Record(..) | Place::Enrollment(_) => self.count > PANICS_MAX,
        }
    }

    /// Whether it is not tried again.
    pub(super) const fn is_given_up(&self) -> bool {
        self.count >= PANICS_MAX
    }

    /// Whether it is worth remembering after a commit: not what that commit has passed, or parked.
    pub(super) fn outlasts(&self, committed: &Shard) -> bool {
        match self.place {
            Place::Record(source, offset) => committed.position(source) <= offset,
            Place::Enrollment(_) => self.count < PANICS_MAX,
            Place::Shard => true,
        }
    }
}

/// Who is charged with a panic.
#[derive(Clone, Debug)]
pub(super) struct Blame(Option<(String, Option<String>)>);

impl Blame {
    /// What the engine is told instead of the record.
    pub(super) fn body(&self) -> Body<'_> {
        Body::Poison(self.0.as_ref().map(|(journey, user)| Charge { journey, user: user.as_deref() }))
    }
}

/// Why a record that panicked twice is a dead letter.
pub(crate) fn bad() -> Bad {
    Bad { code: CODE, message: "its handling panicked twice, which is a bug of the executor".to_owned() }
}

impl<J: Journal> Cycle<J> {
    /// Notes that an input of a shard panicked.
    pub(super) fn strike(&mut self, at: usize, place: Place) -> Panicked {
        let owned = &self.owned[at];
        // The shard is not whole any more, so that even asking may panic.
        let worked = catch_unwind(AssertUnwindSafe(|| owned.shard.at_work())).ok().flatten();
        let place = match &worked {
            // Parking it has not helped.
            Some(worked) if worked.by_itself && worked.parked => Place::Shard,
            Some(worked) if worked.by_itself => Place::Enrollment(worked.entry),
            _ => place,
        };
        let shard = owned.number;
        let known = self.strikes.iter().position(|s| s.shard == shard && s.place == place);
        let count = known.map_or(0, |known| self.strikes.swap_remove(known).count) + 1;
        let blame = worked.map(|worked| Blame(Some((worked.journey, Some(worked.user)))));
        self.strikes.push(Strike { shard, place, count, blame });
        Panicked
    }

    fn struck(&self, at: usize, place: Place) -> Option<&Strike> {
        let shard = self.owned[at].number;
        self.strikes.iter().find(|s| s.shard == shard && s.place == place && s.count >= PANICS_MAX)
    }

    /// Whether a record has panicked so often that it is not tried again.
    pub(super) fn is_poison(&self, at: usize, source: u8, offset: u64) -> bool {
        !self.strikes.is_empty() && self.struck(at, Place::Record(source, offset)).is_some()
    }

    /// Who is charged with a dead letter; `None` if it did not panic. A record that names its journey says so itself.
    pub(super) fn blamed(
        &self,
        at: usize,
        (source, offset, kind): (u8, u64, Kind),
        bad: &Bad,
        bytes: &[u8],
    ) -> Option<Blame> {
        if bad.code != CODE {
            return None;
        }
        let decoded = decide::decode(kind, bytes).ok();
        let named = decoded.and_then(|d| Some((d.journey()?.to_owned(), d.user().map(str::to_owned))));
        let at_work = self.struck(at, Place::Record(source, offset)).and_then(|strike| strike.blame.clone());
        Some(if named.is_some() { Blame(named) } else { at_work.unwrap_or(Blame(None)) })
    }

    /// Parks the enrollments that have panicked by themselves, before any time passes for them.
    pub(super) fn park_poison(&mut self) -> Result<(), Panicked> {
        for at in 0..self.owned.len() {
            let (number, now) = (self.owned[at].number, self.owned[at].shard.now());
            let is_due = |s: &Strike| s.shard == number && s.count >= PANICS_MAX;
            let entries: Vec<u64> = self
                .strikes
                .iter()
                .filter(|strike| is_due(strike))
                .filter_map(|strike| match strike.place {
                    Place::Enrollment(entry) => Some(entry),
                    Place::Record(..) | Place::Shard => None,
                })
                .collect();
            for entry in entries {
                let _ = self.feed(at, now, Input::Park { entry })?;
            }
        }
        Ok(())
    }
}
