//! What a scenario asks for: one TOML file, checked as a whole before anything starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wayfarer::lifecycle::Verb;
use wayfarer::model::Interval;

use crate::error::{Error, Result, cannot};
use crate::generate::pace::Keeping;
use crate::profile::{Profile, RATE_MAX};
use crate::shop::Shoppers;

pub mod read;

/// A scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, after which its report's files are called: letters, digits and `-`.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// What runs.
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
    /// What is measured, one after the other.
    #[serde(default)]
    pub phase: Vec<Phase>,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct System {
    /// How many instances share the partitions.
    pub instances: u16,
    /// How many threads each has for its shards.
    pub workers: u16,
    /// How many partitions the events have.
    pub partitions: u16,
    /// Further settings of `wayfarer run`, as `section.key`.
    pub settings: BTreeMap<String, toml::Value>,
}

impl Default for System {
    fn default() -> Self {
        Self { instances: 1, workers: 2, partitions: 16, settings: BTreeMap::new() }
    }
}

/// A journey that is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JourneyFile {
    /// Its definition; relative to the scenario's file.
    pub file: PathBuf,
    /// How often; from the second one on the copies are called `ID-2`, `ID-3`, ….
    #[serde(default = "one")]
    pub copies: u32,
    /// What stands for `@KEY@` in the file.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// The most copies of a journey.
const COPIES_MAX: u32 = 100_000;

const fn one() -> u32 {
    1
}

/// How events get in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    /// Into the topic.
    #[default]
    Kafka,
    /// Through the API of the instances' first one, in batches.
    Http,
}

/// How the most that the system takes is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fill {
    /// So many users sign up: each one event, `Signed Up`.
    pub users: u64,
    /// What the operator does before that.
    pub before: Vec<Act>,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name: letters, digits and `-`.
    pub name: String,
    /// For how long it counts.
    #[serde(rename = "for")]
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
    /// The phase before it whose p99 its own is compared with.
    #[serde(default)]
    pub against: Option<String>,
    /// What the operator does meanwhile.
    #[serde(default)]
    pub act: Vec<Act>,
}

/// What the operator does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// These verbs, in turns.
    #[serde(default)]
    pub verbs: Vec<Verb>,
    /// Or with the process of this instance, counted from 0: it is asked to end, and started again.
    #[serde(default)]
    pub restart: Option<u16>,
    /// Or it is killed, and started again.
    #[serde(default)]
    pub kill: Option<u16>,
}

