//! Plays the script: gives the verbs, lets time pass, counts, and tells each thing as it happens.

use std::collections::BTreeMap;

use super::calendar;
use super::driver::{Fault, Row, SHARDS, World};
use super::facts::{AtSend, DrainDay, Drained, GateState, Given, MapCell, Side, Span, Summary, Told};
use super::ledger::{self, Identity, SendsAudit};
use super::records;
use super::samples::{self, BIRTHDAY, OTHERS, TWINS};
use super::story::{self, Beat, Scene, When};
use crate::control::{Act, Command, Grant, Manifest};
use crate::journal::{Stream, Streams};
use crate::lifecycle::{EntryGate, MovementGate, Role, Verb, dialects};
use crate::model::hash::user_hash;
use crate::model::{Interval, Timestamp};

/// How many people are on the birthday list: enough for a queue that lasts a few seconds.
const LIST_ROWS: usize = 1_500;

/// Told each fact as it happens.
pub(super) trait Teller {
    /// Takes one.
    fn tell(&mut self, told: Told) -> Result<(), Fault>;
}

/// A play under way.
pub(super) struct Play<'a> {
    pub(super) world: World,
    teller: &'a mut dyn Teller,
    audit: SendsAudit,
    /// How many events the gateway is to hand on.
    planned: u64,
    /// Who was still draining when the window had ended.
    left_on_day_30: u64,
}

impl<'a> Play<'a> {
    pub(super) fn new(world: World, planned: u64, teller: &'a mut dyn Teller) -> Self {
        Self { world, teller, audit: SendsAudit::default(), planned, left_on_day_30: 0 }
    }

    /// Plays it to the end. Returns the identities that do not hold.
    pub(super) fn play(&mut self) -> Result<Vec<Identity>, Fault> {
        for definition in samples::definitions()? {
            let id = definition.id.clone();
            self.must(&id, Role::Operator, Command::Put { definition: Box::new(definition) })?;
        }
        for journey in OTHERS {
            let verb =
                if self.gate_state(journey)?.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
            self.must(journey, Role::Operator, Command::Act(Act::from(verb)))?;
        }
        for scene in story::SCENES {
            self.scene(scene)?;
        }
        self.world.run_to(calendar::END)?;
        let summary = self.summary()?;
        let broken = summary.identities.iter().filter(|i| !i.holds).cloned().collect();
        self.teller.tell(Told::Summary(summary))?;
        Ok(broken)
    }

    fn scene(&mut self, scene: &'static Scene) -> Result<(), Fault> {
        self.teller.tell(Told::Scene { id: scene.id, title: scene.title, text: scene.text })?;
        for beat in scene.beats {
            match beat {
                Beat::Until(when) => self.world.run_to(at(*when))?,
                Beat::Say(text) => self.teller.tell(Told::Say { text: (*text).to_owned() })?,
                Beat::Give { clevertap, antsomi, why } => self.give([*clevertap, *antsomi], why)?,
                Beat::Edit { why } => self.edit(why)?,
                Beat::Watch { until, every_minutes } => self.watch(at(*until), *every_minutes)?,
                Beat::List => self.list()?,
                Beat::Drain => self.drain()?,
                Beat::Explain => self.explain()?,
                Beat::Map => self.teller.tell(Told::Map { cells: map() })?,
            }
        }
        self.teller.tell(Told::Moral { text: scene.moral })
    }

