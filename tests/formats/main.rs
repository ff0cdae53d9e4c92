//! What programs that wrote format 1 have left behind, read by this one.
//!
//! The files in `1/` were written by the last program that knew no other format, by [`story`]: a journal's directory
//! as one process leaves it, and two shards' state records, heads and cycles as they go to Kafka. They are never
//! written anew; the next format's are, by [`write_what_this_program_leaves`], before it is changed.
#![allow(missing_docs, reason = "tests")]

#[path = "../run/world.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod world;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use wayfarer::cli::exit;
use wayfarer::control::{Command, Manifest};
use wayfarer::engine::restore::{Meta, RestoreError};
use wayfarer::engine::{Restore, Setup, Shard};
use wayfarer::journal::embedded::{Embedded, EmbeddedOptions};
use wayfarer::journal::history::Kept;
use wayfarer::journal::kafka::checkpoint::{Header, Reader, Writer};
use wayfarer::journal::memory::Memory;
use wayfarer::journal::{
    Assignment, ControlLog, ControlRecord, Item, Journal, Kind, Log, Stored, Stream, Streams,
};
use wayfarer::lifecycle::Verb;
use wayfarer::model::hash::shard_of;
use wayfarer::model::{Format, Interval, Timestamp};
use wayfarer::replay::exact::{Wanted, replay};
use wayfarer::worker::cycle::{Cycle, Options};
use wayfarer::worker::desk::Desk;

use world::{REMINDER, START, World};

const SHARDS: u16 = 2;

/// Held, parked and limited users have records of their own.
const HELD: &str = r#"
id = "held"
dialect = "antsomi"
zone = "Asia/Kolkata"
[entry]
event = "Start"
reentry = "always"
[[node]]
id = "pause"
type = "delay"
for = "2h"
[[node]]
id = "mail"
type = "send"
channel = "email"
content = "hello"
rate = "1/m"
next = "exit"
[content.hello]
text = "hello"
"#;

const LISTED: &str = r#"
id = "listed"
dialect = "clevertap"
zone = "UTC"
[entry]
list = "vips"
[[node]]
id = "wait"
type = "delay"
for = "30d"
[[node]]
id = "bye"
type = "send"
channel = "push"
content = "hello"
next = "exit"
[content.hello]
text = "hello"
"#;

/// Nobody grants its shards anything, so that whoever qualifies stays at the door.
const LIMITED: &str = r#"
id = "limited"
dialect = "clevertap"
zone = "UTC"
[entry]
event = "Start"
limit = 3
[[node]]
id = "bye"
type = "send"
channel = "push"
content = "hello"
next = "exit"
[content.hello]
text = "hello"
"#;

