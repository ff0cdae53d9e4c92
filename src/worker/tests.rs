//! What a worker does about decisions that panic (protocol 14), about counts that do not add up (I13), about budgets
//! that are spent when it dies (G17), and about commands that shards take which are restored one after the other.

use std::collections::BTreeMap;

use super::cycle::{Cycle, Failure, Options, Turn};
use super::desk::{Desk, Stored};
use crate::control::{Act, Command, Record};
use crate::engine::cycle::{Step, decode};
use crate::engine::trap;
use crate::journal::history::Kept;
use crate::journal::memory::{CommitFault, FaultPlan, Memory, Rebalance};
use crate::journal::{Assignment, ControlLog, Item, Kind, Log, Reject, Stream, Streams};
use crate::lifecycle::{Role, Verb};
use crate::model::Interval;
use crate::replay::exact::{Compared, Wanted, replay};

#[path = "../../tests/run/world.rs"]
#[allow(dead_code)]
mod world;

use world::{REMINDER, START, World};

/// One shard, a journey that lets events and the API in, and nobody in a trap.
fn world_of(definition: &str) -> World<Memory> {
    trap::set(&[]);
    let mut world = World::open(Memory::new(1), START);
    world.publish(&definition.replace("event = \"Start\"", "event = \"Start\"\napi = true"));
    world.settle();
    world
}

fn rejects(world: &World<Memory>) -> Vec<(String, Vec<u8>)> {
    let read = |bytes: &Vec<u8>| {
        let reject = Reject::decode(bytes).expect("a dead letter reads back");
        (reject.code.to_owned(), reject.bytes.to_vec())
    };
    world.stream(Stream::Rejects).iter().map(read).collect()
}

/// The movements of that name, as `user detail`.
fn moved(world: &World<Memory>, what: &str) -> Vec<String> {
    let read = |line: &Vec<u8>| -> crate::model::wire::TransitionRecord {
        serde_json::from_slice(line).expect("a movement reads back")
    };
    let all = world.stream(Stream::Transitions);
    let of = all.iter().map(read).filter(|t| t.what == what);
    of.map(|t| format!("{} {}", t.user, t.detail.unwrap_or_default())).collect()
}

#[test]
fn a_record_that_panics_twice_is_a_dead_letter_with_its_bytes_and_nobody_else_is_affected() {
    let mut world = world_of(REMINDER);
    world.event("ann", "Start");
    world.settle();
    trap::set(&["bob"]);
    world.event("bob", "Start");
    world.event("cid", "Start");
    world.settle();
    assert_eq!(world.sends(), ["ann hello", "cid hello"]);
    let bytes = br#"{"type":"track","userId":"bob","event":"Start"}"#.to_vec();
    let rejected = rejects(&world);
    assert_eq!(rejected.iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), [&bytes]);
    assert!(rejected[0].0.starts_with("panic: "), "{}", rejected[0].0);
    assert_eq!(world.cycle.metrics.counters.panics, 2);
    // It is behind the position: a restart does not meet it again.
    trap::set(&["bob"]);
    let now = world.now;
    drop(world.cycle);
    let mut world = World::open(world.log.reopen(), now);
    world.settle();
    assert_eq!((world.cycle.metrics.counters.panics, rejects(&world).len()), (0, 1));
}

#[test]
fn a_poison_record_is_charged_to_the_journey_that_it_names_or_that_was_at_work() {
    let spends = REMINDER.replace("[entry]", "failure_budget = 1\n[entry]").replace("clevertap", "antsomi");
    let enter: &[u8] = br#"{"journey":"reminder","user":"bob","properties":{}}"#;
    let start: &[u8] = br#"{"type":"track","userId":"bob","event":"Start"}"#;
    for (kind, bytes) in [(Kind::Entry, enter), (Kind::Event, start)] {
        let mut world = world_of(&spends);
        trap::set(&["bob"]);
        world.accept(kind, "bob", bytes);
        let turns: Vec<Turn> = (0..3).map(|_| world.turn()).collect();
        let spent: Vec<_> = turns.iter().flat_map(|turn| turn.budget_spent.clone()).collect();
        assert_eq!(spent, [world.journey("reminder")], "{kind:?}");
    }
}

