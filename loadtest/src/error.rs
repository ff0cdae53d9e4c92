//! What can go wrong, as one sentence.

use wayfarer::journal::kafka::client;

/// Why it cannot go on: what, where, what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// Something, or the sentence why not.
pub type Result<T> = std::result::Result<T, Error>;

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        Self(format!("Kafka: {error}"))
    }
}

impl From<client::PollError> for Error {
    fn from(error: client::PollError) -> Self {
        Self(format!("Kafka: {error}"))
    }
}

impl From<client::TransactionError> for Error {
    fn from(error: client::TransactionError) -> Self {
        Self(format!("Kafka: {error}"))
    }
}

/// Turns an error of the operating system into a sentence.
pub fn cannot(doing: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Error {
    move |error| Error(format!("cannot {doing}: {error}"))
}
