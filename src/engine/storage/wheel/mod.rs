//! Says whose time has come: a hierarchical timing wheel whose links lie in the caller's records.
//!
//! Level k has 64 slots of 64ᵏ ms, and there are as many levels as any 64-bit time needs, so there is no
//! horizon and no overflow list. A deadline lies at the level of the highest base-64 digit in which it
//! differs from the wheel's own time; a slot that is reached is spread over the levels below, a slot of one
//! millisecond goes to the due buffer, which is sorted. Bitmaps say which slots are taken: a jump
//! over years looks at a few words.
//!
//! *Order.* Records leave in the order of (deadline, [`Timed::order`]), whatever their handles and whenever
//! they came.
//!
//! *Cost.* Insert and cancel touch the record and at most two neighbours. A record is touched once more for
//! each level that it falls through: three times for half an hour. Ten million records due in one
//! millisecond are collected in one go, as the first cannot be known before (one touch each); they are
//! sorted in slices as they are popped.
//!
//! *Lazy deadlines.* The caller may write a **later** deadline into a record and leave the wheel alone:
//! when the record comes due, the wheel asks for its deadline and files it again. An **earlier** one needs
//! [`Wheel::insert`] again.

mod due;

use super::{NONE, Slab};
use crate::model::Timestamp;
use due::{Due, Entry};

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// 11 × 6 bits hold any 64-bit time.
const LEVELS: usize = 64usize.div_ceil(DIGIT_BITS as usize);

/// In `Links::before`: this bit and the slot of which the record is the first.
const FIRST: u32 = 1 << 31;
/// In `Links::before`: the record is in the due buffer, and `after` is its ticket there.
const DUE: u32 = NONE - 1;
const _: () = assert!(FIRST as usize + LEVELS * SLOTS < DUE as usize);

/// What the wheel keeps in a record: 8 bytes. The default is that of a record that has no timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    before: u32,
    after: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { before: NONE, after: NONE }
    }
}

impl Links {
    /// Whether the record is in a wheel.
    #[must_use]
    pub const fn is_linked(&self) -> bool {
        self.before != NONE
    }
}

/// A record with one timer.
pub trait Timed {
    /// The wheel's links. Only the wheel changes them.
    fn links(&self) -> &Links;
    /// The wheel's links. Only the wheel changes them.
    fn links_mut(&mut self) -> &mut Links;
    /// When the record is due. While the record is in a wheel it may become later, never earlier.
    fn deadline(&self) -> Timestamp;
    /// Which of two records due at the same time comes first: the lower. Unique, and the same after a
    /// restore.
    fn order(&self) -> u64;
}

/// The timers of one slab. It must always be given the same slab.
#[derive(Debug)]
pub struct Wheel {
    /// The first record of each slot, or [`NONE`].
    heads: Box<[[u32; SLOTS]; LEVELS]>,
    /// Per level, which slots are taken.
    taken: [u64; LEVELS],
    /// Which levels have a slot that is taken.
    levels: u16,
    /// Everything earlier is in `due`, everything in the slots is at or after it. See [`key`].
    time: u64,
    /// No slot that is taken starts earlier. It may be too low after a cancel.
    next_start: u64,
    due: Due,
    len: usize,
}

/// A time as the wheel counts: ordered like the timestamp, without a sign. The last one stands for
/// [`Timestamp::MAX`] too, so that there is always a time after it.
const fn key(at: Timestamp) -> u64 {
    let key = at.0.cast_unsigned() ^ (1 << 63);
    if key == u64::MAX { u64::MAX - 1 } else { key }
}

const fn timestamp(key: u64) -> Timestamp {
    Timestamp((key ^ (1 << 63)).cast_signed())
}

