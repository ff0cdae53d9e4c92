//! What is told before partitions come and go, and the two callbacks of a consumer.

use std::any::Any;
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rdkafka::bindings as rk;

use super::consumer::{Consumer, PollError};
use super::error::Error;
use super::list;
use super::native;
use super::partition::Partition;
use super::raw::{self, code};

/// Errors that wait for a poll to give them; what comes beyond is logged only.
const ERRORS_MAX: usize = 64;

/// Partitions come or go. They are listed in the order of topic and number; there is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance<'a> {
    /// These come when the callback has returned, paused: [`Consumer::start`] says from where they are
    /// read.
    Assigned(&'a [Partition]),
    /// These go when the callback has returned: commit or give up what concerns them, now.
    Revoked(&'a [Partition]),
    /// These are gone, perhaps another member has them already: never commit what concerns them.
    Lost(&'a [Partition]),
}

/// Who is told of rebalances: there only while [`Consumer::poll`] runs.
pub(super) struct Handler<'a> {
    pub(super) consumer: &'a Consumer,
    pub(super) tell: &'a mut dyn FnMut(&Consumer, Rebalance<'_>),
    /// What `tell` panicked with; the poll goes on with it when it is out of C.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

/// What the callbacks of a consumer leave for its poll.
#[derive(Debug, Default)]
pub(super) struct State {
    handler: AtomicPtr<Handler<'static>>,
    left: Mutex<Left>,
    ready: Ready,
}

/// What is to be called when there is something to poll.
#[derive(Default)]
pub(super) struct Ready(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ready({})", if self.0.get().is_some() { "set" } else { "not set" })
    }
}

/// What the callbacks left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) errors: VecDeque<PollError>,
    /// Partitions that went in this poll.
    pub(super) gone: Vec<Partition>,
    /// Whether partitions came or went in this poll.
    pub(super) rebalanced: bool,
    /// Whether the group has said which partitions are ours, be it none, and they were not lost since.
    pub(super) assigned: bool,
    /// How often partitions came or went, be it none.
    pub(super) rebalances: u64,
}

impl State {
    /// Lets the callbacks find a handler while `poll` runs.
    pub(super) fn during<T>(&self, handler: &mut Handler<'_>, poll: impl FnOnce() -> T) -> T {
        struct Absent<'a>(&'a State);
        impl Drop for Absent<'_> {
            fn drop(&mut self) {
                self.0.handler.store(ptr::null_mut(), Ordering::Release);
            }
        }
        let absent = Absent(self);
        self.handler.store(ptr::from_mut(handler).cast(), Ordering::Release);
        let result = poll();
        drop(absent);
        result
    }

    /// Sets what is to be called when there is something to poll; whether it was not set before.
    pub(super) fn set_ready(&self, call: Box<dyn Fn() + Send + Sync>) -> bool {
        self.ready.0.set(call).is_ok()
    }

    pub(super) fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, partition: Option<Partition>, error: Error) {
        let mut left = self.left();
        if left.errors.len() < ERRORS_MAX {
            left.errors.push_back(PollError { partition, error });
        } else {
            tracing::error!("{error}");
        }
    }
}

/// The rebalance callback: librdkafka waits until the partitions are assigned or given back.
pub(super) unsafe extern "C" fn on_rebalance(
    client: *mut rk::rd_kafka_t,
    code: c_int,
    partitions: *mut rk::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    let change = AssertUnwindSafe(|| {
        // SAFETY: `Native::consumer` has set this pointer, and keeps the state until the client is
        // destroyed.
        let state = unsafe { &*opaque.cast::<State>() };
        // SAFETY: librdkafka gives a live client and its list for this call.
        unsafe { change(client, code, partitions, state) }
    });
    if catch_unwind(change).is_err() {
        tracing::error!(
            "the rebalance callback of the Kafka client panicked: its partitions stay as they are"
        );
    }
}

/// Tells the handler, then does what librdkafka waits for.
///
/// # Safety
/// `client` is alive, `list` is null or librdkafka's for this call, and this thread serves the client's
/// queue.
unsafe fn change(
    client: *mut rk::rd_kafka_t,
    code: c_int,
    list: *mut rk::rd_kafka_topic_partition_list_t,
    state: &State,
) {
    // SAFETY: the caller's promise.
    let mut partitions: Vec<Partition> =
        unsafe { list::read(list) }.into_iter().map(|e| e.partition).collect();
    partitions.sort_unstable();
    // SAFETY: the client is alive. An assignment is lost or not until the next one is taken.
    let lost = code != code::ASSIGN_PARTITIONS && unsafe { rk::rd_kafka_assignment_lost(client) } != 0;
    if !partitions.is_empty() {
        // SAFETY: this runs in a call that serves the client's queue, on the thread of that call.
        unsafe { tell(state, code, lost, &partitions) };
    }
    if code != code::ASSIGN_PARTITIONS && code != code::REVOKE_PARTITIONS {
        state.fail(None, Error::of_code("take part in the rebalance", code));
    }
    // SAFETY: client and list are alive for this call.
    let done = unsafe { take_or_give_back(client, code, list) };
    if let Err(error) = done {
        tracing::error!("{error}");
        state.fail(None, error);
    }
    let mut left = state.left();
    left.rebalanced = true;
    left.rebalances += 1;
    left.assigned = code == code::ASSIGN_PARTITIONS || left.assigned && !lost;
    if code != code::ASSIGN_PARTITIONS {
        left.gone.extend(partitions);
    }
}

