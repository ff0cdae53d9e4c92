//! What can go wrong in a journal, as sentences.
//!
//! Three questions have three answers: could it be read ([`JournalError`]), was it committed
//! ([`CommitError`]), was it accepted ([`IntakeError`]). The last two keep *certainly not* apart from
//! *perhaps*.

use super::record::Shard;

/// Why the journal could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The shard belongs to nobody here, or to another worker.
    #[error("shard {shard} is not this worker's; it owns {owned:?}")]
    NotOwned {
        /// The shard asked about.
        shard: Shard,
        /// The shards that this worker owns.
        owned: Vec<Shard>,
    },
    /// There is no such shard.
    #[error("there is no shard {shard}: this journal has the {shards} shards 0 to {last}", last = shards - 1)]
    NoShard {
        /// The shard asked about.
        shard: Shard,
        /// How many there are.
        shards: u16,
    },
    /// Two workers asked for one shard.
    #[error("shard {shard} already has a worker in this process; a shard has one owner at a time")]
    Owned {
        /// The shard.
        shard: Shard,
    },
    /// Shards are not assigned in this way here.
    #[error("this journal {can}; a worker was asked for with {asked}")]
    Assignment {
        /// What it does.
        can: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// Another process has taken this one's place.
    #[error("another process has taken this one's place: {reason}; give every instance a name of its own")]
    Fenced {
        /// By what it was noticed.
        reason: String,
    },
    /// The journal failed earlier and answers no more.
    #[error("the journal has ended: {reason}; open it again to learn what was committed")]
    Ended {
        /// What happened.
        reason: String,
    },
    /// What the journal lies in is not what it was, or not ours any more, and that will not pass by itself.
    #[error("{sentence}")]
    Unfit {
        /// What has to be put right.
        fault: Fault,
        /// What is wrong, with the values in it, and what to do.
        sentence: String,
    },
    /// The storage refused.
    #[error("the journal could not {doing}: {cause}")]
    Storage {
        /// What it was doing.
        doing: &'static str,
        /// What the storage said.
        cause: String,
    },
    /// What is stored is not what was written.
    #[error("{what} is damaged: {how}; {cure}")]
    Corrupt {
        /// What was being read, and where it stands.
        what: String,
        /// What is wrong with it.
        how: String,
        /// What to do.
        cure: &'static str,
    },
    /// What is asked for was dropped by retention.
    #[error("{what} {asked} is no longer kept; the oldest that is kept is {oldest}")]
    Gone {
        /// What was asked for.
        what: &'static str,
        /// Its number.
        asked: u64,
        /// The oldest number that is kept.
        oldest: u64,
    },
}

/// What has to be put right before a journal can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something of it is not there any more.
    Missing,
    /// A permission is missing.
    Denied,
    /// Something of it is another than it was, or takes less than it did.
    Incompatible,
}

impl JournalError {
    /// Of a journal that is a directory.
    pub(crate) fn corrupt(what: impl std::fmt::Display, how: impl Into<String>) -> Self {
        let cure = "restore the directory from a copy";
        Self::Corrupt { what: format!("{what} in the journal"), how: how.into(), cure }
    }
}

/// Why a transaction is not known to be committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Nothing of it is committed, and nothing ever will be.
    #[error("the transaction was refused and nothing of it is committed: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// It is committed whole, or not at all; [`super::Journal::head`] tells which.
    #[error("it is unknown whether the transaction is committed: {reason}; ask for the shard's head")]
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Why records are not known to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// None of them is accepted: the intake is stopped.
    #[error("nothing was accepted: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// All or none of them are accepted. To repeat them is right: a repeat is found by its message id.
    #[error("it is unknown whether the records were accepted: {reason}; send them again")]
    Unknown {
        /// Why.
        reason: String,
    },
    /// One is too long; none is accepted.
    #[error("record {index} of the batch has {bytes} bytes; at most {max} are allowed")]
    TooLong {
        /// Its place in the batch, from 0.
        index: usize,
        /// Its length in bytes.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// One names a shard that does not exist; none is accepted.
    #[error("record {index} of the batch is for shard {shard}; there are {shards} shards, from 0")]
    NoShard {
        /// Its place in the batch, from 0.
        index: usize,
        /// The shard that it names.
        shard: Shard,
        /// How many there are.
        shards: u16,
    },
}
