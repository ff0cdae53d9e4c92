//! A journal replayed: every decision comes out the same, and whatever is not as it was is found.

use std::fs;
use std::path::Path;

use wayfarer::cli::exit;
use wayfarer::control::{Command, Manifest};
use wayfarer::journal::embedded::{Embedded, EmbeddedOptions};
use wayfarer::journal::history::{History, Kept, Past};
use wayfarer::journal::memory::{CommitFault, FaultPlan, Memory};
use wayfarer::journal::{Append, Batch, Item, Kind, Log, Source, Stream};
use wayfarer::lifecycle::Verb;
use wayfarer::model::hash::shard_of;
use wayfarer::model::{Interval, Timestamp};
use wayfarer::replay::exact::{Bound, Range, Report, Told, Trouble, Verdict, Wanted, replay};
use wayfarer::worker::cycle::Options;
use wayfarer_reference::workload::Dice;

use super::folder::Folder;
use super::spoilt::{Harm, Spoilt, Target};
use super::world::{REMINDER, START, World};

const SHARDS: u16 = 3;
const STEPS: usize = 120;

/// Verbs that are given in turns: the journey is left held, and let go.
const VERBS: [Verb; 4] = [Verb::Pause, Verb::Resume, Verb::Pause, Verb::Resume];

/// Publishes two journeys: one by event and API, one over a list of all users.
fn begin<L: Log>(world: &mut World<L>, users: &[String]) {
    world.publish(&REMINDER.replace("event = \"Start\"", "event = \"Start\"\napi = true"));
    let mut ranges = Vec::new();
    for shard in 0..SHARDS {
        let rows: Vec<Vec<u8>> = users
            .iter()
            .filter(|user| shard_of(user, SHARDS) == shard)
            .map(|user| format!(r#"{{"journey":"vips","user":"{user}","properties":{{}}}}"#).into_bytes())
            .collect();
        let records: Vec<Append<'_>> =
            rows.iter().map(|bytes| Append { shard, kind: Kind::ListRow, user: None, bytes }).collect();
        let appended = world.log.append(world.now, &records).expect("rows are accepted");
        let first = appended.offsets.first().copied().unwrap_or(0);
        ranges.push((first, first + rows.len() as u64));
    }
    let list = REMINDER.replace("event = \"Start\"", "list = \"vips\"").replace("\"reminder\"", "\"vips\"");
    let definition = wayfarer::journey::source::load("t.toml", list.as_bytes()).expect("it is right");
    world.command("vips", Command::Put { definition: Box::new(definition) }, Vec::new());
    let manifest = Manifest { list: "vips".to_owned(), rows: users.len() as u64 };
    world.command("vips", Command::List(manifest), ranges);
    world.act("vips", Verb::Publish);
    world.settle();
}

/// A random story, with `befall` between its steps; the world may be another afterwards.
fn story<L: Log>(
    mut world: World<L>,
    seed: u64,
    befall: impl Fn(&mut Dice, World<L>) -> World<L>,
) -> World<L> {
    let mut dice = Dice(seed);
    let users: Vec<String> = (0..12).map(|n| format!("user-{n}")).collect();
    begin(&mut world, &users);
    let mut verbs = VERBS.into_iter();
    for step in 0..STEPS {
        let user = &users[dice.below(users.len())];
        match dice.below(12) {
            0 => world.event(user, "Stop it"),
            1 => world.accept(Kind::Event, user, b"{\"type\":"),
            2 => {
                let entry =
                    format!(r#"{{"journey":"reminder","user":"{user}","properties":{{"n":{step}}}}}"#);
                world.accept(Kind::Entry, user, entry.as_bytes());
            }
            3 => world.accept(Kind::Delete, user, format!(r#"{{"user":"{user}"}}"#).as_bytes()),
            4 if step % 2 == 0 => drop(verbs.next().and_then(|verb| world.act("reminder", verb))),
            _ => world.event(user, "Start"),
        }
        if dice.once_in(2) {
            world.later(Interval::from_mins(1 + dice.below(6) as u64));
            world.settle();
        }
        world = befall(&mut dice, world);
    }
    world.later(Interval::from_mins(30));
    world.settle();
    world
}

/// One that is restored now and then, or whose commit fails.
fn memory(seed: u64) -> Memory {
    let world = World::open(Memory::new(SHARDS), START);
    let world = story(world, seed, |dice, world| match dice.below(8) {
        0 => {
            let (log, now) = (world.log.clone(), world.now);
            drop(world);
            World::open(log, now)
        }
        1 => {
            let fault = [
                CommitFault::Refuse,
                CommitFault::Unknown { committed: false },
                CommitFault::Unknown { committed: true },
            ][dice.below(3)];
            let commits = std::collections::BTreeMap::from([(dice.below(3) as u64, fault)]);
            world.log.set_faults(FaultPlan { commits, ..FaultPlan::default() });
            world
        }
        _ => world,
    });
    world.log.copy()
}

fn told(history: &impl History, wanted: &Wanted) -> Told {
    replay(history, &Options::of(SHARDS), wanted).expect("it can be read")
}

fn report(history: &impl History, wanted: &Wanted) -> Report {
    told(history, wanted).report
}

fn with_threads(threads: usize) -> Wanted {
    Wanted { threads, ..Wanted::default() }
}

#[test]
fn whatever_befell_the_shards_every_decision_comes_out_the_same() {
    let mut met = [0; 4];
    for seed in 0..20 {
        let history = Kept::open(memory(seed)).expect("nobody owns them");
        let report = report(&history, &with_threads(2));
        assert_eq!(report.code(), exit::OK, "seed {seed}: {report}");
        let compared = report.compared();
        let commits: u64 = (0..SHARDS).filter_map(|shard| history.last_commit(shard)).sum();
        assert_eq!((compared.commits, compared.states), (commits, commits));
        let found = [compared.sends, compared.transitions, compared.refusals, compared.rejects];
        met.iter_mut().zip(found).for_each(|(met, found)| *met += found);
    }
    assert!(met.into_iter().all(|n| n > 100), "too little was compared: {met:?}");
}

/// The numbers of all items of a stream, and their times.
fn items(history: &impl History, stream: Stream) -> Vec<(u64, Timestamp)> {
    let all: Vec<u16> = (0..SHARDS).collect();
    let (mut past, mut found) = (history.past(&all).expect("nobody reads them"), Vec::new());
    while past.items(stream, &mut |item: Item<'_>| found.push((item.number, item.at))).expect("it reads") {}
    found
}

#[test]
fn whatever_is_not_as_it_was_is_found_and_said_where() {
    let history = Kept::open(memory(3)).expect("nobody owns them");
    for stream in Stream::ALL {
        let numbers = items(&history, stream);
        for harm in [Harm::Lost, Harm::Doubled, Harm::Changed] {
            for (number, _) in numbers.iter().step_by(numbers.len().div_ceil(12)) {
                let spoilt = Spoilt { whole: &history, harm, target: Target::Item(stream, *number) };
                let report = report(&spoilt, &with_threads(2));
                let found: Vec<_> = report.shards.iter().filter(|s| s.verdict != Verdict::Same).collect();
                assert_eq!(found.len(), 1, "{stream:?} {number} {harm:?}: {report}");
                let expected = if stream == Stream::Cycles && harm == Harm::Lost {
                    exit::INCOMPLETE
                } else {
                    exit::DIFFERENT
                };
                let is_damage = stream == Stream::Cycles && report.code() == exit::INCOMPLETE;
                assert!(report.code() == expected || is_damage, "{stream:?} {number} {harm:?}: {report}");
            }
        }
    }
}

#[test]
fn an_input_that_is_gone_is_named_and_one_that_is_another_is_found_by_what_it_does() {
    let log = memory(3);
    let history = Kept::open(log).expect("nobody owns them");
    let mut batch = Batch::new();
    history
        .past(&[1])
        .and_then(|mut past| past.records(1, Source::Events, 0, 5, &mut batch))
        .expect("they are there");
    let lost = Spoilt { whole: &history, harm: Harm::Lost, target: Target::Record(1, Source::Events, 4) };
    let text = report(&lost, &with_threads(1)).to_string();
    assert!(text.contains("shard 1: commit") && text.contains("record 4 is no longer kept"), "{text}");
    // Of whom a record is decides what it does.
    let start =
        (0..).find(|&n| batch.get(n).is_some_and(|r| r.bytes.ends_with(b"\"Start\"}"))).expect("one starts");
    let offset = batch.get(start).map_or(0, |record| record.offset);
    let target = Target::Record(1, Source::Events, offset);
    let other = Spoilt { whole: &history, harm: Harm::Changed, target };
    let report = report(&other, &with_threads(1));
    assert_eq!(report.differences().map(|(shard, _)| shard).collect::<Vec<_>>(), [1], "{report}");
}

#[test]
fn a_command_that_is_missing_is_named() {
    let history = Kept::open(memory(3)).expect("nobody owns them");
    let spoilt = Spoilt { whole: &history, harm: Harm::Lost, target: Target::Command(1) };
    let report = report(&spoilt, &with_threads(1));
    assert_eq!(report.code(), exit::INCOMPLETE);
    assert!(report.to_string().contains("no command that makes epoch 2"), "{report}");
}

#[test]
fn of_a_range_only_that_is_compared_and_by_number_or_time_the_same() {
    let history = Kept::open(memory(5)).expect("nobody owns them");
    let wanted =
        |from, to| Wanted { range: Range { from, to }, shards: vec![1], threads: 1, ..Wanted::default() };
    let whole = report(&history, &wanted(None, None)).compared();
    let part = |from, to| report(&history, &wanted(from, to)).compared();
    let (first, rest) = (part(None, Some(Bound::Commit(9))), part(Some(Bound::Commit(10)), None));
    assert_eq!((first.commits, rest.commits), (9, whole.commits - 9));
    assert_eq!(first.sends + rest.sends, whole.sends);
    assert_eq!(first.transitions + rest.transitions, whole.transitions);
    let at = items(&history, Stream::Cycles)[20].1;
    let (first, rest) =
        (part(None, Some(Bound::Time(at))), part(Some(Bound::Time(Timestamp(at.0 + 1))), None));
    assert_eq!(
        (first.commits + rest.commits, first.refusals + rest.refusals),
        (whole.commits, whole.refusals)
    );
    // What lies before a range is not compared.
    let (number, _) = items(&history, Stream::Transitions)[0];
    let target = Target::Item(Stream::Transitions, number);
    let spoilt = Spoilt { whole: &history, harm: Harm::Changed, target };
    let late = Wanted { shards: Vec::new(), ..wanted(Some(Bound::Commit(12)), None) };
    assert_eq!(report(&spoilt, &late).code(), exit::OK);
    assert_eq!(report(&spoilt, &with_threads(1)).code(), exit::DIFFERENT);
}

#[test]
fn what_retention_has_dropped_is_not_compared_and_without_cycles_nothing_can_be_replayed() {
    let history = Kept::open(memory(5)).expect("nobody owns them");
    let cut = |stream: Stream| {
        let all = items(&history, stream);
        let (number, at) = all[all.len() / 2];
        let target = Target::Before(stream, number, at);
        report(&Spoilt { whole: &history, harm: Harm::Lost, target }, &with_threads(2))
    };
    let whole = report(&history, &with_threads(2)).compared();
    for stream in [Stream::Sends, Stream::Transitions] {
        let report = cut(stream);
        assert_eq!(report.code(), exit::OK, "{report}");
        let compared = report.compared();
        assert!(compared.sends + compared.transitions < whole.sends + whole.transitions);
        assert!(report.to_string().contains("not everything is kept"), "{report}");
    }
    let report = cut(Stream::Cycles);
    assert_eq!(report.code(), exit::INCOMPLETE);
    let gone =
        |verdict: &Verdict| matches!(verdict, Verdict::Stopped(Trouble::CyclesGone { first }) if *first > 1);
    assert!(report.shards.iter().all(|shard| gone(&shard.verdict)), "{report}");
}

/// Everything that a directory's journal says that it sent.
fn lines(log: &impl Log, stream: Stream) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), 0);
    loop {
        let mut each = |item: Item<'_>| found.push(String::from_utf8_lossy(item.bytes).into_owned());
        let after = log.read_stream(stream, next, 1_000, &mut each).expect("it reads");
        if after == next {
            found.sort();
            return found;
        }
        next = after;
    }
}

fn replay_directory(folder: &Folder, directory: &Path, words: &str) -> (u8, String, String) {
    let directory = directory.display().to_string();
    let mut args = vec!["wayfarer".to_owned(), "replay".to_owned(), "--directory".to_owned(), directory];
    args.extend(
        words.split_whitespace().map(|word| word.replace('@', &format!("{}/", folder.path("").display()))),
    );
    let wayfarer::cli::Command::Replay(args) = clap::Parser::try_parse_from(args)
        .map(|cli: wayfarer::cli::Cli| cli.command)
        .expect("a command line")
    else {
        panic!("it says replay");
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = wayfarer::replay::run(&args, &mut out, &mut err);
    (code, String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned())
}

#[test]
fn a_directory_is_replayed_by_its_name_into_files_that_say_what_it_says() {
    let (folder, directory) = (Folder::with(&[]), tempfile::tempdir().expect("a directory"));
    let options = || EmbeddedOptions { shards: SHARDS, ..EmbeddedOptions::default() };
    let log = Embedded::open(directory.path(), options()).expect("a new journal");
    let world = story(World::open(log, START), 7, |dice, world| {
        if dice.once_in(9) {
            let (log, now) = (world.log.clone(), world.now);
            drop(world);
            return World::open(log, now);
        }
        world
    });
    let streams = [Stream::Sends, Stream::Transitions, Stream::Refusals];
    let expected = streams.map(|stream| lines(&world.log, stream));
    let rejects = world.stream(Stream::Rejects).len();
    drop(world);
    let mut files = Vec::new();
    for threads in [1, 3] {
        let (code, out, err) =
            replay_directory(&folder, directory.path(), &format!("--threads {threads} --out @out"));
        assert_eq!(code, exit::OK, "{out}{err}");
        assert!(out.ends_with("every decision is the same\n"), "{out}");
        let names = ["sends.jsonl", "transitions.jsonl", "refusals.jsonl", "rejects.jsonl", "summary.json"];
        files.push(names.map(|name| folder.read(&format!("out/{name}"))));
        let mut there = folder.names("out");
        there.retain(|name| !names.contains(&name.as_str()));
        assert_eq!(there, Vec::<String>::new());
    }
    assert_eq!(files[0], files[1], "the number of threads decides nothing");
    for (file, expected) in files[0].iter().zip(&expected) {
        let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(&lines, expected);
    }
    assert_eq!(files[0][3].lines().count(), rejects);
    let (code, out, _) = replay_directory(&folder, directory.path(), "--json");
    let told: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &told["same"]), (exit::OK, &true.into()));
    let (code, out, _) = replay_directory(&folder, directory.path(), "--explain user-3");
    assert_eq!(code, exit::OK);
    for said in ["reminder: * publish: Running", "Start came in", "reminder v1: entered", "handed over, key"]
    {
        assert!(out.contains(said), "{said} in {out}");
    }
}

#[test]
fn what_cannot_be_replayed_is_refused_with_a_sentence() {
    let (folder, directory) = (Folder::with(&[]), tempfile::tempdir().expect("a directory"));
    let (code, _, err) = replay_directory(&folder, directory.path(), "");
    assert!(code == exit::JOURNAL && err.contains("no file FORMAT"), "{err}");
    drop(Embedded::open(directory.path(), EmbeddedOptions::default()).expect("a new journal"));
    let (code, out, err) = replay_directory(&folder, directory.path(), "");
    assert!(code == exit::OK && out.contains("nothing was compared"), "{out}{err}");
    let (code, _, err) = replay_directory(&folder, directory.path(), "--shard 999");
    assert!(code == exit::USAGE && err.contains("there is no shard 999"), "{err}");
    fs::write(folder.path("c.toml"), "[journal]\nkind = \"embedded\"\n").expect("a file");
    let config = folder.path("c.toml").display().to_string();
    let words = ["wayfarer", "replay", "--kafka", "--config", &config];
    let cli: wayfarer::cli::Cli = clap::Parser::try_parse_from(words).expect("a command line");
    let wayfarer::cli::Command::Replay(args) = cli.command else { panic!("it says replay") };
    let mut err = Vec::new();
    assert_eq!(wayfarer::replay::run(&args, &mut Vec::new(), &mut err), exit::CONFIG);
    assert!(String::from_utf8_lossy(&err).contains("--kafka asks for the other one"));
}
