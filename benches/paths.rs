//! What each key path costs, for one user: events decided by kind of node and outcome, timers, holds, commit, undo,
//! restore. `make bench ARGS=timer-sends` times one.
//!
//! Times are the thread's own CPU time. `make instructions` counts the same paths.

mod common;

use std::time::Duration;

use common::cpu_time;
use common::paths::{OPERATIONS, PATHS};
use criterion::{Criterion, criterion_group, criterion_main};

fn paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("path");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    for path in PATHS {
        group.bench_function(path.name, |b| {
            b.iter_custom(|count| {
                let rounds = count.div_ceil(OPERATIONS as u64);
                let spent: Duration = (0..rounds).map(|_| time(&mut *(path.prepare)())).sum();
                spent.mul_f64(count as f64 / (rounds * OPERATIONS as u64) as f64)
            });
        });
    }
    group.finish();
}

fn time(work: &mut dyn FnMut()) -> Duration {
    let start = cpu_time();
    work();
    cpu_time() - start
}

criterion_group!(benches, paths);
criterion_main!(benches);
