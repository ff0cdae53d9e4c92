//! Topics that change under a running instance: deleted, made anew, denied, given more partitions, or made to take
//! less than a commit holds. None of it passes by itself, and what is decided on top of it may be wrong, so the
//! instance ends, with the code and the sentence that a start would be refused by.
//!
//! A thread asks for the ids and partitions of all topics every two seconds, and compares them with what they were at
//! first. In between, events that a producer puts by another count of partitions are decided where they lie; and of
//! a topic that is made anew is read what lies behind the positions in the old one, if there is something so soon.

use std::collections::BTreeMap;
use std::sync::{OnceLock, Weak};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::Shared;
use super::client::{Described, Named, PollError, TransactionError};
use super::options::TopicNames;
use super::refusal::Cause;
use crate::journal::error::{Fault, JournalError};

/// How often the topics are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What ends the instance, once it is found.
#[derive(Debug, Default)]
pub(super) struct Unfit(OnceLock<JournalError>);

impl Unfit {
    /// The first that is found is what the instance ends with.
    pub(super) fn find(&self, error: &JournalError) {
        if self.0.set(error.clone()).is_ok() {
            tracing::error!("{error}");
        }
    }

    /// Whether anything was found.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}

fn unfit(fault: Fault, sentence: String) -> JournalError {
    JournalError::Unfit { fault, sentence }
}

/// What a poll's error means, if it does not pass by itself.
pub(super) fn of_read(failed: &PollError) -> Option<JournalError> {
    if Cause::of_code(failed.error.code) == Some(Cause::Denied) {
        return Some(unfit(Fault::Denied, format!("{failed}; grant Read on its topic and group")));
    }
    (failed.error.code == Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET as i32).then(|| {
        let sentence = format!(
            "{failed}; the records there were deleted before they were read, or the topic was made anew"
        );
        unfit(Fault::Incompatible, sentence)
    })
}

/// What a commit's failure means, if it does not pass by itself.
pub(super) fn of_commit(failed: &TransactionError) -> Option<JournalError> {
    let (TransactionError::Aborted(error) | TransactionError::Unknown(error)) = failed else { return None };
    if Cause::of_code(error.code) == Some(Cause::Denied) {
        return Some(unfit(Fault::Denied, format!("{error}; grant Write on it")));
    }
    let too_large =
        [Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE];
    too_large.iter().any(|code| *code as i32 == error.code).then(|| {
        let sentence = format!(
            "{error}; it would be refused again: raise max.message.bytes of the topic, and message.max.bytes in \
             kafka.client if that is what refuses it, and start again: nothing of the commit has happened"
        );
        unfit(Fault::Incompatible, sentence)
    })
}

impl TopicNames {
    /// All of them.
    pub(super) fn all(&self) -> Vec<&str> {
        let Self { events, further, internal, receipts, lists, control, state, .. } = self;
        let Self { sends, rejects, transitions, refusals, cycles, views, .. } = self;
        let own = [
            events,
            internal,
            receipts,
            lists,
            control,
            state,
            sends,
            rejects,
            transitions,
            refusals,
            cycles,
            views,
        ];
        own.into_iter().chain(further).map(|name| &**name).collect()
    }
}

/// What the topics were when they were first looked at, and since when some are missing.
#[derive(Debug, Default)]
struct Topics {
    first: BTreeMap<String, Described>,
    missing: BTreeMap<String, Instant>,
}

impl Topics {
    /// Compares what is there with what was; `patience` is for how long a broker may not know a topic, having just
    /// come back.
    fn look(&mut self, now: Instant, there: Vec<Named>, patience: Duration) -> Option<JournalError> {
        for (name, found) in there {
            let found = match found {
                Ok(found) => found,
                Err(error) => match Cause::of_code(error.code) {
                    Some(Cause::Missing) => {
                        let since = *self.missing.entry(name.clone()).or_insert(now);
                        if now.saturating_duration_since(since) <= patience {
                            continue;
                        }
                        let sentence = format!(
                            "{name} is not there any more: {error}; `topics apply` makes it anew, empty, and the \
                             shards' state is that of before"
                        );
                        return Some(unfit(Fault::Missing, sentence));
                    }
                    Some(Cause::Denied) => {
                        let sentence =
                            format!("{name} may not be looked at any more: {error}; grant Describe on it");
                        return Some(unfit(Fault::Denied, sentence));
                    }
                    // No answer, or none of this: whether it was missing all the while is not known.
                    _ => {
                        self.missing.remove(&name);
                        continue;
                    }
                },
            };
            self.missing.remove(&name);
            let first = self.first.entry(name.clone()).or_insert_with(|| found.clone());
            if first.id != found.id {
                let sentence = format!(
                    "{name} was deleted and made anew: it was {} and is {}; positions in it mean nothing any more",
                    first.id, found.id
                );
                return Some(unfit(Fault::Incompatible, sentence));
            }
            if first.partitions != found.partitions {
                let sentence = format!(
                    "{name} had {} partitions and has {}: users would be parted from their state",
                    first.partitions, found.partitions
                );
                return Some(unfit(Fault::Incompatible, sentence));
            }
        }
        None
    }
}

/// Looks until the journal is closed, or something is found.
pub(super) fn run(shared: &Weak<Shared>, closed: &Receiver<()>) {
    let mut topics = Topics::default();
    loop {
        let Some(at) = shared.upgrade() else { return };
        let timeout = at.options.call_timeout;
        // That they do not answer is said by whoever asks more often.
        let found = match at.asker.describe(&at.options.topics.all(), timeout) {
            // They may have answered others meanwhile and not us: this is as of now.
            Ok(there) => topics.look(Instant::now(), there, timeout),
            Err(_) => {
                topics.missing.clear();
                None
            }
        };
        if let Some(error) = found {
            at.unfit.find(&error);
            return;
        }
        drop(at);
        match closed.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::kafka::client::Error;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn topic(id: &str, partitions: usize) -> Result<Described, Error> {
        Ok(Described { id: id.to_owned(), partitions })
    }

    /// What is found when the same topic is looked at in these seconds.
    fn found(looks: &[(u64, Result<Described, Error>)]) -> Option<(Fault, String)> {
        let (mut topics, start) = (Topics::default(), Instant::now());
        let mut look = |(second, found): &(u64, Result<Described, Error>)| {
            topics.look(start + Duration::from_secs(*second), vec![("t".to_owned(), found.clone())], PATIENCE)
        };
        let found: Vec<_> = looks.iter().filter_map(&mut look).collect();
        match found.into_iter().next()? {
            JournalError::Unfit { fault, sentence } => Some((fault, sentence)),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_topic_that_is_not_what_it_was_is_found_and_one_that_a_broker_does_not_know_yet_is_awaited() {
        let gone = || Err(Error::of_code("look", Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as i32));
        let silent = || Err(Error::of_code("look", Code::RD_KAFKA_RESP_ERR__TIMED_OUT as i32));
        let denied =
            || Err(Error::of_code("look", Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as i32));
        let is = || topic("x", 8);
        for (looks, fault, part) in [
            (vec![(0, is()), (2, is())], None, ""),
            (vec![(0, is()), (2, silent()), (30, silent()), (32, is())], None, ""),
            (vec![(0, is()), (2, gone()), (12, gone()), (13, is()), (14, gone()), (20, gone())], None, ""),
            (vec![(0, is()), (2, gone()), (4, silent()), (30, gone()), (32, is())], None, ""),
            (vec![(0, is()), (2, gone()), (13, gone())], Some(Fault::Missing), "not there any more"),
            (vec![(0, is()), (2, topic("y", 8))], Some(Fault::Incompatible), "it was x and is y"),
            (vec![(0, is()), (2, topic("x", 9))], Some(Fault::Incompatible), "had 8 partitions and has 9"),
            (vec![(0, is()), (2, denied())], Some(Fault::Denied), "grant Describe"),
        ] {
            let found = found(&looks);
            assert_eq!(found.as_ref().map(|(fault, _)| *fault), fault, "{looks:?}");
            assert!(found.is_none_or(|(_, said)| said.contains(part)), "{looks:?}");
        }
    }
}
