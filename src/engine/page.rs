//! The stored form of one user: profile and enrollments, in one record.
//!
//! Timers are not in it: they follow from deadlines, gates and dates, and are armed when a shard has been restored.

use super::cold::{put_varint, take, take_varint};
use super::record::Enrollment;
use super::storage::{Bytes, NONE};
use crate::model::Timestamp;

/// The format that is written; readers refuse any other.
pub const FORMAT: u8 = 1;

/// The bytes of an enrollment before its number.
const HEAD: usize = 24;

/// Appends a user's page: nothing at all for a user who has neither.
pub(super) fn encode<'a>(
    profile: &[u8],
    enrollments: impl Iterator<Item = &'a Enrollment>,
    cold: &Bytes,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.push(FORMAT);
    put_varint(out, profile.len() as u64);
    out.extend_from_slice(profile);
    let body = out.len();
    for e in enrollments {
        // Put together first: one append costs less than nine.
        let mut head = [0; HEAD];
        head[0] = e.state();
        head[1] = e.flags;
        head[2..4].copy_from_slice(&e.plan.to_le_bytes());
        head[4..6].copy_from_slice(&e.node.to_le_bytes());
        head[6..8].copy_from_slice(&e.starts.to_le_bytes());
        head[8..16].copy_from_slice(&e.entered().0.to_le_bytes());
        head[16..].copy_from_slice(&e.until().0.to_le_bytes());
        out.extend_from_slice(&head);
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
    Page::open(page).map_or(0, |page| page.rest.len())
}

/// A page, taken apart.
pub(super) struct Page<'a> {
    pub(super) profile: &'a [u8],
    rest: &'a [u8],
}

/// Why a page cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// It is of another format.
    #[error("a user's page has format {0}, and this build reads format {FORMAT} only")]
    Format(u8),
    /// It ends too early, or says what cannot be.
    #[error("a user's page is damaged")]
    Damaged,
}

impl<'a> Page<'a> {
    pub(super) fn open(mut bytes: &'a [u8]) -> Result<Self, PageError> {
        let format = take(&mut bytes, 1).ok_or(PageError::Damaged)?[0];
        if format != FORMAT {
            return Err(PageError::Format(format));
        }
        let len = take_varint(&mut bytes) as usize;
        let profile = take(&mut bytes, len).ok_or(PageError::Damaged)?;
        Ok(Self { profile, rest: bytes })
    }

    /// The next enrollment, of `user`, and its cold part.
    pub(super) fn next(&mut self, user: u32) -> Result<Option<(Enrollment, &'a [u8])>, PageError> {
        let rest = &mut self.rest;
        if rest.is_empty() {
            return Ok(None);
        }
        let head = take(rest, HEAD).ok_or(PageError::Damaged)?;
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let time_at = |at: usize| head[at..at + 8].try_into().map(|b| Timestamp(i64::from_le_bytes(b)));
        let entered = time_at(8).map_err(|_| PageError::Damaged)?;
        let until = time_at(16).map_err(|_| PageError::Damaged)?;
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
