//! One pass over JSON from outside: checks all of RFC 8259 and tells where things are, without
//! allocating.
//!
//! The input must be UTF-8 already. Lone surrogates in escapes and numbers beyond a double are refused,
//! for they have no value that we could keep. The caller steers: [`Scanner::object`] hands over each key
//! and has the value consumed.

use super::limits::{DEPTH_MAX, FIELDS_MAX};
use super::reject::{Reject, Scanned};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    /// A string without escapes: its text is its bytes between the quotes.
    Text,
    /// A string with at least one escape.
    Escaped,
    Array,
    Object,
}

impl Kind {
    /// The kind with its article, for sentences.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::True | Self::False => "a boolean",
            Self::Number => "a number",
            Self::Text | Self::Escaped => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// A member's name: where it stands between its quotes, and whether it must be unescaped.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

/// A place in a document, moving forward.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    members: usize,
    members_max: usize,
    depth_max: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at byte `at`.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, members: 0, members_max: FIELDS_MAX, depth_max: DEPTH_MAX }
    }

    /// For a document that holds many messages, each of which will be held to its own limits.
    pub(super) fn of_many(bytes: &'a [u8], depth_max: usize) -> Self {
        Self { members_max: usize::MAX, depth_max, ..Self::new(bytes, 0) }
    }

    /// Skips the byte order mark that some producers write before their text.
    pub(super) fn skip_byte_order_mark(&mut self) {
        if self.bytes[self.at..].starts_with(b"\xef\xbb\xbf") {
            self.at += 3;
        }
    }

    /// Where it is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips white space.
    #[inline]
    pub(super) fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte > b' ') {
            return;
        }
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Consumes one value that would be at level `depth` if it is an object or an array.
    pub(super) fn value(&mut self, depth: usize) -> Scanned<Kind> {
        match self.peek() {
            Some(b'"') => Ok(if self.string()? { Kind::Escaped } else { Kind::Text }),
            Some(b'{') => {
                self.object(depth, |scan, _| scan.value(depth + 1).map(drop))?;
                Ok(Kind::Object)
            }
            Some(b'[') => self.array(depth),
            Some(b't') => self.literal(b"true", Kind::True),
            Some(b'f') => self.literal(b"false", Kind::False),
            Some(b'n') => self.literal(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Consumes an object at level `depth`; `member` gets each key and must consume the value that
    /// follows.
    #[inline]
    pub(super) fn object(
        &mut self,
        depth: usize,
        mut member: impl FnMut(&mut Self, Key) -> Scanned<()>,
    ) -> Scanned<()> {
        self.descend(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let start = self.at + 1;
            let escaped = self.key()?;
            let key = Key { start, end: self.at - 1, escaped };
            self.colon()?;
            member(self, key)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("',' or '}'")),
            }
        }
    }

    /// Consumes an array at level `depth`; `element` must consume the value that it is called at.
    pub(super) fn elements(
        &mut self,
        depth: usize,
        mut element: impl FnMut(&mut Self) -> Scanned<()>,
    ) -> Scanned<()> {
        self.descend(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    /// What is left must be white space.
    pub(super) fn end(&mut self) -> Scanned<()> {
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Reject::boxed(
                "trailing_bytes",
                self.at,
                format!(
                    "the message ends before byte {}, but {} follows; one message at a time is allowed",
                    self.at,
                    self.found()
                ),
            )),
        }
    }

    fn array(&mut self, depth: usize) -> Scanned<Kind> {
        self.elements(depth, |scan| scan.value(depth + 1).map(drop))?;
        Ok(Kind::Array)
    }

    #[inline]
    fn descend(&mut self, depth: usize) -> Scanned<()> {
        if depth > self.depth_max {
            return Err(Reject::boxed(
                "too_deep",
                self.at,
                format!("objects and arrays nest deeper than {} levels at byte {}", self.depth_max, self.at),
            ));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Consumes a member's name; tells whether there are escapes in it.
    #[inline(always)]
    fn key(&mut self) -> Scanned<bool> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        self.members += 1;
        if self.members > self.members_max {
            let (at, max) = (self.at, self.members_max);
            let message = format!("the message has more than {max} fields, the most allowed, at byte {at}");
            return Err(Reject::boxed("too_many_fields", at, message));
        }
        self.string()
    }

    /// Consumes what stands between a member's name and its value.
    #[inline(always)]
    fn colon(&mut self) -> Scanned<()> {
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("':'"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Consumes a string from its opening quote on; tells whether there are escapes in it.
    ///
    /// Where it stood the caller knows: a place given back beside the flag cost a tenth of the whole
    /// decoding.
    #[inline(always)]
    fn string(&mut self) -> Scanned<bool> {
        let end = find_special(self.bytes, self.at + 1);
        self.at = end;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(false);
        }
        self.string_slowly()
    }

    /// Consumes the rest of a string from its first escape, or from what must not stand in it.
    #[inline(never)]
    fn string_slowly(&mut self) -> Scanned<bool> {
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                None => return Err(self.unexpected("the end of a string")),
                Some(_) => return Err(self.unexpected("an escape in place of a control character")),
            }
            self.at = find_special(self.bytes, self.at);
        }
    }

    /// Consumes one escape, or two that are one character.
    fn escape(&mut self) -> Scanned<()> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.hex()? {
                0xD800..=0xDBFF => {
                    for expected in *b"\\u" {
                        if self.peek() != Some(expected) {
                            return Err(self.unexpected("the second half of a surrogate pair"));
                        }
                        self.at += 1;
                    }
                    self.at -= 1;
                    let half = self.at;
                    if !matches!(self.hex()?, 0xDC00..=0xDFFF) {
                        self.at = half;
                        return Err(self.unexpected("the second half of a surrogate pair"));
                    }
                }
                0xDC00..=0xDFFF => {
                    self.at = start;
                    return Err(self.unexpected("the first half of a surrogate pair"));
                }
                _ => {}
            },
            _ => return Err(self.unexpected("one of \" \\ / b f n r t u after a backslash")),
        }
        Ok(())
    }

    /// Consumes `u` and its four digits.
    fn hex(&mut self) -> Scanned<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            self.at += 1;
            let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return Err(self.unexpected("four hexadecimal digits"));
            };
            unit = unit << 4 | digit;
        }
        self.at += 1;
        Ok(unit)
    }

    fn number(&mut self) -> Scanned<Kind> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // The largest double has 309 digits before the point, so a number that is shorter and has no
        // exponent fits.
        if (exponent || self.at - start > 300) && float(&self.bytes[start..self.at]).is_none() {
            return Err(Reject::boxed(
                "number_out_of_range",
                start,
                format!("the number at byte {start} is beyond ±1.797e308, the largest that is allowed"),
            ));
        }
        Ok(Kind::Number)
    }

    #[inline]
    fn digits(&mut self) -> Scanned<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &'static [u8], kind: Kind) -> Scanned<Kind> {
        for &letter in word {
            if self.peek() != Some(letter) {
                return Err(self.unexpected("true, false or null"));
            }
            self.at += 1;
        }
        Ok(kind)
    }

    /// The reject for what stands here in place of `expected`: truncated if nothing does.
    #[cold]
    pub(super) fn unexpected(&self, expected: &str) -> Box<Reject> {
        let at = self.at;
        if at >= self.bytes.len() {
            let message =
                format!("the message ends at byte {at} where {expected} should follow; it was cut off");
            return Reject::boxed("truncated", at, message);
        }
        let message =
            format!("the message is not JSON: byte {at} is {} in place of {expected}", self.found());
        Reject::boxed("not_json", at, message)
    }

    /// The byte here, such that it can be printed.
    fn found(&self) -> String {
        match self.peek() {
            Some(byte @ b' '..=b'~') => format!("'{}'", char::from(byte)),
            Some(byte) => format!("0x{byte:02x}"),
            None => "nothing".to_owned(),
        }
    }
}

