//! Recorded lines to rounds of events in time order: decoded once, sorted within the bound of lateness.
//!
//! Promises: an event is fed at its own time if it is at most `late` behind the latest before it, else at
//! the clock, with its own time kept (G27); events of one time stay as they were recorded; memory is
//! bounded by [`PENDING_MAX`] and [`PENDING_BYTES`], whatever the bound of lateness is. The same file
//! gives the same rounds.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;

use super::chunk::Chunk;
use super::interest::Interest;
use crate::engine::json;
use crate::ingest::reader::{Position, Reader};
use crate::ingest::{Reject, decode};
use crate::model::hash::shard_of;
use crate::model::{Interval, Timestamp};
use crate::replay::error::ReplayError;

/// The shards of a replay. Fixed, so that the output does not depend on the machine.
pub(super) const SHARDS: u16 = 64;
/// The lines after which a round ends: enough that handing it over costs nothing, few enough to stay in
/// the caches.
const ROUND_LINES: u64 = 16_384;
/// The bytes after which a round ends, so that long lines do not make it large.
const ROUND_BYTES: usize = 16 << 20;
/// The most events that wait to be sorted; beyond it the oldest go on early.
const PENDING_MAX: usize = 1 << 20;
/// The most bytes that they may take.
const PENDING_BYTES: usize = 512 << 20;

const NO_TIME: &str = "no event has a time that can be read, so there is nothing for the clock to follow; a \
                       time is RFC 3339 in \"timestamp\", or the column named by --map timestamp=COLUMN";

/// What was read so far. Decides nothing; it is reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Lines that are not empty.
    pub lines: u64,
    /// Lines that are events.
    pub events: u64,
    /// Events that some journey mentions.
    pub mentioned: u64,
    /// Events that stood behind a later one, and were sorted.
    pub sorted: u64,
    /// Events that were further behind than the bound, and were fed at the clock.
    pub late: u64,
    /// Events without a time, which took that of the event before.
    pub untimed: u64,
    /// Lines that are no events, by the reason's code.
    pub rejected: BTreeMap<&'static str, u64>,
    /// The time of the first event, and of the last.
    pub first: Option<Timestamp>,
    /// See `first`.
    pub last: Option<Timestamp>,
}

/// One event that is to be fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// At which time of the clock.
    pub(super) at: Timestamp,
    /// Its chunk's number and its place there: the order of the file.
    pub(super) seq: u64,
    /// Whose it is.
    pub(super) shard: u16,
}

/// Events in time order, up to `end`.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The events, by time; those of one time as they stand in the file.
    pub(super) events: Vec<Due>,
    chunks: Vec<Arc<Chunk>>,
    first_chunk: u64,
    /// What comes later is not before this; [`Timestamp::MAX`] for the last round.
    pub(super) end: Timestamp,
    /// What was read so far.
    pub(super) counts: Counts,
    /// Lines of `rejects.jsonl`.
    pub(super) rejects: Vec<u8>,
}

impl Round {
    /// A round of items that all happen at once.
    pub(super) fn at_once(at: Timestamp, chunk: Chunk) -> Self {
        let due = |index: usize| Due { at, seq: index as u64, shard: shard_of(chunk.user(index), SHARDS) };
        let events = (0..chunk.len()).map(due).collect();
        Self { events, chunks: vec![Arc::new(chunk)], end: at, ..Self::default() }
    }

    /// Where an event is kept.
    pub(super) fn item(&self, due: Due) -> (&Chunk, usize) {
        let chunk = &self.chunks[((due.seq >> 32) - self.first_chunk) as usize];
        (chunk, (due.seq & u64::from(u32::MAX)) as usize)
    }
}

/// A chunk that is not filled any more, and how many of its events wait.
struct Sealed {
    chunk: Arc<Chunk>,
    waiting: usize,
}

/// Makes rounds of what a reader gives.
pub(super) struct Intake {
    reader: Reader,
    interest: Arc<Interest>,
    late: Interval,
    counts: Counts,
    chunk: Chunk,
    /// The number of `chunk`; the sealed ones have those before.
    number: u64,
    sealed: VecDeque<Sealed>,
    retired: VecDeque<Arc<Chunk>>,
    pending: Vec<Due>,
    /// Of the chunk under way: events that wait for the first time that is told.
    unsettled: bool,
    /// The latest time so far, and that of the event before.
    latest: Option<Timestamp>,
    before: Timestamp,
    /// Up to where rounds have been given out.
    frontier: Timestamp,
    rejects: Vec<u8>,
    keep_rejects: bool,
    ended: bool,
}

impl Intake {
    /// Reads from `reader` what `interest` wants, sorting up to `late`.
    pub(super) fn new(reader: Reader, interest: Arc<Interest>, late: Interval, keep_rejects: bool) -> Self {
        Self {
            reader,
            interest,
            late,
            counts: Counts::default(),
            chunk: Chunk::default(),
            number: 0,
            sealed: VecDeque::new(),
            retired: VecDeque::new(),
            pending: Vec::new(),
            unsettled: true,
            latest: None,
            before: Timestamp::MIN,
            frontier: Timestamp::MIN,
            rejects: Vec::new(),
            keep_rejects,
            ended: false,
        }
    }

    /// The next round; nothing after the last.
    pub(super) fn next_round(&mut self) -> Result<Option<Round>, ReplayError> {
        if self.ended {
            return Ok(None);
        }
        let until = self.counts.lines + ROUND_LINES;
        while self.counts.lines < until && self.chunk.bytes() < ROUND_BYTES {
            if !self.read_line()? {
                self.ended = true;
                break;
            }
        }
        if self.unsettled && (self.ended || self.pending.len() > PENDING_MAX) && self.counts.events > 0 {
            return Err(ReplayError::Problem(NO_TIME.to_owned()));
        }
        Ok(Some(self.close_round()))
    }

