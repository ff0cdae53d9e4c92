//! `--statistics-by`: what moved by journey, version, node and hour or day of the journey's zone (G40).

use serde_json::Value;

use super::folder::{Folder, events, example, script};

fn folder() -> Folder {
    let folder = Folder::with(&[&example("antsomi", "zone = \"Asia/Kolkata\"", "")]);
    // 18:30 is midnight in Kolkata; the reminder an hour after the welcome is the next day's.
    let story = "17:10 u1 add · 17:50 u2 add · 18:10 u2 buy · 18:40 u3 add · 19:00 u4 add";
    folder.write("e.jsonl", events(story).as_bytes());
    folder.write("s.txt", script("19:20 pause · 21:00 reactivate · 21:30 resume").as_bytes());
    folder
}

/// A bucket in short: its name, what moved in all, and at each node.
fn told(line: &Value) -> String {
    let count = |of: &Value, what: &str| match of[what].as_u64() {
        Some(n) if n > 0 => format!(" {what} {n}"),
        _ => String::new(),
    };
    let mut text = line["at"].as_str().expect("a bucket has a name").to_owned();
    for what in ["entered", "sent"] {
        text += &count(line, what);
    }
    for (reason, n) in line["exited"].as_object().expect("reasons") {
        text += &format!(" {reason} {n}");
    }
    for node in line["nodes"].as_array().expect("nodes") {
        text += &format!(" | {}", node["node"].as_str().expect("a node has an id"));
        for what in ["started", "held", "sent"] {
            text += &count(node, what);
        }
        for branch in node["moved"].as_array().expect("branches") {
            text += &format!(" → {} {}", branch["to"].as_str().expect("a target"), branch["count"]);
        }
    }
    text
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| told(&serde_json::from_str(line).expect("JSON lines"))).collect()
}

#[test]
fn days_and_hours_are_those_of_the_journeys_zone() {
    let folder = folder();
    for (by, buckets) in [
        (
            "day",
            &[
                "2026-03-01 entered 2 sent 3 completed 1 exit_rule 1 | W started 2 sent 2 → patience 2 | patience \
                 started 2 → R 1 | R started 1 sent 1 → exit 1",
                "2026-03-02 entered 2 sent 4 completed 2 | W started 2 sent 2 → patience 2 | patience started 2 \
                 → R 2 | R started 2 held 2 sent 2 → exit 2",
            ][..],
        ),
        (
            "hour",
            &[
                "2026-03-01T22:00:00+05:30 entered 1 sent 1 | W started 1 sent 1 → patience 1 | patience started 1",
                "2026-03-01T23:00:00+05:30 entered 1 sent 2 completed 1 exit_rule 1 | W started 1 sent 1 → patience \
                 1 | patience started 1 → R 1 | R started 1 sent 1 → exit 1",
                "2026-03-02T00:00:00+05:30 entered 2 sent 2 | W started 2 sent 2 → patience 2 | patience started 2",
                "2026-03-02T01:00:00+05:30 | patience → R 2 | R held 2",
                "2026-03-02T03:00:00+05:30 sent 2 completed 2 | R started 2 sent 2 → exit 2",
            ][..],
        ),
    ] {
        let came =
            folder.replay(&format!("--events @e.jsonl --script @s.txt --statistics-by {by} --out @out"));
        assert_eq!(came.code, 0, "{}", came.err);
        assert_eq!(lines(&folder.read("out/statistics.jsonl")), buckets, "by the {by}");
        assert!(!came.out.contains("2026-03-02T"), "what is in a file is not printed: {}", came.out);
    }
}

#[test]
fn without_a_directory_they_are_printed_and_without_the_option_there_are_none() {
    let folder = folder();
    let came = folder.replay("--events @e.jsonl --script @s.txt --statistics-by day");
    let rows: Vec<String> =
        came.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let row = "example 1 2026-03-02 R 2 2 2 → exit 2, completed 2";
    assert!(rows.iter().any(|line| line == row), "{} lacks {row}", came.out);
    let came = folder.replay("--events @e.jsonl --script @s.txt --statistics-by day --json");
    let summary: Value = serde_json::from_str(&came.out).expect("JSON");
    assert_eq!(summary["statistics"].as_array().map(Vec::len), Some(2));
    assert_eq!(summary["journeys"][0]["versions"][0]["entered"], 4);
    folder.replay("--events @e.jsonl --statistics-by day --out @out");
    let came = folder.replay("--events @e.jsonl --json --out @out");
    assert!(!came.out.contains("\"statistics\""), "{}", came.out);
    let names = ["refusals.jsonl", "rejects.jsonl", "sends.jsonl", "summary.json", "transitions.jsonl"];
    assert_eq!(folder.names("out"), names, "what an earlier replay left is removed");
}
