//! The vendors' tables, typed by hand from their documents, against the tables in the code: every verb in
//! every state.

use wayfarer::lifecycle::{
    Dialect, EntryGate, Gates, Inside, Lifecycle, MovementGate, Role, Schedule, State, Verb, Why, dialect,
    dialects, table,
};
use wayfarer::model::Timestamp;

/// State | entry | movement | actions | next states, as CleverTap's document has them.
const CLEVERTAP: &str = "
    Draft     | shut | –            | edit, save, publish, clone | Scheduled, Running
    Scheduled | shut | –            | edit, clone, pause, stop   | Running, Paused, Stopped
    Running   | open | open         | edit, clone, pause, stop   | Paused, Stopped, Completed
    Paused    | shut | open         | edit, clone, resume, stop  | Running, Stopped, Completed
    Completed | shut | open         | clone, stop                | Stopped
    Stopped   | shut | shut, drains | clone                      |
";

/// The same of Antsomi's.
const ANTSOMI: &str = "
    Designing | shut | – | edit, activate, copy | Scheduled, Active
    Scheduled | shut | – | abort, copy | Active, Aborted
    Active | open | open | pause, freeze, close, resume, abort, copy | Closed, Paused, Frozen, Error, Aborted
    Closed | shut | open | reactivate, freeze, resume, abort, copy | Active, Frozen, Error, Aborted
    Paused | open | held | edit, reactivate, freeze, abort, copy | Active, Closed, Frozen, Aborted
    Frozen | shut | held | edit, reactivate, abort, copy | Active, Closed, Aborted
    Error | shut | held | abort, copy | Active, Closed, Aborted
    Aborted | shut | shut, drains | copy |
";

/// What each accepted verb leads to and does, with dates that are valid and a list that is unfinished. Before
/// the colon the state, after it the way there; `+` is a journey whose start date lies ahead.
const CLEVERTAP_MOVES: &str = "
    Draft     :                | edit Draft, save Draft, publish Running, clone Draft
    Scheduled : + publish | edit Scheduled, clone Scheduled, pause Paused, stop Stopped drain,
        list_processed Scheduled
    Running   : publish | edit Running, clone Running, pause Paused, stop Stopped drain,
        list_processed Completed
    Paused    : publish pause | edit Paused, clone Paused, resume Running, stop Stopped drain,
        list_processed Completed
    Paused    : + publish pause | edit Paused, clone Paused, resume Running, stop Stopped drain,
        list_processed Completed
    Completed : publish list_processed | clone Completed, stop Stopped drain,
        list_processed Completed
    Stopped   : publish stop   | clone Stopped
    Stopped   : + publish stop | clone Stopped
";

const ANTSOMI_MOVES: &str = "
    Designing :                  | edit Designing, activate Active, copy Designing
    Scheduled : + activate       | abort Aborted drain, copy Scheduled, list_processed Scheduled
    Active    : activate | pause Paused, freeze Frozen, close Closed, resume Active release,
        abort Aborted drain, copy Active, fail Error, list_processed Closed
    Closed    : activate close | reactivate Active, freeze Frozen, resume Closed release,
        abort Aborted drain, copy Closed, fail Error, list_processed Closed
    Closed    : activate list_processed | freeze Frozen, resume Closed release,
        abort Aborted drain, copy Closed, fail Error, list_processed Closed
    Paused    : activate pause | edit Paused, reactivate Active adopt, freeze Frozen,
        abort Aborted drain, copy Paused, list_processed Paused
    Paused    : activate pause list_processed | edit Paused, reactivate Closed adopt,
        freeze Frozen, abort Aborted drain, copy Paused, list_processed Paused
    Frozen    : activate freeze | edit Frozen, reactivate Active adopt_and_release,
        abort Aborted drain, copy Frozen, list_processed Frozen
    Frozen    : activate pause freeze | edit Frozen, reactivate Active adopt_and_release,
        abort Aborted drain, copy Frozen, list_processed Frozen
    Frozen    : activate close freeze | edit Frozen, reactivate Closed adopt_and_release,
        abort Aborted drain, copy Frozen, list_processed Frozen
    Frozen    : activate freeze list_processed | edit Frozen, reactivate Closed adopt_and_release,
        abort Aborted drain, copy Frozen, list_processed Frozen
    Error     : activate fail | abort Aborted drain, copy Error, recover Active release,
        list_processed Error
    Error     : activate close fail | abort Aborted drain, copy Error, recover Closed release,
        list_processed Error
    Error     : activate fail list_processed | abort Aborted drain, copy Error,
        recover Closed release, list_processed Error
    Aborted   : activate abort   | copy Aborted
