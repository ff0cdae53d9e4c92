//! The obvious program, as one writes it with what is at hand: a `StreamConsumer`, a task for each event,
//! `serde_json::Value`, a `DashMap` of carts with a sleeping task each, and a `FutureProducer`.
//!
//! It is right, and no more: at least once, complete, and the carts of a process go with it. Tasks overtake each other,
//! so a cart remembers the offset of its last event, and what is older changes nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducer, FutureRecord};
use serde_json::{Value, json};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::job::Job;
use crate::error::{Error, Result};

/// How often is committed what is done.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// Does the job until the process is ended.
///
/// # Errors
/// A broker does not do what it is asked, or something is no event.
pub fn run(job: &Job) -> Result<()> {
    let threads = usize::from(job.threads).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Error(format!("no threads: {error}")))?;
    runtime.block_on(go_on(job))
}

async fn go_on(job: &Job) -> Result<()> {
    let consumer = consumer(job).map_err(kafka)?;
    let shop = Arc::new(Shop::new(job).map_err(kafka)?);
    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    let mut commit = interval(COMMIT_EVERY);
    commit.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = consumer.recv() => {
                let (shop, message) = (Arc::clone(&shop), message.map_err(kafka)?.detach());
                tasks.spawn(async move { shop.take(message).await });
            }
            _ = commit.tick() => {
                // Whatever was received is done, and written, before it counts.
                while let Some(done) = tasks.join_next().await {
                    done.map_err(|error| Error(format!("a task ended: {error}")))??;
                }
                match consumer.commit_consumer_state(CommitMode::Async) {
                    Ok(()) | Err(KafkaError::ConsumerCommit(rdkafka::types::RDKafkaErrorCode::NoOffset)) => {}
                    Err(error) => return Err(kafka(error)),
                }
            }
        }
    }
}

fn consumer(job: &Job) -> std::result::Result<StreamConsumer, KafkaError> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &job.brokers)
        .set("group.id", &job.group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[&job.events])?;
    Ok(consumer)
}

/// A user's cart, if there is one.
struct Cart {
    /// The offset of the last event that changed it.
    offset: i64,
    deadline: Option<i64>,
    timer: Option<AbortHandle>,
}

/// Everything that the tasks share.
struct Shop {
    carts: DashMap<String, Cart>,
    producer: FutureProducer,
    state: String,
    sends: String,
    patience_ms: i64,
}

impl Shop {
    fn new(job: &Job) -> std::result::Result<Self, KafkaError> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &job.brokers)
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            // More than the tasks between two commits can have.
            .set("queue.buffering.max.messages", "1000000")
            .create()?;
        let (state, sends, patience_ms) = (job.state.clone(), job.sends.clone(), i64::from(job.patience_ms));
        Ok(Self { carts: DashMap::new(), producer, state, sends, patience_ms })
    }

    async fn take(self: Arc<Self>, message: OwnedMessage) -> Result<()> {
        let event: Value = serde_json::from_slice(message.payload().unwrap_or_default())
            .map_err(|error| Error(format!("no event: {error}")))?;
        let (Some(user), Some(name)) = (event["userId"].as_str(), event["event"].as_str()) else {
            return Err(Error(format!("an event without a user or a name: {event}")));
        };
        let at = message.timestamp().to_millis().unwrap_or_else(now_ms);
        match name {
            "Cart Updated" => self.change(&message, user, Some(at + self.patience_ms)).await,
            "Order Completed" => self.change(&message, user, None).await,
            _ => Ok(()),
        }
    }

    /// Gives a user's cart another deadline, or none.
    async fn change(
        self: &Arc<Self>,
        message: &OwnedMessage,
        user: &str,
        deadline: Option<i64>,
    ) -> Result<()> {
        let written = {
            let fresh = || Cart { offset: -1, deadline: None, timer: None };
            let mut cart = self.carts.entry(user.to_owned()).or_insert_with(fresh);
            if message.offset() <= cart.offset {
                return Ok(());
            }
            cart.offset = message.offset();
            if let Some(timer) = cart.timer.take() {
                timer.abort();
            }
            if std::mem::replace(&mut cart.deadline, deadline).is_none() && deadline.is_none() {
                return Ok(());
            }
            cart.timer = deadline.map(|deadline| self.set_timer(user, message, deadline));
            // Within the entry: what is written of one user is in the order in which it happened.
            self.write(message.partition(), user, deadline)?
        };
        delivered(written).await
    }

    fn set_timer(self: &Arc<Self>, user: &str, message: &OwnedMessage, deadline: i64) -> AbortHandle {
        let (shop, user) = (Arc::clone(self), user.to_owned());
        let (partition, offset) = (message.partition(), message.offset());
        let wait = Duration::from_millis((deadline - now_ms()).max(0).unsigned_abs());
        let timer = async move {
            sleep(wait).await;
            if let Err(error) = shop.remind(partition, &user, offset).await {
                use std::io::Write;
                // Nobody is left to tell if the standard error is gone.
                let _ = writeln!(std::io::stderr(), "wayfarer-load: {user} is not reminded: {error}");
            }
        };
        tokio::spawn(timer).abort_handle()
    }

    /// Sends the reminder, unless the cart has changed since.
    async fn remind(&self, partition: i32, user: &str, offset: i64) -> Result<()> {
        let (sent, written) = {
            let Some(mut cart) = self.carts.get_mut(user) else { return Ok(()) };
            let Some(deadline) = cart.deadline.filter(|_| cart.offset == offset) else { return Ok(()) };
            (cart.deadline, cart.timer) = (None, None);
            let line = json!({"user": user, "channel": "push", "content": "reminder", "at": deadline});
            let line = line.to_string();
            let record = FutureRecord::to(&self.sends).key(user).payload(&line).partition(partition);
            (
                self.producer.send_result(record).map_err(|(error, _)| kafka(error))?,
                self.write(partition, user, None)?,
            )
        };
        delivered(sent).await?;
        delivered(written).await
    }

    /// Hands a user's state over: a tombstone if there is no cart.
    fn write(&self, partition: i32, user: &str, deadline: Option<i64>) -> Result<DeliveryFuture> {
        let line = deadline.map(|deadline| json!({ "deadline": deadline }).to_string());
        let record: FutureRecord<'_, str, String> = FutureRecord {
            payload: line.as_ref(),
            ..FutureRecord::to(&self.state).key(user).partition(partition)
        };
        self.producer.send_result(record).map_err(|(error, _)| kafka(error))
    }
}

async fn delivered(written: DeliveryFuture) -> Result<()> {
    match written.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(kafka(error)),
        Err(_) => Err(Error("Kafka: the producer ended before a record was delivered".to_owned())),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn kafka(error: KafkaError) -> Error {
    Error(format!("Kafka: {error}"))
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
