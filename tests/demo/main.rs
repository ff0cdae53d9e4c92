//! The demo tells the same story for the same seed, and what it says is so.
//!
//! The claims of its text are read here from its JSON: whoever edits the prose finds the promise beside it.

use std::sync::OnceLock;

use serde_json::Value;
use wayfarer::cli::DemoArgs;
use wayfarer::demo::{Screen, run};
use wayfarer::model::{Interval, Timestamp};

/// Enough for every claim to have somebody to hold of, and a second of work.
const EVENTS: u64 = 30_000;

fn bytes(seed: u64, events: u64, json: bool) -> Vec<u8> {
    let args = DemoArgs { seed, json, events: Some(events) };
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let code = run(&args, Screen::default(), &mut out, &mut notes);
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&notes));
    out
}

/// The demo as data; played once for all tests.
fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_slice(&bytes(1, EVENTS, true)).expect("one JSON document"))
}

/// What is told in a scene, of one kind.
fn told<'a>(document: &'a Value, scene: &str, kind: &str) -> Vec<&'a Value> {
    let all = document["told"].as_array().expect("told");
    let begin = all.iter().position(|t| t["kind"] == "scene" && t["id"] == scene).expect("the scene");
    let rest = all[begin + 1..].iter().take_while(|t| t["kind"] != "scene");
    rest.filter(|t| t["kind"] == kind).collect()
}

/// A figure of both sides, added up over the spans of one table.
fn sums(watched: &Value, figure: &str) -> [u64; 2] {
    let spans = watched["spans"].as_array().expect("spans");
    [0, 1].map(|side| spans.iter().map(|s| s["sides"][side][figure].as_u64().expect("a count")).sum())
}

/// A figure of both sides at the end of a table.
fn last(watched: &Value, figure: &str) -> [u64; 2] {
    let span = watched["spans"].as_array().and_then(|s| s.last()).expect("a span");
    [0, 1].map(|side| span["sides"][side][figure].as_u64().expect("a count"))
}

/// One verb as `Running -pause-> Paused shut/open`, or with the word `refused`.
fn verb(given: &Value) -> String {
    let word = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    let (from, to) = (word(&given["from"]["state"]), word(&given["to"]["state"]));
    let gates = format!("{}/{}", word(&given["to"]["entry"]), word(&given["to"]["movement"]));
    let refused = if given["refused"].is_null() { "" } else { " refused" };
    format!("{from} -{}-> {to} {gates}{refused}", word(&given["verb"]))
}

fn verbs(document: &Value, scene: &str) -> Vec<String> {
    let told = told(document, scene, "verbs");
    told.iter().flat_map(|t| t["given"].as_array().expect("given")).map(verb).collect()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).expect("a time")
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    for json in [false, true] {
        let first = bytes(1, 5_000, json);
        assert!(first == bytes(1, 5_000, json), "the same bytes, json: {json}");
        assert!(first != bytes(2, 5_000, json), "other shoppers, json: {json}");
    }
}

#[test]
fn no_line_is_wider_than_a_narrow_terminal_and_none_is_coloured() {
    let text = String::from_utf8(bytes(1, EVENTS, false)).expect("text");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
    assert!(!text.contains('\x1b'));
}

#[test]
fn even_one_event_makes_a_whole_demo() {
    let document: Value = serde_json::from_slice(&bytes(1, 1, true)).expect("JSON");
    assert_eq!(document["holds"], true);
}

