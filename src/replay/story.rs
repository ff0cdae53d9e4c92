//! One user's whole story, heard while it happens: what came, what each gate said, every node, timer, hold
//! and send.

use super::chunk::{Chunk, What};
use crate::control::story::{Chapter, weave};
use crate::engine::Effects;
use crate::engine::effects::Lines;
use crate::model::Timestamp;
use crate::model::wire::user_of;

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

    /// Something comes in, and is about to be handled.
    pub(super) fn event(&mut self, at: Timestamp, chunk: &Chunk, index: usize) {
        if chunk.user(index) != self.user {
            return;
        }
        let (what, name) = chunk.name(index);
        let name = match what {
            What::Event(_) => name.to_owned(),
            What::Row => format!("a row of the audience list of {name}"),
            What::Enter => format!("an entry by API into {name}"),
        };
        let own_time = chunk.timestamp(index).filter(|own| *own != at);
        self.coming = Some(Chapter::Came { at, name, own_time });
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
