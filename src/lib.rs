//! Wayfarer executes customer journeys.

pub mod model;
pub mod lifecycle;
pub mod journey;
pub mod ingest;
pub mod engine;
pub mod control;
pub mod journal;
pub mod worker;
pub mod metrics;
pub mod config;
pub mod http;
pub mod ctl;
pub mod look;
pub mod run;
pub mod replay;
pub mod demo;
pub mod cli;
