//! Properties of librdkafka that are passed through as they are.

use std::collections::BTreeMap;
use std::fmt;

use super::guarded;
use crate::config::value::{Given, Setting, quoted};

/// Properties of librdkafka by name, none of them one that carries the guarantee.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extra(BTreeMap<String, String>);

impl Extra {
    /// Name and value of each, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn insert(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(why) = guarded::why(name) {
            return Err(format!("{name} cannot be passed on: {why}"));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&str, &'_ str)| {
            (name.to_owned(), if guarded::is_secret(name) { "not shown" } else { value }.to_owned())
        };
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

impl Setting for Extra {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let mut extra = Self::default();
        match given {
            Given::Table(entries) => {
                for (name, value) in entries {
                    extra.insert(name, value)?;
                }
            }
            Given::Variable("" | "{}") => {}
            Given::Variable(text) => {
                for entry in text.split(',') {
                    // Not repeated in the message: it may hold a password.
                    let Some((name, value)) = entry.split_once('=') else {
                        return Err("an entry is not name=value; entries are parted by commas".to_owned());
                    };
                    extra.insert(name.trim(), value.trim())?;
                }
            }
            Given::Other(what) => return Err(format!("{what} stands where a table of texts must be")),
            _ => return Err("a table of librdkafka's properties must stand here".to_owned()),
        }
        Ok(extra)
    }
    fn toml(&self) -> String {
        let shown = self.iter().filter(|(name, _)| !guarded::is_secret(name));
        let entries: Vec<String> =
            shown.map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
    }
    fn hides(&self) -> bool {
        self.0.keys().any(|name| guarded::is_secret(name))
    }
}