impl Wheel {
    /// An empty wheel. `start` is about the present: a wheel is fast for deadlines after it, and right for
    /// all.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self {
            heads: Box::new([[NONE; SLOTS]; LEVELS]),
            taken: [0; LEVELS],
            levels: 0,
            time: key(start),
            next_start: u64::MAX,
            due: Due::default(),
            len: 0,
        }
    }

    /// How many records are in the wheel.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no record is in the wheel.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory in use, in bytes, without the links in the records.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.heads) + self.due.bytes()
    }

    /// Puts a record in, or files it anew if it is in. `deadline` is its deadline; if that has passed, it
    /// is due at once.
    ///
    /// # Panics
    /// If the handle is not in use.
    pub fn insert<T: Timed>(&mut self, slab: &mut Slab<T>, handle: u32, deadline: Timestamp) {
        if slab[handle].links().is_linked() {
            self.cancel(slab, handle);
        }
        self.len += 1;
        self.file(slab, handle, deadline);
    }

    /// Takes a record out; nothing happens if it is not in. A record must be taken out before it leaves the
    /// slab.
    ///
    /// # Panics
    /// If the handle is not in use.
    pub fn cancel<T: Timed>(&mut self, slab: &mut Slab<T>, handle: u32) {
        let Links { before, after } = std::mem::take(slab[handle].links_mut());
        match before {
            NONE => return,
            DUE => self.due.forget(|entry| entry.is_current(slab)),
            _ => {
                if after != NONE {
                    slab[after].links_mut().before = before;
                }
                if before & FIRST == 0 {
                    slab[before].links_mut().after = after;
                } else {
                    let slot = (before & !FIRST) as usize;
                    self.heads[slot / SLOTS][slot % SLOTS] = after;
                    if after == NONE {
                        self.release(slot / SLOTS, slot % SLOTS);
                    }
                }
            }
        }
        self.len -= 1;
    }

    /// Takes out the earliest record whose deadline is at or before `now`, or before it if not `inclusive`.
    ///
    /// Records leave in the order of (deadline, order) of those that are in. One that is put in between two
    /// calls comes in its place, or at once if its place has passed. It costs two comparisons while nothing
    /// is due. `now` may go back.
    pub fn pop_due<T: Timed>(&mut self, slab: &mut Slab<T>, now: Timestamp, inclusive: bool) -> Option<u32> {
        let last = if inclusive { now } else { Timestamp(now.0.checked_sub(1)?) };
        let last_key = key(last);
        loop {
            while let Some(entry) = self.due.first(|entry| entry.is_current(slab)) {
                if entry.deadline > last {
                    return None;
                }
                self.due.pop_first();
                let deadline = slab[entry.handle].deadline();
                if deadline > entry.deadline {
                    self.file(slab, entry.handle, deadline);
                    continue;
                }
                *slab[entry.handle].links_mut() = Links::default();
                self.len -= 1;
                return Some(entry.handle);
            }
            if self.next_start > last_key {
                // No slot starts before this, so the slots stay as they are.
                self.time = self.time.max(last_key + 1);
                return None;
            }
            match self.first_slot() {
                Some((level, slot, start)) if start <= last_key => self.open(slab, level, slot, start),
                first => self.next_start = first.map_or(u64::MAX, |(_, _, start)| start),
            }
        }
    }

    /// A time at which it is worth calling [`Wheel::pop_due`] again; `None` if the wheel is empty.
    ///
    /// It is never later than the earliest deadline, and it is that deadline if that is near; else it is
    /// the start of the slot in which it lies. After `pop_due(now, true)` has given `None` it is later than
    /// `now`, so whoever waits for it makes progress. It costs a few words. How early it is depends on what
    /// the wheel did before: show it nowhere.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let slot = self.first_slot().map(|(_, _, start)| timestamp(start));
        let due = if self.len == 0 { None } else { self.due.earliest() };
        [due, slot].into_iter().flatten().min()
    }

    /// The slot that starts first; of several, the one of the highest level, whose records may belong to
    /// the others.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let mut first = None;
        let mut levels = self.levels;
        while levels != 0 {
            let level = levels.trailing_zeros() as usize;
            levels &= levels - 1;
            let slot = self.taken[level].trailing_zeros() as usize;
            let start = self.start_of(level, slot);
            if first.is_none_or(|(_, _, earliest)| start <= earliest) {
                first = Some((level, slot, start));
            }
        }
        first
    }

    /// When a slot that is taken starts: the time's digits above the level, then the slot's number.
    const fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = DIGIT_BITS * level as u32;
        let above = match self.time.checked_shr(shift + DIGIT_BITS) {
            Some(digits) if shift + DIGIT_BITS < u64::BITS => digits << (shift + DIGIT_BITS),
            _ => 0,
        };
        above | (slot as u64) << shift
    }

    /// Spreads the records of the slot that is first over the levels below, or moves them to the due ones.
    fn open<T: Timed>(&mut self, slab: &mut Slab<T>, level: usize, slot: usize, start: u64) {
        let mut handle = std::mem::replace(&mut self.heads[level][slot], NONE);
        self.release(level, slot);
        // A slot of one millisecond is over now: whoever comes for that time comes too late for it.
        self.time = self.time.max(if level == 0 { start + 1 } else { start });
        while handle != NONE {
            let record = &slab[handle];
            let (after, deadline) = (record.links().after, record.deadline());
            if level == 0 && key(deadline) <= start {
                let entry = self.due.collect(deadline, record.order(), handle);
                *slab[handle].links_mut() = entry;
            } else {
                self.file(slab, handle, deadline);
            }
            handle = after;
        }
        if level == 0 {
            self.due.sort();
        }
    }

    fn file<T: Timed>(&mut self, slab: &mut Slab<T>, handle: u32, deadline: Timestamp) {
        let at = key(deadline);
        if at < self.time {
            let order = slab[handle].order();
            *slab[handle].links_mut() = self.due.insert(deadline, order, handle);
            return;
        }
        let highest_digit = ((at ^ self.time) | 1).ilog2() / DIGIT_BITS;
        let level = highest_digit as usize;
        let slot = (at >> (DIGIT_BITS * highest_digit)) as usize % SLOTS;
        let after = std::mem::replace(&mut self.heads[level][slot], handle);
        *slab[handle].links_mut() = Links { before: FIRST | (level * SLOTS + slot) as u32, after };
        if after == NONE {
            self.taken[level] |= 1 << slot;
            self.levels |= 1 << level;
            self.next_start = self.next_start.min(self.start_of(level, slot));
        } else {
            slab[after].links_mut().before = handle;
        }
    }

    const fn release(&mut self, level: usize, slot: usize) {
        self.taken[level] &= !(1 << slot);
        if self.taken[level] == 0 {
            self.levels &= !(1 << level);
        }
    }
}

impl Entry {
    /// Whether the record is still in the due buffer by this entry: cancelled ones are left lying.
    fn is_current<T: Timed>(&self, slab: &Slab<T>) -> bool {
        slab.get(self.handle).is_some_and(|record| *record.links() == self.links())
    }
}

#[cfg(test)]
mod tests;
