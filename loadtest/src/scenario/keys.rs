//! Every key of a scenario with its kind, its default and its meaning: from the types by which scenarios are read, so
//! that no list beside them can rot.

use std::fmt::Write;

use schemars::schema_for;
use serde_json::Value;

use super::Scenario;

/// How wide the text is.
const WIDTH: usize = 100;

/// A key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its path as `--set` takes it; `N` counts in a list.
    pub path: String,
    /// What may stand there.
    pub kind: String,
    /// What holds if it is left out; `None` if it must not be.
    pub default: Option<String>,
    /// What it means.
    pub meaning: String,
    /// Where only some values are allowed: those, with what each means.
    pub values: Vec<(String, String)>,
}

/// All of them; what lies below a key follows it.
#[must_use]
pub fn all() -> Vec<Key> {
    let root = schema_for!(Scenario).to_value();
    let mut keys = Vec::new();
    below(&root, &root, "", &mut keys);
    keys
}

/// As text.
#[must_use]
pub fn text() -> String {
    let mut out = String::from(
        "Every key of a scenario, by the path that `--set PATH=VALUE` takes; N counts in a list from 0, * is all of it.\n",
    );
    for key in all() {
        let Key { path, kind, default, meaning, values } = key;
        let default = default.map_or_else(
            || "needed".to_owned(),
            |default| match default.as_str() {
                "" => "may be left out".to_owned(),
                default => format!("{default} unless given"),
            },
        );
        writeln!(out, "\n{path}  ({kind}; {default})").expect("a text takes everything");
        wrapped(&mut out, &meaning);
        for (value, meaning) in values {
            wrapped(&mut out, &format!("{value}: {meaning}"));
        }
    }
    out
}

/// Appends a paragraph.
fn wrapped(out: &mut String, text: &str) {
    let mut line = String::from("   ");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from("   ");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

/// What a schema is once references and the choice of nothing are taken away.
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    loop {
        let target = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        let choice = schema["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
        schema = match (target, choice) {
            (Some(name), _) => &root["$defs"][name],
            (None, Some(one)) => one,
            (None, None) => return schema,
        };
    }
}

fn below(root: &Value, schema: &Value, prefix: &str, keys: &mut Vec<Key>) {
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let inner = resolved(root, of);
        // The word at the key rather than that at the type, which says what such a thing is in general.
        let meaning = [of, inner].into_iter().find_map(|one| one["description"].as_str()).unwrap_or_default();
        let default = (!needed.contains(&name.as_str())).then(|| plain(&of["default"]));
        // What clap shows in its help has no full stop.
        let meaning = format!("{}.", meaning.trim_end_matches('.'));
        keys.push(Key {
            path: path.clone(),
            kind: kind(root, inner),
            default,
            meaning,
            values: values(inner),
        });
        let element = resolved(root, &inner["items"]);
        for (schema, prefix) in [(inner, format!("{path}.")), (element, format!("{path}.N."))] {
            below(root, schema, &prefix, keys);
        }
    }
}

/// A default as it would be written; nothing if it is nothing, or a whole table.
fn plain(value: &Value) -> String {
    match value {
        Value::Null | Value::Object(_) | Value::Array(_) => String::new(),
        value => value.to_string(),
    }
}

fn kind(root: &Value, schema: &Value) -> String {
    if schema["oneOf"].is_array() || schema["enum"].is_array() {
        return "one of several words".to_owned();
    }
    let name = schema["type"].as_str().or_else(|| {
        let all = schema["type"].as_array()?.iter().filter_map(Value::as_str);
        all.into_iter().find(|one| *one != "null")
    });
    match name {
        Some("array") => match kind(root, resolved(root, &schema["items"])).as_str() {
            "table" => "list of tables".to_owned(),
            one => format!("list, each: {one}"),
        },
        Some("object") if schema["properties"].is_object() => "table".to_owned(),
        Some("object") => "table of your own keys".to_owned(),
        Some("string") if schema["pattern"].is_string() => "length of time, such as 90s or 1h30m".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        _ => "number".to_owned(),
    }
}

fn values(schema: &Value) -> Vec<(String, String)> {
    let one = |one: &Value| {
        let value = one["const"].as_str()?.to_owned();
        Some((value, one["description"].as_str().unwrap_or_default().to_owned()))
    };
    schema["oneOf"].as_array().into_iter().flatten().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_meaning_and_those_of_the_scenarios_are_among_them() {
        let keys = all();
        for key in &keys {
            assert!(key.meaning.len() > 11, "{} means nothing", key.path);
            assert!(
                key.values.iter().all(|(_, meaning)| meaning.len() > 10),
                "{}: {:?}",
                key.path,
                key.values
            );
            assert!(!key.kind.contains("several words") || key.values.len() > 1, "{}", key.path);
        }
        let of = |path: &str| keys.iter().find(|key| key.path == path).unwrap_or_else(|| panic!("{path}"));
        for (path, kind, default) in [
            ("name", "text", None),
            ("phase.N.name", "text", None),
            ("phase.N.for", "length of time, such as 90s or 1h30m", Some("\"0s\"")),
            ("phase.N.warm", "length of time, such as 90s or 1h30m", Some("\"0s\"")),
            ("phase.N.load.rate", "number", Some("1000.0")),
            ("phase.N.act.N.journeys", "list, each: text", Some("")),
            ("phase.N.act.N.kill", "whole number", Some("")),
            ("system.workers", "whole number", Some("2")),
            ("beside.fill.users", "whole number", Some("0")),
            ("events.hot", "number", Some("0.0")),
        ] {
            let key = of(path);
            assert_eq!((key.kind.as_str(), key.default.as_deref()), (kind, default), "{path}");
        }
        assert_eq!(of("phase.N.on").values.len(), 3);
    }

    #[test]
    fn the_text_names_each_key_in_lines_that_fit() {
        let text = text();
        assert!(all().iter().all(|key| text.contains(&format!("\n{}  (", key.path))));
        let long = text.lines().skip(1).find(|line| line.chars().count() > WIDTH);
        assert_eq!(long, None);
    }
}
