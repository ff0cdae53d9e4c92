//! The whole process, killed at random moments under load, with operators at work: nothing that was answered is
//! lost, nothing leaves twice, no gate that was shut is open again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wayfarer::journal::embedded::Embedded;
use wayfarer::journal::{Assignment, Log, Reject, Stream};
use wayfarer::model::hash::shard_of;
use wayfarer::model::wire::{RefusalRecord, TransitionRecord};
use wayfarer::worker::cycle::{Cycle, Options};

use super::load::{FED, Operator, ROWS, Sent, feed, send, sum};
use super::place::{Place, Random, SHARDS, Server, until};
use super::world::{REMINDER, stream_of};

/// How many clients send events and entries.
const CLIENTS: u64 = 3;

/// Two messages with a short while between them.
fn journey(id: &str, dialect: &str, entry: &str) -> String {
    let text = REMINDER.replace("\"10m\"", "\"150ms\"").replace("\"reminder\"", &format!("{id:?}"));
    text.replace("clevertap", dialect).replace("event = \"Start\"", entry)
}

/// The journey that an operator puts, over a list.
pub(crate) fn list_journey() -> String {
    journey("vips", "clevertap", "list = \"vips\"")
}

fn place() -> Place {
    let by_event = |id: &str, dialect| journey(id, dialect, &format!("event = {id:?}"));
    let journeys = [
        journey("reminder", "clevertap", "event = \"Start\""),
        by_event("web", "clevertap"),
        by_event("hold", "antsomi"),
        by_event("stop-ct", "clevertap"),
        by_event("stop-an", "antsomi"),
        journey("api", "clevertap", "api = true"),
    ];
    Place::new(&journeys.each_ref().map(String::as_str))
}

/// A file that grows while it is followed.
struct Producer {
    file: File,
    written: u64,
}

impl Producer {
    /// Appends events, some in two pieces with a pause between, as a producer might be caught at it.
    fn produce(&mut self, count: u64) {
        let mut lines = String::new();
        for _ in 0..count {
            let n = self.written;
            let line = match n % 50 {
                49 => format!("{{\"type\":\"track\",\"n\":{n}\n"),
                _ => format!(
                    "{{\"type\":\"track\",\"userId\":\"u{n}\",\"event\":\"Start\",\"messageId\":\"m{n}\"}}\n"
                ),
            };
            lines.push_str(&line);
            self.written += 1;
        }
        let middle = lines.len() / 2;
        self.file.write_all(&lines.as_bytes()[..middle]).expect("it is written");
        std::thread::yield_now();
        self.file.write_all(&lines.as_bytes()[middle..]).expect("it is written");
    }

    /// How many events that are some were written: 49 of 50.
    fn good(&self) -> u64 {
        self.written - self.written / 50
    }
}

fn run(place: &Place) -> Server {
    let mut command = place.command();
    command.args(["--follow", "--events"]).arg(place.path("events.jsonl"));
    place.start(command)
}

/// One life under load, and its end.
fn round(
    place: &Place,
    producer: &mut Producer,
    operator: &mut Operator,
    random: &mut Random,
    (round, stops): (u64, bool),
) -> Vec<Sent> {
    let mut server = run(place);
    // Some lives end before they listen.
    let early = round % 5 == 4;
    if round == 0 {
        // The journeys of the directory are put in the first life.
        server.wait_ready();
    }
    let to = if early { None } else { server.address() };
    let lives = Instant::now() + Duration::from_millis(20 + random.below(if early { 60 } else { 380 }));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        let clients: Vec<_> = (0..CLIENTS)
            .filter_map(|client| {
                let (to, random, name) = (to?, Random(random.below(u64::MAX)), format!("{round}-{client}"));
                Some(scope.spawn(move || feed(to, &name, random, over)))
            })
            .collect();
        if let Some(to) = to {
            scope.spawn(move || operator.act(to, stops, over));
        }
        while Instant::now() < lives {
            producer.produce(1 + random.below(200));
            if random.below(12) == 0 {
                // A process that stood still goes on as if nothing had been.
                server.signal(Signal::STOP);
                std::thread::sleep(Duration::from_millis(random.below(40)));
                server.signal(Signal::CONT);
            }
            std::thread::sleep(Duration::from_millis(random.below(15)));
        }
        let ended = server.has_ended();
        assert!(ended.is_none(), "round {round}: it ended by itself, {ended:?}: {}", place.said());
        match round % 7 {
            6 => {
                let code = server.terminate();
                // Before its handler is there it is a signal like any other.
                assert!(code == Some(0) || early && code.is_none(), "{code:?}: {}", place.said());
            }
            _ => server.kill(),
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("a client that understands")).collect()
    })
}

