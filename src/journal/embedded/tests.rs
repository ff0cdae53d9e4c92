//! What an embedded journal promises beyond the contract: power cuts, full disks, locks, formats, retention.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;
use crate::journal::batch::Batch;
use crate::journal::contract::{self, Bench, SHARDS};
use crate::journal::error::CommitError;
use crate::journal::record::{Kind, Source, Stream};
use crate::journal::sends_file::SendsFile;
use crate::journal::traits::{Assignment, Journal, Stored, Streams};
use crate::journal::transaction::Transaction;
use crate::model::Interval;

fn options() -> EmbeddedOptions {
    let housekeeping = std::time::Duration::from_secs(3600);
    EmbeddedOptions { shards: SHARDS, housekeeping, reserve_bytes: 0, ..EmbeddedOptions::default() }
}

fn open(path: &Path) -> Embedded {
    Embedded::open(path, options()).unwrap()
}

/// A file's bytes without the zeros at its end. A block of 64 KiB of zeros ends it: fjall writes no such
/// block.
fn used_bytes(path: &Path) -> Vec<u8> {
    let (mut file, mut bytes) = (fs::File::open(path).unwrap(), Vec::new());
    loop {
        let before = bytes.len();
        Read::by_ref(&mut file).take(64 << 10).read_to_end(&mut bytes).unwrap();
        if bytes[before..].iter().all(|&b| b == 0) {
            break;
        }
    }
    let used = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    bytes
}

/// Copies a journal as the disk has it, while it is open: what a crash leaves. fjall lays its log out ahead,
/// so the zeros at a file's end are not copied but left as a hole.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
            continue;
        }
        let bytes = used_bytes(&entry.path());
        fs::write(&target, &bytes).unwrap();
        let len = entry.metadata().unwrap().len();
        fs::File::options().write(true).open(&target).unwrap().set_len(len).unwrap();
    }
}

/// Makes journals in directories of its own; a crash goes on with a copy of what the disk has.
#[derive(Default)]
struct InDirectory {
    made: Vec<TempDir>,
}

impl InDirectory {
    fn place(&mut self) -> PathBuf {
        self.made.push(tempfile::tempdir().unwrap());
        self.made.last().unwrap().path().to_owned()
    }
}

impl Bench for InDirectory {
    type Log = Embedded;
    fn create(&mut self) -> Embedded {
        open(&self.place())
    }
    fn crash(&mut self, log: Embedded) -> Embedded {
        let (from, to) = (log.store().directory.path.clone(), self.place());
        copy(&from, &to);
        drop(log);
        open(&to)
    }
}

#[test]
fn embedded_keeps_the_contract() {
    contract::check(InDirectory::default);
}

fn append(log: &Embedded, at: i64, text: &str) -> Result<Appended, IntakeError> {
    log.append(Timestamp(at), &[Append { shard: 0, kind: Kind::Event, user: None, bytes: text.as_bytes() }])
}

fn commit(worker: &mut EmbeddedWorker, at: i64, seq: u64, next: u64) -> Result<(), CommitError> {
    let mut tx = Transaction::new();
    tx.begin(Timestamp(at));
    let part = tx.shard(0, seq);
    part.set_position(Source::Events, next);
    part.put(b"last", &seq.to_be_bytes());
    part.sends.push(format!("{{\"send\":{seq}}}").as_bytes());
    part.cycles.extend_from_slice(b"cycle");
    worker.commit(&tx).map(drop)
}

