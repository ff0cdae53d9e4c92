//! `wayfarer demo`: journeys of both dialects on a shop's traffic, with an operator, in a few seconds.
//!
//! Everything real but the shoppers and the clock: the shoppers' messages are bytes that the journal accepts
//! and the decoder reads, shards decide on them, commits are commits. What is told is a function of the seed:
//! the same bytes every time. What the wall clock says goes elsewhere.
//!
//! Reading order: [`story`] (the words and the script) → [`play`] (plays it) → [`driver`] (shards, journal,
//! clock) → [`shoppers`] and [`message`] (the traffic) → [`ledger`] (what must hold) → [`text`].

mod story;
mod play;
mod driver;
mod samples;
mod shoppers;
mod message;
mod dice;
mod calendar;
mod directory;
mod records;
mod facts;
mod ledger;
mod text;
mod ledger_text;
mod paint;
mod timings;

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use self::driver::{Fault, World};
use self::facts::Told;
use self::ledger::Identity;
pub use self::paint::Screen;
use self::play::{Play, Teller};
use self::shoppers::What;
use self::text::Text;
use crate::cli::{DemoArgs, exit};
use crate::model::Timestamp;

/// How many events there are unless asked otherwise: a few seconds of work.
pub const DEFAULT_EVENTS: u64 = 300_000;

/// Plays the demo: what it tells to `out`, how long things took (and what went wrong) to `notes`.
///
/// What `out` gets is a function of the arguments and the screen. Returns the exit code: [`exit::PROBLEM`] if
/// an identity does not hold, [`exit::FILE`] if `out` takes no more, [`exit::JOURNAL`] if the journal cannot
/// be used.
pub fn run(args: &DemoArgs, screen: Screen, out: &mut dyn Write, notes: &mut dyn Write) -> u8 {
    match perform(args, screen, out, notes) {
        Ok(broken) => verdict(&broken, notes),
        Err(fault) => match fault.downcast_ref::<io::Error>() {
            // Whoever reads has read enough.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::OK,
            Some(_) => say(notes, &fault, exit::FILE),
            None => say(notes, &fault, exit::JOURNAL),
        },
    }
}

/// The exit code, and every identity that does not hold by name.
fn verdict(broken: &[Identity], notes: &mut dyn Write) -> u8 {
    for Identity { name, detail, .. } in broken {
        let _ = writeln!(notes, "wayfarer demo: this does not hold: {name}: {detail}");
    }
    if broken.is_empty() { exit::OK } else { exit::PROBLEM }
}

fn say(notes: &mut dyn Write, fault: &Fault, code: u8) -> u8 {
    let _ = writeln!(notes, "wayfarer demo: it cannot go on: {fault}");
    code
}

fn perform(
    args: &DemoArgs,
    screen: Screen,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<Vec<Identity>, Fault> {
    let events = args.events.unwrap_or(DEFAULT_EVENTS);
    let coming = shoppers::plan(args.seed, events, &told());
    let planned = coming.len() as u64;
    let world = World::new(calendar::at(0, 0, 0), coming)?;
    if args.json {
        let mut document =
            Document { demo: "wayfarer", seed: args.seed, events, told: Vec::new(), holds: false };
        let mut play = Play::new(world, planned, &mut document);
        let broken = play.play()?;
        play.world.timings.write(notes, planned, Duration::ZERO)?;
        document.holds = broken.is_empty();
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
        return Ok(broken);
    }
    let mut text = Text::new(out, screen);
    text.lines(&format!(
        "WAYFARER · demo · seed {} · {events} events of five weeks\n\n{}",
        args.seed,
        story::INTRO
    ))?;
    let mut play = Play::new(world, planned, &mut text);
    let broken = play.play()?;
    let World { timings, .. } = play.world;
    text.lines(story::OUTRO)?;
    let waited = text.waited;
    text.out.flush()?;
    timings.write(notes, planned, waited)?;
    Ok(broken)
}

/// What the one whose story is told does, on Tuesday.
fn told() -> [(Timestamp, What); 3] {
    let tuesday = |hour, minute| calendar::at(2, hour, minute);
    [(tuesday(10, 58), What::Identify), (tuesday(11, 0), What::Cart), (tuesday(14, 30), What::Order)]
}

/// The demo as one JSON document.
#[derive(Serialize)]
struct Document {
    demo: &'static str,
    seed: u64,
    events: u64,
    /// Whether every identity holds.
    holds: bool,
    told: Vec<Told>,
}

impl Teller for Document {
    fn tell(&mut self, told: Told) -> Result<(), Fault> {
        self.told.push(told);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_that_does_not_hold_is_named_and_ends_the_demo_with_1() {
        let mut notes = Vec::new();
        assert_eq!(verdict(&[], &mut notes), 0);
        assert!(notes.is_empty());
        let wrong = Identity::equal("no message twice", ("sends", 3), ("different keys", 2));
        assert_eq!(verdict(&[wrong], &mut notes), 1);
        let notes = String::from_utf8(notes).unwrap();
        assert!(notes.contains("no message twice: sends 3 ≠ different keys 2"), "{notes}");
    }

    /// Takes nothing.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_read_enough_is_no_problem() {
        let args = DemoArgs { seed: 1, json: false, events: Some(1) };
        assert_eq!(run(&args, Screen::default(), &mut Closed, &mut io::sink()), 0);
    }
}
