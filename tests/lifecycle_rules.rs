//! What dates, lists, failures and lagging shards do to a journey's state: one script a rule.

use proptest::prelude::*;
use wayfarer::lifecycle::{
    Cause, EntryGate, Gates, Inside, Lifecycle, MovementGate, Role, Schedule, Terms, Verb, Why, dialect,
};
use wayfarer::model::Timestamp;

/// Minutes, as the scripts have them.
fn at(clock: &str) -> Timestamp {
    let (hours, minutes) = clock.split_once(':').unwrap();
    Timestamp((hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap()) * 60_000)
}

fn shut_open(entry: &str, movement: &str) -> Gates {
    Gates {
        entry: if entry == "open" { EntryGate::Open } else { EntryGate::Shut },
        movement: match movement {
            "open" => MovementGate::Open,
            "held" => MovementGate::Held,
            "shut" => MovementGate::Shut,
            other => panic!("{other}"),
        },
    }
}

/// Runs a script: `HH:MM verb → State entry movement [inside]`, `HH:MM verb → refused`, `HH:MM tick → …`.
/// `dates` is `start..end`, each may be missing; a leading `list ` makes it a list journey.
fn check(dialect_name: &str, dates: &str, script: &str) {
    let (has_list, dates) = dates.strip_prefix("list ").map_or((false, dates), |dates| (true, dates));
    let (start, end) = dates.split_once("..").unwrap();
    let date = |text: &str| (!text.is_empty()).then(|| at(text));
    let schedule = Schedule { start: date(start), end: date(end) };
    let mut journey = Lifecycle::new(dialect(dialect_name).unwrap(), schedule, has_list);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (ask, expected) = line.split_once('→').unwrap();
        let mut ask = ask.split_whitespace();
        let (now, verb) = (at(ask.next().unwrap()), ask.next().unwrap());
        let answer = if verb == "tick" {
            let _ = journey.advance(now);
            Ok(Inside::Nothing)
        } else {
            let verb: Verb = verb.parse().unwrap();
            journey.apply(now, verb, verb.role())
        };
        let expected = expected.trim();
        if let Some(reason) = expected.strip_prefix("refused") {
            let refusal = answer.expect_err(line).to_string();
            assert!(refusal.contains(reason.trim()), "{line}: {refusal}");
            continue;
        }
        let inside = answer.unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
        let words: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(journey.state_name(), words[0], "{line}");
        assert_eq!(journey.gates(now), shut_open(words[1], words[2]), "{line}");
        let did = format!("{inside:?}").to_lowercase();
        assert_eq!(did, words.get(3).copied().unwrap_or("nothing"), "{line}");
    }
}

#[test]
fn the_first_worked_example_has_these_gates() {
    check(
        "clevertap",
        "..",
        "
        00:00 publish → Running open open
        00:00 tick    → Running open open
        00:30 pause   → Paused shut open
        00:40 tick    → Paused shut open
        02:00 resume  → Running open open
        02:10 resume  → refused Running does not take resume
    ",
    );
    check(
        "antsomi",
        "..",
        "
        00:00 activate   → Active open open
        00:30 pause      → Paused open held
        00:40 tick       → Paused open held
        02:00 reactivate → Active open open adopt
        02:05 tick       → Active open open
        02:10 resume     → Active open open release
    ",
    );
}

#[test]
fn an_event_from_before_the_latest_opening_can_be_told() {
    let mut journey = Lifecycle::new(dialect("clevertap").unwrap(), Schedule::default(), false);
    for (clock, verb, opening) in [
        ("00:00", Verb::Publish, Some("00:00")),
        ("00:30", Verb::Pause, None),
        ("02:00", Verb::Resume, Some("02:00")),
        ("02:05", Verb::Edit, Some("02:00")),
    ] {
        journey.apply(at(clock), verb, Role::Operator).unwrap();
        assert_eq!(journey.opened_at(at(clock)), opening.map(at), "{clock} {verb}");
    }
    // antsomi: pause lets people in, so Reactivate opens nothing that was shut, and u3 of 01:30 enters at
    // 02:05.
    let mut journey = Lifecycle::new(dialect("antsomi").unwrap(), Schedule::default(), false);
    for (clock, verb) in [("00:00", Verb::Activate), ("00:30", Verb::Pause), ("02:00", Verb::Reactivate)] {
        journey.apply(at(clock), verb, Role::Operator).unwrap();
        assert_eq!(journey.opened_at(at(clock)), Some(at("00:00")), "{clock} {verb}");
    }
}

