//! One shard on its way through its commits again: the production engine, fed what each commit took.

use super::files::Files;
use super::held::Held;
use super::report::{Compared, ShardReport};
use super::steps::Steps;
use super::trouble::{Stop, Trouble, Verdict};
use crate::control::story::Chapter;
use crate::engine::cycle::{self, Step, UNTIMED_SOURCES};
use crate::engine::{Body, Charge, Effects, Input, Record, Shard, StateSink};
use crate::journal::history::{History, Past};
use crate::journal::{Batch, Kind, Reject};
use crate::model::Timestamp;
use crate::replay::story::Story;
use crate::worker::cycle::Options;
use crate::worker::decide::{self, Bad, Decoded};
use crate::worker::poison;
use crate::worker::source_of;

/// What a commit gives, for who compares it.
pub(super) struct Decided {
    /// The state that it leaves, as a cycle sums it up.
    pub(super) meta: u128,
    /// What the cycle says of that.
    pub(super) noted: Option<u128>,
}

/// A shard that is replayed.
pub(super) struct Seat {
    pub(super) number: u16,
    pub(super) shard: Shard,
    pub(super) effects: Effects,
    /// Dead letters as items, and the bytes of each that are kept.
    pub(super) letters: Vec<Vec<u8>>,
    letter_bytes_max: usize,
    pub(super) held: Held,
    /// By stream: the first commit whose items are compared.
    pub(super) compared_from: [Option<u64>; 5],
    pub(super) report: ShardReport,
    /// Nothing of it is wanted any more: it has a verdict, or the range is over.
    pub(super) over: bool,
    pub(super) story: Option<Story>,
}

/// The state goes nowhere: only its sum is compared.
struct Nowhere;

impl StateSink for Nowhere {
    fn put(&mut self, _key: &[u8], _value: &[u8]) {}
    fn delete(&mut self, _key: &[u8]) {}
}

/// From where a shard takes what it is fed.
pub(super) struct Feed<'a, 'h, H: History> {
    pub(super) past: &'a mut H::Past,
    pub(super) steps: &'a mut Steps<'h, H>,
    pub(super) files: &'a mut Files,
    pub(super) rows: &'a mut Batch,
}

impl Seat {
    pub(super) fn new(number: u16, options: &Options, letter_bytes_max: usize, story: Option<Story>) -> Self {
        Self {
            number,
            shard: Shard::new(options.setup(number)),
            effects: Effects { feed: options.movements, ..Effects::default() },
            letters: Vec::new(),
            letter_bytes_max,
            held: Held::default(),
            compared_from: [None; 5],
            report: ShardReport {
                shard: number,
                commits: 0,
                records: 0,
                compared: Compared::default(),
                partly: 0,
                verdict: Verdict::Same,
            },
            over: false,
            story,
        }
    }

    /// Ends it with a verdict.
    pub(super) fn end(&mut self, verdict: Verdict) {
        if self.report.verdict == Verdict::Same {
            self.report.verdict = verdict;
        }
        self.over = true;
        self.held.clear();
    }

    /// Takes everything that a commit took; what it decides is in the effects until [`Seat::kept`].
    pub(super) fn decide<H: History>(
        &mut self,
        bytes: &[u8],
        feed: &mut Feed<'_, '_, H>,
    ) -> Result<Decided, Stop> {
        let commit = self.shard.seq() + 1;
        let steps = cycle::decode(bytes).ok_or(Trouble::CycleDamaged { commit })?;
        let mut noted = None;
        for step in steps {
            match step {
                Step::Records { source, first, last, now } if source >= UNTIMED_SOURCES => {
                    self.lines(source, (first, last), now.unwrap_or(Timestamp::MIN), feed)?;
                }
                Step::Records { source, first, last, now } => {
                    feed.rows.clear();
                    feed.past
                        .records(self.number, source_of(source), first, last, feed.rows)
                        .map_err(|error| Stop::of_input(commit, error))?;
                    for (number, record) in feed.rows.records().enumerate() {
                        let when = (now.unwrap_or(record.appended), now.is_none());
                        let original = (record.bytes, feed.rows.key(number));
                        self.record(when, (source, record.offset, record.kind), original);
                    }
                }
                Step::Epoch { now, number } => {
                    let step = feed.steps.get(number)?;
                    self.handle(now, Input::Epoch(&step.epoch));
                }
                Step::Wake { now, max } => self.handle(now, Input::Wake { max: count(max) }),
                Step::Release { now, max } => self.handle(now, Input::Release { max: count(max) }),
                Step::Renew { now, max } => self.handle(now, Input::Renew { max: count(max) }),
                Step::Park { now, entry } => self.handle(now, Input::Park { entry }),
                Step::Poison { source, offset, now, charge } => {
                    self.poison(now, (source, offset), charge.as_ref(), feed)?;
                }
                Step::Committed { meta } => noted = Some(meta),
            }
        }
        let committing = self.shard.commit(&mut Nowhere);
        Ok(Decided { meta: cycle::sum(&committing.meta), noted })
    }

