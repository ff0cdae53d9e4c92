//! Where the core meets the edges: workers own shards, and one turn of the cycle is all that they do.
//!
//! Reading order: [`cycle`] (the turn, in numbered steps: read this to know what is guaranteed) → `take`
//! (what it feeds the shards) → `settle` (the commit and its three answers; `deliveries` times
//! what becomes of sends) → [`decide`] (a record of a log
//! to what the engine understands) → `moving` (shards come and go) → [`open`] (a gained shard from its records, on
//! any thread, with what `chronicle` has folded) → [`desk`] (the control log to epochs) → [`lists`] (the paced cursor over an audience list) → [`feed`] (a followed file). Around
//! it: [`pool`] (a worker's thread), [`inbox`] (what it is told), [`view`] and [`board`] (what it tells), `tail`
//! (what other instances do).

pub mod clock;
pub mod cycle;
mod take;
mod settle;
mod deliveries;
pub mod panics;
mod owned;
pub(crate) mod poison;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod samples;
pub mod decide;
pub mod open;
mod chronicle;
mod moving;
mod restorers;
pub mod desk;
pub mod lists;
pub mod feed;
pub mod inbox;
pub mod board;
pub mod view;
mod publish;
mod restoring;
pub mod pool;
pub mod running;
mod tail;
mod lookback;
pub mod story;
pub mod letters;
pub mod steward;
pub mod sources;
mod outputs;
pub mod stage;
pub mod formats;
pub mod process;
pub mod journeys;

pub(crate) use owned::source_of;
