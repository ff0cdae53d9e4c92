//! Where a partition begins and ends, by either isolation (`ListOffsets`, KIP-396).
//!
//! `query_watermark_offsets` always asks with the isolation of its client, so it is not used.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::bindings as rk;

use super::consumer::Consumer;
use super::error::Error;
use super::list::List;
use super::native::Native;
use super::partition::Partition;
use super::raw::{self, code};
use super::watchdog::watch;

/// Which end of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The oldest offset that is kept.
    Earliest,
    /// One past the newest: the high watermark, or under [`Isolation::Committed`] the last stable offset.
    Latest,
}

/// What of open transactions is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Only what is committed.
    Committed,
    /// Everything, open and aborted too.
    Uncommitted,
}

impl Isolation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

const DOING: &str = "list offsets";
/// How long to wait before a partition is asked again whose leader has moved.
const AGAIN: Duration = Duration::from_millis(50);
/// The shortest time a request is given.
const LEAST: Duration = Duration::from_millis(1);

/// Whether an error passes by itself, once the cluster agrees who leads the partition and that one answers.
fn moves(error: i32) -> bool {
    use rk::rd_kafka_resp_err_t as answers;
    [
        // Nobody leads it, as far as was heard: a broker that has just come back knows no topics for a moment.
        answers::RD_KAFKA_RESP_ERR__NOENT,
        answers::RD_KAFKA_RESP_ERR__TIMED_OUT,
        answers::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
        answers::RD_KAFKA_RESP_ERR__TRANSPORT,
        answers::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        answers::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        answers::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
        answers::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
        answers::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
        answers::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
    ]
    .iter()
    .any(|answer| *answer as i32 == error)
}

/// The offset that was answered. Of a leader that has not answered in time librdkafka tells no offset, and no error:
/// whoever took that for one would take a partition for empty, or for read to its end.
fn known(at: &Partition, offset: i64) -> Result<i64, Error> {
    if offset >= 0 {
        return Ok(offset);
    }
    let text = format!("its leader has not answered, and {offset} is none");
    Err(Error::new(format!("{DOING} of {at}"), code::TIMED_OUT, text))
}

/// Asks brokers, for any thread. It fetches nothing: brokers answer one request of a connection after the
/// other, and a fetch may wait there for half a second.
#[derive(Clone, Debug)]
pub struct Asker(Arc<Native>);

impl Consumer {
    /// Makes an asker of it.
    #[must_use]
    pub fn into_asker(self) -> Asker {
        Asker(Arc::clone(self.native()))
    }

    /// As [`Asker::offsets`]; if it fetches, the answer may wait for a fetch.
    ///
    /// # Errors
    /// As there.
    pub fn offsets(
        &self,
        partitions: &[Partition],
        edge: Edge,
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<Vec<i64>, Error> {
        Asker(Arc::clone(self.native())).offsets(partitions, edge, isolation, timeout)
    }
}

impl Asker {
    /// The offsets of an edge, one for each partition asked for, in their order. The isolation of the
    /// client does not matter.
    ///
    /// # Errors
    /// A partition does not exist, or no answer came within `timeout`: one whose leader moves is asked again.
    pub fn offsets(
        &self,
        partitions: &[Partition],
        edge: Edge,
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<Vec<i64>, Error> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let _watched = watch(self.0.name(), DOING, timeout);
        let end = Instant::now() + timeout;
        // A leader that is gone answers nobody: it is given an eighth of the time at first, then twice as much.
        let mut patience = timeout / 8;
        loop {
            let asked = Instant::now();
            let limit = patience.min(end.saturating_duration_since(asked)).max(LEAST);
            match self.ask_offsets(partitions, edge, isolation, limit) {
                // The leader has moved, or is another one by its epoch: librdkafka goes by what it has heard last,
                // for minutes, unless it is told to ask anew.
                Err(error) if moves(error.code) && Instant::now() < end => {
                    if asked.elapsed() >= limit {
                        patience *= 2;
                    }
                    self.refresh(limit);
                    thread::sleep(AGAIN);
                }
                answered => return answered,
            }
        }
    }

    pub(super) fn native(&self) -> &Native {
        &self.0
    }

    /// Lets librdkafka ask anew who leads what it knows; that there is no answer shows next time.
    fn refresh(&self, timeout: Duration) {
        let (mut answer, wait) = (ptr::null(), raw::milliseconds(timeout));
        // SAFETY: the client is alive; without a topic it asks for those that it knows; on success the answer is
        // ours.
        unsafe {
            let code = raw::rd_kafka_metadata(self.0.client(), 0, ptr::null_mut(), &raw mut answer, wait);
            if code == code::NONE {
                rk::rd_kafka_metadata_destroy(answer);
            }
        }
    }

