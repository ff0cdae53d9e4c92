//! The functions of librdkafka whose codes may come from a broker.
//!
//! The bindings declare a code as a Rust enum of the codes that were known when they were made. A newer
//! broker sends others, and an enum with such a value is undefined behaviour: so here a code is a number.
//! The same symbols, the same binary interface (a C enum is an `int`).

use std::ffi::{CStr, c_char, c_int, c_void};

use rdkafka::bindings as rk;
use rk::{
    rd_kafka_conf_t, rd_kafka_error_t, rd_kafka_event_t, rd_kafka_message_t, rd_kafka_t,
    rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_t, rd_kafka_topic_t,
};

type List = rd_kafka_topic_partition_list_t;

/// What librdkafka calls when partitions come or go: client, code, partitions, our own pointer.
pub(super) type OnRebalance = unsafe extern "C" fn(*mut rd_kafka_t, c_int, *mut List, *mut c_void);

unsafe extern "C" {
    pub(super) fn rd_kafka_err2str(code: c_int) -> *const c_char;
    pub(super) fn rd_kafka_err2name(code: c_int) -> *const c_char;
    pub(super) fn rd_kafka_error_code(error: *const rd_kafka_error_t) -> c_int;
    pub(super) fn rd_kafka_event_error(event: *mut rd_kafka_event_t) -> c_int;
    pub(super) fn rd_kafka_fatal_error(client: *mut rd_kafka_t, text: *mut c_char, size: usize) -> c_int;
    pub(super) fn rd_kafka_conf_set_rebalance_cb(conf: *mut rd_kafka_conf_t, call: Option<OnRebalance>);
    pub(super) fn rd_kafka_poll_set_consumer(client: *mut rd_kafka_t) -> c_int;
    pub(super) fn rd_kafka_consumer_close(client: *mut rd_kafka_t) -> c_int;
    pub(super) fn rd_kafka_subscribe(client: *mut rd_kafka_t, topics: *const List) -> c_int;
    pub(super) fn rd_kafka_assign(client: *mut rd_kafka_t, partitions: *const List) -> c_int;
    pub(super) fn rd_kafka_assignment(client: *mut rd_kafka_t, partitions: *mut *mut List) -> c_int;
    pub(super) fn rd_kafka_pause_partitions(client: *mut rd_kafka_t, partitions: *mut List) -> c_int;
    pub(super) fn rd_kafka_resume_partitions(client: *mut rd_kafka_t, partitions: *mut List) -> c_int;
    pub(super) fn rd_kafka_position(client: *mut rd_kafka_t, partitions: *mut List) -> c_int;
    pub(super) fn rd_kafka_committed(
        client: *mut rd_kafka_t,
        partitions: *mut List,
        timeout_ms: c_int,
    ) -> c_int;
    pub(super) fn rd_kafka_flush(client: *mut rd_kafka_t, timeout_ms: c_int) -> c_int;
    pub(super) fn rd_kafka_metadata(
        client: *mut rd_kafka_t,
        all_topics: c_int,
        only: *mut rd_kafka_topic_t,
        metadata: *mut *const rk::rd_kafka_metadata,
        timeout_ms: c_int,
    ) -> c_int;
}

/// The codes that decide something here, by librdkafka's names without `RD_KAFKA_RESP_ERR_`.
pub(super) mod code {
    use rdkafka::bindings::rd_kafka_resp_err_t as known;

    pub(in super::super) const NONE: i32 = known::RD_KAFKA_RESP_ERR_NO_ERROR as i32;
    pub(in super::super) const TIMED_OUT: i32 = known::RD_KAFKA_RESP_ERR__TIMED_OUT as i32;
    pub(in super::super) const QUEUE_FULL: i32 = known::RD_KAFKA_RESP_ERR__QUEUE_FULL as i32;
    pub(in super::super) const TRANSPORT: i32 = known::RD_KAFKA_RESP_ERR__TRANSPORT as i32;
    pub(in super::super) const ALL_BROKERS_DOWN: i32 = known::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN as i32;
    pub(in super::super) const RESOLVE: i32 = known::RD_KAFKA_RESP_ERR__RESOLVE as i32;
    pub(in super::super) const FATAL: i32 = known::RD_KAFKA_RESP_ERR__FATAL as i32;
    pub(in super::super) const FENCED: i32 = known::RD_KAFKA_RESP_ERR__FENCED as i32;
    pub(in super::super) const STATE: i32 = known::RD_KAFKA_RESP_ERR__STATE as i32;
    pub(in super::super) const FAIL: i32 = known::RD_KAFKA_RESP_ERR__FAIL as i32;
    pub(in super::super) const INVALID_ARG: i32 = known::RD_KAFKA_RESP_ERR__INVALID_ARG as i32;
    pub(in super::super) const UNKNOWN_PARTITION: i32 = known::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION as i32;
    pub(in super::super) const ASSIGN_PARTITIONS: i32 = known::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS as i32;
    pub(in super::super) const REVOKE_PARTITIONS: i32 = known::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS as i32;
    pub(in super::super) const UNKNOWN_MEMBER_ID: i32 = known::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID as i32;
    pub(in super::super) const PRODUCER_FENCED: i32 = known::RD_KAFKA_RESP_ERR_PRODUCER_FENCED as i32;
    pub(in super::super) const INVALID_PRODUCER_EPOCH: i32 =
        known::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH as i32;
}

/// The code of a record, as a number.
///
/// # Safety
/// `message` points to one.
pub(super) unsafe fn message_code(message: *const rd_kafka_message_t) -> i32 {
    // SAFETY: the caller's promise. Only the address of the field is taken as an enum, its bytes are read
    // as an `i32`, which has the enum's size and alignment.
    unsafe { (&raw const (*message).err).cast::<i32>().read() }
}

/// The code of a partition in a list, as a number.
///
/// # Safety
/// `element` points to one.
pub(super) unsafe fn element_code(element: *const rd_kafka_topic_partition_t) -> i32 {
    // SAFETY: as in `message_code`.
    unsafe { (&raw const (*element).err).cast::<i32>().read() }
}

/// The text at a pointer; nothing at null.
///
/// # Safety
/// `text` is null or ends with a NUL, and does not change during this call.
pub(super) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The bytes at a pointer; `None` at null.
///
/// # Safety
/// `start` is null, or `length` bytes from it live and do not change for `'a`.
pub(super) unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

/// Milliseconds as librdkafka wants them: at least 1, since 0 asks it not to wait at all.
pub(super) fn milliseconds(wait: std::time::Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX).max(1)
}