/// What a journal holds of shard 0: records to be read, the last commit, the sends.
fn holds(log: &Embedded) -> (Vec<String>, u64, u64) {
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    let mut batch = Batch::new();
    worker.read(0, Source::Events, 0, usize::MAX, &mut batch).unwrap();
    let records = batch.records().map(|r| String::from_utf8(r.bytes.to_vec()).unwrap()).collect();
    let head = worker.head(0).unwrap().map_or(0, |head| head.seq);
    let mut state = 0;
    worker
        .stored(0)
        .unwrap()
        .records(&mut |_| ControlFlow::Continue(()), &mut |_, value| {
            state = u64::from_be_bytes(value.try_into().unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(state, head, "state and head are of one commit");
    (records, head, log.bounds(Stream::Sends).unwrap().next)
}

/// A disk that forgets: a picture of the directory is taken at each sync, and a power cut leaves the last
/// one.
fn with_pictures(fsync: Fsync) -> (TempDir, Embedded, Arc<Mutex<Option<TempDir>>>, Arc<AtomicU64>) {
    let place = tempfile::tempdir().unwrap();
    let (picture, syncs) = (Arc::new(Mutex::new(None)), Arc::new(AtomicU64::new(0)));
    let (path, shown, counted) = (place.path().to_owned(), Arc::clone(&picture), Arc::clone(&syncs));
    let on_sync: SyncObserver = Arc::new(move || {
        let taken = tempfile::tempdir().unwrap();
        copy(&path, taken.path());
        *shown.lock().unwrap() = Some(taken);
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let options = EmbeddedOptions { fsync, on_sync: Some(on_sync), ..options() };
    let log = Embedded::open(place.path(), options).unwrap();
    (place, log, picture, syncs)
}

#[test]
fn a_directory_that_was_not_made_to_its_end_is_made_again_and_one_that_lost_a_file_is_refused() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path()));
    let version = place.path().join("data/version");
    // Killed before the last file was there: an empty log, as fjall makes it, and none or half a version.
    let unmade = tempfile::tempdir().unwrap();
    copy(place.path(), unmade.path());
    for half in [None, Some("")] {
        let data = unmade.path().join("data");
        fs::remove_dir_all(&data).unwrap();
        fs::create_dir_all(data.join("keyspaces")).unwrap();
        fs::write(data.join("0.jnl"), [0; 4096]).unwrap();
        half.into_iter().for_each(|text| fs::write(data.join("version"), text).unwrap());
        let log = open(unmade.path());
        append(&log, 10, "a").unwrap();
    }
    // Lost later: what is there may have been answered.
    append(&open(place.path()), 10, "a").unwrap();
    fs::remove_file(&version).unwrap();
    let refused = Embedded::open(place.path(), options()).err().unwrap().to_string();
    assert!(refused.contains("version is not there"), "{refused}");
    assert!(place.path().join("data").exists(), "nothing is touched");
}

#[test]
fn a_power_cut_loses_nothing_that_was_answered() {
    let (_place, log, picture, syncs) = with_pictures(Fsync::Always);
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    let mut accepted = Vec::new();
    for n in 1..=8u64 {
        accepted.push(format!("event {n}"));
        append(&log, n as i64, accepted.last().unwrap()).unwrap();
        let after_cut = picture.lock().unwrap().take().expect("an answer comes after a sync");
        assert_eq!(holds(&open(after_cut.path())), (accepted.clone(), n - 1, n - 1), "after event {n}");
        commit(&mut worker, n as i64, n, n).unwrap();
        let after_cut = picture.lock().unwrap().take().expect("an answer comes after a sync");
        assert_eq!(holds(&open(after_cut.path())), (accepted.clone(), n, n), "after commit {n}");
    }
    assert_eq!(syncs.load(Ordering::Relaxed), 16, "one sync an answer");
}

#[test]
fn the_forgetting_disk_does_forget() {
    let (_place, log, picture, _) = with_pictures(Fsync::Never);
    append(&log, 1, "answered, and not synced").unwrap();
    assert!(picture.lock().unwrap().is_none(), "so the test above would have failed without the sync");
    log.append_control(Timestamp(2), b"pause").unwrap();
    assert!(picture.lock().unwrap().is_some(), "the control log is synced whatever the settings say");
}

/// The storage's own log file and how many bytes of it are used.
fn log_file(directory: &Path) -> (PathBuf, usize) {
    let files = fs::read_dir(directory.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let path = files.filter(|path| path.extension().is_some_and(|e| e == "jnl")).max().unwrap();
    let used = used_bytes(&path).len();
    (path, used)
}

#[test]
fn a_write_cut_off_anywhere_is_whole_or_not_there() {
    let place = tempfile::tempdir().unwrap();
    let log = open(place.path());
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    append(&log, 1, "event 1").unwrap();
    commit(&mut worker, 1, 1, 1).unwrap();
    let (_, synced) = log_file(place.path());
    commit(&mut worker, 2, 2, 1).unwrap();
    let (_, end) = log_file(place.path());
    assert!(end > synced + 100, "the second commit is in the file: {synced} to {end}");
    for cut in (synced..end).step_by(23) {
        let crashed = tempfile::tempdir().unwrap();
        copy(place.path(), crashed.path());
        let (path, _) = log_file(crashed.path());
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(cut as u64).unwrap();
        for _ in 0..2 {
            let log = open(crashed.path());
            assert_eq!(holds(&log), (vec!["event 1".to_owned()], 1, 1), "cut at byte {cut} of {end}");
        }
        let log = open(crashed.path());
        append(&log, 3, "event 2").unwrap();
        drop(log);
        assert_eq!(holds(&open(crashed.path())).0.len(), 2, "it goes on after a cut at byte {cut}");
    }
}

/// Puts a hole of 30 bytes in a file.
fn punch(path: &Path, at: usize) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(&[0; 30]).unwrap();
}

#[test]
fn an_unsynced_write_with_a_hole_is_not_there_and_a_synced_one_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let log = open(place.path());
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    append(&log, 1, "event 1").unwrap();
    commit(&mut worker, 1, 1, 1).unwrap();
    let (_, synced) = log_file(place.path());
    let mut tx = Transaction::new();
    let part = tx.shard(0, 2);
    for n in 0..100u8 {
        part.put(&[n; 8], &[n + 1; 200]);
    }
    worker.commit(&tx).unwrap();
    let (_, end) = log_file(place.path());
    for at in (synced..end - 30).step_by(977) {
        let crashed = tempfile::tempdir().unwrap();
        copy(place.path(), crashed.path());
        punch(&log_file(crashed.path()).0, at);
        assert_eq!(holds(&open(crashed.path())).1, 1, "with a hole at byte {at}, {synced} to {end}");
    }
    commit(&mut worker, 3, 3, 1).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    copy(place.path(), crashed.path());
    punch(&log_file(crashed.path()).0, synced + 500);
    let refused = Embedded::open(crashed.path(), options()).err().unwrap().to_string();
    assert!(refused.contains("says it was synced"), "{refused}");
}

#[test]
fn a_full_disk_stops_intake_then_commits_and_both_go_on_when_there_is_room() {
    let place = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(10_000_000));
    let asked = Arc::clone(&free);
    let options = EmbeddedOptions {
        reserve_bytes: 1_000_000,
        free_space: Arc::new(move |_| Ok(asked.load(Ordering::Relaxed))),
        ..options()
    };
    let log = Embedded::open(place.path(), options).unwrap();
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    append(&log, 1, "a").unwrap();
    free.store(900_000, Ordering::Relaxed);
    let stopped = append(&log, 2, "b").unwrap_err();
    assert!(stopped.to_string().contains("900000 bytes free"), "{stopped}");
    assert!(matches!(log.intake_state(), IntakeState::Stopped { .. }));
    commit(&mut worker, 3, 1, 1).expect("what was accepted is still worked off");
    free.store(400_000, Ordering::Relaxed);
    assert!(matches!(commit(&mut worker, 4, 2, 1), Err(CommitError::Refused { .. })));
    free.store(10_000_000, Ordering::Relaxed);
    assert_eq!(log.intake_state(), IntakeState::Open);
    commit(&mut worker, 5, 2, 1).unwrap();
    append(&log, 6, "c").unwrap();
    drop(worker);
    assert_eq!(holds(&log), (vec!["a".to_owned(), "c".to_owned()], 2, 2));
}

