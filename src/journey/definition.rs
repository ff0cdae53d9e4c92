//! A journey as its author writes it, in TOML or JSON: one schema, no behaviour.
//!
//! Raw and checked are two types: this is the raw one. [`super::check`] finds all its problems, and only a definition
//! without any becomes a plan.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::time::Interval;

/// A journey: who enters, through which nodes they pass, and when they leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The journey's id: letters, digits, `-`, `_`, `.`; at most 64 bytes. Versions of one journey share it.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose states and verbs it has: `clevertap` or `antsomi`.
    pub dialect: String,
    /// The IANA zone of its dates and hours, and of users whose own zone is unknown. Default `UTC`.
    #[serde(default = "utc")]
    pub zone: String,
    /// When it opens by itself: `2026-03-01T09:00`, in the journey's zone, or with an offset of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When it shuts by itself, in the same forms. The end itself is outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Journey time-out: how long after entering everybody is out, with reason `timed_out`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
    /// What a held movement gate does to running durations (G4).
    #[serde(default)]
    pub timers: TimerPolicy,
    /// Over how long the users of a stopped journey leave (G12). Default `30d`.
    #[serde(default = "thirty_days")]
    pub drain: Interval,
    /// How long after leaving a goal still counts as converted. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_window: Option<Interval>,
    /// How many failures in an hour make the system stop the journey (G17). Default 100.
    #[serde(default = "hundred")]
    pub failure_budget: u32,
    /// How users enter.
    pub entry: Entry,
    /// What makes users leave from wherever they are, first match first.
    #[serde(default)]
    pub exit: Vec<ExitRule>,
    /// The nodes; users start at the first unless `entry.to` says otherwise.
    pub node: Vec<Node>,
    /// What messages say, by name. Editable while the journey runs; each edit is a revision.
    #[serde(default)]
    pub content: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// Nodes of the version before that are called something else, or something like it, in this one: old id to new (G15).
    #[serde(default)]
    pub moved: BTreeMap<String, String>,
}

fn utc() -> String {
    "UTC".to_owned()
}
fn thirty_days() -> Interval {
    Interval::from_days(30)
}
fn hundred() -> u32 {
    100
}

/// What becomes of a duration that ends while the movement gate is held (G4). Dates are never moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimerPolicy {
    /// It is over: the user is held before the next node. The default.
    #[default]
    Run,
    /// Durations stand still while the gate is held, and go on when it opens.
    Freeze,
    /// The wait starts anew when the user is released.
    Restart,
    /// The user leaves with reason `expired_in_hold`.
    Drop,
}

/// How users enter: exactly one of `event` and `list`, or `api` alone; `api` may stand beside either.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name of the event that lets a user in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Whether a call of the API may let a user in, its payload standing for the event's properties.
    #[serde(default)]
    pub api: bool,
    /// The name of the audience list whose users enter once the journey runs; a row's fields stand for properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// A condition over `properties` and `user` that must hold.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// May a user enter again?
    #[serde(default, skip_serializing_if = "Reentry::is_default")]
    pub reentry: Reentry,
    /// One enrollment per value of this property, such as `cart_id`: `reentry` is judged per value (G30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many enrollments there may ever be, across versions and shards (G26).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How late an event may arrive and still let its user in (G27). Default: `60m` in `clevertap`, no limit in `antsomi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Interval>,
    /// The node at which users start. Default: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// May a user enter again? Only enrollments that were created count (G30).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Reentry {
    /// One of the words.
    Word(ReentryWord),
    /// Not while inside, and not before this long after leaving.
    AfterExit {
        /// The cool-down, from the exit.
        after_exit: Interval,
    },
    /// Not while inside, and not before this long after entering.
    Cooldown {
        /// The cool-down, from the entry.
        cooldown: Interval,
    },
    /// At most that many entries in any stretch of that length; several enrollments at once are allowed.
    AtMost {
        /// How many, from 1 to 100.
        at_most: u32,
        /// The length of the sliding window.
        per: Interval,
    },
    /// Not given: as [`ReentryWord::AfterExit`].
    #[default]
    Default,
}

