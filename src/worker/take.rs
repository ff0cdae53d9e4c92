//! What one turn feeds the shards: epochs, lines, records, timers, releases, rows; each input at its time.
//!
//! Nothing here commits, and nothing here survives a panic: [`Cycle::turn`] decides about both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cycle::{Cycle, Failure, Turn};
use super::decide::{self, Bad, Decoded};
use super::feed::Lines;
use super::lists::Cursor;
use super::owned::{LISTS, Original, number_of, source_of};
use super::poison::{self, Blame, Panicked, Place};
use crate::engine::{Body, Input, Outcome, Receipt, Record, Shard, WARM_MAX};
use crate::journal::{Batch, Journal, Kind, Source};
use crate::journey::catalog::JourneyIndex;
use crate::lifecycle::EntryGate;
use crate::metrics::Stage;
use crate::model::Timestamp;
use crate::model::input::ReceiptKind;

/// Lines of a file that are sorted by shard together: few enough to stay in a core's own cache.
const GROUPED_MAX: usize = 2_048;

/// When a shard takes a record, and whether the record's log remembers that time.
#[derive(Clone, Copy)]
struct When {
    at: Timestamp,
    timed: bool,
}

/// How far a shard's position in a followed file may lag behind what was read, in bytes: what a restart reads
/// again.
const FILE_LAG_MAX: u64 = 8 << 20;

impl<J: Journal> Cycle<J> {
    /// The time that a shard may take for its own (G19).
    fn time_of(&mut self, at: usize, now: Timestamp) -> Timestamp {
        let number = self.owned[at].number;
        let complete = self.journal.complete_until(number, now);
        let owned = &self.owned[at];
        // What waits for the file has been polled and not taken: the journal thinks that it was.
        let complete = self.waiting.map_or(complete, |waits| complete.min(waits));
        match self.file_until() {
            Timestamp::MIN => complete.min(quiet(&owned.shard, now)),
            until => complete.min(until),
        }
    }

    /// The time of a line, which has none of its own: after the file was last read to its end, before any
    /// timer that is due later than that, and never past a record that is accepted and not taken yet, which
    /// has its own time (the lowest over the inputs, G19): else it would be judged by a gate that has opened
    /// since (G1).
    fn time_of_line(&mut self, at: usize, now: Timestamp, since: Timestamp) -> Timestamp {
        let complete = self.journal.complete_until(self.owned[at].number, now);
        let untaken = self.batch.records().map(|r| r.appended).filter(|appended| *appended > self.taken);
        let limit = untaken.fold(complete, Timestamp::min);
        let shard = &self.owned[at].shard;
        quiet(shard, now).max(since).min(limit).max(shard.now())
    }

    /// Gives a shard one input.
    pub(super) fn feed(&mut self, at: usize, time: Timestamp, input: Input<'_>) -> Result<Outcome, Panicked> {
        let owned = &mut self.owned[at];
        let place = Place::of(&input);
        let shard = &mut owned.shard;
        let effects = &mut owned.effects;
        // Whatever a panic leaves behind is thrown away: see `reopen`.
        let done = catch_unwind(AssertUnwindSafe(|| shard.handle(time, input, effects)));
        done.map_err(|_| self.strike(at, place))
    }

    pub(super) fn take_steps(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), Panicked> {
        for number in 0..self.steps.len() {
            let step = Arc::clone(&self.steps[number]);
            for at in 0..self.owned.len() {
                if self.owned[at].shard.epoch() >= step.epoch.number {
                    continue;
                }
                let time = self.time_of(at, now);
                let _ = self.feed(at, time, Input::Epoch(&step.epoch))?;
                turn.epochs = true;
                let owned = &mut self.owned[at];
                let rows = step.rows.get(usize::from(owned.number));
                if let (Some(&(next, end)), Some(journey)) = (rows, step.epoch.journey) {
                    owned.lists.begin(journey, Cursor { epoch: step.epoch.number, next, end });
                }
            }
        }
        Ok(())
    }

