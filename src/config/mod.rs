//! The settings of `wayfarer run`: one TOML file, overridden from the environment, checked once at the edge.
//!
//! What is written (a file, a variable) and what is meant ([`Settings`]) are two things: [`load`] makes the
//! second out of the first or gives *all* the reasons why it cannot, each with its place and what is allowed.
//! Nothing after it parses a setting. The list below is the only place where a setting is named: its type,
//! its default, its range and its reason; `config/wayfarer.toml` is this list, printed ([`template`]).
//!
//! `WAYFARER_SECTION__KEY=value` overrides `key` of `[section]`: `WAYFARER_ENGINE__SHARDS=16`. The value is
//! written as in the file, but without quotation marks.

pub mod kafka;
mod key;
mod load;
mod print;
mod problem;
mod size;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use kafka::{Brokers, Extra, Name, Names, Partitioner, Sasl, Secret, Start};
pub use load::{ENV_PREFIX, Loaded, load, read};
pub use print::template;
pub use problem::{ConfigError, Origin, Problem};
pub use size::{Size, SizeError};
pub use value::{Format, Fsync, JournalKind, SendsTo, Workers};

use crate::model::Interval;
use key::settings;

settings! {
    /// Where everything that must survive is kept.
    journal: Journal {
        /// "embedded" is a directory of one machine and needs nothing else; "kafka" is the topics of a
        /// cluster (sections kafka and topics), whose partitions several instances share.
        kind: JournalKind = JournalKind::Embedded;
        /// The directory of the journal, made if it is not there. One process at a time owns it.
        /// Relative to the directory in which wayfarer is started.
        directory: PathBuf = PathBuf::from("./data");
        /// When a commit, or an answer that an event was accepted, waits for the disk: "always" (nothing that
        /// was answered is ever lost), "every 100ms" (a power failure loses at most that much; a crash of the
        /// process loses nothing), "never" (the operating system decides; for tests and imports).
        fsync: Fsync = Fsync::Always;
        /// How long accepted events are kept after every shard has taken them: as far back as a replay can
        /// reach. On Kafka: what `topics apply` gives the topics of inputs, movements and cycles.
        accepted_retention: Interval = Interval::from_days(7), Interval::from_mins(1)..=Interval::LONGEST;
        /// How long sends are kept: as far back as a file of sends can be restored. On Kafka: what `topics
        /// apply` gives the topics of sends, dead letters and lists.
        sends_retention: Interval = Interval::from_days(30), Interval::from_mins(1)..=Interval::LONGEST;
        /// Whether every movement of a user, and every refusal, is kept as a line: what `wayfarer explain` tells
        /// of a user besides messages, and what warehouses read. They are counted in any case. Without the
        /// lines an event costs about half as much.
        movements: bool = true;
        /// How much memory the journal's cache of blocks may take. State that is in use is not in it: a
        /// bigger cache makes restoring and looking back faster, not the running.
        cache: Size = Size::mib(64), Size::mib(8)..=Size::gib(64);
    }
    /// The shards, and what a cycle over them may cost.
    engine: Engine {
        /// Into how many shards users are divided. Fixed when the journal's directory is made: a user's shard
        /// is computed from it. On Kafka the partitions of the events topic are the shards, and this is only
        /// how many `topics apply` gives it if there is none.
        shards: u32 = 64, 1..=4096;
        /// How many threads own the shards: "cores" (of this machine, as far as the process may use them), or
        /// a number from 1 to 1024. More than shards would be idle.
        workers: Workers = Workers::Cores;
        /// The most events that a worker reads at once.
        batch_events_max: u32 = 10_000, 1..=1_000_000;
        /// How long a worker that lags reads on before it commits: fewer and larger commits cost less. One that
        /// has read all there is commits at once, whatever this says. Commands wait for a commit that is being
        /// filled.
        commit_interval_max: Interval = Interval::from_millis(100), Interval::ZERO..=Interval::from_secs(1);
        /// The most timers that one cycle fires in a shard; the rest stays due, and live events go first.
        timers_per_cycle_max: u32 = 10_000, 1..=1_000_000;
        /// The most held users that one cycle lets go in a shard after Resume or Reactivate.
        releases_per_cycle_max: u32 = 2_000, 1..=1_000_000;
        /// The most rows of audience lists that one cycle takes in a shard.
        list_rows_per_cycle_max: u32 = 2_000, 1..=1_000_000;
        /// How long a message's id is remembered, so that its repeats do nothing. Memory is rate × window.
        duplicate_window: Interval = Interval::from_mins(10), Interval::ZERO..=Interval::from_days(7);
    }
    /// The cluster, with journal.kind = "kafka".
    kafka: Kafka {
        /// Brokers to begin with, "host:port"; they name the others. Several, so that one may be away. In the
        /// variable: between commas.
        brokers: Brokers = Brokers::default();
        /// The consumer group, the same for all instances. The transactions are named after it too.
        group: Name = Name::fixed("wayfarer");
        /// The name of this instance, another for each; "" is the host's name. It must be the same after a
        /// restart: what was left open under it is closed at once, under a new name only after
        /// kafka.transaction_timeout.
        instance: Name = Name::default();
        /// How the producers of the events choose a key's partition: "murmur2" (Java, and most others) or
        /// "crc32" (librdkafka, unless told otherwise). What is accepted over HTTP goes where they would have
        /// put it.
        partitioner: Partitioner = Partitioner::Murmur2;
        /// Where a shard begins to read that has never committed: "earliest" (all that is kept) or "latest".
        start: Start = Start::Earliest;
        /// After this the brokers abort a transaction whose owner is silent. Readers of what lies behind it
        /// wait for that long.
        transaction_timeout: Interval = Interval::from_secs(10),
            Interval::from_secs(2)..=Interval::from_mins(15);
        /// After this without a heartbeat an instance is dead, and its shards go to the others. The brokers
        /// have bounds of their own (group.min.session.timeout.ms is 6 s).
        session_timeout: Interval = Interval::from_secs(6), Interval::from_secs(1)..=Interval::from_mins(30);
        /// After this without asking for records an instance is stuck, and its shards go to the others.
        poll_interval_max: Interval = Interval::from_mins(5),
            Interval::from_secs(1)..=Interval::from_hours(1);
        /// The longest that a call to the brokers may take; a call that takes several times as long ends the
        /// process.
        request_timeout: Interval = Interval::from_secs(10),
            Interval::from_secs(1)..=Interval::from_mins(5);
        /// How many bytes each worker reads ahead. They are there only while it lags.
        prefetch: Size = Size::mib(48), Size::mib(1)..=Size::gib(1);
        /// A directory for checkpoints of this instance's shards, of this instance alone: after a restart on the
        /// same disk a shard is read from its checkpoint, and of the changelog only what came after it. "" is
        /// none. They are made beside the workers by reading the changelog a second time, and take about its
        /// compacted size on the disk. Whatever is wrong with one, the changelog is read whole instead.
        checkpoints: Option<PathBuf> = None;
        /// The shortest time between two checkpoints of a shard; it has a new one once a fifth of it is new.
        checkpoint_interval: Interval = Interval::from_mins(5),
            Interval::from_secs(1)..=Interval::from_hours(24);
        /// Whether the connections are encrypted.
        tls: bool = false;
        /// The certificates that are trusted, a PEM file; "" is those of the system.
        tls_ca: Option<PathBuf> = None;
        /// Our certificate, a PEM file, where the brokers ask for one.
        tls_certificate: Option<PathBuf> = None;
        /// Its private key, a PEM file.
        tls_key: Option<PathBuf> = None;
        /// What the key is locked with. Never printed.
        tls_key_password: Secret = Secret::default();
        /// How the brokers are told who we are: "PLAIN" (readable on the way unless kafka.tls is true),
        /// "SCRAM-SHA-256", "SCRAM-SHA-512", or "".
        sasl_mechanism: Sasl = Sasl::None;
        /// The user.
        sasl_user: String = String::new();
        /// The password. Never printed. Better in WAYFARER_KAFKA__SASL_PASSWORD or a file than here.
        sasl_password: Secret = Secret::default();
        /// A file with the password in its first line, read at start.
        sasl_password_file: Option<PathBuf> = None;
        /// Properties of librdkafka for every client, passed on as they are, such as
        /// { "client.rack" = "b" }. Those on which the guarantee stands are refused.
        client: Extra = Extra::default();
        /// The same for consumers only.
        consumer: Extra = Extra::default();
        /// The same for producers only.
        producer: Extra = Extra::default();
    }
    /// The topics, with journal.kind = "kafka": their names, and what `topics apply` gives new ones. A name
    /// that is "" is the prefix and the key.
    topics: Topics {
        /// What the names begin with that are not given.
        prefix: Name = Name::fixed("wayfarer.");
        /// The topics of events, all with the same number of partitions, keyed by user id; [] is one, the
        /// prefix and "events". The first is the anchor: whoever is assigned a partition of it reads that
        /// partition of every topic. Their records are Segment messages or CloudEvents, mixed
        /// as they come.
        events: Names = Names::default();
        /// What users are given other than by events: entries by the API, removals, deletions.
        internal: Name = Name::default();
        /// What became of sends: delivered, failed, clicked.
        receipts: Name = Name::default();
        /// Rows of audience lists.
        lists: Name = Name::default();
        /// Operators' commands in their order, one partition, kept for ever.
        control: Name = Name::default();
        /// The users' state, compacted.
        state: Name = Name::default();
        /// Messages to hand over.
        sends: Name = Name::default();
        /// Dead letters.
        rejects: Name = Name::default();
        /// Every movement of every user.
        transitions: Name = Name::default();
        /// Who was refused by which gate, and why.
        refusals: Name = Name::default();
        /// What each commit has read; a replay needs it.
        cycles: Name = Name::default();
        /// What each shard shows to the API of every instance, compacted.
        views: Name = Name::default();
        /// How many brokers keep each record. With fewer than 3 nothing is promised when a broker dies.
        replication: u32 = 3, 1..=15;
        /// How many of them must have a record before it counts as written.
        min_insync: u32 = 2, 1..=15;
    }
    /// Events in, operators' commands, metrics.
    http: Http {
        /// The address and port to listen on. There is no authentication: keep it on the loopback address or
        /// behind something that has one.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// The largest body of a request other than a list; a larger one is answered 413.
        body_max: Size = Size::mib(1), Size::kib(1)..=Size::mib(256);
        /// The largest audience list that can be uploaded.
        list_max: Size = Size::mib(256), Size::kib(1)..=Size::gib(16);
        /// The most requests at work at once; more are answered 503 at once, so that a flood does not reach
        /// the data.
        requests_max: u32 = 1024, 1..=100_000;
        /// The longest that a request may take to arrive and be answered.
        request_timeout: Interval = Interval::from_secs(30),
            Interval::from_millis(100)..=Interval::from_hours(1);
        /// How long an operator's command waits until every shard has taken it; after that the answer is 202,
        /// and names the shards that have not.
        command_timeout: Interval = Interval::from_secs(2),
            Interval::from_millis(10)..=Interval::from_mins(1);
        /// After SIGTERM: how long requests that are at work may still take.
        shutdown_timeout: Interval = Interval::from_secs(5), Interval::ZERO..=Interval::from_mins(5);
    }
    /// Where sends leave, besides the journal.
    sends: Sends {
        /// A file of JSON lines, exactly once (at start it is completed or cut to what is committed); "-" is
        /// the standard output, at least once; "" is neither: sends are read from the journal.
        file: SendsTo = SendsTo::Journal;
    }
    /// What is measured (GET /metrics).
    metrics: Metrics {
        /// How often a worker hands over what it has counted, at the end of a cycle. A scrape can be as old
        /// as that.
        publish_interval: Interval = Interval::from_millis(250),
            Interval::from_millis(10)..=Interval::from_mins(1);
        /// The most versions of journeys with lines of their own; others are only counted, as unlisted. A
        /// bound on what a scrape costs.
        journeys_max: u32 = 1_000, 1..=100_000;
        /// A file of histograms in HdrHistogram's V2 log format, appended to; "" is none. Each interval has a
        /// line for every latency that was measured in it, in microseconds, and one for the rates of
        /// releases. To rotate it, rename it. What cannot be written (a full disk) comes with the next
        /// interval.
        histogram_log: Option<PathBuf> = None;
        /// How long each of its intervals is.
        histogram_interval: Interval = Interval::from_secs(10), Interval::from_secs(1)..=Interval::from_hours(1);
    }
    /// What is written to the standard error.
    log: Log {
        /// "error", "warn", "info", "debug" or "trace"; also by module, such as
        /// "info,wayfarer::journal=debug".
        level: String = "info".to_owned();
        /// "text" for people, "json" for programs: one object a line.
        format: Format = Format::Text;
    }
}

