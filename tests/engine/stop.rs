//! Stop and Abort: how everybody leaves, and what still happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use wayfarer::engine::statistics::NodeFlow;
use wayfarer::model::hash::drain_at;
use wayfarer::model::input::ReceiptKind;
use wayfarer::model::{Interval, Timestamp};

use super::script::{World, at, crowd, journey, welcome};

const STOPS: [(&str, &str); 2] = [("clevertap", "stop"), ("antsomi", "abort")];

/// When each user left.
fn left_at(world: &World) -> BTreeMap<String, (Timestamp, String)> {
    let exits = world.transitions().into_iter().filter(|t| t.what == "exited");
    exits.map(|t| (t.user, (t.at, t.detail.unwrap_or_default()))).collect()
}

/// G12: 30 days unless configured, each user at its own moment, by hash; memory falls with them.
#[test]
fn everybody_leaves_a_stopped_journey_at_a_moment_given_by_hash() {
    for (head, window) in [("", Interval::from_days(30)), ("drain = \"2h\"", Interval::from_hours(2))] {
        for (dialect, stop) in STOPS {
            let mut world = World::of_shards(2).and(&[&welcome(dialect, head)]);
            world.tell(&crowd(300, "0:00", "add"));
            world.tell(&format!("0:30 * {stop}"));
            assert_eq!(world.counts(), "entered 300 = draining 300", "all together, at once");
            world.wake(at("0:30") + Interval(window.as_millis() / 2));
            let half = world.size().1;
            assert!((110..190).contains(&half), "half of the window, about half of the users: {half}");
            world.wake(at("0:30") + window);
            assert_eq!((world.size().1, world.counts().as_str()), (0, "entered 300 = stopped 300"));
            for (user, (when, why)) in left_at(&world) {
                let moment = drain_at(at("0:30"), window, "example", &user);
                assert_eq!((when, why.as_str()), (moment, "stopped"), "{user}");
            }
            world.commit();
            assert_eq!(world.size(), (0, 0), "nothing is kept of them");
            assert_eq!(world.count_at("R", NodeFlow::Started), 0);
        }
    }
}

/// G12, G35: those held drain like those who wait.
#[test]
fn at_stop_waiting_and_held_become_draining_together() {
    let mut world = World::with(&[&welcome("antsomi", "drain = \"1d\"\ntimeout = \"2h\"")]);
    world.tell("0:00 u1 add · 0:30 u2 add · 0:40 * pause · 0:50 u3 add · 1:10 * tick");
    assert_eq!(world.counts(), "entered 3 = waiting 1 + held 2");
    world.tell("1:20 * abort");
    assert_eq!(world.counts(), "entered 3 = draining 3");
    assert_eq!(world.told("draining"), "u1 R@1:20, u2 patience@1:20, u3 W@1:20");
    world.tell("25:20 * tick");
    assert_eq!(world.counts(), "entered 3 = stopped 3", "and no time-out takes part in it");
}

/// G12, G11: nothing else of the journey runs.
#[test]
fn in_a_stopped_journey_nothing_else_runs() {
    let nodes = "W send
                 ask wait_event timeout = \"60m\", otherwise = \"L\", branches = [{ event = \"yes\", to = \"L\" }]
                 L send";
    for (dialect, stop) in STOPS {
        let mut world = World::with(&[&journey(dialect, "exit = [{ event = \"bye\" }]", nodes)]);
        world.tell(&format!(
            "0:00 u1 add · 0:00 u2 add · 0:10 * {stop} · 0:20 u1 yes · 0:21 u2 bye · 0:22 u3 add"
        ));
        world.tell("1:30 * tick");
        assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:00");
        let after: BTreeSet<String> =
            world.transitions().into_iter().filter(|t| t.at > at("0:10")).map(|t| t.what).collect();
        assert!(after.iter().all(|what| what == "exited"), "{after:?}");
        let others = world.left();
        assert!(!others.contains("exit_rule") && !others.contains("timed_out"), "{others}");
        assert_eq!(world.refused(), "u3 entry_shut");
    }
}

