//! A deployment that reaches its brokers by TLS and SCRAM only, and from whom permissions are taken while it runs.

use std::process::Command;

use wayfarer::cli::exit;
use wayfarer_broker::fetch::Kafka;
use wayfarer_broker::{Broker, Options, User};

use super::inputs::{append_with, event};
use super::{greet, send, wait_greeted, wait_ready};
use crate::instances::deployment::Deployment;
use crate::instances::instance::Instance;
use crate::instances::wait_for;
use crate::scene::Scene;

#[test]
fn instances_work_over_tls_with_a_password() {
    let options = Options {
        tls: true,
        users: vec![User::new("worker", "right")],
        authorizer: true,
        settings: vec![("allow.everyone.if.no.acl.found".to_owned(), "true".to_owned())],
        ..Options::default()
    };
    let broker = Broker::start(&options).unwrap_or_else(|error| panic!("no broker: {error}"));
    let trusted = broker.ca_pem().expect("it has a certificate").display().to_string();
    let servers = broker.bootstrap_scram().expect("it was asked for");
    let own = [
        ("KAFKA__BROKERS", &*servers),
        ("KAFKA__TLS", "true"),
        ("KAFKA__TLS_CA", &*trusted),
        ("KAFKA__SASL_MECHANISM", "SCRAM-SHA-512"),
        ("KAFKA__SASL_USER", "worker"),
        ("KAFKA__SASL_PASSWORD", "right"),
    ];
    // Who looks at the topics does so by the listener without either.
    let deployment = Deployment::on(Scene::of(&broker), 1, &own);
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    greet(&instance);
    send(
        &instance,
        "POST",
        "/v1/track",
        "application/json",
        r#"{"type":"track","userId":"u","event":"Start"}"#,
    );
    wait_greeted(&deployment, &["u"]);
    // Its successor takes over by the same way.
    instance.end();
    let next = deployment.start("a");
    wait_ready(&deployment, &next, 200, "true");
    send(&next, "POST", "/v1/track", "application/json", r#"{"type":"track","userId":"v","event":"Start"}"#);
    wait_greeted(&deployment, &["u", "v"]);
    next.end();

    // What it may not do any more it says, and goes on once it may.
    let (sends, events) = (deployment.topic("sends"), deployment.topic("events"));
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    acl(&broker, "--add", "Write", &sends);
    append_with(&deployment, "events", "w", &[], event("w").as_bytes());
    ends_denied(&deployment, instance, "grant Write");
    acl(&broker, "--remove", "Write", &sends);
    let instance = deployment.start("a");
    wait_greeted(&deployment, &["u", "v", "w"]);
    acl(&broker, "--add", "Read", &events);
    ends_denied(&deployment, instance, "grant Read");
}

/// Denies the worker an operation on a topic, or takes that back, as an operator does.
fn acl(broker: &Broker, how: &str, operation: &str, topic: &str) {
    let kafka = Kafka::fetch().unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(&kafka.java);
    command.arg("-cp").arg(&kafka.class_path).arg("org.apache.kafka.tools.AclCommand");
    command.args(["--bootstrap-server", &broker.bootstrap(), how, "--force", "--topic", topic]);
    let done = command.args(["--deny-principal", "User:worker", "--operation", operation]).output();
    let done = done.expect("java is there");
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{said}");
}

/// Where an operation is denied, brokers that allow whatever nobody has ruled on allow no other one either: whoever looks
/// at the topic may find that first.
fn ends_denied(of: &Deployment, mut instance: Instance, part: &str) {
    let ended = wait_for("it ends", || of.said(), || instance.ended());
    let said = instance.said();
    assert_eq!(ended.code(), Some(i32::from(exit::DENIED)), "{said}");
    let parts = [part, "grant Describe"];
    let says = |line: &str| line.starts_with("wayfarer: ") && parts.iter().any(|part| line.contains(part));
    assert!(said.lines().any(says), "{said}");
}
