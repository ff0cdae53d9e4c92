//! What a shard can be told besides events: entries by API, rows of a list, receipts, and the operator's choices.
//!
//! These are wire forms: the control log and the recorded inputs are written in them, and the reference model reads
//! the same.

use serde::{Deserialize, Serialize};

/// What a provider reports about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// It arrived.
    Delivered,
    /// It will never arrive.
    Failed,
    /// The user opened or clicked it.
    Clicked,
}

impl ReceiptKind {
    /// Every kind, in the order in which they are counted.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Clicked];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Clicked => "clicked",
        }
    }

    /// The name of the event that a receipt is to a `wait_event` branch.
    #[must_use]
    pub const fn event_name(self) -> &'static str {
        match self {
            Self::Delivered => "Message Delivered",
            Self::Failed => "Message Failed",
            Self::Clicked => "Message Clicked",
        }
    }
}

/// Which held users a release lets go (G36).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// All of them.
    #[default]
    All,
    /// Those held before this node, or before one that can be reached from it.
    From(String),
    /// Those held before this node.
    At(String),
}
