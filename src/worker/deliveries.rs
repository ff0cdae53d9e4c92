//! How long deliveries take: the newest sends of a worker that wait for the receipt which says that they arrived.
//!
//! A measurement and nothing else: it is bounded, it is not stored, and who never sends receipts pays nothing for
//! it. So whatever was sent before the first receipt, or before a restart, is not measured.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use serde::Deserialize;
use xxhash_rust::xxh3::Xxh3;

use crate::engine::Receipt;
use crate::model::Timestamp;
use crate::model::input::ReceiptKind;

/// How many sends are remembered: 3 MiB of memory, and a minute at a thousand sends a second.
const SENDS_MAX: usize = 1 << 16;

/// Sends that wait for their receipts, by what a receipt says of them.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// Whether there has been a receipt: nothing is remembered before.
    wanted: bool,
    /// When they were committed. Of a user's sends from one node the newest counts. Nobody walks it.
    sent: HashMap<u64, Timestamp>,
    /// The same in their order, with those that are not waited for any more.
    order: VecDeque<(u64, Timestamp)>,
}

/// Of a send's line, what a receipt repeats.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    user: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    journey: std::borrow::Cow<'a, str>,
    version: u32,
    #[serde(borrow)]
    node: std::borrow::Cow<'a, str>,
}

impl Deliveries {
    /// Sends were committed at `at`, these lines.
    pub(super) fn sent<'l>(&mut self, lines: impl Iterator<Item = &'l [u8]>, at: Timestamp) {
        if !self.wanted {
            return;
        }
        for line in lines {
            // A line of our own making reads back; and if not, a measurement is lost.
            let Ok(Named { user, journey, version, node }) = serde_json::from_slice(line) else { continue };
            let name = name_of(&user, &journey, version, &node);
            self.sent.insert(name, at);
            self.order.push_back((name, at));
            if self.order.len() > SENDS_MAX
                && let Some((oldest, sent)) = self.order.pop_front()
                && self.sent.get(&oldest) == Some(&sent)
            {
                self.sent.remove(&oldest);
            }
        }
    }

    /// A receipt arrived at `at`: how long the delivery took that it tells of, if it tells of one.
    pub(super) fn receipt(&mut self, receipt: &Receipt<'_>, at: Timestamp) -> Option<Duration> {
        self.wanted = true;
        let Receipt { kind, user, journey, version, node } = *receipt;
        let name = name_of(user, journey, version, node);
        match kind {
            ReceiptKind::Delivered => {
                let sent = self.sent.remove(&name)?;
                Some(Duration::from_millis(at.since(sent).as_millis()))
            }
            ReceiptKind::Failed => {
                self.sent.remove(&name);
                None
            }
            // Who clicks has got it, but nobody knows since when.
            ReceiptKind::Clicked => None,
        }
    }
}

fn name_of(user: &str, journey: &str, version: u32, node: &str) -> u64 {
    let mut hash = Xxh3::new();
    for part in [user, journey, node] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&version.to_le_bytes());
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, node: &str) -> Vec<u8> {
        format!(
            r#"{{"key":"00","user":"{user}","journey":"j","version":1,"node":"{node}","variables":{{"node":"x"}}}}"#
        )
        .into_bytes()
    }

    fn send(deliveries: &mut Deliveries, user: &str, node: &str, at: i64) {
        deliveries.sent([line(user, node).as_slice()].into_iter(), Timestamp(at));
    }

    fn told(deliveries: &mut Deliveries, kind: ReceiptKind, user: &str, node: &str, at: i64) -> Option<u128> {
        let receipt = Receipt { kind, user, journey: "j", version: 1, node };
        deliveries.receipt(&receipt, Timestamp(at)).map(|took| took.as_millis())
    }

    #[test]
    fn a_delivery_takes_from_the_commit_of_its_send_and_counts_once() {
        use ReceiptKind::{Clicked, Delivered, Failed};
        let mut deliveries = Deliveries::default();
        send(&mut deliveries, "ann", "hello", 0);
        assert_eq!(told(&mut deliveries, Delivered, "ann", "hello", 5), None, "nobody had asked for it then");
        for (user, node, at) in
            [("ann", "hello", 10), ("ann", "again", 20), ("bob", "hello", 30), ("ann", "hello", 40)]
        {
            send(&mut deliveries, user, node, at);
        }
        for (kind, user, node, at, took) in [
            (Clicked, "ann", "again", 60, None),
            (Delivered, "ann", "again", 65, Some(45)),
            (Delivered, "ann", "hello", 70, Some(30)),
            (Delivered, "ann", "hello", 80, None),
            (Failed, "bob", "hello", 90, None),
            (Delivered, "bob", "hello", 95, None),
            (Delivered, "eve", "hello", 99, None),
        ] {
            assert_eq!(told(&mut deliveries, kind, user, node, at), took, "{kind:?} {user} {node}");
        }
    }

    #[test]
    fn no_more_sends_are_remembered_than_there_is_room_for_the_newest_of_them() {
        let mut deliveries = Deliveries { wanted: true, ..Deliveries::default() };
        for n in 0..=SENDS_MAX {
            send(&mut deliveries, &format!("u{n}"), "hello", 0);
        }
        assert_eq!((deliveries.sent.len(), deliveries.order.len()), (SENDS_MAX, SENDS_MAX));
        assert_eq!(told(&mut deliveries, ReceiptKind::Delivered, "u0", "hello", 1), None);
        assert_eq!(told(&mut deliveries, ReceiptKind::Delivered, "u1", "hello", 1), Some(1));
    }
}
