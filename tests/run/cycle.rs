use wayfarer::journal::memory::{CommitFault, FaultPlan, Memory};
use wayfarer::journal::{Assignment, Intake, Kind, Stream};
use wayfarer::lifecycle::Verb;
use wayfarer::model::{Interval, Timestamp};
use wayfarer::worker::cycle::Options;

use super::world::{REMINDER, START, World};

fn world(shards: u16) -> World<Memory> {
    let mut world = World::open(Memory::new(shards), START);
    world.publish(REMINDER);
    world.settle();
    world
}

/// A small story over four shards: entries, a pause, a time-out, a purchase.
fn story(world: &mut World<Memory>, at: usize) {
    let users = ["ann", "bob", "cid", "dee", "eve", "fay"];
    match at {
        0..=5 => world.event(users[at], "Start"),
        6 => world.event("cid", "Stop it"),
        7 => drop(world.act("reminder", Verb::Pause)),
        8 => world.event("gus", "Start"),
        9 => world.accept(Kind::Event, "ann", b"{\"type\":"),
        10 => drop(world.act("reminder", Verb::Resume)),
        11 => world.event("hal", "Start"),
        _ => {}
    }
    world.later(Interval::from_mins(2));
}

const STORY: usize = 20;

fn told(mut world: World<Memory>) -> (Vec<String>, Vec<(u64, u128, Timestamp)>) {
    for at in 0..STORY {
        story(&mut world, at);
        world.settle();
    }
    let mut sends = world.sends();
    sends.sort();
    (sends, world.digests())
}

#[test]
fn events_become_sends_and_what_is_no_event_a_dead_letter() {
    let mut world = world(4);
    for at in 0..STORY {
        story(&mut world, at);
        world.settle();
    }
    let mut sends = world.sends();
    sends.sort();
    let twice = ["ann", "bob", "dee", "eve", "fay", "hal"];
    let mut expected: Vec<String> =
        twice.iter().flat_map(|user| [format!("{user} hello"), format!("{user} again")]).collect();
    expected.push("cid hello".to_owned());
    expected.sort();
    assert_eq!(sends, expected, "gus came while entry was shut, and cid left before the second");
    let rejects = world.stream(Stream::Rejects);
    let reject = wayfarer::journal::Reject::decode(&rejects[0]).expect("a dead letter reads back");
    assert_eq!((rejects.len(), reject.bytes), (1, &b"{\"type\":"[..]));
    assert!(reject.code.starts_with("truncated: "), "{}", reject.code);
}