/// Some hours of three journeys: users who wait, are held, at send and at a door, who left, and left something
/// behind; message ids, closed hours, a list, a queue of sends.
fn story<L: Log>(log: L) -> World<L> {
    let mut world = World::open(log, START);
    world.publish(REMINDER);
    world.publish(HELD);
    world.publish(LIMITED);
    let definition = wayfarer::journey::source::load("test.toml", LISTED.as_bytes()).expect("it is right");
    world.command("listed", Command::Put { definition: Box::new(definition) }, Vec::new());
    let mut ranges = vec![None::<(u64, u64)>; usize::from(SHARDS)];
    for n in 0..6 {
        let user = format!("vip-{n}");
        let row = format!(r#"{{"journey":"listed","user":"{user}"}}"#);
        let shard = shard_of(&user, SHARDS);
        let append = wayfarer::journal::Append {
            shard,
            kind: Kind::ListRow,
            user: Some(&user),
            bytes: row.as_bytes(),
        };
        let offset = world.log.append(world.now, &[append]).expect("it is accepted").offsets[0];
        ranges[usize::from(shard)].get_or_insert((offset, offset)).1 = offset + 1;
    }
    let ranges = ranges.into_iter().map(Option::unwrap_or_default).collect();
    world.command("listed", Command::List(Manifest { list: "vips".to_owned(), rows: 6 }), ranges);
    world.act("listed", Verb::Publish);
    world.settle();
    let event = |world: &mut World<L>, n: u32, name: &str| {
        let user = format!("user-{n}");
        let bytes =
            format!(r#"{{"type":"track","userId":"{user}","event":"{name}","messageId":"{name}-{n}"}}"#);
        world.accept(Kind::Event, &user, bytes.as_bytes());
    };
    for n in 0..20 {
        event(&mut world, n, "Start");
        if n % 5 == 0 {
            world.settle();
            world.later(Interval::from_mins(7));
        }
    }
    world.settle();
    world.later(Interval::from_mins(90));
    for n in 0..4 {
        event(&mut world, n, "Stop it");
    }
    world.settle();
    world.act("held", Verb::Pause);
    for n in 20..24 {
        event(&mut world, n, "Start");
    }
    world.later(Interval::from_mins(40));
    world.settle();
    world.accept(Kind::Event, "nobody", b"{\"poison\":");
    world.settle();
    world
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn fixtures(format: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/formats/{format}"))
}

/// The state of a shard as lines of hex: `head <seq> <meta>`, then `<key> <value>`.
fn dump<L: Log>(worker: &mut L::Worker, shard: u16) -> String {
    let stored = worker.stored(shard).expect("it is there");
    let head = stored.head().expect("it has committed").clone();
    let mut text = format!("head {} {}\n", head.seq, hex(&head.meta));
    let told = stored.records(&mut |_| std::ops::ControlFlow::Continue(()), &mut |key, value| {
        let _ = writeln!(text, "{} {}", hex(key), hex(value));
        std::ops::ControlFlow::Continue(())
    });
    told.expect("they read");
    text
}

/// Cycles as lines: shard, commit, time, hex.
fn cycles_of(log: &Memory) -> String {
    let mut cycles = String::new();
    let each = &mut |item: Item<'_>| {
        let _ = writeln!(cycles, "{} {} {} {}", item.shard, item.seq, item.at.0, hex(item.bytes));
    };
    log.read_stream(Stream::Cycles, 0, usize::MAX, each).expect("it reads");
    cycles
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions { shards: SHARDS, ..EmbeddedOptions::default() }
}

/// The bytes of a line of hex.
fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("it is hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn kept(name: &str) -> String {
    fs::read_to_string(fixtures(1).join(name)).expect("it is kept")
}

/// The directory that the program before left, where it may be written.
fn directory() -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("it can be made");
        for entry in fs::read_dir(from).expect("it is there").flatten() {
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                copy(&from, &to);
            } else {
                fs::copy(from, &to).expect("it is copied");
                // The store makes its journals of that size, and the rest of one is zeros, which are not kept.
                if to.extension().is_some_and(|extension| extension == "jnl") {
                    let whole = fs::OpenOptions::new().write(true).open(to).expect("it can be written");
                    whole.set_len(64 << 20).expect("there is room");
                }
            }
        }
    }
    let to = tempfile::tempdir().expect("a directory");
    copy(&fixtures(1).join("journal"), to.path());
    // What holds nothing is not kept.
    fs::create_dir_all(to.path().join("data/keyspaces/1/tables")).expect("it can be made");
    to
}

/// Everything that a journal holds, decided again.
fn decided_again<L: Log>(log: L) {
    let options = Options::of(log.shard_count());
    let history = Kept::open(log).expect("nobody owns its shards");
    let told =
        replay(&history, &options, &Wanted { threads: 1, ..Wanted::default() }).expect("it can be read");
    let compared = told.report.compared();
    assert_eq!(told.report.code(), exit::OK, "{}", told.report);
    assert!(compared.states > 8 && compared.sends > 0, "{}", told.report);
}

fn begin<L: Log>(world: &mut World<L>) {
    world.command("", Command::Format(Format::WHOLE_DIGEST), Vec::new());
    world.settle();
}

fn formats<L: Log>(world: &World<L>) -> Vec<(Format, usize)> {
    world.cycle.shards().map(|(_, shard)| (shard.format(), shard.pages_to_renew())).collect()
}

