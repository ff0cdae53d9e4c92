//! What is promised of reports, by a fixture.

use std::path::Path;

use super::form::*;
use super::*;
use crate::generate::pace::micros;
use crate::scenario::{On, read};

/// A phase of which nothing is known.
pub fn phase(name: &str) -> PhaseResult {
    PhaseResult {
        name: name.to_owned(),
        on: On::Wayfarer,
        against: None,
        poured: false,
        rate: 1_000.0,
        from: 1_000_000,
        to: 5_000_000,
        events: 4_000,
        late_share: 0.0,
        late_max_ms: 1.5,
        latencies: Vec::new(),
        throughput: 0.0,
        cpu_ns: 0.0,
        broker_cpu_ns: Some(750.0),
        lag_max: 0,
        memory: [0; 3],
        p99_ratio: None,
        cpu_ratio: None,
    }
}

fn latency(factor: u64) -> Latency {
    let mut histogram = micros();
    (1..=1_000).for_each(|value| histogram.record(value * factor).expect("it is in the range"));
    Latency::of("schedule_to_send", &histogram).expect("there are some")
}

fn flip(verb: &str, starts_after: u64) -> Flip {
    Flip {
        journey: "hold".to_owned(),
        dialect: "antsomi".to_owned(),
        verb: verb.to_owned(),
        due: 1_900_000,
        asked: 2_000_000,
        answered: 2_030_000,
        status: 200,
        message: String::new(),
        shut: vec![Gate::Movement],
        last_start_ms: Some(12.0),
        starts_before: 40,
        starts_after,
    }
}

/// Two phases, two verbs, some looks.
fn fixture(factor: u64) -> Report {
    let text = "name = \"fixture\"\nabout = \"a <b> & c\"\n[[journey]]\nfile = \"j\"\n\
                [[phase]]\nname = \"calm\"\nfor = \"4s\"\nload = { rate = 1000 }\n\
                [[phase]]\nname = \"storm\"\nfor = \"4s\"\nload = { rate = 1000 }\nagainst = \"calm\"\n";
    let sample = |second: i64| Sample {
        on: On::Wayfarer,
        at: second * 1_000_000,
        generated: 1_000 * second as u64,
        done: 1_000 * second as u64,
        lag: 10,
        sends: 100 * second as u64,
        cpu_ns: 500_000_000 * second as u64,
        load_cpu_ns: 0,
        broker_cpu_ns: Some(0),
        memory: 64 << 20,
        p99_ms: Some(5.0),
    };
    let mut report = Report {
        form: FORM,
        scenario: read::parse(text, &[]).expect("it is right"),
        version: "wayfarer 0.1.0".to_owned(),
        machine: Machine { cores: 2, system: "Linux".to_owned() },
        began: 0,
        saturation: Some(Saturated {
            rate: 9_000.0,
            measured: true,
            by_system: true,
            cpu_ns: 1_234.0,
            broker_cpu_ns: Some(600.0),
        }),
        phases: vec![
            PhaseResult { latencies: vec![latency(10)], cpu_ns: 80.0, ..phase("calm") },
            PhaseResult {
                latencies: vec![latency(10 * factor)],
                cpu_ns: 100.0,
                against: Some("calm".to_owned()),
                ..phase("storm")
            },
        ],
        samples: (0..10).map(sample).collect(),
        flips: vec![flip("pause", 0)],
        restarts: vec![Restart { instance: 0, killed: true, at: 3_000_000, ready_ms: 700.0 }],
        lists: vec![ListTaken {
            uploaded: 1_500_000,
            entered: 900,
            took_ms: Some(3_000.0),
            ..ListTaken::new("audience", 900)
        }],
        void: Vec::new(),
        remarks: vec!["storm: one act was late".to_owned()],
    };
    report.judge();
    report
}

