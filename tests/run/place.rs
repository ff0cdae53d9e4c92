//! A directory with a journal, and the binary over it: the one place of these tests that starts, asks and
//! signals a process.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;
use wayfarer::journal::embedded::{Embedded, EmbeddedOptions};
use wayfarer::model::wire::SendRecord;

pub(crate) const SHARDS: u16 = 8;
/// How long anything may take on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until the answer is there.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A splitmix64: the same rounds for the same seed.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// A place for one journal.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    /// With these definitions in its directory of journeys.
    pub(crate) fn new(journeys: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir(place.path("journeys")).expect("it is made");
        for (number, journey) in journeys.iter().enumerate() {
            fs::write(place.path("journeys").join(format!("{number}.toml")), journey).expect("it is written");
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `wayfarer run` with the place's settings, not started yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
        let log = File::options().create(true).append(true).open(self.path("log")).expect("it opens");
        command
            .args(["run", "--journeys"])
            .arg(self.path("journeys"))
            .env("WAYFARER_JOURNAL__DIRECTORY", self.path("data"))
            .env("WAYFARER_SENDS__FILE", self.path("sends.jsonl"))
            .env("WAYFARER_ENGINE__SHARDS", SHARDS.to_string())
            .env("WAYFARER_ENGINE__WORKERS", "2")
            .env("WAYFARER_HTTP__LISTEN", "127.0.0.1:0")
            .env("WAYFARER_LOG__LEVEL", "info")
            .stdin(Stdio::null())
            .stderr(log);
        command
    }

    pub(crate) fn start(&self, mut command: Command) -> Server {
        let from = self.said().len();
        Server { child: command.spawn().expect("the binary starts"), log: self.path("log"), from, at: None }
    }

    /// Everything that was said on standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The whole lines of a file.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.split_inclusive('\n').filter_map(|line| Some(line.strip_suffix('\n')?.to_owned())).collect()
    }

    /// The sends that are in the file, of which no key is there twice (I2).
    pub(crate) fn sends(&self) -> Vec<SendRecord> {
        let read = |line: &String| serde_json::from_str(line).expect("a whole send");
        let sends: Vec<SendRecord> = self.lines("sends.jsonl").iter().map(read).collect();
        let keys: BTreeSet<&str> = sends.iter().map(|send| send.key.as_str()).collect();
        assert_eq!(keys.len(), sends.len(), "an idempotency key appears twice");
        sends
    }

    /// The journal of a process that has ended.
    pub(crate) fn journal(&self) -> Embedded {
        let options = EmbeddedOptions { shards: SHARDS, ..EmbeddedOptions::default() };
        Embedded::open(&self.path("data"), options).expect("the process has left the journal whole")
    }
}

/// A started process; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Where in the log its own words begin.
    from: usize,
    at: Option<SocketAddr>,
}

impl Server {
    /// Where it listens, once it does; `None` if it has ended before.
    pub(crate) fn address(&mut self) -> Option<SocketAddr> {
        while self.at.is_none() {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            let told = said.get(self.from..).and_then(|said| said.split_once("listening address="));
            self.at = told.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
            if self.at.is_none() && self.has_ended().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.at
    }

    /// One request; `None` if there was no whole answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Option<Answer> {
        ask(self.address()?, method, path, headers, body)
    }

    pub(crate) fn get(&mut self, path: &str) -> Option<Answer> {
        self.ask("GET", path, "", "")
    }

    /// A verb, or another command in JSON.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Option<Answer> {
        self.ask("POST", path, JSON, body)
    }

    /// Waits until it is ready.
    pub(crate) fn wait_ready(&mut self) {
        until("it is ready", || {
            let ended = self.has_ended();
            assert!(ended.is_none(), "{ended:?}: {}", fs::read_to_string(&self.log).unwrap_or_default());
            self.get("/readyz").filter(|answer| answer.status == 200)
        });
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be asked")
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is there");
    }

    /// How long a file may become that it writes, in bytes; `None`: as long as it likes.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("the limit of our own child");
    }

    /// Ends it without a word to it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        let _ = self.child.wait();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("it ends", || self.has_ended())
    }

    /// SIGTERM, and the code that it ends with.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The header of a body in JSON.
pub(crate) const JSON: &str = "content-type: application/json\r\n";

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }
}

/// One request on a connection of its own; `None` if there was no whole answer.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n{headers}");
    stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    (length.unwrap_or(body.len()) == body.len()).then(|| Answer { status, text: body.to_owned() })
}
