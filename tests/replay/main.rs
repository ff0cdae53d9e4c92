//! `wayfarer replay`, from files to files, and of a journal: what its help promises.

mod folder;
mod worked_examples;
mod order;
mod sources;
mod mistakes;
mod statistics;
mod stories;
mod exact;
mod spoilt;
#[path = "../run/world.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod world;
