//! A shard in a worker's hands: its inputs, how far each is read, and up to which time (G19).

use std::sync::Arc;

use super::client::{Message, Timestamp as Stamp};
use super::codec;
use super::inputs::Inputs;
use super::load::Loaded;
use super::merge::{Kept, Merge};
use crate::journal::error::JournalError;
use crate::journal::record::{Head, Kind, Shard, Source};
use crate::model::Timestamp;
use crate::model::envelope::{is_cloud_event, put};

/// The logs that are polled by everybody, in the order of [`super::Shared::inputs`]; further topics of events follow.
const SOURCES: [Source; 3] = [Source::Events, Source::Internal, Source::Receipts];

/// One input of a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) source: Source,
    /// Where it begins if no record of it was ever read.
    base: u64,
    /// The append time of the last record polled.
    pub(super) last: Timestamp,
    /// Whether it had more when the ends were compared last.
    behind: bool,
}

impl Reading {
    fn new(source: Source, base: u64) -> Self {
        Self { source, base, last: Timestamp::MIN, behind: true }
    }

    /// Where reading it starts after the shard's last commit.
    pub(super) fn start(self, head: Option<&Head>) -> u64 {
        head.map_or(0, |head| head.position(self.source)).max(self.base)
    }

    /// Up to when everything that was appended to it has been polled; `asked` is when it was compared.
    pub(super) fn until(self, asked: Timestamp) -> Timestamp {
        if self.behind { self.last } else { self.last.max(asked) }
    }

    /// A record was polled that was appended then; along a log times never go back.
    pub(super) fn note(&mut self, appended: Timestamp) {
        self.last = self.last.max(appended);
    }

    pub(super) fn is_events(self) -> bool {
        matches!(self.source, Source::Events | Source::Input(_))
    }
}

/// A shard that is announced.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) head: Option<Head>,
    /// Where its events begin if it has never read one.
    pub(super) base: u64,
    /// Until it is asked for.
    pub(super) loaded: Option<Loaded>,
    pub(super) started: bool,
    /// The topics of events, if there were ever several.
    pub(super) inputs: Option<Arc<Inputs>>,
    /// Each input.
    pub(super) sources: Vec<Reading>,
    /// What waits, if there are several topics of events.
    pub(super) merge: Option<Merge>,
    /// When the question was asked whose answers were compared last.
    pub(super) asked: Timestamp,
    /// How many offsets were behind the position, over the inputs, when the ends were compared last.
    pub(super) unread: u64,
    /// The time of the question whose answers had all been read; `MIN` while something is behind.
    pub(super) complete: Timestamp,
}

impl Owned {
    /// A shard with that head and the topics of events in it. `topics` are the anchor and all inputs, in the order of
    /// [`super::Shared::inputs`]; `base` is where the anchor begins, and `first` where a further topic does that the
    /// shard has never read.
    pub(super) fn new(
        shard: Shard,
        base: u64,
        (head, known): (Option<Head>, Option<Inputs>),
        (anchor, topics): (&str, &[Arc<str>]),
        first: impl FnMut(&Arc<str>) -> Result<u64, JournalError>,
    ) -> Result<Self, JournalError> {
        let base_of = |source| if source == Source::Events { base } else { 0 };
        let mut sources: Vec<Reading> = SOURCES.map(|source| Reading::new(source, base_of(source))).into();
        let further = &topics[SOURCES.len()..];
        let mut inputs = None;
        if !further.is_empty() || known.is_some() {
            let all = Inputs::of(shard, known, anchor, further, first)?;
            sources.extend(
                further.iter().filter_map(|topic| all.find(topic)).map(|(s, base)| Reading::new(s, base)),
            );
            inputs = Some(Arc::new(all));
        }
        Ok(Self {
            merge: (!further.is_empty()).then(|| Merge::new(topics.len())),
            head,
            base,
            loaded: None,
            started: false,
            inputs,
            sources,
            asked: Timestamp::MIN,
            unread: 0,
            complete: Timestamp::MIN,
        })
    }

    /// Compares positions with where the inputs ended when that was asked.
    pub(super) fn compare<'a>(
        &mut self,
        asked: Timestamp,
        ends: &[i64],
        at: impl Iterator<Item = &'a Option<i64>>,
    ) {
        (self.unread, self.asked) = (0, asked);
        for ((reading, end), at) in self.sources.iter_mut().zip(ends).zip(at) {
            let start = reading.start(self.head.as_ref());
            let at = at.map_or(start, |at| at.unsigned_abs().max(start));
            let left = end.unsigned_abs().saturating_sub(at);
            reading.behind = left > 0;
            self.unread += left;
        }
        let behind = self.sources.iter().any(|reading| reading.behind);
        self.complete = if behind { Timestamp::MIN } else { asked };
    }

    /// The next record of a topic of events that nothing else has to come before.
    pub(super) fn next(&mut self) -> Option<(usize, Kept)> {
        let (sources, asked) = (&self.sources, self.asked);
        let until = |n: usize| sources[n].is_events().then(|| sources[n].until(asked));
        self.merge.as_mut()?.next(until)
    }

    /// Up to when everything that was appended has been given away (G19).
    pub(super) fn until(&self) -> Timestamp {
        let polled = match self.complete {
            Timestamp::MIN => {
                self.sources.iter().map(|it| it.until(self.asked)).min().unwrap_or(Timestamp::MIN)
            }
            complete => complete,
        };
        self.merge.as_ref().and_then(Merge::first).map_or(polled, |first| first.min(polled))
    }

    /// Whether nothing was unread or waits.
    pub(super) fn is_caught_up(&self) -> bool {
        self.complete > Timestamp::MIN && self.waiting() == 0
    }

    /// How many records of several topics of events wait for each other.
    pub(super) fn waiting(&self) -> u64 {
        self.merge.as_ref().map_or(0, Merge::len) as u64
    }

    /// Nothing has been read yet.
    pub(super) fn rewind(&mut self) {
        for reading in &mut self.sources {
            *reading = Reading::new(reading.source, reading.base);
        }
        (self.asked, self.complete) = (Timestamp::MIN, Timestamp::MIN);
        if let Some(merge) = &mut self.merge {
            merge.clear();
        }
    }
}

