//! A client of librdkafka as an owned value, and its end, which may hang (#3740) and then hangs alone.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rdkafka::bindings as rk;
use rk::rd_kafka_type_t::{RD_KAFKA_CONSUMER, RD_KAFKA_PRODUCER};

use super::error::Error;
use super::raw;
use super::rebalance::State;
use super::settings::Conf;

/// How long a client that is dropped is waited for, before it is left to its own thread.
const DROP_WAIT: Duration = Duration::from_secs(3);

/// A client. Whatever refers to it in C holds an [`Arc`] of this, so it ends last.
#[derive(Debug)]
pub(super) struct Native {
    /// `None` only while it is being dropped.
    handle: Option<Handle>,
    name: String,
    closed: AtomicBool,
}

/// What has to be given back.
#[derive(Debug)]
struct Handle {
    client: NonNull<rk::rd_kafka_t>,
    /// The consumer's queue, or the producer's main queue.
    queue: NonNull<rk::rd_kafka_queue_t>,
    kind: rk::rd_kafka_type_t,
    /// What the consumer's callbacks are given a pointer to.
    _state: Option<Arc<State>>,
}

// SAFETY: librdkafka's clients and queues may be used by any thread and by several at once. What must not
// be done in parallel (batch calls of one queue) is kept apart by `Consumer`, which is not `Sync`.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Native {
    /// A consumer whose callbacks find `state`.
    pub(super) fn consumer(conf: Conf, state: Arc<State>) -> Result<Arc<Self>, Error> {
        // SAFETY: the configuration is alive. The state outlives the client: the handle keeps it until the
        // client is destroyed. The callbacks take the pointer for what it is.
        unsafe {
            rk::rd_kafka_conf_set_opaque(conf.as_ptr(), Arc::as_ptr(&state).cast_mut().cast());
            raw::rd_kafka_conf_set_rebalance_cb(conf.as_ptr(), Some(super::rebalance::on_rebalance));
            rk::rd_kafka_conf_set_error_cb(conf.as_ptr(), Some(super::rebalance::on_error));
        }
        let client = conf.into_client(RD_KAFKA_CONSUMER)?;
        // SAFETY: the client is alive. What came to its main queue comes to the consumer's queue from now
        // on.
        let (code, queue) = unsafe {
            let code = raw::rd_kafka_poll_set_consumer(client.as_ptr());
            (code, rk::rd_kafka_queue_get_consumer(client.as_ptr()))
        };
        let queue = NonNull::new(queue).expect("a consumer with a group id has a queue");
        let native = Self::of(Handle { client, queue, kind: RD_KAFKA_CONSUMER, _state: Some(state) });
        Error::check("take over the consumer's queue", code).map(|()| Arc::new(native))
    }

    /// A producer whose reports come as events to its main queue.
    pub(super) fn producer(conf: Conf) -> Result<Arc<Self>, Error> {
        // SAFETY: the configuration is alive. Reports as events rather than callbacks: `rd_kafka_flush`
        // then waits for them on a condition instead of polling every 10 ms, and no callback can unwind
        // into C.
        unsafe {
            rk::rd_kafka_conf_set_events(conf.as_ptr(), rk::RD_KAFKA_EVENT_DR | rk::RD_KAFKA_EVENT_ERROR);
        }
        let client = conf.into_client(RD_KAFKA_PRODUCER)?;
        // SAFETY: the client is alive.
        let queue = unsafe { rk::rd_kafka_queue_get_main(client.as_ptr()) };
        let queue = NonNull::new(queue).expect("every client has a main queue");
        Ok(Arc::new(Self::of(Handle { client, queue, kind: RD_KAFKA_PRODUCER, _state: None })))
    }

    fn of(handle: Handle) -> Self {
        // SAFETY: the client is alive; its name is copied.
        let name = unsafe { raw::text(rk::rd_kafka_name(handle.client.as_ptr())) };
        Self { handle: Some(handle), name, closed: AtomicBool::new(false) }
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("it is taken only by drop")
    }

    /// The client, alive as long as `self`.
    pub(super) fn client(&self) -> *mut rk::rd_kafka_t {
        self.handle().client.as_ptr()
    }

    /// Its queue, alive as long as `self`.
    pub(super) fn queue(&self) -> *mut rk::rd_kafka_queue_t {
        self.handle().queue.as_ptr()
    }

    /// Its name, as librdkafka logs it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the group. May hang.
    pub(super) fn leave(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Relaxed);
        // SAFETY: the client is alive. Its rebalance callback may run on this thread meanwhile: it finds no
        // handler, since handlers are there only during a poll, and the consumer that could poll is gone.
        let code = unsafe { raw::rd_kafka_consumer_close(self.client()) };
        Error::check(format!("close the consumer {}", self.name), code)
    }

    /// The fatal error of this client, if it has one.
    pub(super) fn fatal(&self, doing: &'static str) -> Option<Error> {
        // SAFETY: `self` keeps the client alive.
        unsafe { fatal(self.client(), doing) }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let handle = self.handle.take().expect("it is dropped once");
        let closed = self.closed.load(Ordering::Relaxed);
        if within(DROP_WAIT, move || handle.end(closed)).is_none() {
            let name = &self.name;
            tracing::warn!(client = name, "a Kafka client does not end: it is left to its own thread");
        }
    }
}

impl Handle {
    /// Gives everything back. May hang.
    fn end(self, closed: bool) {
        // SAFETY: this owns client and queue, nothing refers to them any more (see `Native`), and the
        // queue is given back before its client. The state outlives the client: it is dropped with `self`.
        unsafe {
            rk::rd_kafka_queue_destroy(self.queue.as_ptr());
            if self.kind == RD_KAFKA_PRODUCER {
                let all = rk::RD_KAFKA_PURGE_F_QUEUE | rk::RD_KAFKA_PURGE_F_INFLIGHT;
                rk::rd_kafka_purge(self.client.as_ptr(), all | rk::RD_KAFKA_PURGE_F_NON_BLOCKING);
            }
            let flags = if closed { rk::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE } else { 0 };
            rk::rd_kafka_destroy_flags(self.client.as_ptr(), flags);
        }
    }
}

/// The fatal error of a client, if it has one.
///
/// # Safety
/// `client` is alive.
pub(super) unsafe fn fatal(client: *mut rk::rd_kafka_t, doing: &'static str) -> Option<Error> {
    let mut said: [std::ffi::c_char; 512] = [0; 512];
    // SAFETY: the caller's promise; librdkafka ends what it writes with a NUL, and writes only with an
    // error.
    let (code, text) = unsafe {
        let code = raw::rd_kafka_fatal_error(client, said.as_mut_ptr(), said.len());
        (code, raw::text(said.as_ptr()))
    };
    (code != raw::code::NONE).then(|| Error { fatal: true, ..Error::new(doing, code, text) })
}

/// Does something that may hang on a thread of its own, and waits for it up to a limit. `None`: it still
/// runs, or there is no thread for it, in which case it never does.
pub(in super::super) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, end) = mpsc::sync_channel(1);
    let work = move || {
        // Nobody listens any more when the limit has passed.
        let _ = done.send(work());
    };
    thread::Builder::new().name("kafka-end".to_owned()).spawn(work).ok()?;
    end.recv_timeout(limit).ok()
}
