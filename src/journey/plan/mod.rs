//! A checked definition compiled for execution: dense, immutable, every name resolved.
//!
//! Nodes are numbers in file order, targets are [`Target`]s, conditions are flat programs over slots. The numbers of a
//! version never change once it is published: enrollments persist them.

mod arms;
mod compile;
mod local_time;

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::condition::{Program, Root};
use super::definition::{ReentryWord, TimerPolicy, Weekday};
use crate::model::Interval;

pub use arms::Arms;
pub use compile::{Attributes, Compiler, PlanError, ZONE_ATTRIBUTE};
pub use local_time::{Days, next_time_of_day};

/// A node's number in its version.
pub type NodeIndex = u16;

/// Where users go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To that node.
    Node(NodeIndex),
    /// Out, with reason `completed`.
    Exit,
}

/// One version of a journey, ready to execute.
#[derive(Debug)]
pub struct Plan {
    /// The journey's id.
    pub journey: Arc<str>,
    /// The version, from 1.
    pub version: u32,
    /// The zone of users whose own is unknown, and of the statistics' hours.
    pub zone: TimeZone,
    /// Journey time-out.
    pub timeout: Option<Interval>,
    /// What a held gate does to durations (G4).
    pub timers: TimerPolicy,
    /// The window over which a stop drains (G12).
    pub drain: Interval,
    /// How long after leaving a goal still counts.
    pub conversion_window: Option<Interval>,
    /// Failures an hour that spend the budget (G17).
    pub failure_budget: u32,
    /// How users enter.
    pub entry: EntryPlan,
    /// What makes users leave, in order.
    pub exits: Vec<ExitPlan>,
    /// The nodes by number.
    pub nodes: Vec<NodePlan>,
    /// The paths of the entry's properties that are kept, by slot.
    pub variables: Vec<String>,
    /// Nodes of earlier versions under other names: old id to new (G15).
    pub moved: Vec<(String, String)>,
    /// Whether any node asks for the user's zone.
    pub wants_zone: bool,
}

/// How users enter, resolved.
#[derive(Debug)]
pub struct EntryPlan {
    /// The event that lets users in.
    pub event: Option<String>,
    /// Whether the API may.
    pub api: bool,
    /// The list that may.
    pub list: Option<String>,
    /// The condition's source; compiled into the program of each way in.
    pub filter: Option<super::condition::Expr>,
    /// May a user enter again?
    pub reentry: Reentry,
    /// The property whose values have enrollments of their own.
    pub key: Option<String>,
    /// How many enrollments there may ever be.
    pub limit: Option<u64>,
    /// The greatest lateness of an entering event (G27).
    pub late: Option<Interval>,
    /// The first node.
    pub to: NodeIndex,
}

/// Re-entry, resolved (see [`super::definition::Reentry`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reentry {
    /// Once in a life.
    Never,
    /// When outside, and this long after the last exit.
    AfterExit(Interval),
    /// When outside, and this long after the last entry.
    Cooldown(Interval),
    /// At any time.
    Always,
    /// At most that many entries in any stretch of that length.
    AtMost(u32, Interval),
}

impl Reentry {
    /// Whether somebody inside may enter once more.
    #[must_use]
    pub const fn allows_several(self) -> bool {
        matches!(self, Self::Always | Self::AtMost(..))
    }
}

impl From<&super::definition::Reentry> for Reentry {
    fn from(written: &super::definition::Reentry) -> Self {
        use super::definition::Reentry as Written;
        match *written {
            Written::Word(ReentryWord::Never) => Self::Never,
            Written::Word(ReentryWord::Always) => Self::Always,
            Written::Default | Written::Word(ReentryWord::AfterExit) => Self::AfterExit(Interval::ZERO),
            Written::AfterExit { after_exit } => Self::AfterExit(after_exit),
            Written::Cooldown { cooldown } => Self::Cooldown(cooldown),
            Written::AtMost { at_most, per } => Self::AtMost(at_most, per),
        }
    }
}

