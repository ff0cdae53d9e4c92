//! What operators do, and what dates and lists do by themselves (G6–G9, G11, G17, G22, G23).

use std::collections::BTreeMap;
use std::sync::Arc;

use wayfarer::journey::definition::{Definition, NodeKind};
use wayfarer::model::Timestamp;
use wayfarer::model::input::Selection;

use crate::arms::{first_slots, moved_slots};
use crate::calendar::{Rate, date, time_of_day, zone};
use crate::hold::targets;
use crate::tables::{Dialect, Gate};
use crate::walk::EXIT;
use crate::world::{Journey, Version, World};

/// One verb of an operator, or of the system.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The journey's id.
    pub journey: String,
    /// `edit`, `save`, `publish`, `clone`, `pause`, `resume`, `stop`; `activate`, `copy`, `abort`,
    /// `freeze`, `close`, `reactivate`; in both `release`, which is no vendor's; for the system
    /// `fail`, `recover`, `list_processed`. A clone is put under its own id.
    pub verb: String,
    /// Whom an `antsomi` `resume` lets go.
    pub selection: Selection,
    /// Whether `reactivate` from Frozen leaves the held where they are.
    pub keep_held: bool,
    /// Whether the role is `system`.
    pub system: bool,
}

impl Command {
    /// A verb without options, by an operator.
    #[must_use]
    pub fn new(journey: &str, verb: &str) -> Self {
        Self { journey: journey.to_owned(), verb: verb.to_owned(), ..Self::default() }
    }
}

impl World {
    /// Creates a journey, or edits it: in a draft anything, in a published `clevertap` journey content,
    /// providers and weights (Scheduled: content) in place, in a Paused or Frozen `antsomi` journey
    /// anything, as a new version.
    ///
    /// # Errors
    /// A sentence, if the state allows no such edit, or the definition is not one.
    pub fn put(&mut self, at: Timestamp, definition: Definition) -> Result<(), String> {
        self.before(at);
        readable(&definition)?;
        let Some(j) = self.journeys.iter().position(|j| j.id == definition.id) else {
            let dialect = Dialect::named(&definition.dialect).expect("it was read");
            self.journeys.push(Journey {
                id: definition.id.clone(),
                dialect,
                state: dialect.draft,
                left: dialect.draft,
                versions: vec![version(definition, None)],
                live: 0,
                was_open: false,
                opening: Timestamp::MAX,
                held_since: Timestamp::MAX,
                stopped_at: Timestamp::MAX,
                rows: std::collections::VecDeque::new(),
                list_ended: false,
                list_done: false,
            });
            return Ok(());
        };
        self.allowed(j, "edit")?;
        let journey = &mut self.journeys[j];
        let latest = journey.versions.last().expect("a journey has a version");
        if journey.dialect.name != definition.dialect {
            return Err(format!("{:?} cannot become a journey of another dialect", journey.id));
        }
        if !journey.published() {
            journey.versions = vec![version(definition, None)];
        } else if journey.dialect.name == "antsomi" {
            // What was saved before and never went live is replaced.
            journey.versions.truncate(journey.live + 1);
            let live = &journey.versions[journey.live];
            if *live.definition != definition {
                let next = version(definition, Some(live));
                journey.versions.push(next);
            }
        } else {
            let all = journey.state != "Scheduled";
            if fixed_part(&latest.definition, all) != fixed_part(&definition, all) {
                let what = if all { "content, providers and weights" } else { "content" };
                return Err(format!("{:?} is {}: only {what} can be edited", journey.id, journey.state));
            }
            let edited = version(definition, Some(latest));
            journey.versions = vec![edited];
        }
        Ok(())
    }

