//! The fold of the control log: every journey there is, and the answer to every command.
//!
//! Pure: the same records in the same order give the same journeys and the same answers, on every instance. A
//! command that is refused leaves every journey as it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::command::{Act, Command, Grant, Record};
use super::lineage::{Change, Lineage, Mark};
use super::refused::Refused;
use super::unsaved::Unsaved;
use crate::journey::definition::Definition;
use crate::lifecycle::{Inside, Role, Verb};
use crate::model::input::Selection;
use crate::model::{Format, Timestamp};

/// Finds everything that keeps a definition from going live; empty if nothing does. Must be pure.
pub type Check = fn(&Definition) -> Vec<String>;

/// An accepted command, as the shards are told of it: one gate epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The epoch: the record's offset in the control log.
    pub number: u64,
    /// When it happened, by the log's time; never earlier than the command before.
    pub at: Timestamp,
    /// The journey's dense index, in the order of creation; `None` if the command is about none.
    pub journey: Option<usize>,
    /// The verb; `edit` for a definition that was put again, `None` for a new journey, a list and a release.
    pub verb: Option<Verb>,
    /// What happens to those inside.
    pub inside: Inside,
    /// Which of the held go on, where `inside` is [`Inside::Release`].
    pub selection: Selection,
    /// Whether the held stay held, where `inside` is [`Inside::AdoptAndRelease`].
    pub keep_held: bool,
    /// The version that is new, or that was edited in place: it must be compiled before the epoch is taken.
    pub compile: Option<u32>,
    /// The journey that was made by this command, by `put`, `clone` or `copy`.
    pub created: Option<usize>,
    /// What shards may admit from now on, if the command was a grant.
    pub grant: Option<Grant>,
}

/// Every journey, as the commands have made them.
#[derive(Clone, Debug)]
pub struct Registry {
    check: Check,
    lineages: Vec<Lineage>,
    by_id: BTreeMap<String, usize>,
    format: Format,
    answers: Answers,
    clock: Timestamp,
    offset: Option<u64>,
}

impl Registry {
    /// No journeys yet. `check` judges what is to go live.
    #[must_use]
    pub fn new(check: Check) -> Self {
        Self {
            check,
            lineages: Vec::new(),
            by_id: BTreeMap::new(),
            format: Format::FIRST,
            answers: Answers::default(),
            clock: Timestamp::MIN,
            offset: None,
        }
    }

    /// Folds the record at `offset`, appended at `at` by the log's clock.
    ///
    /// A record whose id is known does nothing: it gets the first answer again, under the first epoch, or,
    /// if it asks for something else, a refusal.
    ///
    /// # Errors
    /// [`Refused`], which leaves every journey as it was.
    pub fn apply(&mut self, offset: u64, at: Timestamp, record: &Record) -> Result<Applied, Refused> {
        self.clock = self.clock.max(at);
        self.offset = Some(offset);
        if record.id.is_empty() {
            return Err(Refused::NoId);
        }
        let asked = record.fingerprint();
        match self.answers.get(&record.id) {
            Some((first, answer)) if *first == asked => return answer.clone(),
            Some(_) => return Err(Refused::IdUsed { id: record.id.clone() }),
            None => {}
        }
        let answer = self.fold(offset, record);
        self.answers.keep(&record.id, asked, answer.clone());
        answer
    }

