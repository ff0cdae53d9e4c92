//! What the topics hold, read back by who looks on ([`History`]): as of the opening, and without joining the group,
//! appending anything or keeping anybody waiting.
//!
//! What is taken of a running deployment is taken in an order in which nothing seems to be missing: where the sends
//! end, then what the group has committed, then where the cycles end, then the rest.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::client::{Asker, Consumer, Edge, Partition};
use super::codec::{self, HEAD_KEY, Mark};
use super::ends::settled;
use super::inputs::Inputs;
use super::letters::LETTER_BYTES_MAX;
use super::owned::logged;
use super::streams::{give, topic};
use super::tap::{ByOffset, Tap};
use super::{KafkaOptions, storage, tail};
use crate::journal::batch::Batch;
use crate::journal::error::JournalError;
use crate::journal::history::{History, Past};
use crate::journal::record::{ControlRecord, Item, Shard, Source, Stream};
use crate::model::Timestamp;

const DOING: &str = "read what it remembers";

/// Where the partitions of a topic begin and end.
#[derive(Clone, Debug, Default)]
struct Extent {
    first: Vec<i64>,
    end: Vec<i64>,
}

/// What the topics held when this was opened.
#[derive(Debug)]
pub struct KafkaHistory {
    options: Arc<KafkaOptions>,
    control: Vec<ControlRecord>,
    last: Vec<Option<u64>>,
    /// Where the sends ended before the group was asked.
    sends_before: Vec<i64>,
    /// By stream.
    extents: Vec<Extent>,
    since: [Option<Timestamp>; Stream::ALL.len()],
}

impl KafkaHistory {
    /// As of now.
    ///
    /// # Errors
    /// If a broker does not answer, or commands are gone.
    pub fn open(options: KafkaOptions) -> Result<Self, JournalError> {
        let doing = storage(DOING);
        let group = options.reader().map_err(&doing)?;
        let asker = options.reader().map_err(&doing)?.into_asker();
        let asking = Asking { options: &options, asker: &asker };
        let sends_before = asking.settled(Stream::Sends)?;
        let last = last_commits(&options, &group)?;
        let cycles = asking.extent(Stream::Cycles)?;
        let mut extents = Vec::new();
        for stream in Stream::ALL {
            extents.push(if stream == Stream::Cycles { cycles.clone() } else { asking.extent(stream)? });
        }
        let control = tail::whole(&options, &asker)?;
        let mut new = Self {
            control,
            last,
            sends_before,
            extents,
            since: Default::default(),
            options: Arc::new(options),
        };
        for stream in Stream::ALL {
            new.since[stream.index()] = new.oldest(stream)?;
        }
        Ok(new)
    }

    fn partitions(&self, stream: Stream) -> Vec<Partition> {
        partitions(&self.options, stream)
    }

    /// From when on all is kept of a stream of which something was dropped: the latest of the oldest records of its
    /// partitions that were cut.
    fn oldest(&self, stream: Stream) -> Result<Option<Timestamp>, JournalError> {
        let Extent { first, end } = &self.extents[stream.index()];
        let mut since = None;
        for ((partition, &first), &end) in self.partitions(stream).into_iter().zip(first).zip(end) {
            if first == 0 {
                continue;
            }
            let mut oldest = Timestamp::MAX;
            let mut tap = Tap::open(&self.options, [(partition, first, end)])?;
            while oldest == Timestamp::MAX && tap.poll(&mut |message| oldest = oldest.min(logged(message)))? {
            }
            since = since.max(Some(oldest));
        }
        Ok(since)
    }
}

/// Asks where streams begin and end.
struct Asking<'a> {
    options: &'a KafkaOptions,
    asker: &'a Asker,
}

impl Asking<'_> {
    fn settled(&self, stream: Stream) -> Result<Vec<i64>, JournalError> {
        let partitions = partitions(self.options, stream);
        settled(self.asker, &partitions, self.options.call_timeout).map_err(storage(DOING))
    }

    fn extent(&self, stream: Stream) -> Result<Extent, JournalError> {
        let partitions = partitions(self.options, stream);
        let isolation = super::Isolation::Committed;
        let first = self.asker.offsets(&partitions, Edge::Earliest, isolation, self.options.call_timeout);
        Ok(Extent { first: first.map_err(storage(DOING))?, end: self.settled(stream)? })
    }
}

fn partitions(options: &KafkaOptions, stream: Stream) -> Vec<Partition> {
    let topic = topic(options, stream);
    (0..options.shards).map(|number| Partition::new(Arc::clone(topic), i32::from(number))).collect()
}

/// The shards' last commits, as the group's offsets have them.
fn last_commits(options: &KafkaOptions, group: &Consumer) -> Result<Vec<Option<u64>>, JournalError> {
    let events = &options.topics.events;
    let partitions: Vec<Partition> =
        (0..options.shards).map(|shard| Partition::new(Arc::clone(events), i32::from(shard))).collect();
    let committed = group.committed(&partitions, options.call_timeout).map_err(storage(DOING))?;
    let seq = |committed: Option<super::client::Committed>| Some(Mark::decode(&committed?.metadata)?.seq);
    Ok(committed.into_iter().map(seq).collect())
}

impl History for KafkaHistory {
    type Past = KafkaPast;

    fn shard_count(&self) -> u16 {
        self.options.shards
    }

    fn shard_of(&self, user: &str) -> Shard {
        self.options.partitioner.partition(user.as_bytes(), self.options.shards)
    }

