//! A record of the control log: who asks what of which journey. The log is also the audit log.

use serde::{Deserialize, Serialize};

use super::unsaved::Form;
use crate::journey::definition::Definition;
use crate::lifecycle::{Role, Verb};
use crate::model::input::Selection;
use crate::model::{Format, Timestamp};

/// One command. Its offset in the log is the epoch that it begins, its time there is when it happened.
///
/// Unknown fields are an error: an instance that passed over what it does not understand would fold another
/// state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The command's id, chosen by who gives it: the same id twice does nothing and gets the first answer.
    pub id: String,
    /// When it was given, by the giver's clock. Decides nothing: the log's own time does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Who gives it, as the API knows them.
    pub actor: String,
    /// On whose behalf.
    pub role: Role,
    /// The journey's id.
    pub journey: String,
    /// The revision of the journey that the giver has seen; 0: it must not exist yet. Another one refuses the
    /// command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u64>,
    /// What is asked.
    pub command: Command,
}

impl Record {
    /// What tells two commands apart, whoever gives them and whenever: the journey, its revision, what is
    /// asked.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let asked = serde_json::to_vec(&(&self.journey, self.expect, &self.command));
        xxhash_rust::xxh3::xxh3_128(&asked.expect("a command is JSON"))
    }
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes the journey, or edits it as far as its state allows.
    Put {
        /// The whole definition; its id is the record's journey.
        definition: Box<Definition>,
    },
    /// Gives a verb.
    Act(Act),
    /// Says that the journey's audience list has been uploaded.
    List(Manifest),
    /// Keeps the actor's unsaved edit of a draft (CT), in place of the one before. It need not be whole.
    KeepEdit {
        /// The text.
        text: String,
        /// Its form.
        form: Form,
    },
    /// Saves the actor's unsaved edit, which is forgotten thereby.
    SaveEdit {
        /// What the edit says.
        definition: Box<Definition>,
        /// Which edit: [`Unsaved::edit`](super::unsaved::Unsaved::edit).
        edit: u64,
    },
    /// Forgets the actor's unsaved edit.
    DropEdit,
    /// Lets held users go, parked ones among them (G17, G36): in every dialect, whenever the movement gate is open.
    Release(Selection),
    /// Gives shards more of the journey's entry limit (G26). Only the system does that.
    Grant(Grant),
    /// Has everything written in this format from now on, by every shard; of no journey. A program that does not read
    /// it does not fold it either. See [`Format`].
    Format(Format),
}

/// How many entries into a limited journey each shard may admit, cumulatively.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// By shard.
    pub granted: Vec<u64>,
    /// Whether the whole limit is given out.
    pub exhausted: bool,
}

/// A verb, with what it may need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// The verb. Not `edit`: that is a `put`.
    pub verb: Verb,
    /// Which of the held go on, where the verb releases a selection (AN Resume).
    #[serde(default)]
    pub selection: Selection,
    /// Whether the held stay held where the verb would release all (AN Reactivate from Frozen).
    #[serde(default)]
    pub keep_held: bool,
    /// Why, for the audit log; for `fail`, what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The new journey's id, for `clone` and `copy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl From<Verb> for Act {
    /// The verb alone.
    fn from(verb: Verb) -> Self {
        Self { verb, selection: Selection::All, keep_held: false, reason: None, to: None }
    }
}

/// An audience list that has been uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, as the definition's `entry.list` has it; empty: that one, whatever its name.
    pub list: String,
    /// How many rows it has.
    pub rows: u64,
}