#[test]
fn a_directory_of_the_first_format_is_gone_on_with_and_into_the_second() {
    let directory = directory();
    let open = || Embedded::open(directory.path(), options()).expect("it opens");
    decided_again(open());
    let mut world = World::open(open(), START + Interval::from_days(1));
    assert_eq!(formats(&world), [(Format::FIRST, 0); 2]);
    world.event("user-1", "Start");
    world.settle();
    begin(&mut world);
    assert_eq!(formats(&world), [(Format::WHOLE_DIGEST, 0); 2], "and nothing of the first is left");
    world.event("user-2", "Start");
    world.settle();
    let (digests, sends) = (world.digests(), world.sends());
    drop(world);
    let mut world = World::open(open(), START + Interval::from_days(2));
    assert_eq!((world.digests(), formats(&world)), (digests, vec![(Format::WHOLE_DIGEST, 0); 2]));
    world.settle();
    assert!(world.sends().len() > sends.len(), "who waited goes on");
    drop(world);
    decided_again(open());
}

#[test]
fn the_program_before_does_not_touch_what_the_next_format_was_begun_in() {
    let directory = directory();
    let open = || Embedded::open(directory.path(), options()).expect("it opens");
    begin(&mut World::open(open(), START + Interval::from_days(1)));
    let log = open();
    let mut desk = Desk::reading(Format::FIRST);
    let refused = desk.catch_up(&log, &mut |_, _| {}).expect_err("it does not fold that").to_string();
    assert!(refused.contains("written in format 2, and formats up to 1 are read"), "{refused}");
    let worker = log.worker(Assignment::Fixed(&[0, 1])).expect("nobody owns them");
    let before = Options { reads: Format::FIRST, ..Options::of(SHARDS) };
    let refused = Cycle::open(worker, &log, before, &mut |_, _| {}).err().expect("nor that").to_string();
    assert!(refused.contains("shard 0: its last commit is written in format 2"), "{refused}");
}

/// With `WAYFARER_LEAVES_IN=DIRECTORY` the files stay there: those of the format that this program writes, to be kept
/// before another one is begun.
#[test]
fn until_the_next_format_is_begun_this_program_leaves_what_the_one_before_it_did() {
    let (given, own) = (std::env::var_os("WAYFARER_LEAVES_IN"), tempfile::tempdir().expect("a directory"));
    let to = given.as_deref().map_or(own.path(), Path::new);
    leave(to);
    for name in ["control", "cycles", "shard-0", "shard-1", "checkpoint"] {
        let [left, before] = [to, &fixtures(1)].map(|of| fs::read(of.join(name)).expect("it is there"));
        assert!(left == before, "{name}: {} bytes are left, and {} were", left.len(), before.len());
    }
    // Each directory has an id of its own.
    let form = |of: &Path| {
        fs::read_to_string(of.join("journal/FORMAT")).expect("it is there").lines().next().map(str::to_owned)
    };
    assert_eq!(form(to), form(&fixtures(1)));
}

/// A shard from the records that are kept of it, changed by `change`.
fn restored(
    shard: u16,
    reads: Format,
    change: impl Fn(&mut Vec<(Vec<u8>, Vec<u8>)>),
) -> Result<Shard, RestoreError> {
    let text = kept(&format!("shard-{shard}"));
    let mut lines = text.lines();
    let head = lines.next().and_then(|head| head.rsplit(' ').next()).expect("the head comes first");
    let records = lines.map(|line| line.split_once(' ').expect("a key and a value"));
    let mut records: Vec<_> = records.map(|(key, value)| (bytes(key), bytes(value))).collect();
    change(&mut records);
    let mut restore = Restore::new(Setup { reads, ..Setup::of(shard, SHARDS) });
    for (key, value) in records.iter().filter(|(key, _)| !b"lf".contains(&key[0])) {
        restore.record(key, value)?;
    }
    assert_eq!(
        Meta::decode(&bytes(head)).map(|meta| (meta.format, meta.others)),
        Some((Format::FIRST, None))
    );
    restore.finish(&bytes(head), desk().fold().catalog())
}