impl Settings {
    /// The relations between settings that one key alone cannot show: the key to blame, and the sentence.
    fn contradictions(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut found = Vec::new();
        kafka::contradictions(self, &mut found);
        if let Workers::Count(workers) = self.engine.workers
            && self.journal.kind == JournalKind::Embedded
            && workers > self.engine.shards
        {
            let shards = self.engine.shards;
            found.push((
                "engine",
                "workers",
                format!(
                    "{workers} workers cannot share {shards} shards (engine.shards); at most one a shard"
                ),
            ));
        }
        if self.engine.duplicate_window > self.journal.accepted_retention {
            let (window, kept) = (self.engine.duplicate_window, self.journal.accepted_retention);
            found.push((
                "engine",
                "duplicate_window",
                format!("{window} is longer than events are kept (journal.accepted_retention = {kept})"),
            ));
        }
        if self.http.body_max > self.http.list_max {
            let (body, list) = (self.http.body_max, self.http.list_max);
            found.push((
                "http",
                "body_max",
                format!("{body} is more than a whole list may have (http.list_max = {list})"),
            ));
        }
        if let Err(e) = self.log.level.parse::<tracing_subscriber::filter::EnvFilter>() {
            let what =
                "a level (error, warn, info, debug, trace), alone or as module=level, separated by commas";
            found.push(("log", "level", format!("{:?} is not {what}: {e}", self.log.level)));
        }
        found
    }
}

#[cfg(test)]
mod tests;
