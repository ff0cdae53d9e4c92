//! What the structures below a shard cost, at 200,000 and ten million waiting users.
//!
//! `cargo bench --bench storage` prints nanoseconds an operation and, first, the memory of a waiting user:
//! a record of 48 bytes with its timer, an index entry, a user id of 36 characters and two variables. `--
//! 200k` leaves the large ones out.
//!
//! Users are met at random, as in a stream of events, 256 at a time as a worker meets them. A timer's
//! record is read before the clock starts, because whoever changes a timer has just looked the user up.

#![allow(missing_docs, reason = "criterion's macros write public items")]
#![allow(clippy::print_stderr, reason = "the memory figures are the point")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use wayfarer::engine::storage::{Bytes, Dedupe, Index, Links, Slab, Timed, UserId, Wheel};
use wayfarer::model::{Interval, Timestamp, hash::user_hash};

const SIZES: [(&str, usize); 2] = [("200k", 200_000), ("10m", 10_000_000)];
const BATCH: usize = 256;
const START: i64 = 1_767_225_600_000;
const HALF_HOUR: u64 = 30 * 60_000;

/// As large as the engine's hot record is meant to be.
struct Hot {
    hash: u64,
    deadline: Timestamp,
    order: u64,
    links: Links,
    cold: u32,
    _plan: u32,
    _node: u16,
    _held: bool,
}

struct Cold {
    user: UserId,
    _entered: [u8; 6],
    _variables: u32,
}

impl Timed for Hot {
    fn links(&self) -> &Links {
        &self.links
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
    fn deadline(&self) -> Timestamp {
        self.deadline
    }
    fn order(&self) -> u64 {
        self.order
    }
}

/// A generator good enough to miss every cache, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
}

/// The n-th user: a UUID text.
fn user(n: u64) -> String {
    let (a, b) = (Random(n).next(), Random(!n).next());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

struct Shard {
    index: Index,
    hot: Slab<Hot>,
    cold: Slab<Cold>,
    bytes: Bytes,
    wheel: Wheel,
}

impl Shard {
    fn of(users: usize) -> Self {
        let mut shard = Self {
            index: Index::new(),
            hot: Slab::new(),
            cold: Slab::new(),
            bytes: Bytes::new(),
            wheel: Wheel::new(Timestamp(START)),
        };
        let mut random = Random(1);
        for n in 0..users as u64 {
            let text = user(n);
            let id = UserId::new(&text, &mut shard.bytes);
            let variables = shard.bytes.insert(&random.next().to_le_bytes().repeat(2)[..14]);
            let cold = shard.cold.insert(Cold { user: id, _entered: [0; 6], _variables: variables });
            let deadline = Timestamp(START) + Interval(random.below(HALF_HOUR));
            let hash = user_hash(&text);
            let hot = Hot {
                hash,
                deadline,
                order: n,
                links: Links::default(),
                cold,
                _plan: 0,
                _node: 0,
                _held: false,
            };
            let handle = shard.hot.insert(hot);
            shard.index.insert(hash, handle, |h| shard.hot[h].hash);
            shard.wheel.insert(&mut shard.hot, handle, deadline);
        }
        shard
    }

    fn find(&self, text: &str, packed: Option<UserId>, hash: u64) -> Option<u32> {
        self.index.find(hash, |h| {
            let hot = &self.hot[h];
            hot.hash == hash && self.cold[hot.cold].user.is(packed, &self.bytes, text)
        })
    }
}

/// Bytes of this process that are in memory; zero where the kernel does not say.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn report_memory(name: &str, shard: &Shard, resident: usize) {
    let users = shard.hot.len();
    let each = |bytes: usize| bytes as f64 / users as f64;
    eprintln!(
        "{name}: a waiting user takes {:.1} B resident: hot {:.1}, cold {:.1}, bytes {:.1}, index {:.1}, wheel {:.3}",
        each(resident),
        each(shard.hot.bytes()),
        each(shard.cold.bytes()),
        each(shard.bytes.bytes()),
        each(shard.index.bytes()),
        each(shard.wheel.bytes()),
    );
}

/// Runs `work` on batches of random handles below `users`, and gives the time that it took for `iters` of
/// them.
fn in_batches(iters: u64, users: usize, mut work: impl FnMut(&[u32]) -> Duration) -> Duration {
    let mut random = Random(iters);
    let mut total = Duration::ZERO;
    let mut left = iters as usize;
    let mut batch = Vec::with_capacity(BATCH);
    while left > 0 {
        batch.clear();
        batch.extend((0..left.min(BATCH)).map(|_| random.below(users as u64) as u32));
        batch.sort_unstable();
        batch.dedup();
        total += work(&batch) * left.min(BATCH) as u32 / batch.len() as u32;
        left -= left.min(BATCH);
    }
    total
}