#[test]
fn every_verb_moves_the_gates_as_it_is_told() {
    let document = document();
    let table: [(&str, &[&str]); 7] = [
        ("running", &["Draft -publish-> Running open/open", "Designing -activate-> Active open/open"]),
        ("pause", &["Running -pause-> Paused shut/open", "Active -pause-> Paused open/held"]),
        (
            "resume",
            &[
                "Paused -resume-> Running open/open",
                "Paused -resume-> Paused open/held refused",
                "Paused -reactivate-> Active open/open",
                "Active -resume-> Active open/open",
            ],
        ),
        (
            "freeze",
            &[
                "Running -freeze-> Running open/open refused",
                "Active -freeze-> Frozen shut/held",
                "Frozen -edit-> Frozen shut/held",
                "Frozen -reactivate-> Active open/open",
            ],
        ),
        (
            "close",
            &[
                "Running -pause-> Paused shut/open",
                "Active -close-> Closed shut/open",
                "Paused -resume-> Running open/open",
                "Closed -reactivate-> Active open/open",
            ],
        ),
        (
            "list",
            &[
                "Designing -activate-> Active open/open",
                "Active ---> Closed shut/open",
                "Closed -abort-> Aborted shut/shut",
            ],
        ),
        ("stop", &["Running -stop-> Stopped shut/shut", "Active -abort-> Aborted shut/shut"]),
    ];
    for (scene, expected) in table {
        assert_eq!(verbs(document, scene), expected, "{scene}");
    }
}

#[test]
fn paused_shuts_the_door_in_one_and_stops_the_feet_in_the_other() {
    let document = document();
    let [running] = told(document, "running", "watched")[..] else { panic!("one table") };
    for figure in ["entered", "sent", "waiting"] {
        let [clevertap, antsomi] = sums(running, figure);
        assert!(clevertap > 0 && clevertap == antsomi, "{figure}: no difference yet");
    }
    let [paused] = told(document, "pause", "watched")[..] else { panic!("one table") };
    let (entered, sent) = (sums(paused, "entered"), sums(paused, "sent"));
    assert!(entered[0] == 0 && sent[0] > 0, "CleverTap: nobody in, those inside go on");
    assert!(entered[1] > 0 && sent[1] == 0, "Antsomi: everybody in, nobody gets anything");
    assert!(sums(paused, "turned_away")[0] > 0 && sums(paused, "turned_away")[1] == 0);
    assert!(last(paused, "held")[0] == 0 && last(paused, "held")[1] > 0);
}

#[test]
fn reactivate_moves_the_new_and_resume_the_held() {
    let document = document();
    let [reactivated, resumed] = told(document, "resume", "watched")[..] else { panic!("two tables") };
    assert!(last(reactivated, "held")[1] > 0, "whoever was held stays held");
    assert!(sums(reactivated, "sent")[1] > 0, "while new arrivals move");
    assert_eq!(last(resumed, "held"), [0, 0], "until the second verb");
}

#[test]
fn frozen_does_both_and_closed_is_what_clevertap_calls_paused() {
    let document = document();
    let [frozen, after] = told(document, "freeze", "watched")[..] else { panic!("two tables") };
    assert_eq!((sums(frozen, "entered")[1], sums(frozen, "sent")[1]), (0, 0));
    assert!(last(frozen, "held")[1] > 0 && last(after, "held")[1] == 0);
    assert!(sums(after, "entered")[1] > 0);
    let [closed] = told(document, "close", "watched")[..] else { panic!("one table") };
    assert_eq!(sums(closed, "entered"), [0, 0]);
    assert_eq!(last(closed, "held"), [0, 0]);
    let sent = sums(closed, "sent");
    assert!(sent[0] > 0 && sent[1] > 0);
    assert_eq!(sums(closed, "turned_away")[0], sums(closed, "turned_away")[1]);
}

#[test]
fn what_was_at_its_send_step_goes_out_after_the_abort_and_nothing_else_does() {
    let document = document();
    let [list] = told(document, "list", "at_send")[..] else { panic!("one") };
    assert!(list["sent_before"].as_u64() > Some(0));
    assert!(list["at_send"].as_u64() > Some(0));
    assert_eq!(list["sent_after"], list["at_send"]);
    assert_eq!(list["sent_to_others"], 0);
    assert!(time(&list["last_sent"]) > time(&list["aborted"]));
}

