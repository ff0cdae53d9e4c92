//! One broker: of one's own, or that of the whole test run.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::options::Options;
use crate::probe;

/// The variable that names a broker (`host:port`) for all test programs of a run. `kafka run -- COMMAND` sets
/// it.
pub const SHARED: &str = "WAYFARER_KAFKA";

/// A Kafka of one node. Dropped, it is killed and its data goes.
pub struct Broker(Cluster);

impl Broker {
    /// Starts one, and returns when it serves: three to ten seconds.
    pub fn start(options: &Options) -> Result<Broker, Error> {
        Cluster::start_with(1, options).map(Broker)
    }

    /// The address of the one broker that all tests of this process share; it starts with the first who asks.
    ///
    /// It is that of the environment ([`SHARED`]) if there is one. Do not hurt it, and name topics and groups
    /// by the test. It ends with the process.
    pub fn shared() -> Result<&'static str, &'static Error> {
        static ADDRESS: OnceLock<Result<(String, Option<Broker>), Error>> = OnceLock::new();
        let shared = ADDRESS.get_or_init(|| match env::var(SHARED) {
            Ok(address) => match probe::brokers(&address) {
                Ok(_) => Ok((address, None)),
                Err(source) => Err(Error::Shared { address, source }),
            },
            Err(_) => Broker::start(&Options::default()).map(|broker| (broker.bootstrap(), Some(broker))),
        });
        shared.as_ref().map(|(address, _)| address.as_str())
    }

    /// The address of its plain listener, `host:port`.
    pub fn bootstrap(&self) -> String {
        self.0.bootstrap()
    }

    /// The address of its TLS listener; nothing if [`Options::tls`] did not ask for it.
    pub fn bootstrap_tls(&self) -> Option<String> {
        self.0.bootstrap_tls()
    }

    /// The address of its SASL listener (SCRAM-SHA-512 over TLS); nothing if [`Options::users`] is empty.
    pub fn bootstrap_scram(&self) -> Option<String> {
        self.0.bootstrap_scram()
    }

    /// The certificate that clients must trust, as a PEM file; nothing if no listener has TLS.
    pub fn ca_pem(&self) -> Option<PathBuf> {
        self.0.ca_pem()
    }

    /// Where its settings, log (`node-1/server.log`) and data lie. It goes with the broker.
    pub fn directory(&self) -> &Path {
        self.0.directory()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.0.pid(1).expect("node 1 is there")
    }

    /// Ends it in good order (SIGTERM), and returns when it has ended.
    pub fn stop(&self) -> Result<(), Error> {
        self.0.stop(1)
    }

    /// Ends it as a power cut does (SIGKILL), and returns when it has ended.
    pub fn kill(&self) -> Result<(), Error> {
        self.0.kill(1)
    }

    /// Starts it again, on the same ports and data, and returns when it serves. If it runs it is stopped
    /// first.
    pub fn restart(&self) -> Result<(), Error> {
        self.0.restart(1)
    }

    /// Lets it stand still (SIGSTOP): its connections stay, and nothing answers.
    pub fn pause(&self) -> Result<(), Error> {
        self.0.pause(1)
    }

    /// Lets it go on after [`Broker::pause`] (SIGCONT).
    pub fn resume(&self) -> Result<(), Error> {
        self.0.resume(1)
    }
}
