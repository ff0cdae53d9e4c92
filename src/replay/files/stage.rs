//! The run of the clock: rounds of events, the operator's verbs at their times between them, and then the
//! timers.
//!
//! What happens at one instant happens in the order of G28: verbs, then the rows of a list that just
//! opened, then events, then timers.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::chunk::{Chunk, What};
use super::crew::{Crew, RUN_ON};
use super::intake::Round;
use super::limits::Limits;
use super::lists::Rows;
use super::output::Output;
use super::script::{Line, Order};
use crate::control::story::Chapter;
use crate::control::{Act, Command, Fold, Manifest, Record, Refused};
use crate::engine::Entry;
use crate::journey::definition::Definition;
use crate::lifecycle::{EntryGate, ListProgress, Refusal, Role, Verb, Why};
use crate::model::{Interval, Timestamp};
use crate::replay::error::ReplayError;
use crate::replay::story::verb;

/// How far the clock runs on between two looks at the next timer: what is decided meanwhile is kept in
/// memory.
const STEP: Interval = Interval::from_hours(1);
const TICK: Interval = Interval::from_millis(1);

/// Everything that one replay needs besides its input.
pub(super) struct Stage {
    pub(super) crew: Crew,
    pub(super) fold: Fold,
    pub(super) output: Option<Output>,
    pub(super) refused: Vec<String>,
    /// Why journeys were put and not launched, a sentence each.
    pub(super) warnings: Vec<String>,
    pub(super) verbs: Vec<Chapter>,
    definitions: Vec<Definition>,
    script: VecDeque<Line>,
    lists: BTreeMap<String, Rows>,
    limits: Limits,
    /// Where the clock stops, inclusive; nothing: when every timer is done.
    until: Option<Timestamp>,
    clock: Timestamp,
    started: bool,
    offset: u64,
    /// Rounds whose decisions have not been written.
    owed: usize,
}

impl Stage {
    pub(super) fn new(
        crew: Crew,
        definitions: Vec<Definition>,
        script: Vec<Line>,
        lists: BTreeMap<String, Rows>,
        output: Option<Output>,
        until: Option<Timestamp>,
    ) -> Self {
        Self {
            crew,
            fold: Fold::new(),
            output,
            refused: Vec::new(),
            warnings: Vec::new(),
            verbs: Vec::new(),
            definitions,
            script: script.into(),
            lists,
            limits: Limits::default(),
            until,
            clock: Timestamp::MIN,
            started: false,
            offset: 0,
            owed: 0,
        }
    }

    /// Plays a round. Returns whether the clock goes on.
    pub(super) fn round(&mut self, round: &Arc<Round>) -> Result<bool, ReplayError> {
        if let Some(output) = &mut self.output {
            output.rejects(&round.rejects)?;
        }
        // Up to the first time that is certain nothing can begin, for the first event may still come.
        if round.end == Timestamp::MIN {
            return Ok(true);
        }
        let stop = self.until.map_or(Timestamp::MAX, |until| until + TICK);
        let end = round.end.min(stop);
        let verb = self.script.front().map(|line| line.at);
        let first = [round.counts.first, verb].into_iter().flatten().min();
        self.start(first.filter(|first| *first < end))?;
        let mut from = 0;
        loop {
            let barrier = self.next_barrier().filter(|at| *at < end);
            let to = match barrier {
                // All of a round are before its end, also at the very last instant that there is.
                None if end == round.end => round.events.len(),
                None => round.events.partition_point(|due| due.at < end),
                Some(at) => round.events.partition_point(|due| due.at < at),
            };
            let to = to.max(from);
            self.feed(round, from..to);
            from = to;
            match barrier {
                Some(at) => self.take_barrier(at)?,
                None => break,
            }
        }
        if end < Timestamp::MAX {
            self.clock = self.clock.max(end - TICK);
            self.crew.wake(end - TICK);
        } else if let Some(last) = round.counts.last {
            self.clock = self.clock.max(last);
        }
        self.hand_over()?;
        Ok(end < stop)
    }

    fn feed(&mut self, round: &Arc<Round>, range: Range<usize>) {
        self.limits.feed(&self.crew, self.fold.catalog(), round, range);
    }