    /// The journey of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Lineage> {
        self.index(id).map(|index| &self.lineages[index])
    }

    /// The dense index of the journey of that id.
    #[must_use]
    pub fn index(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Every journey, in the order of creation; the place is the dense index.
    #[must_use]
    pub fn lineages(&self) -> &[Lineage] {
        &self.lineages
    }

    /// The offset of the last record that was folded, refused or not.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The time of the last record: the latest by the log's clock.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    /// In which format everything is written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The format goes on by one at a time, and never back: readers know two neighbours.
    fn take_format(&mut self, offset: u64, format: Format) -> Result<Applied, Refused> {
        if format != self.format.next() {
            let why =
                format!("what is written is format {}, and only {} follows", self.format, self.format.next());
            return Err(Refused::Format { format, why });
        }
        self.format = format;
        let change = Change { verb: None, inside: Inside::Nothing, compile: None };
        Ok(self.applied(offset, None, change))
    }

    fn fold(&mut self, offset: u64, record: &Record) -> Result<Applied, Refused> {
        let by = Mark { by: record.actor.clone(), at: self.clock };
        if let Command::Put { definition } | Command::SaveEdit { definition, .. } = &record.command
            && definition.id != record.journey
        {
            let (journey, definition) = (record.journey.clone(), definition.id.clone());
            return Err(Refused::OtherId { journey, definition });
        }
        let index = self.index(&record.journey);
        self.expect(record, index)?;
        match (&record.command, index) {
            (Command::Format(format), _) => self.take_format(offset, *format),
            (Command::Put { definition }, None) => {
                let created = self.add(offset, Lineage::new(by, Definition::clone(definition))?);
                let change = Change { verb: None, inside: Inside::Nothing, compile: None };
                Ok(Applied { created: Some(created), ..self.applied(offset, Some(created), change) })
            }
            (_, None) => Err(Refused::NoSuchJourney { journey: record.journey.clone() }),
            (Command::Put { definition }, Some(index)) => {
                let mut next = self.lineages[index].clone();
                let change = next.edit(&by, record.role, Definition::clone(definition), self.check)?;
                Ok(self.keep(offset, index, by, next, change))
            }
            (Command::KeepEdit { text, form }, Some(index)) => {
                let mut next = self.lineages[index].clone();
                let (text, base) = (text.clone(), next.revision);
                let edit = Unsaved { edit: offset, text, form: *form, at: by.at, base };
                let change = next.keep_edit(&by, record.role, edit)?;
                Ok(self.keep_quietly(offset, index, next, change))
            }
            (Command::DropEdit, Some(index)) => {
                let mut next = self.lineages[index].clone();
                let change = next.drop_edit(&by)?;
                Ok(self.keep_quietly(offset, index, next, change))
            }
            (Command::SaveEdit { definition, edit }, Some(index)) => {
                let mut next = self.lineages[index].clone();
                let saved = (Definition::clone(definition), *edit);
                let change = next.save_edit(&by, record.role, saved, self.check)?;
                Ok(self.keep(offset, index, by, next, change))
            }
            (Command::List(manifest), Some(index)) => {
                let mut next = self.lineages[index].clone();
                let change = next.take_list(&by, manifest)?;
                Ok(self.keep(offset, index, by, next, change))
            }
            (Command::Grant(_), Some(_)) if record.role != Role::System => Err(Refused::GrantBySystem),
            (Command::Grant(grant), Some(index)) => {
                self.lineages[index].take_grant(offset, grant)?;
                // A grant changes nothing that an operator sees, so the journey's revision stays.
                let change = Change { verb: None, inside: Inside::Nothing, compile: None };
                Ok(Applied { grant: Some(grant.clone()), ..self.applied(offset, Some(index), change) })
            }
            (Command::Release(selection), Some(index)) => {
                let mut next = self.lineages[index].clone();
                let change = next.release(&by)?;
                check_selection(&next, selection)?;
                let applied = self.keep(offset, index, by, next, change);
                Ok(Applied { selection: selection.clone(), ..applied })
            }
            (Command::Act(act), Some(index)) => self.act(offset, index, by, record.role, act),
        }
    }

    fn act(
        &mut self,
        offset: u64,
        index: usize,
        by: Mark,
        role: Role,
        act: &Act,
    ) -> Result<Applied, Refused> {
        let mut next = self.lineages[index].clone();
        let change = next.act(&by, role, act.verb, act.reason.as_deref(), self.check)?;
        match act.verb {
            Verb::Edit => Err(incomplete(act.verb, "a definition: put it")),
            Verb::Clone | Verb::Copy => {
                let created = Some(self.duplicate(offset, index, by, act)?);
                Ok(Applied { created, ..self.applied(offset, Some(index), change) })
            }
            _ if change.inside == Inside::Release => {
                check_selection(&next, &act.selection)?;
                let applied = self.keep(offset, index, by, next, change);
                Ok(Applied { selection: act.selection.clone(), ..applied })
            }
            _ => {
                let keep_held = act.keep_held && change.inside == Inside::AdoptAndRelease;
                Ok(Applied { keep_held, ..self.keep(offset, index, by, next, change) })
            }
        }
    }

    /// Makes a new journey of one; that one stays as it is, its revision too.
    fn duplicate(&mut self, offset: u64, index: usize, by: Mark, act: &Act) -> Result<usize, Refused> {
        let id = act.to.as_deref().ok_or_else(|| incomplete(act.verb, "the new journey's id, in `to`"))?;
        if self.index(id).is_some() {
            return Err(Refused::Exists { journey: id.to_owned() });
        }
        let copy = self.lineages[index].duplicate(by, id)?;
        Ok(self.add(offset, copy))
    }

    fn expect(&self, record: &Record, index: Option<usize>) -> Result<(), Refused> {
        let actual = index.map_or(0, |index| self.lineages[index].revision);
        match record.expect {
            Some(expected) if expected != actual => {
                Err(Refused::Stale { journey: record.journey.clone(), expected, actual })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn add(&mut self, offset: u64, mut lineage: Lineage) -> usize {
        lineage.number = offset;
        let index = self.lineages.len();
        self.by_id.insert(lineage.id.clone(), index);
        self.lineages.push(lineage);
        index
    }

    /// Puts a changed copy of a journey in its place.
    fn keep(&mut self, offset: u64, index: usize, by: Mark, mut next: Lineage, change: Change) -> Applied {
        next.revision += 1;
        (next.changed, next.number) = (by, offset);
        self.lineages[index] = next;
        self.applied(offset, Some(index), change)
    }

    /// The same for what nobody else sees: the revision stays.
    fn keep_quietly(&mut self, offset: u64, index: usize, next: Lineage, change: Change) -> Applied {
        self.lineages[index] = next;
        self.applied(offset, Some(index), change)
    }

    fn applied(&self, number: u64, journey: Option<usize>, change: Change) -> Applied {
        let Change { verb, inside, compile } = change;
        let (selection, at) = (Selection::All, self.clock);
        Applied {
            number,
            at,
            journey,
            verb,
            inside,
            selection,
            keep_held: false,
            compile,
            created: None,
            grant: None,
        }
    }
}

fn incomplete(verb: Verb, what: &str) -> Refused {
    Refused::Incomplete { verb, what: what.to_owned() }
}

/// A node that only an old version has counts too: somebody may be held there.
fn check_selection(lineage: &Lineage, selection: &Selection) -> Result<(), Refused> {
    let (Selection::From(node) | Selection::At(node)) = selection else { return Ok(()) };
    let mut nodes = lineage.versions.iter().flat_map(|version| &version.definition.node);
    if nodes.any(|known| known.id == *node) {
        return Ok(());
    }
    Err(Refused::NoSuchNode { journey: lineage.id.clone(), node: node.clone() })
}
