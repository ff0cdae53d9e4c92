//! `--explain`: one user's whole story.

use super::folder::{Folder, events, example, script};

#[test]
fn a_story_tells_qualification_refusal_node_timer_hold_send_and_verb_in_their_order() {
    let folder = Folder::with(&[&example("antsomi", "", "")]);
    let story = "00:00 u1 add · 00:05 u1 add · 00:40 u2 add · 03:00 u1 buy";
    folder.write("e.jsonl", events(story).as_bytes());
    folder.write("s.txt", script("00:30 pause · 02:00 reactivate · 02:10 resume").as_bytes());
    let came = folder.replay("--events @e.jsonl --script @s.txt --explain u1");
    assert_eq!(came.code, 0, "{}", came.err);
    let mut rest = came.out.as_str();
    for says in [
        "00:00:00.000Z  example: * activate: Active, entry open, movement open",
        "00:00:00.000Z  add came in",
        "00:00:00.000Z  example v1: entered",
        "push w revision 1 handed over",
        "waiting patience until 2026-03-01T01:00:00.000Z",
        "00:05:00.000Z  add came in",
        "not let in by the entry gate: the user is inside already (inside; the journey is Active)",
        "00:30:00.000Z  example: * pause: Paused, entry open, movement held",
        "01:00:00.000Z  example v1: held R",
        "02:10:00.000Z  example: * resume",
        "02:10:00.000Z  example v1: released R",
        "push r revision 1 handed over",
        "02:10:00.000Z  example v1: exited",
        "03:00:00.000Z  buy came in",
    ] {
        let at =
            rest.find(says).unwrap_or_else(|| panic!("{says:?} is missing or too early in\n{}", came.out));
        rest = &rest[at + says.len()..];
    }
    assert!(!came.out.contains("u2"), "{}", came.out);
}

#[test]
fn a_story_as_json_is_one_object_a_line_and_that_of_a_stranger_says_so() {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    folder.write("e.jsonl", events("00:00 u1 add").as_bytes());
    let came = folder.replay("--events @e.jsonl --explain u1 --json");
    let lines: Vec<serde_json::Value> =
        came.out.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    assert!(lines.len() > 5 && lines.iter().all(|line| line["at"].is_string() && line["story"].is_string()));
    let came = folder.replay("--events @e.jsonl --explain nobody");
    assert!(came.out.contains("nobody: nothing came in"), "{}", came.out);
}

#[test]
fn a_story_does_not_change_what_is_written() {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    folder.write("e.jsonl", events("00:00 u1 add · 00:01 u1 look · 00:02 u2 add").as_bytes());
    folder.sent("--events @e.jsonl");
    let (sends, moves) = (folder.read("out/sends.jsonl"), folder.read("out/transitions.jsonl"));
    folder.replay("--events @e.jsonl --explain u1 --out @out");
    assert_eq!((sends, moves), (folder.read("out/sends.jsonl"), folder.read("out/transitions.jsonl")));
}
