//! Bringing a batch's users into the cache before they are decided.
//!
//! A step costs little but waits: index, user, enrollment and variables are four places in memory that nobody has
//! touched for long. One user after the other, each wait is paid in full. Walking a batch place by place lets the
//! processor wait for many users at once. It changes nothing but the time that the decisions take.

use super::shard::{Shard, State};
use super::storage::NONE;
use super::storage::user_id::UserId;
use crate::model::hash::user_hash;

/// How many users are brought in at once: more than a core has loads under way, few enough to stay in the first cache.
pub const WARM_MAX: usize = 32;

impl Shard {
    /// Touches all that deciding about these users will touch; at most [`WARM_MAX`] of them at a time.
    ///
    /// The result is only there so that the touching is not optimised away.
    pub fn warm<'a>(&self, users: impl Iterator<Item = &'a str>) -> u32 {
        let state = &self.state;
        let mut ids: [(&str, u64); WARM_MAX] = [("", 0); WARM_MAX];
        let mut handles = [NONE; WARM_MAX];
        let mut len = 0;
        for (slot, user) in ids.iter_mut().zip(users) {
            *slot = (user, user_hash(user));
            len += 1;
        }
        let (ids, handles) = (&ids[..len], &mut handles[..len]);
        for ((user, hash), handle) in ids.iter().zip(handles.iter_mut()) {
            let packed = UserId::pack(user);
            let found = state.index.find(*hash, |h| state.users[h].id.is(packed, &state.ids, user));
            *handle = found.unwrap_or(NONE);
        }
        state.warm_users(handles.iter().copied())
    }
}

impl State {
    /// Touches profile, first enrollment and variables of users; at most [`WARM_MAX`] of them.
    pub(super) fn warm_users(&self, users: impl Iterator<Item = u32>) -> u32 {
        let mut handles = [NONE; WARM_MAX];
        let mut len = 0;
        for (slot, user) in handles.iter_mut().zip(users) {
            *slot = user;
            len += 1;
        }
        let handles = &mut handles[..len];
        let mut touched = 0;
        for handle in handles.iter_mut().filter(|h| **h != NONE) {
            let user = &self.users[*handle];
            if user.profile != NONE {
                touched ^= u32::from(self.profiles.get(user.profile).first().copied().unwrap_or(0));
            }
            *handle = user.first;
        }
        for handle in handles.iter_mut().filter(|h| **h != NONE) {
            let e = &self.enrollments[*handle];
            touched ^= u32::from(e.plan) ^ u32::from(e.flags);
            *handle = e.cold;
        }
        for handle in handles.iter().filter(|h| **h != NONE) {
            touched ^= u32::from(self.cold.get(*handle).first().copied().unwrap_or(0));
        }
        touched
    }
}