#[test]
fn a_directory_in_use_is_refused_with_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let log = open(place.path());
    let worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    let refused = || Embedded::open(place.path(), options()).err().map(|e| e.to_string());
    assert!(refused().unwrap().contains("in use by another process"));
    drop(log);
    assert!(refused().is_some(), "a worker keeps it open");
    drop(worker);
    assert_eq!(refused(), None);
}

#[test]
fn a_directory_of_another_kind_is_refused_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Embedded::open(path, options()).err().unwrap().to_string();
    fs::write(place.path().join("photo.jpg"), b"mine").unwrap();
    assert!(refused(place.path()).contains("no journal"));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    let place = tempfile::tempdir().unwrap();
    let id = open(place.path()).id().to_owned();
    assert_eq!(open(place.path()).id(), id);
    let format = place.path().join("FORMAT");
    let written = fs::read_to_string(&format).unwrap();
    for (from, to, sentence) in [
        ("wayfarer-journal 1", "wayfarer-journal 2", "has format 2; this program reads format 1"),
        ("shards 4", "shards 8", "has 8 shards and 4 are asked for"),
        ("id ", "di ", "`id HEX` is expected"),
        ("shards 4", "shards four", "`shards NUMBER` is expected"),
    ] {
        fs::write(&format, written.replace(from, to)).unwrap();
        assert!(refused(place.path()).contains(sentence), "{}", refused(place.path()));
    }
}

