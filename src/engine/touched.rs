//! The users that the commit under way touches: their pages before and after, kept while they are in the cache.
//!
//! A page is encoded when its user is touched first, and again at the end of each input that touched it. So a commit
//! reads one buffer from front to back and visits no user: where ten thousand users lie has left every cache by then.

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::commit::{StateSink, key};
use super::page;
use super::shard::State;
use super::storage::{NONE, UserId};
use super::warm::WARM_MAX;

/// Pages that are encoded at the end of one input; of those beyond it at the commit.
const FRESH_MAX: usize = 1_024;

/// For how many users, and for how many bytes of pages, room is kept from commit to commit.
const KEEP_USERS: usize = 1 << 17;
const KEEP_BYTES: usize = 16 << 20;

/// What was touched since the last commit.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// The number that the first entry has with its user: numbers go on from interval to interval, so that an old one
    /// is known without a look at the entries.
    first: u32,
    entries: Vec<Entry>,
    /// Entries whose page has changed since it was encoded last, by number.
    stale: Vec<u32>,
    /// Pages before, and pages after.
    bytes: Vec<u8>,
    /// The key of one page.
    key: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Entry {
    user: u32,
    is_stale: bool,
    id: UserId,
    /// The page before: empty if there was none.
    before: Piece,
    /// The page after: empty if there is none any more. Good unless it is stale.
    after: Piece,
}

/// Where a page lies.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    len: u32,
}

impl Piece {
    /// What was appended since the buffer had that length.
    fn since(start: usize, bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len() - start).expect("a user's page is far smaller than 4 GiB");
        Self { start, len }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.len as usize]
    }
}

impl Touched {
    /// Whether nothing was touched.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The users with their pages before, in the order in which they were touched.
    pub(super) fn before(&self) -> impl DoubleEndedIterator<Item = (u32, &[u8])> {
        self.entries.iter().map(|entry| (entry.user, entry.before.of(&self.bytes)))
    }

    /// The users of whom the last [`State::write_pages`] left nothing.
    pub(super) fn emptied(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().filter(|entry| entry.after.len == 0).map(|entry| entry.user)
    }

    /// The entry of a user who has this number, if it is of this interval.
    ///
    /// Numbers come again after four billion of them, and a user's place may have become another's: so the entry has
    /// the last word.
    fn place(&self, number: u32, user: u32) -> Option<usize> {
        let place = number.wrapping_sub(self.first) as usize;
        self.entries.get(place).filter(|entry| entry.user == user).map(|_| place)
    }

    /// Nothing is touched from now on. Users keep their numbers, which mean nothing then.
    pub(super) fn clear(&mut self) {
        self.first = self.first.wrapping_add(self.entries.len() as u32);
        self.entries.clear();
        self.stale.clear();
        self.bytes.clear();
        // After a flip that touched everybody.
        self.entries.shrink_to(KEEP_USERS);
        self.stale.shrink_to(KEEP_USERS);
        self.bytes.shrink_to(KEEP_BYTES);
    }
}

/// The two parts of a user's share of the digest: what the key makes of it, and the page under that.
fn key_digest(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, 0x57_41_59_10)
}

/// A record's share of a digest: of a user's page, or of anything else that is stored.
#[must_use]
pub fn record_digest(key: &[u8], value: &[u8]) -> u128 {
    xxh3_128_with_seed(value, key_digest(key))
}

impl State {
    /// A user's page is about to change: keeps it, once an interval.
    pub(super) fn touch(&mut self, user: u32) {
        let of_user = &mut self.users[user].touched;
        let touched = &mut self.interval.touched;
        if let Some(place) = touched.place(*of_user, user) {
            self.users[user].set_stored_in(self.format);
            if !std::mem::replace(&mut touched.entries[place].is_stale, true) {
                touched.stale.push(place as u32);
            }
            return;
        }
        let place = touched.entries.len() as u32;
        *of_user = touched.first.wrapping_add(place);
        let mut bytes = std::mem::take(&mut touched.bytes);
        let start = bytes.len();
        self.encode_page(user, &mut bytes);
        let before = Piece::since(start, &bytes);
        // The page before is as it is stored; the one after is of the format that is written when it is touched last.
        self.users[user].set_stored_in(self.format);
        let id = self.users[user].id;
        let touched = &mut self.interval.touched;
        touched.bytes = bytes;
        touched.entries.push(Entry { user, is_stale: true, id, before, after: before });
        touched.stale.push(place);
    }

    /// Encodes the pages that an input changed, while they are in the cache. Too many of them wait for the commit.
    #[inline]
    pub(super) fn keep_pages(&mut self) {
        if (1..=FRESH_MAX).contains(&self.interval.touched.stale.len()) {
            self.encode_stale();
        }
    }