    /// Does one verb.
    ///
    /// # Errors
    /// A sentence with the state, the verb, and what is allowed instead; nothing has changed then.
    pub fn act(&mut self, at: Timestamp, command: &Command) -> Result<(), String> {
        self.before(at);
        let id = &command.journey;
        let j =
            self.journeys.iter().position(|j| j.id == *id).ok_or(format!("there is no journey {id:?}"))?;
        let verb = command.verb.as_str();
        if ["fail", "recover", "list_processed"].contains(&verb) {
            return self.act_as_system(j, command);
        }
        if verb == "release" {
            return self.let_go(j, &command.selection);
        }
        self.allowed(j, verb)?;
        let state = self.journeys[j].state;
        let over = self.over(j, self.journeys[j].versions.len() - 1);
        match (verb, state) {
            ("publish" | "activate", _) => return self.publish(j),
            ("pause", _) => self.enter_state(j, "Paused"),
            ("resume", "Paused") => {
                if self.dates(j, self.journeys[j].live).0 > self.now {
                    self.rule("G9");
                }
                self.enter_state(j, "Running");
            }
            ("resume", _) => return self.release_selected(j, &command.selection),
            ("freeze", from) => {
                self.journeys[j].left = from;
                self.enter_state(j, "Frozen");
            }
            ("close", _) => self.enter_state(j, "Closed"),
            ("reactivate", "Closed") if over => {
                return Err(format!("{id:?} is Closed, and its end date or list has ended; copy it instead"));
            }
            ("reactivate", "Closed") => self.enter_state(j, "Active"),
            ("reactivate", _) => self.reactivate(j, over, command.keep_held),
            ("stop" | "abort", _) => self.stop(j),
            _ => {}
        }
        Ok(())
    }

    /// Held users go on, in either dialect, wherever people may move.
    fn let_go(&mut self, j: usize, selection: &Selection) -> Result<(), String> {
        if self.journeys[j].movement() != Gate::Open {
            let (id, state) = (&self.journeys[j].id, self.journeys[j].state);
            return Err(format!("{id:?} is {state}, where nobody who is held may go on"));
        }
        self.release_selected(j, selection)?;
        if self.journeys[j].dialect.name == "clevertap" {
            self.forgive(j);
        }
        Ok(())
    }

    fn allowed(&self, j: usize, verb: &str) -> Result<(), String> {
        let (journey, row) = (&self.journeys[j], self.journeys[j].row());
        if row.verbs.contains(&verb) {
            return Ok(());
        }
        let (id, state, verbs) = (&journey.id, journey.state, row.verbs.join(", "));
        Err(format!("{id:?} is {state}, which does not allow {verb}; it allows {verbs}"))
    }

    fn act_as_system(&mut self, j: usize, command: &Command) -> Result<(), String> {
        let (verb, state) = (command.verb.as_str(), self.journeys[j].state);
        let id = &self.journeys[j].id;
        if !command.system {
            return Err(format!("only the system may {verb} {id:?}"));
        }
        match (verb, state) {
            ("list_processed", _) => self.list_processed(j),
            ("fail", "Active" | "Closed") => {
                self.rule("G17");
                self.journeys[j].left = state;
                self.enter_state(j, "Error");
            }
            ("recover", "Error") => {
                self.rule("G17");
                self.thaw(j);
                let closed = self.journeys[j].left == "Closed" || self.over(j, self.journeys[j].live);
                self.enter_state(j, if closed { "Closed" } else { "Active" });
                self.mark_released(j, |_, _| true);
            }
            _ => return Err(format!("{id:?} is {state}, which does not allow {verb}")),
        }
        Ok(())
    }

    fn publish(&mut self, j: usize) -> Result<(), String> {
        let (start, end) = self.dates(j, 0);
        let entry = &self.journeys[j].definition().entry;
        let mut reasons = Vec::new();
        if end <= self.now.max(start) {
            reasons.push("its end has passed or is not after its start");
        }
        if entry.event.is_none() && entry.list.is_none() && !entry.api {
            reasons.push("nobody can enter it: name an event, a list, or the api");
        }
        if !reasons.is_empty() {
            return Err(format!("{:?} cannot open: {}", self.journeys[j].id, reasons.join("; ")));
        }
        let running = self.journeys[j].dialect.running;
        self.enter_state(j, if start > self.now { "Scheduled" } else { running });
        Ok(())
    }

