//! A process behind the API that lives in memory: commands are folded as in the real one, records are kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use wayfarer::config;
use wayfarer::control::letters::{Left, Replay, Wanted};
use wayfarer::control::range::Ask;
use wayfarer::control::service::{
    Accepted, Answer, CommandError, FormatsView, Health, JourneyView, RejectView, Service, ShardFormats,
    StatisticsError, Unavailable, VersionView, Waiting,
};
use wayfarer::control::statistics::{Asked, Report, Tally};
use wayfarer::control::story::StoryView;
use wayfarer::control::unsaved::Unsaved;
use wayfarer::control::{Fold, Lineage, Mark, Record};
use wayfarer::engine::hold::Preview;
use wayfarer::http::{Server, serve};
use wayfarer::metrics::Hub;
use wayfarer::model::input::Selection;
use wayfarer::model::{Format, Timestamp};

use super::client::Client;

/// What the process knows, and how it is to behave.
#[derive(Default)]
pub struct State {
    pub fold: Fold,
    pub records: Vec<Record>,
    pub accepted: Vec<Accepted>,
    pub rows: Vec<(String, Vec<u8>)>,
    /// The shards that take no epoch.
    pub slow_shards: Vec<u16>,
    /// Whether the journal takes nothing.
    pub full: bool,
    /// Whether what is stored cannot be read, nor all shards asked.
    pub unreadable: bool,
    /// Whether `accept` and `upload` wait until this is false again.
    pub stuck: bool,
    /// How many calls of `accept` wait.
    pub waiting: usize,
}

/// The process.
#[derive(Default)]
pub struct Memory {
    state: Mutex<State>,
    changed: Condvar,
}

impl Memory {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn readable(&self) -> Result<(), Unavailable> {
        let unreadable = self.state().unreadable;
        if unreadable { Err(Unavailable("the disk cannot be read".to_owned())) } else { Ok(()) }
    }

    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until the state is as wanted.
    pub fn until(&self, wanted: impl Fn(&State) -> bool) {
        let limit = Duration::from_secs(20);
        let (_state, timeout) =
            self.changed.wait_timeout_while(self.state(), limit, |state| !wanted(state)).unwrap();
        assert!(!timeout.timed_out(), "the state is not reached within {limit:?}");
    }
}

/// A server over a new process, on a port that the system chooses.
pub fn start(change: impl FnOnce(&mut config::Http)) -> (Server, Arc<Memory>, Client) {
    let mut settings = config::Http { listen: ([127, 0, 0, 1], 0).into(), ..config::Http::default() };
    change(&mut settings);
    let memory = Arc::new(Memory::default());
    let service: Arc<dyn Service> = memory.clone();
    let server = serve(service, &settings, Hub::new(1, 10)).unwrap();
    let client = Client(server.address());
    (server, memory, client)
}

const NOW: Timestamp = Timestamp(1_770_000_000_000);

fn view(lineage: &Lineage) -> JourneyView {
    let versions = lineage.versions.iter().map(|version| VersionView {
        version: version.number,
        entered: 3,
        waiting: 2,
        held: 1,
        sent: vec![("remind".to_owned(), 1)],
        conserved: true,
        ..VersionView::default()
    });
    let Mark { by, at } = lineage.created.clone();
    JourneyView {
        id: lineage.id.clone(),
        name: lineage.saved.name.clone(),
        dialect: lineage.lifecycle.dialect().name().to_owned(),
        state: lineage.lifecycle.state_at(NOW).name.to_owned(),
        gates: lineage.lifecycle.gates(NOW),
        allowed: lineage.lifecycle.allowed(NOW),
        revision: lineage.revision,
        version: lineage.live().map(|version| version.number),
        created_by: by,
        created_at: at,
        published_by: lineage.published.as_ref().map(|mark| mark.by.clone()),
        published_at: lineage.published.as_ref().map(|mark| mark.at),
        failure: lineage.failure.clone(),
        versions: versions.collect(),
        refused: vec![("entry_shut".to_owned(), 4)],
    }
}

