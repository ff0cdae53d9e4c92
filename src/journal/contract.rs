//! What a journal is, as tests: every twin passes all of [`promises`].
//!
//! A twin gives a [`Bench`]: how to make an empty journal of [`SHARDS`] shards, and how to end it without
//! warning and open it again. A promise panics with a sentence when it is broken. A twin that fetches in the
//! background is polled until it gives what must come, at most [`POLLS_MAX`] times.

mod letters;
mod streams;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::error::{CommitError, IntakeError, JournalError};
use super::record::{Append, Kind, Progress, Shard, Source, Stream};
use super::traits::{Assignment, ControlLog, Group, Intake, Journal, Log, RECORD_BYTES_MAX, Stored};
use super::transaction::Transaction;
use crate::model::Timestamp;

/// The shards of a journal under test.
pub const SHARDS: u16 = 4;

/// How often a journal is polled for records that it has accepted.
pub const POLLS_MAX: usize = 30_000;

/// After that many polls for nothing a twin is given a moment between them: it fetches from elsewhere.
const POLLS_EAGER: usize = 1_000;

/// Between two polls, of which the one before was number `poll`.
fn between_polls(poll: usize) {
    if poll > POLLS_EAGER {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How a twin is made and ended.
pub trait Bench {
    /// The twin.
    type Log: Log;
    /// An empty journal of [`SHARDS`] shards.
    fn create(&mut self) -> Self::Log;
    /// A worker that has these shards, or comes to have them by being polled: where the journal assigns them,
    /// others too.
    fn worker(&mut self, log: &Self::Log, shards: &[Shard]) -> <Self::Log as Log>::Worker {
        log.worker(Assignment::Fixed(shards)).expect("free shards get a worker")
    }
    /// Ends it with everything that uses it, as a crash would, and opens what it left.
    fn crash(&mut self, log: Self::Log) -> Self::Log;
}

/// A promise: its name, and the test of it.
pub type Promise<B> = (&'static str, fn(&mut B));

/// All promises, each to be run on a bench of its own.
#[must_use]
pub fn promises<B: Bench>() -> Vec<Promise<B>> {
    vec![
        ("what is accepted is polled once, in order, by its shard's owner", polled_once_in_order),
        ("a shard is silent until it is started", silent_until_started),
        ("a batch holds at most what was asked for, and nothing is passed over", at_most_max),
        ("a shard starts again at what it committed", starts_at_committed),
        ("list rows have a log and offsets of their own", lists_apart),
        ("a commit is whole for all its shards, and survives a crash", whole_and_durable),
        ("what was not committed is gone after a crash, and what was accepted is not", crash_keeps_accepted),
        ("a refused commit leaves nothing", refused_leaves_nothing),
        ("the last change to a key holds, and a deleted key is gone", last_change_holds),
        ("restore gives one shard's state, each key once, and nothing of its neighbours", restore_one_shard),
        ("streams are numbered in the order of the commits", streams::streams_in_order),
        ("a stream says which of its items are about a user", streams::items_of_a_user),
        (
            "what a shard has committed can be looked at by others, between two keys",
            streams::state_from_outside,
        ),
        ("a reject keeps the original bytes", streams::rejects_keep_bytes),
        ("a dead letter is let in once more, and once", letters::once_more_and_once),
        ("the control log has one order and survives a crash", control_survives),
        ("append times never go back, nor before what a shard has taken for its own", times_never_back),
        ("a shard that is behind has the time of what it has read", behind_has_record_time),
        ("a shard has one owner", one_owner),
        ("a commit is its epoch's acknowledgement", commit_acknowledges),
        ("what cannot be accepted is refused whole, with the reason", refused_whole),
    ]
}

/// Runs every promise, each on a bench that `bench` makes.
///
/// # Panics
/// If one is broken.
pub fn check<B: Bench>(mut bench: impl FnMut() -> B) {
    for (name, promise) in promises::<B>() {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promise(&mut bench())));
        assert!(outcome.is_ok(), "broken promise: {name}");
    }
}

fn event(shard: Shard, bytes: &str) -> Append<'_> {
    Append { shard, kind: Kind::Event, user: None, bytes: bytes.as_bytes() }
}