#[test]
fn retention_drops_what_is_old_and_read_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let log = open(place.path());
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    for n in 0..10 {
        append(&log, n, "event").unwrap();
        commit(&mut worker, n, n as u64 + 1, (n as u64).min(5)).unwrap();
    }
    let later = Timestamp(0) + Interval::from_days(31);
    assert_eq!(log.maintain(Timestamp(0)), Ok(0), "nothing is old");
    // Five records are read, ten cycles are old and one of them is the newest, no send is delivered.
    assert_eq!(log.maintain(later), Ok(5 + 9));
    log.mark_delivered(3).unwrap();
    assert_eq!(log.maintain(later), Ok(3));
    let check = |log: &Embedded, worker: &mut EmbeddedWorker| {
        let mut batch = Batch::new();
        let gone = worker.read(0, Source::Events, 4, 10, &mut batch);
        assert_eq!(gone, Err(JournalError::Gone { what: "record", asked: 4, oldest: 5 }));
        worker.read(0, Source::Events, 5, 10, &mut batch).unwrap();
        assert_eq!(batch.len(), 5);
        let bounds = log.bounds(Stream::Sends).unwrap();
        assert_eq!((bounds.first, bounds.next), (3, 10));
        assert!(matches!(log.read_stream(Stream::Sends, 2, 1, &mut |_| ()), Err(JournalError::Gone { .. })));
        assert!(matches!(log.item_at(Stream::Sends, 0), Err(JournalError::Gone { .. })));
        assert_eq!(log.item_at(Stream::Sends, bounds.first_position), Ok(3));
        assert_eq!(log.bounds(Stream::Cycles).unwrap().first, 9, "the newest is kept");
    };
    check(&log, &mut worker);
    drop((log, worker));
    let log = open(place.path());
    check(&log, &mut log.worker(Assignment::Fixed(&[0])).unwrap());
    assert_eq!(append(&log, 99, "goes on").unwrap().offsets, [10]);
}

