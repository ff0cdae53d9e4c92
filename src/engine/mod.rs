//! The pure core: one shard's users, enrollments, timers and statistics. Inputs in, effects out.
//!
//! Nothing here does I/O, asks a clock, draws a random number or logs. The same inputs in the same order give the same
//! state and the same effects, to the byte, whatever the hash seeds and the order of slabs: whatever shows is ordered
//! by time and entry number.
//!
//! Reading order: [`input`] → [`shard`] (the way of one input) → `admit` (the entry gate) → `step` (the movement gate
//! and the nodes) → `listen` (events and those inside) → `hold` → [`park`] (failures) → `flip` (what a change of state
//! does to those inside) → `commit` (changes, digest, undo).

pub mod input;
pub mod effects;
pub mod shard;
mod warm;
mod admit;
mod step;
mod nodes;
mod listen;
pub mod hold;
mod at_send;
pub mod park;
#[cfg(test)]
pub(crate) mod trap;
#[cfg(feature = "broken")]
pub mod broken;
mod flip;
mod profile;
mod cold;
pub mod record;
pub mod statistics;
pub mod flows;
pub mod journey_state;
mod scope;
pub mod page;
mod touched;
mod sums;
mod renew;
pub mod commit;
pub mod cycle;
pub mod restore;
pub mod invariants;
pub mod json;
pub mod storage;

pub use commit::{Committing, StateSink};
pub use effects::Effects;
pub use input::{Body, Charge, Entry, Epoch, Grants, Input, Outcome, Receipt, Record};
pub use restore::Restore;
pub use shard::{Setup, Shard};
pub use touched::record_digest;
pub use warm::WARM_MAX;
