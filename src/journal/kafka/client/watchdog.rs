//! Which call is overdue: librdkafka's time-outs are soft, and one call can hang for ever (#5511).

use std::time::Duration;

/// A blocking call that exceeds a multiple of its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The client's name.
    pub client: String,
    /// The call: `commit`, `send_offsets`.
    pub call: &'static str,
    /// How long it has lasted.
    pub lasts: Duration,
    /// How long it should at most.
    pub limit: Duration,
}

/// The call, of all clients of the process, that has lasted longest beyond `multiple` times its limit.
///
/// A thread of the process asks every second or so, and ends the process on an answer: nothing else frees a
/// thread that hangs in C.
pub fn overdue(multiple: u32) -> Option<Overdue> {
    unimplemented!()
}
