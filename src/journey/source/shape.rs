//! Does a tree have the shape of a definition? Unknown and missing keys, wrong types, wrong words, bad
//! intervals: all of them in one pass, and a mended definition beside them, so that what is right can be
//! checked for its sense too.

use serde_json::{Map, Value};

use super::schema::{forms, nullable, properties, required, resolved, root, tag, words};
use super::tree::{Entry, Kind, Tree};
use crate::journey::problem::{Finding, PROBLEMS_MAX, Path, did_you_mean, listed, quoted};
use crate::model::time::Interval;

/// The definition as JSON, with whatever was wrong left out or replaced by something harmless, and what was
/// wrong.
pub(super) fn read(tree: &Tree) -> (Value, Vec<Finding>) {
    let mut shape = Shape { findings: Vec::new() };
    let json = shape.value(root(), tree, &Path::default()).unwrap_or_else(|| stand_in(root()));
    (json, shape.findings)
}

struct Shape {
    findings: Vec<Finding>,
}

/// A table's keys, from its own schema and that of its variant.
type Keys = Vec<(&'static str, &'static Value)>;

impl Shape {
    /// Beyond the limit nothing is kept: there is enough to say, and every finding costs a look-up later.
    fn tell(&mut self, finding: Finding) {
        if self.findings.len() < PROBLEMS_MAX {
            self.findings.push(finding);
        }
    }

    /// The value as JSON, or nothing after saying why not.
    fn value(&mut self, schema: &'static Value, tree: &Tree, path: &Path) -> Option<Value> {
        if matches!(tree.kind, Kind::Null) && nullable(schema) {
            return Some(Value::Null);
        }
        let (schema, name) = resolved(schema);
        if name == Some("Interval") {
            return self.interval(tree, path);
        }
        if let Some(words) = words(schema) {
            return self.word(&words, tree, path);
        }
        if schema.get("properties").is_some() || schema.get("type") == Some(&Value::from("object")) {
            return self.table(schema, tree, path);
        }
        match forms(schema).as_slice() {
            [] => self.plain(schema, tree, path),
            [one] => self.value(one, tree, path),
            several => self.choice(several, tree, path),
        }
    }

