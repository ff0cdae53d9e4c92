//! Many seeds, on all the threads that there are.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wayfarer_reference::workload::{Story, story};

use crate::met::Met;
use crate::mutation::Mutation;
use crate::shrink::failure;
use crate::story::{Ran, simulate};

/// Over how many shards stories are spread.
pub const SHARDS: u16 = 4;

/// A seed whose story does not come out as the reference says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    /// The first difference.
    pub why: String,
}

/// What a story does to a build that is whole, or broken so.
///
/// # Errors
/// The first difference; a panic is one too.
pub fn ran(story: &Story, mutation: Option<Mutation>) -> Result<Ran, String> {
    let done = RefCell::new(None);
    let failed = failure(story, |story| simulate(story, mutation).map(|ran| drop(done.replace(Some(ran)))));
    failed.map_or_else(|| Ok(done.into_inner().expect("what does not fail has run")), Err)
}

/// Runs so many seeds from one on; what they met together.
///
/// # Errors
/// The lowest of the seeds that were found to fail.
pub fn many(from: u64, count: u64, mutation: Option<Mutation>) -> Result<Met, Failed> {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let over = AtomicBool::new(false);
    let share = |first: u64| {
        let mut all = Met::default();
        let mut seeds = (first..count).step_by(threads as usize).map(|n| from + n);
        while let Some(seed) = seeds.next().filter(|_| !over.load(Ordering::Relaxed)) {
            match ran(&story(seed, SHARDS), mutation) {
                Ok(ran) => all.add(&ran.met),
                Err(why) => {
                    over.store(true, Ordering::Relaxed);
                    return Err(Failed { seed, why });
                }
            }
        }
        Ok(all)
    };
    let shares: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn({
                    let share = &share;
                    move || share(first)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("a share panics with nobody")).collect()
    });
    let mut all = Met::default();
    let mut failed: Option<Failed> = None;
    for share in shares {
        match share {
            Ok(met) => all.add(&met),
            Err(why) if failed.as_ref().is_none_or(|failed| why.seed < failed.seed) => failed = Some(why),
            Err(_) => {}
        }
    }
    failed.map_or(Ok(all), Err)
}

/// Whether a story shows that something is broken: it differs from the reference, or from itself.
#[must_use]
pub fn shows(story: &Story, mutation: Mutation) -> bool {
    let first = ran(story, Some(mutation));
    first.is_err() || ran(story, Some(mutation)) != first
}
