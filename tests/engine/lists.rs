//! Audience lists: rows enter through the same gate, and the end of the list shuts it (G8).

use super::script::{World, welcome};

fn listed(dialect: &str, head: &str) -> String {
    welcome(dialect, &format!("{head}\nentry = {{ list = \"vip\", api = true }}"))
}

/// G8: as soon as the list is processed; those inside go on.
#[test]
fn a_list_journey_closes_when_its_list_is_processed() {
    for (dialect, state) in [("clevertap", "Completed"), ("antsomi", "Closed")] {
        let mut world = World::with(&[&listed(dialect, "")]);
        world.tell("0:01 u1 row · 0:02 u2 row · 0:03 * list_processed");
        assert_eq!(world.state(), state);
        world.tell("0:04 u3 row · 0:05 u4 enter · 9:00 * tick");
        assert_eq!(world.refused(), "u3 entry_shut, u4 entry_shut");
        assert_eq!(world.sent(), "u1 W@0:01, u1 R@1:01, u2 W@0:02, u2 R@1:02");
    }
}

/// G8: an empty list closes at once.
#[test]
fn an_empty_list_closes_its_journey() {
    for (dialect, state) in [("clevertap", "Completed"), ("antsomi", "Closed")] {
        let mut world = World::with(&[&listed(dialect, "")]);
        world.tell("0:00 * list_processed");
        assert_eq!((world.state(), world.counts().as_str()), (state, "0 = 0"));
    }
}

/// G8: a list that ends under AN Paused keeps Paused, and under Frozen Frozen; Reactivate then leads to Closed.
#[test]
fn a_list_that_ends_under_paused_keeps_it_and_reactivate_leads_to_closed() {
    for (shut, state) in [("pause", "Paused"), ("freeze", "Frozen")] {
        let mut world = World::with(&[&listed("antsomi", "")]);
        world.tell(&format!("0:01 u1 row · 0:10 * {shut} · 0:11 * list_processed"));
        assert_eq!(world.state(), state);
        world.tell("1:10 * reactivate · 1:11 * resume · 1:12 u3 row");
        assert_eq!((world.state(), world.refused().as_str()), ("Closed", "u3 entry_shut"));
        assert_eq!(world.left(), if shut == "pause" { "u1 completed@1:11" } else { "u1 completed@1:10" });
    }
}

/// G8: rows under AN Paused enroll and are held, like any entry (G3).
#[test]
fn rows_under_antsomis_paused_are_enrolled_and_held() {
    let mut world = World::with(&[&listed("antsomi", "")]);
    world.tell("0:01 * pause · 0:02 u1 row · 0:03 * list_processed · 0:04 u2 row");
    assert_eq!((world.counts().as_str(), world.refused().as_str()), ("entered 1 = held 1", "u2 entry_shut"));
}

/// G8: reopening needs a new list.
#[test]
fn reopening_needs_a_new_list() {
    let mut world = World::with(&[&listed("antsomi", "")]);
    world.tell("0:01 u1 row · 0:02 * list_processed · 0:03 * reactivate refused");
    assert!(world.answers[0].contains("list"), "{}", world.answers[0]);
    world.tell("0:04 * list vip · 0:05 u2 row · 0:06 * reactivate · 0:07 u3 row");
    assert_eq!((world.state(), world.refused().as_str()), ("Active", "u2 entry_shut"));
    assert_eq!(world.sent(), "u1 W@0:01, u3 W@0:07");
}

/// G8: the cursor waits while entry is shut, goes on when it opens, and Stop refuses the rest.
#[test]
fn rows_enter_before_and_after_a_shut_entry_and_never_after_stop() {
    for (dialect, shut, open, stop) in
        [("clevertap", "pause", "resume", "stop"), ("antsomi", "freeze", "reactivate", "abort")]
    {
        let mut world = World::with(&[&listed(dialect, "")]);
        world.tell(&format!(
            "0:01 u1 row · 0:02 * {shut} · 0:03 * {open} · 0:04 u2 row · 0:05 * {stop} · 0:06 u3 row"
        ));
        assert_eq!(
            (world.sent().as_str(), world.refused().as_str()),
            ("u1 W@0:01, u2 W@0:04", "u3 entry_shut")
        );
    }
}

/// G8, G7: a list is taken from the start date on.
#[test]
fn rows_do_not_enter_before_the_start_date() {
    let mut world = World::with(&[&listed("clevertap", "start = \"2026-03-01T01:00\"")]);
    world.tell("0:30 u1 row · 1:00 u2 row");
    assert_eq!((world.refused().as_str(), world.sent().as_str()), ("u1 entry_shut", "u2 W@1:00"));
}

/// Section 4: a row's fields stand for properties; who does not satisfy the filter does not qualify.
#[test]
fn the_fields_of_a_row_are_its_properties() {
    let nodes = "W send variables = { tier = \"entry.tier\" }";
    let entry = "entry = { list = \"vip\", where = \"properties.tier == 'gold'\" }";
    let mut world = World::with(&[&super::script::journey("antsomi", entry, nodes)]);
    world.tell("0:01 u1 row tier=gold · 0:02 u2 row tier=tin · 0:03 u3 row");
    assert_eq!((world.sent().as_str(), world.refused().as_str()), ("u1 W@0:01", ""));
    assert_eq!(world.sends()[0].variables["tier"], "gold");
}
