//! The control log as shards that are restored need it: the journeys of the epoch that each took last, and the steps
//! since. It is folded once: whoever comes later goes on from there.
//!
//! Kept are the last steps, and the journeys before them: a shard that stands behind that, having been with nobody for
//! long, has the log folded from its beginning.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cycle::Failure;
use super::desk::{Desk, Step};
use crate::journal::ControlLog;
use crate::journey::catalog::Catalog;
use crate::model::Format;

/// How many steps are kept: each holds the journeys as they were then.
const STEPS_MAX: usize = 64;

/// The control log, as far as it was folded.
#[derive(Debug)]
pub(super) struct Chronicle {
    desk: Desk,
    /// The epoch before the steps, and its journeys.
    floor: (u64, Arc<Catalog>),
    steps: VecDeque<Arc<Step>>,
    reads: Format,
}

impl Default for Chronicle {
    fn default() -> Self {
        Self::reading(Format::NEWEST)
    }
}

impl Chronicle {
    /// Of a program that reads formats up to this one.
    pub(super) fn reading(reads: Format) -> Self {
        let desk = Desk::reading(reads);
        Self { desk, reads, floor: (0, Arc::new(Catalog::empty())), steps: VecDeque::new() }
    }
}

impl Chronicle {
    /// Folds what the log has by now; afterwards epochs from `oldest` on are known.
    pub(super) fn catch_up(&mut self, control: &impl ControlLog, oldest: u64) -> Result<(), Failure> {
        let end = control.control_end()?;
        if self.floor.0 > oldest {
            *self = Self::reading(self.reads);
        }
        let Self { desk, floor, steps, .. } = self;
        let caught = desk.catch_up(control, &mut |_, answered| {
            let Ok((_, Some(step))) = answered else { return };
            steps.push_back(step);
            if steps.len() > STEPS_MAX
                && let Some(step) = steps.pop_front_if(|first| first.epoch.number <= oldest)
            {
                *floor = (step.epoch.number, Arc::clone(&step.epoch.catalog));
            }
        });
        if let Err(error) = caught {
            // A record that cannot be read must not be passed over by whoever comes next.
            *self = Self::reading(self.reads);
            return Err(error.into());
        }
        if self.desk.next() < end {
            return Err(Failure::Control { read: self.desk.next(), end });
        }
        Ok(())
    }

    /// The journeys as of an epoch that shards have taken; `None` if the log has none of that number.
    pub(super) fn catalog(&self, epoch: u64) -> Option<&Arc<Catalog>> {
        if epoch == self.floor.0 {
            return Some(&self.floor.1);
        }
        let at = self.steps.binary_search_by_key(&epoch, |step| step.epoch.number).ok()?;
        Some(&self.steps[at].epoch.catalog)
    }

    /// What came after an epoch.
    pub(super) fn since(&self, epoch: u64) -> impl Iterator<Item = &Arc<Step>> {
        self.steps.iter().filter(move |step| step.epoch.number > epoch)
    }

