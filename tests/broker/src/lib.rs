//! A real Apache Kafka 4 on loopback, for tests and for development.
//!
//! It owns fetching (by Maven, once per target directory), formatting, starting, hurting and ending brokers.
//! It does not create topics or read records: that is the business of the tests, with the client that they
//! test.
//!
//! ```no_run
//! use wayfarer_broker::{Broker, Cluster, Options};
//!
//! let address = Broker::shared()?; // one for all the tests of a process, and of `kafka run -- cargo test`
//! let mine = Broker::start(&Options::default())?; // one to hurt
//! mine.kill()?;
//! mine.restart()?; // the same port and data
//! let three = Cluster::start(3)?;
//! three.pause(2)?;
//! # drop(address);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A broker ends with its owner, even if the owner is killed with SIGKILL, and takes its data along
//! ([`reaper`]). It is ended by its own process id, never by a name.

#![doc(html_no_source)]

pub mod options;
pub mod error;
pub mod broker;
pub mod cluster;
pub mod fetch;
pub mod maven;
mod settings;
mod certificate;
mod node;
mod ports;
pub mod probe;
mod jvm;
pub mod reaper;

pub use broker::{Broker, SHARED};
pub use cluster::Cluster;
pub use error::Error;
pub use options::{Options, User};
