//! The two worked examples of the specification, word for word.

use super::script::{World, welcome};

const FIRST: &str = "0:00 u1 add · 0:30 * pause · 0:40 u2 add · 2:00 * {go} · 2:05 u3 add ts=1:30";

/// The first example under CT (G1, G2).
#[test]
fn clevertap_pause_shuts_the_door_but_lets_those_inside_go_on() {
    let mut world = World::with(&[&welcome("clevertap", "")]);
    world.tell(&FIRST.replace("{go}", "resume"));
    world.tell("2:10 * - · 9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u1 R@1:00");
    assert_eq!(world.refused(), "u2 entry_shut, u3 before_opening");
}

/// The first example under AN (G3, G4, and Reactivate apart from Resume).
#[test]
fn antsomi_pause_lets_people_in_and_holds_everybody_until_resume() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell(&FIRST.replace("{go}", "reactivate"));
    world.tell("2:06 * tick");
    assert_eq!(world.counts(), "entered 3 = waiting 1 + held 2", "at 02:06");
    world.tell("2:10 * resume · 9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u1 R@2:10, u2 W@2:10, u2 R@3:10, u3 W@2:05, u3 R@3:05");
    assert_eq!(world.refused(), "");
}

const ENDS_AT_ONE: &str = "end = \"2026-03-01T01:00\"";

/// The second example under CT: Completed at the end date, and `resume` refused with what is allowed (G6).
#[test]
fn clevertap_paused_becomes_completed_at_the_end_date_and_cannot_be_resumed() {
    let mut world = World::with(&[&welcome("clevertap", ENDS_AT_ONE)]);
    world.tell("0:10 u1 add · 0:30 * pause · 0:59 u2 add");
    assert_eq!(world.state(), "Paused");
    world.tell("1:00 * tick");
    assert_eq!(world.state(), "Completed");
    world.tell("1:01 u3 add · 2:00 * resume refused · 2:01 * - · 2:02 * - · 9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:10, u1 R@1:10");
    assert_eq!(world.refused(), "u2 entry_shut, u3 entry_shut");
    let [answer] = world.answers.as_slice() else { panic!("one refusal: {:?}", world.answers) };
    for word in ["resume", "Completed", "clone", "stop"] {
        assert!(answer.contains(word), "{answer}");
    }
}

/// The second example under AN: Paused outlives the end date, and Reactivate leads to Closed (G6).
#[test]
fn antsomi_paused_outlives_the_end_date_and_reactivates_to_closed() {
    let mut world = World::with(&[&welcome("antsomi", ENDS_AT_ONE)]);
    world.tell("0:10 u1 add · 0:30 * pause · 0:59 u2 add · 1:01 u3 add");
    assert_eq!((world.state(), world.refused().as_str()), ("Paused", "u3 entry_shut"));
    world.tell("2:00 * reactivate");
    assert_eq!(world.state(), "Closed");
    world.tell("2:01 * reactivate refused · 2:02 * resume · 9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:10, u1 R@2:02, u2 W@2:02, u2 R@3:02");
    let [answer] = world.answers.as_slice() else { panic!("one refusal: {:?}", world.answers) };
    for word in ["reactivate", "Closed", "freeze", "resume", "abort", "copy"] {
        assert!(answer.contains(word), "{answer}");
    }
}
