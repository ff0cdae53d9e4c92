//! Stop, drain, sends that queue, receipts, conversions.

use serde_json::json;
use wayfarer::model::Timestamp;
use wayfarer::model::input::ReceiptKind;
use wayfarer_reference::{Position, Sent};

use crate::script::{Play, at, welcome, with};

#[test]
fn stop_drains_everybody_within_the_window_and_nothing_else_runs() {
    let mut play = Play::new(with(welcome("clevertap"), json!({"drain": "1d", "timeout": "2h"})));
    for n in 0..50 {
        play.run(&format!("00:01 u{n} add"));
    }
    play.run("00:30 * stop · 00:31 u0 buy · 00:32 u99 add ts=00:10");
    assert_eq!((play.counts()[4], play.refusals().as_str()), (50, "u99 entry_shut"));
    play.run("12:00 tick");
    assert!((10..40).contains(&play.counts()[4]), "about half have left: {:?}", play.counts());
    play.run("24:30 tick");
    assert_eq!(play.counts(), [50, 0, 0, 0, 0, 50]);
    assert_eq!(play.world.counts()[&("j".to_owned(), 1)].exited["stopped"], 50);
    assert_eq!(play.world.sends.len(), 50, "no second message");
    play.decided_by(&["G11", "G12", "G18"]);
}

#[test]
fn a_send_whose_node_has_started_goes_out_after_stop() {
    let mut rated = welcome("clevertap");
    rated["node"][0]["rate"] = json!("1/m");
    let mut play = Play::new(with(rated, json!({"drain": "2m"})));
    play.run("00:00 u1 add · 00:00 u2 add · 00:00 u3 add · 00:00 u4 add · 00:00 u4 buy");
    assert_eq!(play.told("queued"), "u2@00:00 · u3@00:00 · u4@00:00");
    assert_eq!(play.counts(), [4, 1, 0, 3, 0, 0], "an exit recalls nothing, and waits for the message");
    play.run("00:00:30 * stop");
    assert_eq!(play.counts(), [4, 0, 0, 3, 1, 0]);
    play.run("00:09 tick");
    assert_eq!(play.sends(), "u1 W@00:00 · u2 W@00:01 · u3 W@00:02 · u4 W@00:03");
    assert!(play.world.sends.iter().all(|s| s.due == at("00:00")));
    assert_eq!(play.counts(), [4, 0, 0, 0, 0, 4]);
    play.decided_by(&["G13", "G26"]);
}

#[test]
fn conversions_count_from_stop_and_from_the_exit_once() {
    let exit = json!([{"event": "bye"}, {"event": "buy", "goal": "bought"}]);
    let mut play = Play::new(with(welcome("clevertap"), json!({"exit": exit, "conversion_window": "1h"})));
    play.run("00:00 u1 add · 00:00 u2 add · 00:00 u3 add · 00:10 u3 bye · 00:30 * stop · 00:40 u1 bye");
    play.run("01:10 u3 buy · 01:20 u1 buy · 01:21 u1 buy · 01:31 u2 buy");
    assert_eq!(play.told("converted"), "u3@01:10 bought · u1@01:20 bought");
    assert!(matches!(play.position("u1"), Position::Draining { .. }));
    play.decided_by(&["G35"]);
}

#[test]
fn receipts_always_count_and_move_only_those_who_wait() {
    let mut journey = welcome("clevertap");
    journey["node"][1] = json!({"id": "wait", "type": "wait_event", "timeout": "60m",
        "branches": [{"event": "Message Clicked", "where": "properties.node == 'W'", "to": "R"}]});
    let mut play = Play::new(journey);
    play.run("00:00 u1 add · 00:00 u2 add");
    let of = Sent { journey: "j".to_owned(), version: 1, node: "W".to_owned() };
    play.world.receipt(at("00:05"), "u1", &of, ReceiptKind::Clicked);
    play.run("00:10 * stop");
    play.world.receipt(at("00:11"), "u2", &of, ReceiptKind::Clicked);
    assert_eq!(play.sends(), "u1 W@00:00 · u2 W@00:00 · u1 R@00:05");
    assert_eq!(play.world.receipts[&("j".to_owned(), "Message Clicked")], 2);
}

#[test]
fn a_date_range_filters_flows_and_not_those_inside() {
    let mut play = Play::new(welcome("clevertap"));
    play.run("00:00 u1 add · 00:50 u2 add · 01:10 tick");
    let flows = play.world.flows(at("00:30"), Timestamp::MAX);
    let flow = &flows[&("j".to_owned(), 1)];
    assert_eq!((flow.entered, flow.sent, flow.waiting, flow.exited["completed"]), (1, 2, 1, 1));
    play.decided_by(&["G40"]);
}
