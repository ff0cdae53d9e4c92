//! Which dead letters are to be let in once more, and what became of them.

use serde::{Deserialize, Serialize};

use super::service::RejectView;
use crate::model::Timestamp;

/// The most dead letters that one request lets in.
pub const REPLAY_MAX: usize = 10_000;

/// Which ones: those of `numbers`, or those that are all that is said beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// By number; nothing else may be said then.
    pub numbers: Vec<u64>,
    /// From this number on.
    pub from: Option<u64>,
    /// Up to this number, with it.
    pub to: Option<u64>,
    /// Of this reason: its stable code.
    pub code: Option<String>,
    /// From this log, as letters name theirs.
    pub source: Option<String>,
    /// Rejected at that time or later.
    pub since: Option<Timestamp>,
    /// Rejected before that time.
    pub until: Option<Timestamp>,
    /// Every one that is kept.
    pub all: bool,
    /// Those too that have been let in before.
    pub again: bool,
    /// Say what would become of them, and do nothing.
    pub dry_run: bool,
}

impl Wanted {
    /// What is wrong with it, as a sentence.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let chosen = [
            self.from.is_some(),
            self.to.is_some(),
            self.code.is_some(),
            self.source.is_some(),
            self.since.is_some(),
            self.until.is_some(),
        ];
        let chosen = chosen.contains(&true);
        if self.numbers.len() > REPLAY_MAX {
            let count = self.numbers.len();
            return Some(format!("{count} numbers are given; at most {REPLAY_MAX} are allowed"));
        }
        match (!self.numbers.is_empty(), chosen, self.all) {
            (false, false, false) => Some(
                "nothing says which dead letters: give numbers, or from, to, code, source, since, until, or all"
                    .to_owned(),
            ),
            (true, true, _) | (true, _, true) => {
                Some("numbers say all that is wanted: nothing else may choose beside them".to_owned())
            }
            (_, true, true) => Some("all is all: nothing else may choose beside it".to_owned()),
            _ => None,
        }
    }

    /// Whether a letter is wanted.
    #[must_use]
    pub fn is_wanted(&self, letter: &RejectView) -> bool {
        if !self.numbers.is_empty() {
            return self.numbers.contains(&letter.number);
        }
        self.from.is_none_or(|from| letter.number >= from)
            && self.to.is_none_or(|to| letter.number <= to)
            && self.code.as_ref().is_none_or(|code| *code == letter.code)
            && self.source.as_ref().is_none_or(|source| *source == letter.source)
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
    }
}

/// What became of dead letters that were wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Whether it is only what would become of them.
    pub dry_run: bool,
    /// Those that were let in, ascending.
    pub replayed: Vec<u64>,
    /// Those that were not, and why.
    pub left: Vec<Left>,
    /// Whether more are wanted than one request lets in: the same again goes on.
    pub more: bool,
}

/// A dead letter that was not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its number.
    pub number: u64,
    /// Why: a sentence.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(number: u64) -> RejectView {
        RejectView {
            number,
            shard: 3,
            at: Timestamp(1_000 + number.cast_signed()),
            source: "events".to_owned(),
            offset: 7,
            kind: Some("event".to_owned()),
            code: "not_json".to_owned(),
            message: String::new(),
            key: None,
            headers: Vec::new(),
            bytes: String::new(),
            length: 0,
            replayed: None,
        }
    }

    #[test]
    fn what_is_said_chooses_and_what_says_nothing_or_too_much_is_refused() {
        let said = |json: &str| serde_json::from_str::<Wanted>(json).expect("it is in the form");
        for (json, wanted) in [
            (r#"{"numbers":[3,5]}"#, &[3, 5][..]),
            (r#"{"from":4,"to":5}"#, &[4, 5]),
            (r#"{"code":"not_json","source":"events"}"#, &[3, 4, 5, 6]),
            (r#"{"code":"truncated"}"#, &[]),
            (r#"{"source":"internal"}"#, &[]),
            (r#"{"since":"1970-01-01T00:00:01.004Z","until":"1970-01-01T00:00:01.006Z"}"#, &[4, 5]),
            (r#"{"all":true,"again":true}"#, &[3, 4, 5, 6]),
        ] {
            let asked = said(json);
            assert_eq!(asked.problem(), None, "{json}");
            let chosen: Vec<u64> = (3..7).filter(|number| asked.is_wanted(&letter(*number))).collect();
            assert_eq!(chosen, wanted, "{json}");
        }
        for (json, why) in [
            ("{}", "nothing says which"),
            (r#"{"dry_run":true}"#, "nothing says which"),
            (r#"{"numbers":[1],"to":3}"#, "beside them"),
            (r#"{"numbers":[1],"all":true}"#, "beside them"),
            (r#"{"all":true,"code":"empty"}"#, "all is all"),
        ] {
            let problem = said(json).problem().expect(json);
            assert!(problem.contains(why), "{problem}");
        }
    }
}
