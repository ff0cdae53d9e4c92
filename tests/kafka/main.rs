//! What is promised of Kafka, on a real one: librdkafka's mock cluster has no transactions.
//!
//! The broker is that of [`wayfarer_broker::Broker::shared`], unless a test has to hurt one.
#![allow(missing_docs, reason = "tests")]

mod admin;
mod checkpoints;
mod client;
mod closing;
mod contract;
mod fencing;
mod instances;
mod lists;
mod process;
mod running;
mod scene;
mod topics;
mod world;
