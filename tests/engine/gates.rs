//! The two gates: who may enter, who may start a node, and what opens and shuts them.

use wayfarer::engine::statistics::NodeFlow;

use super::script::{World, crowd, journey, welcome};

const ENDS_AT_ONE: &str = "end = \"2026-03-01T01:00\"";
const STARTS_AT_ONE: &str = "start = \"2026-03-01T01:00\"";

/// G1: both vendors' ways to shut the entry and to open it again.
const SHUT_AND_OPEN: [(&str, &str, &str); 3] = [
    ("clevertap", "pause", "resume"),
    ("antsomi", "freeze", "reactivate"),
    ("antsomi", "close", "reactivate"),
];

/// G1.
#[test]
fn an_event_that_met_a_shut_entry_never_enters_its_user_later() {
    for (dialect, shut, open) in SHUT_AND_OPEN {
        let mut world = World::with(&[&welcome(dialect, "")]);
        world.tell(&format!("0:10 * {shut} · 0:20 u1 add · 0:30 * {open} · 9:00 * tick"));
        assert_eq!((world.sent().as_str(), world.refused().as_str()), ("", "u1 entry_shut"), "{shut}");
        world.tell("9:01 u1 add");
        assert_eq!(world.sent(), "u1 W@9:01", "{shut}: a new event does");
    }
}

/// G1: the opening itself is inside; that the entry was open once before does not matter.
#[test]
fn an_event_of_before_the_latest_opening_enters_nobody() {
    for (dialect, shut, open) in SHUT_AND_OPEN {
        let mut world = World::with(&[&welcome(dialect, "")]);
        world.tell(&format!("0:10 * {shut} · 0:20 * {open}"));
        world.tell("0:21 u1 add ts=0:05 · 0:21 u2 add ts=0:19:59 · 0:21 u3 add ts=0:20 · 0:21 u4 add");
        assert_eq!(world.refused(), "u1 before_opening, u2 before_opening", "{shut}");
        assert_eq!(world.sent(), "u3 W@0:21, u4 W@0:21", "{shut}");
    }
}

/// G1: AN's Pause leaves the entry open, so Reactivate opens nothing.
#[test]
fn reactivate_from_antsomis_paused_is_no_opening() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:10 * pause · 0:20 * reactivate · 0:21 u1 add ts=0:05");
    assert_eq!((world.sent().as_str(), world.refused().as_str()), ("u1 W@0:21", ""));
}

