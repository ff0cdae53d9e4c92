//! What `wayfarer-load run` promises: every scenario of the repository can be run, one does run on a real Kafka, and what
//! cannot be run is refused with one sentence and leaves no report.
#![allow(missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use wayfarer::journey::source;
use wayfarer_broker::Broker;
use wayfarer_load::report;
use wayfarer_load::report::form::{Gate, Report};
use wayfarer_load::scenario::{On, read};

const LOAD: &str = env!("CARGO_BIN_EXE_wayfarer-load");
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

fn load(arguments: &[&str]) -> Output {
    Command::new(LOAD).args(arguments).output().expect("the program starts")
}

/// The program that the workspace's build puts beside this one.
fn wayfarer() -> PathBuf {
    let program = PathBuf::from(LOAD).with_file_name("wayfarer");
    assert!(program.is_file(), "{} is missing: `cargo build` makes it", program.display());
    program
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in text")
}

#[test]
fn every_scenario_is_right_and_its_journeys_have_no_problem() {
    let files = std::fs::read_dir(SCENARIOS).expect("they are there").filter_map(Result::ok);
    let files =
        files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let mut names = Vec::new();
    for path in files {
        let scenario = read::scenario(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(&*scenario.name));
        let mut ids = Vec::new();
        let other = scenario.other().map_or(&[][..], |other| other.journey);
        let mut others = Vec::new();
        for (journey, is_own) in
            scenario.journey.iter().map(|own| (own, true)).chain(other.iter().map(|other| (other, false)))
        {
            let published = journey.published(Path::new(SCENARIOS)).unwrap_or_else(|error| panic!("{error}"));
            for one in published.iter().take(3) {
                let reading = source::read("journey.toml", one.text.as_bytes());
                assert!(
                    reading.definition.is_some() && reading.problems.is_empty(),
                    "{:?}",
                    reading.problems
                );
            }
            let ids = if is_own { &mut ids } else { &mut others };
            ids.extend(published.into_iter().map(|one| one.id));
        }
        for operated in scenario.operated() {
            assert!(ids.contains(&operated), "{}: {operated} is none of its journeys", scenario.name);
        }
        names.push(scenario.name);
    }
    names.sort();
    let all = [
        "bare",
        "drain",
        "gate-storm",
        "hot-user",
        "list",
        "many-journeys",
        "release",
        "restart",
        "saturation",
        "scale",
        "soak",
        "steady",
        "timers",
    ];
    assert_eq!(names, all);
}

/// What a comment of a scenario says to set, line by line.
fn said_to_set(file: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file).expect("it is there");
    let lines = text.lines().filter(|line| line.starts_with('#') && line.contains("--set "));
    let sets = |line: &str| {
        let parts =
            line.split("--set ").skip(1).map(|part| part.split_whitespace().next().unwrap_or_default());
        parts.map(|part| part.trim_matches('\'').to_owned()).collect()
    };
    lines.map(sets).collect()
}

#[test]
fn whatever_size_the_head_of_a_scenario_tells_to_set_can_be_set() {
    let mut large = Vec::new();
    for name in [
        "bare",
        "drain",
        "list",
        "many-journeys",
        "release",
        "restart",
        "saturation",
        "scale",
        "soak",
        "steady",
        "timers",
    ] {
        let path = Path::new(SCENARIOS).join(format!("{name}.toml"));
        let said = said_to_set(&path);
        assert!(!said.is_empty(), "{name} says no other size");
        for sets in &said {
            let scenario = read::scenario(&path, sets).unwrap_or_else(|error| panic!("{error}"));
            large.push((name, scenario.fill.users.max(scenario.rows()), scenario.fill.over.to_string()));
        }
    }
    for (name, users, over) in [
        ("drain", 10_000_000, "0s"),
        ("list", 10_000_000, "0s"),
        ("release", 1_000_000, "0s"),
        ("restart", 10_000_000, "0s"),
        ("scale", 10_000_000, "0s"),
        ("timers", 10_000_000, "0s"),
        ("timers", 10_000_000, "1h"),
    ] {
        assert!(
            large.contains(&(name, users, over.to_owned())),
            "{name} with {users} is missing in {large:?}"
        );
    }
}

