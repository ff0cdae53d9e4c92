//! The numbers of a running instance: they are there, and they move.

use wayfarer::metrics::names::{self, Metric};
use wayfarer::metrics::read::Scrape;

use super::{get, greet, send, wait_ready};
use crate::instances::deployment::{Deployment, SHARDS};
use crate::instances::instance::Instance;
use crate::instances::wait_for;

/// Waits until a metric is so.
fn wait_metric(of: &Deployment, instance: &Instance, metric: &Metric, is_so: impl Fn(f64) -> bool) -> f64 {
    let shown = || of.said();
    wait_for(&format!("{} of {} is as it has to be", metric.name, instance.name), shown, || {
        let (_, text) = get(instance, "/metrics").filter(|(status, _)| *status == 200)?;
        Scrape::parse(&text).expect("it is a scrape").sum(metric).filter(|value| is_so(*value))
    })
}

#[test]
fn numbers_of_transactions_shards_lag_and_epochs_are_there_and_move() {
    let deployment = Deployment::new(1);
    let first = deployment.start("a");
    wait_ready(&deployment, &first, 200, "true");
    let all = f64::from(SHARDS);
    // Its first commit is each shard's first act, after it was loaded.
    wait_metric(&deployment, &first, &names::SHARDS_OPEN, |open| open == all);
    for metric in [&names::SHARDS_GAINED, &names::SHARDS_LOADED] {
        wait_metric(&deployment, &first, metric, |n| n >= all);
    }
    wait_metric(&deployment, &first, &names::REBALANCES, |n| n >= 1.0);
    let records = wait_metric(&deployment, &first, &names::TRANSACTION_RECORDS, |n| n >= all);
    wait_metric(&deployment, &first, &names::TRANSACTION_PARTITIONS, |n| n >= all);
    for metric in [&names::TRANSACTIONS_ABORTED, &names::TRANSACTIONS_UNKNOWN, &names::TRANSACTIONS_FENCED] {
        wait_metric(&deployment, &first, metric, |n| n == 0.0);
    }

    // A command is known, and every shard takes it.
    greet(&first);
    let epoch = wait_metric(&deployment, &first, &names::CONTROL_EPOCH, |n| n > 0.0);
    wait_metric(&deployment, &first, &names::SHARD_EPOCH, |n| n >= all * epoch);

    // An event is a transaction of more than a head.
    send(&first, "POST", "/v1/track", "application/json", r#"{"type":"track","userId":"u","event":"Start"}"#);
    wait_metric(&deployment, &first, &names::SENDS, |n| n == 1.0);
    wait_metric(&deployment, &first, &names::TRANSACTION_RECORDS, |n| n > records + all);
    // Everything is read, and that is counted rather than said.
    wait_metric(&deployment, &first, &names::SHARD_UNREAD, |n| n == 0.0);

    // Another one takes some of the shards.
    let second = deployment.start("b");
    wait_ready(&deployment, &second, 200, "true");
    wait_metric(&deployment, &first, &names::SHARDS_LOST, |n| n >= 1.0);
    wait_metric(&deployment, &second, &names::SHARDS_GAINED, |n| n >= 1.0);
    let (_, text) = get(&second, "/metrics").expect("it listens");
    for metric in names::ALL {
        assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{} in\n{text}", metric.name);
    }
}
