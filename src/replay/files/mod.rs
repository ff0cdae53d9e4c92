//! `wayfarer replay --events`: recorded events through the engine on a virtual clock. What would have been sent,
//! to whom, why.
//!
//! The way of an event: `intake` decodes each line once, sorts within the bound of lateness and makes
//! rounds; `stage` runs the clock through the rounds, the operator's `script` and what is left of the
//! timers; `crew` are the threads that own the 64 shards; `limits` hands out entry limits; `output`
//! merges what was decided into one order. The same input gives the same bytes, whatever the number of
//! threads.

mod script;
mod lists;
mod chunk;
mod interest;
mod intake;
mod crew;
mod limits;
mod stage;
mod output;
mod summary;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam::channel::{Receiver, bounded};

use self::crew::{Crew, Finished, Wanted};
use self::intake::{Intake, Round};
use self::interest::Interest;
use self::output::Output;
use self::script::{Line, Order};
use self::stage::Stage;
use crate::cli::{ReplayArgs, exit};
use crate::control::statistics;
use crate::control::story::Chapter;
use crate::ctl::flows;
use crate::ingest::reader::{Format, Mapping, Reader, open};
use crate::journey::definition::Definition;
use crate::journey::source::load_directory;
use crate::replay::error::ReplayError;

pub use intake::Counts;
pub use summary::{JourneySummary, Summary, VersionSummary};

/// Rounds that may be read ahead of the clock.
const AHEAD_MAX: usize = 4;

/// What the command line refuses to be without.
const NEEDED: &str = "a replay that is not of a journal is given journeys and events";

fn recorded(args: &ReplayArgs) -> &Path {
    args.events.as_deref().expect(NEEDED)
}

/// Does a replay: the summary or the story on `out`; problems, and how fast it was, on `err`. Returns the
/// exit code.
pub fn run(args: &ReplayArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match replay(args, err) {
        Ok(told) => match tell(args, &told, out) {
            Ok(()) => told.code(args, err),
            Err(error) => {
                let _ = writeln!(err, "the summary cannot be written: {error}");
                exit::FILE
            }
        },
        Err(error) => {
            // Whoever cannot read the reason still gets the code.
            let _ = writeln!(err, "{error}");
            error.exit_code()
        }
    }
}

/// What a replay has to tell.
struct Told {
    summary: Summary,
    story: Vec<Chapter>,
    /// What moved in each bucket, if that was asked for.
    statistics: Option<Vec<statistics::Line>>,
    warnings: Vec<String>,
}

impl Told {
    fn code(&self, args: &ReplayArgs, err: &mut dyn Write) -> u8 {
        let events = &self.summary.events;
        if events.events == 0 {
            let rejected: u64 = events.rejected.values().sum();
            let file = recorded(args).display();
            let _ = writeln!(
                err,
                "{file} holds no event: {} lines, of which {rejected} are no messages; they must be JSON \
                 lines in Segment's form, or CSV with --map",
                events.lines
            );
            return exit::PROBLEM;
        }
        if !self.summary.is_conserved() {
            let _ = writeln!(err, "the counts of a journey do not add up: a bug of wayfarer");
            return exit::PROBLEM;
        }
        if self.summary.refused_verbs.is_empty() { exit::OK } else { exit::PROBLEM }
    }
}

/// The summary as JSON for the standard output.
#[derive(serde::Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<&'a [statistics::Line]>,
}

fn tell(args: &ReplayArgs, told: &Told, out: &mut dyn Write) -> io::Result<()> {
    // What went into a file need not be seen: by the hour it may be long.
    let printed = told.statistics.as_deref().filter(|_| args.out.is_none());
    match (&args.explain, args.json) {
        (None, false) => {
            write!(out, "{}", told.summary)?;
            if let Some(lines) = printed {
                write!(out, "\n{}", flows::lines(lines))?;
            }
        }
        (None, true) => {
            let told = Printed { summary: &told.summary, statistics: printed };
            serde_json::to_writer_pretty(&mut *out, &told)?;
            writeln!(out)?;
        }
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
        }
    }
    out.flush()
}

