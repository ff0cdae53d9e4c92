//! The `server.properties` of a node.

use std::fmt::Write;
use std::path::Path;

use crate::certificate::PASSWORD;
use crate::options::Options;

/// Where a node listens, on 127.0.0.1.
pub(crate) struct Listeners {
    pub(crate) plain: u16,
    pub(crate) controller: u16,
    pub(crate) tls: Option<u16>,
    pub(crate) scram: Option<u16>,
}

/// What every broker of the tests has, whatever their number.
const ALWAYS: &str = "\
process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
unclean.leader.election.enable=false
# A broker that is killed counts as dead after this time, and may come back under its id only then.
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
# Fewer partitions than 50 of each are created in no time, and a start is over sooner.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8
share.coordinator.state.topic.num.partitions=2
";

/// The settings of node `id` (from 1), of which `voters` are all the controllers as Kafka writes them.
pub(crate) fn server_properties(
    id: i32,
    count: usize,
    listeners: &Listeners,
    voters: &str,
    directory: &Path,
    options: &Options,
) -> String {
    let replicas = count.min(3);
    let in_sync_min = replicas.min(2);
    let mut text = String::from(ALWAYS);
    let mut set = |key: &str, value: &str| {
        writeln!(text, "{key}={value}").expect("a string takes everything");
    };
    set("node.id", &id.to_string());
    set("controller.quorum.voters", voters);
    set("log.dirs", &directory.join("data").display().to_string());
    let mut open = vec![format!("PLAINTEXT://127.0.0.1:{}", listeners.plain)];
    open.extend(listeners.tls.map(|port| format!("SSL://127.0.0.1:{port}")));
    open.extend(listeners.scram.map(|port| format!("SASL_SSL://127.0.0.1:{port}")));
    set("advertised.listeners", &open.join(","));
    open.push(format!("CONTROLLER://127.0.0.1:{}", listeners.controller));
    set("listeners", &open.join(","));
    for log in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        set(&format!("{log}.replication.factor"), &replicas.to_string());
    }
    set("default.replication.factor", &replicas.to_string());
    for log in
        ["transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr", "min.insync.replicas"]
    {
        set(log, &in_sync_min.to_string());
    }
    if options.certified() {
        set("ssl.keystore.location", &directory.join("../server.p12").display().to_string());
        set("ssl.keystore.type", "PKCS12");
        set("ssl.keystore.password", PASSWORD);
    }
    if listeners.scram.is_some() {
        set("sasl.enabled.mechanisms", "SCRAM-SHA-512");
        set(
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        );
    }
    if options.authorizer {
        set("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
        set("super.users", "User:ANONYMOUS");
    }
    for (key, value) in &options.settings {
        set(key, value);
    }
    text
}
