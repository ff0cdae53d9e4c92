//! Byte strings behind `u32` handles, for the parts of a record whose length varies.
//!
//! Up to [`SMALL_MAX`] bytes lie in chunks of equal places, in classes of eight bytes, without an
//! allocation of their own; the exact length is in the handle, so a string costs its length rounded up to
//! eight bytes and nothing else. Longer ones, and those of a class that is full at 2²⁵ strings, are boxed.
//! The empty string is [`NONE`] and costs nothing.

use super::NONE;
use super::occupancy::{CHUNK, Freed, Occupancy, split};
use super::slab::Slab;

/// The longest string that lies in a chunk, in bytes.
pub const SMALL_MAX: usize = 120;

const CLASS_BYTES: usize = 8;
const CLASSES: usize = SMALL_MAX / CLASS_BYTES;
/// A handle of a small string: seven bits `length - 1`, then its place in its class.
const PLACE_BITS: u32 = 25;
const PLACES_MAX: usize = 1 << PLACE_BITS;
/// A handle of a boxed string: four bits that no length below [`SMALL_MAX`] begins with, then its place in
/// the slab.
const LARGE: u32 = 0xf000_0000;
const LARGE_MAX: u32 = NONE & !LARGE;

const _: () = assert!(((SMALL_MAX - 1) as u32) << PLACE_BITS < LARGE);

/// A store of byte strings.
#[derive(Debug, Default)]
pub struct Bytes {
    classes: [Class; CLASSES],
    large: Slab<Box<[u8]>>,
    large_bytes: usize,
}

/// Strings of one class, in places of equal size.
#[derive(Debug, Default)]
struct Class {
    chunks: Vec<Box<[u8]>>,
    places: Occupancy,
}

/// Where a handle points.
enum Place {
    Nothing,
    Small { class: usize, place: u32, len: usize },
    Large(u32),
}

const fn locate(handle: u32) -> Place {
    if handle == NONE {
        return Place::Nothing;
    }
    if handle >= LARGE {
        return Place::Large(handle & !LARGE);
    }
    let len = (handle >> PLACE_BITS) as usize + 1;
    Place::Small { class: class_of(len), place: handle & (PLACES_MAX as u32 - 1), len }
}

/// The class of a string of 1 to [`SMALL_MAX`] bytes.
const fn class_of(len: usize) -> usize {
    (len - 1) / CLASS_BYTES
}

const fn small_handle(len: usize, place: u32) -> u32 {
    ((len as u32 - 1) << PLACE_BITS) | place
}

impl Bytes {
    /// An empty store, which has allocated nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a string and gives its handle; [`NONE`] for the empty string.
    ///
    /// # Panics
    /// If there are 2²⁸ − 1 boxed strings already.
    pub fn insert(&mut self, bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return NONE;
        }
        if bytes.len() <= SMALL_MAX {
            let class = class_of(bytes.len());
            if self.classes[class].places.len() < PLACES_MAX {
                let place = self.classes[class].take((class + 1) * CLASS_BYTES);
                self.write(class, place, bytes);
                return small_handle(bytes.len(), place);
            }
        }
        self.large_bytes += bytes.len();
        let place = self.large.insert(bytes.into());
        assert!(place < LARGE_MAX, "a store holds fewer than {LARGE_MAX} boxed strings");
        LARGE | place
    }

    /// The string with that handle; empty for [`NONE`].
    ///
    /// # Panics
    /// If no string of this store ever had the handle. A handle whose string was removed may give another's
    /// bytes.
    #[must_use]
    pub fn get(&self, handle: u32) -> &[u8] {
        match locate(handle) {
            Place::Nothing => &[],
            Place::Small { class, place, len } => {
                let (chunk, at) = split(place);
                let start = at * (class + 1) * CLASS_BYTES;
                &self.classes[class].chunks[chunk][start..start + len]
            }
            Place::Large(place) => &self.large[place],
        }
    }

    /// Forgets a string; nothing happens for [`NONE`].
    ///
    /// # Panics
    /// If the string was removed before.
    pub fn remove(&mut self, handle: u32) {
        match locate(handle) {
            Place::Nothing => {}
            Place::Small { class, place, .. } => {
                let class = &mut self.classes[class];
                if let Freed::Release(chunk) = class.places.give_back(place) {
                    class.chunks[chunk] = Box::default();
                }
            }
            Place::Large(place) => self.large_bytes -= self.large.remove(place).len(),
        }
    }

    /// Puts `bytes` in the place of a string and gives the handle that is good from now on; the old one is
    /// not.
    ///
    /// A string of the same class is overwritten where it is.
    pub fn replace(&mut self, handle: u32, bytes: &[u8]) -> u32 {
        if let Place::Small { class, place, .. } = locate(handle)
            && !bytes.is_empty()
            && bytes.len() <= SMALL_MAX
            && class_of(bytes.len()) == class
        {
            self.write(class, place, bytes);
            return small_handle(bytes.len(), place);
        }
        self.remove(handle);
        self.insert(bytes)
    }

    /// How many strings there are, without empty ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(|c| c.places.len()).sum::<usize>() + self.large.len()
    }

    /// Whether there is no string, or only empty ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory reserved, in bytes. A chunk's pages become resident as it fills.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let small = self.classes.iter().map(|class| {
            let chunks: usize = class.chunks.iter().map(|c| c.len()).sum();
            chunks + class.chunks.capacity() * size_of::<Box<[u8]>>() + class.places.bytes()
        });
        small.sum::<usize>() + self.large.bytes() + self.large_bytes
    }

    fn write(&mut self, class: usize, place: u32, bytes: &[u8]) {
        let (chunk, at) = split(place);
        let start = at * (class + 1) * CLASS_BYTES;
        self.classes[class].chunks[chunk][start..start + bytes.len()].copy_from_slice(bytes);
    }
}

