//! States, gates, holds, versions.

use serde_json::json;
use wayfarer_reference::Position;

use crate::script::{Play, at, welcome, with};

#[test]
fn an_event_of_before_the_latest_opening_never_enters() {
    let mut play = Play::new(welcome("clevertap"));
    play.run("00:10 * pause · 00:20 * resume · 00:21 u1 add ts=00:19 · 00:21 u2 add ts=00:20");
    assert_eq!(play.refusals(), "u1 before_opening");
    play.decided_by(&["G1", "G27"]);
}

#[test]
fn a_delay_that_ends_under_held_obeys_the_timer_policy() {
    let story =
        "00:00 u1 add · 00:30 * pause · 02:00 tick · 02:30 * reactivate · 02:40 * resume · 05:00 tick";
    for (policy, sends, exited) in [
        ("run", "u1 W@00:00 · u1 R@02:40", "u1@02:40 completed"),
        ("freeze", "u1 W@00:00 · u1 R@03:00", "u1@03:00 completed"),
        ("restart", "u1 W@00:00 · u1 R@03:40", "u1@03:40 completed"),
        ("drop", "u1 W@00:00", "u1@01:00 expired_in_hold"),
    ] {
        let mut play = Play::new(with(welcome("antsomi"), json!({"timers": policy})));
        play.run(story);
        assert_eq!((play.sends().as_str(), play.told("exited").as_str()), (sends, exited), "{policy}");
    }
}

#[test]
fn a_journey_time_out_that_ends_under_held_obeys_the_timer_policy() {
    let story = "00:00 u1 add · 00:10 * pause · 00:50 tick · 01:10 * reactivate · 05:00 tick";
    for (policy, exited) in [
        ("run", "u1@00:40 timed_out"),
        ("freeze", "u1@01:40 timed_out"),
        ("restart", "u1@01:50 timed_out"),
        ("drop", "u1@00:40 expired_in_hold"),
    ] {
        let mut play = Play::new(with(welcome("antsomi"), json!({"timers": policy, "timeout": "40m"})));
        assert_eq!(play.run(story).told("exited"), exited, "{policy}");
    }
}

/// Waits for `yes` (→ `Y`) or `no` (→ `N`) for an hour, then `L`.
fn asking(fields: serde_json::Value) -> serde_json::Value {
    let send =
        |id: &str| json!({"id": id, "type": "send", "channel": "push", "content": "c", "next": "exit"});
    let node = json!([
        {"id": "ask", "type": "wait_event", "timeout": "60m", "otherwise": "L",
         "branches": [{"event": "yes", "to": "Y", "match": "cart"}, {"event": "no", "to": "N"}]},
        send("Y"), send("N"), send("L"),
    ]);
    with(with(welcome("antsomi"), json!({"node": node, "exit": []})), fields)
}

#[test]
fn the_branch_of_a_started_wait_is_fixed_under_held() {
    for policy in ["run", "freeze", "restart", "drop"] {
        let mut play = Play::new(asking(json!({"timers": policy})));
        play.run("00:00 u1 add · 00:10 * pause · 00:20 u1 no · 00:21 u1 yes · 00:22 u2 add · 00:23 u2 no");
        assert!(matches!(play.position("u1"), Position::Held { before, .. } if before == "N"), "{policy}");
        play.run("03:00 * reactivate · 03:00 * resume");
        assert_eq!(play.sends(), "u1 N@03:00", "{policy}: a wait that has not started hears nothing");
        play.decided_by(&["G5"]);
    }
}

#[test]
fn a_correlated_branch_needs_the_same_property() {
    let mut play = Play::new(asking(json!({"entry": {"event": "add", "reentry": "always"}})));
    play.run("00:00 u1 add cart=1 · 00:01 u1 add cart=2 · 00:02 u1 add · 00:03 u1 yes cart=2 · 00:04 u1 yes");
    assert_eq!(play.told("exited"), "u1@00:03 completed");
    play.run("00:05 u1 no");
    assert_eq!(play.sends(), "u1 Y@00:03 · u1 N@00:05 · u1 N@00:05");
}

