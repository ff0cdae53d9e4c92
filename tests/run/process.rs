//! The threads of a running process over an embedded journal, without signals and without HTTP.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wayfarer::config::{SendsTo, Settings};
use wayfarer::control::range::{Ask, By};
use wayfarer::control::service::{Accepted, AcceptedKind, Answer, CommandError, Service};
use wayfarer::control::story::Chapter;
use wayfarer::control::{Act, Command, Manifest, Record};
use wayfarer::journal::Log;
use wayfarer::journal::embedded::{Embedded, EmbeddedOptions};
use wayfarer::journal::follow::Mode;
use wayfarer::journal::memory::Memory;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::metrics::Hub;
use wayfarer::worker::process::{Process, hub};
use wayfarer::worker::stage::Stage;

use super::world::REMINDER;

const WAIT: Duration = Duration::from_secs(30);
pub(crate) const SHARDS: u16 = 8;

pub(crate) fn settings(sends: SendsTo) -> Settings {
    let mut settings = Settings::default();
    settings.engine.shards = u32::from(SHARDS);
    settings.engine.workers = wayfarer::config::Workers::Count(2);
    settings.metrics.publish_interval = wayfarer::model::Interval::from_millis(10);
    settings.sends.file = sends;
    settings
}

fn start<L: Log>(log: &L) -> Process<L> {
    let settings = settings(SendsTo::Journal);
    let process = Process::start(log, &settings, false, &hub(&settings, SHARDS)).expect("it starts");
    process.wait_open().expect("the shards open");
    process
}

pub(crate) fn give(
    service: &dyn Service,
    id: &str,
    journey: &str,
    command: Command,
) -> Result<Answer, CommandError> {
    let (actor, role) = ("test".to_owned(), Role::Operator);
    let record = Record {
        id: id.to_owned(),
        at: None,
        actor,
        role,
        journey: journey.to_owned(),
        expect: None,
        command,
    };
    service.command(record, WAIT)
}

pub(crate) fn put(service: &dyn Service, text: &str) -> String {
    let definition = wayfarer::journey::source::load("t.toml", text.as_bytes()).expect("it is right");
    let id = definition.id.clone();
    give(service, "put", &id, Command::Put { definition: Box::new(definition) }).expect("it is put");
    id
}

pub(crate) fn act(service: &dyn Service, journey: &str, verb: Verb) -> Result<Answer, CommandError> {
    give(service, verb.as_str(), journey, Command::Act(Act::from(verb)))
}

pub(crate) fn event(user: &str, name: &str) -> Accepted {
    let bytes = format!(r#"{{"type":"track","userId":"{user}","event":"{name}"}}"#).into_bytes();
    Accepted { kind: AcceptedKind::Event, user: user.to_owned(), bytes }
}

/// Asks again until the answer is yes.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {WAIT:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_stop_that_is_answered_lets_no_node_start_any_more() {
    let process = start(&Memory::new(SHARDS));
    let service: Arc<dyn Service> = process.running().clone();
    let id = put(&*service, REMINDER);
    act(&*service, &id, Verb::Publish).expect("it goes live");
    service.accept((0..200).map(|n| event(&format!("u{n}"), "Start")).collect()).expect("they are accepted");
    until("everybody has entered", || service.journeys()[0].versions[0].entered == 200);
    let answer = act(&*service, &id, Verb::Stop).expect("it is taken");
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    service.accept(vec![event("late", "Start")]).expect("it is accepted");
    until("the late one is refused", || service.journeys()[0].refused == [("entry_shut".to_owned(), 1)]);
    let view = &service.journeys()[0];
    let version = &view.versions[0];
    assert_eq!((version.draining, version.waiting, version.conserved), (200, 0, true));
    assert_eq!((view.state.as_str(), service.health().ready), ("Stopped", true));
    let refused = act(&*service, &id, Verb::Resume).expect_err("a stopped journey is over").to_string();
    assert!(refused.contains("resume") && refused.contains("Stopped"), "{refused}");
    process.stop();
}

