//! A consumer: a member of a group, or a reader that only reads.
//!
//! It belongs to one thread at a time (`Send`, not `Sync`). Everything that concerns the group happens
//! within [`Consumer::poll`], on the thread that calls it; between two polls nothing comes or goes.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::bindings as rk;

use super::error::Error;
use super::list::List;
use super::message::{Message, Messages};
use super::native::{Native, within};
use super::offsets::Isolation;
use super::partition::Partition;
use super::raw::{self, code};
use super::rebalance::{Handler, Rebalance, State};
use super::settings::Settings;
use super::watchdog::watch;

/// The longest time between two signs of life of a member. By them it hears of others, so a joining one waits
/// for two of them until it has its first partition.
const HEARTBEAT_MAX: Duration = Duration::from_millis(250);

/// How long brokers let a scanner wait at a partition's end.
const SCAN_WAIT_MS: &str = "5";

/// Who a member of a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `group.id`.
    pub group: String,
    /// `group.instance.id`: one that comes back within the session time-out has its partitions again.
    pub instance: Option<String>,
    /// `session.timeout.ms`: a member that is silent for so long is out.
    pub session_timeout: Duration,
    /// `max.poll.interval.ms`: a member that does not poll for so long is out. Not below the session's.
    pub poll_interval_max: Duration,
}

/// A consumer. Dropped without [`Consumer::close`] it is closed all the same, and waited for a little.
#[derive(Debug)]
pub struct Consumer {
    native: Arc<Native>,
    state: Arc<State>,
    /// Whether a poll runs, and its callback with it.
    polling: Cell<bool>,
}

/// What a poll could not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{error}", partition.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
pub struct PollError {
    /// The partition concerned, if it is one.
    pub partition: Option<Partition>,
    /// What happened.
    pub error: Error,
}

impl Consumer {
    /// A member of a group. It reads committed records only, and commits through transactions only.
    ///
    /// # Errors
    /// librdkafka refuses a property, or there are too few threads or files. Brokers are not asked yet.
    pub fn member(settings: &Settings, membership: &Membership) -> Result<Self, Error> {
        let session = raw::milliseconds(membership.session_timeout).to_string();
        let interval = raw::milliseconds(membership.poll_interval_max).to_string();
        // Six chances to be heard at least.
        let heartbeat = raw::milliseconds((membership.session_timeout / 6).min(HEARTBEAT_MAX)).to_string();
        let mut own = vec![
            ("group.id", membership.group.as_str()),
            ("session.timeout.ms", &session),
            ("max.poll.interval.ms", &interval),
            ("heartbeat.interval.ms", &heartbeat),
        ];
        own.extend(membership.instance.as_deref().map(|instance| ("group.instance.id", instance)));
        Self::new(settings, own, Isolation::Committed)
    }

    /// A reader: its partitions are assigned by hand. It names a group, whose committed positions it may
    /// ask for, without being its member.
    ///
    /// # Errors
    /// As [`Self::member`].
    pub fn reader(settings: &Settings, group: &str, isolation: Isolation) -> Result<Self, Error> {
        Self::new(settings, vec![("group.id", group)], isolation)
    }

    /// A reader of what is there already, of one partition after the other: brokers do not let it wait for
    /// more, since what it asks next would wait behind that.
    ///
    /// # Errors
    /// As [`Self::member`].
    pub fn scanner(settings: &Settings, group: &str) -> Result<Self, Error> {
        Self::new(
            settings,
            vec![("group.id", group), ("fetch.wait.max.ms", SCAN_WAIT_MS)],
            Isolation::Committed,
        )
    }

