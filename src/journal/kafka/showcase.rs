//! What this instance's workers show of their shards, on its way to the views topic.
//!
//! A worker never waits for it: of several views of a shard only the newest goes out.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use crossbeam::channel::Receiver;

use super::client::{Append, Out};
use super::{Shared, intake, is_closed};
use crate::journal::record::{Shard, View};
use crate::model::Timestamp;

/// The longest wait for something to show: the end of the process waits for it.
const WAIT: Duration = Duration::from_millis(100);

/// The newest view of each shard that has not gone out.
#[derive(Debug, Default)]
pub(super) struct Showcase {
    waiting: Mutex<BTreeMap<Shard, Vec<u8>>>,
    grown: Condvar,
}

impl Showcase {
    /// Takes a view, in place of an older one.
    pub(super) fn put(&self, view: View<'_>) {
        let value = [&view.seq.to_be_bytes(), view.bytes].concat();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(view.shard, value);
        self.grown.notify_one();
    }

    fn take(&self) -> BTreeMap<Shard, Vec<u8>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.grown.wait_timeout_while(waiting, WAIT, |waiting| waiting.is_empty());
        std::mem::take(&mut *waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// Shows until the journal is closed.
pub(super) fn run(shared: &Weak<Shared>, closing: &Receiver<()>) {
    while !is_closed(closing) {
        let Some(shared) = shared.upgrade() else { return };
        let views = shared.showcase.take();
        let keys: Vec<[u8; 2]> = views.keys().map(|shard| shard.to_be_bytes()).collect();
        let records: Vec<Append<'_>> = keys
            .iter()
            .zip(views.values())
            .map(|(key, value)| Append {
                topic: &shared.options.topics.views,
                record: Out { partition: 0, key: Some(key), value: Some(value) },
                headers: &[],
            })
            .collect();
        match intake::append(&shared, &records) {
            // They are shown again when they change.
            Err(error) => tracing::warn!(%error, "other instances do not see what became of some shards"),
            Ok(shown) => {
                if let Some(last) = shown.last() {
                    shared.clock.note(Timestamp(last.timestamp));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::kafka::codec;

    #[test]
    fn of_several_views_of_a_shard_the_newest_goes_out() {
        let showcase = Showcase::default();
        for (shard, seq, bytes) in [(1, 1, "old"), (2, 7, "other"), (1, 2, "new")] {
            showcase.put(View { shard, seq, bytes: bytes.as_bytes() });
        }
        let taken = showcase.take();
        let parts: Vec<_> = taken.iter().map(|(shard, value)| (*shard, codec::view(value))).collect();
        assert_eq!(parts, [(1, Some((2, &b"new"[..]))), (2, Some((7, &b"other"[..])))]);
        assert_eq!(codec::view(b"short"), None);
    }
}
