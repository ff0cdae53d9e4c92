//! A deployment that reaches its brokers by TLS and SCRAM only.

use wayfarer_broker::{Broker, Options, User};

use super::{greet, send, wait_greeted, wait_ready};
use crate::instances::deployment::Deployment;
use crate::scene::Scene;

#[test]
fn instances_work_over_tls_with_a_password() {
    let options = Options { tls: true, users: vec![User::new("worker", "right")], ..Options::default() };
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
}
