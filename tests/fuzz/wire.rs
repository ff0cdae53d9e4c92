//! What comes over the wire besides events: bodies of HTTP, records of the control log and of the inputs that
//! are not events, lines of sends, movements and refusals.
//!
//! The first byte of an input says what the rest is.

use wayfarer::ingest::limits::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX};
use wayfarer::ingest::{Reject, batch, decode};
use wayfarer::journal::{ControlRecord, Kind, Source};
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord, user_of};
use wayfarer::model::{EventKind, Timestamp};
use wayfarer::worker::decide;
use wayfarer::worker::desk::{Desk, DeskError, Stored};

/// Reads `bytes` as what their first one says.
pub fn run(bytes: &[u8]) {
    let Some((&what, bytes)) = bytes.split_first() else { return };
    match what {
        b'b' => body(bytes),
        b't' => message(bytes),
        b'c' => control(bytes),
        b'k' => record(bytes),
        b'l' => line(bytes),
        b's' => {
            let source = bytes.first_chunk().and_then(|bytes| Source::from_bytes(*bytes));
            assert!(source.is_none_or(|source| Source::from_bytes(source.to_bytes()) == Some(source)));
        }
        _ => {}
    }
}

/// A `batch`: its messages are pieces of the body, each for the decoder.
fn body(bytes: &[u8]) {
    match batch::split(bytes) {
        Err(reject) => told(&reject),
        Ok(messages) => {
            assert!(messages.len() <= BATCH_MESSAGES_MAX && bytes.len() <= BATCH_BYTES_MAX);
            for message in messages {
                assert!(serde_json::from_slice::<serde_json::Value>(message).is_ok() || bytes.len() > 128);
                if let Err(reject) = decode(message) {
                    told(&reject);
                }
            }
        }
    }
}

fn told(reject: &Reject) {
    assert!(Reject::CODES.contains(&reject.code) && reject.message.len() > 10, "{reject:?}");
}

/// A message sent to the path of its kind: completed, it says that kind.
fn message(bytes: &[u8]) {
    match batch::complete(bytes, EventKind::Track) {
        Err(reject) => told(&reject),
        Ok(whole) => match decode(&whole) {
            Ok(event) => assert_eq!(event.kind, EventKind::Track),
            Err(reject) => assert!(!reject.code.starts_with("type"), "{reject:?}"),
        },
    }
}

/// A control log of lines: what cannot be read says where it stands, and what is read is read again from its form.
fn control(bytes: &[u8]) {
    let mut desk = Desk::new();
    for (offset, line) in (0..).zip(bytes.split(|byte| *byte == b'\n')) {
        let appended = Timestamp(1_772_323_200_000);
        let record = ControlRecord { offset, appended, bytes: line.to_vec() };
        match desk.apply(&record) {
            // Somebody else's.
            Ok(None) => assert!(serde_json::from_slice::<Stored>(line).is_err()),
            Ok(Some(_)) => {
                let stored: Stored = serde_json::from_slice(line).expect("it was read");
                let again: Stored = serde_json::from_slice(&stored.encode()).expect("it is its own form");
                assert_eq!(again, stored);
            }
            Err(DeskError::Unreadable { offset: at, .. }) => return assert_eq!(at, offset),
            Err(DeskError::Journal(error)) => panic!("nothing was read: {error}"),
        }
    }
}

/// A record of an input by its kind, the second byte.
fn record(bytes: &[u8]) {
    let Some((&code, bytes)) = bytes.split_first() else { return };
    let Some(kind) = Kind::from_code(code) else { return };
    match decide::decode(kind, bytes) {
        Ok(decoded) => {
            let _ = (decoded.user().map(str::len), decoded.journey(), decoded.body());
        }
        Err(bad) => assert!(bad.message.len() > 10, "{bad:?}"),
    }
}

/// A line of any stream: whose it is is found without reading it, and is what it says.
fn line(bytes: &[u8]) {
    let found = user_of(bytes).map(|user| user.into_owned());
    let said = serde_json::from_slice::<SendRecord>(bytes).map(|line| line.user);
    let said = said.or_else(|_| serde_json::from_slice::<TransitionRecord>(bytes).map(|line| line.user));
    let said = said.or_else(|_| serde_json::from_slice::<RefusalRecord>(bytes).map(|line| line.user));
    if let (Ok(said), true) = (said, bytes.windows(7).filter(|at| at == b"\"user\":").count() == 1) {
        assert_eq!(found, Some(said));
    }
}
