//! A disk without room, through the whole process: a limit on the size of its files stands for it, since that
//! fails a write as a full disk does, wherever the tests run and whoever runs them.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Place, Server, until};
use super::world::REMINDER;

/// Where the files end, in bytes: the journal's log gets there first.
const LIMIT: u64 = 384 << 10;
const EVENTS_AT_ONCE: u64 = 20;

/// Who was sent in, and what was said about it.
#[derive(Default)]
struct Feed {
    next: u64,
    accepted: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl Feed {
    /// A batch of newcomers: the status and the text of the answer.
    fn send(&mut self, server: &mut Server) -> (u16, String) {
        let users: Vec<String> = (0..EVENTS_AT_ONCE).map(|n| format!("u{}", self.next + n)).collect();
        self.next += EVENTS_AT_ONCE;
        let event = |user: &String| {
            format!(r#"{{"type":"track","userId":"{user}","event":"Start","messageId":"m-{user}"}}"#)
        };
        let events: Vec<String> = users.iter().map(event).collect();
        let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
        let answer = server.post("/v1/batch", &body).expect("an answer");
        if answer.status == 202 { &mut self.accepted } else { &mut self.refused }.extend(users);
        (answer.status, answer.text)
    }

    /// Everybody who was accepted got both messages in order, once; of the others everybody both or none.
    fn verify(&self, place: &Place) {
        let mut by_user: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for send in place.sends() {
            by_user.entry(send.user).or_default().push(send.node);
        }
        for (user, nodes) in &by_user {
            assert_eq!(*nodes, ["hello", "again"], "{user}");
            assert!(self.accepted.contains(user) || self.refused.contains(user), "{user} is made up");
        }
        let lost: Vec<_> = self.accepted.iter().filter(|user| !by_user.contains_key(*user)).collect();
        assert!(lost.is_empty(), "accepted and lost: {lost:?}");
    }

    /// How many sends there must be at least.
    fn expected(&self) -> usize {
        2 * self.accepted.len()
    }
}

/// A process that was fed until it had no room, and has said so.
fn full(place: &Place, feed: &mut Feed) -> Server {
    let mut server = place.start(place.command());
    server.wait_ready();
    assert_eq!(feed.send(&mut server).0, 202);
    server.limit_files(Some(LIMIT));
    let (status, text) = until("there is no more room", || {
        let (status, text) = feed.send(&mut server);
        (status != 202).then_some((status, text))
    });
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("File too large"), "{text}");
    let why = until("health says why", || {
        let answer = server.get("/readyz").expect("an answer");
        (answer.status == 503 && answer.text.contains("when there is room")).then_some(answer.text)
    });
    assert!(why.contains("File too large"), "{why}");
    server
}

#[test]
fn without_room_intake_stops_with_a_sentence_and_goes_on_when_there_is_some() {
    let (place, mut feed) = (Place::new(&[&REMINDER.replace("\"10m\"", "\"150ms\"")]), Feed::default());
    let mut server = full(&place, &mut feed);
    for _ in 0..20 {
        let (status, text) = feed.send(&mut server);
        assert!(status == 503 && text.contains("when there is room"), "{status}: {text}");
    }
    let verb = server.post("/v1/journeys/reminder/stop", "{}").expect("an answer");
    assert_eq!(verb.status, 503, "{}", verb.text);
    assert_eq!(server.get("/livez").map(|answer| answer.status), Some(200));
    let shown = server.get("/v1/journeys/reminder").expect("an answer");
    assert_eq!((shown.status, shown.value()["state"].as_str()), (200, Some("Running")), "{}", shown.text);
    server.limit_files(None);
    server.wait_ready();
    for _ in 0..5 {
        assert_eq!(feed.send(&mut server).0, 202);
    }
    until("everybody accepted has both", || (place.sends().len() >= feed.expected()).then_some(()));
    assert_eq!(server.terminate(), Some(0), "{}", place.said());
    feed.verify(&place);
}

#[test]
fn without_room_it_can_be_ended_or_killed_and_the_next_one_goes_on() {
    let (place, mut feed) = (Place::new(&[&REMINDER.replace("\"10m\"", "\"150ms\"")]), Feed::default());
    let server = full(&place, &mut feed);
    assert_eq!(server.terminate(), Some(0), "{}", place.said());
    full(&place, &mut feed).kill();
    let mut server = place.start(place.command());
    server.wait_ready();
    assert_eq!(feed.send(&mut server).0, 202);
    until("everybody accepted has both", || (place.sends().len() >= feed.expected()).then_some(()));
    assert_eq!(server.terminate(), Some(0), "{}", place.said());
    feed.verify(&place);
}
