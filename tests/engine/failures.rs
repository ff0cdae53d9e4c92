//! Journeys that keep failing: the budget, Error, and the way back (G17).

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

/// G17: CT has no Error; the journey goes on, and the alarm is what there is.
#[test]
fn under_clevertap_a_spent_budget_is_an_alarm_and_no_state() {
    let mut world = World::with(&[&welcome("clevertap", BUDGET)]);
    world.tell("0:00 u1 add · 0:01 * failure · 0:02 * failure · 0:03 * failure · 0:03 * fail refused · 0:04 u2 add · 9:00 * tick");
    assert_eq!((world.alarms(), world.state()), (1, "Running"));
    assert_eq!(world.counts(), "entered 2 = completed 2");
}
