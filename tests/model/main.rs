//! The engine beside the reference model: random stories through both, compared after every step; and the engine
//! beside itself: undone, restored, and driven again by what it recorded.

mod hours;
#[path = "../oracle/mod.rs"]
mod oracle;
mod pair;
mod restore;
mod shrink;
mod stories;