fn accept<L: Log>(log: &L, at: i64, shard: Shard, texts: &[&str]) -> Vec<u64> {
    let records: Vec<_> = texts.iter().map(|text| event(shard, text)).collect();
    log.append(Timestamp(at), &records).expect("an open intake accepts").offsets
}

type Worker<B> = <<B as Bench>::Log as Log>::Worker;

/// A worker whose shards are gained and started.
fn started<B: Bench>(bench: &mut B, log: &B::Log, shards: &[Shard]) -> Worker<B> {
    let mut worker = bench.worker(log, shards);
    let (mut batch, mut gained) = (Batch::new(), Vec::new());
    for poll in 0..POLLS_MAX {
        between_polls(poll);
        worker.poll(&mut batch, 10).expect("a journal can be polled");
        assert!(batch.is_empty(), "a shard that is not started gives nothing");
        gained.retain(|shard| !batch.lost().contains(shard));
        gained.extend_from_slice(batch.gained());
        if shards.iter().all(|shard| gained.contains(shard)) {
            break;
        }
    }
    gained.sort_unstable();
    assert!(gained.is_sorted_by(|a, b| a < b), "a shard is announced twice: {gained:?}");
    assert!(shards.iter().all(|shard| gained.contains(shard)), "of {shards:?} only {gained:?} are announced");
    shards.iter().for_each(|&shard| worker.start(shard).expect("an owned shard starts"));
    worker
}

/// Polls until there are `count` texts: shard, offset, text.
fn texts<J: Journal>(worker: &mut J, count: usize, max: usize) -> Vec<(Shard, u64, String)> {
    let (mut batch, mut all) = (Batch::new(), Vec::new());
    for poll in 0..POLLS_MAX {
        between_polls(poll);
        worker.poll(&mut batch, max).expect("a journal can be polled");
        assert!(batch.len() <= max, "{} records where at most {max} were asked for", batch.len());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the tests write text");
        all.extend(batch.records().map(|r| (r.shard, r.offset, text(r.bytes))));
        if all.len() >= count {
            break;
        }
    }
    assert_eq!(all.len(), count, "polled {all:?}");
    worker.poll(&mut batch, max).expect("a journal can be polled");
    assert!(batch.is_empty(), "nothing comes behind the end: {batch:?}");
    all
}

fn words(polled: &[(Shard, u64, String)], shard: Shard) -> Vec<&str> {
    polled.iter().filter(|p| p.0 == shard).map(|p| p.2.as_str()).collect()
}

fn state<J: Journal>(worker: &mut J, shard: Shard) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the tests write text");
    let stored = worker.stored(shard).expect("an owned shard is restored");
    let count = stored
        .records(&mut |_| ControlFlow::Continue(()), &mut |key, value| {
            assert!(state.insert(text(key), text(value)).is_none(), "a key comes once");
            ControlFlow::Continue(())
        })
        .expect("an owned shard is restored");
    assert_eq!(count, state.len() as u64);
    state
}

/// Expects what has left: each with the shard and the commit.
///
/// Where shards are shared only the order of each shard is promised, and an item need not know its commit.
fn left<L: Log>(log: &L, which: Stream, expected: &[&str]) {
    let mut expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).collect();
    let mut found = stream(log, which);
    if log.is_shared() {
        let without_commit = |line: &String| {
            let (origin, text) = line.split_once(' ').expect("an origin and a text");
            format!("{} {text}", origin.split(':').next().expect("a shard"))
        };
        expected.sort_by_key(|line| line.split(':').next().map(str::to_owned));
        (found, expected) =
            (found.iter().map(without_commit).collect(), expected.iter().map(without_commit).collect());
    }
    assert_eq!(found, expected, "{which:?}");
}

