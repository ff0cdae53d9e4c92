//! What leaves the cluster, looked at line by line: what must hold of it whatever the reference says, and the
//! comparison with what that says.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use wayfarer::journal::memory::Memory;
use wayfarer::journal::{Item, Reject, Stream, Streams};
use wayfarer::model::Timestamp;
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};
use wayfarer_reference::World;

use super::met::Met;
use super::oracle::{Compared, equal, move_text, same, send_text};

/// An enrollment: journey, user, number.
type Enrolled = (String, String, u64);

/// What has left so far.
#[derive(Default)]
pub(crate) struct Watch {
    keys: BTreeSet<String>,
    /// How much of sends, movements and refusals was compared: of the cluster, of the reference.
    seen: [(u64, usize); 3],
    letters: u64,
    /// Whose message is inside its node.
    queued: BTreeSet<Enrolled>,
    /// The journeys whose movement gate was not open when it was looked last, and no command came since.
    pub(crate) closed: BTreeSet<String>,
}

/// What has left since the last look; nothing of it after `now`.
fn left<T: DeserializeOwned>(
    log: &Memory,
    stream: Stream,
    from: &mut u64,
    now: Timestamp,
) -> Result<Vec<T>, String> {
    let (mut lines, mut early) = (Vec::new(), None);
    let mut each = |item: Item<'_>| {
        if item.at > now {
            early = Some(item.at);
        }
        lines.push(serde_json::from_slice(item.bytes));
    };
    *from = log.read_stream(stream, *from, usize::MAX, &mut each).map_err(|e| e.to_string())?;
    if let Some(at) = early {
        return Err(format!("I5: a commit of {at} at {now}"));
    }
    lines.into_iter().collect::<Result<_, _>>().map_err(|e| e.to_string())
}

impl Watch {
    /// Compares everything that has left since the last time with what the reference says.
    pub(crate) fn compare(
        &mut self,
        log: &Memory,
        world: &World,
        now: Timestamp,
        letters: &mut Vec<Vec<u8>>,
        met: &mut Met,
    ) -> Compared {
        let sends: Vec<SendRecord> = left(log, Stream::Sends, &mut self.seen[0].0, now)?;
        let moves: Vec<TransitionRecord> = left(log, Stream::Transitions, &mut self.seen[1].0, now)?;
        let refusals: Vec<RefusalRecord> = left(log, Stream::Refusals, &mut self.seen[2].0, now)?;
        self.keys(&sends)?;
        let [s, m, r] = self.seen.map(|(_, reference)| reference);
        same("I1, I2: sends", world.sends[s..].iter().map(send_text), sends.iter().map(send_text))?;
        in_order(&world.transitions[m..], &moves)?;
        let text = |refusal: &RefusalRecord| format!("{refusal:?}");
        same("I1: refusals", world.refusals[r..].iter().map(text), refusals.iter().map(text))?;
        let ends = [world.sends.len(), world.transitions.len(), world.refusals.len()];
        self.seen.iter_mut().zip(ends).for_each(|(seen, end)| seen.1 = end);
        met.checked(1, (sends.len() + moves.len() + refusals.len()) as u64);
        met.checked(2, sends.len() as u64);
        met.checked(4, moves.len() as u64);
        self.times(&sends, &moves, now, met)?;
        self.starts(&moves, met)?;
        met.held += moves.iter().filter(|moved| moved.what == "held").count() as u64;
        met.drained += moves.iter().filter(|moved| moved.what == "draining").count() as u64;
        self.letters(log, letters, met)
    }

    fn keys(&mut self, sends: &[SendRecord]) -> Compared {
        match sends.iter().find(|send| !self.keys.insert(send.key.clone())) {
            Some(send) => Err(format!("I2: the key of {send:?} has left before")),
            None => Ok(()),
        }
    }