/// The views that a world's worker would show: whom they say to be spent.
fn spent(world: &World<Memory>) -> Vec<u16> {
    world.cycle.shards().flat_map(|(_, shard)| shard.spent().collect::<Vec<_>>()).collect()
}

#[test]
fn who_dies_between_the_commit_that_spends_a_budget_and_telling_it_tells_it_when_it_is_restored() {
    let mut world =
        world_of(&REMINDER.replace("[entry]", "failure_budget = 2\n[entry]").replace("clevertap", "antsomi"));
    let number = world.journey("reminder");
    let failure: &[u8] = br#"{"journey":"reminder","user":"bob"}"#;
    let fails = |world: &mut World<Memory>| {
        world.accept(Kind::Failure, "bob", failure);
        world.cycle.turn(world.now).expect("it goes on")
    };
    assert_eq!((fails(&mut world).budget_spent, spent(&world)), (vec![], vec![]));
    // Its turn says so, and nobody hears it; nor when it happens again hours later.
    assert_eq!((fails(&mut world).budget_spent, spent(&world)), (vec![number], vec![number]));
    for _ in 0..2 {
        let now = world.now + Interval::from_mins(90);
        drop(world.cycle);
        world = World::open(world.log.reopen(), now);
        assert_eq!(spent(&world), [number]);
        assert_eq!(fails(&mut world).budget_spent, [0u16; 0]);
    }
    // Whoever hears it gives the command, and it is not said again, by whom ever.
    world.command_by("reminder", Role::System, Command::Act(Act::from(Verb::Fail)), Vec::new());
    world.settle();
    assert_eq!(spent(&world), [0u16; 0]);
    let now = world.now;
    drop(world.cycle);
    let mut world = World::open(world.log.reopen(), now);
    let _ = fails(&mut world);
    assert_eq!(spent(&world), [0u16; 0]);
    replay_it(&world);
}

#[test]
fn what_is_given_up_is_counted_with_the_commit_that_passes_it_and_once() {
    let mut world = world_of(REMINDER);
    world.event("bob", "Start");
    world.event("ann", "Start");
    world.settle();
    trap::set(&["bob", "eve"]);
    world.later(Interval::from_mins(11));
    world.event("eve", "Start");
    let fault = FaultPlan { commits: BTreeMap::from([(0, CommitFault::Refuse)]), ..FaultPlan::default() };
    world.log.set_faults(fault);
    let turns: Vec<Turn> = (0..12).map(|_| world.turn()).collect();
    // A timer whose user is parked, and a record that is a dead letter: each panicked twice.
    assert_eq!(world.cycle.metrics.counters.panics, 4);
    assert_eq!(turns.iter().map(|turn| turn.given_up).sum::<usize>(), 2);
    assert!(turns.iter().all(|turn| turn.given_up == 0 || turn.committed));
    assert_eq!((rejects(&world).len(), moved(&world, "parked").len()), (1, 1));
}

#[test]
fn a_timer_that_panics_twice_parks_its_user_and_the_others_go_on() {
    for dialect in ["clevertap", "antsomi"] {
        let mut world = world_of(&REMINDER.replace("clevertap", dialect));
        for user in ["ann", "bob", "cid"] {
            world.event(user, "Start");
        }
        world.settle();
        trap::set(&["bob"]);
        world.later(Interval::from_mins(11));
        world.settle();
        assert_eq!(world.sends()[3..], ["ann again", "cid again"], "{dialect}");
        assert_eq!(
            (moved(&world, "parked"), moved(&world, "held")),
            (vec!["bob panic".into()], vec!["bob ".into()])
        );
        assert_eq!(world.cycle.metrics.counters.panics, 2);
        // Repaired and released, the user goes on where it stood.
        trap::set(&[]);
        world.command(
            "reminder",
            crate::control::Command::Release(crate::model::input::Selection::All),
            Vec::new(),
        );
        world.settle();
        assert_eq!(world.sends()[5..], ["bob again"], "{dialect}");
    }
}

