//! What the journal holds, read back line by line as an outsider would: sends, movements, refusals.

use std::collections::BTreeSet;

use memchr::memmem::Finder;

use super::driver::Fault;
use super::facts::StoryLine;
use super::story;
use crate::journal::embedded::Embedded;
use crate::journal::{Stream, Streams};
use crate::model::Timestamp;
use crate::model::wire::{RefusalRecord, SendRecord, TransitionRecord};

/// Gives every line of a stream that contains `part`, in the order of the commits.
fn lines<T: serde::de::DeserializeOwned>(
    log: &Embedded,
    stream: Stream,
    part: &str,
    mut each: impl FnMut(T),
) -> Result<(), Fault> {
    const AT_ONCE: usize = 4_096;
    let finder = Finder::new(part);
    let (mut next, end) = (0, log.bounds(stream)?.next);
    let mut damaged = None;
    while next < end && damaged.is_none() {
        next = log.read_stream(stream, next, AT_ONCE, &mut |item| {
            // Most lines are of others: to look is cheaper than to parse.
            if finder.find(item.bytes).is_some() {
                match serde_json::from_slice(item.bytes) {
                    Ok(line) => each(line),
                    Err(error) => damaged = Some(error),
                }
            }
        })?;
    }
    damaged.map_or(Ok(()), |error| Err(error.into()))
}

/// Gives every send.
pub(super) fn sends(log: &Embedded, each: impl FnMut(SendRecord)) -> Result<(), Fault> {
    lines(log, Stream::Sends, "", each)
}

/// The users whom a journey's send steps hold back at present, each once.
pub(super) fn queued(log: &Embedded, journey: &str) -> Result<BTreeSet<String>, Fault> {
    let mut users = BTreeSet::new();
    let of_journey = format!("\"journey\":\"{journey}\"");
    lines(log, Stream::Transitions, &of_journey, |t: TransitionRecord| match t.what.as_str() {
        "queued" => {
            users.insert(t.user);
        }
        "sent" => {
            users.remove(&t.user);
        }
        _ => {}
    })?;
    Ok(users)
}

/// Who was the last to leave each journey because it was stopped, and when.
pub(super) fn last_stopped(
    log: &Embedded,
    journeys: [&str; 2],
) -> Result<[Option<(String, Timestamp)>; 2], Fault> {
    let mut last: [Option<(String, Timestamp)>; 2] = [None, None];
    lines(log, Stream::Transitions, "\"detail\":\"stopped\"", |t: TransitionRecord| {
        if let Some(place) = journeys.iter().position(|j| *j == t.journey)
            && last[place].as_ref().is_none_or(|(user, at)| (*at, user.as_str()) < (t.at, t.user.as_str()))
        {
            last[place] = Some((t.user, t.at));
        }
    })?;
    Ok(last)
}

/// All that happened to a user in these journeys: by journey, then in the order in which it happened.
pub(super) fn story_of(log: &Embedded, user: &str, journeys: &[&str]) -> Result<Vec<StoryLine>, Fault> {
    let of_user = format!("\"user\":\"{user}\"");
    let mut told = Vec::new();
    lines(log, Stream::Transitions, &of_user, |t: TransitionRecord| {
        let (node, detail) = (t.node.as_deref().unwrap_or(""), t.detail.as_deref().unwrap_or(""));
        let text = story::movement_of(&t.what, node, detail);
        told.push(StoryLine { at: t.at, journey: t.journey, what: t.what, detail: t.detail, text });
    })?;
    lines(log, Stream::Refusals, &of_user, |r: RefusalRecord| {
        let text = story::refusal_of(&r.reason, &r.state);
        let what = "refused".to_owned();
        told.push(StoryLine { at: r.at, journey: r.journey, what, detail: Some(r.reason), text });
    })?;
    let place = |line: &StoryLine| journeys.iter().position(|j| *j == line.journey);
    told.retain(|line| place(line).is_some());
    // Stable: what happened at one moment stays in its order.
    told.sort_by_key(|line| (place(line), line.at));
    Ok(told)
}
