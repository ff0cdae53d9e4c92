//! One story through the engine and the reference at once. The one place here that knows how either is driven.
//!
//! Compared after every step: sends, movements, refusals (as sets of what happened in the step: the order between
//! users at one instant is nobody's promise), gates, who is where at which node, and the counts of every
//! version. At the end: the counts of every hour and day as they were committed step by step. Entry numbers
//! and keys are not compared, but no key may come twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value as Json;
use wayfarer::control::range::By;
use wayfarer::control::{Act, Command as Asked, Fold, Grant, Manifest, Record as ControlRecord};
use wayfarer::engine::journey_state::JourneyState;
use wayfarer::engine::statistics::Flow;
use wayfarer::engine::{Body, Charge, Effects, Entry, Input, Receipt, Record, Setup, Shard};
use wayfarer::ingest::decode::decode;
use wayfarer::journey::definition::Definition;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::Timestamp;
use wayfarer::model::hash::shard_of;
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};
use wayfarer_reference::workload::{MIDNIGHT, Step, Story, What};
use wayfarer_reference::{Command, World};

use wayfarer_simulate::oracle::{self, Compared, move_text, same, same_answer, send_text};

use crate::hours::{Records, committed, days};

/// The list of a journey: its rows are fed while entry is open (G8).
#[derive(Default)]
struct List {
    rows: VecDeque<(String, Json)>,
    ended: bool,
    done: bool,
}

/// An engine of some shards, and the reference.
pub(crate) struct Pair {
    pub(crate) world: World,
    fold: Fold,
    shards: Vec<Shard>,
    effects: Effects,
    offset: u64,
    control: u64,
    lists: BTreeMap<String, List>,
    keys: BTreeSet<String>,
    /// By shard: the hours that it has committed.
    hours: Vec<Records>,
    /// What the shards were granted of each limited journey.
    granted: BTreeMap<String, Vec<u64>>,
    /// How many sends, movements and refusals of the reference were compared.
    seen: [usize; 3],
}

impl Pair {
    /// Both worlds with a story's journeys, live at minute nought.
    pub(crate) fn new(story: &Story) -> Result<Self, String> {
        let shards = (0..story.shards).map(|n| Shard::new(Setup::of(n, story.shards))).collect();
        let mut pair = Self {
            world: World::new(story.shards),
            fold: Fold::new(),
            shards,
            effects: Effects::with_feed(),
            offset: 0,
            control: 0,
            lists: BTreeMap::new(),
            keys: BTreeSet::new(),
            hours: (0..story.shards).map(|_| Records::default()).collect(),
            granted: BTreeMap::new(),
            seen: [0; 3],
        };
        let midnight = Timestamp(MIDNIGHT);
        for journey in &story.journeys {
            pair.put(midnight, journey)?;
            if let Some(list) = &journey.entry.list {
                let manifest = Manifest { list: list.clone(), rows: 1 };
                pair.control(midnight, &journey.id, Asked::List(manifest), Role::Operator)?;
                pair.lists.insert(journey.id.clone(), List::default());
            }
            let verb = if journey.dialect == "antsomi" { "activate" } else { "publish" };
            pair.act(midnight, &Command::new(&journey.id, verb))?;
        }
        Ok(pair)
    }

