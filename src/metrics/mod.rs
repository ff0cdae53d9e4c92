//! What is measured: counters, gauges and latencies, kept by each worker for itself and shown together.
//!
//! A worker owns a [`WorkerMetrics`]: plain numbers and histograms, no lock, no atomic, no label. At the end
//! of a cycle, at most every `metrics.publish_interval`, it hands them to the [`Hub`] by swapping a pointer, and
//! a scrape takes what was handed over and adds it up. So a number can be as old as that interval, never
//! torn: what one worker hands over is what it had at a commit, and the identities in [`names`] hold in every
//! scrape.

mod counters;
mod distribution;
mod hub;
mod interval_log;
mod latency;
pub mod names;
pub mod read;
mod render;
mod worker;

pub use counters::{Counters, Gauges};
pub use hub::{Hub, JourneyIndex, JourneyLabel};
pub use interval_log::IntervalLog;
pub use latency::{Quantiles, Stage};
pub use render::CONTENT_TYPE;
pub use worker::{JourneyCounts, Reason, ShardNumbers, WorkerMetrics};

#[cfg(test)]
mod tests;
