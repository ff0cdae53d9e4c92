//! A file and the environment → [`Settings`], or everything that is wrong with them.

use std::path::Path;

use strsim::damerau_levenshtein;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::Key;
use super::problem::{ConfigError, Origin, Problem};
use super::value::Given;
use super::{KEYS, SECTIONS, Settings};

/// What the name of every variable that overrides a setting begins with.
pub const ENV_PREFIX: &str = "WAYFARER_";

/// Settings, and where each of them comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The origin of each key, in the order of the list.
    pub(super) origins: Vec<Origin>,
}

/// The settings of this process: the defaults, over them `path` if there is one, over that the environment.
///
/// # Errors
/// [`ConfigError::Unreadable`] if there is no such file, [`ConfigError::Wrong`] with all that is wrong.
pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigError> {
    // A variable that is not text cannot be one of ours by name, or is refused for its value.
    let environment: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let text = match path {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?,
        None => String::new(),
    };
    read(&text, path.unwrap_or(Path::new("")), environment)
}

/// The settings that a text and some variables make; `path` is where the text came from, for the messages.
///
/// # Errors
/// [`ConfigError::Wrong`] with all that is wrong: syntax, unknown keys, types, ranges, contradictions.
pub fn read(
    text: &str,
    path: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let settings = Settings::default();
    let loaded = Loaded { settings, origins: vec![Origin::Default; KEYS.len()] };
    let mut reader = Reader { text, path, loaded, problems: Vec::new() };
    reader.file();
    reader.environment(environment.into_iter().collect());
    for (section, name, message) in reader.loaded.settings.contradictions() {
        let index = find(section, name).expect("a contradiction names a key of the list");
        let origin = reader.loaded.origins[index].clone();
        reader.problems.push(Problem { origin, key: KEYS[index].path(), message });
    }
    if reader.problems.is_empty() { Ok(reader.loaded) } else { Err(ConfigError::Wrong(reader.problems)) }
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    loaded: Loaded,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn file(&mut self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let origin = self.at(error.span().map_or(0, |span| span.start));
            self.problem(origin, "", error.message().to_owned());
        }
        let mut sections: Vec<_> = table.get_ref().iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in sections {
            self.section(name, value);
        }
    }

    fn section(&mut self, name: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let (origin, section) = (self.at(name.span().start), name.get_ref().as_ref());
        if !SECTIONS.iter().any(|(known, _)| *known == section) {
            return self.problem(origin, section, unknown_section(section));
        }
        let Some(table) = value.get_ref().as_table() else {
            let what = kind(value.get_ref());
            return self.problem(
                origin,
                section,
                format!("{what} stands where the section [{section}] must be"),
            );
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let origin = self.at(name.span().start);
            let name = name.get_ref();
            match find(section, name) {
                Some(index) => self.set(index, origin, &given(value.get_ref())),
                None => self.problem(origin, &format!("{section}.{name}"), unknown_key(section, name)),
            }
        }
    }

    /// In the order of their names, so that the same environment gives the same messages.
    fn environment(&mut self, mut variables: Vec<(String, String)>) {
        variables.sort();
        for (variable, value) in variables {
            let Some(rest) = variable.strip_prefix(ENV_PREFIX) else { continue };
            let rest = rest.to_ascii_lowercase();
            let origin = Origin::Environment { variable: variable.clone() };
            let Some((section, name)) = rest.split_once("__") else {
                // Not for us (an orchestrator names its own so, WAYFARER_SERVICE_PORT), unless it is one
                // underscore short of being: that would be a setting which silently does nothing.
                if let Some(key) = KEYS.iter().find(|k| format!("{}_{}", k.section, k.name) == rest) {
                    let message = format!("there is no such variable; did you mean {}?", variable_of(key));
                    self.problem(origin, "", message);
                }
                continue;
            };
            match find(section, name) {
                Some(index) => self.set(index, origin, &Given::Variable(&value)),
                None if SECTIONS.iter().any(|(known, _)| *known == section) => {
                    self.problem(origin, &format!("{section}.{name}"), unknown_key(section, name));
                }
                None => self.problem(origin, section, unknown_section(section)),
            }
        }
    }

    fn set(&mut self, index: usize, origin: Origin, given: &Given<'_>) {
        match (KEYS[index].set)(&mut self.loaded.settings, given) {
            Ok(()) => self.loaded.origins[index] = origin,
            Err(message) => self.problem(origin, &KEYS[index].path(), message),
        }
    }

    fn problem(&mut self, origin: Origin, key: &str, message: String) {
        self.problems.push(Problem { origin, key: key.to_owned(), message });
    }

    fn at(&self, offset: usize) -> Origin {
        let line =
            1 + self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|b| **b == b'\n').count();
        Origin::File { path: self.path.to_owned(), line }
    }
}

/// The variable that overrides a key.
pub(super) fn variable_of(key: &Key) -> String {
    format!("{ENV_PREFIX}{}__{}", key.section.to_ascii_uppercase(), key.name.to_ascii_uppercase())
}

fn find(section: &str, name: &str) -> Option<usize> {
    KEYS.iter().position(|key| key.section == section && key.name == name)
}

fn given<'v>(value: &'v DeValue<'_>) -> Given<'v> {
    match value {
        DeValue::String(text) => Given::Text(text),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Given::Integer(number),
            Err(_) => Given::Other("a number beyond 64 bits"),
        },
        DeValue::Boolean(is) => Given::Boolean(*is),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str())
            .collect::<Option<Vec<&str>>>()
            .map_or(Given::Other("an array of something else than texts"), Given::List),
        DeValue::Table(table) => {
            let mut entries = Vec::new();
            match flatten("", table, &mut entries) {
                Ok(()) => Given::Table(entries),
                Err(what) => Given::Other(what),
            }
        }
        other => Given::Other(kind(other)),
    }
}

/// The scalars of a table as texts, each named by its whole path: `a.b = 1` and `"a.b" = "1"` are one.
fn flatten(path: &str, table: &DeTable<'_>, out: &mut Vec<(String, String)>) -> Result<(), &'static str> {
    for (name, value) in table {
        let path = format!("{path}{}", name.get_ref());
        let text = match value.get_ref() {
            DeValue::Table(below) => {
                flatten(&format!("{path}."), below, out)?;
                continue;
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(is) => is.to_string(),
            DeValue::Array(_) | DeValue::Datetime(_) => {
                return Err("a table with an array or a date in it");
            }
        };
        out.push((path, text));
    }
    Ok(())
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn unknown_section(section: &str) -> String {
    let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    match nearest(section, names.iter().copied()) {
        Some(near) => format!("there is no such section; did you mean [{near}]?"),
        None => format!("there is no such section; there are {}", names.join(", ")),
    }
}

fn unknown_key(section: &str, name: &str) -> String {
    let siblings = || KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
    // The right key in the wrong section is likelier than a slip of the pen.
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return format!("there is no such key; did you mean {}?", key.path());
    }
    match nearest(name, siblings()) {
        Some(near) => format!("there is no such key; did you mean {section}.{near}?"),
        None => {
            format!("there is no such key; [{section}] has {}", siblings().collect::<Vec<_>>().join(", "))
        }
    }
}

/// The name that is meant, if one is near enough: a third of its letters may be wrong.
fn nearest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|name| (damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}
