//! The local disks of the instances, with their checkpoints, and the changelog that these are made of.
//!
//! The form of a checkpoint, and the judgement whether it is trusted, are those of production
//! ([`wayfarer::journal::kafka::checkpoint`]); that it leads to what was committed is found out by the worker that
//! restores a shard. Only who reads the changelog is simulated, for there is no topic.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wayfarer::journal::kafka::checkpoint::{Header, Here, Reader, Stale, Writer};
use wayfarer::journal::memory::MemoryStored;
use wayfarer::journal::{Again, Change, Head, JournalError, Progress, Shard, Stored, Transaction};
use wayfarer::model::{Format, Timestamp};

use super::met::{Fault, Met};

/// How long deletions stay in the changelog: half of it is trusted.
const DELETIONS_KEPT: Duration = Duration::from_secs(12 * 3600);

/// The first byte of the keys of users' pages.
const PAGE: u8 = b'u';

/// What becomes of a checkpoint on its way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Nothing.
    Whole,
    /// It ends early.
    Cut,
    /// A byte is another.
    Flipped,
    /// It is of another topic of the same name.
    Foreign,
    /// It says that it knows more than it does: nobody finds that out but by the digest, which in the first format is
    /// of users only, and since the second of everything.
    Untrue,
}

type Changelog = Vec<(Vec<u8>, Option<Vec<u8>>)>;
/// By the place of an instance, and shard.
type Files = BTreeMap<(usize, Shard), Vec<u8>>;

#[derive(Debug, Default)]
pub(crate) struct Disks {
    logs: BTreeMap<Shard, Changelog>,
    files: Files,
    /// In which format each shard was written last.
    formats: BTreeMap<Shard, Format>,
}

fn fold(log: &[(Vec<u8>, Option<Vec<u8>>)]) -> BTreeMap<&[u8], Option<&[u8]>> {
    log.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect()
}

fn header(shard: Shard, at: Timestamp, next: u64, topic: &str) -> Header {
    Header { shard, at, next, cluster: "simulated".to_owned(), topic: topic.to_owned(), head: Vec::new() }
}

impl Disks {
    /// What was committed goes into the changelog.
    pub(crate) fn committed(&mut self, tx: &Transaction) {
        for part in tx.parts() {
            self.formats.insert(part.shard(), part.formats.writes);
            let log = self.logs.entry(part.shard()).or_default();
            log.extend(part.changes().map(|change| match change {
                Change::Put(key, value) => (key.to_vec(), Some(value.to_vec())),
                Change::Delete(key) => (key.to_vec(), None),
            }));
        }
    }

    /// Makes a shard's checkpoint on the disk of an instance.
    pub(crate) fn keep(&mut self, place: usize, shard: Shard, at: Timestamp, written: Written, any: usize) {
        let log = self.logs.entry(shard).or_default();
        let unknown = if written == Written::Untrue { log.len() * 3 / 4 } else { log.len() };
        let mut known = fold(log);
        let is_whole = self.formats.get(&shard).is_some_and(|format| *format >= Format::WHOLE_DIGEST);
        let is_found = |key: &[u8]| is_whole || key.first() == Some(&PAGE);
        known.retain(|key, _| !is_found(key));
        known.extend(fold(&log[..unknown]).into_iter().filter(|(key, _)| is_found(key)));
        let topic = if written == Written::Foreign { "made anew" } else { "changelog" };
        let memory = "memory takes what is written";
        let mut writer = Writer::new(Vec::new(), &header(shard, at, log.len() as u64, topic)).expect(memory);
        for (key, value) in known {
            if let Some(value) = value {
                writer.record(key, value).expect(memory);
            }
        }
        let (mut file, _) = writer.finish().expect(memory);
        let at = any % file.len();
        match written {
            Written::Cut => file.truncate(at),
            Written::Flipped => file[at] ^= 1,
            Written::Whole | Written::Foreign | Written::Untrue => {}
        }
        self.files.insert((place, shard), file);
    }

    /// The shard's checkpoint if it is beyond doubt, with what the changelog has behind it.
    fn trusted(&self, place: usize, shard: Shard, now: Timestamp) -> Result<Option<Base>, Stale> {
        let Some(file) = self.files.get(&(place, shard)) else { return Ok(None) };
        let log = self.logs.get(&shard).map_or(&[][..], Vec::as_slice);
        let reader = Reader::open(Cursor::new(file.clone()))?;
        let Header { cluster, .. } = header(shard, now, 0, "");
        let (deletions_kept, end) = (DELETIONS_KEPT, log.len() as u64);
        let here = Here { cluster, topic: "changelog".to_owned(), deletions_kept, now, oldest: 0, end };
        reader.header.judge(shard, &here)?;
        let owned = |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
        let tail = fold(&log[reader.header.next as usize..]).into_iter().map(owned).collect();
        Ok(Some(Base { reader, tail }))
    }
}

/// A checkpoint that is used.
#[derive(Debug)]
struct Base {
    reader: Reader<Cursor<Vec<u8>>>,
    tail: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// What a shard is restored from: all of the log, or a checkpoint and what came behind it.
#[derive(Debug)]
pub struct SimStored {
    whole: MemoryStored,
    base: Option<Base>,
    /// Whose checkpoint it is, to give it up.
    file: (usize, Shard),
    disks: Arc<Mutex<Disks>>,
    met: Arc<Mutex<Met>>,
}

impl SimStored {
    pub(crate) fn new(
        whole: MemoryStored,
        file: (usize, Shard),
        now: Timestamp,
        disks: &Arc<Mutex<Disks>>,
        met: &Arc<Mutex<Met>>,
    ) -> Self {
        let trusted = disks.lock().expect("nobody panics with it").trusted(file.0, file.1, now);
        let base = trusted.unwrap_or_else(|why| {
            let torn = matches!(why, Stale::Torn { .. } | Stale::Unreadable(_) | Stale::Foreign);
            met.lock().expect("nobody panics with it").fault(if torn { Fault::Torn } else { Fault::Stale });
            disks.lock().expect("nobody panics with it").files.remove(&file);
            None
        });
        Self { whole, base, file, disks: Arc::clone(disks), met: Arc::clone(met) }
    }
}

impl Stored for SimStored {
    fn head(&self) -> Option<&Head> {
        self.whole.head()
    }

    fn records(
        self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<u64, JournalError> {
        let Some(Base { mut reader, tail }) = self.base else { return self.whole.records(progress, each) };
        let mut count = 0;
        let mut give = |key: &[u8], value: &[u8]| {
            count += 1;
            each(key, value).is_continue()
        };
        let all = reader.each(&mut |key, value| tail.contains_key(key) || give(key, value));
        let went_on =
            all.map_err(|why| JournalError::Storage { doing: "read a checkpoint", cause: why.to_string() })?;
        let newer = tail.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let _ = went_on && newer.into_iter().all(|(key, value)| give(key, value));
        self.met.lock().expect("nobody panics with it").fault(Fault::Trusted);
        Ok(count)
    }

    fn again(&self) -> Option<Again<Self>> {
        self.base.as_ref()?;
        let (whole, file) = (self.whole.clone(), self.file);
        let (disks, met) = (Arc::clone(&self.disks), Arc::clone(&self.met));
        Some(Box::new(move |_| {
            disks.lock().expect("nobody panics with it").files.remove(&file);
            met.lock().expect("nobody panics with it").fault(Fault::Untrue);
            Ok(Self { whole, base: None, file, disks, met })
        }))
    }
}