#[test]
fn the_second_worked_example_has_these_gates() {
    check(
        "clevertap",
        "..01:00",
        "
        00:00 publish → Running open open
        00:30 pause   → Paused shut open
        01:00 tick    → Completed shut open
        02:00 resume  → refused allowed are clone, stop
    ",
    );
    check(
        "antsomi",
        "..01:00",
        "
        00:00 activate   → Active open open
        00:30 pause      → Paused open held
        00:59 tick       → Paused open held
        01:01 tick       → Paused shut held
        02:00 reactivate → Closed shut open adopt
        02:01 reactivate → refused its end date 1970-01-01T01:00:00.000Z has passed
        02:02 resume     → Closed shut open release
    ",
    );
}

#[test]
fn the_start_date_opens_a_scheduled_journey_by_itself() {
    check(
        "clevertap",
        "01:00..02:00",
        "
        00:00 publish → Scheduled shut held
        00:59 tick    → Scheduled shut held
        01:00 tick    → Running open open
        02:00 tick    → Completed shut open
    ",
    );
    check(
        "antsomi",
        "01:00..02:00",
        "
        00:00 activate → Scheduled shut held
        01:00 tick     → Active open open
        02:00 tick     → Closed shut open
    ",
    );
    // A clock that jumps over both dates.
    check(
        "antsomi",
        "01:00..02:00",
        "
        00:00 activate → Scheduled shut held
        03:00 tick     → Closed shut open
    ",
    );
}

#[test]
fn a_journey_stopped_while_scheduled_never_starts() {
    check(
        "clevertap",
        "01:00..",
        "
        00:00 publish → Scheduled shut held
        00:30 stop    → Stopped shut shut drain
        09:00 tick    → Stopped shut shut
    ",
    );
    check(
        "antsomi",
        "01:00..",
        "
        00:00 activate → Scheduled shut held
        00:30 abort    → Aborted shut shut drain
        09:00 tick     → Aborted shut shut
    ",
    );
}

#[test]
fn a_journey_paused_while_scheduled_resumes_to_running_and_opens_at_its_start() {
    check(
        "clevertap",
        "01:00..02:00",
        "
        00:00 publish → Scheduled shut held
        00:10 pause   → Paused shut open
        00:20 resume  → Running shut open
        01:00 tick    → Running open open
    ",
    );
    check(
        "clevertap",
        "01:00..02:00",
        "
        00:00 publish → Scheduled shut held
        00:10 pause   → Paused shut open
        01:30 tick    → Paused shut open
        02:00 tick    → Completed shut open
    ",
    );
}

#[test]
fn a_date_that_has_passed_acts_before_the_verb() {
    check(
        "clevertap",
        "01:00..02:00",
        "
        00:00 publish → Scheduled shut held
        03:00 pause   → refused Completed
        03:00 stop    → Stopped shut shut drain
    ",
    );
    check(
        "antsomi",
        "..01:00",
        "
        00:00 activate   → Active open open
        02:00 freeze     → Frozen shut held
        02:10 reactivate → Closed shut open adoptandrelease
    ",
    );
}

#[test]
fn paused_and_frozen_keep_their_state_at_the_end_date() {
    check(
        "antsomi",
        "..01:00",
        "
        00:00 activate   → Active open open
        00:30 freeze     → Frozen shut held
        01:30 tick       → Frozen shut held
        02:00 reactivate → Closed shut open adoptandrelease
    ",
    );
    check(
        "antsomi",
        "..01:00",
        "
        00:00 activate   → Active open open
        00:10 pause      → Paused open held
        00:20 freeze     → Frozen shut held
        00:30 reactivate → Active open open adoptandrelease
    ",
    );
}

