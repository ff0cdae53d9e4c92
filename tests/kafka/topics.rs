//! Topics: what is needed is made, made once, and what cannot work is refused with its cause and its code.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use serde_json::Value;
use wayfarer::cli::exit;
use wayfarer_broker::{Broker, Options, User};

use crate::admin::Admin;

/// The binary with settings of its own, as variables, and topics whose names no other test has.
struct World {
    servers: String,
    prefix: String,
    variables: Vec<(String, String)>,
}

impl World {
    fn new(servers: &str, what: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_millis();
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{what}-{since}-{}-{next}-", std::process::id());
        let variables = Vec::new();
        Self { servers: servers.to_owned(), prefix, variables }
            .with("JOURNAL__KIND", "kafka")
            .with("ENGINE__SHARDS", "4")
            .with("TOPICS__REPLICATION", "1")
            .with("TOPICS__MIN_INSYNC", "1")
    }

    fn shared(what: &str) -> Self {
        Self::new(Broker::shared().unwrap_or_else(|error| panic!("no broker: {error}")), what)
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.variables.push((format!("WAYFARER_{key}"), value.to_owned()));
        self
    }

    fn topic(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn call(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
        command.args(arguments.split_whitespace());
        command.env("WAYFARER_KAFKA__BROKERS", &self.servers).env("WAYFARER_TOPICS__PREFIX", &self.prefix);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.output().expect("the binary was built")
    }

    /// Calls it, and compares the code and a part of what is said: on the standard output if all went well.
    fn says(&self, arguments: &str, code: u8, part: &str) {
        let output = self.call(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            output.status.code() == Some(i32::from(code)) && said.contains(part),
            "{arguments}: {} rather than {code}, and {part:?} in:\n{said}",
            output.status
        );
    }

    fn plan(&self) -> Value {
        let output = self.call("topics plan --json");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn admin(&self) -> Admin {
        Admin::of(&self.servers)
    }
}

#[test]
fn what_an_empty_broker_lacks_is_made_once_and_then_there_is_nothing_to_do() {
    let world = World::shared("empty");
    world.says("run", exit::MISSING, "there is no such topic");
    let plan = world.plan();
    assert_eq!((&plan["shards"], plan["steps"].as_array().map(Vec::len)), (&Value::from(4), Some(12)));
    world.says("topics plan", exit::PROBLEM, "4 shards: 12 to create, 0 to alter");
    world.says("topics apply --partitions 6", exit::OK, "6 shards: nothing to do");
    // Without the number: it is what it is.
    for again in ["topics plan", "topics apply"] {
        world.says(again, exit::OK, "6 shards: nothing to do");
    }
    assert_eq!(world.plan()["steps"], Value::Array(Vec::new()));
    let admin = world.admin();
    for (key, property, value) in [
        ("state", "cleanup.policy", "compact"),
        ("state", "min.cleanable.dirty.ratio", "0.2"),
        ("control", "message.timestamp.type", "LogAppendTime"),
        ("control", "retention.ms", "-1"),
        ("events", "message.timestamp.type", "LogAppendTime"),
        ("sends", "retention.ms", "2592000000"),
    ] {
        assert_eq!(admin.setting(&world.topic(key), property), value, "{key} {property}");
    }
}

#[test]
fn a_topic_that_was_altered_is_refused_at_start_and_put_right_without_losing_its_other_settings() {
    let world = World::shared("altered");
    world.says("topics apply", exit::OK, "nothing to do");
    let (admin, state) = (world.admin(), world.topic("state"));
    admin.set(&state, &[("cleanup.policy", "delete"), ("segment.bytes", "2097152")]);
    world.says("run", exit::INCOMPATIBLE, "cleanup.policy is delete and has to be compact");
    world.says("topics plan", exit::PROBLEM, &format!("alter  {state}: cleanup.policy is delete"));
    world.says("topics apply", exit::OK, "cleanup.policy from delete to compact");
    world.says("topics plan", exit::OK, "nothing to do");
    assert_eq!(admin.setting(&state, "segment.bytes"), "2097152");
    // What is only worse than it could be is no reason not to start, nor to alter what is not ours.
    admin.set(&world.topic("events"), &[("message.timestamp.type", "CreateTime")]);
    world.says("topics plan", exit::OK, "message.timestamp.type is CreateTime and should be LogAppendTime");
    assert_eq!(world.plan()["steps"][0]["blocks"], Value::Bool(false));
}

#[test]
fn partitions_that_do_not_fit_are_refused_and_never_changed() {
    let world = World::shared("raised");
    world.says("topics apply", exit::OK, "4 shards: nothing to do");
    world.admin().raise(&world.topic("events"), 5);
    let state = world.topic("state");
    for verb in ["run", "topics plan", "topics apply"] {
        world.says(verb, exit::INCOMPATIBLE, "has 5");
    }
    world.says("topics plan", exit::INCOMPATIBLE, "users would be parted from their state");
    let steps = world.plan()["steps"].clone();
    let refused = |step: &&Value| step["topic"] == state.as_str() && step["cause"] == "incompatible";
    assert_eq!(steps.as_array().map_or(0, |steps| steps.iter().filter(refused).count()), 1, "{steps}");
}

#[test]
fn a_second_input_has_as_many_partitions_as_the_anchor() {
    let world = World::shared("inputs");
    let (web, app) = (world.topic("web"), world.topic("app"));
    let admin = world.admin();
    admin.create(&web, 3);
    let world = world.with("TOPICS__EVENTS", &format!("{web},{app}"));
    // The second is made like the first; the first stays as its owner made it.
    world.says("topics apply", exit::OK, "3 shards: nothing to do");
    assert_eq!(admin.setting(&web, "message.timestamp.type"), "CreateTime");
    let other = world.topic("other");
    admin.create(&other, 4);
    let world = world.with("TOPICS__EVENTS", &format!("{web},{other}"));
    world.says("run", exit::INCOMPATIBLE, &format!("{other}: it has 4 partitions and {web} has 3"));
}

#[test]
fn more_replicas_than_brokers_are_refused_with_the_way_out() {
    let world = World::shared("replicas").with("TOPICS__REPLICATION", "3");
    let way = "write topics.replication = 1 and topics.min_insync = 1";
    world.says("topics plan", exit::CONFIG, way);
    world.says("topics apply", exit::CONFIG, way);
    assert_eq!(world.plan()["steps"].as_array().map(Vec::len), Some(13), "nothing was made");
}

#[test]
fn a_property_that_librdkafka_does_not_know_is_a_wrong_configuration() {
    let world = World::shared("property").with("KAFKA__CLIENT", "socket.timeout=1");
    world.says("run", exit::CONFIG, "kafka.client: ");
}

/// One broker for all of it, which is also stopped: a start takes seconds.
#[test]
fn who_is_not_let_in_is_told_why_and_who_finds_nobody_too() {
    let options = Options {
        tls: true,
        users: vec![User::new("worker", "right")],
        authorizer: true,
        ..Options::default()
    };
    let broker = Broker::start(&options).unwrap_or_else(|error| panic!("no broker: {error}"));
    let plain = World::new(&broker.bootstrap(), "denied");
    plain.says("topics apply", exit::OK, "nothing to do");
    let trusted = broker.ca_pem().expect("it has a certificate").display().to_string();
    let by = |servers: Option<String>| {
        let mut world = World::new(&servers.expect("it was asked for"), "denied");
        world.prefix.clone_from(&plain.prefix);
        world.with("KAFKA__REQUEST_TIMEOUT", "5s").with("KAFKA__TLS", "true")
    };
    let worker = |password: &str| {
        by(broker.bootstrap_scram())
            .with("KAFKA__TLS_CA", &trusted)
            .with("KAFKA__SASL_MECHANISM", "SCRAM-SHA-512")
            .with("KAFKA__SASL_USER", "worker")
            .with("KAFKA__SASL_PASSWORD", password)
    };
    for verb in ["run", "topics plan", "topics apply"] {
        worker("right").says(verb, exit::DENIED, "grant Describe");
    }
    worker("wrong").says("run", exit::DENIED, "the brokers do not let us in");
    by(broker.bootstrap_tls()).with("KAFKA__TLS_CA", &trusted).says("topics plan", exit::OK, "nothing to do");
    // The system trusts no authority of a test.
    by(broker.bootstrap_tls()).says("topics plan", exit::CONFIG, "certificate");
    broker.stop().expect("it runs");
    plain.with("KAFKA__REQUEST_TIMEOUT", "2s").says("run", exit::UNREACHABLE, "no broker can be reached");
}
