//! One story through the cluster and the reference at once, compared whenever the cluster is at rest.
//!
//! Records may wait unread for a while, as after an outage, and a command is given only when nothing does: it acts
//! by when a shard takes it.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use wayfarer::cli::exit;
use wayfarer::control::{Act, Command as Asked, Record as ControlRecord};
use wayfarer::journal::history::Kept;
use wayfarer::journal::memory::Memory;
use wayfarer::journal::{Append, ControlLog, Intake, Item, Kind, Stream, Streams};
use wayfarer::journey::definition::Definition;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::Timestamp;
use wayfarer::model::hash::shard_of;
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};
use wayfarer::replay::exact::{Wanted, replay};
use wayfarer::worker::cycle::Options;
use wayfarer::worker::desk::{Desk, Stored};
use wayfarer_reference::workload::{Dice, MIDNIGHT, Step, Story, What};
use wayfarer_reference::{Command, World};

use super::cluster::{Cluster, Tally};
use super::journal::Mutation;
use super::oracle::{self, Compared, move_text, same, same_answer, send_text};

/// What a run did and met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) tally: Tally,
    pub(crate) compared: u64,
    pub(crate) held: u64,
    pub(crate) drained: u64,
    pub(crate) backlogs: u64,
    /// Everything that left, in the order in which it did.
    pub(crate) trace: u128,
}

struct Simulation {
    cluster: Cluster,
    world: World,
    desk: Desk,
    dice: Dice,
    keys: BTreeSet<String>,
    /// How many sends, movements and refusals were compared: of the cluster, of the reference.
    seen: [(u64, usize); 3],
    unread: usize,
    ran: Ran,
}

/// Runs a story of that seed.
pub(crate) fn simulate(story: &Story, mutation: Option<Mutation>) -> Result<Ran, String> {
    let mut simulation = Simulation {
        cluster: Cluster::new(story.seed, story.shards, mutation)?,
        world: World::new(story.shards),
        desk: Desk::new(),
        dice: Dice(story.seed ^ 0x0bad_5eed_0bad_5eed),
        keys: BTreeSet::new(),
        seen: [(0, 0); 3],
        unread: 0,
        ran: Ran::default(),
    };
    let midnight = Timestamp(MIDNIGHT);
    for journey in &story.journeys {
        simulation.put(midnight, journey)?;
        let verb = if journey.dialect == "antsomi" { "activate" } else { "publish" };
        simulation.act(midnight, &Command::new(&journey.id, verb))?;
    }
    for step in &story.steps {
        simulation.step(step).map_err(|differ| format!("at {step}\n{differ}"))?;
    }
    let last = story.steps.last().map_or(midnight, |step| step.at);
    simulation.rest(last)?;
    if mutation.is_none() {
        replayed(&simulation.cluster.log)?;
    }
    simulation.ran.tally = simulation.cluster.tally;
    simulation.ran.trace = simulation.trace();
    Ok(simulation.ran)
}

/// Whatever befell the instances, everything that they have committed is decided again as it was.
fn replayed(log: &Memory) -> Result<(), String> {
    let history = Kept::open(log.copy()).map_err(|e| e.to_string())?;
    let wanted = Wanted { threads: 1, ..Wanted::default() };
    let told = replay(&history, &Options::of(log.shard_count()), &wanted).map_err(|e| e.to_string())?;
    let is_whole = told.report.code() == exit::OK && told.report.compared().commits > 0;
    if is_whole { Ok(()) } else { Err(format!("a replay finds: {}", told.report)) }
}

impl Simulation {
    fn step(&mut self, step: &Step) -> Compared {
        let now = step.at;
        match &step.what {
            What::Event(event) => {
                self.world.event(now, event);
                let user = event["userId"].as_str().expect("every event has a user");
                self.record(now, Kind::Event, user, event)?;
            }
            What::Enter(journey, user, payload) => {
                let fields = payload.as_object().expect("payloads of stories are objects");
                let _ = self.world.api_entry(now, journey, user, fields);
                let entry = json!({"journey": journey, "user": user, "properties": payload});
                self.record(now, Kind::Entry, user, &entry)?;
            }
            What::Remove(journey, user) => {
                self.world.remove_user(now, journey, user)?;
                self.record(now, Kind::Remove, user, &json!({"journey": journey, "user": user}))?;
            }
            What::Delete(user) => {
                self.world.delete_user(now, user);
                self.record(now, Kind::Delete, user, &json!({"user": user}))?;
            }
            What::Receipt(user, of, kind) => {
                self.world.receipt(now, user, of, *kind);
                let receipt = json!({"kind": kind, "user": user, "journey": of.journey, "version": of.version,
                    "node": of.node});
                self.record(now, Kind::Receipt, user, &receipt)?;
            }
            What::Act(command) => return self.act(now, command),
            What::Put(definition) => return self.put(now, definition),
            // Lists have a pace of their own, and releases that of the workers; grants and alarms are the
            // steward's, who is not among the simulated.
            What::Row(..)
            | What::ListEnd(_)
            | What::Tick
            | What::Release(_)
            | What::Failure(..)
            | What::Grant(..) => return self.rest(now),
        }
        self.unread += 1;
        if self.unread < 6 && !self.dice.once_in(3) {
            return Ok(());
        }
        self.rest(now)
    }

    fn record(&mut self, now: Timestamp, kind: Kind, user: &str, json: &Json) -> Compared {
        let log = &self.cluster.log;
        let (shard, bytes) = (shard_of(user, log.shard_count()), json.to_string());
        log.append(now, &[Append { shard, kind, user: Some(user), bytes: bytes.as_bytes() }])
            .map_err(|e| e.to_string())?;
        Ok(())
    }

