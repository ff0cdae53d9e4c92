//! What it costs to read one event, beside the usual ways in the same run.
//!
//! The ratios bind, the nanoseconds do not: `decode` takes at most a quarter of the time of
//! `serde_json_value` and no more than `serde_typed`. The last lines print both ratios, taken in turns so
//! that a busy machine slows all alike.

use std::borrow::Cow;
use std::hint::black_box;
use std::io::Cursor;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use serde::Deserialize;
use serde_json::value::RawValue;
use wayfarer::ingest::reader::{Format, Reader};
use wayfarer::ingest::{Fields, decode};
use wayfarer::model::Slots;

/// A cart event as a shop's web site sends it.
const EVENT: &[u8] = include_bytes!("event.json");

const _: () = assert!(EVENT.len() == 443);

/// The same parts as `Event` has, the way one would read them with serde.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields are there to be read in, not out")]
struct Typed<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    anonymous_id: Option<Cow<'a, str>>,
    message_id: Option<&'a str>,
    timestamp: Option<&'a str>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow)]
    traits: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<Context<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields are there to be read in, not out")]
struct Context<'a> {
    timezone: Option<&'a str>,
    #[serde(borrow)]
    traits: Option<&'a RawValue>,
}

fn ours() {
    black_box(decode(black_box(EVENT)).expect("the event is good"));
}

fn typed() {
    black_box(serde_json::from_slice::<Typed<'_>>(black_box(EVENT)).expect("the event is good"));
}

fn value() {
    black_box(serde_json::from_slice::<serde_json::Value>(black_box(EVENT)).expect("the event is good"));
}

fn fields() -> Fields {
    Fields::new(&["value".to_owned(), "cart_id".to_owned()])
}

/// The time of a call of each, in nanoseconds: the first decile of rounds in which all take turns.
///
/// A round that was interrupted is slower than it is, never faster.
fn in_turns(ways: [fn(); 3]) -> [f64; 3] {
    const CALLS: u32 = 200;
    let mut rounds: [Vec<Duration>; 3] = Default::default();
    for _ in 0..5_000 {
        for (way, times) in ways.iter().zip(&mut rounds) {
            let start = Instant::now();
            (0..CALLS).for_each(|_| way());
            times.push(start.elapsed() / CALLS);
        }
    }
    rounds.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 10].as_secs_f64() * 1e9
    })
}

/// Recorded events from memory: what `replay` pays before it does anything.
fn lines(criterion: &mut Criterion) {
    const LINES: usize = 10_000;
    let text: &'static [u8] = [EVENT, b"\n"].concat().repeat(LINES).leak();
    let mut group = criterion.benchmark_group("lines_of_443_bytes");
    group.throughput(Throughput::Elements(LINES as u64));
    for (name, decoded) in [("read", false), ("read_and_decode", true)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let source = Box::new(Cursor::new(text));
                let mut reader =
                    Reader::new("memory".to_owned(), source, Format::JsonLines).expect("memory can be read");
                let mut count = 0;
                while let Some(line) = reader.next_line().expect("memory can be read") {
                    let message = line.message.expect("the line is short");
                    if decoded {
                        black_box(decode(message).expect("the event is good"));
                    }
                    count += 1;
                }
                assert_eq!(count, LINES);
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decode_443_bytes");
    group.throughput(Throughput::Bytes(EVENT.len() as u64));
    group.bench_function("decode", |b| b.iter(ours));
    group.bench_function("decode_and_two_fields", |b| {
        let (fields, mut slots) = (fields(), Slots::default());
        b.iter(|| {
            let event = decode(black_box(EVENT)).expect("the event is good");
            fields.extract(event.properties, &mut slots);
            black_box(&slots);
        });
    });
    group.bench_function("serde_typed", |b| b.iter(typed));
    group.bench_function("serde_json_value", |b| b.iter(value));
    group.finish();
    lines(&mut criterion);
    criterion.final_summary();
    // `cargo test --benches` wants to know only that everything runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let [ours, typed, value] = in_turns([ours, typed, value]);
    #[expect(clippy::print_stdout, reason = "this is a program")]
    {
        println!("in turns: decode {ours:.0} ns, serde typed {typed:.0} ns, serde_json::Value {value:.0} ns");
        println!("decode / serde typed = {:.2} (at most 1.00)", ours / typed);
        println!("decode / serde_json::Value = {:.3} (at most 0.250)", ours / value);
    }
}
