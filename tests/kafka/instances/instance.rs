//! One `wayfarer run`: a process that is asked over HTTP, and killed, stopped and ended by signals.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use wayfarer::cli::exit;

use super::wait_for;
use crate::process::REAPER;

/// Longer than a command waits for shards whose owner is dead.
const ANSWER: Duration = Duration::from_secs(8);

/// A process, and what it has said.
pub struct Instance {
    pub name: String,
    child: Child,
    pub log: PathBuf,
}

impl Instance {
    pub fn spawn(name: &str, mut command: Command, log: PathBuf) -> Self {
        let child = command.spawn().expect("the binary starts");
        REAPER.watch(child.id()).expect("the reaper is there");
        Self { name: name.to_owned(), child, log }
    }

    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it was not reaped");
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be asked")
    }

    /// Fails the test if it has ended by itself.
    pub fn lives(&mut self) {
        let ended = self.ended();
        assert!(ended.is_none(), "{} ended by itself, {ended:?}: {}", self.name, self.said());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("it was not reaped");
        self.child.wait().expect("it is our child");
    }

    /// Whether it has come to stand still since this was asked last, or since it was let go on.
    pub fn stands_still(&self) -> bool {
        let pid = Pid::from_child(&self.child);
        let stopped = waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG);
        stopped.expect("it is our child").is_some()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGTERM, after which it ends with 0.
    pub fn end(self) {
        self.end_with(&[exit::OK]);
    }

    /// The same, with one of these codes.
    pub fn end_with(mut self, codes: &[u8]) {
        self.lives();
        self.signal(Signal::TERM);
        self.ends(codes);
    }

    /// Waits until it has ended with one of these codes.
    pub fn ends(&mut self, codes: &[u8]) {
        let (what, log) = (format!("{} has ended", self.name), self.log.clone());
        let ended = wait_for(&what, || fs::read_to_string(&log).unwrap_or_default(), || self.ended());
        let code = ended.code().and_then(|code| u8::try_from(code).ok());
        let is_one = code.is_some_and(|code| codes.contains(&code));
        assert!(is_one, "{} after SIGTERM, {ended:?}: {}", self.name, self.said());
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // All of it fails only if it is gone already.
        let _ = self.child.kill();
        let _ = REAPER.forget(self.child.id());
        let _ = self.child.wait();
    }
}

/// Where an instance listens, by what it has said, if it does already.
pub fn address(log: &Path) -> Option<SocketAddr> {
    let said = fs::read_to_string(log).ok()?;
    let (_, rest) = said.split_once("listening address=")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// One request: the status and the body. An error: nobody knows what became of it.
pub fn ask(to: SocketAddr, method: &str, path: &str, head: &str, body: &[u8]) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&to, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n{head}");
    let head = format!("{head}content-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}
