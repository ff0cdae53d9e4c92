//! The bare Kafka loop: what Kafka itself allows. It makes the same batch calls as Wayfarer, parses every event, writes
//! as many records of the same size in the same transactions, and decides nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wayfarer::ingest::decode;
use wayfarer::journal::kafka::client::{
    self, Consumer, Edge, Isolation, Membership, Messages, Out, Partition, Producer, Rebalance, SentOffset,
    Settings,
};

use crate::error::{Error, Result, cannot};
use crate::topics::PATIENCE;

/// What it is to do: where, and how much.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Shape {
    /// The brokers.
    pub brokers: String,
    /// The topic of events.
    pub events: String,
    /// Where the records go.
    pub state: String,
    /// Group and transactional ids.
    pub group: String,
    /// How many threads.
    pub threads: u16,
    /// How many events make a transaction, if there are as many; what is there otherwise.
    pub batch: usize,
    /// How many users' records an event makes.
    pub records: f64,
    /// The bytes of such a record beyond the user's id.
    pub value: usize,
    /// How many lines an event makes: movements, refusals.
    pub lines: f64,
    /// The bytes of such a line.
    pub line: usize,
    /// How many other records a partition has in a transaction.
    pub others: f64,
    /// The bytes of such a record.
    pub other: usize,
    /// What it sends at once, if latencies are measured.
    #[serde(default)]
    pub sends: Option<Sends>,
}

/// What the loop sends at once.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Sends {
    /// Where.
    pub topic: String,
    /// By which events, by name: one send for each time that the event's is among them.
    pub events: Vec<String>,
    /// The bytes of a send.
    pub size: usize,
}

/// What is read of the properties of an event that is answered by a send.
#[derive(Deserialize)]
struct Scheduled {
    scheduled: u64,
}

/// Loops until it is asked to end.
///
/// # Errors
/// A broker does not do what it is asked.
pub fn run(shape: &Path) -> Result<()> {
    let doing = || format!("read the shape {}", shape.display());
    let text = std::fs::read(shape).map_err(cannot(doing()))?;
    let shape: Shape =
        serde_json::from_slice(&text).map_err(|error| Error(format!("cannot {}: {error}", doing())))?;
    client::memory::keep_freed();
    let (shape, stop) = (Arc::new(shape), Arc::new(AtomicBool::new(false)));
    let start = Arc::new(Start::default());
    let threads: Vec<_> = (0..shape.threads)
        .map(|number| {
            let (shape, stop, start) = (Arc::clone(&shape), Arc::clone(&stop), Arc::clone(&start));
            thread::spawn(move || Loop::new(&shape, number)?.go_on(&start, &stop))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| Error("a thread panicked".to_owned()))??;
        stop.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// How long the group must have stood still before the loop begins.
const SETTLED: Duration = Duration::from_millis(1500);

/// As long as what says where a line comes from.
const LINE_KEY: &[u8] = &[0; 17];
/// What heads and statistics are like: numbers.
const OTHER: &[u8] = &[3, 0, 0, 7, 1, 0, 0, 250, 9, 81, 4, 33];

/// How many partitions all threads have, and since when: they begin together, since nothing is undone here when the
/// group divides its partitions anew.
#[derive(Default)]
struct Start {
    assigned: AtomicUsize,
    threads: AtomicUsize,
}

struct Loop<'a> {
    shape: &'a Shape,
    consumer: Consumer,
    producer: Producer,
    /// By partition: the next offset, and whether it is in this transaction.
    at: Vec<Option<i64>>,
    touched: Vec<i32>,
    messages: Messages,
    records: Records,
    sends: Records,
    /// What is left of a record, and of a line, that was not whole.
    rest: [f64; 2],
}

/// Records in one buffer, as Wayfarer has them.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
    /// Partition, end of the key, end of the value.
    ends: Vec<(i32, usize, usize)>,
}

