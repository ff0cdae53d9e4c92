//! A worker's membership in the group: how it begins, and what ends it.
//!
//! A static member is fenced when somebody joins under its name. That need not be a namesake: a member that has
//! lost its coordinator asks the next one to let it join, and if that answer is lost too, the group knows it
//! under an id that it never learnt and fences the one it has. librdkafka then never polls again, so the
//! consumer is made anew (protocol 17, #3437). A namesake does the same, and the two fence each other as fast as they
//! can join; so who is fenced four times within a minute has a namesake, and ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::client::{Consumer, Error, Membership, PollError};
use super::options::KafkaOptions;
use super::refusal::Cause;
use super::worker::KafkaWorker;
use super::{storage, unfit};
use crate::journal::error::JournalError;
use crate::journal::record::Shard;

/// So often fenced within that time: somebody else really has our name. Namesakes fence each other every few
/// seconds; a coordinator that is lost, or a transaction that it gave up meanwhile, does it once.
const FENCED_MAX: usize = 4;
const FENCED_WITHIN: Duration = Duration::from_secs(60);

/// For how many sessions a worker waits for what the group gives it. A member that is gone is waited for by the group
/// for one session at most, and a rebalance takes a few signs of life.
const AWAITED_SESSIONS: u32 = 3;

/// Since when the group has said nothing.
#[derive(Debug, Default)]
pub(super) struct Silence(Option<Instant>);

impl Silence {
    /// Whether it has said nothing for that long by now; it is counted anew from then.
    fn lasts(&mut self, silent: bool, limit: Duration, now: Instant) -> bool {
        if !silent {
            self.0 = None;
            return false;
        }
        let since = *self.0.get_or_insert(now);
        let lasts = now.saturating_duration_since(since) >= limit;
        if lasts {
            self.0 = Some(now);
        }
        lasts
    }
}

/// When somebody was fenced.
#[derive(Debug, Default)]
pub(super) struct Fences(Vec<Instant>);

impl Fences {
    /// Fenced again: whether that is a namesake's doing.
    pub(super) fn again(&mut self) -> bool {
        self.0.retain(|at| at.elapsed() < FENCED_WITHIN);
        self.0.push(Instant::now());
        self.0.len() >= FENCED_MAX
    }
}

/// Joins the group under a name, which takes the place of whoever had it.
pub(super) fn join(options: &KafkaOptions, name: &str) -> Result<Consumer, JournalError> {
    let membership = Membership {
        group: options.group.clone(),
        instance: Some(name.to_owned()),
        session_timeout: options.session_timeout,
        poll_interval_max: options.poll_interval_max,
    };
    let joining = storage("join the group");
    let consumer = Consumer::member(&options.settings, &membership).map_err(&joining)?;
    consumer.subscribe(&[&options.topics.events]).map_err(&joining)?;
    Ok(consumer)
}

impl KafkaWorker {
    /// What a poll could not give.
    pub(super) fn judge(&mut self, failed: PollError) -> Result<(), JournalError> {
        if Cause::of_code(failed.error.code) == Some(Cause::Fenced) && !self.fences.again() {
            tracing::warn!(error = %failed, "the group takes this worker for another one; it joins anew");
            return self.rejoin();
        }
        if let Some(unfit) = unfit::of_read(&failed) {
            self.shared.unfit.find(&unfit);
            return self.shared.unfit.check();
        }
        if failed.error.fatal {
            self.ended = Some(failed.to_string());
            return Err(storage("read")(failed.error));
        }
        tracing::warn!(error = %failed, "a poll brought an error; librdkafka tries again");
        Ok(())
    }

    /// Reading a shard could not begin. A consumer that was fenced, or has lost the partition, says only that its
    /// state is not right for it; why, the next poll says.
    pub(super) fn not_begun(&mut self, shard: Shard, error: Error) -> JournalError {
        if error.code != Code::RD_KAFKA_RESP_ERR__STATE as i32 {
            return storage("start reading a shard")(error);
        }
        tracing::warn!(shard, %error, "the shard is not read: it is the group's again");
        self.leave_all();
        JournalError::NotOwned { shard, owned: Vec::new() }
    }

    /// A client that is waiting for an answer that got lost would wait for as long as the process lives. To join anew
    /// under one's own name costs nothing: it takes one's own place.
    pub(super) fn await_assignment(&mut self) -> Result<(), JournalError> {
        let limit = AWAITED_SESSIONS * self.shared.options.session_timeout;
        if self.silence.lasts(!self.consumer.is_assigned(), limit, Instant::now()) {
            tracing::warn!(?limit, "the group has not said which shards are this worker's; it joins anew");
            return self.rejoin();
        }
        Ok(())
    }

    /// Gives up all shards and joins the group anew.
    fn rejoin(&mut self) -> Result<(), JournalError> {
        self.leave_all();
        self.loading.clear();
        let name = self.shared.options.name_of(usize::from(self.number));
        self.consumer = join(&self.shared.options, &name)?;
        self.resting = false;
        self.wakes();
        Ok(())
    }

    /// Lets the group's consumer wake the worker.
    pub(super) fn wakes(&self) {
        let waker = Arc::clone(&self.waker);
        self.consumer.on_records(move || waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_told_once_each_time_it_has_lasted_its_limit() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        let limit = Duration::from_secs(18);
        let mut at =
            |second: u64, silent: bool| silence.lasts(silent, limit, start + Duration::from_secs(second));
        let table =
            [(0, true, false), (17, true, false), (18, true, true), (19, true, false), (35, true, false)];
        for (second, silent, told) in table.into_iter().chain([
            (36, true, true),
            (37, false, false),
            (38, true, false),
            (55, true, false),
            (56, true, true),
        ]) {
            assert_eq!(at(second, silent), told, "second {second}");
        }
    }
}
