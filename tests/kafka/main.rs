//! What is promised of Kafka, on a real one.
//!
//! The broker is that of [`wayfarer_broker::Broker::shared`], unless a test has to hurt one.

mod client;
mod contract;
mod scene;
mod world;
