//! The movement gate held: what becomes of running waits, and how the held are let go.

use wayfarer::model::input::Selection;

use super::script::{World, at, clock, journey, welcome};

/// Held from 0:30, open again at 2:30, released at 2:40.
const HELD: &str = "0:00 u1 add · 0:30 * pause · 2:30 * reactivate · 2:40 * resume · 9:00 * tick";

fn held(timers: &str, nodes: &str) -> World {
    let head = format!("timers = \"{timers}\"");
    let mut world = World::with(&[&journey("antsomi", &head, nodes)]);
    world.tell(HELD);
    world
}

/// G4.
#[test]
fn a_delay_that_ends_under_held_obeys_the_timer_policy() {
    let nodes = "wait delay for = \"60m\"
                 R send";
    for (timers, sent, left) in [
        ("run", "u1 R@2:40", "u1 completed@2:40"),
        ("freeze", "u1 R@3:00", "u1 completed@3:00"),
        ("restart", "u1 R@3:40", "u1 completed@3:40"),
        ("drop", "", "u1 expired_in_hold@1:00"),
    ] {
        let world = held(timers, nodes);
        assert_eq!((world.sent().as_str(), world.left().as_str()), (sent, left), "{timers}");
    }
}

/// G4, G28: budgets are counts, and a shard that was restored has only the timers that are due.
#[test]
fn a_timer_that_stands_still_takes_no_part_of_a_turns_budget() {
    let one = |id: &str, event: &str| {
        let head = format!("id = \"{id}\"\ntimers = \"freeze\"\nentry = {{ event = \"{event}\" }}");
        journey("antsomi", &head, "wait delay for = \"60m\"\nL send")
    };
    let mut world = World::with(&[&one("frozen", "add"), &one("other", "go")]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:05 u3 go · 0:06 u4 go · 0:10 * freeze · 1:30 * tick 1");
    assert_eq!(world.sent(), "u3 L@1:05");
}

/// G4: `freeze` stops durations, not dates; a date that passed goes on at once when the wait starts anew.
#[test]
fn a_date_that_comes_under_held_is_never_moved() {
    let nodes = "wait delay until = \"2026-03-01T01:00\"
                 R send";
    for (timers, sent) in
        [("run", "u1 R@2:40"), ("freeze", "u1 R@2:40"), ("restart", "u1 R@2:40"), ("drop", "")]
    {
        assert_eq!(held(timers, nodes).sent(), sent, "{timers}");
    }
}

/// G4: of a wait for events.
#[test]
fn a_node_time_out_that_ends_under_held_obeys_the_timer_policy() {
    let ask =
        "ask wait_event timeout = \"60m\", otherwise = \"L\", branches = [{ event = \"yes\", to = \"exit\" }]
               L send";
    let cut = "wait delay for = \"90m\", timeout = \"60m\"
               L send";
    for (timers, sent, left, cut_left) in [
        ("run", "u1 L@2:40", "u1 completed@2:40", "u1 node_timeout@1:00"),
        ("freeze", "u1 L@3:00", "u1 completed@3:00", "u1 node_timeout@3:00"),
        ("restart", "u1 L@3:40", "u1 completed@3:40", "u1 node_timeout@3:40"),
        ("drop", "", "u1 expired_in_hold@1:00", "u1 expired_in_hold@1:00"),
    ] {
        let world = held(timers, ask);
        assert_eq!((world.sent().as_str(), world.left().as_str()), (sent, left), "{timers}");
        assert_eq!(held(timers, cut).left(), cut_left, "{timers}: a delay with a time-out");
    }
}

/// G4: of the journey.
#[test]
fn a_journey_time_out_that_ends_under_held_obeys_the_timer_policy() {
    let story = "0:00 u1 add · 0:10 * pause · 0:20 u2 add · 1:10 * reactivate · 9:00 * tick";
    for (timers, left) in [
        ("run", "u1 timed_out@0:40, u2 timed_out@1:00"),
        ("freeze", "u1 timed_out@1:40, u2 timed_out@1:50"),
        ("restart", "u1 timed_out@1:50, u2 timed_out@1:50"),
        ("drop", "u1 expired_in_hold@0:40, u2 expired_in_hold@1:00"),
    ] {
        let head = format!("timers = \"{timers}\"\ntimeout = \"40m\"");
        let mut world = World::with(&[&welcome("antsomi", &head)]);
        world.tell(story);
        assert_eq!(world.left(), left, "{timers}");
    }
}

/// G4: a wait is only as long frozen as the gate was held while it ran, hold after hold.
#[test]
fn frozen_durations_add_up_over_several_holds() {
    let nodes = "wait delay for = \"60m\"
                 R send";
    let mut world = World::with(&[&journey("antsomi", "timers = \"freeze\"", nodes)]);
    world.tell(
        "0:00 u1 add · 0:10 * pause · 0:20 * reactivate · 0:30 u2 add · 0:40 * freeze · 1:00 * reactivate",
    );
    world.tell("9:00 * tick");
    assert_eq!(world.sent(), "u1 R@1:30, u2 R@1:50");
}

/// G4: under Error the gate is held too, so the policy holds there.
#[test]
fn error_and_frozen_hold_like_paused() {
    for (shut, open) in [("fail", "recover"), ("freeze", "reactivate")] {
        let mut world = World::with(&[&welcome("antsomi", "")]);
        world.tell(&format!("0:00 u1 add · 0:30 * {shut} · 1:30 * tick"));
        assert_eq!(world.counts(), "entered 1 = held 1", "{shut}");
        world.tell(&format!("2:00 * {open}"));
        assert_eq!(world.sent(), "u1 W@0:00, u1 R@2:00", "{open} alone releases");
    }
}

const ASK: &str =
    "ask wait_event timeout = \"60m\", otherwise = \"L\", branches = [{ event = \"yes\", to = \"Y\" }, { event = \"no\", to = \"N\" }]
     Y send next = \"exit\"
     N send next = \"exit\"
     L send";

/// G5: the first event or the deadline, whichever an open gate would have met first.
#[test]
fn the_branch_of_a_started_wait_is_fixed_under_held() {
    let story = "0:00 u1 add · 0:00 u2 add · 0:10 * pause · 0:20 u1 no · 0:21 u1 yes · 1:30 u2 yes";
    let mut world = World::with(&[&journey("antsomi", "", ASK)]);
    world.tell(story);
    assert_eq!(world.told("held"), "u1 N@0:20, u2 L@1:00");
    world.tell("3:00 * reactivate · 3:10 u2 no · 3:20 * resume");
    assert_eq!(world.sent(), "u1 N@3:20, u2 L@3:20");
    for timers in ["freeze", "restart", "drop"] {
        let head = format!("timers = \"{timers}\"");
        let mut world = World::with(&[&journey("antsomi", &head, ASK)]);
        world.tell("0:00 u1 add · 0:10 * pause · 0:20 u1 no · 3:00 * reactivate · 3:20 * resume");
        assert_eq!(world.sent(), "u1 N@3:20", "{timers}: the policy is about time, not about events");
    }
}

/// G5.
#[test]
fn a_wait_that_has_not_started_hears_nothing() {
    let mut world = World::with(&[&journey("antsomi", "", ASK)]);
    world.tell("0:10 * pause · 0:20 u1 add · 0:30 u1 yes · 1:00 * reactivate · 1:01 u1 yes · 1:10 * resume");
    assert_eq!(world.counts(), "entered 1 = waiting 1");
    world.tell("9:00 * tick");
    assert_eq!(world.sent(), "u1 L@2:10");
}

/// Section 1, *held*: the mark is the enrollment's own.
#[test]
fn after_reactivate_the_held_stay_held_and_the_others_go_on() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:00 u1 add · 0:30 u2 add · 0:40 * pause · 1:10 * reactivate · 1:20 u3 add · 9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:30, u2 R@1:30, u3 W@1:20, u3 R@2:20");
    assert_eq!(world.counts(), "entered 3 = held 1 + completed 2");
    world.tell("9:10 * resume");
    assert_eq!(world.left(), "u2 completed@1:30, u3 completed@2:20, u1 completed@9:10");
}

