//! The end of a broker, whatever ends its owner.
//!
//! A reaper is a small shell that reads from a pipe which only we hold open. We tell it each process before
//! that process may begin, and before we forget it. When the pipe ends, since we closed it or are dead, it
//! kills what it was told, by process id, and removes the data. An id is told off *before* the process is
//! reaped by its parent, so it cannot belong to anybody else meanwhile.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

use crate::error::Error;

/// It outlives the signals of a terminal: they end the owner, and so the pipe. A directory is tried again for
/// ten seconds, since a process that was killed may still be busy in the kernel.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pids=
while read -r verb pid; do
    others=
    for other in $pids; do
        [ "$other" = "$pid" ] || others="$others $other"
    done
    case $verb in
    watch) pids="$others $pid" ;;
    forget) pids=$others ;;
    esac
done
for pid in $pids; do
    kill -KILL "$pid"
done
tries=0
until rm -rf -- "$1" || [ $tries -ge 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
"#;

/// The shell that cleans up after us.
pub struct Reaper {
    shell: Child,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Reaper {
    /// One that removes `directory` when we end.
    pub fn start(directory: &Path) -> Result<Reaper, Error> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "reaper"])
            .arg(directory)
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            // Its own group: who kills ours with one signal leaves it to do its work.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("starting /bin/sh, which ends the broker with us"))?;
        let pipe = Mutex::new(shell.stdin.take());
        Ok(Reaper { shell, pipe })
    }

    /// From now on this process ends with us.
    pub fn watch(&self, pid: u32) -> Result<(), Error> {
        self.tell("watch", pid)
    }

    /// This process has ended, or is about to be reaped.
    pub fn forget(&self, pid: u32) -> Result<(), Error> {
        self.tell("forget", pid)
    }

    fn tell(&self, verb: &str, pid: u32) -> Result<(), Error> {
        let mut pipe = self.pipe.lock().expect("nothing panics while it holds the pipe");
        let told = match pipe.as_mut() {
            Some(pipe) => writeln!(pipe, "{verb} {pid}"),
            None => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        };
        told.map_err(Error::io("telling the shell which ends the broker with us"))
    }
}

impl Drop for Reaper {
    /// Waits until all is ended and removed.
    fn drop(&mut self) {
        if let Ok(pipe) = self.pipe.get_mut() {
            pipe.take();
        }
        // Nothing can be done about a shell that cannot be waited for.
        let _ = self.shell.wait();
    }
}
