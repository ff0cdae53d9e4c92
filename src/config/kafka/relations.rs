//! The relations between settings of `[kafka]`, `[topics]` and the others that one key alone cannot show.

use crate::config::{JournalKind, Kafka, Name, Sasl, Settings};

/// The key to blame, and the sentence.
type Found = Vec<(&'static str, &'static str, String)>;

/// What does not go together.
pub(in crate::config) fn contradictions(settings: &Settings, found: &mut Found) {
    which(settings, found);
    times(&settings.kafka, found);
    security(&settings.kafka, found);
    topics(settings, found);
}

fn which(settings: &Settings, found: &mut Found) {
    if settings.kafka.group.is_empty() {
        found.push(("kafka", "group", "the group has no name".to_owned()));
    }
    let none = settings.kafka.brokers.0.is_empty();
    match settings.journal.kind {
        JournalKind::Kafka if none => found.push((
            "kafka",
            "brokers",
            "there is none, and journal.kind = \"kafka\" needs at least one, such as \"kafka-1:9092\""
                .to_owned(),
        )),
        JournalKind::Embedded if !none => found.push((
            "kafka",
            "brokers",
            "journal.kind = \"embedded\" asks no broker; write journal.kind = \"kafka\", or name none"
                .to_owned(),
        )),
        JournalKind::Kafka | JournalKind::Embedded => {}
    }
}

fn times(kafka: &Kafka, found: &mut Found) {
    if kafka.poll_interval_max < kafka.session_timeout {
        let (poll, session) = (kafka.poll_interval_max, kafka.session_timeout);
        let message = format!("{poll} is shorter than a session (kafka.session_timeout = {session})");
        found.push(("kafka", "poll_interval_max", message));
    }
}

fn security(kafka: &Kafka, found: &mut Found) {
    if !kafka.tls {
        let files = [
            ("tls_ca", kafka.tls_ca.is_some()),
            ("tls_certificate", kafka.tls_certificate.is_some()),
            ("tls_key", kafka.tls_key.is_some()),
            ("tls_key_password", !kafka.tls_key_password.is_empty()),
        ];
        for (key, _) in files.into_iter().filter(|(_, given)| *given) {
            found.push(("kafka", key, "it is of no use without kafka.tls = true".to_owned()));
        }
    }
    if kafka.tls_certificate.is_some() != kafka.tls_key.is_some() {
        let message = "a certificate and its key (kafka.tls_key) are given together or not at all";
        found.push(("kafka", "tls_certificate", message.to_owned()));
    }
    let passwords = (!kafka.sasl_password.is_empty(), kafka.sasl_password_file.is_some());
    let message = match (kafka.sasl_mechanism, passwords) {
        (Sasl::None, (false, false)) if kafka.sasl_user.is_empty() => return,
        (Sasl::None, _) => "a user or a password is given, and no mechanism to tell them by",
        (_, (true, true)) => "kafka.sasl_password and kafka.sasl_password_file are both given; one is enough",
        (_, (false, false)) => "it needs kafka.sasl_password or kafka.sasl_password_file",
        _ if kafka.sasl_user.is_empty() => "it needs kafka.sasl_user",
        _ => return,
    };
    found.push(("kafka", "sasl_mechanism", message.to_owned()));
}

fn topics(settings: &Settings, found: &mut Found) {
    let topics = &settings.topics;
    if topics.min_insync > topics.replication {
        let (least, replicas) = (topics.min_insync, topics.replication);
        let message = format!(
            "{least} replicas in sync can never be reached with {replicas} replicas (topics.replication): \
             nothing could be written"
        );
        found.push(("topics", "min_insync", message));
    }
    let names = topics.names();
    for (index, (key, name)) in names.iter().enumerate() {
        // Brokers refuse names that differ in these two only, since their metrics would collide.
        let same = |other: &str| other.replace('.', "_") == name.replace('.', "_");
        if let Err(message) = Name::new(name) {
            found.push(("topics", key, message));
        }
        if let Some((other, _)) = names[..index].iter().find(|(_, other)| same(other)) {
            found.push((
                "topics",
                key,
                format!("{name:?} is the name of topics.{other} too, but for . and _"),
            ));
        }
    }
}
