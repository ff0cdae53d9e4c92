//! Which places of a chunked store are taken. It holds no items: [`super::Slab`] and [`super::Bytes`] do.
//!
//! A place is found and given back in constant time; a fresh chunk is filled from its first place on, so
//! that a store touches no memory before it needs it. A chunk whose last item left is named, so that its
//! memory can be given back.

/// Places of a chunk: 64 words of 64 bits, summed up in one word.
pub(super) const CHUNK: usize = 4096;
const SHIFT: u32 = CHUNK.trailing_zeros();
const _: () = assert!(CHUNK == 64 * 64);

/// Places of a store: links keep the upper half of `u32` for themselves.
const PLACES_MAX: usize = 1 << 31;

/// The chunk and the place within it.
pub(super) const fn split(handle: u32) -> (usize, usize) {
    ((handle >> SHIFT) as usize, handle as usize & (CHUNK - 1))
}

/// The handle of a place of a chunk.
pub(super) const fn join(chunk: usize, place: usize) -> u32 {
    (chunk << SHIFT) as u32 | place as u32
}

/// What becomes of a chunk after one of its items has left.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Freed {
    /// It stays.
    Keep,
    /// It is empty, and there is another empty one in reserve: its memory can go.
    Release(usize),
}

#[derive(Debug)]
struct Map {
    /// Words that have a free place.
    words_open: u64,
    /// Free places.
    free: [u64; 64],
    taken: u32,
}

impl Map {
    const EMPTY: Self = Self { words_open: u64::MAX, free: [u64::MAX; 64], taken: 0 };
}

#[derive(Debug, Default)]
pub(super) struct Occupancy {
    maps: Vec<Map>,
    /// Each chunk that has a free place, once; the last one is used first.
    open: Vec<u32>,
    /// The chunk that was last kept although it was empty: a store around a chunk's border must not
    /// allocate and release it in turns.
    reserve: Option<usize>,
    len: usize,
}

impl Occupancy {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.maps.capacity() * size_of::<Map>() + self.open.capacity() * size_of::<u32>()
    }

    /// Takes a place: the first free one of a chunk.
    pub(super) fn take(&mut self) -> u32 {
        let chunk = match self.open.last() {
            Some(&chunk) => chunk as usize,
            None => self.add_chunk(),
        };
        let map = &mut self.maps[chunk];
        let word = map.words_open.trailing_zeros() as usize;
        let bit = map.free[word].trailing_zeros() as usize;
        map.free[word] &= map.free[word] - 1;
        if map.free[word] == 0 {
            map.words_open &= map.words_open - 1;
            if map.words_open == 0 {
                self.open.pop();
            }
        }
        map.taken += 1;
        self.len += 1;
        join(chunk, word * 64 + bit)
    }

    fn add_chunk(&mut self) -> usize {
        let chunk = self.maps.len();
        assert!((chunk + 1) * CHUNK <= PLACES_MAX, "a store holds at most {PLACES_MAX} items");
        self.maps.push(Map::EMPTY);
        self.open.push(chunk as u32);
        chunk
    }

    /// Gives a place back. It must have been taken.
    pub(super) fn give_back(&mut self, handle: u32) -> Freed {
        let (chunk, place) = split(handle);
        let map = &mut self.maps[chunk];
        let (word, bit) = (place / 64, 1u64 << (place % 64));
        assert!(map.free[word] & bit == 0, "the handle {handle} is given back once");
        if map.words_open == 0 {
            self.open.push(chunk as u32);
        }
        map.free[word] |= bit;
        map.words_open |= 1 << word;
        map.taken -= 1;
        self.len -= 1;
        if map.taken > 0 {
            return Freed::Keep;
        }
        match self.reserve {
            Some(other) if other != chunk && self.maps[other].taken == 0 => Freed::Release(chunk),
            _ => {
                self.reserve = Some(chunk);
                Freed::Keep
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_chunk_is_filled_from_its_first_place_on() {
        let mut places = Occupancy::default();
        for expected in 0..10_000 {
            assert_eq!(places.take(), expected);
        }
        assert_eq!(places.len(), 10_000);
    }

    #[test]
    fn of_empty_chunks_one_stays_and_the_others_are_released() {
        let mut places = Occupancy::default();
        let handles: Vec<u32> = (0..3 * CHUNK).map(|_| places.take()).collect();
        let released: Vec<Freed> =
            handles.iter().map(|&h| places.give_back(h)).filter(|f| *f != Freed::Keep).collect();
        assert_eq!(released, [Freed::Release(1), Freed::Release(2)]);
    }

    #[test]
    #[should_panic(expected = "given back once")]
    fn a_place_is_not_given_back_twice() {
        let mut places = Occupancy::default();
        let handle = places.take();
        let _ = places.give_back(handle);
        let _ = places.give_back(handle);
    }
}
