//! Properties of clients, and those that nobody may change.

use super::error::Error;

/// Which clients a property is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Consumers and producers: `security.protocol`, `socket.timeout.ms`.
    Client,
    /// Consumers only: `fetch.max.bytes`.
    Consumer,
    /// Producers only: `compression.type`.
    Producer,
}

/// Where the brokers are, and what an operator adds to a client's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {}

impl Settings {
    /// Those of a cluster: `host:port`, several with commas.
    pub fn new(bootstrap_servers: &str) -> Self {
        unimplemented!()
    }
    /// Adds a librdkafka property.
    ///
    /// # Errors
    /// It carries the guarantee, belongs to a client's own arguments, or librdkafka knows no such property or value.
    pub fn with(self, scope: Scope, key: &str, value: &str) -> Result<Self, Error> {
        unimplemented!()
    }
}
