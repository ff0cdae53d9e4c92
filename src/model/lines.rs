//! Lines one behind the other in one buffer that is used again.

/// Lines, each ended by a newline.
///
/// What a shard writes while it decides is what a journal takes: the buffers change hands, and no line is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where each ends, behind its newline.
    ends: Vec<usize>,
}

impl Lines {
    /// How many lines there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All lines, each ended by a newline.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The lines without their newlines.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end - 1])
    }

    /// Appends one, given without its newline.
    pub fn push(&mut self, line: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(line));
    }

    /// Appends what `write` appends to the buffer, and a newline.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.end();
    }

    /// Forgets all lines and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends the lines of another buffer.
    pub fn extend(&mut self, other: &Self) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// The buffer to write the next line into; [`Lines::end`] completes it.
    pub(crate) fn begin(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn end(&mut self) {
        self.bytes.push(b'\n');
        self.ends.push(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &Lines) -> Vec<&str> {
        lines.iter().map(|line| std::str::from_utf8(line).expect("texts")).collect()
    }

    #[test]
    fn lines_are_read_as_they_were_written_whoever_wrote_them() {
        let mut lines = Lines::default();
        assert!(lines.is_empty());
        lines.push(b"one");
        lines.begin().extend_from_slice(b"tw");
        lines.begin().push(b'o');
        lines.end();
        lines.push(b"");
        assert_eq!((read(&lines), lines.len()), (vec!["one", "two", ""], 3));
        assert_eq!(lines.as_bytes(), b"one\ntwo\n\n");
        let mut both = lines.clone();
        both.extend(&lines);
        assert_eq!(read(&both), ["one", "two", "", "one", "two", ""]);
        both.clear();
        assert_eq!((read(&both), both.as_bytes()), (vec![], &b""[..]));
    }
}