/// G36: not in the order of entry, nor of holding. The send says since when it was due.
#[test]
fn release_goes_oldest_due_first() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:00 u1 add · 0:20 * pause · 0:30 u2 add · 0:40 u3 add · 1:10 * reactivate · 1:10 * resume");
    assert_eq!(world.told("released"), "u2 W@1:10, u3 W@1:10, u1 R@1:10");
    let due: Vec<String> = world
        .sends()
        .iter()
        .skip(1)
        .map(|s| format!("{} {} {}", s.user, clock(s.due), clock(s.at)))
        .collect();
    assert_eq!(due, ["u2 0:30 1:10", "u3 0:40 1:10", "u1 1:00 1:10"]);
}

/// Six users, held before `W` (u4, u5), in `patience` for long, and before `R` (u1, u2, u3).
fn crowded() -> World {
    let nodes = "W send
                 patience delay for = \"60m\"
                 R send
                 long delay for = \"10h\"
                 S send";
    let mut world = World::with(&[&journey("antsomi", "", nodes)]);
    world.paced = true;
    world.tell("0:01 u1 add · 0:02 u2 add · 0:03 u3 add · 0:30 * pause · 0:31 u4 add · 0:32 u5 add");
    world.tell("2:00 * reactivate");
    world
}

/// G36: whole, from a node on, at a node; previewed with the same words.
#[test]
fn a_release_takes_whom_its_selection_names() {
    for (words, selection, users, oldest, released) in [
        ("", Selection::All, 5, "0:31", "u4 W@2:01, u5 W@2:01, u1 R@2:01, u2 R@2:01, u3 R@2:01"),
        ("at W", Selection::At("W".into()), 2, "0:31", "u4 W@2:01, u5 W@2:01"),
        ("at R", Selection::At("R".into()), 3, "1:01", "u1 R@2:01, u2 R@2:01, u3 R@2:01"),
        ("from patience", Selection::From("patience".into()), 3, "1:01", "u1 R@2:01, u2 R@2:01, u3 R@2:01"),
        (
            "from W",
            Selection::From("W".into()),
            5,
            "0:31",
            "u4 W@2:01, u5 W@2:01, u1 R@2:01, u2 R@2:01, u3 R@2:01",
        ),
        ("at S", Selection::At("S".into()), 0, "", ""),
    ] {
        let mut world = crowded();
        let preview = world.preview(&selection);
        assert_eq!((preview.users, preview.oldest_due), (users, (users > 0).then(|| at(oldest))), "{words}");
        world.tell(&format!("2:01 * resume {words} · 2:01 * release 99"));
        assert_eq!(world.told("released"), released, "{words}");
    }
    let mut world = crowded();
    world.tell("2:01 * resume at nowhere refused");
}