/// G2: timers run, waits hear, exits act, all node after node.
#[test]
fn clevertaps_paused_lets_those_inside_go_on() {
    let nodes =
        "ask wait_event timeout = \"60m\", otherwise = \"L\", branches = [{ event = \"yes\", to = \"Y\" }]
                 Y send
                 pause delay for = \"10m\"
                 Z send next = \"exit\"
                 L send";
    let mut world = World::with(&[&journey("clevertap", "exit = [{ event = \"buy\" }]", nodes)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 0:05 * pause");
    world.tell("0:10 u1 yes · 0:15 u3 buy · 9:00 * tick");
    assert_eq!(world.sent(), "u1 Y@0:10, u1 Z@0:20, u2 L@1:00");
    assert_eq!(world.left(), "u3 exit_rule@0:15, u1 completed@0:20, u2 completed@1:00");
}

/// G3.
#[test]
fn antsomis_paused_enrolls_and_holds_before_the_first_node() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:10 * pause · 0:20 u1 add · 9:00 * tick");
    assert_eq!(world.counts(), "entered 1 = held 1");
    assert_eq!((world.count_at("W", NodeFlow::Started), world.count_at("W", NodeFlow::Held)), (0, 1));
    assert_eq!(world.told("held"), "u1 W@0:20");
    assert_eq!(world.sent(), "");
}

/// G6: at the end itself the entry is shut already, in every state.
#[test]
fn the_end_date_shuts_entry_in_every_state() {
    for (dialect, story, state) in [
        ("clevertap", "0:10 * tick", "Completed"),
        ("clevertap", "0:10 * pause", "Completed"),
        ("antsomi", "0:10 * tick", "Closed"),
        ("antsomi", "0:10 * close", "Closed"),
        ("antsomi", "0:10 * pause", "Paused"),
        ("antsomi", "0:10 * freeze", "Frozen"),
    ] {
        let mut world = World::with(&[&welcome(dialect, ENDS_AT_ONE)]);
        world.tell(story);
        world.tell("1:00 u1 add · 1:01 u2 add");
        assert_eq!(
            (world.state(), world.refused().as_str()),
            (state, "u1 entry_shut, u2 entry_shut"),
            "{story}"
        );
    }
    let mut world = World::with(&[&welcome("clevertap", ENDS_AT_ONE)]);
    world.tell("0:59:59 u1 add");
    assert_eq!(world.sent(), "u1 W@0:59:59", "until then it is open");
}

/// G6: the dates have ended meanwhile, so nobody enters any more, but the held go on.
#[test]
fn reactivate_after_the_end_date_leads_to_closed() {
    for (shut, release) in [("pause", "2:01 * resume"), ("freeze", "2:01 * -")] {
        let mut world = World::with(&[&welcome("antsomi", ENDS_AT_ONE)]);
        world.tell(&format!("0:10 u1 add · 0:30 * {shut} · 2:00 * reactivate · {release} · 2:02 u2 add"));
        let sent = if shut == "pause" { "u1 W@0:10, u1 R@2:01" } else { "u1 W@0:10, u1 R@2:00" };
        assert_eq!((world.state(), world.sent().as_str()), ("Closed", sent));
        assert_eq!(world.refused(), "u2 entry_shut");
    }
}

/// G7: by its own time, on every shard.
#[test]
fn the_start_date_opens_a_scheduled_journey_by_itself_on_every_shard() {
    for (dialect, state) in [("clevertap", "Running"), ("antsomi", "Active")] {
        let mut world = World::of_shards(4).and(&[&welcome(dialect, STARTS_AT_ONE)]);
        assert_eq!(world.state(), "Scheduled");
        world.tell(&crowd(8, "0:59", "add"));
        world.tell(&crowd(8, "1:00", "add"));
        world.tell("1:00 * tick");
        assert_eq!((world.state(), world.sends().len()), (state, 8), "{dialect}");
        assert_eq!(world.refusal_counts(), "entry_shut 8");
        world.tell("1:01 late add ts=0:59");
        assert_eq!(world.refusal_counts(), "entry_shut 8, before_opening 1");
    }
}

/// G7.
#[test]
fn a_journey_that_is_stopped_while_scheduled_never_starts() {
    for (dialect, stop, state) in [("clevertap", "stop", "Stopped"), ("antsomi", "abort", "Aborted")] {
        let mut world = World::with(&[&welcome(dialect, STARTS_AT_ONE)]);
        world.tell(&format!("0:10 * {stop} · 1:00 u1 add · 2:00 u2 add"));
        assert_eq!((world.state(), world.refused().as_str()), (state, "u1 entry_shut, u2 entry_shut"));
        assert_eq!(world.counts(), "0 = 0");
    }
}

/// G9.
#[test]
fn resume_of_a_journey_paused_while_scheduled_is_running_and_shut_until_the_start() {
    let mut world = World::with(&[&welcome("clevertap", STARTS_AT_ONE)]);
    world.tell("0:10 * pause · 0:20 * resume");
    assert_eq!(world.state(), "Running");
    world.tell("0:30 u1 add · 1:00 u2 add");
    assert_eq!((world.refused().as_str(), world.sent().as_str()), ("u1 entry_shut", "u2 W@1:00"));
    let mut world = World::with(&[&welcome("clevertap", STARTS_AT_ONE)]);
    world.tell("0:10 * pause · 1:30 u1 add · 1:40 * resume · 1:41 u2 add");
    assert_eq!((world.refused().as_str(), world.sent().as_str()), ("u1 entry_shut", "u2 W@1:41"));
}

/// G11, G18: from the answer on no node starts, on any shard, not even one that is due at that very moment.
#[test]
fn stop_takes_effect_at_once_on_every_shard() {
    for (dialect, stop) in [("clevertap", "stop"), ("antsomi", "abort")] {
        let mut world = World::of_shards(4).and(&[&welcome(dialect, "")]);
        world.tell(&crowd(20, "0:00", "add"));
        world.tell(&format!("1:00 * {stop} · 1:00 * tick · 1:00 late add · 9:00 * tick"));
        assert_eq!(world.count_at("W", NodeFlow::Started), 20);
        assert_eq!(world.count_at("R", NodeFlow::Started), 0, "{dialect}");
        assert_eq!(world.refused(), "late entry_shut");
    }
}

/// G18: what happened before the stop, but is read after it, is judged by the stop.
#[test]
fn a_backlog_that_is_read_after_stop_is_judged_by_stop() {
    let mut world = World::with(&[&welcome("clevertap", "")]);
    world.tell("0:00 u1 add · 0:30 * stop · 0:20 u2 add · 0:31 u3 add ts=0:10 · 0:25 u1 buy");
    assert_eq!(world.refused(), "u2 entry_shut, u3 entry_shut");
    assert_eq!((world.left().as_str(), world.counts().as_str()), ("", "entered 1 = draining 1"));
}

/// G14: the name of the state stays, with nobody in flight.
#[test]
fn completed_and_closed_end_with_the_last_enrollment() {
    let nodes = "ask wait_event branches = [{ event = \"yes\", to = \"exit\" }]";
    let head = format!("timeout = \"2d\"\n{ENDS_AT_ONE}");
    for (dialect, state) in [("clevertap", "Completed"), ("antsomi", "Closed")] {
        let mut world = World::with(&[&journey(dialect, &head, nodes)]);
        world.tell("0:00 u1 add · 0:30 u2 add · 1:30 u1 yes · 2:00 * tick");
        assert_eq!((world.state(), world.counts().as_str()), (state, "entered 2 = waiting 1 + completed 1"));
        world.tell("49:00 * tick");
        assert_eq!((world.state(), world.left().as_str()), (state, "u1 completed@1:30, u2 timed_out@48:30"));
        assert_eq!((world.size().1, world.counts().as_str()), (0, "entered 2 = completed 1 + timed_out 1"));
    }
}

/// G22.
#[test]
fn a_journey_frozen_from_closed_reactivates_to_closed() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:00 u1 add · 0:10 * close · 0:20 * freeze · 1:10 * reactivate · 1:11 u2 add");
    assert_eq!((world.state(), world.refused().as_str()), ("Closed", "u2 entry_shut"));
    assert_eq!(world.sent(), "u1 W@0:00, u1 R@1:10");
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:10 * pause · 0:20 * freeze · 1:10 * reactivate");
    assert_eq!(world.state(), "Active", "frozen from Paused");
}

