//! What is broken on purpose, for `simulate/` to find, on one thread. In no build but with the feature `broken`, which
//! nothing but the simulation asks for: elsewhere the places that ask are not compiled.

use std::cell::Cell;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Whoever is released is let go twice.
    DoubleRelease,
    /// The order of a release is that of a hash map.
    HashOrder,
    /// A shard that is being restored has no say in what commands come with another one.
    EpochGap,
    /// A spent budget is forgotten by whoever spends it.
    ForgottenBudget,
    /// A worker is said to run while it restores.
    ReadyTooEarly,
}

thread_local! {
    static BROKEN: Cell<(Option<Broken>, u64)> = const { Cell::new((None, 0)) };
}

/// From now on this is broken on this thread; `seed` is what hashes differ by between two runs.
pub fn set(what: Option<Broken>, seed: u64) {
    BROKEN.set((what, seed));
}

/// Whether that is broken.
pub(crate) fn is(what: Broken) -> bool {
    BROKEN.get().0 == Some(what)
}

/// By what something numbered is ordered if it lies in a hash map; else by nothing, so that a stable sort changes
/// nothing.
pub(super) fn hash(number: u64) -> u64 {
    let (what, seed) = BROKEN.get();
    if what == Some(Broken::HashOrder) {
        (number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    } else {
        0
    }
}
