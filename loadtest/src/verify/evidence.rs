//! What lies committed in a deployment's topics, all of it, in memory: for whoever judges.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wayfarer::journal::kafka::client::{Consumer, Edge, Isolation, Message, Messages, Settings, Timestamp};

use super::cloud;
use super::cycle::{self, Origin};
use super::head::{self, Head};
use crate::error::{Error, Result};
use crate::topics::{PATIENCE, partitions_of};

/// How long one poll waits for records.
const POLL: Duration = Duration::from_millis(20);
/// How many records are taken at once.
const AT_ONCE: usize = 10_000;
/// The key of a shard's head among its state records.
const HEAD_KEY: &[u8] = &[0];
/// The header that says what a record of the internal topic is.
const KIND_HEADER: &str = "wayfarer-kind";
/// The headers of a dead letter that say where it stood.
const LETTER_HEADERS: [&str; 3] = ["wayfarer-topic", "wayfarer-partition", "wayfarer-offset"];
/// The header that says how long a dead letter was that is cut.
const LENGTH_HEADER: &str = "wayfarer-length";
/// The header of a note beside the dead letters that one of them was replayed.
const NOTE_HEADER: &str = "wayfarer-replayed";
/// What the header `wayfarer-kind` says of a CloudEvent.
const CLOUD_EVENT: u8 = 9;

/// A record where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: u16,
    /// Its offset.
    pub offset: u64,
    /// Its time in milliseconds since 1970.
    pub at: i64,
    /// What the header `wayfarer-kind` says; 0 without it.
    pub kind: u8,
    /// The commit that a movement or a refusal is part of, if its key says one: workers share its partition.
    pub origin: Option<Origin>,
    /// Its value; empty if it is a tombstone.
    pub value: Vec<u8>,
    /// If it is a CloudEvent: the Segment message that says the same, as JSON.
    pub cloud: Option<Vec<u8>>,
}

/// A dead letter: where it stood, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: u16,
    /// The offset.
    pub offset: u64,
    /// The original bytes; `None` if they are cut together with headers that stood before them.
    pub value: Option<Vec<u8>>,
}

/// A log that a shard reads, by partition and offset.
pub type Log = BTreeMap<(u16, u64), Record>;

/// Everything that is read.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// How many shards there are.
    pub shards: u16,
    /// The commands, by offset.
    pub control: Log,
    /// The inputs: events, lists, receipts, internal, by their numbers in cycles, then further topics of events.
    pub inputs: Vec<Log>,
    /// The names of their topics.
    pub names: Vec<String>,
    /// By shard and by the number in its cycles: which of `inputs` a further topic of events is, and where it began for
    /// the shard.
    pub further: BTreeMap<(u16, u8), (usize, u64)>,
    /// What each commit read; one record a commit.
    pub cycles: Vec<(Origin, Vec<u8>)>,
    /// Messages handed over, in the order of their partitions.
    pub sends: Vec<Record>,
    /// Movements.
    pub transitions: Vec<Record>,
    /// Who was not let in.
    pub refusals: Vec<Record>,
    /// Dead letters.
    pub letters: Vec<Letter>,
    /// By shard: the number of the last commit, by its head in the changelog.
    pub heads: BTreeMap<u16, u64>,
}

impl Evidence {
    /// Which of the inputs a shard's cycles mean by a number.
    #[must_use]
    pub fn input(&self, shard: u16, number: u8) -> Option<usize> {
        match number {
            0..head::FURTHER => Some(usize::from(number)),
            _ => self.further.get(&(shard, number)).map(|(input, _)| *input),
        }
    }

    /// Where an input begins for a shard.
    #[must_use]
    pub fn base(&self, shard: u16, input: usize) -> u64 {
        let own = self.further.range((shard, 0)..=(shard, u8::MAX));
        own.map(|(_, of)| of).find(|(of, _)| *of == input).map_or(0, |(_, base)| *base)
    }

    /// Takes a shard's head; the last one counts.
    fn head(&mut self, shard: u16, Head { seq, further }: Head) {
        self.heads.insert(shard, seq);
        for (number, (base, topic)) in (head::FURTHER..).zip(further) {
            let input = self.names.iter().position(|name| *name == topic).unwrap_or_else(|| {
                self.names.push(topic);
                self.inputs.push(Log::new());
                self.names.len() - 1
            });
            self.further.insert((shard, number), (input, base));
        }
    }
}

/// What the headers of a dead letter say.
#[derive(Clone, Debug, Default)]
struct Said {
    /// Topic, partition and offset.
    place: Option<[String; 3]>,
    /// It is cut.
    is_cut: bool,
    /// It is none, but the note that one was replayed.
    is_note: bool,
}

impl Said {
    fn of(message: Message<'_>) -> Self {
        let text = |name| Some(String::from_utf8_lossy(message.header(name)??).into_owned());
        let [topic, partition, offset] = LETTER_HEADERS.map(text);
        let place = topic.zip(partition).zip(offset).map(|((t, p), o)| [t, p, o]);
        let is_note = place.is_none() && message.header(NOTE_HEADER).is_some();
        Self { place, is_cut: message.header(LENGTH_HEADER).is_some(), is_note }
    }
}

