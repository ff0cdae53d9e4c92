//! All journeys of a directory, sorted by name: `*.toml` and `*.json`, nothing below.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

use super::{FILE_BYTES_MAX, Problem, read, same_id};
use crate::journey::definition::Definition;
use crate::journey::problem::{Finding, Level, Path};

/// What came of several files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    /// The names of the files and their journeys, sorted by name; those with errors are left out.
    pub journeys: Vec<(String, Definition)>,
    /// All problems, warnings too, file by file.
    pub problems: Vec<Problem>,
}

impl Directory {
    /// Whether one of the problems is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }
}

/// Reads and checks several journeys, given by name and text; that an id stands in two of them is a problem,
/// too.
#[must_use]
pub fn load_all(files: &[(String, Vec<u8>)]) -> Directory {
    let mut sorted: Vec<&(String, Vec<u8>)> = files.iter().collect();
    sorted.sort_by_key(|(name, _)| name);
    let mut directory = Directory::default();
    let mut by_id: BTreeMap<String, &str> = BTreeMap::new();
    for (name, text) in sorted {
        let reading = read(name, text);
        directory.problems.extend(reading.problems);
        let Some(definition) = reading.definition else { continue };
        match by_id.get(&definition.id) {
            Some(first) => directory.problems.push(same_id(name, &definition.id, first)),
            None => {
                by_id.insert(definition.id.clone(), name);
                directory.journeys.push((name.clone(), definition));
            }
        }
    }
    directory
}

/// Reads and checks all journeys of a directory. What cannot be read is a problem like any other.
#[must_use]
pub fn load_directory(directory: &FilePath) -> Directory {
    let mut found = Found::default();
    found.directory(directory);
    found.load()
}

/// Reads and checks the journeys of files, whatever their extension, and of directories. What cannot be read
/// is a problem like any other, of the code `unreadable`, and the rest is still checked.
#[must_use]
pub fn load_paths(paths: &[PathBuf]) -> Directory {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            found.directory(path);
        } else {
            found.file(path);
        }
    }
    found.load()
}

/// Files by name, so that one that is named twice is there once, and what could not be read.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, Vec<u8>>,
    problems: Vec<Problem>,
}

impl Found {
    fn file(&mut self, path: &FilePath) {
        match bounded(path) {
            Ok(text) => {
                self.files.insert(path.display().to_string(), text);
            }
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn directory(&mut self, directory: &FilePath) {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(directory, &error),
        };
        for path in entries.filter_map(|entry| entry.map(|entry| entry.path()).ok()) {
            let extension = path.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("toml" | "json")) {
                self.file(&path);
            }
        }
    }

    fn unreadable(&mut self, path: &FilePath, error: &std::io::Error) {
        let file = path.display().to_string();
        let message = format!("{file} cannot be read: {error}");
        self.problems.push(Finding::new("unreadable", Path::default(), message).placed(&file, (0, 0), &[]));
    }

    fn load(mut self) -> Directory {
        self.problems.sort_by(|a, b| a.file.cmp(&b.file));
        let files: Vec<_> = self.files.into_iter().collect();
        let mut loaded = load_all(&files);
        self.problems.append(&mut loaded.problems);
        Directory { problems: self.problems, ..loaded }
    }
}

/// A file's bytes, at most one more than a journey may have: enough to say that it is too large.
fn bounded(path: &FilePath) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut text)?;
    Ok(text)
}