";

const NOW: Timestamp = Timestamp(1_000_000);
const END: Timestamp = Timestamp(9_000_000);

/// The rows of a table; one that ends with a comma goes on in the next line.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let mut rows = Vec::new();
    let mut rest = table.trim();
    while !rest.is_empty() {
        let mut breaks = rest.match_indices('\n').map(|(at, _)| at);
        let end = breaks.find(|&at| !rest[..at].trim_end().ends_with(',')).unwrap_or(rest.len());
        rows.push(rest[..end].split('|').map(str::trim).collect());
        rest = rest[end..].trim_start();
    }
    rows
}

fn words(cell: &str) -> Vec<&str> {
    cell.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

fn movement(state: &State) -> String {
    match (state.inhabited, state.drains) {
        (false, _) => "–".to_owned(),
        (true, true) => format!("{}, drains", state.movement),
        (true, false) => state.movement.to_string(),
    }
}

fn check_table(dialect: &Dialect, typed: &str) {
    let typed = rows(typed);
    let states: Vec<_> = dialect.states().iter().map(|state| state.name).collect();
    assert_eq!(states, typed.iter().map(|row| row[0]).collect::<Vec<_>>(), "{dialect}");
    for (state, row) in dialect.states().iter().zip(&typed) {
        let [name, entry, moves, verbs, next] = row.as_slice() else { panic!("five cells: {row:?}") };
        assert_eq!(state.entry.as_str(), *entry, "{name}");
        assert_eq!(movement(state), *moves, "{name}");
        let ours: Vec<_> = state.verbs.iter().map(|arrow| arrow.verb.as_str()).collect();
        assert_eq!(ours, words(verbs), "{name}");
        let mut ours: Vec<_> = state.next().iter().map(|&id| dialect.state(id).name).collect();
        let mut theirs = words(next);
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{name}");
        assert_eq!(state.is_terminal(), next.is_empty(), "{name}");
    }
}

fn role(verb: Verb) -> Role {
    verb.role()
}

fn arrive(dialect: &'static Dialect, way: &str) -> Lifecycle {
    let start = way.contains('+').then_some(Timestamp(5_000_000));
    let mut journey = Lifecycle::new(dialect, Schedule { start, end: Some(END) }, true);
    for verb in way.split_whitespace().filter(|word| *word != "+") {
        let verb: Verb = verb.parse().unwrap();
        journey.apply(NOW, verb, role(verb)).unwrap_or_else(|refusal| panic!("{way}: {refusal}"));
    }
    journey
}

fn inside(word: Option<&str>) -> Inside {
    match word {
        None => Inside::Nothing,
        Some("drain") => Inside::Drain,
        Some("release") => Inside::Release,
        Some("adopt") => Inside::Adopt,
        Some("adopt_and_release") => Inside::AdoptAndRelease,
        Some(other) => panic!("{other}"),
    }
}

fn check_moves(dialect: &'static Dialect, typed: &str) {
    for row in rows(typed) {
        let (name, way) = row[0].split_once(':').map(|(name, way)| (name.trim(), way.trim())).unwrap();
        let accepted: Vec<(Verb, &str, Inside)> = words(row[1])
            .into_iter()
            .map(|cell| {
                let mut parts = cell.split(' ');
                let (verb, to) = (parts.next().unwrap(), parts.next().unwrap());
                (verb.parse().unwrap(), to, inside(parts.next()))
            })
            .collect();
        let there = arrive(dialect, way);
        assert_eq!(there.state_name(), name, "{dialect}: {way}");
        for verb in Verb::ALL {
            let mut journey = there.clone();
            let answer = journey.apply(NOW, verb, role(verb));
            match accepted.iter().find(|(accepted, ..)| *accepted == verb) {
                Some(&(_, to, inside)) => {
                    assert_eq!(answer, Ok(inside), "{dialect}: {way}, then {verb}");
                    assert_eq!(journey.state_name(), to, "{dialect}: {way}, then {verb}");
                }
                None => {
                    let refusal = answer.expect_err(&format!("{dialect}: {way}, then {verb}"));
                    assert_eq!(journey, there, "a refused {verb} changes nothing");
                    assert_eq!((refusal.verb, refusal.state.as_str()), (verb, name));
                    assert_eq!(refusal.allowed, there.allowed(NOW));
                    let sentence = refusal.to_string();
                    for part in
                        [verb.as_str(), name].into_iter().chain(refusal.allowed.iter().map(|v| v.as_str()))
                    {
                        assert!(sentence.contains(part), "{sentence:?} lacks {part}");
                    }
                }
            }
        }
        let operators: Vec<_> =
            accepted.iter().map(|(verb, ..)| *verb).filter(|verb| verb.role() == Role::Operator).collect();
        assert_eq!(there.allowed(NOW), operators, "{dialect}: {way}");
    }
}

#[test]
fn clevertap_is_the_vendors_table() {
    check_table(dialect("clevertap").unwrap(), CLEVERTAP);
    check_moves(dialect("clevertap").unwrap(), CLEVERTAP_MOVES);
}

#[test]
fn antsomi_is_the_vendors_table() {
    check_table(dialect("antsomi").unwrap(), ANTSOMI);
    check_moves(dialect("antsomi").unwrap(), ANTSOMI_MOVES);
}

#[test]
fn every_state_of_both_dialects_is_arrived_at() {
    for (dialect, typed) in dialects().iter().zip([CLEVERTAP_MOVES, ANTSOMI_MOVES]) {
        for state in dialect.states() {
            assert!(
                rows(typed).iter().any(|row| row[0].starts_with(state.name)),
                "{dialect}: {}",
                state.name
            );
        }
    }
}

#[test]
fn a_verb_of_the_other_dialect_is_refused_as_such() {
    let mut journey = arrive(dialect("clevertap").unwrap(), "publish");
    let refusal = journey.apply(NOW, Verb::Freeze, Role::Operator).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "cannot freeze a journey that is Running: the dialect clevertap has no freeze; \
         allowed are edit, clone, pause, stop"
    );
    assert_eq!(
        journey.apply(NOW, Verb::Resume, Role::Operator).unwrap_err().to_string(),
        "cannot resume a journey that is Running: Running does not take resume; \
         allowed are edit, clone, pause, stop"
    );
}

