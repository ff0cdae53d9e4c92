//! Nodes that make one Kafka, in one directory, under one reaper.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::certificate;
use crate::error::Error;
use crate::fetch::Kafka;
use crate::node::{Node, Ports};
use crate::options::Options;
use crate::probe;
use crate::reaper::Reaper;
use crate::settings::server_properties;

/// A Kafka of one or more nodes, each broker and controller, with ids from 1. Dropped, it is killed and its
/// data goes.
///
/// With three nodes topics have three replicas by default and two must be in sync to write.
pub struct Cluster {
    nodes: Vec<Node>,
    options: Options,
    kafka: Kafka,
    directory: PathBuf,
    /// Dropped after the nodes have been killed: it removes the directory.
    reaper: Reaper,
}

impl Cluster {
    /// Starts `count` nodes with default options, and returns when each knows all.
    pub fn start(count: usize) -> Result<Cluster, Error> {
        Cluster::start_with(count, &Options::default())
    }

    /// Starts `count` nodes, and returns when each knows all.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    pub fn start_with(count: usize, options: &Options) -> Result<Cluster, Error> {
        assert!(count > 0, "a cluster has a node");
        let kafka = Kafka::fetch()?;
        let directory = tempfile::Builder::new().prefix("wayfarer-kafka-").tempdir();
        let directory = directory.map_err(Error::io("making a directory for the data of Kafka"))?;
        let reaper = Reaper::start(directory.path())?;
        // From here on the reaper removes it.
        let directory = directory.keep();
        if options.certified() {
            certificate::make(&kafka, &directory)?;
        }
        let nodes = nodes(count, &directory, options)?;
        let cluster = Cluster { nodes, options: options.clone(), kafka, directory, reaper };
        let id = cluster_id()?;
        for node in &cluster.nodes {
            node.format(&cluster.kafka, &cluster.reaper, &id, options)?;
        }
        for node in &cluster.nodes {
            node.formatted(&cluster.reaper)?;
        }
        for node in &cluster.nodes {
            cluster.begin(node)?;
        }
        let all: Vec<i32> = cluster.nodes.iter().map(|node| node.id).collect();
        for node in &cluster.nodes {
            node.started(&all)?;
        }
        Ok(cluster)
    }

    fn begin(&self, node: &Node) -> Result<(), Error> {
        node.start(&self.kafka, &self.reaper, &self.options.jvm)
    }

    fn node(&self, id: i32) -> Result<&Node, Error> {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.ok_or(Error::NoSuchNode { id, count: self.nodes.len() })
    }

    /// The plain listeners of all nodes, as a client takes them: `host:port,host:port`.
    pub fn bootstrap(&self) -> String {
        self.nodes.iter().map(Node::address).collect::<Vec<_>>().join(",")
    }

    /// The TLS listeners of all nodes; nothing if [`Options::tls`] did not ask for them.
    pub fn bootstrap_tls(&self) -> Option<String> {
        self.addresses(|ports| ports.tls.as_ref().map(|port| port.number()))
    }

    /// The SASL listeners (SCRAM-SHA-512 over TLS) of all nodes; nothing if [`Options::users`] is empty.
    pub fn bootstrap_scram(&self) -> Option<String> {
        self.addresses(|ports| ports.scram.as_ref().map(|port| port.number()))
    }

    fn addresses(&self, port: impl Fn(&Ports) -> Option<u16>) -> Option<String> {
        let one = |node: &Node| port(&node.ports).map(|port| format!("127.0.0.1:{port}"));
        let all: Option<Vec<String>> = self.nodes.iter().map(one).collect();
        all.map(|all| all.join(","))
    }

    /// The certificate that clients must trust, as a PEM file; nothing if no listener has TLS.
    pub fn ca_pem(&self) -> Option<PathBuf> {
        self.options.certified().then(|| self.directory.join("ca.pem"))
    }

    /// Where all of it lies: settings, logs (`node-1/server.log`), data. It goes with the cluster.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The ids of the nodes that are alive in the eyes of the first one that answers.
    pub fn alive(&self) -> Vec<i32> {
        let running = self.nodes.iter().filter(|node| node.pid().is_some());
        running.filter_map(|node| probe::brokers(&node.address()).ok()).next().unwrap_or_default()
    }

    /// The process id of a node, while it runs.
    pub fn pid(&self, id: i32) -> Result<Option<u32>, Error> {
        Ok(self.node(id)?.pid())
    }

    /// The process ids of all nodes that run.
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::pid).collect()
    }

    /// Ends a node in good order (SIGTERM), and returns when it has ended.
    pub fn stop(&self, id: i32) -> Result<(), Error> {
        self.node(id)?.stop(&self.reaper)
    }

    /// Ends a node as a power cut does (SIGKILL), and returns when it has ended.
    pub fn kill(&self, id: i32) -> Result<(), Error> {
        self.node(id)?.kill(&self.reaper)
    }

    /// Starts a node again, on the same ports and data, and returns when it serves. If it runs it is stopped
    /// first.
    pub fn restart(&self, id: i32) -> Result<(), Error> {
        let node = self.node(id)?;
        node.stop(&self.reaper)?;
        self.begin(node)?;
        node.started(&[id])
    }

    /// Lets a node stand still (SIGSTOP): its connections stay, and nothing answers.
    pub fn pause(&self, id: i32) -> Result<(), Error> {
        self.node(id)?.signal(Signal::STOP, "paused")
    }

    /// Lets a node go on that was paused (SIGCONT).
    pub fn resume(&self, id: i32) -> Result<(), Error> {
        self.node(id)?.signal(Signal::CONT, "resumed")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            // What is left the reaper kills.
            let _ = node.kill(&self.reaper);
        }
    }
}

/// The nodes with their ports and settings; none runs.
fn nodes(count: usize, directory: &Path, options: &Options) -> Result<Vec<Node>, Error> {
    let ids = (1..).take(count);
    let ports: Vec<(i32, Ports)> = ids
        .map(|id| {
            let offset = u16::try_from(id - 1).unwrap_or(u16::MAX);
            let plain = options.port.map(|port| port.saturating_add(offset));
            Ok((id, Ports::reserve(plain, options)?))
        })
        .collect::<Result<_, Error>>()?;
    let voter = |(id, ports): &(i32, Ports)| format!("{id}@127.0.0.1:{}", ports.controller.number());
    let voters = ports.iter().map(voter).collect::<Vec<_>>().join(",");
    let node = |(id, ports): (i32, Ports)| {
        let directory = directory.join(format!("node-{id}"));
        let text = server_properties(id, count, &ports.listeners(), &voters, &directory, options);
        Node::new(id, ports, directory, &text)
    };
    ports.into_iter().map(node).collect()
}

/// A cluster id as Kafka has them: 16 bytes in the URL's base 64, which hexadecimal digits happen to be.
fn cluster_id() -> Result<String, Error> {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid");
    let random = random.map_err(Error::io("reading /proc/sys/kernel/random/uuid"))?;
    let digits: String = random.chars().filter(char::is_ascii_hexdigit).take(21).collect();
    // 22 characters have 132 bits; the last four must be 0.
    Ok(digits + "A")
}
