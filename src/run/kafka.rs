//! The journal on Kafka by the settings: refuses what cannot work before anything is started, and ends a
//! process whose client does not come back.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::Ended;
use crate::cli::{RunArgs, exit};
use crate::config::{self, Settings};
use crate::journal::JournalError;
use crate::journal::kafka::partition::Partitioner;
use crate::journal::kafka::{Kafka, KafkaOptions, Start, TopicNames, client};
use crate::model::Interval;
use crate::topics;

/// A call into the client that takes so many times its limit will not come back (librdkafka #5511).
const OVERDUE: u32 = 5;
/// How long the process may take to end after a signal, while brokers are silent: what is not committed by then
/// has not happened.
const LEAVE: Duration = Duration::from_secs(8);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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
    let cluster = topics::connect(settings)?;
    let plan = cluster.check(&settings.wanted_topics());
    let plan = plan.map_err(|refusal| (topics::code(refusal.cause), refusal.to_string()))?;
    for step in &plan.steps {
        tracing::warn!(topic = step.topic, "{}", step.sentence);
    }
    let options = options(settings, plan.shards)?;
    let (group, instance) = (options.group.clone(), options.instance.clone());
    let log = Kafka::open(options).map_err(|error| (code_of(&error), error.to_string()))?;
    tracing::info!(group, instance, shards = plan.shards, "the journal is open");
    let leaving = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&leaving)) {
            return Err((exit::JOURNAL, format!("signals cannot be waited for: {error}")));
        }
    }
    watch(leaving);
    Ok(log)
}

pub(super) fn code_of(error: &JournalError) -> u8 {
    match error {
        JournalError::Fenced { .. } => exit::FENCED,
        JournalError::Corrupt { .. } | JournalError::Gone { .. } => exit::INCOMPATIBLE,
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
        topics: names(settings).map_err(refused)?,
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
        ..KafkaOptions::new(client::Settings::new(""), 1, "", "")
    })
}

fn names(settings: &Settings) -> Result<TopicNames, String> {
    let mut events = settings.topics.events();
    if events.len() > 1 {
        return Err(format!(
            "topics.events names {}: one topic of events is read; let a bridge bring the others into it",
            events.join(", ")
        ));
    }
    let own = settings.topics.own();
    let name = |key: &str| -> Arc<str> {
        let found = own.iter().find(|(known, _)| *known == key);
        Arc::from(found.expect("every topic has a name").1.as_str())
    };
    Ok(TopicNames {
        events: Arc::from(events.remove(0)),
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
    })
}

/// Ends the process if a call into the client hangs, or if it does not end after a signal: nothing else frees a
/// thread that waits in C, and what is not committed has not happened.
fn watch(leaving: Arc<AtomicBool>) {
    let look = move || {
        let mut since = None;
        loop {
            std::thread::sleep(LOOK_EVERY);
            if leaving.load(Ordering::Relaxed) && since.get_or_insert_with(Instant::now).elapsed() > LEAVE {
                let _ = writeln!(
                    std::io::stderr(),
                    "wayfarer: the brokers have not answered for {LEAVE:?} after the signal; the process ends, \
                     and its successor goes on from the last commit"
                );
                std::process::exit(i32::from(exit::UNREACHABLE));
            }
            if let Some(call) = client::overdue(OVERDUE) {
                let client::Overdue { client, call, lasts, limit } = call;
                let _ = writeln!(
                    std::io::stderr(),
                    "wayfarer: {call} of {client} has lasted {lasts:?} where {limit:?} are allowed; the process \
                     ends, and its successor goes on from the last commit"
                );
                std::process::exit(i32::from(exit::UNREACHABLE));
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("kafka-watch".to_owned()).spawn(look) {
        tracing::warn!(%error, "calls into the Kafka client are not watched");
    }
}