/// Or else its ratio by CPU would be that of another work.
#[test]
fn a_thousand_journeys_and_the_one_that_they_are_compared_with_take_as_many_carts() {
    let path = Path::new(SCENARIOS).join("many-journeys.toml");
    let sets = said_to_set(&path).remove(0);
    let taken = |sets: &[String]| -> usize {
        let scenario = read::scenario(&path, sets).unwrap_or_else(|error| panic!("{error}"));
        let published = scenario.journey[1].published(Path::new(SCENARIOS)).expect("it is right");
        let within = published.iter().map(|one| {
            let text: toml::Table = one.text.parse().expect("it is TOML");
            let condition = text["entry"]["where"].as_str().expect("a condition").to_owned();
            let bounds = condition.split(' ').filter_map(|part| part.parse::<f64>().ok());
            let cents: Vec<i64> = bounds.map(|bound| (bound * 100.0).round() as i64).collect();
            (cents[0] + 1..cents[1]).filter(|value| (1_000..91_000).contains(value)).count()
        });
        within.sum()
    };
    assert_eq!((taken(&[]), taken(&sets)), (44_100, 44_100));
}

/// Or else what one of them still has to do disturbs the other one's phase.
#[test]
fn where_several_have_the_load_in_turns_no_wait_ends() {
    for name in ["bare", "scale"] {
        let path = Path::new(SCENARIOS).join(format!("{name}.toml"));
        let scenario = read::scenario(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            scenario.rounds >= 3 && scenario.phase.iter().any(|phase| phase.on != On::Wayfarer),
            "{name}"
        );
        let other = scenario.other().map_or(&[][..], |other| other.journey);
        for (key, wait) in scenario.journey.iter().chain(other).flat_map(|journey| &journey.values) {
            let is_wait = ["wait", "patience"].contains(&key.as_str());
            assert!(!is_wait || wait == "30d", "{name}: {key} = {wait}");
        }
    }
}

#[test]
fn a_soak_is_under_load_for_as_long_as_is_asked_and_its_report_has_a_place_of_its_own() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let said = Command::new("make").args(["-n", "-C", root, "soak", "SOAK_LOAD=40s"]).output();
    let said = said.expect("there is a make");
    let said = String::from_utf8_lossy(&said.stdout).replace("\\\n", " ");
    let run = said.lines().find(|line| line.contains("wayfarer-load run loadtest/scenarios/soak.toml"));
    let words: Vec<&str> = run.expect("a soak has a load").split_whitespace().collect();
    let after = |option: &str| {
        words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).unwrap_or_else(|| {
            panic!("{option} is missing: {words:?}");
        })
    };
    assert!(after("--out").starts_with("target/soak/20"), "{words:?}");
    let path = Path::new(SCENARIOS).join("soak.toml");
    let length =
        |sets: &[String]| read::scenario(&path, sets).map(|scenario| scenario.phase[0].length.to_string());
    assert_eq!(length(&[(*after("--set")).to_owned()]).expect("the shortest one is right"), "40s");
    assert_eq!(length(&[]).expect("it is right"), "1h");
}

/// Small, with everything: a fill under a shut gate, events over HTTP, both dialects, a verb each half second.
const SMALL: &str = r#"
name = "small"
about = "All of it, in small."
sink = "http"
system = { partitions = 4, workers = 1 }
events = { users = 500, duplicates = 0.01, out_of_order = 0.01 }
# The machine of a test is anybody's; latencies of it are nothing to quote.
keeping = { late_after = "2s", late_share = 0.5 }
fill = { users = 300, before = [{ journeys = ["hold"], verbs = ["pause"] }] }

[[journey]]
file = "SCENARIOS/journeys/thanks.toml"
[[journey]]
file = "SCENARIOS/journeys/cart.toml"
values = { patience = "500ms" }
[[journey]]
file = "SCENARIOS/journeys/viewed.toml"
[[journey]]
file = "SCENARIOS/journeys/hold.toml"

[[phase]]
name = "calm"
for = "2s"
load = { rate = 500 }

