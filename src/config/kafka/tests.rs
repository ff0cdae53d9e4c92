//! Settings of Kafka: what is read, what is refused, and what is never shown.

use crate::config::tests::{problems, with};
use crate::config::{Extra, Settings};

/// What makes `[kafka]` whole, so that a test has only its own problem.
const KAFKA: &str = "[journal]\nkind = \"kafka\"\n[kafka]\nbrokers = [\"k:9092\"]\n";

fn kafka(lines: &str) -> Settings {
    let text = format!("{KAFKA}{lines}");
    with(&text, &[]).unwrap_or_else(|e| panic!("{text}{e}")).settings
}

#[test]
fn lists_come_from_the_file_as_arrays_and_from_variables_between_commas() {
    let file = kafka("[topics]\nevents = [\"web\", \"app\"]\n");
    let variables = [
        ("WAYFARER_JOURNAL__KIND", "kafka"),
        ("WAYFARER_KAFKA__BROKERS", "k:9092"),
        ("WAYFARER_TOPICS__EVENTS", "web, app"),
    ];
    assert_eq!(with("", &variables).unwrap().settings, file);
    assert_eq!(file.topics.events(), ["web", "app"]);
}

#[test]
fn a_topic_without_a_name_is_the_prefix_and_its_key() {
    let settings = kafka("[topics]\nprefix = \"shop-\"\nsends = \"mail.out\"\n");
    assert_eq!(settings.topics.events(), ["shop-events"]);
    let names = settings.topics.names();
    assert_eq!(names.len(), 12);
    for (key, name) in names {
        let expected = if key == "sends" { "mail.out".to_owned() } else { format!("shop-{key}") };
        assert_eq!(name, expected);
    }
}

#[test]
fn properties_are_passed_on_whether_their_names_are_quoted_or_nested() {
    let expected = [("client.rack", "b"), ("socket.keepalive.enable", "true"), ("socket.timeout.ms", "9000")];
    for text in [
        "client = { \"client.rack\" = \"b\", \"socket.keepalive.enable\" = true, \
         socket.timeout.ms = 9000 }\n",
        "[kafka.client]\nclient.rack = \"b\"\nsocket.keepalive.enable = true\nsocket.timeout.ms = 9000\n",
    ] {
        assert_eq!(kafka(text).kafka.client.iter().collect::<Vec<_>>(), expected, "{text}");
    }
    let variable = "client.rack=b,socket.keepalive.enable=true, socket.timeout.ms = 9000";
    let loaded = with(KAFKA, &[("WAYFARER_KAFKA__CLIENT", variable)]).unwrap();
    assert_eq!(loaded.settings.kafka.client.iter().collect::<Vec<_>>(), expected);
    assert_eq!(with(&loaded.dump(), &[]).unwrap().settings, loaded.settings);
}

#[test]
fn what_carries_the_guarantee_cannot_be_passed_on_and_the_reason_is_told() {
    for (name, why) in [
        ("isolation.level", "aborted would be decided on"),
        ("enable.auto.commit", "in the transaction of what they led to"),
        ("auto.commit.enable", "in the transaction of what they led to"),
        ("enable.auto.offset.store", "in the transaction of what they led to"),
        ("enable.idempotence", "is there twice"),
        ("acks", "lost with its leader"),
        ("request.required.acks", "lost with its leader"),
        ("transactional.id", "from its own ghost"),
        ("group.instance.id", "from its own ghost"),
        ("partition.assignment.strategy", "classic protocol"),
        ("group.protocol", "classic protocol"),
        ("group.id", "a setting of its own, kafka.group"),
        ("auto.offset.reset", "a setting of its own, kafka.start"),
        ("bootstrap.servers", "a setting of its own, kafka.brokers"),
        ("sasl.password", "never printed"),
    ] {
        for table in ["client", "consumer", "producer"] {
            let found = problems(&format!("{KAFKA}{table} = {{ \"{name}\" = \"1\" }}\n"), &[]);
            assert!(
                found.len() == 1
                    && found[0].starts_with(&format!("w.toml:5: kafka.{table}: {name} cannot be passed on"))
                    && found[0].contains(why),
                "{found:?}"
            );
        }
    }
}

#[test]
fn passwords_are_used_and_shown_nowhere() {
    const WORD: &str = "open-sesame";
    let text = format!(
        "{KAFKA}tls = true\ntls_ca = \"ca.pem\"\ntls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n\
         tls_key_password = \"{WORD}\"\nsasl_mechanism = \"SCRAM-SHA-512\"\nsasl_user = \"w\"\n\
         sasl_password = \"{WORD}\"\n\
         client = {{ \"ssl.keystore.password\" = \"{WORD}\", \"client.rack\" = \"b\" }}\n"
    );
    let loaded = with(&text, &[]).unwrap();
    assert_eq!(loaded.settings.kafka.sasl_password.reveal(), WORD);
    let dump = loaded.dump();
    for shown in [&dump, &format!("{loaded:?}")] {
        assert!(!shown.contains(WORD), "{shown}");
    }
    for key in ["tls_key_password", "sasl_password ", "client "] {
        let line = dump.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}: {dump}"));
        assert!(line.ends_with(", set and not shown"), "{line}");
    }
    assert!(dump.contains("client = { \"client.rack\" = \"b\" }"), "{dump}");
    // Neither in the message about a password whose quotation marks were forgotten.
    let found = problems(&format!("{KAFKA}sasl_password = 4711\n"), &[]);
    assert!(found.len() == 1 && !found[0].contains("4711"), "{found:?}");
    let found = problems(KAFKA, &[("WAYFARER_KAFKA__CLIENT", "ssl.keystore.password:4711")]);
    assert!(found.len() == 1 && !found[0].contains("4711"), "{found:?}");
    assert_eq!(format!("{:?}", Extra::default()), "{}");
}

