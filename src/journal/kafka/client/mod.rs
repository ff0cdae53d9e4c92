//! librdkafka, made safe: what the journal needs of it, and nothing else.
//!
//! The one module where `unsafe` is allowed: the batch calls and the isolation of `ListOffsets` are in no
//! wrapper, and rdkafka's `commit_transaction` and `flush` wait at least 100 ms. Every block says why it holds.
//!
//! - [`settings`]: properties, and those that nobody may change. [`error`]: what went wrong, as sentences.
//! - [`consumer`]: a member of a group, or a reader without one. [`message`]: a batch of records, not copied.
//! - [`rebalance`]: what is told before partitions come and go. [`offsets`]: where a partition begins and ends.
//! - [`producer`]: transactions that a refused record cannot slip out of. [`appender`]: durable or not, and where.
//! - [`watchdog`]: which call is overdue.
#![allow(unsafe_code, reason = "the one module that calls C")]

pub mod appender;
pub mod consumer;
pub mod error;
pub mod message;
pub mod offsets;
pub mod partition;
pub mod producer;
pub mod rebalance;
pub mod settings;
pub mod watchdog;

pub use appender::{Append, AppendError, Appended, Appender};
pub use consumer::{Committed, Consumer, GroupMetadata, Membership, PollError};
pub use error::{Error, TransactionError};
pub use message::{Message, Messages, Timestamp};
pub use offsets::{Edge, Isolation};
pub use partition::Partition;
pub use producer::{Header, Out, Producer, SentOffset, Transaction};
pub use rebalance::Rebalance;
pub use settings::{Scope, Settings};
pub use watchdog::{Overdue, overdue};
