//! What the settings mean to the journal on Kafka: properties of clients, the instance's name, the topics.

use std::path::Path;

use crate::config::{Kafka, Name, Sasl, Settings};
use crate::journal::kafka::client::{self, Scope};
use crate::journal::kafka::topics::need::MESSAGE_BYTES_MAX;
use crate::journal::kafka::topics::{Role, Wanted};

impl Kafka {
    /// Where the brokers are and how we come in, for all clients. Reads the file of the password.
    ///
    /// # Errors
    /// The key and what is wrong: a file that cannot be read, a property that librdkafka does not know.
    pub fn client(&self) -> Result<client::Settings, String> {
        let mut settings = client::Settings::new(self.brokers.0.join(","));
        let mut set = |key: &str, scope, property: &str, value: &str| {
            let with = settings.clone().with(scope, property, value);
            settings = with.map_err(|error| format!("kafka.{key}: {error}"))?;
            Ok::<(), String>(())
        };
        for (property, value) in self.security()? {
            set("tls", Scope::Client, property, &value)?;
        }
        let prefetch = (self.prefetch.bytes() / 1024).min(PREFETCH_KIB_MAX).to_string();
        set("prefetch", Scope::Consumer, "queued.max.messages.kbytes", &prefetch)?;
        set("producer", Scope::Producer, "message.max.bytes", &MESSAGE_BYTES_MAX.to_string())?;
        let extras = [
            ("client", Scope::Client, &self.client),
            ("consumer", Scope::Consumer, &self.consumer),
            ("producer", Scope::Producer, &self.producer),
        ];
        for (key, scope, extra) in extras {
            for (property, value) in extra.iter() {
                set(key, scope, property, value)?;
            }
        }
        Ok(settings)
    }

    fn security(&self) -> Result<Vec<(&'static str, String)>, String> {
        let protocol = match (self.tls, self.sasl_mechanism == Sasl::None) {
            (false, true) => "PLAINTEXT",
            (true, true) => "SSL",
            (false, false) => "SASL_PLAINTEXT",
            (true, false) => "SASL_SSL",
        };
        let mut properties = vec![("security.protocol", protocol.to_owned())];
        let files = [
            ("ssl.ca.location", &self.tls_ca),
            ("ssl.certificate.location", &self.tls_certificate),
            ("ssl.key.location", &self.tls_key),
        ];
        for (property, path) in files {
            properties.extend(path.as_ref().map(|path| (property, path.to_string_lossy().into_owned())));
        }
        if !self.tls_key_password.is_empty() {
            properties.push(("ssl.key.password", self.tls_key_password.reveal().to_owned()));
        }
        if self.sasl_mechanism != Sasl::None {
            properties.push(("sasl.mechanism", self.sasl_mechanism.name().to_owned()));
            properties.push(("sasl.username", self.sasl_user.clone()));
            properties.push(("sasl.password", self.password()?));
        }
        Ok(properties)
    }

    fn password(&self) -> Result<String, String> {
        let Some(path) = self.sasl_password_file.as_deref() else {
            return Ok(self.sasl_password.reveal().to_owned());
        };
        let wrong = |what: &dyn std::fmt::Display| {
            format!("kafka.sasl_password_file: {} {what}", Path::display(path))
        };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(&format!("cannot be read: {e}")))?;
        match text.lines().next() {
            None | Some("") => Err(wrong(&"has no password in its first line")),
            Some(line) => Ok(line.to_owned()),
        }
    }

    /// The name of this instance: as given, else the host's.
    ///
    /// # Errors
    /// If the host has no name, or one that no transaction can have.
    pub fn instance_name(&self) -> Result<String, String> {
        if !self.instance.is_empty() {
            return Ok(self.instance.as_str().to_owned());
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        match Name::new(&host) {
            Ok(name) if !name.is_empty() => Ok(host),
            _ => Err(format!("kafka.instance: the host's name {host:?} cannot be used; give one")),
        }
    }
}

/// librdkafka's own bound.
const PREFETCH_KIB_MAX: u64 = 2_097_151;

impl Settings {
    /// What is wanted of the topics.
    #[must_use]
    pub fn wanted_topics(&self) -> Wanted {
        let topics = self.topics.names().into_iter();
        let topics = topics.filter_map(|(key, name)| Role::of_key(key).map(|role| (role, name))).collect();
        Wanted {
            topics,
            shards: self.engine.shards,
            replication: self.topics.replication,
            min_insync: self.topics.min_insync,
            accepted_ms: self.journal.accepted_retention.as_millis(),
            sends_ms: self.journal.sends_retention.as_millis(),
        }
    }
}