    fn wrong_type(&mut self, tree: &Tree, path: &Path, wanted: &str) -> Option<Value> {
        let what = path.render(&[]);
        let what = match what.rsplit('.').next() {
            None | Some("") => "the journey".to_owned(),
            Some(key) => format!("`{key}`"),
        };
        let message = format!("{what} is {}, not {wanted}", tree.kind.said());
        let hint = match &tree.kind {
            Kind::Text(text) if wanted.contains("number") && text.parse::<f64>().is_ok() => {
                Some("write the number without quotes".to_owned())
            }
            Kind::Text(text) if wanted == "true or false" && matches!(text.as_str(), "true" | "false") => {
                Some(format!("write {text} without quotes"))
            }
            Kind::Int(n) if wanted.starts_with("a length of time") && *n >= 0 => {
                Some(format!("say of what: \"{n}s\", \"{n}m\", \"{n}h\" or \"{n}d\""))
            }
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) if wanted == "a text" => {
                Some("put it in quotes".to_owned())
            }
            _ => None,
        };
        self.tell(Finding::new("wrong_type", path.clone(), message).allowed(wanted).hint_if(hint));
        None
    }

    fn interval(&mut self, tree: &Tree, path: &Path) -> Option<Value> {
        const WANTED: &str = "a whole number and a unit (ms, s, m, h, d, w), several largest first: \
                              `30m`, `1d12h`; at most ten years";
        let Kind::Text(text) = &tree.kind else {
            return self.wrong_type(tree, path, "a length of time in quotes, such as \"30m\"");
        };
        match text.parse::<Interval>() {
            Ok(_) => Some(text.as_str().into()),
            Err(error) => {
                let hint = text.starts_with('-').then(|| {
                    "no length of time is negative; to act before a date, write an earlier date".to_owned()
                });
                let finding = Finding::new("bad_interval", path.clone(), error.to_string());
                self.tell(finding.allowed(WANTED).hint_if(hint));
                None
            }
        }
    }

    fn word(&mut self, words: &[&'static str], tree: &Tree, path: &Path) -> Option<Value> {
        let Kind::Text(text) = &tree.kind else {
            return self.wrong_type(tree, path, "one of the allowed words, in quotes");
        };
        if words.contains(&text.as_str()) {
            return Some(text.as_str().into());
        }
        let message = format!("{} is not one of the allowed words", quoted(text));
        let finding =
            Finding::new("unknown_word", path.clone(), message).allowed(listed(words.iter().copied()));
        self.tell(finding.hint_if(did_you_mean(text, words.iter().copied())));
        None
    }

    /// A word, or one of several tables that differ by their keys: the forms of re-entry.
    fn choice(&mut self, forms: &[&'static Value], tree: &Tree, path: &Path) -> Option<Value> {
        let tables = || forms.iter().copied().filter(|form| form.get("properties").is_some());
        match &tree.kind {
            Kind::Text(_) => {
                let word = forms.iter().copied().find(|form| words(resolved(form).0).is_some())?;
                self.value(word, tree, path)
            }
            Kind::Table(entries) => {
                let has = |form: &'static Value| {
                    properties(form).filter(|(key, _)| entries.iter().any(|entry| entry.key == *key)).count()
                };
                match tables().rev().max_by_key(|form| has(form)).filter(|form| has(form) > 0) {
                    Some(form) => self.table(form, tree, path),
                    None => self.no_form(&tables().map(said_form).collect::<Vec<_>>(), entries, path),
                }
            }
            _ => self.wrong_type(tree, path, "a word in quotes or a table"),
        }
    }

    fn no_form(&mut self, tables: &[String], entries: &[Entry], path: &Path) -> Option<Value> {
        let keys = ["after_exit", "cooldown", "at_most", "per"];
        let hint = entries.iter().find_map(|entry| did_you_mean(&entry.key, keys));
        let written = match entries {
            [] => "it is empty".to_owned(),
            _ => format!("it has {}", listed(entries.iter().map(|entry| entry.key.as_str()))),
        };
        let finding =
            Finding::new("wrong_form", path.clone(), format!("this table has no known form: {written}"));
        self.tell(finding.allowed(tables.join(" or ")).hint_if(hint));
        None
    }

    fn table(&mut self, schema: &'static Value, tree: &Tree, path: &Path) -> Option<Value> {
        let Kind::Table(entries) = &tree.kind else {
            return self.wrong_type(tree, path, "a table");
        };
        let mut keys: Keys = properties(schema).collect();
        let mut needed: Vec<&'static str> = required(schema).collect();
        if schema.get("oneOf").is_some() {
            let Some(form) = self.variant(schema, tree, path) else {
                return Some(self.bare(&keys, entries, path));
            };
            keys.extend(properties(form));
            needed.extend(required(form));
        }
        let of_any = schema.get("additionalProperties").filter(|more| **more != Value::Bool(false));
        let closed = schema.get("properties").is_some() || of_any.is_none();
        let mut json = Map::new();
        for entry in entries {
            let inner = path.key(&entry.key);
            let known = keys.iter().find(|(key, _)| *key == entry.key).map(|(_, schema)| *schema);
            match (known, of_any) {
                (Some(known), _) => {
                    if let Some(value) = self.field(&entry.key, known, &entry.value, &inner) {
                        json.insert(entry.key.clone(), value);
                    }
                }
                (None, Some(Value::Bool(true))) => {
                    json.insert(entry.key.clone(), entry.value.to_json());
                }
                (None, Some(more)) if !closed => {
                    let value = self.value(more, &entry.value, &inner).unwrap_or_else(|| stand_in(more));
                    json.insert(entry.key.clone(), value);
                }
                _ => self.unknown_key(&entry.key, &keys, path),
            }
        }
        for key in needed {
            let Some((_, schema)) = keys.iter().find(|(known, _)| *known == key) else { continue };
            if !entries.iter().any(|entry| entry.key == key) {
                self.missing_key(key, schema, path);
            }
            json.entry(key).or_insert_with(|| stand_in(schema));
        }
        Some(Value::Object(json))
    }

    fn field(&mut self, key: &str, schema: &'static Value, tree: &Tree, path: &Path) -> Option<Value> {
        // A tag was judged when its variant was chosen.
        if schema.get("const").is_some() && key == "type" {
            return Some(tree.to_json());
        }
        self.value(schema, tree, path)
    }

    /// The variant that a table's `type` names.
    fn variant(&mut self, schema: &'static Value, tree: &Tree, path: &Path) -> Option<&'static Value> {
        let forms = forms(schema);
        let tags = || forms.iter().filter_map(|form| tag(form));
        let Some(entry) = tree.get("type") else {
            let finding =
                Finding::new("missing_key", path.clone(), "`type` is missing: it says what the node does");
            self.tell(finding.allowed(listed(tags())));
            return None;
        };
        let word = self.word(&tags().collect::<Vec<_>>(), &entry.value, &path.key("type"))?;
        forms.iter().copied().find(|form| tag(form) == word.as_str())
    }

    /// A node of unknown type: its own keys, and the type that needs no other.
    fn bare(&mut self, keys: &Keys, entries: &[Entry], path: &Path) -> Value {
        let mut json = Map::new();
        for (key, schema) in keys {
            let entry = entries.iter().find(|entry| entry.key == *key);
            let value = entry.and_then(|entry| self.value(schema, &entry.value, &path.key(key)));
            if entry.is_none() {
                self.missing_key(key, schema, path);
            }
            json.insert((*key).to_owned(), value.unwrap_or_else(|| stand_in(schema)));
        }
        json.insert("type".to_owned(), "exit".into());
        Value::Object(json)
    }

    fn unknown_key(&mut self, key: &str, keys: &Keys, path: &Path) {
        let known = || keys.iter().map(|(known, _)| *known);
        let finding =
            Finding::new("unknown_key", path.key(key), format!("`{key}` is not a key that is known here"));
        self.tell(finding.on_key().allowed(listed(known())).hint_if(did_you_mean(key, known())));
    }

    fn missing_key(&mut self, key: &str, schema: &'static Value, path: &Path) {
        let meaning =
            schema.get("description").and_then(Value::as_str).map(|text| format!("`{key}`: {text}"));
        let finding = Finding::new("missing_key", path.key(key), format!("`{key}` is missing"));
        self.tell(finding.allowed(said(schema)).hint_if(meaning));
    }

    fn plain(&mut self, schema: &'static Value, tree: &Tree, path: &Path) -> Option<Value> {
        let wanted = said(schema);
        match (type_word(schema), &tree.kind) {
            ("string", Kind::Text(_))
            | ("boolean", Kind::Bool(_))
            | ("number", Kind::Int(_) | Kind::Float(_)) => Some(tree.to_json()),
            ("integer", Kind::Int(n)) => self.integer(schema, *n, path),
            ("array", Kind::Array(items)) => {
                let of = schema.get("items")?;
                let read = |(i, item)| self.value(of, item, &path.index(i)).unwrap_or_else(|| stand_in(of));
                Some(items.iter().enumerate().map(read).collect())
            }
            _ => self.wrong_type(tree, path, &wanted),
        }
    }

    fn integer(&mut self, schema: &'static Value, n: i64, path: &Path) -> Option<Value> {
        let most =
            if schema.get("format").is_some_and(|f| f == "uint32") { i64::from(u32::MAX) } else { i64::MAX };
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
        if (least..=most).contains(&n) {
            return Some(n.into());
        }
        let allowed = format!("a whole number from {least} to {most}");
        let finding = Finding::new("out_of_range", path.clone(), format!("{n} is out of range"));
        self.tell(finding.allowed(allowed));
        None
    }
}

fn type_word(schema: &'static Value) -> &'static str {
    match schema.get("type") {
        Some(Value::String(one)) => one,
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).find(|t| *t != "null").unwrap_or("")
        }
        _ => "",
    }
}