    fn encode_stale(&mut self) {
        let Touched { stale, bytes, .. } = &mut self.interval.touched;
        let (mut stale, mut bytes) = (std::mem::take(stale), std::mem::take(bytes));
        let are_many = stale.len() > WARM_MAX;
        for some in stale.chunks(WARM_MAX) {
            if are_many {
                let entries = &self.interval.touched.entries;
                std::hint::black_box(self.warm_users(some.iter().map(|&n| entries[n as usize].user)));
            }
            for &number in some {
                let start = bytes.len();
                self.encode_page(self.interval.touched.entries[number as usize].user, &mut bytes);
                let entry = &mut self.interval.touched.entries[number as usize];
                entry.after = Piece::since(start, &bytes);
                entry.is_stale = false;
            }
        }
        stale.clear();
        (self.interval.touched.stale, self.interval.touched.bytes) = (stale, bytes);
    }

    fn encode_page(&self, user: u32, out: &mut Vec<u8>) {
        let user = &self.users[user];
        let profile = if user.profile == NONE { &[][..] } else { self.profiles.get(user.profile) };
        let mut at = user.first;
        let list = std::iter::from_fn(|| {
            let e = (at != NONE).then(|| &self.enrollments[at])?;
            at = e.next;
            Some(e)
        });
        page::encode(user.stored_in(), profile, list, &self.cold, out);
    }

    /// Writes the pages that have changed, and gives what they add to the digest.
    pub(super) fn write_pages(&mut self, sink: &mut dyn StateSink) -> u128 {
        self.encode_stale();
        let Touched { entries, bytes, key, .. } = &mut self.interval.touched;
        let mut added = 0u128;
        for entry in entries {
            let (before, after) = (entry.before.of(bytes), entry.after.of(bytes));
            if before == after {
                continue;
            }
            key.clear();
            key.push(key::USER);
            entry.id.write_bytes_to(&self.ids, key);
            let seed = key_digest(key);
            if !before.is_empty() {
                added = added.wrapping_sub(xxh3_128_with_seed(before, seed));
            }
            if after.is_empty() {
                sink.delete(key);
            } else {
                added = added.wrapping_add(xxh3_128_with_seed(after, seed));
                sink.put(key, after);
            }
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::shard::{Setup, Shard};

    fn state_from(first: u32) -> State {
        let mut state = Shard::new(Setup::of(0, 1)).state;
        state.interval.touched.first = first;
        state
    }

    fn touched(state: &State) -> Vec<u32> {
        state.interval.touched.before().map(|(user, _)| user).collect()
    }

    #[test]
    fn a_user_is_kept_once_an_interval_also_where_the_numbers_begin_anew() {
        for first in [0, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
            let mut state = state_from(first);
            let [a, b, c] = ["a", "b", "c"].map(|id| state.add_user(id));
            [a, b, a, b, c, a, c].into_iter().for_each(|user| state.touch(user));
            assert_eq!(touched(&state), [a, b, c], "from {first} on");
            state.keep_pages();
            state.touch(b);
            assert_eq!(state.interval.touched.stale, [1], "from {first} on: whose page changed again");
            state.interval.touched.clear();
            assert_eq!(state.interval.touched.first, first.wrapping_add(3));
            // Numbers of the interval before mean nothing in this one.
            [c, b, c].into_iter().for_each(|user| state.touch(user));
            assert_eq!(touched(&state), [c, b], "after {first}");
        }
    }

    #[test]
    fn a_number_that_has_come_again_is_not_taken_for_that_of_somebody_else() {
        let mut state = state_from(7);
        let [a, b] = ["a", "b"].map(|id| state.add_user(id));
        state.touch(a);
        state.interval.touched.clear();
        // Four billion numbers later.
        state.interval.touched.first = 7;
        state.touch(b);
        assert_eq!(state.users[a].touched, state.users[b].touched, "the same number");
        state.touch(a);
        assert_eq!(touched(&state), [b, a]);
    }

    #[test]
    fn whoever_gets_the_place_of_another_is_kept_by_an_id_of_their_own() {
        // An untouched user has the last of all numbers, which an entry may have too.
        for first in [0, NONE] {
            let mut state = state_from(first);
            let gone = state.add_user("gone");
            state.touch(gone);
            state.interval.touched.clear();
            state.users.remove(gone);
            state.interval.touched.first = first;
            let came = state.add_user("came");
            assert_eq!(came, gone, "the place is another's");
            state.touch(came);
            state.touch(came);
            assert_eq!(touched(&state), [came]);
            let mut key = Vec::new();
            state.interval.touched.entries[0].id.write_bytes_to(&state.ids, &mut key);
            assert_eq!(key, b"came");
        }
    }
}