#[test]
fn a_journey_frozen_from_closed_reactivates_to_closed() {
    check(
        "antsomi",
        "..05:00",
        "
        00:00 activate   → Active open open
        00:10 close      → Closed shut open
        00:20 freeze     → Frozen shut held
        00:30 reactivate → Closed shut open adoptandrelease
        00:40 reactivate → Active open open
    ",
    );
}

#[test]
fn error_is_left_for_the_state_it_came_from_or_for_closed() {
    check(
        "antsomi",
        "..05:00",
        "
        00:00 activate → Active open open
        00:10 fail     → Error shut held
        00:11 fail     → refused Error does not take fail
        00:12 edit     → refused allowed are abort, copy
        00:20 recover  → Active open open release
        00:30 close    → Closed shut open
        00:40 fail     → Error shut held
        00:50 recover  → Closed shut open release
    ",
    );
    check(
        "antsomi",
        "..01:00",
        "
        00:00 activate → Active open open
        00:10 fail     → Error shut held
        01:00 tick     → Error shut held
        01:10 recover  → Closed shut open release
    ",
    );
    check(
        "clevertap",
        "..",
        "
        00:00 publish → Running open open
        00:10 fail    → refused the dialect clevertap has no fail
    ",
    );
}

#[test]
fn a_list_journey_closes_when_its_list_has_been_processed() {
    check(
        "antsomi",
        "list ..",
        "
        00:00 activate       → Active open open
        00:10 list_processed → Closed shut open
        00:20 reactivate     → refused reopening needs a new one
    ",
    );
    check(
        "clevertap",
        "list 01:00..",
        "
        00:00 publish        → Scheduled shut held
        00:10 list_processed → Scheduled shut held
        01:00 tick           → Completed shut open
    ",
    );
    check(
        "antsomi",
        "list ..",
        "
        00:00 activate       → Active open open
        00:05 pause          → Paused open held
        00:10 list_processed → Paused shut held
        00:20 reactivate     → Closed shut open adopt
    ",
    );
    check(
        "clevertap",
        "..",
        "
        00:00 publish        → Running open open
        00:10 list_processed → refused it has no list
    ",
    );
}

#[test]
fn a_new_list_lets_a_closed_list_journey_reopen() {
    let mut journey = Lifecycle::new(dialect("antsomi").unwrap(), Schedule::default(), true);
    journey.apply(at("00:00"), Verb::Activate, Role::Operator).unwrap();
    journey.apply(at("00:10"), Verb::ListProcessed, Role::System).unwrap();
    journey.take_list(at("00:20"));
    assert_eq!(journey.state_name(), "Closed");
    assert_eq!(journey.gates(at("00:21")), shut_open("shut", "open"));
    journey.apply(at("00:30"), Verb::Reactivate, Role::Operator).unwrap();
    assert_eq!(journey.gates(at("00:30")), shut_open("open", "open"));
    assert_eq!(journey.opened_at(at("00:31")), Some(at("00:30")));
}

#[test]
fn a_new_list_does_not_undo_what_the_end_of_the_old_one_did() {
    let schedule = Schedule { start: Some(at("01:00")), end: None };
    let mut journey = Lifecycle::new(dialect("antsomi").unwrap(), schedule, true);
    journey.apply(at("00:00"), Verb::Activate, Role::Operator).unwrap();
    journey.apply(at("00:10"), Verb::ListProcessed, Role::System).unwrap();
    assert_eq!(journey.state_at(at("01:00")).name, "Closed");
    journey.take_list(at("02:00"));
    assert_eq!(journey.state_at(at("02:00")).name, "Closed");
    assert_eq!(journey.gates(at("02:00")), shut_open("shut", "open"));
    // Before the start nothing has been done yet, and nothing needs to be undone.
    let mut journey = Lifecycle::new(dialect("antsomi").unwrap(), schedule, true);
    journey.apply(at("00:00"), Verb::Activate, Role::Operator).unwrap();
    journey.apply(at("00:10"), Verb::ListProcessed, Role::System).unwrap();
    journey.take_list(at("00:20"));
    assert_eq!(journey.gates(at("01:00")), shut_open("open", "open"));
}

