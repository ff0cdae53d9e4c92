//! The numbers of a running instance: they are there, and they move.

use wayfarer::metrics::names;

use super::{get, greet, send, wait_ready};
use crate::instances::deployment::{Deployment, SHARDS};
use crate::instances::instance::Instance;
use crate::instances::wait_for;

/// The sum of a metric over its labels.
fn sum(text: &str, name: &str) -> Option<f64> {
    let of = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name)?;
        let rest = if rest.starts_with('{') { rest.split_once("} ")?.1 } else { rest.strip_prefix(' ')? };
        rest.parse().ok()
    };
    let found: Vec<f64> = text.lines().filter_map(of).collect();
    (!found.is_empty()).then(|| found.iter().sum())
}

/// Waits until a metric is so.
fn wait_metric(of: &Deployment, instance: &Instance, name: &str, is_so: impl Fn(f64) -> bool) -> f64 {
    let shown = || of.said();
    wait_for(&format!("{name} of {} is as it has to be", instance.name), shown, || {
        let (_, text) = get(instance, "/metrics").filter(|(status, _)| *status == 200)?;
        sum(&text, name).filter(|value| is_so(*value))
    })
}

#[test]
fn numbers_of_transactions_shards_lag_and_epochs_are_there_and_move() {
    let deployment = Deployment::new(1);
    let first = deployment.start("a");
    wait_ready(&deployment, &first, 200, "true");
    let all = f64::from(SHARDS);
    // Its first commit is each shard's first act, after it was loaded.
    wait_metric(&deployment, &first, "wayfarer_shards_open", |open| open == all);
    for name in ["wayfarer_shards_gained_total", "wayfarer_shards_loaded_total"] {
        wait_metric(&deployment, &first, name, |n| n >= all);
    }
    wait_metric(&deployment, &first, "wayfarer_rebalances_total", |n| n >= 1.0);
    let records = wait_metric(&deployment, &first, "wayfarer_transaction_records_total", |n| n >= all);
    wait_metric(&deployment, &first, "wayfarer_transaction_partitions_total", |n| n >= all);
    for name in ["aborted", "unknown", "fenced"] {
        wait_metric(&deployment, &first, &format!("wayfarer_transactions_{name}_total"), |n| n == 0.0);
    }

    // A command is known, and every shard takes it.
    greet(&first);
    let epoch = wait_metric(&deployment, &first, "wayfarer_control_epoch", |n| n > 0.0);
    wait_metric(&deployment, &first, "wayfarer_shard_epoch", |n| n >= all * epoch);

    // An event is a transaction of more than a head.
    send(&first, "POST", "/v1/track", "application/json", r#"{"type":"track","userId":"u","event":"Start"}"#);
    wait_metric(&deployment, &first, "wayfarer_sends_total", |n| n == 1.0);
    wait_metric(&deployment, &first, "wayfarer_transaction_records_total", |n| n > records + all);
    // Everything is read, and that is counted rather than said.
    wait_metric(&deployment, &first, "wayfarer_shard_unread", |n| n == 0.0);

    // Another one takes some of the shards.
    let second = deployment.start("b");
    wait_ready(&deployment, &second, 200, "true");
    wait_metric(&deployment, &first, "wayfarer_shards_lost_total", |n| n >= 1.0);
    wait_metric(&deployment, &second, "wayfarer_shards_gained_total", |n| n >= 1.0);
    let (_, text) = get(&second, "/metrics").expect("it listens");
    for metric in names::ALL {
        assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{} in\n{text}", metric.name);
    }
}
