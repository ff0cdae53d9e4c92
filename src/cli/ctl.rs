//! `wayfarer ctl`: the operator's API from a shell.
//!
//! Every verb of every dialect is here under the vendor's name; whether a journey knows it, and whether its
//! state allows it, is the server's to say: a refusal names the state, the verb, and what is allowed instead.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::DEFAULT_URL;
use crate::control::range::By;

pub(super) const EXAMPLES: &str = "\
Examples:
  wayfarer ctl put cart-rescue.toml
  wayfarer ctl publish cart-rescue
  wayfarer ctl list
  wayfarer ctl pause cart-rescue --expect 3
  wayfarer ctl resume welcome-back --from second-reminder --preview
  wayfarer ctl enter cart-rescue u-4711 --properties '{\"value\": 30}'
  wayfarer ctl list-upload spring-sale audience.csv
  wayfarer ctl statistics cart-rescue --from 2026-03-01 --to 2026-03-31

A verb is answered when every shard has taken it: no node starts under the old gate after that. Ends with 1 if
it was refused (the state, the verb and what is allowed instead are printed), with 6 if some shards have not
taken it yet.";

/// What `ctl` is given.
#[derive(Debug, Args)]
pub struct CtlArgs {
    /// The server, and who asks.
    #[command(flatten)]
    pub server: Server,
    /// What to do.
    #[command(subcommand)]
    pub command: Ctl,
}

/// The server, and who asks.
#[derive(Debug, Args)]
pub struct Server {
    /// The server
    #[arg(long, value_name = "URL", global = true, env = "WAYFARER_URL", default_value = DEFAULT_URL)]
    pub url: String,
    /// Who is asking; kept in the journal with the command
    #[arg(long, value_name = "NAME", global = true, env = "WAYFARER_ACTOR", default_value = "operator")]
    pub actor: String,
    /// In which role; only `system` may recover a journey or declare that it fails
    #[arg(long, value_enum, global = true, default_value_t = Role::Operator)]
    pub role: Role,
    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// In which role somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// A person who runs journeys.
    Operator,
    /// The platform itself, or its support.
    System,
}

/// The verbs of `ctl`.
#[derive(Debug, Subcommand)]
pub enum Ctl {
    /// Save a definition: a new journey, or an edit as far as its state allows
    #[command(visible_alias = "edit")]
    Put(Put),
    /// List the journeys: state, version, counts, created and published by
    List,
    /// Show one journey: state, both gates, counts by version and node, the verbs that are allowed now
    Show(Show),
    /// What moved in a journey in a range of dates, by version, node and day, and who is where now
    Statistics(StatisticsArgs),

    /// clevertap: keep an edit of a draft without saving it, whole or not; it is yours alone
    KeepEdit(KeepEdit),
    /// clevertap: show the edit of a draft that you have not saved
    ShowEdit(Show),
    /// clevertap: drop the edit of a draft that you have not saved
    DropEdit(Show),
    /// clevertap: save the edit of a draft that you have kept
    Save(VerbArgs),
    /// clevertap: open a draft
    Publish(VerbArgs),
    /// antsomi: open a journey that was designed, if its dates and its audience are valid
    Activate(VerbArgs),
    /// clevertap: shut entry, those inside go on. antsomi: let users in, hold everybody
    Pause(VerbArgs),
    /// clevertap: open entry again. antsomi: let the held go on, all of them or those of a node
    Resume(ResumeArgs),
    /// Let held users go, all of them or those of a node: whoever a failure parked, in either dialect, and in
    /// antsomi whoever a pause held
    Release(ResumeArgs),
    /// clevertap: no node starts any more; users leave over the drain window
    Stop(VerbArgs),
    /// antsomi: shut entry and hold everybody
    Freeze(VerbArgs),
    /// antsomi: open a journey that was paused, frozen or closed
    Reactivate(ReactivateArgs),
    /// antsomi: shut entry, those inside go on
    Close(VerbArgs),
    /// antsomi: no node starts any more; users leave over the drain window
    Abort(VerbArgs),
    /// clevertap: make a draft of the same definition, without its history
    Clone(CopyArgs),
    /// antsomi: design a journey of the same definition, without its history
    Copy(CopyArgs),
    /// antsomi, role system: bring a journey in error back to the state that it left
    Recover(VerbArgs),
    /// antsomi, role system: declare that a journey keeps failing
    Fail(FailArgs),

    /// Show in which format everything is stored, and what every shard's owner reads; with a number: move on to it
    Format(FormatArgs),

