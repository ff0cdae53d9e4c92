//! Journeys that keep failing: the budget, Error, and the way back (G17).

use wayfarer::model::input::Selection;

use super::script::{World, welcome};

const BUDGET: &str = "failure_budget = 3";

/// G17: a budget of failures in an hour; what happened longer ago is forgiven.
#[test]
fn a_failure_budget_is_spent_within_an_hour_or_not_at_all() {
    for (story, alarms) in [
        ("0:00 * failure · 0:10 * failure", 0),
        ("0:00 * failure · 0:10 * failure · 0:59:59 * failure", 1),
        ("0:00 * failure · 0:10 * failure · 1:00 * failure · 1:10 * failure", 0),
        ("0:00 * failure · 0:10 * failure · 1:00 * failure · 1:10 * failure · 1:20 * failure", 1),
    ] {
        for dialect in ["clevertap", "antsomi"] {
            let mut world = World::with(&[&welcome(dialect, BUDGET)]);
            world.tell(story);
            assert_eq!(world.alarms(), alarms, "{dialect}: {story}");
        }
    }
}

/// G17: by the system, from Active and Closed; to the state it left, or Closed if the dates have ended; the held go on.
#[test]
fn only_the_system_recovers_a_journey_and_to_the_state_that_it_left() {
    for (head, before, state) in [
        ("", "0:05 * -", "Active"),
        ("", "0:05 * close", "Closed"),
        ("end = \"2026-03-01T01:00\"", "0:05 * -", "Closed"),
    ] {
        let mut world = World::with(&[&welcome("antsomi", head)]);
        world.tell(&format!("0:00 u1 add · {before} · 0:10 * fail as_operator refused · 0:20 * fail"));
        assert_eq!(world.state(), "Error");
        world.tell(
            "0:30 u2 add · 1:30 * tick · 1:40 * recover as_operator refused · 1:41 * reactivate refused",
        );
        assert_eq!(
            (world.refused().as_str(), world.counts().as_str()),
            ("u2 entry_shut", "entered 1 = held 1")
        );
        world.tell("2:00 * recover");
        assert_eq!(
            (world.state(), world.sent().as_str()),
            (state, "u1 W@0:00, u1 R@2:00"),
            "{head} {before}"
        );
    }
}

/// G17, G36: recovery releases paced, oldest due first.
#[test]
fn recovery_releases_paced() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.paced = true;
    world.tell("0:02 u1 add · 0:01 u2 add · 0:10 * fail · 1:30 * tick · 2:00 * recover · 2:00 * release 1");
    assert_eq!(
        (world.told("released").as_str(), world.counts().as_str()),
        ("u1 R@2:00", "entered 2 = held 1 + completed 1")
    );
    world.tell("2:01 * release 1");
    assert_eq!(world.counts(), "entered 2 = completed 2");
}

/// G17: a journey that goes on failing after its recovery fails again, within the same hour too.
#[test]
fn a_recovered_journey_has_its_whole_budget_again() {
    let mut world = World::with(&[&welcome("antsomi", BUDGET)]);
    world.tell("0:00 * failure · 0:01 * failure · 0:02 * failure · 0:02 * fail · 0:10 * recover");
    assert_eq!(world.alarms(), 1);
    world.tell("0:11 * failure · 0:12 * failure");
    assert_eq!(world.alarms(), 1);
    world.tell("0:13 * failure");
    assert_eq!(world.alarms(), 2);
}

/// G17: whoever is to put the journey into Error may be late, or die: it is spent until that has happened.
#[test]
fn a_spent_budget_stays_spent_until_the_journey_is_in_error() {
    let mut world = World::with(&[&welcome("antsomi", BUDGET)]);
    world.tell("0:00 * failure · 0:01 * failure");
    assert!(!world.is_spent());
    world.tell("0:02 * failure · 0:03 * failure");
    assert_eq!((world.is_spent(), world.alarms()), (true, 1));
    world.tell("3:00 * failure · 3:01 * close");
    assert_eq!(
        (world.is_spent(), world.alarms()),
        (true, 1),
        "the hour does not forgive it, nor does Closed"
    );
    world.tell("3:02 * fail");
    assert_eq!((world.is_spent(), world.state()), (false, "Error"));
    world.tell("3:03 * failure · 3:03 * failure · 3:03 * failure · 3:04 * recover · 3:05 * failure");
    assert!(!world.is_spent(), "one is, what failed in Error is nobody's");
}

