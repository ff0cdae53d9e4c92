//! The verifier is verified: evidence in which nothing is wrong, and the same, spoilt in one place each.

use serde::Serialize;
use serde_json::Value as Json;
use wayfarer::model::Timestamp;

use super::compare::{What, judge};
use super::cycle::{Origin, Step};
use super::evidence::{Evidence, Letter, Log, Record};
use super::model::Model;

const NINE: i64 = 1_772_355_600_000;
const JOURNEY: &str = r#"{"id":"hi","dialect":"clevertap","zone":"UTC","entry":{"event":"Start","reentry":"always"},
    "node":[{"id":"hello","type":"send","channel":"push","content":"c"},
            {"id":"wait","type":"delay","for":"1m"},
            {"id":"again","type":"send","channel":"push","content":"c","next":"exit"}],
    "content":{"c":{"text":"x"}}}"#;

fn record(partition: u16, offset: u64, at: i64, value: impl Into<Vec<u8>>) -> Record {
    Record { partition, offset, at, kind: 0, origin: None, value: value.into(), cloud: None }
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

/// What a shard has told by its last commit, by one worker before another: the second has the lower partition.
fn moved(of: Vec<Record>, shard: u16) -> Vec<Record> {
    let half = of.len() / 2;
    let place = |(n, record): (usize, Record)| {
        let second = n >= half;
        let origin = Some(Origin { shard, seq: 1 + u64::from(second) });
        Record { origin, partition: u16::from(!second), ..record }
    };
    let mut all: Vec<Record> = of.into_iter().enumerate().map(place).collect();
    all.sort_by_key(|record| (record.partition, record.offset));
    all
}

/// Two shards; a user in each, poison in the first.
fn evidence() -> Evidence {
    let names = ["events", "lists", "receipts", "internal", "app"].map(|key| format!("t.{key}")).to_vec();
    let inputs = vec![Log::new(); names.len()];
    let mut all = Evidence { shards: 2, names, inputs, ..Evidence::default() };
    // The second shard has read another topic before, and begins with the third record of this one.
    all.further.insert((0, 4), (4, 0));
    all.further.insert((1, 5), (4, 2));
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
    for (shard, offset) in [(0, 0), (1, 1), (1, 2)] {
        let event = format!(r#"{{"type":"track","userId":"a{shard}{offset}","event":"Start"}}"#);
        all.inputs[4].insert((shard, offset), record(shard, offset, NINE + 30, event));
    }
    all.inputs[0].insert((0, 1), record(0, 1, NINE + 20, "{"));
    let value = Some(b"{".to_vec());
    all.letters.push(Letter { topic: "t.events".to_owned(), partition: 0, offset: 1, value });
    for shard in 0..2 {
        let last = u64::from(shard == 0);
        let first = [Step::Epoch { at: NINE, number: 1 }, Step::Epoch { at: NINE, number: 2 }];
        let app = u64::from(shard == 1) * 2;
        let last = [
            Step::Records { log: 0, first: 0, last, at: None },
            Step::Records { log: 4 + u8::from(shard == 1), first: app, last: app, at: None },
            Step::Wake { at: NINE + 100_000 },
        ];
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
            (lines(sends, shard), moved(lines(transitions, 0), shard))
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
    assert_eq!((verdict.commits, verdict.inputs, verdict.sends), (4, 5, 8));
    assert!(verdict.transitions >= 8, "{verdict:?}");
}

#[test]
fn whatever_is_spoilt_is_found_by_name() {
    type Spoil = fn(&mut Evidence);
    let spoilt: [(What, &str, Spoil); 18] = [
        (What::Lost, "send of \"u0\"", |it| drop(it.sends.remove(0))),
        (What::Doubled, "send of \"u0\"", |it| it.sends.push(it.sends[0].clone())),
        (What::Doubled, "the key", |it| it.sends.push(it.sends[0].clone())),
        (What::Wrong, "send of \"u0\"", |it| edit(&mut it.sends[0], "hello", "other")),
        (What::Wrong, "send of \"u0\"", |it| later(&mut it.sends[0], "at")),
        (What::Wrong, "movement of", |it| later(&mut it.transitions[0], "at")),
        (What::Wrong, "another order", |it| {
            let (a, b) = (it.sends[0].value.clone(), it.sends[2].value.clone());
            (it.sends[0].value, it.sends[2].value) = (b, a);
        }),
        (What::Lost, "movement of", |it| drop(it.transitions.pop())),
        (What::Wrong, "of no shard's commit", |it| it.transitions[0].origin = None),
        (What::Wrong, "movement of", |it| {
            let waits = |it: &&mut Record| String::from_utf8_lossy(&it.value).contains("\"waiting\"");
            let waiting = it.transitions.iter_mut().find(waits).expect("somebody waits");
            edit(waiting, "\"waiting\"", "\"held\"");
        }),
        (What::Lost, "no commit has taken it", |it| drop(it.cycles.remove(3))),
        (What::Doubled, "commit 1 of shard 0", |it| it.cycles.push(it.cycles[0].clone())),
        (What::Wrong, "not in the changelog", |it| {
            let _ = it.heads.insert(1, 1);
        }),
        (What::Lost, "no commit has taken it", |it| {
            drop(it.inputs[0].insert((1, 9), record(1, 9, NINE, "{}")));
        }),
        (What::Lost, "of t.app/1: no commit has taken it", |it| {
            drop(it.inputs[4].insert((1, 9), record(1, 9, NINE, "{}")));
        }),
        (What::Wrong, "which its head does not name", |it| {
            let _ = it.further.remove(&(1, 5));
        }),
        (What::Wrong, "is no dead letter", |it| drop(it.letters.pop())),
        (What::Wrong, "not what stands there", |it| it.letters[0].value = Some(b"[".to_vec())),
    ];
    for (what, which, spoil) in spoilt {
        let mut evidence = evidence();
        spoil(&mut evidence);
        let found = judge(&evidence).findings;
        let named = found.iter().any(|finding| finding.what == what && finding.which.contains(which));
        assert!(named, "{what:?} {which} is not among {found:#?}");
    }
}

/// A millisecond later.
fn later(record: &mut Record, field: &str) {
    let mut line: Json = serde_json::from_slice(&record.value).expect("lines are JSON");
    let at: Timestamp = serde_json::from_value(line[field].clone()).expect("it is a time");
    line[field] = serde_json::to_value(Timestamp(at.0 + 1)).expect("a time is JSON");
    record.value = serde_json::to_vec(&line).expect("it is JSON");
}

#[test]
fn a_journey_that_a_shard_opens_before_it_has_read_on_is_open_from_when_that_was_commanded() {
    for (behind_ms, entered) in [(0, 1), (1, 1), (2, 0), (1_000, 0)] {
        // It was published at nine; the shard, which is behind, takes that before an event from before nine.
        let mut all = evidence();
        let event = NINE + 1 - behind_ms;
        all.inputs[0].get_mut(&(1, 0)).expect("u1 comes").at = event;
        let steps = [
            Step::Epoch { at: event - 1, number: 1 },
            Step::Epoch { at: event - 1, number: 2 },
            Step::Records { log: 0, first: 0, last: 0, at: None },
        ];
        let mut model = Model::new(&all, 1);
        steps.iter().for_each(|step| model.step(step));
        let (sends, _, refusals) = model.effects();
        let reasons: Vec<&str> = refusals.iter().map(|refusal| &*refusal.reason).collect();
        let refused = if entered == 1 { vec![] } else { vec!["before_opening"] };
        assert_eq!((sends.len(), reasons), (entered, refused), "{behind_ms} ms behind");
    }
}

fn edit(record: &mut Record, from: &str, to: &str) {
    let text = String::from_utf8(record.value.clone()).expect("lines are text");
    assert!(text.contains(from), "{text}");
    record.value = text.replacen(from, to, 1).into_bytes();
}
