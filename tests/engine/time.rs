//! Time: whose it is, what comes first, and what a local hour means.

use super::script::{World, journey, much_later, welcome};

/// G19: timers due before a record fire before it; those due at its time and later do not.
#[test]
fn no_timer_fires_ahead_of_an_event_that_happened_before_it() {
    for (bought, sent) in
        [("0:59:59", "u1 W@0:00"), ("1:00", "u1 W@0:00"), ("1:00:01", "u1 W@0:00, u1 R@1:00")]
    {
        let mut world = World::with(&[&welcome("clevertap", "")]);
        world.tell(&format!("0:00 u1 add · {bought} u1 buy · 9:00 * tick"));
        assert_eq!(world.sent(), sent, "bought at {bought}");
    }
}

/// G19: after an outage each event of the backlog is met at its own append time, with the timers of that time.
#[test]
fn a_backlog_is_read_as_if_there_had_been_no_outage() {
    let mut world = World::with(&[&welcome("clevertap", "")]);
    // Nothing was read from 0:10 on; at 5:00 the backlog is.
    world.tell("0:00 u1 add · 0:05 u2 add · 0:10 u3 add");
    world.tell("0:50 u1 buy · 1:05 u2 buy · 1:07 u9 other · 1:12 u3 buy · 5:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:05, u3 W@0:10, u3 R@1:10");
    assert_eq!(world.left(), "u1 exit_rule@0:50, u2 exit_rule@1:05, u3 completed@1:10");
}

/// G27: the producer's clock may lie behind, and counts for entry only; one that runs ahead counts as the append.
#[test]
fn lateness_is_append_minus_payload_and_matters_to_entry_only() {
    for (dialect, head, refused) in [
        ("clevertap", "", "u3 late"),
        ("clevertap", "entry = { event = \"add\", late = \"5m\" }", "u2 late, u3 late"),
        ("antsomi", "", ""),
        ("antsomi", "entry = { event = \"add\", late = \"60m\" }", "u3 late"),
    ] {
        let mut world = World::with(&[&welcome(dialect, head)]);
        world.tell("2:00 u1 add ts=9:00 · 2:00 u2 add ts=1:00 · 2:00 u3 add ts=0:59:59");
        assert_eq!(world.refused(), refused, "{dialect} {head}");
        assert!(world.sent().starts_with("u1 W@2:00"), "a time in the future is the append time");
    }
    let nodes = "ask wait_event timeout = \"9h\", branches = [{ event = \"yes\", to = \"exit\" }]";
    let head = "exit = [{ event = \"buy\" }]";
    let mut world = World::with(&[&journey("clevertap", head, nodes)]);
    world.tell("2:00 u1 add · 2:00 u2 add · 5:00 u1 buy ts=1:00 · 5:00 u2 yes ts=1:00");
    assert_eq!(world.left(), "u1 exit_rule@5:00, u2 completed@5:00");
}

/// G27, G1: the event's time is the earlier of both, so a clock that is ahead opens no gate.
#[test]
fn a_payload_time_ahead_of_the_append_time_does_not_count() {
    let mut world = World::with(&[&welcome("clevertap", "start = \"2026-03-01T01:00\"")]);
    world.tell("0:59 u1 add ts=1:30 · 1:00 u2 add ts=1:30");
    assert_eq!((world.refused().as_str(), world.sent().as_str()), ("u1 entry_shut", "u2 W@1:00"));
}

/// G28: command, then record, then timer; a date counts as a command.
#[test]
fn at_equal_times_command_then_record_then_timer() {
    let mut world = World::with(&[&welcome("clevertap", "")]);
    world.tell("0:00 u1 add · 1:00 u1 buy · 1:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00", "the record comes before the timer");
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:00 u1 add · 1:00 * pause · 1:00 * tick");
    assert_eq!(world.told("held"), "u1 R@1:00", "the command comes before the timer");
    let mut world = World::with(&[&welcome("clevertap", "end = \"2026-03-01T01:00\"")]);
    world.tell("1:00 u1 add");
    assert_eq!(world.refused(), "u1 entry_shut", "the date comes before the record");
    let mut world = World::with(&[&welcome("antsomi", "end = \"2026-03-01T01:00\"")]);
    world.tell("0:00 u1 add · 1:00 * tick");
    assert_eq!((world.state(), world.sent().as_str()), ("Closed", "u1 W@0:00, u1 R@1:00"));
}