impl Service for Memory {
    fn accept(&self, records: Vec<Accepted>) -> Result<(), Unavailable> {
        let mut state = self.state();
        if state.full {
            return Err(Unavailable("the disk is full".to_owned()));
        }
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.stuck).unwrap();
        state.waiting -= 1;
        state.accepted.extend(records);
        self.changed.notify_all();
        Ok(())
    }

    fn command(&self, record: Record, _: Duration) -> Result<Answer, CommandError> {
        let mut state = self.state();
        let offset = state.records.len() as u64;
        state.records.push(record.clone());
        let (epoch, _) = state.fold.apply(offset, NOW, &record)?;
        let epoch = epoch.number;
        if state.slow_shards.is_empty() {
            return Ok(Answer::Done { epoch });
        }
        let waiting = |&shard: &u16| Waiting { shard, epoch: 0, owner: None };
        Ok(Answer::Pending { epoch, shards: state.slow_shards.iter().map(waiting).collect() })
    }

    fn upload(
        &self,
        record: Record,
        rows: Vec<(String, Vec<u8>)>,
        wait: Duration,
    ) -> Result<Answer, CommandError> {
        let mut state = self.changed.wait_while(self.state(), |state| state.stuck).unwrap();
        state.rows.extend(rows);
        drop(state);
        self.command(record, wait)
    }

    fn journeys(&self) -> Vec<JourneyView> {
        self.state().fold.registry().lineages().iter().map(view).collect()
    }

    fn formats(&self) -> Result<FormatsView, Unavailable> {
        self.readable()?;
        let (written, owner) = (self.state().fold.registry().format(), Some("test".to_owned()));
        let (writes, reads) = (Some(written), Some(Format::NEWEST));
        let shards = vec![ShardFormats { shard: 0, owner, writes, reads, to_renew: Some(0) }];
        Ok(FormatsView { written, reads: Format::NEWEST, shards })
    }

    fn unsaved(&self, journey: &str, actor: &str) -> Option<Unsaved> {
        self.state().fold.registry().get(journey)?.unsaved.get(actor).cloned()
    }

    fn preview(&self, journey: &str, selection: &Selection) -> Result<Option<Preview>, Unavailable> {
        self.readable()?;
        let users = if *selection == Selection::All { 5 } else { 2 };
        let there = self.state().fold.registry().get(journey).is_some();
        Ok(there.then_some(Preview { users, oldest_due: Some(NOW) }))
    }

    fn statistics(&self, journey: &str, ask: &Ask) -> Result<Report, StatisticsError> {
        self.readable()?;
        let asked = Asked::of(&self.state().fold, journey, ask, NOW)?;
        let mut tally = Tally::new(asked.range.by);
        let mut now = BTreeMap::new();
        for plan in &asked.plans {
            // Three have entered in the last hour of the range, and two of them wait at the first node.
            let hour = Timestamp(asked.range.to.0 - 3_600_000);
            tally.add(*plan, hour, &asked.range.zone, &[3, 0, 0, 0]);
            now.insert(*plan, vec![[2, 0, 0, 0]]);
        }
        Ok(asked.answer(&tally, &now))
    }

    fn explain(&self, user: &str, _: Option<&str>) -> Result<StoryView, Unavailable> {
        self.readable()?;
        let line = |rest| format!(r#"{{"at":"2026-03-01T09:30:00.000Z","journey":"cart-rescue",{rest}}}"#);
        let lines = [
            line(format!(r#""version":1,"user":"{user}","entry":1,"what":"entered","story":"moved""#)),
            line(format!(
                r#""version":1,"user":"{user}","entry":1,"what":"waiting","node":"patience","story":"moved""#
            )),
            line(format!(r#""user":"{user}","reason":"entry_shut","state":"Paused","story":"refused""#)),
        ];
        let records = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        Ok(StoryView { user: user.to_owned(), records, left_out: 0 })
    }

    fn rejects(&self, from: u64, max: usize) -> Result<Vec<RejectView>, Unavailable> {
        self.readable()?;
        let letter = |number| RejectView {
            number,
            shard: 3,
            at: NOW,
            source: "events".to_owned(),
            offset: 100 + number,
            kind: Some("event".to_owned()),
            key: None,
            headers: Vec::new(),
            code: "not_json".to_owned(),
            message: "byte 0 is 'x', where a value must be".to_owned(),
            bytes: "eA==".to_owned(),
            length: 1 + 6 * (number % 2),
            replayed: None,
        };
        Ok((from..3).take(max).map(letter).collect())
    }

    /// Those that are cut cannot be let in.
    fn replay(&self, wanted: &Wanted) -> Result<Replay, Unavailable> {
        let mut told = Replay { dry_run: wanted.dry_run, ..Replay::default() };
        for letter in self.rejects(0, 3)?.iter().filter(|letter| wanted.is_wanted(letter)) {
            if letter.length > 1 {
                told.left.push(Left { number: letter.number, why: "it is cut".to_owned() });
            } else {
                told.replayed.push(letter.number);
            }
        }
        Ok(told)
    }

    fn health(&self) -> Health {
        let full = self.state().full;
        Health { ready: !full, why: full.then(|| "the disk is full".to_owned()) }
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}
