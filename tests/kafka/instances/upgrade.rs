//! A rolling upgrade under load, back, and on again; then the next format, from which there is no way back.
//!
//! The program before is this one, told to read no more than the first format: what it writes is what programs wrote
//! that knew no other (`tests/formats` has their bytes), and what it does not read it refuses as they do.

use std::collections::BTreeSet;

use serde_json::Value;
use wayfarer::cli::exit;

use super::deployment::Deployment;
use super::instance::ask;
use super::storm::{self, NAMES, Storm};
use super::wait_for;

impl Storm<'_> {
    /// One ends as it should, and comes again as the other program.
    fn replace(&mut self, place: usize, by_old: bool) {
        self.all_ready();
        self.dies(place);
        self.running[place].terminate();
        self.running[place].ends(&[exit::OK]);
        self.of.take_for_old(NAMES[place], by_old);
        self.start(place);
        self.both_own();
        self.all_ready();
    }

    /// What an instance says of formats, or answers to who asks for one.
    fn format(&mut self, place: usize, to: Option<u8>) -> (u16, Value) {
        let (of, log) = (self.of, self.running[place].log.clone());
        let (method, body) = match to {
            Some(to) => ("POST", format!("{{\"format\":{to}}}")),
            None => ("GET", String::new()),
        };
        let head = "content-type: application/json\r\n";
        let answer =
            || ask(super::instance::address(&log)?, method, "/v1/format", head, body.as_bytes()).ok();
        let (status, said) = wait_for("it says something of formats", || of.said(), answer);
        (status, serde_json::from_str(&said).unwrap_or_default())
    }

    fn marks_are(&mut self, expected: &[&str]) {
        let of = self.of;
        let expected: BTreeSet<String> = expected.iter().map(|&mark| mark.to_owned()).collect();
        let what = format!("the marks begin with {expected:?}");
        wait_for(
            &what,
            || format!("{:?} {}", of.marks(), of.said()),
            || (of.marks() == expected).then_some(()),
        );
    }

    fn upgrade(&mut self) {
        self.both_own();
        self.marks_are(&["1"]);
        self.replace(0, false);
        self.marks_are(&["+1", "1"]);
        let of = self.of;
        wait_for(
            "shards and owners are named that do not read it, and no others",
            || of.said(),
            || {
                let (status, said) = self.format(0, Some(2));
                let why = said["error"]["message"].as_str().unwrap_or_default();
                assert_eq!((status, said["error"]["code"].as_str()), (409, Some("format")), "{said}");
                assert!(why.contains("-b-0 reads up to 1"), "{why}");
                // The new one's shards say so one by one.
                (!why.contains("-a-0")).then_some(())
            },
        );
        self.replace(1, false);
        self.marks_are(&["+1"]);
        // Nothing has happened that the program before does not understand.
        self.replace(0, true);
        self.replace(1, true);
        self.marks_are(&["1"]);
        self.goes_on();
        self.replace(1, false);
        self.replace(0, false);
        self.marks_are(&["+1"]);
        wait_for(
            "the next format is begun",
            || of.said(),
            || {
                let (status, said) = self.format(1, Some(2));
                // Not yet everywhere: the same again finds it begun.
                let begun =
                    said["error"]["message"].as_str().is_some_and(|why| why.contains("only 3 follows"));
                (status == 200 || begun).then_some(())
            },
        );
        self.marks_are(&["2"]);
        self.goes_on();
        let all_new = |view: &Value| {
            let shards = view["shards"].as_array()?;
            let is_new = |of: &Value| of["writes"] == 2 && of["reads"] == 2 && of["to_renew"] == 0;
            (shards.len() == usize::from(super::deployment::SHARDS) && shards.iter().all(is_new))
                .then_some(())
        };
        wait_for("nothing of the format before is left", || of.said(), || all_new(&self.format(0, None).1));
        // What is restored now was written in both.
        self.kill(0);
        self.start(0);
        self.both_own();
        self.goes_on();
    }
}

#[test]
fn instances_are_replaced_one_by_one_and_back_and_nothing_is_lost_or_sent_twice() {
    let deployment = Deployment::new(1).with_checkpoints(true);
    NAMES.iter().for_each(|name| deployment.take_for_old(name, true));
    let told = storm::run(&deployment, 12, |storm| {
        storm.upgrade();
        // Whoever has not heard of it ends, and says what to do; the others are not disturbed.
        deployment.take_for_old("late", true);
        let mut late = deployment.start("late");
        late.ends(&[exit::INCOMPATIBLE]);
        let said = late.said();
        let sentences: Vec<&str> = said.lines().filter(|line| line.starts_with("wayfarer: ")).collect();
        assert_eq!(sentences.len(), 1, "{said}");
        assert!(sentences[0].contains("written in format 2, and formats up to 1 are read"), "{said}");
    });
    assert!(told.sends > 0 && told.entered_surely > 0 && told.replayed > 0, "{told:?}");
}
