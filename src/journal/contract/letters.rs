//! Dead letters that are let in once more.

use super::{Bench, started, texts};
use crate::journal::letters::{Letters, Verdict};
use crate::journal::record::{Kind, Source, Stream};
use crate::journal::reject::Reject;
use crate::journal::traits::{Journal, Streams};
use crate::journal::transaction::Transaction;
use crate::model::Timestamp;

pub(super) fn once_more_and_once<B: Bench>(bench: &mut B) {
    let log = bench.create();
    let mut worker = started(bench, &log, &[0, 1]);
    let mut tx = Transaction::new();
    tx.begin(Timestamp(10));
    let whole = Reject {
        source: Source::Events,
        offset: 99,
        kind: Some(Kind::Event),
        key: Some(b"u"),
        code: "not_json: no",
        length: 1,
        bytes: b"a",
    };
    let part = tx.shard(1, 1);
    for reject in [
        whole,
        Reject { bytes: b"b", ..whole },
        Reject { length: 7, ..whole },
        Reject { kind: None, key: None, ..whole },
        Reject { kind: Some(Kind::ListRow), source: Source::Lists, ..whole },
    ] {
        part.reject(&reject);
    }
    worker.commit(&tx).expect("committed");
    let mut numbers = Vec::new();
    log.read_stream(Stream::Rejects, 0, 10, &mut |item| numbers.push(item.number)).expect("readable");
    assert_eq!((numbers.len(), log.replayed().expect("readable").len()), (5, 0));
    let replay = |log: &B::Log, numbers: &[u64], again| {
        log.replay(Timestamp(20), numbers, again).expect("an open intake accepts")
    };
    assert_eq!(replay(&log, &numbers[..1], false), [Verdict::Replayed]);
    assert_eq!(texts(&mut worker, 1, 10), [(1, 0, "a".to_owned())]);

    // It survives a crash that it was, and what could not be was not.
    let beyond = numbers[4] + 1;
    let verdicts = replay(&log, &[&numbers[..], &[beyond]].concat(), false);
    let at = log.replayed().expect("readable")[&numbers[0]];
    assert_eq!(verdicts[..2], [Verdict::Before(at), Verdict::Replayed]);
    for (verdict, why) in
        verdicts[2..].iter().zip(["1 of its 7 bytes", "without what it was", "the list again", "no such"])
    {
        assert!(matches!(verdict, Verdict::Left(said) if said.contains(why)), "{verdict:?} says {why}");
    }
    drop(worker);
    let log = bench.crash(log);
    let noted: Vec<u64> = log.replayed().expect("readable").into_keys().collect();
    assert_eq!(noted, numbers[..2]);
    assert!(matches!(replay(&log, &numbers[1..2], false)[..], [Verdict::Before(_)]));
    assert_eq!(replay(&log, &numbers[1..2], true), [Verdict::Replayed]);
    let mut worker = started(bench, &log, &[0, 1]);
    let again: Vec<String> = texts(&mut worker, 3, 10).into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(again, ["a", "b", "b"]);
}
