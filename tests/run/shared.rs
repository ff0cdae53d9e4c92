//! Several instances over one journal, each with its threads: what one does, all do.

use std::sync::Arc;
use std::time::Duration;

use wayfarer::control::service::{Answer, Service};
use wayfarer::control::{Act, Command, Manifest, Record};
use wayfarer::journal::memory::{Memory, Rebalance};
use wayfarer::journal::{Append, Assignment, ControlLog, Group, Intake, Kind, Log, Stream};
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::worker::cycle::{Cycle, Options};
use wayfarer::worker::process::{Process, hub};

use super::process::{SHARDS, act, event, give, put, settings, until};
use super::world::{REMINDER, START, stream_of};
use wayfarer::config::SendsTo;

fn instance(log: &Memory, name: &str) -> Process<Memory> {
    let settings = settings(SendsTo::Journal);
    let process = Process::start(&log.instance(name), &settings, false, &hub(&settings, SHARDS));
    process.expect("it starts")
}

fn service(process: &Process<Memory>) -> Arc<dyn Service> {
    process.running().clone()
}

fn open(process: &Process<Memory>) {
    until("every shard is open", || process.running().health().ready);
}

#[test]
fn a_command_is_answered_when_every_shard_has_taken_it_in_whatever_instance() {
    let log = Memory::shared(SHARDS, Rebalance::Evenly);
    let (a, b) = (instance(&log, "a"), instance(&log, "b"));
    let id = put(&*service(&a), REMINDER);
    // What the other instance has put is known here once a command was folded: this one's own is.
    let live = act(&*service(&b), &id, Verb::Publish).expect("it goes live");
    assert!(matches!(live, Answer::Done { .. }), "{live:?}");
    let events = |from: usize| (from..from + 200).map(|n| event(&format!("u{n}"), "Start")).collect();
    service(&a).accept(events(0)).expect("they are accepted");
    let sends = || stream_of(&log, Stream::Sends).len();
    until("all are greeted", || sends() == 200);
    // The shards of the one that ends are the other's, which goes on with them.
    a.stop();
    service(&b).accept(events(200)).expect("they are accepted");
    until("the new ones are greeted", || sends() == 400);
    let done = act(&*service(&b), &id, Verb::Stop).expect("it is taken");
    assert!(matches!(done, Answer::Done { .. }), "{done:?}");
    service(&b).accept(events(400)).expect("they are accepted");
    until("the late ones are refused", || {
        service(&b).journeys()[0].refused == [("entry_shut".to_owned(), 200)]
    });
    b.stop();
}

#[test]
fn who_waits_in_vain_is_told_the_shards_their_owners_and_epochs() {
    let log = Memory::shared(SHARDS, Rebalance::Evenly);
    let (a, b) = (instance(&log, "a"), instance(&log, "b"));
    open(&a);
    open(&b);
    let id = put(&*service(&a), REMINDER);
    log.take_away(3);
    until("it is gone", || a.running().health().ready && b.running().health().ready);
    let record = Record {
        id: "publish".to_owned(),
        at: None,
        actor: "test".to_owned(),
        role: Role::Operator,
        journey: id.clone(),
        expect: None,
        command: Command::Act(Act::from(Verb::Publish)),
    };
    let answer = service(&a).command(record, Duration::from_millis(300)).expect("it is taken");
    let Answer::Pending { epoch, shards } = answer else { panic!("shard 3 is nobody's: {answer:?}") };
    assert_eq!(shards.iter().map(|waiting| waiting.shard).collect::<Vec<_>>(), [3]);
    assert!(shards[0].epoch < epoch && shards[0].owner.is_some(), "{shards:?}");
    log.assign(3, log.members()[0]);
    // The same command again waits for the rest.
    let again = give(&*service(&b), "publish", &id, Command::Act(Act::from(Verb::Publish)));
    assert_eq!(again, Ok(Answer::Done { epoch }));
    a.stop();
    b.stop();
}

/// How often a verb of that name was recorded.
fn recorded(log: &Memory, word: &str) -> usize {
    let records = log.read_control(0, usize::MAX).expect("it can be read");
    records.iter().filter(|record| String::from_utf8_lossy(&record.bytes).contains(word)).count()
}

