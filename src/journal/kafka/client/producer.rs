//! A transactional producer, and its transactions.
//!
//! A record that was refused cannot be overlooked: the transaction then cannot commit, whatever is called.
//! A commit is flushed first, so that every record is known to be delivered before the broker is asked to
//! commit: what fails until then is certainly not committed, and only what fails afterwards is unknown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings as rk;

use super::error::{Error, TransactionError};
use super::group::GroupMetadata;
use super::list::List;
use super::native::Native;
use super::out::{self, Header, Out};
use super::partition::Partition;
use super::raw::{self, code};
use super::reports::{Report, Reports, Told};
use super::settings::Settings;
use super::topics::Topics;
use super::watchdog::watch;

/// An offset to be committed with a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentOffset<'a> {
    /// Of which partition.
    pub partition: Partition,
    /// The next offset to be read.
    pub offset: i64,
    /// What is stored beside it; brokers take 4,096 bytes if not told otherwise
    /// (`offset.metadata.max.bytes`).
    pub metadata: &'a str,
}

/// A producer with a transactional id.
#[derive(Debug)]
pub struct Producer {
    // In the order in which they have to end: the thread, the handles, the client.
    _reports: Reports,
    topics: Topics,
    native: Arc<Native>,
    failures: Arc<Failures>,
    /// What the open transaction cannot commit because of.
    poison: Option<Error>,
    stage: Stage,
    /// The broker's limit for an open transaction; ours for aborting one that was dropped.
    transaction_timeout: Duration,
}

/// What the producer may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing but `init_transactions`.
    New,
    /// A transaction may begin.
    Ready,
    /// One is open.
    Open,
    /// Nothing: an outcome is unknown, or it failed for good.
    Over,
}

/// An open transaction. One that is dropped is aborted before the next one begins.
#[derive(Debug)]
#[must_use = "a transaction that is neither committed nor aborted holds up whoever reads committed records"]
pub struct Transaction<'p> {
    producer: &'p mut Producer,
}

/// The first record that was not delivered, or the client's fatal error.
#[derive(Debug, Default)]
struct Failures {
    any: AtomicBool,
    first: Mutex<Option<Error>>,
}

impl Failures {
    fn put(&self, error: Error) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.any.store(true, Ordering::Release);
    }

    fn get(&self) -> Option<Error> {
        // A look at one flag a batch; the lock only when there is something.
        let any = self.any.load(Ordering::Acquire);
        any.then(|| self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()).flatten()
    }

    fn clear(&self) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.any.store(false, Ordering::Release);
    }
}

impl Told for Failures {
    fn report(&self, report: Report) {
        if let Some(failure) = report.failure {
            self.put(failure);
        }
    }

    fn fatal(&self, error: Error) {
        self.put(error);
    }
}

impl Producer {
    /// A producer; `transaction_timeout` is the time after which the broker aborts an open transaction.
    ///
    /// # Errors
    /// librdkafka refuses a property, or there are too few threads or files. Brokers are not asked yet.
    pub fn new(
        settings: &Settings,
        transactional_id: &str,
        transaction_timeout: Duration,
    ) -> Result<Self, Error> {
        let limit = raw::milliseconds(transaction_timeout);
        // A record that is late must fail before the transaction does.
        let message_limit = (limit / 10 * 9).max(1);
        let conf = settings.producer(&[
            ("transactional.id", transactional_id),
            ("transaction.timeout.ms", &limit.to_string()),
            ("message.timeout.ms", &message_limit.to_string()),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("delivery.report.only.error", "true"),
        ])?;
        let native = Native::producer(conf)?;
        let failures = Arc::new(Failures::default());
        Ok(Self {
            _reports: Reports::begin(&native, &failures)?,
            topics: Topics::new(&native),
            native,
            failures,
            poison: None,
            stage: Stage::New,
            transaction_timeout,
        })
    }

    /// Fences earlier producers with this transactional id, and waits for the end of their transaction.
    ///
    /// # Errors
    /// No answer within `timeout` (it may then be called again), or the producer failed for good.
    pub fn init_transactions(&mut self, timeout: Duration) -> Result<(), Error> {
        self.expect(Stage::New, "init transactions")?;
        // SAFETY: the client is alive, the error is given away.
        self.until(timeout, "init transactions", |rk, left| unsafe {
            rk::rd_kafka_init_transactions(rk, left)
        })?;
        self.stage = Stage::Ready;
        Ok(())
    }