#[test]
fn only_the_system_fails_recovers_and_reports_the_lists_end() {
    for (way, verb) in
        [("activate", Verb::Fail), ("activate", Verb::ListProcessed), ("activate fail", Verb::Recover)]
    {
        let mut journey = arrive(dialect("antsomi").unwrap(), way);
        let refusal = journey.apply(NOW, verb, Role::Operator).unwrap_err();
        assert_eq!(refusal.why, Why::SystemOnly, "{verb}");
        assert!(journey.apply(NOW, verb, Role::System).is_ok(), "{verb}");
    }
}

#[test]
fn an_unknown_dialect_or_verb_is_refused_with_those_there_are() {
    assert_eq!(
        dialect("braze").unwrap_err().to_string(),
        "\"braze\" is not a dialect; there are clevertap and antsomi"
    );
    assert!("explode".parse::<Verb>().unwrap_err().to_string().contains("reactivate"));
}

#[test]
fn verbs_are_written_as_they_are_read() {
    for verb in Verb::ALL {
        assert_eq!(verb.as_str().parse::<Verb>(), Ok(verb));
        assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
    }
}

mod kiosk {
    //! A made-up vendor: while Snoozed nobody enters or moves, waking releases, and there is no stop.
    use wayfarer::lifecycle::{
        Arrow, Dialect, Edits, EntryGate, Inside, MovementGate, State, StateId, Target, Verb,
    };

