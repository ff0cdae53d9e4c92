//! Properties of clients: what the guarantee needs, what is sensible, what an operator adds.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::fmt;
use std::ptr::NonNull;

use rdkafka::bindings as rk;

use super::error::Error;
use super::log;
use super::raw::{self, code};

/// Which clients a property is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Consumers and producers: `security.protocol`, `socket.timeout.ms`.
    Client,
    /// Consumers only: `fetch.max.bytes`.
    Consumer,
    /// Producers only: `compression.type`.
    Producer,
}

/// Properties that an operator may not set, and why: they carry the guarantee, or have a setting of their
/// own.
pub const REFUSED: [(&str, &str); 39] = [
    ("acks", ACKED),
    ("allow.auto.create.topics", "a topic that is misspelt must be refused, not made"),
    ("auto.commit.enable", POSITIONS),
    ("auto.offset.reset", "a position that is out of range must be said, not changed"),
    ("bootstrap.servers", OWN),
    ("check.crcs", "damaged records must be refused"),
    ("delivery.report.only.error", INNER),
    ("delivery.timeout.ms", "it follows from the transaction's time-out"),
    ("enable.auto.commit", POSITIONS),
    ("enable.auto.offset.store", POSITIONS),
    ("enable.gapless.guarantee", ACKED),
    ("enable.idempotence", ACKED),
    ("enable.metrics.push", "closing would wait for it"),
    ("enable.partition.eof", INNER),
    ("enabled_events", INNER),
    ("group.id", OWN),
    ("group.instance.id", OWN),
    ("group.protocol", "the consumer protocol of KIP-848 is fatal after a late poll in librdkafka 2.12"),
    ("group.protocol.type", INNER),
    ("group.remote.assignor", INNER),
    ("heartbeat.interval.ms", "it follows from the session time-out"),
    ("isolation.level", "records of open and aborted transactions must not be read"),
    ("log.queue", INNER),
    ("log.thread.name", INNER),
    ("max.in.flight", ACKED),
    ("max.in.flight.requests.per.connection", ACKED),
    ("max.poll.interval.ms", OWN),
    ("message.send.max.retries", ACKED),
    ("message.timeout.ms", "it follows from the transaction's time-out"),
    ("metadata.broker.list", OWN),
    ("opaque", INNER),
    ("partition.assignment.strategy", "shards move one by one only by cooperative-sticky"),
    ("plugin.library.paths", "it loads other code into the process"),
    ("request.required.acks", ACKED),
    ("retries", ACKED),
    ("session.timeout.ms", OWN),
    ("test.mock.num.brokers", INNER),
    ("transaction.timeout.ms", OWN),
    ("transactional.id", OWN),
];
const OWN: &str = "it has a setting of its own";
const INNER: &str = "the client is built on its value";
const ACKED: &str = "exactly-once needs idempotence and the acknowledgement of all replicas";
const POSITIONS: &str = "positions are committed in the transaction only";

/// What clients begin with; an operator may change these.
const CLIENT: [(&str, &str); 3] =
    [("client.id", "wayfarer"), ("socket.keepalive.enable", "true"), ("socket.nagle.disable", "true")];

/// As measured: a consumer that never waits for a fetch. `queued.max.messages.kbytes` only keeps the next fetch from
/// being sent: what one answer holds, unpacked, comes on top, so answers are small.
const CONSUMER: [(&str, &str); 5] = [
    ("queued.min.messages", "1000000"),
    ("queued.max.messages.kbytes", "49152"),
    // The default of 1000 stops fetching for a second whenever the queue is full.
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.message.max.bytes", "1048576"),
    ("fetch.max.bytes", "8388608"),
];

/// As measured; a commit flushes, so lingering costs no latency there.
const PRODUCER: [(&str, &str); 3] =
    [("linger.ms", "20"), ("batch.size", "1000000"), ("compression.type", "lz4")];