    /// The commit is compared: on to the next.
    pub(super) fn kept(&mut self) {
        self.shard.committed();
        self.effects.clear();
        self.letters.clear();
        self.report.commits += 1;
    }

    fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        let from = self.story.is_some().then(|| Story::lengths(&self.effects));
        let _ = self.shard.handle(now, input, &mut self.effects);
        if let (Some(story), Some(from)) = (&mut self.story, from) {
            story.listen(&self.effects, from);
        }
    }

    /// One record, as [`crate::worker::cycle::Cycle`] takes one.
    fn record(
        &mut self,
        (now, timed): (Timestamp, bool),
        (source, offset, kind): (u8, u64, Kind),
        (bytes, key): (&[u8], Option<&[u8]>),
    ) {
        self.report.records += 1;
        let decoded = decide::decode(kind, bytes);
        let body = match &decoded {
            Ok(decoded) => {
                self.comes(now, decoded);
                decoded.body()
            }
            Err(bad) => {
                self.reject((source, offset, kind), bad, (bytes, key));
                Body::Skip
            }
        };
        self.handle(now, Input::Record(Record { source, offset, timed, body }));
    }

    fn reject(
        &mut self,
        (source, offset, kind): (u8, u64, Kind),
        bad: &Bad,
        (bytes, key): (&[u8], Option<&[u8]>),
    ) {
        let (source, kind, length) = (source_of(source), Some(kind), bytes.len() as u64);
        let letter = Reject { source, offset, kind, key, code: &bad.reason(), length, bytes };
        let mut item = Vec::new();
        letter.within(self.letter_bytes_max).encode(&mut item);
        self.letters.push(item);
    }

    /// A record that panicked twice when it was decided: a dead letter, and somebody may be charged.
    fn poison<H: History>(
        &mut self,
        now: Timestamp,
        (source, offset): (u8, u64),
        charge: Option<&(String, Option<String>)>,
        feed: &mut Feed<'_, '_, H>,
    ) -> Result<(), Stop> {
        let commit = self.shard.seq() + 1;
        self.report.records += 1;
        if source >= UNTIMED_SOURCES {
            let file = source - UNTIMED_SOURCES;
            let lines = feed.files.lines(self.number, file, offset, offset);
            let lines = lines.map_err(|why| Trouble::File { commit, why })?;
            let bytes = lines.first().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
            self.reject((source, offset, Kind::Event), &poison::bad(), (bytes, None));
        } else {
            feed.rows.clear();
            feed.past
                .records(self.number, source_of(source), offset, offset, feed.rows)
                .map_err(|error| Stop::of_input(commit, error))?;
            let record = feed.rows.get(0).map(|record| (record.kind, record.bytes));
            let (kind, bytes) = record.unwrap_or((Kind::Event, b""));
            self.reject((source, offset, kind), &poison::bad(), (bytes, feed.rows.key(0)));
        }
        let charge = charge.map(|(journey, user)| Charge { journey, user: user.as_deref() });
        let body = Body::Poison(charge);
        self.handle(now, Input::Record(Record { source, offset, timed: false, body }));
        Ok(())
    }

    /// The shard's lines of a followed file between two ends, all taken at one time.
    fn lines<H: History>(
        &mut self,
        source: u8,
        (first, last): (u64, u64),
        now: Timestamp,
        feed: &mut Feed<'_, '_, H>,
    ) -> Result<(), Stop> {
        let commit = self.shard.seq() + 1;
        let lines = feed.files.lines(self.number, source - UNTIMED_SOURCES, first, last);
        let lines = lines.map_err(|why| Trouble::File { commit, why })?;
        let is_line = lines.last().is_some_and(|(offset, _)| *offset == last);
        for (offset, bytes) in &lines {
            self.record((now, false), (source, *offset, Kind::Event), (bytes, None));
        }
        if !is_line {
            // It moved on over others' lines.
            let body = Body::Skip;
            self.handle(now, Input::Record(Record { source, offset: last, timed: false, body }));
        }
        Ok(())
    }

    /// Tells the story of the user to whom something comes.
    fn comes(&mut self, now: Timestamp, decoded: &Decoded<'_>) {
        let Some(story) = &mut self.story else { return };
        if decoded.user().is_none_or(|user| !story.is_of(user)) {
            return;
        }
        let at = now.max(self.shard.now());
        let (name, own_time) = match decoded {
            Decoded::Event(event) => (event.name.to_string(), event.timestamp.filter(|own| *own != at)),
            other => (other.what(), None),
        };
        story.comes(Chapter::Came { at, name, own_time });
    }
}

fn count(max: u64) -> usize {
    usize::try_from(max).unwrap_or(usize::MAX)
}

/// Which epoch a shard has taken, so that older ones are not kept for it.
pub(super) fn oldest_epoch(seats: &[Seat]) -> u64 {
    seats.iter().filter(|seat| !seat.over).map(|seat| seat.shard.epoch()).min().unwrap_or(u64::MAX)
}
