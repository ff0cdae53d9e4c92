//! Gained shards on their way from the journal to the cycle: the control log up to where each stands, then its
//! records. It may be done on any thread, while other shards go on.
//!
//! A shard is restored under the journeys of the epoch that it took last; the epochs after that are fed to it
//! like any others, and its first commit acknowledges them. The control log is read to the end that it has
//! *after* the shard was gained, so that no gate that was answered before is missed (protocol 1).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::chronicle::Chronicle;
use super::cycle::{Failure, Options};
use super::desk::Step;
use super::feed::{self, Mark, Marks};
use super::lists::{self, Lists};
use super::owned::Owned;
use crate::engine::restore::{Meta, RestoreError};
use crate::engine::{Restore, Shard, record_digest};
use crate::journal::{ControlLog, Progress, Stored};
use crate::journey::catalog::Catalog;
use crate::model::Format;

/// Told how far a shard's restore is.
pub type OnProgress<'a> = &'a mut dyn FnMut(u16, Progress);

/// A shard that was gained, and whether that still holds: cleared when it is lost again.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) shard: u16,
    /// The epoch that the shard has taken last.
    pub(super) epoch: u64,
    wanted: Arc<AtomicBool>,
}

impl Ticket {
    pub(super) fn new(shard: u16, epoch: u64) -> Self {
        Self { shard, epoch, wanted: Arc::new(AtomicBool::new(true)) }
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
    /// The oldest epoch of the worker's other shards: what comes with these must leave no gap behind theirs.
    pub(super) others: u64,
    /// The control log, as far as the worker's restores have folded it.
    pub(super) chronicle: Arc<Mutex<Chronicle>>,
}

/// What became of one of them.
#[derive(Debug)]
pub struct Restored {
    pub(super) ticket: Ticket,
    pub(super) outcome: Result<Opened, Failure>,
}

/// A restored shard, and the accepted commands that it, or another of the worker's, has not taken.
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
        let Self { shards, options, others, chronicle } = self;
        let standing = match Standing::read(&shards, others, control, &chronicle, &options) {
            Ok(standing) => standing,
            Err(failure) => {
                // Each of them is told: one that was lost meanwhile would keep it to itself, and the others wait.
                for (ticket, _) in shards {
                    hand_over(Restored { ticket, outcome: Err(failure.clone()) });
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
    catalogs: BTreeMap<u64, Arc<Catalog>>,
    steps: Vec<Arc<Step>>,
}

impl Standing {
    /// Takes from the control log, up to where it ends now, what these shards need.
    fn read<S: Stored>(
        shards: &[(Ticket, S)],
        others: u64,
        control: &impl ControlLog,
        chronicle: &Mutex<Chronicle>,
        options: &Options,
    ) -> Result<Self, Failure> {
        let mut epochs = Vec::with_capacity(shards.len());
        for (ticket, stored) in shards {
            epochs.push(epoch_of(ticket.shard, stored, options.reads)?);
        }
        let oldest = epochs.iter().copied().min().unwrap_or(u64::MAX).min(others);
        // Whoever panicked in between may have left it half folded.
        let mut chronicle = chronicle.lock().unwrap_or_else(|poisoned| {
            let mut inner = poisoned.into_inner();
            *inner = Chronicle::reading(options.reads);
            inner
        });
        chronicle.catch_up(control, oldest)?;
        let known = |epoch| Some((epoch, Arc::clone(chronicle.catalog(epoch)?)));
        let catalogs = epochs.into_iter().filter_map(known).collect();
        let steps = chronicle.since(oldest).cloned().collect();
        chronicle.trim();
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
        let again = stored.again();
        let opened = self.open_once(ticket, stored, options, progress);
        // What was beside the log may be wrong, and nothing of the log is lost.
        match (opened, again) {
            (Err(failure), Some(again)) if failure.is_of_records() => {
                let stored = again(&failure.to_string())?;
                self.open_once(ticket, stored, options, progress)
            }
            (opened, _) => opened,
        }
    }

    fn open_once<S: Stored>(
        &self,
        ticket: &Ticket,
        stored: S,
        options: &Options,
        progress: OnProgress<'_>,
    ) -> Result<Opened, Failure> {
        let epoch = epoch_of(ticket.shard, &stored, options.reads)?;
        let catalog = self.catalogs.get(&epoch);
        let catalog = catalog.ok_or(Failure::UnknownEpoch { shard: ticket.shard, epoch })?;
        let (whereabouts, mut bad) = (stored.whereabouts(), None);
        let restored = restore(ticket, stored, catalog, options, progress, &mut bad);
        let owned = restored.map_err(|failure| match (failure, whereabouts) {
            (Failure::Restore(error), Some(whereabouts)) => {
                Failure::Unreadable { error, place: whereabouts(bad.as_deref()) }
            }
            (failure, _) => failure,
        })?;
        Ok(Opened { owned, steps: self.steps.clone() })
    }
}

pub(super) fn epoch_of(shard: u16, stored: &impl Stored, reads: Format) -> Result<u64, RestoreError> {
    let Some(head) = stored.head() else { return Ok(0) };
    Ok(Meta::read(shard, &head.meta, reads)?.epoch)
}

/// Restores a shard as its head says, under the journeys of the epoch that it took last. One that is lost
/// meanwhile is not whole, and nobody waits for it. `bad` becomes the key of a record that cannot be read.
fn restore<S: Stored>(
    ticket: &Ticket,
    stored: S,
    catalog: &Arc<Catalog>,
    options: &Options,
    progress: OnProgress<'_>,
    bad: &mut Option<Vec<u8>>,
) -> Result<Owned, Failure> {
    let shard = ticket.shard;
    let (mut lists, mut marks) = (Lists::default(), Marks::default());
    let setup = options.setup(shard);
    let Some(meta) = stored.head().map(|head| head.meta.clone()) else {
        return Ok(Owned::new(shard, Shard::new(setup), options, (lists, marks)));
    };
    let goes_on = |wanted: bool| if wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let (mut records, mut failed) = (Restore::new(setup), None);
    let mut told = |at| {
        progress(shard, at);
        goes_on(ticket.is_wanted())
    };
    stored.records(&mut told, &mut |key, value| {
        failed = take(&mut records, &mut lists, &mut marks, shard, key, value).err();
        *bad = failed.as_ref().map(|_| key.to_vec());
        goes_on(failed.is_none() && ticket.is_wanted())
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !ticket.is_wanted() {
        return Ok(Owned::new(shard, Shard::new(setup), options, (lists, marks)));
    }
    let restored = records.finish(&meta, catalog)?;
    let beside = Meta::read(shard, &meta, options.reads)?.beside;
    if beside.is_some_and(|committed| committed != lists.sum().wrapping_add(marks.sum())) {
        return Err(RestoreError::Digest { shard, what: "the records of lists and files" }.into());
    }
    Ok(Owned::new(shard, restored, options, (lists, marks)))
}

fn take(
    records: &mut Restore,
    lists: &mut Lists,
    marks: &mut Marks,
    shard: u16,
    key: &[u8],
    value: &[u8],
) -> Result<(), RestoreError> {
    let damaged = || RestoreError::Record { shard, key: key.escape_ascii().to_string() };
    match key {
        [lists::KEY, ..] => lists.restore(key, value).ok_or_else(damaged),
        [feed::KEY, file] => {
            let mark: Mark = serde_json::from_slice(value).map_err(|_| damaged())?;
            marks.restore(*file, Arc::new(mark), record_digest(key, value));
            Ok(())
        }
        _ => records.record(key, value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Answered, Desk};
    use super::super::lists::Cursor;
    use super::*;
    use crate::control::{Command, Record};
    use crate::engine::{Effects, Input, StateSink};
    use crate::journal::memory::Memory;
    use crate::journal::{Again, Head, JournalError, OnRecord};
    use crate::lifecycle::Role;
    use crate::model::Timestamp;

    struct Nowhere;

    impl StateSink for Nowhere {
        fn put(&mut self, _: &[u8], _: &[u8]) {}
        fn delete(&mut self, _: &[u8]) {}
    }

    /// A shard that was empty when it committed, from a log, or from a copy of it that knows more.
    struct Copied {
        head: Head,
        records: Vec<(&'static [u8], &'static [u8])>,
        /// What reading it ends with.
        ends: Result<(), JournalError>,
        is_copy: bool,
    }

    impl Copied {
        fn of(records: &[(&'static [u8], &'static [u8])]) -> Self {
            let mut shard = Shard::new(Options::of(1).setup(0));
            shard.begin();
            let meta = shard.commit(&mut Nowhere).meta;
            let head = Head { seq: 1, meta, positions: Vec::new() };
            Self { head, records: records.to_vec(), ends: Ok(()), is_copy: true }
        }
    }

    impl Stored for Copied {
        fn head(&self) -> Option<&Head> {
            Some(&self.head)
        }

        fn records(
            self,
            _: &mut dyn FnMut(Progress) -> ControlFlow<()>,
            each: OnRecord<'_>,
        ) -> Result<u64, JournalError> {
            for (key, value) in &self.records {
                if each(key, value).is_break() {
                    break;
                }
            }
            self.ends.map(|()| self.records.len() as u64)
        }

        fn again(&self) -> Option<Again<Self>> {
            let head = self.head.clone();
            self.is_copy.then(|| {
                Box::new(|why: &str| {
                    assert!(!why.is_empty(), "it is said what is wrong");
                    Ok(Self { head, records: Vec::new(), ends: Ok(()), is_copy: false })
                }) as Again<Self>
            })
        }
    }

    fn restore_it(stored: Copied) -> Result<Opened, Failure> {
        restore_by(&Memory::new(1), stored)
    }

    fn restore_by(control: &Memory, stored: Copied) -> Result<Opened, Failure> {
        let shards = vec![(Ticket::new(0, 0), stored)];
        let restoring =
            Restoring { shards, options: Options::of(1), others: u64::MAX, chronicle: Arc::default() };
        let mut outcome = None;
        restoring.run(control, &mut |_, _| {}, &mut |restored| outcome = Some(restored.outcome));
        outcome.expect("it is handed over")
    }

    /// A page of nobody's: it reads, and the digest does not know it.
    const PAGE: (&[u8], &[u8]) = (b"uann", &[1, 0]);

    #[test]
    fn a_copy_that_does_not_add_up_is_given_up_for_the_log() {
        let damaged = || Err(JournalError::corrupt("a copy", "it is torn"));
        for (records, ends) in [
            (&[PAGE][..], Ok(())),
            (&[(&b"?what"[..], &b""[..])], Ok(())),
            (&[(&b"uann"[..], &b"\xff"[..])], Ok(())),
            (&[], damaged()),
        ] {
            let opened = restore_it(Copied { ends, ..Copied::of(records) }).expect("the log is whole");
            assert_eq!(opened.owned.shard.size(), (0, 0));
            assert_eq!(opened.owned.shard.seq(), 1);
        }
    }

    /// Has the control log say that everything is written in that format.
    fn begin_format(control: &Memory, format: Format) {
        let record = Record {
            id: "1".to_owned(),
            at: None,
            actor: "test".to_owned(),
            role: Role::Operator,
            journey: String::new(),
            expect: None,
            command: Command::Format(format),
        };
        let bytes = super::super::desk::Stored::from(record).encode();
        control.append_control(Timestamp(1), &bytes).expect("memory has room");
    }

    #[test]
    fn a_control_log_that_cannot_be_folded_fails_every_shard_the_first_of_which_was_lost() {
        let control = Memory::new(2);
        begin_format(&control, Format::NEWEST.next());
        let shards: Vec<_> = (0..2).map(|shard| (Ticket::new(shard, 0), Copied::of(&[]))).collect();
        shards[0].0.cancel();
        let chronicle = Arc::default();
        let restoring = Restoring { shards, options: Options::of(2), others: u64::MAX, chronicle };
        let mut failed = Vec::new();
        restoring.run(&control, &mut |_, _| {}, &mut |Restored { ticket, outcome }| {
            failed.push((ticket.shard, matches!(outcome, Err(Failure::Desk(_)))));
        });
        assert_eq!(failed, [(0, true), (1, true)]);
    }

    /// The head of a shard that was empty when it took the second format, with those records beside the engine's.
    fn head_of_second(control: &Memory, lists: &Lists) -> Head {
        begin_format(control, Format::WHOLE_DIGEST);
        let (mut desk, mut shard) = (Desk::new(), Shard::new(Options::of(1).setup(0)));
        let each = &mut |_: &_, answered: Answered| {
            let (_, step) = answered.expect("it follows");
            let epoch = &step.expect("it is no repeat").epoch;
            let _ = shard.handle(Timestamp(1), Input::Epoch(epoch), &mut Effects::default());
        };
        desk.catch_up(control, each).expect("it folds");
        let mut meta = shard.commit(&mut Nowhere).meta;
        Meta::put_beside(&mut meta, lists.sum());
        Head { seq: 1, meta, positions: Vec::new() }
    }

    #[test]
    fn since_the_second_format_a_cursor_that_is_older_than_its_commit_is_found() {
        let mut lists = Lists::default();
        lists.begin(3, Cursor { epoch: 1, next: 7, end: 9 });
        let value = |next: u8| [1, 0, 0, 0, 0, 0, 0, 0, next, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let (now, older): (&'static [u8], &'static [u8]) =
            (value(7).to_vec().leak(), value(6).to_vec().leak());
        for (records, is_whole) in
            [(&[(&b"l\0\x03"[..], now)][..], true), (&[(&b"l\0\x03"[..], older)], false), (&[], false)]
        {
            let control = Memory::new(1);
            let head = head_of_second(&control, &lists);
            let restored = restore_by(&control, Copied { head, is_copy: false, ..Copied::of(records) });
            match (restored, is_whole) {
                (Ok(opened), true) => assert_eq!(opened.owned.shard.format(), Format::WHOLE_DIGEST),
                (Err(failure), false) => {
                    assert!(failure.to_string().contains("the records of lists and files"), "{failure}");
                }
                (other, _) => panic!("{records:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_log_that_does_not_add_up_keeps_its_shard_closed() {
        let stored = Copied { is_copy: false, ..Copied::of(&[PAGE]) };
        let failure = restore_it(stored).expect_err("nothing else can be read").to_string();
        assert!(failure.contains("do not add up to the committed digest"), "{failure}");
    }
}