[[phase]]
name = "storm"
for = "4s"
load = { rate = 500, shape = "burst", peak = 900, period = "2s", burst = "500ms" }
against = "calm"
act = [
  { at = "200ms", every = "500ms", journeys = ["viewed"], verbs = ["pause", "reactivate", "freeze", "reactivate"] },
  { at = "300ms", every = "500ms", journeys = ["cart"], verbs = ["pause", "resume"] },
  { at = "1s", every = "100ms", times = 2, journeys = ["hold"], verbs = ["reactivate", "resume"] },
]
"#;

#[test]
fn a_small_scenario_runs_to_a_report_in_which_nothing_started_under_a_shut_gate() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, out) = (directory.path().join("small.toml"), directory.path().join("out"));
    std::fs::write(&file, SMALL.replace("SCENARIOS", SCENARIOS)).expect("it can be written");
    let broker = Broker::shared().expect("a broker");
    let program = wayfarer();
    let ran =
        load(&["run", text(&file), "--brokers", broker, "--program", text(&program), "--out", text(&out)]);
    let (said, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}{error}");
    let stored = out.join("small.json");
    let report = report::load(&stored).expect("it is a result");
    assert_eq!(report.void, Vec::<String>::new());
    let counts = |phase: usize, stage| report.phases[phase].latency(stage).map_or(0, |latency| latency.count);
    assert_eq!(report.phases.iter().map(|phase| phase.name.as_str()).collect::<Vec<_>>(), ["calm", "storm"]);
    assert!(counts(0, "schedule_to_send") > 20, "{said}");
    assert!(report.phases[1].p99_ratio.is_some_and(|ratio| ratio > 0.0), "{said}");
    assert!((999..=1_001).contains(&report.phases[0].events), "{said}");
    let shut = |gate| report.flips.iter().filter(|flip| flip.shut.contains(&gate)).count();
    assert!(shut(Gate::Entry) >= 4 && shut(Gate::Movement) >= 4, "{:?}", report.flips);
    for (journey, gate) in [("cart", Gate::Entry), ("viewed", Gate::Movement)] {
        let of = report.flips.iter().filter(|flip| flip.journey == journey && flip.shut.contains(&gate));
        let seen: u64 = of.map(|flip| flip.starts_before).sum();
        assert!(seen > 0, "where nothing started nothing is proved of {gate:?}: {:?}", report.flips);
    }
    assert!(report.samples.iter().any(|sample| sample.memory > 0 && sample.cpu_ns > 0 && sample.done > 300));
    let released = report.samples.last().map_or(0, |sample| sample.sends);
    assert!(released >= 300, "the 300 who were held are greeted, and more: {released}");
    for file in ["small.html", "small.hlog", "small.instance-0.hlog"] {
        assert!(out.join(file).metadata().is_ok_and(|of| of.len() > 100), "{file}");
    }
    // What is stored can be told again, and compared.
    let again = load(&["report", text(&stored)]);
    let told = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && told.contains("p99 of storm over that of calm"), "{told}");
    let compared = load(&["compare", text(&stored), text(&stored)]);
    assert!(String::from_utf8_lossy(&compared.stdout).contains("× 1.00"));
}

/// The bare loop, a second deployment and a list, in two rounds or one.
const SIDES: &str = r#"
name = "sides"
about = "Everybody who can have the load."
system = { partitions = 4, workers = 1, settings = { "metrics.journeys_max" = 2 } }
events = { users = 300 }
keeping = { late_after = "2s", late_share = 0.5 }
fill = { users = 300 }
rounds = 2

[[journey]]
file = "SCENARIOS/journeys/thanks.toml"
[[journey]]
file = "SCENARIOS/journeys/inside.toml"
values = { drain = "30d", wait = "30d" }

[beside]
system = { partitions = 2, workers = 1 }
events = { users = 50 }
fill = { users = 50 }
[[beside.journey]]
file = "SCENARIOS/journeys/thanks.toml"

[[phase]]
name = "large"
for = "1s"
load = { rate = 1200 }
[[phase]]
name = "small"
on = "beside"
for = "1s"
load = { rate = 1200 }
against = "large"
[[phase]]
name = "limit"
on = "bare"
for = "1s"
load = { rate = 1200 }
against = "large"
"#;

