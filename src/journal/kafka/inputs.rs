//! The topics of events that a shard reads beside the anchor, and what remembers them.
//!
//! The group divides the anchor; partition p of every further topic goes with partition p of it. Their positions lie in
//! the shard's head only, by a number: which topic has which number is in the head too, so that the order in which
//! topics are configured means nothing, and one that is taken away and comes back goes on where it was.

use std::sync::Arc;

use crate::journal::error::JournalError;
use crate::journal::record::{INPUTS_MAX, Shard, Source};

/// A topic beside the anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Further {
    topic: String,
    /// Where it begins for a shard that has never read a record of it.
    base: u64,
}

/// The topics of events that a shard knows: those that are read, and those that were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inputs {
    anchor: String,
    further: Vec<Further>,
}

impl Inputs {
    /// Reads what [`Inputs::encode`] wrote.
    pub(super) fn decode(shard: Shard, bytes: &[u8]) -> Result<Self, JournalError> {
        let read = || {
            let mut lines = std::str::from_utf8(bytes).ok()?.lines();
            let anchor = lines.next()?.to_owned();
            let further = lines.map(|line| {
                let (base, topic) = line.split_once(' ')?;
                Some(Further { topic: topic.to_owned(), base: base.parse().ok()? })
            });
            Some(Self { anchor, further: further.collect::<Option<_>>()? })
        };
        read().ok_or_else(|| {
            let what = format!("what shard {shard} knows of its topics of events");
            JournalError::corrupt(what, "it is not a line for the anchor and one for each further topic")
        })
    }

    /// As text, since operators may look at it: the anchor, then base and name of each.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = self.anchor.clone();
        for Further { topic, base } in &self.further {
            text.push_str(&format!("\n{base} {topic}"));
        }
        text.into_bytes()
    }

    /// What a shard is to know that knows `known`, if these topics are read: the first is the anchor. `base` says where
    /// one begins that it does not know yet.
    ///
    /// # Errors
    /// If another anchor was read before, if there are too many, or if `base` fails.
    pub(super) fn of(
        shard: Shard,
        known: Option<Self>,
        anchor: &str,
        further: &[Arc<str>],
        mut base: impl FnMut(&Arc<str>) -> Result<u64, JournalError>,
    ) -> Result<Self, JournalError> {
        let mut all = known.unwrap_or_else(|| Self { anchor: anchor.to_owned(), further: Vec::new() });
        if all.anchor != anchor {
            let was = &all.anchor;
            return Err(JournalError::corrupt(
                format!("topics.events begins with {anchor}, and that"),
                format!("the positions of shard {shard} are those of {was}, which has to stay the first"),
            ));
        }
        for topic in further {
            if all.further.iter().all(|known| *known.topic != **topic) {
                all.further.push(Further { topic: topic.to_string(), base: base(topic)? });
            }
        }
        if all.further.len() > usize::from(INPUTS_MAX) {
            return Err(JournalError::corrupt(
                "topics.events".to_owned(),
                format!("shard {shard} has had more than {INPUTS_MAX} topics beside the anchor"),
            ));
        }
        Ok(all)
    }

    /// The number of a further topic, and where it begins.
    pub(super) fn find(&self, topic: &str) -> Option<(Source, u64)> {
        let number = self.further.iter().position(|known| known.topic == topic)?;
        Some((Source::Input(u8::try_from(number).ok()?), self.further[number].base))
    }

    /// The topic of a number.
    pub(super) fn topic(&self, number: u8) -> Option<&str> {
        self.further.get(usize::from(number)).map(|known| &*known.topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(known: Option<Inputs>, anchor: &str, further: &[&str]) -> Result<Inputs, JournalError> {
        let further: Vec<Arc<str>> = further.iter().map(|topic| Arc::from(*topic)).collect();
        Inputs::of(3, known, anchor, &further, |topic| Ok(topic.len() as u64))
    }

    #[test]
    fn a_topic_keeps_its_number_whatever_is_configured_later() {
        let first = of(None, "web", &["app", "store"]).expect("two are few");
        assert_eq!(first.find("store"), Some((Source::Input(1), 5)));
        let read = Inputs::decode(3, &first.encode()).expect("it reads back");
        assert_eq!(read, first);
        // Another order, one away, one new.
        let then = of(Some(read), "web", &["mail", "store"]).expect("three are few");
        assert_eq!(
            [then.find("store"), then.find("mail")],
            [Some((Source::Input(1), 5)), Some((Source::Input(2), 4))]
        );
        assert_eq!((then.topic(0), then.topic(2), then.topic(3)), (Some("app"), Some("mail"), None));
    }

    #[test]
    fn another_anchor_and_too_many_are_refused_with_what_was_there() {
        let web = of(None, "web", &["app"]).expect("one is few");
        let refused = of(Some(web), "app", &["web"]).expect_err("the anchor was web").to_string();
        assert!(refused.contains("begins with app") && refused.contains("those of web"), "{refused}");
        let many: Vec<String> = (0..=INPUTS_MAX).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of(None, "web", &many).is_err());
        for damaged in [&b""[..], b"web\napp", b"web\nx app", b"\xff"] {
            assert!(Inputs::decode(3, damaged).is_err(), "{damaged:?}");
        }
    }
}