/// What has left, with the shard and the commit; shard by shard where only that order is promised.
fn stream<L: Log>(log: &L, stream: Stream) -> Vec<String> {
    let (mut lines, mut last) = (Vec::new(), None);
    log.read_stream(stream, 0, usize::MAX, &mut |item| {
        assert!(last < Some(item.number), "number {} comes after {last:?}", item.number);
        last = Some(item.number);
        let line = format!("{}:{} {}", item.shard, item.seq, String::from_utf8_lossy(item.bytes));
        lines.push((item.shard, line));
    })
    .expect("a stream can be read");
    if log.is_shared() {
        lines.sort_by_key(|(shard, _)| *shard);
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// A transaction in which one shard reads up to `next` and has one of everything, marked with `mark`.
fn one_of_everything(tx: &mut Transaction, shard: Shard, seq: u64, next: u64, mark: &str) {
    let part = tx.shard(shard, seq);
    part.meta.extend_from_slice(mark.as_bytes());
    part.set_position(Source::Events, next);
    part.put(format!("key {mark}").as_bytes(), mark.as_bytes());
    part.sends.push(format!("send {mark}").as_bytes());
    part.transitions.push(format!("transition {mark}").as_bytes());
    part.refusals.push(format!("refusal {mark}").as_bytes());
    part.cycles.extend_from_slice(format!("cycle {mark}").as_bytes());
}

fn commit_one<J: Journal>(worker: &mut J, shard: Shard, seq: u64, next: u64, mark: &str) {
    let mut tx = Transaction::new();
    tx.begin(Timestamp(1_000));
    one_of_everything(&mut tx, shard, seq, next, mark);
    worker.commit(&tx).expect("a right transaction is committed");
}

fn polled_once_in_order<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0, 2]);
    accept(&log, 10, 0, &["a", "b"]);
    accept(&log, 11, 1, &["not ours"]);
    accept(&log, 12, 2, &["c"]);
    let offsets = accept(&log, 13, 0, &["d"]);
    let polled = texts(&mut worker, 4, 100);
    assert_eq!((words(&polled, 0), words(&polled, 2)), (vec!["a", "b", "d"], vec!["c"]));
    assert!(polled.contains(&(0, offsets[0], "d".to_owned())), "the offset polled is the one answered");
}

fn silent_until_started<B: Bench>(bench: &mut B) {
    let log = bench.create();
    accept(&log, 10, 1, &["a"]);
    let mut worker = started(bench, &log, &[1]);
    assert_eq!(words(&texts(&mut worker, 1, 10), 1), ["a"]);
}

fn at_most_max<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let all: Vec<String> = (0..50).map(|n| format!("event {n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    accept(&log, 10, 3, &all[..30]);
    accept(&log, 10, 3, &all[30..]);
    let mut worker = started(bench, &log, &[3]);
    assert_eq!(words(&texts(&mut worker, 50, 7), 3), all);
}

fn starts_at_committed<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let offsets = accept(&log, 10, 0, &["a", "b", "c"]);
    let mut worker = started(bench, &log, &[0]);
    texts(&mut worker, 3, 10);
    commit_one(&mut worker, 0, 1, offsets[1], "a only");
    worker.start(0).expect("an owned shard starts again");
    assert_eq!(words(&texts(&mut worker, 2, 10), 0), ["b", "c"]);
    drop(worker);
    let mut worker = started(bench, &log, &[0]);
    assert_eq!(words(&texts(&mut worker, 2, 10), 0), ["b", "c"], "the next owner goes on from there");
}

fn lists_apart<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let row = |bytes| Append { shard: 1, kind: Kind::ListRow, user: None, bytes };
    let records = [row(b"r0".as_slice()), event(1, "e0"), row(b"r1"), row(b"r2")];
    let offsets = log.append(Timestamp(10), &records).expect("accepted").offsets;
    let mut worker = started(bench, &log, &[1]);
    assert_eq!(words(&texts(&mut worker, 1, 10), 1), ["e0"], "rows are never polled");
    let mut batch = Batch::new();
    worker.read(1, Source::Lists, offsets[2], 1, &mut batch).expect("rows can be read");
    let rows: Vec<_> = batch.records().map(|r| (r.kind, r.offset, r.bytes.to_vec())).collect();
    assert_eq!(rows, [(Kind::ListRow, offsets[2], b"r1".to_vec())]);
    worker.read(1, Source::Lists, offsets[3], 10, &mut batch).expect("rows can be read");
    assert_eq!(batch.len(), 1, "the log ends behind its last row");
}

