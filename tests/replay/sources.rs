//! What events, lists and scripts may be written as.

use std::io::Write;

use super::folder::{Folder, events, example, text};

/// An export of a customer data platform, with all that such a thing carries. Not made for these tests'
/// parser: the fields, their order and the spaces are those of the products' documentation.
const EXPORT: &str = include_str!("export.jsonl");

const SENT: &str = "u1 R@01:00, u1 W@00:00";

fn folder() -> Folder {
    Folder::with(&[&example("clevertap", "", "")])
}

#[test]
fn gzip_is_read_by_its_content_whatever_its_name() {
    let folder = folder();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(events("00:00 u1 add").as_bytes()).expect("it compresses");
    folder.write("e", &gzip.finish().expect("it compresses"));
    assert_eq!(folder.sent("--events @e"), SENT);
}

#[test]
fn zstd_is_read_by_its_content_whatever_its_name() {
    let folder = folder();
    let plain = events("00:00 u1 add");
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    folder.write("e", &ruzstd::encoding::compress_to_vec(plain.as_bytes(), level));
    assert_eq!(folder.sent("--events @e"), SENT);
}

#[test]
fn a_table_is_read_with_its_mapping_and_its_other_columns_are_properties() {
    let folder = Folder::with(&[&example("clevertap", "", "where = \"properties.amount > 5\"")]);
    folder.write(
        "e.csv",
        b"when,who,did,amount\n2026-03-01T00:00:00Z,u1,add,7.5\n2026-03-01 00:01:00,u2,add,3\n",
    );
    let map = "--map user=who --map event=did --map timestamp=when";
    assert_eq!(folder.sent(&format!("--events @e.csv {map}")), SENT);
}

#[test]
fn an_export_with_foreign_fields_replays_and_its_bad_lines_go_to_the_rejects() {
    let journey = example("clevertap", "", "where = \"properties.total > 20\"")
        .replace("event = \"add\"", "event = \"Product Added\"")
        .replace("event = \"buy\"", "event = \"Order Completed\"");
    let folder = Folder::with(&[&journey]);
    folder.write("e.jsonl", EXPORT.as_bytes());
    let sent = folder.sent("--events @e.jsonl");
    assert_eq!(sent, "97980cfea0067 W@09:15, anon-5a7c R@11:02, anon-5a7c W@10:02");
    let rejects = folder.lines("out/rejects.jsonl", |line| {
        format!("{} {} {}", line["line"], text(line, "code"), text(line, "original").len())
    });
    assert_eq!(rejects, "5 user_missing 105, 6 truncated 49");
}

#[test]
fn a_list_enters_when_its_journey_opens_and_closes_it() {
    let journey = |dialect: &str| example(dialect, "", "").replace("event = \"add\"", "list = \"members\"");
    for (dialect, state) in [("clevertap", "Completed"), ("antsomi", "Closed")] {
        let folder = Folder::with(&[&journey(dialect)]);
        folder.write("e.jsonl", events("00:00 x look · 00:10 m2 buy").as_bytes());
        for (name, rows) in [
            ("l.csv", "user,tier\nm1,gold\nm2,silver\n"),
            ("l.jsonl", "{\"user\":\"m1\",\"tier\":\"gold\"}\n{\"user\":\"m2\"}\n"),
        ] {
            folder.write(name, rows.as_bytes());
            let sent = folder.sent(&format!("--events @e.jsonl --list members=@{name}"));
            assert_eq!(sent, "m1 R@01:00, m1 W@00:00, m2 W@00:00");
            let summary = folder.read("out/summary.json");
            assert!(summary.contains(state), "{summary}");
        }
    }
}

#[test]
fn a_script_may_be_json_lines_and_puts_and_enters_too() {
    let api = example("antsomi", "", "").replace("event = \"add\"", "event = \"add\"\napi = true");
    let folder = Folder::with(&[&api]);
    folder.write("new.toml", api.replace("60m", "10m").as_bytes());
    folder.write("e.jsonl", events("00:00 u1 look").as_bytes());
    let script = "# the operator's day\n\n\
        {\"at\":\"2026-03-01T00:05:00Z\",\"verb\":\"pause\",\"journey\":\"example\"}\n\
        2026-03-01T00:06:00Z put example file=new.toml\n\
        2026-03-01T00:07:00Z reactivate example\n\
        2026-03-01T00:08:00Z enter example user=api-1 properties={\"value\": 3}\n";
    folder.write("s.txt", script.as_bytes());
    assert_eq!(folder.sent("--events @e.jsonl --script @s.txt"), "api-1 R@00:18, api-1 W@00:08");
    let came = folder.replay("--events @e.jsonl --script @s.txt");
    assert!(came.code == 0 && came.out.contains("v2 "), "{}{}", came.out, came.err);
}

#[test]
fn a_journey_that_the_script_launches_is_a_draft_until_then() {
    let folder = folder();
    folder.write("e.jsonl", events("00:00 u1 add · 00:20 u2 add").as_bytes());
    folder.write("s.txt", b"2026-03-01T00:10:00Z publish example\n");
    assert_eq!(folder.sent("--events @e.jsonl --script @s.txt"), "u2 R@01:20, u2 W@00:20");
}
