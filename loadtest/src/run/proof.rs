//! Whether anything started under a shut gate, and whether each row of a list was taken once: by the lines of movements
//! and sends in their topics, not by anybody's word.
//!
//! A line is appended when its shard decides, and committed before the answer. So what the brokers stamped later than
//! the answer, and before the next verb was given, started under the gate as the answer left it. Stamps are whole
//! milliseconds of the brokers' clock, so that is what the proof resolves, with brokers on this machine.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use wayfarer::journal::kafka::client::{Message, Timestamp};

use super::list::row_of;
use super::side::Side;
use super::system::System;
use crate::error::Result;
use crate::report::form::{Flip, Gate, ListTaken};
use crate::topics::Topics;

/// What is read of a line of either topic.
#[derive(Deserialize)]
struct Line {
    journey: String,
    what: Option<String>,
}

/// When something started, by journey and gate, in milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Starts(BTreeMap<(String, bool), Vec<i64>>);

impl Starts {
    /// Reads both topics whole, of the journeys that were operated.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn read(topics: &Topics, system: &System, partitions: u16, flips: &[Flip]) -> Result<Self> {
        let mut starts = Self::default();
        for key in ["transitions", "sends"] {
            topics.read(&system.topic(key), partitions, |record| starts.take(record, flips))?;
        }
        Ok(starts)
    }

    fn take(&mut self, record: &Message<'_>, flips: &[Flip]) {
        let at = match record.timestamp() {
            Timestamp::Appended(ms) | Timestamp::Created(ms) => ms,
            Timestamp::None => return,
        };
        self.line(record.value().unwrap_or_default(), at, flips);
    }

    fn line(&mut self, line: &[u8], at: i64, flips: &[Flip]) {
        let Ok(line) = serde_json::from_slice::<Line>(line) else { return };
        if !flips.iter().any(|flip| flip.journey == line.journey) {
            return;
        }
        let gate = match line.what.as_deref() {
            Some("entered") => Gate::Entry,
            // A send has no `what`: it is a node that started.
            Some("started") | None => Gate::Movement,
            Some(_) => return,
        };
        self.0.entry((line.journey, gate == Gate::Entry)).or_default().push(at);
    }

    /// Says of each verb when the last start before the next verb was, and how many came after the answer, when the gate
    /// was shut. The next verb ends what can be said of this one even if this one was not answered yet.
    pub fn judge(mut self, flips: &mut [Flip]) {
        self.0.values_mut().for_each(|times| times.sort_unstable());
        for number in 0..flips.len() {
            let (asked, answered) = (flips[number].asked, flips[number].answered);
            let next = flips.iter().enumerate().filter(|(at, other)| {
                *at != number && other.journey == flips[number].journey && other.asked >= asked
            });
            let until = next.map(|(_, other)| other.asked.div_euclid(1_000)).min().unwrap_or(i64::MAX);
            let (asked_ms, answered_ms) = (asked.div_euclid(1_000), answered.div_euclid(1_000));
            for gate in flips[number].shut.clone() {
                let key = (flips[number].journey.clone(), gate == Gate::Entry);
                let times = self.0.get(&key).map_or(&[][..], Vec::as_slice);
                let first = times.partition_point(|at| *at < asked_ms);
                let answer = times.partition_point(|at| *at <= answered_ms);
                let end = times.partition_point(|at| *at < until);
                let second = times.partition_point(|at| *at < asked_ms - 1_000);
                let flip = &mut flips[number];
                flip.starts_before += (first - second) as u64;
                if let Some(last) = times[first..end.max(first)].last() {
                    let after = (last * 1_000 - asked).max(0) as f64 / 1e3;
                    flip.last_start_ms = Some(flip.last_start_ms.map_or(after, |known| known.max(after)));
                }
                // Who got no answer that it is done has no promise.
                if flip.status == 200 {
                    flip.starts_after += end.saturating_sub(answer) as u64;
                }
            }
        }
    }
}

/// Who entered by a list: a bit a row.
#[derive(Debug)]
pub struct Taken {
    rows: Vec<u64>,
    count: u64,
    entered: u64,
    twice: u64,
    strangers: u64,
    last: Option<i64>,
}

/// What is read of a movement.
#[derive(Deserialize)]
struct Entered<'a> {
    #[serde(borrow)]
    journey: Cow<'a, str>,
    #[serde(borrow)]
    what: Cow<'a, str>,
    #[serde(borrow)]
    user: Cow<'a, str>,
}

impl Taken {
    fn new(rows: u64) -> Self {
        let words = usize::try_from(rows.div_ceil(64)).expect("a bit a row fits into memory");
        Self { rows: vec![0; words], count: rows, entered: 0, twice: 0, strangers: 0, last: None }
    }