#[test]
fn the_text_has_the_figures_and_the_ratio_to_the_phase_it_is_compared_with() {
    let text = text::text(&fixture(2));
    for part in [
        "saturation: 9000 events/s, measured, with the generator beside it; 1234 ns of its own CPU an event, the brokers' 600 ns",
        "p99 of storm over that of calm: 2.00",
        "antsomi: 1 verbs, answered after 130.0 ms (p50)",
        "0 starts under a shut gate after an answer, 40 in the seconds before the questions",
        "own CPU an event of storm over that of calm: 1.25",
        "list of 900 rows for audience: uploaded in 1.50 s; by the topics 900 rows entered, the last one 3.00 s later (300/s)",
        "instance 0 was killed: all ready again after 0.70 s",
        "schedule_to_send   1000",
        "note: storm: one act was late",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("NO RESULT"));
}

#[test]
fn of_rounds_the_median_is_told_with_the_least_and_the_most() {
    let mut report = fixture(1);
    for (round, factor) in [(2, 4), (3, 3)] {
        let named = |name: &str| format!("{name}.{round}");
        let calm = PhaseResult { latencies: vec![latency(10)], ..phase(&named("calm")) };
        let storm = PhaseResult {
            latencies: vec![latency(10 * factor)],
            against: Some(named("calm")),
            broker_cpu_ns: None,
            ..phase(&named("storm"))
        };
        report.phases.extend([calm, storm]);
    }
    report.judge();
    let text = text::text(&report);
    let said = "p99 of storm over that of calm: 3.00 (median of 3 rounds, from 1.00 to 4.00)";
    assert_eq!(text.matches("p99 of storm over that of calm").count(), 1, "{text}");
    assert!(text.contains(said) && text.contains(" ? "), "{text}");
    assert!(
        text.contains("own CPU an event of storm over that of calm: 1.25"),
        "only round 1 has it: {text}"
    );
}

#[test]
fn a_list_whose_rows_did_not_enter_once_each_voids_the_result() {
    for (entered, twice, strangers) in [(899, 0, 0), (900, 1, 0), (900, 0, 1)] {
        let mut report = fixture(1);
        report.lists = vec![ListTaken { entered, twice, strangers, ..ListTaken::new("audience", 900) }];
        report.judge();
        let said =
            format!("of the 900 rows of the list for audience {entered} entered, {twice} of them once more");
        assert!(report.void.len() == 1 && report.void[0].starts_with(&said), "{:?}", report.void);
    }
}