/// G20, G40: what is kept of a user, and what moved in the hours that are committed.
#[test]
fn a_server_looks_back_at_one_user_and_at_a_range_of_dates() {
    let place = tempfile::tempdir().expect("a directory");
    let log = Embedded::open(place.path(), EmbeddedOptions { shards: SHARDS, ..EmbeddedOptions::default() });
    let log = log.expect("a new journal");
    let process = start(&log);
    let service: Arc<dyn Service> = process.running().clone();
    let id = put(&*service, REMINDER);
    act(&*service, &id, Verb::Publish).expect("it goes live");
    service.accept((0..50).map(|n| event(&format!("u{n}"), "Start")).collect()).expect("they are accepted");
    until("everybody has entered", || service.journeys()[0].versions[0].entered == 50);
    act(&*service, &id, Verb::Pause).expect("it is taken");
    service.accept(vec![event("u7", "Start")]).expect("it is accepted");
    until("a second time is refused", || service.journeys()[0].refused == [("entry_shut".to_owned(), 1)]);
    let told: Vec<String> = story(&*service, "u7", Some(&id));
    assert_eq!(
        told,
        [
            "entered",
            "started hello",
            "sent hello",
            "message hello to u7",
            "started patience",
            "waiting patience",
            "refused entry_shut (Paused)"
        ]
    );
    assert!(story(&*service, "u7", Some("another")).is_empty(), "another journey has nothing to tell");
    for (by, buckets) in [(By::Day, 1..=2), (By::Hour, 1..=2)] {
        let report = service.statistics(&id, &Ask { by, ..Ask::default() }).expect("it is told");
        let [version] = &report.versions[..] else { panic!("one version: {report:?}") };
        assert!(buckets.contains(&version.buckets.len()), "the clock may pass an hour: {report:?}");
        assert_eq!((version.total.entered, version.total.sent), (50, 50));
        assert_eq!((version.now.waiting, version.nodes["patience"].waiting), (50, 50));
    }
    let none =
        Ask { from: Some("2020-01-01".to_owned()), to: Some("2020-01-31".to_owned()), ..Ask::default() };
    let report = service.statistics(&id, &none).expect("it is told");
    assert!(report.versions[0].buckets.is_empty(), "nothing moved then");
    assert_eq!(report.versions[0].now.waiting, 50, "who waits waits now, whatever the range");
    let unknown = service.statistics("nobody", &Ask::default()).expect_err("there is none").to_string();
    assert!(unknown.contains("no journey \"nobody\""), "{unknown}");
    let live = serde_json::to_string(&service.explain("u7", None).expect("it is told")).expect("JSON");
    process.stop();
    drop((service, log));
    let stopped = wayfarer::look::explain(place.path(), "u7", None, true).expect("nobody has the directory");
    assert_eq!(stopped, format!("{live}\n"), "a stopped journal tells what the server told");
}

/// What is told of a user, in short.
fn story(service: &dyn Service, user: &str, journey: Option<&str>) -> Vec<String> {
    let story = service.explain(user, journey).expect("it is told");
    assert_eq!(story.left_out, 0);
    let word = |chapter: &Chapter| match chapter {
        Chapter::Moved(moved) => {
            format!("{} {}", moved.what, moved.node.as_deref().unwrap_or("")).trim().to_owned()
        }
        Chapter::Refused(refused) => format!("refused {} ({})", refused.reason, refused.state),
        Chapter::Sent(sent) => {
            assert_eq!(sent.key.len(), 32, "a send is told with its key");
            format!("message {} to {}", sent.content, sent.user)
        }
        other => format!("{other:?}"),
    };
    story.records.iter().map(word).collect()
}