/// The number of an input that is read beside the anchor.
pub(super) fn side_input(inputs: &[Arc<str>], topic: &str) -> usize {
    inputs.iter().position(|known| **known == *topic).expect("only inputs are assigned")
}

/// The time that a record has in its log.
pub(super) fn logged(message: Message<'_>) -> Timestamp {
    match message.timestamp() {
        Stamp::Appended(ms) | Stamp::Created(ms) => Timestamp(ms),
        Stamp::None => Timestamp::MIN,
    }
}

/// What a record of an input is.
pub(super) fn kind_of(source: Source, message: Message<'_>) -> Kind {
    match source {
        // Headers are read of records only that have some.
        Source::Events | Source::Input(_) if is_cloud_event(message.headers()) => Kind::CloudEvent,
        Source::Events | Source::Input(_) => Kind::Event,
        Source::Receipts => Kind::Receipt,
        Source::Lists => Kind::ListRow,
        // What says no kind is not ours: as an event it is judged by what it contains.
        _ => message.header(codec::KIND_HEADER).flatten().and_then(codec::kind).unwrap_or(Kind::Event),
    }
}

/// What was received with a record of that kind: its value, or all of it laid into `envelope`.
pub(super) fn content<'a>(kind: Kind, message: Message<'a>, envelope: &'a mut Vec<u8>) -> &'a [u8] {
    let value = message.value().unwrap_or_default();
    if kind != Kind::CloudEvent {
        return value;
    }
    envelope.clear();
    put(message.key(), message.headers(), value, envelope);
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: usize = 3;

    fn shard() -> Owned {
        let topics: Vec<Arc<str>> = ["web", "internal", "receipts", "app"].map(Arc::from).into();
        Owned::new(0, 7, (None, None), ("web", &topics), |_| Ok(5)).expect("one further topic")
    }

    #[test]
    fn a_shard_reads_every_topic_from_where_it_begins_for_it() {
        let owned = shard();
        let head = Head { positions: vec![(Source::Input(0), 9)], ..Head::default() };
        let starts = |head| owned.sources.iter().map(|it| it.start(head)).collect::<Vec<_>>();
        assert_eq!(starts(None), [7, 0, 0, 5]);
        assert_eq!(starts(Some(&head)), [7, 0, 0, 9]);
    }

    #[test]
    fn no_time_passes_that_a_topic_of_events_may_have_records_of_or_that_one_that_waits_was_appended_at() {
        let mut owned = shard();
        let keep = |at| Kept {
            kind: Kind::Event,
            offset: 0,
            appended: Timestamp(at),
            timed: true,
            bytes: Vec::new(),
            key: None,
        };
        for at in [500, 700] {
            owned.sources[0].note(Timestamp(at));
            owned.merge.as_mut().expect("two topics").push(0, keep(at));
        }
        assert_eq!((owned.next(), owned.until()), (None, Timestamp::MIN), "nothing is known of the app");
        owned.sources[APP].note(Timestamp(200));
        assert_eq!((owned.next(), owned.waiting()), (None, 2), "the app has more from 200 on");
        // All that was there at 600 is polled, in every topic.
        owned.compare(Timestamp(600), &[10, 0, 0, 10], [Some(10), None, None, Some(10)].iter());
        assert_eq!((owned.until(), owned.is_caught_up()), (Timestamp(500), false));
        assert_eq!(owned.next(), Some((0, keep(500))));
        assert_eq!((owned.next(), owned.until()), (None, Timestamp(600)));
        owned.compare(Timestamp(800), &[10, 0, 0, 10], [Some(10), None, None, Some(10)].iter());
        assert_eq!(owned.next(), Some((0, keep(700))));
        assert_eq!((owned.until(), owned.is_caught_up()), (Timestamp(800), true));
        // What is no event is waited for by time, and by no record.
        owned.compare(Timestamp(900), &[10, 9, 0, 10], [Some(10), None, None, Some(10)].iter());
        assert_eq!((owned.until(), owned.unread), (Timestamp::MIN, 9));
    }
}
