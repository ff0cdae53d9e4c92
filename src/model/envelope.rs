//! A record with its key and its headers as one string of bytes: where what stands beside a value decides too.
//!
//! Kafka's CloudEvents have their attributes in headers. Laid before the value they pass through every journal,
//! dead letter and replay as what they are: part of what was received.

use std::str;

/// The first byte: no JSON begins with it.
const FORMAT: u8 = 1;
/// Stands for the length of what is null.
const NULL: u32 = u32::MAX;

/// What stands before the name of a CloudEvent's attribute in a header (Kafka binding 3.2.3).
pub const CE_PREFIX: &str = "ce_";
/// The header that says what the value is.
pub const CONTENT_TYPE: &str = "content-type";
/// What that begins with where the value is all of a CloudEvent (Kafka binding 3.3).
const STRUCTURED: &str = "application/cloudevents";
/// The attributes that every CloudEvent has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// Whether a record with these headers is a CloudEvent: it has one of the attributes that every one has, or says that
/// its value is one. Others' headers (of traces, say) make it none.
#[must_use]
pub fn is_cloud_event<'h>(mut headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>) -> bool {
    headers.any(|(name, value)| match name.strip_prefix(CE_PREFIX) {
        Some(attribute) => REQUIRED.contains(&attribute),
        None => name.eq_ignore_ascii_case(CONTENT_TYPE) && value.is_some_and(is_structured),
    })
}

/// Whether a value of this type is all of a CloudEvent, and not only its data.
#[must_use]
pub fn is_structured(content_type: &[u8]) -> bool {
    let begin = content_type.trim_ascii_start().get(..STRUCTURED.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(STRUCTURED.as_bytes()))
}

/// A record taken apart, borrowing from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The record's key, if it has one.
    pub key: Option<&'a [u8]>,
    headers: &'a [u8],
    /// Its value; empty if it is null.
    pub value: &'a [u8],
}

/// Lays a record into `out`. A header that is null is one that is empty.
///
/// # Panics
/// If a part has 4 GiB: brokers take no such record.
pub fn put<'h>(
    key: Option<&[u8]>,
    headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    value: &[u8],
    out: &mut Vec<u8>,
) {
    out.push(FORMAT);
    put_part(key, out);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    for (name, value) in headers {
        put_part(Some(name.as_bytes()), out);
        put_part(Some(value.unwrap_or_default()), out);
    }
    let length = length(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).ok().filter(|length| *length < NULL).expect("a record is far below 4 GiB")
}

fn put_part(part: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(&part.map_or(NULL, |part| length(part.len())).to_be_bytes());
    out.extend_from_slice(part.unwrap_or_default());
}

/// Takes a part off the front: `None` if there is none, `Some(None)` if it is null.
fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length);
    if length == NULL {
        *bytes = rest;
        return Some(None);
    }
    let (part, rest) = rest.split_at_checked(length as usize)?;
    *bytes = rest;
    Some(Some(part))
}

/// Takes a header off the front.
fn take_header<'a>(bytes: &mut &'a [u8]) -> Option<(&'a str, &'a [u8])> {
    let name = str::from_utf8(take_part(bytes)??).ok()?;
    Some((name, take_part(bytes)??))
}

impl<'a> Envelope<'a> {
    /// Takes apart what [`put`] has laid; `None` if it is anything else.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&FORMAT, mut rest) = bytes.split_first()? else { return None };
        let key = take_part(&mut rest)?;
        let headers = take_part(&mut rest)??;
        let mut all = headers;
        while !all.is_empty() {
            take_header(&mut all)?;
        }
        Some(Self { key, headers, value: rest })
    }

    /// The headers in their order.
    pub fn headers(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let mut rest = self.headers;
        std::iter::from_fn(move || take_header(&mut rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Header = (&'static str, Option<&'static [u8]>);

    const HEADERS: [Header; 3] = [("ce_id", Some(b"1")), ("ce_id", None), ("", Some(b""))];

    fn whole() -> Vec<u8> {
        let mut bytes = Vec::new();
        put(Some(b"key"), HEADERS.into_iter(), b"{}", &mut bytes);
        bytes
    }

    #[test]
    fn a_record_reads_back_with_all_its_parts() {
        let bytes = whole();
        let read = Envelope::read(&bytes).expect("it was just laid");
        assert_eq!((read.key, read.value), (Some(&b"key"[..]), &b"{}"[..]));
        let headers = HEADERS.map(|(name, value)| (name, value.unwrap_or_default()));
        assert_eq!(read.headers().collect::<Vec<_>>(), headers);
        for (key, value) in [(None, &b"x"[..]), (Some(&b""[..]), b"")] {
            let mut bytes = Vec::new();
            put(key, std::iter::empty(), value, &mut bytes);
            let read = Envelope::read(&bytes).expect("it was just laid");
            assert_eq!((read.key, read.headers().count(), read.value), (key, 0, value));
        }
    }

    #[test]
    fn what_is_cut_off_before_the_value_or_is_something_else_is_none() {
        let bytes = whole();
        for cut in 0..bytes.len() - b"{}".len() {
            assert_eq!(Envelope::read(&bytes[..cut]), None, "{cut} bytes");
        }
        for foreign in [&b"{}"[..], b"\x01\xff\xff\xff\xff\xff\xff\xff\xff", b"\x02", b"\x01\0\0\0\x09key"] {
            assert_eq!(Envelope::read(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn headers_that_are_not_of_a_cloud_event_make_a_record_none() {
        for (headers, is) in [
            (&[][..], false),
            (&[("traceparent", "00-1-2-03"), ("content-type", "application/json")], false),
            (&[("ce_tenant", "x")], false),
            (&[("ce_type", "x")], true),
            (&[("content-type", "Application/CloudEvents+json")], true),
            (&[("Content-Type", "application/cloudevents-batch+json")], true),
        ] {
            let all = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
            assert_eq!(is_cloud_event(all), is, "{headers:?}");
        }
    }
}