fn replay(args: &ReplayArgs, err: &mut dyn Write) -> Result<Told, ReplayError> {
    let definitions = journeys(args.journeys.as_deref().expect(NEEDED), err)?;
    let script = args.script.as_deref().map_or(Ok(Vec::new()), script::read)?;
    let lists = lists::read(&args.list)?;
    let interest = interest(&definitions, &script, args.explain.as_deref())?;
    let reader = reader(args)?;
    let output =
        args.out.as_deref().map(|out| Output::create(out, args.statistics_by.is_some())).transpose()?;
    let mut intake = Intake::new(reader, Arc::new(interest), args.late, output.is_some());
    let cores = || thread::available_parallelism().map_or(1, usize::from).min(64);
    let threads = args.threads.map_or_else(cores, |threads| threads as usize);
    let lines = output.is_some();
    let wanted = Wanted { lines, story: args.explain.clone(), statistics: args.statistics_by };
    let began = Instant::now();
    let bar = progress();
    let (told, output) = thread::scope(|scope| {
        let (rounds, read) = bounded(AHEAD_MAX);
        scope.spawn(move || {
            loop {
                let round = intake.next_round();
                let goes_on = matches!(round, Ok(Some(_)));
                // Nobody reads on after --until.
                if rounds.send(round).is_err() || !goes_on {
                    return;
                }
            }
        });
        let crew = Crew::start(scope, threads, &wanted);
        let stage = Stage::new(crew, definitions, script, lists, output, args.until);
        play(stage, &read, &bar)
    })?;
    bar.finish_and_clear();
    for warning in &told.warnings {
        let _ = writeln!(err, "warning: {warning}");
    }
    if let Some(output) = output {
        let mut summary = serde_json::to_vec_pretty(&told.summary).expect("a summary is JSON");
        summary.push(b'\n');
        output.finish(&summary, told.statistics.as_deref())?;
    }
    let (seconds, lines) = (began.elapsed().as_secs_f64(), told.summary.events.lines);
    let _ =
        writeln!(err, "{lines} lines in {seconds:.2} s: {:.0} a second", lines as f64 / seconds.max(1e-9));
    Ok(told)
}

/// The progress of one replay: what the reader gives, until the clock has stopped.
fn play(
    mut stage: Stage,
    read: &Receiver<Result<Option<Round>, ReplayError>>,
    bar: &indicatif::ProgressBar,
) -> Result<(Told, Option<Output>), ReplayError> {
    let mut counts = Counts::default();
    while let Ok(round) = read.recv() {
        let Some(round) = round? else { break };
        bar.set_position(round.counts.lines);
        counts = round.counts.clone();
        if !stage.round(&Arc::new(round))? {
            break;
        }
    }
    bar.set_message("the timers that are left");
    let until = stage.run_on()?;
    let Stage { crew, fold, output, refused, warnings, verbs, .. } = stage;
    let Finished { mut shards, tally } = crew.finish();
    let summary = Summary::of(counts, until, &fold, refused, &shards);
    let statistics = tally.map(|tally| tally.lines(fold.catalog()));
    let own = shards.iter_mut().find_map(|done| done.story.take());
    let mut story: Vec<Chapter> = Vec::new();
    if let Some(own) = own {
        // A verb comes before all else of its instant.
        story = verbs;
        story.extend(own.chapters);
        story.sort_by_key(Chapter::at);
    }
    Ok((Told { summary, story, statistics, warnings }, output))
}

/// The journeys of a directory; warnings go to `err`.
fn journeys(directory: &Path, err: &mut dyn Write) -> Result<Vec<Definition>, ReplayError> {
    if let Err(error) = std::fs::read_dir(directory) {
        return Err(ReplayError::file(directory, "read", &error));
    }
    let loaded = load_directory(directory);
    let problems: Vec<String> = loaded.problems.iter().map(|problem| format!("{problem}\n")).collect();
    if loaded.has_errors() {
        return Err(ReplayError::Problem(problems.concat().trim_end().to_owned()));
    }
    if loaded.journeys.is_empty() {
        let message = "has no journey; a journey is a .toml or .json file directly in it";
        return Err(ReplayError::Problem(format!("{} {message}", directory.display())));
    }
    for warning in problems {
        let _ = write!(err, "{warning}");
    }
    Ok(loaded.journeys.into_iter().map(|(_, definition)| definition).collect())
}

fn interest(
    definitions: &[Definition],
    script: &[Line],
    told: Option<&str>,
) -> Result<Interest, ReplayError> {
    let later = script.iter().filter_map(|line| match &line.order {
        Order::Put(definition) => Some(&**definition),
        Order::Act(_) | Order::Enter { .. } => None,
    });
    let all: Vec<&Definition> = definitions.iter().chain(later).collect();
    Interest::of(&all, told)
}

fn reader(args: &ReplayArgs) -> Result<Reader, ReplayError> {
    let name = recorded(args).display().to_string();
    let stem = name.trim_end_matches(".gz").trim_end_matches(".zst");
    let format = if args.map.is_empty() {
        if stem.ends_with(".csv") {
            return Err(ReplayError::Usage(format!(
                "{name} is a table; say which column is what, such as --map user=customer_id \
                 --map event=action --map timestamp=time"
            )));
        }
        Format::JsonLines
    } else {
        let mut entries: Vec<String> =
            args.map.iter().map(|mapping| format!("{}={}", mapping.field, mapping.column)).collect();
        entries.push("properties=*".to_owned());
        let mapping: Mapping = entries
            .join(",")
            .parse()
            .map_err(|error: crate::ingest::reader::MappingError| ReplayError::Usage(error.to_string()))?;
        Format::Csv(mapping)
    };
    if name == "-" {
        return Ok(Reader::new("the standard input".to_owned(), Box::new(io::stdin()), format)?);
    }
    Ok(open(recorded(args), format)?)
}

/// Lines and their rate, on the standard error if that is a terminal.
fn progress() -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new_spinner();
    let style = indicatif::ProgressStyle::with_template("{spinner} {human_pos} lines, {per_sec} {msg}");
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()));
    bar
}
