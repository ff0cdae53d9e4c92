//! Gained shards on their way from the journal to the cycle: the control log up to where each stands, then its
//! records. It may be done on any thread, while other shards go on.
//!
//! A shard is restored under the journeys of the epoch that it took last; the epochs after that are fed to it
//! like any others, and its first commit acknowledges them. The control log is read to the end that it has
//! *after* the shard was gained, so that no gate that was answered before is missed (protocol 1).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cycle::{Failure, Options};
use super::desk::{Desk, Step};
use super::feed::{self, Mark};
use super::lists::{self, Lists};
use super::owned::Owned;
use crate::engine::restore::{Meta, RestoreError};
use crate::engine::{Restore, Shard};
use crate::journal::{ControlLog, Progress, Stored};
use crate::journey::catalog::Catalog;

/// Told how far a shard's restore is.
pub type OnProgress<'a> = &'a mut dyn FnMut(u16, Progress);

/// A shard that was gained, and whether that still holds: cleared when it is lost again.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) shard: u16,
    wanted: Arc<AtomicBool>,
}

impl Ticket {
    pub(super) fn new(shard: u16) -> Self {
        Self { shard, wanted: Arc::new(AtomicBool::new(true)) }
    }

    pub(super) fn cancel(&self) {
        self.wanted.store(false, Ordering::Relaxed);
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.wanted, &other.wanted)
    }

    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

/// Shards that were gained together, to be restored.
#[derive(Debug)]
pub struct Restoring<S> {
    pub(super) shards: Vec<(Ticket, S)>,
    pub(super) options: Options,
}

/// What became of one of them.
#[derive(Debug)]
pub struct Restored {
    pub(super) ticket: Ticket,
    pub(super) outcome: Result<Opened, Failure>,
}

/// A restored shard, and the accepted commands that it has not taken.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) owned: Owned,
    pub(super) steps: Vec<Arc<Step>>,
}

impl<S: Stored> Restoring<S> {
    /// How many shards there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// Restores them one after the other, each handed over as soon as it is done; one that was lost meanwhile
    /// is left.
    pub fn run(
        self,
        control: &impl ControlLog,
        progress: OnProgress<'_>,
        hand_over: &mut dyn FnMut(Restored),
    ) {
        let Self { shards, options } = self;
        let standing = match Standing::read(&shards, control) {
            Ok(standing) => standing,
            Err(failure) => {
                // One is enough: whoever is told of a failure ends.
                if let Some((ticket, _)) = shards.into_iter().next() {
                    hand_over(Restored { ticket, outcome: Err(failure) });
                }
                return;
            }
        };
        for (ticket, stored) in shards {
            if !ticket.is_wanted() {
                continue;
            }
            let panicked = Failure::Panicked { shard: ticket.shard, what: "its restore" };
            let restore = || standing.open(&ticket, stored, &options, progress);
            let outcome = catch_unwind(AssertUnwindSafe(restore)).unwrap_or(Err(panicked));
            hand_over(Restored { ticket, outcome });
        }
    }
}

/// The journeys as of the epoch that each shard took last, and what came after the earliest of them.
struct Standing {
    catalogs: BTreeMap<u64, Option<Arc<Catalog>>>,
    steps: Vec<Arc<Step>>,
}

impl Standing {
    /// Folds the control log up to where it ends now.
    fn read<S: Stored>(shards: &[(Ticket, S)], control: &impl ControlLog) -> Result<Self, Failure> {
        let end = control.control_end()?;
        let mut catalogs = BTreeMap::from([(0, Some(Arc::new(Catalog::empty())))]);
        let mut oldest = u64::MAX;
        for (ticket, stored) in shards {
            let epoch = epoch_of(ticket.shard, stored)?;
            oldest = oldest.min(epoch);
            catalogs.entry(epoch).or_insert(None);
        }
        let (mut desk, mut steps) = (Desk::new(), Vec::new());
        desk.catch_up(control, &mut |_, answered| {
            if let Ok((_, Some(step))) = answered {
                if let Some(wanted) = catalogs.get_mut(&step.epoch.number) {
                    *wanted = Some(Arc::clone(&step.epoch.catalog));
                }
                if step.epoch.number > oldest {
                    steps.push(step);
                }
            }
        })?;
        if desk.next() < end {
            let (read, end) = (desk.next(), end);
            return Err(Failure::Control { read, end });
        }
        Ok(Self { catalogs, steps })
    }

    /// Restores one shard, or makes a new one.
    fn open<S: Stored>(
        &self,
        ticket: &Ticket,
        stored: S,
        options: &Options,
        progress: OnProgress<'_>,
    ) -> Result<Opened, Failure> {
        let epoch = epoch_of(ticket.shard, &stored)?;
        let catalog = self.catalogs.get(&epoch).and_then(Option::as_ref);
        let catalog = catalog.ok_or(Failure::UnknownEpoch { shard: ticket.shard, epoch })?;
        let owned = restore(ticket, stored, catalog, options, progress)?;
        let steps = self.steps.iter().filter(|step| step.epoch.number > epoch).cloned().collect();
        Ok(Opened { owned, steps })
    }
}

fn epoch_of(shard: u16, stored: &impl Stored) -> Result<u64, RestoreError> {
    let Some(head) = stored.head() else { return Ok(0) };
    let meta = Meta::decode(&head.meta);
    Ok(meta.ok_or(RestoreError::Record { shard, key: "meta".to_owned() })?.epoch)
}

/// Restores a shard as its head says, under the journeys of the epoch that it took last. One that is lost
/// meanwhile is not whole, and nobody waits for it.
fn restore<S: Stored>(
    ticket: &Ticket,
    stored: S,
    catalog: &Arc<Catalog>,
    options: &Options,
    progress: OnProgress<'_>,
) -> Result<Owned, Failure> {
    let shard = ticket.shard;
    let (mut lists, mut marks) = (Lists::default(), BTreeMap::new());
    let setup = options.setup(shard);
    let Some(meta) = stored.head().map(|head| head.meta.clone()) else {
        return Ok(Owned::new(shard, Shard::new(setup), lists, marks));
    };
    let goes_on = |wanted: bool| if wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let (mut records, mut failed) = (Restore::new(setup), None);
    let mut told = |at| {
        progress(shard, at);
        goes_on(ticket.is_wanted())
    };
    stored.records(&mut told, &mut |key, value| {
        failed = take(&mut records, &mut lists, &mut marks, shard, key, value).err();
        goes_on(failed.is_none() && ticket.is_wanted())
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !ticket.is_wanted() {
        return Ok(Owned::new(shard, Shard::new(options.setup(shard)), lists, marks));
    }
    Ok(Owned::new(shard, records.finish(&meta, catalog)?, lists, marks))
}

fn take(
    records: &mut Restore,
    lists: &mut Lists,
    marks: &mut BTreeMap<u8, Arc<Mark>>,
    shard: u16,
    key: &[u8],
    value: &[u8],
) -> Result<(), RestoreError> {
    let damaged = || RestoreError::Record { shard, key: key.escape_ascii().to_string() };
    match key {
        [lists::KEY, ..] => lists.restore(key, value).ok_or_else(damaged),
        [feed::KEY, file] => {
            let mark: Mark = serde_json::from_slice(value).map_err(|_| damaged())?;
            marks.insert(*file, Arc::new(mark));
            Ok(())
        }
        _ => records.record(key, value),
    }
}