#[test]
fn every_instance_shows_all_shards_and_a_limit_holds_over_all_of_them() {
    let log = Memory::shared(SHARDS, Rebalance::Evenly);
    let (a, b) = (instance(&log, "a"), instance(&log, "b"));
    open(&a);
    open(&b);
    let limited = REMINDER.replace("reentry = \"always\"", "reentry = \"always\"\nlimit = 100");
    let id = put(&*service(&a), &limited);
    act(&*service(&a), &id, Verb::Publish).expect("it goes live");
    let mut third = None;
    for hundred in 0..5 {
        let users = (0..100).map(|n| event(&format!("u{hundred}-{n}"), "Start"));
        service(if hundred % 2 == 0 { &a } else { &b }).accept(users.collect()).expect("they are accepted");
        if hundred == 2 {
            // In the middle of it shards move.
            third = Some(instance(&log, "c"));
        }
    }
    let all = [&a, &b, third.as_ref().expect("it was started")];
    let seen = |process: &Process<Memory>| {
        let view = process.running().journeys().remove(0);
        let refused: u64 = view.refused.iter().map(|(_, n)| n).sum();
        (view.versions.first().map_or(0, |v| v.entered), refused)
    };
    for process in all {
        until("all are in or refused, as every instance shows", || {
            let (entered, refused) = seen(process);
            assert!(entered <= 100, "{entered} entered");
            // A share that was granted ahead and not used may keep others out.
            entered + refused == 500
        });
    }
    let [of_a, of_b, of_c] = all.map(seen);
    assert!(of_a == of_b && of_b == of_c && of_a.0 > 50, "{of_a:?} {of_b:?} {of_c:?}");
    assert_eq!(stream_of(&log, Stream::Sends).len() as u64, of_a.0);
    [Some(a), Some(b), third].into_iter().flatten().for_each(Process::stop);
}

#[test]
fn a_list_ends_once_whichever_instances_took_its_rows() {
    let log = Memory::shared(SHARDS, Rebalance::Evenly);
    let (a, b) = (instance(&log, "a"), instance(&log, "b"));
    open(&a);
    open(&b);
    let id = put(&*service(&a), &REMINDER.replace("event = \"Start\"", "list = \"vips\""));
    let record = Record {
        id: "list".to_owned(),
        at: None,
        actor: "test".to_owned(),
        role: Role::Operator,
        journey: id.clone(),
        expect: None,
        command: Command::List(Manifest { list: String::new(), rows: 0 }),
    };
    let rows = (0..3_000).map(|n| (format!("u{n}"), b"{}".to_vec())).collect();
    service(&b).upload(record, rows, Duration::from_secs(30)).expect("it is taken");
    act(&*service(&a), &id, Verb::Publish).expect("it goes live");
    for process in [&a, &b] {
        until("the list is processed", || process.running().journeys()[0].state == "Completed");
        until("all are in", || process.running().journeys()[0].versions[0].entered == 3_000);
    }
    // Both may have said so; one was heard.
    assert!((1..=2).contains(&recorded(&log, "list_processed")));
    let revisions = [&a, &b].map(|process| process.running().journeys()[0].revision);
    assert_eq!(revisions[0], revisions[1]);
    a.stop();
    b.stop();
}

#[test]
fn a_gained_shard_is_restored_beside_the_others_and_its_first_act_is_a_commit() {
    let log = Memory::shared(3, Rebalance::ByHand);
    let worker = log.worker(Assignment::Shared(0)).expect("it joins");
    let member = worker.number().expect("it is one of a group");
    let mut cycle = Cycle::new(worker, Options::of(3));
    let turn = |cycle: &mut Cycle<_>| cycle.turn(START).expect("it goes on");
    let open = |cycle: &Cycle<_>| cycle.shards().map(|(number, _)| number).collect::<Vec<u16>>();
    log.assign(0, member);
    let _ = turn(&mut cycle);
    cycle.restore_now(&log, &mut |_, _| {}).expect("it is restored");
    assert!(turn(&mut cycle).acknowledged);
    log.assign(1, member);
    log.assign(2, member);
    log.append(START, &[Append { shard: 0, kind: Kind::Event, user: None, bytes: b"none" }])
        .expect("it is accepted");
    assert_eq!((turn(&mut cycle).read, open(&cycle), cycle.restoring()), (1, vec![0], 2));
    let job = cycle.next_restoring().expect("two shards were gained");
    let mut restored = Vec::new();
    job.run(&log, &mut |_, _| {}, &mut |done| restored.push(done));
    // One is lost before it is handed over, and comes back: what was restored is old.
    log.assign(2, member);
    let _ = turn(&mut cycle);
    restored.into_iter().for_each(|done| cycle.install(done).expect("what is old is thrown away"));
    assert_eq!((open(&cycle), cycle.restoring(), cycle.is_open()), (vec![0, 1], 1, false));
    assert!(turn(&mut cycle).acknowledged);
    let known: Vec<u16> = log.acknowledged().expect("it can be asked").iter().map(|of| of.shard).collect();
    assert_eq!(known, [0, 1], "the one that is being restored has acknowledged nothing");
    log.take_away(0);
    let lost = turn(&mut cycle).lost;
    assert_eq!((lost, open(&cycle)), (vec![0], vec![1]));
}
