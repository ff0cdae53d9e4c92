//! Finds a record by the hash of its key. The keys lie in the records: here are handles only.
//!
//! Entries lie in lines of twelve, each as large as a line of the cache and laid on one, so that finding somebody
//! touches one line, seldom two. A full line passes entries on to the next one and counts them, so that whoever looks
//! for one knows when to stop.
//!
//! The table is split in [`PARTS`] by bits of the hash, so that growing never rehashes more than one part
//! at a time: at ten million entries a part grows in some ten milliseconds, where one table would stop its
//! shard for more than a second. An entry costs 6.3 to 9.4 bytes. Its order is never visible: there is no
//! way to walk it.

/// In how many tables the entries are split.
pub const PARTS: usize = 64;
/// A line is chosen by the lower half of a hash, of that the higher bits first, since users of one shard have the
/// lowest ones in common; an entry of it by the highest eight bits. The part must not depend on either.
const PART_SHIFT: u32 = 48;
const TAG_SHIFT: u32 = 56;

/// Entries in a line.
const SLOTS: usize = 12;
/// How full a part becomes before it grows, in percent.
const FULL: usize = 85;

/// A hash index from keys that lie elsewhere to handles.
#[derive(Debug)]
pub struct Index {
    parts: Box<[Part; PARTS]>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self { parts: Box::new([const { Part { lines: Vec::new(), len: 0 } }; PARTS]), len: 0 }
    }
}

#[derive(Debug)]
struct Part {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Line {
    /// Bits of each entry's hash; 0 where there is none.
    tags: [u8; SLOTS],
    /// How many entries found this line full and lie further on.
    passed: u32,
    handles: [u32; SLOTS],
}

const _: () = assert!(size_of::<Line>() == 64);

const fn part(hash: u64) -> usize {
    (hash >> PART_SHIFT) as usize % PARTS
}

/// Never 0.
const fn tag(hash: u64) -> u8 {
    let tag = (hash >> TAG_SHIFT) as u8;
    if tag == 0 { 1 } else { tag }
}

impl Line {
    const EMPTY: Self = Self { tags: [0; SLOTS], passed: 0, handles: [0; SLOTS] };

    /// A bit for each slot with that tag.
    #[inline]
    fn with(&self, tag: u8) -> u32 {
        self.tags.iter().enumerate().fold(0, |found, (slot, &t)| found | u32::from(t == tag) << slot)
    }
}

impl Part {
    #[inline]
    fn home(&self, hash: u64) -> usize {
        (((hash & 0xffff_ffff) * self.lines.len() as u64) >> 32) as usize
    }

    #[inline]
    const fn after(&self, line: usize) -> usize {
        if line + 1 == self.lines.len() { 0 } else { line + 1 }
    }

    /// The line and the slot of the entry for which `is` holds.
    #[inline]
    fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<(usize, usize)> {
        let tag = tag(hash);
        let mut at = self.home(hash);
        for _ in 0..self.lines.len() {
            let line = &self.lines[at];
            let mut found = line.with(tag);
            while found != 0 {
                let slot = found.trailing_zeros() as usize;
                if is(line.handles[slot]) {
                    return Some((at, slot));
                }
                found &= found - 1;
            }
            if line.passed == 0 {
                break;
            }
            at = self.after(at);
        }
        None
    }

    /// There must be room.
    fn insert(&mut self, hash: u64, handle: u32) {
        let mut at = self.home(hash);
        loop {
            let next = self.after(at);
            let line = &mut self.lines[at];
            if let Some(slot) = line.tags.iter().position(|&tag| tag == 0) {
                (line.tags[slot], line.handles[slot]) = (tag(hash), handle);
                self.len += 1;
                return;
            }
            line.passed += 1;
            at = next;
        }
    }

    fn remove(&mut self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let (line, slot) = self.find(hash, is)?;
        let mut at = self.home(hash);
        while at != line {
            self.lines[at].passed -= 1;
            at = self.after(at);
        }
        self.lines[line].tags[slot] = 0;
        self.len -= 1;
        Some(self.lines[line].handles[slot])
    }

