//! What a commit read, in which order: with it and the logs, every decision can be made again (protocol 1).
//!
//! Runs of records of one log are one entry. A record whose log remembers its append time needs no time here; of one
//! whose log does not, or whose time was another than that (a broker's clock that was ahead), the time at which the
//! shard took it is part of the run. A run has no gaps: two lists that take turns in one log are told apart. Only the
//! offsets of a followed file are bytes, and a run of it is all of the shard's lines between its two ends.
//!
//! The last step says what the commit left: whoever takes the same steps again must come to the same.

use xxhash_rust::xxh3::xxh3_128;

use super::cold::{put_varint, take, take_varint};
use super::input::{Body, Charge, Input, Record};
use crate::model::Timestamp;

/// Logs from this number on are files: they remember no append times, and their offsets are bytes.
pub const UNTIMED_SOURCES: u8 = 128;

/// One step of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Records of a log, from the first to the last offset; taken at `now` if the log does not remember that. Of a log
    /// before [`UNTIMED_SOURCES`] every offset between the two was taken.
    Records {
        /// Which log.
        source: u8,
        /// The first offset.
        first: u64,
        /// The last offset.
        last: u64,
        /// When, if the log does not know: all of them at once.
        now: Option<Timestamp>,
    },
    /// An epoch.
    Epoch {
        /// At which time of the shard.
        now: Timestamp,
        /// Its number.
        number: u64,
    },
    /// Timers.
    Wake {
        /// Up to which time.
        now: Timestamp,
        /// How many at most.
        max: u64,
    },
    /// A turn of the releases.
    Release {
        /// At which time.
        now: Timestamp,
        /// How many at most.
        max: u64,
    },
    /// Pages of the format before were renewed; only since the second format.
    Renew {
        /// At which time of the shard.
        now: Timestamp,
        /// How many at most.
        max: u64,
    },
    /// A record that is not tried again: see [`Body::Poison`].
    Poison {
        /// Which log.
        source: u8,
        /// Its offset.
        offset: u64,
        /// When the shard passed over it.
        now: Timestamp,
        /// The journey that was charged with it, and the user.
        charge: Option<(String, Option<String>)>,
    },
    /// An enrollment that panicked by itself was parked.
    Park {
        /// At which time of the shard.
        now: Timestamp,
        /// Its number.
        entry: u64,
    },
    /// The commit itself, after everything else. Commits of programs before this one do not have it.
    Committed {
        /// The sum of the shard's meta ([`sum`]).
        meta: u128,
    },
}

/// What [`Step::Committed`] says of a meta.
#[must_use]
pub fn sum(meta: &[u8]) -> u128 {
    xxh3_128(meta)
}

/// The steps of the interval under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Cycle {
    steps: Vec<Step>,
}

impl Cycle {
    pub(super) fn clear(&mut self) {
        self.steps.clear();
    }

    pub(super) fn note(&mut self, at: Timestamp, input: &Input<'_>) {
        let step = match input {
            Input::Record(Record { source, offset, body: Body::Poison(charge), .. }) => {
                let owned = |c: Charge<'_>| (c.journey.to_owned(), c.user.map(str::to_owned));
                Step::Poison { source: *source, offset: *offset, now: at, charge: charge.map(owned) }
            }
            Input::Record(record) => {
                let time = (!record.timed).then_some(at);
                if let Some(Step::Records { source, last, now, .. }) = self.steps.last_mut()
                    && *source == record.source
                    && *now == time
                    && follows(*last, record.offset, record.source)
                {
                    *last = record.offset;
                    return;
                }
                Step::Records { source: record.source, first: record.offset, last: record.offset, now: time }
            }
            Input::Epoch(epoch) => Step::Epoch { now: at, number: epoch.number },
            Input::Wake { max } => Step::Wake { now: at, max: *max as u64 },
            Input::Release { max } => Step::Release { now: at, max: *max as u64 },
            Input::Park { entry } => Step::Park { now: at, entry: *entry },
            Input::Renew { max } => Step::Renew { now: at, max: *max as u64 },
        };
        self.steps.push(step);
    }

    /// Appends the steps, and that they led to a commit with this meta.
    pub(super) fn encode(&self, meta: &[u8], out: &mut Vec<u8>) {
        let put_time = |out: &mut Vec<u8>, at: Timestamp| out.extend_from_slice(&at.0.to_le_bytes());
        for step in self.steps.iter().cloned().chain([Step::Committed { meta: sum(meta) }]) {
            match step {
                Step::Records { source, first, last, now } => {
                    out.push(if now.is_some() { 1 } else { 0 });
                    out.push(source);
                    put_varint(out, first);
                    put_varint(out, last);
                    if let Some(now) = now {
                        put_time(out, now);
                    }
                }
                Step::Epoch { now, number } => {
                    out.push(2);
                    put_time(out, now);
                    put_varint(out, number);
                }
                Step::Wake { now, max: n }
                | Step::Release { now, max: n }
                | Step::Park { now, entry: n }
                | Step::Renew { now, max: n } => {
                    out.push(match step {
                        Step::Wake { .. } => 3,
                        Step::Release { .. } => 4,
                        Step::Park { .. } => 6,
                        _ => 8,
                    });
                    put_time(out, now);
                    put_varint(out, n);
                }
                Step::Poison { source, offset, now, charge } => {
                    out.extend_from_slice(&[5, source]);
                    put_varint(out, offset);
                    put_time(out, now);
                    let (journey, user) =
                        charge.map_or((None, None), |(journey, user)| (Some(journey), user));
                    [journey, user].iter().for_each(|text| put_maybe(out, text.as_deref()));
                }
                Step::Committed { meta } => {
                    out.push(7);
                    out.extend_from_slice(&meta.to_le_bytes());
                }
            }
        }
    }
}

