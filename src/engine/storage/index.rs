//! Finds a record by the hash of its key. The keys lie in the records: here are handles only.
//!
//! The table is split in [`PARTS`] by bits of the hash, so that growing never rehashes more than one part
//! at a time: at ten million entries a part grows in some ten milliseconds, where one table would stop its
//! shard for more than a second. An entry costs 5.7 to 11.4 bytes. Its order is never visible: there is no
//! way to walk it.

use hashbrown::HashTable;

/// In how many tables the entries are split.
pub const PARTS: usize = 64;
/// The table uses the lowest bits and the highest seven of the hash itself; the part must not depend on
/// those.
const PART_SHIFT: u32 = 48;

/// A hash index from keys that lie elsewhere to handles.
#[derive(Debug)]
pub struct Index {
    parts: Box<[HashTable<u32>; PARTS]>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self { parts: Box::new([const { HashTable::new() }; PARTS]), len: 0 }
    }
}

const fn part(hash: u64) -> usize {
    (hash >> PART_SHIFT) as usize % PARTS
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The entry with that hash for which `is` holds. `is` is asked about few others: one in a hundred
    /// look-ups.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        self.parts[part(hash)].find(hash, |&handle| is(handle)).copied()
    }

    /// Adds an entry, whose key must not be there yet. `rehash` gives the hash of an entry that is there.
    #[inline]
    pub fn insert(&mut self, hash: u64, handle: u32, rehash: impl Fn(u32) -> u64) {
        self.parts[part(hash)].insert_unique(hash, handle, |&h| rehash(h));
        self.len += 1;
    }

    /// Takes out the entry with that hash for which `is` holds.
    #[inline]
    pub fn remove(&mut self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let entry = self.parts[part(hash)].find_entry(hash, |&handle| is(handle)).ok()?;
        self.len -= 1;
        Some(entry.remove().0)
    }

    /// Gives back memory that is not needed any more: of parts that are filled by less than a quarter.
    ///
    /// It looks at every part, so call it once in a while. `rehash` as in [`Index::insert`].
    pub fn shrink(&mut self, rehash: impl Fn(u32) -> u64) {
        for part in self.parts.iter_mut().filter(|part| part.len() < part.capacity() / 4) {
            part.shrink_to(part.len() * 2, |&h| rehash(h));
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
        size_of_val(&*self.parts) + self.parts.iter().map(HashTable::allocation_size).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few different hashes, so that keys collide in whole or in the bits that a table looks at.
    fn poor_hash(key: u16) -> u64 {
        u64::from(key % 7) << PART_SHIFT | u64::from(key % 3)
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
