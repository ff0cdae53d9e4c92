//! Records of several topics of events, brought into the order of their append times (G19).
//!
//! To decide a record lets its time pass, and every timer that is due before fires. So a record waits until all that
//! was appended before it to the shard's *other* topics is here too: a reminder never passes a purchase that a slower
//! topic still has. With one topic nothing is kept, and nothing waits.

use std::collections::VecDeque;

use crate::journal::record::Kind;
use crate::model::Timestamp;

/// How many records of an input are kept before no more are fetched.
const KEPT_MAX: usize = 10_000;

/// A record that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) kind: Kind,
    pub(super) offset: u64,
    pub(super) appended: Timestamp,
    /// Whether that is the time that its log has.
    pub(super) timed: bool,
    pub(super) bytes: Vec<u8>,
    /// Its key, if it has one.
    pub(super) key: Option<Box<[u8]>>,
}

/// The records of one shard that wait, by input.
#[derive(Debug)]
pub(super) struct Merge {
    queues: Vec<VecDeque<Kept>>,
    /// The inputs that are not fetched, since so many wait.
    paused: Vec<bool>,
}

impl Merge {
    /// For so many inputs.
    pub(super) fn new(inputs: usize) -> Self {
        Self { queues: vec![VecDeque::new(); inputs], paused: vec![false; inputs] }
    }

    /// A record of an input was polled.
    pub(super) fn push(&mut self, input: usize, kept: Kept) {
        self.queues[input].push_back(kept);
    }

    /// The next record, if nothing that was appended before it to another input can still come. `until` says up to when
    /// everything that was appended to an input has been polled, and nothing of one that is not waited for.
    pub(super) fn next(&mut self, until: impl Fn(usize) -> Option<Timestamp>) -> Option<(usize, Kept)> {
        let heads =
            self.queues.iter().enumerate().filter_map(|(n, queue)| Some((queue.front()?.appended, n)));
        let (at, input) = heads.min()?;
        let others = self.queues.iter().enumerate().filter(|(n, queue)| *n != input && queue.is_empty());
        if others.into_iter().any(|(n, _)| until(n).is_some_and(|until| until < at)) {
            return None;
        }
        self.queues[input].pop_front().map(|kept| (input, kept))
    }

    /// When the first of those that wait was appended.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.queues.iter().filter_map(|queue| Some(queue.front()?.appended)).min()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// The inputs that are to be fetched no more, or again: `true` is no more.
    pub(super) fn changes(&mut self) -> Vec<(usize, bool)> {
        let mut changes = Vec::new();
        for (n, (queue, paused)) in self.queues.iter().zip(&mut self.paused).enumerate() {
            let full = if *paused { queue.len() > KEPT_MAX / 2 } else { queue.len() >= KEPT_MAX };
            if full != *paused {
                *paused = full;
                changes.push((n, full));
            }
        }
        changes
    }

    /// Somebody has had an input fetched again.
    pub(super) fn resumed(&mut self, input: usize) {
        self.paused[input] = false;
    }

    /// Nothing has been polled yet.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.queues.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(at: i64) -> Kept {
        Kept {
            kind: Kind::Event,
            offset: at.unsigned_abs(),
            appended: Timestamp(at),
            timed: true,
            bytes: Vec::new(),
            key: None,
        }
    }

    /// What comes out while the inputs are polled up to these times; 9 is not waited for.
    fn out(merge: &mut Merge, until: [i64; 3]) -> Vec<(usize, i64)> {
        let of = |n: usize| (until[n] != 9).then_some(Timestamp(until[n]));
        let mut all = Vec::new();
        while let Some((input, kept)) = merge.next(of) {
            all.push((input, kept.appended.0));
        }
        all
    }

    #[test]
    fn records_come_in_the_order_of_their_times_and_none_before_what_may_still_come() {
        let mut merge = Merge::new(3);
        for (input, at) in [(0, 100), (0, 300), (2, 200), (2, 400)] {
            merge.push(input, kept(at));
        }
        assert_eq!(out(&mut merge, [300, 9, 400]), [(0, 100), (2, 200), (0, 300)]);
        assert_eq!((merge.len(), merge.first()), (1, Some(Timestamp(400))), "one appended at 350 may come");
        merge.push(0, kept(350));
        assert_eq!(out(&mut merge, [350, 9, 400]), [(0, 350)]);
        assert_eq!(out(&mut merge, [400, 9, 400]), [(2, 400)]);
    }

    #[test]
    fn an_input_that_is_far_ahead_is_not_fetched_until_half_of_it_is_gone() {
        let mut merge = Merge::new(2);
        (0..KEPT_MAX as i64).for_each(|at| merge.push(1, kept(at)));
        assert_eq!(merge.changes(), [(1, true)]);
        assert_eq!(merge.changes(), []);
        for left in (KEPT_MAX / 2..KEPT_MAX).rev() {
            assert_eq!(merge.changes(), [], "{left} and one are left");
            let _ = merge.next(|_| None);
        }
        assert_eq!(merge.changes(), [(1, false)]);
        assert_eq!(merge.len(), KEPT_MAX / 2);
    }
}
