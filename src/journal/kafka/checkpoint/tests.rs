//! Every doubt about a checkpoint has its sentence, and what is left is what the changelog says.

use std::io::{self, Cursor, Write};

use super::file::{Header, Reader, VERSION, Writer};
use super::*;
use crate::journal::record::Head;
use crate::model::Timestamp;

const HOUR_MS: i64 = 3_600_000;

fn header() -> Header {
    Header {
        shard: 3,
        at: Timestamp(100 * HOUR_MS),
        next: 1_000,
        cluster: "c-1".to_owned(),
        topic: "t-1".to_owned(),
        head: b"head".to_vec(),
    }
}

/// The changelog as it is an hour after the checkpoint, and deletions are kept for a day.
fn here() -> Here {
    Here {
        cluster: "c-1".to_owned(),
        topic: "t-1".to_owned(),
        deletions_kept: Duration::from_hours(24),
        now: Timestamp(101 * HOUR_MS),
        oldest: 0,
        end: 2_000,
    }
}

/// As many records as make some blocks.
const RECORDS: u32 = 20_000;

fn record(n: u32) -> (Vec<u8>, Vec<u8>) {
    (format!("user-{n}").into_bytes(), n.to_be_bytes().repeat(n as usize % 20))
}

fn bytes() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header()).expect("memory has room");
    for n in 0..RECORDS {
        let (key, value) = record(n);
        writer.record(&key, &value).expect("memory has room");
    }
    let (bytes, records) = writer.finish().expect("memory has room");
    assert_eq!(records, u64::from(RECORDS));
    bytes
}

/// Keys and their values.
type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// All records, or why not.
fn read(bytes: &[u8]) -> Result<Records, Stale> {
    let mut reader = Reader::open(Cursor::new(bytes))?;
    assert_eq!(reader.header, header());
    let mut all = Vec::new();
    reader.each(&mut |key, value| {
        all.push((key.to_vec(), value.to_vec()));
        true
    })?;
    Ok(all)
}

#[test]
fn a_checkpoint_reads_back() {
    assert_eq!(read(&bytes()).expect("it is whole"), (0..RECORDS).map(record).collect::<Vec<_>>());
}

