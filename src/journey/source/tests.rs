//! Reading: both forms say the same, limits hold, nothing panics, and the schema and the reader are of one
//! mind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::journey::definition::*;
use crate::journey::problem::PROBLEMS_MAX;
use crate::model::time::Interval;

fn samples() -> Vec<(String, String)> {
    let directory = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("config/journeys");
    let mut samples: Vec<(String, String)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    samples.sort();
    samples
}

const SMALL: &str =
    "id = \"a\"\ndialect = \"clevertap\"\n[entry]\napi = true\n[[node]]\nid = \"n\"\ntype = \"exit\"\n";

fn codes(file: &str, text: &[u8]) -> Vec<&'static str> {
    read(file, text).problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn a_journey_says_the_same_in_toml_and_in_json() {
    for (name, text) in samples() {
        let from_toml = load(&name, text.as_bytes()).unwrap();
        let json = serde_json::to_string_pretty(&from_toml).unwrap();
        assert_eq!(load("same.json", json.as_bytes()).unwrap(), from_toml, "{name}");
        assert_eq!(load("", json.as_bytes()).unwrap(), from_toml, "{name}: JSON is known by its bracket");
    }
}

/// Every field is set: a field that is added to the types must be added here, and then the reader must know
/// it.
fn full() -> Definition {
    let some = |text: &str| Some(text.to_owned());
    let hour = Some(Interval::from_hours(1));
    Definition {
        id: "full".to_owned(),
        name: some("Full"),
        dialect: "antsomi".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        start: some("2026-03-01T09:00"),
        end: some("2026-03-01T09:00+00:00"),
        timeout: hour,
        timers: TimerPolicy::Restart,
        drain: Interval::from_days(3),
        conversion_window: hour,
        failure_budget: 7,
        entry: Entry {
            event: some("Signed Up"),
            api: true,
            list: None,
            filter: some("user.x == 1"),
            reentry: Reentry::AtMost { at_most: 2, per: Interval::from_days(1) },
            key: some("cart"),
            limit: Some(9),
            late: hour,
            to: some("wait"),
        },
        exit: vec![ExitRule {
            event: "Left".to_owned(),
            filter: some("entry.x == 1"),
            matching: some("cart"),
            goal: some("left"),
        }],
        node: full_nodes(),
        content: BTreeMap::from([(
            "hello".to_owned(),
            BTreeMap::from([("body".to_owned(), json!({"a": [1]}))]),
        )]),
        moved: BTreeMap::from([("old".to_owned(), "out".to_owned())]),
    }
}

/// One node of each kind, with every field.
fn full_nodes() -> Vec<Node> {
    let some = |text: &str| Some(text.to_owned());
    let hour = Some(Interval::from_hours(1));
    let node = |id: &str, kind| Node { id: id.to_owned(), kind };
    let wait = WaitBranch {
        event: "Bought".to_owned(),
        filter: some("properties.x == entry.x"),
        matching: some("cart"),
        to: "hello".to_owned(),
    };
    let split = SplitBranch { filter: "user.x == 1".to_owned(), to: "filter".to_owned() };
    let arm = |weight, to: &str| RandomBranch { weight, to: to.to_owned() };
    vec![
        node("wait", NodeKind::WaitEvent { branches: vec![wait], timeout: hour, otherwise: some("day") }),
        node(
            "day",
            NodeKind::Delay {
                duration: None,
                until: None,
                at: some("09:00"),
                on: vec![Weekday::Mon],
                timeout: hour,
                next: some("hello"),
            },
        ),
        node(
            "hello",
            NodeKind::Send {
                channel: "push".to_owned(),
                content: "hello".to_owned(),
                provider: some("one"),
                variables: BTreeMap::from([("x".to_owned(), "entry.x".to_owned())]),
                rate: some("5/s"),
                expires: hour,
                next: some("split"),
            },
        ),
        node("split", NodeKind::Split { branches: vec![split], otherwise: "arms".to_owned() }),
        node(
            "filter",
            NodeKind::Filter {
                filter: "user.y == 1".to_owned(),
                next: some("arms"),
                otherwise: some("exit"),
            },
        ),
        node("arms", NodeKind::RandomSplit { branches: vec![arm(99.99, "out"), arm(0.01, "exit")] }),
        node("out", NodeKind::Exit {}),
    ]
}

#[test]
fn every_key_that_the_types_write_is_read() {
    let full = full();
    let text = serde_json::to_string(&full).unwrap();
    let reading = read("full.json", text.as_bytes());
    assert_eq!(reading.problems, []);
    assert_eq!(reading.definition, Some(full));
}