    const IDEA: StateId = StateId(0);
    const QUEUED: StateId = StateId(1);
    const LIVE: StateId = StateId(2);
    const SNOOZED: StateId = StateId(3);
    const OVER: StateId = StateId(4);

    const fn state(id: StateId, name: &'static str, entry: EntryGate, movement: MovementGate) -> State {
        State {
            id,
            name,
            entry,
            movement,
            inhabited: id.0 > QUEUED.0,
            drains: false,
            edits: Edits::Nothing,
            verbs: &[],
            system: &[],
            on_start: None,
            on_end: None,
        }
    }

    const LAUNCH: Arrow = Arrow::leads(Verb::Publish, Target::Launch { later: QUEUED, now: LIVE });
    const WAKE: Arrow =
        Arrow::leads(Verb::Resume, Target::Return { open: LIVE, ended: OVER }).and(Inside::Release);

    pub(crate) static KIOSK: Dialect = Dialect::new(
        "kiosk",
        "Kiosk",
        &[
            State { verbs: &[LAUNCH], ..state(IDEA, "Idea", EntryGate::Shut, MovementGate::Held) },
            State { on_start: Some(LIVE), ..state(QUEUED, "Queued", EntryGate::Shut, MovementGate::Held) },
            State {
                verbs: &[Arrow::to(Verb::Pause, SNOOZED)],
                on_end: Some(OVER),
                ..state(LIVE, "Live", EntryGate::Open, MovementGate::Open)
            },
            State { verbs: &[WAKE], ..state(SNOOZED, "Snoozed", EntryGate::Shut, MovementGate::Held) },
            state(OVER, "Over", EntryGate::Shut, MovementGate::Open),
        ],
    );
}

#[test]
fn a_third_dialect_is_one_table() {
    let typed = "
        Idea    | shut | –    | publish | Queued, Live
        Queued  | shut | –    |         | Live
        Live    | open | open | pause   | Snoozed, Over
        Snoozed | shut | held | resume  | Live, Over
        Over    | shut | open |         |
    ";
    let moves = "
        Idea    :               | publish Live
        Queued  : + publish     |
        Live    : publish       | pause Snoozed
        Snoozed : publish pause | resume Live release
    ";
    check_table(&kiosk::KIOSK, typed);
    check_moves(&kiosk::KIOSK, moves);
    let schedule = Schedule { start: Some(NOW), end: Some(END) };
    let mut journey = Lifecycle::new(&kiosk::KIOSK, schedule, false);
    journey.apply(Timestamp(0), Verb::Publish, Role::Operator).unwrap();
    assert_eq!(journey.gates(NOW), Gates { entry: EntryGate::Open, movement: MovementGate::Open });
    journey.apply(NOW, Verb::Pause, Role::Operator).unwrap();
    assert_eq!(journey.apply(END, Verb::Resume, Role::Operator), Ok(Inside::Release));
    assert_eq!(journey.state_name(), "Over");
    assert!(journey.apply(END, Verb::Resume, Role::Operator).is_err());
    assert!(table::text(&[&kiosk::KIOSK]).contains("Snoozed"));
}

#[test]
fn the_printed_tables_show_every_cell_of_the_vendors() {
    let json: serde_json::Value = serde_json::from_str(&table::json(dialects())).unwrap();
    for (n, typed) in [CLEVERTAP, ANTSOMI].into_iter().enumerate() {
        let text = table::text(&dialects()[n..=n]);
        let mut lines = text.lines().skip(2);
        for (row, state) in rows(typed).iter().zip(json["dialects"][n]["states"].as_array().unwrap()) {
            let line = lines.next().unwrap();
            assert!(line.starts_with(row[0]), "{line}");
            assert!(line.contains(row[3]), "{line}");
            for cell in [row[1], row[2]].into_iter().chain(words(row[4])) {
                assert!(line.contains(cell), "{line:?} lacks {cell}");
            }
            assert_eq!(state["name"], row[0]);
            assert_eq!(state["entry"], row[1]);
            let verbs: Vec<_> =
                state["verbs"].as_array().unwrap().iter().map(|v| v["verb"].as_str().unwrap()).collect();
            assert_eq!(verbs, words(row[3]));
        }
        assert_eq!(lines.next(), None);
    }
}
