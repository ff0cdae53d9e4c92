//! The hours of a journey, as its shards have committed them.

use super::running::unreadable;
use crate::control::service::StatisticsError;
use crate::control::statistics::{Asked, Tally};
use crate::engine::commit::key;
use crate::engine::flows::Flows;
use crate::journal::Streams;

/// Adds up the hours of what is asked over all shards: one run of small records for each shard and version,
/// at most as many as there are hours in the range. The workers go on meanwhile.
pub(super) fn tally(log: &impl Streams, shards: u16, asked: &Asked) -> Result<Tally, StatisticsError> {
    let mut tally = Tally::new(asked.range.by);
    let (from, to, zone) = (asked.range.from, asked.range.to, &asked.range.zone);
    for &plan in &asked.plans {
        for shard in 0..shards {
            log.read_state(shard, &key::hour(plan, from), &key::hour(plan, to), &mut |record, row| {
                if let Some(hour) = key::beginning(record) {
                    tally.add(plan, hour, zone, Flows::read(row).row());
                }
            })
            .map_err(|error| unreadable("the stored hours", &error))?;
        }
        // What is too much is refused before it has grown by another version.
        tally.fits()?;
    }
    Ok(tally)
}
