//! Texts that are used and never shown.

use std::fmt;

use crate::config::value::{Given, Setting, quoted};

/// A password: neither printed, nor dumped, nor told in a message about itself. Empty is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whom it is meant.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(none)" } else { "Secret(not shown)" })
    }
}

impl Setting for Secret {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given {
            Given::Text(text) | Given::Variable(text) => Ok(Self((*text).to_owned())),
            // Whatever stands there may be the password without its quotation marks.
            _ => Err("what stands here is not a text in quotation marks".to_owned()),
        }
    }
    fn toml(&self) -> String {
        quoted("")
    }
    fn hides(&self) -> bool {
        !self.0.is_empty()
    }
}