    /// Reads one line; whether there was one.
    fn read_line(&mut self) -> Result<bool, ReplayError> {
        let Some(line) = self.reader.next_line()? else { return Ok(false) };
        self.counts.lines += 1;
        let (position, original) = (line.position, line.original);
        let event = match line.message.and_then(decode) {
            Ok(event) => event,
            Err(reject) => {
                *self.counts.rejected.entry(reject.code).or_default() += 1;
                if self.keep_rejects {
                    write_reject(&mut self.rejects, position, original, &reject);
                }
                return Ok(true);
            }
        };
        self.counts.events += 1;
        let wanted = self.interest.wants(&event);
        if wanted {
            self.counts.mentioned += 1;
            self.chunk.push(&event);
        }
        let shard = if wanted { shard_of(&event.user, SHARDS) } else { 0 };
        let own = event.timestamp;
        let at = self.clock(own);
        if wanted {
            let seq = self.number << 32 | (self.chunk.len() - 1) as u64;
            self.pending.push(Due { at, seq, shard });
        }
        Ok(true)
    }

    /// The time at which an event with that time of its own is fed.
    fn clock(&mut self, own: Option<Timestamp>) -> Timestamp {
        let Some(own) = own else {
            self.counts.untimed += 1;
            return self.before;
        };
        if self.unsettled {
            // Those without a time that stand before the first with one take its time.
            self.pending.iter_mut().for_each(|due| due.at = own);
            self.unsettled = false;
        }
        let latest = self.latest.unwrap_or(own);
        let behind = (latest - self.late).max(self.frontier);
        if own < behind {
            self.counts.late += 1;
            self.before = behind;
            return behind;
        }
        self.counts.sorted += u64::from(own < latest);
        self.latest = Some(latest.max(own));
        self.counts.first = Some(self.counts.first.map_or(own, |first| first.min(own)));
        self.counts.last = self.latest;
        self.before = own;
        own
    }

    fn close_round(&mut self) -> Round {
        self.seal();
        // What waits is sorted, and what is new mostly is: a sort that finds runs has little to do.
        self.pending.sort();
        let mut end = self.latest.map_or(Timestamp::MIN, |latest| latest - self.late);
        if self.ended {
            end = Timestamp::MAX;
        } else if self.is_crowded() {
            // Half of them go on, so that this is not to be done each time.
            end = end.max(self.pending[self.pending.len() / 2].at);
        }
        self.frontier = self.frontier.max(end);
        let count = self.pending.partition_point(|due| due.at < self.frontier || self.ended);
        let chunks = self.sealed.iter().map(|sealed| Arc::clone(&sealed.chunk)).collect();
        let first_chunk = self.number - self.sealed.len() as u64;
        let events: Vec<Due> = self.pending.drain(..count).collect();
        for due in &events {
            self.sealed[((due.seq >> 32) - first_chunk) as usize].waiting -= 1;
        }
        while self.sealed.front().is_some_and(|sealed| sealed.waiting == 0) {
            self.retired.extend(self.sealed.pop_front().map(|sealed| sealed.chunk));
        }
        let rejects = mem::take(&mut self.rejects);
        Round { events, chunks, first_chunk, end: self.frontier, counts: self.counts.clone(), rejects }
    }

    fn is_crowded(&self) -> bool {
        let bytes: usize = self.sealed.iter().map(|sealed| sealed.chunk.bytes()).sum();
        !self.pending.is_empty() && (self.pending.len() > PENDING_MAX || bytes > PENDING_BYTES)
    }

    /// Ends the chunk under way; the next one reuses the room of one that nobody reads any more.
    fn seal(&mut self) {
        let room = self.retired.pop_front().and_then(|chunk| match Arc::try_unwrap(chunk) {
            Ok(chunk) => Some(chunk),
            Err(chunk) => {
                self.retired.push_front(chunk);
                None
            }
        });
        let mut next = room.unwrap_or_default();
        next.clear();
        let chunk = mem::replace(&mut self.chunk, next);
        self.number += 1;
        self.sealed.push_back(Sealed { waiting: chunk.len(), chunk: Arc::new(chunk) });
        // What could not be reused in time is let go, so that a slow reader of rounds does not keep them
        // all.
        self.retired.truncate(8);
    }
}

/// One line of `rejects.jsonl`: the place, why, and the bytes as they came, in hex where they are no text.
fn write_reject(out: &mut Vec<u8>, position: Position, original: &[u8], reject: &Reject) {
    out.extend_from_slice(b"{\"line\":");
    json::number(out, position.line);
    out.extend_from_slice(b",\"offset\":");
    json::number(out, position.offset);
    out.extend_from_slice(b",\"code\":");
    json::string(out, reject.code);
    out.extend_from_slice(b",\"at\":");
    json::number(out, reject.at as u64);
    out.extend_from_slice(b",\"reason\":");
    json::string(out, &reject.message);
    match std::str::from_utf8(original) {
        Ok(text) => {
            out.extend_from_slice(b",\"original\":");
            json::string(out, text);
        }
        Err(_) => {
            let hex: String = original.iter().map(|byte| format!("{byte:02x}")).collect();
            out.extend_from_slice(b",\"original_hex\":");
            json::string(out, &hex);
        }
    }
    out.extend_from_slice(b"}\n");
}