/// A text that may be missing: its length and one, or nought.
fn put_maybe(out: &mut Vec<u8>, text: Option<&str>) {
    put_varint(out, text.map_or(0, |text| text.len() as u64 + 1));
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn take_maybe(bytes: &mut &[u8]) -> Option<Option<String>> {
    let Some(len) = take_varint(bytes).checked_sub(1) else { return Some(None) };
    let text = take(bytes, usize::try_from(len).ok()?)?;
    Some(Some(std::str::from_utf8(text).ok()?.to_owned()))
}

/// Whether a record goes on with the run that ends at `last`.
fn follows(last: u64, offset: u64, source: u8) -> bool {
    if source >= UNTIMED_SOURCES { last < offset } else { last.checked_add(1) == Some(offset) }
}

/// Reads the steps of a commit; `None` if they are damaged.
#[must_use]
pub fn decode(mut bytes: &[u8]) -> Option<Vec<Step>> {
    let bytes = &mut bytes;
    let mut steps = Vec::new();
    while let Some(tag) = take(bytes, 1) {
        let time = |bytes: &mut &[u8]| Some(Timestamp(i64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)));
        steps.push(match tag[0] {
            0 | 1 => {
                let source = take(bytes, 1)?[0];
                let (first, last) = (take_varint(bytes), take_varint(bytes));
                let now = if tag[0] == 1 { Some(time(bytes)?) } else { None };
                Step::Records { source, first, last, now }
            }
            2 => Step::Epoch { now: time(bytes)?, number: take_varint(bytes) },
            3 => Step::Wake { now: time(bytes)?, max: take_varint(bytes) },
            4 => Step::Release { now: time(bytes)?, max: take_varint(bytes) },
            5 => {
                let source = take(bytes, 1)?[0];
                let (offset, now) = (take_varint(bytes), time(bytes)?);
                let (journey, user) = (take_maybe(bytes)?, take_maybe(bytes)?);
                Step::Poison { source, offset, now, charge: journey.map(|journey| (journey, user)) }
            }
            6 => Step::Park { now: time(bytes)?, entry: take_varint(bytes) },
            8 => Step::Renew { now: time(bytes)?, max: take_varint(bytes) },
            7 => Step::Committed { meta: u128::from_le_bytes(take(bytes, 16)?.try_into().ok()?) },
            _ => return None,
        });
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(taken: &[(u8, u64, bool)]) -> Vec<Step> {
        let mut cycle = Cycle::default();
        for &(source, offset, timed) in taken {
            cycle.note(Timestamp(7), &Input::Record(Record { source, offset, timed, body: Body::Skip }));
        }
        let mut bytes = Vec::new();
        cycle.encode(b"meta", &mut bytes);
        let mut steps = decode(&bytes).expect("a cycle reads back");
        assert_eq!(steps.pop(), Some(Step::Committed { meta: sum(b"meta") }));
        steps
    }

    fn runs(taken: &[(u8, u64)]) -> Vec<(u8, u64, u64)> {
        let taken: Vec<_> = taken.iter().map(|&(s, offset)| (s, offset, s < UNTIMED_SOURCES)).collect();
        let run = |step| match step {
            Step::Records { source, first, last, .. } => (source, first, last),
            other => panic!("{other:?} is no run"),
        };
        steps(&taken).into_iter().map(run).collect()
    }

    #[test]
    fn a_record_whose_log_remembers_another_time_is_a_run_with_its_own_and_without_gaps() {
        let run =
            |first, last, now: Option<i64>| Step::Records { source: 0, first, last, now: now.map(Timestamp) };
        assert_eq!(
            steps(&[(0, 3, true), (0, 4, false), (0, 5, false), (0, 7, false), (0, 8, true)]),
            [run(3, 3, None), run(4, 5, Some(7)), run(7, 7, Some(7)), run(8, 8, None)]
        );
    }

    #[test]
    fn a_run_has_no_gaps_and_does_not_go_back_so_two_lists_that_take_turns_are_told_apart() {
        const FILE: u8 = UNTIMED_SOURCES;
        for (taken, expected) in [
            (vec![(0, 3), (0, 4), (0, 5)], vec![(0, 3, 5)]),
            // List A has the rows 0 to 3, list B those from 4 on.
            (
                vec![(1, 0), (1, 1), (1, 4), (1, 5), (1, 2), (1, 3), (1, 6)],
                vec![(1, 0, 1), (1, 4, 5), (1, 2, 3), (1, 6, 6)],
            ),
            (vec![(0, 3), (1, 4), (0, 4)], vec![(0, 3, 3), (1, 4, 4), (0, 4, 4)]),
            (vec![(0, 3), (0, 3)], vec![(0, 3, 3), (0, 3, 3)]),
            // Lines of a file: the bytes between belong to other shards' lines.
            (vec![(FILE, 90), (FILE, 170), (FILE, 80)], vec![(FILE, 90, 170), (FILE, 80, 80)]),
        ] {
            assert_eq!(runs(&taken), expected, "{taken:?}");
        }
    }
}