#[test]
fn what_does_not_go_together_is_refused_at_its_key() {
    let unkind = "[kafka]\nbrokers = [\"k:9092\"]\n";
    for (text, expected) in [
        ("[journal]\nkind = \"kafka\"\n".to_owned(), "default: kafka.brokers: there is none"),
        (unkind.to_owned(), "w.toml:2: kafka.brokers: journal.kind = \"embedded\" asks no broker"),
        (format!("{KAFKA}group = \"\"\n"), "w.toml:5: kafka.group: the group has no name"),
        (format!("{KAFKA}group = \"a b\"\n"), "w.toml:5: kafka.group: \"a b\" is not a name of ASCII"),
        (format!("{KAFKA}poll_interval_max = \"5s\"\n"), "w.toml:5: kafka.poll_interval_max: 5s is shorter"),
        (format!("{KAFKA}tls_ca = \"ca\"\n"), "w.toml:5: kafka.tls_ca: it is of no use without kafka.tls"),
        (
            format!("{KAFKA}tls = true\ntls_key = \"k\"\n"),
            "default: kafka.tls_certificate: a certificate and its key",
        ),
        (
            format!("{KAFKA}sasl_user = \"u\"\n"),
            "default: kafka.sasl_mechanism: a user or a password is given",
        ),
        (
            format!("{KAFKA}sasl_mechanism = \"PLAIN\"\nsasl_user = \"u\"\n"),
            "w.toml:5: kafka.sasl_mechanism: it needs kafka.sasl_password",
        ),
        (
            format!("{KAFKA}sasl_mechanism = \"PLAIN\"\nsasl_password = \"p\"\n"),
            "w.toml:5: kafka.sasl_mechanism: it needs kafka.sasl_user",
        ),
        (
            format!(
                "{KAFKA}sasl_mechanism = \"PLAIN\"\nsasl_user = \"u\"\nsasl_password = \"p\"\n\
                 sasl_password_file = \"f\"\n"
            ),
            "w.toml:5: kafka.sasl_mechanism: kafka.sasl_password and kafka.sasl_password_file are both",
        ),
        (
            format!("{KAFKA}sasl_mechanism = \"GSSAPI\"\n"),
            "w.toml:5: kafka.sasl_mechanism: \"GSSAPI\" is not",
        ),
        (format!("{KAFKA}[topics]\nmin_insync = 4\n"), "w.toml:6: topics.min_insync: 4 replicas in sync"),
        (
            format!("{KAFKA}[topics]\nsends = \"wayfarer_state\"\n"),
            "w.toml:6: topics.sends: \"wayfarer_state\" is the name of topics.state too",
        ),
        (format!("{KAFKA}[topics]\nevents = [\"a\", \"a\"]\n"), "w.toml:6: topics.events: \"a\" is empty or"),
    ] {
        let found = problems(&text, &[]);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
    }
}

#[test]
fn a_broker_is_a_host_and_a_port() {
    for (brokers, legal) in [
        ("[\"k:9092\", \"[::1]:9093\", \"10.0.0.1:1\"]", true),
        ("[\"k\"]", false),
        ("[\":9092\"]", false),
        ("[\"k:0\"]", false),
        ("[\"k:99999\"]", false),
        ("[\"PLAINTEXT://k:9092\"]", false),
        ("[\"a:1,b:2\"]", false),
        ("[1]", false),
        ("\"k:9092\"", false),
    ] {
        let text = format!("[journal]\nkind = \"kafka\"\n[kafka]\nbrokers = {brokers}\n");
        assert_eq!(with(&text, &[]).is_ok(), legal, "{brokers}");
    }
}

/// The client has a list of its own, for whoever does not come by the settings.
#[cfg(feature = "kafka")]
#[test]
fn whatever_the_client_refuses_is_refused_here_already() {
    for (name, _) in crate::journal::kafka::client::settings::REFUSED {
        assert!(super::guarded::why(name).is_some(), "{name}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn the_client_is_told_what_is_set() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");
    std::fs::write(&file, "open sesame\n").expect("a file");
    let mut settings = kafka(
        "instance = \"a\"\ntls = true\ntls_ca = \"ca.pem\"\n\
         sasl_mechanism = \"SCRAM-SHA-512\"\nsasl_user = \"w\"\n\
         sasl_password_file = \"f\"\nclient = { socket.timeout.ms = 9000 }\n",
    );
    settings.kafka.sasl_password_file = Some(file);
    let client = settings.kafka.client().expect("all properties exist");
    let given: std::collections::BTreeMap<&str, &str> = client.properties().collect();
    for (name, value) in [
        ("bootstrap.servers", "k:9092"),
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", "ca.pem"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "w"),
        ("sasl.password", "open sesame"),
        ("socket.timeout.ms", "9000"),
    ] {
        assert_eq!(given.get(name), Some(&value), "{name}");
    }
    assert_eq!(settings.kafka.instance_name().as_deref(), Ok("a"));
    assert!(kafka("").kafka.instance_name().is_ok_and(|name| !name.is_empty()), "the host has a name");
    settings.kafka.sasl_password_file = Some(directory.path().join("none"));
    let error = settings.kafka.client().unwrap_err();
    assert!(error.starts_with("kafka.sasl_password_file: ") && error.contains("cannot be read"), "{error}");
    let error = kafka("client = { socket.timeout = 1 }\n").kafka.client().unwrap_err();
    assert!(
        error.starts_with("kafka.client: ") && error.contains("No such configuration property"),
        "{error}"
    );
}
