//! The topics that a producer has produced to.
//!
//! The number of partitions is looked up once and a record for another is refused here: librdkafka 2.12.1
//! leaks such a record of a batch, and a flush then waits for it for ever.

use std::collections::BTreeMap;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rk;

use super::error::Error;
use super::list;
use super::native::Native;
use super::raw::{self, code};

/// Handles of topics, by name.
#[derive(Debug)]
pub(super) struct Topics {
    by_name: BTreeMap<Box<str>, Topic>,
    /// The client of the handles: it must not end before they are given back.
    native: Arc<Native>,
}

/// A topic that exists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topic {
    pub(super) handle: NonNull<rk::rd_kafka_topic_t>,
    partitions: i32,
}

// SAFETY: handles may be used by any thread.
unsafe impl Send for Topics {}

impl Topics {
    pub(super) fn new(native: &Arc<Native>) -> Self {
        Self { by_name: BTreeMap::new(), native: Arc::clone(native) }
    }

    /// A topic. Asks a broker, the first time.
    pub(super) fn get(&mut self, name: &str, timeout: Duration) -> Result<Topic, Error> {
        if let Some(topic) = self.by_name.get(name) {
            return Ok(*topic);
        }
        let text = list::c_string(name)?;
        // SAFETY: client and name are alive; no configuration is given.
        let handle = unsafe { rk::rd_kafka_topic_new(self.native.client(), text.as_ptr(), ptr::null_mut()) };
        let refused =
            || Error::new(format!("produce to the topic {name:?}"), code::INVALID_ARG, "no such name");
        let handle = NonNull::new(handle).ok_or_else(refused)?;
        match partitions(&self.native, handle, name, timeout) {
            Ok(partitions) => {
                let topic = Topic { handle, partitions };
                self.by_name.insert(name.into(), topic);
                Ok(topic)
            }
            Err(error) => {
                // SAFETY: the handle is ours, and nothing was produced with it.
                unsafe { rk::rd_kafka_topic_destroy(handle.as_ptr()) }
                Err(error)
            }
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        for topic in self.by_name.values() {
            // SAFETY: the handle is ours, the client is alive.
            unsafe { rk::rd_kafka_topic_destroy(topic.handle.as_ptr()) }
        }
    }
}

impl Topic {
    /// Ok if there is such a partition.
    pub(super) fn check(self, name: &str, partition: i32) -> Result<(), Error> {
        if (0..self.partitions).contains(&partition) {
            return Ok(());
        }
        let text = format!("{name} has the {} partitions 0 to {}", self.partitions, self.partitions - 1);
        Err(Error::new(format!("produce to {name}/{partition}"), code::UNKNOWN_PARTITION, text))
    }
}

/// How many partitions a topic has.
fn partitions(
    native: &Native,
    handle: NonNull<rk::rd_kafka_topic_t>,
    name: &str,
    timeout: Duration,
) -> Result<i32, Error> {
    let doing = || format!("look up the partitions of {name}");
    let mut answer = ptr::null();
    let wait = raw::milliseconds(timeout);
    // SAFETY: client and topic are alive; on success the answer is ours.
    let code = unsafe { raw::rd_kafka_metadata(native.client(), 0, handle.as_ptr(), &raw mut answer, wait) };
    Error::check(doing(), code)?;
    // SAFETY: the answer is ours and alive until it is destroyed; `topic_cnt` topics lie at `topics`; the
    // code is read as a number.
    let found = unsafe {
        let count = usize::try_from((*answer).topic_cnt).unwrap_or(0);
        let topics = (0..count).map(|at| (*answer).topics.add(at));
        let found =
            topics.map(|topic| ((&raw const (*topic).err).cast::<i32>().read(), (*topic).partition_cnt));
        let found = found.collect::<Vec<_>>();
        rk::rd_kafka_metadata_destroy(answer);
        found
    };
    let (code, partitions) = found.first().copied().unwrap_or((code::UNKNOWN_PARTITION, 0));
    Error::check(doing(), code)?;
    if partitions < 1 {
        return Err(Error::new(doing(), code::UNKNOWN_PARTITION, "it has none (yet)"));
    }
    Ok(partitions)
}