#[test]
fn going_live_is_refused_with_all_reasons() {
    let schedule = Schedule { start: Some(at("02:00")), end: Some(at("01:00")) };
    for (name, verb) in [("clevertap", Verb::Publish), ("antsomi", Verb::Activate)] {
        let mut journey = Lifecycle::new(dialect(name).unwrap(), schedule, false);
        let problems = ["its audience is empty".to_owned()];
        let terms = Terms { problems: &problems, schedule: None };
        let refusal = journey.apply_with(at("01:30"), verb, Role::Operator, &terms).unwrap_err();
        assert_eq!(
            refusal.why,
            Why::Unfit(vec![
                "its end date 1970-01-01T01:00:00.000Z has passed".to_owned(),
                "its end date 1970-01-01T01:00:00.000Z is not after its start date 1970-01-01T02:00:00.000Z"
                    .to_owned(),
                "its audience is empty".to_owned(),
            ])
        );
        assert!(!refusal.allowed.contains(&verb));
    }
}

#[test]
fn a_later_end_date_saved_while_paused_keeps_the_journey_active() {
    let schedule = Schedule { start: None, end: Some(at("01:00")) };
    let mut journey = Lifecycle::new(dialect("antsomi").unwrap(), schedule, false);
    journey.apply(at("00:00"), Verb::Activate, Role::Operator).unwrap();
    journey.apply(at("00:10"), Verb::Pause, Role::Operator).unwrap();
    let longer = Schedule { start: None, end: Some(at("05:00")) };
    let terms = Terms { schedule: Some(longer), ..Terms::default() };
    journey.apply_with(at("02:00"), Verb::Reactivate, Role::Operator, &terms).unwrap();
    assert_eq!((journey.state_name(), journey.schedule()), ("Active", longer));
    assert_eq!(journey.opened_at(at("02:00")), Some(at("02:00")), "it was shut from 01:00 on");
}

#[test]
fn a_shard_that_lags_judges_dates_by_its_own_time() {
    let schedule = Schedule { start: None, end: Some(at("01:00")) };
    let mut journey = Lifecycle::new(dialect("clevertap").unwrap(), schedule, false);
    journey.apply(at("00:00"), Verb::Publish, Role::Operator).unwrap();
    // A command after the end makes the registry fold it; it says nothing to a shard that reads 00:50.
    journey.apply(at("02:00"), Verb::Clone, Role::Operator).unwrap();
    assert_eq!(journey.state_name(), "Completed");
    assert_eq!(journey.gates(at("00:50")), shut_open("open", "open"));
    assert_eq!(journey.gates(at("01:00")), shut_open("shut", "open"));
    // Stop does.
    journey.apply(at("02:10"), Verb::Stop, Role::Operator).unwrap();
    assert_eq!(journey.gates(at("00:50")), shut_open("shut", "shut"));
}

#[test]
fn the_dates_say_what_they_moved_and_when_the_next_one_is() {
    let schedule = Schedule { start: Some(at("01:00")), end: Some(at("02:00")) };
    let mut journey = Lifecycle::new(dialect("antsomi").unwrap(), schedule, false);
    assert_eq!(journey.next_date(at("00:00")), None, "nothing happens to what is being designed");
    journey.apply(at("00:00"), Verb::Activate, Role::Operator).unwrap();
    assert_eq!(journey.next_date(at("00:00")), Some(at("01:00")));
    assert_eq!(journey.next_date(at("01:00")), Some(at("02:00")));
    assert_eq!(journey.next_date(at("02:00")), None);
    let moves = journey.advance(at("03:00")).0;
    let seen: Vec<_> = moves.iter().map(|m| (m.at, m.from, m.to, m.cause)).collect();
    assert_eq!(
        seen,
        [
            (at("01:00"), "Scheduled", "Active", Cause::StartDate),
            (at("02:00"), "Active", "Closed", Cause::EndDate)
        ]
    );
    assert_eq!(journey.advance(at("03:00")).0, []);
    journey.apply(at("03:00"), Verb::Abort, Role::Operator).unwrap();
    assert_eq!(journey.next_date(at("00:00")), None);
}

