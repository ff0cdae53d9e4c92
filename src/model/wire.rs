//! The JSON forms of what leaves the engine: sends, transitions, refusals.
//!
//! The hot path writes them by hand (see [`crate::engine`]); these types read them back, and say what the fields mean.
//! The reference model and the verifiers know the engine through these forms only.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// A request to deliver one message, handed over exactly once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendRecord {
    /// The idempotency key, 32 hex digits: whoever delivers drops a repeat by it.
    pub key: String,
    /// The journey's id.
    pub journey: String,
    /// The version that the enrollment was on when the node started.
    pub version: u32,
    /// The send node.
    pub node: String,
    /// Who gets it.
    pub user: String,
    /// By which way: `push`, `email`, `sms`, …
    pub channel: String,
    /// Which provider, if the node names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The content's name.
    pub content: String,
    /// The content's revision, read when the node started.
    pub revision: u32,
    /// What fills the content in.
    #[serde(default)]
    pub variables: serde_json::Map<String, serde_json::Value>,
    /// When the enrollment fell due for this node.
    pub due: Timestamp,
    /// When the send was handed over, by the shard's time.
    pub at: Timestamp,
    /// After which it is no use any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// One movement of one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransitionRecord {
    /// When, by the shard's time.
    pub at: Timestamp,
    /// The journey's id.
    pub journey: String,
    /// The version of the enrollment.
    pub version: u32,
    /// The user.
    pub user: String,
    /// The enrollment's number in its shard.
    pub entry: u64,
    /// What happened: `entered`, `started`, `waiting`, `held`, `queued`, `sent`, `moved`, `released`, `draining`,
    /// `migrated`, `converted`, `exited`.
    pub what: String,
    /// The node concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The branch, the goal, the reason of an exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Until when, where something is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A user who qualified and was not let in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusalRecord {
    /// When, by the shard's time.
    pub at: Timestamp,
    /// The journey's id.
    pub journey: String,
    /// The user.
    pub user: String,
    /// The first gate's reason that said no, such as `entry_shut`.
    pub reason: String,
    /// The journey's state at that moment.
    pub state: String,
}

/// Whose line it is, of any of the three forms as the engine writes them; `None` if it says nobody.
///
/// Finds the name without reading the rest, since whoever asks goes through millions of lines. Within a
/// text of JSON a quotation mark is escaped, so the field cannot be mistaken, and it stands before all that
/// a user can name fields in.
#[must_use]
pub fn user_of(line: &[u8]) -> Option<Cow<'_, str>> {
    const FIELD: &[u8] = br#""user":"#;
    static FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(FIELD));
    let value = line.get(FINDER.find(line)? + FIELD.len()..)?;
    let text = value.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', text)?;
    if text[end] == b'"' {
        return std::str::from_utf8(&text[..end]).ok().map(Cow::Borrowed);
    }
    let user = serde_json::Deserializer::from_slice(value).into_iter::<String>().next()?;
    user.ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whose_it_is_whatever_else_it_says() {
        for (line, user) in [
            (r#"{"at":"…","journey":"j","version":1,"user":"u-1","entry":7,"what":"entered"}"#, Some("u-1")),
            (r#"{"journey":"\"user\":\"x\"","user":"é","variables":{"user":"other"}}"#, Some("é")),
            (r#"{"user":"a\"b\\c\u00e9","reason":"late"}"#, Some("a\"b\\cé")),
            (r#"{"user":7}"#, None),
            (r#"{"user":"cut"#, None),
            (r#"{"what":"user"}"#, None),
            ("", None),
        ] {
            assert_eq!(user_of(line.as_bytes()).as_deref(), user, "{line}");
        }
    }
}
