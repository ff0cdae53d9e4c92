//! Wayfarer's instances on one virtual clock: the shard, cycle and worker code of production over the journal in
//! memory, random journeys, users and operators, faults at every step, and the reference model beside them.
//!
//! A run is a function of its seed, to the byte. Read in this order:
//!
//! - [`story`]: one story through the cluster and the reference, compared whenever the cluster is at rest;
//!   `system`: commands on their way, and what the system commands by itself
//! - `befall`: what befalls the instances, chosen by dice; `cluster`: who takes turns, and what holds of every turn
//! - `journal`: a worker's journal, which dies and forgets answers; `disk`: checkpoints
//! - `formats`: instances of two programs, and the next format in the middle of a story
//! - [`mutation`]: what is broken on purpose
//! - `watch`: what leaves, line by line; [`oracle`]: who is where, and all counts; [`met`]: what was met and checked
//! - [`many`]: seeds by the thousand; [`shrink`]: a failing story made short

mod befall;
mod cluster;
mod disk;
mod formats;
mod journal;
pub mod many;
pub mod met;
pub mod mutation;
pub mod oracle;
pub mod shrink;
pub mod story;
mod system;
mod watch;
