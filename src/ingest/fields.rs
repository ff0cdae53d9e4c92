//! The few fields that journeys mention, read out of a raw document by paths compiled once.
//!
//! A path is names joined by dots: `cart.id` is the member `id` of the object `cart`. A name that holds a
//! dot cannot be written, and there is no way into arrays. Of equal keys the last one counts, as
//! everywhere inside a document.

use std::borrow::Cow;
use std::str;

use hashbrown::HashMap;

use super::scan::{find_special, float, unescape};
use crate::model::{Slots, Value};

/// A set of paths; the place of each in the list given is the slot it fills.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    len: usize,
    /// The tree of the paths' names; the first is the document itself.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Bit `n` is set if some child's name has `n` bytes, modulo 64: most members of a document end here.
    lengths: u64,
    /// Child by name; looked up only, never walked.
    children: HashMap<Box<[u8]>, usize>,
    /// The slots that this node's value fills: several where a path was given several times.
    slots: Vec<usize>,
    /// The slots of all nodes below.
    below: Vec<usize>,
}

impl Node {
    #[inline]
    fn child(&self, name: &[u8]) -> Option<usize> {
        if self.lengths & 1 << (name.len() & 63) == 0 {
            return None;
        }
        self.children.get(name).copied()
    }
}

impl Fields {
    /// Compiles the paths.
    #[must_use]
    pub fn new(paths: &[String]) -> Self {
        let mut nodes = vec![Node::default()];
        for (slot, path) in paths.iter().enumerate() {
            let mut node = 0;
            for name in path.split('.') {
                nodes[node].below.push(slot);
                nodes[node].lengths |= 1 << (name.len() & 63);
                let next = nodes.len();
                let child = *nodes[node].children.entry(name.as_bytes().into()).or_insert(next);
                if child == next {
                    nodes.push(Node::default());
                }
                node = child;
            }
            nodes[node].slots.push(slot);
        }
        Self { len: paths.len(), nodes }
    }

    /// How many paths there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills slot *i* of `out` with the value at path *i* of `object`, [`Value::Missing`] where there is
    /// none.
    ///
    /// `object` is a document of an [`Event`](crate::model::Event), checked when that was decoded, or
    /// empty. Other bytes give values that mean nothing, but never a panic. Allocates only for texts
    /// written with escapes.
    pub fn extract(&self, object: &[u8], out: &mut Slots) {
        out.reset(self.len);
        if self.len > 0 && !object.is_empty() {
            self.fill(&self.nodes[0], object, out);
        }
    }

    fn fill(&self, node: &Node, object: &[u8], out: &mut Slots) {
        for (key, raw) in RawMembers::of(object) {
            let child = if key.escaped {
                node.child(unescape(&lossy(key.bytes)).as_bytes())
            } else {
                node.child(key.bytes)
            };
            let Some(child) = child.map(|index| &self.nodes[index]) else { continue };
            if let Some((&last, others)) = child.slots.split_last() {
                let mut unescaped = String::new();
                let value = raw.value(&mut unescaped);
                for &slot in others {
                    out.set(slot, value);
                }
                out.set(last, value);
            }
            if !child.below.is_empty() {
                // An earlier member of the same name counts no more, nor does what stood in it.
                child.below.iter().for_each(|&slot| out.set(slot, Value::Missing));
                self.fill(child, raw.0, out);
            }
        }
    }
}

/// One value as it is written in a checked document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// The JSON text.
    #[must_use]
    pub fn json(self) -> &'a [u8] {
        self.0
    }

    /// The typed value. `unescaped` is overwritten, and borrowed from, only if this is a text with
    /// escapes.
    ///
    /// A whole number beyond 64 bits becomes the nearest double.
    #[must_use]
    pub fn value<'v>(self, unescaped: &'v mut String) -> Value<'v>
    where
        'a: 'v,
    {
        match self.0 {
            [b'"', inner @ .., b'"'] => {
                if memchr::memchr(b'\\', inner).is_some() {
                    *unescaped = unescape(&lossy(inner));
                    return Value::Str(unescaped);
                }
                str::from_utf8(inner).map_or(Value::Composite, Value::Str)
            }
            [b'{' | b'[', ..] => Value::Composite,
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            b"null" => Value::Null,
            number => numeric(number),
        }
    }
}

/// A number: whole if it is written without fraction or exponent and fits 64 bits.
fn numeric(number: &[u8]) -> Value<'_> {
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) {
        let n = digits.iter().fold(0, |n, digit| n * 10 + i64::from(digit - b'0'));
        return Value::Int(if negative { -n } else { n });
    }
    let whole = str::from_utf8(number).ok().and_then(|text| text.parse().ok());
    whole.map(Value::Int).or_else(|| float(number).map(Value::Float)).unwrap_or_default()
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The members of a raw document in the order in which they are written, equal keys included.
///
/// `object` is a document of an [`Event`](crate::model::Event), or empty. For an identify's traits: each
/// pair is an attribute, the last of equal keys counts.
pub fn members(object: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Raw<'_>)> {
    RawMembers::of(object).map(|(key, raw)| {
        let name = lossy(key.bytes);
        (if key.escaped { Cow::Owned(unescape(&name)) } else { name }, raw)
    })
}

#[derive(Clone, Copy)]
struct RawKey<'a> {
    bytes: &'a [u8],
    escaped: bool,
}

/// Walks a document that has been checked: looks only for where things end.
struct RawMembers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> RawMembers<'a> {
    /// The members of `json`, none if it is no object.
    fn of(json: &'a [u8]) -> Self {
        let at = if json.first() == Some(&b'{') { 1 } else { json.len() };
        Self { bytes: json, at }
    }

    /// Passes a string from its opening quote on; gives its inside, and whether there are escapes in it.
    #[inline(always)]
    fn string(&mut self) -> RawKey<'a> {
        let start = self.at + 1;
        let mut escaped = false;
        let mut end = find_special(self.bytes, start);
        while self.bytes.get(end) == Some(&b'\\') {
            escaped = true;
            end = find_special(self.bytes, end + 2);
        }
        let end = end.min(self.bytes.len());
        self.at = end + 1;
        RawKey { bytes: self.bytes.get(start..end).unwrap_or_default(), escaped }
    }

    /// Passes one value.
    #[inline(always)]
    fn value(&mut self) -> Raw<'a> {
        let start = self.at;
        match self.bytes.get(start) {
            Some(b'"') => {
                self.string();
            }
            Some(b'{' | b'[') => self.nested(),
            _ => {
                let scalar = |b: &u8| !matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r');
                self.at += self.bytes[start..].iter().take_while(|b| scalar(b)).count();
            }
        }
        Raw(self.bytes.get(start..self.at).unwrap_or_default())
    }

    fn nested(&mut self) {
        let mut open = 0usize;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    /// Passes white space and `,` or `:`; which of them it is was checked.
    #[inline(always)]
    fn gap(&mut self) {
        while let Some(b',' | b':' | b' ' | b'\n' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }
}

impl<'a> Iterator for RawMembers<'a> {
    type Item = (RawKey<'a>, Raw<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        self.gap();
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let key = self.string();
        self.gap();
        if self.at >= self.bytes.len() {
            return None;
        }
        Some((key, self.value()))
    }
}

#[cfg(test)]
mod tests;