    /// Reactivate from Paused or Frozen: the latest version is adopted, and decides by its dates where it
    /// leads.
    fn reactivate(&mut self, j: usize, over: bool, keep_held: bool) {
        let frozen = self.journeys[j].state == "Frozen";
        let from_closed = frozen && self.journeys[j].left == "Closed";
        if from_closed {
            self.rule("G22");
        }
        self.thaw(j);
        self.adopt(j);
        self.enter_state(j, if over || from_closed { "Closed" } else { "Active" });
        if frozen && !keep_held {
            self.mark_released(j, |_, _| true);
        }
    }

    fn stop(&mut self, j: usize) {
        self.rule("G11");
        let stopped = self.journeys[j].dialect.stopped;
        self.journeys[j].stopped_at = self.said();
        self.enter_state(j, stopped);
        self.drain(j);
        for row in std::mem::take(&mut self.journeys[j].rows) {
            let _ = self.judge_row(j, &row);
        }
    }

    /// A new state: entry may open, movement may become held, and then a release that is going on ends.
    fn enter_state(&mut self, j: usize, state: &'static str) {
        let was_held = self.journeys[j].movement() == Gate::Held;
        self.journeys[j].state = state;
        if self.journeys[j].dialect.name == "antsomi" && !self.can_fail(j) {
            self.forgive(j);
        }
        if self.journeys[j].movement() == Gate::Held {
            if !was_held {
                self.journeys[j].held_since = self.now;
            }
            self.cancel_release(j);
        }
        self.refresh(j);
    }

    /// Notes when entry opens (G1), and lets the list's cursor go on (G8).
    pub(crate) fn refresh(&mut self, j: usize) {
        let open = self.entry_open(j);
        if open && !self.journeys[j].was_open {
            self.journeys[j].opening = self.said();
        }
        let shuts = std::mem::replace(&mut self.journeys[j].was_open, open) && !open;
        if shuts {
            self.clear_door(j);
        }
        self.pump(j);
    }

    /// `entry open` = the state's entry gate ∧ start ≤ t < end ∧ (list journeys) the list is unfinished.
    pub(crate) fn entry_open(&self, j: usize) -> bool {
        let (start, _) = self.dates(j, self.journeys[j].live);
        self.journeys[j].row().entry == Gate::Open
            && start <= self.now
            && !self.over(j, self.journeys[j].live)
    }

    /// Whether a version's end date or the journey's list has ended.
    fn over(&self, j: usize, version: usize) -> bool {
        let journey = &self.journeys[j];
        let list = journey.versions[version].definition.entry.list.is_some();
        self.dates(j, version).1 <= self.now || (list && journey.list_done)
    }

    /// Start and end; where there is none, the beginning and the end of time.
    fn dates(&self, j: usize, version: usize) -> (Timestamp, Timestamp) {
        let d = &self.journeys[j].versions[version].definition;
        let read = |text: &Option<String>, none| {
            text.as_ref().map_or(none, |text| date(text, &d.zone).expect("dates were read when it was put"))
        };
        (read(&d.start, Timestamp::MIN), read(&d.end, Timestamp::MAX))
    }

    /// The earliest start or end of a published journey's live version after `after`, up to `until`.
    pub(crate) fn next_date(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let published = (0..self.journeys.len()).filter(|&j| self.journeys[j].published());
        let dates = published.flat_map(|j| <[_; 2]>::from(self.dates(j, self.journeys[j].live)));
        dates.filter(|&d| d > after && d <= until && d < Timestamp::MAX).min()
    }

    /// All of the journeys' dates that fall on `d` take effect, on every instance at once.
    pub(crate) fn date(&mut self, d: Timestamp) {
        for j in (0..self.journeys.len()).filter(|&j| self.journeys[j].published()).collect::<Vec<_>>() {
            let (start, end) = self.dates(j, self.journeys[j].live);
            let (dialect, state) = (self.journeys[j].dialect, self.journeys[j].state);
            if d == start && state == "Scheduled" {
                self.rule("G7");
                self.rule("G23");
                self.enter_state(j, dialect.running);
            } else if d == end {
                self.rule("G6");
                self.rule("G23");
                self.close(j);
            }
            self.refresh(j);
        }
    }

