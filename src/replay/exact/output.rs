//! The decisions of a range as files: each shard's in the order of its commits, one shard after the other.
//!
//! A shard writes parts of its own, so that the threads need not wait for each other; at the end the parts are put
//! together. What is not whole is called `*.partial`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::seat::Seat;
use crate::engine::json;
use crate::journal::Reject;
use crate::replay::ReplayError;

const NAMES: [&str; 4] = ["sends.jsonl", "transitions.jsonl", "refusals.jsonl", "rejects.jsonl"];
const SUMMARY: &str = "summary.json";

/// What one shard has decided.
pub(super) struct Parts {
    shard: u16,
    paths: Vec<PathBuf>,
    files: Vec<BufWriter<File>>,
}

impl Parts {
    /// Makes the parts of a shard.
    pub(super) fn create(directory: &Path, shard: u16) -> Result<Self, ReplayError> {
        let path = |name: &str| directory.join(format!("{name}.{shard:05}.partial"));
        let paths: Vec<PathBuf> = NAMES.into_iter().map(path).collect();
        let mut parts = Self { shard, paths, files: Vec::new() };
        for path in &parts.paths {
            let file = File::create(path).map_err(|error| ReplayError::file(path, "written", &error))?;
            parts.files.push(BufWriter::new(file));
        }
        Ok(parts)
    }

    /// Writes what a shard has decided since its last commit.
    pub(super) fn write(&mut self, seat: &Seat) -> Result<(), ReplayError> {
        let effects = &seat.effects;
        self.put(0, effects.sends.as_bytes())?;
        self.put(1, effects.transitions.as_bytes())?;
        self.put(2, effects.refusals.as_bytes())?;
        let mut line = Vec::new();
        for letter in &seat.letters {
            line.clear();
            write_letter(seat.number, letter, &mut line);
            self.put(3, &line)?;
        }
        Ok(())
    }

    fn put(&mut self, file: usize, bytes: &[u8]) -> Result<(), ReplayError> {
        let written = self.files[file].write_all(bytes);
        written.map_err(|error| ReplayError::file(&self.paths[file], "written", &error))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.files.clear();
        for path in &self.paths {
            // What cannot be removed is still called partial.
            let _ = fs::remove_file(path);
        }
    }
}

/// One line of `rejects.jsonl`: the place, why, and the bytes as they came, in hex where they are no text; of a
/// CloudEvent its headers too.
fn write_letter(shard: u16, letter: &[u8], out: &mut Vec<u8>) {
    let reject = Reject::decode(letter).expect("a dead letter that was just made reads back");
    let (code, reason) = reject.code.split_once(": ").unwrap_or((reject.code, ""));
    out.extend_from_slice(b"{\"shard\":");
    json::number(out, u64::from(shard));
    out.extend_from_slice(b",\"source\":");
    json::string(out, &crate::worker::story::name_of(reject.source));
    out.extend_from_slice(b",\"offset\":");
    json::number(out, reject.offset);
    out.extend_from_slice(b",\"code\":");
    json::string(out, code);
    out.extend_from_slice(b",\"reason\":");
    json::string(out, reason);
    let envelope = reject.envelope();
    let original = envelope.map_or(reject.bytes, |all| all.value);
    if let Some(envelope) = envelope {
        let mut between = b",\"headers\":[".as_slice();
        for (name, value) in envelope.headers() {
            out.extend_from_slice(between);
            between = b",";
            out.push(b'[');
            json::string(out, name);
            out.push(b',');
            json::string(out, &String::from_utf8_lossy(value));
            out.push(b']');
        }
        out.push(b']');
    }
    match std::str::from_utf8(original) {
        Ok(text) => {
            out.extend_from_slice(b",\"original\":");
            json::string(out, text);
        }
        Err(_) => {
            let hex: String = original.iter().map(|byte| format!("{byte:02x}")).collect();
            out.extend_from_slice(b",\"original_hex\":");
            json::string(out, &hex);
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Makes the directory, and removes what an earlier replay has left there.
pub(super) fn prepare(directory: &Path) -> Result<(), ReplayError> {
    fs::create_dir_all(directory).map_err(|error| ReplayError::file(directory, "made", &error))?;
    for name in NAMES.into_iter().chain([SUMMARY]) {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ReplayError::file(&path, "replaced", &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts the parts together, writes the summary, and gives every file its name.
pub(super) fn finish(directory: &Path, mut parts: Vec<Parts>, summary: &str) -> Result<(), ReplayError> {
    parts.sort_by_key(|parts| parts.shard);
    for part in &mut parts {
        for (file, path) in part.files.iter_mut().zip(&part.paths) {
            file.flush().map_err(|error| ReplayError::file(path, "written", &error))?;
        }
    }
    for (number, name) in NAMES.into_iter().enumerate() {
        write_whole(directory, name, &mut |whole| {
            parts.iter().try_for_each(|part| {
                let mut from = File::open(&part.paths[number])?;
                io::copy(&mut from, whole).map(drop)
            })
        })?;
    }
    write_whole(directory, SUMMARY, &mut |whole| whole.write_all(summary.as_bytes()))
}

fn write_whole(
    directory: &Path,
    name: &str,
    write: &mut dyn FnMut(&mut File) -> io::Result<()>,
) -> Result<(), ReplayError> {
    let (path, partial) = (directory.join(name), directory.join(format!("{name}.partial")));
    let written = File::create(&partial).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    let named = written.and_then(|()| fs::rename(&partial, &path));
    named.map_err(|error| {
        let _ = fs::remove_file(&partial);
        ReplayError::file(&path, "written", &error)
    })
}
