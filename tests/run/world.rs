//! A worker over a journal, driven by hand: the one place of these tests that knows how both are called.

use std::sync::Arc;

use wayfarer::control::{Act, Command, Record};
use wayfarer::engine::restore::Meta;
use wayfarer::journal::{Append, Assignment, Item, Journal, Kind, Log, Stream};
use wayfarer::journey::catalog::JourneyIndex;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::hash::shard_of;
use wayfarer::model::wire::SendRecord;
use wayfarer::model::{Interval, Timestamp};
use wayfarer::worker::cycle::{Cycle, Options, Turn};
use wayfarer::worker::desk::{Desk, Stored};

/// Enters on `Start`; sends at once, and again after ten minutes unless `Stop it` comes.
pub(crate) const REMINDER: &str = r#"
id = "reminder"
dialect = "clevertap"
zone = "UTC"
[entry]
event = "Start"
reentry = "always"
[[exit]]
event = "Stop it"
[[node]]
id = "hello"
type = "send"
channel = "push"
content = "hello"
[[node]]
id = "patience"
type = "delay"
for = "10m"
[[node]]
id = "again"
type = "send"
channel = "push"
content = "hello"
next = "exit"
[content.hello]
text = "hello"
"#;

pub(crate) const START: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) struct World<L: Log> {
    pub(crate) log: L,
    pub(crate) cycle: Cycle<L::Worker>,
    pub(crate) desk: Desk,
    pub(crate) now: Timestamp,
    commands: u64,
}

impl<L: Log> World<L> {
    /// All shards under one worker, restored to their last commits.
    pub(crate) fn open(log: L, now: Timestamp) -> Self {
        Self::open_with(log, now, |_| {})
    }

    /// The same with other options than the usual ones.
    pub(crate) fn open_with(log: L, now: Timestamp, change: impl FnOnce(&mut Options)) -> Self {
        let shards: Vec<u16> = (0..log.shard_count()).collect();
        let worker = log.worker(Assignment::Fixed(&shards)).expect("nobody owns them");
        let mut desk = Desk::new();
        desk.catch_up(&log, &mut |_, _| {}).expect("the control log folds");
        let commands = log.control_end().expect("it can be asked");
        let mut options = Options::of(log.shard_count());
        change(&mut options);
        let cycle = Cycle::open(worker, &log, options, &mut |_, _| {}).expect("the shards open");
        Self { log, cycle, desk, now, commands }
    }

    pub(crate) fn later(&mut self, interval: Interval) {
        self.now = self.now + interval;
    }

    pub(crate) fn command(&mut self, journey: &str, command: Command, rows: Vec<(u64, u64)>) -> Option<u64> {
        self.command_by(journey, Role::Operator, command, rows)
    }

    pub(crate) fn command_by(
        &mut self,
        journey: &str,
        role: Role,
        command: Command,
        rows: Vec<(u64, u64)>,
    ) -> Option<u64> {
        self.commands += 1;
        let record = Record {
            id: format!("c{}", self.commands),
            at: None,
            actor: "test".to_owned(),
            role,
            journey: journey.to_owned(),
            expect: None,
            command,
        };
        let bytes = Stored { record, rows }.encode();
        self.log.append_control(self.now, &bytes).expect("it is appended");
        let mut epoch = None;
        let Self { desk, log, cycle, .. } = self;
        desk.catch_up(log, &mut |_, answered| {
            let (_, step) = answered.expect("it is accepted");
            if let Some(step) = step {
                epoch = Some(step.epoch.number);
                cycle.push_step(Arc::clone(&step));
            }
        })
        .expect("the control log folds");
        epoch
    }

    pub(crate) fn publish(&mut self, text: &str) {
        let definition = wayfarer::journey::source::load("test.toml", text.as_bytes()).expect("it is right");
        let id = definition.id.clone();
        let go = if definition.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
        self.command(&id, Command::Put { definition: Box::new(definition) }, Vec::new());
        self.act(&id, go);
    }

    pub(crate) fn act(&mut self, journey: &str, verb: Verb) -> Option<u64> {
        self.command(journey, Command::Act(Act::from(verb)), Vec::new())
    }

    pub(crate) fn event(&mut self, user: &str, name: &str) {
        let bytes = format!(r#"{{"type":"track","userId":"{user}","event":"{name}"}}"#);
        self.accept(Kind::Event, user, bytes.as_bytes());
    }

    pub(crate) fn accept(&mut self, kind: Kind, user: &str, bytes: &[u8]) {
        let shard = shard_of(user, self.log.shard_count());
        self.log
            .append(self.now, &[Append { shard, kind, user: Some(user), bytes }])
            .expect("it is accepted");
    }

    pub(crate) fn turn(&mut self) -> Turn {
        self.cycle.restore_now(&self.log, &mut |_, _| {}).expect("a shard is read anew");
        self.cycle.turn(self.now).expect("the worker goes on")
    }

    /// Turns until nothing is left to do now.
    pub(crate) fn settle(&mut self) {
        for _ in 0..1_000 {
            let turn = self.turn();
            if !turn.more && turn.read == 0 && !turn.committed && turn.refused.is_none() {
                return;
            }
        }
        panic!("the worker never comes to rest");
    }

    pub(crate) fn stream(&self, stream: Stream) -> Vec<Vec<u8>> {
        stream_of(&self.log, stream)
    }

    /// As `user node`, in the order of the commits.
    pub(crate) fn sends(&self) -> Vec<String> {
        let read = |line: &Vec<u8>| {
            let send: SendRecord = serde_json::from_slice(line).expect("a send reads back");
            format!("{} {}", send.user, send.node)
        };
        self.stream(Stream::Sends).iter().map(read).collect()
    }

    pub(crate) fn digests(&self) -> Vec<(u64, u128, Timestamp)> {
        self.cycle.shards().map(|(_, shard)| (shard.epoch(), shard.digest(), shard.now())).collect()
    }

    pub(crate) fn journey(&self, id: &str) -> JourneyIndex {
        self.desk.fold().catalog().journey_index(id).expect("it was put")
    }

    /// The epoch that each shard has committed, as the journal knows it.
    pub(crate) fn committed_epochs(log: &L, worker: &mut L::Worker) -> Vec<u64> {
        let epoch = |shard| {
            let head = worker.head(shard).expect("the journal answers");
            head.and_then(|head| Meta::decode(&head.meta)).map_or(0, |meta| meta.epoch)
        };
        (0..log.shard_count()).map(epoch).collect()
    }
}

pub(crate) fn stream_of(log: &impl Log, stream: Stream) -> Vec<Vec<u8>> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let mut each = |item: Item<'_>| found.push(item.bytes.to_vec());
        let next = log.read_stream(stream, from, 1000, &mut each).expect("the stream reads");
        if next == from {
            return found;
        }
        from = next;
    }
}
