//! Dead letters that are let in once more: which can be, and that it happens once.
//!
//! A letter's bytes are appended again to the input that they came from, in the letter's shard and as what they were,
//! and a note that they were is kept with the letters: both or neither, so that whoever repeats a replay whose answer
//! was lost lets nothing in twice. A line of a followed file comes back as an accepted event, for nobody writes into
//! that file. What is rejected again is another dead letter, with a number of its own.

use std::collections::BTreeMap;

use super::error::{IntakeError, JournalError};
use super::record::{Append, Item, Kind, Shard, Stream};
use super::reject::Reject;
use super::traits::{RECORD_BYTES_MAX, Streams};
use crate::model::Timestamp;

/// How many letters are let in at once.
pub const AT_ONCE_MAX: usize = 500;
/// How many items of the stream are looked at in one go.
const READ_AT_ONCE: usize = 1_000;

/// What became of a letter that was to be let in once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Replayed,
    /// It was left out, since it had been let in then.
    Before(Timestamp),
    /// It cannot be, for this reason.
    Left(String),
}

/// Dead letters that are let in once more.
pub trait Letters: Streams {
    /// Which were, by number, and when last.
    ///
    /// # Errors
    /// If the notes cannot be read.
    fn replayed(&self) -> Result<BTreeMap<u64, Timestamp>, JournalError>;

    /// Accepts these letters, at most [`AT_ONCE_MAX`] with ascending numbers, once more, and notes it: all that can be,
    /// or none. One that was let in before is left out, unless `again`. What became of each, in their order.
    ///
    /// # Errors
    /// See [`IntakeError`]: only `Unknown` leaves it open whether they were accepted.
    fn replay(&self, now: Timestamp, numbers: &[u64], again: bool) -> Result<Vec<Verdict>, IntakeError>;
}

/// What a letter is to its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) shard: Shard,
    pub(super) kind: Kind,
    pub(super) key: Option<Vec<u8>>,
    pub(super) bytes: Vec<u8>,
}

impl Letter {
    /// As it is appended where records have no keys.
    pub(super) fn append(&self) -> Append<'_> {
        Append { shard: self.shard, kind: self.kind, user: None, bytes: &self.bytes }
    }
}

/// What a letter would be appended as; or why it cannot be.
///
/// # Errors
/// A sentence.
pub fn kind_of(reject: &Reject<'_>) -> Result<Kind, String> {
    let Some(kind) = reject.kind else {
        return Err("an older program has kept it, without what it was".to_owned());
    };
    if reject.is_cut() {
        let (kept, length) = (reject.bytes.len(), reject.length);
        return Err(format!("it is cut: {kept} of its {length} bytes are kept"));
    }
    if reject.bytes.len() > RECORD_BYTES_MAX {
        let bytes = reject.bytes.len();
        return Err(format!("it has {bytes} bytes; at most {RECORD_BYTES_MAX} are accepted"));
    }
    if kind == Kind::ListRow {
        return Err(
            "it is a row of an audience list, which is read with its list only: upload the list again".into(),
        );
    }
    Ok(kind)
}

/// The letter in an item of the stream; or why it cannot be let in once more.
pub(super) fn letter(item: &Item<'_>) -> Result<Letter, String> {
    let reject = Reject::decode(item.bytes).map_err(|error| error.to_string())?;
    let kind = kind_of(&reject)?;
    let key = reject.key.map(<[u8]>::to_vec);
    Ok(Letter { shard: item.shard, kind, key, bytes: reject.bytes.to_vec() })
}

/// Why a number is none that can be let in.
pub(super) fn absent() -> String {
    "there is no such dead letter, or it is no longer kept".to_owned()
}

/// The letters with these numbers, which are ascending, as far as they are there.
pub(super) fn collect(
    log: &impl Streams,
    numbers: &[u64],
) -> Result<BTreeMap<u64, Result<Letter, String>>, JournalError> {
    let mut found = BTreeMap::new();
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else { return Ok(found) };
    let mut next = first.max(log.bounds(Stream::Rejects)?.first);
    while next <= last {
        let read = log.read_stream(Stream::Rejects, next, READ_AT_ONCE, &mut |item| {
            if numbers.binary_search(&item.number).is_ok() {
                found.insert(item.number, letter(&item));
            }
        });
        next = match read {
            // Retention was faster.
            Err(JournalError::Gone { oldest, .. }) => oldest,
            Ok(after) if after == next => break,
            other => other?,
        };
    }
    Ok(found)
}

/// What is to become of each of `numbers`: those that are to be appended, and what is answered if they are.
pub(super) fn judge<'a, L>(
    numbers: &[u64],
    found: &'a BTreeMap<u64, Result<L, String>>,
    noted: impl Fn(u64) -> Option<Timestamp>,
    again: bool,
) -> (Vec<(u64, &'a L)>, Vec<Verdict>) {
    let (mut chosen, mut verdicts) = (Vec::new(), Vec::with_capacity(numbers.len()));
    for &number in numbers {
        verdicts.push(match (found.get(&number), noted(number).filter(|_| !again)) {
            (None, _) => Verdict::Left(absent()),
            (Some(_), Some(at)) => Verdict::Before(at),
            (Some(Err(why)), None) => Verdict::Left(why.clone()),
            (Some(Ok(letter)), None) => {
                chosen.push((number, letter));
                Verdict::Replayed
            }
        });
    }
    (chosen, verdicts)
}

/// What a journal that cannot be read answers to who would append.
pub(super) fn stopped(error: &JournalError) -> IntakeError {
    IntakeError::Stopped { reason: error.to_string() }
}
