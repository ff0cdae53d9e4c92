//! The bounded memory of answers: a command that is repeated does nothing and gets its first answer.

use std::collections::{HashMap, VecDeque};

use super::refused::Refused;
use super::registry::Applied;

/// How many answers are remembered, the latest ones. A repeat comes within minutes, and no operator gives as
/// many commands in a day; at some 200 bytes each they stay below 16 MiB.
pub const ANSWERS_MAX: usize = 65_536;

/// The answers of the latest commands, by the command's id.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// With the fingerprint of what was asked. Looked up only, never walked.
    by_id: HashMap<String, (u128, Result<Applied, Refused>)>,
    /// The ids, oldest first.
    order: VecDeque<String>,
}

impl Answers {
    /// The answer that this id got, and the fingerprint of what was asked then.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&(u128, Result<Applied, Refused>)> {
        self.by_id.get(id)
    }

    /// Remembers an answer; forgets the oldest beyond [`ANSWERS_MAX`].
    pub fn keep(&mut self, id: &str, asked: u128, answer: Result<Applied, Refused>) {
        if self.by_id.insert(id.to_owned(), (asked, answer)).is_none() {
            self.order.push_back(id.to_owned());
        }
        if self.order.len() > ANSWERS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_answers_are_remembered_and_no_more() {
        let mut answers = Answers::default();
        for n in 0..=ANSWERS_MAX {
            answers.keep(&n.to_string(), 7, Err(Refused::NoId));
        }
        assert_eq!(answers.get("0"), None);
        assert_eq!(answers.get("1"), Some(&(7, Err(Refused::NoId))));
        assert_eq!((answers.by_id.len(), answers.order.len()), (ANSWERS_MAX, ANSWERS_MAX));
    }
}
