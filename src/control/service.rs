//! What the HTTP API asks of the running process: one trait, so that the API knows no threads and no journal.
//!
//! Every call blocks until its answer is true: an accepted message is durable, an answered command is committed by
//! every shard (G11). The API calls it from blocking tasks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::letters::{Replay, Wanted};
use super::range::{Ask, AskError};
use super::statistics::Report;
use super::story::StoryView;
use super::unsaved::Unsaved;
use super::{Record, Refused};
use crate::engine::hold::Preview;
use crate::lifecycle::{Gates, Verb};
use crate::model::input::Selection;
use crate::model::{Format, Timestamp};

/// What kind of record is to be accepted into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedKind {
    /// A Segment message about a user.
    Event,
    /// An entry by API: `{"journey": …, "user": …, "properties": {…}}`.
    Enter,
    /// A row of an audience list, in the form of [`AcceptedKind::Enter`].
    Row,
    /// A provider's report: `{"kind": …, "user": …, "journey": …, "version": …, "node": …}`.
    Receipt,
    /// A removal: `{"journey": …, "user": …}`.
    Remove,
    /// A deletion: `{"user": …}`.
    Delete,
}

/// One record to be accepted, already checked: its user decides its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it is.
    pub kind: AcceptedKind,
    /// Whom it is about.
    pub user: String,
    /// Its JSON.
    pub bytes: Vec<u8>,
}

/// Why something cannot be done now, although nothing is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this cannot be done at present: {0}")]
pub struct Unavailable(pub String);

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Every shard has committed the epoch: after this no node starts under the old gate.
    Done {
        /// The epoch.
        epoch: u64,
    },
    /// The command is durable and will take effect; these shards have not committed it yet.
    Pending {
        /// The epoch.
        epoch: u64,
        /// Those that have not, ascending, and what is known of them.
        shards: Vec<Waiting>,
    },
}

/// A shard that has not committed an epoch yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The shard.
    pub shard: u16,
    /// The epoch that it committed last; 0 if none is known.
    pub epoch: u64,
    /// Who committed it; `None` if nobody is known to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{} (at epoch {}, of {owner})", self.shard, self.epoch),
            None => write!(f, "{} (of no known owner)", self.shard),
        }
    }
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It was judged and refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be written.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why statistics are not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatisticsError {
    /// What is asked for does not exist, or is no range.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Nobody can tell at present.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A journey as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyView {
    /// The id.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Whose states and verbs it has.
    pub dialect: String,
    /// Its state now.
    pub state: String,
    /// Its gates now.
    pub gates: Gates,
    /// The verbs that an operator may give now.
    pub allowed: Vec<Verb>,
    /// For commands that expect one.
    pub revision: u64,
    /// The live version.
    pub version: Option<u32>,
    /// Who made it, and when.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it go live.
    pub published_by: Option<String>,
    /// When it went live.
    pub published_at: Option<Timestamp>,
    /// Why the system stopped it, if it did.
    pub failure: Option<String>,
    /// The counts of each version.
    pub versions: Vec<VersionView>,
    /// How often entry was refused, by reason.
    pub refused: Vec<(String, u64)>,
}

/// The counts of one version over all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// The version.
    pub version: u32,
    /// Enrollments created.
    pub entered: u64,
    /// Enrollments that came from another version.
    pub moved_in: u64,
    /// Enrollments that went to another version.
    pub moved_out: u64,
    /// Waiting now.
    pub waiting: u64,
    /// Held now.
    pub held: u64,
    /// How many of the held are parked (G17): until they are released, whatever the movement gate says.
    #[serde(default)]
    pub parked: u64,
    /// Queued by a send node's rate now.
    pub at_send: u64,
    /// Draining now.
    pub draining: u64,
    /// Left, by reason.
    pub exited: Vec<(String, u64)>,
    /// Reached a goal.
    pub converted: u64,
    /// Messages handed over, by node.
    pub sent: Vec<(String, u64)>,
    /// Whether the conservation identity holds.
    pub conserved: bool,
}

