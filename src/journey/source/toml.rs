//! TOML to a [`Tree`], with all of its syntax errors in one go.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Syntax;
use super::tree::{Entry, Kind, Tree};

/// The tree of what could be read, and what could not.
pub(super) fn parse(text: &str) -> (Tree, Vec<Syntax>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Syntax> = errors
        .iter()
        .map(|error| Syntax {
            at: error.span().map_or(0, |span| span.start),
            message: format!("this is not TOML: {}", error.message()),
        })
        .collect();
    let tree = Tree { span: 0..0, kind: entries(text, table.get_ref(), &mut faults) };
    (tree, faults)
}

fn entries(text: &str, table: &DeTable<'_>, faults: &mut Vec<Syntax>) -> Kind {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            value: tree(text, value, faults),
        })
        .collect();
    // The table's own order is alphabetical; the author's is the text's.
    entries.sort_by_key(|entry| entry.key_span.start);
    Kind::Table(entries)
}

fn tree(text: &str, value: &Spanned<DeValue<'_>>, faults: &mut Vec<Syntax>) -> Tree {
    let span = value.span();
    let kind = match value.get_ref() {
        DeValue::String(s) => Kind::Text(s.to_string()),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Kind::Int(n),
            Err(_) => number_fault(&span, "a whole number in TOML has 64 bits with a sign", faults),
        },
        DeValue::Float(n) => match n.as_str().parse::<f64>() {
            Ok(n) if n.is_finite() => Kind::Float(n),
            _ => number_fault(&span, "infinity and nan are not allowed in a journey", faults),
        },
        DeValue::Boolean(b) => Kind::Bool(*b),
        DeValue::Datetime(_) => Kind::Text(text.get(span.clone()).unwrap_or_default().trim().to_owned()),
        DeValue::Array(items) => Kind::Array(items.iter().map(|item| tree(text, item, faults)).collect()),
        DeValue::Table(table) => entries(text, table, faults),
    };
    Tree { kind, span }
}

fn number_fault(span: &Range<usize>, message: &str, faults: &mut Vec<Syntax>) -> Kind {
    faults.push(Syntax { at: span.start, message: message.to_owned() });
    Kind::Int(0)
}
