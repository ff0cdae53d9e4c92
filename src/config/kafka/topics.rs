//! The names of all topics, as the settings say.

use crate::config::{Name, Topics};

impl Topics {
    /// The topics of events; the first is the anchor.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        match self.events.0.as_slice() {
            [] => vec![self.called("events", &Name::default())],
            names => names.iter().map(|name| name.as_str().to_owned()).collect(),
        }
    }

    /// The name of a topic by its key and the name that it was given: that, or the prefix and the key.
    #[must_use]
    pub fn called(&self, key: &str, given: &Name) -> String {
        if given.is_empty() { format!("{}{key}", self.prefix.as_str()) } else { given.as_str().to_owned() }
    }

    /// All topics but those of events: key and name.
    #[must_use]
    pub fn own(&self) -> [(&'static str, String); 11] {
        [
            ("internal", &self.internal),
            ("receipts", &self.receipts),
            ("lists", &self.lists),
            ("control", &self.control),
            ("state", &self.state),
            ("sends", &self.sends),
            ("rejects", &self.rejects),
            ("transitions", &self.transitions),
            ("refusals", &self.refusals),
            ("cycles", &self.cycles),
            ("views", &self.views),
        ]
        .map(|(key, given)| (key, self.called(key, given)))
    }

    /// Key and name of every topic.
    #[must_use]
    pub fn names(&self) -> Vec<(&'static str, String)> {
        self.events().into_iter().map(|name| ("events", name)).chain(self.own()).collect()
    }
}