impl Scenario {
    /// What is wrong with it, with what is allowed; `None` if nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 64
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !is_name(&self.name) {
            return Some(format!("name is {:?}: up to 64 letters, digits and `-` are allowed", self.name));
        }
        if self.journey.is_empty() {
            return Some("there is no [[journey]]: at least one is needed".to_owned());
        }
        if self.phase.is_empty() && self.saturation.is_none() {
            return Some(
                "there is neither a [[phase]] nor a [saturation]: nothing would be measured".to_owned(),
            );
        }
        if let Some(file) = self.journey.iter().find(|file| !(1..=COPIES_MAX).contains(&file.copies)) {
            let (path, copies) = (file.file.display(), file.copies);
            return Some(format!("journey {path}: copies is {copies}: from 1 to {COPIES_MAX} are allowed"));
        }
        let of_system = || self.system.problem().map(|problem| format!("[system]: {problem}"));
        let of_events = || self.events.problem().map(|problem| format!("[events]: {problem}"));
        let of_rest =
            || self.saturation_problem().or_else(|| self.keeping_problem()).or_else(|| self.fill_problem());
        let phases = self.phase.iter().enumerate();
        let of_phases = || {
            phases.clone().find_map(|(number, phase)| {
                let problem = if is_name(&phase.name) {
                    self.phase_problem(number, phase)?
                } else {
                    "its name must be up to 64 letters, digits and `-`".to_owned()
                };
                Some(format!("phase {:?}: {problem}", phase.name))
            })
        };
        of_system().or_else(of_events).or_else(of_rest).or_else(of_phases)
    }

    /// The journeys with which the operator does something.
    #[must_use]
    pub fn operated(&self) -> Vec<String> {
        let acts = self.phase.iter().flat_map(|phase| &phase.act).chain(&self.fill.before);
        acts.flat_map(|act| act.journeys.iter().cloned()).collect()
    }

    fn saturation_problem(&self) -> Option<String> {
        let Saturation { measure, given } = self.saturation.as_ref()?;
        match (*measure > 0, *given > 0.0) {
            (true, true) => Some("[saturation]: either `measure` or `given`, not both".to_owned()),
            (false, false) => {
                Some("[saturation]: `measure` (events) or `given` (events a second)".to_owned())
            }
            _ if *given > RATE_MAX => Some(format!("[saturation]: given is {given}: up to {RATE_MAX}")),
            _ => None,
        }
    }

    fn keeping_problem(&self) -> Option<String> {
        let share = self.keeping.late_share;
        let wrong = !(0.0..=1.0).contains(&share);
        wrong.then(|| format!("[keeping]: late_share is {share}: a share is from 0 to 1"))
    }

    fn phase_problem(&self, number: usize, phase: &Phase) -> Option<String> {
        if phase.length.0 == 0 {
            return Some("for is 0s: it has to be some time".to_owned());
        }
        match (&phase.of_saturation, &phase.load) {
            (Some(_), Some(_)) | (None, None) => {
                return Some("either `of_saturation` or `load` says how many events a second".to_owned());
            }
            (Some(_), None) if self.saturation.is_none() => {
                return Some("`of_saturation` needs a [saturation]".to_owned());
            }
            (Some(percent), None) if !(*percent > 0.0 && *percent <= 100.0) => {
                return Some(format!("of_saturation is {percent}: above 0, up to 100 percent"));
            }
            (_, Some(load)) if load.problem().is_some() => return load.problem(),
            _ => {}
        }
        let before: Vec<&str> = self.phase[..number].iter().map(|phase| phase.name.as_str()).collect();
        if before.contains(&&*phase.name) {
            return Some("another phase has this name".to_owned());
        }
        if let Some(against) = phase.against.as_ref().filter(|against| !before.contains(&&***against)) {
            return Some(format!("against is {against:?}: phases before it are {}", before.join(", ")));
        }
        let ends = Interval(phase.warm.0.saturating_add(phase.length.0));
        phase.act.iter().find_map(|act| self.act_problem(act).or_else(|| act.time_problem(ends)))
    }

    /// Before anybody comes there is no phase in which something could have its time.
    fn fill_problem(&self) -> Option<String> {
        let wrong = self.fill.before.iter().find_map(|act| {
            let timed = act.at.0 > 0 || act.every.is_some() || act.times.is_some();
            let other = timed || act.restart.is_some() || act.kill.is_some();
            let only = "only `verbs` with `journeys` are allowed there, once each, without a time";
            self.act_problem(act).or_else(|| other.then(|| only.to_owned()))
        });
        wrong.map(|problem| format!("[fill] before: {problem}"))
    }

    fn act_problem(&self, act: &Act) -> Option<String> {
        let of_verbs = !act.verbs.is_empty() && !act.journeys.is_empty();
        if usize::from(of_verbs) + usize::from(act.restart.is_some()) + usize::from(act.kill.is_some()) != 1 {
            return Some("an act is `verbs` with `journeys`, or `restart`, or `kill`".to_owned());
        }
        if act.every.is_some_and(|every| every.0 == 0) {
            return Some("every is 0s: it has to be some time".to_owned());
        }
        let all = self.system.instances;
        let instance = act.restart.or(act.kill).filter(|instance| *instance >= all)?;
        Some(format!("there is no instance {instance}: they are counted from 0, and there are {all}"))
    }
}

impl Act {
    /// Whether all of its times are within a phase that ends then; once in vain is not what was asked for.
    fn time_problem(&self, ends: Interval) -> Option<String> {
        let Self { at, every, times, .. } = self;
        if *at >= ends {
            return Some(format!("an act comes at {at}: the phase, `warm` included, ends at {ends}"));
        }
        let Some(times) = times else { return None };
        if *times == 0 || (*times > 1 && every.is_none()) {
            return Some(format!("an act comes {times} times: 1, or more if there is `every`, is allowed"));
        }
        let every = every.unwrap_or_default().0;
        let last = Interval(at.0.saturating_add(every.saturating_mul(u64::from(*times) - 1)));
        (last >= ends).then(|| {
            format!("an act comes for the last time at {last}: the phase, `warm` included, ends at {ends}")
        })
    }
}