    /// One step of a story.
    pub(crate) fn step(&mut self, step: &Step) -> Compared {
        let now = step.at;
        match &step.what {
            What::Event(json) => {
                self.world.event(now, json);
                let bytes = json.to_string();
                let event = decode(bytes.as_bytes()).map_err(|reject| format!("{reject:?}"))?;
                self.record(now, &event.user, Body::Event(&event));
            }
            What::Enter(journey, user, payload) => {
                let _ = self.world.api_entry(now, journey, user, object(payload));
                let properties = payload.to_string();
                let entry = Entry { journey, user, properties: properties.as_bytes() };
                self.record(now, user, Body::Enter(entry));
            }
            What::Row(journey, user, fields) => {
                if let Some(list) = self.lists.get_mut(journey).filter(|list| !list.ended) {
                    list.rows.push_back((user.clone(), fields.clone()));
                }
                self.pass(now);
            }
            What::ListEnd(journey) => {
                if let Some(list) = self.lists.get_mut(journey) {
                    list.ended = true;
                }
                self.pass(now);
            }
            What::Remove(journey, user) => {
                self.world.remove_user(now, journey, user)?;
                self.record(now, user, Body::Remove { journey, user });
            }
            What::Delete(user) => {
                self.world.delete_user(now, user);
                self.record(now, user, Body::Delete { user });
            }
            What::Failure(journey, user) => self.fail(now, journey, user.as_deref())?,
            What::Grant(journey, more) => self.grant(now, journey, more)?,
            What::Receipt(user, of, kind) => {
                self.world.receipt(now, user, of, *kind);
                let (journey, node) = (of.journey.as_str(), of.node.as_str());
                let receipt = Receipt { kind: *kind, user, journey, version: of.version, node };
                self.record(now, user, Body::Receipt(receipt));
            }
            What::Act(command) => self.act(now, command)?,
            What::Put(definition) => self.put(now, definition)?,
            What::Tick => {
                self.world.advance(now);
                for shard in &mut self.shards {
                    // A few at a time, as a worker that serves others meanwhile.
                    while shard.handle(now, Input::Wake { max: 3 }, &mut self.effects).more_due {}
                }
            }
            What::Release(max) => {
                self.world.before(now);
                self.world.release(*max);
                for shard in &mut self.shards {
                    let _ = shard.handle(now, Input::Release { max: *max }, &mut self.effects);
                }
            }
        }
        self.feed_lists(now)?;
        self.compare()
    }

    /// A failure; what it spends puts a journey into Error at once, or some time later, as the steward does.
    fn fail(&mut self, now: Timestamp, journey: &str, user: Option<&str>) -> Compared {
        let before = self.world.alarms.len();
        self.world.failure(now, journey, user);
        self.record(now, user.unwrap_or_default(), Body::Failure(Charge { journey, user }));
        let name = |number: &u16| self.fold.catalog().journeys[usize::from(*number)].id.to_string();
        let spent: Vec<String> = self.effects.budget_spent.iter().map(name).collect();
        oracle::equal("spent budgets", &self.world.alarms[before..].to_vec(), &spent)?;
        for journey in spent.iter().filter(|id| !self.world.spent().contains(id)).collect::<Vec<_>>() {
            // Of a dialect without Error both refuse it.
            self.act(now, &Command { system: true, ..Command::new(journey, "fail") })?;
        }
        if now.0 / 60_000 % 2 == 0 { self.look_after_spent(now) } else { Ok(()) }
    }

    /// Whoever looks after journeys puts those into Error whose budget is spent, whenever that was.
    fn look_after_spent(&mut self, now: Timestamp) -> Compared {
        for journey in self.world.spent() {
            self.act(now, &Command { system: true, ..Command::new(&journey, "fail") })?;
        }
        oracle::equal("journeys that are still to go to Error", &Vec::new(), &self.world.spent())
    }

    /// So many more for each shard, but never more than the limit in all.
    fn grant(&mut self, now: Timestamp, journey: &str, more: &[u64]) -> Compared {
        let catalog = self.fold.catalog();
        let number = catalog.journey_index(journey).expect("stories are about their journeys");
        let live = catalog.journeys[usize::from(number)].live;
        let Some(limit) = live.and_then(|live| catalog.plan(live).entry.limit) else { return Ok(()) };
        let granted = self.granted.entry(journey.to_owned()).or_insert_with(|| vec![0; more.len()]);
        let mut left = limit - granted.iter().sum::<u64>();
        for (granted, more) in granted.iter_mut().zip(more) {
            let share = left.min(*more);
            (*granted, left) = (*granted + share, left - share);
        }
        let (granted, exhausted) = (granted.clone(), left == 0);
        self.world.grant(now, journey, &granted, exhausted);
        let grant = Asked::Grant(Grant { granted, exhausted });
        self.control(now, journey, grant, Role::System)
    }

