//! A batch of records as librdkafka holds them: nothing is copied, nothing allocated per record.

use std::ffi::CStr;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka::bindings as rk;

use super::list;
use super::native::Native;
use super::raw::{self, code};

/// A batch that is used again and again; what it holds is freed when it is cleared, filled again or
/// dropped.
#[derive(Default)]
pub struct Messages {
    raw: Vec<NonNull<rk::rd_kafka_message_t>>,
    /// The client of the records: it must not end before they are freed.
    owner: Option<Arc<Native>>,
}

// SAFETY: a record may be read and freed by any thread. Not `Sync`: asking for headers parses them in
// place.
unsafe impl Send for Messages {}

/// One record.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    raw: NonNull<rk::rd_kafka_message_t>,
    batch: PhantomData<&'a Messages>,
}

/// When a record was made, or appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamp {
    /// The record has none.
    None,
    /// The producer's word, milliseconds since 1970.
    Created(i64),
    /// The broker's word, milliseconds since 1970.
    Appended(i64),
}

impl Messages {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The records, in the order in which they came: in each partition that of the offsets.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Message<'_>> + Clone {
        self.raw.iter().map(|&raw| Message { raw, batch: PhantomData })
    }

    /// The record with this number.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn at(&self, number: usize) -> Message<'_> {
        Message { raw: self.raw[number], batch: PhantomData }
    }

    /// Touches the end of each value in a range of numbers, behind which the headers begin: nobody has looked there
    /// yet, and so it is waited for many of them at once.
    ///
    /// The result is only there so that the touching is not optimised away.
    pub fn warm(&self, numbers: Range<usize>) -> u8 {
        let values = numbers.filter_map(|number| self.at(number).value()?.last());
        values.fold(0, |all, byte| all ^ byte)
    }

    /// Frees all records.
    pub fn clear(&mut self) {
        self.retain(|_| false);
        self.owner = None;
    }

    /// Frees the records that are not to be kept.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(Message<'_>) -> bool) {
        self.raw.retain(|&raw| {
            let kept = keep(Message { raw, batch: PhantomData });
            if !kept {
                // SAFETY: the record is ours and leaves the list now; its client is alive (`owner`).
                unsafe { rk::rd_kafka_message_destroy(raw.as_ptr()) }
            }
            kept
        });
    }

    /// Takes up to `max` more records of a client; waits up to `wait_ms` for all of them.
    pub(super) fn take(&mut self, from: &Arc<Native>, max: usize, wait_ms: i32) {
        if !self.owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, from)) {
            self.clear();
            self.owner = Some(Arc::clone(from));
        }
        self.raw.reserve(max);
        let free = self.raw.spare_capacity_mut();
        let room = max.min(free.len());
        // SAFETY: `from` keeps the queue alive. C writes at most `room` pointers to live records into the
        // free part, from its start, and gives them to us. A `NonNull` is a pointer that is not null.
        unsafe {
            let taken =
                rk::rd_kafka_consume_batch_queue(from.queue(), wait_ms, free.as_mut_ptr().cast(), room);
            let taken = usize::try_from(taken).unwrap_or(0);
            self.raw.set_len(self.raw.len() + taken);
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Message<'a> {
    /// The topic's name.
    pub fn topic(self) -> &'a str {
        // SAFETY: the record lives for `'a`, and its topic with it.
        unsafe { list::topic_name((*self.raw.as_ptr()).rkt) }
    }

    /// The partition's number.
    pub fn partition(self) -> i32 {
        // SAFETY: the record lives for `'a`.
        unsafe { (*self.raw.as_ptr()).partition }
    }

    /// Its offset.
    pub fn offset(self) -> i64 {
        // SAFETY: the record lives for `'a`.
        unsafe { (*self.raw.as_ptr()).offset }
    }

    /// When.
    pub fn timestamp(self) -> Timestamp {
        use rk::rd_kafka_timestamp_type_t as kind;
        let mut of = kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the record lives for `'a`; librdkafka knows three kinds, and sets the one it has decoded.
        let at = unsafe { rk::rd_kafka_message_timestamp(self.raw.as_ptr(), &raw mut of) };
        match of {
            kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => Timestamp::None,
            kind::RD_KAFKA_TIMESTAMP_CREATE_TIME => Timestamp::Created(at),
            kind::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => Timestamp::Appended(at),
        }
    }

    /// The key.
    pub fn key(self) -> Option<&'a [u8]> {
        // SAFETY: the record and its bytes live for `'a`; nobody changes them.
        unsafe { raw::bytes((*self.raw.as_ptr()).key, (*self.raw.as_ptr()).key_len) }
    }

    /// The value; `None` is a tombstone.
    pub fn value(self) -> Option<&'a [u8]> {
        // SAFETY: as for the key.
        unsafe { raw::bytes((*self.raw.as_ptr()).payload, (*self.raw.as_ptr()).len) }
    }

    /// The headers in their order; parsed when they are asked for. One that is not UTF-8 has the name "".
    pub fn headers(self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        let mut headers = std::ptr::null_mut();
        // SAFETY: the record lives for `'a`; it keeps the parsed headers. `Messages` is not `Sync`.
        let code = unsafe { rk::rd_kafka_message_headers(self.raw.as_ptr(), &raw mut headers) } as i32;
        let count = match code {
            // SAFETY: they are there.
            code::NONE => unsafe { rk::rd_kafka_header_cnt(headers) },
            // The record has none, or none that can be read.
            _ => 0,
        };
        (0..count).map_while(move |at| {
            let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
            // SAFETY: the headers live as long as the record; name (NUL-terminated) and value lie in them.
            unsafe {
                let all = (&raw mut name, &raw mut value, &raw mut size);
                let code = rk::rd_kafka_header_get_all(headers, at, all.0, all.1, all.2) as i32;
                (code == code::NONE)
                    .then(|| (CStr::from_ptr(name).to_str().unwrap_or(""), raw::bytes(value, size)))
            }
        })
    }

    /// The last header of a name: `None` if there is none, `Some(None)` if it is null.
    pub fn header(self, name: &str) -> Option<Option<&'a [u8]>> {
        self.headers().filter(|(of, _)| *of == name).last().map(|(_, value)| value)
    }

    /// The code of what stands here instead of a record; 0 for a record.
    pub(super) fn code(self) -> i32 {
        // SAFETY: the record lives for `'a`.
        unsafe { raw::message_code(self.raw.as_ptr()) }
    }

    /// What is said about it.
    pub(super) fn complaint(self) -> String {
        // SAFETY: as above; the text is copied.
        unsafe { raw::text(rk::rd_kafka_message_errstr(self.raw.as_ptr())) }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic(), self.partition(), self.offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_nothing_is_read_cleared_and_dropped() {
        let mut batch = Messages::new();
        assert!(batch.is_empty());
        assert_eq!((batch.len(), batch.iter().len()), (0, 0));
        batch.clear();
        assert_eq!(format!("{batch:?}"), "[]");
    }
}