    /// Nothing happens ahead of its time.
    fn times(
        &self,
        sends: &[SendRecord],
        moves: &[TransitionRecord],
        now: Timestamp,
        met: &mut Met,
    ) -> Compared {
        if let Some(send) = sends.iter().find(|send| send.at < send.due || send.at > now) {
            return Err(format!("I5: at {now} has left {send:?}"));
        }
        if let Some(moved) = moves.iter().find(|moved| moved.at > now) {
            return Err(format!("I5: at {now} has happened {moved:?}"));
        }
        met.checked(5, (sends.len() + moves.len()) as u64);
        Ok(())
    }

    /// A message inside its node goes out before its user goes anywhere, and a gate that is not open lets no node
    /// start.
    fn starts(&mut self, moves: &[TransitionRecord], met: &mut Met) -> Compared {
        for moved in moves {
            let enrolled = (moved.journey.clone(), moved.user.clone(), moved.entry);
            match moved.what.as_str() {
                "queued" => drop(self.queued.insert(enrolled)),
                "sent" => met.checked(14, u64::from(self.queued.remove(&enrolled))),
                "exited" | "started" if self.queued.contains(&enrolled) => {
                    return Err(format!("I14: the message of {enrolled:?} has not left, and: {moved:?}"));
                }
                "started" if self.closed.contains(&moved.journey) => {
                    return Err(format!("I9, I14: the gate was answered to be shut, and: {moved:?}"));
                }
                _ => {}
            }
        }
        met.checked(14, self.closed.len() as u64);
        Ok(())
    }

    /// At the end no message is inside its node.
    pub(crate) fn ended(&self) -> Compared {
        equal("I14: messages that never left", &BTreeSet::new(), &self.queued)
    }

    /// The dead letters are what was bad, each once.
    fn letters(&mut self, log: &Memory, expected: &mut Vec<Vec<u8>>, met: &mut Met) -> Compared {
        let (mut letters, mut unread) = (Vec::new(), None);
        let mut each = |item: Item<'_>| match Reject::decode(item.bytes) {
            Ok(letter) if !letter.code.is_empty() => letters.push(letter.bytes.to_vec()),
            other => unread = Some(format!("I10: a dead letter says nothing: {other:?}")),
        };
        let read = log.read_stream(Stream::Rejects, self.letters, usize::MAX, &mut each);
        self.letters = read.map_err(|e| e.to_string())?;
        if let Some(unread) = unread {
            return Err(unread);
        }
        letters.sort_unstable();
        expected.sort_unstable();
        equal("I10: dead letters", &*expected, &letters)?;
        met.checked(10, letters.len() as u64);
        expected.clear();
        Ok(())
    }
}

/// A movement as it is compared. Of those who have left, a conversion has neither node nor number to tell.
type Moved<'a> = (Timestamp, u32, &'a str, Option<&'a str>, Option<&'a str>, Option<Timestamp>);

/// By user and journey what each enrollment went through: the reference numbers them in another order.
fn paths(moves: &[TransitionRecord]) -> Vec<(&str, &str, Vec<Moved<'_>>)> {
    let mut all: BTreeMap<(&str, &str, u64), Vec<Moved<'_>>> = BTreeMap::new();
    for t in moves {
        let node = t.node.as_deref().filter(|_| t.what != "converted");
        let moved = (t.at, t.version, t.what.as_str(), node, t.detail.as_deref(), t.until);
        let entry = if t.what == "converted" { u64::MAX } else { t.entry };
        all.entry((&t.user, &t.journey, entry)).or_default().push(moved);
    }
    let mut paths: Vec<_> = all.into_iter().map(|((user, journey, _), path)| (user, journey, path)).collect();
    paths.sort_unstable();
    paths
}

/// What each user went through is the same, in the same order.
fn in_order(reference: &[TransitionRecord], engine: &[TransitionRecord]) -> Compared {
    let (a, b) = (paths(reference), paths(engine));
    if a == b {
        return Ok(());
    }
    same("I1: movements", reference.iter().map(move_text), engine.iter().map(move_text))?;
    equal("I4: the order of what a user went through", &a, &b)
}
