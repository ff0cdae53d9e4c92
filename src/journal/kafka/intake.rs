//! Records that this instance appends for others to decide: events over HTTP, API entries, rows of lists.

use super::client::{self, AppendError, Header, Out};
use super::codec::KIND_HEADER;
use super::{Kafka, Shared};
use crate::journal::error::IntakeError;
use crate::journal::record::{Append, Appended, IntakeState, Kind, Shard};
use crate::journal::traits::Intake;
use crate::journal::verify;
use crate::model::Timestamp;
use crate::model::envelope::Envelope;

/// The topic of a kind, by its number among the options.
fn topic(shared: &Shared, kind: Kind) -> &str {
    let topics = &shared.options.topics;
    match kind {
        Kind::Event | Kind::CloudEvent => &topics.events,
        Kind::ListRow => &topics.lists,
        Kind::Receipt => &topics.receipts,
        Kind::Entry | Kind::Emitted | Kind::Remove | Kind::Delete | Kind::Failure => &topics.internal,
    }
}

/// The headers of a record, its key and its value: of a CloudEvent those that it came with. `code` is the kind's.
pub(super) fn parts<'a>(
    kind: Kind,
    key: Option<&'a [u8]>,
    bytes: &'a [u8],
    code: &'a str,
) -> (Vec<Header<'a>>, Option<&'a [u8]>, &'a [u8]) {
    match kind {
        Kind::CloudEvent => match Envelope::read(bytes) {
            Some(all) => (all.headers().collect(), all.key, all.value),
            None => (Vec::new(), key, bytes),
        },
        Kind::Event => (Vec::new(), key, bytes),
        _ => (vec![(KIND_HEADER, code.as_bytes())], key, bytes),
    }
}

/// Appends all; either all are there, or it is said that none is, or that nobody knows.
pub(super) fn append(
    shared: &Shared,
    records: &[client::Append<'_>],
) -> Result<Vec<client::Appended>, IntakeError> {
    let mut appended = Vec::with_capacity(records.len());
    let mut failed = None;
    for answer in shared.appender.append(records, shared.options.call_timeout) {
        match answer {
            Ok(at) => appended.push(at),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        None => Ok(appended),
        Some(AppendError::Refused(error)) if appended.is_empty() => {
            Err(IntakeError::Stopped { reason: error.to_string() })
        }
        // Some are there, and some are not: to send them again is right.
        Some(AppendError::Refused(error) | AppendError::Unknown(error)) => {
            Err(IntakeError::Unknown { reason: error.to_string() })
        }
    }
}

impl Intake for Kafka {
    fn shard_count(&self) -> u16 {
        self.shared.options.shards
    }

    fn shard_of(&self, user: &str) -> Shard {
        self.shared.options.partitioner.partition(user.as_bytes(), self.shared.options.shards)
    }

    fn append(&self, _now: Timestamp, records: &[Append<'_>]) -> Result<Appended, IntakeError> {
        let shared = &self.shared;
        verify::records(records, shared.options.shards)?;
        let kinds: Vec<String> = records.iter().map(|record| record.kind.code().to_string()).collect();
        let parts: Vec<_> = records
            .iter()
            .zip(&kinds)
            .map(|(of, code)| parts(of.kind, of.user.map(str::as_bytes), of.bytes, code))
            .collect();
        let wanted: Vec<client::Append<'_>> = records
            .iter()
            .zip(&parts)
            .map(|(record, (headers, key, value))| client::Append {
                topic: topic(shared, record.kind),
                record: Out { partition: i32::from(record.shard), key: *key, value: Some(*value) },
                headers,
            })
            .collect();
        let appended = append(shared, &wanted)?;
        let at = appended.iter().map(|a| Timestamp(a.timestamp)).max();
        Ok(Appended {
            at: at.unwrap_or_else(|| shared.clock.now()),
            offsets: appended.iter().map(|a| a.offset.unsigned_abs()).collect(),
        })
    }

    fn intake_state(&self) -> IntakeState {
        match self.shared.link.silence(self.shared.clock.now()) {
            None => IntakeState::Open,
            Some(reason) => IntakeState::Stopped { reason },
        }
    }
}
