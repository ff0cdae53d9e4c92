//! What a worker measures beside what it does: deliveries, releases, timers that are late.

use std::time::Duration;

use wayfarer::journal::Kind;
use wayfarer::journal::memory::{CommitFault, FaultPlan, Memory};
use wayfarer::lifecycle::Verb;
use wayfarer::metrics::read::{Buckets, Scrape};
use wayfarer::metrics::{Hub, Quantiles, Stage, names};
use wayfarer::model::Interval;

use super::world::{REMINDER, START, World};

fn world(definition: &str) -> World<Memory> {
    let mut world = World::open(Memory::new(2), START);
    world.publish(definition);
    world.settle();
    world
}

/// What was measured since the last time.
fn measured(world: &mut World<Memory>) -> Hub {
    let hub = Hub::new(1, 10);
    hub.publish(0, &mut world.cycle.metrics);
    hub
}

fn quantiles(world: &mut World<Memory>, stage: Stage) -> Quantiles {
    measured(world).quantiles(stage)
}

fn receipt(world: &mut World<Memory>, kind: &str, user: &str, node: &str) {
    let bytes =
        format!(r#"{{"kind":"{kind}","user":"{user}","journey":"reminder","version":1,"node":"{node}"}}"#);
    world.accept(Kind::Receipt, user, bytes.as_bytes());
}

#[test]
fn a_delivery_is_measured_from_the_commit_of_its_send_to_the_receipt_that_says_so() {
    let mut world = world(REMINDER);
    // Until there is a receipt nobody wants to know.
    receipt(&mut world, "clicked", "ann", "hello");
    world.settle();
    for user in ["ann", "bob", "cid"] {
        world.event(user, "Start");
    }
    // What is not committed has not been sent.
    world.log.set_faults(FaultPlan { commits: [(0, CommitFault::Refuse)].into(), ..FaultPlan::default() });
    world.settle();
    world.later(Interval::from_secs(7));
    for (kind, user) in [("delivered", "ann"), ("failed", "bob"), ("delivered", "ann"), ("delivered", "eve")]
    {
        receipt(&mut world, kind, user, "hello");
    }
    world.settle();
    let counted = world.cycle.metrics.counters;
    assert_eq!((counted.receipts, counted.receipts_delivered, counted.receipts_failed), (5, 3, 1));
    let found = quantiles(&mut world, Stage::Delivery);
    // The commit itself took real time, on top of the world's.
    assert!(found.count == 1 && found.max <= Duration::from_millis(7_100), "{found:?}");
    assert!(found.max > Duration::from_secs(1), "{found:?}");
}

fn releases(world: &mut World<Memory>) -> Buckets {
    let scrape = Scrape::parse(&measured(world).render()).expect("it is a scrape");
    scrape.buckets(&names::RELEASE_RATE, None)
}

#[test]
fn a_release_is_measured_once_a_shard_when_it_is_over() {
    let mut world = world(&REMINDER.replace("clevertap", "antsomi"));
    world.act("reminder", Verb::Pause);
    world.settle();
    for n in 0..300 {
        world.event(&format!("u{n}"), "Start");
    }
    world.settle();
    assert_eq!(releases(&mut world).count(), 0.0);
    world.act("reminder", Verb::Freeze);
    world.act("reminder", Verb::Reactivate);
    world.settle();
    assert_eq!(world.sends().len(), 300);
    let found = releases(&mut world);
    assert_eq!(found.count(), 2.0, "each of the two shards had its own");
    assert!(found.most().is_some_and(|most| most >= 1.0), "{found:?}");
    // Nobody is held: a release of nobody has no rate.
    world.act("reminder", Verb::Freeze);
    world.act("reminder", Verb::Reactivate);
    world.settle();
    assert_eq!(releases(&mut world).count(), 0.0);
}

#[test]
fn every_timer_that_fires_is_measured_whether_time_or_a_record_let_it() {
    let mut world = world(REMINDER);
    for user in ["ann", "bob", "cid", "dee"] {
        world.event(user, "Start");
        world.settle();
    }
    let _ = quantiles(&mut world, Stage::TimerLateness);
    world.later(Interval::from_mins(11));
    // It was appended after the deadlines, which come first: the record lets them fire.
    world.event("eve", "Start");
    world.event("fay", "Start");
    world.settle();
    let fired = world.cycle.metrics.counters.timers_fired;
    let found = quantiles(&mut world, Stage::TimerLateness);
    assert_eq!((fired, found.count), (4, 4));
    let late = Duration::from_secs(60);
    assert!(found.p50 >= late - late / 100 && found.max < Duration::from_secs(660), "{found:?}");
}
