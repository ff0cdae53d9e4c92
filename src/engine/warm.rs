//! Bringing a batch's users into the cache before they are decided.
//!
//! A step costs little but waits: index, user, enrollment and variables are four places in memory that nobody has
//! touched for long. One user after the other, each wait is paid in full. Walking a batch place by place, each time
//! with few instructions between two loads, lets the processor wait for many users at once. It changes nothing but
//! the time that the decisions take.
//!
//! Who was found is remembered until the next batch, and compared again by the one who asks: so a user is hashed and
//! looked up once.

use super::shard::{Shard, State};
use super::storage::NONE;
use super::storage::user_id::UserId;
use crate::model::hash::{fingerprint, user_hash};

/// How many users are brought in at once: more than a core has loads under way, few enough to stay in the first cache.
pub const WARM_MAX: usize = 64;

/// The longest id that is remembered, in bytes: a UUID in text, and some more.
const TEXT_MAX: usize = 44;

/// Users that were looked up ahead of their events.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    found: Vec<Found>,
    /// The one that is expected next: events come in the order in which they were looked up.
    next: usize,
}

#[derive(Debug)]
struct Found {
    hash: u64,
    packed: Option<UserId>,
    handle: u32,
    len: usize,
    text: [u8; TEXT_MAX],
}

impl Found {
    fn new(user: &str) -> Self {
        let mut text = [0; TEXT_MAX];
        let len = user.len();
        if let Some(place) = text.get_mut(..len) {
            place.copy_from_slice(user.as_bytes());
        }
        Self { hash: user_hash(user), packed: UserId::pack(user), handle: NONE, len, text }
    }

    fn is(&self, user: &str) -> bool {
        self.len == user.len() && self.text.get(..self.len) == Some(user.as_bytes())
    }
}

impl Ahead {
    /// The handle that was found for a user. Who was not known then is not known here.
    pub(super) fn take(&mut self, user: &str) -> Option<u32> {
        let left = self.found.get(self.next..)?;
        let at = left.iter().position(|found| found.is(user))?;
        self.next += at + 1;
        Some(left[at].handle).filter(|&handle| handle != NONE)
    }

    /// Handles may mean others from now on.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.next = 0;
    }
}

impl Shard {
    /// Touches all that deciding about these users will touch; at most [`WARM_MAX`] of them.
    ///
    /// The result is only there so that the touching is not optimised away.
    pub fn warm<'a>(&mut self, users: impl Iterator<Item = &'a str>) -> u32 {
        let state = &self.state;
        let ahead = &mut self.scratch.ahead;
        ahead.clear();
        ahead.found.extend(users.take(WARM_MAX).map(Found::new));
        for found in &mut ahead.found {
            found.handle = state.index.candidate(found.hash).unwrap_or(NONE);
        }
        // Most candidates are the ones. What the others are is found out here, for the next loop to be short.
        for found in &mut ahead.found {
            let is = |handle: u32| match (state.users.get(handle), found.packed) {
                (Some(user), Some(_)) => user.id.is(found.packed, &state.ids, ""),
                _ => false,
            };
            if !is(found.handle) && found.handle != NONE {
                let text = std::str::from_utf8(found.text.get(..found.len).unwrap_or_default());
                let text = text.unwrap_or_default();
                let is = |h: u32| state.users[h].id.is(found.packed, &state.ids, text);
                found.handle = state.index.find(found.hash, is).unwrap_or(NONE);
            }
        }
        state.warm_users(self.scratch.ahead.found.iter().map(|found| found.handle))
    }

    /// Touches what asking whether these messages were here before will touch.
    ///
    /// The result is only there so that the touching is not optimised away.
    pub fn warm_messages<'a>(&self, ids: impl Iterator<Item = &'a str>) -> u32 {
        self.state.dedupe.warm(ids.map(fingerprint))
    }
}

impl State {
    /// Touches profile, first enrollment and variables of users; at most [`WARM_MAX`] of them.
    pub(super) fn warm_users(&self, users: impl Iterator<Item = u32>) -> u32 {
        let mut handles = [NONE; WARM_MAX];
        let mut len = 0;
        let mut touched = 0;
        for handle in users.filter(|&handle| handle != NONE) {
            let user = &self.users[handle];
            if user.profile != NONE {
                touched ^= u32::from(self.profiles.get(user.profile).first().copied().unwrap_or(0));
            }
            handles[len] = user.first;
            len += usize::from(user.first != NONE);
        }
        for handle in &mut handles[..len] {
            let e = &self.enrollments[*handle];
            // Its first and its last byte: it may lie on two lines.
            touched ^= e.user ^ u32::from(e.flags);
            *handle = e.cold;
        }
        for handle in handles[..len].iter().filter(|h| **h != NONE) {
            touched ^= u32::from(self.cold.get(*handle).first().copied().unwrap_or(0));
        }
        touched
    }

    /// The user of an event, if the shard knows one: looked up ahead, or now.
    pub(super) fn find_ahead(&self, ahead: &mut Ahead, id: &str) -> Option<u32> {
        ahead.take(id).or_else(|| self.find_user(id))
    }
}
