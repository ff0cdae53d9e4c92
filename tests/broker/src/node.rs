//! One node of a cluster: broker and controller in one Java process, with a directory and ports that stay.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::{Error, last_lines};
use crate::fetch::Kafka;
use crate::jvm::Jvm;
use crate::options::Options;
use crate::ports::Port;
use crate::probe;
use crate::reaper::Reaper;
use crate::settings::Listeners;

/// A start takes three seconds on an idle machine. One that is compiling on all its cores is given time.
const START_MAX: Duration = Duration::from_secs(180);

/// A node hands its partitions over and closes its files in a second. One without a controller waits for it
/// in vain.
const STOP_MAX: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(50);

/// The ports of a node, ours as long as it is.
pub(crate) struct Ports {
    pub(crate) plain: Port,
    pub(crate) controller: Port,
    pub(crate) tls: Option<Port>,
    pub(crate) scram: Option<Port>,
}

impl Ports {
    /// Those that the options ask for; the number of the plain one may be given.
    pub(crate) fn reserve(plain: Option<u16>, options: &Options) -> Result<Ports, Error> {
        Ok(Ports {
            plain: Port::reserve(plain)?,
            controller: Port::reserve(None)?,
            tls: options.tls.then(|| Port::reserve(None)).transpose()?,
            scram: (!options.users.is_empty()).then(|| Port::reserve(None)).transpose()?,
        })
    }

    /// Their numbers.
    pub(crate) fn listeners(&self) -> Listeners {
        Listeners {
            plain: self.plain.number(),
            controller: self.controller.number(),
            tls: self.tls.as_ref().map(Port::number),
            scram: self.scram.as_ref().map(Port::number),
        }
    }
}

/// One node, running or not.
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) ports: Ports,
    directory: PathBuf,
    jvm: Mutex<Option<Jvm>>,
}

impl Node {
    /// A node whose directory is made, with its settings in it.
    pub(crate) fn new(id: i32, ports: Ports, directory: PathBuf, settings: &str) -> Result<Node, Error> {
        let what = format!("writing the settings of a broker to {}", directory.display());
        let written = fs::create_dir_all(&directory)
            .and_then(|()| fs::write(directory.join("server.properties"), settings))
            .and_then(|()| {
                fs::write(directory.join("log4j2.properties"), include_str!("../log4j2.properties"))
            });
        written.map_err(Error::io(what))?;
        Ok(Node { id, ports, directory, jvm: Mutex::new(None) })
    }

    /// The address of its plain listener.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.plain.number())
    }

    fn jvm(&self) -> MutexGuard<'_, Option<Jvm>> {
        self.jvm.lock().expect("nothing panics while it holds the process")
    }

    /// Begins to format its directory for a cluster of that id.
    pub(crate) fn format(
        &self,
        kafka: &Kafka,
        reaper: &Reaper,
        cluster: &str,
        options: &Options,
    ) -> Result<(), Error> {
        let mut arguments: Vec<OsString> =
            ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", "server.properties"]
                .map(OsString::from)
                .to_vec();
        for user in &options.users {
            let scram = format!("SCRAM-SHA-512=[name={},password={}]", user.name, user.password);
            arguments.extend(["--add-scram".into(), scram.into()]);
        }
        *self.jvm() = Some(Jvm::start(kafka, reaper, &[], &arguments, &self.directory)?);
        Ok(())
    }

    /// Waits until it is formatted.
    pub(crate) fn formatted(&self, reaper: &Reaper) -> Result<(), Error> {
        let jvm = self.jvm().take().expect("formatting has begun");
        let status = jvm.reap(reaper)?;
        if status.success() {
            return Ok(());
        }
        let what = format!("formatting the directory of node {}", self.id);
        Err(Error::Tool { what, status: status.to_string(), said: self.log() })
    }

    /// Begins to run.
    pub(crate) fn start(&self, kafka: &Kafka, reaper: &Reaper, options: &[String]) -> Result<(), Error> {
        let arguments = ["kafka.Kafka", "server.properties"].map(OsString::from);
        *self.jvm() = Some(Jvm::start(kafka, reaper, options, &arguments, &self.directory)?);
        Ok(())
    }

    /// Waits until it answers and sees all of `needed` alive.
    pub(crate) fn started(&self, needed: &[i32]) -> Result<(), Error> {
        let address = self.address();
        let deadline = Instant::now() + START_MAX;
        loop {
            let ended = self.jvm().as_ref().is_none_or(Jvm::has_ended);
            let answer = probe::brokers(&address);
            let why = match answer {
                _ if ended => "it ended".to_owned(),
                Ok(alive) if needed.iter().all(|id| alive.contains(id)) => return Ok(()),
                Ok(alive) => format!("of the nodes {needed:?} only {alive:?} are alive"),
                Err(error) => format!("it does not answer at {address} ({error})"),
            };
            if ended || Instant::now() > deadline {
                let why =
                    if ended { why } else { format!("{why}, {} s after its start", START_MAX.as_secs()) };
                return Err(Error::Start { id: self.id, why, log: self.log() });
            }
            thread::sleep(POLL);
        }
    }

    /// Asks it to end and waits for that; after [`STOP_MAX`] it is killed.
    pub(crate) fn stop(&self, reaper: &Reaper) -> Result<(), Error> {
        let Some(jvm) = self.jvm().take() else { return Ok(()) };
        jvm.signal(Signal::TERM)?;
        // One that is paused would hear of it only then.
        jvm.signal(Signal::CONT)?;
        let deadline = Instant::now() + STOP_MAX;
        while !jvm.has_ended() {
            if Instant::now() > deadline {
                jvm.signal(Signal::KILL)?;
            }
            thread::sleep(POLL);
        }
        jvm.reap(reaper).map(drop)
    }

    /// Kills it and waits for its end. One that does not run is left so.
    pub(crate) fn kill(&self, reaper: &Reaper) -> Result<(), Error> {
        let Some(jvm) = self.jvm().take() else { return Ok(()) };
        jvm.signal(Signal::KILL)?;
        jvm.reap(reaper).map(drop)
    }

    /// Sends a signal to a running one.
    pub(crate) fn signal(&self, signal: Signal, verb: &'static str) -> Result<(), Error> {
        match self.jvm().as_ref() {
            Some(jvm) => jvm.signal(signal),
            None => Err(Error::NotRunning { id: self.id, verb }),
        }
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.jvm().as_ref().map(Jvm::id)
    }

    /// The last lines of what it printed and logged.
    fn log(&self) -> String {
        let read = |name: &str| fs::read(self.directory.join(name)).unwrap_or_default();
        let text = [read("server.log"), read("out")].concat();
        last_lines(&String::from_utf8_lossy(&text), 20)
    }
}