#[test]
fn a_record_behind_a_timer_that_panics_is_no_dead_letter() {
    let mut world = world_of(REMINDER);
    world.event("bob", "Start");
    world.settle();
    trap::set(&["bob"]);
    world.later(Interval::from_mins(11));
    world.event("ann", "Start");
    world.settle();
    assert_eq!((world.sends(), rejects(&world).len()), (vec!["bob hello".into(), "ann hello".into()], 0));
    assert_eq!(moved(&world, "parked"), ["bob panic"]);
}

#[test]
fn a_release_that_panics_twice_parks_its_user_again() {
    let mut world = world_of(&REMINDER.replace("clevertap", "antsomi"));
    for user in ["ann", "bob"] {
        world.event(user, "Start");
    }
    world.settle();
    world.act("reminder", Verb::Pause);
    world.settle();
    world.later(Interval::from_mins(11));
    world.settle();
    trap::set(&["ann"]);
    world.act("reminder", Verb::Reactivate);
    world.act("reminder", Verb::Resume);
    world.settle();
    assert_eq!(world.sends()[2..], ["bob again"]);
    assert_eq!(moved(&world, "parked"), ["ann panic"]);
}

#[test]
fn a_parked_user_whose_release_panics_stays_parked() {
    let mut world = world_of(REMINDER);
    world.event("bob", "Start");
    world.settle();
    trap::set(&["bob"]);
    world.later(Interval::from_mins(11));
    world.settle();
    let release = || crate::control::Command::Release(crate::model::input::Selection::All);
    for panics in [4, 6] {
        world.command("reminder", release(), Vec::new());
        world.settle();
        assert_eq!((world.sends().len(), world.cycle.metrics.counters.panics), (1, panics));
    }
    trap::set(&[]);
    world.command("reminder", release(), Vec::new());
    world.settle();
    assert_eq!(world.sends(), ["bob hello", "bob again"]);
}

#[test]
fn parking_survives_a_commit_that_fails() {
    for fault in [CommitFault::Refuse, CommitFault::Unknown { committed: false }] {
        let mut world = world_of(REMINDER);
        world.event("bob", "Start");
        world.settle();
        trap::set(&["bob"]);
        world.later(Interval::from_mins(11));
        world.log.set_faults(FaultPlan { commits: BTreeMap::from([(0, fault)]), ..FaultPlan::default() });
        world.settle();
        assert_eq!(moved(&world, "parked"), ["bob panic"], "{fault:?}");
    }
}

#[test]
fn what_panicked_is_decided_again_by_a_replay_without_a_panic() {
    let mut world = world_of(&REMINDER.replace("[entry]", "failure_budget = 5\n[entry]"));
    for user in ["ann", "bob", "cid"] {
        world.event(user, "Start");
    }
    world.settle();
    trap::set(&["ann", "bob"]);
    world.event("ann", "Start");
    world.later(Interval::from_mins(11));
    world.settle();
    assert_eq!((rejects(&world).len(), moved(&world, "parked").len()), (1, 2));
    assert_eq!(replay_it(&world).rejects, 1);
}

/// Everything is decided again, and comes out as it did.
fn replay_it(world: &World<Memory>) -> Compared {
    let history = Kept::open(world.log.copy()).expect("nobody owns it");
    let wanted = Wanted { threads: 1, ..Wanted::default() };
    let told = replay(&history, &Options::of(1), &wanted).expect("it can be read");
    assert_eq!(told.report.code(), crate::cli::exit::OK, "{}", told.report);
    told.report.compared()
}

#[test]
fn what_does_not_add_up_is_not_committed_and_ends_the_worker_with_a_sentence() {
    let mut world = world_of(REMINDER);
    world.event("ann", "Start");
    world.settle();
    let before = world.digests();
    world.event("bob", "Start");
    world.cycle.owned[0].shard.make_somebody_up(0);
    let failure = match world.cycle.turn(world.now) {
        Err(failure @ Failure::NotConserved { .. }) => failure.to_string(),
        other => panic!("{other:?}"),
    };
    for part in ["reminder", "version 1", "shard 0", "entered 3", "waiting 2"] {
        assert!(failure.contains(part), "{part} is not in: {failure}");
    }
    // A restart begins where it still added up, and goes on.
    let now = world.now;
    drop(world.cycle);
    let mut world = World::open(world.log.reopen(), now);
    assert_eq!(world.digests(), before);
    world.settle();
    assert_eq!(world.sends(), ["ann hello", "bob hello"]);
}

