//! The two worked examples of the contract's section 3, word for word.

use serde_json::json;

use crate::script::{Play, welcome, with};

#[test]
fn the_first_worked_example_in_clevertap() {
    let mut play = Play::new(welcome("clevertap"));
    play.run(
        "00:00 u1 add · 00:30 * pause · 00:40 u2 add · 02:00 * resume · 02:05 u3 add ts=01:30 · 02:10 * –",
    );
    play.run("06:00 tick");
    assert_eq!(play.sends(), "u1 W@00:00 · u1 R@01:00");
    assert_eq!(play.refusals(), "u2 entry_shut · u3 before_opening");
    play.decided_by(&["G1", "G2", "G20"]);
}

#[test]
fn the_first_worked_example_in_antsomi() {
    let mut play = Play::new(welcome("antsomi"));
    play.run("00:00 u1 add · 00:30 * pause · 00:40 u2 add · 02:00 * reactivate");
    play.run("02:05 u3 add ts=01:30 · 02:06 tick");
    assert_eq!(play.counts(), [3, 1, 2, 0, 0, 0], "entered 3 = waiting 1 + held 2");
    play.run("02:10 * resume · 06:00 tick");
    assert_eq!(play.sends(), "u1 W@00:00 · u3 W@02:05 · u2 W@02:10 · u1 R@02:10 · u3 R@03:05 · u2 R@03:10");
    assert_eq!(play.refusals(), "");
    play.decided_by(&["G3", "G4", "G36"]);
}

fn ending(dialect: &str) -> serde_json::Value {
    with(welcome(dialect), json!({"end": "2026-03-01T01:00"}))
}

#[test]
fn the_second_worked_example_in_clevertap() {
    let mut play = Play::new(ending("clevertap"));
    play.run("00:10 u1 add · 00:30 * pause · 00:59 u2 add");
    assert_eq!(play.state(), "Paused");
    play.run("01:00 tick");
    assert_eq!(play.state(), "Completed");
    play.run("01:01 u3 add · 02:00 * resume · 02:01 * – · 02:02 * – · 06:00 tick");
    assert_eq!(play.sends(), "u1 W@00:10 · u1 R@01:10");
    assert_eq!(play.refusals(), "u2 entry_shut · u3 entry_shut");
    assert_eq!(play.refused, [r#""j" is Completed, which does not allow resume; it allows clone, stop"#]);
    play.decided_by(&["G6", "G14", "G23"]);
}

#[test]
fn the_second_worked_example_in_antsomi() {
    let mut play = Play::new(ending("antsomi"));
    play.run("00:10 u1 add · 00:30 * pause · 00:59 u2 add · 01:01 u3 add · 02:00 * reactivate");
    assert_eq!((play.state(), play.refusals().as_str()), ("Closed", "u3 entry_shut"));
    play.run("02:01 * reactivate");
    assert_eq!(play.refused.len(), 1, "the 02:01 verb is refused");
    play.run("02:02 * resume · 06:00 tick");
    assert_eq!(play.sends(), "u1 W@00:10 · u2 W@02:02 · u1 R@02:02 · u2 R@03:02");
}
