//! Decisions that panic, for tests of what a worker does about them (protocol 14). Not in any build but the tests'.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static USERS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// From now on no node starts for these users on this thread without a panic.
pub(crate) fn set(users: &[&str]) {
    USERS.with_borrow_mut(|known| *known = users.iter().map(|&user| user.to_owned()).collect());
}

/// Panics if the user is one of those.
pub(super) fn spring(user: &str) {
    let caught = USERS.with_borrow(|known| known.contains(user));
    assert!(!caught, "a trap of the tests: a node starts for {user}");
}