    fn give(&mut self, verbs: [Option<&'static str>; 2], why: &str) -> Result<(), Fault> {
        let mut given = Vec::new();
        for (journey, verb) in TWINS.into_iter().zip(verbs) {
            if let Some(verb) = verb {
                let act = Command::Act(Act::from(verb.parse::<Verb>()?));
                given.push(self.command(journey, Some(verb), act)?);
            }
        }
        self.tell_verbs(why, given)
    }

    fn edit(&mut self, why: &str) -> Result<(), Fault> {
        let lineage = self.world.fold.registry().get(TWINS[1]).ok_or("the twin was put")?;
        let definition = Box::new(samples::mended(&lineage.saved));
        let given = self.command(TWINS[1], Some("edit"), Command::Put { definition })?;
        self.tell_verbs(why, vec![given])
    }

    fn tell_verbs(&mut self, why: &str, given: Vec<Given>) -> Result<(), Fault> {
        self.teller.tell(Told::Verbs { at: self.world.now, why: why.to_owned(), given })
    }

    /// Gives a command that may be refused, and says what it did.
    fn command(
        &mut self,
        journey: &str,
        verb: Option<&'static str>,
        command: Command,
    ) -> Result<Given, Fault> {
        let from = self.gate_state(journey)?;
        let answer = self.world.command(journey, Role::Operator, command)?;
        let refused = answer.err().map(|refused| refused.to_string());
        Ok(Given { journey: journey.to_owned(), verb, from, to: self.gate_state(journey)?, refused })
    }

    /// Gives a command that the script relies on.
    fn must(&mut self, journey: &str, role: Role, command: Command) -> Result<(), Fault> {
        Ok(self.world.command(journey, role, command)??)
    }

    fn gate_state(&self, journey: &str) -> Result<GateState, Fault> {
        let lineage = self.world.fold.registry().get(journey).ok_or("the journey was put")?;
        let state = lineage.lifecycle.state_at(self.world.now);
        let gates = lineage.lifecycle.gates(self.world.now);
        Ok(GateState {
            dialect: lineage.lifecycle.dialect().name(),
            state: state.name,
            entry: gates.entry,
            movement: gates.movement,
            inhabited: state.inhabited,
        })
    }

    /// Both journeys as they stand now, with totals for flows.
    fn sides(&self) -> [Side; 2] {
        TWINS.map(|journey| self.side(journey))
    }

    fn side(&self, journey: &str) -> Side {
        let (catalog, shards) = (self.world.fold.catalog(), &self.world.shards);
        let refusals = ledger::refusals(catalog, shards, journey);
        let by_gate =
            ["entry_shut", "before_opening"].map(|reason| refusals.get(reason).copied().unwrap_or(0));
        let mut side = Side { turned_away: by_gate.iter().sum(), ..Side::default() };
        for version in ledger::versions(catalog, shards).iter().filter(|v| v.journey == journey) {
            side.entered += version.entered;
            side.sent += version.sent;
            side.left += version.out();
            side.waiting += version.waiting;
            side.held += version.held;
            side.at_send += version.at_send;
            side.draining += version.draining;
        }
        side
    }

    fn watch(&mut self, until: Timestamp, every_minutes: i64) -> Result<(), Fault> {
        let states = [self.gate_state(TWINS[0])?, self.gate_state(TWINS[1])?];
        let mut spans = Vec::new();
        while self.world.now < until {
            let (from, before) = (self.world.now, self.sides());
            let to = (from + Interval::from_mins(every_minutes as u64)).min(until);
            self.world.run_to(to)?;
            let after = self.sides();
            spans.push(Span { from, to, sides: [0, 1].map(|i| difference(&before[i], &after[i])) });
        }
        self.teller.tell(Told::Watched { states, spans })
    }

    /// The list journey: its list, its morning, its abort, and what went out all the same.
    fn list(&mut self) -> Result<(), Fault> {
        self.world.run_to(calendar::at(5, 20, 0))?;
        let list = Manifest { list: "birthdays".to_owned(), rows: LIST_ROWS as u64 };
        self.must(BIRTHDAY, Role::Operator, Command::List(list))?;
        let given = self.command(BIRTHDAY, Some("activate"), Command::Act(Act::from(Verb::Activate)))?;
        self.tell_verbs("goes live, with its list", vec![given])?;
        let granted = vec![LIST_ROWS as u64; usize::from(SHARDS)];
        self.must(BIRTHDAY, Role::System, Command::Grant(Grant { granted, exhausted: false }))?;
        self.world.take_rows(BIRTHDAY, &rows())?;
        let from = self.gate_state(BIRTHDAY)?;
        self.must(BIRTHDAY, Role::System, Command::Act(Act::from(Verb::ListProcessed)))?;
        let text = story::LIST_TAKEN.replace("{rows}", &LIST_ROWS.to_string());
        self.teller.tell(Told::Say { text })?;
        let to = self.gate_state(BIRTHDAY)?;
        let closed = Given { journey: BIRTHDAY.to_owned(), verb: None, from, to, refused: None };
        self.tell_verbs("the list has been read", vec![closed])?;

        self.world.run_to(calendar::at(6, 7, 0) + Interval::from_secs(5))?;
        self.teller.tell(Told::Say { text: story::LIST_ABORT.to_owned() })?;
        let aborted = self.world.now;
        let (before, queued) = (self.side(BIRTHDAY), records::queued(&self.world.log, BIRTHDAY)?);
        let given = self.command(BIRTHDAY, Some("abort"), Command::Act(Act::from(Verb::Abort)))?;
        self.tell_verbs("as fast as one can", vec![given])?;
        if queued.len() as u64 != before.at_send {
            let (lines, gauge) = (queued.len(), before.at_send);
            return Err(format!("{lines} users queued by the feed, {gauge} by the statistics").into());
        }
        let mut audit = SendsAudit::default();
        audit.stopped(BIRTHDAY, aborted, queued.iter().cloned());
        self.audit.stopped(BIRTHDAY, aborted, queued);
        self.world.run_to(calendar::at(6, 10, 0))?;
        let mut last_sent = None;
        records::sends(&self.world.log, |send| {
            if send.journey == BIRTHDAY {
                last_sent = last_sent.max(Some(send.at));
                audit.take(send);
            }
        })?;
        let (after, sent_to_others) = audit.after_stop(BIRTHDAY);
        self.teller.tell(Told::AtSend(AtSend {
            journey: BIRTHDAY.to_owned(),
            aborted,
            sent_before: before.sent,
            at_send: before.at_send,
            sent_after: after + sent_to_others,
            sent_to_others,
            last_sent,
        }))
    }

    fn drain(&mut self) -> Result<(), Fault> {
        let (stopped, before) = (self.world.now, self.sides());
        for journey in TWINS {
            self.audit.stopped(journey, stopped, records::queued(&self.world.log, journey)?);
        }
        let bought = |play: &Self| {
            let versions = ledger::versions(play.world.fold.catalog(), &play.world.shards);
            TWINS.map(|j| versions.iter().filter(|v| v.journey == j).map(|v| v.converted).sum::<u64>())
        };
        let converted = bought(self);
        let mut days = Vec::new();
        for day in 0..=30 {
            let at = stopped + Interval::from_days(day as u64);
            self.world.run_to(at)?;
            let draining = self.sides().map(|side| side.draining);
            days.push(DrainDay { day, at, draining, inside_bytes: self.world.inside_bytes() as u64 });
        }
        self.left_on_day_30 = days.last().map_or(0, |day| day.draining.iter().sum());
        let (after, bought_by_now) = (self.sides(), bought(self));
        let last = records::last_stopped(&self.world.log, TWINS)?;
        self.teller.tell(Told::Drained(Drained {
            stopped,
            days,
            last,
            sent_after: [0, 1].map(|i| after[i].sent - before[i].sent),
            converted_after: [0, 1].map(|i| bought_by_now[i] - converted[i]),
        }))
    }

    fn explain(&mut self) -> Result<(), Fault> {
        let user = super::message::TOLD.to_owned();
        let lines = records::story_of(&self.world.log, &user, &TWINS)?;
        self.teller.tell(Told::Explained { user, lines })
    }

    fn summary(&mut self) -> Result<Summary, Fault> {
        for shard in &mut self.world.shards {
            shard.check()?;
        }
        let audit = &mut self.audit;
        records::sends(&self.world.log, |send| audit.take(send))?;
        let (catalog, shards) = (self.world.fold.catalog(), &self.world.shards);
        let versions = ledger::versions(catalog, shards);
        let journeys = self.world.fold.registry().lineages().iter().map(|l| l.id.clone());
        let refusals: BTreeMap<_, _> =
            journeys.map(|id| (id.clone(), ledger::refusals(catalog, shards, &id))).collect();
        let traffic = self.world.traffic;
        let rejected = self.world.log.bounds(Stream::Rejects)?.next;
        let mut identities = vec![
            Identity::equal(
                "every event is decided or set aside",
                ("handed on", self.planned),
                ("decided + undecodable", traffic.decoded + rejected),
            ),
            ledger::conserved(&versions),
            Identity::equal(
                "both products were asked equally often",
                ("CleverTap", asked(&versions, &refusals, TWINS[0])),
                ("Antsomi", asked(&versions, &refusals, TWINS[1])),
            ),
        ];
        identities.extend(self.audit.identities(versions.iter().map(|v| v.sent).sum()));
        let draining: u64 = versions.iter().map(|v| v.draining).sum();
        let late = ("still inside 30 days after the stop", self.left_on_day_30 + draining);
        identities.push(Identity::equal("a drain is over in 30 days", late, ("nobody:", 0)));
        Ok(Summary {
            from: calendar::at(0, 0, 0),
            to: self.world.now,
            events: traffic.accepted,
            rejected,
            rows: traffic.rows,
            commits: traffic.commits,
            shards: SHARDS,
            versions,
            refusals,
            identities,
        })
    }
}

fn at((day, hour, minute): When) -> Timestamp {
    calendar::at(day, hour, minute)
}

/// Flows as what came between; who is where as it is after.
fn difference(before: &Side, after: &Side) -> Side {
    Side {
        entered: after.entered - before.entered,
        turned_away: after.turned_away - before.turned_away,
        sent: after.sent - before.sent,
        left: after.left - before.left,
        ..*after
    }
}

/// How often a journey's entry gate was asked: everybody who entered, and everybody who was turned away.
fn asked(
    versions: &[ledger::VersionCounts],
    refusals: &BTreeMap<String, BTreeMap<&'static str, u64>>,
    journey: &str,
) -> u64 {
    let entered: u64 = versions.iter().filter(|v| v.journey == journey).map(|v| v.entered).sum();
    entered + refusals.get(journey).map_or(0, |r| r.values().sum())
}

/// The people on the list.
fn rows() -> Vec<Row> {
    let row = |number| {
        let user = format!("member-{number:04}");
        let store = ["Asok", "Siam", "Thonglor"][(user_hash(&user) % 3) as usize];
        Row { user, properties: format!(r#"{{"store":"{store}"}}"#) }
    };
    (0..LIST_ROWS).map(row).collect()
}

/// Every state in which somebody can be inside, by its gates: as the dialects' tables have it.
fn map() -> Vec<MapCell> {
    let mut cells = Vec::new();
    for entry in [EntryGate::Open, EntryGate::Shut] {
        for movement in [MovementGate::Open, MovementGate::Held, MovementGate::Shut] {
            let states = dialects().iter().flat_map(|dialect| {
                let here = dialect.states().iter().filter(move |state| {
                    state.inhabited && (state.entry, state.movement) == (entry, movement)
                });
                here.map(|state| (dialect.name(), state.name))
            });
            cells.push(MapCell { entry, movement, states: states.collect() });
        }
    }
    cells
}