/// The Segment message that a record is if it is a CloudEvent.
fn cloud(message: Message<'_>) -> Option<Vec<u8>> {
    let headers: Vec<(String, Vec<u8>)> = message
        .headers()
        .map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_vec()))
        .collect();
    let json = cloud::message(&headers, message.key(), message.value().unwrap_or_default())?;
    Some(json.to_string().into_bytes())
}

/// Takes a record, its key, and what the headers say of a dead letter.
type Each<'a> = &'a mut dyn FnMut(Record, &[u8], Said) -> Result<()>;

/// Where a deployment's topics are.
#[derive(Clone, Debug)]
pub struct Place {
    /// The brokers' addresses.
    pub servers: String,
    /// What stands before the names of all topics.
    pub prefix: String,
    /// The topic of events, the first of them if there are several.
    pub events: String,
    /// How many partitions the topics of shards have.
    pub shards: u16,
}

impl Place {
    /// Reads all that is committed now.
    ///
    /// # Errors
    /// The brokers do not answer, a topic is missing, or a record is not of its form.
    pub fn read(&self) -> Result<Evidence> {
        let own = ["lists", "receipts", "internal"].map(|key| self.topic(key));
        let names: Vec<String> = [self.events.clone()].into_iter().chain(own).collect();
        let inputs = vec![Log::new(); names.len()];
        let mut all = Evidence { shards: self.shards, names, inputs, ..Evidence::default() };
        self.each(&self.topic("control"), 1, &mut |record, _, _| {
            all.control.insert((0, record.offset), record);
            Ok(())
        })?;
        // The heads say which further topics of events there are.
        self.each(&self.topic("state"), self.shards, &mut |record, key, _| {
            if key == HEAD_KEY {
                let head = head::read(&record.value).ok_or_else(|| foreign("state", &record))?;
                all.head(record.partition, head);
            }
            Ok(())
        })?;
        for (name, log) in all.names.iter().zip(&mut all.inputs) {
            self.each(name, self.shards, &mut |record, _, _| {
                log.insert((record.partition, record.offset), record);
                Ok(())
            })?;
        }
        self.each(&self.topic("cycles"), self.shards, &mut |record, key, _| {
            let origin = cycle::origin(key).ok_or_else(|| foreign("cycles", &record))?;
            all.cycles.push((origin, record.value));
            Ok(())
        })?;
        self.each(&self.topic("sends"), self.shards, &mut |record, _, _| {
            all.sends.push(record);
            Ok(())
        })?;
        for (key, into) in [("transitions", &mut all.transitions), ("refusals", &mut all.refusals)] {
            self.each(&self.topic(key), self.shards, &mut |record, key, _| {
                into.push(Record { origin: cycle::origin(key), ..record });
                Ok(())
            })?;
        }
        self.each(&self.topic("rejects"), self.shards, &mut |record, _, said| {
            if said.is_note {
                return Ok(());
            }
            let is_laid = said.is_cut && record.kind == CLOUD_EVENT;
            let read = || {
                let [topic, partition, offset] = said.place?;
                Some((topic, partition.parse().ok()?, offset.parse().ok()?))
            };
            let (topic, partition, offset) = read().ok_or_else(|| foreign("rejects", &record))?;
            let value = if is_laid { None } else { Some(record.value) };
            all.letters.push(Letter { topic, partition, offset, value });
            Ok(())
        })?;
        Ok(all)
    }

    fn topic(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Gives every committed record of a topic to `each`, with its key and, of a dead letter, where it stood.
    fn each(&self, topic: &str, partitions: u16, each: Each<'_>) -> Result<()> {
        let reader = Consumer::reader(&Settings::new(&*self.servers), "wayfarer-load", Isolation::Committed)?;
        let all = partitions_of(topic, partitions);
        let ends = reader.offsets(&all, Edge::Latest, Isolation::Committed, PATIENCE)?;
        let from: Vec<_> = all.iter().map(|partition| (partition.clone(), 0)).collect();
        reader.assign(&from)?;
        let (mut messages, mut heard) = (Messages::new(), Instant::now());
        loop {
            reader.poll(&mut messages, AT_ONCE, POLL, &mut |_, _| {})?;
            for message in messages.iter() {
                let text = |name| Some(String::from_utf8_lossy(message.header(name)??).into_owned());
                let record = Record {
                    partition: u16::try_from(message.partition()).unwrap_or(u16::MAX),
                    offset: message.offset().unsigned_abs(),
                    at: match message.timestamp() {
                        Timestamp::Appended(ms) | Timestamp::Created(ms) => ms,
                        Timestamp::None => 0,
                    },
                    kind: text(KIND_HEADER).and_then(|code| code.parse().ok()).unwrap_or(0),
                    origin: None,
                    value: message.value().unwrap_or_default().to_vec(),
                    cloud: cloud(message),
                };
                each(record, message.key().unwrap_or_default(), Said::of(message))?;
            }
            if !messages.is_empty() {
                heard = Instant::now();
            }
            let read = reader.positions(&all)?;
            if read.iter().zip(&ends).all(|(at, end)| at.unwrap_or(0) >= *end) {
                return Ok(());
            }
            if heard.elapsed() > PATIENCE {
                return Err(Error(format!("the topic {topic} cannot be read to its end: nothing comes")));
            }
        }
    }
}

fn foreign(key: &str, record: &Record) -> Error {
    let (partition, offset) = (record.partition, record.offset);
    Error(format!("record {offset} of partition {partition} of the topic {key} is not of its form"))
}
