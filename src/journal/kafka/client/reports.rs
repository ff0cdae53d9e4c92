//! The thread that takes a producer's events: what was delivered, what was not, and what else went wrong.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rdkafka::bindings as rk;

use super::error::Error;
use super::list;
use super::native::Native;
use super::raw::{self, code};

/// How long the thread waits for an event before it looks again; it is woken when it is to end.
const WAIT_MS: i32 = 1_000;

/// What became of one record.
pub(super) struct Report {
    /// The token that it was produced with.
    pub(super) token: usize,
    pub(super) offset: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    /// Why it was not delivered.
    pub(super) failure: Option<Error>,
    /// Whether it may be in the log despite of that.
    pub(super) possibly: bool,
}

/// Who is told. Called by the thread only, one at a time.
pub(super) trait Told: Send + Sync + 'static {
    /// A record was delivered or given up.
    fn report(&self, report: Report);
    /// The client is of no use any more.
    fn fatal(&self, error: Error);
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Reports {
    native: Arc<Native>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reports {
    pub(super) fn begin<T: Told>(native: &Arc<Native>, told: &Arc<T>) -> Result<Self, Error> {
        let over = Arc::new(AtomicBool::new(false));
        let (client, told, ends) = (Arc::clone(native), Arc::clone(told), Arc::clone(&over));
        let serve = move || serve(&client, &*told, &ends);
        let thread = thread::Builder::new().name("kafka-reports".to_owned()).spawn(serve);
        let refused =
            |error: io::Error| Error::new("start a producer's thread", code::FAIL, error.to_string());
        Ok(Self { native: Arc::clone(native), over, thread: Some(thread.map_err(refused)?) })
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // SAFETY: the queue is alive; any thread may do this. A wake-up that comes too early is remembered.
        unsafe { rk::rd_kafka_queue_yield(self.native.queue()) }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(client = self.native.name(), "the thread of a Kafka producer panicked");
        }
    }
}

fn serve(native: &Native, told: &impl Told, over: &AtomicBool) {
    while !over.load(Ordering::Acquire) {
        // SAFETY: the queue is alive, this thread alone takes from it; the event is ours.
        let event = unsafe { rk::rd_kafka_queue_poll(native.queue(), WAIT_MS) };
        if event.is_null() {
            continue;
        }
        // SAFETY: the event is ours and alive until it is destroyed. A flush waits until the records of an
        // event are freed with it: whoever has flushed has been told.
        unsafe {
            match rk::rd_kafka_event_type(event) {
                rk::RD_KAFKA_EVENT_DR => reports(event, told),
                rk::RD_KAFKA_EVENT_ERROR => trouble(native, event, told),
                _ => {}
            }
            rk::rd_kafka_event_destroy(event);
        }
    }
}

/// Tells of every record of an event.
///
/// # Safety
/// The event is alive and one of reports.
unsafe fn reports(event: *mut rk::rd_kafka_event_t, told: &impl Told) {
    loop {
        // SAFETY: the caller's promise. Records and texts live as long as the event; codes are read as
        // numbers, a status is one of the three that librdkafka sets.
        unsafe {
            let record = rk::rd_kafka_event_message_next(event);
            if record.is_null() {
                return;
            }
            let code = raw::message_code(record);
            let failure = (code != code::NONE).then(|| {
                let at = format!("{}/{}", list::topic_name((*record).rkt), (*record).partition);
                Error::new(format!("deliver a record to {at}"), code, complaint(record, code))
            });
            let status = rk::rd_kafka_message_status(record);
            let possibly = status != rk::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
            let timestamp = rk::rd_kafka_message_timestamp(record, std::ptr::null_mut());
            let (token, offset) = ((*record)._private.addr(), (*record).offset);
            told.report(Report { token, offset, timestamp, failure, possibly });
        }
    }
}

/// What a broker says of a record, or else what the code means.
///
/// # Safety
/// The record is alive.
unsafe fn complaint(record: *const rk::rd_kafka_message_t, code: i32) -> String {
    // SAFETY: the caller's promise; the texts are copied.
    let said = unsafe { raw::text(rk::rd_kafka_message_produce_errstr(record)) };
    // SAFETY: as above.
    if said.is_empty() { unsafe { raw::text(raw::rd_kafka_err2str(code)) } } else { said }
}

/// An error of the client as a whole.
///
/// # Safety
/// The event is alive and an error.
unsafe fn trouble(native: &Native, event: *mut rk::rd_kafka_event_t, told: &impl Told) {
    // SAFETY: the caller's promise; the text is copied.
    let (code, text, fatal) = unsafe {
        let fatal = rk::rd_kafka_event_error_is_fatal(event) != 0;
        (raw::rd_kafka_event_error(event), raw::text(rk::rd_kafka_event_error_string(event)), fatal)
    };
    if fatal || code == code::FATAL {
        let doing = "go on producing";
        let error = native.fatal(doing).unwrap_or_else(|| Error::new(doing, code::FATAL, text));
        tracing::error!(client = native.name(), "{error}");
        told.fatal(error);
    } else {
        tracing::warn!(client = native.name(), code, "{text}");
    }
}
