//! What a commit costs: 1,000 and 10,000 changes of about 100 bytes with one fsync, beside fjall alone;
//! what the index of users costs it, and what it spares a question about one user.
//!
//! `cargo bench --bench journal`. The ratio of the two in one run is what counts; the disk decides the rest.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use tempfile::{TempDir, tempdir};
use wayfarer::journal::embedded::{Embedded, EmbeddedOptions, EmbeddedWorker};
use wayfarer::journal::{
    Append, Assignment, Batch, Intake, Journal, Kind, Log, Source, Stream, Streams, Transaction,
};
use wayfarer::model::Timestamp;
use wayfarer::model::hash::user_hash;

const VALUE: [u8; 80] = [7; 80];

/// Spreads keys as hashed users are spread.
fn key(n: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions { shards: 4, reserve_bytes: 0, ..EmbeddedOptions::default() }
}

fn commits(c: &mut Criterion) {
    for changes in [1_000u64, 10_000] {
        let mut group = c.benchmark_group(format!("commit of {changes} changes, one fsync"));
        group.throughput(Throughput::Elements(changes)).sample_size(20);
        group.bench_function("fjall alone", |b| {
            let place = tempdir().expect("a directory");
            let db =
                Database::builder(place.path()).manual_journal_persist(true).open().expect("fjall opens");
            let keys = db.keyspace("k", KeyspaceCreateOptions::default).expect("a key space");
            let mut n = 0;
            // The journal's keys begin with a table and a shard; fjall gets keys of the same length.
            let long = |n| [[b's', 0, 0].as_slice(), &key(n)].concat();
            b.iter(|| {
                let mut batch = db.batch().durability(Some(PersistMode::SyncData));
                for _ in 0..changes {
                    n += 1;
                    batch.insert(&keys, long(n % 1_000_000), VALUE.as_slice());
                }
                batch.commit().expect("committed");
            });
        });
        group.bench_function("journal: state only", |b| commit(b, changes, 0));
        group.bench_function("journal: state, and a send for every tenth", |b| {
            commit(b, changes, changes / 10);
        });
        group.finish();
    }
}

fn commit(b: &mut criterion::Bencher<'_>, changes: u64, sends: u64) {
    let place = tempdir().expect("a directory");
    let log = Embedded::open(place.path(), options()).expect("the journal opens");
    let mut worker = log.worker(Assignment::Fixed(&[0])).expect("a worker");
    let mut tx = Transaction::new();
    let (mut n, mut seq) = (0, 0);
    b.iter(|| {
        seq += 1;
        tx.begin(Timestamp(1));
        let part = tx.shard(0, seq);
        for _ in 0..changes {
            n += 1;
            part.put(&key(n % 1_000_000), &VALUE);
        }
        for _ in 0..sends {
            part.sends.push(&[b'x'; 300]);
        }
        part.set_position(Source::Events, n);
        black_box(worker.commit(&tx).expect("committed"));
    });
}

/// A line as the engine writes it, of one of a million users.
fn movement(n: u64) -> String {
    let user = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000;
    format!(
        r#"{{"at":"2026-03-01T09:30:00.000Z","journey":"cart-rescue","version":1,"user":"user-{user:08}","#
    ) + &format!(r#""entry":{n},"what":"started","node":"patience"}}"#)
}

/// How many items a segment of the index has here.
const SEGMENT: u64 = 60_000;

/// How long this thread has had a processor: of the two that are compared, one waits for the disk.
fn on_processor() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let nanos = told.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("the first number is the time"))
}

/// What the indexer's thread does for 60,000 movements, beside their six commits; and what that spares.
fn index(c: &mut Criterion) {
    let open = |place: &TempDir, index_every| {
        // No thread beside what is measured.
        let housekeeping = Duration::from_secs(3_600);
        let options = EmbeddedOptions { index_every, housekeeping, ..options() };
        Embedded::open(place.path(), options).expect("the journal opens")
    };
    let mut group = c.benchmark_group("60,000 changes and movements");
    group.throughput(Throughput::Elements(SEGMENT)).sample_size(10);
    for (name, of_index) in [("six commits, one fsync each", false), ("their segment of the index", true)] {
        let place = tempdir().expect("a directory");
        let log = open(&place, SEGMENT);
        let mut moves = Moves::of(&log);
        let mut once = || {
            let began = on_processor();
            (0..6).for_each(|_| moves.commit());
            let committed = on_processor() - began;
            assert_eq!(log.index().expect("it is indexed"), 1);
            if of_index { on_processor() - began - committed } else { committed }
        };
        group.bench_function(name, |b| b.iter_custom(|times| (0..times).map(|_| once()).sum()));
    }
    group.finish();
    let mut group = c.benchmark_group("the items of one user among 1,000,000");
    group.sample_size(10);
    for (name, index_every) in [("read through", u64::MAX), ("by the index", SEGMENT)] {
        let place = tempdir().expect("a directory");
        let log = open(&place, index_every);
        let mut moves = Moves::of(&log);
        (0..100).for_each(|_| moves.commit());
        while log.index().expect("it is indexed") > 0 {}
        let user = user_hash("user-00000000");
        group.bench_function(name, |b| {
            b.iter(|| black_box(log.numbers_of(Stream::Transitions, user).expect("they are found")));
        });
    }
    group.finish();
}

/// Commits 10,000 changes and movements at a time.
struct Moves {
    worker: EmbeddedWorker,
    tx: Transaction,
    n: u64,
    seq: u64,
}

impl Moves {
    fn of(log: &Embedded) -> Self {
        let worker = log.worker(Assignment::Fixed(&[0])).expect("a worker");
        Self { worker, tx: Transaction::new(), n: 0, seq: 0 }
    }

    fn commit(&mut self) {
        self.seq += 1;
        self.tx.begin(Timestamp(1));
        let part = self.tx.shard(0, self.seq);
        for _ in 0..10_000 {
            self.n += 1;
            part.put(&key(self.n % 1_000_000), &VALUE);
            part.transitions.push(movement(self.n).as_bytes());
        }
        part.set_position(Source::Events, self.n);
        black_box(self.worker.commit(&self.tx).expect("committed"));
    }
}

fn intake(c: &mut Criterion) {
    let event = [b'e'; 443];
    let mut group = c.benchmark_group("10,000 events of 443 bytes");
    group.throughput(Throughput::Elements(10_000)).sample_size(20);
    let records: Vec<_> =
        (0..10_000).map(|n| Append { shard: n % 4, kind: Kind::Event, user: None, bytes: &event }).collect();
    group.bench_function("accept in one batch, one fsync", |b| {
        let place = tempdir().expect("a directory");
        let log = Embedded::open(place.path(), options()).expect("the journal opens");
        b.iter(|| black_box(log.append(Timestamp(1), &records).expect("accepted")));
    });
    group.bench_function("poll", |b| {
        let place = tempdir().expect("a directory");
        let log = Embedded::open(place.path(), options()).expect("the journal opens");
        log.append(Timestamp(1), &records).expect("accepted");
        let mut worker = log.worker(Assignment::Fixed(&[0, 1, 2, 3])).expect("a worker");
        let mut batch = Batch::new();
        let start = |worker: &mut _| (0..4).for_each(|s| Journal::start(worker, s).expect("it starts"));
        b.iter_batched_ref(
            || (),
            |()| {
                start(&mut worker);
                worker.poll(&mut batch, 10_000).expect("polled");
                assert_eq!(black_box(&batch).len(), 10_000);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, commits, index, intake);
criterion_main!(benches);
