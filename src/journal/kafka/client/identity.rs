//! Which cluster it is, and which topic of all that ever had a name: its id (KIP-516).

use std::time::{Duration, Instant};

use rdkafka::bindings as rk;

use super::error::Error;
use super::list;
use super::offsets::{Answer, Asker, Options, Queue};
use super::raw::{self, code};
use super::watchdog::watch;

const DOING: &str = "ask for a topic's id";

impl Asker {
    /// The ids of the cluster and of a topic.
    ///
    /// # Errors
    /// There is no such topic, it has no id (the brokers are older than 2.8), or no answer came in time.
    pub fn identity(&self, topic: &str, timeout: Duration) -> Result<(String, String), Error> {
        let _watched = watch(self.native().name(), DOING, timeout);
        let end = Instant::now() + timeout;
        let topic = self.topic_id(topic, timeout)?;
        let left = raw::milliseconds(end.saturating_duration_since(Instant::now()));
        // SAFETY: the client is alive; the text is ours, copied, and given back.
        let cluster = unsafe {
            let text = rk::rd_kafka_clusterid(self.native().client(), left);
            let cluster = raw::text(text);
            if !text.is_null() {
                rk::rd_kafka_mem_free(self.native().client(), text.cast());
            }
            cluster
        };
        if cluster.is_empty() {
            return Err(Error::new(DOING, code::TIMED_OUT, "the brokers do not say which cluster they are"));
        }
        Ok((cluster, topic))
    }

    fn topic_id(&self, topic: &str, timeout: Duration) -> Result<String, Error> {
        let described = self.describe(&[topic], timeout)?.pop();
        described.ok_or_else(|| unusual("the brokers named no topic"))?.1.map(|described| described.id)
    }

    /// What the topics of these names are now, in any order: each is something, or an error says why that cannot be
    /// told. There is at least one name.
    ///
    /// # Errors
    /// No answer came within `timeout`.
    pub fn describe(&self, topics: &[&str], timeout: Duration) -> Result<Vec<Named>, Error> {
        let names: Vec<_> = topics.iter().map(|topic| list::c_string(topic)).collect::<Result<_, _>>()?;
        let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let kind = rk::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Options::new(self.native(), kind, timeout)?;
        let queue = Queue::new(self.native());
        // SAFETY: all are alive for the call, which copies them; the collection is ours and given back.
        unsafe {
            let names = rk::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            rk::rd_kafka_DescribeTopics(self.native().client(), names, options.as_ptr(), queue.as_ptr());
            rk::rd_kafka_TopicCollection_destroy(names);
        }
        queue.wait(DOING, timeout)?.described()
    }
}

/// A topic that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What tells it from all others that ever had its name.
    pub id: String,
    /// How many partitions it has.
    pub partitions: usize,
}

/// A name, and what it is the name of.
pub type Named = (String, Result<Described, Error>);

fn unusual(what: &str) -> Error {
    Error::new(DOING, code::FAIL, what)
}

impl Answer {
    fn described(&self) -> Result<Vec<Named>, Error> {
        self.check(DOING)?;
        // SAFETY: the event is ours and alive; it owns the result and its array of `count` pointers, none of which
        // is null; the texts are copied.
        unsafe {
            let result = rk::rd_kafka_event_DescribeTopics_result(self.as_ptr());
            if result.is_null() {
                return Err(unusual("librdkafka answered something else"));
            }
            let mut count = 0;
            let topics = rk::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            let all = (0..count).map(|at| {
                let topic = *topics.add(at);
                (raw::text(rk::rd_kafka_TopicDescription_name(topic)), described(topic))
            });
            Ok(all.collect())
        }
    }
}

/// # Safety
/// The description is alive.
unsafe fn described(topic: *const rk::rd_kafka_TopicDescription_t) -> Result<Described, Error> {
    // SAFETY: the caller's promise. The description owns its error, which may be null, and the id, whose text is
    // copied; of the partitions only their number is read.
    unsafe {
        let error = rk::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            Error::check(DOING, raw::rd_kafka_error_code(error))?;
        }
        let id = rk::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Err(unusual("the brokers named no id"));
        }
        let mut partitions = 0;
        rk::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        Ok(Described { id: raw::text(rk::rd_kafka_Uuid_base64str(id)), partitions })
    }
}