/// Whether the process does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether events are being processed.
    pub ready: bool,
    /// Why not, in a sentence.
    pub why: Option<String>,
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectView {
    /// Its number in the dead-letter log.
    pub number: u64,
    /// Whose it is.
    pub shard: u16,
    /// When it was rejected.
    pub at: Timestamp,
    /// Which log it came from.
    pub source: String,
    /// Its position there.
    pub offset: u64,
    /// What it was: `event`, `cloud_event`, `enter`, `row`, `receipt`, `emitted`, `remove`, `delete`, `failure`; `None`
    /// if an older program has kept it.
    pub kind: Option<String>,
    /// The reason's stable code.
    pub code: String,
    /// The reason.
    pub message: String,
    /// Under which key it stood in its log, if under one; what is not UTF-8 in it is replaced.
    pub key: Option<String>,
    /// The headers of a CloudEvent, as the key.
    pub headers: Vec<(String, String)>,
    /// The original bytes, base 64.
    pub bytes: String,
    /// How many they were; more than there are in `bytes` if they were cut.
    pub length: u64,
    /// When it was let in once more, if it was.
    pub replayed: Option<Timestamp>,
}

/// In which formats a deployment is stored and read (protocol 12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatsView {
    /// What everything is written in since the control log says so.
    pub written: Format,
    /// The newest that the program reads which was asked.
    pub reads: Format,
    /// Every shard, ascending.
    pub shards: Vec<ShardFormats>,
}

/// The formats of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFormats {
    /// The shard.
    pub shard: u16,
    /// Who committed it last; `None` if nobody is known to have.
    pub owner: Option<String>,
    /// In which format that commit is written.
    pub writes: Option<Format>,
    /// The newest that its owner's program reads.
    pub reads: Option<Format>,
    /// How many users' pages are still of the format before; `None` if nobody has said.
    pub to_renew: Option<u64>,
}

/// The running process, as the HTTP API sees it.
pub trait Service: Send + Sync + 'static {
    /// Accepts records: they are durable when this returns.
    ///
    /// # Errors
    /// If the journal takes nothing now; none of them was accepted then.
    fn accept(&self, records: Vec<Accepted>) -> Result<(), Unavailable>;

    /// Gives a command, and waits until every shard has committed it, at most for `wait`.
    ///
    /// # Errors
    /// If it is refused, or cannot be written.
    fn command(&self, record: Record, wait: Duration) -> Result<Answer, CommandError>;

    /// Uploads the rows of a journey's list: users and their fields as JSON objects; then gives the manifest.
    ///
    /// # Errors
    /// As [`Service::command`].
    fn upload(
        &self,
        record: Record,
        rows: Vec<(String, Vec<u8>)>,
        wait: Duration,
    ) -> Result<Answer, CommandError>;

    /// All journeys, in the order of creation.
    fn journeys(&self) -> Vec<JourneyView>;

    /// In which formats everything is stored and read, by shard.
    ///
    /// # Errors
    /// If what the shards committed last is not to be had now.
    fn formats(&self) -> Result<FormatsView, Unavailable>;

    /// A user's unsaved edit of a draft; `None` if there is none.
    fn unsaved(&self, journey: &str, actor: &str) -> Option<Unsaved>;

    /// What a release would do, over all shards; `None` if there is no such journey.
    ///
    /// # Errors
    /// If some shard does not answer in time: a part of the sum is no answer.
    fn preview(&self, journey: &str, selection: &Selection) -> Result<Option<Preview>, Unavailable>;

    /// What moved in a journey in a range of dates, and who is where in it now (G40).
    ///
    /// # Errors
    /// If it is not to be had, or if some shard does not answer in time: a part of the sum is no answer.
    fn statistics(&self, journey: &str, ask: &Ask) -> Result<Report, StatisticsError>;

    /// What is kept of one user, oldest first.
    ///
    /// # Errors
    /// If what is stored cannot be read now.
    fn explain(&self, user: &str, journey: Option<&str>) -> Result<StoryView, Unavailable>;

    /// Dead letters from that number on.
    ///
    /// # Errors
    /// If what is stored cannot be read now.
    fn rejects(&self, from: u64, max: usize) -> Result<Vec<RejectView>, Unavailable>;

    /// Lets dead letters in once more.
    ///
    /// # Errors
    /// If they cannot be read or taken in now; what was let in until then stays so.
    fn replay(&self, wanted: &Wanted) -> Result<Replay, Unavailable>;

    /// Whether the process does its work.
    fn health(&self) -> Health;

    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> String;
}
