//! How fast a group goes through a topic that is full, and what its process has of the processors meanwhile.

use std::time::{Duration, Instant};

use wayfarer::journal::kafka::client::{Consumer, Isolation, Partition, Settings};

use crate::error::{Error, Result};
use crate::process::{self, CpuTime, Measured};
use crate::topics::{PATIENCE, partitions_of};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Up to this share of the events, in percent: what is behind is ending.
const UP_TO: u64 = 97;
/// After so long without any progress nobody waits on.
const STUCK: Duration = Duration::from_secs(60);

/// What a program has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Its own time on processors for an event, in nanoseconds, over the steady stretch.
    pub cpu_ns: f64,
    /// Of it, that of librdkafka's threads: what talks to the brokers.
    pub librdkafka_ns: f64,
    /// Events a second, over the steady stretch.
    pub rate: f64,
    /// From its start to its last commit.
    pub took: Duration,
}

/// Which part of the way counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stretch {
    /// From this share of the events on, in percent (below 72), until shortly before the end; what is before is
    /// beginning: filling buffers, compiling at run time.
    From(u64),
    /// All of it, however short: to try out, and nothing to quote.
    Whole,
}

#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    cpu: CpuTime,
    events: u64,
}

/// Watches a group as it goes through a topic whose partitions end there.
pub struct Watch {
    asker: Consumer,
    partitions: Vec<Partition>,
    ends: Vec<i64>,
}

impl Watch {
    /// Of a group on a topic.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new(servers: &str, group: &str, topic: &str, ends: &[i64]) -> Result<Self> {
        // Who insists on committed offsets waits while a transaction holds some, which is nearly always.
        let asker = Consumer::reader(&Settings::new(servers), group, Isolation::Uncommitted)?;
        let partitions = partitions_of(topic, u16::try_from(ends.len()).unwrap_or(u16::MAX));
        Ok(Self { asker, partitions, ends: ends.to_vec() })
    }

    /// How many events the group has committed.
    fn done(&self) -> Result<u64> {
        let committed = self.asker.committed(&self.partitions, PATIENCE)?;
        let offsets = committed.iter().zip(&self.ends);
        Ok(offsets.map(|(at, end)| at.as_ref().map_or(0, |at| at.offset.min(*end)).max(0) as u64).sum())
    }

    /// Watches a process until the group has committed everything.
    ///
    /// # Errors
    /// The process ends before, gets nowhere, or was too fast to be seen.
    pub fn follow(&self, process: &mut Measured, stretch: Stretch) -> Result<Speed> {
        let began = Instant::now();
        let all: u64 = self.ends.iter().map(|end| end.unsigned_abs()).sum();
        let (mut looks, mut moved): (Vec<Look>, Instant) = (Vec::new(), began);
        loop {
            process.is_alive()?;
            let (cpu, at) = (process::cpu_times(process.id())?, Instant::now());
            let events = self.done()?;
            if looks.last().is_none_or(|last| last.events < events) {
                moved = at;
            }
            looks.push(Look { at, cpu, events });
            if events >= all {
                return speed(&looks, stretch, all, at - began);
            }
            if moved.elapsed() > STUCK {
                return Err(Error(format!("it gets nowhere: {events} of {all} events are committed")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// What happened between the beginning and the ending.
fn speed(looks: &[Look], stretch: Stretch, all: u64, took: Duration) -> Result<Speed> {
    let (from, up_to) = match stretch {
        Stretch::From(from) => (from, UP_TO),
        Stretch::Whole => (0, 100),
    };
    let first = looks.iter().find(|look| look.events * 100 >= all * from);
    let last = looks.iter().rev().find(|look| look.events * 100 <= all * up_to);
    let (Some(first), Some(last)) = (first, last) else {
        return Err(Error("it was never seen at work".to_owned()));
    };
    let events = last.events.saturating_sub(first.events);
    if events * 4 < all {
        return Err(Error(format!(
            "only {events} of {all} events went by between two looks: give it more events"
        )));
    }
    let events = events as f64;
    let for_an_event =
        |of: fn(&Look) -> Duration| of(last).saturating_sub(of(first)).as_nanos() as f64 / events;
    Ok(Speed {
        cpu_ns: for_an_event(|look| look.cpu.all),
        librdkafka_ns: for_an_event(|look| look.cpu.librdkafka),
        rate: events / (last.at - first.at).as_secs_f64(),
        took,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_steady_stretch_counts() {
        let at = Instant::now();
        let look = |seconds: u64, cpu: u64, events: u64| Look {
            at: at + Duration::from_secs(seconds),
            // A fifth of it is librdkafka's.
            cpu: CpuTime { all: Duration::from_secs(cpu), librdkafka: Duration::from_millis(cpu * 200) },
            events,
        };
        // Starting costs 9 s, ending takes 100 s.
        let looks = [look(0, 0, 0), look(1, 9, 0), look(2, 10, 20), look(6, 14, 97), look(106, 14, 100)];
        let speed = speed(&looks, Stretch::From(20), 100, Duration::from_secs(106)).expect("it was seen");
        assert_eq!((speed.cpu_ns * 77.0).round(), 4e9);
        assert_eq!((speed.librdkafka_ns * 77.0).round(), 8e8);
        assert_eq!((speed.rate * 4.0).round(), 77.0);
    }

    #[test]
    fn who_was_too_fast_to_be_seen_has_no_figures_unless_it_is_tried_out() {
        let at = Instant::now();
        let look = |seconds, events| Look {
            at: at + Duration::from_secs(seconds),
            cpu: CpuTime { all: Duration::from_secs(seconds), ..CpuTime::default() },
            events,
        };
        let looks = [look(0, 0), look(2, 100)];
        let of = |stretch| speed(&looks, stretch, 100, Duration::ZERO);
        assert!(of(Stretch::From(20)).is_err());
        let whole = of(Stretch::Whole).expect("the whole way was seen");
        assert_eq!((whole.cpu_ns, whole.rate), (2e7, 50.0));
    }
}