fn whole_and_durable<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let a = accept(&log, 10, 0, &["a"])[0];
    let b = accept(&log, 10, 1, &["b"])[0];
    let mut worker = started(bench, &log, &[0, 1]);
    let mut tx = Transaction::new();
    tx.begin(Timestamp(20));
    one_of_everything(&mut tx, 0, 1, a + 1, "x");
    one_of_everything(&mut tx, 1, 1, b + 1, "y");
    assert_eq!(worker.head(0).expect("owned"), None, "nothing is committed yet");
    left(&log, Stream::Sends, &[]);
    assert_eq!(worker.commit(&tx).expect("committed").sends, 2);
    drop(worker);
    let log = bench.crash(log);
    let mut worker = started(bench, &log, &[0, 1]);
    for (shard, mark, next) in [(0, "x", a + 1), (1, "y", b + 1)] {
        let head = worker.head(shard).expect("owned").expect("committed");
        assert_eq!((head.seq, head.meta.as_slice()), (1, mark.as_bytes()));
        assert_eq!(head.position(Source::Events), next);
        assert_eq!(state(&mut worker, shard), [(format!("key {mark}"), mark.to_owned())].into());
    }
    for (which, word) in [
        (Stream::Sends, "send"),
        (Stream::Transitions, "transition"),
        (Stream::Refusals, "refusal"),
        (Stream::Cycles, "cycle"),
    ] {
        left(&log, which, &[&format!("0:1 {word} x"), &format!("1:1 {word} y")]);
    }
    texts(&mut worker, 0, 10);
}

fn crash_keeps_accepted<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[2]);
    let offsets = accept(&log, 10, 2, &["a", "b"]);
    texts(&mut worker, 2, 10);
    commit_one(&mut worker, 2, 1, offsets[0] + 1, "a");
    let mut tx = Transaction::new();
    tx.begin(Timestamp(30));
    one_of_everything(&mut tx, 2, 2, offsets[1] + 1, "never committed");
    drop(worker);
    let log = bench.crash(log);
    let mut worker = started(bench, &log, &[2]);
    assert_eq!(worker.head(2).expect("owned").map(|head| head.seq), Some(1));
    assert_eq!(words(&texts(&mut worker, 1, 10), 2), ["b"]);
    commit_one(&mut worker, 2, 2, offsets[1] + 1, "b");
    left(&log, Stream::Sends, &["2:1 send a", "2:2 send b"]);
}

fn refused_leaves_nothing<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0, 1]);
    commit_one(&mut worker, 0, 1, 5, "first");
    type Wrong = fn(&mut Transaction);
    let table: [(&str, Wrong); 6] = [
        ("a repeat", |tx| one_of_everything(tx, 0, 1, 6, "bad")),
        ("a gap", |tx| one_of_everything(tx, 0, 3, 6, "bad")),
        // Where the journal assigns them, all that there are may be its own.
        ("nobody's shard", |tx| one_of_everything(tx, SHARDS, 1, 6, "bad")),
        ("a position that goes back", |tx| one_of_everything(tx, 0, 2, 4, "bad")),
        ("two parts", |tx| {
            one_of_everything(tx, 0, 2, 6, "bad");
            one_of_everything(tx, 0, 3, 7, "bad");
        }),
        ("an empty key", |tx| tx.shard(0, 2).put(b"", b"bad")),
    ];
    for (name, wrong) in table {
        let mut tx = Transaction::new();
        tx.begin(Timestamp(10));
        one_of_everything(&mut tx, 1, 1, 1, "its neighbour");
        wrong(&mut tx);
        let refused = worker.commit(&tx);
        assert!(matches!(refused, Err(CommitError::Refused { .. })), "{name}: {refused:?}");
        assert_eq!(worker.head(1).expect("owned"), None, "{name}");
        assert_eq!(state(&mut worker, 0).len(), 1, "{name}");
        left(&log, Stream::Sends, &["0:1 send first"]);
    }
    commit_one(&mut worker, 0, 2, 6, "second");
}

