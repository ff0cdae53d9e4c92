//! The demo's world: shards over an embedded journal, and a virtual clock that goes from moment to moment.
//!
//! One cycle is: accept what the gateway hands on → poll → decide → commit, as on a server; only the clock
//! differs. It stands at the next event or the shards' next deadline, whichever comes first, so weeks without
//! either take no time.

use std::iter::Peekable;
use std::time::Instant;
use std::vec;

use hashbrown::HashMap;

use super::directory::Directory;
use super::message;
use super::shoppers::Planned;
use super::timings::Timings;
use crate::control::{Command, Fold, Record as ControlRecord, Refused};
use crate::engine::page;
use crate::engine::{Body, Effects, Entry, Epoch, Input, Record, Setup, Shard, StateSink};
use crate::ingest::decode;
use crate::journal::embedded::{Embedded, EmbeddedOptions, EmbeddedWorker, Fsync, Retention};
use crate::journal::{
    Append, Assignment, Batch, ControlLog, Intake, Journal, Kind, Log, Reject, ShardCommit, Source,
    Transaction,
};
use crate::lifecycle::Role;
use crate::model::hash::shard_of;
use crate::model::{Interval, Timestamp};

/// Few enough to be looked at, more than one so that everything crosses shards.
pub(super) const SHARDS: u16 = 4;

/// How much virtual time one cycle covers at most; a minute while held users are being released, so that the
/// pace shows.
const SLICE: Interval = Interval::from_mins(15);
const RELEASE_SLICE: Interval = Interval::from_mins(1);

/// How many held users each shard lets go in a minute.
const RELEASED_A_MINUTE: usize = 20;

/// How many records one poll asks for.
const POLL_MAX: usize = 4_096;

/// What keeps the demo from going on: none of it is the engine's business.
pub(super) type Fault = Box<dyn std::error::Error>;

/// A row of an audience list.
pub(super) struct Row {
    pub(super) user: String,
    pub(super) properties: String,
}

/// What went in and came out, counted at the driver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    /// Messages accepted by the journal.
    pub(super) accepted: u64,
    /// Messages that a shard was given as events.
    pub(super) decoded: u64,
    /// Messages in the dead-letter log.
    pub(super) rejected: u64,
    /// Rows of lists.
    pub(super) rows: u64,
    /// Commits of all shards together.
    pub(super) commits: u64,
}

/// Shards, journal, clock.
pub(super) struct World {
    // Before the directory: the journal is closed before its files go.
    worker: EmbeddedWorker,
    pub(super) log: Embedded,
    _directory: Directory,
    pub(super) shards: Vec<Shard>,
    pub(super) fold: Fold,
    pub(super) now: Timestamp,
    pub(super) traffic: Traffic,
    pub(super) timings: Timings,
    /// The list whose rows [`Body::Row`] is for; one list at a time suffices here.
    list_of: String,
    coming: Peekable<vec::IntoIter<Planned>>,
    effects: Vec<Effects>,
    seqs: Vec<u64>,
    list_next: Vec<u64>,
    rejects: Vec<(u16, u64, &'static str, Vec<u8>)>,
    tx: Transaction,
    batch: Batch,
    pages: HashMap<(u16, Box<[u8]>), usize>,
    inside_bytes: usize,
}

impl World {
    /// An empty one, at the time of the first event or `from`.
    pub(super) fn new(from: Timestamp, coming: Vec<Planned>) -> Result<Self, Fault> {
        let directory = Directory::new()?;
        // The clock is virtual and the directory goes with the demo: nothing is ever old, and no disk need be
        // waited for.
        let ever = Interval::LONGEST;
        let retention =
            Retention { accepted: ever, sends: ever, rejects: ever, transitions: ever, cycles: ever };
        let options =
            EmbeddedOptions { shards: SHARDS, fsync: Fsync::Never, retention, ..EmbeddedOptions::default() };
        let log = Embedded::open(directory.path(), options)?;
        let numbers: Vec<u16> = (0..SHARDS).collect();
        let mut worker = log.worker(Assignment::Fixed(&numbers))?;
        for &shard in &numbers {
            worker.start(shard)?;
        }
        Ok(Self {
            worker,
            log,
            _directory: directory,
            shards: numbers.iter().map(|&n| Shard::new(Setup::of(n, SHARDS))).collect(),
            fold: Fold::new(),
            now: from,
            traffic: Traffic::default(),
            timings: Timings::new(),
            list_of: String::new(),
            coming: coming.into_iter().peekable(),
            effects: numbers.iter().map(|_| Effects::with_feed()).collect(),
            seqs: vec![0; usize::from(SHARDS)],
            list_next: vec![0; usize::from(SHARDS)],
            rejects: Vec::new(),
            tx: Transaction::new(),
            batch: Batch::new(),
            pages: HashMap::new(),
            inside_bytes: 0,
        })
    }