/// The thread's own CPU time of it: the wall clock would say what else the machine does.
fn timed(work: impl FnOnce()) -> Duration {
    let start = clock_gettime(ClockId::ThreadCPUTime);
    work();
    let end = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = (end.tv_sec - start.tv_sec) * 1_000_000_000 + end.tv_nsec - start.tv_nsec;
    Duration::from_nanos(nanoseconds.unsigned_abs())
}

fn timers(c: &mut Criterion, name: &str, shard: &mut Shard) {
    let users = shard.hot.len();
    let Shard { hot, wheel, .. } = shard;
    let mut group = c.benchmark_group(format!("timer/{name}"));
    let touch = |hot: &Slab<Hot>, batch: &[u32]| batch.iter().map(|&h| hot[h].order).sum::<u64>();
    for measure_cancel in [true, false] {
        group.bench_function(if measure_cancel { "cancel" } else { "insert" }, |b| {
            b.iter_custom(|iters| {
                in_batches(iters, users, |batch| {
                    black_box(touch(hot, batch));
                    let cancel = timed(|| batch.iter().for_each(|&h| wheel.cancel(hot, h)));
                    let insert = timed(|| {
                        for &h in batch {
                            let deadline = hot[h].deadline;
                            wheel.insert(hot, h, deadline);
                        }
                    });
                    if measure_cancel { cancel } else { insert }
                })
            });
        });
    }
    group.bench_function("nothing due", |b| {
        b.iter(|| wheel.pop_due(hot, black_box(Timestamp(START - 1)), true));
    });
    // Each one that comes due goes round for another half hour.
    let mut now = Timestamp(START);
    group.bench_function("expire and re-arm", |b| {
        b.iter(|| {
            loop {
                if let Some(h) = wheel.pop_due(hot, now, true) {
                    let deadline = now + Interval(HALF_HOUR);
                    hot[h].deadline = deadline;
                    wheel.insert(hot, h, deadline);
                    return h;
                }
                now = now + Interval(1);
            }
        });
    });
}

fn lookups(c: &mut Criterion, name: &str, shard: &Shard) {
    let users = shard.hot.len();
    let mut random = Random(7);
    let mut texts = Vec::new();
    let mut keys = Vec::new();
    for _ in 0..100_000 {
        let text = user(random.below(users as u64));
        keys.push((user_hash(&text), UserId::pack(&text)));
        texts.push(text);
    }
    let mut group = c.benchmark_group(format!("lookup/{name}"));
    let mut at = 0;
    let mut next = || {
        at = (at + 1) % texts.len();
        (texts[at].as_str(), keys[at])
    };
    group.bench_function("by hash, hot record only", |b| {
        b.iter(|| {
            let (_, (hash, _)) = next();
            shard.index.find(hash, |h| shard.hot[h].hash == hash)
        });
    });
    group.bench_function("with the user id compared", |b| {
        b.iter(|| {
            let (text, (hash, packed)) = next();
            shard.find(text, packed, hash)
        });
    });
    group.bench_function("hash and pack only", |b| {
        b.iter(|| {
            let (text, _) = next();
            (user_hash(text), UserId::pack(text))
        });
    });
}

fn shards(c: &mut Criterion) {
    let large = std::env::args().all(|arg| arg != "200k");
    for (name, users) in SIZES.into_iter().filter(|(_, users)| large || *users <= 200_000) {
        let before = resident_bytes();
        let mut shard = Shard::of(users);
        report_memory(name, &shard, resident_bytes() - before);
        lookups(c, name, &shard);
        timers(c, name, &mut shard);
    }
}

fn parts(c: &mut Criterion) {
    let mut store = Bytes::new();
    let mut handles: Vec<u32> = (0..1_000_000u64).map(|n| store.insert(&[n as u8; 14])).collect();
    let mut random = Random(3);
    c.bench_function("bytes/replace in place", |b| {
        b.iter(|| {
            let at = random.below(1_000_000) as usize;
            handles[at] = store.replace(handles[at], &[1; 12]);
        });
    });
    c.bench_function("bytes/remove and insert", |b| {
        b.iter(|| {
            let at = random.below(1_000_000) as usize;
            store.remove(handles[at]);
            handles[at] = store.insert(&[1; 14]);
        });
    });
    let (text, mut out) = (user(5), String::new());
    let id = UserId::new(&text, &mut store);
    c.bench_function("user id/pack a UUID", |b| b.iter(|| UserId::pack(black_box(&text))));
    c.bench_function("user id/write a UUID", |b| {
        b.iter(|| {
            out.clear();
            id.write_to(&store, &mut out);
        });
    });
    let mut set = Dedupe::new(Interval::from_mins(10), 5_000_000);
    c.bench_function("dedupe/new", |b| {
        b.iter(|| {
            let new = !set.seen(random.next(), Timestamp(START));
            if set.len().is_multiple_of(1_000) {
                set.commit();
            }
            new
        });
    });
    eprintln!("dedupe: {:.1} B a fingerprint at {}", set.bytes() as f64 / set.len() as f64, set.len());
}

criterion_group! {
    name = storage;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = shards, parts
}
criterion_main!(storage);
