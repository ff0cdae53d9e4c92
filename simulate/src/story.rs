//! One story through the cluster and the reference at once, compared whenever the cluster is at rest.
//!
//! Records may wait unread for a while, as after an outage, and a command is given only when nothing does: it acts
//! by when a shard takes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value as Json, json};
use wayfarer::cli::exit;
use wayfarer::control::{Act, Command as Asked};
use wayfarer::journal::history::Kept;
use wayfarer::journal::memory::{AppendFault, FaultPlan, Memory};
use wayfarer::journal::{Append, Intake, Item, Kind, Stream, Streams};
use wayfarer::journey::definition::Definition;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::Timestamp;
use wayfarer::model::hash::shard_of;
use wayfarer::replay::exact::{Wanted, replay};
use wayfarer::worker::cycle::Options;
use wayfarer::worker::desk::Desk;
use wayfarer_reference::workload::{Dice, MIDNIGHT, Step, Story, What};
use wayfarer_reference::{Command, World};

use super::befall::Cluster;
use super::formats;
use super::met::{Fault, Met};
use super::mutation::{Breaking, Mutation};
use super::oracle::{self, Compared, same_answer};
use super::system::List;
use super::watch::Watch;

/// What is no event, nor any other record: each is a dead letter.
const POISON: [(Kind, &[u8]); 6] = [
    (Kind::Event, b"{not json"),
    (Kind::Event, b"\xff\xfe\x00"),
    (Kind::Event, b"[]"),
    (Kind::Event, b"{\"type\":\"track\",\"event\":\"add\"}"),
    (Kind::Entry, b"{\"journey\":7}"),
    (Kind::Receipt, b"null"),
];

/// What a run did and met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// The counts.
    pub met: Met,
    /// A hash of everything that left, in the order in which it did.
    pub trace: u128,
    /// What happened and befell, line by line, if it was asked for.
    pub told: Vec<String>,
}

pub(crate) struct Simulation {
    pub(crate) cluster: Cluster,
    pub(crate) world: World,
    pub(crate) desk: Desk,
    pub(crate) dice: Dice,
    watch: Watch,
    /// Bad input that is a dead letter as soon as it is read.
    letters: Vec<Vec<u8>>,
    unread: usize,
    /// When the newest record was appended.
    appended: Timestamp,
    /// When the newest command was given.
    clock: Timestamp,
    pub(crate) lists: BTreeMap<String, List>,
    /// When journeys open whose lists wait: the rows of a list are taken when a shard comes to them, so everybody is
    /// to be there then.
    pub(crate) openings: BTreeSet<Timestamp>,
    /// By shard, how many of the commands it has taken, and how many cycles were looked at for that.
    pub(crate) taken: BTreeMap<u16, usize>,
    pub(crate) cycles: u64,
    /// What shards were granted of each limited journey.
    pub(crate) granted: BTreeMap<String, Vec<u64>>,
    /// At which step the next format is asked for.
    pub(crate) asks_format: usize,
}

/// Runs a story; `tells` what happens if wanted.
///
/// # Errors
/// The first difference, or what does not hold.
pub fn simulate(story: &Story, mutation: Option<Mutation>) -> Result<Ran, String> {
    run(story, mutation, false).map_err(|(why, _)| why)
}

/// As [`simulate`], with the story told line by line.
///
/// # Errors
/// The first difference, and what happened until then.
pub fn tell(story: &Story, mutation: Option<Mutation>) -> Result<Ran, (String, Vec<String>)> {
    run(story, mutation, true)
}

fn run(story: &Story, mutation: Option<Mutation>, tells: bool) -> Result<Ran, (String, Vec<String>)> {
    let _breaking = Breaking::begin(mutation);
    let mut cluster = Cluster::new(story.seed, story.shards, mutation).map_err(|why| (why, Vec::new()))?;
    cluster.told = tells.then(Vec::new);
    let mut simulation = Simulation {
        cluster,
        world: World::new(story.shards),
        desk: Desk::new(),
        dice: Dice(story.seed ^ 0x0bad_5eed_0bad_5eed),
        watch: Watch::default(),
        letters: Vec::new(),
        unread: 0,
        appended: Timestamp::MIN,
        clock: Timestamp::MIN,
        lists: BTreeMap::new(),
        openings: BTreeSet::new(),
        taken: BTreeMap::new(),
        cycles: 0,
        granted: BTreeMap::new(),
        asks_format: formats::asked_at(story),
    };
    let done = simulation.all(story);
    let told = simulation.cluster.told.take().unwrap_or_default();
    match done {
        Ok(()) => {
            let met = simulation.cluster.stage.switch.met().clone();
            Ok(Ran { met, trace: simulation.trace(), told })
        }
        Err(why) => Err((why, told)),
    }
}