/// Calls the handler, if a poll runs.
///
/// # Safety
/// The thread is the one that polls, if a poll runs: librdkafka calls back in the call that serves the
/// queue.
unsafe fn tell(state: &State, code: c_int, lost: bool, partitions: &[Partition]) {
    let handler = state.handler.load(Ordering::Acquire);
    if handler.is_null() {
        // The consumer is being closed: what concerns its partitions was committed before.
        return;
    }
    // SAFETY: `State::during` has put it there and takes it away before it ends; its frame lies below this
    // one on the same stack, and touches the handler only after C has returned.
    let handler = unsafe { &mut *handler };
    let what = match code {
        code::ASSIGN_PARTITIONS => Rebalance::Assigned(partitions),
        _ if lost => Rebalance::Lost(partitions),
        _ => Rebalance::Revoked(partitions),
    };
    let Handler { consumer, tell, panic } = handler;
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| tell(consumer, what))) {
        panic.get_or_insert(payload);
    }
    consumer.wake();
}

/// Assigns and pauses, or gives back, by the protocol that the group has agreed on.
///
/// # Safety
/// As for `change`.
unsafe fn take_or_give_back(
    client: *mut rk::rd_kafka_t,
    code: c_int,
    list: *mut rk::rd_kafka_topic_partition_list_t,
) -> Result<(), Error> {
    // SAFETY: the client is alive; the answer is a constant that ends with a NUL, or null.
    let protocol = unsafe { raw::text(rk::rd_kafka_rebalance_protocol(client)) };
    let cooperative = protocol == "COOPERATIVE";
    // SAFETY: client and list are alive for this call, errors are ours to free; the list may be changed by
    // the callback, says librdkafka.
    unsafe {
        match code {
            code::ASSIGN_PARTITIONS => {
                // Any offset that needs no question to a broker does: they are paused until
                // `Consumer::start` seeks. Without one, librdkafka would ask for the committed offsets,
                // and wait for them.
                list::set_offsets(list, 0);
                let doing = "take the assigned partitions";
                if cooperative {
                    Error::take(doing, rk::rd_kafka_incremental_assign(client, list))?;
                } else {
                    Error::check(doing, raw::rd_kafka_assign(client, list))?;
                }
                Error::check("pause the assigned partitions", raw::rd_kafka_pause_partitions(client, list))
            }
            code::REVOKE_PARTITIONS if cooperative => {
                let error = rk::rd_kafka_incremental_unassign(client, list);
                Error::take("give the revoked partitions back", error)
            }
            _ => Error::check("give all partitions back", raw::rd_kafka_assign(client, ptr::null())),
        }
    }
}

/// The queue's callback: it has something again, after it had nothing. Runs on librdkafka's threads.
pub(super) unsafe extern "C" fn on_ready(_client: *mut rk::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `Consumer::on_records` has set this pointer, and the state outlives the client.
    let state = unsafe { &*opaque.cast::<State>() };
    let call = AssertUnwindSafe(|| state.ready.0.get().into_iter().for_each(|call| call()));
    if catch_unwind(call).is_err() {
        tracing::error!("what a Kafka client was to call when it has records panicked");
    }
}

/// The error callback: what concerns the client as a whole.
pub(super) unsafe extern "C" fn on_error(
    client: *mut rk::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    let note = AssertUnwindSafe(|| {
        // SAFETY: `Native::consumer` has set this pointer, and keeps the state until the client is
        // destroyed.
        let state = unsafe { &*opaque.cast::<State>() };
        // SAFETY: the text ends with a NUL and is there for this call.
        let reason = unsafe { CStr::from_ptr(reason) }.to_string_lossy();
        let doing = "read from the cluster";
        match code {
            // librdkafka connects again by itself, for ever.
            code::TRANSPORT | code::ALL_BROKERS_DOWN | code::RESOLVE | code::TIMED_OUT => {
                tracing::warn!(code, "the connection to Kafka is troubled: {reason}");
            }
            code::FATAL => {
                // SAFETY: the client is alive for this call.
                let fatal = unsafe { native::fatal(client, doing) };
                state.fail(None, fatal.unwrap_or_else(|| Error::new(doing, code, reason)));
            }
            _ => state.fail(None, Error::new(doing, code, reason)),
        }
    });
    if catch_unwind(note).is_err() {
        tracing::error!(code, "the error callback of the Kafka client panicked");
    }
}
