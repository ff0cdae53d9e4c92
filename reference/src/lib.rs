//! The same journeys, executed the slow and obvious way: the oracle of property tests, simulation and
//! verifier.
//!
//! Typed from the words of the contract, rule by rule, and sharing with `wayfarer` only its model (time,
//! values, wire records, hashes) and the definition as written. Everything is a plain `Vec` or `BTreeMap`,
//! the next timer is found by looking at every enrollment, conditions are compiled anew by the `cel` crate
//! each time, and nothing is ever forgotten. Read in this order:
//!
//! - `tables`: the two vendors' states, over two gates
//! - `world`: everything there is, its clock, and what it tells
//! - `lifecycle`: what operators do, and what dates do by themselves
//! - `entry`: who is let in
//! - `heard`: what an event, a receipt or an operator does to those inside
//! - `walk`: node after node
//! - `door`: who waits for a share of an entry limit; `failures`: budgets, and whom they park
//! - `hold`: held gates, release, new versions, drain
//! - `report`: what can be asked
//! - `arms`, `calendar`, `condition`: slots of a random split, local times and rates, CEL

mod tables;
mod world;
mod lifecycle;
mod entry;
mod heard;
mod walk;
mod hold;
mod failures;
mod door;
mod report;
mod arms;
mod calendar;
mod condition;

pub mod workload;

pub use arms::{first_slots, moved_slots};
pub use heard::Sent;
pub use lifecycle::Command;
pub use world::{Counts, Position, RULES, World};
