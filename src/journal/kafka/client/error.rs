//! What went wrong, as sentences.

use std::borrow::Cow;

use rdkafka::bindings as rk;

use super::raw::{self, code};

/// What librdkafka or a broker refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {doing}: {text} ({name})")]
pub struct Error {
    /// What was being done, as an infinitive with its values.
    pub doing: Cow<'static, str>,
    /// librdkafka's number: above 0 the broker's, below 0 its own.
    pub code: i32,
    /// librdkafka's name of it, such as `_MSG_TIMED_OUT` or `UNKNOWN_MEMBER_ID`.
    pub name: String,
    /// What was said about it.
    pub text: String,
    /// The client is of no use any more: make a new one.
    pub fatal: bool,
    /// The same call may be made again.
    pub retriable: bool,
    /// The transaction has to be aborted; then the next one may begin.
    pub abortable: bool,
}

/// Why a transaction is not known to be committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// It was aborted: nothing of it is committed, nothing ever will be. The producer goes on; but after a
    /// record that a broker refused, the next transaction with one for the same partition is aborted as
    /// well (the partition's sequence has a gap, which costs librdkafka an epoch).
    #[error("the transaction was aborted, nothing of it is committed: {0}")]
    Aborted(Error),
    /// Committed whole or not at all. The producer is of no use any more: drop it, make one with the same
    /// transactional id (which fences this one), and read what is committed.
    #[error("it is unknown whether the transaction is committed: {0}")]
    Unknown(Error),
    /// Another producer with the same transactional id has taken over. Outcome unknown, as above.
    #[error(
        "it is unknown whether the transaction is committed, another producer took its transactional id: {0}"
    )]
    Fenced(Error),
}

impl TransactionError {
    /// What happened.
    pub fn error(&self) -> &Error {
        match self {
            Self::Aborted(error) | Self::Unknown(error) | Self::Fenced(error) => error,
        }
    }
}

impl Error {
    /// Whether another producer with the same transactional id has taken over.
    pub fn is_fenced(&self) -> bool {
        matches!(self.code, code::FENCED | code::PRODUCER_FENCED | code::INVALID_PRODUCER_EPOCH)
    }

    /// Whether the time was not enough.
    pub fn is_timeout(&self) -> bool {
        self.code == code::TIMED_OUT
    }

    /// One that is found on this side; `text` says what is allowed.
    pub(super) fn new(doing: impl Into<Cow<'static, str>>, code: i32, text: impl Into<String>) -> Self {
        Self {
            doing: doing.into(),
            code,
            name: name(code),
            text: text.into(),
            fatal: code == code::FATAL,
            retriable: false,
            abortable: false,
        }
    }

    /// One of which only the code is known.
    pub(in crate::journal::kafka) fn of_code(doing: impl Into<Cow<'static, str>>, code: i32) -> Self {
        // SAFETY: the function takes any number, and answers with a constant or with a text of this thread
        // that is not overwritten before the next call on this thread.
        let text = unsafe { raw::text(raw::rd_kafka_err2str(code)) };
        Self::new(doing, code, text)
    }

    /// Ok for code 0.
    pub(super) fn check(doing: impl Into<Cow<'static, str>>, code: i32) -> Result<(), Self> {
        if code == code::NONE { Ok(()) } else { Err(Self::of_code(doing, code)) }
    }

    /// Ok for null; else frees the error.
    ///
    /// # Safety
    /// `error` is null, or an error object that the caller owns and gives away.
    pub(super) unsafe fn take(
        doing: impl Into<Cow<'static, str>>,
        error: *mut rk::rd_kafka_error_t,
    ) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the object is alive by the caller's promise until it is destroyed at the end; texts are
        // copied.
        unsafe {
            let code = raw::rd_kafka_error_code(error);
            let mut taken = Self::new(doing, code, raw::text(rk::rd_kafka_error_string(error)));
            taken.fatal = rk::rd_kafka_error_is_fatal(error) != 0;
            taken.retriable = rk::rd_kafka_error_is_retriable(error) != 0;
            taken.abortable = rk::rd_kafka_error_txn_requires_abort(error) != 0;
            rk::rd_kafka_error_destroy(error);
            Err(taken)
        }
    }
}

fn name(code: i32) -> String {
    // SAFETY: as for the text in `of_code`.
    unsafe { raw::text(raw::rd_kafka_err2name(code)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_could_not_be_done_and_why() {
        let error = Error::of_code("read events/3", code::UNKNOWN_PARTITION);
        assert_eq!(
            error.to_string(),
            "could not read events/3: Local: Unknown partition (_UNKNOWN_PARTITION)"
        );
    }

    #[test]
    fn a_code_that_no_library_knows_yet_is_still_an_error() {
        let error = Error::of_code("commit", 4_711);
        assert_eq!((error.code, error.fatal, error.retriable), (4_711, false, false));
        assert!(error.to_string().contains("4711"), "{error}");
    }

    #[test]
    fn fencing_is_known_by_each_of_its_names() {
        for code in [code::FENCED, code::PRODUCER_FENCED, code::INVALID_PRODUCER_EPOCH] {
            assert!(Error::of_code("commit", code).is_fenced(), "{code}");
        }
        assert!(!Error::of_code("commit", code::TIMED_OUT).is_fenced());
    }

    #[test]
    fn an_error_object_is_taken_with_all_that_it_says() {
        let text = std::ffi::CString::new("the broker sleeps").expect("no NUL");
        let code = rk::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT;
        // SAFETY: a new object with a text without format specifiers, given away at once.
        let taken = unsafe { Error::take("wake it", rk::rd_kafka_error_new(code, text.as_ptr())) };
        let error = taken.expect_err("an error object is an error");
        assert_eq!(error.to_string(), "could not wake it: the broker sleeps (_TIMED_OUT)");
        assert!(error.is_timeout());
    }
}