#[test]
fn a_file_that_was_cut_is_seen_before_anything_of_it_is_used() {
    let bytes = bytes();
    for length in (0..bytes.len()).step_by(997).chain([bytes.len() - 1]) {
        assert!(Reader::open(Cursor::new(&bytes[..length])).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn a_bit_that_fell_over_is_seen_wherever_it_is() {
    let whole = bytes();
    for at in (0..whole.len()).step_by(whole.len() / 200).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        assert!(read(&bytes).is_err(), "byte {at}");
    }
}

#[test]
fn a_block_that_is_missing_doubled_or_elsewhere_is_seen() {
    let whole = bytes();
    let mut ends = vec![0];
    while let Some(&at) = ends.last().filter(|&&at| at < whole.len()) {
        let length = u32::from_le_bytes(whole[at..at + 4].try_into().expect("four bytes"));
        ends.push(at + 12 + length as usize);
    }
    let blocks: Vec<&[u8]> = ends.windows(2).map(|ends| &whole[ends[0]..ends[1]]).collect();
    assert!(blocks.len() > 5, "there are blocks to confuse");
    let of = |order: &[usize]| order.iter().flat_map(|&n| blocks[n].to_vec()).collect::<Vec<u8>>();
    let all: Vec<usize> = (0..blocks.len()).collect();
    assert!(read(&of(&all)).is_ok());
    for n in 1..blocks.len() - 1 {
        let without: Vec<usize> = all.iter().copied().filter(|&other| other != n).collect();
        let mut twice = all.clone();
        twice.insert(n, n);
        let mut elsewhere = all.clone();
        elsewhere.swap(n, (n + 1).min(blocks.len() - 2));
        for order in [&without, &twice] {
            assert!(read(&of(order)).is_err(), "{order:?}");
        }
        assert!(elsewhere == all || read(&of(&elsewhere)).is_err(), "{elsewhere:?}");
    }
}

/// What is said of a checkpoint; nothing if it is trusted.
fn said(change: impl FnOnce(&mut Header, &mut Here)) -> String {
    let (mut header, mut here) = (header(), here());
    change(&mut header, &mut here);
    header.judge(3, &here).err().map(|why| sentence(&why)).unwrap_or_default()
}

#[test]
fn every_doubt_has_a_sentence_of_its_own() {
    type Change = fn(&mut Header, &mut Here);
    let cases: &[(Change, &str)] = &[
        (|_, _| {}, ""),
        (|it, _| it.shard = 4, "it is of shard 4"),
        (|_, here| here.cluster = "c-2".to_owned(), "the cluster \"c-1\", and this one is \"c-2\""),
        (
            |_, here| here.topic = "t-2".to_owned(),
            "the topic with id t-1, and the one of that name has id t-2",
        ),
        // Half of a day after it was made deletions may have gone that it does not know.
        (|it, here| it.at.0 = here.now.0 - 12 * HOUR_MS + 1, ""),
        (|it, here| it.at.0 = here.now.0 - 12 * HOUR_MS, "it is 43200s old"),
        (|_, here| here.deletions_kept = Duration::from_mins(100), "the changelog for 6000s"),
        (|_, here| here.deletions_kept = Duration::ZERO, "the changelog for 0ns"),
        (|it, here| it.at.0 = here.now.0 + 60_000, ""),
        (|it, here| it.at.0 = here.now.0 + 60_001, "60001 ms after the brokers' time"),
        (|it, _| it.at.0 = i64::MAX, "after the brokers' time"),
        (|it, _| it.at.0 = i64::MIN, "old"),
        (|it, here| here.oldest = it.next, ""),
        (|it, here| here.oldest = it.next + 1, "ends at offset 1000, and the changelog begins at 1001"),
        (|it, here| here.end = it.next, ""),
        (|it, here| here.end = it.next - 1, "ends at offset 1000, and the changelog at 999"),
    ];
    for (n, (change, wanted)) in cases.iter().enumerate() {
        let said = said(change);
        assert_eq!(said.is_empty(), wanted.is_empty(), "case {n}: {said}");
        assert!(said.contains(wanted), "case {n}: {said:?} does not say {wanted:?}");
        assert!(said.is_empty() || said.contains("the changelog is read whole"), "{said}");
    }
}

#[test]
fn another_format_and_what_is_no_checkpoint_are_told_apart() {
    let framed = |payload: &[u8]| {
        let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(payload, 0);
        [&(payload.len() as u32).to_le_bytes(), &checksum.to_le_bytes()[..], payload].concat()
    };
    let why = |payload: &[u8]| Reader::open(Cursor::new(framed(payload))).map(drop).unwrap_err().to_string();
    let newer = [b"wayfckpt".as_slice(), &(VERSION + 1).to_le_bytes()].concat();
    assert_eq!(
        why(&newer),
        format!("it is of format {}, and this build reads format {VERSION}", VERSION + 1)
    );
    assert_eq!(why(b"something else"), "it is no checkpoint");
}

/// A directory with the checkpoint of shard 3 from `records`.
fn directory(records: &[(&[u8], &[u8])]) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("3.checkpoint");
    write(&path, &header(), None, &latest(records.iter().map(|&(key, value)| (key, Some(value)))))
        .expect("it can be written");
    (place, path)
}

fn latest<'a>(records: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Latest {
    let mut latest = Latest::default();
    records.into_iter().for_each(|(key, value)| latest.take(key, value));
    latest
}

fn base(path: &Path) -> Base {
    let reader = Reader::open(File::open(path).expect("it is there")).expect("it is whole");
    Base { path: path.to_owned(), reader }
}