    /// Lets go of steps that nobody who comes now is likely to need.
    pub(super) fn trim(&mut self) {
        while self.steps.len() > STEPS_MAX
            && let Some(step) = self.steps.pop_front()
        {
            self.floor = (step.epoch.number, Arc::clone(&step.epoch.catalog));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::control::{Command, Record};
    use crate::journal::memory::Memory;
    use crate::journal::{ControlRecord, IntakeError, JournalError};
    use crate::journey::source::load;
    use crate::lifecycle::Role;
    use crate::model::Timestamp;
    use crate::worker::desk::Stored;

    /// A control log that counts what is read of it.
    struct Counted(Memory, AtomicUsize);

    impl ControlLog for Counted {
        fn append_control(&self, now: Timestamp, bytes: &[u8]) -> Result<ControlRecord, IntakeError> {
            self.0.append_control(now, bytes)
        }
        fn read_control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
            let read = self.0.read_control(offset, max)?;
            self.1.fetch_add(read.len(), Ordering::Relaxed);
            Ok(read)
        }
        fn control_end(&self) -> Result<u64, JournalError> {
            self.0.control_end()
        }
        fn wait_control(&self, offset: u64, at_most: Duration) {
            self.0.wait_control(offset, at_most);
        }
    }

    impl Counted {
        fn new() -> Self {
            Self(Memory::new(1), AtomicUsize::new(0))
        }

        /// Appends drafts of so many journeys, from number `from` on: each is a step.
        fn put(&self, from: usize, count: usize) {
            for n in from..from + count {
                let text = format!(
                    "id = \"j{n}\"\ndialect = \"clevertap\"\n[entry]\nevent = \"E\"\n\
                     [[node]]\nid = \"end\"\ntype = \"exit\"\n"
                );
                let definition = Box::new(load("test.toml", text.as_bytes()).expect("it is right"));
                let record = Record {
                    id: n.to_string(),
                    at: None,
                    actor: "test".to_owned(),
                    role: Role::Operator,
                    journey: format!("j{n}"),
                    expect: None,
                    command: Command::Put { definition },
                };
                let bytes = Stored::from(record).encode();
                self.append_control(Timestamp(1), &bytes).expect("memory has room");
            }
        }

        /// What was read since this was asked last.
        fn read(&self) -> usize {
            self.1.swap(0, Ordering::Relaxed)
        }
    }

    /// The epochs of the steps after one, if its journeys are known.
    fn since(chronicle: &Chronicle, epoch: u64) -> Option<Vec<u64>> {
        chronicle.catalog(epoch)?;
        Some(chronicle.since(epoch).map(|step| step.epoch.number).collect())
    }

    #[test]
    fn each_command_is_folded_once() {
        let (log, mut chronicle) = (Counted::new(), Chronicle::default());
        log.put(0, 5);
        chronicle.catch_up(&log, 0).expect("it folds");
        assert_eq!((log.read(), since(&chronicle, 3)), (5, Some(vec![4, 5])));
        chronicle.catch_up(&log, 4).expect("it folds");
        assert_eq!((log.read(), since(&chronicle, 5)), (0, Some(vec![])));
        log.put(5, 2);
        chronicle.catch_up(&log, 5).expect("it folds");
        assert_eq!((log.read(), since(&chronicle, 5)), (2, Some(vec![6, 7])));
    }

    #[test]
    fn whoever_stands_behind_what_is_kept_has_it_folded_anew() {
        let (log, mut chronicle) = (Counted::new(), Chronicle::default());
        let all = STEPS_MAX + 40;
        log.put(0, all);
        chronicle.catch_up(&log, 10).expect("it folds");
        assert_eq!(log.read(), all);
        assert_eq!(since(&chronicle, 10), Some((11..=all as u64).collect()));
        chronicle.trim();
        assert_eq!(since(&chronicle, 40), Some((41..=all as u64).collect()), "the floor is known");
        assert_eq!(since(&chronicle, 39), None);
        assert_eq!(chronicle.steps.len(), STEPS_MAX);
        chronicle.catch_up(&log, 39).expect("it folds");
        assert_eq!((log.read(), since(&chronicle, 39)), (all, Some((40..=all as u64).collect())));
        assert_eq!(since(&chronicle, all as u64 + 1), None, "the log has no such epoch");
    }

    #[test]
    fn a_record_that_cannot_be_read_is_passed_over_by_nobody() {
        let (log, mut chronicle) = (Counted::new(), Chronicle::default());
        log.put(0, 2);
        chronicle.catch_up(&log, 0).expect("it folds");
        log.append_control(Timestamp(1), br#"{"record":{"of":"another build"}}"#).expect("memory has room");
        log.put(2, 1);
        for _ in 0..2 {
            let failure = chronicle.catch_up(&log, 2).expect_err("it cannot be read").to_string();
            assert!(failure.contains("record 2 of the control log cannot be read"), "{failure}");
        }
    }
}