    /// The end date or the list's end: those that run close, as does CT Paused; those held keep their state.
    pub(crate) fn close(&mut self, j: usize) {
        let (dialect, state) = (self.journeys[j].dialect, self.journeys[j].state);
        if state == dialect.running || (dialect.name == "clevertap" && state == "Paused") {
            self.enter_state(j, dialect.ended);
        }
    }

    /// Every row of the list was taken (G8).
    pub(crate) fn list_processed(&mut self, j: usize) {
        self.rule("G8");
        self.journeys[j].list_done = true;
        self.close(j);
        self.refresh(j);
    }
}

/// Refuses what the rest of the reference could not read. The other checks of a definition, such as loops
/// without a wait, are not repeated here: the reference runs journeys that `wayfarer check` accepts.
fn readable(d: &Definition) -> Result<(), String> {
    Dialect::named(&d.dialect).ok_or(format!("{:?} is not a dialect", d.dialect))?;
    zone(&d.zone)?;
    for text in d.start.iter().chain(&d.end) {
        date(text, &d.zone)?;
    }
    let known = |target: &String| target == EXIT || d.node.iter().any(|n| n.id == *target);
    for (index, node) in d.node.iter().enumerate() {
        if let Some(target) = targets(d, index).iter().find(|t| !known(t)) {
            return Err(format!("{:?} leads to {target:?}, which is no node", node.id));
        }
        match &node.kind {
            NodeKind::Send { rate: Some(rate), .. } => drop(Rate::parse(rate)?),
            NodeKind::Delay { until, at, .. } => {
                until.as_ref().map_or(Ok(Timestamp::MIN), |until| date(until, &d.zone))?;
                at.as_ref().map_or(Ok(()), |at| time_of_day(at).map(drop))?;
            }
            NodeKind::RandomSplit { branches } => {
                let sum = branches.iter().fold(0.0, |sum, b| sum + b.weight);
                if (sum - 100.0).abs() > 0.001 {
                    return Err(format!("the weights of {:?} add up to {sum}, not to 100", node.id));
                }
            }
            _ => {}
        }
    }
    match &d.entry.to {
        _ if d.node.is_empty() => Err(format!("{:?} has no node", d.id)),
        Some(to) if !known(to) => Err(format!("{:?} starts at {to:?}, which is no node", d.id)),
        _ => Ok(()),
    }
}

/// A version after another, or the first.
fn version(definition: Definition, before: Option<&Version>) -> Version {
    let revision = |name: &String| {
        let Some(before) = before else { return 1 };
        let known = before.revisions.get(name).copied().unwrap_or(0);
        known + u32::from(before.definition.content.get(name) != definition.content.get(name))
    };
    let mut revisions: BTreeMap<String, u32> =
        definition.content.keys().map(|n| (n.clone(), revision(n).max(1))).collect();
    for (name, &known) in before.iter().flat_map(|b| &b.revisions) {
        revisions.entry(name.clone()).or_insert(known);
    }
    let mut arms = BTreeMap::new();
    for node in &definition.node {
        if let NodeKind::RandomSplit { branches } = &node.kind {
            let known = before.and_then(|b| b.arms.get(&node.id));
            let slots = known.map_or_else(|| first_slots(branches), |slots| moved_slots(slots, branches));
            arms.insert(node.id.clone(), slots);
        }
    }
    Version { definition: Arc::new(definition), revisions, arms }
}

/// A definition without what may be edited in place: content and, if `all`, providers and weights.
fn fixed_part(definition: &Definition, all: bool) -> Definition {
    let mut fixed = definition.clone();
    fixed.content.clear();
    for node in fixed.node.iter_mut().filter(|_| all) {
        match &mut node.kind {
            NodeKind::Send { provider, .. } => *provider = None,
            NodeKind::RandomSplit { branches } => branches.iter_mut().for_each(|b| b.weight = 0.0),
            _ => {}
        }
    }
    fixed
}
