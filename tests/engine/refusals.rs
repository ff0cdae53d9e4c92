//! Every no has a name, is counted by journey and reason, and can be explained for one user (G20).

use super::script::{World, at, crowd, journey, welcome};

/// G20: each reason once, with the journey and the story that bring it about.
#[test]
fn every_reason_for_a_refusal_has_a_name_and_is_counted() {
    for (entry, story, refused, counted) in [
        ("event = \"add\"", "0:00 u1 enter", "u1 no_such_entry", "no_such_entry 1"),
        ("event = \"add\"", "0:00 u1 row", "u1 no_such_entry", "no_such_entry 1"),
        (
            "event = \"add\"",
            "0:00 * pause · 0:01 u1 add · 0:01 u2 add",
            "u1 entry_shut, u2 entry_shut",
            "entry_shut 2",
        ),
        (
            "event = \"add\"",
            "0:10 * pause · 0:20 * resume · 0:21 u1 add ts=0:19",
            "u1 before_opening",
            "before_opening 1",
        ),
        ("event = \"add\"", "3:00 u1 add ts=1:00", "u1 late", "late 1"),
        ("event = \"add\"", "0:00 u1 add · 0:01 u1 add", "u1 inside", "inside 1"),
        (
            "event = \"add\", reentry = \"never\"",
            "0:00 u1 add · 0:01 u1 buy · 0:02 u1 add",
            "u1 reentry",
            "reentry 1",
        ),
        ("event = \"add\", limit = 1", "0:00 u1 add · 0:01 u2 add", "u2 entry_limit", "entry_limit 1"),
    ] {
        let mut world = World::with(&[&welcome("clevertap", &format!("entry = {{ {entry} }}"))]);
        world.tell(story);
        assert_eq!((world.refused().as_str(), world.refusal_counts().as_str()), (refused, counted));
    }
    let mut world =
        World::with(&[&welcome("clevertap", "entry = { event = \"add\", reentry = \"always\" }")]);
    for _ in 0..65 {
        world.tell("0:00 u1 add");
    }
    assert_eq!(
        (world.refused().as_str(), world.refusal_counts().as_str()),
        ("u1 user_limit", "user_limit 1")
    );
    assert_eq!(world.counts(), "entered 64 = waiting 64");
}

/// G20: of several reasons the first in the promised order is told.
#[test]
fn the_first_reason_in_the_order_of_the_checks_is_told() {
    let head = "entry = { event = \"add\", api = true, limit = 1, late = \"5m\", reentry = \"never\" }";
    let mut world = World::with(&[&welcome("clevertap", head)]);
    world.tell("0:10 u1 add · 0:20 * pause · 0:40 u1 add ts=0:15");
    assert_eq!(world.refused(), "u1 entry_shut", "shut, before the opening, late, inside, limit");
    world.tell("0:40 * resume · 0:50 u1 add ts=0:39");
    assert!(world.refused().ends_with(", u1 before_opening"), "before the opening, late, inside, limit");
    world.tell("0:55 u1 add ts=0:45");
    assert!(world.refused().ends_with(", u1 late"), "late, inside, limit");
    world.tell("0:56 u1 add");
    assert!(world.refused().ends_with(", u1 inside"), "inside, limit");
    world.tell("0:57 u1 buy · 0:58 u1 add");
    assert!(world.refused().ends_with(", u1 reentry"), "re-entry, limit");
    world.tell("0:59 u2 add");
    assert!(world.refused().ends_with(", u2 entry_limit"));
    assert_eq!(
        world.refusal_counts(),
        "entry_shut 1, before_opening 1, late 1, inside 1, reentry 1, entry_limit 1"
    );
}

/// G20: what a refusal says is enough to explain it.
#[test]
fn a_refusal_names_journey_user_time_reason_and_state() {
    for (dialect, verb, state) in [
        ("clevertap", "pause", "Paused"),
        ("clevertap", "stop", "Stopped"),
        ("antsomi", "close", "Closed"),
        ("antsomi", "freeze", "Frozen"),
        ("antsomi", "fail", "Error"),
        ("antsomi", "abort", "Aborted"),
    ] {
        let mut world = World::with(&[&welcome(dialect, "")]);
        world.tell(&format!("0:10 * {verb} · 0:20 u1 add"));
        let refusals = world.refusals();
        let [refusal] = refusals.as_slice() else { panic!("one refusal: {refusals:?}") };
        assert_eq!(
            (refusal.journey.as_str(), refusal.user.as_str(), refusal.at),
            ("example", "u1", at("0:20"))
        );
        assert_eq!((refusal.reason.as_str(), refusal.state.as_str()), ("entry_shut", state));
    }
}

/// G20: who does not qualify is not refused.
#[test]
fn who_does_not_satisfy_the_filter_is_not_refused() {
    let head = "entry = { event = \"add\", where = \"properties.value > 10\" }";
    let mut world = World::with(&[&welcome("clevertap", head)]);
    world.tell("0:00 u1 add value=10 · 0:00 u2 add · 0:00 u3 add value=x · 0:00 u4 add value=11 · 0:01 u4 add value=9");
    assert_eq!((world.sent().as_str(), world.refused().as_str()), ("u4 W@0:00", ""));
}

/// G20: each journey counts its own.
#[test]
fn refusals_are_counted_by_journey() {
    let other = journey("clevertap", "id = \"other\"", "S send");
    let mut world = World::with(&[&welcome("clevertap", ""), &other]);
    world.tell("0:00 *other stop");
    world.tell(&crowd(3, "0:01", "add"));
    assert_eq!(world.refusal_counts(), "", "the first journey let everybody in");
    let journeys: Vec<String> = world.refusals().into_iter().map(|r| r.journey).collect();
    assert_eq!(journeys, ["other", "other", "other"]);
}

/// G20, at the movement gate: it is counted at the node, and told with it.
#[test]
fn who_is_held_is_counted_at_the_node() {
    use wayfarer::engine::statistics::NodeFlow;
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:00 u1 add · 0:10 * pause · 0:20 u2 add · 0:21 u3 add · 2:00 * tick");
    assert_eq!((world.count_at("W", NodeFlow::Held), world.count_at("R", NodeFlow::Held)), (2, 1));
    assert_eq!(world.told("held"), "u2 W@0:20, u3 W@0:21, u1 R@1:00");
}