#[test]
fn a_record_longer_than_a_chunk_and_many_chunks_are_read_back() {
    let place = tempfile::tempdir().unwrap();
    let log = open(place.path());
    let texts: Vec<String> = (0..40usize).map(|n| format!("{n}-").repeat(10_000 * (n % 4) + 1)).collect();
    let records: Vec<_> = texts
        .iter()
        .map(|t| Append { shard: 0, kind: Kind::Event, user: None, bytes: t.as_bytes() })
        .collect();
    assert_eq!(log.append(Timestamp(1), &records).unwrap().offsets, (0..40).collect::<Vec<u64>>());
    assert_eq!(holds(&log).0, texts);
    for from in [0, 1, 17, 39] {
        let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
        let mut tx = Transaction::new();
        let seq = worker.head(0).unwrap().map_or(1, |head| head.seq + 1);
        tx.shard(0, seq).set_position(Source::Events, from);
        worker.commit(&tx).unwrap();
        worker.start(0).unwrap();
        let mut batch = Batch::new();
        worker.poll(&mut batch, 100).unwrap();
        assert_eq!(batch.records().map(|r| r.offset).collect::<Vec<_>>(), (from..40).collect::<Vec<_>>());
    }
}

#[test]
fn no_thread_outlives_the_journal() {
    let place = tempfile::tempdir().unwrap();
    let log = open(place.path());
    let store = Arc::downgrade(log.store());
    let worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    drop((log, worker));
    assert!(store.upgrade().is_none(), "the housekeeper held the store, and has ended");
}

#[test]
fn many_callers_at_once_get_offsets_without_a_gap() {
    let place = tempfile::tempdir().unwrap();
    let log = Embedded::open(place.path(), EmbeddedOptions { fsync: Fsync::Never, ..options() }).unwrap();
    let done = AtomicBool::new(false);
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    worker.start(0).unwrap();
    let (mut batch, mut polled) = (Batch::new(), Vec::new());
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..200).flat_map(|n| append(&log, n, "x").unwrap().offsets).collect::<Vec<_>>()
                })
            })
            .collect();
        scope.spawn(|| {
            let mut all: Vec<u64> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
            all.sort_unstable();
            assert_eq!(all, (0..800).collect::<Vec<_>>());
            done.store(true, Ordering::Release);
        });
        let mut now = Timestamp::MIN;
        while !(done.load(Ordering::Acquire) && polled.len() >= 800) {
            worker.poll(&mut batch, 7).unwrap();
            for record in batch.records() {
                assert!(record.appended >= now, "a record of {:?} came after time {now:?}", record.appended);
                polled.push(record.offset);
            }
            now = now.max(worker.complete_until(0, Timestamp(polled.len() as i64)));
        }
    });
    assert_eq!(polled, (0..800).collect::<Vec<_>>());
}

#[test]
fn the_file_of_sends_follows_a_journal_through_a_restart_and_knows_when_it_cannot() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("sends.jsonl");
    let directory = place.path().join("journal");
    let log = open(&directory);
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    let (mut file, _) = SendsFile::open(log.clone(), &path).unwrap();
    for n in 1..=3 {
        commit(&mut worker, n, n as u64, 0).unwrap();
    }
    assert_eq!(file.write_committed().unwrap(), 3);
    file.sync().unwrap();
    commit(&mut worker, 4, 4, 0).unwrap();
    drop((file, worker, log));
    let whole = "{\"send\":1}\n{\"send\":2}\n{\"send\":3}\n{\"send\":4}\n";
    for cut in [whole.len(), 40, 33, 25] {
        fs::write(&path, &whole[..cut]).unwrap();
        let log = open(&directory);
        SendsFile::open(log, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole, "completed from byte {cut}");
    }
    let log = open(&directory);
    log.maintain(Timestamp(0) + Interval::from_days(31)).unwrap();
    fs::write(&path, &whole[..25]).unwrap();
    let refused = SendsFile::open(log, &path).err().unwrap().to_string();
    assert!(
        refused.contains("ends at byte 25, and the sends before byte 33 are no longer kept"),
        "{refused}"
    );
}