/// One exit rule.
#[derive(Debug)]
pub struct ExitPlan {
    /// The event's name.
    pub event: String,
    /// The condition's source.
    pub filter: Option<super::condition::Expr>,
    /// The property that must be equal to the entry's.
    pub matching: Option<String>,
    /// The goal that it reaches.
    pub goal: Option<Arc<str>>,
}

/// One node.
#[derive(Debug)]
pub struct NodePlan {
    /// Its id.
    pub id: Arc<str>,
    /// What it does.
    pub kind: NodeWork,
}

/// What a node does, resolved.
#[derive(Debug)]
pub enum NodeWork {
    /// Hands one message over.
    Send(SendPlan),
    /// Waits for a time.
    Delay {
        /// For how long.
        wait: Wait,
        /// Node time-out.
        timeout: Option<Interval>,
        /// Where users go on.
        next: Target,
    },
    /// Waits for an event.
    WaitEvent {
        /// The branches in order.
        branches: Vec<WaitBranchPlan>,
        /// Node time-out.
        timeout: Option<Interval>,
        /// Where the time-out leads; out with `node_timeout` if nowhere.
        otherwise: Option<Target>,
    },
    /// Goes the way of the first condition that holds.
    Split {
        /// Conditions over `entry` and `user` with their targets.
        branches: Vec<(Program, Target)>,
        /// Where the rest goes.
        otherwise: Target,
    },
    /// Lets on whoever satisfies a condition.
    Filter {
        /// The condition.
        filter: Program,
        /// Where those go.
        next: Target,
        /// Where the others go; out with `filtered` if nowhere.
        otherwise: Option<Target>,
    },
    /// One way for good, by weight.
    RandomSplit {
        /// The table of slots; shared by all versions of the journey.
        arms: Arc<Arms>,
        /// Where each arm leads.
        targets: Vec<Target>,
        /// Whether an enrollment can come back here, so that its arm must be remembered (G34).
        in_loop: bool,
    },
    /// Out with `completed`.
    Exit,
}

/// A send node, resolved.
#[derive(Debug)]
pub struct SendPlan {
    /// By which way.
    pub channel: String,
    /// The content's name.
    pub content: String,
    /// Its revision now.
    pub revision: u32,
    /// Who delivers.
    pub provider: Option<String>,
    /// The part of the rendered message that is the same for everybody: journey, version, node, channel, content.
    pub fixed: String,
    /// What fills the content in.
    pub variables: Vec<(String, Root, u16)>,
    /// The node's own rate.
    pub rate: Option<Rate>,
    /// How long it is of use.
    pub expires: Option<Interval>,
    /// Where users go on.
    pub next: Target,
}

/// One branch of a wait.
#[derive(Debug)]
pub struct WaitBranchPlan {
    /// The event's name.
    pub event: String,
    /// The condition's source.
    pub filter: Option<super::condition::Expr>,
    /// The property that must be equal to the entry's.
    pub matching: Option<String>,
    /// Where it leads.
    pub to: Target,
}

/// How long a delay lasts.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// A duration.
    For(Interval),
    /// Until a point in time, wherever the user is.
    UntilInstant(crate::model::Timestamp),
    /// Until a local date and time in the user's zone.
    UntilLocal(jiff::civil::DateTime),
    /// Until the next such time of day on one of these days, in the user's zone.
    TimeOfDay(jiff::civil::Time, Days),
}

impl Days {
    /// The days that were written; all of them if none was.
    #[must_use]
    pub fn of(written: &[Weekday]) -> Self {
        if written.is_empty() {
            Self::ALL
        } else {
            written.iter().fold(Self::NONE, |days, &day| days.with(day))
        }
    }
}

/// A node's own rate: at most `count` in any `unit_ms`, spread evenly over time and shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// Of how many milliseconds.
    pub unit_ms: u64,
}

