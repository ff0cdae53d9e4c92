//! A flood, a slow client and an end in the middle of a request leave everybody else alone.

use std::io::{Read, Write};
use std::thread;

use wayfarer::http::{INTAKE_THREADS, UPLOADS_MAX};
use wayfarer::model::Interval;

use super::client::answer;
use super::memory::start;

const EVENT: &str = r#"{"userId":"u","event":"A"}"#;

#[test]
fn more_requests_than_allowed_are_told_to_come_back_while_probes_are_answered() {
    let (server, memory, client) = start(|http| http.requests_max = 2);
    memory.set(|state| state.stuck = true);
    thread::scope(|scope| {
        let at_work: Vec<_> =
            (0..2).map(|_| scope.spawn(move || client.json("POST", "/v1/track", EVENT).status)).collect();
        memory.until(|state| state.waiting == 2);
        let refused = client.json("POST", "/v1/track", EVENT);
        assert_eq!((refused.status, refused.error().0.as_str()), (503, "too_many_requests"));
        assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(client.get(path).status, 200, "{path}");
        }
        memory.set(|state| state.stuck = false);
        assert!(at_work.into_iter().all(|request| request.join().unwrap() == 202));
    });
    assert_eq!(memory.state().accepted.len(), 2, "what was refused was not accepted");
    server.shutdown();
}

#[test]
fn a_flood_of_events_takes_no_thread_of_the_operators() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    memory.set(|state| state.stuck = true);
    thread::scope(|scope| {
        for _ in 0..INTAKE_THREADS + 8 {
            scope.spawn(move || assert_eq!(client.json("POST", "/v1/track", EVENT).status, 202));
        }
        memory.until(|state| state.waiting == INTAKE_THREADS);
        assert_eq!(client.send("POST", "/v1/journeys/cart-rescue/publish", &[], b"").status, 200);
        assert_eq!(memory.state().waiting, INTAKE_THREADS, "no more than these are inside");
        memory.set(|state| state.stuck = false);
    });
    assert_eq!(memory.state().accepted.len(), INTAKE_THREADS + 8);
    server.shutdown();
}

#[test]
fn a_body_that_does_not_come_is_given_up_with_a_sentence() {
    let (server, _memory, client) = start(|http| http.request_timeout = Interval::from_millis(200));
    let mut slow = client.connect();
    let head =
        "POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    slow.write_all(head.as_bytes()).unwrap();
    let answer = answer(&mut slow);
    assert_eq!((answer.status, answer.error().0.as_str()), (408, "too_slow"));
    server.shutdown();
}

#[test]
fn a_head_that_does_not_come_is_given_up() {
    let (server, _memory, client) = start(|http| http.request_timeout = Interval::from_millis(200));
    let mut slow = client.connect();
    slow.write_all(b"POST /v1/track HTTP/1.1\r\nhost:").unwrap();
    let mut bytes = Vec::new();
    // Only that the connection ends matters.
    let _ = slow.read_to_end(&mut bytes);
    assert_eq!(client.get("/livez").status, 200);
    server.shutdown();
}

#[test]
fn an_answer_that_does_not_come_in_time_is_said_to_be_unknown() {
    let (server, memory, client) = start(|http| http.request_timeout = Interval::from_millis(200));
    memory.set(|state| state.stuck = true);
    let answer = client.json("POST", "/v1/track", EVENT);
    assert_eq!((answer.status, answer.error().0.as_str()), (504, "no_answer"));
    memory.set(|state| state.stuck = false);
    memory.until(|state| state.accepted.len() == 1);
    server.shutdown();
}

#[test]
fn a_journal_that_takes_nothing_is_a_503_and_no_acceptance() {
    let (server, memory, client) = start(|_| {});
    memory.set(|state| state.full = true);
    let answer = client.json("POST", "/v1/track", EVENT);
    assert_eq!((answer.status, answer.error().0.as_str()), (503, "unavailable"));
    assert!(answer.error().1.contains("the disk is full") && answer.head.contains("retry-after"));
    server.shutdown();
}