impl Records {
    /// Of that many bytes of what came in, over and over: as hard to compress as a journey's lines.
    fn push(&mut self, partition: i32, prefix: u8, key: &[u8], (value, like): (usize, &[u8])) {
        self.bytes.push(prefix);
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        let filler = like.iter().cycle().take(value);
        self.bytes.extend(filler);
        self.ends.push((partition, key_end, self.bytes.len()));
    }

    /// A send of that size, by which its reader knows when its event was scheduled.
    fn send(&mut self, partition: i32, key: &[u8], scheduled: u64, size: usize) {
        self.bytes.push(b'b');
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        let head = format!(
            r#"{{"journey":"bare","due":"1970-01-01T00:00:00Z","variables":{{"scheduled":{scheduled}}},"as":""#
        );
        self.bytes.extend_from_slice(head.as_bytes());
        let like = b"a push of which only the size matters, ";
        self.bytes.extend(like.iter().cycle().take(size.saturating_sub(head.len() + 2)));
        self.bytes.extend_from_slice(b"\"}");
        self.ends.push((partition, key_end, self.bytes.len()));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn outs(&self) -> impl Iterator<Item = Out<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, _, end)| *end));
        let out = |(start, &(partition, key, end)): (usize, &(i32, usize, usize))| Out {
            partition,
            key: Some(&self.bytes[start..key]),
            value: Some(&self.bytes[key..end]),
        };
        starts.zip(&self.ends).map(out)
    }
}

impl<'a> Loop<'a> {
    fn new(shape: &'a Shape, number: u16) -> Result<Self> {
        let settings = Settings::new(&*shape.brokers);
        let name = format!("{}-{number}", shape.group);
        let membership = Membership {
            group: shape.group.clone(),
            instance: Some(name.clone()),
            session_timeout: Duration::from_secs(6),
            poll_interval_max: Duration::from_secs(300),
        };
        let mut producer = Producer::new(&settings, &name, Duration::from_secs(10))?;
        producer.init_transactions(PATIENCE)?;
        let consumer = Consumer::member(&settings, &membership)?;
        consumer.subscribe(&[&shape.events])?;
        Ok(Self {
            shape,
            consumer,
            producer,
            at: Vec::new(),
            touched: Vec::new(),
            messages: Messages::new(),
            records: Records::default(),
            sends: Records::default(),
            rest: [0.0; 2],
        })
    }

    /// Waits until the group has settled: every thread has partitions, and nothing has moved for a while.
    fn settle(&mut self, start: &Start) -> Result<()> {
        let (mut since, mut known, mut own) = (Instant::now(), 0, Vec::new());
        while since.elapsed() < SETTLED || own.is_empty() {
            let mut changes = Vec::new();
            self.consumer.poll(&mut self.messages, 1, Duration::from_millis(20), &mut |_, change| {
                changes.push(match change {
                    Rebalance::Assigned(partitions) => (true, partitions.to_vec()),
                    Rebalance::Revoked(partitions) | Rebalance::Lost(partitions) => {
                        (false, partitions.to_vec())
                    }
                });
            })?;
            for (gained, partitions) in changes {
                let had = own.len();
                own.retain(|partition| !partitions.contains(partition));
                own.extend(partitions.into_iter().filter(|_| gained));
                start.assigned.fetch_add(own.len().wrapping_sub(had), Ordering::Relaxed);
                start.threads.fetch_add(usize::from(had == 0), Ordering::Relaxed);
            }
            let now = start.assigned.load(Ordering::Relaxed);
            if now != known || start.threads.load(Ordering::Relaxed) < usize::from(self.shape.threads) {
                (since, known) = (Instant::now(), now);
            }
        }
        let first = self.consumer.offsets(&own, Edge::Earliest, Isolation::Committed, PATIENCE)?;
        let from: Vec<_> = own.into_iter().zip(first).collect();
        Ok(self.consumer.start(&from, PATIENCE)?)
    }