/// The control log that the program before left, folded.
fn desk() -> Desk {
    let mut desk = Desk::new();
    for line in kept("control").lines() {
        let mut words = line.splitn(3, ' ');
        let mut number = || -> u64 { words.next().and_then(|word| word.parse().ok()).expect("a number") };
        let (offset, appended) = (number(), Timestamp(number() as i64));
        let bytes = words.next().expect("a record").as_bytes().to_vec();
        let folded = desk.apply(&ControlRecord { offset, appended, bytes }).expect("it is a command");
        assert!(matches!(folded, Some(Ok(_))), "it was taken: {line}");
    }
    desk
}

#[test]
fn records_of_the_first_format_are_read_by_both_programs() {
    for (shard, users) in [(0, 17), (1, 13)] {
        for reads in [Format::FIRST, Format::WHOLE_DIGEST] {
            let restored = restored(shard, reads, |_| {}).expect("the records are whole");
            assert_eq!((restored.size().0, restored.format()), (users, Format::FIRST), "shard {shard}");
            assert_ne!(
                restored.digest_of_others(),
                0,
                "what has no digest yet is summed up for the next format"
            );
        }
    }
}

#[test]
fn the_digest_of_the_first_format_covers_users_and_nothing_else() {
    let lacks = |kind: u8| {
        restored(0, Format::NEWEST, move |records| {
            let at = records.iter().position(|(key, _)| key[0] == kind).expect("there is one");
            records.remove(at);
        })
    };
    assert!(lacks(b'j').is_ok());
    let found = lacks(b'u').expect_err("a user is lacking").to_string();
    assert_eq!(
        found,
        "shard 0: the users' records do not add up to the committed digest, so some are lost or foreign"
    );
}

#[test]
fn a_checkpoint_of_the_program_before_is_read() {
    let file = fs::read(fixtures(1).join("checkpoint")).expect("it is kept");
    let mut reader = Reader::open(std::io::Cursor::new(file)).expect("it is whole");
    assert_eq!((reader.header.shard, reader.header.next), (0, 77));
    let mut records = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        records.push(format!("{} {}", hex(key), hex(value)));
        true
    };
    assert!(reader.each(each).expect("its records read"));
    let text = kept("shard-0");
    assert_eq!(records, text.lines().skip(1).collect::<Vec<_>>());
}

/// Keeps of a file what is not zeros at its end.
fn cut_zeros(path: &Path) {
    let bytes = fs::read(path).expect("it is there");
    let kept = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    fs::write(path, &bytes[..kept]).expect("it is written");
}

/// Leaves behind what this program writes in the format that every control log begins with.
fn leave(to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    drop(story(Embedded::open(&to.join("journal"), options()).expect("a new journal")));
    cut_zeros(&to.join("journal/data/0.jnl"));
    let world = story(Memory::new(SHARDS));
    let log = world.log.clone();
    let control: Vec<String> = log
        .read_control(0, 1000)
        .expect("it reads")
        .iter()
        .map(|record| {
            format!("{} {} {}\n", record.offset, record.appended.0, String::from_utf8_lossy(&record.bytes))
        })
        .collect();
    fs::write(to.join("control"), control.concat()).expect("it is written");
    fs::write(to.join("cycles"), cycles_of(&log)).expect("it is written");
    drop(world);
    let log = log.copy();
    let shards: Vec<u16> = (0..SHARDS).collect();
    let mut worker = log.worker(Assignment::Fixed(&shards)).expect("nobody owns them");
    for shard in 0..SHARDS {
        fs::write(to.join(format!("shard-{shard}")), dump::<Memory>(&mut worker, shard))
            .expect("it is written");
    }
    let stored = worker.stored(0).expect("it is there");
    let header = Header {
        shard: 0,
        at: Timestamp(START.0),
        next: 77,
        cluster: "cluster".to_owned(),
        topic: "topic".to_owned(),
        head: stored.head().expect("it has committed").meta.clone(),
    };
    let mut writer = Writer::new(Vec::new(), &header).expect("memory takes it");
    stored
        .records(&mut |_| std::ops::ControlFlow::Continue(()), &mut |key, value| {
            writer.record(key, value).expect("memory takes it");
            std::ops::ControlFlow::Continue(())
        })
        .expect("they read");
    fs::write(to.join("checkpoint"), writer.finish().expect("memory takes it").0).expect("it is written");
}
