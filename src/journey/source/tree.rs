//! What TOML and JSON have in common, with the place of everything in the text.

use std::ops::Range;

use crate::journey::problem::{Path, Step};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) kind: Kind,
    /// Bytes of the text. For a table under a header, the header.
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    /// Also whole numbers beyond 64 bits; always finite.
    Float(f64),
    /// Dates of TOML are texts here, as they were written.
    Text(String),
    Array(Vec<Tree>),
    /// In the order of the text, each key once.
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Tree,
}

impl Kind {
    pub(super) fn said(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Tree {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The ids of the nodes as written, empty where there is none, so that paths can name them.
    pub(super) fn node_ids(&self) -> Vec<&str> {
        let Some(Tree { kind: Kind::Array(nodes), .. }) = self.get("node").map(|entry| &entry.value) else {
            return Vec::new();
        };
        nodes
            .iter()
            .map(|node| match node.get("id").map(|entry| &entry.value.kind) {
                Some(Kind::Text(text)) => text.as_str(),
                _ => "",
            })
            .collect()
    }

    /// Where `path` stands, or the innermost of what encloses it; with `on_key`, its key.
    pub(super) fn locate(&self, path: &Path, on_key: bool) -> (Range<usize>, bool) {
        let mut tree = self;
        let mut span = self.span.clone();
        for step in &path.0 {
            let inner = match (step, &tree.kind) {
                (Step::Key(key), Kind::Table(_)) => {
                    tree.get(key).map(|entry| (&entry.value, &entry.key_span))
                }
                (Step::Index(index), Kind::Array(items)) => items.get(*index).map(|item| (item, &item.span)),
                _ => None,
            };
            let Some((value, key_span)) = inner else { return (span, false) };
            span = if on_key { key_span.clone() } else { value.span.clone() };
            tree = value;
        }
        (span, !on_key && matches!(tree.kind, Kind::Text(_)))
    }

    /// As JSON, without places.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool(b) => (*b).into(),
            Kind::Int(n) => (*n).into(),
            Kind::Float(n) => (*n).into(),
            Kind::Text(text) => text.as_str().into(),
            Kind::Array(items) => items.iter().map(Self::to_json).collect(),
            Kind::Table(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }
}

/// The line and the column of a byte, in characters, both from 1.
pub(super) fn line_and_column(text: &str, byte: usize) -> (u32, u32) {
    let before = &text[..text.floor_char_boundary(byte.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let lines = before.bytes().filter(|b| *b == b'\n').count();
    let column = before[line_start..].chars().count();
    let from_one = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
    (from_one(lines), from_one(column))
}