    /// What all who are inside journeys take as they are stored, in bytes, without their profiles.
    pub(super) fn inside_bytes(&self) -> usize {
        self.inside_bytes
    }

    /// Lets everything happen before `until`; what happens at that very moment comes after the operator's
    /// command.
    pub(super) fn run_to(&mut self, until: Timestamp) -> Result<(), Fault> {
        while let Some(start) = self.next_moment().filter(|t| *t < until) {
            let releasing = self.shards.iter().any(Shard::is_releasing);
            let slice = if releasing { RELEASE_SLICE } else { SLICE };
            let end = (start + slice).min(until);
            if releasing {
                self.each_shard(start, Input::Release { max: RELEASED_A_MINUTE });
            }
            self.accept(end)?;
            self.decide()?;
            // Inclusive, so up to the last millisecond before the end.
            self.each_shard(end - Interval::from_millis(1), Input::Wake { max: usize::MAX });
            self.commit(end)?;
            self.now = end;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Gives a command at the present time. `Ok(Err(_))` is a refusal.
    pub(super) fn command(
        &mut self,
        journey: &str,
        role: Role,
        command: Command,
    ) -> Result<Result<(), Refused>, Fault> {
        let began = Instant::now();
        let actor = if role == Role::System { "wayfarer" } else { "maya" };
        let record = ControlRecord {
            id: format!("c{}", self.log.control_end()?),
            at: None,
            actor: actor.to_owned(),
            role,
            journey: journey.to_owned(),
            expect: None,
            command,
        };
        let kept = self.log.append_control(self.now, &serde_json::to_vec(&record)?)?;
        let epoch: Epoch = match self.fold.apply(kept.offset, kept.appended, &record) {
            Ok((epoch, _)) => epoch,
            Err(refused) => return Ok(Err(refused)),
        };
        self.each_shard(kept.appended, Input::Epoch(&epoch));
        self.commit(self.now)?;
        Timings::note(&mut self.timings.flip, began);
        Ok(Ok(()))
    }

    /// Takes the rows of a journey's list: accepted by the journal, then read by each shard at its own pace.
    pub(super) fn take_rows(&mut self, journey: &str, rows: &[Row]) -> Result<(), Fault> {
        journey.clone_into(&mut self.list_of);
        let appends: Vec<(u16, String)> = rows
            .iter()
            .map(|row| {
                let shard = shard_of(&row.user, SHARDS);
                (shard, format!(r#"{{"user":"{}","properties":{}}}"#, row.user, row.properties))
            })
            .collect();
        let appends: Vec<Append<'_>> = appends
            .iter()
            .map(|(shard, text)| Append {
                shard: *shard,
                kind: Kind::ListRow,
                user: None,
                bytes: text.as_bytes(),
            })
            .collect();
        self.log.append(self.now, &appends)?;
        self.traffic.rows += rows.len() as u64;
        for shard in 0..SHARDS {
            self.read_rows(shard)?;
        }
        self.commit(self.now)
    }

    fn read_rows(&mut self, shard: u16) -> Result<(), Fault> {
        loop {
            let next = &mut self.list_next[usize::from(shard)];
            self.worker.read(shard, Source::Lists, *next, POLL_MAX, &mut self.batch)?;
            if self.batch.is_empty() {
                return Ok(());
            }
            for kept in self.batch.records() {
                let row: ListRow<'_> = serde_json::from_slice(kept.bytes)?;
                let properties = row.properties.get().as_bytes();
                let entry = Entry { journey: &self.list_of, user: row.user, properties };
                let record =
                    Record { source: LISTS, offset: kept.offset, timed: true, body: Body::Row(entry) };
                *next = kept.offset + 1;
                let place = usize::from(shard);
                let _ =
                    self.shards[place].handle(kept.appended, Input::Record(record), &mut self.effects[place]);
            }
        }
    }

    /// The next moment at which anything happens; now if somebody is being released.
    fn next_moment(&mut self) -> Option<Timestamp> {
        if self.shards.iter().any(Shard::is_releasing) {
            return Some(self.now);
        }
        let event = self.coming.peek().map(|e| e.appended);
        let wakes = self.shards.iter().filter_map(Shard::next_wake);
        wakes.chain(event).min().map(|t| t.max(self.now))
    }

    fn each_shard(&mut self, at: Timestamp, input: Input<'_>) {
        for (shard, effects) in self.shards.iter_mut().zip(&mut self.effects) {
            let _ = shard.handle(at, input, effects);
        }
    }

    /// The journal accepts what the gateway hands on before `end`.
    fn accept(&mut self, end: Timestamp) -> Result<(), Fault> {
        let (mut bytes, mut ends, mut id) = (Vec::new(), Vec::new(), String::new());
        while let Some(at) = self.coming.peek().map(|e| e.appended).filter(|t| *t < end) {
            bytes.clear();
            ends.clear();
            while let Some(event) = self.coming.next_if(|e| e.appended == at) {
                message::user(event.who, &mut id);
                message::write(&event, &id, &mut bytes);
                ends.push((shard_of(&id, SHARDS), bytes.len()));
            }
            let starts = std::iter::once(0).chain(ends.iter().map(|&(_, end)| end));
            let appends: Vec<Append<'_>> = starts
                .zip(&ends)
                .map(|(start, &(shard, end))| Append {
                    shard,
                    kind: Kind::Event,
                    user: None,
                    bytes: &bytes[start..end],
                })
                .collect();
            self.log.append(at, &appends)?;
            self.traffic.accepted += appends.len() as u64;
        }
        Ok(())
    }

    /// The shards decide on all that was accepted.
    fn decide(&mut self) -> Result<(), Fault> {
        loop {
            self.worker.poll(&mut self.batch, POLL_MAX)?;
            if self.batch.is_empty() {
                return Ok(());
            }
            for kept in self.batch.records() {
                let began = Instant::now();
                let place = usize::from(kept.shard);
                let decoded = decode(kept.bytes);
                let body = match &decoded {
                    Ok(event) => Body::Event(event),
                    Err(reject) => {
                        self.rejects.push((kept.shard, kept.offset, reject.code, kept.bytes.to_vec()));
                        Body::Skip
                    }
                };
                let record = Record { source: EVENTS, offset: kept.offset, timed: true, body };
                let _ =
                    self.shards[place].handle(kept.appended, Input::Record(record), &mut self.effects[place]);
                Timings::note(&mut self.timings.decide, began);
                let counted =
                    if decoded.is_ok() { &mut self.traffic.decoded } else { &mut self.traffic.rejected };
                *counted += 1;
            }
        }
    }

    /// Commits what all shards have decided, or nothing.
    fn commit(&mut self, at: Timestamp) -> Result<(), Fault> {
        self.tx.begin(at);
        for (place, shard) in self.shards.iter_mut().enumerate().filter(|(_, s)| s.is_dirty()) {
            let number = place as u16;
            let part = self.tx.shard(number, self.seqs[place] + 1);
            let mut sink =
                Sink { shard: number, part, pages: &mut self.pages, bytes: &mut self.inside_bytes };
            let committing = shard.commit(&mut sink);
            if let Some(plan) = committing.not_conserved.first() {
                return Err(format!("shard {number}: version {plan} is not conserved at {at}").into());
            }
            part.meta = committing.meta;
            part.cycles = committing.cycle;
            part.set_position(Source::Events, shard.position(EVENTS));
            part.set_position(Source::Lists, shard.position(LISTS));
            self.effects[place].exchange(part.lines());
            for (_, offset, code, bytes) in self.rejects.iter().filter(|r| r.0 == number) {
                part.reject(&Reject {
                    source: Source::Events,
                    offset: *offset,
                    kind: Some(Kind::Event),
                    key: None,
                    code,
                    length: bytes.len() as u64,
                    bytes,
                });
            }
        }
        let began = Instant::now();
        self.worker.commit(&self.tx)?;
        Timings::note(&mut self.timings.commit, began);
        for part in self.tx.parts() {
            let place = usize::from(part.shard());
            self.shards[place].committed();
            self.effects[place].clear();
            self.seqs[place] = part.seq();
        }
        self.rejects.clear();
        self.traffic.commits += 1;
        Ok(())
    }
}

/// The numbers by which the shards know their logs.
const EVENTS: u8 = 0;
const LISTS: u8 = 1;

#[derive(serde::Deserialize)]
struct ListRow<'a> {
    user: &'a str,
    #[serde(borrow)]
    properties: &'a serde_json::value::RawValue,
}

/// Passes a shard's changes to the journal, and keeps count of what its users take.
struct Sink<'a> {
    shard: u16,
    part: &'a mut ShardCommit,
    pages: &'a mut HashMap<(u16, Box<[u8]>), usize>,
    bytes: &'a mut usize,
}

impl StateSink for Sink<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        if key.first() == Some(&crate::engine::commit::key::USER) {
            let size = page::inside_bytes(value);
            *self.bytes += size;
            *self.bytes -= self.pages.insert((self.shard, key.into()), size).unwrap_or(0);
        }
        self.part.put(key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        *self.bytes -= self.pages.remove(&(self.shard, key.into())).unwrap_or(0);
        self.part.delete(key);
    }
}
