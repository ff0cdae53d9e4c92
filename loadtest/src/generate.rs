//! A shop's events, into a topic or a file: as fast as it goes, or at a rate that does not wait for anybody.
//!
//! With a rate an event's time is the one at which it was *scheduled*: if the way into the topic stalls, later events
//! are late, and whoever measures from their time sees it (open loop).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::util::Timeout;
use wayfarer::journal::kafka::partition::Partitioner;

use crate::error::{Error, Result, cannot};
use crate::topics::PATIENCE;
use crate::traffic::{Shape, Traffic, user_id};

/// What is generated, and where to.
#[derive(Args, Clone, Debug)]
pub struct Generate {
    /// How many events
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    /// How many a second; 0 is as many as go in
    #[arg(long, default_value_t = 0)]
    pub rate: u64,
    /// The customers
    #[command(flatten)]
    pub shape: Shape,
    /// The brokers, "host:port", if it is a topic
    #[arg(long, env = "WAYFARER_KAFKA", default_value = "127.0.0.1:9092")]
    pub brokers: String,
    /// The topic, which must be there (`wayfarer topics apply` makes it); keys are user ids, spread by murmur2
    #[arg(long, default_value = "wayfarer.events")]
    pub topic: String,
    /// A file of JSON lines instead of a topic
    #[arg(long)]
    pub file: Option<PathBuf>,
}

/// What was generated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Generated {
    /// Events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Customers whose cart waits after the last one.
    pub waiting: u64,
    /// How long it took.
    pub took: Duration,
    /// By how much the latest event was later than scheduled; zero without a rate.
    pub late: Duration,
}

/// Where events go.
enum Sink {
    Topic {
        producer: Box<ThreadedProducer<rdkafka::producer::DefaultProducerContext>>,
        name: String,
        partitions: u16,
    },
    File(BufWriter<File>, PathBuf),
}

/// How many events are sent between two looks at the clock.
const STEP: u64 = 100;

/// Generates.
///
/// # Errors
/// The topic or the file cannot be written to.
pub fn run(args: &Generate) -> Result<Generated> {
    let mut sink = Sink::open(args)?;
    let mut shop = Traffic::new(&args.shape);
    let bar = progress(args.events);
    let (began, origin) = (Instant::now(), now());
    let (mut bytes, mut late, mut line) = (0, Duration::ZERO, Vec::with_capacity(512));
    for number in 0..args.events {
        let due = due(number, args.rate);
        if number % STEP == 0 {
            late = late.max(keep_pace(began, due, args.rate));
            bar.set_position(number);
        }
        let at = if args.rate == 0 { now() } else { origin + due.as_millis() as i64 };
        let next = shop.step();
        line.clear();
        shop.write(next, at, &mut line);
        bytes += line.len() as u64;
        sink.put(&user_id(next.0), &line)?;
    }
    sink.close()?;
    bar.finish_and_clear();
    Ok(Generated { events: args.events, bytes, waiting: shop.waiting(), took: began.elapsed(), late })
}

/// When an event of that number is scheduled, from the first one on.
fn due(number: u64, rate: u64) -> Duration {
    if rate == 0 {
        Duration::ZERO
    } else {
        Duration::from_nanos((u128::from(number) * 1_000_000_000 / u128::from(rate)) as u64)
    }
}

/// Waits until an event is due; by how much it is late if it was due before.
fn keep_pace(began: Instant, due: Duration, rate: u64) -> Duration {
    if rate == 0 {
        return Duration::ZERO;
    }
    let gone = began.elapsed();
    std::thread::sleep(due.saturating_sub(gone));
    gone.saturating_sub(due)
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn progress(events: u64) -> ProgressBar {
    let bar = ProgressBar::new(events);
    let style = ProgressStyle::with_template("{human_pos} of {human_len} events {wide_bar} {per_sec} {eta}");
    bar.set_style(style.expect("the template is right"));
    bar
}

impl Sink {
    fn open(args: &Generate) -> Result<Self> {
        if let Some(path) = &args.file {
            let file = File::create(path).map_err(cannot(format!("write to {}", path.display())))?;
            return Ok(Self::File(BufWriter::with_capacity(1 << 20, file), path.clone()));
        }
        let kafka = |error: KafkaError| Error(format!("Kafka: {error}"));
        let producer: ThreadedProducer<_> = ClientConfig::new()
            .set("bootstrap.servers", &args.brokers)
            .set("enable.idempotence", "true")
            .set("allow.auto.create.topics", "false")
            .set("compression.type", "lz4")
            .set("linger.ms", if args.rate == 0 { "50" } else { "5" })
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "200000")
            .create()
            .map_err(kafka)?;
        let found = producer.client().fetch_metadata(Some(&args.topic), PATIENCE).map_err(kafka)?;
        let partitions = found.topics().first().map_or(0, |topic| topic.partitions().len());
        if partitions == 0 {
            let (topic, brokers) = (&args.topic, &args.brokers);
            return Err(Error(format!(
                "there is no topic {topic} at {brokers}: `wayfarer topics apply` makes it"
            )));
        }
        let partitions = u16::try_from(partitions).unwrap_or(u16::MAX);
        Ok(Self::Topic { producer: Box::new(producer), name: args.topic.clone(), partitions })
    }

    fn put(&mut self, user: &str, line: &[u8]) -> Result<()> {
        match self {
            Self::File(file, path) => {
                let doing = cannot(format!("write to {}", path.display()));
                file.write_all(line).and_then(|()| file.write_all(b"\n")).map_err(doing)
            }
            Self::Topic { producer, name, partitions } => {
                let partition = Partitioner::Murmur2.partition(user.as_bytes(), *partitions);
                let mut record = BaseRecord::to(name).key(user).payload(line).partition(i32::from(partition));
                loop {
                    match producer.send(record) {
                        Ok(()) => return Ok(()),
                        Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                            std::thread::sleep(Duration::from_millis(1));
                            record = again;
                        }
                        Err((error, _)) => return Err(Error(format!("Kafka takes no event: {error}"))),
                    }
                }
            }
        }
    }

    fn close(&mut self) -> Result<()> {
        match self {
            Self::File(file, path) => file.flush().map_err(cannot(format!("write to {}", path.display()))),
            Self::Topic { producer, .. } => {
                let flushed = producer.flush(Timeout::After(PATIENCE * 4));
                flushed.map_err(|error| Error(format!("Kafka has not taken every event: {error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_the_events_that_were_asked_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events.jsonl");
        let args = Generate {
            events: 1_000,
            rate: 0,
            shape: Shape { users: 50, orders: 20, seed: 3 },
            brokers: String::new(),
            topic: String::new(),
            file: Some(path.clone()),
        };
        let generated = run(&args).expect("the file can be written");
        let text = std::fs::read_to_string(path).expect("it is there");
        assert_eq!((text.lines().count(), text.len() as u64), (1_000, generated.bytes + 1_000));
        assert!(generated.waiting > 0 && generated.waiting <= 50, "{generated:?}");
    }

    #[test]
    fn events_are_scheduled_evenly_whatever_happened_before() {
        assert_eq!(due(0, 1_000), Duration::ZERO);
        assert_eq!(due(1_500, 1_000), Duration::from_millis(1_500));
        assert_eq!(due(u64::from(u32::MAX), 1), Duration::from_secs(u64::from(u32::MAX)));
    }
}
