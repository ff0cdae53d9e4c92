//! `wayfarer ctl`, `explain` and `rejects`, as they are typed, against a server on a real socket.

use std::fs;

use clap::Parser;
use wayfarer::cli::{Cli, Command, exit};
use wayfarer::ctl;
use wayfarer::lifecycle::Role;

use super::client::Client;
use super::memory::start;

/// What a command line printed, and its exit code.
struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// Runs `wayfarer LINE --url …`.
fn run(client: Client, line: &str) -> Ran {
    let url = format!("http://{}", client.0);
    let mut words = vec!["wayfarer"];
    words.extend(line.split_whitespace());
    words.extend(["--url", &url]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = match Cli::try_parse_from(&words).unwrap().command {
        Command::Ctl(args) => ctl::run(&args, &mut out, &mut err),
        Command::Explain(args) => ctl::explain(&args, &mut out, &mut err),
        Command::Rejects(args) => ctl::rejects(&args, &mut out, &mut err),
        other => panic!("{other:?} asks no server"),
    };
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// Runs what must be done.
fn done(client: Client, line: &str) -> String {
    let ran = run(client, line);
    assert_eq!((ran.code, ran.err.as_str()), (exit::OK, ""), "{line}: {}", ran.out);
    ran.out
}

fn sample(id: &str) -> String {
    format!("{}/config/journeys/{id}.toml", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_journey_goes_through_its_life_from_a_shell() {
    let (server, memory, client) = start(|_| {});
    assert!(done(client, "ctl list").contains("there is no journey yet"));
    let put = done(client, &format!("ctl put {} --actor ann", sample("cart-rescue")));
    assert_eq!(put, "cart-rescue is saved (epoch 0)\n");
    assert_eq!(
        done(client, "ctl publish cart-rescue --actor bob --expect 1"),
        "publish cart-rescue: done, in every shard (epoch 1)\n"
    );
    done(client, "ctl pause cart-rescue");
    let list = done(client, "ctl list");
    let row: Vec<_> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row.join(" "), "cart-rescue Paused shut open 1 3 2 1 0 0 ann bob edit, clone, resume, stop");
    let show = done(client, "ctl show cart-rescue");
    for line in [
        "state          Paused",
        "entry gate     shut",
        "movement gate  open",
        "allowed now    edit, clone, resume, stop",
        "revision       3",
        "entry refused  entry_shut 4",
    ] {
        assert!(show.contains(line), "{show} lacks {line}");
    }
    done(client, "ctl resume cart-rescue");
    let released = done(client, "ctl release cart-rescue --from remind");
    assert!(released.starts_with("release cart-rescue: done, in every shard"), "{released}");
    assert_eq!(run(client, "ctl release cart-rescue --at nowhere").code, exit::PROBLEM);
    done(client, "ctl clone cart-rescue second");
    done(client, "ctl stop cart-rescue --id the-stop");
    assert_eq!(
        done(client, "ctl stop cart-rescue --id the-stop"),
        done(client, "ctl stop cart-rescue --id the-stop")
    );
    assert_eq!(memory.state().fold.registry().get("cart-rescue").unwrap().lifecycle.state_name(), "Stopped");
    server.shutdown();
}

#[test]
fn the_other_dialect_s_verbs_reach_the_log_with_what_they_need() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("birthday-offers");
    let rows = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    fs::write(rows.path(), "user_id,age\nu1,30\nu2,31\n").unwrap();
    let upload = done(client, &format!("ctl list-upload birthday-offers {}", rows.path().display()));
    assert!(upload.starts_with("the list of birthday-offers is uploaded"), "{upload}");
    assert_eq!(memory.state().rows.len(), 2);
    for line in [
        "ctl activate birthday-offers",
        "ctl freeze birthday-offers",
        "ctl reactivate birthday-offers --keep-held",
        "ctl pause birthday-offers",
        "ctl copy birthday-offers autumn",
        "ctl abort birthday-offers",
    ] {
        // The dates of the sample may have passed, and then a refusal is right: the record counts.
        let ran = run(client, line);
        assert!([exit::OK, exit::PROBLEM].contains(&ran.code), "{line}: {}", ran.err);
    }
    let fail = run(client, "ctl fail birthday-offers --reason broken --role system");
    assert_eq!((fail.code, fail.out.as_str()), (exit::PROBLEM, ""), "{}", fail.err);
    let last = memory.state().records.last().cloned().unwrap();
    assert_eq!(last.role, Role::System);
    let commands = serde_json::to_string(&memory.state().records).unwrap();
    for part in [r#""keep_held":true"#, r#""to":"autumn""#, r#""reason":"broken""#] {
        assert!(commands.contains(part), "{commands} lacks {part}");
    }
    let preview = done(client, "ctl resume birthday-offers --from offer --preview");
    assert!(preview.starts_with("2 held users would go on"), "{preview}");
    server.shutdown();
}

#[test]
fn every_end_has_its_sentence_and_its_code() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    let bad = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(bad.path(), "id = \"x\"\nunknown = 1\n").unwrap();
    for (line, code, part) in [
        ("ctl pause cart-rescue".to_owned(), exit::PROBLEM, "allowed are edit, save, publish, clone"),
        ("ctl freeze cart-rescue".to_owned(), exit::PROBLEM, "the dialect clevertap has no freeze"),
        ("ctl publish cart-rescue --expect 9".to_owned(), exit::PROBLEM, "at revision 1, not 9"),
        ("ctl publish nobody".to_owned(), exit::PROBLEM, "there is no journey \"nobody\""),
        ("ctl show ../etc".to_owned(), exit::PROBLEM, "cannot be a journey's id"),
        ("ctl publish cart-rescue --actor <b>".to_owned(), exit::PROBLEM, "names nobody"),
        (format!("ctl put {}", bad.path().display()), exit::PROBLEM, ":2:"),
        ("ctl put nowhere.toml".to_owned(), exit::FILE, "nowhere.toml cannot be read"),
        ("ctl list-upload cart-rescue audience.xls".to_owned(), exit::PROBLEM, "neither .csv nor .jsonl"),
        ("ctl list-upload cart-rescue nowhere.csv".to_owned(), exit::FILE, "cannot be read"),
        ("rejects show 99".to_owned(), exit::PROBLEM, "no dead letter 99"),
    ] {
        let ran = run(client, &line);
        assert_eq!(ran.code, code, "{line}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(part), "{line}: {:?} lacks {part:?}", ran.err);
    }
    memory.set(|state| state.slow_shards = vec![3]);
    let pending = run(client, "ctl publish cart-rescue");
    assert_eq!(pending.code, exit::PENDING);
    assert!(pending.out.contains("not yet taken by the shards 3"), "{}", pending.out);
    memory.set(|state| state.full = true);
    let full = run(client, "ctl enter cart-rescue u1");
    assert_eq!(full.code, exit::SERVER);
    assert!(full.err.contains("the disk is full"), "{}", full.err);
    server.shutdown();
    let gone = run(client, "ctl list");
    assert_eq!((gone.code, gone.out.as_str()), (exit::SERVER, ""));
    assert!(gone.err.contains("cannot be reached") && gone.err.lines().count() == 1, "{}", gone.err);
}

#[test]
fn json_is_the_server_s_answer_as_it_came() {
    let (server, _memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    assert_eq!(done(client, "ctl show cart-rescue --json"), client.get("/v1/journeys/cart-rescue").body);
    assert_eq!(done(client, "ctl list --json"), client.get("/v1/journeys").body);
    let refused = run(client, "ctl pause cart-rescue --json");
    assert_eq!((refused.code, refused.err.as_str()), (exit::PROBLEM, ""));
    assert!(refused.out.contains(r#""code":"verb""#), "{}", refused.out);
    server.shutdown();
}

#[test]
fn a_user_is_entered_and_explained_and_dead_letters_are_shown() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    done(client, r#"ctl enter cart-rescue a/b --properties {"value":30} --id e1"#);
    let entered = memory.state().accepted.pop().unwrap();
    assert_eq!(entered.bytes, br#"{"journey":"cart-rescue","user":"a/b","properties":{"value":30}}"#);
    let story = done(client, "explain a/b --journey cart-rescue");
    assert!(story.contains("cart-rescue v1: waiting patience"), "{story}");
    assert!(story.contains("it is shut (entry_shut; the journey is Paused)"), "{story}");
    assert!(done(client, "explain u --json").contains(r#""records":["#));
    let letters = done(client, "rejects list");
    assert_eq!(letters.lines().count(), 4, "{letters}");
    assert_eq!(done(client, "rejects list --from 1 --limit 1").lines().count(), 2);
    assert_eq!(done(client, "rejects show 1 --raw"), "x");
    assert!(done(client, "rejects show 1").contains("position  events:101"));
    assert!(done(client, "rejects list --from 7").contains("no dead letter"));
    assert!(done(client, "rejects show 1").contains("bytes     1 of 7: it is cut"));
    assert_eq!(done(client, "rejects replay 0 2"), "2 dead letters are let in once more: 0 2\n");
    let dry = run(client, "rejects replay --code not_json --dry-run");
    assert_eq!(dry.out, "2 dead letters would be let in once more: 0 2\nnot 1: it is cut\n");
    assert_eq!(dry.code, exit::PROBLEM, "not all that were chosen can be");
    assert_eq!(done(client, "rejects replay --source internal"), "0 dead letters are let in once more\n");
    let none = run(client, "rejects replay");
    assert!(none.code == exit::PROBLEM && none.err.contains("nothing says which"), "{}", none.err);
    server.shutdown();
}

#[test]
fn what_moved_is_told_by_version_and_bucket_with_who_is_where_now() {
    let (server, _memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    assert!(done(client, "ctl statistics cart-rescue").ends_with("no version has gone live yet\n"));
    done(client, "ctl publish cart-rescue");
    let told = done(client, "ctl statistics cart-rescue --from 2026-03-01 --to 2026-03-02");
    let rows: Vec<String> =
        told.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let first = "cart-rescue from 2026-03-01T00:00:00+05:30 to 2026-03-03T00:00:00+05:30, in Asia/Kolkata";
    for row in [first, "1 2 0 0 0", "1 patience 2 0 0 0", "1 2026-03-02 3"] {
        assert!(rows.iter().any(|line| line == row), "{told} lacks {row}");
    }
    let asked = "from=2026-03-01T09:00&to=2026-03-01T10:00%2B05:30&by=hour";
    let line =
        "ctl statistics cart-rescue --from 2026-03-01T09:00 --to 2026-03-01T10:00+05:30 --by hour --json";
    let path = format!("/v1/journeys/cart-rescue/statistics?{asked}");
    assert_eq!(done(client, line), client.get(&path).body);
    for (line, part) in [
        ("ctl statistics cart-rescue --from yesterday", "from is \"yesterday\"; allowed are a day"),
        ("ctl statistics cart-rescue --version 7", "has no version 7 that went live; there is 1"),
        ("ctl statistics nobody", "there is no journey \"nobody\""),
    ] {
        let ran = run(client, line);
        assert_eq!((ran.code, ran.out.as_str()), (exit::PROBLEM, ""), "{line}");
        assert!(ran.err.contains(part), "{line}: {:?} lacks {part:?}", ran.err);
    }
    server.shutdown();
}

/// CT: each user's unsaved edit of a draft is kept, shown again, dropped or saved; it may be incomplete until then.
#[test]
fn an_unsaved_edit_is_kept_for_its_user_until_it_is_saved_or_dropped() {
    let (server, memory, client) = start(|_| {});
    done(client, &format!("ctl put {} --actor ann", sample("cart-rescue")));
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let half = file("half.toml", "id = \"cart-rescue\"\nname = \"Half");
    let whole = fs::read_to_string(sample("cart-rescue")).unwrap();
    let renamed = file("whole.toml", &format!("name = \"Renamed\"\n{}", without_name(&whole)));
    let kept = done(client, &format!("ctl keep-edit cart-rescue {half} --actor ann"));
    assert_eq!(kept, "the edit of cart-rescue is kept, and not saved (epoch 1)\n");
    assert_eq!(done(client, "ctl show-edit cart-rescue --actor ann"), fs::read_to_string(&half).unwrap());
    assert_eq!(run(client, "ctl show-edit cart-rescue --actor bob").code, exit::PROBLEM, "it is ann's alone");
    let refused = run(client, "ctl save cart-rescue --actor ann");
    assert_eq!(refused.code, exit::PROBLEM);
    assert!(refused.err.contains("line 2"), "what is missing is said at its line: {}", refused.err);
    assert_eq!(done(client, "ctl show-edit cart-rescue --actor ann"), fs::read_to_string(&half).unwrap());
    done(client, &format!("ctl keep-edit cart-rescue {renamed} --actor ann"));
    done(client, "ctl save cart-rescue --actor bob");
    let name = || memory.state().fold.registry().get("cart-rescue").unwrap().saved.name.clone();
    assert_ne!(name().as_deref(), Some("Renamed"), "bob has nothing to save");
    // Bob's save was a command, and moved the revision on which the edit stood.
    assert!(run(client, "ctl save cart-rescue --actor ann").err.contains("revision"));
    done(client, &format!("ctl keep-edit cart-rescue {renamed} --actor ann"));
    done(client, "ctl save cart-rescue --actor ann");
    assert_eq!(name().as_deref(), Some("Renamed"));
    assert_eq!(run(client, "ctl drop-edit cart-rescue --actor ann").code, exit::PROBLEM, "it is saved");
    done(client, &format!("ctl keep-edit cart-rescue {half} --actor ann"));
    done(client, "ctl drop-edit cart-rescue --actor ann");
    assert_eq!(run(client, "ctl show-edit cart-rescue --actor ann").code, exit::PROBLEM);
    server.shutdown();
}

/// A definition whose name, if it has one, is taken away.
fn without_name(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("name =")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_format_is_shown_and_moved_on_once() {
    let (server, _, client) = start(|_| {});
    let shown = done(client, "ctl format");
    assert!(
        shown.starts_with("everything is written in format 1; this server reads formats up to 2\n"),
        "{shown}"
    );
    let row: Vec<_> = shown.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row.join(" "), "0 test 1 2 0");
    let refused = run(client, "ctl format 3");
    assert_eq!(refused.code, exit::PROBLEM);
    assert!(refused.err.contains("what is written is format 1, and only 2 follows"), "{}", refused.err);
    let moved = done(client, "ctl format 2 --id the-format");
    assert!(moved.starts_with("everything is written in format 2 from now on, in every shard"), "{moved}");
    assert_eq!(done(client, "ctl format 2 --id the-format"), moved, "a repeat is the same command");
    assert!(done(client, "ctl format").starts_with("everything is written in format 2;"));
    assert_eq!(run(client, "ctl format 2").code, exit::PROBLEM, "there is no way but on");
    drop(server);
}
