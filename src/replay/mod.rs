//! `wayfarer replay`: decisions made by the production engine outside production.
//!
//! - [`files`]: recorded events through definitions on a virtual clock: what would have been sent.
//! - [`exact`]: a journal's own decisions again, compared byte for byte with what it holds.
//! - `story`: one user's story, heard while it happens; `error`: why there is no result.

mod error;
mod story;
pub mod files;
pub mod exact;

use std::io::Write;

use crate::cli::ReplayArgs;

pub use error::ReplayError;
pub use files::{Counts, JourneySummary, Summary, VersionSummary};

/// Does a replay: the summary or the story on `out`; problems, and how fast it was, on `err`. Returns the exit code.
pub fn run(args: &ReplayArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    if args.is_of_journal() { exact::run(args, out, err) } else { files::run(args, out, err) }
}
