//! The peer on Kafka Streams: built by Maven from `loadtest/peers/kafka-streams`, once per target directory, and run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wayfarer_broker::fetch::java;
use wayfarer_broker::maven::Project;

use super::job::Job;
use crate::error::{Result, cannot};
use crate::process::Measured;

/// What Maven is given.
const FILES: [(&str, &str); 11] = {
    macro_rules! files {
        ($($path:literal),* $(,)?) => {
            [$(($path, include_str!(concat!("../../peers/kafka-streams/", $path)))),*]
        };
    }
    files![
        "pom.xml",
        "src/main/java/wayfarer/peer/Event.java",
        "src/main/java/wayfarer/peer/HashStore.java",
        "src/main/java/wayfarer/peer/HeapTimers.java",
        "src/main/java/wayfarer/peer/Main.java",
        "src/main/java/wayfarer/peer/Options.java",
        "src/main/java/wayfarer/peer/RocksSettings.java",
        "src/main/java/wayfarer/peer/Scanner.java",
        "src/main/java/wayfarer/peer/Sends.java",
        "src/main/java/wayfarer/peer/Settings.java",
        "src/main/java/wayfarer/peer/StoredTimers.java",
    ]
};

/// How the virtual machine is run.
const JVM: [&str; 7] = [
    // A heap of one size, most of it for what dies young; this collector costs the least CPU a byte.
    "-Xms2g",
    "-Xmx2g",
    "-XX:NewSize=1400m",
    "-XX:+UseParallelGC",
    // What threads that end have had of the processors would be lost to whoever looks at those that are there.
    "-XX:-UseDynamicNumberOfCompilerThreads",
    "-XX:-UseDynamicNumberOfGCThreads",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
];

/// The program, built.
#[derive(Debug)]
pub struct Streams {
    java: PathBuf,
    class_path: OsString,
}

impl Streams {
    /// Builds it, if it is not built yet.
    ///
    /// # Errors
    /// A sentence: Java or Maven is missing, or does not do it.
    pub fn build() -> std::result::Result<Self, wayfarer_broker::Error> {
        let java = java()?;
        let project = Project {
            name: "kafka-streams-peer",
            what: "the peer on Kafka Streams",
            files: &FILES,
            goals: &["compile", "dependency:copy-dependencies"],
        };
        let target = project.made()?.join("target");
        let mut class_path = target.join("classes").into_os_string();
        class_path.push(":");
        class_path.push(target.join("jars"));
        class_path.push("/*");
        Ok(Self { java, class_path })
    }

    /// Starts one of its forms; its stores lie below `directory`.
    ///
    /// # Errors
    /// There is no such program.
    pub fn start(&self, form: &str, job: &Job, directory: &Path) -> Result<Measured> {
        let mut command = Command::new(&self.java);
        command.args(JVM).arg("-cp").arg(&self.class_path).arg("wayfarer.peer.Main");
        command.args(job.arguments()).args(["--form", form]).arg("--directory").arg(directory);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Ok(Measured::new(child.map_err(cannot(format!("start {}", self.java.display())))?))
    }
}

/// The topics that it makes for itself: the changelogs of its stores. The first holds the carts.
#[must_use]
pub fn changelogs(group: &str) -> [String; 2] {
    ["carts", "timers"].map(|store| format!("{group}-{store}-changelog"))
}