#[test]
fn what_cannot_be_read_is_a_503_and_no_empty_answer() {
    let (server, memory, client) = start(|_| {});
    memory.set(|state| state.unreadable = true);
    for (method, path) in [
        ("GET", "/v1/explain/u1"),
        ("GET", "/v1/rejects"),
        ("GET", "/v1/journeys/cart-rescue/statistics"),
        ("POST", "/v1/journeys/cart-rescue/preview"),
    ] {
        let answer = client.json(method, path, "");
        assert_eq!((answer.status, answer.error().0.as_str()), (503, "unavailable"), "{path}");
        assert!(answer.error().1.contains("the disk cannot be read"), "{path}");
    }
    server.shutdown();
}

#[test]
fn a_body_without_a_length_is_bounded_too() {
    let (server, memory, client) = start(|http| http.body_max = wayfarer::config::Size::kib(1));
    let mut stream = client.connect();
    let head = "POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
    for _ in 0..64 {
        let _ = stream.write_all(chunk.as_bytes());
    }
    let _ = stream.write_all(b"0\r\n\r\n");
    let answer = answer(&mut stream);
    assert_eq!((answer.status, answer.error().0.as_str()), (413, "too_large"));
    assert!(memory.state().accepted.is_empty());
    server.shutdown();
}

#[test]
fn a_body_that_breaks_off_is_not_accepted() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("birthday-offers");
    for (path, kind) in
        [("track", "application/json"), ("journeys/birthday-offers/list", "application/x-ndjson")]
    {
        let method = if path == "track" { "POST" } else { "PUT" };
        let mut stream = client.connect();
        let head = format!(
            "{method} /v1/{path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: 999\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"{\"user_id\":\"u\",\"userId\":\"u\",\"event\":\"A\"}\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
    }
    assert_eq!(server.shutdown(), 0);
    assert!(memory.state().accepted.is_empty() && memory.state().rows.is_empty());
}

#[test]
fn few_lists_are_uploaded_at_once_and_the_next_is_told_to_come_back() {
    let (server, _memory, client) = start(|_| {});
    client.put_sample("birthday-offers");
    let path = "/v1/journeys/birthday-offers/list";
    let begin = || {
        let mut stream = client.connect();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 10\r\n\
             expect: 100-continue\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server asks for the body when the upload has its place.
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100"));
        stream
    };
    let uploads: Vec<_> = (0..UPLOADS_MAX).map(|_| begin()).collect();
    let next = || client.send("PUT", path, &["content-type: text/csv"], b"user_id\nu\n");
    let refused = next();
    assert_eq!((refused.status, refused.error().0.as_str()), (429, "too_many_uploads"));
    assert!(refused.head.contains("retry-after: 5"), "{}", refused.head);
    for mut upload in uploads {
        upload.write_all(b"user_id\nu\n").unwrap();
        let status = answer(&mut upload).status;
        assert_eq!(status, 200);
    }
    assert_eq!(next().status, 200);
    server.shutdown();
}

#[test]
fn more_connections_than_allowed_are_told_so_and_closed() {
    let (server, _memory, client) = start(|http| http.requests_max = 1);
    let idle: Vec<_> = (0..4).map(|_| client.connect()).collect();
    let mut fifth = client.connect();
    let refused = answer(&mut fifth);
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "too_many_connections"));
    drop(idle);
    server.shutdown();
}

#[test]
fn a_shutdown_lets_requests_finish_and_takes_no_new_ones() {
    let (server, memory, client) = start(|_| {});
    memory.set(|state| state.stuck = true);
    let mut idle = client.connect();
    thread::scope(|scope| {
        let at_work = scope.spawn(move || client.json("POST", "/v1/track", EVENT).status);
        memory.until(|state| state.waiting == 1);
        let ending = scope.spawn(move || server.shutdown());
        let mut bytes = Vec::new();
        // An idle connection is closed at once, which tells that the shutdown is under way.
        let _ = idle.read_to_end(&mut bytes);
        assert!(std::net::TcpStream::connect(client.0).is_err(), "nobody listens any more");
        memory.set(|state| state.stuck = false);
        assert_eq!((at_work.join().unwrap(), ending.join().unwrap()), (202, 0));
    });
}

#[test]
fn a_shutdown_has_a_deadline() {
    let (server, memory, client) = start(|http| http.shutdown_timeout = Interval::from_millis(100));
    memory.set(|state| state.stuck = true);
    let mut stream = client.connect();
    let head =
        "POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(EVENT.as_bytes()).unwrap();
    memory.until(|state| state.waiting == 1);
    assert_eq!(server.shutdown(), 1, "one was cut");
    memory.set(|state| state.stuck = false);
}
