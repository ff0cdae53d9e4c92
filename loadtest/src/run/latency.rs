//! From the schedule of an event to the moment when its send is visible to a read_committed reader.

use std::borrow::Cow;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Deserialize;
use wayfarer::journal::kafka::client::{Consumer, Isolation, Messages, Settings};
use wayfarer::model::Timestamp;

use crate::clock::Clock;
use crate::error::{Result, cannot};
use crate::generate::pace::micros;
use crate::topics::partitions_of;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the schedule of the event to its visible send, where no wait lies between.
    Send,
    /// From the deadline of a wait to its visible send.
    Timer,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Send, Self::Timer];

    /// As in reports, and in the tags of its intervals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "schedule_to_send",
            Self::Timer => "deadline_to_send",
        }
    }
}

/// The sends that began within a stretch of time.
#[derive(Clone, Debug)]
pub struct Window {
    /// The phase's name.
    pub name: String,
    /// The topic of sends of whoever has the load: what others send meanwhile does not count.
    pub topic: String,
    /// From then, in microseconds since 1970.
    pub from: i64,
    /// Until then.
    pub to: i64,
    /// By stage, in microseconds.
    pub stages: [Histogram<u64>; 2],
    /// What of them was seen since the intervals were asked for last.
    interval: [Histogram<u64>; 2],
}

/// What was seen lately of a stage of a phase.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The phase's name.
    pub phase: String,
    /// The stage.
    pub stage: Stage,
    /// In microseconds; never empty.
    pub micros: Histogram<u64>,
}

impl Seen {
    /// By which it is told from others in a log of intervals.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("{}/{}", self.phase, self.stage.name())
    }
}

/// What has been measured so far.
pub struct Latencies {
    /// Journeys that the operator holds or stops: how long their users were held says nothing of the system.
    operated: Vec<String>,
    windows: Mutex<Vec<Window>>,
    /// How many sends were seen.
    pub seen: AtomicU64,
    /// Whoever sets it ends the reader.
    pub stop: AtomicBool,
}

/// What is read of a send.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    journey: Cow<'a, str>,
    due: Timestamp,
    #[serde(default)]
    variables: Variables,
}

#[derive(Default, Deserialize)]
struct Variables {
    scheduled: Option<f64>,
}

/// When the send of a line began, in microseconds since 1970, and of what stage it is; not those of some journeys.
fn began(line: &[u8], without: &[String]) -> Option<(i64, Stage)> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    if without.iter().any(|journey| **journey == *line.journey) {
        return None;
    }
    Some(match line.variables.scheduled {
        Some(scheduled) => (scheduled as i64, Stage::Send),
        None => (line.due.0.saturating_mul(1_000), Stage::Timer),
    })
}

