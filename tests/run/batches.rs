//! How much one turn reads, and what it writes of it.

use std::collections::BTreeMap;

use wayfarer::engine::statistics::Flow;
use wayfarer::journal::Stream;
use wayfarer::journal::memory::{CommitFault, FaultPlan, Memory};

use super::world::{REMINDER, START, World};

/// As many records as are read at once.
const AT_ONCE: usize = 3;

/// One shard, whose worker reads so often before it commits, and so many who are about to start.
fn world(batches: usize, movements: bool, users: usize) -> World<Memory> {
    let mut world = World::open_with(Memory::new(1), START, |options| {
        (options.events_max, options.movements) = (AT_ONCE, movements);
    });
    world.cycle.read_at_most(batches);
    world.publish(REMINDER);
    world.settle();
    (0..users).for_each(|user| world.event(&format!("u{user}"), "Start"));
    world
}

fn hellos(users: usize) -> Vec<String> {
    (0..users).map(|user| format!("u{user} hello")).collect()
}

#[test]
fn a_turn_reads_on_while_it_finds_as_much_as_it_can_take_and_commits_once() {
    for (batches, turns) in [(1, vec![(1, 3), (1, 3), (1, 1)]), (2, vec![(2, 6), (1, 1)]), (9, vec![(3, 7)])]
    {
        let mut world = world(batches, true, 7);
        let commits = world.stream(Stream::Cycles).len();
        let read: Vec<_> = turns
            .iter()
            .map(|_| world.turn())
            .inspect(|turn| assert!(turn.committed))
            .map(|turn| (turn.batches, turn.read))
            .collect();
        assert_eq!(read, turns, "at most {batches} batches");
        assert_eq!(world.stream(Stream::Cycles).len() - commits, turns.len());
        assert_eq!(world.sends(), hellos(7));
    }
}

#[test]
fn a_commit_of_several_batches_that_fails_is_decided_again_as_a_whole() {
    let mut world = world(2, true, 7);
    let fault = FaultPlan { commits: BTreeMap::from([(0, CommitFault::Refuse)]), ..FaultPlan::default() };
    world.log.set_faults(fault);
    let turn = world.turn();
    assert!(turn.refused.is_some() && turn.read == 6 && world.sends().is_empty(), "{turn:?}");
    world.settle();
    assert_eq!(world.sends(), hellos(7));
}

#[test]
fn movements_that_nobody_wants_are_counted_and_not_written() {
    for movements in [true, false] {
        let mut world = world(1, movements, 2);
        world.settle();
        let (_, shard) = world.cycle.shards().next().expect("there is one");
        let entered = shard.statistics(0).expect("it is published").total(Flow::Entered);
        let lines = world.stream(Stream::Transitions).len();
        assert_eq!((entered, world.sends(), lines > 0), (2, hellos(2), movements));
    }
}