/// The last life: everything is opened, and all who are inside go on to their end.
fn settle(place: &Place, producer: &mut Producer, operator: &mut Operator) -> Vec<Sent> {
    let mut server = run(place);
    server.wait_ready();
    producer.produce(49);
    let to = server.address().expect("it is there");
    operator.finish(to);
    // Records of a shard are decided in order: when these are, all earlier ones are.
    let last: Vec<Sent> = (0..64).map(|n| send(to, "web", format!("web-last-{n}"))).collect();
    let shards: BTreeSet<u16> = last.iter().map(|sent| shard_of(&sent.user, SHARDS)).collect();
    assert!(shards.len() == usize::from(SHARDS) && last.iter().all(|sent| sent.accepted.is_some()));
    for sent in &last {
        let path = format!("/v1/explain/{}", sent.user);
        until("it is decided", || {
            let told = server.get(&path)?.value();
            told["records"].as_array().is_some_and(|records| !records.is_empty()).then_some(())
        });
    }
    until("nobody is inside", || {
        let views = server.get("/v1/journeys")?.value();
        let inside = |view| ["waiting", "held", "at_send"].map(|count| sum(view, count)).iter().sum::<u64>();
        let views = views["journeys"].as_array()?;
        let reminded = views.iter().find(|view| view["id"] == "reminder")?;
        let vips = views.iter().find(|view| view["id"] == "vips")?;
        let all = sum(reminded, "entered") == producer.good() && sum(vips, "entered") == ROWS as u64;
        (all && views.iter().map(inside).sum::<u64>() == 0).then_some(())
    });
    assert_eq!(server.terminate(), Some(0), "SIGTERM finishes the cycle and ends with 0: {}", place.said());
    last
}

/// What became of each user in one journey, by the journal's own words.
#[derive(Debug, Default)]
struct Fate {
    entered: u64,
    exited: u64,
    refused: u64,
    sends: Vec<String>,
}

type Fates = BTreeMap<(String, String), Fate>;

/// Reads what the processes left, knowing the wire only.
fn fates(place: &Place, log: &Embedded) -> Fates {
    let mut fates = Fates::new();
    for send in place.sends() {
        fates.entry((send.journey, send.user)).or_default().sends.push(send.node);
    }
    for line in stream_of(log, Stream::Transitions) {
        let moved: TransitionRecord = serde_json::from_slice(&line).expect("a movement");
        let fate = fates.entry((moved.journey, moved.user)).or_default();
        fate.entered += u64::from(moved.what == "entered");
        fate.exited += u64::from(moved.what == "exited");
    }
    for line in stream_of(log, Stream::Refusals) {
        let refused: RefusalRecord = serde_json::from_slice(&line).expect("a refusal");
        assert!(["entry_shut", "before_opening"].contains(&&*refused.reason), "{refused:?}");
        fates.entry((refused.journey, refused.user)).or_default().refused += 1;
    }
    fates
}

/// I1: what was answered is reflected, once; what was not, once at most. Nothing is made up.
fn verify_fed(fates: &Fates, sent: &[Sent], operator: &Operator) {
    let mut known = BTreeSet::new();
    for sent in sent {
        let key = (sent.journey.to_owned(), sent.user.clone());
        let (fate, user) = (fates.get(&key), &sent.user);
        let reflected = fate.map_or(0, |fate| fate.entered + fate.refused);
        match sent.accepted {
            Some(_) => assert_eq!(reflected, 1, "{user} was accepted: {fate:?}"),
            None => assert!(reflected <= 1, "{user}: {fate:?}"),
        }
        let entered = fate.is_some_and(|fate| fate.entered == 1);
        let open = matches!(sent.journey, "hold" | "api");
        assert!(!open || entered || sent.accepted.is_none(), "{user}: the entry was open all the time");
        // I9, G1: who was accepted wholly within a time of shut entry, or after a stop, has never entered.
        let within = |shut: &super::load::Shut| {
            // In one millisecond they are at the same time, and the command comes first.
            let before = |(at, until): (Instant, Instant)| at + Duration::from_millis(2) < until;
            shut.since < sent.at && sent.accepted.zip(shut.until).is_some_and(before)
        };
        assert!(!(sent.journey == "web" && entered && operator.pauses.iter().any(within)), "{user}");
        let after = |(_, since): &(u64, Instant)| *since < sent.at;
        assert!(!(entered && operator.stopped.get(sent.journey).is_some_and(after)), "{user}");
        known.insert(key);
    }
    let stranger = fates.keys().find(|key| FED.contains(&key.0.as_str()) && !known.contains(*key));
    assert_eq!(stranger, None, "somebody is made up");
}

