//! The journeys of a scenario: read from their files, with their values, in as many copies as are asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, cannot};

/// A journey that is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JourneyFile {
    /// Its definition; relative to the scenario's file.
    pub file: PathBuf,
    /// How often; from the second one on the copies are called `ID-2`, `ID-3`, ….
    #[serde(default = "one")]
    pub copies: u32,
    /// What stands for `@KEY@` in the file.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// The most copies of a journey.
pub const COPIES_MAX: u32 = 100_000;

const fn one() -> u32 {
    1
}

/// A definition as it is published: with its values, under its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The journey's id.
    pub id: String,
    /// Whose states and verbs it has.
    pub dialect: String,
    /// The definition.
    pub text: String,
    /// Whether its users come from an audience list: it is not live before one is uploaded.
    pub by_list: bool,
    /// The event by which everybody who causes it is sent a message at once, with its `scheduled`; if it is so.
    pub at_once: Option<String>,
}

impl JourneyFile {
    /// Reads it, fills in its values, and makes its copies.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, has no id, or still has a `@KEY@`.
    pub fn published(&self, beside: &Path) -> Result<Vec<Published>> {
        let path = beside.join(&self.file);
        let mut text = std::fs::read_to_string(&path).map_err(cannot(format!("read {}", path.display())))?;
        for (key, value) in &self.values {
            text = text.replace(&format!("@{key}@"), value);
        }
        let wrong = |what: String| Error(format!("{}: {what}", path.display()));
        if let Some(key) = left_open(&text) {
            return Err(wrong(format!(
                "nothing is given for @{key}@; `values = {{ {key} = \"…\" }}` gives it"
            )));
        }
        let copy = |number: u32| {
            let text = text.replace(COPY, &number.to_string());
            let table: toml::Table = text.parse().map_err(|error| wrong(format!("no TOML: {error}")))?;
            let of = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            let (Some(id), Some(dialect)) = (of("id"), of("dialect")) else {
                return Err(wrong("a journey has an `id` and a `dialect`".to_owned()));
            };
            let id = if number == 1 { id } else { format!("{id}-{number}") };
            let mut table = table;
            table.insert("id".to_owned(), toml::Value::String(id.clone()));
            let by_list = table.get("entry").is_some_and(|entry| entry.get("list").is_some());
            Ok(Published { id, dialect, by_list, at_once: at_once(&table), text: table.to_string() })
        };
        (1..=self.copies).map(copy).collect()
    }
}

/// The event of a journey that everybody enters by it, and whose first node is a send that tells when it was scheduled.
fn at_once(table: &toml::Table) -> Option<String> {
    let (entry, first) = (table.get("entry")?, table.get("node")?.get(0)?);
    let of = |key: &str| first.get(key).and_then(toml::Value::as_str);
    let tells = first.get("variables").and_then(|all| all.get("scheduled")?.as_str());
    let always = entry.get("where").is_none() && entry.get("reentry")?.as_str() == Some("always");
    let is_one = always && of("type") == Some("send") && tells == Some("entry.scheduled");
    entry.get("event").and_then(toml::Value::as_str).filter(|_| is_one).map(str::to_owned)
}

/// What stands for the number of the copy in a definition.
const COPY: &str = "@COPY@";

/// The first `@KEY@` that nothing was given for.
fn left_open(text: &str) -> Option<&str> {
    let mut parts = text.split('@');
    let is_key = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    parts.next();
    parts.find(|part| is_key(part) && *part != COPY.trim_matches('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(text: &str, copies: u32) -> Result<Vec<Published>> {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("j.toml"), text).expect("it can be written");
        let values = [("wait".to_owned(), "30s".to_owned())].into();
        JourneyFile { file: "j.toml".into(), copies, values }.published(directory.path())
    }

    #[test]
    fn a_journey_gets_its_values_and_every_copy_its_id() {
        let text = "id = \"j\"\ndialect = \"antsomi\"\ntimeout = \"@wait@\"\nname = \"no @COPY@\"\n";
        let all = published(text, 3).expect("it is right");
        assert_eq!(all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["j", "j-2", "j-3"]);
        let second: toml::Table = all[1].text.parse().expect("it is TOML");
        let of = |key: &str| second[key].as_str().map(str::to_owned).unwrap_or_default();
        assert_eq!(["id", "timeout", "name"].map(of), ["j-2", "30s", "no 2"]);
    }

    #[test]
    fn of_a_journey_is_known_what_it_sends_at_once_and_whether_it_waits_for_a_list() {
        let text = |entry: &str, node: &str| {
            format!(
                "id = \"j\"\ndialect = \"antsomi\"\n[entry]\n{entry}\n[[node]]\ntype = \"send\"\n{node}\n"
            )
        };
        let (event, tells) =
            ("event = \"E\"\nreentry = \"always\"", "variables = { scheduled = \"entry.scheduled\" }");
        for (entry, node, at_once, by_list) in [
            (event, tells, Some("E"), false),
            (&*format!("{event}\nwhere = \"true\""), tells, None, false),
            ("event = \"E\"", tells, None, false),
            (event, "", None, false),
            ("list = \"l\"\nreentry = \"always\"", tells, None, true),
        ] {
            let one = published(&text(entry, node), 1).expect("it is right").remove(0);
            assert_eq!((one.at_once.as_deref(), one.by_list), (at_once, by_list), "{}", one.text);
        }
    }

    #[test]
    fn a_journey_that_cannot_be_published_is_refused_with_its_file() {
        for (text, said) in [
            (
                "id = \"j\"\ndialect = \"@what@\"",
                "j.toml: nothing is given for @what@; `values = { what = \"…\" }` gives it",
            ),
            ("dialect = \"antsomi\"", "j.toml: a journey has an `id` and a `dialect`"),
            ("id = ", "j.toml: no TOML: "),
        ] {
            let error = published(text, 1).expect_err(text).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
