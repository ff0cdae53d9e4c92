//! Commands on their way, whoever gives them, and those that the system gives by itself: shares of entry limits, the
//! end of a list, a journey that keeps failing.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use serde_json::{Map, Value as Json, json};
use wayfarer::control::{Act, Command as Asked, Grant, Manifest, Record as ControlRecord};
use wayfarer::engine::cycle::{Step as Taken, decode};
use wayfarer::journal::memory::AppendFault;
use wayfarer::journal::{Append, ControlLog, Group, Intake, Item, Kind, Stream, Streams};
use wayfarer::journey::catalog::JourneyIndex;
use wayfarer::journey::definition::Definition;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::Timestamp;
use wayfarer::model::hash::shard_of;
use wayfarer::worker::desk::Stored;
use wayfarer_reference::Command;
use wayfarer_reference::workload::{Story, What};

use super::met::Fault;
use super::oracle::{Compared, equal, same_answer};
use super::story::Simulation;

/// The audience list of a journey, as far as the reference has not taken it.
#[derive(Default)]
pub(crate) struct List {
    rows: VecDeque<(String, Map<String, Json>)>,
    is_ended: bool,
}

impl Simulation {
    /// Gives a command, again if its answer is lost; how it was answered.
    pub(crate) fn control(
        &mut self,
        now: Timestamp,
        journey: &str,
        command: Asked,
        role: Role,
    ) -> Result<Result<(), String>, String> {
        self.control_with(now, journey, command, role, Vec::new())
    }

    fn control_with(
        &mut self,
        now: Timestamp,
        journey: &str,
        command: Asked,
        role: Role,
        rows: Vec<(u64, u64)>,
    ) -> Result<Result<(), String>, String> {
        self.opened(journey);
        let (id, actor) = (format!("c{}", self.desk.next()), "test".to_owned());
        let record =
            ControlRecord { id, at: None, actor, role, journey: journey.to_owned(), expect: None, command };
        let bytes = Stored { record, rows }.encode();
        let fault = match self.dice.below(8) {
            0 => Some((AppendFault::Refuse, Fault::Unaccepted)),
            1 => Some((AppendFault::Unknown { accepted: self.dice.once_in(2) }, Fault::Doubled)),
            _ => None,
        };
        self.append_fault(fault);
        let log = &self.cluster.stage.log;
        let given = log.append_control(now, &bytes).or_else(|_| log.append_control(now, &bytes));
        given.map_err(|e| e.to_string())?;
        let mut answers = Vec::new();
        let folded = self.desk.catch_up(&self.cluster.stage.log, &mut |_, answered| {
            if let Ok((_, Some(step))) = &answered {
                self.cluster.stage.push_step(std::sync::Arc::clone(step));
            }
            answers.push(answered.map(drop).map_err(|refused| refused.to_string()));
        });
        folded.map_err(|e| e.to_string())?;
        let first = answers.first().cloned().ok_or("I9: a command that was accepted is not in its log")?;
        if answers.iter().any(|answer| answer.is_ok() != first.is_ok()) {
            return Err(format!(
                "I9: one command is answered differently when it is given again: {answers:?}"
            ));
        }
        Ok(first)
    }

    /// At rest every shard has committed the newest command.
    pub(crate) fn acknowledged(&mut self) -> Compared {
        let epoch = self.desk.fold().catalog().epoch;
        let stage = &self.cluster.stage;
        let known = stage.log.acknowledged().map_err(|e| e.to_string())?;
        let behind: Vec<_> = known.iter().filter(|shard| shard.epoch < epoch).collect();
        if known.len() != usize::from(stage.shards) || !behind.is_empty() {
            return Err(format!("I9: epoch {epoch} is not taken by all: {known:?}"));
        }
        self.one_by_one()?;
        self.cluster.stage.switch.met().checked(9, 1);
        Ok(())
    }