#[test]
fn every_event_that_was_read_was_rejected_or_a_repeat_or_unmentioned_or_decided() {
    let mut world = world(2);
    let said = |id: &str, event: &str| {
        format!(r#"{{"type":"track","userId":"ann","event":"{event}","messageId":"{id}"}}"#)
    };
    for (id, event) in [("m1", "Start"), ("m1", "Start"), ("m2", "Else"), ("m2", "Else"), ("m3", "Stop it")] {
        world.accept(Kind::Event, "ann", said(id, event).as_bytes());
    }
    world.accept(Kind::Event, "ann", b"{");
    world.event("ann", "Start");
    assert_eq!(world.cycle.unread(), 7);
    world.settle();
    let counted = world.cycle.metrics.counters;
    let parts = [
        ("rejected", counted.events_rejected, 1),
        ("repeats", counted.events_duplicate, 1),
        ("unmentioned", counted.events_unmentioned, 2),
        ("decided", counted.events_decided, 3),
    ];
    for (what, found, expected) in parts {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!((counted.events_read, world.cycle.unread()), (7, 0));
    // Outside its window the same message is a new one.
    world.later(Interval::from_mins(30));
    world.accept(Kind::Event, "ann", said("m1", "Start").as_bytes());
    world.settle();
    let counted = world.cycle.metrics.counters;
    assert_eq!((counted.events_duplicate, counted.events_decided), (1, 4));
}

#[test]
fn a_commit_that_fails_whatever_way_changes_nothing_but_the_time_it_takes() {
    let expected = told(world(4));
    let faults = [
        CommitFault::Refuse,
        CommitFault::Unknown { committed: false },
        CommitFault::Unknown { committed: true },
    ];
    for fault in faults {
        for at in 0..30 {
            let world = world(4);
            let commits = std::collections::BTreeMap::from([(at, fault), (at + 2, fault)]);
            world.log.set_faults(FaultPlan { commits, ..FaultPlan::default() });
            assert_eq!(told(world), expected, "{fault:?} at commit {at}");
        }
    }
}

#[test]
fn a_restart_at_any_commit_goes_on_as_if_there_had_been_none() {
    let expected = told(world(4));
    for committed in [false, true] {
        for at in 0..30 {
            let mut world = world(4);
            let commits = std::collections::BTreeMap::from([(at, CommitFault::Crash { committed })]);
            world.log.set_faults(FaultPlan { commits, ..FaultPlan::default() });
            for step in 0..STORY {
                story(&mut world, step);
                loop {
                    match world.cycle.turn(world.now) {
                        Ok(turn) if turn.more || turn.read > 0 || turn.committed => {}
                        Ok(_) => break,
                        Err(_) => world = World::open(world.log.reopen(), world.now),
                    }
                }
            }
            let mut sends = world.sends();
            sends.sort();
            assert_eq!((sends, world.digests()), expected, "crash ({committed}) at commit {at}");
        }
    }
}

#[test]
fn a_gate_is_acknowledged_by_the_commit_of_every_shard() {
    let mut world = world(8);
    let epoch = world.act("reminder", Verb::Stop).expect("it is accepted");
    let refuse = std::collections::BTreeMap::from([(0, CommitFault::Refuse)]);
    world.log.set_faults(FaultPlan { commits: refuse, ..FaultPlan::default() });
    let turn = world.turn();
    assert!(turn.refused.is_some() && !turn.committed);
    assert!(world.cycle.shards().all(|(_, shard)| shard.epoch() < epoch), "what is undone is not taken");
    let turn = world.turn();
    assert!(turn.epochs && turn.committed);
    let log = world.log.clone();
    drop(world);
    let mut worker = wayfarer::journal::Log::worker(&log, Assignment::Fixed(&[0, 1, 2, 3, 4, 5, 6, 7]))
        .expect("it is free");
    assert_eq!(World::committed_epochs(&log, &mut worker), [epoch; 8]);
}

#[test]
fn a_shut_entry_halts_a_list_and_a_stop_refuses_its_rest() {
    use wayfarer::control::{Command, Manifest};
    let list = REMINDER.replace("event = \"Start\"", "list = \"vips\"").replace("reminder", "vips");
    let mut world = World::open(Memory::new(1), START);
    let definition = wayfarer::journey::source::load("t.toml", list.as_bytes()).expect("it is right");
    world.command("vips", Command::Put { definition: Box::new(definition) }, Vec::new());
    for row in 0..5_000 {
        let bytes = format!(r#"{{"journey":"vips","user":"u{row}","properties":{{}}}}"#);
        world.accept(Kind::ListRow, &format!("u{row}"), bytes.as_bytes());
    }
    let manifest = Manifest { list: "vips".to_owned(), rows: 5_000 };
    world.command("vips", Command::List(manifest), vec![(0, 5_000)]);
    world.settle();
    assert_eq!(world.sends().len(), 0, "a draft takes nobody in");
    world.act("vips", Verb::Publish);
    assert_eq!(world.turn().rows, 2_000, "rows have a pace of their own");
    world.act("vips", Verb::Pause);
    world.settle();
    assert_eq!(world.sends().len(), 2_000);
    world.act("vips", Verb::Resume);
    assert_eq!(world.turn().rows, 2_000);
    let mut world = World::open(
        {
            drop(world.cycle);
            world.log.reopen()
        },
        world.now,
    );
    assert_eq!(world.cycle.lists().next().map(|(_, _, cursor)| cursor.next), Some(4_000));
    world.act("vips", Verb::Stop);
    world.settle();
    assert_eq!(world.sends().len(), 4_000);
    let shard = world.cycle.shards().next().expect("one").1;
    let state = shard.journey(world.journey("vips")).expect("it is there");
    assert_eq!(state.refused(wayfarer::engine::journey_state::RefusalReason::EntryShut), 1_000);
    assert!(world.cycle.lists().all(|(_, _, cursor)| cursor.is_done()));
}

/// One line of a followed file whose end has not been seen yet.
fn backlog(user: &str, name: &str) -> wayfarer::worker::feed::Lines {
    let bytes = format!(r#"{{"type":"track","userId":"{user}","event":"{name}"}}"#).into_bytes();
    let shard = wayfarer::model::hash::shard_of(user, 4);
    let upto = bytes.len() as u64 + 1;
    let fingerprint = wayfarer::journal::follow::Fingerprint { bytes: 0, hash: 0 };
    let mark = std::sync::Arc::new(wayfarer::worker::feed::Mark { path: "events".to_owned(), fingerprint });
    let lines = vec![(shard, bytes.len(), upto)];
    wayfarer::worker::feed::Lines { file: 0, bytes, lines, upto, since: Timestamp::MIN, mark }
}

#[test]
fn after_an_outage_no_reminder_goes_to_whoever_is_done_in_the_backlog() {
    // Of the accepted log: the event was appended in time, and is read long after.
    let mut accepted = world(4);
    accepted.event("bob", "Start");
    accepted.settle();
    accepted.later(Interval::from_mins(5));
    accepted.event("bob", "Stop it");
    accepted.later(Interval::from_mins(60));
    accepted.settle();
    assert_eq!(accepted.sends(), ["bob hello"]);

    // Of a file: when a line was written is not known, so nothing fires before the file's end was seen.
    let mut followed = world(4);
    followed.event("bob", "Start");
    followed.event("ann", "Start");
    followed.settle();
    followed.later(Interval::from_mins(60));
    followed.cycle.read_until(Timestamp::MIN);
    followed.settle();
    assert_eq!(followed.sends().len(), 2, "time stands still before the first deadline");
    followed.cycle.push_lines(backlog("bob", "Stop it"));
    followed.settle();
    followed.cycle.read_until(followed.now);
    followed.settle();
    let mut sends = followed.sends();
    sends.sort();
    assert_eq!(sends, ["ann again", "ann hello", "bob hello"]);
}

#[test]
fn an_accepted_event_passes_no_line_that_was_there_before_it() {
    let mut world = world(4);
    world.event("bob", "Start");
    world.settle();
    world.later(Interval::from_mins(5));
    world.cycle.read_until(world.now);
    world.later(Interval::from_mins(60));
    world.event("bob", "Start");
    let turn = world.turn();
    assert!(turn.read == 0 && turn.next_wake.is_some(), "{turn:?}");
    world.settle();
    assert_eq!(world.sends(), ["bob hello"], "neither the reminder nor the event, before the file was read");
    world.cycle.push_lines(backlog("bob", "Stop it"));
    world.settle();
    world.cycle.read_until(world.now);
    world.settle();
    assert_eq!(world.sends(), ["bob hello", "bob hello"], "the reminder is off, and the event is taken");
}

#[test]
fn a_line_takes_no_accepted_event_past_an_opening_that_came_after_it() {
    let mut world = world(1);
    world.act("reminder", Verb::Pause);
    world.settle();
    world.cycle.read_until(Timestamp::MIN);
    world.later(Interval::from_mins(1));
    world.event("bob", "Start");
    world.later(Interval::from_mins(1));
    world.act("reminder", Verb::Resume);
    world.later(Interval::from_mins(1));
    // The file, whose end has not been seen, is read first.
    let lines = backlog("ann", "Else");
    world.cycle.push_lines(wayfarer::worker::feed::Lines {
        lines: vec![(0, lines.bytes.len(), lines.upto)],
        ..lines
    });
    world.settle();
    world.cycle.read_until(world.now);
    world.settle();
    assert!(world.sends().is_empty(), "bob came while entry was shut: {:?}", world.sends());
    world.event("bob", "Start");
    world.settle();
    assert_eq!(world.sends(), ["bob hello"]);
}

#[test]
fn an_event_that_waits_for_the_file_is_judged_by_the_time_it_came() {
    let mut world = world(1);
    world.act("reminder", Verb::Pause);
    world.settle();
    world.cycle.read_until(world.now);
    world.later(Interval::from_mins(1));
    world.event("bob", "Start");
    assert_eq!(world.turn().read, 0, "the file has not been read up to then");
    world.later(Interval::from_mins(1));
    world.act("reminder", Verb::Resume);
    world.later(Interval::from_mins(1));
    world.cycle.read_until(world.now);
    world.settle();
    assert!(world.sends().is_empty(), "bob came while entry was shut: {:?}", world.sends());
}

/// A journey over a list of one row per user, uploaded and published now.
fn vips(world: &mut World<Memory>, users: &[&str]) {
    use wayfarer::control::{Command, Manifest};
    let list = REMINDER.replace("event = \"Start\"", "list = \"vips\"").replace("reminder", "vips");
    let definition = wayfarer::journey::source::load("t.toml", list.as_bytes()).expect("it is right");
    world.command("vips", Command::Put { definition: Box::new(definition) }, Vec::new());
    let mut ranges = vec![(0, 0); usize::from(world.log.shard_count())];
    for user in users {
        let bytes = format!(r#"{{"journey":"vips","user":"{user}","properties":{{}}}}"#);
        world.accept(Kind::ListRow, user, bytes.as_bytes());
        ranges[usize::from(wayfarer::model::hash::shard_of(user, world.log.shard_count()))].1 += 1;
    }
    world.command("vips", Command::List(Manifest { list: "vips".to_owned(), rows: 0 }), ranges);
    world.act("vips", Verb::Publish);
}

#[test]
fn a_row_of_a_list_lets_no_time_pass_that_a_followed_file_has_not_been_read_up_to() {
    let mut world = world(4);
    world.event("bob", "Start");
    world.settle();
    world.cycle.read_until(Timestamp::MIN);
    world.later(Interval::from_mins(60));
    // Bob's own shard has a row to take, an hour after his reminder was due.
    vips(&mut world, &["bob"]);
    world.settle();
    assert_eq!(world.sends(), ["bob hello"], "neither the reminder nor the row, before the file was read");
    world.cycle.push_lines(backlog("bob", "Stop it"));
    world.settle();
    world.cycle.read_until(world.now);
    world.settle();
    assert_eq!(world.sends(), ["bob hello", "bob hello"], "the row is taken, and the reminder is off");
    assert!(world.cycle.lists().all(|(_, _, cursor)| cursor.is_done()));
}

#[test]
fn a_row_of_a_list_lets_no_time_pass_that_the_accepted_log_has_not_been_read_up_to() {
    let mut world = world(1);
    world.event("bob", "Start");
    world.settle();
    world.later(Interval::from_mins(5));
    // More than one turn reads; what takes bob out is the last of it.
    for _ in 0..Options::of(1).events_max {
        world.event("nobody", "Else");
    }
    world.event("bob", "Stop it");
    world.later(Interval::from_mins(60));
    vips(&mut world, &["bob"]);
    let turn = world.turn();
    assert_eq!((turn.rows, turn.fired, turn.more), (0, 0, true), "records from before the row are unread");
    world.settle();
    assert_eq!(world.sends(), ["bob hello", "bob hello"], "the row is taken, and the reminder is off");
}
