//! Dead letters as operators see them: looked at, and let in once more.

use std::collections::BTreeMap;

use super::clock;
use super::story::{base64, name_of};
use crate::control::letters::{Left, REPLAY_MAX, Replay, Wanted};
use crate::control::service::RejectView;
use crate::journal::letters::{AT_ONCE_MAX, kind_of};
use crate::journal::{IntakeError, Item, JournalError, Kind, Letters, Reject, Stream, Streams, Verdict};
use crate::model::Timestamp;

/// How many letters are looked at in one go.
const READ_AT_ONCE: usize = 1_000;

/// A kind, for people.
const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Event => "event",
        Kind::CloudEvent => "cloud_event",
        Kind::Entry => "enter",
        Kind::ListRow => "row",
        Kind::Receipt => "receipt",
        Kind::Emitted => "emitted",
        Kind::Remove => "remove",
        Kind::Delete => "delete",
        Kind::Failure => "failure",
    }
}

fn view(item: &Item<'_>, reject: &Reject<'_>, notes: &BTreeMap<u64, Timestamp>) -> RejectView {
    let (code, message) = reject.code.split_once(": ").unwrap_or((reject.code, ""));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let envelope = reject.envelope();
    let value = envelope.map_or(reject.bytes, |all| all.value);
    let headers = envelope.iter().flat_map(|all| all.headers()).map(|(name, of)| (name.to_owned(), text(of)));
    let is_cut = reject.is_cut();
    RejectView {
        number: item.number,
        shard: item.shard,
        at: item.at,
        source: name_of(reject.source),
        offset: reject.offset,
        kind: reject.kind.map(|kind| word(kind).to_owned()),
        code: code.to_owned(),
        message: message.to_owned(),
        key: reject.key.map(text),
        headers: headers.collect(),
        bytes: base64(value),
        length: if is_cut { reject.length } else { value.len() as u64 },
        replayed: notes.get(&item.number).copied(),
    }
}

/// At most `max` dead letters from number `from` on; those that are no longer kept are passed over.
///
/// # Errors
/// If the stream cannot be read.
pub fn rejects(log: &impl Letters, from: u64, max: usize) -> Result<Vec<RejectView>, JournalError> {
    let from = from.max(log.bounds(Stream::Rejects)?.first);
    let (mut found, mut damaged) = (Vec::new(), None);
    let notes = log.replayed()?;
    log.read_stream(Stream::Rejects, from, max, &mut |item| match Reject::decode(item.bytes) {
        Ok(reject) => found.push(view(&item, &reject, &notes)),
        Err(error) => damaged = Some(error),
    })?;
    damaged.map_or(Ok(found), Err)
}

/// A wanted letter, and why it cannot be let in, if it cannot.
type Chosen = (u64, Result<(), String>);

/// The wanted letters, ascending, as many as one request lets in: each with the reason if it cannot be.
fn choose(
    log: &impl Streams,
    wanted: &Wanted,
    notes: &BTreeMap<u64, Timestamp>,
) -> Result<(Vec<Chosen>, bool), JournalError> {
    let (mut chosen, mut more) = (Vec::new(), false);
    // Whoever asks for one by its number is told that it was let in; of many that goes without saying.
    let is_done = |number: &u64| wanted.numbers.is_empty() && !wanted.again && notes.contains_key(number);
    let first = wanted.numbers.iter().min().copied().or(wanted.from).unwrap_or(0);
    let mut next = first.max(log.bounds(Stream::Rejects)?.first);
    loop {
        let read = log.read_stream(Stream::Rejects, next, READ_AT_ONCE, &mut |item| {
            let Ok(reject) = Reject::decode(item.bytes) else { return };
            let light = Reject { bytes: b"", ..reject };
            if is_done(&item.number) || !wanted.is_wanted(&view(&item, &light, notes)) {
                return;
            }
            more |= chosen.len() == REPLAY_MAX;
            if !more {
                chosen.push((item.number, kind_of(&reject).map(drop)));
            }
        });
        next = match read {
            // Retention was faster.
            Err(JournalError::Gone { oldest, .. }) => oldest,
            Ok(after) if after == next || more => break,
            other => other?,
        };
    }
    let absent = wanted.numbers.iter().filter(|number| !chosen.iter().any(|(of, _)| of == *number));
    let absent = absent.map(|number| (*number, Err("there is no such dead letter".to_owned())));
    let absent: Vec<_> = absent.collect();
    chosen.extend(absent);
    chosen.sort_by_key(|(number, _)| *number);
    chosen.dedup_by_key(|(number, _)| *number);
    Ok((chosen, more))
}

fn before(at: Timestamp) -> String {
    format!("it was let in at {at}; again says that it is to be once more")
}

