//! Why a command did nothing, as a sentence with the values in it.

use serde::{Deserialize, Serialize};

use super::unsaved::EDIT_BYTES_MAX;
use crate::lifecycle::{Refusal, Verb};
use crate::model::Format;

/// A refused command. It left everything as it was, on every instance alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The record has no id, so that a repeat could not be told.
    #[error("the command has no id; give it one, so that it can be repeated safely")]
    NoId,
    /// The id is that of a command that asked for something else.
    #[error("the id {id:?} was used for another command; a repeat must be the same, else take a new id")]
    IdUsed {
        /// The id.
        id: String,
    },
    /// An operator cannot hand out shares of an entry limit.
    #[error("only the system grants shares of an entry limit; change the limit in the definition instead")]
    GrantBySystem,
    /// A share of an entry limit that cannot be: two instances may hand out at once.
    #[error("of journey {journey:?} no such shares can be granted: {why}")]
    Grant {
        /// The journey.
        journey: String,
        /// Why not.
        why: String,
    },
    /// What is stored cannot be moved to that format, or not yet.
    #[error("nothing is moved to format {format}: {why}")]
    Format {
        /// The format asked for.
        format: Format,
        /// Why not.
        why: String,
    },
    /// Nobody has put such a journey.
    #[error("there is no journey {journey:?}; put its definition first")]
    NoSuchJourney {
        /// The id asked for.
        journey: String,
    },
    /// The new journey's id is taken.
    #[error("there is a journey {journey:?} already; choose another id")]
    Exists {
        /// The id that is taken.
        journey: String,
    },
    /// Not an id.
    #[error("{id:?} cannot be a journey's id: letters, digits, '-', '_' and '.', from 1 to 64 of them")]
    BadId {
        /// The text.
        id: String,
    },
    /// The definition is of another journey than the command.
    #[error("the command is for journey {journey:?}, but its definition has the id {definition:?}")]
    OtherId {
        /// The command's journey.
        journey: String,
        /// The definition's id.
        definition: String,
    },
    /// Somebody else changed the journey meanwhile.
    #[error("journey {journey:?} is at revision {actual}, not {expected}: look at it again, then repeat")]
    Stale {
        /// The journey.
        journey: String,
        /// The revision that the command expects.
        expected: u64,
        /// The revision that it has.
        actual: u64,
    },
    /// The definition cannot even be kept: all the reasons.
    #[error("the definition of {journey:?} cannot be saved: {}", problems.join("; "))]
    Unusable {
        /// The journey.
        journey: String,
        /// The reasons.
        problems: Vec<String>,
    },
    /// An edit changes more than may be edited in place: all the paths.
    #[error(
        "journey {journey:?} is {state}, where only {editable} can be edited in place, not {}; \
         make a new journey of it with {instead}",
        paths.join(", ")
    )]
    NotInPlace {
        /// The journey.
        journey: String,
        /// Its state.
        state: String,
        /// What may be edited.
        editable: String,
        /// The paths in the definition that differ and must not.
        paths: Vec<String>,
        /// The verb that offers the edit as a new journey.
        instead: Verb,
    },
    /// The verb needs something that the command lacks.
    #[error("{verb} needs {what}")]
    Incomplete {
        /// The verb.
        verb: Verb,
        /// What it needs.
        what: String,
    },
    /// A release names a node that no version of the journey has.
    #[error("no version of journey {journey:?} has a node {node:?} to release from")]
    NoSuchNode {
        /// The journey.
        journey: String,
        /// The node.
        node: String,
    },
    /// Nobody can be released while nobody may move.
    #[error(
        "journey {journey:?} is {state}, where nobody who is held may go on; allowed are {}",
        words(allowed)
    )]
    NobodyMoves {
        /// The journey.
        journey: String,
        /// Its state.
        state: String,
        /// What may be asked instead.
        allowed: Vec<Verb>,
    },
    /// There is no such edit to save or to drop.
    #[error(
        "{actor} has no such unsaved edit of journey {journey:?}: look at it again, it may have been saved"
    )]
    NoEdit {
        /// The journey.
        journey: String,
        /// Whose edit.
        actor: String,
    },
    /// The edit is too long to be kept.
    #[error("an unsaved edit of {journey:?} has {bytes} bytes; at most {EDIT_BYTES_MAX} are kept")]
    EditTooLong {
        /// The journey.
        journey: String,
        /// How long it is.
        bytes: usize,
    },
    /// The list cannot be taken now.
    #[error("journey {journey:?} cannot take the list {list:?}: {why}")]
    List {
        /// The journey.
        journey: String,
        /// The list's name.
        list: String,
        /// Why not.
        why: String,
    },
    /// The state, the dialect, the role, the dates or the definition refuse the verb.
    #[error(transparent)]
    Verb(#[from] Refusal),
}

fn words(verbs: &[Verb]) -> String {
    let words: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

impl Refused {
    /// A stable word for programs, such as `stale`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoId => "no_id",
            Self::IdUsed { .. } => "key_reused",
            Self::GrantBySystem => "grant_by_system",
            Self::Grant { .. } => "grant",
            Self::Format { .. } => "format",
            Self::NoSuchJourney { .. } => "no_such_journey",
            Self::Exists { .. } => "exists",
            Self::BadId { .. } => "bad_id",
            Self::OtherId { .. } => "other_id",
            Self::Stale { .. } => "stale",
            Self::Unusable { .. } => "unusable",
            Self::NotInPlace { .. } => "not_in_place",
            Self::Incomplete { .. } => "incomplete",
            Self::NoSuchNode { .. } => "no_such_node",
            Self::NoEdit { .. } => "no_edit",
            Self::EditTooLong { .. } => "edit_too_long",
            Self::NobodyMoves { .. } => "nobody_moves",
            Self::List { .. } => "list",
            Self::Verb(_) => "verb",
        }
    }
}
