//! Several instances over one journal, each with its threads: what one does, all do.

use std::sync::Arc;
use std::time::Duration;

use wayfarer::control::service::{Answer, Service};
use wayfarer::control::{Act, Command};
use wayfarer::journal::Stream;
use wayfarer::journal::memory::{Memory, Rebalance};
use wayfarer::lifecycle::Verb;
use wayfarer::worker::process::Process;

use super::process::{SHARDS, act, event, give, put, settings, until};
use super::world::{REMINDER, stream_of};
use wayfarer::config::SendsTo;

fn instance(log: &Memory, name: &str) -> Process<Memory> {
    let process = Process::start(&log.instance(name), &settings(SendsTo::Journal), false);
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
    let record = wayfarer::control::Record {
        id: "publish".to_owned(),
        at: None,
        actor: "test".to_owned(),
        role: wayfarer::lifecycle::Role::Operator,
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
