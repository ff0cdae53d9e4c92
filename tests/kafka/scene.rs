//! A broker with topics, and what every test does with it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use wayfarer::journal::kafka::client::{
    Consumer, Edge, Isolation, Membership, Messages, Out, Partition, Producer, Settings,
};
use wayfarer_broker::{Broker, Cluster, Options};

/// What a test waits for at most, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// One wait among several.
pub const SOON: Duration = Duration::from_millis(50);

/// Does something until it answers.
///
/// # Panics
/// It did not within [`PATIENCE`].
pub fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < end, "{PATIENCE:?} passed before {what}");
    }
}

/// A broker, and names that no other test has.
pub struct Scene {
    servers: String,
    is_shared: bool,
}

impl Scene {
    /// On the broker that all tests share.
    pub fn shared() -> Self {
        let servers = Broker::shared().unwrap_or_else(|error| panic!("no broker: {error}"));
        Self { servers: servers.to_owned(), is_shared: true }
    }

    /// On a broker that may be hurt.
    pub fn of(broker: &Broker) -> Self {
        Self { servers: broker.bootstrap(), is_shared: false }
    }

    /// On several, of which some may be hurt.
    pub fn of_cluster(cluster: &Cluster) -> Self {
        Self { servers: cluster.bootstrap(), is_shared: false }
    }

    /// Whether other tests use the broker too.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The broker's address.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    pub fn settings(&self) -> Settings {
        Settings::new(self.servers.as_str())
    }

    /// A name that no other test, and no other run of this one, has.
    pub fn name(&self, what: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_millis();
        format!("{what}.{since}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A new topic.
    pub fn topic(&self, what: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let (name, count) = (self.name(what), usize::try_from(partitions).expect("no less than 0"));
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        let admin: AdminClient<DefaultClientContext> = config.create().expect("a client");
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let made = runtime.block_on(admin.create_topics([&topic], &options)).expect("the broker answers");
        assert_eq!(made, [Ok(name.clone())]);
        // The controller has it; the broker hears of it a moment later.
        until("the broker knows the topic", || {
            let metadata = admin.inner().fetch_metadata(Some(&name), PATIENCE).expect("the broker answers");
            let known = metadata.topics().iter().flat_map(|topic| topic.partitions());
            (known.filter(|partition| partition.leader() >= 0).count() == count).then_some(())
        });
        name
    }

    /// A producer that is ready.
    pub fn producer(&self, id: &str) -> Producer {
        let mut producer = Producer::new(&self.settings(), id, Duration::from_secs(30)).expect("a producer");
        producer.init_transactions(PATIENCE).expect("the broker answers");
        producer
    }

    /// Commits values to a partition, in one transaction.
    pub fn commit(&self, topic: &str, partition: i32, values: &[&str]) {
        let mut producer = self.producer(&self.name("commit"));
        let mut transaction = producer.begin().expect("it is ready");
        transaction.produce(topic, outs(partition, values), PATIENCE).expect("there is room");
        transaction.commit(PATIENCE).expect("the broker answers");
    }

    pub fn reader(&self, isolation: Isolation) -> Consumer {
        Consumer::reader(&self.settings(), &self.name("readers"), isolation).expect("a reader")
    }

    pub fn member(&self, group: &str) -> Consumer {
        self.member_for(group, Duration::from_secs(10), Duration::from_secs(60))
    }

    pub fn member_for(&self, group: &str, session: Duration, interval: Duration) -> Consumer {
        self.member_as(group, None, session, interval)
    }

    /// One that the group waits for when it has gone, if it has a name.
    pub fn member_as(
        &self,
        group: &str,
        name: Option<&str>,
        session: Duration,
        interval: Duration,
    ) -> Consumer {
        let membership = Membership {
            group: group.to_owned(),
            instance: name.map(str::to_owned),
            session_timeout: session,
            poll_interval_max: interval,
        };
        Consumer::member(&self.settings(), &membership).expect("a member")
    }

    /// The committed or all values in a partition, as far as its end is now: a broker that has answered a
    /// commit writes its marker a little later.
    pub fn values(&self, topic: &str, partition: i32, isolation: Isolation) -> Vec<String> {
        let (reader, at) = (self.reader(isolation), [Partition::new(topic, partition)]);
        let edge = |edge| {
            let listed = reader.offsets(&at, edge, Isolation::Uncommitted, PATIENCE);
            listed.expect("the broker answers")[0]
        };
        let (start, end) = (edge(Edge::Earliest), edge(Edge::Latest));
        reader.assign(&[(at[0].clone(), start)]).expect("it is not assigned yet");
        let (mut values, mut batch) = (Vec::new(), Messages::new());
        until("the end", || {
            poll(&reader, &mut batch);
            values.extend(batch.iter().map(|it| text(it.value())));
            let position = reader.positions(&at).expect("it is assigned")[0].unwrap_or(start);
            (position >= end).then_some(())
        });
        values
    }
}

/// Records of one partition.
pub fn outs<'a>(partition: i32, values: &[&'a str]) -> Vec<Out<'a>> {
    values.iter().map(|value| Out { partition, key: None, value: Some(value.as_bytes()) }).collect()
}

/// Polls a consumer to which nothing is assigned by a group.
pub fn poll(consumer: &Consumer, into: &mut Messages) {
    let polled = consumer.poll(into, 1_000, SOON, &mut |_, it| panic!("{it:?}"));
    polled.unwrap_or_else(|error| panic!("{error}"));
}

pub fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or(b"(null)")).into_owned()
}

/// A broker that may be hurt, by one test at a time, who leaves it running.
pub fn fragile() -> MutexGuard<'static, Broker> {
    static BROKER: OnceLock<Mutex<Broker>> = OnceLock::new();
    let settings = vec![("group.min.session.timeout.ms".to_owned(), "100".to_owned())];
    let start = || Mutex::new(Broker::start(&Options { settings, ..Options::default() }).expect("it starts"));
    BROKER.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner)
}
