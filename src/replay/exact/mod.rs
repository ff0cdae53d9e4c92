//! Exact replay: what a journal holds is decided again, by the production engine, from what each commit read, and
//! compared with what left the shards, byte for byte (U5, protocol 1).
//!
//! A commit's cycle says what it took in which order: records by their offsets, epochs, timers and releases by their
//! counts. The control log is folded anew; the records are read where they stand. `thread` drives some shards through
//! their commits and compares; `seat` is one shard on its way; `steps` the control log, `files` followed files; `held`
//! what the journal holds and is not compared yet; `report` what is told, `output` what is written.
//!
//! A shard is replayed from its first commit, since no earlier state is kept; a range says what is compared. Nothing
//! is joined, committed, appended or dropped: a deployment that runs is not disturbed, and is replayed up to where it
//! was at the start.

mod files;
mod held;
mod output;
pub mod range;
pub mod report;
mod seat;
mod steps;
mod thread;
pub mod trouble;
mod verb;

use std::path::PathBuf;
use std::thread::scope;

pub use range::{Bound, Range};
pub use report::{Compared, Report, ShardReport};
pub use thread::ExactError;
pub use trouble::{Difference, Trouble, Verdict};
pub use verb::run;

use self::output::Parts;
use self::seat::Seat;
use self::thread::{Done, Thread};
use super::story::Story;
use crate::control::story::Chapter;
use crate::journal::history::History;
use crate::worker::cycle::Options;

/// What is wanted of a replay.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The commits to compare.
    pub range: Range,
    /// The shards; all if there is none.
    pub shards: Vec<u16>,
    /// How many threads; at least one.
    pub threads: usize,
    /// Where to write the decisions of the range, if they are wanted.
    pub out: Option<PathBuf>,
    /// The user whose story is wanted; then only that shard is replayed.
    pub story: Option<String>,
}

/// What a replay gives.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was compared.
    pub report: Report,
    /// The story of the user, oldest first.
    pub story: Vec<Chapter>,
}

/// Decides everything again that `history` holds, with the options that the shards have run with, and compares.
///
/// # Errors
/// If nothing can be read any more, or the files not be written. What only one shard lacks is its verdict.
pub fn replay<H: History>(history: &H, options: &Options, wanted: &Wanted) -> Result<Told, ExactError> {
    if let Some(directory) = &wanted.out {
        output::prepare(directory)?;
    }
    let shards = shards(history, wanted);
    let count = wanted.threads.clamp(1, shards.len().max(1));
    let mut groups: Vec<Vec<u16>> = vec![Vec::new(); count];
    shards.iter().enumerate().for_each(|(at, &shard)| groups[at % count].push(shard));
    let threads: Vec<Thread<'_, H>> = groups
        .into_iter()
        .map(|group| {
            let story = || wanted.story.as_deref().map(Story::of);
            let seat = |&shard: &u16| Seat::new(shard, options, history.letter_bytes_max(), story());
            let parts = wanted.out.as_ref().map(|directory| {
                group.iter().map(|&shard| Parts::create(directory, shard)).collect::<Result<Vec<_>, _>>()
            });
            let seats = group.iter().map(seat).collect();
            Ok(Thread::new(history, seats, wanted.range, parts.transpose()?)?)
        })
        .collect::<Result<_, ExactError>>()?;
    let done: Vec<Result<Done, ExactError>> = scope(|scope| {
        let running: Vec<_> = threads.into_iter().map(|thread| scope.spawn(|| thread.run())).collect();
        let ended = running.into_iter().map(|thread| thread.join());
        ended.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let (mut reports, mut story, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for done in done {
        let done = done?;
        reports.extend(done.reports);
        story.extend(done.story);
        parts.extend(done.parts);
    }
    reports.sort_by_key(|report| report.shard);
    let report = Report { shards: reports };
    if let Some(directory) = &wanted.out {
        output::finish(directory, parts, &format!("{:#}\n", report.json()))?;
    }
    if wanted.story.is_some() {
        // A verb comes before all else of its instant.
        let mut verbs = steps::verbs(history)?;
        verbs.append(&mut story);
        verbs.sort_by_key(Chapter::at);
        story = verbs;
    }
    Ok(Told { report, story })
}

/// The shards to replay: those asked for that have ever committed, as far as that is known.
fn shards(history: &impl History, wanted: &Wanted) -> Vec<u16> {
    let own = wanted.story.as_deref().map(|user| history.shard_of(user));
    (0..history.shard_count())
        .filter(|shard| wanted.shards.is_empty() || wanted.shards.contains(shard))
        .filter(|shard| own.is_none_or(|own| own == *shard))
        .filter(|&shard| history.last_commit(shard) != Some(0))
        .collect()
}
