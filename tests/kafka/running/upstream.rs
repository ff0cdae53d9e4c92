//! A producer upstream that opens a transaction in the events and hangs (G19): time goes on for those who are inside,
//! nothing behind its records is decided before the broker ends it, and then all of it is.

use std::time::Duration;

use wayfarer::journal::kafka::client::{Out, Producer};
use wayfarer::journal::kafka::partition::Partitioner;

use super::inputs::{append_with, event};
use super::{greeted, send, wait_greeted, wait_ready};
use crate::instances::deployment::{Deployment, SHARDS};
use crate::instances::{replays, verified};
use crate::scene::{PATIENCE, until};

/// How long the broker lets such a transaction be open.
const HANGS: Duration = Duration::from_secs(20);

/// Greets, and once more a little later.
const TWICE: &str = r#"
id = "twice"
dialect = "clevertap"
zone = "UTC"
[entry]
event = "Start"
[[node]]
id = "hello"
type = "send"
channel = "push"
content = "hello"
[[node]]
id = "patience"
type = "delay"
for = "2s"
[[node]]
id = "again"
type = "send"
channel = "push"
content = "hello"
next = "exit"
[content.hello]
text = "hello"
"#;

/// Users whose events are in the partition of the first.
fn neighbours() -> [String; 3] {
    let place = |user: &str| Partitioner::Murmur2.partition(user.as_bytes(), SHARDS);
    let mut all = (0..).map(|n| format!("u{n}")).filter(|user| place(user) == place("u0"));
    std::array::from_fn(|_| all.next().expect("there are as many as one likes"))
}

#[test]
fn a_transaction_that_hangs_upstream_holds_up_what_is_behind_it_and_nobody_who_is_inside() {
    let deployment = Deployment::new(1);
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    send(&instance, "PUT", "/v1/journeys/twice", "application/toml", TWICE);
    send(&instance, "POST", "/v1/journeys/twice/publish", "application/json", "");
    let [inside, aborted, behind] = neighbours();
    let partition = i32::from(Partitioner::Murmur2.partition(inside.as_bytes(), SHARDS));
    append_with(&deployment, "events", &inside, &[], event(&inside).as_bytes());
    wait_greeted(&deployment, &[&inside]);

    let id = deployment.scene.name("upstream");
    let mut upstream = Producer::new(&deployment.scene.settings(), &id, HANGS).expect("a producer");
    upstream.init_transactions(PATIENCE).expect("the broker answers");
    let mut hangs = upstream.begin().expect("it is ready");
    let end = deployment.ends("events")[partition as usize];
    let value = event(&aborted);
    let record = Out { partition, key: Some(aborted.as_bytes()), value: Some(value.as_bytes()) };
    hangs.produce(&deployment.topic("events"), [record], PATIENCE).expect("there is room");
    until("its record is at the broker", || {
        (deployment.ends("events")[partition as usize] > end).then_some(())
    });
    append_with(&deployment, "events", &behind, &[], event(&behind).as_bytes());

    // Whoever is inside goes on, and then whoever is behind comes; whoever was aborted never was.
    wait_greeted(&deployment, &[&inside, &inside]);
    assert_eq!(
        deployment.decided("events")[partition as usize],
        end,
        "time went on while the transaction was open"
    );
    wait_greeted(&deployment, &[&inside, &inside, &behind, &behind]);
    instance.end();
    verified(&deployment);
    assert_eq!(greeted(&deployment).len(), 4);
    replays::as_left(&deployment, 4);
    // It was open as long as the broker let it.
    let _ = hangs.commit(PATIENCE).expect_err("it was aborted");
}