/// G28: a wait still hears the event that comes at its very deadline, and a conversion still counts.
#[test]
fn deadlines_are_inclusive() {
    let nodes =
        "ask wait_event timeout = \"60m\", otherwise = \"L\", branches = [{ event = \"yes\", to = \"Y\" }]
                 Y send next = \"exit\"
                 L send";
    let mut world = World::with(&[&journey("clevertap", "", nodes)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 1:00 u1 yes · 1:00:01 u2 yes");
    assert_eq!(world.sent(), "u1 Y@1:00, u2 L@1:00");
    let head = "conversion_window = \"1h\"\nexit = [{ event = \"buy\", goal = \"bought\" }]";
    let mut world = World::with(&[&welcome("clevertap", head)]);
    world.tell("0:00 u1 add · 0:00 u2 add · 1:30 * tick · 2:00 u1 buy · 2:00:01 u2 buy");
    assert_eq!(world.told("converted"), "u1 bought@2:00");
}

/// G28: the profile first, so that entry sees what the same message says.
#[test]
fn within_one_record_the_profile_comes_before_entry() {
    let head = "entry = { event = \"User Identified\", where = \"user.tier == 'gold'\" }";
    let mut world = World::with(&[&welcome("clevertap", head)]);
    world.tell("0:00 u1 identify tier=gold · 0:00 u2 identify tier=tin · 0:01 u2 identify tier=gold");
    assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:01");
}

/// G28: exits before waits, both before entry; nothing happens twice to one enrollment.
#[test]
fn within_one_record_exits_come_before_waits_and_waits_before_entry() {
    let nodes = "ask wait_event timeout = \"9h\", branches = [{ event = \"add\", to = \"Y\" }]
                 Y send next = \"more\"
                 more wait_event timeout = \"9h\", branches = [{ event = \"add\", to = \"Z\" }]
                 Z send";
    let exits = "exit = [{ event = \"add\", where = \"properties.bye == 1\" }]";
    let mut world = World::with(&[&journey("clevertap", exits, nodes)]);
    world.tell("0:00 u1 add");
    assert_eq!(world.counts(), "entered 1 = waiting 1", "an event does not advance what it creates");
    world.tell("0:01 u1 add");
    assert_eq!((world.sent().as_str(), world.refused().as_str()), ("u1 Y@0:01", "u1 inside"), "one step");
    world.tell("0:02 u1 add bye=1");
    assert_eq!(world.sent(), "u1 Y@0:01", "it left, and did not go on to Z");
    assert_eq!(world.counts(), "entered 2 = waiting 1 + exit_rule 1", "then it entered anew, and stays");
}

fn waiting(zone: &str, wait: &str) -> String {
    journey("clevertap", &format!("zone = \"{zone}\""), &format!("wait delay {wait}\nR send"))
}

/// G29: the first instant after a gap, the earlier of an overlap; a passed date goes on at once.
#[test]
fn a_local_date_is_met_across_daylight_saving() {
    for (until, sent, what) in [
        ("2026-03-01T06:00", "u1 R@5:00", "06:00 in Berlin is 05:00 UTC"),
        ("2026-03-29T02:30", "u1 R@673:00", "a gap: the clocks go from 02:00 to 03:00, 01:00 UTC"),
        ("2026-03-29T03:00", "u1 R@673:00", "the instant after the gap"),
        ("2026-10-25T02:30", "u1 R@5712:30", "an overlap: the earlier of two, 00:30 UTC"),
        ("2026-02-01T00:00", "u1 R@4:00", "passed: at once"),
        ("2026-03-01T06:00+00:00", "u1 R@6:00", "an offset of its own"),
    ] {
        let mut world = World::with(&[&waiting("Europe/Berlin", &format!("until = \"{until}\""))]);
        world.tell("4:00 u1 add");
        world.wake(much_later());
        assert_eq!(world.sent(), sent, "{until}: {what}");
    }
}

/// G29: a time of day that has passed means the next one; with days, the next such day.
#[test]
fn a_time_of_day_is_the_next_one_in_the_zone() {
    for (zone, wait, sent) in [
        ("Asia/Kolkata", "at = \"09:00\"", "u1 R@3:30, u2 R@27:30"),
        ("UTC", "at = \"09:00\"", "u1 R@9:00, u2 R@9:00"),
        // The story begins on a Sunday.
        ("UTC", "at = \"09:00\", on = [\"mon\"]", "u1 R@33:00, u2 R@33:00"),
        ("UTC", "at = \"02:00\", on = [\"sun\", \"wed\"]", "u1 R@2:00, u2 R@74:00"),
        // On the 29th it is 02:30 at no time in Berlin.
        ("Europe/Berlin", "at = \"02:30\", on = [\"sun\"]", "u1 R@1:30, u2 R@169:30"),
    ] {
        let mut world = World::with(&[&waiting(zone, wait)]);
        world.tell("0:00 u1 add · 4:00 u2 add");
        world.wake(much_later());
        assert_eq!(world.sent(), sent, "{zone} {wait}");
    }
    let mut world = World::with(&[&waiting("Europe/Berlin", "at = \"02:30\"")]);
    world.tell("672:00 u1 add");
    world.wake(much_later());
    assert_eq!(world.sent(), "u1 R@673:00", "in the gap: the first instant after it");
}

/// G29: `1d` is 24 hours, over a night that has 23.
#[test]
fn a_day_of_a_duration_is_24_hours() {
    let mut world = World::with(&[&waiting("Europe/Berlin", "for = \"1d\"")]);
    world.tell("660:00 u1 add");
    world.wake(much_later());
    assert_eq!(world.sent(), "u1 R@684:00");
}

/// G29: the user's zone if it is known, else the journey's, as it is when the node starts.
#[test]
fn the_zone_is_the_users_when_the_node_starts_else_the_journeys() {
    let nodes = "first delay for = \"1h\"
                 wait delay at = \"09:00\"
                 R send";
    let mut world = World::with(&[&journey("clevertap", "zone = \"Asia/Kolkata\"", nodes)]);
    world.tell(
        "0:00 u2 identify zone=America/New_York · 0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 0:00 u4 add",
    );
    world.tell("0:00 u5 add zone=UTC");
    // u3's becomes known before its node starts, u4's after; u6 names none that exists.
    world.tell("0:30 u3 identify zone=UTC · 1:30 u4 identify zone=UTC · 0:00 u6 identify zone=Mars/Base · 1:31 u6 add");
    world.tell("60:00 * tick");
    assert_eq!(world.sent(), "u1 R@3:30, u2 R@14:00, u3 R@9:00, u4 R@3:30, u5 R@9:00, u6 R@3:30");
}

/// Protocol: a decision does not depend on how often the shard was called.
#[test]
fn time_that_passes_at_once_or_bit_by_bit_comes_to_the_same() {
    let head = "end = \"2026-03-01T03:00\"\ntimeout = \"5h\"";
    let nodes = "W send rate = \"1/m\"
                 patience delay for = \"60m\"
                 R send
                 ask wait_event branches = [{ event = \"yes\", to = \"exit\" }]";
    let begin =
        |world: &mut World| world.tell("0:00 u1 add · 0:00 u2 add · 0:30 u3 add · 2:59 u4 add · 2:59 u5 add");
    let mut at_once = World::with(&[&journey("antsomi", head, nodes)]);
    begin(&mut at_once);
    at_once.tell("9:00 * tick");
    let mut by_bits = World::with(&[&journey("antsomi", head, nodes)]);
    begin(&mut by_bits);
    for minute in 180..=540 {
        by_bits.tell(&format!("0:{minute} * tick"));
    }
    assert_eq!(by_bits.transitions(), at_once.transitions());
    assert_eq!(by_bits.sends(), at_once.sends());
    assert!(at_once.left().contains("u5 timed_out@7:59"), "{}", at_once.left());
}