    /// Begins a transaction. Aborts one that was dropped.
    ///
    /// # Errors
    /// The producer is not initialised, or of no use any more.
    pub fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        if self.stage == Stage::Open {
            self.abort(self.transaction_timeout)?;
        }
        self.expect(Stage::Ready, "begin a transaction")?;
        // SAFETY: the client is alive, the error is given away.
        let begun = unsafe {
            Error::take("begin a transaction", rk::rd_kafka_begin_transaction(self.native.client()))
        };
        if let Err(error) = begun {
            self.stage = Stage::Over;
            return Err(error);
        }
        self.failures.clear();
        self.poison = None;
        self.stage = Stage::Open;
        Ok(Transaction { producer: self })
    }

    fn expect(&self, stage: Stage, doing: &'static str) -> Result<(), Error> {
        if self.stage == stage {
            return Ok(());
        }
        let text = match self.stage {
            Stage::New => "the producer is not initialised",
            Stage::Ready | Stage::Open => "the producer is initialised already",
            Stage::Over => "the producer is of no use any more: make another one",
        };
        let error = Error::new(doing, code::STATE, text);
        Err(Error { fatal: self.stage == Stage::Over, ..error })
    }

    /// Makes a transactional call, again as long as it may be made again and there is time.
    fn until(
        &self,
        timeout: Duration,
        doing: &'static str,
        call: impl Fn(*mut rk::rd_kafka_t, i32) -> *mut rk::rd_kafka_error_t,
    ) -> Result<(), Error> {
        let _watched = watch(self.native.name(), doing, timeout);
        let end = Instant::now() + timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = call(self.native.client(), raw::milliseconds(left));
            // SAFETY: the error is null or ours: every transactional call gives it away.
            match unsafe { Error::take(doing, error) } {
                Err(error) if error.retriable && Instant::now() < end => {}
                result => return result,
            }
        }
    }

    /// Remembers what the transaction cannot commit because of.
    fn poison(&mut self, error: Error) -> Error {
        self.poison.get_or_insert_with(|| error.clone());
        error
    }

    /// What the transaction cannot commit because of, if anything.
    fn failure(&self) -> Option<Error> {
        self.poison.clone().or_else(|| self.failures.get())
    }

    fn abort(&mut self, timeout: Duration) -> Result<(), Error> {
        let end = Instant::now() + timeout;
        if self.failures.get().is_none() {
            // An abort that overtakes the registration of the partitions is fatal (INVALID_TXN_STATE):
            // librdkafka sends it although the broker knows of no transaction yet. What is flushed is
            // registered.
            let _ = self.flush(timeout / 2);
        }
        let timeout = end.saturating_duration_since(Instant::now());
        // SAFETY: the client is alive, the error is given away.
        let call = |rk, left| unsafe { rk::rd_kafka_abort_transaction(rk, left) };
        let result = self.until(timeout, "abort the transaction", call);
        self.stage = if result.is_ok() { Stage::Ready } else { Stage::Over };
        result
    }

    /// Waits until every record is delivered or given up.
    fn flush(&self, timeout: Duration) -> Result<(), Error> {
        let _watched = watch(self.native.name(), "flush", timeout);
        // SAFETY: the client is alive.
        let code = unsafe { raw::rd_kafka_flush(self.native.client(), raw::milliseconds(timeout)) };
        Error::check("flush the records of the transaction", code)
    }

    fn commit(&mut self, timeout: Duration) -> Result<(), TransactionError> {
        let end = Instant::now() + timeout;
        let flushed = if self.poison.is_none() { self.flush(timeout) } else { Ok(()) };
        if let Some(cause) = self.failure().or(flushed.err()) {
            // The broker was not asked to commit, and this producer will never ask it.
            return match self.abort(timeout) {
                Ok(()) => Err(TransactionError::Aborted(cause)),
                Err(error) => {
                    Err(unknown(Error { text: format!("{}; after: {cause}", error.text), ..error }))
                }
            };
        }
        // SAFETY: the client is alive, the error is given away.
        let call = |rk, left| unsafe { rk::rd_kafka_commit_transaction(rk, left) };
        let left = end.saturating_duration_since(Instant::now());
        match self.until(left, "commit the transaction", call) {
            Ok(()) => {
                self.stage = Stage::Ready;
                Ok(())
            }
            // Even where librdkafka would let us abort and go on, its word is not the broker's
            // (KAFKA-9274).
            Err(error) => {
                self.stage = Stage::Over;
                Err(unknown(error))
            }
        }
    }

    fn send_offsets(
        &self,
        offsets: &[SentOffset<'_>],
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), Error> {
        let doing = "send the offsets of the transaction";
        if offsets.is_empty() {
            let text = "there are none: nothing would fence a member that is out of its group (KIP-447)";
            return Err(Error::new(doing, code::INVALID_ARG, text));
        }
        let mut list = List::new(offsets.len());
        for sent in offsets {
            if sent.offset < 0 {
                // librdkafka passes over such an offset without a word.
                let text = format!("{} cannot be at {}; the first offset is 0", sent.partition, sent.offset);
                return Err(Error::new(doing, code::INVALID_ARG, text));
            }
            list.add_with(&sent.partition, sent.offset, sent.metadata.as_bytes())?;
        }
        // SAFETY: client, list and group are alive for the call, the error is given away.
        self.until(timeout, doing, |rk, left| unsafe {
            rk::rd_kafka_send_offsets_to_transaction(rk, list.as_ptr(), group.as_ptr(), left)
        })
    }
}

