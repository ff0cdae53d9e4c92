//! Records on their way into librdkafka's queue, with back-pressure when it is full.

use std::ffi::{CString, c_int, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as rk;

use super::error::Error;
use super::list;
use super::native::Native;
use super::raw::{self, code};
use super::topics::{Topic, Topics};

/// How long one wait for room in the queue lasts.
const ROOM_MS: c_int = 10;
/// How many records go to C at once: 74 KB of them.
const PIECE: usize = 1_024;

/// A record to be produced. Its partition is always said: nothing here hashes keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Out<'a> {
    /// The partition's number.
    pub partition: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A header of a record: name and value.
pub type Header<'a> = (&'a str, &'a [u8]);

fn pointer(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}

/// Produces records of one topic in their order.
///
/// They go to C in pieces that stay in a core's own cache, each of one partition: C then looks the partition up, and
/// takes it into the transaction, once a piece.
pub(super) fn batch<'a>(
    native: &Native,
    topics: &mut Topics,
    name: &str,
    records: impl IntoIterator<Item = Out<'a>>,
    timeout: Duration,
) -> Result<(), Error> {
    let end = Instant::now() + timeout;
    let mut records = records.into_iter().peekable();
    if records.peek().is_none() {
        return Ok(());
    }
    let topic = topics.get(name, timeout)?;
    let (mut piece, mut of) = (Vec::with_capacity(PIECE), -1);
    for record in records {
        if piece.len() == PIECE || record.partition != of {
            give(native, topic, (name, of), &mut piece, end)?;
            topic.check(name, record.partition)?;
            of = record.partition;
        }
        let ((payload, len), (key, key_len)) = (pointer(record.value), pointer(record.key));
        piece.push(rk::rd_kafka_message_t {
            err: rk::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: of,
            payload,
            len,
            key,
            key_len,
            offset: 0,
            _private: ptr::null_mut(),
        });
    }
    give(native, topic, (name, of), &mut piece, end)
}

/// Produces records of one partition, and forgets them.
fn give(
    native: &Native,
    topic: Topic,
    (name, partition): (&str, i32),
    piece: &mut Vec<rk::rd_kafka_message_t>,
    end: Instant,
) -> Result<(), Error> {
    let mut rest = piece.as_mut_slice();
    while !rest.is_empty() {
        let count = c_int::try_from(rest.len()).expect("no piece is longer");
        let (handle, flags) = (topic.handle.as_ptr(), rk::RD_KAFKA_MSG_F_COPY);
        // SAFETY: the topic is alive and has the partition, `count` records lie in `rest`. Keys and values outlive
        // the call, which copies them; it writes nothing but codes.
        unsafe { rk::rd_kafka_produce_batch(handle, partition, flags, rest.as_mut_ptr(), count) };
        // Once the queue is full all that follow are refused with the same code: the order is kept.
        let Some(at) = first_refused(rest) else { break };
        // SAFETY: the record lies in `rest`.
        let refused = unsafe { raw::message_code(&raw const rest[at]) };
        if refused != code::QUEUE_FULL || Instant::now() >= end {
            let to = format!("produce to {name}/{partition}");
            return Err(refuse(to, refused, rest[at].len + rest[at].key_len));
        }
        room(native);
        rest = &mut rest[at..];
    }
    piece.clear();
    Ok(())
}

/// The first that was refused.
fn first_refused(records: &[rk::rd_kafka_message_t]) -> Option<usize> {
    // SAFETY: they lie in the slice; the code is read as a number.
    records.iter().position(|record| unsafe { raw::message_code(record) } != code::NONE)
}

fn refuse(doing: String, code: i32, bytes: usize) -> Error {
    let mut error = Error::of_code(doing, code);
    error.text = format!("{}: a record of {bytes} bytes", error.text);
    error
}

/// Sends what is queued, and waits a little for it to become less.
fn room(native: &Native) {
    // SAFETY: the client is alive. The answer does not matter: the caller tries again.
    unsafe { raw::rd_kafka_flush(native.client(), ROOM_MS) };
}

/// One record with all that it can have.
pub(super) struct Single<'a> {
    pub(super) topic: &'a str,
    pub(super) record: Out<'a>,
    pub(super) headers: &'a [Header<'a>],
    /// Milliseconds since 1970; now, if it has none.
    pub(super) timestamp: Option<i64>,
    /// What its report is known by.
    pub(super) token: usize,
}

impl Single<'_> {
    /// Produces it; waits for room in the queue until `end`.
    pub(super) fn produce(
        &mut self,
        native: &Native,
        topics: &mut Topics,
        end: Instant,
    ) -> Result<(), Error> {
        let topic = topics.get(self.topic, end.saturating_duration_since(Instant::now()))?;
        topic.check(self.topic, self.record.partition)?;
        let names: Vec<CString> =
            self.headers.iter().map(|(name, _)| list::c_string(name)).collect::<Result<_, _>>()?;
        let arguments = self.arguments(topic.handle.as_ptr(), &names);
        loop {
            let doing = format!("produce to {}/{}", self.topic, self.record.partition);
            // SAFETY: client, topic, names and the record's bytes outlive the call, which copies them; the
            // kinds of the arguments are those of their values; the error is ours.
            let produced = unsafe {
                let (start, count) = (arguments.as_ptr(), arguments.len());
                Error::take(doing, rk::rd_kafka_produceva(native.client(), start, count))
            };
            match produced {
                Err(error) if error.code == code::QUEUE_FULL && Instant::now() < end => room(native),
                produced => return produced,
            }
        }
    }

    fn arguments(&self, topic: *mut rk::rd_kafka_topic_t, names: &[CString]) -> Vec<rk::rd_kafka_vu_t> {
        use rk::rd_kafka_vtype_t as kind;
        use rk::rd_kafka_vu_s__bindgen_ty_1 as value;
        use rk::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as memory;
        use rk::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 as header;
        let bytes = |bytes| {
            let (ptr, size) = pointer(bytes);
            value { mem: memory { ptr, size } }
        };
        let mut all = vec![
            (kind::RD_KAFKA_VTYPE_RKT, value { rkt: topic }),
            (kind::RD_KAFKA_VTYPE_PARTITION, value { i32_: self.record.partition }),
            (kind::RD_KAFKA_VTYPE_MSGFLAGS, value { i: rk::RD_KAFKA_MSG_F_COPY }),
            (kind::RD_KAFKA_VTYPE_KEY, bytes(self.record.key)),
            (kind::RD_KAFKA_VTYPE_VALUE, bytes(self.record.value)),
            (kind::RD_KAFKA_VTYPE_OPAQUE, value { ptr: ptr::without_provenance_mut(self.token) }),
        ];
        all.extend(self.timestamp.map(|at| (kind::RD_KAFKA_VTYPE_TIMESTAMP, value { i64_: at })));
        all.extend(self.headers.iter().zip(names).map(|((_, bytes), name)| {
            let size = isize::try_from(bytes.len()).expect("no slice is longer");
            let header = header { name: name.as_ptr(), val: bytes.as_ptr().cast(), size };
            (kind::RD_KAFKA_VTYPE_HEADER, value { header })
        }));
        all.into_iter().map(|(vtype, u)| rk::rd_kafka_vu_t { vtype, u }).collect()
    }
}
