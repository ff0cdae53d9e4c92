//! One journey through its versions: its definition as saved, what was published, where it stands, and who
//! did what.
//!
//! The methods that change it are called on a copy by the registry, which keeps the copy only if all went
//! well.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command::{Grant, Manifest};
use super::edit;
use super::refused::Refused;
use super::registry::Check;
use super::unsaved::Unsaved;
use crate::journey::dates;
use crate::journey::definition::Definition;
use crate::lifecycle::{Edits, Inside, Lifecycle, ListProgress, MovementGate, Role, Terms, Verb, dialect};
use crate::model::Timestamp;

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The actor.
    pub by: String,
    /// The log's time.
    pub at: Timestamp,
}

/// A version that went live.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// Its definition, with all that was edited in place since.
    pub definition: Arc<Definition>,
    /// The revision of each of its contents, from 1; a number never names two texts of one journey.
    pub revisions: BTreeMap<String, u32>,
    /// When it went live, and who made it.
    pub live: Mark,
}

/// A journey, from its first draft on.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage {
    /// The journey's id.
    pub id: String,
    /// Where it stands. Its dates act by themselves: ask it with a time.
    pub lifecycle: Lifecycle,
    /// The definition as last saved.
    pub saved: Arc<Definition>,
    /// The number that the saved definition has, or will have once it goes live.
    pub saved_version: u32,
    /// All versions that went live, the live one last.
    pub versions: Vec<Version>,
    /// The latest revision of every content that was ever live.
    revisions: BTreeMap<String, u32>,
    /// What was granted last of the entry limit, and the number of that command.
    pub granted: Option<(u64, Grant)>,
    /// The list that was uploaded last.
    pub list: Option<Manifest>,
    /// Unsaved edits of the draft, by the user who made them.
    pub unsaved: BTreeMap<String, Unsaved>,
    /// Who made the journey.
    pub created: Mark,
    /// Who made it go live first (CT: *published by*).
    pub published: Option<Mark>,
    /// The last accepted command.
    pub changed: Mark,
    /// The number of that command: the epoch that shards take with it.
    pub number: u64,
    /// What made it fail, while it is in its dialect's state for that (G17).
    pub failure: Option<String>,
    /// Counts its accepted commands from 1, but for those that made another journey of it: what
    /// [`super::Record::expect`] is compared with.
    pub revision: u64,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) verb: Option<Verb>,
    pub(super) inside: Inside,
    /// The version that is new, or whose definition was edited in place.
    pub(super) compile: Option<u32>,
}

impl Lineage {
    /// A first draft.
    pub(super) fn new(by: Mark, definition: Definition) -> Result<Self, Refused> {
        let id = definition.id.clone();
        check_id(&id)?;
        let lifecycle = first_draft(&definition)?;
        Ok(Self {
            id,
            lifecycle,
            saved: Arc::new(definition),
            saved_version: 1,
            versions: Vec::new(),
            revisions: BTreeMap::new(),
            list: None,
            granted: None,
            unsaved: BTreeMap::new(),
            created: by.clone(),
            published: None,
            changed: by,
            number: 0,
            failure: None,
            revision: 1,
        })
    }

    /// A first draft of a new journey, made of the latest saved definition of this one. They share no
    /// history.
    pub(super) fn duplicate(&self, by: Mark, id: &str) -> Result<Self, Refused> {
        let mut definition = Definition::clone(&self.saved);
        definition.id = id.to_owned();
        // It maps nodes of a version that the new journey never had.
        definition.moved.clear();
        Self::new(by, definition)
    }