    fn go_on(mut self, start: &Start, stop: &AtomicBool) -> Result<()> {
        self.settle(start)?;
        while !stop.load(Ordering::Relaxed) {
            let mut read = 0;
            let mut wait = Duration::from_millis(100);
            while read < self.shape.batch {
                let taken = self.take(self.shape.batch - read, wait)?;
                if taken == 0 {
                    break;
                }
                read += taken;
                wait = Duration::ZERO;
            }
            if read > 0 {
                self.commit()?;
            }
        }
        Ok(())
    }

    /// Reads what is there, parses it, and makes its records.
    fn take(&mut self, max: usize, wait: Duration) -> Result<usize> {
        let mut moved = false;
        self.consumer.poll(&mut self.messages, max, wait, &mut |_, _| moved = true)?;
        if moved {
            return Err(Error("the group has moved partitions in the middle: the race is void".to_owned()));
        }
        for message in self.messages.iter() {
            let bytes = message.value().unwrap_or_default();
            let event = decode::decode(bytes).map_err(|reject| Error(format!("no event: {reject:?}")))?;
            let partition = message.partition();
            let place = partition as usize;
            if self.at.len() <= place {
                self.at.resize(place + 1, None);
            }
            if self.at[place].replace(message.offset() + 1).is_none() {
                self.touched.push(partition);
            }
            for (rest, (share, prefix, size)) in self.rest.iter_mut().zip([
                (self.shape.records, b'u', self.shape.value),
                (self.shape.lines, b'm', self.shape.line),
            ]) {
                *rest += share;
                while *rest >= 1.0 {
                    *rest -= 1.0;
                    let key = if prefix == b'u' { event.user.as_bytes() } else { LINE_KEY };
                    self.records.push(partition, prefix, key, (size, bytes));
                }
            }
            if let Some(sends) = &self.shape.sends {
                for _ in sends.events.iter().filter(|name| **name == *event.name) {
                    let read = serde_json::from_slice(event.properties);
                    let Scheduled { scheduled } =
                        read.map_err(|error| Error(format!("no event of a load: {error}")))?;
                    self.sends.send(partition, event.user.as_bytes(), scheduled, sends.size);
                }
            }
        }
        Ok(self.messages.len())
    }

    fn commit(&mut self) -> Result<()> {
        for &partition in &self.touched {
            for other in 0..self.shape.others.round() as u32 {
                self.records.push(partition, b'h', &other.to_be_bytes(), (self.shape.other, OTHER));
            }
        }
        let group = self.consumer.group_metadata()?;
        let offsets: Vec<SentOffset<'_>> = self
            .touched
            .iter()
            .map(|&partition| SentOffset {
                partition: Partition::new(&*self.shape.events, partition),
                offset: self.at[partition as usize].unwrap_or(0),
                metadata: "1 1 1 bare",
            })
            .collect();
        let mut transaction = self.producer.begin()?;
        transaction.produce(&self.shape.state, self.records.outs(), PATIENCE)?;
        if let Some(sends) = &self.shape.sends {
            transaction.produce(&sends.topic, self.sends.outs(), PATIENCE)?;
        }
        transaction.send_offsets(&offsets, &group, PATIENCE)?;
        transaction.commit(PATIENCE)?;
        self.records.clear();
        self.sends.clear();
        for partition in self.touched.drain(..) {
            self.at[partition as usize] = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_has_the_size_that_is_asked_for_and_tells_its_schedule() {
        let mut records = Records::default();
        for size in [300, 0] {
            records.send(3, b"user", 1_772_323_200_123_456, size);
        }
        let all: Vec<_> = records.outs().collect();
        let value = |at: usize| all[at].value.expect("it has one");
        assert_eq!((all[0].partition, all[0].key, value(0).len()), (3, Some(&b"buser"[..]), 300));
        for at in [0, 1] {
            let line: serde_json::Value = serde_json::from_slice(value(at)).expect("it is JSON");
            assert_eq!(line["variables"]["scheduled"], 1_772_323_200_123_456_u64);
        }
    }
}