/// What may stand there, in words.
fn said(schema: &'static Value) -> String {
    let (schema, name) = resolved(schema);
    if name == Some("Interval") {
        return "a length of time, such as \"30m\"".to_owned();
    }
    if let Some(words) = words(schema) {
        return listed(words);
    }
    match type_word(schema) {
        "string" => "a text".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a table".to_owned(),
        _ => match forms(schema).as_slice() {
            [one] => said(one),
            _ => "a word in quotes or a table".to_owned(),
        },
    }
}

/// A table by its keys: `{ at_most = …, per = … }`.
fn said_form(form: &'static Value) -> String {
    let keys: Vec<String> = properties(form).map(|(key, _)| format!("{key} = …")).collect();
    format!("{{ {} }}", keys.join(", "))
}

/// Something harmless of the right shape. It never reaches a definition that is used: a problem was found.
fn stand_in(schema: &'static Value) -> Value {
    let (schema, name) = resolved(schema);
    if name == Some("Interval") {
        return "1s".into();
    }
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    if let Some(words) = words(schema) {
        return words.first().copied().into();
    }
    match type_word(schema) {
        "string" => "".into(),
        "integer" => 1.into(),
        "number" => 0.into(),
        "boolean" => false.into(),
        "array" => Value::Array(Vec::new()),
        "object" => {
            let mut keys: Keys = properties(schema).collect();
            let mut needed: Vec<&'static str> = required(schema).collect();
            let mut json = Map::new();
            if let Some(form) = forms(schema).into_iter().find(|form| tag(form) == Some("exit")) {
                keys.extend(properties(form));
                needed.extend(required(form));
                json.insert("type".to_owned(), "exit".into());
            }
            for key in needed {
                if let Some((_, schema)) = keys.iter().find(|(known, _)| *known == key) {
                    json.entry(key).or_insert_with(|| stand_in(schema));
                }
            }
            Value::Object(json)
        }
        _ => Value::Null,
    }
}