impl Rate {
    /// Reads `100/s`, `30/m`, `5/h`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let unit_ms = match unit.trim() {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let count: u64 = count.trim().parse().ok()?;
        (1..=1_000_000).contains(&count).then_some(Self { count, unit_ms })
    }

    /// The number of a shard's first instant at or after `at`: instant `k` is at `⌊(k·shards + shard)·unit ÷ count⌋`.
    ///
    /// Instants of all shards together are `unit ÷ count` apart, so the rate is never exceeded (G26), and no shard
    /// needs to ask another.
    fn first_instant(self, at: i64, shard: u16, shards: u16) -> i64 {
        let (count, unit) = (i128::from(self.count), i128::from(self.unit_ms));
        let (shard, shards) = (i128::from(shard), i128::from(shards.max(1)));
        // The smallest n with ⌊n·unit/count⌋ ≥ at is ⌈at·count/unit⌉, for then n·unit/count ≥ at.
        let n = (i128::from(at) * count).div_euclid(unit)
            + i128::from((i128::from(at) * count).rem_euclid(unit) != 0);
        let k = (n - shard).div_euclid(shards) + i128::from((n - shard).rem_euclid(shards) != 0);
        i64::try_from(k).unwrap_or(i64::MAX)
    }

    /// When instant `k` of that shard is, in milliseconds since the epoch.
    #[must_use]
    pub fn instant(self, k: i64, shard: u16, shards: u16) -> i64 {
        let n = i128::from(k) * i128::from(shards.max(1)) + i128::from(shard);
        i64::try_from((n * i128::from(self.unit_ms)).div_euclid(i128::from(self.count))).unwrap_or(i64::MAX)
    }

    /// The first instant at or after `at`, and after instant number `used`, at which this shard may hand one send over.
    ///
    /// Returns its number and its time in milliseconds since the epoch.
    #[must_use]
    pub fn next(self, at: i64, used: Option<i64>, shard: u16, shards: u16) -> (i64, i64) {
        let first = self.first_instant(at, shard, shards);
        let k = used.map_or(first, |used| first.max(used + 1));
        (k, self.instant(k, shard, shards))
    }
}

impl Plan {
    /// The number of the node with that id.
    #[must_use]
    pub fn node_index(&self, id: &str) -> Option<NodeIndex> {
        self.nodes.iter().position(|n| &*n.id == id).map(|i| i as NodeIndex)
    }

    /// A node by its number.
    #[must_use]
    pub fn node(&self, index: NodeIndex) -> &NodePlan {
        &self.nodes[usize::from(index)]
    }

    /// Every target of a node, in the order of its outcomes.
    #[must_use]
    pub fn targets(&self, index: NodeIndex) -> Vec<Target> {
        compile::targets_of(&self.node(index).kind)
    }

    /// The node and all that can be reached from it (G36, "from a node").
    #[must_use]
    pub fn reachable(&self, from: NodeIndex) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        let mut todo = vec![from];
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut seen[usize::from(at)], true) {
                todo.extend(self.targets(at).into_iter().filter_map(|t| match t {
                    Target::Node(n) => Some(n),
                    Target::Exit => None,
                }));
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_its_instants_over_time_and_shards_and_never_exceeds_itself() {
        let rate = Rate::parse("7/s").unwrap();
        let mut all = Vec::new();
        for shard in 0..4 {
            let (mut at, mut used) = (1_000_000, None);
            while at < 1_010_000 {
                let (k, time) = rate.next(at, used, shard, 4);
                assert!(time >= at);
                used = Some(k);
                at = time;
                all.push(time);
            }
        }
        all.sort_unstable();
        for window in all.windows(8) {
            assert!(window[7] - window[0] >= 1_000, "{window:?}");
        }
        assert!((70..=74).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn a_rate_is_refused_unless_it_names_a_count_and_a_unit() {
        for text in ["", "5", "0/s", "5/d", "-1/s", "1.5/s", "9999999/s"] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }
}