#[test]
fn the_start_date_opens_and_a_pause_while_scheduled_ends_in_running() {
    let dated = with(welcome("clevertap"), json!({"start": "2026-03-01T01:00"}));
    let mut play = Play::new(dated.clone());
    assert_eq!(play.state(), "Scheduled");
    play.run("00:30 u1 add · 00:40 * pause · 00:50 * resume");
    assert_eq!(play.state(), "Running");
    play.run("00:55 u2 add · 01:00 u3 add · 01:01 u4 add ts=00:59");
    assert_eq!(play.refusals(), "u1 entry_shut · u2 entry_shut · u4 before_opening");
    play.decided_by(&["G9"]);
    let mut play = Play::new(dated.clone());
    play.run("00:10 * stop · 02:00 u1 add");
    assert_eq!((play.state(), play.refusals().as_str()), ("Stopped", "u1 entry_shut"));
    let mut play = Play::new(dated);
    play.run("01:00 u1 add");
    assert_eq!((play.state(), play.sends().as_str()), ("Running", "u1 W@01:00"));
    play.decided_by(&["G7", "G23"]);
}

fn listed(dialect: &str) -> serde_json::Value {
    with(welcome(dialect), json!({"entry": {"list": "vip", "api": true}}))
}

#[test]
fn a_list_journey_closes_when_its_list_has_ended() {
    let mut play = Play::new(listed("clevertap"));
    play.run("00:01 list u1 · 00:02 * pause · 00:03 list u2 · 00:04 list-end");
    assert_eq!((play.state(), play.counts()[0]), ("Paused", 1));
    play.run("00:05 * resume");
    assert_eq!((play.state(), play.sends().as_str()), ("Completed", "u1 W@00:01 · u2 W@00:05"));
    let mut play = Play::new(listed("antsomi"));
    play.run("00:01 * pause · 00:02 list u1 · 00:02 list-end");
    assert_eq!((play.state(), play.counts()[2]), ("Paused", 1));
    play.run("00:03 * reactivate · 00:04 api u9");
    assert_eq!((play.state(), play.refused.as_slice()), ("Closed", &["entry_shut".to_owned()][..]));
    play.decided_by(&["G8", "G25"]);
    let mut play = Play::new(listed("antsomi"));
    play.run("00:01 * freeze · 00:02 list u1 · 00:03 * abort");
    assert_eq!(play.refusals(), "u1 entry_shut", "Stop refuses the rest");
}

#[test]
fn reactivate_adopts_the_latest_version_by_node_id() {
    let mut play = Play::new(welcome("antsomi"));
    play.run("00:00 u1 add · 00:30 u2 add · 00:40 * pause · 00:50 u3 add");
    let next = json!([
        {"id": "W2", "type": "send", "channel": "push", "content": "hello"},
        {"id": "wait", "type": "delay", "for": "5m"},
        {"id": "S", "type": "send", "channel": "push", "content": "again"},
    ]);
    let content = json!({"hello": {"text": "a"}, "again": {"text": "c"}});
    let edited = with(welcome("antsomi"), json!({"node": next, "content": content, "moved": {"W": "W2"}}));
    play.put("00:55", edited).unwrap();
    play.run("01:10 tick · 01:21 * reactivate");
    // u1 is held before R, which is gone; u2 waits until 01:30, a running deadline; u3 is held before W,
    // now W2.
    assert_eq!(play.told("exited"), "u1@01:21 node_removed");
    assert_eq!(play.told("migrated"), "u2@01:21 · u3@01:21");
    play.run("01:25 * resume · 03:00 tick");
    assert_eq!(play.sends(), "u1 W@00:00 · u2 W@00:30 · u3 W2@01:25 · u2 S@01:30 · u3 S@01:30");
    let revisions: Vec<_> = play.world.sends.iter().map(|s| (s.version, s.revision)).collect();
    assert_eq!(revisions, [(1, 1), (1, 1), (2, 1), (2, 2), (2, 2)]);
    play.decided_by(&["G15", "G16"]);
}

#[test]
fn clevertap_edits_content_providers_and_weights_in_place() {
    let mut play = Play::new(welcome("clevertap"));
    let content = json!({"hello": {"text": "a"}, "again": {"text": "c"}});
    play.run("00:00 u1 add");
    play.put("00:01", with(welcome("clevertap"), json!({"content": content}))).unwrap();
    assert!(play.put("00:01", with(welcome("clevertap"), json!({"timeout": "1h"}))).is_err());
    play.run("02:00 tick");
    assert_eq!(play.world.sends[1].revision, 2);
    play.run("02:00 * stop");
    assert!(play.put("02:01", welcome("clevertap")).unwrap_err().contains("it allows clone"));
}

#[test]
fn only_the_system_recovers_from_error() {
    let mut play = Play::new(welcome("antsomi"));
    play.run("00:00 u1 add · 00:10 * close · 00:20 * fail · 00:20 * fail system · 01:30 * recover");
    assert_eq!((play.state(), play.refused.len()), ("Error", 2));
    play.run("01:40 * recover system");
    assert_eq!((play.state(), play.sends().as_str()), ("Closed", "u1 W@00:00 · u1 R@01:40"));
    play.decided_by(&["G17"]);
}

