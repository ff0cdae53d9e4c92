//! `wayfarer run`: settings → journal → threads, until a signal; whatever is wrong in one sentence.
//!
//! When the journal runs out of room, its threads end and begin anew when there is room; the server stays, and
//! says why nothing is taken meanwhile.

mod histograms;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
#[cfg(feature = "kafka")]
mod watchdog;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crossbeam::channel::{Receiver, bounded, select};
use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM};
use tracing_subscriber::EnvFilter;

use crate::cli::{RunArgs, exit};
use crate::config::{self, Format, Fsync, JournalKind, Settings};
use crate::control::service::CommandError;
use crate::http;
use crate::journal::embedded::{self, Embedded, EmbeddedOptions, OpenError, Retention};
use crate::journal::follow::Mode;
use crate::journal::sends_file::SendsFileError;
use crate::journal::{JournalError, Log, steps};
use crate::metrics::Hub;
use crate::worker::formats;
use crate::worker::journeys::{self, JourneysError};
use crate::worker::process::{Cause, Death, Process, StartError, hub};
use crate::worker::stage::Stage;
use histograms::Histograms;

/// What the shell is told when a second signal ends the process at once: 128 and the signal, as for any other
/// process.
const BY_SIGNAL: i32 = 128;
/// By what health knows that not everything has been started.
const START: &str = "the start";
/// How long to wait before looking again whether there is room.
const ROOM_RETRY: Duration = Duration::from_millis(500);

/// Runs until SIGTERM or SIGINT; the code to exit with.
#[must_use]
pub fn run(args: &RunArgs) -> u8 {
    match start(args) {
        Ok(()) => exit::OK,
        Err((code, message)) => {
            // Nobody is left to tell if the standard error is gone.
            let _ = writeln!(io::stderr(), "wayfarer: {message}");
            code
        }
    }
}

/// Why the process ends with another code than 0: the code, and the sentence.
type Ended = (u8, String);

/// What ends the process with a code.
pub(crate) fn because(code: u8) -> impl Fn(&dyn ToString) -> Ended {
    move |error| (code, error.to_string())
}

fn start(args: &RunArgs) -> Result<(), Ended> {
    let settings = config::load(args.config.as_deref()).map_err(|e| because(exit::CONFIG)(&e))?.settings;
    log_to_stderr(&settings);
    steps::arm().map_err(|why| (exit::CONFIG, why))?;
    formats::arm().map_err(|why| (exit::CONFIG, why))?;
    args.events.as_deref().map_or(Ok(()), plain)?;
    let signals = signals().map_err(|e| (exit::JOURNAL, format!("signals cannot be waited for: {e}")))?;
    match settings.journal.kind {
        JournalKind::Embedded => {
            let log = open(&settings).map_err(|e| because(exit::JOURNAL)(&e))?;
            serve(log, args, &settings, &signals)
        }
        #[cfg(feature = "kafka")]
        JournalKind::Kafka => serve(kafka::open(args, &settings)?, args, &settings, &signals),
        #[cfg(not(feature = "kafka"))]
        JournalKind::Kafka => Err(crate::topics::without_kafka()),
    }
}

/// A journal that can be run on.
trait Runs: Log {
    /// Why it has ended, if that was for want of room on this machine.
    fn wants_room(&self) -> Option<String> {
        None
    }

    /// Opens it again once there is room; `None` if there is none yet. Asked only of one that wanted room.
    fn again(settings: &Settings) -> Result<Option<Self>, Ended>;
}

impl Runs for Embedded {
    fn wants_room(&self) -> Option<String> {
        Self::wants_room(self)
    }

    fn again(settings: &Settings) -> Result<Option<Self>, Ended> {
        match open(settings) {
            Ok(log) => match log.probe() {
                Ok(()) => return Ok(Some(log)),
                Err(error) => tracing::warn!(%error, "there is still no room"),
            },
            // Whoever asked something of the last one still has it, or there is no room to open it.
            Err(error @ (OpenError::InUse(_) | OpenError::Io { .. })) => tracing::warn!(%error),
            Err(error @ OpenError::Recover { cause: JournalError::Storage { .. }, .. }) => {
                tracing::warn!(%error);
            }
            Err(error) => return Err(because(exit::JOURNAL)(&error)),
        }
        Ok(None)
    }
}

