//! Rows of audience lists, which a worker reads at each shard's own pace, beside what it polls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{Consumer, Edge, Partition};
use super::owned::logged;
use super::worker::KafkaWorker;
use super::{Shared, storage};
use crate::journal::batch::Batch;
use crate::journal::error::JournalError;
use crate::journal::record::{Kind, Record, Shard, Source};

/// How long one poll waits for rows of a list.
const ROWS_WAIT: Duration = Duration::from_millis(10);
/// How long rows are waited for that are there: a broker has to be connected first. They come next time then.
const ROWS_PATIENCE: Duration = Duration::from_secs(1);

/// What is read without the group, and from which shard on it was last.
#[derive(Debug)]
pub(super) struct Rows {
    reader: Consumer,
    /// The next offset that the reader gives, by shard.
    next: BTreeMap<Shard, u64>,
}

fn lists(shared: &Shared, shard: Shard) -> Partition {
    Partition::new(Arc::clone(&shared.options.topics.lists), i32::from(shard))
}

impl KafkaWorker {
    /// No more rows of this shard are wanted.
    pub(super) fn forget_rows(&mut self, shard: Shard) {
        if let Some(rows) = &mut self.rows
            && rows.next.remove(&shard).is_some()
        {
            // What is not assigned any more is what is wanted.
            let _ = rows.reader.unassign(&[lists(&self.shared, shard)]);
        }
    }

    /// [`crate::journal::Journal::read`].
    pub(super) fn read_rows(
        &mut self,
        shard: Shard,
        source: Source,
        from: u64,
        max: usize,
        batch: &mut Batch,
    ) -> Result<(), JournalError> {
        batch.clear();
        self.place(shard)?;
        if source != Source::Lists {
            return Ok(());
        }
        let doing = storage("read rows of a list");
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => {
                let reader = self.shared.options.scanner().map_err(&doing)?;
                self.rows.insert(Rows { reader, next: BTreeMap::new() })
            }
        };
        // One shard at a time: what another one's reader would fetch ahead could not be told apart.
        let partition = [lists(&self.shared, shard)];
        if rows.next.get(&shard) != Some(&from) {
            for (other, _) in std::mem::take(&mut rows.next) {
                let _ = rows.reader.unassign(&[lists(&self.shared, other)]);
            }
            let start = i64::try_from(from).unwrap_or(i64::MAX);
            let oldest = self.shared.edges(&partition, Edge::Earliest).map_err(&doing)?[0].unsigned_abs();
            if from < oldest {
                return Err(JournalError::Gone { what: "row of a list", asked: from, oldest });
            }
            rows.reader.assign(&[(partition[0].clone(), start)]).map_err(&doing)?;
            rows.next.insert(shard, from);
        }
        let (began, mut end) = (Instant::now(), None);
        loop {
            let polled = rows.reader.poll(&mut self.messages, max, ROWS_WAIT, &mut |_, _| {});
            polled.map_err(|failed| doing(failed.error))?;
            if !self.messages.is_empty() || began.elapsed() > ROWS_PATIENCE {
                break;
            }
            let end = match end {
                Some(end) => end,
                None => *end.insert(self.shared.edges(&partition, Edge::Latest).map_err(&doing)?[0]),
            };
            let at = rows.reader.positions(&partition).map_err(&doing)?[0];
            if at.map_or(from, i64::unsigned_abs) >= end.unsigned_abs() {
                break;
            }
        }
        let now = self.shared.clock.now();
        for message in self.messages.iter() {
            let logged = logged(message);
            let (appended, timed) = (logged.min(now), logged <= now);
            let offset = message.offset().unsigned_abs();
            rows.next.insert(shard, offset + 1);
            let bytes = message.value().unwrap_or_default();
            let record = Record { shard, source, kind: Kind::ListRow, offset, appended, timed, bytes };
            batch.push_keyed(record, message.key());
        }
        Ok(())
    }
}
