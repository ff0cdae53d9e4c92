//! Dead letters of a running deployment: listed, shown, and let in once more, from whatever instance.

use serde_json::Value;
use wayfarer::cli::exit;
use wayfarer::journal::kafka::client::Header;

use super::inputs::{append_with, event};
use super::{greet, wait_greeted, wait_ready};
use crate::instances::deployment::{Deployment, Seen};
use crate::instances::instance::{Instance, address};
use crate::instances::{replays, verified, wait_for};

/// What `wayfarer rejects LINE` prints of an instance, and its code.
fn rejects(of: &Deployment, instance: &Instance, line: &str) -> (u8, String) {
    let url = format!("http://{}", address(&instance.log).expect("it listens"));
    let mut command = of.command("operator");
    command.arg("rejects").args(line.split(' ')).args(["--url", &url]);
    let output = command.output().expect("the binary runs");
    let code = output.status.code().and_then(|code| u8::try_from(code).ok()).expect("it ends by itself");
    (code, String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Waits until that many dead letters are listed.
fn letters(of: &Deployment, instance: &Instance, count: usize) -> Vec<Value> {
    let mut said = String::new();
    let list = || {
        let (_, text) = rejects(of, instance, "list --json");
        let found: Option<Vec<Value>> = serde_json::from_str(&text).ok();
        said = text;
        found.filter(|found| found.len() >= count)
    };
    let found = wait_for(&format!("{count} dead letters are there"), || of.said(), list);
    assert_eq!(found.len(), count, "{said}");
    found
}

/// The records of the events topic with this value: partition and key.
fn there(of: &Deployment, value: &[u8]) -> Vec<(i32, Option<Vec<u8>>)> {
    let same = |seen: &Seen| seen.value == value;
    of.read("events").into_iter().filter(same).map(|seen| (seen.partition, seen.key)).collect()
}

#[test]
fn dead_letters_are_listed_shown_and_let_in_once_from_whatever_instance() {
    let deployment = Deployment::new(1);
    let (first, second) = (deployment.start("a"), deployment.start("b"));
    for instance in [&first, &second] {
        wait_ready(&deployment, instance, 200, "true");
    }
    greet(&first);
    let nobody = br#"{"type":"track","event":"Start"}"#;
    append_with(&deployment, "events", "u1", &[], nobody);
    let headers: [Header<'_>; 2] = [("ce_id", b"7"), ("ce_source", b"//shop")];
    append_with(&deployment, "events", "u2", &headers, b"{\"value\":3}");
    append_with(&deployment, "events", "u3", &[], event("u3").as_bytes());
    wait_greeted(&deployment, &["u3"]);
    let found = letters(&deployment, &first, 2);
    let of = |code: &str| -> Value {
        found.iter().find(|letter| letter["code"] == code).cloned().expect("there is one of each")
    };
    let (plain, cloud) = (of("user_missing"), of("ce_missing"));
    assert_eq!(
        (&plain["kind"], &plain["key"], &plain["replayed"]),
        (&"event".into(), &"u1".into(), &Value::Null)
    );
    assert_eq!((&cloud["kind"], &cloud["headers"][0][0]), (&"cloud_event".into(), &"ce_id".into()));
    let number = plain["number"].to_string();
    assert_eq!(
        rejects(&deployment, &second, &format!("show {number} --raw")),
        (exit::OK, String::from_utf8_lossy(nobody).into())
    );

    // Nothing moves by saying what would, and once is once, whichever instance is asked.
    let (code, said) = rejects(&deployment, &first, "replay --code user_missing --dry-run");
    assert_eq!((code, said), (exit::OK, format!("1 dead letter would be let in once more: {number}\n")));
    let (code, said) = rejects(&deployment, &first, &format!("replay {number}"));
    assert_eq!((code, said), (exit::OK, format!("1 dead letter is let in once more: {number}\n")));
    letters(&deployment, &first, 3);
    let (code, said) = rejects(&deployment, &second, &format!("replay {number}"));
    assert!(code == exit::PROBLEM && said.contains("it was let in at"), "{said}");
    let places = there(&deployment, nobody);
    assert_eq!((places.len(), &places[0]), (2, &places[1]), "the same bytes, key and partition");

    // What is rejected again is another dead letter, and all of it is let in with what is left.
    let (code, said) = rejects(&deployment, &second, "replay --all");
    assert!(code == exit::OK && said.starts_with("2 dead letters are"), "{said}");
    letters(&deployment, &second, 5);
    let (_, said) = rejects(&deployment, &second, &format!("replay {number} --again"));
    assert!(said.starts_with("1 dead letter is"), "{said}");
    let again = letters(&deployment, &first, 6);
    let clouds: Vec<&Value> = again.iter().filter(|letter| letter["code"] == "ce_missing").collect();
    assert_eq!(clouds.len(), 2);
    assert_eq!(clouds[0]["headers"], clouds[1]["headers"], "it came back with its headers");

    first.end();
    second.end();
    verified(&deployment);
    replays::as_left(&deployment, 1);
}
