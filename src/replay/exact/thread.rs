//! Some shards, commit by commit in about the order in which they were made, each compared with what left it.
//!
//! Owns: one reader of the past. Nothing is shared with other threads. What is read ahead of its turn is kept: a
//! stream comes in the order of the commits of one worker, and shards move between workers.

use super::files::Files;
use super::held::{DECISIONS, is_same, is_same_send, word};
use super::output::Parts;
use super::range::Range;
use super::report::ShardReport;
use super::seat::{Decided, Feed, Seat, oldest_epoch};
use super::steps::Steps;
use super::trouble::{Difference, Stop, Trouble, Verdict};
use crate::control::story::Chapter;
use crate::journal::history::{History, NO_COMMIT, Past};
use crate::journal::{Batch, Item, JournalError, Reject, Stream};
use crate::model::{Interval, Timestamp};
use crate::replay::ReplayError;

/// Commits so soon after the oldest item that is kept may lack some: clocks of instances are not one.
const CUT_MARGIN: Interval = Interval::from_mins(1);

/// Why a replay as a whole cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] ReplayError),
}

/// The shards of one thread.
pub(super) struct Thread<'h, H: History> {
    history: &'h H,
    past: H::Past,
    steps: Steps<'h, H>,
    files: Files,
    rows: Batch,
    range: Range,
    seats: Vec<Seat>,
    /// By seat, if the decisions are to be written.
    parts: Option<Vec<Parts>>,
    ended: [bool; Stream::ALL.len()],
}

/// What a thread leaves.
pub(super) struct Done {
    pub(super) reports: Vec<ShardReport>,
    pub(super) story: Vec<Chapter>,
    pub(super) parts: Vec<Parts>,
}

/// A commit that is decided again.
#[derive(Clone, Copy)]
struct Commit {
    seq: u64,
    at: Timestamp,
}

impl<'h, H: History> Thread<'h, H> {
    pub(super) fn new(
        history: &'h H,
        seats: Vec<Seat>,
        range: Range,
        parts: Option<Vec<Parts>>,
    ) -> Result<Self, JournalError> {
        let own: Vec<u16> = seats.iter().map(|seat| seat.number).collect();
        Ok(Self {
            history,
            past: history.past(&own)?,
            steps: Steps::new(history),
            files: Files::of(history, &own)?,
            rows: Batch::new(),
            range,
            seats,
            parts,
            ended: [false; Stream::ALL.len()],
        })
    }

    /// From the first cycle to the last.
    pub(super) fn run(mut self) -> Result<Done, ExactError> {
        while self.seats.iter().any(|seat| !seat.over) {
            let more = self.read(Stream::Cycles)?;
            for at in 0..self.seats.len() {
                self.go_on(at)?;
            }
            self.steps.forget(oldest_epoch(&self.seats));
            if !more {
                break;
            }
        }
        for stream in DECISIONS {
            while self.seats.iter().any(|seat| seat.report.verdict == Verdict::Same) && self.read(stream)? {}
        }
        for at in 0..self.seats.len() {
            self.close(at);
        }
        let story = self.seats.iter_mut().filter_map(|seat| seat.story.take()).flat_map(|own| own.chapters);
        Ok(Done {
            story: story.collect(),
            reports: self.seats.into_iter().map(|seat| seat.report).collect(),
            parts: self.parts.unwrap_or_default(),
        })
    }

    /// Reads on in a stream; whether there was more.
    fn read(&mut self, stream: Stream) -> Result<bool, JournalError> {
        if self.ended[stream.index()] {
            return Ok(false);
        }
        let seats = &mut self.seats;
        let more = self.past.items(stream, &mut |item| {
            if let Ok(at) = seats.binary_search_by_key(&item.shard, |seat| seat.number) {
                take(&mut seats[at], stream, item);
            }
        })?;
        self.ended[stream.index()] = !more;
        Ok(more)
    }