/// The first quote, backslash or control character at or after `at`; the length if there is none.
///
/// Eight bytes at a time: strings are most of an event, and most are short.
#[inline]
pub(super) fn find_special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let slash = word ^ (ONES * b'\\' as u64);
        // A byte's high bit is set where it is zero in `quote` or `slash`, or below 0x20 in `word`. A
        // borrow may set bits above the first one that is right, never below it.
        let found = (quote.wrapping_sub(ONES) & !quote
            | slash.wrapping_sub(ONES) & !slash
            | word.wrapping_sub(ONES * 0x20) & !word)
            & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// The double that a JSON number is nearest to; nothing if it is beyond the largest.
pub(super) fn float(number: &[u8]) -> Option<f64> {
    std::str::from_utf8(number).ok()?.parse().ok().filter(|n: &f64| n.is_finite())
}

/// The text of a checked string. What is no proper escape is left as it is, so that this cannot fail.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { break };
        let mut used = letter.len_utf8();
        text.push(match letter {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, len) = code_point(rest);
                used = len;
                character
            }
            other => other,
        });
        rest = &rest[used..];
    }
    text.push_str(rest);
    text
}

/// The character that an escape names, from its letter `u` at the start of `rest` on, two surrogates taken together;
/// and how long that is.
fn code_point(rest: &str) -> (char, usize) {
    let unit = |from: usize| rest.get(from..from + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(first) = unit(1) else { return ('u', 1) };
    let pair = unit(7).filter(|second| first & 0xFC00 == 0xD800 && second & 0xFC00 == 0xDC00);
    let (code, len) = match pair {
        Some(second) => (0x1_0000 + ((first & 0x3FF) << 10 | second & 0x3FF), 11),
        None => (first, 5),
    };
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), len)
}
