//! A consumer: a member of a group, or a reader without one.
//!
//! It belongs to one thread at a time (`Send`, not `Sync`). Everything that concerns the group happens within
//! [`Consumer::poll`], on the thread that calls it.

use std::time::Duration;

use super::error::Error;
use super::message::Messages;
use super::offsets::Isolation;
use super::partition::Partition;
use super::rebalance::Rebalance;
use super::settings::Settings;

/// Who a member of a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `group.id`.
    pub group: String,
    /// `group.instance.id`: a restart within the session time-out keeps the partitions.
    pub instance: Option<String>,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `max.poll.interval.ms`.
    pub poll_interval_max: Duration,
}

/// A consumer.
#[derive(Debug)]
pub struct Consumer {}

/// What a poll could not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{error}", partition.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
pub struct PollError {
    /// The partition concerned, if it is one.
    pub partition: Option<Partition>,
    /// What happened.
    pub error: Error,
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub offset: i64,
    /// The bytes that were committed with it.
    pub metadata: Vec<u8>,
}

/// Who commits: group, member and generation as they are now.
#[derive(Debug)]
pub struct GroupMetadata {}

impl Consumer {
    /// A member of a group; it reads committed records only and commits through transactions only.
    ///
    /// # Errors
    /// librdkafka refuses a property, or there are too few threads or files.
    pub fn member(settings: &Settings, membership: &Membership) -> Result<Self, Error> {
        unimplemented!()
    }

    /// A reader without a group: partitions are assigned by hand.
    ///
    /// # Errors
    /// As [`Self::member`].
    pub fn reader(settings: &Settings, isolation: Isolation) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Asks the group for partitions of these topics. They come in a later poll.
    ///
    /// # Errors
    /// The client is a reader, or is closed.
    pub fn subscribe(&self, topics: &[&str]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Adds partitions by hand, each from an offset, not paused. To members too: these do not concern the group.
    ///
    /// # Errors
    /// One is assigned already.
    pub fn assign(&self, from: &[(Partition, i64)]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Takes away partitions that were added by hand.
    ///
    /// # Errors
    /// One is not assigned.
    pub fn unassign(&self, partitions: &[Partition]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Reads partitions that a rebalance brought, or that are paused, from these offsets on.
    ///
    /// # Errors
    /// One is not assigned (any more), or no answer came within `timeout`.
    pub fn start(&self, from: &[(Partition, i64)], timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }

    /// Reads partitions from other offsets on. What was fetched is dropped; paused ones stay paused.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn seek(&self, to: &[(Partition, i64)], timeout: Duration) -> Result<(), Error> {
        unimplemented!()
    }

    /// Stops fetching; what was fetched already is thrown away.
    ///
    /// # Errors
    /// One is not assigned.
    pub fn pause(&self, partitions: &[Partition]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Goes on after the last record that a poll gave.
    ///
    /// # Errors
    /// One is not assigned.
    pub fn resume(&self, partitions: &[Partition]) -> Result<(), Error> {
        unimplemented!()
    }

    /// Takes what is there, up to `max` records; waits up to `wait` for the first.
    ///
    /// Returns early after a rebalance. Records of partitions that went within this poll are not given.
    ///
    /// # Errors
    /// What could not be read, one at a time; the records that were read nevertheless are in `into`. Others
    /// follow at the next polls. Lost connections are logged and retried by librdkafka: no errors.
    pub fn poll(
        &self,
        into: &mut Messages,
        max: usize,
        wait: Duration,
        on_rebalance: &mut dyn FnMut(&Consumer, Rebalance<'_>),
    ) -> Result<(), PollError> {
        unimplemented!()
    }

    /// The member's id; empty if it is in no group (now).
    pub fn member_id(&self) -> String {
        unimplemented!()
    }

    /// What [`super::Transaction::send_offsets`] wants.
    ///
    /// # Errors
    /// It is a reader, or it is not in the group now: member id empty or generation -1, which the broker would take
    /// unfenced.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        unimplemented!()
    }

    /// What the group has committed, one for each partition asked for; waits for open transactions to end.
    ///
    /// # Errors
    /// No answer within `timeout`.
    pub fn committed(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<Vec<Option<Committed>>, Error> {
        unimplemented!()
    }

    /// The offset after the last record that polls gave, `None` before the first. Aborted and control records count.
    ///
    /// # Errors
    /// One is not known to this client.
    pub fn positions(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>, Error> {
        unimplemented!()
    }

    /// The partitions assigned, by the group and by hand.
    ///
    /// # Errors
    /// The client is closed.
    pub fn assignment(&self) -> Result<Vec<Partition>, Error> {
        unimplemented!()
    }

    /// Leaves the group (a static member does not) and ends the client.
    ///
    /// # Errors
    /// It took longer than `deadline`: it is left to its own thread, which may hang as long as the process lives.
    pub fn close(self, deadline: Duration) -> Result<(), Error> {
        unimplemented!()
    }
}
