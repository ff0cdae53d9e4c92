//! `wayfarer replay` of a journal: the configuration names it, whichever kind it is.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use super::{ExactError, Range, Told, Wanted, replay};
use crate::cli::{ReplayArgs, exit};
use crate::config::{self, JournalKind, Settings};
use crate::control::story::Chapter;
use crate::journal::JournalError;
use crate::journal::history::{History, Kept};
use crate::look;
use crate::run::because;
use crate::worker::process;

/// How many threads there are unless it is said: each reads the shared streams for itself.
const THREADS_MAX: usize = 8;

/// Why the process ends with another code than 0: the code, and the sentence.
type Ended = (u8, String);

/// Does a replay of a journal; the code to exit with.
pub fn run(args: &ReplayArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let began = Instant::now();
    match of_journal(args) {
        Ok(told) => {
            let commits: u64 = told.report.shards.iter().map(|shard| shard.commits).sum();
            let seconds = began.elapsed().as_secs_f64();
            // Whoever cannot read this still gets the code.
            let _ = writeln!(err, "{commits} commits in {seconds:.2} s");
            match tell(args, &told, out) {
                Ok(()) => told.report.code(),
                Err(error) => {
                    let _ = writeln!(err, "wayfarer: the report cannot be written: {error}");
                    exit::FILE
                }
            }
        }
        Err((code, message)) => {
            let _ = writeln!(err, "wayfarer: {message}");
            code
        }
    }
}

fn of_journal(args: &ReplayArgs) -> Result<Told, Ended> {
    // Not by clap: the variable alone is no word about what to replay.
    let path = args.config.clone().or_else(|| env::var_os("WAYFARER_CONFIG").map(PathBuf::from));
    let mut settings = config::load(path.as_deref()).map_err(|e| because(exit::CONFIG)(&e))?.settings;
    if let Some(directory) = &args.directory {
        settings.journal.kind = JournalKind::Embedded;
        settings.journal.directory.clone_from(directory);
    }
    match settings.journal.kind {
        JournalKind::Embedded if args.kafka => {
            let message = "journal.kind is \"embedded\", and --kafka asks for the other one; leave --kafka out, or \
                           name a configuration with journal.kind = \"kafka\"";
            Err((exit::CONFIG, message.to_owned()))
        }
        JournalKind::Embedded => {
            let log = look::open_as(&settings.journal.directory, crate::run::journal_options(&settings));
            let log = log.map_err(|error| (error.code(), error.to_string()))?;
            again(&Kept::open(log).map_err(|error| ended(&error))?, args, &settings)
        }
        #[cfg(feature = "kafka")]
        JournalKind::Kafka => again(&crate::run::kafka::history(&settings)?, args, &settings),
        #[cfg(not(feature = "kafka"))]
        JournalKind::Kafka => Err(crate::topics::without_kafka()),
    }
}

fn ended(error: &JournalError) -> Ended {
    (exit::JOURNAL, error.to_string())
}

fn again(history: &impl History, args: &ReplayArgs, settings: &Settings) -> Result<Told, Ended> {
    let shards = history.shard_count();
    if let Some(shard) = args.shard.iter().find(|shard| **shard >= shards) {
        let error = JournalError::NoShard { shard: *shard, shards };
        return Err((exit::USAGE, error.to_string()));
    }
    let cores = || thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let wanted = Wanted {
        range: Range { from: args.from, to: args.to },
        shards: args.shard.clone(),
        threads: args.threads.map_or_else(cores, |threads| threads as usize),
        out: args.out.clone(),
        story: args.explain.clone(),
    };
    replay(history, &process::options(settings, shards), &wanted).map_err(|error| match error {
        ExactError::Journal(error) => ended(&error),
        ExactError::File(error) => (error.exit_code(), error.to_string()),
    })
}

fn tell(args: &ReplayArgs, told: &Told, out: &mut dyn Write) -> io::Result<()> {
    match (&args.explain, args.json) {
        (None, false) => write!(out, "{}", told.report)?,
        (None, true) => writeln!(out, "{:#}", told.report.json())?,
        (Some(user), false) if told.story.iter().all(|c| matches!(c, Chapter::Verb { .. })) => {
            writeln!(out, "{user}: nothing came in, and no journey had to do with this user")?;
        }
        (Some(_), json) => {
            for chapter in &told.story {
                if json {
                    serde_json::to_writer(&mut *out, chapter)?;
                    writeln!(out)?;
                } else {
                    writeln!(out, "{chapter}")?;
                }
            }
            // The story is as true as the decisions that it tells.
            told.report.differences().try_for_each(|(shard, d)| writeln!(out, "shard {shard}: {d}"))?;
        }
    }
    out.flush()
}