impl Class {
    fn take(&mut self, place_bytes: usize) -> u32 {
        let place = self.places.take();
        let (chunk, _) = split(place);
        if chunk == self.chunks.len() {
            self.chunks.push(Box::default());
        }
        if self.chunks[chunk].is_empty() {
            // Asked for as zeros, so that the pages are not resident before they are written.
            self.chunks[chunk] = vec![0; CHUNK * place_bytes].into();
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_string_of_each_length_comes_back() {
        let mut store = Bytes::new();
        let text: Vec<u8> = (0..70_000u32).map(|n| (n % 251) as u8).collect();
        let lengths = || (0..300).chain([4_095, 65_535, 65_536, 70_000]);
        let handles: Vec<u32> = lengths().map(|len| store.insert(&text[..len])).collect();
        assert_eq!(handles[0], NONE);
        for (len, handle) in lengths().zip(handles) {
            assert_eq!(store.get(handle), &text[..len]);
            store.remove(handle);
        }
        assert!(store.is_empty());
    }

    #[test]
    fn a_short_string_costs_its_length_rounded_up_to_eight() {
        let mut store = Bytes::new();
        for _ in 0..100 * CHUNK {
            store.insert(b"thirteen long");
        }
        let each = store.bytes() as f64 / (100 * CHUNK) as f64;
        assert!(each < 16.2, "{each} bytes a string");
    }

    #[test]
    fn memory_is_given_back_as_strings_leave() {
        let mut store = Bytes::new();
        let handles: Vec<u32> = (0..20 * CHUNK).map(|n| store.insert(&n.to_le_bytes())).collect();
        let full = store.bytes();
        handles.into_iter().for_each(|h| store.remove(h));
        assert!(store.bytes() < full / 5, "{} of {full} bytes are left", store.bytes());
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let of = |lengths| prop::collection::vec(any::<u8>(), lengths);
        prop_oneof![4 => of(0..40), 1 => of(100..300)]
    }

    proptest! {
        #[test]
        fn bytes_are_a_map_that_chooses_its_keys(
            steps in prop::collection::vec((0u8..3, any::<prop::sample::Index>(), text()), 0..300)
        ) {
            let mut store = Bytes::new();
            let mut model: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
            for (verb, which, text) in steps {
                let nth = |n| *model.keys().nth(n).unwrap();
                let chosen = (!model.is_empty()).then(|| nth(which.index(model.len())));
                let handle = match (verb, chosen) {
                    (0, _) | (_, None) => store.insert(&text),
                    (1, Some(old)) => {
                        model.remove(&old);
                        store.replace(old, &text)
                    }
                    (_, Some(old)) => {
                        model.remove(&old);
                        store.remove(old);
                        continue;
                    }
                };
                if text.is_empty() {
                    prop_assert_eq!(handle, NONE);
                } else {
                    prop_assert!(model.insert(handle, text).is_none(), "{} was in use", handle);
                }
            }
            for (&handle, text) in &model {
                prop_assert_eq!(store.get(handle), text.as_slice());
            }
            prop_assert_eq!(store.len(), model.len());
        }
    }
}
