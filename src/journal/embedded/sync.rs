//! Group commit: whoever needs the disk waits for one fsync that serves all who came before it.
//!
//! Writers take a ticket when their bytes are in the storage's log. The first that waits forces the disk for
//! everybody who has a ticket by then; the others sleep until it is done, or until one of them has to do it
//! next. Since nobody can write while the disk is being forced, it first lets those write who have already
//! come: else each sync would serve the one or two who slipped in before it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::tail::Mark;

#[derive(Debug, Default)]
struct State {
    written: u64,
    /// Tickets up to this one have been given to the operating system.
    flushed: u64,
    /// Tickets up to this one are on the disk.
    synced: u64,
    busy: bool,
    /// How many have come to write, and how many of them are done with it.
    arrived: u64,
    left: u64,
}

impl State {
    fn done(&self, how: How) -> u64 {
        match how {
            How::Flush => self.flushed,
            How::Sync => self.synced,
        }
    }
}

/// How safe something is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Safe from the death of the process.
    Flush,
    /// Safe from a power cut.
    Sync,
}

/// The line of those who wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Group {
    state: Mutex<State>,
    done: Condvar,
    drained: Condvar,
}

/// One who has come to write, until this is dropped.
pub(super) struct Arrival<'a>(&'a Group);

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.0.lock().left += 1;
        self.0.drained.notify_one();
    }
}

impl Group {
    /// A line that goes on where another process left it: everything up to `ticket` is on the disk.
    pub(super) fn after(ticket: u64) -> Self {
        let state = State { written: ticket, flushed: ticket, synced: ticket, ..State::default() };
        Self { state: Mutex::new(state), ..Self::default() }
    }

    /// Says that somebody has come to write.
    pub(super) fn arrive(&self) -> Arrival<'_> {
        self.lock().arrived += 1;
        Arrival(self)
    }

    /// What the next write is marked with. Only who has the right to write may ask.
    pub(super) fn next_mark(&self) -> Mark {
        let state = self.lock();
        Mark { ticket: state.written + 1, synced: state.synced }
    }

    /// The ticket for what has just been written. To be taken in the order of the writes.
    pub(super) fn ticket(&self) -> u64 {
        let mut state = self.lock();
        state.written += 1;
        state.written
    }

    /// The newest ticket.
    pub(super) fn newest(&self) -> u64 {
        self.lock().written
    }

    /// Whether something written is not on the disk.
    pub(super) fn is_behind(&self) -> bool {
        let state = self.lock();
        state.synced < state.written
    }

    /// Returns when `ticket` is as safe as `how` says; `force` does it for everybody.
    pub(super) fn wait<E>(
        &self,
        ticket: u64,
        how: How,
        mut force: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut state = self.lock();
        loop {
            if state.done(how) >= ticket {
                return Ok(());
            }
            if !state.busy {
                break;
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.busy = true;
        let arrived = state.arrived;
        while state.left < arrived {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let upto = state.written;
        drop(state);
        let outcome = force();
        let mut state = self.lock();
        state.busy = false;
        if outcome.is_ok() {
            state.flushed = state.flushed.max(upto);
            if how == How::Sync {
                state.synced = state.synced.max(upto);
            }
        }
        drop(state);
        self.done.notify_all();
        outcome
    }

    /// The state is whole between two statements, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::thread;

    use super::*;

    #[test]
    fn those_who_wait_together_share_one_sync() {
        let (group, syncs) = (Group::default(), AtomicU64::new(0));
        let first = group.ticket();
        let (started, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let written = Barrier::new(9);
        thread::scope(|scope| {
            scope.spawn(|| {
                let released = released;
                group.wait(first, How::Sync, || {
                    syncs.fetch_add(1, Ordering::Relaxed);
                    started.send(()).unwrap();
                    released.recv().map_err(drop)
                })
            });
            begun.recv().unwrap();
            for _ in 0..8 {
                scope.spawn(|| {
                    let ticket = group.ticket();
                    written.wait();
                    group.wait(ticket, How::Sync, || {
                        syncs.fetch_add(1, Ordering::Relaxed);
                        Ok::<(), ()>(())
                    })
                });
            }
            written.wait();
            release.send(()).unwrap();
        });
        assert_eq!(syncs.into_inner(), 2, "one for the first, one for the eight who came meanwhile");
        assert!(!group.is_behind());
    }

    #[test]
    fn a_sync_waits_for_those_who_have_come_to_write() {
        let (group, syncs) = (Group::default(), AtomicU64::new(0));
        let sync = || {
            syncs.fetch_add(1, Ordering::Relaxed);
            Ok::<(), ()>(())
        };
        let (first, arrival) = (group.ticket(), group.arrive());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| group.wait(first, How::Sync, sync));
            let second = group.ticket();
            drop(arrival);
            waiting.join().unwrap().unwrap();
            group.wait(second, How::Sync, sync).unwrap();
        });
        assert_eq!(syncs.into_inner(), 1);
    }

    #[test]
    fn a_sync_that_fails_makes_nobody_safe() {
        let group = Group::default();
        let ticket = group.ticket();
        assert_eq!(group.wait(ticket, How::Sync, || Err("disk")), Err("disk"));
        assert!(group.is_behind());
        assert_eq!(group.wait(ticket, How::Flush, || Ok::<(), &str>(())), Ok(()));
        assert!(group.is_behind(), "what is flushed is not synced");
    }
}
