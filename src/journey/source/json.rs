//! JSON to a [`Tree`]: a small reader that keeps places, which `serde_json` does not.
//!
//! It finds the borders of values; what lies between them is read by `serde_json`, so that there is one
//! opinion on what a number or an escape is. It stops at the first syntax error: what follows one is
//! guesswork in JSON.

use std::collections::HashSet;
use std::ops::Range;

use super::Syntax;
use super::tree::{Entry, Kind, Tree};

/// How deep a definition may nest; the deepest sensible one has eight levels.
const DEPTH_MAX: usize = 64;

/// The tree, or an empty one and the syntax error; and the keys that stand twice, the first of which counts.
pub(super) fn parse(text: &str) -> (Tree, Vec<Syntax>) {
    let mut reader = Reader { text, at: 0, depth: 0, faults: Vec::new() };
    let read = reader.value().and_then(|tree| match reader.peek() {
        None => Ok(tree),
        Some(c) => Err(reader.fault(format!("after the closing bracket comes {:?}", char::from(c)))),
    });
    match read {
        Ok(tree) => (tree, reader.faults),
        Err(fault) => {
            reader.faults.push(fault);
            (Tree { kind: Kind::Table(Vec::new()), span: 0..0 }, reader.faults)
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    faults: Vec<Syntax>,
}

impl Reader<'_> {
    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self, message: impl AsRef<str>) -> Syntax {
        Syntax { at: self.at, message: format!("this is not JSON: {}", message.as_ref()) }
    }

    fn expected(&mut self, what: &str) -> Syntax {
        match self.peek() {
            None => self.fault(format!("the text ends where {what} is needed")),
            Some(_) => {
                let found = self.text[self.at..].chars().next().unwrap_or_default();
                self.fault(format!("{what} is needed, not {found:?}"))
            }
        }
    }

    fn value(&mut self) -> Result<Tree, Syntax> {
        let first = self.peek();
        let start = self.at;
        let kind = match first {
            Some(b'{') => self.nested(Self::table)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z') => self.word()?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Tree { kind, span: start..self.at })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Kind, Syntax>) -> Result<Kind, Syntax> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(
                self.fault(format!("it nests deeper than {DEPTH_MAX} levels, the most that is allowed"))
            );
        }
        self.at += 1;
        let kind = read(self);
        self.depth -= 1;
        kind
    }

    fn table(&mut self) -> Result<Kind, Syntax> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = HashSet::new();
        if self.closes(b'}') {
            return Ok(Kind::Table(entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in double quotes"));
            }
            let start = self.at;
            let key = self.string()?;
            let key_span = start..self.at;
            if self.peek() != Some(b':') {
                return Err(self.expected("`:` after a key"));
            }
            self.at += 1;
            let value = self.value()?;
            if !keys.insert(key.clone()) {
                self.faults.push(Syntax {
                    at: start,
                    message: format!("the key {key:?} stands twice in one object"),
                });
            } else {
                entries.push(Entry { key, key_span, value });
            }
            if self.closes(b'}') {
                return Ok(Kind::Table(entries));
            }
            self.comma("}")?;
        }
    }

    fn array(&mut self) -> Result<Kind, Syntax> {
        let mut items = Vec::new();
        if self.closes(b']') {
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.closes(b']') {
                return Ok(Kind::Array(items));
            }
            self.comma("]")?;
        }
    }

    fn closes(&mut self, bracket: u8) -> bool {
        let found = self.peek() == Some(bracket);
        self.at += usize::from(found);
        found
    }

    fn comma(&mut self, close: &str) -> Result<(), Syntax> {
        if self.peek() != Some(b',') {
            return Err(self.expected(&format!("`,` or `{close}`")));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, Syntax> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while bytes.get(end).is_some_and(|b| *b != b'"') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let read = self.text.get(start..=end).map(serde_json::from_str::<String>);
        match read {
            Some(Ok(text)) => {
                self.at = end + 1;
                Ok(text)
            }
            Some(Err(_)) => {
                Err(self.fault("this text has a line break or an escape that JSON does not know"))
            }
            None => Err(self.fault("this text has no closing quote")),
        }
    }

    fn number(&mut self) -> Result<Kind, Syntax> {
        let range = self.run(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let written = &self.text[range.clone()];
        if let Ok(n) = serde_json::from_str::<i64>(written) {
            self.at = range.end;
            return Ok(Kind::Int(n));
        }
        match serde_json::from_str::<f64>(written) {
            Ok(n) if n.is_finite() => {
                self.at = range.end;
                Ok(Kind::Float(n))
            }
            _ => Err(self.fault(format!("{written} is no number that fits a double"))),
        }
    }

    fn word(&mut self) -> Result<Kind, Syntax> {
        let range = self.run(|b| b.is_ascii_alphanumeric() || b == b'_');
        let kind = match &self.text[range.clone()] {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            word => return Err(self.fault(format!("{word} is no value; a text stands in double quotes"))),
        };
        self.at = range.end;
        Ok(kind)
    }

    fn run(&self, of: impl Fn(u8) -> bool) -> Range<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at..self.at + rest.iter().take_while(|b| of(**b)).count()
    }
}