/// G36: paced by count; the released run on freely while the others are still held.
#[test]
fn a_paced_release_lets_so_many_go_and_they_run_on_freely() {
    let mut world = crowded();
    world.tell("2:01 * resume · 2:01 * release 2");
    assert_eq!(
        (world.told("released").as_str(), world.counts().as_str()),
        ("u4 W@2:01, u5 W@2:01", "entered 5 = waiting 2 + held 3")
    );
    world.tell("4:00 * tick · 4:00 * release 1");
    assert_eq!(world.counts(), "entered 5 = waiting 3 + held 2");
    assert!(world.sent().ends_with("u4 W@2:01, u4 R@3:01, u5 W@2:01, u5 R@3:01"), "{}", world.sent());
}

/// G36.
#[test]
fn pause_or_freeze_cancels_the_rest_of_a_release() {
    for shut in ["pause", "freeze"] {
        let mut world = crowded();
        world.tell(&format!("2:01 * resume · 2:01 * release 1 · 2:02 * {shut} · 2:03 * release 99"));
        assert_eq!(world.told("released"), "u4 W@2:01", "{shut}");
        world.tell("2:04 * reactivate keep_held · 2:05 * release 99");
        assert_eq!(world.told("released"), "u4 W@2:01", "{shut}: the rest stays held");
        world.tell("2:06 * resume · 2:06 * release 99");
        assert_eq!(world.counts(), "entered 5 = waiting 5");
    }
}

/// G36: a second Resume adds to the first: whoever was released is not held again by it.
#[test]
fn a_second_resume_adds_to_the_first() {
    let mut world = crowded();
    world.tell("2:01 * resume at R · 2:01 * release 1 · 2:02 * resume at W · 2:03 * release 99");
    assert_eq!(world.told("released"), "u1 R@2:01, u4 W@2:03, u5 W@2:03, u2 R@2:03, u3 R@2:03");
}

/// Section 2: from Frozen, Reactivate alone opens and releases all; `keep_held` opts out.
#[test]
fn reactivate_from_frozen_releases_unless_asked_to_keep_the_held() {
    for (before, words, counts) in [
        ("0:25 * -", "", "entered 1 = completed 1"),
        ("0:25 * -", "keep_held", "entered 1 = held 1"),
        ("0:25 * pause", "", "entered 1 = completed 1"),
        ("0:25 * pause", "keep_held", "entered 1 = held 1"),
    ] {
        let mut world = World::with(&[&welcome("antsomi", "")]);
        world.tell(&format!(
            "0:00 u1 add · {before} · 0:30 * freeze · 2:00 * reactivate {words} · 2:01 * tick"
        ));
        assert_eq!(world.counts(), counts, "{before} {words}");
    }
}

/// G4, G13: a journey time-out that `restart` puts off neither repeats a message nor loses its user.
#[test]
fn a_time_out_put_off_at_send_sends_nothing_twice() {
    let nodes = "W send rate = \"1/h\"
                 wait delay for = \"10h\"
                 R send";
    let mut world = World::with(&[&journey("antsomi", "timers = \"restart\"\ntimeout = \"30m\"", nodes)]);
    // u2 queues until 1:00; its time-out comes at 0:30, under held.
    world.tell("0:00 u1 add · 0:00 u2 add · 0:10 * pause · 1:00 * tick · 1:10 * reactivate · 1:10 * resume · 9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u2 W@1:00");
    assert_eq!(world.left(), "u1 timed_out@1:40, u2 timed_out@1:40");
}