/// Whatever befell the instances, everything that they have committed is decided again as it was.
fn replayed(log: &Memory, met: &mut Met) -> Compared {
    let history = Kept::open(log.copy()).map_err(|e| e.to_string())?;
    let wanted = Wanted { threads: 1, ..Wanted::default() };
    let told = replay(&history, &Options::of(log.shard_count()), &wanted).map_err(|e| e.to_string())?;
    let compared = told.report.compared();
    if told.report.code() != exit::OK || compared.commits == 0 {
        return Err(format!("I3, I7: a replay finds: {}", told.report));
    }
    met.checked(3, compared.commits);
    met.checked(7, compared.states + met.count(Fault::Trusted));
    Ok(())
}

impl Simulation {
    fn all(&mut self, story: &Story) -> Compared {
        let midnight = Timestamp(MIDNIGHT);
        for journey in &story.journeys {
            self.command(midnight, &What::Put(Box::new(journey.clone())))?;
            self.upload(self.clock, story, journey)?;
            let verb = if journey.dialect == "antsomi" { "activate" } else { "publish" };
            self.command(self.clock, &What::Act(Command::new(&journey.id, verb)))?;
        }
        let mut steps: VecDeque<(usize, Step)> = story.steps.iter().cloned().enumerate().collect();
        let mut format_at = Some(self.asks_format);
        while let Some((number, step)) = steps.pop_front() {
            if format_at.is_some_and(|at| at <= number) {
                format_at = None;
                self.next_format(step.at.max(self.clock))?;
            }
            let more = self.more_commands(&step, &mut steps);
            if let Some(told) = &mut self.cluster.told {
                told.extend([&step].into_iter().chain(&more).map(ToString::to_string));
            }
            let done = if more.is_empty() { self.step(&step) } else { self.burst(&step, &more) };
            done.map_err(|differ| format!("at {step}\n{differ}"))?;
        }
        let last = story.steps.last().map_or(midnight, |step| step.at);
        self.look_after_spent(last)?;
        // Long enough for every queue.
        self.rest(Timestamp(last.0 + 60 * 3_600_000))?;
        self.watch.ended()?;
        if self.cluster.stage.switch.mutation.is_none() {
            replayed(&self.cluster.stage.log, &mut self.cluster.stage.switch.met())?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Compared {
        let now = step.at.max(self.clock);
        self.open_until(now)?;
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
            What::Failure(journey, user) => return self.fail(now, journey, user.as_deref()),
            What::Grant(journey, more) => return self.grant(now, journey, more),
            What::Act(_) | What::Put(_) => return self.command(now, &step.what),
            What::ListEnd(journey) => return self.end_list(now, journey),
            // Rows were uploaded as one list; releases have the pace of the workers.
            What::Row(..) | What::Tick | What::Release(_) => return self.rest(now),
        }
        self.poison(now)?;
        self.unread += 1;
        if self.unread < 6 && !self.dice.once_in(3) {
            return Ok(());
        }
        self.rest(now)
    }

    /// Everybody is there when a journey with a list opens.
    fn open_until(&mut self, now: Timestamp) -> Compared {
        while let Some(opening) = self.openings.pop_first() {
            if opening > now {
                self.openings.insert(opening);
                break;
            }
            self.rest(opening)?;
        }
        Ok(())
    }

    /// Appends a record. It may be refused, and is given again; so is one whose answer is lost, if it has an id by
    /// which a repeat is known.
    pub(crate) fn record(&mut self, now: Timestamp, kind: Kind, user: &str, json: &Json) -> Compared {
        let log = &self.cluster.stage.log;
        let (shard, bytes) = (shard_of(user, log.shard_count()), json.to_string());
        self.appended = now;
        let fault = match self.dice.below(16) {
            0 => Some((AppendFault::Refuse, Fault::Unaccepted)),
            1 if json.get("messageId").is_some() => {
                Some((AppendFault::Unknown { accepted: self.dice.once_in(2) }, Fault::Doubled))
            }
            _ => None,
        };
        self.append_fault(fault);
        let append = Append { shard, kind, user: Some(user), bytes: bytes.as_bytes() };
        let log = &self.cluster.stage.log;
        let taken = log.append(now, &[append]).or_else(|_| log.append(now, &[append]));
        taken.map(drop).map_err(|e| e.to_string())
    }

    /// The next append meets this.
    pub(crate) fn append_fault(&self, fault: Option<(AppendFault, Fault)>) {
        let Some((fault, met)) = fault else { return };
        let appends = BTreeMap::from([(0, fault)]);
        self.cluster.stage.log.set_faults(FaultPlan { appends, ..FaultPlan::default() });
        self.cluster.stage.switch.met().fault(met);
    }

    /// Bad input now and then.
    fn poison(&mut self, now: Timestamp) -> Compared {
        if !self.dice.once_in(12) {
            return Ok(());
        }
        let (kind, bytes) = POISON[self.dice.below(POISON.len())];
        let log = &self.cluster.stage.log;
        let shard = self.dice.below(usize::from(log.shard_count())) as u16;
        log.append(now, &[Append { shard, kind, user: None, bytes }]).map_err(|e| e.to_string())?;
        self.letters.push(bytes.to_vec());
        Ok(())
    }

    /// A command on its own: all that came before has happened, and all that it does happens.
    fn command(&mut self, now: Timestamp, what: &What) -> Compared {
        let now = self.catch_up(now)?;
        self.give(now, what)?;
        self.rest(now)
    }

    /// Commands that are given one behind the other, while not everybody has heard of the first.
    fn burst(&mut self, first: &Step, more: &[Step]) -> Compared {
        let at = first.at.max(self.clock);
        self.open_until(at)?;
        let mut now = self.catch_up(at)?;
        // Who has not heard of a command lets fire what is due by then, so nothing is.
        while self.cluster.stage.next_wake().is_some_and(|due| due <= now) {
            now = self.catch_up(now)?;
        }
        self.cluster.stage.switch.set_now(now);
        self.give(now, &first.what)?;
        for next in more {
            self.cluster.stir()?;
            self.give(now, &next.what)?;
        }
        self.cluster.stage.switch.met().bursts += 1;
        self.rest(now)
    }

    /// One to three of the commands that come next in the story, to be given right behind one that lets nobody move:
    /// when whoever moves does so is said at rest only.
    fn more_commands(&mut self, first: &Step, steps: &mut VecDeque<(usize, Step)>) -> Vec<Step> {
        let stops = |step: &Step| match &step.what {
            What::Put(_) => true,
            What::Act(command) => matches!(command.verb.as_str(), "pause" | "freeze" | "close"),
            _ => false,
        };
        let is_command = |step: &Step| matches!(step.what, What::Put(_) | What::Act(_));
        let mut more: Vec<Step> = Vec::new();
        while more.len() < 3 && stops(more.last().unwrap_or(first)) && !self.dice.once_in(6) {
            let next = steps.iter().position(|(_, step)| is_command(step)).and_then(|at| steps.remove(at));
            let Some((_, next)) = next else { break };
            more.push(next);
        }
        more
    }

    fn give(&mut self, now: Timestamp, what: &What) -> Compared {
        match what {
            What::Act(command) => self.act(now, command),
            What::Put(definition) => self.put(now, definition),
            other => Err(format!("{other:?} is no command")),
        }
    }

    fn act(&mut self, now: Timestamp, command: &Command) -> Compared {
        let by_reference = self.world.act(now, command);
        let asked = if command.verb == "release" {
            Asked::Release(command.selection.clone())
        } else {
            Asked::Act(Act {
                selection: command.selection.clone(),
                keep_held: command.keep_held,
                ..Act::from(command.verb.parse::<Verb>().map_err(|e| e.to_string())?)
            })
        };
        let role = if command.system { Role::System } else { Role::Operator };
        let by_engine = self.control(now, &command.journey, asked, role)?;
        same_answer(&command.verb, &by_reference, &by_engine)
    }

    fn put(&mut self, now: Timestamp, definition: &Definition) -> Compared {
        let by_reference = self.world.put(now, definition.clone());
        let put = Asked::Put { definition: Box::new(definition.clone()) };
        let by_engine = self.control(now, &definition.id, put, Role::Operator)?;
        same_answer("put", &by_reference, &by_engine)
    }

    /// A command is about the journey: what its gate lets happen from now on is another question.
    pub(crate) fn opened(&mut self, journey: &str) {
        self.watch.closed.remove(journey);
    }

    /// Whatever waits is read before a command is given, and what is due has happened: when the command is given then,
    /// so that an instance that has not heard of it yet cannot be ahead of it.
    pub(crate) fn catch_up(&mut self, now: Timestamp) -> Result<Timestamp, String> {
        if self.unread > 0 {
            self.rest(now)?;
        } else {
            self.cluster.stage.switch.set_now(now);
            self.cluster.stage.come_to_rest()?;
            self.world.advance(now);
        }
        Ok(self.after(now))
    }

    /// The next instant: nothing happens before it any more.
    pub(crate) fn after(&mut self, now: Timestamp) -> Timestamp {
        self.clock = Timestamp(now.0 + 1);
        self.clock
    }

    /// Everything that is due at `now` happens; then both are compared.
    pub(crate) fn rest(&mut self, now: Timestamp) -> Compared {
        self.cluster.stage.switch.met().backlogs += u64::from(self.unread > 1);
        self.unread = 0;
        self.cluster.settle(now)?;
        self.acknowledged()?;
        self.world.advance(now);
        while self.world.under_release() > 0 {
            self.world.release(usize::MAX);
        }
        self.take_rows(now);
        self.compare(now)
    }

    fn compare(&mut self, now: Timestamp) -> Compared {
        let Self { cluster, world, watch, letters, desk, .. } = self;
        let stage = &cluster.stage;
        // A record that is there is taken at its time, even if that is ahead of the clock.
        let now = now.max(self.appended);
        watch.compare(&stage.log, world, now, letters, &mut stage.switch.met())?;
        let shut = |id: &&str| {
            let live = !matches!(world.state(id), Some("Draft" | "Designing" | "Scheduled") | None);
            live && world.gates(id).is_some_and(|(_, movement)| movement != "open")
        };
        let catalog = desk.fold().catalog();
        let ids = catalog.journeys.iter().map(|journey| &*journey.id);
        watch.closed = ids.filter(shut).map(str::to_owned).collect::<BTreeSet<_>>();
        stage.look(|instances| {
            let mut shards: Vec<_> = instances.iter().flat_map(|instance| instance.cycle.shards()).collect();
            shards.sort_by_key(|(number, _)| *number);
            let numbers: Vec<u16> = shards.iter().map(|(number, _)| *number).collect();
            let all: Vec<u16> = (0..stage.shards).collect();
            if numbers != all {
                return Err(format!("I6: at rest the shards {numbers:?} are open, of {all:?}"));
            }
            let shards: Vec<_> = shards.into_iter().map(|(_, shard)| shard).collect();
            oracle::states(world, catalog, &shards).map_err(|differ| format!("I13: {differ}"))
        })?;
        stage.switch.met().checked(13, catalog.plan_count() as u64);
        Ok(())
    }

    fn trace(&self) -> u128 {
        let mut all = Vec::new();
        for stream in Stream::ALL {
            let mut each = |item: Item<'_>| {
                all.extend_from_slice(&item.shard.to_be_bytes());
                all.extend_from_slice(&item.seq.to_be_bytes());
                all.extend_from_slice(item.bytes);
            };
            let read = self.cluster.stage.log.read_stream(stream, 0, usize::MAX, &mut each);
            read.expect("it was read before");
        }
        xxhash_rust::xxh3::xxh3_128(&all)
    }
}