    /// Lets the clock run on until every timer is done, or to where it is to stop. Returns where it
    /// stopped.
    pub(super) fn run_on(&mut self) -> Result<Timestamp, ReplayError> {
        let stop = self.until.unwrap_or(self.clock + RUN_ON);
        while let Some(next) = self.crew.next_wake().filter(|next| *next <= stop) {
            let to = (next.max(self.clock) + STEP).min(stop);
            self.crew.wake(to);
            self.clock = self.clock.max(to);
            self.hand_over()?;
        }
        if let Some(until) = self.until {
            self.clock = until;
        }
        self.settle_output()?;
        Ok(self.clock)
    }

    /// Puts the journeys, and makes live all that the script does not launch itself. One that is over, or
    /// whose list is not here, stays as it was put, with a warning.
    fn start(&mut self, at: Option<Timestamp>) -> Result<(), ReplayError> {
        let Some(at) = at.filter(|_| !self.started) else { return Ok(()) };
        self.started = true;
        let launched = |id: &str| {
            self.script.iter().any(|line| {
                let go = matches!(&line.order, Order::Act(act) if is_launch(act.verb));
                go && line.journey == id
            })
        };
        let definitions = std::mem::take(&mut self.definitions);
        let live: Vec<bool> = definitions.iter().map(|definition| !launched(&definition.id)).collect();
        let mut wrong = Vec::new();
        for (definition, live) in definitions.into_iter().zip(live) {
            if let Err(refused) = self.launch(at, definition, live) {
                wrong.push(refused);
            }
        }
        if wrong.is_empty() {
            return self.feed_lists(at);
        }
        Err(ReplayError::Problem(wrong.join("\n")))
    }

    fn launch(&mut self, at: Timestamp, definition: Definition, live: bool) -> Result<(), String> {
        let (id, list) = (definition.id.clone(), definition.entry.list.clone());
        let go = if definition.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
        let put = Command::Put { definition: Box::new(definition) };
        self.command(at, &id, put).map_err(|refused| refused.to_string())?;
        let uploaded = list.as_ref().and_then(|list| Some((list, self.lists.get(list)?.len() as u64)));
        if let Some((list, rows)) = uploaded {
            let list = Command::List(Manifest { list: list.clone(), rows });
            self.command(at, &id, list).map_err(|refused| refused.to_string())?;
        }
        if !live {
            return Ok(());
        }
        let Err(refused) = self.command(at, &id, Command::Act(Act::from(go))) else { return Ok(()) };
        let missing = list.filter(|list| !self.lists.contains_key(list));
        let hint = missing.as_ref().map(|list| format!("; give its rows with --list {list}=FILE"));
        let hint = hint.unwrap_or_default();
        match self.excused(at, &id, &refused, missing.is_some()) {
            Some(reasons) => {
                let reasons = reasons.join("; ");
                self.warnings.push(format!("journey {id:?} was put and not launched: {reasons}{hint}"));
                Ok(())
            }
            None => Err(format!("{refused}{hint}")),
        }
    }