#[test]
fn a_limit_is_never_exceeded_and_is_used_up_under_demand() {
    let process = start(&Memory::new(SHARDS));
    let service: Arc<dyn Service> = process.running().clone();
    let id = put(&*service, &REMINDER.replace("reentry = \"always\"", "reentry = \"always\"\nlimit = 100"));
    act(&*service, &id, Verb::Publish).expect("it goes live");
    for hundred in 0..5 {
        let users = (0..100).map(|n| event(&format!("u{hundred}-{n}"), "Start"));
        service.accept(users.collect()).expect("they are accepted");
    }
    let seen = || {
        let view = service.journeys().remove(0);
        let refused: u64 = view.refused.iter().map(|(_, n)| n).sum();
        (view.versions.first().map_or(0, |v| v.entered), refused)
    };
    until("all are in or refused", || {
        let (entered, refused) = seen();
        assert!(entered <= 100, "{entered} entered");
        entered + refused == 500
    });
    assert_eq!(seen(), (100, 400));
    process.stop();
}

#[test]
fn a_list_whose_end_every_shard_has_taken_completes_its_journey() {
    let process = start(&Memory::new(SHARDS));
    let service: Arc<dyn Service> = process.running().clone();
    let id = put(&*service, &REMINDER.replace("event = \"Start\"", "list = \"vips\""));
    let manifest = Command::List(Manifest { list: String::new(), rows: 0 });
    let record = Record {
        id: "list".to_owned(),
        at: None,
        actor: "test".to_owned(),
        role: Role::Operator,
        journey: id.clone(),
        expect: None,
        command: manifest,
    };
    let rows = |n: usize| (0..n).map(|n| (format!("u{n}"), b"{}".to_vec())).collect::<Vec<_>>();
    service.upload(record.clone(), rows(3_000), WAIT).expect("it is taken");
    service.upload(record, rows(3_000), WAIT).expect("a repeat gets the first answer");
    act(&*service, &id, Verb::Publish).expect("it goes live");
    until("the list is processed", || service.journeys()[0].state == "Completed");
    assert_eq!(service.journeys()[0].versions[0].entered, 3_000);
    process.stop();
}

#[test]
fn lines_of_the_standard_input_are_accepted_and_those_that_are_none_become_dead_letters() {
    let process = start(&Memory::new(SHARDS));
    let service: Arc<dyn Service> = process.running().clone();
    let id = put(&*service, REMINDER);
    act(&*service, &id, Verb::Publish).expect("it goes live");
    let mut text = String::from("no event\n\n");
    for n in 0..10_000 {
        text.push_str(&format!("{{\"type\":\"track\",\"userId\":\"u{n}\",\"event\":\"Start\"}}\r\n"));
    }
    text.push_str("{\"type\":\"track\",\"userId\":\"last\",\"event\":\"Start\"}");
    let stage = Arc::new(Stage::new(process.running().clone(), Hub::new(1, 1)));
    stage.read(std::io::Cursor::new(text)).expect("it starts");
    let entered = || service.journeys()[0].versions.first().map_or(0, |version| version.entered);
    until("all are in", || entered() == 10_001);
    let rejects = service.rejects(0, 10).expect("they can be read");
    assert_eq!(rejects.len(), 1);
    assert_eq!((rejects[0].code.as_str(), rejects[0].source.as_str()), ("not_json", "events"));
    assert_eq!(wayfarer::worker::story::from_base64(&rejects[0].bytes).as_deref(), Some(&b"no event"[..]));
    process.stop();
}

fn follow(directory: &Path, file: &Path, mode: Mode) -> Process<Embedded> {
    let options = EmbeddedOptions { shards: SHARDS, ..EmbeddedOptions::default() };
    let log = Embedded::open(&directory.join("data"), options).expect("the journal opens");
    let sends = SendsTo::File(directory.join("sends.jsonl"));
    let settings = settings(sends);
    let mut process = Process::start(&log, &settings, true, &hub(&settings, SHARDS)).expect("it starts");
    let files = process.wait_open().expect("the shards open");
    process.follow(file, mode, &files).expect("the file is the one that was read");
    process
}