    /// A shard takes every command, in order, each once: what its cycles say.
    fn one_by_one(&mut self) -> Compared {
        let given = self.cluster.stage.epochs();
        let (taken, mut wrong) = (&mut self.taken, None);
        let mut each = |item: Item<'_>| {
            let of_shard = taken.entry(item.shard).or_default();
            for step in decode(item.bytes).expect("a cycle reads back") {
                let Taken::Epoch { number, .. } = step else { continue };
                let next = given.get(*of_shard);
                *of_shard += 1;
                if next != Some(&number) {
                    wrong.get_or_insert(format!(
                        "I9: shard {} takes epoch {number} where {next:?} is the next",
                        item.shard
                    ));
                }
            }
        };
        let read = self.cluster.stage.log.read_stream(Stream::Cycles, self.cycles, usize::MAX, &mut each);
        self.cycles = read.map_err(|e| e.to_string())?;
        wrong.map_or(Ok(()), Err)
    }

    /// A journey's list: all rows that the story has for it, before it goes live.
    pub(crate) fn upload(&mut self, now: Timestamp, story: &Story, journey: &Definition) -> Compared {
        let Some(list) = &journey.entry.list else { return Ok(()) };
        let rows = story.steps.iter().filter_map(|step| match &step.what {
            What::Row(of, user, fields) if *of == journey.id => Some((user.as_str(), fields)),
            _ => None,
        });
        let log = &self.cluster.stage.log;
        let mut ranges = vec![None::<(u64, u64)>; usize::from(log.shard_count())];
        let mut taken = List::default();
        for (user, fields) in rows {
            let row = json!({"journey": journey.id, "user": user, "properties": fields}).to_string();
            let shard = shard_of(user, log.shard_count());
            let append = Append { shard, kind: Kind::ListRow, user: Some(user), bytes: row.as_bytes() };
            let offset = log.append(now, &[append]).map_err(|e| e.to_string())?.offsets[0];
            ranges[usize::from(shard)].get_or_insert((offset, offset)).1 = offset + 1;
            let fields = fields.as_object().expect("rows of stories are objects");
            taken.rows.push_back((user.to_owned(), fields.clone()));
        }
        let manifest = Manifest { list: list.clone(), rows: taken.rows.len() as u64 };
        let ranges = ranges.into_iter().map(Option::unwrap_or_default).collect();
        self.control_with(now, &journey.id, Asked::List(manifest), Role::Operator, ranges)??;
        self.lists.insert(journey.id.clone(), taken);
        self.openings.extend(journey.start.iter().filter_map(|start| start.parse::<Timestamp>().ok()));
        Ok(())
    }

    /// The reference takes rows while entry is open, and all that is left of a stopped journey's (G8).
    pub(crate) fn take_rows(&mut self, now: Timestamp) {
        for (journey, list) in &mut self.lists {
            while self.world.gates(journey).is_some_and(|gates| gates.0)
                || matches!(self.world.state(journey), Some("Stopped" | "Aborted"))
            {
                let Some((user, fields)) = list.rows.pop_front() else { break };
                self.world.list_row(now, &format!("vip-{journey}"), &user, &fields);
            }
        }
        self.world.advance(now);
    }

    /// Somebody looks whether all shards have taken the end of a list; two who find it at once are one.
    pub(crate) fn end_list(&mut self, now: Timestamp, journey: &str) -> Compared {
        self.rest(now)?;
        let open = self.world.gates(journey).is_some_and(|gates| gates.0);
        let Some(list) = self.lists.get_mut(journey).filter(|list| open && !list.is_ended) else {
            return Ok(());
        };
        list.is_ended = true;
        let number = self.desk.fold().catalog().journey_index(journey).expect("it was put");
        let stage = &self.cluster.stage;
        let ended = stage.look(|instances| {
            let cursors = instances.iter().flat_map(|i| i.cycle.lists());
            cursors.filter(|(_, of, cursor)| *of == number && cursor.is_done()).count()
        });
        if ended != usize::from(stage.shards) {
            return Err(format!("I1: the list of {journey} is taken by {ended} shards"));
        }
        stage.switch.met().lists += 1;
        let now = self.after(now);
        let command = Command { system: true, ..Command::new(journey, "list_processed") };
        let by_reference = self.world.act(now, &command);
        let act = Asked::Act(Act::from(Verb::ListProcessed));
        let by_engine = self.control(now, journey, act, Role::System)?;
        same_answer("list_processed", &by_reference, &by_engine)?;
        self.rest(now)
    }

    /// A failure; what it spends puts a journey into Error, at once or later.
    pub(crate) fn fail(&mut self, now: Timestamp, journey: &str, user: Option<&str>) -> Compared {
        let before = self.world.alarms.len();
        self.world.failure(now, journey, user);
        let failure = json!({"journey": journey, "user": user});
        let mutes = self.dice.once_in(3);
        self.cluster.stage.switch.mute.store(mutes, Ordering::Relaxed);
        self.record(now, Kind::Failure, user.unwrap_or_default(), &failure)?;
        self.rest(now)?;
        self.cluster.stage.switch.mute.store(false, Ordering::Relaxed);
        let alarms = self.world.alarms[before..].to_vec();
        // Who died after its commit could tell nobody, so there may be fewer.
        let told = std::mem::take(&mut *self.cluster.stage.spent.lock().expect("nobody panics with it"));
        let catalog = self.desk.fold().catalog();
        let told: Vec<_> = told.iter().map(|n| &*catalog.journeys[usize::from(*n)].id).collect();
        if let Some(id) = told.iter().find(|id| !alarms.iter().any(|alarm| alarm == *id)) {
            return Err(format!("I10: the budget of {id} is said to be spent, and is not"));
        }
        let spent = self.world.spent();
        for id in alarms {
            if !told.contains(&&*id) && spent.contains(&id) {
                self.cluster.stage.switch.met().fault(Fault::Untold);
            }
        }
        if self.dice.once_in(3) { Ok(()) } else { self.look_after_spent(now) }
    }

    /// Whoever looks after journeys hears of a spent budget, whoever died before telling it; one Error comes of it.
    pub(crate) fn look_after_spent(&mut self, now: Timestamp) -> Compared {
        self.rest(now)?;
        let catalog = self.desk.fold().catalog();
        let spent: BTreeSet<JourneyIndex> = self.cluster.stage.look(|instances| {
            let shards = instances.iter().flat_map(|instance| instance.cycle.shards());
            shards.flat_map(|(_, shard)| shard.spent().collect::<Vec<_>>()).collect()
        });
        let spent: Vec<String> =
            spent.into_iter().map(|n| catalog.journeys[usize::from(n)].id.to_string()).collect();
        let now = self.after(now);
        for id in spent {
            let command = Command { system: true, ..Command::new(&id, "fail") };
            let by_reference = self.world.act(now, &command);
            let by_engine = self.control(now, &id, Asked::Act(Act::from(Verb::Fail)), Role::System)?;
            same_answer("fail", &by_reference, &by_engine)?;
            by_engine.map_err(|why| format!("G17: a spent budget leads to no Error: {why}"))?;
        }
        self.rest(now)?;
        equal("G17: journeys that are still to go to Error", &Vec::new(), &self.world.spent())
    }

    /// So many more for each shard, but never more than the limit in all.
    pub(crate) fn grant(&mut self, now: Timestamp, journey: &str, more: &[u64]) -> Compared {
        let now = self.catch_up(now)?;
        let catalog = self.desk.fold().catalog();
        let number = catalog.journey_index(journey).expect("stories are about their journeys");
        let live = catalog.journeys[usize::from(number)].live;
        let Some(limit) = live.and_then(|live| catalog.plan(live).entry.limit) else { return self.rest(now) };
        let granted = self.granted.entry(journey.to_owned()).or_insert_with(|| vec![0; more.len()]);
        let mut left = limit.saturating_sub(granted.iter().sum::<u64>());
        for (granted, more) in granted.iter_mut().zip(more) {
            let share = left.min(*more);
            (*granted, left) = (*granted + share, left - share);
        }
        let (granted, exhausted) = (granted.clone(), left == 0);
        self.world.grant(now, journey, &granted, exhausted);
        let grant = Asked::Grant(Grant { granted, exhausted });
        self.control(now, journey, grant, Role::System)??;
        self.rest(now)
    }
}