/// From an open journal to the end of the last thread.
fn serve<L: Runs>(log: L, args: &RunArgs, settings: &Settings, signals: &Receiver<i32>) -> Result<(), Ended> {
    let hub = hub(settings, log.shard_count());
    let histograms = Histograms::start(&settings.metrics, &hub)
        .map_err(|e| (exit::JOURNAL, format!("a thread cannot be started: {e}")))?;
    let process = begin(args, settings, &log, &hub)?;
    let stage = Arc::new(Stage::new(Arc::clone(process.running()), hub.clone()));
    // The server listens before the shards are restored, and says that it is not ready.
    let service: Arc<Stage<L>> = Arc::clone(&stage);
    let server = match http::serve(service, &settings.http, hub.clone()) {
        Ok(server) => server,
        Err(error) => {
            process.stop();
            return Err(because(exit::CONFIG)(&error));
        }
    };
    tracing::info!(address = %server.address(), "listening");
    let mut life = Life { args, settings, signals, stage, hub, first: true };
    let (process, ended) = life.live(log, process);
    // No more requests are taken before the workers stop.
    life.stage.end();
    let cut = server.shutdown();
    if cut > 0 {
        tracing::warn!(cut, "connections were cut whose requests took longer than http.shutdown_timeout");
    }
    if let Some(process) = process {
        process.stop();
    }
    // Last, so that its last interval has what the threads did last.
    drop(histograms);
    ended
}

fn open(settings: &Settings) -> Result<Embedded, OpenError> {
    let directory = &settings.journal.directory;
    let log = Embedded::open(directory, journal_options(settings))?;
    tracing::info!(directory = %directory.display(), id = log.id(), "the journal is open");
    Ok(log)
}

/// Starts the threads; they are not ready before [`Life::execute`] says so.
fn begin<L: Log>(args: &RunArgs, settings: &Settings, log: &L, hub: &Hub) -> Result<Process<L>, Ended> {
    let process = Process::start(log, settings, follows(args), hub).map_err(|e| code_of(&e))?;
    let why = "its journeys are being put and its inputs opened".to_owned();
    process.running().board().ails(START, Some(why));
    Ok(process)
}

fn follows(args: &RunArgs) -> bool {
    args.events.as_deref().is_some_and(|path| path != Path::new("-"))
}

/// Where a signal found the threads.
enum Over {
    /// Restoring their shards.
    Restoring,
    /// At work.
    Open,
}

/// What stays while threads come and go.
struct Life<'a, L: Log> {
    args: &'a RunArgs,
    settings: &'a Settings,
    signals: &'a Receiver<i32>,
    stage: Arc<Stage<L>>,
    hub: Hub,
    /// Nothing has been given yet that is given once: the journeys of the directory, the standard input.
    first: bool,
}

impl<L: Runs> Life<'_, L> {
    /// Until the first signal, or until something is wrong; the threads that are to be stopped. Those that are
    /// still restoring end with the process: they have decided nothing.
    ///
    /// Where only room is wanting, they end, and others begin when there is room.
    fn live(&mut self, mut log: L, mut process: Process<L>) -> (Option<Process<L>>, Result<(), Ended>) {
        loop {
            let ended = match self.execute(&mut process) {
                Ok(Over::Open) => Ok(()),
                Ok(Over::Restoring) => return (None, Ok(())),
                Err(ended) => Err(ended),
            };
            let Some(reason) = ended.as_ref().err().and_then(|_| log.wants_room()) else {
                return (Some(process), ended);
            };
            tracing::error!(reason, "there is no room; nothing is taken in until there is");
            self.stage.lower(format!(
                "{reason}; nothing that was answered is lost, and it goes on by itself when there is room"
            ));
            process.stop();
            drop(log);
            log = match self.wait_for_room() {
                Ok(Some(log)) => log,
                Ok(None) => return (None, Ok(())),
                Err(ended) => return (None, Err(ended)),
            };
            process = match begin(self.args, self.settings, &log, &self.hub) {
                Ok(process) => process,
                Err(ended) => return (None, Err(ended)),
            };
            self.stage.raise(Arc::clone(process.running()));
        }
    }

    /// Opens the journal again as soon as it can be written; `None` if a signal came first.
    fn wait_for_room(&self) -> Result<Option<L>, Ended> {
        loop {
            select! {
                recv(self.signals) -> _ => return Ok(None),
                default(ROOM_RETRY) => {}
            }
            if let Some(log) = L::again(self.settings)? {
                return Ok(Some(log));
            }
        }
    }

    fn execute(&mut self, process: &mut Process<L>) -> Result<Over, Ended> {
        let Some(files) = process.wait_open_or(self.signals).map_err(|e| code_of(&e))? else {
            tracing::info!("ending before the shards are restored; nothing has been decided");
            return Ok(Over::Restoring);
        };
        if self.first
            && let Some(directory) = &self.args.journeys
        {
            journeys::put_new(process.running(), directory)
                .map_err(|e| (code_of_journeys(&e), e.to_string()))?;
        }
        if let Some(path) = self.args.events.as_deref() {
            let mode = if self.args.follow { Mode::Follow } else { Mode::Whole };
            if follows(self.args) {
                process.follow(path, mode, &files).map_err(|e| code_of(&e))?;
            } else if self.first {
                self.stage.read(io::stdin()).map_err(|e| code_of(&e.into()))?;
            }
        }
        self.first = false;
        process.running().board().ails(START, None);
        tracing::info!("ready");
        select! {
            recv(self.signals) -> signal => {
                let signal = signal.unwrap_or(0);
                tracing::info!(signal, "finishing the cycle at work; a second signal ends at once");
                Ok(Over::Open)
            }
            recv(process.died()) -> death => {
                let death = death.unwrap_or_default();
                Err((code_of_death(&death), death.why))
            }
        }
    }
}