/// G17: Error is for what goes on by itself: a journey that an operator has stopped needs no other gate, and begins anew.
#[test]
fn a_journey_that_an_operator_holds_spends_nothing() {
    for (verb, back) in [("pause", "reactivate"), ("freeze", "reactivate")] {
        let mut world = World::with(&[&welcome("antsomi", BUDGET)]);
        world.tell(&format!("0:00 * failure · 0:00 * failure · 0:00 * failure · 0:01 * {verb}"));
        assert!(!world.is_spent(), "{verb}");
        world.tell("0:02 * failure · 0:02 * failure · 0:02 * failure");
        world.tell(&format!("0:03 * {back} · 0:04 * failure · 0:04 * failure"));
        assert_eq!((world.is_spent(), world.alarms()), (false, 1), "{verb}");
        world.tell("0:05 * failure");
        assert_eq!((world.is_spent(), world.alarms()), (true, 2), "{verb}");
    }
}

/// G17: CT has no Error; the journey goes on, and an alarm is all there is if the failures are nobody's.
#[test]
fn under_clevertap_a_spent_budget_is_an_alarm_and_no_state() {
    let mut world = World::with(&[&welcome("clevertap", BUDGET)]);
    world.tell(
        "0:00 u1 add · 0:01 * failure · 0:02 * failure · 0:03 * failure · 0:03 * fail refused · 0:04 u2 add",
    );
    world.tell("0:05 * failure · 9:00 * tick");
    assert_eq!((world.alarms(), world.state()), (1, "Running"));
    assert_eq!(world.counts(), "entered 2 = completed 2");
}

