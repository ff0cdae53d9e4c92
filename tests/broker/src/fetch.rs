//! Kafka's jars and the `java` to run them: fetched once per target directory, by Maven.
//!
//! The jars lie in `kafka-VERSION` in cargo's target directory. Whoever comes first fetches, under a lock,
//! into a directory beside it that is renamed when it is whole; whoever comes meanwhile waits.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, last_lines};

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
        let target = target_directory();
        let cache = target.join(format!("kafka-{}", version()));
        if !is_whole(&cache) {
            fs::create_dir_all(&target).map_err(Error::io(format!("creating {}", target.display())))?;
            fill(&cache)?;
        }
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

/// The cache holds what this very pom.xml names.
fn is_whole(cache: &Path) -> bool {
    fs::read_to_string(cache.join("pom.xml")).is_ok_and(|pom| pom == POM)
}

/// Fetches into a directory beside the cache, and renames it.
fn fill(cache: &Path) -> Result<(), Error> {
    let lock_path = cache.with_extension("lock");
    let lock = File::create(&lock_path).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(Error::io(format!("locking {}", lock_path.display())))?;
    if is_whole(cache) {
        return Ok(());
    }
    let mvn = program("mvn").ok_or(Error::MavenMissing { version: version() })?;
    let beside = cache.with_extension("part");
    // What was left by one that was killed, or is of another pom.xml.
    for old in [&beside, cache] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(Error::io(format!("removing {}", old.display())))?;
        }
    }
    fs::create_dir_all(&beside).map_err(Error::io(format!("creating {}", beside.display())))?;
    let pom = beside.join("pom.xml");
    fs::write(&pom, POM).map_err(Error::io(format!("writing {}", pom.display())))?;
    let mut output = OsString::from("-DoutputDirectory=");
    output.push(beside.join("jars"));
    let mut maven = Command::new(mvn);
    maven.args(["-B", "-q", "-f"]).arg(&pom);
    maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]).arg(output);
    run(&mut maven, &format!("fetching Kafka {} by mvn", version()))?;
    fs::rename(&beside, cache).map_err(Error::io(format!("renaming {}", beside.display())))
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

/// That of `JAVA_HOME`, or of the PATH.
fn java() -> Result<PathBuf, Error> {
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

/// The first program of that name in the PATH.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// Cargo's target directory: as the environment says, else the one that this program lies in.
fn target_directory() -> PathBuf {
    let named = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let mine = || {
        let program = env::current_exe().ok()?;
        // Cargo marks the directory for programs that make backups.
        program.ancestors().find(|path| path.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
    };
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    named.or_else(mine).unwrap_or_else(default)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_that_of_the_pom() {
        let version = super::version();
        assert!(version.starts_with("4.") && version.split('.').count() == 3, "{version}");
    }
}
