//! What is counted: flows by the hour, gauges of now, branches, and that it all adds up.

use wayfarer::engine::statistics::{ExitReason, NodeFlow};

use super::script::{StoredHours, World, journey, welcome};

/// G40: flows by the time of the movement, in hours of the journey's zone.
#[test]
fn flows_are_counted_by_the_hour_in_the_journeys_zone() {
    for (zone, hours) in [
        ("Asia/Kolkata", "0:30 entered 2, 1:30 entered 1 completed 2, 2:30 completed 1"),
        ("UTC", "0:00 entered 1, 1:00 entered 2 completed 1, 2:00 completed 2"),
    ] {
        let mut world = World::with(&[&welcome("clevertap", &format!("zone = \"{zone}\""))]);
        world.tell("0:40 u1 add · 1:20 u2 add · 1:50 u3 add · 9:00 * tick");
        assert_eq!(world.hours(), hours, "{zone}");
    }
}

/// G40: an hour is stored as it stands at each commit, and an hour in which nothing happened not at all.
#[test]
fn an_hour_grows_from_commit_to_commit_and_is_closed_for_good() {
    let mut world = World::with(&[&welcome("clevertap", "")]);
    world.tell("0:10 u1 add");
    assert_eq!(world.hours(), "0:00 entered 1");
    world.tell("0:20 u2 add · 0:30 u1 buy");
    assert_eq!(world.hours(), "0:00 entered 2 exit_rule 1");
    world.tell("5:00 u3 add");
    assert_eq!(
        world.hours(),
        "0:00 entered 2 exit_rule 1, 1:00 completed 1, 5:00 entered 1",
        "closed as it was"
    );
}

/// An hour goes 92 days after it, when the version counts again: a shard's state does not grow for ever.
#[test]
fn an_hour_is_deleted_when_it_is_older_than_a_quarter() {
    let mut world = World::with(&[&welcome("clevertap", "")]);
    let mut kept = StoredHours::default();
    for (story, hours) in [
        ("0:10 u1 add", &[0][..]),
        ("2207:00 u2 add", &[0, 1, 2207]),
        ("2208:30 u3 add", &[0, 1, 2207, 2208]),
        ("2209:10 u4 add", &[1, 2207, 2208, 2209]),
        ("5000:00 u5 add", &[5000]),
    ] {
        world.tell(story);
        world.commit_into(&mut kept);
        assert_eq!(kept.hours(), hours, "after {story}");
    }
}

/// G40: waiting, held and draining are always now; CT: what is scheduled counts when it fires.
#[test]
fn gauges_are_now_and_scheduled_actions_count_when_they_fire() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:10 u1 add · 0:20 u2 add · 0:59 * tick");
    assert_eq!((world.count_at("R", NodeFlow::Sent), world.counts().as_str()), (0, "entered 2 = waiting 2"));
    world.tell("1:10 * tick");
    assert_eq!(
        (world.count_at("R", NodeFlow::Sent), world.counts().as_str()),
        (1, "entered 2 = waiting 1 + completed 1")
    );
    world.tell("1:15 * pause · 1:20 * tick");
    assert_eq!(world.counts(), "entered 2 = held 1 + completed 1");
    world.tell("1:30 * abort");
    assert_eq!(world.counts(), "entered 2 = draining 1 + completed 1");
}

/// Section 4: entered, moved by branch, held, dropped off by reason, sent, by node.
#[test]
fn each_node_counts_starts_branches_holds_exits_and_sends() {
    let nodes = "ask wait_event timeout = \"60m\", otherwise = \"L\", branches = [{ event = \"yes\", to = \"Y\" }, { event = \"no\", to = \"exit\" }]
                 Y send next = \"exit\"
                 L send";
    let mut world = World::with(&[&journey("antsomi", "exit = [{ event = \"buy\" }]", nodes)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 0:00 u4 add · 0:00 u5 add");
    world.tell("0:10 u1 yes · 0:11 u2 yes · 0:12 u3 no · 0:13 u4 buy · 0:50 * pause · 2:00 * tick");
    for (node, flow, count) in [
        ("ask", NodeFlow::Started, 5),
        ("ask", NodeFlow::Branch(0), 2),
        ("ask", NodeFlow::Branch(1), 1),
        ("ask", NodeFlow::Branch(2), 1),
        ("ask", NodeFlow::Exited(ExitReason::ExitRule), 1),
        ("Y", NodeFlow::Started, 2),
        ("Y", NodeFlow::Sent, 2),
        ("Y", NodeFlow::Branch(0), 2),
        ("L", NodeFlow::Held, 1),
        ("L", NodeFlow::Started, 0),
    ] {
        assert_eq!(world.count_at(node, flow), count, "{node} {flow:?}");
    }
    assert_eq!(world.counts(), "entered 5 = held 1 + completed 3 + exit_rule 1");
}

/// A goal converts once, and both its flow and the reason are counted.
#[test]
fn the_first_goal_wins_and_counts_as_converted() {
    let head = "conversion_window = \"2d\"
                exit = [{ event = \"bye\" }, { event = \"buy\", goal = \"bought\" }, { event = \"like\", goal = \"liked\" }]";
    for dialect in ["clevertap", "antsomi"] {
        let mut world = World::with(&[&welcome(dialect, head)]);
        world.tell("0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 0:10 u1 buy · 0:11 u1 like · 0:12 u2 bye · 0:13 u2 like");
        world.tell("9:00 u3 buy · 9:01 u3 like · 9:02 u2 buy · 60:00 u3 buy");
        assert_eq!(world.told("converted"), "u1 bought@0:10, u2 liked@0:13, u3 bought@9:00");
        assert_eq!(
            (world.converted(), world.counts().as_str()),
            (3, "entered 3 = completed 1 + goal 1 + exit_rule 1")
        );
    }
}

/// Conservation over versions: who moves leaves one and comes to the other.
#[test]
fn who_moves_between_versions_is_counted_in_both() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:00 u1 add · 0:30 u2 add · 0:40 * pause");
    world.put("0:41", &welcome("antsomi", "timeout = \"9d\"")).expect("a next version");
    world.tell("1:20 * reactivate · 1:21 u3 add");
    assert_eq!(world.counts_of(1), "entered 2 = moved_out 2");
    assert_eq!(world.counts_of(2), "entered 1 + moved_in 2 = waiting 2 + held 1");
    assert_eq!(world.counts(), "entered 3 = waiting 2 + held 1");
}