/// Where the brokers are, and what an operator adds to the properties of clients.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    servers: String,
    extra: BTreeMap<(Scope, String), String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra = self.extra.iter().map(|((scope, key), value)| ((scope, key), shown(key, value)));
        f.debug_struct("Settings")
            .field("servers", &self.servers)
            .field("extra", &extra.collect::<BTreeMap<_, _>>())
            .finish()
    }
}

/// The value, unless it must not be seen.
fn shown<'v>(key: &str, value: &'v str) -> &'v str {
    let secret = ["password", "secret", "pem"].iter().any(|word| key.contains(word));
    if secret { "(not shown)" } else { value }
}

impl Settings {
    /// Those of a cluster: `host:port`, several with commas between them.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self { servers: bootstrap_servers.into(), extra: BTreeMap::new() }
    }

    /// Adds a property of librdkafka.
    ///
    /// # Errors
    /// It is one of [`REFUSED`], or librdkafka knows no such property or value.
    pub fn with(mut self, scope: Scope, key: &str, value: &str) -> Result<Self, Error> {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
            return Err(Error::new(format!("set {key} to `{}`", shown(key, value)), code::INVALID_ARG, *why));
        }
        Conf::new().set(key, value)?;
        self.extra.insert((scope, key.to_owned()), value.to_owned());
        Ok(self)
    }

    /// The brokers to begin with.
    #[must_use]
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// What every client is given, by name: what an administrator's client needs.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        let extra = self.extra.iter().filter(|((scope, _), _)| *scope == Scope::Client);
        let extra = extra.map(|((_, key), value)| (key.as_str(), value.as_str()));
        let servers = [("bootstrap.servers", self.servers.as_str()), ("enable.metrics.push", "false")];
        CLIENT.into_iter().chain(extra).chain(servers)
    }

    /// The configuration of a consumer; `own` has the last word.
    pub(super) fn consumer(&self, own: &[(&str, &str)]) -> Result<Conf, Error> {
        self.conf(Scope::Consumer, &CONSUMER, own)
    }

    /// The configuration of a producer; `own` has the last word.
    pub(super) fn producer(&self, own: &[(&str, &str)]) -> Result<Conf, Error> {
        self.conf(Scope::Producer, &PRODUCER, own)
    }

    fn conf(&self, scope: Scope, usual: &[(&str, &str)], own: &[(&str, &str)]) -> Result<Conf, Error> {
        let mut conf = Conf::new();
        conf.log_to_tracing();
        let extra = self.extra.iter().filter(|((for_whom, _), _)| [Scope::Client, scope].contains(for_whom));
        let extra = extra.map(|((_, key), value)| (key.as_str(), value.as_str()));
        let servers = [("bootstrap.servers", self.servers.as_str()), ("enable.metrics.push", "false")];
        let usual = CLIENT.iter().chain(usual).copied();
        for (key, value) in usual.chain(extra).chain(servers).chain(own.iter().copied()) {
            conf.set(key, value)?;
        }
        Ok(conf)
    }
}

/// A configuration that is being filled.
pub(super) struct Conf(NonNull<rk::rd_kafka_conf_t>);

impl Conf {
    fn new() -> Self {
        // SAFETY: no arguments; it aborts rather than answer null.
        Self(NonNull::new(unsafe { rk::rd_kafka_conf_new() }).expect("librdkafka allocates or aborts"))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let doing = || format!("set {key} to `{}`", shown(key, value));
        let nul = |_| Error::new(doing(), code::INVALID_ARG, "a property has no NUL bytes");
        let (name, text) = (CString::new(key).map_err(nul)?, CString::new(value).map_err(nul)?);
        let mut said: [c_char; 512] = [0; 512];
        // SAFETY: the configuration is ours and alive; both texts and the buffer outlive the call.
        let result = unsafe {
            let (said, size) = (said.as_mut_ptr(), said.len());
            rk::rd_kafka_conf_set(self.0.as_ptr(), name.as_ptr(), text.as_ptr(), said, size)
        };
        if result == rk::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        // SAFETY: librdkafka ends what it writes there with a NUL.
        Err(Error::new(doing(), code::INVALID_ARG, unsafe { raw::text(said.as_ptr()) }))
    }

