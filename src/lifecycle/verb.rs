//! The words of a command: what is asked, by whom, and what it does to those inside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something that can be asked of a journey. Each dialect knows some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Change the definition, as far as the state allows.
    Edit,
    /// Keep the edits of a draft (CT).
    Save,
    /// Go live (CT).
    Publish,
    /// Go live (AN).
    Activate,
    /// Start a new journey from this one (CT).
    Clone,
    /// Start a new journey from this one (AN).
    Copy,
    /// CT: shut the entry, let those inside go on. AN: let users in, and hold everybody.
    Pause,
    /// CT: open the entry again. AN: let the held go on.
    Resume,
    /// End for good, and drain (CT).
    Stop,
    /// Shut the entry and hold everybody (AN).
    Freeze,
    /// Open again, with the latest saved version (AN).
    Reactivate,
    /// Shut the entry, let those inside go on (AN).
    Close,
    /// End for good, and drain (AN).
    Abort,
    /// The failure budget is spent (G17). By the system only.
    Fail,
    /// What made it fail is repaired (G17). By the system only.
    Recover,
    /// Every shard has taken the end of the journey's list (G8). By the system only.
    ListProcessed,
}

impl Verb {
    /// Every verb: the operators' first, then the system's.
    pub const ALL: [Self; 16] = [
        Self::Edit,
        Self::Save,
        Self::Publish,
        Self::Activate,
        Self::Clone,
        Self::Copy,
        Self::Pause,
        Self::Resume,
        Self::Stop,
        Self::Freeze,
        Self::Reactivate,
        Self::Close,
        Self::Abort,
        Self::Fail,
        Self::Recover,
        Self::ListProcessed,
    ];

    /// The verb as it is written in commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Save => "save",
            Self::Publish => "publish",
            Self::Activate => "activate",
            Self::Clone => "clone",
            Self::Copy => "copy",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Freeze => "freeze",
            Self::Reactivate => "reactivate",
            Self::Close => "close",
            Self::Abort => "abort",
            Self::Fail => "fail",
            Self::Recover => "recover",
            Self::ListProcessed => "list_processed",
        }
    }

    /// Who may give it.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Fail | Self::Recover | Self::ListProcessed => Role::System,
            Self::Edit
            | Self::Save
            | Self::Publish
            | Self::Activate
            | Self::Clone
            | Self::Copy
            | Self::Pause
            | Self::Resume
            | Self::Stop
            | Self::Freeze
            | Self::Reactivate
            | Self::Close
            | Self::Abort => Role::Operator,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no verb.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a verb; the verbs are {all}", all = Verb::ALL.map(Verb::as_str).join(", "))]
pub struct UnknownVerb(pub String);

impl FromStr for Verb {
    type Err = UnknownVerb;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text).ok_or_else(|| UnknownVerb(text.to_owned()))
    }
}

/// On whose behalf a command is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person. May give every verb but the system's.
    Operator,
    /// Wayfarer itself, or those who repair it. May give every verb.
    System,
}

/// What an accepted verb does to those inside, besides what the gates do by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inside {
    /// Nothing.
    Nothing,
    /// The held go on: those that the command selects.
    Release,
    /// Everybody takes the latest saved version; the held stay held (AN Reactivate from Paused, G15).
    Adopt,
    /// Everybody takes the latest saved version, and the held go on unless the command keeps them (AN
    /// Reactivate from Frozen, G15).
    AdoptAndRelease,
    /// Everybody leaves over the drain window (G12).
    Drain,
}

impl Inside {
    /// Whether the latest saved version goes live.
    #[must_use]
    pub const fn adopts(self) -> bool {
        matches!(self, Self::Adopt | Self::AdoptAndRelease)
    }
}