#[test]
fn the_page_needs_nothing_from_outside_and_has_every_chart() {
    let page = page::page(&fixture(2));
    for outside in ["<script", "http://", "https://", "<link", "<img", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<svg").count(), 7);
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    for part in [
        "a &lt;b&gt; &amp; c",
        "pause hold (130 ms)",
        "Latency by percentile",
        "99.9 %",
        "Memory",
        "phase storm",
    ] {
        assert!(page.contains(part), "{part:?} is missing");
    }
    assert!(!page.contains("Nothing was measured"));
}

#[test]
fn starts_under_a_shut_gate_void_the_result_in_every_form() {
    let mut report = fixture(1);
    report.flips = vec![flip("pause", 0), flip("pause", 3), flip("freeze", 2)];
    report.judge();
    let said = "5 starts under a shut gate, after 2 answers; the first of these was to pause hold at 1970-01-01T00:00:02.030Z";
    assert_eq!(report.void, [said]);
    assert!(text::text(&report).contains(&format!("NO RESULT: {said}")));
    assert!(page::page(&report).contains("<p class=\"void\">No result: 5 starts"));
}

#[test]
fn a_phase_whose_schedule_was_not_kept_has_no_latencies_and_no_ratio() {
    let mut report = fixture(1);
    report.phases[0].latencies.clear();
    report.void.push("calm: the generator could not keep its schedule".to_owned());
    report.judge();
    assert_eq!(report.phases[1].p99_ratio, None);
    let said = "storm: its p99 cannot be compared with that of calm";
    assert_eq!(report.void[1..], [said], "calm has its reason already");
    assert!(text::text(&report).contains("no latencies"));
}

#[test]
fn a_phase_in_which_no_send_was_seen_is_no_result() {
    let mut report = fixture(1);
    report.phases[1].latencies.clear();
    report.judge();
    assert_eq!(report.void, ["storm: not one send was seen that began in it"]);
}

#[test]
fn what_is_poured_in_has_no_latencies_and_is_compared_by_its_cpu() {
    let mut report = fixture(1);
    for phase in &mut report.phases {
        phase.latencies.clear();
        phase.poured = true;
    }
    report.judge();
    assert_eq!((&*report.void, report.phases[1].cpu_ratio), (&[][..], Some(1.25)));
    assert!(text::text(&report).contains("poured in"));
    report.phases[0].cpu_ns = 0.0;
    report.judge();
    assert_eq!(report.void, ["storm: its own CPU an event cannot be compared with that of calm"]);
}

#[test]
fn a_ratio_is_only_that_of_the_same_thing_in_both_phases() {
    let mut report = fixture(2);
    let timers = || Latency { stage: "deadline_to_send".to_owned(), ..latency(10) };
    report.phases[1].latencies = vec![timers()];
    report.judge();
    assert_eq!(report.phases[1].p99_ratio, None);
    assert_eq!(report.void, ["storm: its p99 cannot be compared with that of calm"]);
    report.void.clear();
    report.phases[0].latencies = vec![timers()];
    report.judge();
    assert_eq!((report.phases[1].p99_ratio, report.void.len()), (Some(1.0), 0));
}

#[test]
fn a_stored_result_is_read_back_as_it_was_and_anything_else_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Files::prepare(&directory.path().join("deep/er"), "fixture").expect("it can be made");
    let report = fixture(3);
    save(&report, &files).expect("it can be written");
    assert_eq!(load(&files.json).expect("it is one"), report);
    assert!(files.page.is_file() && files.log.is_file() && !files.log_part.exists());
    for (text, said) in [("{}", "missing field"), ("no", "expected")] {
        std::fs::write(&files.json, text).expect("it can be written");
        let error = load(&files.json).expect_err(text).to_string();
        assert!(error.contains("is no result of `wayfarer-load run`: ") && error.contains(said), "{error}");
    }
}

#[test]
fn an_older_report_of_the_name_does_not_outlive_the_beginning_of_a_new_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Files::prepare(directory.path(), "fixture").expect("it can be written");
    save(&fixture(1), &files).expect("it can be written");
    std::fs::write(directory.path().join("other.json"), "").expect("it can be written");
    let again = Files::prepare(directory.path(), "fixture").expect("it can be written");
    assert!(
        files.json.exists() && files.page.exists(),
        "until the new run can begin it is all that there is"
    );
    again.clear().expect("it can be deleted");
    assert!(!files.json.exists() && !files.page.exists(), "it would look like the new one's");
    assert!(directory.path().join("other.json").exists());
}

#[test]
fn where_no_report_can_be_written_a_sentence_says_so_before_anything_runs() {
    let error = Files::prepare(Path::new("/proc/nowhere"), "x").expect_err("nothing can be made there");
    assert!(error.to_string().starts_with("cannot write reports into /proc/nowhere: "), "{error}");
}

#[test]
fn a_comparison_tells_ratios_and_what_cannot_be_compared() {
    let text = compare::text(&fixture(1), &fixture(2));
    assert!(text.contains("schedule_to_send p99") && text.contains("× 2.00"), "{text}");
    assert!(!text.contains("different"), "{text}");
    let mut other = fixture(1);
    other.machine.cores = 64;
    other.scenario.about = "else".to_owned();
    other.phases[0].name = "else".to_owned();
    other.void.push("so".to_owned());
    let text = compare::text(&fixture(1), &other);
    for part in [
        "after is NO RESULT: so",
        "asked for different things",
        "different machines",
        "else: only the second one has it",
        "calm: only the first one has it",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}
