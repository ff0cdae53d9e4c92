//! The worked examples of the specification, as replays: the operator's verbs come from a script.

use super::folder::{Folder, events, example, script, text};

fn refused(folder: &Folder) -> String {
    folder.lines("out/refusals.jsonl", |line| format!("{} {}", text(line, "user"), text(line, "reason")))
}

fn told(dialect: &str, extra: &str, story: &str, verbs: &str) -> (Folder, String) {
    let folder = Folder::with(&[&example(dialect, extra, "")]);
    folder.write("e.jsonl", events(story).as_bytes());
    folder.write("s.txt", script(verbs).as_bytes());
    let sent = folder.sent("--events @e.jsonl --script @s.txt --threads 2");
    (folder, sent)
}

#[test]
fn clevertap_pause_shuts_the_door_but_lets_those_inside_go_on() {
    let story = "00:00 u1 add · 00:40 u2 add · 02:05 u3 add";
    let (folder, sent) = told("clevertap", "", story, "00:30 pause · 02:00 resume");
    assert_eq!(sent, "u1 R@01:00, u1 W@00:00, u3 R@03:05, u3 W@02:05");
    assert_eq!(refused(&folder), "u2 entry_shut");
}

#[test]
fn antsomi_pause_lets_people_in_and_holds_everybody_until_resume() {
    let story = "00:00 u1 add · 00:40 u2 add · 02:05 u3 add";
    let (folder, sent) = told("antsomi", "", story, "00:30 pause · 02:00 reactivate · 02:10 resume");
    assert_eq!(sent, "u1 R@02:10, u1 W@00:00, u2 R@03:10, u2 W@02:10, u3 R@03:05, u3 W@02:05");
    assert_eq!(refused(&folder), "");
}

#[test]
fn an_event_that_comes_after_the_opening_but_happened_before_it_is_refused_in_clevertap() {
    // Within the bound it would be sorted to where it belongs; beyond it comes at the clock, with its own
    // time.
    let story = "00:00 u1 add · 02:05 u9 look · 01:30 u3 add";
    let verbs = script("00:30 pause · 02:00 resume");
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    folder.write("e.jsonl", events(story).as_bytes());
    folder.write("s.txt", verbs.as_bytes());
    let sent = folder.sent("--events @e.jsonl --script @s.txt --late 1m");
    assert_eq!(sent, "u1 R@01:00, u1 W@00:00");
    assert_eq!(refused(&folder), "u3 before_opening");
}

#[test]
fn an_end_date_completes_a_paused_clevertap_journey_and_refuses_its_resume() {
    let story = "00:10 u1 add · 00:59 u2 add · 01:01 u3 add";
    let end = "end = \"2026-03-01T01:00\"";
    let (folder, sent) = told("clevertap", end, story, "00:30 pause · 02:00 resume");
    assert_eq!(sent, "u1 R@01:10, u1 W@00:10");
    assert_eq!(refused(&folder), "u2 entry_shut, u3 entry_shut");
    let summary = folder.read("out/summary.json");
    assert!(summary.contains("Completed") && summary.contains("s.txt:2"), "{summary}");
}

#[test]
fn an_end_date_closes_a_paused_antsomi_journey_at_reactivate() {
    let story = "00:10 u1 add · 00:59 u2 add · 01:01 u3 add";
    let end = "end = \"2026-03-01T01:00\"";
    let verbs = "00:30 pause · 02:00 reactivate · 02:01 reactivate · 02:02 resume";
    let (folder, sent) = told("antsomi", end, story, verbs);
    assert_eq!(sent, "u1 R@02:02, u1 W@00:10, u2 R@03:02, u2 W@02:02");
    assert_eq!(refused(&folder), "u3 entry_shut");
    let summary = folder.read("out/summary.json");
    assert!(summary.contains("Closed") && summary.contains("s.txt:3"), "{summary}");
}

#[test]
fn the_clock_stops_where_until_says() {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    folder.write("e.jsonl", events("00:00 u1 add · 00:10 u2 add · 00:20 u3 add").as_bytes());
    let all = "--events @e.jsonl --until";
    assert_eq!(
        folder.sent(&format!("{all} 2026-03-01T01:00:00Z")),
        "u1 R@01:00, u1 W@00:00, u2 W@00:10, u3 W@00:20"
    );
    assert_eq!(folder.sent(&format!("{all} 2026-03-01T00:10:00Z")), "u1 W@00:00, u2 W@00:10");
    let came = folder.replay(&format!("{all} 2026-03-01T00:10:00Z"));
    assert!(came.out.contains("waiting 2"), "{}", came.out);
}