#[test]
fn a_journey_frozen_from_closed_reactivates_to_closed() {
    let mut play = Play::new(welcome("antsomi"));
    play.run("00:00 u1 add · 00:10 * close · 00:20 * freeze · 01:10 * reactivate");
    assert_eq!((play.state(), play.sends().as_str()), ("Closed", "u1 W@00:00 · u1 R@01:10"));
    play.decided_by(&["G22"]);
    let mut play = Play::new(welcome("antsomi"));
    play.run("00:00 u1 add · 00:20 * freeze · 01:10 * reactivate keep_held · 01:20 tick");
    assert_eq!((play.state(), play.counts()[2]), ("Active", 1));
}

#[test]
fn exits_goals_and_removal_act_at_once_under_held() {
    let exit = json!([{"event": "buy", "goal": "bought", "match": "cart"}, {"event": "bye"}]);
    let entry = json!({"event": "add", "reentry": "always"});
    let mut play = Play::new(with(welcome("antsomi"), json!({"exit": exit, "entry": entry})));
    play.run(
        "00:00 u1 add cart=7 · 00:01 u1 add cart=8 · 00:02 u2 add · 00:10 * pause · 00:20 u1 buy cart=7",
    );
    play.run("00:21 u2 bye");
    assert_eq!(play.told("exited"), "u1@00:20 goal · u2@00:21 exit_rule");
    assert_eq!(play.told("converted"), "u1@00:20 bought");
    play.world.remove_user(at("00:30"), "j", "u1").unwrap();
    assert_eq!(play.told("exited"), "u1@00:20 goal · u2@00:21 exit_rule · u1@00:30 removed");
    play.decided_by(&["G24", "G31", "G19"]);
}

#[test]
fn release_goes_oldest_due_first_and_pause_cancels_the_rest() {
    let mut play = Play::new(welcome("antsomi"));
    play.paced = true;
    play.run("00:00 u1 add · 00:20 * pause · 00:30 u2 add · 00:40 u3 add · 01:10 * reactivate");
    play.run("01:10 * resume at=W · 01:11 release 1 · 01:12 * pause · 01:13 release 9");
    assert_eq!(play.told("released"), "u2@01:11");
    play.run("01:14 * reactivate · 01:14 * resume from=wait · 01:15 release 9");
    assert_eq!(play.told("released"), "u2@01:11 · u1@01:15");
    assert_eq!(play.world.sends.last().map(|s| (s.due, s.at)), Some((at("01:00"), at("01:15"))));
    play.run("01:16 * resume at=nowhere");
    assert_eq!(play.refused.len(), 1);
    play.decided_by(&["G36"]);
}

#[test]
fn what_could_not_run_is_refused_with_a_sentence() {
    let node = |kind: serde_json::Value| json!([with(kind, json!({"id": "n"}))]);
    for (fields, says) in [
        (json!({"dialect": "other"}), "not a dialect"),
        (json!({"zone": "Mars/Base"}), "time zone"),
        (json!({"end": "never"}), "not a date"),
        (json!({"node": []}), "no node"),
        (json!({"entry": {"event": "add", "to": "x"}}), "starts at"),
        (json!({"node": node(json!({"type": "delay", "for": "1m", "next": "x"}))}), "leads to"),
        (json!({"node": node(json!({"type": "delay", "at": "25:00"}))}), "time of day"),
        (json!({"node": node(json!({"type": "random_split", "branches": []}))}), "add up to 0,"),
        (
            json!({"node": node(json!({"type": "send", "channel": "c", "content": "c", "rate": "0/s"}))}),
            "rate",
        ),
    ] {
        let mut play = Play::draft(welcome("antsomi"));
        let refused = play.put("00:00", with(welcome("antsomi"), fields)).unwrap_err();
        assert!(refused.contains(says), "{refused}");
    }
    let mut play = Play::draft(with(welcome("antsomi"), json!({"end": "2026-02-01T00:00", "entry": {}})));
    play.run("00:00 * activate · 00:00 u1 add · 00:01 * pause · 00:01 api u1");
    assert!(play.refused[0].contains("its end has passed") && play.refused[0].contains("nobody can enter"));
    assert_eq!(
        (play.state(), play.refused.len(), play.refusals().as_str()),
        ("Designing", 3, "u1 no_such_entry")
    );
}
