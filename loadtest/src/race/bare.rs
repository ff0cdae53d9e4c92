//! The bare Kafka loop: what Kafka itself allows. It makes the same batch calls as Wayfarer, parses every event, writes
//! as many records of the same size in the same transactions, and decides nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wayfarer::ingest::decode;
use wayfarer::journal::kafka::client::{
    Consumer, Edge, Isolation, Membership, Messages, Out, Partition, Producer, Rebalance, SentOffset,
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
    let (shape, stop) = (Arc::new(shape), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..shape.threads)
        .map(|number| {
            let (shape, stop) = (Arc::clone(&shape), Arc::clone(&stop));
            thread::spawn(move || Loop::new(&shape, number)?.go_on(&stop))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| Error("a thread panicked".to_owned()))??;
        stop.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// As long as what says where a line comes from.
const LINE_KEY: &[u8] = &[0; 17];

struct Loop<'a> {
    shape: &'a Shape,
    consumer: Consumer,
    producer: Producer,
    /// By partition: the next offset, and whether it is in this transaction.
    at: Vec<Option<i64>>,
    touched: Vec<i32>,
    messages: Messages,
    records: Records,
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
    fn push(&mut self, partition: i32, prefix: u8, key: &[u8], value: usize) {
        self.bytes.push(prefix);
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.resize(key_end + value, b'v');
        self.ends.push((partition, key_end, self.bytes.len()));
    }

    fn outs(&self) -> Vec<Out<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, _, end)| *end));
        let out = |(start, &(partition, key, end)): (usize, &(i32, usize, usize))| Out {
            partition,
            key: Some(&self.bytes[start..key]),
            value: Some(&self.bytes[key..end]),
        };
        starts.zip(&self.ends).map(out).collect()
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
            rest: [0.0; 2],
        })
    }

    fn go_on(mut self, stop: &AtomicBool) -> Result<()> {
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
        let mut gained: Vec<Partition> = Vec::new();
        self.consumer.poll(&mut self.messages, max, wait, &mut |_, change| {
            if let Rebalance::Assigned(partitions) = change {
                gained.extend_from_slice(partitions);
            }
        })?;
        if !gained.is_empty() {
            let first = self.consumer.offsets(&gained, Edge::Earliest, Isolation::Committed, PATIENCE)?;
            let from: Vec<_> = gained.into_iter().zip(first).collect();
            self.consumer.start(&from, PATIENCE)?;
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
                    self.records.push(partition, prefix, key, size);
                }
            }
        }
        Ok(self.messages.len())
    }

    fn commit(&mut self) -> Result<()> {
        for &partition in &self.touched {
            for other in 0..self.shape.others.round() as u32 {
                self.records.push(partition, b'h', &other.to_be_bytes(), self.shape.other);
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
        transaction.produce(&self.shape.state, &self.records.outs(), PATIENCE)?;
        transaction.send_offsets(&offsets, &group, PATIENCE)?;
        transaction.commit(PATIENCE)?;
        self.records.bytes.clear();
        self.records.ends.clear();
        for partition in self.touched.drain(..) {
            self.at[partition as usize] = None;
        }
        Ok(())
    }
}
