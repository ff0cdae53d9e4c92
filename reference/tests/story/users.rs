//! Entry, re-entry, time, nodes.

use serde_json::{Value as Json, json};

use crate::script::{Play, welcome, with};

fn entering(entry: Json) -> Play {
    let mut entry = entry;
    entry["event"] = json!("add");
    Play::new(with(welcome("clevertap"), json!({"entry": entry})))
}

#[test]
fn reentry_is_judged_by_the_enrollments_that_were_created() {
    for (reentry, story, refusals) in [
        (json!("never"), "00:00 u add · 00:01 u buy · 00:02 u add", "u reentry"),
        (json!("after_exit"), "00:00 u add · 00:01 u add · 00:02 u buy · 00:02 u add", "u inside"),
        (json!("always"), "00:00 u add · 00:01 u add", ""),
        (json!({"after_exit": "5m"}), "00:00 u add · 00:01 u buy · 00:05 u add · 00:06 u add", "u reentry"),
        (json!({"cooldown": "5m"}), "00:00 u add · 00:01 u buy · 00:04 u add · 00:05 u add", "u reentry"),
        (
            json!({"at_most": 2, "per": "1h"}),
            "00:00 u add · 00:01 u add · 00:02 u add · 01:00 u add",
            "u reentry",
        ),
    ] {
        let mut play = entering(json!({"reentry": reentry}));
        assert_eq!(play.run(story).refusals(), refusals, "{reentry}");
        play.decided_by(if refusals.is_empty() { &[] } else { &["G30"] });
    }
    let mut play = entering(json!({"key": "cart"}));
    play.run("00:00 u add cart=1 · 00:01 u add cart=2 · 00:02 u add cart=1 · 00:03 u add · 00:04 u add");
    assert_eq!(play.refusals(), "u inside · u inside", "per value, and no value is one too");
}

#[test]
fn the_first_reason_in_the_order_of_the_checks_is_told() {
    let mut play = entering(json!({"where": "properties.n > 0", "limit": 2}));
    play.run("00:00 u1 add n=0 · 00:00 u1 add · 00:00 u1 add n=1 · 02:00 u2 add n=1 ts=00:59");
    play.run("02:00 u2 add n=1 ts=01:00 · 02:01 u3 add n=1 · 02:02 u2 add n=1");
    assert_eq!(play.refusals(), "u2 late · u3 entry_limit · u2 inside");
    play.decided_by(&["G20", "G26", "G27"]);
    let mut play = entering(json!({"reentry": "always"}));
    for _ in 0..65 {
        play.run("00:00 u add");
    }
    assert_eq!(play.refusals(), "u user_limit");
}

#[test]
fn at_equal_times_command_then_record_then_timer() {
    let mut play = Play::new(welcome("clevertap"));
    play.run("00:00 u1 add · 00:00 u2 add · 01:00 u1 buy · 01:01 tick");
    assert_eq!(play.sends(), "u1 W@00:00 · u2 W@00:00 · u2 R@01:00");
    let mut play = Play::new(welcome("clevertap"));
    play.run("00:00 u1 add · 01:00 * stop · 01:00 tick");
    assert_eq!(play.sends(), "u1 W@00:00");
    let both = json!({"entry": {"event": "add"}, "exit": [{"event": "add"}]});
    let mut play = Play::new(with(welcome("clevertap"), both));
    play.run("00:00 u1 add");
    assert_eq!(play.counts(), [1, 1, 0, 0, 0, 0], "an event does not end the enrollment that it creates");
    play.run("00:01 u1 add");
    assert_eq!(play.counts(), [2, 1, 0, 0, 0, 1], "it ends the one before, and then enters anew");
    play.decided_by(&["G30"]);
}

#[test]
fn a_timer_at_the_time_of_a_record_comes_after_it() {
    let mut play = Play::new(welcome("clevertap"));
    play.run("00:00 u1 add · 01:00 u2 add");
    assert_eq!(play.sends(), "u1 W@00:00 · u2 W@01:00");
    play.decided_by(&["G28"]);
}

