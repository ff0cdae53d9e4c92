//! Records behind `u32` handles, in chunks: nothing moves, nothing is copied to grow.
//!
//! A record costs `size_of::<Option<T>>()`: nothing more than itself if it contains a `bool`, an enum, a
//! reference or another type with an unused bit pattern, else its alignment. A handle stays the same until
//! the record is removed, and is then used again; which handle a record gets must decide nothing that can
//! be seen.

use std::ops;

use super::occupancy::{CHUNK, Freed, Occupancy, join, split};

/// A chunked store of records.
#[derive(Debug)]
pub struct Slab<T> {
    /// A released chunk has no capacity; within a chunk the first free place comes first, so `push` suffices.
    chunks: Vec<Vec<Option<T>>>,
    places: Occupancy,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), places: Occupancy::default() }
    }
}

impl<T> Slab<T> {
    /// An empty slab, which has allocated nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a record and gives its handle, which is below 2³¹.
    pub fn insert(&mut self, item: T) -> u32 {
        let handle = self.places.take();
        let (chunk, place) = split(handle);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::new());
        }
        let items = &mut self.chunks[chunk];
        if place < items.len() {
            items[place] = Some(item);
        } else {
            debug_assert_eq!(place, items.len());
            if items.capacity() == 0 {
                items.reserve_exact(CHUNK);
            }
            items.push(Some(item));
        }
        handle
    }

    /// Takes a record out.
    ///
    /// # Panics
    /// If the handle is not in use.
    pub fn remove(&mut self, handle: u32) -> T {
        let (chunk, place) = split(handle);
        let item = self.chunks[chunk][place].take().expect("the handle of a record is in use");
        if let Freed::Release(chunk) = self.places.give_back(handle) {
            self.chunks[chunk] = Vec::new();
        }
        item
    }

    /// The record with that handle, if it is in use.
    #[must_use]
    pub fn get(&self, handle: u32) -> Option<&T> {
        let (chunk, place) = split(handle);
        self.chunks.get(chunk)?.get(place)?.as_ref()
    }

    /// The record with that handle, if it is in use.
    #[must_use]
    pub fn get_mut(&mut self, handle: u32) -> Option<&mut T> {
        let (chunk, place) = split(handle);
        self.chunks.get_mut(chunk)?.get_mut(place)?.as_mut()
    }

    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// All records in the order of their handles. That order differs after a restore: show nothing in it.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter().enumerate().flat_map(|(chunk, items)| {
            let numbered = items.iter().enumerate();
            numbered.filter_map(move |(place, item)| Some((join(chunk, place), item.as_ref()?)))
        })
    }

    /// The memory reserved, in bytes, without what the records point to. A chunk's pages become resident as
    /// it fills.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let items: usize = self.chunks.iter().map(Vec::capacity).sum();
        items * size_of::<Option<T>>()
            + self.chunks.capacity() * size_of::<Vec<Option<T>>>()
            + self.places.bytes()
    }
}

impl<T> ops::Index<u32> for Slab<T> {
    type Output = T;
    /// # Panics
    /// If the handle is not in use.
    #[inline]
    fn index(&self, handle: u32) -> &T {
        let (chunk, place) = split(handle);
        self.chunks[chunk][place].as_ref().expect("the handle of a record is in use")
    }
}

impl<T> ops::IndexMut<u32> for Slab<T> {
    /// # Panics
    /// If the handle is not in use.
    #[inline]
    fn index_mut(&mut self, handle: u32) -> &mut T {
        let (chunk, place) = split(handle);
        self.chunks[chunk][place].as_mut().expect("the handle of a record is in use")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_is_given_back_as_records_leave_and_taken_again_as_they_come() {
        let mut slab = Slab::new();
        let fill = |slab: &mut Slab<[u64; 4]>| -> Vec<u32> {
            (0..10 * CHUNK as u64).map(|n| slab.insert([n; 4])).collect()
        };
        let handles = fill(&mut slab);
        let full = slab.bytes();
        for handle in handles {
            slab.remove(handle);
        }
        assert!(slab.is_empty());
        assert!(slab.bytes() < full / 5, "{} of {full} bytes are left", slab.bytes());
        fill(&mut slab);
        assert!(slab.bytes().abs_diff(full) < 1_000);
    }

    #[test]
    fn a_record_with_a_spare_bit_pattern_costs_nothing_more() {
        struct Record {
            _deadline: u64,
            _held: bool,
        }
        assert_eq!(size_of::<Option<Record>>(), size_of::<Record>());
    }

    #[test]
    fn a_handle_that_was_never_given_finds_nothing() {
        let mut slab = Slab::new();
        slab.insert('a');
        assert_eq!((slab.get(1), slab.get(CHUNK as u32), slab.get(u32::MAX)), (None, None, None));
        assert_eq!(slab.get_mut(u32::MAX), None);
    }

    proptest! {
        #[test]
        fn a_slab_is_a_map_that_chooses_its_keys(
            steps in prop::collection::vec(any::<(bool, u16)>(), 0..800)
        ) {
            let mut slab = Slab::new();
            let mut model = BTreeMap::new();
            for (add, n) in steps {
                if add || model.is_empty() {
                    let handle = slab.insert(n);
                    prop_assert!(model.insert(handle, n).is_none(), "{handle} was in use");
                } else {
                    let handle = *model.keys().nth(n as usize % model.len()).unwrap();
                    slab[handle] ^= 1;
                    prop_assert_eq!(Some(slab.remove(handle) ^ 1), model.remove(&handle));
                    prop_assert!(slab.get(handle).is_none());
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            let found: Vec<(u32, u16)> = slab.iter().map(|(h, &n)| (h, n)).collect();
            prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
        }
    }
}
