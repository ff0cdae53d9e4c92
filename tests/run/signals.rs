//! How the process ends when it is told to, whenever that is, and what of it comes twice on standard output.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;

use rustix::process::Signal;
use wayfarer::model::wire::SendRecord;

use super::load::{Sent, send};
use super::place::{Place, Random, Server, until};
use super::world::REMINDER;

/// A journey that is entered by the event `web`: a message, and another a little later.
fn place() -> Place {
    Place::new(&[&REMINDER.replace("\"10m\"", "\"100ms\"").replace("\"Start\"", "\"web\"")])
}

/// Newcomers, of whom those are given back who were accepted.
fn accepted(server: &mut Server, names: &str, count: usize) -> Vec<String> {
    let to = server.address().expect("it listens");
    let sent = (0..count).map(|n| send(to, "web", format!("{names}-{n}")));
    sent.filter_map(|Sent { user, accepted, .. }| accepted.map(|_| user)).collect()
}

/// Everybody has both messages, and nobody one of them twice.
fn verify(place: &Place, mut server: Server, users: &[String]) {
    server.wait_ready();
    until("everybody has both", || (place.sends().len() >= 2 * users.len()).then_some(()));
    assert_eq!(server.terminate(), Some(0), "{}", place.said());
    let mut nodes: Vec<_> = place.sends().into_iter().map(|send| (send.user, send.node)).collect();
    nodes.sort();
    let both = |user: &String| ["again", "hello"].map(|node| (user.clone(), node.to_owned()));
    let mut expected: Vec<_> = users.iter().flat_map(both).collect();
    expected.sort();
    assert_eq!(nodes, expected);
}

#[test]
fn a_second_signal_ends_at_once_and_loses_nothing() {
    let place = place();
    let mut command = place.command();
    command.env("WAYFARER_HTTP__SHUTDOWN_TIMEOUT", "5m").env("WAYFARER_HTTP__REQUEST_TIMEOUT", "5m");
    let mut server = place.start(command);
    server.wait_ready();
    let users = accepted(&mut server, "u", 40);
    // A request whose rest never comes holds the first signal up.
    let mut slow = TcpStream::connect(server.address().expect("it listens")).expect("it accepts");
    let head = "POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    write!(slow, "{head}content-length: 100\r\n\r\n{{").expect("it is written");
    // A request that came later has been answered, so the slow one has been seen.
    assert_eq!(server.get("/livez").map(|answer| answer.status), Some(200));
    server.signal(Signal::TERM);
    until("it has heard", || place.said().contains("finishing the cycle at work").then_some(()));
    assert_eq!(server.has_ended(), None, "it waits for the request");
    assert_eq!(server.terminate(), Some(128 + 15), "{}", place.said());
    verify(&place, place.start(place.command()), &users);
}

#[test]
fn a_signal_while_shards_are_restored_ends_with_0_and_loses_nothing() {
    const USERS: usize = 20_000;
    let place = Place::new(&[REMINDER]);
    let mut events = File::create(place.path("events.jsonl")).expect("it is made");
    for n in 0..USERS {
        writeln!(events, r#"{{"type":"track","userId":"u{n}","event":"Start"}}"#).expect("it is written");
    }
    let run = || {
        let mut command = place.command();
        command.arg("--events").arg(place.path("events.jsonl"));
        place.start(command)
    };
    let mut server = run();
    server.wait_ready();
    until("all are greeted", || (place.lines("sends.jsonl").len() == USERS).then_some(()));
    assert_eq!(server.terminate(), Some(0));
    // A restore is short here: some signals come after it.
    let in_time = (0..40).any(|_| {
        let before = place.said().len();
        let server = run();
        while !place.said()[before..].contains("the journal is open") {}
        assert_eq!(server.terminate(), Some(0), "{}", &place.said()[before..]);
        place.said()[before..].contains("before the shards are restored")
    });
    assert!(in_time, "no signal came in time: {}", place.said());
    let mut server = run();
    server.wait_ready();
    let shown = server.get("/v1/journeys/reminder").expect("an answer");
    assert_eq!(super::load::sum(&shown.value(), "waiting"), USERS as u64, "{}", shown.text);
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(place.sends().len(), USERS);
}

#[test]
fn on_standard_output_every_send_appears_at_least_once_however_often_it_is_killed() {
    let (place, mut random, mut users) = (place(), Random(7), Vec::new());
    let outputs: Vec<_> = (0..8).map(|life| place.path(&format!("out-{life}"))).collect();
    for (life, output) in outputs.iter().enumerate() {
        let mut command = place.command();
        command.env("WAYFARER_SENDS__FILE", "-").stdout(File::create(output).expect("it is made"));
        let mut server = place.start(command);
        server.wait_ready();
        users.extend(accepted(&mut server, &format!("u{life}"), 1 + random.below(60) as usize));
        if life + 1 < outputs.len() {
            server.kill();
            continue;
        }
        until("nobody is inside", || {
            let view = server.get("/v1/journeys/reminder")?.value();
            let exited = view["versions"][0]["exited"][0][1].as_u64()?;
            (exited >= users.len() as u64).then_some(())
        });
        assert_eq!(server.terminate(), Some(0), "{}", place.said());
    }
    // A kill may cut the last line that was being written: it comes again.
    let mut told = std::collections::BTreeSet::new();
    for output in &outputs {
        let text = fs::read_to_string(output).expect("it is text");
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let send: SendRecord = serde_json::from_str(line).expect("a whole send");
            told.insert((send.user, send.node));
        }
    }
    for user in &users {
        for node in ["hello", "again"] {
            assert!(told.contains(&(user.clone(), node.to_owned())), "{node} of {user} never left");
        }
    }
}
