//! What a [`super::Memory`] holds: the logs, the states, the streams, as plain collections.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::journal::record::{
    Acknowledged, Append, Bounds, Committed, ControlRecord, Head, Item, Kind, Record, Shard, Source, Stream,
    View,
};
use crate::journal::traits::ORIGIN_BYTES_MAX;
use crate::journal::transaction::{Change, Transaction};
use crate::journal::verify;
use crate::model::{Formats, Timestamp};

#[derive(Clone, Debug)]
struct Accepted {
    kind: Kind,
    appended: Timestamp,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Left {
    position: u64,
    shard: Shard,
    seq: u64,
    at: Timestamp,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Streamed {
    items: Vec<Left>,
    bytes: u64,
}

/// Everything that a disk would hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    logs: BTreeMap<(Shard, Source), Vec<Accepted>>,
    heads: BTreeMap<Shard, Head>,
    states: BTreeMap<Shard, BTreeMap<Vec<u8>, Vec<u8>>>,
    streams: [Streamed; 5],
    pub(super) control: Vec<ControlRecord>,
    epochs: BTreeMap<Shard, (u64, Arc<str>, Formats)>,
    /// By shard: the number under which it was shown, the commit, what was shown.
    views: BTreeMap<Shard, (u64, u64, Vec<u8>)>,
    shown: u64,
    /// By dead letter: when it was let in once more.
    pub(super) replayed: BTreeMap<u64, Timestamp>,
    last_append: Option<Timestamp>,
}

impl Content {
    /// The append time of something appended at `now`, where shards have gone up to `pledged`.
    pub(super) fn append_time(&mut self, now: Timestamp, pledged: Timestamp) -> Timestamp {
        let at = now.max(pledged).max(self.last_append.unwrap_or(Timestamp::MIN));
        self.last_append = Some(at);
        at
    }

    pub(super) fn append(&mut self, at: Timestamp, records: &[Append<'_>]) -> Vec<u64> {
        let accept = |record: &Append<'_>| {
            let log = self.logs.entry((record.shard, record.kind.source())).or_default();
            log.push(Accepted { kind: record.kind, appended: at, bytes: record.bytes.to_vec() });
            log.len() as u64 - 1
        };
        records.iter().map(accept).collect()
    }

    pub(super) fn log_end(&self, shard: Shard, source: Source) -> u64 {
        self.logs.get(&(shard, source)).map_or(0, |log| log.len() as u64)
    }

    pub(super) fn record(&self, shard: Shard, source: Source, offset: u64) -> Option<Record<'_>> {
        let stored = self.logs.get(&(shard, source))?.get(usize::try_from(offset).ok()?)?;
        Some(Record {
            shard,
            source,
            kind: stored.kind,
            offset,
            appended: stored.appended,
            timed: true,
            bytes: &stored.bytes,
        })
    }

    pub(super) fn head(&self, shard: Shard) -> Option<&Head> {
        self.heads.get(&shard)
    }

    pub(super) fn state(&self, shard: Shard) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        static NONE: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let state = self.states.get(&shard).unwrap_or(&NONE);
        state.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    pub(super) fn commit(&mut self, tx: &Transaction, owner: &Arc<str>) -> Committed {
        let first_send = self.streams[Stream::Sends.index()].items.len() as u64;
        let mut committed = Committed { first_send, sends: 0 };
        for part in tx.parts() {
            let shard = part.shard();
            let head = verify::next_head(self.heads.get(&shard), part);
            self.heads.insert(shard, head);
            self.epochs.insert(shard, (part.epoch, Arc::clone(owner), part.formats));
            let state = self.states.entry(shard).or_default();
            for change in part.changes() {
                match change {
                    Change::Put(key, value) => drop(state.insert(key.to_vec(), value.to_vec())),
                    Change::Delete(key) => drop(state.remove(key)),
                }
            }
            for stream in Stream::ALL {
                let streamed = &mut self.streams[stream.index()];
                for item in part.items(stream) {
                    let (position, seq, at) = (streamed.bytes, part.seq(), tx.at());
                    streamed.items.push(Left { position, shard, seq, at, bytes: item.to_vec() });
                    streamed.bytes += item.len() as u64 + u64::from(stream.is_lines());
                }
            }
            committed.sends += part.sends.len() as u64;
        }
        committed
    }

    pub(super) fn acknowledged(&self) -> Vec<Acknowledged> {
        let known = self.epochs.iter();
        known
            .map(|(&shard, (epoch, by, formats))| Acknowledged {
                shard,
                epoch: *epoch,
                owner: by.to_string(),
                formats: *formats,
            })
            .collect()
    }

    pub(super) fn publish(&mut self, view: View<'_>) {
        self.views.insert(view.shard, (self.shown, view.seq, view.bytes.to_vec()));
        self.shown += 1;
    }

    pub(super) fn views(&self, from: u64, each: &mut dyn FnMut(View<'_>)) -> u64 {
        for (&shard, (_, seq, bytes)) in self.views.iter().filter(|(_, (number, ..))| *number >= from) {
            each(View { shard, seq: *seq, bytes });
        }
        self.shown
    }

    pub(super) fn bounds(&self, stream: Stream) -> Bounds {
        let streamed = &self.streams[stream.index()];
        let (next, next_position) = (streamed.items.len() as u64, streamed.bytes);
        Bounds { first: 0, first_position: 0, next, next_position }
    }

    pub(super) fn items(&self, stream: Stream, from: u64, max: usize) -> impl Iterator<Item = Item<'_>> {
        let items = &self.streams[stream.index()].items;
        let skipped = usize::try_from(from).unwrap_or(usize::MAX).min(items.len());
        items[skipped..].iter().take(max).zip(from..).map(|(left, number)| Item {
            number,
            position: left.position,
            shard: left.shard,
            seq: left.seq,
            at: left.at,
            bytes: &left.bytes,
        })
    }

    pub(super) fn item_at(&self, stream: Stream, position: u64) -> u64 {
        let streamed = &self.streams[stream.index()];
        if position >= streamed.bytes {
            return streamed.items.len() as u64;
        }
        streamed.items.partition_point(|left| left.position <= position) as u64 - 1
    }

    pub(super) fn origin(&self) -> Vec<u8> {
        let mut origin = Vec::new();
        for left in &self.streams[Stream::Sends.index()].items {
            if origin.len() >= ORIGIN_BYTES_MAX {
                break;
            }
            origin.extend_from_slice(&left.bytes);
            origin.push(b'\n');
        }
        origin.truncate(ORIGIN_BYTES_MAX);
        origin
    }
}
