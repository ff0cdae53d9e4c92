//! Names that Kafka accepts, and the addresses of brokers.

use crate::config::value::{Given, Setting, quoted};

/// The longest name of a topic; with it a broker can still make a file of it.
const NAME_MAX: usize = 249;

/// A name that a topic, a group and a transactional id can have: ASCII letters, digits, `.`, `_` and `-`, at
/// most 249 of them. Empty is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name, if Kafka accepts it; else the sentence that says what is allowed.
    ///
    /// # Errors
    /// If it has another character, is longer, or is a path (`.`, `..`).
    pub fn new(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.len() <= NAME_MAX && text.chars().all(legal) && text != "." && text != ".." {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{text:?} is not a name of ASCII letters, digits, \".\", \"_\" and \"-\", {NAME_MAX} at most"
        ))
    }
    /// A name that is in the source.
    pub(in crate::config) fn fixed(text: &str) -> Self {
        Self::new(text).expect("the defaults are legal names")
    }
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Setting for Name {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        Self::new(given.text("a name")?)
    }
    fn toml(&self) -> String {
        quoted(&self.0)
    }
}

/// Several names, none of them empty or twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub Vec<Name>);

impl Setting for Names {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let mut names: Vec<Name> = Vec::new();
        for text in list(given, "an array of names such as [\"a\", \"b\"]")? {
            let name = Name::new(text)?;
            if name.is_empty() || names.contains(&name) {
                return Err(format!("{text:?} is empty or stands there twice"));
            }
            names.push(name);
        }
        Ok(Self(names))
    }
    fn toml(&self) -> String {
        array(self.0.iter().map(Name::as_str))
    }
}

/// Addresses of brokers, `host:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brokers(pub Vec<String>);

impl Setting for Brokers {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let mut brokers = Vec::new();
        for text in list(given, "an array of brokers such as [\"kafka-1:9092\"]")? {
            let (host, port) = text.rsplit_once(':').unwrap_or_default();
            let clean = !host.is_empty() && !host.contains([',', '/', ' ']);
            if !clean || port.parse::<u16>().is_ok_and(|port| port == 0) || port.parse::<u16>().is_err() {
                return Err(format!("{text:?} is not a host and a port such as \"kafka-1:9092\""));
            }
            brokers.push(text.to_owned());
        }
        Ok(Self(brokers))
    }
    fn toml(&self) -> String {
        array(self.0.iter().map(String::as_str))
    }
}

/// The items of an array, or of a variable that has them between commas.
fn list<'a>(given: &Given<'a>, wanted: &str) -> Result<Vec<&'a str>, String> {
    match given {
        Given::List(items) => Ok(items.clone()),
        Given::Variable("" | "[]") => Ok(Vec::new()),
        Given::Variable(text) => Ok(text.split(',').map(str::trim).collect()),
        _ => Err(format!("{given} stands where {wanted} must be")),
    }
}

fn array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = items.map(quoted).collect();
    format!("[{}]", quoted.join(", "))
}