    /// Decides all commits of a shard whose cycles have been read.
    fn go_on(&mut self, at: usize) -> Result<(), ExactError> {
        loop {
            let seat = &mut self.seats[at];
            let seq = seat.shard.seq() + 1;
            if seat.over || seat.held.len(Stream::Cycles, seq) == 0 {
                return Ok(());
            }
            let mut cycles = seat.held.remove(Stream::Cycles, seq);
            let Some(cycle) = cycles.pop_front() else { return Ok(()) };
            let commit = Commit { seq, at: cycle.at };
            if self.range.is_over(seq, cycle.at) {
                seat.over = true;
                return Ok(());
            }
            if let Some(again) = cycles.pop_front() {
                let found = Some(again.bytes.escape_ascii().to_string());
                seat.end(differs(commit, "cycle", 2, None, found));
                return Ok(());
            }
            let chapters = seat.story.as_ref().map_or(0, |story| story.chapters.len());
            let Self { past, steps, files, rows, .. } = self;
            let decided = seat.decide(&cycle.bytes, &mut Feed { past, steps, files, rows });
            match decided {
                Ok(decided) => self.compare(at, commit, &decided)?,
                Err(Stop::Trouble(trouble)) => seat.end(Verdict::Stopped(trouble)),
                Err(Stop::Journal(error)) => return Err(error.into()),
            }
            let seat = &mut self.seats[at];
            if let Some(story) = seat.story.as_mut().filter(|_| self.range.is_before(seq, commit.at)) {
                story.chapters.truncate(chapters);
            }
            seat.kept();
        }
    }

    /// Compares all that a commit has decided, and writes it.
    fn compare(&mut self, at: usize, commit: Commit, decided: &Decided) -> Result<(), ExactError> {
        let is_in = !self.range.is_before(commit.seq, commit.at);
        if let Some(parts) = self.parts.as_mut().filter(|_| is_in) {
            parts[at].write(&self.seats[at])?;
        }
        let mut whole = true;
        for stream in DECISIONS {
            let kept = self.history.kept_since(stream).is_none_or(|since| commit.at > since + CUT_MARGIN);
            if !(is_in && kept) {
                whole &= kept;
                self.pass(at, commit, stream)?;
                continue;
            }
            self.seats[at].compared_from[stream.index()].get_or_insert(commit.seq);
            if let Some(difference) = self.compare_stream(at, commit, stream)? {
                self.seats[at].end(difference);
                return Ok(());
            }
        }
        if !is_in {
            return Ok(());
        }
        let seat = &mut self.seats[at];
        seat.report.compared.commits += 1;
        seat.report.partly += u64::from(!whole);
        if let Some(noted) = decided.noted {
            seat.report.compared.states += 1;
            if noted != decided.meta {
                let hex = |sum: u128| Some(format!("{sum:032x}"));
                seat.end(differs(commit, "state", 1, hex(decided.meta), hex(noted)));
            }
        }
        Ok(())
    }

    /// The lines of a commit that a seat has decided.
    fn decided(seat: &Seat, stream: Stream) -> Vec<Vec<u8>> {
        let lines = match stream {
            Stream::Sends => &seat.effects.sends,
            Stream::Transitions => &seat.effects.transitions,
            Stream::Refusals => &seat.effects.refusals,
            Stream::Rejects | Stream::Cycles => return seat.letters.clone(),
        };
        lines.iter().map(<[u8]>::to_vec).collect()
    }

    /// By which commit the items are held: sends need not say theirs.
    fn key(&self, at: usize, commit: Commit, stream: Stream) -> u64 {
        let says = stream != Stream::Sends || self.history.sends_before(self.seats[at].number).is_none();
        if says { commit.seq } else { NO_COMMIT }
    }

    fn compare_stream(
        &mut self,
        at: usize,
        commit: Commit,
        stream: Stream,
    ) -> Result<Option<Verdict>, JournalError> {
        let lines = Self::decided(&self.seats[at], stream);
        let key = self.key(at, commit, stream);
        while self.seats[at].held.len(stream, key) < lines.len() && self.read(stream)? {}
        let seat = &mut self.seats[at];
        for (number, line) in (1..).zip(&lines) {
            let found = seat.held.pop(stream, key).map(|item| item.bytes);
            if !found.as_ref().is_some_and(|found| is_same(stream, found, line)) {
                let found = found.map(|found| text(stream, &found));
                return Ok(Some(differs(commit, word(stream), number, Some(text(stream, line)), found)));
            }
        }
        if key != NO_COMMIT
            && let Some(more) = seat.held.remove(stream, key).front()
        {
            let found = Some(text(stream, &more.bytes));
            return Ok(Some(differs(commit, word(stream), lines.len() as u64 + 1, None, found)));
        }
        let (compared, count) = (&mut seat.report.compared, lines.len() as u64);
        match stream {
            Stream::Sends => compared.sends += count,
            Stream::Transitions => compared.transitions += count,
            Stream::Refusals => compared.refusals += count,
            Stream::Rejects | Stream::Cycles => compared.rejects += count,
        }
        Ok(None)
    }

