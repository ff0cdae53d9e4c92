//! What went wrong, as sentences.

use std::borrow::Cow;

/// What librdkafka or a broker refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {doing}: {text} ({name})")]
pub struct Error {
    /// What was being done, as an infinitive with its values.
    pub doing: Cow<'static, str>,
    /// librdkafka's number: above 0 the broker's, below 0 its own.
    pub code: i32,
    /// librdkafka's name of it, such as `_MSG_TIMED_OUT` or `UNKNOWN_MEMBER_ID`.
    pub name: &'static str,
    /// What was said about it.
    pub text: String,
    /// The client is of no use any more: make a new one.
    pub fatal: bool,
    /// The same call may be made again.
    pub retriable: bool,
    /// The transaction has to be aborted, and then goes on with the next one.
    pub abortable: bool,
}

/// Why a transaction is not known to be committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// It was aborted: nothing of it is committed, nothing ever will be. The producer goes on.
    #[error("the transaction was aborted, nothing of it is committed: {0}")]
    Aborted(Error),
    /// Committed whole or not at all. The producer is of no use any more: drop it, make one with the same
    /// transactional id (which fences this one), and read what is committed.
    #[error("it is unknown whether the transaction is committed: {0}")]
    Unknown(Error),
    /// Another producer with the same transactional id has taken over. Outcome unknown, as above.
    #[error("another producer has the same transactional id: {0}")]
    Fenced(Error),
}