impl System {
    fn problem(&self) -> Option<String> {
        let ranges = [
            ("instances", self.instances, 16),
            ("workers", self.workers, 128),
            ("partitions", self.partitions, 4_096),
        ];
        let wrong = ranges.into_iter().find(|(_, number, most)| !(1..=*most).contains(number));
        if let Some((name, number, most)) = wrong {
            return Some(format!("{name} is {number}: from 1 to {most} are allowed"));
        }
        let odd = self.settings.keys().find(|key| key.split('.').count() != 2)?;
        Some(format!("the setting {odd:?} is none: write \"section.key\", as in wayfarer.toml"))
    }
}

/// A definition as it is published: with its values, under its id.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The journey's id.
    pub id: String,
    /// Whose states and verbs it has.
    pub dialect: String,
    /// The definition.
    pub text: String,
}

impl JourneyFile {
    /// Reads it, fills in its values, and makes its copies.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, has no id, or still has a `@KEY@`.
    pub fn published(&self, beside: &Path) -> Result<Vec<Published>> {
        let path = beside.join(&self.file);
        let mut text = std::fs::read_to_string(&path).map_err(cannot(format!("read {}", path.display())))?;
        for (key, value) in &self.values {
            text = text.replace(&format!("@{key}@"), value);
        }
        let wrong = |what: String| Error(format!("{}: {what}", path.display()));
        if let Some(key) = left_open(&text) {
            return Err(wrong(format!(
                "nothing is given for @{key}@; `values = {{ {key} = \"…\" }}` gives it"
            )));
        }
        let copy = |number: u32| {
            let text = text.replace(COPY, &number.to_string());
            let table: toml::Table = text.parse().map_err(|error| wrong(format!("no TOML: {error}")))?;
            let of = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            let (Some(id), Some(dialect)) = (of("id"), of("dialect")) else {
                return Err(wrong("a journey has an `id` and a `dialect`".to_owned()));
            };
            let id = if number == 1 { id } else { format!("{id}-{number}") };
            let mut table = table;
            table.insert("id".to_owned(), toml::Value::String(id.clone()));
            Ok(Published { id, dialect, text: table.to_string() })
        };
        (1..=self.copies).map(copy).collect()
    }
}

/// What stands for the number of the copy in a definition.
const COPY: &str = "@COPY@";

/// The first `@KEY@` that nothing was given for.
fn left_open(text: &str) -> Option<&str> {
    let mut parts = text.split('@');
    let is_key = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    parts.next();
    parts.find(|part| is_key(part) && *part != COPY.trim_matches('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(text: &str, copies: u32) -> Result<Vec<Published>> {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("j.toml"), text).expect("it can be written");
        let values = [("wait".to_owned(), "30s".to_owned())].into();
        JourneyFile { file: "j.toml".into(), copies, values }.published(directory.path())
    }

    #[test]
    fn a_journey_gets_its_values_and_every_copy_its_id() {
        let text = "id = \"j\"\ndialect = \"antsomi\"\ntimeout = \"@wait@\"\nname = \"no @COPY@\"\n";
        let all = published(text, 3).expect("it is right");
        assert_eq!(all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["j", "j-2", "j-3"]);
        let second: toml::Table = all[1].text.parse().expect("it is TOML");
        let of = |key: &str| second[key].as_str().map(str::to_owned).unwrap_or_default();
        assert_eq!(["id", "timeout", "name"].map(of), ["j-2", "30s", "no 2"]);
    }

    #[test]
    fn a_journey_that_cannot_be_published_is_refused_with_its_file() {
        for (text, said) in [
            (
                "id = \"j\"\ndialect = \"@what@\"",
                "j.toml: nothing is given for @what@; `values = { what = \"…\" }` gives it",
            ),
            ("dialect = \"antsomi\"", "j.toml: a journey has an `id` and a `dialect`"),
            ("id = ", "j.toml: no TOML: "),
        ] {
            let error = published(text, 1).expect_err(text).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