/// An outcome that is unknown, for the reason that matters most.
fn unknown(error: Error) -> TransactionError {
    if error.is_fenced() { TransactionError::Fenced(error) } else { TransactionError::Unknown(error) }
}

impl Transaction<'_> {
    /// Produces records of one topic, in their order; those of one partition are best given one behind the other.
    /// Waits up to `timeout` while librdkafka's queue is full; the first time it asks a broker for the topic's
    /// partitions.
    ///
    /// # Errors
    /// One was refused: too large, no such topic or partition, or the queue stayed full. Or one that was
    /// produced before could not be delivered. The transaction cannot commit any more.
    pub fn produce<'a>(
        &mut self,
        topic: &str,
        records: impl IntoIterator<Item = Out<'a>>,
        timeout: Duration,
    ) -> Result<(), Error> {
        let producer = &mut *self.producer;
        let produced = match producer.failure() {
            Some(failure) => Err(failure),
            None => out::batch(&producer.native, &mut producer.topics, topic, records, timeout),
        };
        produced.map_err(|error| producer.poison(error))
    }

    /// Produces one record with headers, and a time of its own in milliseconds since 1970.
    ///
    /// # Errors
    /// As [`Self::produce`].
    pub fn produce_with(
        &mut self,
        topic: &str,
        record: Out<'_>,
        headers: &[Header<'_>],
        timestamp: Option<i64>,
        timeout: Duration,
    ) -> Result<(), Error> {
        let producer = &mut *self.producer;
        let produced = match producer.failure() {
            Some(failure) => Err(failure),
            None => {
                let mut single = out::Single { topic, record, headers, timestamp, token: 0 };
                single.produce(&producer.native, &mut producer.topics, Instant::now() + timeout)
            }
        };
        produced.map_err(|error| producer.poison(error))
    }

    /// Adds positions of the group to the transaction. Here, and only here, a member that is out of its
    /// group is fenced (KIP-447): a transaction without positions would not be.
    ///
    /// # Errors
    /// The broker refuses the member or its generation, an offset is below 0, there is none, or no answer
    /// came. The transaction cannot commit any more.
    pub fn send_offsets(
        &mut self,
        offsets: &[SentOffset<'_>],
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), Error> {
        let sent = self.producer.send_offsets(offsets, group, timeout);
        sent.map_err(|error| self.producer.poison(error))
    }

    /// Why this cannot commit any more, if so: what was refused, or could not be delivered as far as is
    /// known.
    pub fn failure(&self) -> Option<Error> {
        self.producer.failure()
    }

    /// Commits. One that cannot commit is aborted.
    ///
    /// Readers of committed records see them a moment later, when the broker has written the markers; until
    /// then it makes the next transaction wait (20 ms, by librdkafka's grid).
    ///
    /// # Errors
    /// Certainly not committed, or unknown. Takes up to twice `timeout`: committing, then aborting.
    pub fn commit(self, timeout: Duration) -> Result<(), TransactionError> {
        self.producer.commit(timeout)
    }

    /// Aborts.
    ///
    /// # Errors
    /// The producer is of no use any more. Nothing is committed all the same.
    pub fn abort(self, timeout: Duration) -> Result<(), Error> {
        self.producer.abort(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer() -> Producer {
        let settings = Settings::new("127.0.0.1:1");
        Producer::new(&settings, "worker-0", Duration::from_secs(10)).expect("no broker asked")
    }

    #[test]
    fn a_producer_that_is_not_initialised_begins_nothing() {
        let mut producer = producer();
        let error = producer.begin().map(drop).expect_err("not initialised");
        assert!(error.to_string().contains("not initialised"), "{error}");
    }

    #[test]
    fn without_a_broker_nothing_is_initialised_and_it_may_be_tried_again() {
        let mut producer = producer();
        for _ in 0..2 {
            let error = producer.init_transactions(Duration::from_millis(20)).expect_err("no broker");
            assert!(error.retriable && !error.fatal, "{error:?}");
        }
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let failures = Failures::default();
        assert_eq!(failures.get(), None);
        failures.put(Error::of_code("deliver the first", code::TIMED_OUT));
        failures.put(Error::of_code("deliver the second", code::FAIL));
        assert_eq!(failures.get().expect("two").doing, "deliver the first");
        failures.clear();
        assert_eq!(failures.get(), None);
    }
}
