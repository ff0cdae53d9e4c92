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
        let name = list::c_string(topic)?;
        let kind = rk::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Options::new(self.native(), kind, timeout)?;
        let queue = Queue::new(self.native());
        // SAFETY: all are alive for the call, which copies them; the collection is ours and given back.
        unsafe {
            let names = rk::rd_kafka_TopicCollection_of_topic_names([name.as_ptr()].as_mut_ptr(), 1);
            rk::rd_kafka_DescribeTopics(self.native().client(), names, options.as_ptr(), queue.as_ptr());
            rk::rd_kafka_TopicCollection_destroy(names);
        }
        queue.wait(DOING, timeout)?.topic_id()
    }
}

impl Answer {
    fn topic_id(&self) -> Result<String, Error> {
        self.check(DOING)?;
        let unusual = |what: &str| Error::new(DOING, code::FAIL, what);
        // SAFETY: the event is ours and alive; it owns the result, its array of `count` pointers, and the id,
        // whose text is copied. A topic's error may be null.
        unsafe {
            let result = rk::rd_kafka_event_DescribeTopics_result(self.as_ptr());
            if result.is_null() {
                return Err(unusual("librdkafka answered something else"));
            }
            let mut count = 0;
            let topics = rk::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            if count == 0 {
                return Err(unusual("the brokers named no topic"));
            }
            let error = rk::rd_kafka_TopicDescription_error(*topics);
            if !error.is_null() {
                Error::check(DOING, raw::rd_kafka_error_code(error))?;
            }
            let id = rk::rd_kafka_TopicDescription_topic_id(*topics);
            if id.is_null() {
                return Err(unusual("the brokers named no id"));
            }
            Ok(raw::text(rk::rd_kafka_Uuid_base64str(id)))
        }
    }
}
