//! The verifier is verified: evidence in which nothing is wrong, and the same, spoilt in one place each.

use serde::Serialize;

use super::compare::{What, judge};
use super::cycle::{Origin, Step};
use super::evidence::{Evidence, Letter, Record};
use super::model::Model;

const NINE: i64 = 1_772_355_600_000;
const JOURNEY: &str = r#"{"id":"hi","dialect":"clevertap","zone":"UTC","entry":{"event":"Start","reentry":"always"},
    "node":[{"id":"hello","type":"send","channel":"push","content":"c"},
            {"id":"wait","type":"delay","for":"1m"},
            {"id":"again","type":"send","channel":"push","content":"c","next":"exit"}],
    "content":{"c":{"text":"x"}}}"#;

fn record(partition: u16, offset: u64, at: i64, value: impl Into<Vec<u8>>) -> Record {
    Record { partition, offset, at, kind: 0, value: value.into() }
}

fn command(id: u64, command: &str) -> String {
    format!(
        r#"{{"record":{{"id":"{id}","actor":"a","role":"operator","journey":"hi","command":{command}}}}}"#
    )
}

/// The steps of a commit as they are written.
fn encode(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        match step {
            Step::Records { log, first, last, at: None } => {
                bytes.extend([0, *log, *first as u8, *last as u8]);
            }
            Step::Epoch { at, number } => {
                bytes.push(2);
                bytes.extend(at.to_le_bytes());
                bytes.push(*number as u8);
            }
            Step::Wake { at } => {
                bytes.push(3);
                bytes.extend(at.to_le_bytes());
                bytes.push(100);
            }
            other => panic!("{other:?} is not in the story"),
        }
    }
    bytes
}

fn lines<T: Serialize>(of: &[T], shard: u16) -> Vec<Record> {
    let line = |it: &T| serde_json::to_vec(it).expect("it is JSON");
    of.iter().zip(0..).map(|(it, offset)| record(shard, offset, NINE, line(it))).collect()
}

/// Two shards; a user in each, poison in the first.
fn evidence() -> Evidence {
    let names = ["events", "lists", "receipts", "internal"].map(|key| format!("t.{key}"));
    let mut all = Evidence { shards: 2, names, ..Evidence::default() };
    for (offset, asked) in
        [format!(r#"{{"put":{{"definition":{JOURNEY}}}}}"#), r#"{"act":{"verb":"publish"}}"#.into()]
            .iter()
            .enumerate()
    {
        let value = command(offset as u64, asked);
        all.control.insert((0, offset as u64), record(0, offset as u64, NINE, value));
    }
    for (shard, user) in [(0, "u0"), (1, "u1")] {
        let event = format!(r#"{{"type":"track","userId":"{user}","event":"Start"}}"#);
        all.inputs[0].insert((shard, 0), record(shard, 0, NINE + 10, event));
    }
    all.inputs[0].insert((0, 1), record(0, 1, NINE + 20, "{"));
    all.letters.push(Letter { topic: "t.events".to_owned(), partition: 0, offset: 1, value: b"{".to_vec() });
    for shard in 0..2 {
        let last = u64::from(shard == 0);
        let first = [Step::Epoch { at: NINE, number: 1 }, Step::Epoch { at: NINE, number: 2 }];
        let last = [Step::Records { log: 0, first: 0, last, at: None }, Step::Wake { at: NINE + 100_000 }];
        for (seq, steps) in [(1, first.as_slice()), (2, &last)] {
            all.cycles.push((Origin { shard, seq }, encode(steps)));
        }
        all.heads.insert(shard, 2);
    }
    for shard in 0..2 {
        let (sends, transitions) = {
            let mut model = Model::new(&all, shard);
            let own = all.cycles.iter().filter(|(origin, _)| origin.shard == shard);
            let steps = own.flat_map(|(_, bytes)| super::cycle::steps(bytes).expect("they are steps"));
            steps.for_each(|step| model.step(&step));
            let (sends, transitions, _) = model.effects();
            (lines(sends, shard), lines(transitions, 0))
        };
        all.sends.extend(sends);
        all.transitions.extend(transitions);
    }
    all
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let verdict = judge(&evidence());
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.commits, verdict.inputs, verdict.sends), (4, 3, 4));
    assert!(verdict.transitions >= 8, "{verdict:?}");
}

#[test]
fn whatever_is_spoilt_is_found_by_name() {
    type Spoil = fn(&mut Evidence);
    let spoilt: [(What, &str, Spoil); 13] = [
        (What::Lost, "send of \"u0\"", |it| drop(it.sends.remove(0))),
        (What::Doubled, "send of \"u0\"", |it| it.sends.push(it.sends[0].clone())),
        (What::Doubled, "the key", |it| it.sends.push(it.sends[0].clone())),
        (What::Wrong, "send of \"u0\"", |it| edit(&mut it.sends[0], "hello", "other")),
        (What::Wrong, "another order", |it| {
            let (a, b) = (it.sends[0].value.clone(), it.sends[1].value.clone());
            (it.sends[0].value, it.sends[1].value) = (b, a);
        }),
        (What::Lost, "movement of", |it| drop(it.transitions.pop())),
        (What::Wrong, "movement of", |it| edit(&mut it.transitions[0], "\"entered\"", "\"held\"")),
        (What::Lost, "no commit has taken it", |it| drop(it.cycles.remove(3))),
        (What::Doubled, "commit 1 of shard 0", |it| it.cycles.push(it.cycles[0].clone())),
        (What::Wrong, "not in the changelog", |it| {
            let _ = it.heads.insert(1, 1);
        }),
        (What::Lost, "no commit has taken it", |it| {
            drop(it.inputs[0].insert((1, 9), record(1, 9, NINE, "{}")));
        }),
        (What::Wrong, "is no dead letter", |it| drop(it.letters.pop())),
        (What::Wrong, "not what stands there", |it| it.letters[0].value = b"[".to_vec()),
    ];
    for (what, which, spoil) in spoilt {
        let mut evidence = evidence();
        spoil(&mut evidence);
        let found = judge(&evidence).findings;
        let named = found.iter().any(|finding| finding.what == what && finding.which.contains(which));
        assert!(named, "{what:?} {which} is not among {found:#?}");
    }
}

fn edit(record: &mut Record, from: &str, to: &str) {
    let text = String::from_utf8(record.value.clone()).expect("lines are text");
    assert!(text.contains(from), "{text}");
    record.value = text.replacen(from, to, 1).into_bytes();
}
