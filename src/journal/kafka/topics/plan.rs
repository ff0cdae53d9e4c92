//! The difference between what is needed and what is there, as steps. Pure.

use super::need::{Role, Rule, Want, Wanted, Weight, settings};
use super::there::{Found, There, Topic};
use crate::journal::kafka::refusal::{Cause, Refusal};

/// The most shards: each costs memory and a record a commit.
pub const SHARDS_MAX: u32 = 4096;

/// What is to be done about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it.
    Create {
        /// With so many partitions.
        partitions: u32,
        /// On so many brokers each.
        replicas: u32,
        /// With these settings.
        settings: Vec<(&'static str, String)>,
    },
    /// Give a setting another value.
    Alter {
        /// Its name.
        property: &'static str,
        /// Its value now.
        from: String,
        /// Its value then.
        to: String,
    },
    /// Nothing can be done here; a person must. The cause is what a start ends with.
    Refuse(Cause),
    /// Nothing has to be done, but somebody might want to.
    Advise,
}

/// One thing that is not as needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The topic's name; empty if it concerns the cluster.
    pub topic: String,
    /// What is to be done.
    pub action: Action,
    /// Whether a start is refused as long as it is so.
    pub blocks: bool,
    /// What is wrong and why it matters, without the topic's name in front and without a full stop.
    pub sentence: String,
}

impl Step {
    /// What a start ends with because of this step.
    fn cause(&self) -> Cause {
        match self.action {
            Action::Create { .. } => Cause::Missing,
            Action::Refuse(cause) => cause,
            Action::Alter { .. } | Action::Advise => Cause::Incompatible,
        }
    }
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The number of shards: the partitions of the anchor as it is, or as it will be.
    pub shards: u32,
    /// In the order of the roles.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether `topics apply` would do something.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.steps.iter().any(|s| matches!(s.action, Action::Create { .. } | Action::Alter { .. }))
    }

    /// Why nothing of it can be applied: the first step that only a person can take.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.steps.iter().find(|step| matches!(step.action, Action::Refuse(_))).map(|step| self.because(step))
    }

    /// Why a start is refused, told by the first step of the gravest kind; nothing if all fits.
    #[must_use]
    pub fn start_refusal(&self) -> Option<Refusal> {
        let refused = self.refusal();
        refused.or_else(|| self.steps.iter().find(|step| step.blocks).map(|step| self.because(step)))
    }

    fn because(&self, step: &Step) -> Refusal {
        let others = self.steps.iter().filter(|other| other.blocks).count().saturating_sub(1);
        let more = match others {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let name = if step.topic.is_empty() { String::new() } else { format!("{}: ", step.topic) };
        let sentence = format!("{name}{}{more}; see `wayfarer topics plan`", step.sentence);
        Refusal::new(step.cause(), sentence)
    }
}

/// Compares.
#[must_use]
pub fn plan(wanted: &Wanted, there: &There) -> Plan {
    let mut planner = Planner { wanted, there, shards: shards(wanted, there), steps: Vec::new() };
    for (role, name) in &wanted.topics {
        match there.topics.get(name) {
            None => planner.create(*role, name),
            Some(Found::Denied) => planner.refuse(
                name,
                Cause::Denied,
                "it may not be looked at: grant Describe and DescribeConfigs on it".to_owned(),
            ),
            Some(Found::Topic(topic)) => planner.compare(*role, name, topic),
        }
    }
    planner.brokers();
    Plan { shards: planner.shards, steps: planner.steps }
}

/// As many as the anchor has; without one as many as there is state for; else as many as wanted.
fn shards(wanted: &Wanted, there: &There) -> u32 {
    let partitions = |role: Role| {
        let (_, name) = wanted.topics.iter().find(|(of, _)| *of == role)?;
        match there.topics.get(name)? {
            Found::Topic(topic) => u32::try_from(topic.partitions).ok(),
            Found::Denied => None,
        }
    };
    partitions(Role::Events).or_else(|| partitions(Role::State)).unwrap_or(wanted.shards)
}

struct Planner<'a> {
    wanted: &'a Wanted,
    there: &'a There,
    shards: u32,
    steps: Vec<Step>,
}