impl Reentry {
    /// Whether it is not given.
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

/// The forms of re-entry that need no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReentryWord {
    /// Once in a life.
    Never,
    /// As soon as the user is out again. The default.
    AfterExit,
    /// At any time, beside enrollments that are still inside.
    Always,
}

/// An event that makes a user leave, from whichever node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExitRule {
    /// The event's name.
    pub event: String,
    /// A condition over `properties`, `user` and `entry` that must hold.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// A property that must be equal in this event and in the one that let the user in (G31).
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<String>,
    /// The goal that it reaches: the user leaves as converted, with reason `goal`. Without it the reason is `exit_rule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
}

/// One step of a journey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// The node's id, unique in its journey: letters, digits, `-`, `_`, `.`; at most 64 bytes; not `exit`.
    pub id: String,
    /// What it does.
    #[serde(flatten)]
    pub kind: NodeKind,
}

/// What a node does. A target is a node's id, or the word `exit`: the user leaves with reason `completed`.
///
/// `next` may be left out where another node follows in the file: that one is meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeKind {
    /// Hands one message over.
    Send {
        /// `push`, `email`, `sms`, `whatsapp`, `in_app`, `webhook` or a name of your own.
        channel: String,
        /// The name of a `[content.NAME]`.
        content: String,
        /// Which provider is to deliver it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
        /// What fills the content in: a name to an expression over `entry` and `user`.
        #[serde(default)]
        variables: BTreeMap<String, String>,
        /// The node's own rate, such as `100/s` or `30/m`: users beyond it queue inside the node, past the gate (G13).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<String>,
        /// How long after its start the message is of use.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Interval>,
        /// Where users go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Waits: exactly one of `for`, `until` and `at` (with or without `on`) says how long.
    Delay {
        /// For a duration.
        #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
        duration: Option<Interval>,
        /// Until a date, `2026-12-24T18:00` in the user's zone or with an offset; one that has passed goes on at once (G29).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// Until the next such time of day in the user's zone, `09:00`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
        /// With `at`: only on these days (`mon` … `sun`).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        on: Vec<Weekday>,
        /// Node time-out: a wait that would last longer ends here, and the user leaves with reason `node_timeout`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<Interval>,
        /// Where users go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Waits for the first of several events.
    WaitEvent {
        /// The events waited for; where one event satisfies several branches, the first of them counts.
        branches: Vec<WaitBranch>,
        /// Node time-out. Without it the wait lasts until the journey's own time-out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<Interval>,
        /// Where users go on at the time-out. Without it they leave with reason `node_timeout`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<String>,
    },
    /// Goes the way of the first condition that holds.
    Split {
        /// The conditions, over `entry` and `user`, in order.
        branches: Vec<SplitBranch>,
        /// Where the rest goes.
        otherwise: String,
    },
    /// Lets on whoever satisfies a condition over `entry` and `user`.
    Filter {
        /// The condition.
        #[serde(rename = "where")]
        filter: String,
        /// Where those go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
        /// Where the others go. Without it they leave with reason `filtered`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<String>,
    },
    /// Sends each user one way for good, by weight (G34).
    RandomSplit {
        /// The arms.
        branches: Vec<RandomBranch>,
    },
    /// Ends the enrollment with reason `completed`.
    Exit {},
}

/// One event that a `wait_event` node waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitBranch {
    /// The event's name.
    pub event: String,
    /// A condition over `properties`, `user` and `entry` that must hold.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// A property that must be equal in this event and in the one that let the user in.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<String>,
    /// Where users go on.
    pub to: String,
}

/// One way out of a `split`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitBranch {
    /// The condition.
    #[serde(rename = "where")]
    pub filter: String,
    /// Where users go on.
    pub to: String,
}

/// One arm of a `random_split`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomBranch {
    /// The arm's share of all users in percent, up to two decimals; those of a node add up to 100.
    pub weight: f64,
    /// Where users go on.
    pub to: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}