#[test]
fn the_last_drained_user_leaves_before_day_30_ends_and_memory_falls() {
    let document = document();
    let [drained] = told(document, "stop", "drained")[..] else { panic!("one") };
    let days = drained["days"].as_array().expect("days");
    let draining: Vec<[u64; 2]> =
        days.iter().map(|d| [0, 1].map(|side| d["draining"][side].as_u64().expect("a count"))).collect();
    assert_eq!(days.len(), 31);
    for side in [0, 1] {
        assert!(draining[0][side] > 0 && draining[29][side] > 0, "the whole window is used");
        assert!(draining.is_sorted_by(|a, b| a[side] >= b[side]), "nobody comes back");
        let left = time(&drained["last"][side][1]);
        let stopped = time(&drained["stopped"]);
        assert!(left > stopped + Interval::from_days(29) && left < stopped + Interval::from_days(30));
    }
    assert_eq!(draining[30], [0, 0]);
    assert_eq!(drained["sent_after"], serde_json::json!([0, 0]));
    let memory = |day: usize| days[day]["inside_bytes"].as_u64().expect("bytes");
    assert!(memory(30) < memory(0) / 2, "{} bytes at the stop, {} at the end", memory(0), memory(30));
}

#[test]
fn u17_misses_the_reminder_for_another_reason_in_each() {
    let document = document();
    let [explained] = told(document, "explain", "explained")[..] else { panic!("one") };
    let words = |line: &Value| {
        let word = |key: &str| line[key].as_str().unwrap_or("").to_owned();
        format!("{} {} {}", word("journey"), word("what"), word("detail")).trim_end().to_owned()
    };
    let lines: Vec<String> = explained["lines"].as_array().expect("lines").iter().map(words).collect();
    assert_eq!(
        lines,
        [
            "cart-rescue refused entry_shut",
            "cart-rescue-antsomi entered",
            "cart-rescue-antsomi held",
            "cart-rescue-antsomi converted bought",
            "cart-rescue-antsomi exited goal",
        ]
    );
}

#[test]
fn the_map_has_paused_at_two_places() {
    let document = document();
    let [map] = told(document, "map", "map")[..] else { panic!("one") };
    let at = |dialect: &str| {
        let cells = map["cells"].as_array().expect("cells").iter();
        let here = |cell: &&Value| {
            cell["states"].as_array().expect("states").contains(&serde_json::json!([dialect, "Paused"]))
        };
        cells.filter(here).map(|cell| (cell["entry"].clone(), cell["movement"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(at("clevertap"), [("shut".into(), "open".into())]);
    assert_eq!(at("antsomi"), [("open".into(), "held".into())]);
}

#[test]
fn the_ledger_adds_up_when_somebody_else_adds_it() {
    let document = document();
    let told = document["told"].as_array().expect("told");
    let summary = told.iter().find(|t| t["kind"] == "summary").expect("a summary");
    for version in summary["versions"].as_array().expect("versions") {
        let n = |key: &str| version[key].as_u64().expect("a count");
        let out: u64 =
            version["exited"].as_object().expect("reasons").values().filter_map(Value::as_u64).sum();
        let accounted = n("waiting") + n("held") + n("at_send") + n("draining") + out + n("moved_out");
        assert_eq!(n("entered") + n("moved_in"), accounted, "{version}");
    }
    let moved: Vec<u64> = ["moved_in", "moved_out"]
        .map(|key| {
            summary["versions"].as_array().expect("versions").iter().filter_map(|v| v[key].as_u64()).sum()
        })
        .to_vec();
    assert!(moved[0] > 0 && moved[0] == moved[1], "those inside took version 2");
    let identities = summary["identities"].as_array().expect("identities");
    assert_eq!(identities.len(), 7);
    assert!(identities.iter().all(|i| i["holds"] == true));
    assert_eq!(summary["events"], EVENTS + 3);
    assert!(summary["rejected"].as_u64() > Some(0), "some messages are broken, and none is lost");
}