/// G13: the rate only delays them; the messages were fixed when their node started.
#[test]
fn a_message_that_is_at_send_goes_out_in_every_state() {
    let nodes = "W send rate = \"1/m\"
                 patience delay for = \"60m\"
                 R send";
    for (dialect, verb) in [
        ("clevertap", "pause"),
        ("clevertap", "stop"),
        ("antsomi", "pause"),
        ("antsomi", "close"),
        ("antsomi", "freeze"),
        ("antsomi", "fail"),
        ("antsomi", "abort"),
    ] {
        let mut world = World::with(&[&journey(dialect, "", nodes)]);
        world.tell("0:00 u1 add · 0:00 u2 add · 0:00 u3 add");
        assert_eq!(world.counts(), "entered 3 = waiting 1 + at_send 2");
        world.tell(&format!("0:00:30 * {verb} · 0:09 * tick"));
        assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:01, u3 W@0:02", "{verb}");
        assert!(
            world.sends().iter().all(|send| send.due == at("0:00")),
            "{verb}: due when their node started"
        );
    }
}

/// G13: an exit does not recall the message either; the user leaves when it is out.
#[test]
fn who_exits_at_send_leaves_when_the_message_is_out() {
    let nodes = "W send rate = \"1/m\"
                 patience delay for = \"60m\"";
    let mut world =
        World::with(&[&journey("clevertap", "exit = [{ event = \"buy\", goal = \"bought\" }]", nodes)]);
    world.tell(
        "0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 0:00:10 u2 buy · 0:00:20 u2 buy · 0:00:30 u3 remove",
    );
    assert_eq!((world.left().as_str(), world.converted()), ("", 1));
    world.tell("0:09 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:01, u3 W@0:02");
    assert_eq!(world.left(), "u2 goal@0:01, u3 removed@0:02");
}

/// G12: users at send start draining at hand-over; if their moment has passed they leave then.
#[test]
fn users_at_send_drain_from_the_hand_over_on() {
    let nodes = "W send rate = \"1/m\"
                 patience delay for = \"60m\"";
    let mut world = World::with(&[&journey("clevertap", "drain = \"4m\"", nodes)]);
    world.tell(&crowd(20, "0:00", "add"));
    world.tell("0:00:30 * stop");
    assert_eq!(world.counts(), "entered 20 = at_send 19 + draining 1");
    world.tell("1:00 * tick");
    assert_eq!(world.counts(), "entered 20 = stopped 20");
    let handed: BTreeMap<String, Timestamp> = world.sends().into_iter().map(|s| (s.user, s.at)).collect();
    assert_eq!(handed.len(), 20, "every message went out, once");
    for (user, (when, why)) in left_at(&world) {
        let moment = drain_at(at("0:00:30"), Interval::from_mins(4), "example", &user);
        assert_eq!((when, why.as_str()), (moment.max(handed[&user]), "stopped"), "{user}");
    }
}

/// G13: a provider's reports count in every state; under a shut gate they move nobody.
#[test]
fn receipts_always_count_and_move_nobody_in_a_stopped_journey() {
    let nodes = "W send
                 ask wait_event timeout = \"60m\", otherwise = \"exit\", branches = [{ event = \"Message Clicked\", to = \"R\" }]
                 R send";
    for (dialect, stop) in STOPS {
        let mut world = World::with(&[&journey(dialect, "", nodes)]);
        world.tell("0:00 u1 add · 0:00 u2 add · 0:05 u1 receipt Delivered W · 0:06 u1 receipt Clicked W");
        world.tell(&format!("0:10 * {stop} · 0:11 u2 receipt Delivered W · 0:12 u2 receipt Clicked W"));
        world.tell("0:13 u2 receipt Failed W · 3:00 * tick");
        assert_eq!(world.sent(), "u1 W@0:00, u1 R@0:06, u2 W@0:00");
        let counts = ReceiptKind::ALL.map(|kind| world.count_at("W", NodeFlow::Receipt(kind)));
        assert_eq!(counts, [2, 1, 2], "delivered, failed, clicked");
    }
}

