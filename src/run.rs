//! `wayfarer run`: settings → journal → threads, until a signal; whatever is wrong in one sentence.

#[cfg(feature = "kafka")]
mod kafka;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crossbeam::channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use tracing_subscriber::EnvFilter;

use crate::cli::{RunArgs, exit};
use crate::config::{self, Format, Fsync, JournalKind, Settings};
use crate::http;
use crate::journal::embedded::{self, Embedded, EmbeddedOptions, Retention};
use crate::journal::Log;
use crate::journal::follow::Mode;
use crate::journal::sends_file::SendsFileError;
use crate::worker::journeys;
use crate::worker::process::{Process, StartError};

/// What the shell is told when a second signal ends the process at once: 128 and the signal, as for any other
/// process.
const BY_SIGNAL: i32 = 128;

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

fn because(code: u8) -> impl Fn(&dyn ToString) -> Ended {
    move |error| (code, error.to_string())
}

fn start(args: &RunArgs) -> Result<(), Ended> {
    let settings = config::load(args.config.as_deref()).map_err(|e| because(exit::CONFIG)(&e))?.settings;
    log_to_stderr(&settings);
    args.events.as_deref().map_or(Ok(()), plain)?;
    let signals = signals().map_err(|e| (exit::JOURNAL, format!("signals cannot be waited for: {e}")))?;
    match settings.journal.kind {
        JournalKind::Embedded => {
            let log = Embedded::open(&settings.journal.directory, journal_options(&settings))
                .map_err(|e| because(exit::JOURNAL)(&e))?;
            let directory = settings.journal.directory.display();
            tracing::info!(%directory, id = log.id(), "the journal is open");
            live(&log, args, &settings, &signals)
        }
        #[cfg(feature = "kafka")]
        JournalKind::Kafka => live(&kafka::open(args, &settings)?, args, &settings, &signals),
        #[cfg(not(feature = "kafka"))]
        JournalKind::Kafka => Err(crate::topics::without_kafka()),
    }
}

/// From an open journal to the last thread's end.
fn live<L: Log>(
    log: &L,
    args: &RunArgs,
    settings: &Settings,
    signals: &Receiver<i32>,
) -> Result<(), Ended> {
    let follows = args.events.as_deref().is_some_and(|path| path != Path::new("-"));
    let mut process = Process::start(log, settings, follows).map_err(|e| code_of(&e))?;
    let ended = serve(args, settings, &mut process, signals);
    process.stop();
    ended
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

/// From the first thread to the first signal. The server listens before the shards are restored, and says
/// that it is not ready; it takes no more requests before the workers stop.
fn serve<L: Log>(
    args: &RunArgs,
    settings: &Settings,
    process: &mut Process<L>,
    signals: &Receiver<i32>,
) -> Result<(), Ended> {
    let service = Arc::clone(process.running());
    let server =
        http::serve(service, &settings.http, process.hub().clone()).map_err(|e| because(exit::CONFIG)(&e))?;
    tracing::info!(address = %server.address(), "listening");
    let ended = execute(args, process, signals);
    let cut = server.shutdown();
    if cut > 0 {
        tracing::warn!(cut, "connections were cut whose requests took longer than http.shutdown_timeout");
    }
    ended
}

fn execute<L: Log>(
    args: &RunArgs,
    process: &mut Process<L>,
    signals: &Receiver<i32>,
) -> Result<(), Ended> {
    let files = process.wait_open().map_err(|e| code_of(&e))?;
    if let Some(directory) = &args.journeys {
        journeys::put_new(process.running(), directory).map_err(|e| because(exit::PROBLEM)(&e))?;
    }
    match args.events.as_deref() {
        None => {}
        Some(path) if path == Path::new("-") => process.read(io::stdin()).map_err(|e| code_of(&e))?,
        Some(path) => {
            let mode = if args.follow { Mode::Follow } else { Mode::Whole };
            process.follow(path, mode, &files).map_err(|e| code_of(&e))?;
        }
    }
    tracing::info!("ready");
    select! {
        recv(signals) -> signal => {
            let signal = signal.unwrap_or(0);
            tracing::info!(signal, "finishing the cycle at work; a second signal ends at once");
            Ok(())
        }
        recv(process.died()) -> death => {
            let death = death.unwrap_or_default();
            Err((if death.fenced { exit::FENCED } else { exit::JOURNAL }, death.why))
        }
    }
}

fn code_of(error: &StartError) -> Ended {
    let code = match error {
        StartError::Sends(SendsFileError::Journal(_)) => exit::JOURNAL,
        StartError::Sends(_) | StartError::Source(_) => exit::FILE,
        StartError::Ended(death) if death.fenced => exit::FENCED,
        StartError::Failure(_) | StartError::Ended(_) | StartError::Thread(_) => exit::JOURNAL,
    };
    (code, error.to_string())
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
            ..Retention::default()
        },
        cache_bytes: journal.cache.bytes(),
        ..EmbeddedOptions::default()
    }
}

/// A second signal ends the process at once: what is committed is committed, and the rest was not answered.
fn signals() -> io::Result<Receiver<i32>> {
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
