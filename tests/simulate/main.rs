//! Several instances over one journal, stepped one by one on a virtual clock, with faults at every step, beside the
//! reference model; and what the simulation finds when something is broken on purpose.
#![allow(missing_docs, reason = "tests")]

#[path = "../oracle/mod.rs"]
mod oracle;
mod journal;
mod cluster;
mod story;
mod seeds;