    fn log_to_tracing(&mut self) {
        // SAFETY: the configuration is ours; the callback is a function and lives for ever.
        unsafe { rk::rd_kafka_conf_set_log_cb(self.0.as_ptr(), Some(log::write)) }
    }

    /// The configuration, still owned by `self`.
    pub(super) fn as_ptr(&self) -> *mut rk::rd_kafka_conf_t {
        self.0.as_ptr()
    }

    /// Makes a client, which then owns the configuration.
    pub(super) fn into_client(self, kind: rk::rd_kafka_type_t) -> Result<NonNull<rk::rd_kafka_t>, Error> {
        let mut said: [c_char; 512] = [0; 512];
        // SAFETY: the configuration is ours, the buffer outlives the call.
        let client = unsafe { rk::rd_kafka_new(kind, self.0.as_ptr(), said.as_mut_ptr(), said.len()) };
        let Some(client) = NonNull::new(client) else {
            // SAFETY: librdkafka ends what it writes there with a NUL.
            let text = unsafe { raw::text(said.as_ptr()) };
            return Err(Error::new("make a Kafka client", code::INVALID_ARG, text));
        };
        std::mem::forget(self);
        Ok(client)
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: no client has taken it: `into_client` forgets `self` when one has.
        unsafe { rk::rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_that_carry_the_guarantee_are_refused_with_the_reason() {
        for (key, why) in REFUSED {
            for scope in [Scope::Client, Scope::Consumer, Scope::Producer] {
                let refused = Settings::new("localhost:9092").with(scope, key, "1");
                let error = refused.expect_err(key);
                assert_eq!(error.text, why);
                assert!(error.to_string().contains(key), "{error}");
            }
        }
    }

    #[test]
    fn librdkafka_says_what_it_does_not_know() {
        let settings = Settings::new("localhost:9092");
        let misspelt = settings.clone().with(Scope::Client, "socket.timeout", "1").expect_err("misspelt");
        assert!(misspelt.to_string().contains("No such configuration property"), "{misspelt}");
        let bad = settings.clone().with(Scope::Client, "socket.timeout.ms", "soon").expect_err("no number");
        assert!(bad.to_string().contains("set socket.timeout.ms to `soon`"), "{bad}");
        let nul = settings.with(Scope::Client, "client.id", "a\0b").expect_err("NUL");
        assert!(nul.to_string().contains("no NUL"), "{nul}");
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let settings = Settings::new("localhost:9092").with(Scope::Client, "sasl.password", "sesame");
        let shown = format!("{:?}", settings.expect("it is a property"));
        assert!(shown.contains("(not shown)") && !shown.contains("sesame"), "{shown}");
        let bad = Settings::new("localhost:9092").with(Scope::Client, "sasl.password", "ses\0ame");
        assert!(!bad.expect_err("NUL").to_string().contains("ses\0ame"));
    }

    #[test]
    fn an_operator_changes_the_usual_but_not_what_is_ours() {
        let settings = Settings::new("localhost:1")
            .with(Scope::Producer, "linger.ms", "7")
            .and_then(|settings| settings.with(Scope::Consumer, "fetch.queue.backoff.ms", "99"))
            .expect("both exist");
        let conf = settings.producer(&[("transactional.id", "worker-0")]).expect("all exist");
        let get = |key: &str| {
            let (name, mut size) = (CString::new(key).expect("no NUL"), 512);
            let mut value: [c_char; 512] = [0; 512];
            // SAFETY: the configuration, the name and the buffer of `size` outlive the call;
            // NUL-terminated.
            unsafe {
                rk::rd_kafka_conf_get(conf.as_ptr(), name.as_ptr(), value.as_mut_ptr(), &raw mut size);
                raw::text(value.as_ptr())
            }
        };
        assert_eq!(get("linger.ms"), "7");
        assert_eq!(get("compression.codec"), "lz4");
        assert_eq!(get("transactional.id"), "worker-0");
        assert_eq!(get("fetch.queue.backoff.ms"), "1000", "it is for consumers");
    }
}