impl Latencies {
    /// Of nothing yet, and never of these journeys.
    #[must_use]
    pub fn new(operated: Vec<String>) -> Self {
        Self {
            operated,
            windows: Mutex::new(Vec::new()),
            seen: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// What begins in that stretch from now on, and is sent to that topic, counts to the phase of that name.
    pub fn open(&self, name: &str, topic: String, (from, to): (i64, i64)) {
        let (stages, interval) = ([micros(), micros()], [micros(), micros()]);
        locked(&self.windows).push(Window { name: name.to_owned(), topic, from, to, stages, interval });
    }

    /// How many sends count to the last window by now; those that began in it and are not seen yet are missing.
    #[must_use]
    pub fn counted(&self) -> u64 {
        locked(&self.windows).last().map_or(0, |last| last.stages.iter().map(Histogram::len).sum())
    }

    /// The last window that was opened.
    #[must_use]
    pub fn last(&self) -> Option<Window> {
        locked(&self.windows).last().cloned()
    }

    fn record(&self, topic: &str, (began, stage): (i64, Stage), seen: i64) {
        let took = (seen - began).max(0) as u64;
        let mut windows = locked(&self.windows);
        let is_its =
            |window: &&mut Window| (window.from..window.to).contains(&began) && window.topic == topic;
        if let Some(window) = windows.iter_mut().rev().find(is_its) {
            window.stages[stage as usize].saturating_record(took);
            window.interval[stage as usize].saturating_record(took);
        }
    }

    /// What was seen since this was asked last, of what counts: nothing of warming, of the saturation or of the fill.
    #[must_use]
    pub fn interval(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        for window in locked(&self.windows).iter_mut() {
            for stage in Stage::ALL {
                let of = &mut window.interval[stage as usize];
                if !of.is_empty() {
                    let micros = std::mem::replace(of, micros());
                    seen.push(Seen { phase: window.name.clone(), stage, micros });
                }
            }
        }
        seen
    }

    /// Reads topics of sends, which are this run's own, from their beginnings on, until it is to stop: whoever has the
    /// load, the same reader sees the sends.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn read(&self, brokers: &str, topics: &[(String, u16)], clock: &Clock) -> Result<()> {
        let reader = Consumer::reader(&Settings::new(brokers), "wayfarer-load", Isolation::Committed)?;
        let all = topics.iter().flat_map(|(topic, partitions)| partitions_of(topic, *partitions));
        let from: Vec<_> = all.map(|partition| (partition, 0)).collect();
        reader.assign(&from)?;
        let mut messages = Messages::new();
        while !self.stop.load(Ordering::Relaxed) {
            reader.poll(&mut messages, 10_000, Duration::from_millis(20), &mut |_, _| {})?;
            let now = clock.now();
            for message in messages.iter() {
                if let Some(began) = message.value().and_then(|line| began(line, &self.operated)) {
                    self.record(message.topic(), began, now);
                }
            }
            self.seen.fetch_add(messages.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A log of intervals in HdrHistogram's V2 format, in microseconds, a tag a stage of a phase.
pub struct IntervalLog<W: Write> {
    into: W,
    headed: bool,
}

impl<W: Write> IntervalLog<W> {
    /// Into something that is written to.
    pub const fn new(into: W) -> Self {
        Self { into, headed: false }
    }

    /// Appends an interval of a stage: from when (microseconds since 1970), how long. Empty ones are left out.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn append(&mut self, tag: &str, of: &Histogram<u64>, from: i64, length: Duration) -> Result<()> {
        if of.is_empty() {
            return Ok(());
        }
        let (mut text, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        let mut head = IntervalLogWriterBuilder::new();
        let start = Duration::from_micros(from.max(0) as u64);
        if !self.headed {
            let at = std::time::UNIX_EPOCH + start;
            head.add_comment("wayfarer-load: microseconds, by phase and stage").with_start_time(at);
        }
        let written = head.begin_log_with(&mut text, &mut serializer).map_err(std::io::Error::other);
        let written = written.and_then(|mut log| {
            let tagged = log.write_histogram(of, start, length, Tag::new(tag));
            tagged.map_err(|error| std::io::Error::other(format!("{error:?}")))
        });
        self.headed = true;
        // At once: a disk that is full is to end the run when it is, and not when a buffer is.
        let written = written.and_then(|()| self.into.write_all(&text)).and_then(|()| self.into.flush());
        written.map_err(cannot("write the log of intervals"))
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn close(mut self) -> Result<()> {
        self.into.flush().map_err(cannot("write the log of intervals"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_runs_from_the_schedule_or_from_the_deadline_of_a_wait() {
        let line = |rest| format!(r#"{{"key":"k","journey":"j","due":"2026-03-01T00:00:00.250Z"{rest}}}"#);
        let (send, timer) = (line(r#","variables":{"scheduled":1772323200123456}"#), line(""));
        assert_eq!(began(send.as_bytes(), &[]), Some((1_772_323_200_123_456, Stage::Send)));
        assert_eq!(began(timer.as_bytes(), &[]), Some((1_772_323_200_250_000, Stage::Timer)));
        assert_eq!(began(timer.as_bytes(), &["j".to_owned()]), None, "the operator holds them");
        assert_eq!(began(b"{}", &[]), None);
    }

    #[test]
    fn a_send_counts_to_the_window_in_which_it_began_however_late_it_is_seen() {
        let latencies = Latencies::new(Vec::new());
        latencies.open("calm", "sends".to_owned(), (1_000, 2_000));
        latencies.record("sends", (1_500, Stage::Send), 9_000_000);
        latencies.record("sends", (2_000, Stage::Send), 2_001);
        latencies.record("of-others", (1_500, Stage::Timer), 1_600);
        let window = latencies.last().expect("it is open");
        assert_eq!((window.stages[0].len(), window.stages[1].len()), (1, 0));
        assert_eq!(latencies.counted(), 1);
        assert!(window.stages[0].max() >= 8_990_000, "nothing is cut off");
        let seen: Vec<_> = latencies.interval().iter().map(|seen| (seen.tag(), seen.micros.len())).collect();
        assert_eq!(seen, [("calm/schedule_to_send".to_owned(), 1)], "no interval has what does not count");
        assert!(latencies.interval().is_empty());
    }

    #[test]
    fn a_log_of_intervals_is_read_by_the_crates_own_reader() {
        use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
        let (mut text, mut histogram) = (Vec::new(), micros());
        let mut log = IntervalLog::new(&mut text);
        log.append("none", &histogram, 0, Duration::from_secs(1)).expect("it is written");
        histogram.record(77).expect("it is in the range");
        for from in [5_000_000, 6_000_000] {
            log.append("send", &histogram, from, Duration::from_secs(1)).expect("it is written");
        }
        log.close().expect("it is written");
        let entries = IntervalLogIterator::new(&text).map(|entry| entry.expect("the log is whole"));
        let intervals = entries.filter_map(|entry| match entry {
            LogEntry::Interval(of) => Some((of.tag()?.as_str().to_owned(), of.start_timestamp().as_secs())),
            _ => None,
        });
        assert_eq!(intervals.collect::<Vec<_>>(), [("send".to_owned(), 5), ("send".to_owned(), 6)]);
    }
}
