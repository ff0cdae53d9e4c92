//! One order, whatever the number of threads; and what happens to events that are out of it.

use std::fmt::Write;

use super::folder::{Folder, events, example, text};

const FILES: [&str; 6] = [
    "sends.jsonl",
    "transitions.jsonl",
    "refusals.jsonl",
    "rejects.jsonl",
    "summary.json",
    "statistics.jsonl",
];

/// A crowd: 600 users who add, buy and look, some lines that are none, a little out of order.
fn crowd() -> String {
    let mut text = String::new();
    for n in 0..6_000u64 {
        let user = n.wrapping_mul(2_654_435_761) % 600;
        let name = ["add", "look", "add", "buy", "look"][(n % 5) as usize];
        let second = n * 3 + (n * 7_919) % 50;
        let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
        writeln!(
            text,
            "{{\"type\":\"track\",\"userId\":\"u{user}\",\"event\":\"{name}\",\"messageId\":\"m{n}\",\
             \"timestamp\":\"2026-03-01T{h:02}:{m:02}:{s:02}Z\",\"properties\":{{\"value\":{n}}}}}"
        )
        .expect("a text grows");
        if n % 1_000 == 7 {
            text.push_str("{\"type\":\"track\",\"userId\":\n");
        }
    }
    text
}

#[test]
fn one_two_and_eight_threads_write_the_same_bytes_with_an_entry_cap_among_the_journeys() {
    let capped =
        example("clevertap", "", "limit = 250\nreentry = \"always\"").replace("\"example\"", "\"capped\"");
    let folder = Folder::with(&[&example("antsomi", "", ""), &capped]);
    folder.write("e.jsonl", crowd().as_bytes());
    let verbs = "2026-03-01T01:00:00Z pause example\n2026-03-01T01:30:00Z reactivate example\n\
                 2026-03-01T02:00:00Z resume example at=R\n2026-03-01T03:00:00Z abort example\n";
    folder.write("s.txt", verbs.as_bytes());
    for threads in [1, 2, 8] {
        let threads_and_out = format!("--threads {threads} --json --out @out{threads}");
        let words = format!("--events @e.jsonl --script @s.txt --statistics-by hour {threads_and_out}");
        let came = folder.replay(&words);
        assert_eq!(came.code, 0, "{}", came.err);
        let summary: serde_json::Value = serde_json::from_str(&came.out).expect("JSON");
        assert_eq!(summary["journeys"][0]["versions"][0]["entered"], 250, "the cap is met exactly");
        for file in FILES {
            let (one, this) =
                (folder.read(&format!("out1/{file}")), folder.read(&format!("out{threads}/{file}")));
            assert!(!this.is_empty(), "{file} says nothing");
            assert!(one == this, "{file} differs with {threads} threads");
        }
    }
}

#[test]
fn the_first_who_qualify_get_the_entries_of_a_cap_at_their_own_time() {
    let folder = Folder::with(&[&example("clevertap", "", "limit = 3\nwhere = \"properties.value > 5\"")]);
    folder.write(
        "e.jsonl",
        events("00:00 a add · 00:01 b add · 00:01 a add · 00:02 c add · 00:03 d add").as_bytes(),
    );
    let sent = folder.sent("--events @e.jsonl");
    assert_eq!(sent, "a R@01:00, a W@00:00, b R@01:01, b W@00:01, c R@01:02, c W@00:02");
    let refused =
        folder.lines("out/refusals.jsonl", |line| format!("{} {}", text(line, "user"), text(line, "reason")));
    assert_eq!(refused, "a inside, d entry_limit");
}

#[test]
fn files_are_in_the_order_of_time() {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    folder.write("e.jsonl", crowd().as_bytes());
    folder.sent("--events @e.jsonl");
    for file in ["out/sends.jsonl", "out/transitions.jsonl"] {
        let read = folder.read(file);
        let of = |line: &str| text(&serde_json::from_str(line).expect("JSON"), "at");
        let times: Vec<String> = read.lines().map(of).collect();
        assert!(times.len() > 500 && times.is_sorted(), "{file}");
    }
}

#[test]
fn events_out_of_order_within_the_bound_are_sorted_and_those_beyond_are_counted() {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    // u1 buys ten minutes after adding, but that was recorded first; u2's events are hours late.
    let story = "00:10 u1 buy · 00:00 u1 add · 05:00 u3 add · 01:00 u2 add";
    folder.write("e.jsonl", events(story).as_bytes());
    assert_eq!(folder.sent("--events @e.jsonl --late 1h"), "u1 W@00:00, u3 R@06:00, u3 W@05:00");
    let came = folder.replay("--events @e.jsonl --late 1h --json");
    let summary: serde_json::Value = serde_json::from_str(&came.out).expect("JSON");
    assert_eq!((&summary["events"]["sorted"], &summary["events"]["late"]), (&1.into(), &1.into()));
    assert_eq!(summary["journeys"][0]["refused"]["late"], 1, "{summary}");
    // With a wider bound it is where it belongs.
    let sent = folder.sent("--events @e.jsonl --late 5h");
    assert_eq!(sent, "u1 W@00:00, u2 R@02:00, u2 W@01:00, u3 R@06:00, u3 W@05:00");
}

#[test]
fn a_verb_hours_after_the_first_events_does_not_delay_their_journeys() {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    // More than one round of events before the verb, the first of them within the bound of lateness.
    let many: String =
        (0..40_000).map(|n| format!(" · {:02}:{:02} x look", n / 6_000, n / 100 % 60)).collect();
    folder.write("e.jsonl", events(&format!("00:00 u1 add{many}")).as_bytes());
    folder.write("s.txt", b"2026-03-01T05:00:00Z pause example\n");
    let sent = folder.sent("--events @e.jsonl --script @s.txt --late 6h");
    assert_eq!(sent, "u1 R@01:00, u1 W@00:00");
}

#[test]
fn an_event_without_a_time_has_that_of_the_event_before_it() {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    let untimed = r#"{"type":"track","userId":"U","event":"add"}"#;
    let lines =
        [&untimed.replace('U', "a"), events("00:30 b add").trim(), &untimed.replace('U', "c")].join("\n");
    folder.write("e.jsonl", lines.as_bytes());
    assert_eq!(
        folder.sent("--events @e.jsonl"),
        "a R@01:30, a W@00:30, b R@01:30, b W@00:30, c R@01:30, c W@00:30"
    );
    let came = folder.replay("--events @e.jsonl");
    assert!(came.out.contains("2 had no time of their own"), "{}", came.out);
}