    /// The version that new users enter, if there is one.
    #[must_use]
    pub fn live(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The version of that number, if it went live.
    #[must_use]
    pub fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// Edits the journey as far as its state allows.
    pub(super) fn edit(
        &mut self,
        by: &Mark,
        role: Role,
        definition: Definition,
        check: Check,
    ) -> Result<Change, Refused> {
        let state = self.lifecycle.state_at(by.at);
        let inside = self.lifecycle.apply(by.at, Verb::Edit, role)?;
        let compile = match state.edits {
            Edits::Nothing => None,
            Edits::Everything => {
                // The dialect may change too, so it is a first draft anew.
                self.lifecycle = first_draft(&definition)?;
                self.list =
                    self.list.take().filter(|list| definition.entry.list.as_ref() == Some(&list.list));
                self.saved = Arc::new(definition);
                None
            }
            Edits::NextVersion => {
                self.save_next(definition)?;
                None
            }
            Edits::Content | Edits::InPlace => {
                self.edit_in_place(state.name, state.edits, definition, check)?
            }
        };
        Ok(Change { verb: Some(Verb::Edit), inside, compile })
    }

    /// Saves a version that goes live at Reactivate (G15).
    fn save_next(&mut self, definition: Definition) -> Result<(), Refused> {
        let live = self.live().expect("a state with a next version has a live one");
        let number = live.number;
        let mut problems = Vec::new();
        if live.definition.dialect != definition.dialect {
            problems.push(format!("the dialect of a live journey stays {}", live.definition.dialect));
        }
        if live.definition.entry.list != definition.entry.list {
            problems
                .push("the name of a live journey's list stays; copy the journey to change it".to_owned());
        }
        if !problems.is_empty() {
            return Err(Refused::Unusable { journey: self.id.clone(), problems });
        }
        self.saved_version = if *live.definition == definition { number } else { number + 1 };
        self.saved = Arc::new(definition);
        Ok(())
    }

    fn edit_in_place(
        &mut self,
        state: &str,
        edits: Edits,
        definition: Definition,
        check: Check,
    ) -> Result<Option<u32>, Refused> {
        let paths = edit::differences(&self.saved, &definition);
        let refused: Vec<_> =
            paths.iter().filter(|path| !path.is_within(edits)).map(ToString::to_string).collect();
        if !refused.is_empty() {
            let dialect = self.lifecycle.dialect();
            let instead = if dialect.knows(Verb::Clone) { Verb::Clone } else { Verb::Copy };
            return Err(Refused::NotInPlace {
                journey: self.id.clone(),
                state: state.to_owned(),
                editable: edit::editable(edits).to_owned(),
                paths: refused,
                instead,
            });
        }
        let problems = check(&definition);
        if !problems.is_empty() {
            return Err(Refused::Unusable { journey: self.id.clone(), problems });
        }
        if paths.is_empty() {
            return Ok(None);
        }
        let definition = Arc::new(definition);
        let revisions = self.revise(&definition);
        let live = self.versions.last_mut().expect("what is edited in place is live");
        live.definition = Arc::clone(&definition);
        live.revisions = revisions;
        self.saved = definition;
        Ok(self.live().map(|version| version.number))
    }

    /// Gives a verb.
    pub(super) fn act(
        &mut self,
        by: &Mark,
        role: Role,
        verb: Verb,
        reason: Option<&str>,
        check: Check,
    ) -> Result<Change, Refused> {
        let saved_is_live = self.live().is_some_and(|live| live.number == self.saved_version);
        let may_go_live = matches!(verb, Verb::Publish | Verb::Activate | Verb::Reactivate) && !saved_is_live;
        let problems = if may_go_live { self.problems(check) } else { Vec::new() };
        // Dates that cannot be read are among the problems, and those refuse the verb.
        let schedule = may_go_live.then(|| dates::schedule(&self.saved).ok()).flatten();
        let terms = Terms { problems: &problems, schedule };
        let inside = self.lifecycle.apply_with(by.at, verb, role, &terms)?;
        let launched = matches!(verb, Verb::Publish | Verb::Activate);
        let compile = if may_go_live && (launched || inside.adopts()) { self.go_live(by) } else { None };
        match verb {
            Verb::Fail => self.failure = Some(reason.unwrap_or("its failure budget is spent").to_owned()),
            Verb::Recover | Verb::Abort => self.failure = None,
            _ => {}
        }
        Ok(Change { verb: Some(verb), inside, compile })
    }

    /// Takes shares of the entry limit: none ever gets smaller, and all together stay within the limit (G26),
    /// whoever else has granted some at the same time.
    pub(super) fn take_grant(&mut self, number: u64, grant: &Grant) -> Result<(), Refused> {
        let refuse = |why: String| Err(Refused::Grant { journey: self.id.clone(), why });
        let limit = self.live().and_then(|live| live.definition.entry.limit);
        let Some(limit) = limit else { return refuse("no live version has a limit".to_owned()) };
        let none = Vec::new();
        let before = self.granted.as_ref().map_or(&none, |(_, before)| &before.granted);
        let all = |shares: &[u64]| shares.iter().fold(0u64, |all, share| all.saturating_add(*share));
        let (sum, given) = (all(&grant.granted), all(before));
        if sum > limit.max(given) {
            return refuse(format!("they add up to {sum}, and the limit is {limit}"));
        }
        if grant.granted.len() < before.len() {
            let (shares, shards) = (grant.granted.len(), before.len());
            return refuse(format!("they are {shares}, and there are {shards} shards"));
        }
        if let Some(shard) = grant.granted.iter().zip(before).position(|(share, before)| share < before) {
            let (share, before) = (grant.granted[shard], before[shard]);
            return refuse(format!("shard {shard} would have {share}, and has {before}"));
        }
        self.granted = Some((number, grant.clone()));
        Ok(())
    }

    /// Lets held users go, where the movement gate is open.
    pub(super) fn release(&mut self, by: &Mark) -> Result<Change, Refused> {
        let _ = self.lifecycle.advance(by.at);
        let state = self.lifecycle.state();
        if !state.inhabited || state.movement != MovementGate::Open {
            let allowed = self.lifecycle.allowed(by.at);
            return Err(Refused::NobodyMoves {
                journey: self.id.clone(),
                state: state.name.to_owned(),
                allowed,
            });
        }
        Ok(Change { verb: None, inside: Inside::Release, compile: None })
    }

    /// Takes a list that was uploaded.
    pub(super) fn take_list(&mut self, by: &Mark, manifest: &Manifest) -> Result<Change, Refused> {
        let state = self.lifecycle.state_at(by.at);
        let mut manifest = manifest.clone();
        if let (Some(list), "") = (&self.saved.entry.list, manifest.list.as_str()) {
            manifest.list.clone_from(list);
        }
        let why = if self.saved.entry.list.as_ref() != Some(&manifest.list) {
            Some(match &self.saved.entry.list {
                Some(list) => format!("its list is called {list:?}"),
                None => "its users do not enter by a list".to_owned(),
            })
        } else if !self.lifecycle.dialect().may_open(state.id) {
            Some(format!("it is {}, and nobody will enter any more", state.name))
        } else if state.inhabited && self.list.is_some() && self.lifecycle.list() == ListProgress::Unfinished
        {
            Some("the one before is still being processed".to_owned())
        } else {
            None
        };
        if let Some(why) = why {
            return Err(Refused::List { journey: self.id.clone(), list: manifest.list, why });
        }
        self.lifecycle.take_list(by.at);
        self.list = Some(manifest);
        Ok(Change { verb: None, inside: Inside::Nothing, compile: None })
    }

    /// All that keeps the saved definition from going live, the audience included.
    fn problems(&self, check: Check) -> Vec<String> {
        let mut problems = check(&self.saved);
        if problems.is_empty()
            && let Err(dates) = dates::schedule(&self.saved)
        {
            problems.extend(dates.into_iter().map(|(field, error)| format!("{field}: {error}")));
        }
        if let Some(list) = &self.saved.entry.list
            && self.list.is_none()
        {
            problems.push(format!("its audience list {list:?} has not been uploaded"));
        }
        problems
    }

    fn go_live(&mut self, by: &Mark) -> Option<u32> {
        let definition = Arc::clone(&self.saved);
        let revisions = self.revise(&definition);
        let number = self.saved_version;
        self.versions.push(Version { number, definition, revisions, live: by.clone() });
        self.published.get_or_insert_with(|| by.clone());
        Some(number)
    }

    /// The revision of each content of `next`: those that say something new get a number that was never used.
    fn revise(&mut self, next: &Definition) -> BTreeMap<String, u32> {
        let mut revisions = BTreeMap::new();
        for (name, content) in &next.content {
            let live = self.versions.last();
            let same = live.is_some_and(|live| live.definition.content.get(name) == Some(content));
            let latest = self.revisions.entry(name.clone()).or_insert(0);
            if !same {
                *latest += 1;
            }
            revisions.insert(name.clone(), *latest);
        }
        revisions
    }
}

/// The lifecycle of a draft. Its dates need not be right before it goes live, its dialect must.
fn first_draft(definition: &Definition) -> Result<Lifecycle, Refused> {
    let dialect = dialect(&definition.dialect).map_err(|unknown| Refused::Unusable {
        journey: definition.id.clone(),
        problems: vec![unknown.to_string()],
    })?;
    let schedule = dates::schedule(definition).unwrap_or_default();
    Ok(Lifecycle::new(dialect, schedule, definition.entry.list.is_some()))
}

fn check_id(id: &str) -> Result<(), Refused> {
    let fits = (1..=64).contains(&id.len());
    let letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits && letters { Ok(()) } else { Err(Refused::BadId { id: id.to_owned() }) }
}