    fn new<'a>(
        settings: &Settings,
        mut own: Vec<(&'a str, &'a str)>,
        isolation: Isolation,
    ) -> Result<Self, Error> {
        own.extend([
            ("isolation.level", isolation.name()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // An offset that is no longer there comes out of a poll as an error.
            ("auto.offset.reset", "error"),
            ("check.crcs", "true"),
            ("allow.auto.create.topics", "false"),
            ("enable.partition.eof", "false"),
            ("partition.assignment.strategy", "cooperative-sticky"),
        ]);
        let state = Arc::new(State::default());
        let native = Native::consumer(settings.consumer(&own)?, Arc::clone(&state))?;
        Ok(Self { native, state, polling: Cell::new(false) })
    }

    /// Asks the group for partitions of these topics. They come in a later poll.
    ///
    /// # Errors
    /// No topic, a name that none can have, or the client failed for good.
    pub fn subscribe(&self, topics: &[&str]) -> Result<(), Error> {
        // All of them: the group says which.
        let unassigned = -1;
        let topics: Vec<Partition> = topics.iter().map(|topic| Partition::new(*topic, unassigned)).collect();
        let list = List::of(&topics)?;
        // SAFETY: client and list are alive; the list is copied.
        let code = unsafe { raw::rd_kafka_subscribe(self.native.client(), list.as_ptr()) };
        Error::check("subscribe", code)
    }

    /// Takes what is there, up to `max` records (at least 1); waits up to `wait` for the first.
    ///
    /// `on_rebalance` is called on this thread before partitions come or go, and the poll returns soon
    /// after. Records of partitions that went are not given. Within it, [`Self::poll`] and what moves
    /// positions are refused. If it panics, the partitions come or go all the same, and the panic goes on.
    ///
    /// # Errors
    /// What could not be read, one at a time; records that were read nevertheless are in `into`. Further
    /// errors follow at the next polls. Lost connections are no errors: they are logged, and tried again
    /// for ever.
    pub fn poll(
        &self,
        into: &mut Messages,
        max: usize,
        wait: Duration,
        on_rebalance: &mut dyn FnMut(&Consumer, Rebalance<'_>),
    ) -> Result<(), PollError> {
        into.clear();
        self.outside_poll("poll").map_err(|error| PollError { partition: None, error })?;
        self.polling.set(true);
        let mut handler = Handler { consumer: self, tell: on_rebalance, panic: None };
        self.state.during(&mut handler, || self.take(into, max.max(1), wait));
        self.polling.set(false);
        let panic = handler.panic;
        let mut left = self.state.left();
        left.rebalanced = false;
        let gone = std::mem::take(&mut left.gone);
        let errors = &mut left.errors;
        into.retain(|message| {
            if message.code() != code::NONE {
                errors.push_back(self.complaint(message));
                return false;
            }
            let is_gone = |at: &Partition| at.number == message.partition() && *at.topic == *message.topic();
            !gone.iter().any(is_gone)
        });
        let error = left.errors.pop_front();
        drop(left);
        match panic {
            Some(panic) => resume_unwind(panic),
            None => error.map_or(Ok(()), Err),
        }
    }

    /// The error that stands in the place of a record. One that ends the client hides what it is behind a
    /// code of its own: the client is asked, since who was fenced by a namesake must say so.
    fn complaint(&self, message: Message<'_>) -> PollError {
        let is_fatal = message.code() == code::FATAL;
        let fatal = if is_fatal { self.native.fatal("read") } else { None };
        let error = fatal.unwrap_or_else(|| Error::new("read", message.code(), message.complaint()));
        let at = (!message.topic().is_empty() && message.partition() >= 0)
            .then(|| Partition::new(message.topic(), message.partition()));
        PollError { partition: at, error }
    }

    /// librdkafka waits for *all* the records asked for, so it is asked for one first, and then for what is
    /// there without waiting.
    fn take(&self, into: &mut Messages, max: usize, wait: Duration) {
        into.take(&self.native, max, 0);
        if !into.is_empty() || wait.is_zero() || self.has_news() {
            return;
        }
        into.take(&self.native, 1, raw::milliseconds(wait));
        if !into.is_empty() {
            into.take(&self.native, max - 1, 0);
        }
    }

    /// Whether the group has said which partitions are ours, be it none, and has not taken that back.
    pub fn is_assigned(&self) -> bool {
        self.state.left().assigned
    }

    /// How often the group has given partitions or taken some, be it none.
    pub fn rebalances(&self) -> u64 {
        self.state.left().rebalances
    }

    fn has_news(&self) -> bool {
        let left = self.state.left();
        left.rebalanced || !left.errors.is_empty()
    }

    /// Lets a poll return that waits.
    pub(super) fn wake(&self) {
        // SAFETY: the queue is alive; any thread may do this at any time.
        unsafe { rk::rd_kafka_queue_yield(self.native.queue()) }
    }

    /// Has `call` called whenever there is something to poll after there was nothing; the first one that is
    /// given stays. It runs on librdkafka's threads: it must be short, and must not call this client.
    pub fn on_records(&self, call: impl Fn() + Send + Sync + 'static) {
        if self.state.set_ready(Box::new(call)) {
            // SAFETY: the queue is alive, and the state outlives it and the client.
            unsafe {
                rk::rd_kafka_queue_cb_event_enable(
                    self.native.queue(),
                    Some(super::rebalance::on_ready),
                    Arc::as_ptr(&self.state).cast_mut().cast(),
                );
            }
        }
    }

    /// Adds partitions by hand, each from an offset, not paused.
    ///
    /// # Errors
    /// One is assigned already, twice there, or its offset is below 0; or a poll runs.
    pub fn assign(&self, from: &[(Partition, i64)]) -> Result<(), Error> {
        let doing = "assign partitions";
        self.outside_poll(doing)?;
        if let Some((partition, offset)) = from.iter().find(|(_, offset)| *offset < 0) {
            let text = format!("{partition} cannot be read from {offset}; the first offset is 0");
            return Err(Error::new(doing, code::INVALID_ARG, text));
        }
        let list = List::at(from)?;
        // SAFETY: client and list are alive, the error is ours.
        unsafe { Error::take(doing, rk::rd_kafka_incremental_assign(self.client(), list.as_ptr())) }
    }

    /// Takes away partitions that were added by hand.
    ///
    /// # Errors
    /// One is not assigned, or a poll runs.
    pub fn unassign(&self, partitions: &[Partition]) -> Result<(), Error> {
        self.outside_poll("unassign partitions")?;
        let list = List::of(partitions)?;
        // SAFETY: client and list are alive, the error is ours.
        let error = unsafe { rk::rd_kafka_incremental_unassign(self.client(), list.as_ptr()) };
        // SAFETY: as above.
        unsafe { Error::take("unassign partitions", error) }
    }

    /// Reads partitions that a rebalance brought, or that are paused, from these offsets on.
    ///
    /// # Errors
    /// One is not assigned (any more), no answer came within `timeout`, or a poll runs.
    pub fn start(&self, from: &[(Partition, i64)], timeout: Duration) -> Result<(), Error> {
        self.seek(from, timeout)?;
        let partitions: Vec<Partition> = from.iter().map(|(partition, _)| partition.clone()).collect();
        self.resume(&partitions)
    }

    /// Reads partitions from other offsets on. What was fetched is dropped; paused ones stay paused.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn seek(&self, to: &[(Partition, i64)], timeout: Duration) -> Result<(), Error> {
        self.outside_poll("seek")?;
        if to.is_empty() {
            return Ok(());
        }
        let _watched = watch(self.native.name(), "seek", timeout);
        let end = Instant::now() + timeout;
        loop {
            let list = List::at(to)?;
            let left = raw::milliseconds(end.saturating_duration_since(Instant::now()));
            // SAFETY: client and list are alive, the error is ours.
            let error = unsafe { rk::rd_kafka_seek_partitions(self.client(), list.as_ptr(), left) };
            // SAFETY: as above.
            unsafe { Error::take("seek", error) }?;
            // A partition whose assignment is still on its way through librdkafka's own thread has no
            // position yet; it tells nobody when it has.
            let early = list.read().iter().any(|element| element.code == code::STATE);
            if !early || Instant::now() >= end {
                return list.check("seek in");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops fetching; what was fetched and not yet polled is fetched again at [`Self::resume`].
    ///
    /// # Errors
    /// One is unknown, or a poll runs.
    pub fn pause(&self, partitions: &[Partition]) -> Result<(), Error> {
        self.outside_poll("pause")?;
        let list = List::of(partitions)?;
        // SAFETY: client and list are alive.
        let code = unsafe { raw::rd_kafka_pause_partitions(self.client(), list.as_ptr()) };
        Error::check("pause", code).and_then(|()| list.check("pause"))
    }

    /// Goes on after the last record that a poll gave.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn resume(&self, partitions: &[Partition]) -> Result<(), Error> {
        self.outside_poll("resume")?;
        let list = List::of(partitions)?;
        // SAFETY: client and list are alive.
        let code = unsafe { raw::rd_kafka_resume_partitions(self.client(), list.as_ptr()) };
        Error::check("resume", code).and_then(|()| list.check("resume"))
    }

    /// The offset after the last record that polls gave, one for each partition asked for: markers of
    /// transactions and aborted records count as given. `None` until something is given after a start or
    /// seek.
    ///
    /// # Errors
    /// One is unknown.
    pub fn positions(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>, Error> {
        let list = List::of(partitions)?;
        // SAFETY: client and list are alive.
        let code = unsafe { raw::rd_kafka_position(self.client(), list.as_ptr()) };
        Error::check("ask for positions", code).and_then(|()| list.check("ask for the position of"))?;
        Ok(list.read().iter().map(|element| (element.offset >= 0).then_some(element.offset)).collect())
    }

    /// The partitions assigned, by the group and by hand, in order.
    ///
    /// # Errors
    /// The client is ending.
    pub fn assignment(&self) -> Result<Vec<Partition>, Error> {
        let mut list = std::ptr::null_mut();
        // SAFETY: the client is alive; on success the list is ours.
        let code = unsafe { raw::rd_kafka_assignment(self.client(), &raw mut list) };
        Error::check("ask for the assignment", code)?;
        // SAFETY: as above.
        let list = unsafe { List::from_raw(list) };
        let mut assigned: Vec<Partition> =
            list.map(|list| list.read()).unwrap_or_default().into_iter().map(|e| e.partition).collect();
        assigned.sort_unstable();
        Ok(assigned)
    }

    /// Leaves the group (a static member does not) and ends the client. Nobody is told of the partitions
    /// that go: what concerns them is to be committed before.
    ///
    /// # Errors
    /// It took longer than `deadline`, and is left to its own thread, where it may hang as long as the
    /// process lives; or it was closed, with an error.
    pub fn close(self, deadline: Duration) -> Result<(), Error> {
        let native = Arc::clone(&self.native);
        let name = native.name().to_owned();
        drop(self);
        let closed = within(deadline, move || native.leave());
        closed.unwrap_or_else(|| {
            let text = format!("it did not end within {deadline:?} and is left to its own thread");
            Err(Error::new(format!("close the consumer {name}"), code::TIMED_OUT, text))
        })
    }

    /// Positions and assignments must not be changed while C fills a batch: records would be given twice.
    fn outside_poll(&self, doing: &'static str) -> Result<(), Error> {
        if self.polling.get() {
            let text = "a poll runs: do this when it has returned, not in its rebalance callback";
            return Err(Error::new(doing, code::STATE, text));
        }
        Ok(())
    }

    pub(super) fn native(&self) -> &Arc<Native> {
        &self.native
    }

    pub(super) fn client(&self) -> *mut rk::rd_kafka_t {
        self.native.client()
    }

    pub(super) fn name(&self) -> &str {
        self.native.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Consumer {
        Consumer::reader(&Settings::new("127.0.0.1:1"), "readers", Isolation::Committed)
            .expect("no broker asked")
    }

    fn poll(consumer: &Consumer, into: &mut Messages) -> Result<(), PollError> {
        consumer.poll(into, 10, Duration::ZERO, &mut |_, _| panic!("nothing is assigned"))
    }

    #[test]
    fn a_reader_without_partitions_gives_nothing() {
        let (consumer, mut batch) = (reader(), Messages::new());
        poll(&consumer, &mut batch).expect("nothing is wrong");
        assert!(batch.is_empty());
        assert_eq!(consumer.assignment(), Ok(Vec::new()));
    }

    #[test]
    fn a_batch_may_outlive_its_consumer() {
        let (consumer, mut batch) = (reader(), Messages::new());
        poll(&consumer, &mut batch).expect("nothing is wrong");
        drop(consumer);
        assert_eq!(batch.iter().count(), 0);
    }

    #[test]
    fn a_partition_that_is_not_assigned_cannot_be_started() {
        let consumer = reader();
        let error =
            consumer.start(&[(Partition::new("t", 3), 5)], Duration::from_secs(5)).expect_err("not ours");
        assert!(error.to_string().contains("t/3"), "{error}");
        let error = consumer.assign(&[(Partition::new("t", 3), -1)]).expect_err("no such offset");
        assert!(error.to_string().contains("t/3 cannot be read from -1"), "{error}");
    }

    #[test]
    fn a_reader_is_no_member() {
        let consumer = reader();
        assert_eq!(consumer.member_id(), "");
        let error = consumer.group_metadata().expect_err("it has no generation");
        assert!(error.to_string().contains("not in the group"), "{error}");
    }

    #[test]
    fn a_consumer_without_a_broker_is_closed_in_time() {
        reader().close(Duration::from_secs(30)).expect("there is no group to leave");
    }

    #[test]
    fn a_member_cannot_have_an_interval_below_its_session() {
        let second = Duration::from_secs(1);
        let membership = Membership {
            group: "g".to_owned(),
            instance: None,
            session_timeout: 10 * second,
            poll_interval_max: second,
        };
        let error = Consumer::member(&Settings::new("127.0.0.1:1"), &membership).expect_err("impossible");
        assert!(error.to_string().contains("max.poll.interval.ms"), "{error}");
    }
}