/// Three users inside; the failures of two spend the budget at 0:12.
fn spent(dialect: &str) -> World {
    let mut world = World::with(&[&welcome(dialect, BUDGET)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 0:10 u1 fails · 0:11 u2 fails · 0:12 u1 fails");
    world
}

/// G17: those whose failures spent it; everybody else goes on.
#[test]
fn under_clevertap_a_spent_budget_parks_whose_failures_spent_it() {
    let mut world = spent("clevertap");
    assert_eq!((world.alarms(), world.parked(), world.state()), (1, 2, "Running"));
    assert_eq!(world.told("parked"), "u1 failure_budget@0:12, u2 failure_budget@0:12");
    assert_eq!(world.counts(), "entered 3 = waiting 1 + held 2");
    world.tell("9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:00, u3 W@0:00, u3 R@1:00");
    assert_eq!(world.told("held"), "u1 R@1:00, u2 R@1:00", "a wait ends as it would have (G4)");
    assert_eq!((world.counts().as_str(), world.parked()), ("entered 3 = held 2 + completed 1", 2));
}

/// G17: whoever fails in the rest of the hour is parked too, with one alarm; a failure of the next hour is forgiven.
#[test]
fn whoever_fails_after_a_spent_budget_is_parked_within_the_hour() {
    let mut world = spent("clevertap");
    world.tell("0:20 u3 fails · 0:21 u3 fails · 0:22 nobody fails · 0:30 u4 add");
    assert_eq!((world.alarms(), world.parked()), (1, 3));
    world.tell("1:10 u4 fails · 9:00 * tick");
    assert_eq!((world.alarms(), world.counts().as_str()), (1, "entered 4 = held 3 + completed 1"));
}

/// G17: a dialect with Error holds everybody by its state, and parks nobody.
#[test]
fn under_antsomi_a_spent_budget_parks_nobody() {
    let world = spent("antsomi");
    assert_eq!((world.alarms(), world.parked(), world.counts().as_str()), (1, 0, "entered 3 = waiting 3"));
}

/// G17, G36: the operator's release: a wait under way goes on, whoever was held goes on at once; the budget is whole again.
#[test]
fn a_release_lets_the_parked_go_and_gives_the_whole_budget_again() {
    let mut world = spent("clevertap");
    world.tell("0:30 * let_go");
    assert_eq!((world.parked(), world.counts().as_str()), (0, "entered 3 = waiting 3"));
    world.tell("0:40 u1 fails · 0:41 u1 fails · 0:50 * tick");
    assert_eq!((world.alarms(), world.parked()), (1, 0), "one failure is left");
    world.tell("0:51 u1 fails · 1:30 * tick");
    assert_eq!((world.alarms(), world.parked()), (2, 1));
    world.tell("2:00 * let_go");
    assert_eq!(world.sent(), "u1 W@0:00, u1 R@2:00, u2 W@0:00, u2 R@1:00, u3 W@0:00, u3 R@1:00");
    assert_eq!(world.told("released"), "u1 patience@0:30, u2 patience@0:30, u1 R@2:00");
}

/// G36: a release names nodes, and its preview counts the parked, whether they wait or are held.
#[test]
fn parked_users_are_previewed_and_released_by_their_node() {
    let mut world = spent("clevertap");
    world.tell("0:30 u4 add · 0:31 u4 fails · 1:10 * tick");
    let at = |world: &World, node: &str| world.preview(&Selection::At(node.to_owned())).users;
    assert_eq!((at(&world, "R"), at(&world, "patience"), world.preview(&Selection::All).users), (2, 1, 3));
    world.tell("1:11 * let_go at R");
    assert_eq!((world.parked(), world.counts().as_str()), (1, "entered 4 = held 1 + completed 3"));
    world.tell("1:12 * let_go from W · 9:00 * tick");
    assert_eq!(world.counts(), "entered 4 = completed 4");
}

/// G24, G35, G39: to be parked is a held gate of one's own: what is no node acts at once, and Stop drains.
#[test]
fn exits_removal_deletion_and_stop_act_on_the_parked_at_once() {
    for (then, parked, counts) in [
        ("0:20 u1 buy", 1, "entered 3 = waiting 1 + held 1 + exit_rule 1"),
        ("0:20 u1 remove", 1, "entered 3 = waiting 1 + held 1 + removed 1"),
        ("0:20 u1 delete", 1, "entered 3 = waiting 1 + held 1 + deleted 1"),
        ("0:20 * pause · 9:00 * tick", 2, "entered 3 = held 2 + completed 1"),
        ("0:20 * stop", 0, "entered 3 = draining 3"),
        ("0:20 * stop · 900:00 * tick", 0, "entered 3 = stopped 3"),
    ] {
        let mut world = spent("clevertap");
        world.tell(then);
        assert_eq!((world.parked(), world.counts().as_str()), (parked, counts), "{then}");
    }
    let mut world = spent("clevertap");
    world.tell("0:20 * stop · 0:30 * let_go refused");
    assert!(world.answers[0].contains("Stopped"), "{}", world.answers[0]);
}

/// G13: a message whose node has started goes out; then its user is held.
#[test]
fn a_parked_users_message_that_is_at_send_goes_out() {
    let nodes = "W send rate = \"2/h\"\nR send";
    let mut world = World::with(&[&super::script::journey("clevertap", BUDGET, nodes)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:01 u2 fails · 0:02 u2 fails · 0:03 u2 fails");
    assert_eq!((world.parked(), world.counts().as_str()), (0, "entered 2 = at_send 1 + completed 1"));
    world.tell("0:30 * tick");
    assert_eq!((world.parked(), world.sent().as_str()), (1, "u1 W@0:00, u1 R@0:00, u2 W@0:30"));
    world.tell("0:40 * let_go");
    assert_eq!(world.counts(), "entered 2 = completed 2");
}

/// G36: a release that is under way does not let go whom a failure has parked since; the next one does.
#[test]
fn a_release_under_way_spares_who_was_parked_since_it_began() {
    let mut world = spent("clevertap");
    world.paced = true;
    world.tell("1:10 * tick · 1:20 * let_go · 1:20 * release 1");
    world.park(2);
    world.tell("1:21 * release 9");
    assert_eq!((world.parked(), world.counts().as_str()), (1, "entered 3 = held 1 + completed 2"));
    world.tell("1:22 * let_go · 1:22 * release 9");
    assert_eq!(world.counts(), "entered 3 = completed 3");
}

/// Protocol 14: a timer that panics parks its user in every dialect, and is charged to its journey.
#[test]
fn an_enrollment_that_panicked_is_parked_and_its_journey_charged() {
    for dialect in ["clevertap", "antsomi"] {
        let mut world = World::with(&[&welcome(dialect, "failure_budget = 1")]);
        world.tell("0:00 u1 add · 0:00 u2 add · 0:30 * tick");
        world.park(1);
        assert_eq!((world.told("parked").as_str(), world.alarms()), ("u1 panic@0:30", 1), "{dialect}");
        world.tell("9:00 * tick");
        assert_eq!(world.counts(), "entered 2 = held 1 + completed 1");
        world.tell(if dialect == "antsomi" { "9:01 * resume" } else { "9:01 * let_go" });
        assert_eq!((world.parked(), world.counts().as_str()), (0, "entered 2 = completed 2"), "{dialect}");
    }
}