    /// Passes over what a commit outside the range has decided.
    fn pass(&mut self, at: usize, commit: Commit, stream: Stream) -> Result<(), JournalError> {
        let key = self.key(at, commit, stream);
        if key != NO_COMMIT {
            self.seats[at].held.remove(stream, key);
            return Ok(());
        }
        // Those from before the oldest that is kept are not there.
        for line in Self::decided(&self.seats[at], stream) {
            while self.seats[at].held.len(stream, key) == 0 && self.read(stream)? {}
            let held = &mut self.seats[at].held;
            if held.first(stream, key).is_some_and(|first| is_same_send(&first.bytes, &line)) {
                held.pop(stream, key);
            }
        }
        Ok(())
    }

    /// All has been read: what is left over, or is not there?
    fn close(&mut self, at: usize) {
        let (history, range) = (self.history, self.range);
        let seat = &mut self.seats[at];
        if seat.over {
            return;
        }
        let (done, next) = (seat.shard.seq(), seat.held.next_cycle());
        let last = history.last_commit(seat.number);
        let goes_to_the_end = last.is_none_or(|last| last <= done);
        let is_cut = done == 0 && history.kept_since(Stream::Cycles).is_some();
        let trouble = match next {
            Some(first) if is_cut => Some(Trouble::CyclesGone { first }),
            Some(_) => Some(Trouble::CycleMissing { commit: done + 1 }),
            None if goes_to_the_end || range.is_over(done + 1, Timestamp::MIN) => None,
            None if is_cut => Some(Trouble::AllGone { last: last.unwrap_or_default() }),
            None => Some(Trouble::CyclesEnd { done, last: last.unwrap_or_default() }),
        };
        if let Some(trouble) = trouble {
            return seat.end(Verdict::Stopped(trouble));
        }
        let settled = history.sends_before(seat.number).unwrap_or(0);
        let left = seat.held.first(Stream::Sends, NO_COMMIT).filter(|item| item.number < settled);
        if let Some(item) = left.filter(|_| goes_to_the_end && seat.compared_from[0].is_some()) {
            let (commit, found) = (Commit { seq: done, at: item.at }, text(Stream::Sends, &item.bytes));
            seat.end(differs(commit, word(Stream::Sends), 1, None, Some(found)));
        }
    }
}

/// Keeps an item until it is its turn; one whose turn is over should not be there.
fn take(seat: &mut Seat, stream: Stream, item: Item<'_>) {
    if item.seq == NO_COMMIT && stream != Stream::Sends {
        // Somebody else's record in a topic of ours.
        let commit = Commit { seq: NO_COMMIT, at: item.at };
        return seat.end(differs(commit, word(stream), item.number, None, Some(text(stream, item.bytes))));
    }
    let is_late = item.seq != NO_COMMIT && item.seq <= seat.shard.seq();
    if seat.report.verdict != Verdict::Same || (seat.over && !is_late) {
        return;
    }
    if !is_late {
        return seat.held.take(stream, item);
    }
    let compared = seat.compared_from[stream.index()].is_some_and(|from| item.seq >= from);
    if compared || stream == Stream::Cycles {
        let commit = Commit { seq: item.seq, at: item.at };
        let found = Some(text(stream, item.bytes));
        seat.end(differs(commit, word(stream), item.number, None, found));
    }
}

fn differs(
    Commit { seq, at }: Commit,
    what: &'static str,
    line: u64,
    replayed: Option<String>,
    journal: Option<String>,
) -> Verdict {
    Verdict::Differs(Box::new(Difference { commit: seq, at, what, line, replayed, journal }))
}

/// An item for people.
fn text(stream: Stream, item: &[u8]) -> String {
    match stream {
        Stream::Rejects => match Reject::decode(item) {
            Ok(Reject { source, offset, code, bytes, .. }) => {
                format!("{source:?} {offset}: {code}: {}", bytes.escape_ascii())
            }
            Err(_) => item.escape_ascii().to_string(),
        },
        Stream::Cycles => item.escape_ascii().to_string(),
        Stream::Sends | Stream::Transitions | Stream::Refusals => String::from_utf8_lossy(item).into_owned(),
    }
}