/// Two deployments into which as much is poured as goes in.
const POURED: &str = r#"
name = "poured"
about = "Own CPU of one over that of another."
system = { partitions = 4, workers = 1 }
events = { users = 300 }

[[journey]]
file = "SCENARIOS/journeys/thanks.toml"
[beside]
system = { partitions = 4, workers = 1 }
[[beside.journey]]
file = "SCENARIOS/journeys/thanks.toml"

[[phase]]
name = "small"
on = "beside"
pour = 40000
[[phase]]
name = "large"
pour = 40000
against = "small"
"#;

#[test]
fn where_events_are_poured_in_own_cpu_an_event_is_compared() {
    let (report, page) = ran(POURED, "poured");
    for phase in &report.phases {
        assert!(phase.poured && phase.latencies.is_empty() && phase.events == 40_000);
        assert!(phase.cpu_ns > 0.0 && phase.throughput > 0.0, "{phase:?}");
    }
    assert!(report.phases[1].cpu_ratio.is_some_and(|ratio| ratio > 0.0));
    assert!(page.contains("own CPU an event of large over that of small: "));
}

/// A scenario in its own directory, run on the shared broker; its report.
fn ran(scenario: &str, name: &str) -> (Report, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, out) = (directory.path().join("s.toml"), directory.path().join("out"));
    std::fs::write(&file, scenario.replace("SCENARIOS", SCENARIOS)).expect("it can be written");
    let (broker, program) = (Broker::shared().expect("a broker"), wayfarer());
    let ran =
        load(&["run", text(&file), "--brokers", broker, "--program", text(&program), "--out", text(&out)]);
    let (said, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}{error}");
    let report = report::load(&out.join(format!("{name}.json"))).expect("it is a result");
    assert_eq!(report.void, Vec::<String>::new());
    let page = std::fs::read_to_string(out.join(format!("{name}.html"))).expect("there is a page");
    (report, page)
}

#[test]
fn the_bare_loop_and_a_second_deployment_have_the_load_in_turns_and_are_compared() {
    let (report, page) = ran(SIDES, "sides");
    let phase = |name: &str| {
        report.phases.iter().find(|phase| phase.name == name).unwrap_or_else(|| panic!("{name}"))
    };
    for round in ["", ".2"] {
        for (name, on) in [("large", On::Wayfarer), ("small", On::Beside), ("limit", On::Bare)] {
            let phase = phase(&format!("{name}{round}"));
            assert_eq!(phase.on, on);
            let sends = phase.latency("schedule_to_send").map_or(0, |latency| latency.count);
            assert!(sends > 20, "{}: {sends} sends", phase.name);
            assert!(phase.cpu_ns > 0.0, "{}: its processes were seen at work", phase.name);
            assert!(phase.broker_cpu_ns.is_some_and(|ns| ns > 0.0), "{}: the broker is here", phase.name);
            let compared = phase.p99_ratio.zip(phase.cpu_ratio);
            assert_eq!(compared.is_some(), on != On::Wayfarer, "{}: {compared:?}", phase.name);
        }
        // Of the same events as many are sends, whoever has them: the bare loop sends what Wayfarer would.
        let share = |name: &str| {
            let phase = phase(&format!("{name}{round}"));
            phase.latencies[0].count as f64 / phase.events as f64
        };
        let (ours, bare) = (share("large"), share("limit"));
        assert!(
            (0.6..1.6).contains(&(bare / ours)),
            "{bare} of the bare loop's events are sends, {ours} of ours"
        );
    }
    let on = |on| report.samples.iter().filter(|sample| sample.on == on).count();
    assert!([On::Wayfarer, On::Beside, On::Bare].into_iter().all(|one| on(one) > 4), "each was watched");
    for part in [
        "p99 of limit over that of large: ",
        "own CPU an event of small over that of large: ",
        "of 2 rounds, from ",
    ] {
        assert!(page.contains(part), "{part:?}");
    }
    assert!(
        page.contains("limit schedule_to_send") && page.contains("large schedule_to_send"),
        "both curves"
    );
}

