//! Pages of the format before, written in the present one little by little: a count a turn, like any other work, so
//! that a replay does the same.
//!
//! Whoever is touched anyway is written in the present format. The others are gone through in the order of their
//! ids' hashes, which is the same after a restore: a list of them is made by one pass when the format changes, and
//! when a shard is restored that is not through.

use super::record::User;
use super::shard::{Shard, State};
use super::storage::NONE;
use crate::model::Format;

/// The users whose pages may be of the format before.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Their handles, in order. A place may have become another's, whose page is of the present format.
    queue: Vec<u32>,
    /// How far it is gone through.
    pub(super) at: usize,
}

impl Renewal {
    /// How many are left, or fewer.
    fn left(&self) -> usize {
        self.queue.len() - self.at
    }

    /// Everybody was gone through, and that is committed.
    pub(super) fn committed(&mut self) {
        if self.left() == 0 {
            *self = Self::default();
        }
    }
}

impl State {
    /// Whether a page is stored for somebody, and in an older format than is written now.
    fn is_old(&self, user: &User) -> bool {
        user.stored_in() < self.format && (user.first != NONE || user.profile != NONE)
    }

    /// Finds those whose pages are to be renewed.
    pub(super) fn queue_renewal(&mut self) {
        let mut found: Vec<(u64, u32)> = Vec::new();
        if self.format > Format::FIRST {
            let old = self.users.iter().filter(|(_, user)| self.is_old(user));
            found.extend(old.map(|(handle, user)| (user.id.hash(&self.ids), handle)));
        }
        // Of equal hashes the ids decide: places differ after a restore.
        let id = |handle: u32| self.users[handle].id.to_text(&self.ids);
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(&id(b.1))));
        self.renewal = Renewal { queue: found.into_iter().map(|(_, handle)| handle).collect(), at: 0 };
    }

    /// Renews up to `max` pages; how many.
    pub(super) fn renew(&mut self, max: usize) -> usize {
        let mut renewed = 0;
        while renewed < max && self.renewal.left() > 0 {
            let user = self.renewal.queue[self.renewal.at];
            self.renewal.at += 1;
            if self.users.get(user).is_some_and(|it| self.is_old(it)) {
                // Its page before is of the old format, so that the one after differs, and is written.
                self.touch(user);
                renewed += 1;
            }
        }
        renewed
    }
}

impl Shard {
    /// The format in which it is written: by every commit from the next on, and page by page.
    #[must_use]
    pub fn format(&self) -> Format {
        self.state.format
    }

    /// How many users' pages are still of the format before; or fewer, never none while there is one.
    #[must_use]
    pub fn pages_to_renew(&self) -> usize {
        self.state.renewal.left()
    }
}
