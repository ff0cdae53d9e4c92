//! The journal on Kafka.
//!
//! - [`client`]: librdkafka, made safe. The one place in the tree where `unsafe` is allowed.

pub mod client;
