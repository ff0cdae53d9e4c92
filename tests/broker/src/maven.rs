//! What Maven fetches or builds, once per target directory.
//!
//! Whoever comes first has it made, under a lock, in a directory beside its place that is renamed when it is whole;
//! whoever comes meanwhile waits. It is whole as long as it holds the very files that it was made of.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::fetch::run;

/// A project of Maven's: its files, and what is to be done with them.
#[derive(Clone, Copy, Debug)]
pub struct Project<'a> {
    /// The directory that it gets in cargo's target directory.
    pub name: &'a str,
    /// What it is, in a sentence.
    pub what: &'a str,
    /// Paths below its directory, and texts; one of them is `pom.xml`.
    pub files: &'a [(&'a str, &'a str)],
    /// Goals, and properties (`-Dname=value`).
    pub goals: &'a [&'a str],
}

impl Project<'_> {
    /// Its directory, with all that is to be done in it done: before, or now.
    ///
    /// # Errors
    /// `mvn` is missing and needed, or does not do it.
    pub fn made(&self) -> Result<PathBuf, Error> {
        let target = target_directory();
        let cache = target.join(self.name);
        if !self.is_whole(&cache) {
            fs::create_dir_all(&target).map_err(Error::io(format!("creating {}", target.display())))?;
            self.fill(&cache)?;
        }
        Ok(cache)
    }

    fn is_whole(&self, cache: &Path) -> bool {
        let is =
            |(path, text): &(&str, &str)| fs::read_to_string(cache.join(path)).is_ok_and(|is| is == *text);
        self.files.iter().all(is)
    }

    /// Has it made in a directory beside the cache, and renames it.
    fn fill(&self, cache: &Path) -> Result<(), Error> {
        let beside = |what: &str| cache.with_file_name(format!("{}.{what}", self.name));
        let lock_path = beside("lock");
        let lock = File::create(&lock_path).and_then(|file| file.lock().map(|()| file));
        let _lock = lock.map_err(Error::io(format!("locking {}", lock_path.display())))?;
        if self.is_whole(cache) {
            return Ok(());
        }
        let mvn = program("mvn").ok_or_else(|| Error::MavenMissing { what: self.what.to_owned() })?;
        let part = beside("part");
        // What was left by one that was killed, or is of other files.
        for old in [&*part, cache] {
            if old.exists() {
                fs::remove_dir_all(old).map_err(Error::io(format!("removing {}", old.display())))?;
            }
        }
        for (path, text) in self.files {
            let path = part.join(path);
            let written =
                fs::create_dir_all(path.parent().unwrap_or(&part)).and_then(|()| fs::write(&path, text));
            written.map_err(Error::io(format!("writing {}", path.display())))?;
        }
        let mut maven = Command::new(mvn);
        maven.current_dir(&part).args(["-B", "-q"]).args(self.goals);
        run(&mut maven, &format!("making {} by mvn", self.what))?;
        fs::rename(&part, cache).map_err(Error::io(format!("renaming {}", part.display())))
    }
}

/// The first program of that name in the PATH.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
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