/// G23: a shard that is behind has not come to the end date, whatever the others have.
#[test]
fn dates_are_judged_by_each_shards_own_time() {
    let mut world = World::of_shards(2).and(&[&welcome("clevertap", ENDS_AT_ONE)]);

    let (ahead, behind) = (&world.users_of(0, 1)[0], &world.users_of(1, 1)[0]);
    world.tell(&format!("3:00 {ahead} add · 0:59 {behind} add"));
    assert_eq!(world.refused(), format!("{ahead} entry_shut"));
    assert_eq!(world.sent(), format!("{behind} W@0:59"));
}

/// G23: a command acts by its epoch: what the shard reads after it is judged by it, whatever its append time says.
#[test]
fn commands_are_judged_by_their_epoch() {
    let mut world = World::with(&[&welcome("clevertap", "")]);
    world.tell("0:30 * pause · 0:20 u1 add · 0:40 * resume · 0:35 u2 add");
    assert_eq!(world.refused(), "u1 entry_shut");
    assert_eq!(world.sent(), "u2 W@0:40", "a shard's time never goes back");
}

/// G24: exit rules, goals, removal, deletion and the journey time-out are no nodes.
#[test]
fn what_is_no_node_acts_at_once_under_a_held_gate() {
    let head = "timeout = \"3h\"\nexit = [{ event = \"buy\", goal = \"bought\" }, { event = \"bye\" }]";
    for shut in ["pause", "freeze"] {
        let mut world = World::with(&[&welcome("antsomi", head)]);
        world.tell(&crowd(6, "0:00", "add"));
        world.tell(&format!("0:10 * {shut} · 0:20 u0 buy · 0:20 u1 bye · 0:20 u2 remove · 0:20 u3 delete"));
        // u4 is held before R by then.
        world.tell("1:30 u4 buy · 9:00 * tick");
        let left = "u0 goal@0:20, u1 exit_rule@0:20, u2 removed@0:20, u3 deleted@0:20, u4 goal@1:30";
        assert_eq!(world.left(), format!("{left}, u5 timed_out@3:00"), "{shut}");
        assert_eq!(world.converted(), 2);
        world.tell("9:01 * reactivate · 9:02 * resume");
        assert_eq!(world.sends().len(), 6, "nobody who left gets the reminder");
    }
}

/// G25: refused and counted there.
#[test]
fn an_entry_by_api_into_a_shut_journey_is_refused_and_counted_there() {
    for (dialect, verb) in [
        ("clevertap", "pause"),
        ("clevertap", "stop"),
        ("antsomi", "close"),
        ("antsomi", "freeze"),
        ("antsomi", "abort"),
    ] {
        let mut world = World::with(&[&welcome(dialect, "entry = { api = true }")]);
        world.tell(&format!("0:00 u1 enter · 0:10 * {verb} · 0:20 u2 enter"));
        assert_eq!(world.sent(), "u1 W@0:00");
        assert_eq!(
            (world.refused().as_str(), world.refusal_counts().as_str()),
            ("u2 entry_shut", "entry_shut 1")
        );
    }
    let shut = welcome("clevertap", "id = \"other\"\nentry = { api = true, event = \"add\" }");
    let mut world = World::with(&[&welcome("clevertap", ""), &shut]);
    world.tell("0:00 *other pause · 0:01 u1 add · 0:02 u1 enter of=other · 2:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:01, u1 R@1:01", "what goes on elsewhere is not touched");
    assert_eq!(
        (world.refused().as_str(), world.refusal_counts().as_str()),
        ("u1 entry_shut, u1 entry_shut", "")
    );
}