    /// Why a journey is not launched, if that is only that it has no list here, or is over: the other
    /// journeys of the directory do not suffer from that, as with `run --journeys`.
    fn excused<'a>(
        &self,
        at: Timestamp,
        id: &str,
        refused: &'a Refused,
        lacks_list: bool,
    ) -> Option<&'a [String]> {
        let Refused::Verb(Refusal { why: Why::Unfit(reasons), .. }) = refused else { return None };
        let lineage = self.fold.registry().get(id)?;
        // Each of the two is one reason; any other is one more.
        let known = usize::from(lineage.lifecycle.schedule().has_ended(at)) + usize::from(lacks_list);
        (reasons.len() == known).then_some(reasons)
    }

    /// The next time at which something happens that is no event.
    fn next_barrier(&self) -> Option<Timestamp> {
        let script = self.script.front().map(|line| line.at.max(self.clock));
        let dates = self.unfinished().filter_map(|(_, id, _)| {
            let lineage = self.fold.registry().get(&id)?;
            lineage.lifecycle.next_date(self.clock)
        });
        script.into_iter().chain(dates).min()
    }

    /// The journeys whose list is there and not processed: the list, the journey, and whether its entry
    /// is open.
    fn unfinished(&self) -> impl Iterator<Item = (String, String, bool)> {
        self.fold.registry().lineages().iter().filter_map(|lineage| {
            let list = lineage.list.as_ref()?.list.clone();
            let waits =
                lineage.lifecycle.list() == ListProgress::Unfinished && !lineage.lifecycle.is_terminal();
            let open = lineage.lifecycle.gates(self.clock).entry == EntryGate::Open;
            (waits && self.lists.contains_key(&list)).then(|| (list, lineage.id.clone(), open))
        })
    }

    /// Does all that happens at `at` besides events.
    fn take_barrier(&mut self, at: Timestamp) -> Result<(), ReplayError> {
        self.clock = self.clock.max(at);
        while let Some(line) = self.script.pop_front_if(|line| line.at <= at) {
            self.take_line(line)?;
        }
        self.feed_lists(at)
    }

    fn take_line(&mut self, line: Line) -> Result<(), ReplayError> {
        let at = line.at.max(self.clock);
        let answer = match line.order {
            Order::Enter { user, properties } => {
                let mut chunk = Chunk::default();
                let entry = Entry { journey: &line.journey, user: &user, properties: properties.as_bytes() };
                chunk.push_entry(What::Enter, entry);
                self.feed(&Arc::new(Round::at_once(at, chunk)), 0..1);
                Ok(())
            }
            Order::Put(definition) => self.command(at, &line.journey, Command::Put { definition }),
            Order::Act(act) => self.command(at, &line.journey, Command::Act(act)),
        };
        if let Err(refused) = answer {
            self.refused.push(format!("{}: {refused}", line.place));
        }
        self.feed_lists(at)
    }

    /// Feeds the rows of every list whose journey is open now, and says that they are processed (G8).
    fn feed_lists(&mut self, at: Timestamp) -> Result<(), ReplayError> {
        self.clock = self.clock.max(at);
        let open: Vec<_> = self.unfinished().filter(|(_, _, open)| *open).collect();
        for (list, journey, _) in open {
            let mut chunk = Chunk::default();
            for (user, properties) in &self.lists[&list] {
                let entry = Entry { journey: &journey, user, properties: properties.as_bytes() };
                chunk.push_entry(What::Row, entry);
            }
            let round = Arc::new(Round::at_once(at, chunk));
            self.feed(&round, 0..round.events.len());
            self.command(at, &journey, Command::Act(Act::from(Verb::ListProcessed)))
                .map_err(|refused| ReplayError::Problem(refused.to_string()))?;
        }
        Ok(())
    }

    /// Gives a command to the fold, and its epoch to the shards.
    fn command(&mut self, at: Timestamp, journey: &str, command: Command) -> Result<(), Refused> {
        let role = if let Command::Act(act) = &command { act.verb.role() } else { Role::Operator };
        let offset = self.offset;
        self.offset += 1;
        let record = Record {
            id: format!("replay-{offset}"),
            at: Some(at),
            actor: "replay".to_owned(),
            role,
            journey: journey.to_owned(),
            expect: None,
            command,
        };
        let applied = self.fold.apply(offset, at, &record);
        self.verbs.push(verb(at, &record, applied.as_ref().err(), &self.fold));
        let (epoch, _) = applied?;
        self.crew.epoch(epoch);
        Ok(())
    }

    /// Asks for what was decided, and writes what was asked for before: the threads go on meanwhile.
    fn hand_over(&mut self) -> Result<(), ReplayError> {
        let Some(output) = &mut self.output else { return Ok(()) };
        self.crew.collect();
        self.owed += 1;
        while self.owed > 1 {
            self.owed -= 1;
            output.write(&self.crew.collected())?;
        }
        Ok(())
    }

    fn settle_output(&mut self) -> Result<(), ReplayError> {
        let Some(output) = &mut self.output else { return Ok(()) };
        self.crew.collect();
        self.owed += 1;
        while self.owed > 0 {
            self.owed -= 1;
            output.write(&self.crew.collected())?;
        }
        Ok(())
    }
}

const fn is_launch(verb: Verb) -> bool {
    matches!(verb, Verb::Publish | Verb::Activate)
}