fn all(base: &mut Base, newer: &Latest) -> Records {
    let mut all = Vec::new();
    base.each(newer, &mut |key, value| {
        all.push((key.to_vec(), value.to_vec()));
        true
    })
    .expect("it is whole");
    all
}

#[test]
fn what_is_newer_replaces_and_deletes_and_the_next_checkpoint_has_both() {
    let (place, path) = directory(&[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]);
    let newer = latest([(&b"b"[..], Some(&b"9"[..])), (b"c", None), (b"d", Some(b"4"))]);
    let of = |all: Records| {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a letter");
        all.into_iter().map(|(key, value)| text(key) + &text(value)).collect::<Vec<_>>()
    };
    assert_eq!(of(all(&mut base(&path), &newer)), ["a1"]);
    let later = Header { next: 1_001, head: b"later".to_vec(), ..header() };
    assert_eq!(write(&path, &later, Some(&mut base(&path)), &newer), Ok(3));
    let mut written = base(&path);
    assert_eq!((written.next(), written.head(), written.records()), (1_001, &b"later"[..], 3));
    assert_eq!(of(all(&mut written, &Latest::default())), ["a1", "b9", "d4"]);
    let left = fs::read_dir(place.path()).expect("it is there").count();
    assert_eq!(left, 1, "nothing is left that was written aside");
}

#[test]
fn a_checkpoint_says_which_topics_of_events_its_shard_knows() {
    use crate::journal::kafka::{codec, inputs::Inputs};
    let known = Inputs::decode(3, b"web\n7 app").expect("it is in the form");
    let mut head = Vec::new();
    codec::put_head(&Head { seq: 5, ..Head::default() }, "shop-1-0", Some(&known), &mut head);
    let (_place, path) = directory(&[]);
    write(&path, &Header { head, ..header() }, None, &Latest::default()).expect("there is room");
    assert_eq!(codec::inputs(3, base(&path).head()), Ok(Some(known)));
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before() {
    let (place, path) = directory(&[(b"a", b"1")]);
    // Where it is written aside there is a directory.
    fs::create_dir(path.with_extension(ASIDE)).expect("it can be made");
    let error = write(&path, &header(), None, &latest([(&b"x"[..], Some(&b"y"[..]))])).unwrap_err();
    assert!(error.to_string().starts_with("the journal could not write a checkpoint: "), "{error}");
    assert_eq!(all(&mut base(&path), &Latest::default()), [(b"a".to_vec(), b"1".to_vec())]);
    drop(place);
}

/// A disk with so much room.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_wherever_it_fills() {
    let whole = bytes().len();
    for room in (0..whole).step_by(whole / 50) {
        let write = || {
            let mut writer = Writer::new(Disk(room), &header())?;
            (0..RECORDS).map(record).try_for_each(|(key, value)| writer.record(&key, &value))?;
            writer.finish().map(drop)
        };
        assert_eq!(write().map_err(|e| e.kind()), Err(io::ErrorKind::StorageFull), "{room} bytes");
    }
}

#[test]
fn a_directory_is_one_processs_and_what_cannot_be_used_is_said() {
    let place = tempfile::tempdir().expect("a directory");
    let mine = lock(place.path()).expect("it is free");
    let why = lock(place.path()).unwrap_err();
    assert!(why.ends_with("is in use for another process's checkpoints"), "{why}");
    drop(mine);
    lock(place.path()).expect("it is free again");
    let file = place.path().join(LOCK).join("below a file");
    let why = lock(&file).unwrap_err();
    assert!(why.contains("cannot be used for checkpoints: "), "{why}");
}

#[test]
fn a_checkpoint_that_was_rejected_is_gone() {
    let (_place, path) = directory(&[(b"a", b"1")]);
    reject(3, &path, "the digest is another");
    assert!(!path.exists());
    // Somebody was faster.
    reject(3, &path, "the digest is another");
}
