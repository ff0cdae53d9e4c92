//! This program once more, as a process that can be stopped, continued and killed.
//!
//! It says where it is by lines that begin with `@`, and ends with us: by the end of its standard input, and
//! if it cannot read that, being stopped, by the reaper.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::SIGSTOP;
use signal_hook::low_level::raise;
use wayfarer_broker::reaper::Reaper;

const PATIENCE: Duration = Duration::from_secs(90);

/// Ends the processes if we are killed.
pub static REAPER: LazyLock<Reaper> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory can be made").keep();
    Reaper::start(&directory).expect("a shell")
});

/// A process of this program.
pub struct Process {
    name: String,
    child: Child,
    _input: ChildStdin,
    said: Receiver<String>,
}

impl Process {
    /// Runs one ignored test of this program by its path, with a variable in its environment.
    pub fn start(name: &str, test: &str, variable: (&str, &str)) -> Process {
        let program = env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
            .env(variable.0, variable.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        REAPER.watch(child.id()).expect("the reaper is there");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (say, said) = channel();
        thread::spawn(move || {
            // The test runner talks too, even on the same line.
            for line in output.lines().map_while(Result::ok) {
                let heard = line.split_once('@').is_none_or(|(_, word)| say.send(word.to_owned()).is_ok());
                if !heard {
                    return;
                }
            }
        });
        Process { name: name.to_owned(), child, _input: input, said }
    }

    /// Waits until it says something that begins so, and returns the rest.
    pub fn says(&self, begin: &str) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            match self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(word) => match word.strip_prefix(begin) {
                    Some(rest) => return Ok(rest.trim().to_owned()),
                    None => heard.push(word),
                },
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("{} ended before it said {begin:?}; it said {heard:?}", self.name));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("{} never said {begin:?}; it said {heard:?}", self.name));
                }
            }
        }
    }

    /// Waits until it stands still.
    pub fn stopped(&self) {
        let pid = Pid::from_child(&self.child);
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .expect("it is our child");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("it was not reaped");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = REAPER.forget(self.child.id());
        let _ = self.child.wait();
    }
}

/// In such a process: stands still until somebody continues it.
///
/// The signal goes to this thread, which therefore does not return before; one to the process may be taken by
/// another thread, while this one goes on for a while.
pub fn stand_still() {
    raise(SIGSTOP).expect("one may stop oneself");
}