/// Lets the wanted letters in once more, in parts; says what became of each.
///
/// # Errors
/// The letters cannot be read, or a part was refused, or perhaps was not; what was let in before it stays so, and to
/// ask again goes on.
pub fn replay(log: &impl Letters, wanted: &Wanted) -> Result<Replay, String> {
    let notes = log.replayed().map_err(|error| error.to_string())?;
    let (chosen, more) = choose(log, wanted, &notes).map_err(|error| error.to_string())?;
    let mut told = Replay { dry_run: wanted.dry_run, more, ..Replay::default() };
    let mut left = |number, why| told.left.push(Left { number, why });
    let mut fit = Vec::new();
    for (number, can) in chosen {
        match (can, notes.get(&number).filter(|_| !wanted.again)) {
            (_, Some(at)) => left(number, before(*at)),
            (Err(why), None) => left(number, why),
            (Ok(()), None) => fit.push(number),
        }
    }
    if wanted.dry_run {
        told.replayed = fit;
        return Ok(told);
    }
    for numbers in fit.chunks(AT_ONCE_MAX) {
        let verdicts = log.replay(clock::wall(), numbers, wanted.again);
        let verdicts = verdicts.map_err(|error| stopped(&error, told.replayed.len()))?;
        for (&number, verdict) in numbers.iter().zip(verdicts) {
            match verdict {
                Verdict::Replayed => told.replayed.push(number),
                Verdict::Before(at) => told.left.push(Left { number, why: before(at) }),
                Verdict::Left(why) => told.left.push(Left { number, why }),
            }
        }
    }
    told.left.sort_by_key(|left| left.number);
    Ok(told)
}

fn stopped(error: &IntakeError, done: usize) -> String {
    match error {
        IntakeError::Unknown { reason } => format!(
            "{done} dead letters were let in; whether the next {AT_ONCE_MAX} were is not known: {reason}; ask again, \
             what was is left out then"
        ),
        other => format!("{done} dead letters were let in, and no more: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::memory::Memory;
    use crate::journal::{Assignment, Batch, Journal, Log, Source, Transaction};

    /// Three letters in shard 0, of which the second is cut.
    fn log() -> Memory {
        let log = Memory::new(1);
        let mut worker = log.worker(Assignment::Fixed(&[0])).expect("nobody has it");
        worker.poll(&mut Batch::new(), 0).expect("it can be polled");
        let mut tx = Transaction::new();
        tx.begin(Timestamp(10));
        let part = tx.shard(0, 1);
        for (code, length) in [("not_json: no", 1), ("too_large: no", 9), ("user_missing: no", 1)] {
            let (source, kind) = (Source::Events, Some(Kind::Event));
            part.reject(&Reject { source, offset: 0, kind, key: None, code, length, bytes: b"{" });
        }
        worker.commit(&tx).expect("committed");
        log
    }

    fn said(replay: &Replay) -> (Vec<u64>, Vec<u64>) {
        (replay.replayed.clone(), replay.left.iter().map(|left| left.number).collect())
    }

    #[test]
    fn letters_are_let_in_by_number_and_by_reason_and_once() {
        let log = log();
        let ask = |wanted: Wanted| replay(&log, &wanted).expect("memory reads and takes");
        let all = Wanted { all: true, ..Wanted::default() };
        let dry = ask(Wanted { dry_run: true, ..all.clone() });
        assert_eq!(said(&dry), (vec![0, 2], vec![1]));
        let by_reason = Wanted { code: Some("user_missing".to_owned()), ..Wanted::default() };
        assert_eq!(said(&ask(by_reason.clone())), (vec![2], vec![]));
        assert_eq!(said(&ask(by_reason)), (vec![], vec![]), "that it was goes without saying");
        let by_number = ask(Wanted { numbers: vec![7, 2, 0, 1, 0], ..Wanted::default() });
        assert_eq!(said(&by_number), (vec![0], vec![1, 2, 7]));
        for (left, why) in by_number.left.iter().zip(["1 of its 9 bytes", "was let in at", "no such"]) {
            assert!(left.why.contains(why), "{left:?}");
        }
        assert_eq!(said(&ask(all.clone())), (vec![], vec![1]));
        assert_eq!(said(&ask(Wanted { again: true, ..all })), (vec![0, 2], vec![1]));
        let letters = rejects(&log, 0, 10).expect("readable");
        let replayed: Vec<bool> = letters.iter().map(|letter| letter.replayed.is_some()).collect();
        assert_eq!(replayed, [true, false, true]);
        assert_eq!((letters[1].length, &*letters[1].bytes), (9, "ew=="));
    }
}
