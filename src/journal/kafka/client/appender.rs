//! Appends outside of transactions: durable, and where, before it is answered. Shared by threads.

use std::time::Duration;

use super::error::Error;
use super::producer::Header;
use super::settings::Settings;

/// A record to be appended.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a [Header<'a>],
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, milliseconds since 1970: the broker's under LogAppendTime.
    pub timestamp: i64,
}

/// Why a record is not known to be appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It is not in the log and never will be.
    #[error("not appended: {0}")]
    Refused(Error),
    /// It may be in the log, or come into it later.
    #[error("it is unknown whether it is appended: {0}")]
    Unknown(Error),
}

/// An idempotent producer (`acks=all`), without transactions.
#[derive(Debug)]
pub struct Appender {}

impl Appender {
    /// A producer.
    ///
    /// # Errors
    /// librdkafka refuses a property, or there are too few threads or files.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Appends; one answer for each record, in their order, within `deadline`.
    ///
    /// Records of one partition lie in the order given. After an answer that is not Ok, later ones of the same
    /// call may still be Ok.
    pub fn append(&self, records: &[Append<'_>], deadline: Duration) -> Vec<Result<Appended, AppendError>> {
        unimplemented!()
    }
}
