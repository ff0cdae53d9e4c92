//! A directory of the demo's own for the journal, gone when the demo is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Distinguishes several demos in one process.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The directory.
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Makes one among the system's temporary files.
    pub(super) fn new() -> io::Result<Self> {
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("wayfarer-demo-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left behind by a process of that number that was killed.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nobody is left to tell; the system clears its temporary files by itself.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