    /// Enter one user by API, if the journey's entry allows it
    Enter(ApiEntry),
    /// Upload the audience list of a journey
    ListUpload(UploadArgs),
}

/// What `format` is given.
#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Write everything in this format from now on. There is no way back: programs that do not read it understand
    /// nothing any more. Refused as long as some shard's owner does not read it [default: only show]
    #[arg(value_name = "NUMBER")]
    pub to: Option<u8>,
    /// The command's id; the same id again does nothing and gets the same answer [default: a new one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// How a command is to be taken.
#[derive(Debug, Args)]
pub struct CommandOptions {
    /// Refuse it unless this is the journey's revision, as `show` prints it: somebody may have been faster
    #[arg(long, value_name = "REVISION")]
    pub expect: Option<u64>,
    /// The command's id; the same id again does nothing and gets the same answer [default: a new one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// What `put` is given.
#[derive(Debug, Args)]
pub struct Put {
    /// The definition, TOML (.toml) or JSON (.json)
    pub file: PathBuf,
    /// How the command is to be taken.
    #[command(flatten)]
    pub options: CommandOptions,
}

/// What `keep-edit` is given.
#[derive(Debug, Args)]
pub struct KeepEdit {
    /// The journey's id
    pub journey: String,
    /// The edit, TOML (.toml) or JSON (.json)
    pub file: PathBuf,
    /// The command's id; the same id again does nothing [default: a new one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// What `show`, `show-edit` and `drop-edit` are given.
#[derive(Debug, Args)]
pub struct Show {
    /// The journey's id
    pub journey: String,
}

/// What `statistics` is given.
#[derive(Debug, Args)]
pub struct StatisticsArgs {
    /// The journey's id
    pub journey: String,
    /// From when on: a day (2026-03-01) or a full hour (2026-03-01T09:00), in the journey's zone [default:
    /// 30 days back; by the hour 2]
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// Until when: a day, with all its hours, or a full hour, which is not in it [default: now]
    #[arg(long, value_name = "DAY")]
    pub to: Option<String>,
    /// Only this version
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<u32>,
    /// By which buckets: hour, day
    #[arg(long, value_name = "BUCKET", default_value_t = By::Day)]
    pub by: By,
}

/// What a verb is given that needs nothing but a journey.
#[derive(Debug, Args)]
pub struct VerbArgs {
    /// The journey's id
    pub journey: String,
    /// How the command is to be taken.
    #[command(flatten)]
    pub options: CommandOptions,
}

/// What `resume` and `release` are given.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The journey, and how the command is to be taken.
    #[command(flatten)]
    pub verb: VerbArgs,
    /// Only those held before this node, or before one that can be reached from it
    #[arg(long, value_name = "NODE", conflicts_with = "at")]
    pub from: Option<String>,
    /// Only those held before this node
    #[arg(long, value_name = "NODE")]
    pub at: Option<String>,
    /// Only say how many that would be, and since when the first is due
    #[arg(long)]
    pub preview: bool,
}

/// What `reactivate` is given.
#[derive(Debug, Args)]
pub struct ReactivateArgs {
    /// The journey, and how the command is to be taken.
    #[command(flatten)]
    pub verb: VerbArgs,
    /// From frozen: leave the held where they are, rather than let them go
    #[arg(long)]
    pub keep_held: bool,
}

/// What `clone` and `copy` are given.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The journey, and how the command is to be taken.
    #[command(flatten)]
    pub verb: VerbArgs,
    /// The id of the new journey
    pub to: String,
}

/// What `fail` is given.
#[derive(Debug, Args)]
pub struct FailArgs {
    /// The journey, and how the command is to be taken.
    #[command(flatten)]
    pub verb: VerbArgs,
    /// Why; shown to operators
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// What `enter` is given.
#[derive(Debug, Args)]
pub struct ApiEntry {
    /// The journey's id
    pub journey: String,
    /// The user's id
    pub user: String,
    /// A JSON object that stands for the properties of an event
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub properties: Option<serde_json::Map<String, serde_json::Value>>,
    /// The entry's id; the same id again does nothing [default: a new one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// What `list-upload` is given.
#[derive(Debug, Args)]
pub struct UploadArgs {
    /// The journey's id
    pub journey: String,
    /// The rows: CSV with a column user_id, or JSON lines with a field user_id; other fields stand for
    /// properties
    pub file: PathBuf,
    /// The command's id; the same id again does nothing [default: a new one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

fn object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|e| format!("not a JSON object, such as {{\"value\": 30}}: {e}"))
}
