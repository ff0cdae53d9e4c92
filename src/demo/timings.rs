//! How long things really took, by the wall clock: for the standard error only, since no two runs agree on
//! it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// What is timed, in nanoseconds.
pub(super) struct Timings {
    /// From an event's bytes until its effects are known: decode, gates, nodes, timers due before it.
    pub(super) decide: Histogram<u64>,
    /// One commit: state, sends, statistics, positions in one atomic write.
    pub(super) commit: Histogram<u64>,
    /// From a verb until every shard has committed it.
    pub(super) flip: Histogram<u64>,
    began: Instant,
}

impl Timings {
    pub(super) fn new() -> Self {
        Self { decide: histogram(), commit: histogram(), flip: histogram(), began: Instant::now() }
    }

    /// Notes what took since `began`.
    pub(super) fn note(histogram: &mut Histogram<u64>, began: Instant) {
        histogram.saturating_record(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    /// Writes them as a table. `events` is how many the shards were given, `told` how long the telling waited
    /// for the reader.
    pub(super) fn write(&self, out: &mut dyn Write, events: u64, told: Duration) -> io::Result<()> {
        let took = self.began.elapsed().saturating_sub(told).as_secs_f64();
        writeln!(out, "Timings (wall clock, so they are not part of the output that a seed repeats):")?;
        writeln!(
            out,
            "  {events} events in {took:.2} s, {:.0} a second on one thread",
            events as f64 / took
        )?;
        writeln!(out, "  {:<34} {:>8} {:>9} {:>9} {:>9}", "", "count", "median", "99 %", "longest")?;
        let rows = [
            ("decide an event (decode to effects)", &self.decide),
            ("commit a cycle to the journal", &self.commit),
            ("a verb, until all shards committed", &self.flip),
        ];
        for (name, histogram) in rows {
            let value = |nanos: u64| show(nanos);
            writeln!(
                out,
                "  {name:<35}{:>8} {:>9} {:>9} {:>9}",
                histogram.len(),
                value(histogram.value_at_quantile(0.5)),
                value(histogram.value_at_quantile(0.99)),
                value(histogram.max())
            )?;
        }
        Ok(())
    }
}

/// Three digits, up to an hour.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("constant bounds are valid")
}

fn show(nanos: u64) -> String {
    match nanos {
        0..10_000 => format!("{:.2} µs", nanos as f64 / 1e3),
        10_000..10_000_000 => format!("{:.0} µs", nanos as f64 / 1e3),
        _ => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}
