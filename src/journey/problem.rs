//! What is wrong with a journey: one value a problem, with where, what is allowed, and a hint.
//!
//! A check makes [`Finding`]s, which know their place in the definition only. Whoever has the text turns them
//! into [`Problem`]s with file, line and column; without a text, as behind the API, the line is 0.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::definition::Definition;

/// How many problems of one journey are told. Who has more has one cause, and an answer must stay bounded.
pub const PROBLEMS_MAX: usize = 1_000;

/// Whether a journey can be published in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It cannot.
    Error,
    /// It can, but the author probably meant something else.
    Warning,
}

/// One thing that is wrong, as people and programs read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable name for this sort of problem, in `snake_case`.
    pub code: &'static str,
    /// Whether it stops the journey from being published.
    pub level: Level,
    /// The file's name as it was given; empty behind the API.
    pub file: String,
    /// From 1; 0 where there is no text.
    pub line: u32,
    /// In characters, from 1; 0 where there is no text.
    pub column: u32,
    /// Where in the definition: `node.patience.branches[0].to`. Empty for the whole.
    pub path: String,
    /// A sentence with the values in it.
    pub message: String,
    /// What may stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// What the author probably wants to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// Whether it stops the journey from being published.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

impl fmt::Display for Problem {
    /// One block: the sentence, the place, what is allowed, the hint. No newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "{level}: {} [{}]", self.message, self.code)?;
        let place = match (self.file.is_empty(), self.line) {
            (true, 0) => String::new(),
            (true, line) => format!("line {line}, column {}", self.column),
            (false, 0) => self.file.clone(),
            (false, line) => format!("{}:{line}:{}", self.file, self.column),
        };
        match (place.is_empty(), self.path.is_empty()) {
            (true, true) => {}
            (true, false) => write!(f, "\n  --> {}", self.path)?,
            (false, true) => write!(f, "\n  --> {place}")?,
            (false, false) => write!(f, "\n  --> {place}  {}", self.path)?,
        }
        if let Some(allowed) = &self.allowed {
            write!(f, "\n  allowed: {allowed}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// One step from a table or an array to what is inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A place in a definition, by keys and positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    /// The place of a key of the whole definition.
    pub(crate) fn of(key: &str) -> Self {
        Self::default().key(key)
    }

    /// The place of a node.
    pub(crate) fn node(index: usize) -> Self {
        Self::of("node").index(index)
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Whether one of the two lies within the other, or they are the same. The whole definition touches
    /// nothing.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        let shared = self.0.len().min(other.0.len());
        shared > 0 && self.0[..shared] == other.0[..shared]
    }

    /// As text, with nodes by their id where `nodes` has exactly one of it.
    pub(crate) fn render(&self, nodes: &[&str]) -> String {
        let mut text = String::new();
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    if depth > 0 {
                        text.push('.');
                    }
                    text.push_str(key);
                }
                Step::Index(index) => {
                    let id = nodes.get(*index).filter(|id| {
                        let is_node = depth == 1 && self.0[0] == Step::Key("node".to_owned());
                        is_node && !id.is_empty() && nodes.iter().filter(|other| other == id).count() == 1
                    });
                    match id {
                        Some(id) => text.push_str(&format!(".{id}")),
                        None => text.push_str(&format!("[{index}]")),
                    }
                }
            }
        }
        text
    }
}

/// A problem before it has a line.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) level: Level,
    pub(crate) path: Path,
    /// Whether the key itself is at fault, not its value.
    pub(crate) on_key: bool,
    /// The byte within the text that stands at `path`.
    pub(crate) offset: usize,
    message: String,
    allowed: Option<String>,
    hint: Option<String>,
}

impl Finding {
    pub(crate) fn new(code: &'static str, path: Path, message: impl Into<String>) -> Self {
        Self {
            code,
            level: Level::Error,
            path,
            on_key: false,
            offset: 0,
            message: message.into(),
            allowed: None,
            hint: None,
        }
    }

    pub(crate) fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn hint_if(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    pub(crate) fn warning(mut self) -> Self {
        self.level = Level::Warning;
        self
    }

    pub(crate) fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    pub(crate) fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// The problem, at a line and a column (0 and 0 without a text).
    pub(crate) fn placed(self, file: &str, (line, column): (u32, u32), nodes: &[&str]) -> Problem {
        Problem {
            code: self.code,
            level: self.level,
            file: file.to_owned(),
            line,
            column,
            path: self.path.render(nodes),
            message: self.message,
            allowed: self.allowed,
            hint: self.hint,
        }
    }
}

/// The ids of all nodes, in the order of the file.
pub(crate) fn node_ids(definition: &Definition) -> Vec<&str> {
    definition.node.iter().map(|node| node.id.as_str()).collect()
}

/// The word of `known` that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this likeness, a guess misleads more often than it helps.
    const NEAR: f64 = 0.75;
    /// Likeness costs the product of two lengths, and long words are no slips of the finger.
    const WORD_BYTES_MAX: usize = 128;
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .filter(|right| right.len() <= WORD_BYTES_MAX)
        .map(|right| (strsim::jaro_winkler(&word, &right.to_lowercase()), right))
        .filter(|(likeness, _)| *likeness > NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, right)| right)
}

/// A hint that names the nearest word, if there is one.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|right| format!("did you mean `{right}`?"))
}

/// Words as a list in a sentence: `` `a`, `b`, `c` ``, each once, cut where there are too many to read.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 20;
    let mut seen = BTreeSet::new();
    let words: Vec<&str> = words.into_iter().filter(|word| seen.insert(*word)).collect();
    let shown: Vec<String> = words.iter().take(SHOWN_MAX).map(|word| format!("`{word}`")).collect();
    let more = words.len().saturating_sub(SHOWN_MAX);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// A text of the author's in a message: quoted, escaped, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return format!("{text:?}");
    }
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{shown:?}… ({} bytes)", text.len())
}