    /// Reads the lines of movements whole.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn read(topics: &Topics, system: &System, partitions: u16, list: &ListTaken) -> Result<Self> {
        let mut taken = Self::new(list.rows);
        topics.read(&system.topic("transitions"), partitions, |record| {
            let at = match record.timestamp() {
                Timestamp::Appended(ms) | Timestamp::Created(ms) => Some(ms),
                Timestamp::None => None,
            };
            taken.line(record.value().unwrap_or_default(), at, &list.journey);
        })?;
        Ok(taken)
    }

    fn line(&mut self, line: &[u8], at: Option<i64>, journey: &str) {
        let Ok(line) = serde_json::from_slice::<Entered<'_>>(line) else { return };
        if line.what != "entered" || line.journey != journey {
            return;
        }
        self.last = self.last.max(at);
        let Some(row) = row_of(&line.user).filter(|row| *row < self.count) else {
            self.strangers += 1;
            return;
        };
        let (word, bit) = (&mut self.rows[(row / 64) as usize], 1 << (row % 64));
        if *word & bit == 0 {
            self.entered += 1;
        } else {
            self.twice += 1;
        }
        *word |= bit;
    }

    /// Says of the list what was found.
    pub fn judge(self, list: &mut ListTaken) {
        (list.entered, list.twice, list.strangers) = (self.entered, self.twice, self.strangers);
        list.took_ms = self.last.map(|last| (last * 1_000 - list.uploaded).max(0) as f64 / 1e3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::acts::shuts;
    use crate::traffic::user_id;

    #[test]
    fn each_row_of_a_list_is_counted_once_and_who_is_no_row_is_a_stranger() {
        let mut taken = Taken::new(100);
        let line = |what: &str, user: &str, journey: &str| {
            format!(r#"{{"user":"{user}","journey":"{journey}","what":"{what}","node":"n"}}"#)
        };
        for (what, user, journey, at) in [
            ("entered", user_id(0), "j", 5_000),
            ("entered", user_id(99), "j", 7_000),
            ("entered", user_id(99), "j", 6_000),
            ("entered", user_id(100), "j", 4_000),
            ("entered", "x".to_owned(), "j", 4_000),
            ("entered", user_id(1), "other", 9_000),
            ("started", user_id(2), "j", 9_000),
        ] {
            taken.line(line(what, &user, journey).as_bytes(), Some(at), "j");
        }
        let mut list = ListTaken { uploaded: 5_500_000, ..ListTaken::new("j", 100) };
        taken.judge(&mut list);
        assert_eq!((list.entered, list.twice, list.strangers, list.took_ms), (2, 1, 2, Some(1_500.0)));
    }

    fn flip(verb: &str, asked: i64, answered: i64) -> Flip {
        Flip {
            journey: "j".to_owned(),
            dialect: "antsomi".to_owned(),
            verb: verb.to_owned(),
            due: asked * 1_000,
            asked: asked * 1_000,
            answered: answered * 1_000,
            status: 200,
            message: String::new(),
            shut: shuts("antsomi", verb),
            last_start_ms: None,
            starts_before: 0,
            starts_after: 0,
        }
    }

    fn judged(lines: &[(&str, i64)]) -> Vec<Flip> {
        let mut flips = vec![flip("pause", 1_000, 1_020), flip("reactivate", 2_000, 2_020)];
        let mut starts = Starts::default();
        for (line, at) in lines {
            starts.line(line.as_bytes(), *at, &flips);
        }
        starts.judge(&mut flips);
        flips
    }

    const STARTED: &str = r#"{"journey":"j","what":"started","node":"n"}"#;
    const SENT: &str = r#"{"journey":"j","node":"n","key":"k"}"#;

    #[test]
    fn what_starts_between_the_answer_and_the_next_verb_is_counted() {
        for line in [STARTED, SENT] {
            let flips = judged(&[(line, 1_015), (line, 1_020), (line, 1_021), (line, 1_999), (line, 2_000)]);
            assert_eq!((flips[0].starts_after, flips[0].last_start_ms), (2, Some(999.0)), "{line}");
            assert_eq!((flips[1].starts_after, flips[1].last_start_ms), (0, None), "it shuts nothing");
        }
    }

    #[test]
    fn the_last_start_is_the_last_one_whenever_the_answer_came() {
        assert_eq!(judged(&[(STARTED, 1_015), (SENT, 1_003)])[0].last_start_ms, Some(15.0));
        assert_eq!(judged(&[(STARTED, 999), (STARTED, 2_000)])[0].last_start_ms, None);
    }

    #[test]
    fn what_came_in_the_second_before_tells_whether_anything_is_proved() {
        let flips = judged(&[(STARTED, 1), (SENT, 600), (STARTED, 999), (STARTED, 1_000)]);
        assert_eq!((flips[0].starts_before, flips[1].starts_before), (3, 0), "the other one shuts nothing");
        assert_eq!(judged(&[(STARTED, -1)])[0].starts_before, 0);
    }

    #[test]
    fn a_verb_that_is_given_before_the_one_before_it_is_answered_ends_what_that_one_promises() {
        let mut flips = vec![flip("pause", 1_000, 1_500), flip("reactivate", 1_400, 1_450)];
        let mut starts = Starts::default();
        for at in [1_390, 1_460, 1_510] {
            starts.line(STARTED.as_bytes(), at, &flips);
        }
        starts.judge(&mut flips);
        assert_eq!((flips[0].starts_after, flips[0].last_start_ms), (0, Some(390.0)));
    }

    #[test]
    fn what_the_shut_gate_does_not_forbid_is_not_counted() {
        for line in [
            r#"{"journey":"j","what":"entered"}"#,
            r#"{"journey":"j","what":"held"}"#,
            r#"{"journey":"j","what":"exited"}"#,
            r#"{"journey":"other","what":"started"}"#,
            "{",
        ] {
            assert_eq!(judged(&[(line, 1_500)])[0].starts_after, 0, "{line}");
        }
    }
}
