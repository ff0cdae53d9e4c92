//! A batch of records as librdkafka holds them: nothing is copied, nothing allocated per record.

/// A batch that is used again and again; what it holds is freed when it is cleared, filled again or dropped.
#[derive(Debug, Default)]
pub struct Messages {}

/// One record.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    batch: &'a Messages,
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
        unimplemented!()
    }
    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// The records, in the order in which they came: in each partition that of the offsets.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        std::iter::empty()
    }
    /// Frees all records.
    pub fn clear(&mut self) {
        unimplemented!()
    }
}

impl<'a> Message<'a> {
    /// The topic's name.
    pub fn topic(self) -> &'a str {
        unimplemented!()
    }
    /// The partition's number.
    pub fn partition(self) -> i32 {
        unimplemented!()
    }
    /// Its offset.
    pub fn offset(self) -> i64 {
        unimplemented!()
    }
    /// When.
    pub fn timestamp(self) -> Timestamp {
        unimplemented!()
    }
    /// The key.
    pub fn key(self) -> Option<&'a [u8]> {
        unimplemented!()
    }
    /// The value; `None` is a tombstone.
    pub fn value(self) -> Option<&'a [u8]> {
        unimplemented!()
    }
    /// The headers, parsed when first asked for.
    pub fn headers(self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        std::iter::empty()
    }
    /// The last header of a name: `None` if there is none, `Some(None)` if it is null.
    pub fn header(self, name: &str) -> Option<Option<&'a [u8]>> {
        unimplemented!()
    }
}