impl Planner<'_> {
    fn step(&mut self, topic: &str, action: Action, blocks: bool, sentence: String) {
        self.steps.push(Step { topic: topic.to_owned(), action, blocks, sentence });
    }

    fn refuse(&mut self, topic: &str, cause: Cause, sentence: String) {
        self.step(topic, Action::Refuse(cause), true, sentence);
    }

    fn advise(&mut self, topic: &str, sentence: String) {
        self.step(topic, Action::Advise, false, sentence);
    }

    fn create(&mut self, role: Role, name: &str) {
        let partitions = if role.is_single() { 1 } else { self.shards };
        let replicas = self.wanted.replication;
        let wants = settings(self.wanted, role, replicas as usize);
        let settings = wants.iter().map(|want| (want.property, want.rule.value())).collect();
        let sentence = format!("there is no such topic (topics.{})", role.key());
        self.step(name, Action::Create { partitions, replicas, settings }, true, sentence);
    }

    fn compare(&mut self, role: Role, name: &str, topic: &Topic) {
        self.partitions(role, name, topic.partitions);
        self.replicas(name, topic);
        let Some(found) = &topic.settings else {
            let sentence = "its settings may not be looked at: grant DescribeConfigs on it".to_owned();
            return match role.is_theirs() {
                true => self.advise(name, sentence),
                false => self.refuse(name, Cause::Denied, sentence),
            };
        };
        for want in settings(self.wanted, role, topic.replicas) {
            // A broker that does not know a setting does not have what it guards against.
            let Some(value) = found.get(want.property) else { continue };
            if !want.rule.holds(&value.text) {
                self.alter(role, name, &want, &value.text);
            }
        }
    }

    fn alter(&mut self, role: Role, name: &str, want: &Want, value: &str) {
        let Want { property, rule, weight, why } = want;
        let sentence = format!("{property} is {value} and has to be {rule}: {why}");
        let blocks = *weight == Weight::Must;
        if !role.is_theirs() {
            let alter = Action::Alter { property, from: value.to_owned(), to: rule.value() };
            return self.step(name, alter, blocks, sentence);
        }
        // It is altered by those to whom it belongs.
        match blocks {
            true => self.refuse(name, Cause::Incompatible, sentence),
            false => self.advise(name, sentence.replace(" has to be ", " should be ")),
        }
    }

    fn partitions(&mut self, role: Role, name: &str, partitions: usize) {
        let shards = self.shards as usize;
        let anchor = &self.wanted.topics.iter().find(|(of, _)| *of == Role::Events).map(|(_, name)| name);
        let anchor = anchor.map_or("", String::as_str);
        let sentence = match role {
            Role::Events if name == anchor && self.shards > SHARDS_MAX => {
                format!("it has {partitions} partitions, and there can be at most {SHARDS_MAX} shards")
            }
            _ if role.is_single() && partitions != 1 => format!(
                "it has {partitions} partitions and needs one, since its records have one order; name \
                 another in topics.{}",
                role.key()
            ),
            _ if role.is_single() || partitions == shards => return,
            Role::State => format!(
                "it has {partitions} partitions and {anchor} has {shards}: the number was changed after the \
                 state was written, and users would be parted from their state; name a topic of events with \
                 {partitions} partitions in topics.events"
            ),
            _ => format!(
                "it has {partitions} partitions and {anchor} has {shards}: a shard reads the same partition \
                 of both, so there must be as many; name another in topics.{}",
                role.key()
            ),
        };
        self.refuse(name, Cause::Incompatible, sentence);
    }

    fn replicas(&mut self, name: &str, topic: &Topic) {
        let wanted = self.wanted.replication;
        if topic.replicas < wanted as usize {
            let replicas = topic.replicas;
            self.advise(
                name,
                format!(
                    "each record is on {replicas} brokers and should be on {wanted} (topics.replication); \
                     kafka-reassign-partitions adds replicas"
                ),
            );
        }
        let value = topic.settings.as_ref().and_then(|settings| settings.get("min.insync.replicas"));
        if let Some(value) = value
            && !Rule::AtMost(topic.replicas as f64).holds(&value.text)
        {
            let (least, replicas) = (&value.text, topic.replicas);
            let sentence = format!(
                "min.insync.replicas is {least} and each record is on {replicas} brokers only: \
                 nothing can be written"
            );
            self.refuse(name, Cause::Incompatible, sentence);
        }
        if let [first, ..] = topic.leaderless.as_slice() {
            let (count, all) = (topic.leaderless.len(), topic.partitions);
            let sentence =
                format!("{count} of {all} partitions have no leader, {first} first: their shards wait");
            self.advise(name, sentence);
        }
    }

    /// Whether there are enough brokers for what is to be made.
    fn brokers(&mut self) {
        let creates = self.steps.iter().any(|step| matches!(step.action, Action::Create { .. }));
        let (alive, replicas) = (self.there.brokers, self.wanted.replication);
        if creates && alive < replicas as usize {
            let plural = if alive == 1 { "broker is" } else { "brokers are" };
            let least = (self.wanted.min_insync as usize).min(alive);
            let sentence = format!(
                "{alive} {plural} alive and each record is to be on {replicas} (topics.replication): wait \
                 for the others, or, where losing a broker may lose records, write topics.replication = \
                 {alive} and topics.min_insync = {least}"
            );
            self.refuse("", Cause::Config, sentence);
        }
    }
}