fn verify(place: &Place, producer: &Producer, sent: &[Sent], operator: &Operator) {
    let log = place.journal();
    let fates = fates(place, &log);
    verify_fed(&fates, sent, operator);
    for ((journey, user), fate) in &fates {
        // I4, I13: both messages in order, and whoever entered has left; after a stop neither need be.
        let stopped = operator.stopped.contains_key(journey.as_str());
        let nodes: &[&str] = if fate.entered == 0 { &[] } else { &["hello", "again"] };
        let all = fate.sends == nodes && fate.exited == fate.entered;
        let some = fate.sends.iter().zip(nodes).all(|(a, b)| a == b) && fate.sends.len() <= nodes.len();
        assert!(if stopped { some } else { all }, "{user} in {journey}: {fate:?}");
    }
    // I9: nothing was sent after the answer to a stop.
    for (journey, (count, _)) in &operator.stopped {
        let of_it = fates.iter().filter(|((id, _), _)| id == journey);
        assert_eq!(of_it.map(|(_, fate)| fate.sends.len() as u64).sum::<u64>(), *count, "{journey}");
    }
    let entered = |id| fates.iter().filter(|((j, _), fate)| j == id && fate.entered == 1).count() as u64;
    assert_eq!(entered("reminder"), producer.good(), "events of the file are lost or made up");
    assert_eq!(entered("vips"), ROWS as u64, "rows of the list are lost or made up");
    // The file is what was committed.
    let text = std::fs::read(place.path("sends.jsonl")).expect("the sends are there");
    let committed: Vec<u8> =
        stream_of(&log, Stream::Sends).iter().flat_map(|line| line.iter().copied().chain(*b"\n")).collect();
    assert!(committed == text, "the file of sends is not the committed sends");
    // I1: what is no event is a dead letter, once, with its bytes.
    let rejects = stream_of(&log, Stream::Rejects);
    let offsets: BTreeSet<u64> =
        rejects.iter().map(|item| Reject::decode(item).expect("a dead letter").offset).collect();
    assert_eq!((rejects.len() as u64, offsets.len()), (producer.written / 50, rejects.len()));
    // I7: what a restart restores adds up to the committed digest, and the counts are conserved.
    let shards: Vec<u16> = (0..SHARDS).collect();
    let worker = log.worker(Assignment::Fixed(&shards)).expect("nobody has them");
    let cycle = Cycle::open(worker, &log, Options::of(SHARDS), &mut |_, _| {})
        .expect("every shard restores to its digest");
    for (number, shard) in cycle.shards() {
        for plan in 0..shard.catalog().plan_count() {
            assert!(shard.statistics(plan as u16).is_none_or(|s| s.is_conserved()), "shard {number}");
        }
    }
}

/// Every decision of all lives comes out the same, from the file, the accepted log and the list.
fn replayed(place: &Place) {
    let replayed = Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .args(["replay", "--json", "--directory"])
        .arg(place.path("data"))
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert_eq!(replayed.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&replayed.stderr));
    let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert!(told["compared"]["sends"].as_u64() > Some(0), "{told}");
}

#[test]
fn killed_at_random_under_load_it_loses_nothing_and_sends_nothing_twice() {
    let rounds = std::env::var("WAYFARER_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(28u64);
    let seed = std::env::var("WAYFARER_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (mut random, place) = (Random(seed), place());
    let file = File::create(place.path("events.jsonl")).expect("it is made");
    let mut producer = Producer { file, written: 0 };
    let mut operator = Operator::new(Random(random.below(u64::MAX)));
    let mut sent = Vec::new();
    for number in 0..rounds {
        let at = (number, number > rounds / 2);
        sent.extend(round(&place, &mut producer, &mut operator, &mut random, at));
    }
    sent.extend(settle(&place, &mut producer, &mut operator));
    verify(&place, &producer, &sent, &operator);
    replayed(&place);
    // It proves something only if both happened: answers in time, and requests cut by the end.
    let accepted = sent.iter().filter(|sent| sent.accepted.is_some()).count() as u64;
    assert!(accepted > 10 * rounds && !operator.pauses.is_empty(), "{accepted} accepted");
    assert!(sent.iter().any(|sent| sent.accepted.is_none()), "nothing was in flight at any end");
}

#[test]
fn a_second_process_on_the_directory_is_refused_with_a_sentence() {
    let place = Place::new(&[]);
    let log = place.journal();
    let refused = Command::new(env!("CARGO_BIN_EXE_wayfarer"))
        .arg("run")
        .env("WAYFARER_JOURNAL__DIRECTORY", place.path("data"))
        .env("WAYFARER_ENGINE__SHARDS", SHARDS.to_string())
        .output()
        .expect("the binary starts");
    drop(log);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
}
