//! The engine beside the reference model: random stories through both, compared after every step; and the engine
//! beside itself: undone, restored, and driven again by what it recorded.

mod hours;
mod pair;
mod restore;
mod stories;