#[test]
fn local_times_are_in_the_users_zone_else_in_the_journeys() {
    let mut journey = welcome("clevertap");
    journey["zone"] = json!("Asia/Kolkata");
    journey["node"][1] = json!({"id": "wait", "type": "delay", "at": "09:00", "on": ["mon"]});
    let mut play = Play::new(journey.clone());
    play.run("00:00 u2 identify timezone=America/New_York · 00:00 u1 add · 00:00 u2 add · 50:00 tick");
    assert_eq!(play.sends(), "u1 W@00:00 · u2 W@00:00 · u1 R@27:30 · u2 R@38:00");
    play.decided_by(&["G29"]);
    journey["node"][1] = json!({"id": "wait", "type": "delay", "until": "2026-03-01T06:00"});
    let mut play = Play::new(journey);
    play.run("00:29 u1 add · 00:31 u2 add");
    assert_eq!(
        play.sends(),
        "u1 W@00:29 · u1 R@00:30 · u2 W@00:31 · u2 R@00:31",
        "a passed date goes on at once"
    );
}

#[test]
fn a_delay_that_would_last_longer_than_its_node_time_out_leaves() {
    let mut journey = welcome("clevertap");
    journey["node"][1]["timeout"] = json!("59m");
    assert_eq!(
        Play::new(journey.clone()).run("00:00 u1 add · 02:00 tick").told("exited"),
        "u1@00:59 node_timeout"
    );
    journey["node"][1]["timeout"] = json!("60m");
    assert_eq!(Play::new(journey).run("00:00 u1 add · 02:00 tick").told("exited"), "u1@01:00 completed");
}

#[test]
fn conditions_see_the_entry_and_the_user_as_known_now() {
    let node = json!([
        {"id": "wait", "type": "delay", "for": "1h"},
        {"id": "pass", "type": "filter", "where": "user.tier != 'blocked'"},
        {"id": "split", "type": "split", "otherwise": "small",
         "branches": [{"where": "entry.value > 10", "to": "big"}]},
        {"id": "big", "type": "send", "channel": "sms", "content": "c", "next": "exit", "expires": "1h",
         "variables": {"twice": "entry.value * 2", "name": "user.name"}},
        {"id": "small", "type": "send", "channel": "sms", "content": "c"},
    ]);
    let mut play = Play::new(with(welcome("clevertap"), json!({"node": node})));
    play.run("00:00 u1 add value=11 · 00:00 u2 add value=3 · 00:00 u3 add value=99 · 00:00 u4 add value=99");
    play.run("00:30 u1 identify tier=gold · 00:30 u2 identify tier=gold · 00:30 u3 identify tier=blocked");
    play.run("02:00 tick");
    assert_eq!(play.sends(), "u1 big@01:00 · u2 small@01:00");
    assert_eq!(play.world.sends[0].variables, *json!({"twice": 22}).as_object().unwrap());
    assert!(play.told("exited").contains("u3@01:00 filtered"));
}

#[test]
fn an_arm_follows_the_hash_and_new_weights_move_only_out_of_shrinking_arms() {
    let arms = |a: f64, b: f64| {
        let send =
            |id: &str| json!({"id": id, "type": "send", "channel": "push", "content": "c", "next": "exit"});
        let branches = json!([{"weight": a, "to": "A"}, {"weight": b, "to": "B"}]);
        let node =
            json!([{"id": "coin", "type": "random_split", "branches": branches}, send("A"), send("B")]);
        with(welcome("clevertap"), json!({"node": node}))
    };
    let story: String = (0..200).map(|n| format!("00:01 u{n} add · ")).collect();
    let mut play = Play::new(arms(50.0, 50.0));
    play.run(&story);
    play.put("00:02", arms(25.0, 75.0)).unwrap();
    play.run(&story);
    let (before, after) = play.world.sends.split_at(200);
    let count = |sends: &[wayfarer::model::wire::SendRecord]| sends.iter().filter(|s| s.node == "A").count();
    assert!((80..120).contains(&count(before)) && (30..70).contains(&count(after)));
    assert!(before.iter().zip(after).all(|(b, a)| a.node == b.node || b.node == "A"));
    play.decided_by(&["G34"]);
}

#[test]
fn more_nodes_than_one_input_may_start_go_on_when_timers_fire() {
    let mut node: Vec<Json> =
        (0..70).map(|n| json!({"id": format!("f{n}"), "type": "filter", "where": "true"})).collect();
    node.push(json!({"id": "S", "type": "send", "channel": "push", "content": "c"}));
    let mut play = Play::new(with(welcome("clevertap"), json!({"node": node})));
    play.run("00:00 u1 add");
    assert_eq!((play.counts(), play.told("waiting").as_str()), ([1, 1, 0, 0, 0, 0], "u1@00:00"));
    play.run("00:00 tick");
    assert_eq!(play.sends(), "u1 S@00:00");
}