#[test]
fn the_bare_loop_has_nothing_to_do_where_no_journey_sends_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, out) = (directory.path().join("s.toml"), directory.path().join("out"));
    let quiet =
        SIDES.replacen("journeys/thanks.toml", "journeys/cart.toml\"\nvalues = { patience = \"1s\" }\n#", 1);
    std::fs::write(&file, quiet.replace("SCENARIOS", SCENARIOS)).expect("it can be written");
    let (broker, program) = (Broker::shared().expect("a broker"), wayfarer());
    let more = ["--brokers", broker, "--program", text(&program), "--set", "rounds=1"];
    let said = refused(text(&file), &more, &out);
    assert!(said.contains("no journey sends at once to everybody who causes an event"), "{said}");
}

/// A list of some users is taken while others buy.
const LIST: &str = r#"
name = "taken"
about = "A list in small."
system = { partitions = 4, workers = 1 }
events = { users = 300 }
keeping = { late_after = "2s", late_share = 0.5 }

[[journey]]
file = "SCENARIOS/journeys/thanks.toml"
[[journey]]
file = "SCENARIOS/journeys/audience.toml"

[[phase]]
name = "calm"
for = "2s"
load = { rate = 600 }
[[phase]]
name = "list"
for = "3s"
load = { rate = 600 }
against = "calm"
act = [{ at = "200ms", journeys = ["audience"], rows = 3000, verbs = ["activate"] }]
"#;

#[test]
fn a_list_is_taken_beside_live_traffic_each_row_once() {
    let (report, page) = ran(LIST, "taken");
    let list = &report.lists[0];
    assert_eq!(
        (report.lists.len(), list.rows, list.entered, list.twice, list.strangers),
        (1, 3_000, 3_000, 0, 0)
    );
    assert!(list.asked <= list.uploaded && list.took_ms.is_some(), "{list:?}");
    assert!(report.phases[1].p99_ratio.is_some_and(|ratio| ratio > 0.0));
    // Those on the list are sent something too, and that is no latency of live traffic.
    let sends = report.samples.last().map_or(0, |sample| sample.sends);
    let counted: u64 =
        report.phases.iter().flat_map(|phase| &phase.latencies).map(|latency| latency.count).sum();
    assert!(sends >= 3_000 + counted, "{sends} sends, {counted} of them count");
    assert!(page.contains("list of 3000 rows for audience: uploaded in "));
}

/// `SMALL` whose second phase has two hours, and something else in it.
fn two_hours(directory: &Path, from: &str, to: &str) -> PathBuf {
    let file = directory.join("small.toml");
    let text = SMALL.replace("\"4s\"", "\"2h\"").replacen(from, to, 1).replace("SCENARIOS", SCENARIOS);
    std::fs::write(&file, text).expect("it can be written");
    file
}

#[test]
fn a_verb_that_is_refused_ends_the_run_at_once_and_leaves_no_report() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let file = two_hours(directory.path(), "\"freeze\"", "\"publish\"");
    let (broker, program) = (Broker::shared().expect("a broker"), wayfarer());
    let more = ["--brokers", broker, "--program", text(&program)];
    let said = refused(text(&file), &more, &out);
    assert!(said.contains("publish viewed was refused with "), "{said}");
}

#[test]
fn an_instance_that_ends_by_itself_ends_the_run_and_leaves_no_report() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let file = two_hours(directory.path(), "for = \"2s\"", "for = \"2h\"");
    let (broker, program) = (Broker::shared().expect("a broker"), wayfarer());
    let mut command = Command::new(LOAD);
    command.args(["run", text(&file), "--brokers", broker, "--program", text(&program), "--out", text(&out)]);
    let ran = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let until = Instant::now() + Duration::from_secs(60);
    let is_measured = || out.join("small.hlog.part").metadata().is_ok_and(|file| file.len() > 0);
    while !is_measured() {
        assert!(Instant::now() < until, "nothing is measured");
        std::thread::sleep(Duration::from_millis(50));
    }
    // It has one child: the instance.
    let children =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", ran.id())).unwrap_or_default();
    let child = children.split_whitespace().next().expect("it has a child");
    let killed = Command::new("kill").args(["-9", child]).status().expect("there is a kill");
    assert!(killed.success());
    let ended = ran.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.starts_with("wayfarer-load: instance 0: it ended by itself: "), "{said}");
    assert!(ended.status.code() == Some(1) && !out.join("small.json").exists());
}