    fn act(&mut self, now: Timestamp, command: &Command) -> Compared {
        let by_reference = self.world.act(now, command);
        if command.verb == "release" {
            let release = Asked::Release(command.selection.clone());
            let by_engine = self.control(now, &command.journey, release, Role::Operator);
            return same_answer("release", &by_reference, &by_engine);
        }
        let act = Act {
            selection: command.selection.clone(),
            keep_held: command.keep_held,
            ..Act::from(command.verb.parse::<Verb>().map_err(|e| e.to_string())?)
        };
        let role = if command.system { Role::System } else { Role::Operator };
        let by_engine = self.control(now, &command.journey, Asked::Act(act), role);
        same_answer(&command.verb, &by_reference, &by_engine)
    }

    fn put(&mut self, now: Timestamp, definition: &Definition) -> Compared {
        let by_reference = self.world.put(now, definition.clone());
        let put = Asked::Put { definition: Box::new(definition.clone()) };
        let by_engine = self.control(now, &definition.id, put, Role::Operator);
        same_answer("put", &by_reference, &by_engine)
    }

    fn control(&mut self, now: Timestamp, journey: &str, command: Asked, role: Role) -> Compared {
        let offset = self.control;
        self.control += 1;
        let (id, actor, journey) = (format!("c{offset}"), "test".to_owned(), journey.to_owned());
        let record = ControlRecord { id, at: None, actor, role, journey, expect: None, command };
        let answer = self.fold.apply(offset, now, &record);
        for shard in &mut self.shards {
            let skip = Input::Record(Record { source: 1, offset, timed: true, body: Body::Skip });
            let input = answer.as_ref().map_or(skip, |(epoch, _)| Input::Epoch(epoch));
            let _ = shard.handle(now, input, &mut self.effects);
        }
        answer.map(drop).map_err(|refused| refused.to_string())
    }

    /// A record of one user's; the other shards learn the time.
    fn record(&mut self, now: Timestamp, user: &str, body: Body<'_>) {
        let own = usize::from(shard_of(user, self.shards.len() as u16));
        let offset = self.offset;
        self.offset += 1;
        for (number, shard) in self.shards.iter_mut().enumerate() {
            let body = if number == own { body } else { Body::Skip };
            let _ = shard.handle(
                now,
                Input::Record(Record { source: 0, offset, timed: true, body }),
                &mut self.effects,
            );
        }
    }

    fn pass(&mut self, now: Timestamp) {
        self.world.before(now);
        self.record(now, "nobody", Body::Skip);
    }

    /// A list's cursor goes on while entry is open, and to the end of a stopped journey's, all refused.
    fn feed_lists(&mut self, now: Timestamp) -> Compared {
        for journey in self.lists.keys().cloned().collect::<Vec<_>>() {
            loop {
                let open = self.world.gates(&journey).is_some_and(|gates| gates.0);
                let stopped = matches!(self.world.state(&journey), Some("Stopped" | "Aborted"));
                let list = self.lists.get_mut(&journey).expect("it was among the lists");
                if !open && !stopped {
                    break;
                }
                if let Some((user, fields)) = list.rows.pop_front() {
                    self.world.list_row(now, &format!("vip-{journey}"), &user, object(&fields));
                    let properties = fields.to_string();
                    let entry = Entry { journey: &journey, user: &user, properties: properties.as_bytes() };
                    self.record(now, &user, Body::Row(entry));
                } else if open && list.ended && !list.done {
                    list.done = true;
                    let command = Command { system: true, ..Command::new(&journey, "list_processed") };
                    self.act(now, &command)?;
                } else {
                    break;
                }
            }
        }
        Ok(())
    }

