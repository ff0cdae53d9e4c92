//! The usual message, read fast: where all its strings end is found first, sixteen bytes at a time.
//!
//! Nearly every message is JSON of less than two kilobytes that some library wrote: no escape, no line break, no
//! exponent. Of those this says where things are. Whatever is not like that, and all that is wrong, it leaves to
//! [`super::scan`], which reads everything and names what is wrong; so this may give up at any time, and must never
//! take what that would refuse.

use wide::u8x16;

use super::limits::{DEPTH_MAX, FIELDS_MAX};
use super::scan::Kind;

/// The longest message that is read here, in bytes.
const BYTES_MAX: usize = 2_048;
/// A bit for every byte; one word more, so that the word behind the last one can be looked at too.
const WORDS: usize = BYTES_MAX / 64 + 2;

// The shortest member, `"":0,`, has five bytes, so nobody needs to count them.
const _: () = assert!(BYTES_MAX / 5 < FIELDS_MAX);
/// The longest number, which is then no larger than a double can be.
const NUMBER_MAX: usize = 300;

/// A message without escapes and control characters, and where its quotes are.
pub(super) struct Usual<'a> {
    bytes: &'a [u8],
    quotes: [u64; WORDS],
}

impl<'a> Usual<'a> {
    /// Looks the message over; `None` if it is not of the usual kind.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > BYTES_MAX {
            return None;
        }
        let mut quotes = [0; WORDS];
        let mut odd = u8x16::splat(0);
        let (blocks, rest) = bytes.as_chunks::<64>();
        for (word, block) in quotes.iter_mut().zip(blocks) {
            *word = look(block, &mut odd);
        }
        let mut last = [b' '; 64];
        last[..rest.len()].copy_from_slice(rest);
        quotes[blocks.len()] = look(&last, &mut odd);
        (odd.to_bitmask() == 0).then_some(Self { bytes, quotes })
    }

    /// The first quote at or after `at`, which is no more than the length.
    #[inline(always)]
    fn quote(&self, at: usize) -> Option<usize> {
        let word = at / 64;
        let pair = u128::from(self.quotes[word]) | u128::from(self.quotes[word + 1]) << 64;
        // The low half: the next 64 bytes.
        let ahead = (pair >> (at % 64)) as u64;
        if ahead != 0 { Some(at + ahead.trailing_zeros() as usize) } else { self.far_quote(word + 1) }
    }

    /// The first quote from this word on.
    #[cold]
    fn far_quote(&self, word: usize) -> Option<usize> {
        let ahead = self.quotes.get(word..)?;
        let found = ahead.iter().position(|bits| *bits != 0)?;
        Some((word + found) * 64 + ahead[found].trailing_zeros() as usize)
    }

    #[inline(always)]
    fn peek(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The first byte at or after `at` that is no space; other white space is control characters.
    #[inline(always)]
    pub(super) fn space(&self, mut at: usize) -> usize {
        while self.peek(at) == Some(b' ') {
            at += 1;
        }
        at
    }

    /// What the value at `at` is, and where it ends; it would be at level `depth` if it is an object or an array.
    #[inline]
    pub(super) fn value(&self, at: usize, depth: usize) -> Option<(Kind, usize)> {
        match self.peek(at)? {
            b'"' => Some((Kind::Text, self.quote(at + 1)? + 1)),
            b'-' | b'0'..=b'9' => Some((Kind::Number, self.number(at)?)),
            b'{' | b'[' => self.nested(at, depth),
            b't' => self.literal(at, b"true", Kind::True),
            b'f' => self.literal(at, b"false", Kind::False),
            b'n' => self.literal(at, b"null", Kind::Null),
            _ => None,
        }
    }

    #[inline(never)]
    fn nested(&self, at: usize, depth: usize) -> Option<(Kind, usize)> {
        if self.peek(at) == Some(b'[') {
            return Some((Kind::Array, self.array(at, depth)?));
        }
        let end = self.object(at, depth, |_, value| Some(self.value(value, depth + 1)?.1))?;
        Some((Kind::Object, end))
    }

    /// Where the object ends whose brace is at `at`, at level `depth`. `member` gets each name and the place of its
    /// value, and says where that ends.
    #[inline(always)]
    pub(super) fn object(
        &self,
        at: usize,
        depth: usize,
        mut member: impl FnMut(&'a [u8], usize) -> Option<usize>,
    ) -> Option<usize> {
        if depth > DEPTH_MAX || self.peek(at) != Some(b'{') {
            return None;
        }
        let mut at = self.space(at + 1);
        if self.peek(at) == Some(b'}') {
            return Some(at + 1);
        }
        loop {
            if self.peek(at) != Some(b'"') {
                return None;
            }
            let end = self.quote(at + 1)?;
            let name = &self.bytes[at + 1..end];
            let colon = self.space(end + 1);
            if self.peek(colon) != Some(b':') {
                return None;
            }
            at = self.space(member(name, self.space(colon + 1))?);
            match self.peek(at) {
                Some(b',') => at = self.space(at + 1),
                Some(b'}') => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn array(&self, at: usize, depth: usize) -> Option<usize> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut at = self.space(at + 1);
        if self.peek(at) == Some(b']') {
            return Some(at + 1);
        }
        loop {
            at = self.space(self.value(at, depth + 1)?.1);
            match self.peek(at) {
                Some(b',') => at = self.space(at + 1),
                Some(b']') => return Some(at + 1),
                _ => return None,
            }
        }
    }

    #[inline(always)]
    fn literal(&self, at: usize, word: &[u8], kind: Kind) -> Option<(Kind, usize)> {
        self.bytes[at..].starts_with(word).then_some((kind, at + word.len()))
    }

    /// Where a number without an exponent ends.
    #[inline(always)]
    fn number(&self, from: usize) -> Option<usize> {
        let mut at = from + usize::from(self.bytes[from] == b'-');
        if self.peek(at) == Some(b'0') {
            at += 1;
        } else {
            at = self.digits(at)?;
        }
        if self.peek(at) == Some(b'.') {
            at = self.digits(at + 1)?;
        }
        let is_usual = !matches!(self.peek(at), Some(b'e' | b'E')) && at - from <= NUMBER_MAX;
        is_usual.then_some(at)
    }

    #[inline(always)]
    fn digits(&self, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(b'0'..=b'9') = self.peek(at) {
            at += 1;
        }
        (at > from).then_some(at)
    }

    /// Whether there is nothing but spaces from `at` on.
    pub(super) fn ends(&self, at: usize) -> bool {
        self.space(at) == self.bytes.len()
    }
}

/// The quotes of 64 bytes, the first one in the lowest bit. Sets a lane of `odd` for each escape and control character.
#[inline(always)]
fn look(block: &[u8; 64], odd: &mut u8x16) -> u64 {
    let mut quotes = 0;
    for (number, lanes) in block.as_chunks::<16>().0.iter().enumerate() {
        let lanes = u8x16::new(*lanes);
        *odd |= lanes.simd_eq(u8x16::splat(b'\\')) | lanes.simd_eq(lanes.min(u8x16::splat(0x1f)));
        quotes |= u64::from(lanes.simd_eq(u8x16::splat(b'"')).to_bitmask()) << (16 * number);
    }
    quotes
}