#[test]
fn a_lifecycle_is_read_as_it_is_written() {
    let schedule = Schedule { start: Some(at("01:00")), end: None };
    let mut journey = Lifecycle::new(dialect("antsomi").unwrap(), schedule, true);
    for verb in [Verb::Activate, Verb::Pause, Verb::Freeze] {
        journey.apply(at("02:00"), verb, Role::Operator).unwrap();
        let text = serde_json::to_string(&journey).unwrap();
        assert_eq!(serde_json::from_str::<Lifecycle>(&text).unwrap(), journey);
    }
    let broken = serde_json::to_string(&journey).unwrap().replace("Frozen", "Melted");
    let error = serde_json::from_str::<Lifecycle>(&broken).unwrap_err().to_string();
    assert!(error.contains("\"Melted\" is not a state of antsomi"), "{error}");
}

fn any_verb() -> impl Strategy<Value = Verb> {
    prop::sample::select(Verb::ALL.to_vec())
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![8 => 0i64..100, 1 => Just(i64::MIN), 1 => Just(i64::MAX)].prop_map(Timestamp)
}

proptest! {
    #[test]
    fn whatever_is_asked_the_gates_agree_with_the_state_and_the_end_is_the_end(
        name in prop::sample::select(vec!["clevertap", "antsomi"]),
        start in prop::option::of(any_time()),
        end in prop::option::of(any_time()),
        has_list: bool,
        system: bool,
        script in prop::collection::vec((any_time(), any_verb(), any::<bool>()), 0..40),
        elsewhere in any_time(),
    ) {
        let mut journey = Lifecycle::new(dialect(name).unwrap(), Schedule { start, end }, has_list);
        let role = if system { Role::System } else { Role::Operator };
        let mut now = Timestamp::MIN;
        for (time, verb, is_verb) in script {
            now = now.max(time);
            let before = journey.clone();
            let allowed = before.allowed(now);
            if is_verb {
                match journey.apply(now, verb, role) {
                    Ok(inside) => {
                        prop_assert!(!before.is_terminal() || journey.state() .id == before.state().id);
                        prop_assert_eq!(inside == Inside::Drain, journey.drains() && !before.drains());
                    }
                    Err(refusal) => {
                        prop_assert_eq!(&journey, &before);
                        prop_assert!(!refusal.to_string().is_empty());
                        prop_assert!(!allowed.contains(&verb));
                        prop_assert_eq!(refusal.allowed, allowed);
                    }
                }
            } else {
                let _ = journey.advance(now);
                let once = journey.clone();
                prop_assert_eq!(journey.advance(now).0, vec![]);
                prop_assert_eq!(&journey, &once);
                let told = (journey.gates(elsewhere), journey.opened_at(elsewhere));
                prop_assert_eq!(told, (before.gates(elsewhere), before.opened_at(elsewhere)));
                prop_assert!(!before.is_terminal() || journey == before);
            }
            let _ = journey.advance(now);
            let gates = journey.gates(now);
            prop_assert_eq!(journey.state_at(now).id, journey.state().id);
            prop_assert_eq!(gates.movement, journey.state().movement);
            prop_assert!(gates.entry == EntryGate::Shut || journey.state().entry == EntryGate::Open);
            prop_assert_eq!(journey.opened_at(now).is_some(), gates.entry == EntryGate::Open);
            prop_assert!(journey.opened_at(now).is_none_or(|opened| opened <= now));
            prop_assert!(journey.next_date(now).is_none_or(|date| date > now));
        }
    }
}
