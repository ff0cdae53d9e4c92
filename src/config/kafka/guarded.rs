//! The properties of librdkafka that nobody but us may set, each with the reason.

/// Why this property cannot be passed on; nothing if it can.
pub(super) fn why(name: &str) -> Option<String> {
    let own = OWN.iter().find(|(property, _)| *property == name);
    if let Some((_, key)) = own {
        return Some(format!("it is a setting of its own, {key}"));
    }
    GUARDED.iter().find(|(property, _)| *property == name).map(|(_, why)| (*why).to_owned())
}

/// Whether the property's value must not be seen.
pub(crate) fn is_secret(name: &str) -> bool {
    ["password", "secret", "pem", "sasl.oauthbearer.config", "ssl_key", "sasl.jaas"]
        .iter()
        .any(|word| name.contains(word))
}

/// Properties that have a key here, by their names and their older ones.
const OWN: &[(&str, &str)] = &[
    ("bootstrap.servers", "kafka.brokers"),
    ("metadata.broker.list", "kafka.brokers"),
    ("group.id", "kafka.group"),
    ("auto.offset.reset", "kafka.start"),
    ("session.timeout.ms", "kafka.session_timeout"),
    ("heartbeat.interval.ms", "kafka.session_timeout, a sixth of which it is"),
    ("max.poll.interval.ms", "kafka.poll_interval_max"),
    ("transaction.timeout.ms", "kafka.transaction_timeout"),
    ("queued.max.messages.kbytes", "kafka.prefetch"),
    ("security.protocol", "kafka.tls, together with kafka.sasl_mechanism"),
    ("ssl.ca.location", "kafka.tls_ca"),
    ("ssl.certificate.location", "kafka.tls_certificate"),
    ("ssl.key.location", "kafka.tls_key"),
    ("ssl.key.password", "kafka.tls_key_password"),
    ("sasl.mechanism", "kafka.sasl_mechanism"),
    ("sasl.mechanisms", "kafka.sasl_mechanism"),
    ("sasl.username", "kafka.sasl_user"),
    ("sasl.password", "kafka.sasl_password, which is never printed"),
];

const MEMBER: &str = "it is made of kafka.group, kafka.instance and the worker's number, by which the \
                      brokers tell a worker from its own ghost";
const OFFSETS: &str = "positions are committed in the transaction of what they led to, and nowhere else";
const ACKS: &str = "a record that not every replica in sync has is lost with its leader";
const PROTOCOL: &str = "shards are moved one by one by the classic protocol; what another one promises at a \
                        rebalance is not what a commit relies on";
const RETRIES: &str =
    "records keep their order and come once by sending again in that order until told otherwise";
const INNER: &str = "the client is built on its value";
const DELIVERY: &str = "it is derived from kafka.transaction_timeout, within which a record must be \
                        delivered or the transaction end";

/// Properties on which the guarantee stands.
const GUARDED: &[(&str, &str)] = &[
    ("isolation.level", "records of transactions that were aborted would be decided on"),
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("offset.store.method", OFFSETS),
    ("enable.idempotence", "without it a record that is sent again after a lost answer is there twice"),
    ("enable.gapless.guarantee", "what has failed is settled by the transaction, not by ending the client"),
    ("acks", ACKS),
    ("retries", RETRIES),
    ("message.send.max.retries", RETRIES),
    ("max.in.flight", RETRIES),
    ("max.in.flight.requests.per.connection", RETRIES),
    ("request.required.acks", ACKS),
    ("transactional.id", MEMBER),
    ("group.instance.id", MEMBER),
    ("partition.assignment.strategy", PROTOCOL),
    ("group.protocol", PROTOCOL),
    ("group.protocol.type", PROTOCOL),
    ("group.remote.assignor", PROTOCOL),
    ("message.timeout.ms", DELIVERY),
    ("delivery.timeout.ms", DELIVERY),
    ("delivery.report.only.error", "a transaction is judged by the reports that it asks for"),
    ("message.max.bytes", "it follows from the largest record that is accepted"),
    (
        "enable.partition.eof",
        "an end is asked for, since the one that is told is not the end of what is open",
    ),
    ("allow.auto.create.topics", "a name with a slip of the pen would become a topic"),
    ("enable.metrics.push", "closing a client would wait for it"),
    ("plugin.library.paths", "it loads other code into the process"),
    ("enabled_events", INNER),
    ("log.queue", INNER),
    ("log.thread.name", INNER),
    ("opaque", INNER),
    ("test.mock.num.brokers", INNER),
    ("check.crcs", "a damaged record must be seen rather than decided on"),
];
