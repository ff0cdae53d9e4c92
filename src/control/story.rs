//! What happened to one user, as it is told to people and programs: by a replay as it goes, by a server or
//! a stopped journal from what is kept.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::model::wire::{RefusalRecord, SendRecord, TransitionRecord};

/// One thing that happened to a user; in JSON an object with the kind in `story` and the time in `at`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "story", rename_all = "snake_case")]
pub enum Chapter {
    /// An operator gave a verb, or a date or the system did something. Told by replays only.
    Verb {
        /// When.
        at: Timestamp,
        /// The journey.
        journey: String,
        /// What was done, and where the journey stood then.
        text: String,
    },
    /// Something of the user's came in. Told by replays only.
    Came {
        /// When, by the clock.
        at: Timestamp,
        /// The event's name, or how the user was to enter.
        name: String,
        /// The producer's own time, where it is not the clock's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        own_time: Option<Timestamp>,
    },
    /// The user qualified, and the entry gate said no.
    Refused(RefusalRecord),
    /// The user entered, moved, was held or left.
    Moved(TransitionRecord),
    /// A message was handed over.
    Sent(SendRecord),
}

impl Chapter {
    /// When it happened, by the clock of the shard.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Verb { at, .. } | Self::Came { at, .. } => *at,
            Self::Refused(refused) => refused.at,
            Self::Moved(moved) => moved.at,
            Self::Sent(sent) => sent.at,
        }
    }
}

/// What is kept of one user, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoryView {
    /// The user.
    pub user: String,
    /// What happened.
    pub records: Vec<Chapter>,
    /// How many records are kept beside these, all of them older: the newest are told.
    pub left_out: u64,
}

/// One story of what one user did, was refused and was sent, each in its own order: by time, at one time
/// movements before refusals, and each message behind the movement that hands it over.
#[must_use]
pub fn weave(
    moves: Vec<TransitionRecord>,
    sends: Vec<SendRecord>,
    refusals: Vec<RefusalRecord>,
) -> Vec<Chapter> {
    let mut sends: VecDeque<SendRecord> = sends.into();
    let mut story = Vec::with_capacity(moves.len() + sends.len() + refusals.len());
    for moved in moves {
        // A message may be kept for longer than its movement.
        while let Some(send) = sends.pop_front_if(|send| send.at < moved.at) {
            story.push(Chapter::Sent(send));
        }
        let is_its = |send: &SendRecord| {
            send.journey == moved.journey && moved.node.as_ref() == Some(&send.node) && send.at == moved.at
        };
        let sent = (moved.what == "sent").then(|| sends.iter().position(is_its)).flatten();
        story.push(Chapter::Moved(moved));
        story.extend(sent.and_then(|place| sends.remove(place)).map(Chapter::Sent));
    }
    story.extend(sends.into_iter().map(Chapter::Sent));
    story.extend(refusals.into_iter().map(Chapter::Refused));
    story.sort_by_key(Chapter::at);
    story
}

impl fmt::Display for Chapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", self.at())?;
        match self {
            Self::Verb { journey, text, .. } => write!(f, "{journey}: * {text}"),
            Self::Came { name, own_time: None, .. } => write!(f, "{name} came in"),
            Self::Came { name, own_time: Some(own), .. } => write!(f, "{name} came in, of {own}"),
            Self::Refused(refused) => write!(
                f,
                "{}: not let in by the entry gate: {} ({}; the journey is {})",
                refused.journey,
                meaning(&refused.reason),
                refused.reason,
                refused.state
            ),
            Self::Moved(moved) => {
                write!(f, "{} v{}: {}", moved.journey, moved.version, moved.what)?;
                for (word, part) in [(" ", &moved.node), (": ", &moved.detail)] {
                    part.as_ref().map_or(Ok(()), |text| write!(f, "{word}{text}"))?;
                }
                moved.until.map_or(Ok(()), |until| write!(f, " until {until}"))
            }
            Self::Sent(sent) => write!(
                f,
                "{} v{}: {} {} revision {} handed over, key {}",
                sent.journey, sent.version, sent.channel, sent.content, sent.revision, sent.key
            ),
        }
    }
}

/// What the word of a refusal means.
fn meaning(reason: &str) -> &'static str {
    match reason {
        "no_such_entry" => "the journey takes no entry by this way now",
        "entry_shut" => "it is shut",
        "before_opening" => "the event happened before it was last opened",
        "late" => "the event came too late",
        "inside" => "the user is inside already",
        "reentry" => "the user may not enter again, or not yet",
        "user_limit" => "the user is in as many journeys as one may be",
        "entry_limit" => "the journey's limit of entries is used up",
        _ => "no",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(minute: i64, what: &str, node: &str) -> TransitionRecord {
        TransitionRecord {
            at: Timestamp(minute * 60_000),
            journey: "j".to_owned(),
            version: 1,
            user: "u".to_owned(),
            entry: 1,
            what: what.to_owned(),
            node: Some(node.to_owned()),
            detail: None,
            until: None,
        }
    }

    fn sent(minute: i64, node: &str) -> SendRecord {
        let at = serde_json::to_string(&Timestamp(minute * 60_000)).unwrap();
        let line = format!(
            r#"{{"key":"k{minute}{node}","journey":"j","version":1,"node":"{node}","user":"u",
                "channel":"push","content":"c","revision":1,"due":{at},"at":{at}}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    fn told(story: &[Chapter]) -> String {
        let word = |chapter: &Chapter| match chapter {
            Chapter::Moved(moved) => format!("{} {}", moved.what, moved.node.as_deref().unwrap_or("–")),
            Chapter::Sent(sent) => format!("send {}", sent.node),
            Chapter::Refused(refused) => format!("no {}", refused.reason),
            other => format!("{other:?}"),
        };
        story.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_message_stands_behind_its_movement_and_one_without_at_its_time() {
        let refused = RefusalRecord {
            at: Timestamp(3 * 60_000),
            journey: "j".to_owned(),
            user: "u".to_owned(),
            reason: "inside".to_owned(),
            state: "Running".to_owned(),
        };
        let moves = vec![
            moved(2, "started", "a"),
            moved(2, "sent", "a"),
            moved(2, "started", "b"),
            moved(2, "sent", "b"),
            moved(3, "waiting", "c"),
            moved(4, "exited", "c"),
        ];
        // The first was kept longer than its movement; the last two come in another order than the movements.
        let sends = vec![sent(1, "x"), sent(2, "b"), sent(2, "a")];
        assert_eq!(
            told(&weave(moves, sends, vec![refused])),
            "send x, started a, sent a, send a, started b, sent b, send b, waiting c, no inside, exited c"
        );
    }

    #[test]
    fn a_chapter_reads_back_and_has_its_time_once() {
        for chapter in weave(vec![moved(1, "sent", "a")], vec![sent(1, "a")], Vec::new()) {
            let json = serde_json::to_string(&chapter).unwrap();
            assert_eq!(json.matches(r#""at":"#).count(), 1, "{json}");
            assert_eq!(serde_json::from_str::<Chapter>(&json).unwrap(), chapter);
        }
    }
}