/// What a packed file begins with, how it is called, and what unpacks it to a pipe.
const PACKED: [(&[u8], &str, &str); 2] =
    [(&[0x1f, 0x8b], "gzip", "zcat"), (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat")];

/// Refuses a packed file: positions are those of its bytes, and none of them is a line. What is no file, or
/// cannot be opened, is not looked at here: the bytes of a pipe are there only once.
fn plain(path: &Path) -> Result<(), Ended> {
    let mut start = Vec::new();
    if path.is_file()
        && let Ok(file) = File::open(path)
    {
        // Who reads it next says what is wrong with it.
        let _ = file.take(4).read_to_end(&mut start);
    }
    let Some((_, how, cat)) = PACKED.iter().find(|(magic, ..)| start.starts_with(magic)) else {
        return Ok(());
    };
    let name = path.display();
    let message = format!(
        "{name} is packed with {how}, and --events reads lines: pipe it, \
         {cat} {name} | wayfarer run --events -"
    );
    Err((exit::FILE, message))
}

fn code_of(error: &StartError) -> Ended {
    let code = match error {
        StartError::Sends(SendsFileError::Journal(_)) => exit::JOURNAL,
        StartError::Sends(_) | StartError::Source(_) => exit::FILE,
        StartError::Ended(death) => code_of_death(death),
        StartError::Failure(failure) => code_of_death(&Death::of(failure)),
        StartError::Thread(_) => exit::JOURNAL,
    };
    (code, error.to_string())
}

/// What another start may cure is no problem of the definitions.
fn code_of_journeys(error: &JourneysError) -> u8 {
    match error {
        JourneysError::Command { error, .. } if matches!(**error, CommandError::Unavailable(_)) => {
            exit::JOURNAL
        }
        JourneysError::Command { .. } | JourneysError::Wrong(_) => exit::PROBLEM,
    }
}

fn code_of_death(death: &Death) -> u8 {
    match death.cause {
        Cause::Fenced => exit::FENCED,
        Cause::Incompatible => exit::INCOMPATIBLE,
        Cause::Missing => exit::MISSING,
        Cause::Denied => exit::DENIED,
        Cause::Bug => exit::BUG,
        Cause::Journal => exit::JOURNAL,
    }
}

/// How an embedded journal is opened by the settings.
#[must_use]
pub fn journal_options(settings: &Settings) -> EmbeddedOptions {
    let journal = &settings.journal;
    EmbeddedOptions {
        shards: u16::try_from(settings.engine.shards).unwrap_or(u16::MAX),
        fsync: match journal.fsync {
            Fsync::Always => embedded::Fsync::Always,
            Fsync::Every(interval) => embedded::Fsync::Every(Duration::from_millis(interval.as_millis())),
            Fsync::Never => embedded::Fsync::Never,
        },
        retention: Retention {
            accepted: journal.accepted_retention,
            sends: journal.sends_retention,
            // To replay needs both what was read and in which order.
            cycles: journal.accepted_retention,
            ..Retention::default()
        },
        cache_bytes: journal.cache.bytes(),
        ..EmbeddedOptions::default()
    }
}

/// A second signal ends the process at once: what is committed is committed, and the rest was not answered.
fn signals() -> io::Result<Receiver<i32>> {
    // A write beyond the limit of a file's size is an error like a full disk, and not the end.
    signal_hook::flag::register(Signal::XFSZ.as_raw(), Arc::default())?;
    let again = Arc::new(AtomicBool::new(false));
    let (told, signals) = bounded(1);
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, BY_SIGNAL + signal, Arc::clone(&again))?;
        signal_hook::flag::register(signal, Arc::clone(&again))?;
    }
    let mut waiting = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let wait = move || {
        for signal in waiting.forever() {
            let _ = told.try_send(signal);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(signals)
}

fn log_to_stderr(settings: &Settings) {
    // The level was parsed when the settings were checked.
    let filter = EnvFilter::try_new(&settings.log.level).unwrap_or_default();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let builder = builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    // Whoever has set a subscriber before us (a test) keeps it.
    let _ = match settings.log.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_file_of_events_is_refused_with_the_way_to_unpack_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events");
        for (bytes, says) in [
            (&b"\x1f\x8b\x08\x00"[..], Some("zcat ")),
            (b"\x28\xb5\x2f\xfd", Some("zstdcat ")),
            (b"{\"type\":\"track\"}\n", None),
            (b"\x1f", None),
            (b"", None),
        ] {
            std::fs::write(&path, bytes).expect("a file");
            match (plain(&path), says) {
                (Err((code, message)), Some(says)) => {
                    assert!(code == exit::FILE && message.contains(says), "{message}");
                }
                (came, says) => assert!(came.is_ok() && says.is_none(), "{bytes:?}: {came:?}"),
            }
        }
        assert!(plain(&directory.path().join("missing")).is_ok());
    }
}
