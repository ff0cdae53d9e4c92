//! Ends the process if a call into the Kafka client hangs, or if it does not end after a signal: nothing else frees
//! a thread that waits in C, and what is not committed has not happened.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::cli::exit;
use crate::journal::kafka::client::{Overdue, overdue};

/// A call into the client that takes so many times its limit will not come back (librdkafka #5511).
const OVERDUE: u32 = 5;
/// How long the process may take to end after a signal, while brokers are silent: what is not committed by then
/// has not happened.
const LEAVE: Duration = Duration::from_secs(8);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks for as long as the process lives; `leaving` is set by a signal.
///
/// # Errors
/// If there is no thread.
pub(super) fn start(leaving: Arc<AtomicBool>) -> io::Result<()> {
    let look = move || {
        let mut since = None;
        loop {
            std::thread::sleep(LOOK_EVERY);
            let leaves =
                leaving.load(Ordering::Relaxed).then(|| since.get_or_insert_with(Instant::now).elapsed());
            if let Some(why) = verdict(leaves, overdue(OVERDUE)) {
                let _ = writeln!(io::stderr(), "wayfarer: {why}");
                std::process::exit(i32::from(exit::UNREACHABLE));
            }
        }
    };
    Builder::new().name("kafka-watch".to_owned()).spawn(look).map(drop)
}

/// Why the process ends now, if it does: `leaves` is for how long it has been ending, `late` a call that hangs.
fn verdict(leaves: Option<Duration>, late: Option<Overdue>) -> Option<String> {
    if leaves.is_some_and(|leaves| leaves > LEAVE) {
        return Some(format!(
            "the brokers have not answered for {LEAVE:?} after the signal; the process ends, and its successor goes \
             on from the last commit"
        ));
    }
    let Overdue { client, call, lasts, limit } = late?;
    Some(format!(
        "{call} of {client} has lasted {lasts:?} where {limit:?} are allowed; the process ends, and its successor \
         goes on from the last commit"
    ))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;
    use crate::journal::kafka::client::watchdog::watch;

    /// Says to a process of this program that it is to hang.
    const HANGS: &str = "WAYFARER_TEST_HANGS";

    #[test]
    fn it_ends_for_a_call_that_hangs_and_for_an_end_that_does_and_for_nothing_else() {
        let second = Duration::from_secs(1);
        let late =
            || Overdue { client: "w-0".to_owned(), call: "commit", lasts: 51 * second, limit: 10 * second };
        assert_eq!(verdict(None, None), None);
        assert_eq!(verdict(Some(LEAVE), None), None);
        assert!(verdict(Some(LEAVE + second), None).is_some_and(|why| why.contains("after the signal")));
        let why = verdict(Some(second), Some(late())).expect("it hangs");
        assert!(why.starts_with("commit of w-0 has lasted 51s where 10s are allowed"), "{why}");
    }

    #[test]
    fn a_process_with_a_call_that_hangs_ends_with_a_sentence() {
        let program = env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["--exact", "run::watchdog::tests::hangs", "--ignored", "--nocapture"]);
        let ended = command.env(HANGS, "1").output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(i32::from(exit::UNREACHABLE)), "{said}");
        assert!(said.contains("wayfarer: commit of a test has lasted "), "{said}");
    }

    /// In a process of its own.
    #[test]
    #[ignore = "it does not come back: another test runs it as a process"]
    fn hangs() {
        if env::var_os(HANGS).is_none() {
            return;
        }
        start(Arc::default()).expect("there is a thread");
        let _hangs = watch("a test", "commit", Duration::from_millis(1));
        std::thread::sleep(Duration::from_secs(60));
    }
}
