//! Where events go: a topic, a server's API, or a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::util::Timeout;
use wayfarer::journal::kafka::partition::Partitioner;

use crate::error::{Error, Result, cannot};
use crate::topics::PATIENCE;

/// Takes events.
pub trait Sink {
    /// Takes one of that user's.
    ///
    /// # Errors
    /// It takes nothing any more.
    fn put(&mut self, user: &str, line: &[u8]) -> Result<()>;
    /// Nothing comes for a moment.
    ///
    /// # Errors
    /// It takes nothing any more.
    fn pause(&mut self) -> Result<()>;
    /// Waits until all that was taken has arrived.
    ///
    /// # Errors
    /// Something has not arrived, or was refused.
    fn close(&mut self) -> Result<()>;
}

/// How much the client keeps when the brokers stand still: the generator does not wait for them.
const QUEUE_EVENTS: &str = "2000000";
const QUEUE_KBYTES: &str = "1048576";

/// Counts the events that brokers did not take.
struct Lost(Arc<AtomicU64>);

impl ClientContext for Lost {}

impl ProducerContext for Lost {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A topic, keyed by users.
pub struct Topic {
    producer: ThreadedProducer<Lost>,
    name: String,
    partitions: u16,
    lost: Arc<AtomicU64>,
}

impl Topic {
    /// Of that name at those brokers. `linger` is how long a record may wait for company.
    ///
    /// # Errors
    /// No broker answers, or there is no such topic.
    pub fn open(brokers: &str, name: &str, linger: Duration) -> Result<Self> {
        let kafka = |error: KafkaError| Error(format!("Kafka at {brokers}: {error}"));
        let lost = Arc::new(AtomicU64::new(0));
        let producer: ThreadedProducer<_> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("allow.auto.create.topics", "false")
            .set("compression.type", "lz4")
            .set("linger.ms", linger.as_millis().to_string())
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", QUEUE_EVENTS)
            .set("queue.buffering.max.kbytes", QUEUE_KBYTES)
            .create_with_context(Lost(Arc::clone(&lost)))
            .map_err(kafka)?;
        let found = producer.client().fetch_metadata(Some(name), PATIENCE).map_err(kafka)?;
        let partitions = found.topics().first().map_or(0, |topic| topic.partitions().len());
        if partitions == 0 {
            return Err(Error(format!(
                "there is no topic {name} at {brokers}: `wayfarer topics apply` makes it"
            )));
        }
        let partitions = u16::try_from(partitions).unwrap_or(u16::MAX);
        Ok(Self { producer, name: name.to_owned(), partitions, lost })
    }
}

impl Sink for Topic {
    fn put(&mut self, user: &str, line: &[u8]) -> Result<()> {
        let partition = Partitioner::Murmur2.partition(user.as_bytes(), self.partitions);
        let mut record = BaseRecord::to(&self.name).key(user).payload(line).partition(i32::from(partition));
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                // The room for what the brokers do not take is finite; what comes now is late, and counted so.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    std::thread::sleep(Duration::from_millis(1));
                    record = again;
                }
                Err((error, _)) => return Err(Error(format!("Kafka takes no event: {error}"))),
            }
        }
    }

    fn pause(&mut self) -> Result<()> {
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let flushed = self.producer.flush(Timeout::After(PATIENCE * 4));
        flushed.map_err(|error| Error(format!("Kafka has not taken every event: {error}")))?;
        match self.lost.load(Ordering::Relaxed) {
            0 => Ok(()),
            lost => Err(Error(format!("Kafka has not taken {lost} events of the topic {}", self.name))),
        }
    }
}

/// A file of JSON lines. It is written beside its name and gets it when it is whole.
pub struct Lines {
    file: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
}

impl Lines {
    /// At that path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(cannot(format!("write to {}", part.display())))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), part, path: path.to_owned() })
    }
}

impl Sink for Lines {
    fn put(&mut self, _: &str, line: &[u8]) -> Result<()> {
        let written = self.file.write_all(line).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(cannot(format!("write to {}", self.part.display())))
    }

    fn pause(&mut self) -> Result<()> {
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let whole = self.file.flush().and_then(|()| std::fs::rename(&self.part, &self.path));
        whole.map_err(cannot(format!("write to {}", self.path.display())))
    }
}
