//! `wayfarer top`: what running instances do, each second: rates, latencies, lag, shards, journeys.
//!
//! Reading order: `poll` (a thread for each instance asks it) → `view` (what was answered to what is shown: rates
//! from two answers, quantiles from buckets) → `frame` (that as lines of text) → `screen` (the lines on a
//! terminal, and the terminal as it was afterwards). With `--once` the lines are printed instead.
//!
//! An instance that does not answer is a sentence in its row, and never the end of the view.

mod frame;
mod poll;
mod screen;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::cli::{TopArgs, exit};
use poll::Polls;
use view::{Seen, Span};

/// How often each instance is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Shows what the instances do, until the user has seen enough; the code to exit with.
#[must_use]
pub fn run(args: &TopArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let shown = if args.once {
        once(args, out)
    } else if io::stdout().is_terminal() {
        screen::run(args)
            .map(|()| exit::OK)
            .map_err(|error| (exit::FILE, format!("the terminal cannot be used: {error}")))
    } else {
        let message = "the standard output is no terminal; `wayfarer top --once` prints one frame";
        Err((exit::USAGE, message.to_owned()))
    };
    shown.unwrap_or_else(|(code, message)| {
        // If not even this can be printed, the code still tells.
        let _ = writeln!(err, "wayfarer: {message}");
        code
    })
}

/// Two answers of each instance, a second apart, as text.
fn once(args: &TopArgs, out: &mut dyn Write) -> Result<u8, (u8, String)> {
    let polls = Polls::start(&args.instances, EVERY)
        .map_err(|error| (exit::FILE, format!("a thread cannot be started: {error}")))?;
    let mut seen = Seen::new(&args.instances);
    while !seen.is_complete() {
        let Some((instance, answer)) = polls.next(poll::TIMEOUT * 4) else { break };
        seen.take(instance, answer);
    }
    let view = seen.view(Span::SinceStart);
    let lines = frame::lines(&view);
    let text: String = lines.iter().map(|line| format!("{}\n", line.to_string().trim_end())).collect();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((exit::FILE, format!("the standard output cannot be written: {error}")))
        }
        Ok(()) | Err(_) if view.is_answered() => Ok(exit::OK),
        Ok(()) | Err(_) => Ok(exit::SERVER),
    }
}