    fn act(&mut self, now: Timestamp, command: &Command) -> Compared {
        self.catch_up(now)?;
        let by_reference = self.world.act(now, command);
        if command.verb == "release" {
            let release = Asked::Release(command.selection.clone());
            let by_engine = self.control(now, &command.journey, release, Role::Operator)?;
            same_answer("release", &by_reference, &by_engine)?;
            return self.rest(now);
        }
        let act = Act {
            selection: command.selection.clone(),
            keep_held: command.keep_held,
            ..Act::from(command.verb.parse::<Verb>().map_err(|e| e.to_string())?)
        };
        let role = if command.system { Role::System } else { Role::Operator };
        let by_engine = self.control(now, &command.journey, Asked::Act(act), role)?;
        same_answer(&command.verb, &by_reference, &by_engine)?;
        self.rest(now)
    }

    fn put(&mut self, now: Timestamp, definition: &Definition) -> Compared {
        self.catch_up(now)?;
        let by_reference = self.world.put(now, definition.clone());
        let put = Asked::Put { definition: Box::new(definition.clone()) };
        let by_engine = self.control(now, &definition.id, put, Role::Operator)?;
        same_answer("put", &by_reference, &by_engine)?;
        self.rest(now)
    }

    fn control(
        &mut self,
        now: Timestamp,
        journey: &str,
        command: Asked,
        role: Role,
    ) -> Result<Result<(), String>, String> {
        let (id, actor) = (format!("c{}", self.desk.next()), "test".to_owned());
        let record =
            ControlRecord { id, at: None, actor, role, journey: journey.to_owned(), expect: None, command };
        self.cluster.log.append_control(now, &Stored::from(record).encode()).map_err(|e| e.to_string())?;
        let mut answer = Ok(());
        self.desk
            .catch_up(&self.cluster.log, &mut |_, answered| {
                answer = answered.map(drop).map_err(|refused| refused.to_string());
            })
            .map_err(|e| e.to_string())?;
        Ok(answer)
    }

    /// Whatever waits is read before a command is given, at the last moment before it.
    fn catch_up(&mut self, now: Timestamp) -> Compared {
        if self.unread == 0 {
            return Ok(());
        }
        self.rest(Timestamp(now.0 - 1))
    }

    /// Everything that is due at `now` happens; then both are compared.
    fn rest(&mut self, now: Timestamp) -> Compared {
        self.ran.backlogs += u64::from(self.unread > 1);
        self.unread = 0;
        self.cluster.settle(now)?;
        self.world.advance(now);
        while self.world.under_release() > 0 {
            self.world.release(usize::MAX);
        }
        self.compare()
    }

    fn compare(&mut self) -> Compared {
        let sends: Vec<SendRecord> = self.left(0, Stream::Sends)?;
        for send in &sends {
            if !self.keys.insert(send.key.clone()) {
                return Err(format!("I2: the key of {send:?} has left before"));
            }
        }
        let moves: Vec<TransitionRecord> = self.left(1, Stream::Transitions)?;
        let refusals: Vec<RefusalRecord> = self.left(2, Stream::Refusals)?;
        let (world, [s, m, r]) = (&self.world, self.seen.map(|(_, reference)| reference));
        same("I1, I2: sends", world.sends[s..].iter().map(send_text), sends.iter().map(send_text))?;
        same("I4: movements", world.transitions[m..].iter().map(move_text), moves.iter().map(move_text))?;
        let text = |refusal: &RefusalRecord| format!("{refusal:?}");
        same("I1: refusals", world.refusals[r..].iter().map(text), refusals.iter().map(text))?;
        let ends = [world.sends.len(), world.transitions.len(), world.refusals.len()];
        self.seen.iter_mut().zip(ends).for_each(|(seen, end)| seen.1 = end);
        self.ran.compared += (sends.len() + moves.len()) as u64;
        self.ran.held += moves.iter().filter(|moved| moved.what == "held").count() as u64;
        self.ran.drained += moves.iter().filter(|moved| moved.what == "draining").count() as u64;
        self.cluster.look(|instances| {
            let mut shards: Vec<_> = instances.iter().flat_map(|instance| instance.cycle.shards()).collect();
            shards.sort_by_key(|(number, _)| *number);
            let numbers: Vec<u16> = shards.iter().map(|(number, _)| *number).collect();
            let all: Vec<u16> = (0..self.cluster.log.shard_count()).collect();
            if numbers != all {
                return Err(format!("at rest the shards {numbers:?} are open, of {all:?}"));
            }
            let shards: Vec<_> = shards.into_iter().map(|(_, shard)| shard).collect();
            oracle::states(&self.world, self.desk.fold().catalog(), &shards)
        })
    }

    /// What has left since the last look.
    fn left<T: serde::de::DeserializeOwned>(&mut self, of: usize, stream: Stream) -> Result<Vec<T>, String> {
        let mut lines = Vec::new();
        let mut each = |item: Item<'_>| lines.push(serde_json::from_slice(item.bytes));
        let next = self.cluster.log.read_stream(stream, self.seen[of].0, usize::MAX, &mut each);
        self.seen[of].0 = next.map_err(|e| e.to_string())?;
        lines.into_iter().collect::<Result<_, _>>().map_err(|e| e.to_string())
    }

    fn trace(&self) -> u128 {
        let mut all = Vec::new();
        for stream in Stream::ALL {
            let mut each = |item: Item<'_>| {
                all.extend_from_slice(&item.shard.to_be_bytes());
                all.extend_from_slice(&item.seq.to_be_bytes());
                all.extend_from_slice(item.bytes);
            };
            self.cluster.log.read_stream(stream, 0, usize::MAX, &mut each).expect("it was read before");
        }
        xxhash_rust::xxh3::xxh3_128(&all)
    }
}