#[test]
fn a_shard_that_is_being_restored_misses_no_command_that_another_one_has_taken() {
    let [older, newer] = two_are_restored();
    assert_eq!(older, newer, "one by one");
    assert_eq!(newer.len(), 4);
    #[cfg(feature = "broken")]
    {
        use crate::engine::broken::{self, Broken};
        broken::set(Some(Broken::EpochGap), 0);
        let [older, newer] = two_are_restored();
        broken::set(None, 0);
        assert!(older.len() < newer.len(), "this test finds nothing: {older:?} {newer:?}");
    }
}

/// An older shard is still being restored when a newer one brings the commands behind it: the epochs that each takes.
fn two_are_restored() -> [Vec<u64>; 2] {
    let log = Memory::shared(2, Rebalance::ByHand);
    let member = |name: &str| log.instance(name).worker(Assignment::Shared(0)).expect("it joins");
    let (old, new) = (member("old"), member("new"));
    let [old_number, new_number] = [&old, &new].map(|worker| worker.number().expect("it is one of a group"));
    let mut desk = Desk::new();
    let mut given = 0;
    let mut give = |verb: Option<Verb>| {
        given += 1;
        let definition = crate::journey::source::load("t.toml", REMINDER.as_bytes()).expect("it is right");
        let put = || Command::Put { definition: Box::new(definition) };
        let command = verb.map_or_else(put, |verb| Command::Act(Act::from(verb)));
        let (id, actor, journey) = (format!("c{given}"), "test".to_owned(), "reminder".to_owned());
        let record = Record { id, at: None, actor, role: Role::Operator, journey, expect: None, command };
        log.append_control(START, &Stored::from(record).encode()).expect("it is appended");
        let mut step = None;
        desk.catch_up(&log, &mut |_, answered| step = answered.expect("it is accepted").1).expect("it folds");
        step.expect("it is an epoch")
    };
    let turn = |cycle: &mut Cycle<_>| cycle.turn(START).expect("it goes on").read;
    (0..2).for_each(|shard| log.assign(shard, old_number));
    let mut old = Cycle::open(old, &log, Options::of(2), &mut |_, _| {}).expect("it opens");
    let mut new = Cycle::open(new, &log, Options::of(2), &mut |_, _| {}).expect("it opens");
    old.push_step(give(None));
    turn(&mut old);
    // The first shard goes, and what it is restored with is read before the second one takes two commands more.
    log.assign(0, new_number);
    turn(&mut new);
    let mut restored = Vec::new();
    let mut restore = |cycle: &mut Cycle<_>| {
        let restoring = cycle.next_restoring().expect("a shard was gained");
        restoring.run(&log, &mut |_, _| {}, &mut |done| restored.push(done));
    };
    restore(&mut new);
    old.push_step(give(Some(Verb::Publish)));
    old.push_step(give(Some(Verb::Pause)));
    // The first turn finds that the first shard has gone.
    for _ in 0..2 {
        turn(&mut old);
    }
    log.assign(1, new_number);
    turn(&mut new);
    let stop = give(Some(Verb::Stop));
    restore(&mut new);
    restored.into_iter().for_each(|done| new.install(done).expect("it is whole"));
    new.push_step(stop);
    for _ in 0..3 {
        turn(&mut new);
    }
    assert_eq!(new.shards().count(), 2, "both are open");
    [0, 1].map(|shard| epochs_of(&log, shard))
}

/// The epochs that a shard has taken, as its cycles say.
fn epochs_of(log: &Memory, shard: u16) -> Vec<u64> {
    let mut epochs = Vec::new();
    let mut each = |item: Item<'_>| {
        let steps = decode(item.bytes).expect("a cycle reads back");
        let taken = steps.into_iter().filter_map(|step| match step {
            Step::Epoch { number, .. } => Some(number),
            _ => None,
        });
        epochs.extend(taken.filter(|_| item.shard == shard));
    };
    log.read_stream(Stream::Cycles, 0, usize::MAX, &mut each).expect("it reads");
    epochs
}
