#![doc = include_str!("ARCHITECTURE.md")]

pub mod model;
pub mod lifecycle;
pub mod journey;
pub mod engine;
pub mod ingest;
pub mod journal;
pub mod control;
pub mod worker;
pub mod metrics;
pub mod config;
pub mod http;
pub mod ctl;
pub mod look;
pub mod top;
pub mod topics;
pub mod run;
pub mod replay;
pub mod demo;
pub mod cli;

// Tests inside the library share helpers with those outside, which name it so.
#[cfg(test)]
extern crate self as wayfarer;
