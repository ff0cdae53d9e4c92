//! Kafka's jars and the `java` to run them: fetched once per target directory, by Maven.
//!
//! The jars lie in `kafka-VERSION` in cargo's target directory.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, last_lines};
use crate::maven::{Project, program};

/// What is fetched: the version is pinned there.
const POM: &str = include_str!("../pom.xml");

/// The oldest Java that Kafka 4 runs on.
const JAVA_MIN: u32 = 17;

/// What is needed to run Kafka.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// The program `java`.
    pub java: PathBuf,
    /// All of the jars, as `java -cp` takes them.
    pub class_path: OsString,
}

/// The version of Kafka, such as `4.3.1`.
pub fn version() -> &'static str {
    let after = POM.split_once("<kafka.version>").map(|(_, after)| after);
    let version = after.and_then(|after| after.split_once('<'));
    version.expect("pom.xml pins the property kafka.version").0
}

impl Kafka {
    /// What is there, or is fetched now: 45 MB, some seconds to a minute.
    pub fn fetch() -> Result<Kafka, Error> {
        let java = java()?;
        let name = format!("kafka-{}", version());
        let project = Project {
            name: &name,
            what: &format!("Kafka {}", version()),
            files: &[("pom.xml", POM)],
            goals: &["dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"],
        };
        let cache = project.made()?;
        let mut class_path = cache.join("jars").into_os_string();
        class_path.push("/*");
        Ok(Kafka { java, class_path })
    }

    /// `keytool`, which comes with `java`.
    pub(crate) fn keytool(&self) -> PathBuf {
        let java = fs::canonicalize(&self.java).unwrap_or_else(|_| self.java.clone());
        java.with_file_name("keytool")
    }
}

/// Runs a tool to its end.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<(), Error> {
    let done = command.output().map_err(Error::io(what))?;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stdout, done.stderr].concat();
    let said = last_lines(&String::from_utf8_lossy(&said), 8);
    Err(Error::Tool { what: what.to_owned(), status: done.status.to_string(), said })
}

/// The program `java` of `JAVA_HOME`, or of the PATH, if it is new enough for Kafka.
pub fn java() -> Result<PathBuf, Error> {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let java = home.filter(|java| java.is_file()).or_else(|| program("java")).ok_or(Error::JavaMissing)?;
    let asked = Command::new(&java).arg("-version").output();
    let asked = asked.map_err(Error::io(format!("asking {} for its version", java.display())))?;
    let said = String::from_utf8_lossy(&asked.stderr);
    // openjdk version "17.0.15" 2025-04-15, behind lines about JAVA_TOOL_OPTIONS if that is set.
    let found = said.split('"').nth(1).unwrap_or("of an unknown version");
    let major =
        found.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<u32>().ok());
    match major {
        Some(major) if major >= JAVA_MIN => Ok(java),
        _ => Err(Error::JavaTooOld { path: java, found: found.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_that_of_the_pom() {
        let version = super::version();
        assert!(version.starts_with("4.") && version.split('.').count() == 3, "{version}");
    }
}