fn last_change_holds<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0]);
    let mut tx = Transaction::new();
    tx.begin(Timestamp(10));
    let part = tx.shard(0, 1);
    part.put(b"a", b"1");
    part.put(b"b", b"1");
    part.put(b"a", b"2");
    part.put(b"c", b"1");
    part.delete(b"c");
    part.delete(b"never there");
    part.delete(b"d");
    part.put(b"d", b"back");
    worker.commit(&tx).expect("committed");
    let expected = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    assert_eq!(state(&mut worker, 0), expected(&[("a", "2"), ("b", "1"), ("d", "back")]));
    tx.begin(Timestamp(11));
    let part = tx.shard(0, 2);
    part.delete(b"b");
    part.put(b"e", b"");
    worker.commit(&tx).expect("committed");
    drop(worker);
    let log = bench.crash(log);
    let mut worker = started(bench, &log, &[0]);
    assert_eq!(state(&mut worker, 0), expected(&[("a", "2"), ("d", "back"), ("e", "")]));
}

fn restore_one_shard<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0, 1, 2]);
    let mut tx = Transaction::new();
    tx.begin(Timestamp(10));
    for shard in 0..3 {
        let part = tx.shard(shard, 1);
        for n in 0..=255u8 {
            part.put(&[255 - n, 255], &[shard as u8]);
        }
    }
    worker.commit(&tx).expect("committed");
    let mut keys = Vec::new();
    let mut said = Vec::new();
    let stored = worker.stored(1).expect("owned");
    assert_eq!(stored.head().map(|head| head.seq), Some(1), "the records are those of a commit");
    let goes_on = ControlFlow::Continue(());
    let mut note = |progress: Progress| said.push(progress.records);
    let read = stored.records(&mut |progress| (note(progress), goes_on).1, &mut |key, value| {
        assert_eq!(value, [1]);
        keys.push(key.to_vec());
        goes_on
    });
    assert_eq!(read, Ok(256));
    keys.sort();
    assert_eq!(keys, (0..=255u8).map(|n| vec![n, 255]).collect::<Vec<_>>());
    assert_eq!(said.last(), Some(&256), "the last word is the whole");
    let mut given = 0;
    let stored = worker.stored(1).expect("it may be asked for again");
    let mut three = |_: &[u8], _: &[u8]| {
        given += 1;
        if given < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    stored.records(&mut |_| goes_on, &mut three).expect("owned");
    assert_eq!(given, 3, "it ends when it is told to");
}

fn control_survives<B: Bench>(bench: &mut B) {
    let log = bench.create();
    assert_eq!(log.control_end(), Ok(0));
    let first = log.append_control(Timestamp(50), b"publish").expect("accepted");
    let second = log.append_control(Timestamp(40), b"pause").expect("accepted");
    assert!(first.offset < second.offset && first.appended <= second.appended);
    let log = bench.crash(log);
    assert_eq!(log.read_control(0, 10), Ok(vec![first, second.clone()]));
    assert_eq!(log.read_control(second.offset, 10), Ok(vec![second.clone()]));
    assert_eq!(log.read_control(0, 1).map(|records| records.len()), Ok(1));
    assert_eq!(log.control_end(), Ok(second.offset + 1));
    // Nothing is there to be waited for: it answers at once, or the test hangs.
    log.wait_control(second.offset, Duration::MAX);
    assert!(log.append_control(Timestamp(60), b"resume").expect("accepted").offset > second.offset);
}

fn times_never_back<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0]);
    let first = log.append(Timestamp(100), &[event(0, "a")]).expect("accepted").at;
    let second = log.append(Timestamp(90), &[event(1, "b")]).expect("accepted").at;
    assert!(second >= first, "the clock went back, the append time does not");
    texts(&mut worker, 1, 10);
    let reached = worker.complete_until(0, Timestamp(500));
    let third = log.append(Timestamp(200), &[event(0, "c")]).expect("accepted").at;
    assert!(third >= reached, "shard 0 is at {reached:?}: a record of {third:?} would come too late");
    let log = {
        drop(worker);
        bench.crash(log)
    };
    let fourth = log.append(Timestamp(0), &[event(0, "d")]).expect("accepted").at;
    assert!(fourth >= third, "nor does it after a crash");
}