#[test]
fn while_a_followed_file_cannot_be_read_no_time_passes_and_health_says_why() {
    let place = tempfile::tempdir().expect("a directory");
    let (file, away) = (place.path().join("events.jsonl"), place.path().join("away.jsonl"));
    let start = |user: &str| format!(r#"{{"type":"track","userId":"{user}","event":"Start"}}"#);
    fs::write(&file, "").expect("it is written");
    let process = follow(place.path(), &file, Mode::Follow);
    let service: Arc<dyn Service> = process.running().clone();
    let id = put(&*service, &REMINDER.replace("10m", "300ms"));
    act(&*service, &id, Verb::Publish).expect("it goes live");
    fs::write(&file, start("bob") + "\n").expect("it is written");
    let sent = || fs::read_to_string(place.path().join("sends.jsonl")).map_or(0, |text| text.lines().count());
    until("bob is greeted", || sent() == 1);
    fs::rename(&file, &away).expect("it is moved away");
    until("health says so", || service.health().why.is_some_and(|why| why.contains("events.jsonl")));
    // An event that is accepted now, and with it the time of the shards, waits for what the file says.
    service.accept(vec![event("bob", "Start")]).expect("it is accepted");
    let line = r#"{"type":"track","userId":"bob","event":"Stop it"}"#;
    fs::write(&away, format!("{}\n{line}\n", start("bob"))).expect("it is written");
    let due = std::time::Instant::now() + std::time::Duration::from_millis(600);
    until("the reminder is overdue", || std::time::Instant::now() > due);
    assert_eq!(sent(), 1, "no time passes");
    fs::rename(&away, &file).expect("it is moved back");
    until("the event is taken", || sent() == 3);
    assert!(service.health().ready);
    process.stop();
    let sends = fs::read_to_string(place.path().join("sends.jsonl")).expect("the sends are there");
    let nodes: Vec<&str> =
        sends.lines().map(|line| if line.contains("\"again\"") { "again" } else { "hello" }).collect();
    assert_eq!(nodes, ["hello", "hello", "again"], "the first reminder is off, the second is not");
}

#[test]
fn a_followed_file_is_reflected_once_however_often_the_process_starts_anew() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("events.jsonl");
    let mut events = fs::File::create(&file).expect("it is made");
    let entered = |process: &Process<Embedded>| {
        let views = process.running().journeys();
        views.first().and_then(|view| view.versions.first()).map_or(0, |version| version.entered)
    };
    for life in 0u64..6 {
        let process = follow(place.path(), &file, Mode::Follow);
        if life == 0 {
            let id = put(&**process.running(), REMINDER);
            act(&**process.running(), &id, Verb::Publish).expect("it goes live");
        }
        for n in 0..700 {
            let user = life * 1_000 + n;
            writeln!(events, r#"{{"type":"track","userId":"u{user}","event":"Start"}}"#).expect("written");
        }
        // Some lives end in the middle of what was written.
        if life % 2 == 0 {
            until("the file is read", || entered(&process) == (life + 1) * 700);
        }
        process.stop();
    }
    let process = follow(place.path(), &file, Mode::Whole);
    until("the file is read", || entered(&process) == 6 * 700);
    process.stop();
    let sends = fs::read_to_string(place.path().join("sends.jsonl")).expect("the sends are there");
    assert_eq!(sends.lines().count(), 6 * 700);
    fs::write(&file, "{}\n").expect("it is written");
    let options = EmbeddedOptions { shards: SHARDS, ..EmbeddedOptions::default() };
    let log = Embedded::open(&place.path().join("data"), options).expect("the journal opens");
    let settings = settings(SendsTo::Journal);
    let mut process = Process::start(&log, &settings, true, &hub(&settings, SHARDS)).expect("it starts");
    let files = process.wait_open().expect("the shards open");
    let refused = process.follow(&file, Mode::Follow, &files).expect_err("another file").to_string();
    assert!(refused.contains("truncated or replaced"), "{refused}");
    process.stop();
}
