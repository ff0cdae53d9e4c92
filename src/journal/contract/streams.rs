//! What is promised of what has left the shards, and of looking into them from outside.

use super::{Bench, commit_one, left, started};
use crate::journal::record::{Kind, Source, Stream};
use crate::journal::reject::Reject;
use crate::journal::traits::{Group, Journal, Streams};
use crate::journal::transaction::Transaction;
use crate::model::Timestamp;
use crate::model::envelope::put;
use crate::model::hash::user_hash;

pub(super) fn streams_in_order<B: Bench>(bench: &mut B) {
    let log = bench.create();
    if log.is_shared() {
        // One worker may be given both shards.
        let mut worker = started(bench, &log, &[0, 1]);
        commit_one(&mut worker, 0, 1, 1, "a");
        commit_one(&mut worker, 1, 1, 1, "b");
        commit_one(&mut worker, 0, 2, 2, "c");
        left(&log, Stream::Sends, &["0:1 send a", "1:1 send b", "0:2 send c"]);
        return;
    }
    let (mut one, mut two) = (started(bench, &log, &[0]), started(bench, &log, &[1]));
    commit_one(&mut one, 0, 1, 1, "a");
    commit_one(&mut two, 1, 1, 1, "b");
    commit_one(&mut one, 0, 2, 2, "c");
    left(&log, Stream::Sends, &["0:1 send a", "1:1 send b", "0:2 send c"]);
    let bounds = log.bounds(Stream::Sends).expect("readable");
    assert_eq!(
        (bounds.first, bounds.next, bounds.next_position),
        (0, 3, 21),
        "seven bytes each, with newline"
    );
    let mut positions = Vec::new();
    let next = log.read_stream(Stream::Sends, 1, 1, &mut |i| positions.push((i.number, i.position)));
    assert_eq!((next, positions), (Ok(2), vec![(1, 7)]));
    for (position, number) in [(0, 0), (6, 0), (7, 1), (20, 2), (21, 3)] {
        assert_eq!(log.item_at(Stream::Sends, position), Ok(number), "the item at byte {position}");
    }
    assert_eq!(log.origin().expect("readable"), b"send a\nsend b\nsend c\n");
}

pub(super) fn items_of_a_user<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0, 1]);
    for seq in 1..=20 {
        let mut tx = Transaction::new();
        tx.begin(Timestamp(1_000));
        for shard in [0, 1] {
            let part = tx.shard(shard, seq);
            part.transitions.push(format!(r#"{{"user":"u{}","seq":{seq}}}"#, seq % 3).as_bytes());
            part.sends.push(format!(r#"{{"user":"u{shard}","variables":{{"user":"u2"}}}}"#).as_bytes());
        }
        worker.commit(&tx).expect("a right transaction is committed");
    }
    drop(worker);
    let log = bench.crash(log);
    for (of, user, wanted) in [
        (Stream::Transitions, "u2", (0..40).filter(|n| (n / 2 + 1) % 3 == 2).collect::<Vec<u64>>()),
        (Stream::Sends, "u1", (0..40).filter(|n| n % 2 == 1).collect()),
        (Stream::Sends, "u2", Vec::new()),
        (Stream::Refusals, "u1", Vec::new()),
    ] {
        let found = log.numbers_of(of, user_hash(user)).expect("it can be read");
        if log.is_shared() {
            // What a number is, is the journal's own business there.
            assert_eq!(found.len(), wanted.len(), "{of:?} of {user}");
        } else {
            assert_eq!(found, wanted, "{of:?} of {user}");
        }
    }
}

pub(super) fn state_from_outside<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[1, 2]);
    let mut tx = Transaction::new();
    tx.begin(Timestamp(1_000));
    for shard in [1, 2] {
        let part = tx.shard(shard, 1);
        ["a", "b", "b1", "c", "d"].iter().for_each(|key| part.put(key.as_bytes(), &[shard as u8]));
        part.delete(b"d");
    }
    worker.commit(&tx).expect("a right transaction is committed");
    for (shard, from, to, wanted) in [
        (1, "b", "c", vec![("b", 1), ("b1", 1)]),
        (2, "", "b1", vec![("a", 2), ("b", 2)]),
        (2, "c", "z", vec![("c", 2)]),
        (3, "a", "z", Vec::new()),
    ] {
        let mut found = Vec::new();
        let mut each = |key: &[u8], value: &[u8]| {
            found.push((String::from_utf8_lossy(key).into_owned(), value[0]));
        };
        log.read_state(shard, from.as_bytes(), to.as_bytes(), &mut each).expect("it can be read");
        let found: Vec<(&str, u8)> = found.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        assert_eq!(found, wanted, "shard {shard} from {from:?} to {to:?}");
    }
}

pub(super) fn rejects_keep_bytes<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0]);
    let mut tx = Transaction::new();
    tx.begin(Timestamp(10));
    let reject = Reject {
        source: Source::File(7),
        offset: 99,
        kind: Some(Kind::Event),
        key: Some(b"u"),
        code: "not_json",
        length: 4,
        bytes: b"{\xff\n\0",
    };
    let mut envelope = Vec::new();
    let headers = [("ce_id", Some(&b"1"[..])), ("wayfarer-reason", Some(b"theirs"))];
    put(Some(b"v"), headers.into_iter(), b"[]", &mut envelope);
    let length = envelope.len() as u64;
    let event = Reject { kind: Some(Kind::CloudEvent), key: Some(b"v"), length, bytes: &envelope, ..reject };
    let cut = Reject { length: 7_000_000, key: None, ..reject };
    let old = Reject { kind: None, key: None, ..reject };
    let all = [reject, event, cut, old];
    let part = tx.shard(0, 1);
    all.iter().for_each(|reject| part.reject(reject));
    worker.commit(&tx).expect("committed");
    let mut seen = 0;
    log.read_stream(Stream::Rejects, 0, 10, &mut |item| {
        assert_eq!(Reject::decode(item.bytes), Ok(all[seen]));
        seen += 1;
    })
    .expect("readable");
    assert_eq!(seen, all.len());
}