    fn resize(&mut self, lines: usize, rehash: impl Fn(u32) -> u64) {
        let before = std::mem::replace(&mut self.lines, vec![Line::EMPTY; lines]);
        self.len = 0;
        for line in before {
            for (&tag, &handle) in line.tags.iter().zip(&line.handles) {
                if tag != 0 {
                    self.insert(rehash(handle), handle);
                }
            }
        }
    }
}

/// The most entries that so many lines take.
const fn room(lines: usize) -> usize {
    lines * SLOTS * FULL / 100
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty index that takes `entries` without growing, but for a part that gets far more than its share.
    #[must_use]
    pub fn with_room(entries: usize) -> Self {
        let mut index = Self::new();
        if entries > 0 {
            // Shares differ by about the root of their size; of so many, one by four times that at most.
            let share = entries.div_ceil(PARTS);
            let lines = ((share + 4 * share.isqrt()) * 100).div_ceil(SLOTS * FULL) + 1;
            for part in index.parts.iter_mut() {
                part.lines = vec![Line::EMPTY; lines];
            }
        }
        index
    }

    /// The entry with that hash for which `is` holds. `is` is asked about few others: one in thirty
    /// look-ups.
    #[inline]
    pub fn find(&self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let part = &self.parts[part(hash)];
        part.find(hash, is).map(|(line, slot)| part.lines[line].handles[slot])
    }

    /// The first entry that may have that hash. It touches nothing but the index.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Adds an entry, whose key must not be there yet. `rehash` gives the hash of an entry that is there.
    #[inline]
    pub fn insert(&mut self, hash: u64, handle: u32, rehash: impl Fn(u32) -> u64) {
        let part = &mut self.parts[part(hash)];
        if part.len == room(part.lines.len()) {
            part.resize(part.lines.len() * 3 / 2 + 1, rehash);
        }
        part.insert(hash, handle);
        self.len += 1;
    }

    /// Takes out the entry with that hash for which `is` holds.
    #[inline]
    pub fn remove(&mut self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let handle = self.parts[part(hash)].remove(hash, is)?;
        self.len -= 1;
        Some(handle)
    }

    /// Gives back memory that is not needed any more: of parts that are filled by less than a quarter.
    ///
    /// It looks at every part, so call it once in a while. `rehash` as in [`Index::insert`].
    pub fn shrink(&mut self, rehash: impl Fn(u32) -> u64) {
        for part in self.parts.iter_mut().filter(|part| part.len < room(part.lines.len()) / 4) {
            part.resize((part.len * 2).div_ceil(SLOTS), &rehash);
        }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory in use, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let lines: usize = self.parts.iter().map(|part| part.lines.capacity()).sum();
        size_of_val(&*self.parts) + lines * size_of::<Line>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few different hashes, so that keys collide in whole or in the bits that a table looks at.
    fn poor_hash(key: u16) -> u64 {
        u64::from(key % 7) << PART_SHIFT | u64::from(key % 3) << 31
    }

    #[test]
    fn with_room_nothing_is_moved_and_nothing_is_wasted() {
        for entries in [0, 1, 100, 10_000, 300_000_u32] {
            let mut index = Index::with_room(entries as usize);
            let before = index.bytes();
            let hash = |n: u32| crate::model::hash::user_hash(&n.to_string());
            (0..entries).for_each(|n| index.insert(hash(n), n, hash));
            assert!((0..entries).all(|n| index.find(hash(n), |other| other == n) == Some(n)));
            if entries >= 10_000 {
                assert_eq!(index.bytes(), before, "{entries} entries");
                assert!(before < 10 * entries as usize, "{entries} entries take {before} bytes");
            }
        }
    }

    #[test]
    fn memory_is_given_back_when_asked() {
        let mut index = Index::new();
        let hash = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..100_000).for_each(|n| index.insert(hash(n), n, hash));
        let full = index.bytes();
        (1_000..100_000).for_each(|n| assert_eq!(index.remove(hash(n), |h| h == n), Some(n)));
        index.shrink(hash);
        assert!(index.bytes() < full / 10, "{} of {full} bytes are left", index.bytes());
        assert!((0..1_000).all(|n| index.find(hash(n), |h| h == n) == Some(n)));
    }

    proptest! {
        #[test]
        fn an_index_is_a_map_however_poor_the_hash(
            steps in prop::collection::vec(any::<(bool, u8)>(), 0..600)
        ) {
            let mut index = Index::new();
            let mut model: BTreeMap<u16, u32> = BTreeMap::new();
            let mut keys: Vec<u16> = Vec::new();
            for (add, key) in steps {
                let key = u16::from(key);
                let known = index.find(poor_hash(key), |h| keys[h as usize] == key);
                prop_assert_eq!(known, model.get(&key).copied());
                if add && known.is_none() {
                    let handle = keys.len() as u32;
                    keys.push(key);
                    index.insert(poor_hash(key), handle, |h| poor_hash(keys[h as usize]));
                    model.insert(key, handle);
                } else if !add {
                    let removed = index.remove(poor_hash(key), |h| keys[h as usize] == key);
                    prop_assert_eq!(removed, model.remove(&key));
                }
                prop_assert_eq!(index.len(), model.len());
            }
        }
    }
}