    fn compare(&mut self) -> Compared {
        for shard in &mut self.shards {
            shard.check().map_err(|violation| violation.to_string())?;
        }
        self.compare_effects()?;
        oracle::states(&self.world, self.fold.catalog(), &self.shards.iter().collect::<Vec<_>>())?;
        self.compare_doors()?;
        self.commit()
    }

    /// Nobody is lost at a door, and no more have entered than the limit says, over all shards and versions (G26).
    fn compare_doors(&self) -> Compared {
        let catalog = self.fold.catalog();
        for (number, journey) in (0..).zip(&catalog.journeys) {
            let at_door = |shard: &Shard| shard.journey(number).map_or(0, JourneyState::at_door);
            let waiting: u64 = self.shards.iter().map(at_door).sum();
            oracle::equal(
                &format!("the door of {}", journey.id),
                &self.world.at_door(&journey.id),
                &waiting,
            )?;
            let Some(limit) = journey.live.and_then(|live| catalog.plan(live).entry.limit) else { continue };
            let plans = (0..catalog.plan_count() as u16).filter(|&plan| catalog.journey_of(plan) == number);
            let entered = |plan| {
                let of = self.shards.iter().filter_map(move |shard| shard.statistics(plan));
                of.map(|statistics| statistics.total(Flow::Entered)).sum::<u64>()
            };
            let entered: u64 = plans.map(entered).sum();
            if entered > limit {
                return Err(format!("{entered} have entered {}, whose limit is {limit}", journey.id));
            }
        }
        Ok(())
    }

    fn compare_effects(&mut self) -> Compared {
        let [sends, transitions, refusals] = self.seen;
        let by_reference = &self.world.sends[sends..];
        let by_engine = read::<SendRecord>(&self.effects.sends);
        for send in &by_engine {
            if !self.keys.insert(send.key.clone()) {
                return Err(format!("the key of {send:?} has been used before"));
            }
        }
        same("sends", by_reference.iter().map(send_text), by_engine.iter().map(send_text))?;
        let by_reference = &self.world.transitions[transitions..];
        let by_engine = read::<TransitionRecord>(&self.effects.transitions);
        same("movements", by_reference.iter().map(move_text), by_engine.iter().map(move_text))?;
        let by_reference = &self.world.refusals[refusals..];
        let by_engine = read::<RefusalRecord>(&self.effects.refusals);
        let text = |r: &RefusalRecord| format!("{r:?}");
        same("refusals", by_reference.iter().map(text), by_engine.iter().map(text))?;
        self.seen = [self.world.sends.len(), self.world.transitions.len(), self.world.refusals.len()];
        self.effects.clear();
        Ok(())
    }

    /// A commit of every shard: only what it writes of hours is kept.
    fn commit(&mut self) -> Compared {
        for (shard, records) in self.shards.iter_mut().zip(&mut self.hours) {
            let committing = shard.commit(records);
            shard.committed();
            oracle::equal("versions that are not conserved", &Vec::new(), &committing.not_conserved)?;
        }
        Ok(())
    }

    /// What was committed of each hour and each day, at the end: an hour that was counted never goes while
    /// it is young.
    pub(crate) fn compare_hours(&self) -> Compared {
        let hours = self.world.hours();
        let catalog = self.fold.catalog();
        oracle::equal("hours", &hours, &committed(&self.hours, catalog, By::Hour))?;
        oracle::equal("days", &days(&hours), &committed(&self.hours, catalog, By::Day))
    }
}

fn object(json: &Json) -> &serde_json::Map<String, Json> {
    json.as_object().expect("payloads of stories are objects")
}

fn read<T: serde::de::DeserializeOwned>(lines: &wayfarer::model::lines::Lines) -> Vec<T> {
    lines.iter().map(|line| serde_json::from_slice(line).expect("a line reads back")).collect()
}
