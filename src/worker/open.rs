//! A worker's shards from the journal: heads first, then the control log up to where each shard stands, then
//! the shards' records.
//!
//! A shard is restored under the journeys of the epoch that it took last; the epochs after that are fed to it
//! like any others, and its first commit acknowledges them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::cycle::{Failure, Options};
use super::desk::{Desk, Step};
use super::feed::{self, Mark};
use super::lists::{self, Lists};
use super::owned::Owned;
use crate::engine::restore::{Meta, RestoreError};
use crate::engine::{Restore, Shard};
use crate::journal::{ControlLog, Head, Journal, Progress, Stored};
use crate::journey::catalog::Catalog;

/// Told how far a shard's restore is.
pub type OnProgress<'a> = &'a mut dyn FnMut(u16, Progress);

/// Where each shard of a worker stands, and what it has not been told yet.
pub(super) struct Standing {
    heads: BTreeMap<u16, (Option<Head>, u64)>,
    catalogs: BTreeMap<u64, Option<Arc<Catalog>>>,
    /// The steps that at least one shard has not taken.
    pub(super) steps: Vec<Arc<Step>>,
}

impl Standing {
    /// Reads the heads, and folds the control log.
    pub(super) fn read<J: Journal>(journal: &mut J, control: &impl ControlLog) -> Result<Self, Failure> {
        let mut heads = BTreeMap::new();
        let mut catalogs = BTreeMap::from([(0, Some(Arc::new(Catalog::empty())))]);
        for shard in journal.shards().to_vec() {
            let head = journal.head(shard)?;
            let epoch = match &head {
                Some(head) => Meta::decode(&head.meta).ok_or_else(|| damaged(shard))?.epoch,
                None => 0,
            };
            catalogs.entry(epoch).or_insert(None);
            heads.insert(shard, (head, epoch));
        }
        let oldest = heads.values().map(|(_, epoch)| *epoch).min().unwrap_or(0);
        let mut steps = Vec::new();
        Desk::new().catch_up(control, &mut |_, answered| {
            if let Ok((_, Some(step))) = answered {
                if let Some(wanted) = catalogs.get_mut(&step.epoch.number) {
                    *wanted = Some(Arc::clone(&step.epoch.catalog));
                }
                if step.epoch.number > oldest {
                    steps.push(step);
                }
            }
        })?;
        Ok(Self { heads, catalogs, steps })
    }

    /// Restores one shard, or makes a new one.
    pub(super) fn open<J: Journal>(
        &self,
        journal: &mut J,
        shard: u16,
        options: &Options,
        progress: OnProgress<'_>,
    ) -> Result<Owned, Failure> {
        let (head, epoch) = &self.heads[&shard];
        let catalog = self.catalogs[epoch].as_ref();
        let catalog = catalog.ok_or(Failure::UnknownEpoch { shard, epoch: *epoch })?;
        restore(journal, shard, head.as_ref(), catalog, options, progress)
    }
}

fn damaged(shard: u16) -> Failure {
    Failure::Restore(RestoreError::Record { shard, key: "meta".to_owned() })
}

/// Restores a shard as its head says, under the journeys of the epoch that it took last, and starts it.
pub(super) fn restore<J: Journal>(
    journal: &mut J,
    shard: u16,
    head: Option<&Head>,
    catalog: &Arc<Catalog>,
    options: &Options,
    progress: OnProgress<'_>,
) -> Result<Owned, Failure> {
    let setup = options.setup(shard);
    let (mut lists, mut marks) = (Lists::default(), BTreeMap::new());
    let core = match head {
        None => Shard::new(setup),
        Some(head) => {
            let mut records = Restore::new(setup);
            let mut failed = None;
            let mut told = |at| {
                progress(shard, at);
                ControlFlow::Continue(())
            };
            journal.stored(shard)?.records(&mut told, &mut |key, value| {
                failed = take(&mut records, &mut lists, &mut marks, shard, key, value).err();
                if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            records.finish(&head.meta, catalog)?
        }
    };
    journal.start(shard)?;
    Ok(Owned::new(shard, core, lists, marks))
}

fn take(
    records: &mut Restore,
    lists: &mut Lists,
    marks: &mut BTreeMap<u8, Arc<Mark>>,
    shard: u16,
    key: &[u8],
    value: &[u8],
) -> Result<(), RestoreError> {
    let damaged = || RestoreError::Record { shard, key: key.escape_ascii().to_string() };
    match key {
        [lists::KEY, ..] => lists.restore(key, value).ok_or_else(damaged),
        [feed::KEY, file] => {
            let mark: Mark = serde_json::from_slice(value).map_err(|_| damaged())?;
            marks.insert(*file, Arc::new(mark));
            Ok(())
        }
        _ => records.record(key, value),
    }
}
