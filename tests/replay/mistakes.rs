//! What a user can get wrong: one sentence that says what, where and what is allowed, and the exit code.

use super::folder::{Folder, events, example};

fn folder() -> Folder {
    let folder = Folder::with(&[&example("clevertap", "", "")]);
    folder.write("e.jsonl", events("00:00 u1 add").as_bytes());
    folder
}

/// Each with its command line, its exit code, and what its sentence says.
#[test]
fn every_mistake_has_its_sentence_and_its_code() {
    let folder = folder();
    folder.write(
        "verbs.txt",
        b"2026-03-01T00:00:00Z pause example\n10:00 halt\n2026-03-01T00:00:00Z halt example\n",
    );
    folder.write("untimed.jsonl", br#"{"type":"track","userId":"u","event":"add"}"#);
    folder.write("none.jsonl", b"hello\n{}\n");
    folder.write("empty.jsonl", b"");
    folder.write("e.csv", b"who,did\nu1,add\n");
    folder.write("list.csv", b"name\nu1\n");
    folder.write("list.jsonl", b"{\"user\":\"u1\"}\n{\"name\":\"u2\"}\n");
    folder.write("cut.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 75]);
    folder.write("file", b"");
    for (words, code, says) in [
        ("--events @missing.jsonl", 7, "missing.jsonl cannot be opened"),
        ("--events @cut.gz", 7, "cannot be read beyond line 1"),
        ("--events @e.jsonl --script @missing.txt", 7, "missing.txt cannot be read"),
        ("--events @e.jsonl --script @verbs.txt", 1, "verbs.txt:2: "),
        ("--events @e.jsonl --script @verbs.txt", 1, "verbs.txt:3: \"halt\" is not a verb; the verbs are"),
        ("--events @untimed.jsonl", 1, "no event has a time"),
        ("--events @none.jsonl", 1, "holds no event: 2 lines, of which 2 are no messages"),
        ("--events @empty.jsonl", 1, "holds no event: 0 lines"),
        ("--events @e.csv", 2, "is a table; say which column is what"),
        ("--events @e.csv --map user=who", 2, "no column is the event's name"),
        ("--events @e.csv --map user=whom --map event=did", 1, "does not suit the mapping"),
        ("--events @e.jsonl --list m=@missing.csv", 7, "missing.csv cannot be read"),
        ("--events @e.jsonl --list m=@list.csv", 1, "list.csv has no column `user_id`; its columns are name"),
        ("--events @e.jsonl --list m=@list.jsonl", 1, "list.jsonl:2: the row names no user"),
        ("--events @e.jsonl --out @file", 7, "file cannot be made"),
    ] {
        let came = folder.replay(words);
        assert_eq!((came.code, came.err.contains(says)), (code, true), "{words}: {}", came.err);
    }
}

#[test]
fn journeys_that_cannot_be_read_are_told_with_all_their_problems() {
    let folder = folder();
    folder.write("j/1.toml", b"id = \"two\"\ndialect = \"segway\"\n[entry]\n");
    folder.write("j/2.toml", b"id = ");
    let came = folder.replay("--events @e.jsonl");
    assert_eq!(came.code, 1);
    for says in ["1.toml:", "2.toml:", "segway"] {
        assert!(came.err.contains(says), "{says}: {}", came.err);
    }
    let none = Folder::with(&[]);
    none.write("e.jsonl", b"");
    let came = none.replay("--events @e.jsonl");
    assert!(
        came.code == 1 && came.err.contains("has no journey; a journey is a .toml or .json"),
        "{}",
        came.err
    );
    std::fs::remove_dir(none.path("j")).expect("it is empty");
    let came = none.replay("--events @e.jsonl");
    assert!(came.code == 7 && came.err.contains("cannot be read"), "{}", came.err);
}

#[test]
fn a_journey_without_its_list_or_past_its_end_is_put_and_the_others_are_played() {
    for dialect in ["clevertap", "antsomi"] {
        let listed = example(dialect, "", "").replace("event = \"add\"", "list = \"members\"");
        let listed = listed.replace("\"example\"", "\"listed\"");
        let over = example(dialect, "end = \"2026-02-01T00:00\"", "").replace("\"example\"", "\"over\"");
        let folder = Folder::with(&[&listed, &over, &example(dialect, "", "")]);
        folder.write("e.jsonl", events("00:00 u1 add").as_bytes());
        assert_eq!(folder.sent("--events @e.jsonl"), "u1 R@01:00, u1 W@00:00");
        let came = folder.replay("--events @e.jsonl");
        assert_eq!(came.code, 0, "{}", came.err);
        let warnings: Vec<&str> = came.err.lines().filter(|line| line.starts_with("warning: ")).collect();
        let [first, second] = warnings.as_slice() else { panic!("{}", came.err) };
        assert!(first.contains("\"listed\"") && first.ends_with("give its rows with --list members=FILE"));
        assert!(second.contains("\"over\"") && second.ends_with("has passed"), "{second}");
    }
}

#[test]
fn a_verb_that_the_state_refuses_is_told_with_its_line_and_the_rest_goes_on() {
    let folder = folder();
    folder.write("s.txt", b"2026-03-01T00:10:00Z resume example\n");
    let came = folder.replay("--events @e.jsonl --script @s.txt");
    assert_eq!(came.code, 1);
    assert!(came.out.contains("s.txt:1: ") && came.out.contains("R 1"), "{}", came.out);
}

#[test]
fn a_replay_that_fails_leaves_no_file() {
    let folder = folder();
    folder.sent("--events @e.jsonl");
    let names = ["refusals.jsonl", "rejects.jsonl", "sends.jsonl", "summary.json", "transitions.jsonl"];
    assert_eq!(folder.names("out"), names);
    folder.write("untimed.jsonl", br#"{"type":"track","userId":"u","event":"add"}"#);
    assert_eq!(folder.replay("--events @untimed.jsonl --out @out").code, 1);
    assert_eq!(folder.names("out"), [""; 0]);
}