/// G13, under held: a report fixes the branch, and the node after it waits for the release.
#[test]
fn a_receipt_under_a_held_gate_counts_and_fixes_the_branch() {
    let nodes = "W send
                 ask wait_event timeout = \"60m\", otherwise = \"exit\", branches = [{ event = \"Message Clicked\", to = \"R\" }]
                 R send";
    let mut world = World::with(&[&journey("antsomi", "", nodes)]);
    world.tell("0:00 u1 add · 0:10 * pause · 0:20 u1 receipt Clicked W · 3:00 * reactivate · 3:01 * resume");
    assert_eq!(world.count_at("W", NodeFlow::Receipt(ReceiptKind::Clicked)), 1);
    assert_eq!((world.told("held").as_str(), world.sent().as_str()), ("u1 R@0:20", "u1 W@0:00, u1 R@3:01"));
}

/// G35: the window runs from Stop, its end is inside, a user converts once, and the exit reason stays `stopped`.
#[test]
fn conversions_count_after_stop_and_exit_rules_do_nothing() {
    let head = "conversion_window = \"1h\"
                exit = [{ event = \"bye\" }, { event = \"buy\", goal = \"bought\" }]";
    for (dialect, stop) in STOPS {
        let mut world = World::with(&[&welcome(dialect, head)]);
        world.tell(&crowd(4, "0:00", "add"));
        world.tell(&format!("0:30 * {stop} · 0:40 u0 bye · 0:41 u1 buy · 0:42 u1 buy"));
        world.tell("1:30 u2 buy · 1:30:01 u3 buy");
        assert_eq!(world.told("converted"), "u1 bought@0:41, u2 bought@1:30", "{stop}");
        world.wake(at("0:30") + Interval::from_days(30));
        assert_eq!((world.converted(), world.counts().as_str()), (2, "entered 4 = stopped 4"));
    }
}

/// G35: an exit rule that would have come first does not stand before a goal any more.
#[test]
fn after_stop_a_goal_counts_even_behind_an_exit_rule() {
    let head = "conversion_window = \"1h\"
                exit = [{ event = \"buy\" }, { event = \"buy\", goal = \"bought\" }]";
    let mut world = World::with(&[&welcome("clevertap", head)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:10 u1 buy · 0:30 * stop · 0:40 u2 buy");
    assert_eq!(world.told("converted"), "u2 bought@0:40");
    assert_eq!(world.left(), "u1 exit_rule@0:10");
}

/// G35: who has drained already converts in the same window.
#[test]
fn a_conversion_after_the_drain_counts_within_the_window_from_stop() {
    let head = "drain = \"1m\"
                conversion_window = \"1h\"
                exit = [{ event = \"buy\", goal = \"bought\" }]";
    let mut world = World::with(&[&welcome("clevertap", head)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:30 * stop · 0:40 * tick");
    assert_eq!(world.counts(), "entered 2 = stopped 2");
    world.tell("1:30 u1 buy · 1:30 u1 buy · 1:30:01 u2 buy");
    assert_eq!(world.told("converted"), "u1 bought@1:30");
}

/// G35: a clone shares no history.
#[test]
fn a_draining_user_may_enter_a_clone() {
    for (dialect, stop, clone, go) in
        [("clevertap", "stop", "clone", "publish"), ("antsomi", "abort", "copy", "activate")]
    {
        let head = "entry = { event = \"add\", reentry = \"never\" }";
        let mut world = World::with(&[&welcome(dialect, head)]);
        world.tell(&format!(
            "0:00 u1 add · 0:10 * {stop} · 0:20 * {clone} to again · 0:30 *again {go} · 0:40 u1 add"
        ));
        assert_eq!(
            (world.sent().as_str(), world.refused().as_str()),
            ("u1 W@0:00, u1 W@0:40", "u1 entry_shut")
        );
        assert_eq!(world.counts(), "entered 1 = draining 1");
    }
}