    fn ask_offsets(
        &self,
        partitions: &[Partition],
        edge: Edge,
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<Vec<i64>, Error> {
        let spec = match edge {
            Edge::Earliest => rk::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST,
            Edge::Latest => rk::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST,
        };
        let mut list = List::new(partitions.len());
        for partition in partitions {
            list.add(partition, i64::from(spec as i32))?;
        }
        let kind = rk::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        let options = Options::new(&self.0, kind, timeout)?.isolated(isolation)?;
        let queue = Queue::new(&self.0);
        // SAFETY: all four are alive for the call, and copied.
        unsafe { rk::rd_kafka_ListOffsets(self.0.client(), list.as_ptr(), options.0, queue.0) }
        let found = queue.wait(DOING, timeout)?.offsets()?;
        let missing = |at: &Partition| {
            Error::new(format!("{DOING} of {at}"), code::UNKNOWN_PARTITION, "the broker did not name it")
        };
        partitions.iter().map(|at| found.get(at).copied().ok_or_else(|| missing(at))).collect()
    }
}

/// Options of one request.
pub(super) struct Options(*mut rk::rd_kafka_AdminOptions_t);

impl Options {
    pub(super) fn new(of: &Native, kind: rk::rd_kafka_admin_op_t, timeout: Duration) -> Result<Self, Error> {
        let mut said: [c_char; 512] = [0; 512];
        // SAFETY: the client is alive, the options are ours until `self` is dropped, and the buffer outlives the
        // call.
        unsafe {
            let options = Self(rk::rd_kafka_AdminOptions_new(of.client(), kind));
            let (limit, said, size) = (raw::milliseconds(timeout), said.as_mut_ptr(), said.len());
            let code = rk::rd_kafka_AdminOptions_set_request_timeout(options.0, limit, said, size);
            Error::check(DOING, code as i32)?;
            Ok(options)
        }
    }

    fn isolated(self, isolation: Isolation) -> Result<Self, Error> {
        use rk::rd_kafka_IsolationLevel_t as level;
        let level = match isolation {
            Isolation::Committed => level::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            Isolation::Uncommitted => level::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        };
        // SAFETY: the options are alive, and the error is ours.
        unsafe { Error::take(DOING, rk::rd_kafka_AdminOptions_set_isolation_level(self.0, level))? }
        Ok(self)
    }

    pub(super) fn as_ptr(&self) -> *const rk::rd_kafka_AdminOptions_t {
        self.0
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: they are ours.
        unsafe { rk::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

/// A queue for one answer.
pub(super) struct Queue(*mut rk::rd_kafka_queue_t);

impl Queue {
    pub(super) fn new(of: &Native) -> Self {
        // SAFETY: the client is alive, and outlives the queue: both are used within one call of the
        // asker.
        Self(unsafe { rk::rd_kafka_queue_new(of.client()) })
    }

    pub(super) fn as_ptr(&self) -> *mut rk::rd_kafka_queue_t {
        self.0
    }

    pub(super) fn wait(&self, doing: &'static str, timeout: Duration) -> Result<Answer, Error> {
        // librdkafka answers at the time-out of the request, with what is missing.
        let wait = raw::milliseconds(timeout.saturating_add(Duration::from_secs(1)));
        // SAFETY: the queue is alive; the event is ours.
        let event = unsafe { rk::rd_kafka_queue_poll(self.0, wait) };
        if event.is_null() {
            return Err(Error::of_code(doing, code::TIMED_OUT));
        }
        Ok(Answer(event))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: it is ours; a late answer finds it closed and is dropped.
        unsafe { rk::rd_kafka_queue_destroy(self.0) }
    }
}

/// The event with the answer.
pub(super) struct Answer(*mut rk::rd_kafka_event_t);

impl Answer {
    pub(super) fn as_ptr(&self) -> *mut rk::rd_kafka_event_t {
        self.0
    }

    /// Whether it is an answer at all.
    pub(super) fn check(&self, doing: &'static str) -> Result<(), Error> {
        // SAFETY: the event is ours and alive; its text is copied, the code is read as a number.
        unsafe {
            let code = raw::rd_kafka_event_error(self.0);
            if code != code::NONE {
                return Err(Error::new(doing, code, raw::text(rk::rd_kafka_event_error_string(self.0))));
            }
        }
        Ok(())
    }

    fn offsets(&self) -> Result<BTreeMap<Partition, i64>, Error> {
        self.check(DOING)?;
        // SAFETY: the event is ours and alive; it owns the result and its array of `count` pointers, the
        // texts are copied, and codes are read as numbers.
        unsafe {
            let result = rk::rd_kafka_event_ListOffsets_result(self.0);
            if result.is_null() {
                return Err(Error::new(DOING, code::FAIL, "librdkafka answered something else"));
            }
            let mut count = 0;
            let infos = rk::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            let mut offsets = BTreeMap::new();
            for at in 0..count {
                let element = rk::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(at));
                let partition = Partition::new(raw::text((*element).topic), (*element).partition);
                Error::check(format!("{DOING} of {partition}"), raw::element_code(element))?;
                offsets.insert(partition.clone(), known(&partition, (*element).offset)?);
            }
            Ok(offsets)
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { rk::rd_kafka_event_destroy(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_an_offset_is_none_and_the_question_is_asked_again() {
        let at = Partition::new("t", 3);
        assert_eq!((known(&at, 0), known(&at, 7)), (Ok(0), Ok(7)));
        for offset in [-1, -1001] {
            let error = known(&at, offset).expect_err("no offset");
            assert!(moves(error.code), "{error}");
            assert!(error.to_string().contains("t/3"), "{error}");
        }
    }
}
