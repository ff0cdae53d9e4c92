//! One user's whole story, heard while it happens: what came, what each gate said, every node, timer, hold
//! and send.

use crate::control::fold::Fold;
use crate::control::story::{Chapter, weave};
use crate::control::{Command, Record, Refused};
use crate::engine::Effects;
use crate::model::Timestamp;
use crate::model::lines::Lines;
use crate::model::wire::user_of;

/// A command as a story tells it, and where the journey stands after it.
pub(super) fn verb(at: Timestamp, record: &Record, refused: Option<&Refused>, fold: &Fold) -> Chapter {
    let what = match &record.command {
        Command::Act(act) => act.verb.to_string(),
        Command::Put { .. } => "put".to_owned(),
        Command::KeepEdit { .. } | Command::SaveEdit { .. } | Command::DropEdit => "an edit".to_owned(),
        Command::List(_) => "list".to_owned(),
        Command::Grant(_) => "a share of its limit".to_owned(),
        Command::Release(_) => "release".to_owned(),
        Command::Format(format) => format!("format {format}"),
    };
    let gates = fold.registry().get(&record.journey).map(|lineage| {
        let gates = lineage.lifecycle.gates(at);
        let state = lineage.lifecycle.state_at(at).name;
        format!(": {state}, entry {}, movement {}", gates.entry, gates.movement)
    });
    let text = match refused {
        None => format!("{what}{}", gates.unwrap_or_default()),
        Some(refused) => format!("{what} refused: {refused}"),
    };
    Chapter::Verb { at, journey: record.journey.clone(), text }
}

/// The story so far.
#[derive(Clone, Debug)]
pub(super) struct Story {
    user: String,
    pub(super) chapters: Vec<Chapter>,
    /// An event that is being handled: its chapter comes after what was due before it.
    coming: Option<Chapter>,
}

/// How many bytes of each kind of line there were.
pub(super) type Lengths = [usize; 3];

impl Story {
    pub(super) fn of(user: &str) -> Self {
        Self { user: user.to_owned(), chapters: Vec::new(), coming: None }
    }

    /// Whether it is this user's.
    pub(super) fn is_of(&self, user: &str) -> bool {
        self.user == user
    }

    /// Something of the user's comes in, and is about to be handled.
    pub(super) fn comes(&mut self, chapter: Chapter) {
        self.coming = Some(chapter);
    }

    pub(super) fn lengths(effects: &Effects) -> Lengths {
        [&effects.transitions, &effects.refusals, &effects.sends].map(|lines| lines.as_bytes().len())
    }

    /// Takes the user's lines of those that were added since `from`.
    pub(super) fn listen(&mut self, effects: &Effects, from: Lengths) {
        let mut new = weave(
            self.own(&effects.transitions, from[0]),
            self.own(&effects.sends, from[2]),
            self.own(&effects.refusals, from[1]),
        );
        if let Some(coming) = self.coming.take() {
            let before = new.partition_point(|chapter| chapter.at() < coming.at());
            new.insert(before, coming);
        }
        self.chapters.append(&mut new);
    }

    /// The user's own lines of one kind.
    fn own<T: serde::de::DeserializeOwned>(&self, lines: &Lines, from: usize) -> Vec<T> {
        let added = lines.as_bytes()[from..].split(|&byte| byte == b'\n');
        added
            .filter(|line| user_of(line).is_some_and(|user| user == self.user))
            .map(|line| serde_json::from_slice(line).expect("a line of the engine reads back"))
            .collect()
    }
}
