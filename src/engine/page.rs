//! The stored form of one user: profile and enrollments, in one record.
//!
//! Timers are not in it: they follow from deadlines, gates and dates, and are armed when a shard has been restored.

use super::cold::{put_varint, take, take_varint};
use super::record::{Enrollment, Millis48};
use super::storage::{Bytes, NONE};
use crate::model::{Format, Timestamp};

/// The bytes of an enrollment before its number: in the first format its two times have eight bytes, since then the
/// six that they have in memory.
const HEAD: usize = 20;
const HEAD_FIRST: usize = 24;

/// Appends a user's page in that format: nothing at all for a user who has neither.
pub(super) fn encode<'a>(
    format: Format,
    profile: &[u8],
    enrollments: impl Iterator<Item = &'a Enrollment>,
    cold: &Bytes,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.push(format.0);
    put_varint(out, profile.len() as u64);
    out.extend_from_slice(profile);
    let body = out.len();
    for e in enrollments {
        // Put together first: one append costs less than nine.
        let mut head = [0; HEAD_FIRST];
        head[0] = e.state();
        head[1] = e.flags;
        head[2..4].copy_from_slice(&e.plan.to_le_bytes());
        head[4..6].copy_from_slice(&e.node.to_le_bytes());
        head[6..8].copy_from_slice(&e.starts.to_le_bytes());
        if format == Format::FIRST {
            head[8..16].copy_from_slice(&e.entered().0.to_le_bytes());
            head[16..].copy_from_slice(&e.until().0.to_le_bytes());
            out.extend_from_slice(&head);
        } else {
            head[8..14].copy_from_slice(&Millis48::of(e.entered()).to_le_bytes());
            head[14..HEAD].copy_from_slice(&Millis48::of(e.until()).to_le_bytes());
            out.extend_from_slice(&head[..HEAD]);
        }
        put_varint(out, e.entry());
        let part = if e.cold == NONE { &[][..] } else { cold.get(e.cold) };
        put_varint(out, part.len() as u64);
        out.extend_from_slice(part);
    }
    if profile.is_empty() && out.len() == body {
        out.truncate(start);
    }
}

/// How many bytes of a stored page are enrollments, the profile left out; 0 if it cannot be read.
#[must_use]
pub fn inside_bytes(page: &[u8]) -> usize {
    Page::open(page, Format::NEWEST).map_or(0, |page| page.rest.len())
}

/// A page, taken apart.
pub(super) struct Page<'a> {
    pub(super) format: Format,
    pub(super) profile: &'a [u8],
    rest: &'a [u8],
}

/// Why a page cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// It is of another format.
    #[error("a user's page has format {found}, and this build reads formats up to {reads}")]
    Format {
        /// Its format.
        found: Format,
        /// The newest that is read.
        reads: Format,
    },
    /// It ends too early, or says what cannot be.
    #[error("a user's page is damaged")]
    Damaged,
}

impl<'a> Page<'a> {
    /// Of a format up to `reads`.
    pub(super) fn open(mut bytes: &'a [u8], reads: Format) -> Result<Self, PageError> {
        let found = Format(take(&mut bytes, 1).ok_or(PageError::Damaged)?[0]);
        if !(Format::FIRST..=reads).contains(&found) {
            return Err(PageError::Format { found, reads });
        }
        let len = take_varint(&mut bytes) as usize;
        let profile = take(&mut bytes, len).ok_or(PageError::Damaged)?;
        Ok(Self { format: found, profile, rest: bytes })
    }

    /// The next enrollment, of `user`, and its cold part.
    pub(super) fn next(&mut self, user: u32) -> Result<Option<(Enrollment, &'a [u8])>, PageError> {
        let rest = &mut self.rest;
        if rest.is_empty() {
            return Ok(None);
        }
        let is_first = self.format == Format::FIRST;
        let head = take(rest, if is_first { HEAD_FIRST } else { HEAD }).ok_or(PageError::Damaged)?;
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let (entered, until) =
            if is_first { (eight(head, 8), eight(head, 16)) } else { (six(head, 8), six(head, 14)) };
        let (entered, until) = (entered.ok_or(PageError::Damaged)?, until.ok_or(PageError::Damaged)?);
        let entry = take_varint(rest);
        let len = take_varint(rest) as usize;
        let cold = take(rest, len).ok_or(PageError::Damaged)?;
        let mut e = Enrollment::new(user, u16_at(2), u16_at(4), entered, entry);
        if !e.set_state(head[0]) {
            return Err(PageError::Damaged);
        }
        e.flags = head[1];
        e.starts = u16_at(6);
        e.set_until(until);
        Ok(Some((e, cold)))
    }
}

fn eight(head: &[u8], at: usize) -> Option<Timestamp> {
    head.get(at..at + 8)?.try_into().ok().map(|bytes| Timestamp(i64::from_le_bytes(bytes)))
}

fn six(head: &[u8], at: usize) -> Option<Timestamp> {
    head.get(at..at + 6)?.try_into().ok().map(|bytes| Millis48::from_le_bytes(bytes).get())
}
