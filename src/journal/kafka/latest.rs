//! The latest record of every key of a log, in one arena: what a compacted topic means before it is compacted.
//!
//! Owns: the bytes of one shard's state while it is read. Promises: a key comes once, a deleted one never; no
//! allocation per record; superseded bytes are at most as many as those that count.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    key: u32,
    /// `None`: deleted.
    value: Option<u32>,
}

impl Entry {
    fn key(self, arena: &[u8]) -> &[u8] {
        &arena[self.start..self.start + self.key as usize]
    }

    fn value(self, arena: &[u8]) -> Option<&[u8]> {
        let start = self.start + self.key as usize;
        self.value.map(|length| &arena[start..start + length as usize])
    }

    fn bytes(self) -> usize {
        self.key as usize + self.value.unwrap_or(0) as usize
    }
}

/// The latest records, by key.
#[derive(Debug, Default)]
pub(super) struct Latest {
    arena: Vec<u8>,
    entries: Vec<Entry>,
    /// Places in `entries`.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    live: usize,
    /// The bytes of the arena that count.
    used: usize,
}

/// Below this many bytes nothing is moved to save room.
const SMALL: usize = 1 << 20;

impl Latest {
    /// Takes the next record of the log; no value deletes the key.
    pub(super) fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Self { arena, entries, index, hasher, live, used } = self;
        let hash = hasher.hash_one(key);
        let same = |&place: &u32| entries[place as usize].key(arena) == key;
        let known = index.find(hash, same).copied();
        let start = arena.len();
        arena.extend_from_slice(key);
        arena.extend_from_slice(value.unwrap_or_default());
        let fits = |length: usize| u32::try_from(length).expect("a record is far below 4 GiB");
        let entry = Entry { start, key: fits(key.len()), value: value.map(|v| fits(v.len())) };
        *used += entry.bytes();
        match known {
            Some(place) => {
                let before = std::mem::replace(&mut entries[place as usize], entry);
                *used -= before.bytes();
                *live -= usize::from(before.value.is_some());
            }
            None => {
                let place = fits(entries.len());
                entries.push(entry);
                index
                    .insert_unique(hash, place, |&place| hasher.hash_one(entries[place as usize].key(arena)));
            }
        }
        self.live += usize::from(value.is_some());
        if self.arena.len() > SMALL.max(2 * self.used) {
            self.pack();
        }
    }

    /// How many keys have a value.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    fn find(&self, key: &[u8]) -> Option<&Entry> {
        let hash = self.hasher.hash_one(key);
        let place = self.index.find(hash, |&place| self.entries[place as usize].key(&self.arena) == key)?;
        Some(&self.entries[*place as usize])
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.find(key)?.value(&self.arena)
    }

    /// Whether the log said anything of a key, that it is deleted perhaps.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        !self.entries.is_empty() && self.find(key).is_some()
    }

    /// Every key that has a value, in the order in which the keys came first.
    pub(super) fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().filter_map(|entry| Some((entry.key(&self.arena), entry.value(&self.arena)?)))
    }

    /// Moves what counts into an arena of its own.
    fn pack(&mut self) {
        let mut arena = Vec::with_capacity(self.used + self.used / 2);
        for entry in &mut self.entries {
            let start = arena.len();
            arena.extend_from_slice(&self.arena[entry.start..entry.start + entry.bytes()]);
            entry.start = start;
        }
        self.arena = arena;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_what_a_map_would_be() {
        let (mut latest, mut map) = (Latest::default(), BTreeMap::new());
        let mut dice = 1_u64;
        for round in 0..200_000_u32 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = format!("key {}", (dice >> 33) % 997).into_bytes();
            if dice >> 60 == 0 {
                latest.take(&key, None);
                map.remove(&key);
            } else {
                let value = round.to_be_bytes().repeat(((dice >> 50) % 7) as usize);
                latest.take(&key, Some(&value));
                map.insert(key, value);
            }
        }
        assert!(latest.arena.len() <= SMALL.max(2 * latest.used));
        assert_eq!(latest.len(), map.len());
        let mut all: Vec<_> = latest.each().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        all.sort();
        assert_eq!(all, map.clone().into_iter().collect::<Vec<_>>());
        for (key, value) in &map {
            assert_eq!(latest.get(key), Some(value.as_slice()));
        }
        assert_eq!(latest.get(b"never"), None);
        assert!(!latest.contains(b"never"));
        assert!((0..997).all(|key| latest.contains(format!("key {key}").as_bytes())), "deleted ones too");
    }
}
