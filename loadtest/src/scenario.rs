//! What a scenario asks for: one TOML file. The comments of these types are what `wayfarer-load keys` prints.
//!
//! - [`check`]: what is wrong with one as a whole, before anything starts. [`journeys`]: what is published. [`keys`]: every
//!   key and what it means. [`read`]: from the file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wayfarer::lifecycle::Verb;
use wayfarer::model::Interval;

pub use self::journeys::{JourneyFile, Published};
use crate::generate::pace::Keeping;
use crate::profile::Profile;
use crate::shop::Shoppers;

pub mod check;
pub mod journeys;
pub mod keys;
pub mod read;

/// A scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, after which its report's files are called: letters, digits and `-`.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// What runs: how many instances, with which settings.
    #[serde(default)]
    pub system: System,
    /// The journeys that are published.
    pub journey: Vec<JourneyFile>,
    /// What the visitors are like.
    #[serde(default)]
    pub events: Shoppers,
    /// How events get in.
    #[serde(default)]
    pub sink: SinkKind,
    /// When the generator's schedule is kept.
    #[serde(default)]
    pub keeping: Keeping,
    /// How many events a second the system takes at most: measured, or given.
    #[serde(default)]
    pub saturation: Option<Saturation>,
    /// Who is inside before the first phase.
    #[serde(default)]
    pub fill: Fill,
    /// A second deployment on the same brokers, to which a phase can send its load instead: to compare the two in one run.
    #[serde(default)]
    pub beside: Option<Beside>,
    /// How often all phases are run, one round after the other; ratios are told as least, median and most of all rounds.
    #[serde(default = "one")]
    pub rounds: u32,
    /// What is measured, one after the other.
    #[serde(default)]
    pub phase: Vec<Phase>,
}

const fn one() -> u32 {
    1
}

/// A second deployment. Nobody operates it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// What runs: how many instances, with which settings.
    #[serde(default)]
    pub system: System,
    /// The journeys that are published in it.
    pub journey: Vec<JourneyFile>,
    /// What its visitors are like.
    #[serde(default)]
    pub events: Shoppers,
    /// Who is inside it before the first phase.
    #[serde(default)]
    pub fill: Fill,
}

/// Who has the load of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// What the scenario is about.
    #[default]
    Wayfarer,
    /// The second deployment, `[beside]`.
    Beside,
    /// The bare Kafka loop.
    Bare,
}

/// A deployment as it is asked for: the scenario's own, or the second one.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    /// What runs.
    pub system: &'a System,
    /// The journeys that are published.
    pub journey: &'a [JourneyFile],
    /// What the visitors are like.
    pub events: &'a Shoppers,
    /// Who is inside before the first phase.
    pub fill: &'a Fill,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct System {
    /// How many instances share the partitions.
    pub instances: u16,
    /// How many threads each has for its shards.
    pub workers: u16,
    /// How many partitions the events have.
    pub partitions: u16,
    /// Further settings of `wayfarer run`, as `section.key`.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub settings: BTreeMap<String, toml::Value>,
}

impl Default for System {
    fn default() -> Self {
        Self { instances: 1, workers: 2, partitions: 16, settings: BTreeMap::new() }
    }
}

/// How events get in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    /// Into the topic.
    #[default]
    Kafka,
    /// Through the API of the instances' first one, in batches.
    Http,
}

/// How the most that the system takes is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saturation {
    /// Events that are poured in to find out.
    #[serde(default)]
    pub measure: u64,
    /// Events a second, where it is known.
    #[serde(default)]
    pub given: f64,
}

/// Who is inside before the first phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fill {
    /// So many users sign up: each one event, `Signed Up`.
    pub users: u64,
    /// Evenly over so long, so that their waits end so far apart as well; 0s is as fast as they go in.
    pub over: Interval,
    /// What the operator does before that.
    pub before: Vec<Act>,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name: letters, digits and `-`.
    pub name: String,
    /// For how long it counts; needed unless events are poured in.
    #[serde(rename = "for", default)]
    pub length: Interval,
    /// For how long it runs before.
    #[serde(default)]
    pub warm: Interval,
    /// The same rate all the time: this percentage of the saturation.
    #[serde(default)]
    pub of_saturation: Option<f64>,
    /// How many events a second, otherwise.
    #[serde(default)]
    pub load: Option<Profile>,
    /// So many events as fast as they go in, instead of a rate for a time: what that costs, and no latencies.
    #[serde(default)]
    pub pour: Option<u64>,
    /// Who has the load: `wayfarer`, the second deployment (`beside`), or the bare Kafka loop (`bare`), which reads and
    /// parses every event, writes as many records of the same size as Wayfarer has until then, sends at once where a
    /// journey does to everybody, and decides nothing.
    #[serde(default)]
    pub on: On,
    /// The phase before it with which its p99 and its own CPU an event are compared.
    #[serde(default)]
    pub against: Option<String>,
    /// What the operator does meanwhile.
    #[serde(default)]
    pub act: Vec<Act>,
}

/// What the operator does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// How long after the phase's beginning, `warm` included.
    #[serde(default)]
    pub at: Interval,
    /// Again and again, so often; once if it is missing.
    #[serde(default)]
    pub every: Option<Interval>,
    /// So often at most.
    #[serde(default)]
    pub times: Option<u32>,
    /// With these journeys, by their ids.
    #[serde(default)]
    pub journeys: Vec<String>,
    /// These verbs, in turns, by their names in the API.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub verbs: Vec<Verb>,
    /// Or an audience list of so many rows is uploaded for one journey, each row another user, counted from 0; then the
    /// verbs are given, each once. What was taken of it is counted in the topics: each row once, or it is no result.
    #[serde(default)]
    pub rows: Option<u64>,
    /// Or with the process of this instance, counted from 0: it is asked to end, and started again.
    #[serde(default)]
    pub restart: Option<u16>,
    /// Or it is killed, and started again.
    #[serde(default)]
    pub kill: Option<u16>,
}

impl Scenario {
    /// The deployment that the scenario is about.
    #[must_use]
    pub fn own(&self) -> Deployment<'_> {
        let Self { system, journey, events, fill, .. } = self;
        Deployment { system, journey, events, fill }
    }

    /// The second one, if there is one.
    #[must_use]
    pub fn other(&self) -> Option<Deployment<'_>> {
        let Beside { system, journey, events, fill } = self.beside.as_ref()?;
        Some(Deployment { system, journey, events, fill })
    }

    /// The journeys with which the operator does something.
    #[must_use]
    pub fn operated(&self) -> Vec<String> {
        let acts = self.phase.iter().flat_map(|phase| &phase.act).chain(&self.fill.before);
        acts.flat_map(|act| act.journeys.iter().cloned()).collect()
    }

    /// The rows of the longest list that is uploaded; 0 if none is.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.phase.iter().flat_map(|phase| &phase.act).filter_map(|act| act.rows).max().unwrap_or(0)
    }

    /// All phases of all rounds, one after the other. From the second round on a phase is called `NAME.2`, `NAME.3`, …,
    /// and so is the one that it is compared with.
    #[must_use]
    pub fn turns(&self) -> Vec<Phase> {
        let of_round = |round: u32| {
            let named = move |name: &str| match round {
                1 => name.to_owned(),
                _ => format!("{name}.{round}"),
            };
            self.phase.iter().map(move |phase| Phase {
                name: named(&phase.name),
                against: phase.against.as_deref().map(named),
                ..phase.clone()
            })
        };
        (1..=self.rounds).flat_map(of_round).collect()
    }
}

/// What a phase is called in the scenario, whatever the round.
#[must_use]
pub fn base(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
