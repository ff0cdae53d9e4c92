//! Up to which time everything that was appended can have been read (G19).
//!
//! The brokers are asked where the inputs end; who has read up to the answer has read everything that was
//! appended before the question. No answer, no progress.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::client::{Append, Appender, Asker, Edge, Error, Isolation, Out, Partition};
use super::{KafkaOptions, Shared, storage};
use crate::journal::error::JournalError;
use crate::journal::record::Shard;
use crate::model::Timestamp;

/// How often the brokers are asked; a caught-up shard's time is at most about that old.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often they are asked what time it is.
const TIME_EVERY: u32 = 200;
/// How often something is asked nevertheless while nobody here owns a shard: whether they answer.
const IDLE_EVERY: u64 = 20;

/// How long who looks from outside waits for transactions that are open, and how often it asks.
const SETTLE_WAIT: Duration = Duration::from_millis(500);
const SETTLE_EVERY: Duration = Duration::from_millis(5);

/// Where the inputs of the shards ended when they were asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// Its number: 0 is none yet.
    pub(super) number: u64,
    /// When the question was asked, by the brokers' clock.
    pub(super) asked: Timestamp,
    /// By shard: the end of each input, in the order of [`Shared::inputs`].
    pub(super) of: BTreeMap<Shard, Vec<i64>>,
}

/// The last answer, and whose ends are wanted.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last: Mutex<Arc<Ends>>,
    wanted: Mutex<BTreeMap<Shard, usize>>,
}

impl Watch {
    /// The last answer.
    pub(super) fn last(&self) -> Arc<Ends> {
        Arc::clone(&self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Somebody here owns the shard.
    pub(super) fn want(&self, shard: Shard) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner).entry(shard).or_default() += 1;
    }

    /// Nobody does any more.
    pub(super) fn forget(&self, shard: Shard) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = wanted.get_mut(&shard) {
            *count -= 1;
            if *count == 0 {
                wanted.remove(&shard);
            }
        }
    }

    /// The shards that somebody here owns, ascending.
    pub(super) fn wanted(&self) -> Vec<Shard> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    fn ask(&self, shared: &Shared, number: u64) -> Result<(), JournalError> {
        let shards = self.wanted();
        if shards.is_empty() {
            return if number % IDLE_EVERY == 1 { shared.control_end().map(drop) } else { Ok(()) };
        }
        let asked = shared.clock.now();
        let partitions: Vec<Partition> = shards
            .iter()
            .flat_map(|&shard| shared.inputs.iter().map(move |topic| (topic, shard)))
            .map(|(topic, shard)| Partition::new(Arc::clone(topic), i32::from(shard)))
            .collect();
        let ends = shared.edges(&partitions, Edge::Latest).map_err(storage("ask where the inputs end"))?;
        let of = shards.into_iter().zip(ends.chunks(shared.inputs.len()).map(<[i64]>::to_vec)).collect();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ends { number, asked, of });
        Ok(())
    }
}

/// Where the committed records of these partitions end, for who looks from outside. A broker answers a commit
/// a moment before it shows its records: what is being committed is waited for, a little.
pub(super) fn settled(asker: &Asker, partitions: &[Partition], timeout: Duration) -> Result<Vec<i64>, Error> {
    let began = Instant::now();
    let ends = asker.offsets(partitions, Edge::Latest, Isolation::Uncommitted, timeout)?;
    loop {
        let stable = asker.offsets(partitions, Edge::Latest, Isolation::Committed, timeout)?;
        if began.elapsed() > SETTLE_WAIT || stable.iter().zip(&ends).all(|(stable, end)| stable >= end) {
            return Ok(stable);
        }
        std::thread::sleep(SETTLE_EVERY);
    }
}

/// Asks until the journal is closed.
pub(super) fn run(shared: &Weak<Shared>, closed: &Receiver<()>) {
    let (mut number, mut failing) = (0_u64, false);
    loop {
        match closed.recv_timeout(ASK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        let Some(shared) = shared.upgrade() else { return };
        number += 1;
        let asked = shared.link.ask(|| shared.ends.ask(&shared, number));
        match &asked {
            Ok(()) if failing => tracing::info!("the brokers answer again: time goes on"),
            Err(error) if !failing => {
                tracing::warn!(%error, "the shards' time stands still until a broker answers");
            }
            _ => {}
        }
        failing = asked.is_err();
        if asked.is_ok() && number % u64::from(TIME_EVERY) == 0 {
            let _ = ask_time(&shared);
        }
    }
}

/// Asks a broker what time it is: by appending a mark, whose append time is the answer.
pub(super) fn ask_time(shared: &Shared) -> Result<Timestamp, JournalError> {
    let at = broker_time(&shared.appender, &shared.options)?;
    shared.clock.note(at);
    Ok(at)
}

/// What time it is, by a broker.
pub(super) fn broker_time(appender: &Appender, options: &KafkaOptions) -> Result<Timestamp, JournalError> {
    let key = format!("time/{}", options.instance);
    let mark = Append {
        topic: &options.topics.views,
        record: Out { partition: 0, key: Some(key.as_bytes()), value: Some(b"") },
        headers: &[],
    };
    let answers = appender.append(&[mark], options.call_timeout);
    match answers.into_iter().next() {
        Some(Ok(appended)) => Ok(Timestamp(appended.timestamp)),
        Some(Err(error)) => {
            Err(JournalError::Storage { doing: "ask a broker what time it is", cause: error.to_string() })
        }
        None => Err(JournalError::Storage {
            doing: "ask a broker what time it is",
            cause: "no answer".to_owned(),
        }),
    }
}
