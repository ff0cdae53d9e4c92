//! librdkafka's log, as events of `tracing` under the target `librdkafka`.

use std::ffi::{c_char, c_int};
use std::panic::catch_unwind;

use rdkafka::bindings as rk;

use super::raw;

/// The log callback: client, level of syslog, facility, text. Called by any thread of librdkafka.
pub(super) unsafe extern "C" fn write(
    client: *const rk::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    // A subscriber that panics must not unwind into C; there is nobody left to tell.
    let _ = catch_unwind(|| {
        // SAFETY: librdkafka gives a live client (or null) and texts that end with a NUL, all for this
        // call.
        let (client, facility, text) = unsafe {
            let name = if client.is_null() { std::ptr::null() } else { rk::rd_kafka_name(client) };
            (raw::text(name), raw::text(facility), raw::text(text))
        };
        match level {
            ..=3 => tracing::error!(target: "librdkafka", client, facility, "{text}"),
            4 => tracing::warn!(target: "librdkafka", client, facility, "{text}"),
            5 | 6 => tracing::info!(target: "librdkafka", client, facility, "{text}"),
            _ => tracing::debug!(target: "librdkafka", client, facility, "{text}"),
        }
    });
}
