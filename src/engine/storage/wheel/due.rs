//! The records whose slot has been reached, first things first.
//!
//! Those that came together lie in one array that is sorted from its end on, only as far as it is read:
//! half of what is unsorted is split off until a slice is small enough to sort. Those that come in between
//! lie in a heap. A cancelled record leaves its entry behind, which its ticket tells from a current one;
//! too many of them are swept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{DUE, Links};
use crate::model::Timestamp;

/// Entries that are sorted at once: few enough to stay in the fastest cache.
const SLICE: usize = 1024;
/// Left-over entries that are always borne.
const STALE_MIN: usize = 1024;
/// Entries for which room is kept while none is there.
const KEEP: usize = 64 * 1024;

/// A record that is due. The order of the fields is that of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) deadline: Timestamp,
    order: u64,
    pub(super) handle: u32,
    ticket: u32,
}

impl Entry {
    /// The links of the record while this entry stands for it.
    pub(super) const fn links(&self) -> Links {
        Links { before: DUE, after: self.ticket }
    }
}

#[derive(Debug, Default)]
pub(super) struct Due {
    /// Latest first. Everything from a border on is earlier than everything before it.
    collected: Vec<Entry>,
    borders: Vec<usize>,
    /// From here on `collected` is sorted.
    sorted_from: usize,
    late: BinaryHeap<Reverse<Entry>>,
    /// Entries whose record was cancelled, at most.
    stale: usize,
    next_ticket: u32,
}

impl Due {
    pub(super) fn bytes(&self) -> usize {
        (self.collected.capacity() + self.late.capacity()) * size_of::<Entry>()
            + self.borders.capacity() * size_of::<usize>()
    }

    fn entry(&mut self, deadline: Timestamp, order: u64, handle: u32) -> Entry {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        Entry { deadline, order, handle, ticket: self.next_ticket }
    }

    /// Adds a record of a slot that was reached, when nothing else is there. [`Due::sort`] must follow the
    /// last one.
    pub(super) fn collect(&mut self, deadline: Timestamp, order: u64, handle: u32) -> Links {
        let entry = self.entry(deadline, order, handle);
        self.collected.push(entry);
        entry.links()
    }

    pub(super) fn sort(&mut self) {
        self.borders.clear();
        self.sorted_from = self.collected.len();
        self.sort_slice();
    }

    /// Adds a record at its place.
    pub(super) fn insert(&mut self, deadline: Timestamp, order: u64, handle: u32) -> Links {
        let entry = self.entry(deadline, order, handle);
        self.late.push(Reverse(entry));
        entry.links()
    }

    /// When the first entry is due, current or not.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.peek().map(|entry| entry.deadline)
    }

    /// The first entry that is current. It drops those before it.
    pub(super) fn first(&mut self, is_current: impl Fn(&Entry) -> bool) -> Option<Entry> {
        loop {
            let entry = self.peek()?;
            if is_current(&entry) {
                return Some(entry);
            }
            self.pop_first();
            self.stale = self.stale.saturating_sub(1);
        }
    }

    /// Drops the first entry.
    pub(super) fn pop_first(&mut self) {
        let from_late = match (self.collected.last(), self.late.peek()) {
            (Some(collected), Some(Reverse(late))) => late < collected,
            (collected, _) => collected.is_none(),
        };
        if from_late {
            self.late.pop();
        } else {
            self.collected.pop();
            self.sort_slice();
        }
        if self.collected.is_empty() && self.late.is_empty() {
            self.stale = 0;
            self.collected.shrink_to(KEEP);
            self.late.shrink_to(KEEP);
        }
    }

    /// Notes that an entry is not current any more, and sweeps when half of them are not.
    pub(super) fn forget(&mut self, is_current: impl Fn(&Entry) -> bool) {
        self.stale += 1;
        if self.stale < STALE_MIN.max((self.collected.len() + self.late.len()) / 2) {
            return;
        }
        self.stale = 0;
        self.late.retain(|Reverse(entry)| is_current(entry));
        self.collected.retain(is_current);
        self.sort();
    }

    fn peek(&self) -> Option<Entry> {
        match (self.collected.last(), self.late.peek()) {
            (Some(collected), Some(Reverse(late))) => Some(*collected.min(late)),
            (collected, late) => collected.copied().or(late.map(|Reverse(entry)| *entry)),
        }
    }

    /// Sorts the next slice if the last one has been read.
    fn sort_slice(&mut self) {
        let len = self.collected.len();
        if len > self.sorted_from || len == 0 {
            return;
        }
        while self.borders.last().is_some_and(|&border| border >= len) {
            self.borders.pop();
        }
        let mut from = self.borders.last().copied().unwrap_or(0);
        while len - from > SLICE {
            let half = (len - from) / 2;
            self.collected[from..].select_nth_unstable_by(half, |a, b| b.cmp(a));
            from += half;
            self.borders.push(from);
        }
        self.collected[from..].sort_unstable_by(|a, b| b.cmp(a));
        self.sorted_from = from;
    }
}