    /// Offsets that the brokers have forgotten say nothing.
    fn last_commit(&self, shard: Shard) -> Option<u64> {
        self.last.get(usize::from(shard)).copied().flatten()
    }

    fn control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
        let from = self.control.partition_point(|record| record.offset < offset);
        Ok(self.control[from..].iter().take(max).cloned().collect())
    }

    fn kept_since(&self, stream: Stream) -> Option<Timestamp> {
        self.since[stream.index()]
    }

    fn sends_before(&self, shard: Shard) -> Option<u64> {
        let offset = self.sends_before.get(usize::from(shard)).copied().unwrap_or_default();
        Some(super::streams::number(u64::from(shard), offset))
    }

    fn letter_bytes_max(&self) -> usize {
        LETTER_BYTES_MAX
    }

    /// No file is followed on Kafka, and nothing else of the state is asked for.
    fn state(
        &self,
        _: Shard,
        _: &[u8],
        _: &[u8],
        _: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError> {
        Ok(())
    }

    fn past(&self, shards: &[Shard]) -> Result<KafkaPast, JournalError> {
        let tap = |stream: Stream| {
            let Extent { first, end } = &self.extents[stream.index()];
            let all = self.partitions(stream).into_iter().zip(first).zip(end);
            // The partition of a send is its shard's; the others are shared.
            let own = |number: i32| u16::try_from(number).is_ok_and(|shard| shards.contains(&shard));
            let all = all.filter(|((p, _), _)| stream != Stream::Sends || own(p.number));
            Tap::open(&self.options, all.map(|((partition, first), end)| (partition, *first, *end)))
        };
        let taps = Stream::ALL.into_iter().map(tap).collect::<Result<_, _>>()?;
        let options = Arc::clone(&self.options);
        Ok(KafkaPast { options, taps, known: BTreeMap::new(), open: BTreeMap::new(), bytes: Vec::new() })
    }
}

/// A reader of some shards.
#[derive(Debug)]
pub struct KafkaPast {
    options: Arc<KafkaOptions>,
    /// By stream.
    taps: Vec<Tap>,
    /// The further topics of events, by shard: each counts them for itself.
    known: BTreeMap<Shard, Inputs>,
    /// By source and topic: shards may mean different topics by one number.
    open: BTreeMap<(Source, String), ByOffset>,
    /// Where a dead letter is put together.
    bytes: Vec<u8>,
}

impl KafkaPast {
    /// The topic that a shard reads as this source.
    fn topic(&mut self, shard: Shard, source: Source) -> Result<String, JournalError> {
        let known = match source {
            Source::Input(_) => Some(match self.known.entry(shard) {
                Entry::Occupied(known) => &*known.into_mut(),
                Entry::Vacant(place) => &*place.insert(last_inputs(&self.options, shard)?),
            }),
            _ => None,
        };
        let topic = self.options.topics.of(source, known).map(str::to_owned);
        topic.ok_or_else(|| JournalError::Corrupt {
            what: format!("the log {source:?} of shard {shard}"),
            how: "a commit has read it, and the shard's head names no such topic".to_owned(),
            cure: "what needs it cannot be replayed",
        })
    }
}

/// How many records from the end of a shard's state its head is looked for in at first: it is the last of a commit.
const HEAD_WITHIN: i64 = 64;

/// The topics of events that a shard's last head names.
fn last_inputs(options: &KafkaOptions, shard: Shard) -> Result<Inputs, JournalError> {
    let doing = storage(DOING);
    let state = Partition::new(Arc::clone(&options.topics.state), i32::from(shard));
    let asker = options.reader().map_err(&doing)?.into_asker();
    let edge = |edge| {
        let one = std::slice::from_ref(&state);
        asker.offsets(one, edge, super::Isolation::Committed, options.call_timeout).map_err(&doing)
    };
    let (first, end) = (edge(Edge::Earliest)?[0], edge(Edge::Latest)?[0]);
    let (mut within, mut found) = (HEAD_WITHIN, None);
    loop {
        let from = end.saturating_sub(within).max(first);
        let mut tap = Tap::open(options, [(state.clone(), from, end)])?;
        while tap.poll(&mut |message| {
            if message.key() == Some(HEAD_KEY) {
                found = message.value().map(<[u8]>::to_vec);
            }
        })? {}
        if found.is_some() || from == first {
            break;
        }
        within = within.saturating_mul(8);
    }
    let known = found.map(|head| codec::inputs(shard, &head)).transpose()?;
    Ok(known.flatten().unwrap_or_default())
}

impl Past for KafkaPast {
    fn items(&mut self, stream: Stream, each: &mut dyn FnMut(Item<'_>)) -> Result<bool, JournalError> {
        let Self { taps, bytes, .. } = self;
        taps[stream.index()].poll(&mut |message| {
            give(stream, message.partition().unsigned_abs().into(), message, bytes, each);
        })
    }

    fn records(
        &mut self,
        shard: Shard,
        source: Source,
        first: u64,
        last: u64,
        batch: &mut Batch,
    ) -> Result<(), JournalError> {
        let topic = self.topic(shard, source)?;
        let log = match self.open.entry((source, topic)) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let log = ByOffset::open(&self.options, source, &place.key().1)?;
                place.insert(log)
            }
        };
        (first..=last).try_for_each(|offset| log.take(shard, offset, batch))
    }
}
