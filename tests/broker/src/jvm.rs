//! One Java process of Kafka's: begun only when the reaper knows it, signalled and reaped by its own id.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::error::Error;
use crate::fetch::Kafka;
use crate::reaper::Reaper;

/// Waits for a line and becomes its arguments: so the process has its id, and the reaper knows it, before it
/// begins. If we die before the line is written, it ends.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;

/// A heap that is enough for hundreds of topics, and leaves a small machine room for others.
const HEAP: &str = "-Xmx512m";

/// Only the quick compiler: Kafka is there in half the time, and a test is over before the other one has paid
/// off.
const SOON: &str = "-XX:TieredStopAtLevel=1";

/// A running Java process, or one that has ended and was not reaped.
pub(crate) struct Jvm {
    child: Child,
    pid: Pid,
}

impl Jvm {
    /// `java CLASS ARGUMENTS` with Kafka's jars. Its log goes to `log`, what it prints to `out`.
    pub(crate) fn start(
        kafka: &Kafka,
        reaper: &Reaper,
        options: &[String],
        class_and_arguments: &[OsString],
        directory: &Path,
    ) -> Result<Jvm, Error> {
        let out_path = directory.join("out");
        let out = File::options().create(true).append(true).open(&out_path);
        let out = out.map_err(Error::io(format!("opening {}", out_path.display())))?;
        let err = out.try_clone().map_err(Error::io(format!("opening {}", out_path.display())))?;
        let mut log = OsString::from("-Dkafka.log=");
        log.push(directory.join("server.log"));
        let mut child = Command::new("/bin/sh")
            .args(["-c", GATE, "gate"])
            .arg(&kafka.java)
            .args([HEAP, SOON])
            .args(options)
            .arg("-cp")
            .arg(&kafka.class_path)
            .arg(log)
            .arg("-Dlog4j2.configurationFile=log4j2.properties")
            .args(class_and_arguments)
            .current_dir(directory)
            // Its own group: Ctrl-C in the terminal is for us, and we end it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(Error::io("starting /bin/sh to become java"))?;
        let mut gate = child.stdin.take().expect("it was asked to be piped");
        let pid = Pid::from_child(&child);
        let jvm = Jvm { child, pid };
        reaper.watch(jvm.id())?;
        gate.write_all(b"go\n").map_err(Error::io("letting java begin"))?;
        Ok(jvm)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended. It stays to be reaped, so its id stays its own.
    pub(crate) fn has_ended(&self) -> bool {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.pid), how), Ok(None))
    }

    /// Sends a signal. One that has ended does not mind.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        let sent = kill_process(self.pid, signal);
        sent.map_err(|errno| Error::io(format!("sending {signal:?} to process {}", self.id()))(errno.into()))
    }

    /// Waits for its end.
    pub(crate) fn reap(mut self, reaper: &Reaper) -> Result<ExitStatus, Error> {
        let what = format!("waiting for process {}", self.id());
        let ended = waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        ended.map_err(|errno| Error::io(what.clone())(errno.into()))?;
        reaper.forget(self.id())?;
        self.child.wait().map_err(Error::io(what))
    }
}
