//! What can go wrong, each one a sentence that says what to do.

use std::io;
use std::path::PathBuf;

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No `java` to run Kafka with.
    #[error(
        "java is missing, and Kafka runs on it: Debian's package openjdk-17-jre-headless, or a newer one, \
         brings it."
    )]
    JavaMissing,
    /// A `java` below 17.
    #[error(
        "{path} is Java {found}, and Kafka 4 needs 17 or newer: Debian's package openjdk-17-jre-headless \
         brings it."
    )]
    JavaTooOld {
        /// Which program was asked.
        path: PathBuf,
        /// What it said that it is.
        found: String,
    },
    /// Something is not in the cache yet and there is no `mvn` to make it.
    #[error("mvn is missing, and makes {what} once: Debian's package maven brings it.")]
    MavenMissing {
        /// What is to be made.
        what: String,
    },
    /// A tool (Maven, keytool, Kafka's formatter) ended with an error.
    #[error("{what} failed ({status}); it said last:\n{said}")]
    Tool {
        /// What it was to do.
        what: String,
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// The broker ended, or did not answer in time.
    #[error("Kafka's node {id} did not start: {why}. Its log ends:\n{log}")]
    Start {
        /// The node, counted from 1.
        id: i32,
        /// Whether it ended or was waited for too long.
        why: String,
        /// The last lines of its log.
        log: String,
    },
    /// A port that cannot be had.
    #[error("port {port} of 127.0.0.1 cannot be had: {source}.")]
    Port {
        /// The port; 0 stands for any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The environment names a broker that is not there.
    #[error("{variable} is {address}, and no Kafka answers there: {source}.", variable = crate::SHARED)]
    Shared {
        /// What the variable says.
        address: String,
        /// What came of asking.
        source: io::Error,
    },
    /// A node that the cluster does not have.
    #[error("there is no node {id}; the cluster's nodes are 1 to {count}.")]
    NoSuchNode {
        /// What was asked for.
        id: i32,
        /// How many there are.
        count: usize,
    },
    /// To signal a node that does not run.
    #[error("node {id} does not run, so it cannot be {verb}.")]
    NotRunning {
        /// The node.
        id: i32,
        /// What was to be done to it.
        verb: &'static str,
    },
    /// A file, a directory or a process that could not be had.
    #[error("{what}: {source}.")]
    Io {
        /// What was to be done, to what.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: what was to be done, to what.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}

/// The last lines of a text, indented.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(count);
    lines[from..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
