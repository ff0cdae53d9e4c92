//! Unsaved edits of a draft (CT): kept for the user who made them, to be looked at again, saved or dropped.
//!
//! They need not be whole: what is wrong with one is said when it is saved. Nobody else's view of the journey changes
//! by them, so its revision stays. An edit remembers the revision on which it was made: if somebody saved the draft
//! meanwhile, saving it is refused until its user has looked and kept it anew.

use serde::{Deserialize, Serialize};

use super::lineage::{Change, Lineage, Mark};
use super::refused::Refused;
use super::registry::Check;
use crate::journey::definition::Definition;
use crate::lifecycle::{Inside, Role, Verb};
use crate::model::Timestamp;

/// The longest edit that is kept, in bytes.
pub const EDIT_BYTES_MAX: usize = 256 << 10;

/// In which form an edit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl Form {
    /// A file's name that says so, for whoever reads the text.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Toml => "journey.toml",
            Self::Json => "journey.json",
        }
    }
}

/// One user's unsaved edit of a draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsaved {
    /// The epoch at which it was kept: tells it from what the same user kept before and after.
    pub edit: u64,
    /// The text, as it was given; not necessarily a definition.
    pub text: String,
    /// Its form.
    pub form: Form,
    /// When it was kept.
    pub at: Timestamp,
    /// The journey's revision then.
    pub base: u64,
}

/// Nothing that a shard must know.
const QUIET: Change = Change { verb: None, inside: Inside::Nothing, compile: None };

impl Lineage {
    /// Keeps a user's edit, in place of the one before.
    pub(super) fn keep_edit(&mut self, by: &Mark, role: Role, edit: Unsaved) -> Result<Change, Refused> {
        self.lifecycle.apply(by.at, Verb::Save, role)?;
        if edit.text.len() > EDIT_BYTES_MAX {
            return Err(Refused::EditTooLong { journey: self.id.clone(), bytes: edit.text.len() });
        }
        self.unsaved.insert(by.by.clone(), edit);
        Ok(QUIET)
    }

    /// Forgets a user's edit, whatever the journey has become since.
    pub(super) fn drop_edit(&mut self, by: &Mark) -> Result<Change, Refused> {
        self.unsaved.remove(&by.by).map(|_| QUIET).ok_or_else(|| self.no_edit(by))
    }

    /// Saves what a user's edit says, as the draft that everybody sees.
    pub(super) fn save_edit(
        &mut self,
        by: &Mark,
        role: Role,
        (definition, edit): (Definition, u64),
        check: Check,
    ) -> Result<Change, Refused> {
        let kept = self.unsaved.get(&by.by).filter(|kept| kept.edit == edit);
        let base = kept.ok_or_else(|| self.no_edit(by))?.base;
        self.lifecycle.clone().apply(by.at, Verb::Save, role)?;
        if base != self.revision {
            let journey = self.id.clone();
            return Err(Refused::Stale { journey, expected: base, actual: self.revision });
        }
        let change = self.edit(by, role, definition, check)?;
        self.unsaved.remove(&by.by);
        Ok(change)
    }

    fn no_edit(&self, by: &Mark) -> Refused {
        Refused::NoEdit { journey: self.id.clone(), actor: by.by.clone() }
    }
}
