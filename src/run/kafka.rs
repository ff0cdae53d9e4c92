//! The journal on Kafka by the settings: refuses what cannot work before anything is started.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Ended, watchdog};
use crate::cli::{RunArgs, exit};
use crate::config::{self, Settings};
use crate::journal::kafka::partition::Partitioner;
use crate::journal::kafka::topics::Plan;
use crate::journal::kafka::{
    CheckpointOptions, Kafka, KafkaHistory, KafkaOptions, Start, TopicNames, client,
};
use crate::journal::{Fault, JournalError};
use crate::model::Interval;
use crate::topics;

impl super::Runs for Kafka {
    fn again(settings: &Settings) -> Result<Option<Self>, Ended> {
        // It has no room of its own on this machine.
        let (code, message) = (exit::JOURNAL, format!("{:?} wants no room here", settings.journal.kind));
        Err((code, message))
    }
}

/// Opens it.
pub(super) fn open(args: &RunArgs, settings: &Settings) -> Result<Kafka, Ended> {
    if let Some(path) = args.events.as_deref().filter(|path| *path != "-") {
        let path = path.display();
        let message = format!(
            "{path} cannot be followed with journal.kind = \"kafka\", since no instance has all users: \
             append it to the topic, `wayfarer run --events - < {path}`"
        );
        return Err((exit::FILE, message));
    }
    client::memory::keep_freed();
    // Before the first call that could hang.
    guard().map_err(|error| {
        (exit::JOURNAL, format!("calls into the Kafka client cannot be watched: {error}"))
    })?;
    let plan = check(settings)?;
    for step in &plan.steps {
        tracing::warn!(topic = step.topic, "{}", step.sentence);
    }
    let options = options(settings, plan.shards)?;
    let (group, instance) = (options.group.clone(), options.instance.clone());
    let log = Kafka::open(options).map_err(|error| (code_of(&error), error.to_string()))?;
    tracing::info!(group, instance, shards = plan.shards, "the journal is open");
    Ok(log)
}

/// Has the process ended if a call into the client hangs, or if brokers are silent after a signal.
fn guard() -> io::Result<()> {
    let leaving = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&leaving))?;
    }
    watchdog::start(leaving)
}

/// What the topics hold, to be read back.
pub(crate) fn history(settings: &Settings) -> Result<KafkaHistory, Ended> {
    let options = options(settings, check(settings)?.shards)?;
    KafkaHistory::open(options).map_err(|error| (code_of(&error), error.to_string()))
}

/// Refuses what cannot work.
fn check(settings: &Settings) -> Result<Plan, Ended> {
    let plan = topics::connect(settings)?.check(&settings.wanted_topics());
    plan.map_err(|refusal| (topics::code(refusal.cause), refusal.to_string()))
}

pub(super) fn code_of(error: &JournalError) -> u8 {
    match error {
        JournalError::Fenced { .. } => exit::FENCED,
        JournalError::Corrupt { .. } | JournalError::Gone { .. } => exit::INCOMPATIBLE,
        JournalError::Unfit { fault: Fault::Incompatible, .. } => exit::INCOMPATIBLE,
        JournalError::Unfit { fault: Fault::Missing, .. } => exit::MISSING,
        JournalError::Unfit { fault: Fault::Denied, .. } => exit::DENIED,
        _ => exit::JOURNAL,
    }
}

/// What the settings mean to the journal.
fn options(settings: &Settings, shards: u32) -> Result<KafkaOptions, Ended> {
    let refused = |message| (exit::CONFIG, message);
    let kafka = &settings.kafka;
    let duration = |interval: Interval| Duration::from_millis(interval.as_millis());
    Ok(KafkaOptions {
        settings: kafka.client().map_err(refused)?,
        topics: names(settings),
        shards: u16::try_from(shards).map_err(|_| {
            (
                exit::INCOMPATIBLE,
                format!("{shards} partitions of events are too many; {} are allowed", u16::MAX),
            )
        })?,
        group: kafka.group.as_str().to_owned(),
        instance: kafka.instance_name().map_err(refused)?,
        partitioner: match kafka.partitioner {
            config::Partitioner::Murmur2 => Partitioner::Murmur2,
            config::Partitioner::Crc32 => Partitioner::Crc32,
        },
        start: match kafka.start {
            config::Start::Earliest => Start::Earliest,
            config::Start::Latest => Start::Latest,
        },
        session_timeout: duration(kafka.session_timeout),
        poll_interval_max: duration(kafka.poll_interval_max),
        transaction_timeout: duration(kafka.transaction_timeout),
        call_timeout: duration(kafka.request_timeout),
        checkpoints: kafka
            .checkpoints
            .clone()
            .map(|directory| CheckpointOptions { directory, every: duration(kafka.checkpoint_interval) }),
        ..KafkaOptions::new(client::Settings::new(""), 1, "", "")
    })
}

fn names(settings: &Settings) -> TopicNames {
    let mut events = settings.topics.events().into_iter().map(Arc::from);
    let own = settings.topics.own();
    let name = |key: &str| -> Arc<str> {
        let found = own.iter().find(|(known, _)| *known == key);
        Arc::from(found.expect("every topic has a name").1.as_str())
    };
    TopicNames {
        events: events.next().expect("the settings name one at least"),
        further: events.collect(),
        internal: name("internal"),
        receipts: name("receipts"),
        lists: name("lists"),
        control: name("control"),
        state: name("state"),
        sends: name("sends"),
        rejects: name("rejects"),
        transitions: name("transitions"),
        refusals: name("refusals"),
        cycles: name("cycles"),
        views: name("views"),
    }
}