/// The log of intervals finds no room: the limit is that of a file's size, which a shell sets for those it starts.
#[test]
fn a_watcher_that_fails_ends_the_run_with_its_sentence_and_leaves_no_report() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, out) = (two_hours(directory.path(), "", ""), directory.path().join("out"));
    let (broker, program) = (Broker::shared().expect("a broker"), wayfarer());
    let mut command = Command::new("sh");
    // What may not become longer than 8 blocks of 512 bytes is refused, rather than the end of the process.
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"", LOAD, "run", text(&file)]);
    command.args(["--brokers", broker, "--program", text(&program), "--out", text(&out)]);
    let ran = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&ran.stderr).trim_end().to_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("wayfarer-load: cannot write the log of intervals: ") && !said.contains('\n'),
        "{said}"
    );
    for end in ["json", "html", "hlog", "hlog.part"] {
        assert!(!out.join(format!("small.{end}")).exists(), "small.{end} would look whole");
    }
}

#[test]
fn a_run_whose_schedule_was_not_kept_is_no_result_and_has_no_latencies() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, out) = (directory.path().join("small.toml"), directory.path().join("out"));
    std::fs::write(&file, SMALL.replace("SCENARIOS", SCENARIOS)).expect("it can be written");
    let (broker, program) = (Broker::shared().expect("a broker"), wayfarer());
    // Every event is some microseconds late.
    let mut arguments = vec!["run", text(&file), "--brokers", broker, "--program", text(&program)];
    arguments.extend([
        "--out",
        text(&out),
        "--set",
        "keeping.late_after=0s",
        "--set",
        "keeping.late_share=0",
    ]);
    let ran = load(&arguments);
    let (said, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(1), "{said}{error}");
    let report = report::load(&out.join("small.json")).expect("it is stored, with why");
    for phase in ["calm", "storm"] {
        let why = format!("{phase}: the generator could not keep its schedule: ");
        assert_eq!(
            report.void.iter().filter(|reason| reason.starts_with(&why)).count(),
            1,
            "{:?}",
            report.void
        );
    }
    assert_eq!(report.void.len(), 2, "no reason is told twice: {:?}", report.void);
    assert!(report.phases.iter().all(|phase| phase.latencies.is_empty() && phase.p99_ratio.is_none()));
    assert!(said.contains("NO RESULT: calm: ") && said.contains("no latencies"), "{said}");
}

/// One line on the standard error, no success, and no report.
fn refused(scenario: &str, more: &[&str], out: &Path) -> String {
    let mut arguments = vec!["run", scenario, "--out", text(out)];
    arguments.extend(more);
    let ran = load(&arguments);
    let said = String::from_utf8_lossy(&ran.stderr).trim_end().to_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(!said.contains('\n'), "one sentence: {said}");
    for end in ["json", "html"] {
        assert!(!out.join(format!("steady.{end}")).exists(), "no report looks whole");
    }
    said
}

#[test]
fn what_cannot_be_run_is_refused_with_one_sentence_and_leaves_no_report() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let steady = format!("{SCENARIOS}/steady.toml");
    let program = wayfarer();
    let program = ["--program", text(&program)];
    let set = |set| ["--set", set, program[0], program[1]];
    for (more, part) in [
        (&set("phase.0.fro=1s")[..], "`fro` is no key here; did you mean `for`?"),
        (&set("phase.0.of_saturation=500"), "of_saturation is 500: above 0, up to 100 percent"),
        (&set("events.users=-1"), "events.users=-1"),
        (&["--program", "/nowhere/wayfarer"], "cannot start /nowhere/wayfarer: "),
        (&["--program", "/bin/true"], "/bin/true is no wayfarer: "),
        (&[program[0], program[1], "--brokers", "127.0.0.1:1"], "no broker answers at 127.0.0.1:1: "),
    ] {
        let said = refused(&steady, more, &out);
        assert!(said.contains(part), "{said}");
    }
    let said = refused(&steady, &program, Path::new("/proc/nowhere"));
    assert!(said.contains("cannot write reports into /proc/nowhere: "), "{said}");
    let said = refused("/nowhere.toml", &program, &out);
    assert!(said.contains("cannot read /nowhere.toml: "), "{said}");
}