fn behind_has_record_time<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let at = log.append(Timestamp(100), &[event(0, "a")]).expect("accepted").at;
    log.append(Timestamp(200), &[event(0, "b")]).expect("accepted");
    let mut worker = started(bench, &log, &[0]);
    assert_eq!(worker.complete_until(0, Timestamp(900)), Timestamp::MIN, "nothing is read yet");
    let mut batch = Batch::new();
    for poll in 0..POLLS_MAX {
        between_polls(poll);
        if !batch.is_empty() {
            break;
        }
        worker.poll(&mut batch, 1).expect("a journal can be polled");
    }
    let now = Timestamp(at.0 + 800_000);
    until(&mut worker, |worker| worker.complete_until(0, now) == at);
    assert!(!worker.caught_up(0));
    assert!(worker.unread(0) >= 1, "what is accepted and not polled is unread");
    assert_eq!(worker.complete_until(0, now), at, "behind: the time of what was read");
    texts(&mut worker, 1, 10);
    // Read is not caught up: that something comes behind it is ruled out only when the end was looked at.
    until(&mut worker, |worker| worker.caught_up(0));
    assert!(worker.caught_up(0));
    assert!(worker.complete_until(0, now) > at, "caught up: the time now");
    assert_eq!(worker.unread(0), 0, "nothing is unread when all was polled");
}

/// Looks after the shards until something holds that a twin may have to ask for elsewhere; then it is for the
/// caller to see that it does.
fn until<J: Journal>(worker: &mut J, mut holds: impl FnMut(&mut J) -> bool) {
    let mut batch = Batch::new();
    for poll in 0..POLLS_MAX {
        if holds(worker) {
            break;
        }
        between_polls(poll);
        worker.poll(&mut batch, 0).expect("a journal can be polled");
        assert!(batch.is_empty(), "no record was asked for");
    }
}

fn one_owner<B: Bench>(bench: &mut B) {
    let log = bench.create();
    if log.is_shared() {
        return;
    }
    let mut worker = started(bench, &log, &[0, 1]);
    assert_eq!(log.worker(Assignment::Fixed(&[1, 2])).err(), Some(JournalError::Owned { shard: 1 }));
    assert_eq!(
        log.worker(Assignment::Fixed(&[SHARDS])).err(),
        Some(JournalError::NoShard { shard: SHARDS, shards: SHARDS })
    );
    assert!(log.worker(Assignment::Fixed(&[2])).is_ok(), "a refused request takes no shard");
    assert!(matches!(worker.head(3), Err(JournalError::NotOwned { shard: 3, .. })));
    assert!(matches!(worker.start(3), Err(JournalError::NotOwned { shard: 3, .. })));
    drop(worker);
    assert!(log.worker(Assignment::Fixed(&[1, 2])).is_ok(), "a dropped worker's shards are free");
}

fn commit_acknowledges<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0, 1]);
    let mut tx = Transaction::new();
    for (seq, epochs) in [(1, [7, 7]), (2, [9, 8])] {
        tx.begin(Timestamp(10));
        for (shard, epoch) in (0..).zip(epochs) {
            let part = tx.shard(shard, seq);
            part.epoch = epoch;
            part.put(b"key", b"value");
        }
        worker.commit(&tx).expect("committed");
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let known = log.acknowledged().expect("it can be asked for");
            let known: Vec<_> = known.iter().map(|a| (a.shard, a.epoch)).collect();
            if known == [(0, epochs[0]), (1, epochs[1])] {
                break;
            }
            assert!(Instant::now() < until, "{known:?} is not {epochs:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn refused_whole<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let long = vec![b'x'; RECORD_BYTES_MAX + 1];
    let too_long = Append { shard: 0, kind: Kind::Event, user: None, bytes: &long };
    let refused = log.append(Timestamp(10), &[event(0, "fine"), too_long]);
    assert!(matches!(refused, Err(IntakeError::TooLong { index: 1, .. })), "{refused:?}");
    let refused = log.append(Timestamp(10), &[event(0, "fine"), event(SHARDS, "lost")]);
    assert!(matches!(refused, Err(IntakeError::NoShard { index: 1, .. })), "{refused:?}");
    log.append(Timestamp(10), &[]).expect("nothing is accepted as nothing");
    let mut worker = started(bench, &log, &[0]);
    texts(&mut worker, 0, 10);
}