    /// Lines of a followed file: timers that were due before they can have been written fire first, and no
    /// others.
    pub(super) fn take_lines(
        &mut self,
        now: Timestamp,
        started: Instant,
        turn: &mut Turn,
    ) -> Result<(), Panicked> {
        if !self.opening.is_empty() {
            // A line for a shard that is being restored would be passed over.
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        let mut done = Ok(());
        for piece in &lines {
            done = self.take_piece(now, started, piece, turn);
            if done.is_err() {
                break;
            }
        }
        self.lines = lines;
        done
    }

    fn take_piece(
        &mut self,
        now: Timestamp,
        started: Instant,
        piece: &Lines,
        turn: &mut Turn,
    ) -> Result<(), Panicked> {
        let source = piece.source();
        let mut last = None;
        let mut times: Vec<Option<Timestamp>> = vec![None; self.owned.len()];
        let mut order = Vec::with_capacity(GROUPED_MAX);
        for first in (0..piece.lines.len()).step_by(GROUPED_MAX) {
            // Shard by shard, each in the order of the file: what another shard reads decides nothing.
            let some = first..piece.lines.len().min(first + GROUPED_MAX);
            order.clear();
            order.extend(some.filter_map(|n| Some((self.index_of(piece.lines[n].0, &mut last)?, n))));
            order.sort_unstable();
            for of_shard in order.chunk_by(|a, b| a.0 == b.0) {
                let at = of_shard[0].0;
                let time = match times[at] {
                    Some(time) => time,
                    None => *times[at].insert(self.time_of_line(at, now, piece.since)),
                };
                for lines in of_shard.chunks(WARM_MAX) {
                    self.take_some_lines(at, (now, time, started), piece, lines, turn)?;
                }
            }
        }
        for at in 0..self.owned.len() {
            let position = self.owned[at].shard.position(source);
            if position + FILE_LAG_MAX < piece.upto {
                let time = self.time_of_line(at, now, piece.since);
                self.owned[at].mark(piece.file, &piece.mark);
                let skip = Record { source, offset: piece.upto - 1, timed: false, body: Body::Skip };
                let _ = self.feed(at, time, Input::Record(skip))?;
            }
        }
        Ok(())
    }

    /// Some lines of one shard, taken apart together so that their users are brought in together.
    fn take_some_lines(
        &mut self,
        at: usize,
        (now, time, started): (Timestamp, Timestamp, Instant),
        piece: &Lines,
        lines: &[(usize, usize)],
        turn: &mut Turn,
    ) -> Result<(), Panicked> {
        let source = piece.source();
        let position = self.owned[at].shard.position(source);
        let mut ahead = Vec::with_capacity(lines.len());
        for (bytes, next) in lines.iter().map(|&(_, n)| piece.line(n)).filter(|&(_, next)| next > position) {
            ahead.push((bytes, next, self.take_apart(at, source, next - 1, Kind::Event, bytes)));
        }
        self.warm(at, || ahead.iter().filter_map(|(_, _, decoded)| decoded.as_ref().ok()));
        let spent = started.elapsed();
        for (bytes, next, decoded) in &ahead {
            turn.read += 1;
            self.owned[at].mark(piece.file, &piece.mark);
            let place = (source, next - 1, Kind::Event);
            let when = When { at: time, timed: false };
            let original = Original { key: None, bytes };
            self.decide_one(at, when, place, (decoded, original), (now, now, spent))?;
        }
        Ok(())
    }

    pub(super) fn take_records(
        &mut self,
        now: Timestamp,
        started: Instant,
        turn: &mut Turn,
    ) -> Result<(), Panicked> {
        let batch = std::mem::take(&mut self.batch);
        let mut last = None;
        let mut done = Ok(());
        // A record is taken once the followed file has been read up to when it was appended: to take it lets
        // that time pass.
        let (from, until) = (self.taken, self.file_until);
        let times = batch.records().map(|record| record.appended);
        self.waiting = times.filter(|at| *at > until).min();
        self.taken = until;
        let is_due = |at: Timestamp| (from == Timestamp::MIN || from < at) && at <= until;
        let due = batch.records().enumerate().filter(|(_, record)| is_due(record.appended));
        let mut records = due.peekable();
        let (mut some, mut ahead) = (Vec::with_capacity(WARM_MAX), Vec::with_capacity(WARM_MAX));
        while let (Ok(()), Some(first)) = (&done, records.next()) {
            let Some(at) = self.index_of(first.1.shard, &mut last) else { continue };
            // Taken apart together, so that the shard can bring their users in while the first is decided.
            let same = std::iter::from_fn(|| records.next_if(|(_, r)| r.shard == first.1.shard));
            ahead.clear();
            some.clear();
            some.extend(std::iter::once(first).chain(same).take(WARM_MAX));
            std::hint::black_box(warm_bytes(some.iter().map(|(_, record)| record.bytes)));
            for (number, record) in some.drain(..) {
                let source = number_of(record.source);
                let decoded = self.take_apart(at, source, record.offset, record.kind, record.bytes);
                ahead.push((number, record, decoded));
            }
            self.warm(at, || ahead.iter().filter_map(|(_, _, decoded)| decoded.as_ref().ok()));
            // One look at the clock for all of them, and one at the timers that they let fire.
            let spent = started.elapsed();
            let (due, fired) = (self.owned[at].shard.next_wake(), self.metrics.counters.timers_fired);
            for (number, record, decoded) in &ahead {
                let source = number_of(record.source);
                // A record may come again: what lies before the position has been decided.
                if record.offset < self.owned[at].shard.position(source) {
                    continue;
                }
                turn.read += 1;
                let place = (source, record.offset, record.kind);
                let times = (record.appended, now, spent);
                let when = When { at: record.appended, timed: record.timed };
                let original = original(decoded, &batch, *number, record.bytes);
                done = self.decide_one(at, when, place, (decoded, original), times);
                if done.is_err() {
                    break;
                }
            }
            self.fired(due, now, self.metrics.counters.timers_fired - fired);
        }
        turn.more |= batch.len() >= self.options.events_max && self.waiting.is_none();
        drop((records, some, ahead));
        self.batch = batch;
        done
    }

    /// Lets a shard bring in what deciding these records will touch.
    fn warm<'a, 'b: 'a, R>(&mut self, at: usize, records: impl Fn() -> R)
    where
        R: Iterator<Item = &'a Decoded<'b>>,
    {
        let shard = &mut self.owned[at].shard;
        std::hint::black_box(shard.warm(records().filter_map(Decoded::user)));
        std::hint::black_box(shard.warm_messages(records().filter_map(Decoded::message_id)));
    }

    fn take_apart<'a>(
        &self,
        at: usize,
        source: u8,
        offset: u64,
        kind: Kind,
        bytes: &'a [u8],
    ) -> Result<Decoded<'a>, Bad> {
        if self.is_poison(at, source, offset) {
            return Err(poison::bad());
        }
        decide::decode(kind, bytes)
    }

    /// Counts and decides; what could not be taken apart is a dead letter, and the position moves on.
    fn decide_one(
        &mut self,
        at: usize,
        when: When,
        (source, offset, kind): (u8, u64, Kind),
        (decoded, original): (&Result<Decoded<'_>, Bad>, Original<'_>),
        (arrived, now, spent): (Timestamp, Timestamp, Duration),
    ) -> Result<(), Panicked> {
        let blamed;
        let body = match decoded {
            Ok(decoded) => decoded.body(),
            Err(bad) => {
                self.owned[at].reject((source_of(source), offset, kind), bad, original);
                blamed = self.blamed(at, (source, offset, kind), bad, original.bytes);
                blamed.as_ref().map_or(Body::Skip, Blame::body)
            }
        };
        let record = Record { source, offset, timed: when.timed, body };
        let outcome = self.feed(at, when.at, Input::Record(record))?;
        self.metrics.counters.timers_fired += outcome.fired as u64;
        self.count(at, (kind, decoded), outcome.duplicate, arrived);
        if kind.is_event() {
            self.owned[at].arrived(arrived);
            let waited = Duration::from_millis(now.since(arrived).as_millis());
            self.metrics.record(Stage::EventToDecision, waited + spent);
        }
        Ok(())
    }

    fn count(
        &mut self,
        at: usize,
        of: (Kind, &Result<Decoded<'_>, Bad>),
        duplicate: bool,
        arrived: Timestamp,
    ) {
        let counters = &mut self.metrics.counters;
        match of {
            (Kind::Event | Kind::CloudEvent, decoded) => {
                counters.events_read += 1;
                match decoded {
                    Err(_) => counters.events_rejected += 1,
                    Ok(_) if duplicate => counters.events_duplicate += 1,
                    Ok(Decoded::Event(event)) => {
                        let mentioned = self.owned[at].shard.catalog().program(&event.name).is_some();
                        counters.events_decided += u64::from(mentioned);
                        counters.events_unmentioned += u64::from(!mentioned);
                    }
                    Ok(_) => counters.events_unmentioned += 1,
                }
            }
            (Kind::Receipt, Ok(Decoded::Receipt(form))) => self.receipt(&form.receipt(), arrived),
            (Kind::Entry, Ok(_)) => counters.api_entries += 1,
            (Kind::ListRow, Ok(_)) => counters.list_rows += 1,
            (_, Err(_)) => counters.records_rejected += 1,
            _ => {}
        }
    }

    fn receipt(&mut self, receipt: &Receipt<'_>, arrived: Timestamp) {
        let counters = &mut self.metrics.counters;
        counters.receipts += 1;
        counters.receipts_delivered += u64::from(receipt.kind == ReceiptKind::Delivered);
        counters.receipts_failed += u64::from(receipt.kind == ReceiptKind::Failed);
        if let Some(took) = self.deliveries.receipt(receipt, arrived) {
            self.metrics.record(Stage::Delivery, took);
        }
    }

    /// So many timers fired at `now`, the first of which was due then: it counts for all, since to ask each
    /// would cost more than to fire it.
    fn fired(&mut self, due: Option<Timestamp>, now: Timestamp, fired: u64) {
        if let Some(due) = due.filter(|_| fired > 0) {
            let late = Duration::from_millis(now.since(due).as_millis());
            self.metrics.record_many(Stage::TimerLateness, late, fired);
        }
    }

    pub(super) fn wake(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), Panicked> {
        for at in 0..self.owned.len() {
            let time = self.time_of(at, now);
            let Some(due) = self.owned[at].shard.next_wake().filter(|due| *due <= time) else { continue };
            let outcome = self.feed(at, time, Input::Wake { max: self.options.timers_max })?;
            turn.fired += outcome.fired;
            turn.more |= outcome.more_due;
            self.metrics.counters.timers_fired += outcome.fired as u64;
            self.fired(Some(due), now, outcome.fired as u64);
        }
        Ok(())
    }

    pub(super) fn release(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), Panicked> {
        for at in 0..self.owned.len() {
            if self.owned[at].shard.is_releasing() {
                let time = self.time_of(at, now).max(self.owned[at].shard.now());
                self.owned[at].releasing(Instant::now());
                let outcome = self.feed(at, time, Input::Release { max: self.options.releases_max })?;
                turn.released += outcome.released;
                self.owned[at].let_go += outcome.released as u64;
                self.metrics.counters.released += outcome.released as u64;
                turn.more |= self.owned[at].shard.is_releasing();
            }
        }
        Ok(())
    }

    /// Pages of the format before, a few a turn, until there are none.
    pub(super) fn renew(&mut self, turn: &mut Turn) -> Result<(), Panicked> {
        for at in 0..self.owned.len() {
            if self.owned[at].shard.pages_to_renew() > 0 {
                let (now, max) = (self.owned[at].shard.now(), self.options.renewals_max);
                turn.renewed += self.feed(at, now, Input::Renew { max })?.renewed;
                turn.more |= self.owned[at].shard.pages_to_renew() > 0;
            }
        }
        Ok(())
    }

    /// Rows of lists, each list at its own pace: none while entry is shut, all of the rest after a stop (G8).
    ///
    /// A row that was appended after the shard's time waits: taking it would let that time pass, and with it
    /// every timer that was due before, although lines or records from before it are unread (G19).
    pub(super) fn take_rows(
        &mut self,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Result<(), Panicked>, Failure> {
        for at in 0..self.owned.len() {
            let owned = &self.owned[at];
            let moves = |journey: JourneyIndex| {
                owned.shard.journey(journey).is_some_and(|state| {
                    state.gates().entry == EntryGate::Open || state.stopped_at().is_some()
                })
            };
            let due: Vec<_> = owned.lists.unfinished().filter(|(journey, _)| moves(*journey)).collect();
            let number = owned.number;
            let limit = self.time_of(at, now).max(self.owned[at].shard.now());
            for (journey, cursor) in due {
                let left = usize::try_from(cursor.end - cursor.next).unwrap_or(usize::MAX);
                let max = left.min(self.options.rows_max);
                let mut rows = std::mem::take(&mut self.rows);
                self.journal.read(number, Source::Lists, cursor.next, max, &mut rows)?;
                let before = turn.rows;
                let done = self.decide(turn, |cycle, turn| {
                    cycle.take_some_rows(at, (now, limit), journey, &rows, turn)
                })?;
                self.rows = rows;
                if done.is_err() {
                    return Ok(done);
                }
                turn.more |= left > max && turn.rows > before;
            }
        }
        Ok(Ok(()))
    }

    fn take_some_rows(
        &mut self,
        at: usize,
        (now, limit): (Timestamp, Timestamp),
        journey: JourneyIndex,
        rows: &Batch,
        turn: &mut Turn,
    ) -> Result<(), Panicked> {
        for (number, row) in rows.records().enumerate().take_while(|(_, row)| row.appended <= limit) {
            let place = (LISTS, row.offset, Kind::ListRow);
            let when = When { at: row.appended, timed: row.timed };
            let decoded = self.take_apart(at, LISTS, row.offset, Kind::ListRow, row.bytes);
            let original = original(&decoded, rows, number, row.bytes);
            let times = (row.appended, now, Duration::ZERO);
            self.decide_one(at, when, place, (&decoded, original), times)?;
            self.owned[at].lists.advance(journey, row.offset + 1);
            turn.rows += 1;
        }
        Ok(())
    }

    /// The place of a shard; `last` remembers the one before, since batches come shard by shard.
    fn index_of(&self, shard: u16, last: &mut Option<(u16, usize)>) -> Option<usize> {
        if let Some((known, at)) = *last
            && known == shard
        {
            return Some(at);
        }
        let at = self.owned.binary_search_by_key(&shard, |owned| owned.number).ok()?;
        *last = Some((shard, at));
        Some(at)
    }
}

/// Touches each line of the cache that these records lie on, so that taking them apart waits for many at once.
fn warm_bytes<'a>(records: impl Iterator<Item = &'a [u8]>) -> u8 {
    const LINE: usize = 64;
    records.flat_map(|bytes| bytes.iter().step_by(LINE)).fold(0, |all, byte| all ^ byte)
}

/// What was received: the key of a dead letter only, for nobody else asks for it.
fn original<'a>(
    decoded: &Result<Decoded<'_>, Bad>,
    batch: &'a Batch,
    number: usize,
    bytes: &'a [u8],
) -> Original<'a> {
    Original { key: if decoded.is_err() { batch.key(number) } else { None }, bytes }
}

/// The time that may pass without any timer: a line of a file has no append time, and fires nothing that was
/// not due before it was read.
fn quiet(shard: &Shard, now: Timestamp) -> Timestamp {
    let due = shard.next_wake().unwrap_or(Timestamp::MAX);
    now.min(Timestamp(due.0.saturating_sub(1))).max(shard.now())
}
