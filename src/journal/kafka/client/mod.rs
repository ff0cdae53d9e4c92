//! librdkafka, made safe: what the journal needs of it, and nothing else.
//!
//! The one module where `unsafe` is allowed: the batch calls and the isolation of `ListOffsets` are in no
//! wrapper, and rdkafka's `commit_transaction` and `flush` wait at least 100 ms. Every block says why it
//! holds.
//!
//! - [`settings`]: properties, and those that nobody may change. [`error`]: what went wrong, as sentences.
//! - [`consumer`]: a member of a group, or a reader. [`group`]: what a member knows of itself and its
//!   group.
//! - [`message`]: a batch of records, not copied. [`offsets`]: where a partition begins and ends.
//! - [`rebalance`]: what is told before partitions come and go.
//! - [`producer`]: transactions that no refused record slips out of. [`out`]: records on their way, with
//!   back-pressure. [`topics`]: partitions are checked before. [`reports`]: what was delivered.
//! - [`appender`]: durable or not, and where.
//! - [`memory`]: what is freed is kept for a while. [`watchdog`]: which call is overdue.
//! - [`native`]: who owns a client, and its end. [`list`], [`raw`], [`log`]: the seam to C.
#![allow(unsafe_code, reason = "the one module that calls C")]

pub mod appender;
pub mod consumer;
pub mod error;
pub mod group;
mod identity;
mod list;
mod log;
pub mod memory;
pub mod message;
mod native;
pub mod offsets;
pub mod out;
pub mod partition;
pub mod producer;
mod raw;
pub mod rebalance;
mod reports;
pub mod settings;
mod topics;
pub mod watchdog;

pub use appender::{Append, AppendError, Appended, Appender};
pub use consumer::{Consumer, Membership, PollError};
pub use error::{Error, TransactionError};
pub use group::{Committed, GroupMetadata};
pub use identity::{Described, Named};
pub use message::{Message, Messages, Timestamp};
pub(super) use native::within;
pub use offsets::{Asker, Edge, Isolation};
pub use out::{Header, Out};
pub use partition::Partition;
pub use producer::{Producer, SentOffset, Transaction};
pub use rebalance::Rebalance;
pub use settings::{Scope, Settings};
pub use watchdog::{Overdue, overdue};
