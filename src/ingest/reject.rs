//! Why a message was not taken: a stable code, a place, and a sentence.

use std::fmt;

/// A message that is no event. It goes to the dead letters with its original bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// A stable word for counting and for programs, one of [`Reject::CODES`].
    pub code: &'static str,
    /// The byte at which the trouble was noticed, from the start of the message.
    pub at: usize,
    /// One sentence: what, where, and what is allowed.
    pub message: String,
}

impl Reject {
    /// Every code there is, in the order in which a message is looked at; a counter may be kept for each.
    pub const CODES: [&'static str; 39] = [
        "empty",
        "too_large",
        "invalid_utf8",
        "not_json",
        "truncated",
        "not_object",
        "too_deep",
        "too_many_fields",
        "number_out_of_range",
        "duplicate_key",
        "trailing_bytes",
        "type_missing",
        "type_not_string",
        "type_unknown",
        "user_missing",
        "user_not_string",
        "user_blank",
        "user_too_long",
        "user_control_character",
        "event_missing",
        "event_not_string",
        "event_blank",
        "event_too_long",
        "message_id_not_string",
        "message_id_too_long",
        "properties_not_object",
        "traits_not_object",
        "context_not_object",
        "type_contradicts",
        "batch_missing",
        "batch_too_long",
        "csv_columns",
        "csv_quote",
        "csv_timestamp",
        "ce_envelope",
        "ce_missing",
        "ce_version",
        "ce_not_string",
        "ce_content_type",
    ];

    #[cold]
    pub(super) fn boxed(code: &'static str, at: usize, message: String) -> Box<Self> {
        debug_assert!(Self::CODES.contains(&code), "{code} is missing in Reject::CODES");
        Box::new(Self { code, at, message })
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Reject {}

/// What the scanner gives: the error is boxed, so that the answer of the hot path fits two registers.
pub(super) type Scanned<T> = Result<T, Box<Reject>>;