#[test]
fn the_schema_takes_no_key_that_the_reader_refuses() {
    fn open_objects(at: &str, schema: &Value, closed_outside: bool, found: &mut Vec<String>) {
        let closed = ["additionalProperties", "unevaluatedProperties"]
            .into_iter()
            .any(|key| schema.get(key).is_some());
        if schema.get("properties").is_some_and(Value::is_object) && !closed && !closed_outside {
            found.push(at.to_owned());
        }
        for key in ["oneOf", "anyOf"] {
            for (i, form) in schema.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
                open_objects(&format!("{at}/{key}/{i}"), form, closed, found);
            }
        }
        for key in ["properties", "$defs"] {
            for (name, inner) in schema.get(key).and_then(Value::as_object).into_iter().flatten() {
                open_objects(&format!("{at}/{name}"), inner, false, found);
            }
        }
    }
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut found = Vec::new();
    open_objects("", &schema, false, &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_wrong_node_is_told_once_and_without_its_echoes() {
    let text =
        SMALL.replace("\"exit\"", "\"exitt\"") + "[[node]]\nid = \"b\"\ntype = \"delay\"\nfor = \"1d\"\n";
    assert_eq!(codes("a.toml", text.as_bytes()), ["unknown_word"], "neither unreachable nor a dead end");
    let text = SMALL.replace("api = true", "evnt = \"Signed Up\"");
    assert_eq!(codes("a.toml", text.as_bytes()), ["unknown_key"], "not also that nothing lets users in");
}

#[test]
fn what_is_right_is_checked_beside_what_is_wrong() {
    let text = SMALL.replace("api = true", "api = true\nlimitt = 5\nwhere = \"user.x >\"") + "zoone = 1\n";
    assert_eq!(codes("a.toml", text.as_bytes()), ["unknown_key", "condition", "unknown_key"]);
}

#[test]
fn a_byte_order_mark_and_an_unknown_extension_do_not_matter() {
    for name in ["a.toml", "a", "a.txt", ""] {
        assert!(load(name, format!("\u{feff}{SMALL}").as_bytes()).is_ok(), "{name:?}");
    }
}

#[test]
fn whole_files_have_limits_and_get_a_sentence() {
    let deep_json = format!("{{\"id\": {}1{}}}", "[".repeat(70), "]".repeat(70));
    let deep_toml = format!("a{} = 1", ".a".repeat(100_000));
    let long = format!("{SMALL}#{}", "x".repeat(FILE_BYTES_MAX));
    for (name, text, code) in [
        ("a.toml", "".as_bytes(), "empty"),
        ("a.json", b" \n", "empty"),
        ("a.toml", b"id = \"\xff\"", "not_utf8"),
        ("a.toml", long.as_bytes(), "too_large"),
        ("a.json", deep_json.as_bytes(), "syntax"),
        ("a.toml", deep_toml.as_bytes(), "syntax"),
        ("a.json", b"[1, 2", "syntax"),
        ("a.json", b"{\"id\": 1e999}", "syntax"),
        ("a.json", b"{\"id\": \"a\\q\"}", "syntax"),
        ("a.json", b"{} {}", "syntax"),
        ("a.json", b"{\"id\": nul}", "syntax"),
        ("a.toml", b"limit = 99999999999999999999", "syntax"),
        ("a.toml", b"weight = nan", "syntax"),
        ("a.json", b"[]", "wrong_type"),
    ] {
        assert_eq!(
            codes(name, text).first(),
            Some(&code),
            "{:?}",
            String::from_utf8_lossy(&text[..text.len().min(40)])
        );
    }
}

#[test]
fn a_file_full_of_faults_is_told_in_bounds() {
    let keys: String = (0..60_000).map(|i| format!("\"k{i}\":1,")).collect();
    let nodes =
        format!("{{\"id\":\"a\",\"type\":\"sned\"}},{}", "{\"id\":\"a\",\"type\":\"exit\"},".repeat(30_000));
    for text in [format!("{{{keys}\"id\":\"a\"}}"), format!("{{\"node\":[{nodes}1]}}")] {
        let problems = read("a.json", text.as_bytes()).problems;
        assert!((2..=PROBLEMS_MAX).contains(&problems.len()), "{}", problems.len());
    }
}

#[test]
fn a_problem_is_a_block_for_people_and_an_object_for_programs() {
    let text = SMALL.replace("api", "appi");
    let problems = read("j/a.toml", text.as_bytes()).problems;
    assert_eq!(
        problems[0].to_string(),
        "error: `appi` is not a key that is known here [unknown_key]\n  --> j/a.toml:4:1  entry.appi\n  \
         allowed: `event`, `api`, `list`, `where`, `reentry`, `key`, `limit`, `late`, `to`\n  \
         hint: did you mean `api`?"
    );
    let object = serde_json::to_value(&problems[0]).unwrap();
    assert_eq!((&object["line"], &object["level"]), (&json!(4), &json!("error")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A sample with bytes cut out, doubled or replaced: read, or refused with places that are in the text.
    #[test]
    fn no_text_makes_the_reader_panic(
        which in 0usize..10,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..40, ".{0,3}"), 1..6),
    ) {
        let (name, toml) = samples().swap_remove(which / 2);
        let as_json = || serde_json::to_string_pretty(&load(&name, toml.as_bytes()).unwrap()).unwrap();
        let (name, mut text) = match which % 2 {
            0 => (name.clone(), toml),
            _ => ("a.json".to_owned(), as_json()),
        };
        for (at, len, with) in edits {
            let start = text.floor_char_boundary(at.index(text.len()));
            let end = text.ceil_char_boundary((start + len).min(text.len()));
            text.replace_range(start..end, &with);
        }
        let reading = read(&name, text.as_bytes());
        let errors = reading.problems.iter().any(|problem| problem.level == Level::Error);
        prop_assert_eq!(reading.definition.is_none(), errors);
        let lines = u32::try_from(text.lines().count()).unwrap() + 1;
        for problem in reading.problems {
            prop_assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{}", problem);
        }
    }
}

#[test]
fn files_and_directories_are_checked_though_some_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let inside = directory.path().join("wrong.toml");
    std::fs::write(&inside, "id = ").expect("a file");
    let missing = directory.path().join("missing.toml");
    let loaded = load_paths(&[missing, inside, directory.path().to_owned()]);
    let codes: Vec<_> = loaded.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["unreadable", "syntax"], "what is named twice is read once");
}
