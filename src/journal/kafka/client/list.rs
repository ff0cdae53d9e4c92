//! Lists of partitions as librdkafka wants them.

use std::ffi::{CString, c_char, c_int};
use std::ptr::{self, NonNull};

use rdkafka::bindings as rk;

use super::error::Error;
use super::partition::Partition;
use super::raw::{self, code};

/// A list that we own.
pub(super) struct List(NonNull<rk::rd_kafka_topic_partition_list_t>);

/// What a list says of one partition.
pub(super) struct Element {
    pub(super) partition: Partition,
    pub(super) offset: i64,
    pub(super) code: i32,
    pub(super) metadata: Vec<u8>,
}

impl List {
    pub(super) fn new(size: usize) -> Self {
        let size = c_int::try_from(size).unwrap_or(0);
        // SAFETY: a number only, and a hint at that; it aborts rather than answer null.
        let list = unsafe { rk::rd_kafka_topic_partition_list_new(size) };
        Self(NonNull::new(list).expect("librdkafka allocates or aborts"))
    }

    /// Partitions without offsets.
    pub(super) fn of(partitions: &[Partition]) -> Result<Self, Error> {
        let mut list = Self::new(partitions.len());
        for partition in partitions {
            list.add(partition, i64::from(rk::RD_KAFKA_OFFSET_INVALID))?;
        }
        Ok(list)
    }

    /// Partitions with offsets.
    pub(super) fn at(positions: &[(Partition, i64)]) -> Result<Self, Error> {
        let mut list = Self::new(positions.len());
        for (partition, offset) in positions {
            list.add(partition, *offset)?;
        }
        Ok(list)
    }

    /// Takes a list over.
    ///
    /// # Safety
    /// It is null, or the caller owns it and gives it away.
    pub(super) unsafe fn from_raw(list: *mut rk::rd_kafka_topic_partition_list_t) -> Option<Self> {
        NonNull::new(list).map(Self)
    }

    pub(super) fn add(&mut self, partition: &Partition, offset: i64) -> Result<(), Error> {
        self.push(&partition.topic, partition.number, offset).map(|_| ())
    }

    /// Adds one with the text that is committed beside its offset.
    pub(super) fn add_with(&mut self, partition: &Partition, offset: i64, text: &[u8]) -> Result<(), Error> {
        let element = self.push(&partition.topic, partition.number, offset)?;
        // SAFETY: librdkafka's own allocator, since the list frees it with that; the copy fits; the
        // element is alive, and nobody else has the list.
        unsafe {
            let copy = rk::rd_kafka_mem_malloc(ptr::null_mut(), text.len().max(1));
            ptr::copy_nonoverlapping(text.as_ptr(), copy.cast::<u8>(), text.len());
            (*element).metadata = copy;
            (*element).metadata_size = text.len();
        }
        Ok(())
    }

    fn push(
        &mut self,
        topic: &str,
        number: i32,
        offset: i64,
    ) -> Result<*mut rk::rd_kafka_topic_partition_t, Error> {
        let name = c_string(topic)?;
        // SAFETY: the list is ours, the name outlives the call and is copied; the element that is answered
        // stays where it is until the next is added.
        unsafe {
            let element = rk::rd_kafka_topic_partition_list_add(self.0.as_ptr(), name.as_ptr(), number);
            (*element).offset = offset;
            Ok(element)
        }
    }

    pub(super) fn as_ptr(&self) -> *mut rk::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    pub(super) fn read(&self) -> Vec<Element> {
        // SAFETY: the list is ours and alive.
        unsafe { read(self.0.as_ptr()) }
    }

    /// The first partition that something is wrong with.
    pub(super) fn check(&self, doing: &str) -> Result<(), Error> {
        match self.read().into_iter().find(|element| element.code != code::NONE) {
            Some(element) => Err(Error::of_code(format!("{doing} {}", element.partition), element.code)),
            None => Ok(()),
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing refers to it any more.
        unsafe { rk::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) }
    }
}

/// What a list says, in its order. A list that is null or empty says nothing.
///
/// # Safety
/// `list` is null or points to a list that nobody changes during the call.
pub(super) unsafe fn read(list: *const rk::rd_kafka_topic_partition_list_t) -> Vec<Element> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise; `cnt` elements lie at `elems`, which is null only when there are none.
    // No reference is made to an element, since its code may be none that the bindings' enum knows.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        let element = |at: usize| {
            let element = (*list).elems.add(at);
            let metadata = raw::bytes((*element).metadata, (*element).metadata_size);
            Element {
                partition: Partition::new(raw::text((*element).topic), (*element).partition),
                offset: (*element).offset,
                code: raw::element_code(element),
                metadata: metadata.unwrap_or_default().to_vec(),
            }
        };
        (0..count).map(element).collect()
    }
}

/// A topic's name as C wants it.
pub(super) fn c_string(topic: &str) -> Result<CString, Error> {
    let refuse = |_| Error::new(format!("name the topic {topic:?}"), code::INVALID_ARG, "it has a NUL byte");
    CString::new(topic).map_err(refuse)
}

/// The offset of everything in a list.
///
/// # Safety
/// `list` points to a list that nobody else uses during the call.
pub(super) unsafe fn set_offsets(list: *mut rk::rd_kafka_topic_partition_list_t, offset: i64) {
    // SAFETY: the caller's promise; `cnt` elements lie at `elems`.
    unsafe {
        for at in 0..usize::try_from((*list).cnt).unwrap_or(0) {
            (*(*list).elems.add(at)).offset = offset;
        }
    }
}

/// The name of a topic handle.
///
/// # Safety
/// `topic` is null or alive for `'a`.
pub(super) unsafe fn topic_name<'a>(topic: *const rk::rd_kafka_topic_t) -> &'a str {
    if topic.is_null() {
        return "";
    }
    // SAFETY: the name lives as long as the handle and ends with a NUL.
    let name: *const c_char = unsafe { rk::rd_kafka_topic_name(topic) };
    // SAFETY: as above.
    unsafe { std::ffi::CStr::from_ptr(name) }.to_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_was_put_in() {
        let mut list = List::at(&[(Partition::new("a", 1), 7)]).expect("a good name");
        list.add_with(&Partition::new("b", 0), 9, b"seq=3").expect("a good name");
        list.add_with(&Partition::new("b", 1), 9, b"").expect("a good name");
        let said: Vec<String> = list
            .read()
            .iter()
            .map(|e| format!("{} {} {:?}", e.partition, e.offset, String::from_utf8_lossy(&e.metadata)))
            .collect();
        assert_eq!(said, ["a/1 7 \"\"", "b/0 9 \"seq=3\"", "b/1 9 \"\""]);
        list.check("use").expect("nothing is wrong with any");
    }

    #[test]
    fn an_empty_list_and_none_are_read() {
        assert!(List::of(&[]).expect("no names").read().is_empty());
        // SAFETY: null is allowed.
        assert!(unsafe { read(ptr::null()) }.is_empty());
    }

    #[test]
    fn a_name_with_a_nul_is_refused() {
        let refused = List::of(&[Partition::new("a\0b", 0)]).err().expect("NUL");
        assert!(refused.to_string().contains("NUL"), "{refused}");
    }
}
