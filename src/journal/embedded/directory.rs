//! The directory of an embedded journal: whose it is, which format it has, and that one process has it.
//!
//! `FORMAT` names the version, the journal's id and the number of shards; it is written once, whole or not
//! at all. `LOCK` is locked as long as the journal is open. `data/` is the storage's.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::super::error::JournalError;

/// The format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 1;

/// Why a directory cannot be opened as a journal.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the journal in {} is in use by another process; one process at a time can open it", .0.display()
    )]
    InUse(PathBuf),
    /// It holds something else.
    #[error(
        "{} holds files but no journal (FORMAT is missing); give an empty or a new directory", .0.display()
    )]
    NotAJournal(PathBuf),
    /// FORMAT does not say what it should.
    #[error("{} is not readable: it says {line:?} where `{expected}` is expected", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        line: String,
        /// What is expected.
        expected: &'static str,
    },
    /// It was written by another version.
    #[error(
        "the journal in {} has format {found}; this program reads format {FORMAT_VERSION}: use the program \
         that wrote it", directory.display()
    )]
    Version {
        /// The directory.
        directory: PathBuf,
        /// Its format.
        found: String,
    },
    /// It has another number of shards.
    #[error(
        "the journal in {} has {found} shards and {asked} are asked for; the number is fixed when a journal \
         is made, since it decides whose shard a user is in", directory.display()
    )]
    Shards {
        /// The directory.
        directory: PathBuf,
        /// How many it has.
        found: u16,
        /// How many are asked for.
        asked: u16,
    },
    /// The operating system refused.
    #[error("the journal in {} could not {doing}: {cause}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What was said.
        cause: String,
    },
    /// What it holds could not be read.
    #[error("the journal in {} could not be recovered: {cause}", directory.display())]
    Recover {
        /// The directory.
        directory: PathBuf,
        /// What is wrong.
        cause: JournalError,
    },
}

/// An opened directory. It is locked until this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) id: String,
    _lock: File,
}

impl Directory {
    /// Opens or makes it. What is refused is left untouched.
    pub(super) fn open(path: &Path, shards: u16) -> Result<Self, OpenError> {
        let io = |doing| move |e: io::Error| io_error(path, doing, &e);
        let format = path.join("FORMAT");
        let is_new = !format.try_exists().map_err(io("be looked at"))?;
        if is_new && has_foreign_files(path).map_err(io("be looked at"))? {
            return Err(OpenError::NotAJournal(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(io("make its directory"))?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("LOCK"));
        let lock = lock.map_err(io("make its lock file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(e)) => return Err(io_error(path, "be locked", &e)),
        }
        if is_new {
            write_format(path, shards).map_err(io("write its FORMAT"))?;
        }
        let text = fs::read_to_string(&format).map_err(io("read its FORMAT"))?;
        let id = check_format(path, &text, shards)?;
        Ok(Self { path: path.to_owned(), id, _lock: lock })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }
}

pub(super) fn io_error(path: &Path, doing: &'static str, e: &io::Error) -> OpenError {
    OpenError::Io { directory: path.to_owned(), doing, cause: e.to_string() }
}

/// What a first start that was cut short may have left is not foreign.
fn has_foreign_files(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
        Ok(entries) => {
            for entry in entries {
                if !["LOCK", "FORMAT.new"]
                    .iter()
                    .any(|&own| entry.as_ref().is_ok_and(|e| e.file_name() == own))
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

fn write_format(path: &Path, shards: u16) -> io::Result<()> {
    let mut text = format!("wayfarer-journal {FORMAT_VERSION}\nid ");
    for salt in 0..2u8 {
        // Two keys of the operating system's randomness: an id needs no more than to be another one.
        let _ = write!(text, "{:016x}", RandomState::new().hash_one(salt));
    }
    let _ = writeln!(text, "\nshards {shards}");
    let new = path.join("FORMAT.new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path.join("FORMAT"))?;
    File::open(path)?.sync_all()
}

fn check_format(directory: &Path, text: &str, asked: u16) -> Result<String, OpenError> {
    let mut lines = text.lines();
    let mut field = |name: &'static str, expected: &'static str| {
        let line = lines.next().unwrap_or_default();
        line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')).map(str::to_owned).ok_or_else(|| {
            OpenError::Format { path: directory.join("FORMAT"), line: line.to_owned(), expected }
        })
    };
    let found = field("wayfarer-journal", "wayfarer-journal VERSION")?;
    if found != FORMAT_VERSION.to_string() {
        return Err(OpenError::Version { directory: directory.to_owned(), found });
    }
    let id = field("id", "id HEX")?;
    let shards = field("shards", "shards NUMBER")?;
    let found: u16 = shards.parse().map_err(|_| OpenError::Format {
        path: directory.join("FORMAT"),
        line: format!("shards {shards}"),
        expected: "shards NUMBER",
    })?;
    if found != asked {
        return Err(OpenError::Shards { directory: directory.to_owned(), found, asked });
    }
    Ok(id)
}
