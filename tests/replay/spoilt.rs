//! A history in which one thing is not as it was: what a replay must find.

use wayfarer::journal::history::{History, Past};
use wayfarer::journal::{Batch, ControlRecord, Item, JournalError, Record, Shard, Source, Stream};
use wayfarer::model::Timestamp;

/// What is done to one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It is not there.
    Lost,
    /// It is there twice.
    Doubled,
    /// A byte of it is another.
    Changed,
}

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The item of this number.
    Item(Stream, u64),
    /// A command, by its place.
    Command(usize),
    /// A record of an input of a shard.
    Record(Shard, Source, u64),
    /// Everything before this item was dropped by retention, at this time.
    Before(Stream, u64, Timestamp),
}

/// A history with one harm done.
pub(crate) struct Spoilt<'a, H> {
    pub(crate) whole: &'a H,
    pub(crate) harm: Harm,
    pub(crate) target: Target,
}

/// Its reader.
pub(crate) struct SpoiltPast<P> {
    past: P,
    harm: Harm,
    target: Target,
}

/// Another digit in place of the last one: what is JSON stays so.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match bytes.iter().rposition(u8::is_ascii_digit) {
        Some(at) => bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' },
        None => bytes.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1),
    }
    bytes
}

impl<H: History> History for Spoilt<'_, H> {
    type Past = SpoiltPast<H::Past>;

    fn shard_count(&self) -> u16 {
        self.whole.shard_count()
    }

    fn shard_of(&self, user: &str) -> Shard {
        self.whole.shard_of(user)
    }

    fn last_commit(&self, shard: Shard) -> Option<u64> {
        self.whole.last_commit(shard)
    }

    fn control(&self, offset: u64, max: usize) -> Result<Vec<ControlRecord>, JournalError> {
        let mut records = self.whole.control(offset, max)?;
        if let Target::Command(place) = self.target
            && self.harm == Harm::Lost
        {
            records.retain(|record| record.offset != place as u64);
        }
        Ok(records)
    }

    fn kept_since(&self, stream: Stream) -> Option<Timestamp> {
        match self.target {
            Target::Before(of, _, at) if of == stream => Some(at),
            _ => self.whole.kept_since(stream),
        }
    }

    fn state(
        &self,
        shard: Shard,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), JournalError> {
        self.whole.state(shard, from, to, each)
    }

    fn past(&self, shards: &[Shard]) -> Result<Self::Past, JournalError> {
        Ok(SpoiltPast { past: self.whole.past(shards)?, harm: self.harm, target: self.target })
    }
}

impl<P: Past> Past for SpoiltPast<P> {
    fn items(&mut self, stream: Stream, each: &mut dyn FnMut(Item<'_>)) -> Result<bool, JournalError> {
        let Self { past, harm, target } = self;
        past.items(stream, &mut |item| match *target {
            Target::Before(of, number, _) if of == stream && item.number < number => {}
            Target::Item(of, number) if of == stream && item.number == number => match harm {
                Harm::Lost => {}
                Harm::Doubled => {
                    each(item);
                    each(item);
                }
                Harm::Changed => each(Item { bytes: &changed(item.bytes), ..item }),
            },
            _ => each(item),
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
        let Target::Record(of, from, offset) = self.target else {
            return self.past.records(shard, source, first, last, batch);
        };
        let is_it = |record: &Record<'_>| (shard, source, record.offset) == (of, from, offset);
        let mut whole = Batch::new();
        self.past.records(shard, source, first, last, &mut whole)?;
        for record in whole.records() {
            match self.harm {
                Harm::Changed if is_it(&record) => {
                    batch.push(Record { bytes: &changed(record.bytes), ..record });
                }
                Harm::Lost if is_it(&record) => {
                    return Err(JournalError::Gone { what: "record", asked: offset, oldest: offset + 1 });
                }
                _ => batch.push(record),
            }
        }
        Ok(())
    }
}
