//! One user's whole story: what came, what each gate said, every node, timer, hold and send, and what
//! operators did.

use std::fmt;

use serde::Serialize;

use super::chunk::{Chunk, What};
use crate::engine::Effects;
use crate::engine::effects::Lines;
use crate::model::Timestamp;
use crate::model::wire::{RefusalRecord, SendRecord, TransitionRecord};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chapter {
    /// When, by the clock.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What can happen to a user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "story", rename_all = "snake_case")]
pub enum Happening {
    /// An operator gave a verb, or a date or the system did something.
    Verb {
        /// The journey.
        journey: String,
        /// What was done, and where the journey stood then.
        text: String,
    },
    /// Something of the user's came in.
    Came {
        /// The event's name, or how the user was to enter.
        name: String,
        /// The producer's own time, where it is not the clock's.
        #[serde(skip_serializing_if = "Option::is_none")]
        own_time: Option<Timestamp>,
    },
    /// The entry gate said no.
    Refused(RefusalRecord),
    /// The user entered, moved or left.
    Moved(TransitionRecord),
    /// A message was handed over.
    Sent(SendRecord),
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
        self.coming = Some(Chapter { at, what: Happening::Came { name, own_time } });
    }

    pub(super) fn lengths(effects: &Effects) -> Lengths {
        [&effects.transitions, &effects.refusals, &effects.sends].map(|lines| lines.as_bytes().len())
    }

    /// Takes the user's lines of those that were added since `from`.
    pub(super) fn listen(&mut self, effects: &Effects, from: Lengths) {
        let story = &*self;
        let of =
            |kind: usize, lines, from| added(lines, from).filter_map(move |line| story.chapter(kind, line));
        let mut sends = of(2, &effects.sends, from[2]);
        let mut new = Vec::new();
        for chapter in of(0, &effects.transitions, from[0]) {
            // Every movement that says that a message was sent has its message.
            let sent = matches!(&chapter.what, Happening::Moved(moved) if moved.what == "sent");
            new.push(chapter);
            new.extend(sent.then(|| sends.next()).flatten());
        }
        new.extend(sends);
        new.extend(of(1, &effects.refusals, from[1]));
        new.sort_by_key(|chapter| chapter.at);
        if let Some(coming) = self.coming.take() {
            let before = new.partition_point(|chapter| chapter.at < coming.at);
            new.insert(before, coming);
        }
        self.chapters.append(&mut new);
    }

    fn chapter(&self, kind: usize, line: &[u8]) -> Option<Chapter> {
        const OURS: &str = "a line of the engine reads back";
        let (at, user, what) = match kind {
            0 => {
                let moved: TransitionRecord = serde_json::from_slice(line).expect(OURS);
                (moved.at, moved.user.clone(), Happening::Moved(moved))
            }
            1 => {
                let refused: RefusalRecord = serde_json::from_slice(line).expect(OURS);
                (refused.at, refused.user.clone(), Happening::Refused(refused))
            }
            _ => {
                let sent: SendRecord = serde_json::from_slice(line).expect(OURS);
                (sent.at, sent.user.clone(), Happening::Sent(sent))
            }
        };
        (user == self.user).then_some(Chapter { at, what })
    }
}

fn added(lines: &Lines, from: usize) -> impl Iterator<Item = &[u8]> {
    lines.as_bytes()[from..].split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

impl fmt::Display for Chapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", self.at)?;
        match &self.what {
            Happening::Verb { journey, text } => write!(f, "{journey}: * {text}"),
            Happening::Came { name, own_time: None } => write!(f, "{name} came in"),
            Happening::Came { name, own_time: Some(own) } => write!(f, "{name} came in, of {own}"),
            Happening::Refused(refused) => write!(
                f,
                "{}: not let in by the entry gate: {} ({}; the journey is {})",
                refused.journey,
                meaning(&refused.reason),
                refused.reason,
                refused.state
            ),
            Happening::Moved(moved) => {
                write!(f, "{} v{}: {}", moved.journey, moved.version, moved.what)?;
                for (word, part) in [(" ", &moved.node), (": ", &moved.detail)] {
                    part.as_ref().map_or(Ok(()), |text| write!(f, "{word}{text}"))?;
                }
                moved.until.map_or(Ok(()), |until| write!(f, " until {until}"))
            }
            Happening::Sent(sent) => write!(
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
