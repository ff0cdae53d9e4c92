//! Where two definitions of a journey differ, and which of these differences may be edited in place.
//!
//! CT: after publishing, a node's *What* (its content), the provider of a send, and the weights of a manual
//! split can be edited in place; while Scheduled, only *What*.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::journey::definition::Definition;
use crate::lifecycle::Edits;

/// A place in a definition, such as `node.remind.provider`: fields by name, nodes by id, other rows by
/// number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl Path {
    /// Whether an edit of that extent may change what is here without a new version.
    #[must_use]
    pub fn is_within(&self, edits: Edits) -> bool {
        match edits {
            Edits::Nothing => false,
            Edits::Everything | Edits::NextVersion => true,
            Edits::Content => self.is_content(),
            Edits::InPlace => self.is_content() || self.is_provider_or_weight(),
        }
    }

    fn is_content(&self) -> bool {
        let parts: Vec<_> = self.0.iter().map(String::as_str).collect();
        matches!(parts.as_slice(), ["content", _, ..] | ["node", _, "content"])
    }

    fn is_provider_or_weight(&self) -> bool {
        let parts: Vec<_> = self.0.iter().map(String::as_str).collect();
        matches!(parts.as_slice(), ["node", _, "provider"] | ["node", _, "branches", _, "weight"])
    }
}

/// What may be edited, for people.
#[must_use]
pub fn editable(edits: Edits) -> &'static str {
    match edits {
        Edits::Nothing => "nothing",
        Edits::Content => "content",
        Edits::InPlace => "content, the providers of sends and the weights of random splits",
        Edits::Everything | Edits::NextVersion => "everything",
    }
}

/// Every place in which two definitions differ, in the definition's alphabetical order.
#[must_use]
pub fn differences(old: &Definition, new: &Definition) -> Vec<Path> {
    let value = |definition| serde_json::to_value(definition).expect("a definition is JSON");
    let mut found = Vec::new();
    walk(&value(old), &value(new), &mut Vec::new(), &mut found);
    found
}

fn walk(old: &Value, new: &Value, path: &mut Vec<String>, found: &mut Vec<Path>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                step(a.get(key), b.get(key), key.clone(), path, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let names = names_of(a, b);
            // Rows that were added, taken away or put in another order are one difference.
            let Some(names) = names else { return found.push(Path(path.clone())) };
            for ((a, b), name) in a.iter().zip(b).zip(names) {
                step(Some(a), Some(b), name, path, found);
            }
        }
        _ if old == new => {}
        _ => found.push(Path(path.clone())),
    }
}

fn step(
    old: Option<&Value>,
    new: Option<&Value>,
    name: String,
    path: &mut Vec<String>,
    found: &mut Vec<Path>,
) {
    path.push(name);
    match (old, new) {
        (Some(old), Some(new)) => walk(old, new, path, found),
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => found.push(Path(path.clone())),
    }
    path.pop();
}

/// What to call the rows of two arrays: by id where they have one, else by number; `None` if they do not
/// correspond.
fn names_of(a: &[Value], b: &[Value]) -> Option<Vec<String>> {
    let id = |row: &Value| row.get("id").and_then(Value::as_str).map(str::to_owned);
    let same = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| id(a) == id(b));
    same.then(|| a.iter().enumerate().map(|(n, row)| id(row).unwrap_or_else(|| n.to_string())).collect())
}
