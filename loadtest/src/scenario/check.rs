//! What is wrong with a scenario as a whole: one sentence, with what is allowed.

use wayfarer::model::Interval;

use super::journeys::COPIES_MAX;
use super::{Act, Deployment, On, Phase, Saturation, Scenario, SinkKind, System};
use crate::profile::RATE_MAX;

/// The most rounds.
const ROUNDS_MAX: u32 = 100;
/// The most rows of a list.
const ROWS_MAX: u64 = 100_000_000;

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
        if !(1..=ROUNDS_MAX).contains(&self.rounds) {
            return Some(format!("rounds is {}: from 1 to {ROUNDS_MAX} are allowed", self.rounds));
        }
        if self.phase.is_empty() && self.saturation.is_none() {
            return Some(
                "there is neither a [[phase]] nor a [saturation]: nothing would be measured".to_owned(),
            );
        }
        let of_own = || self.own().problem();
        let of_other = || {
            let other = self.other()?;
            let operated = (!other.fill.before.is_empty()).then(|| {
                "[fill]: `before` is for the scenario's own deployment: nobody operates this one".to_owned()
            });
            other.problem().or(operated).map(|problem| format!("[beside]: {problem}"))
        };
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
        of_own().or_else(of_other).or_else(of_rest).or_else(of_phases)
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
        if phase.pour.is_some() {
            let else_asked = phase.length.0 > 0 || phase.warm.0 > 0 || !phase.act.is_empty();
            if else_asked || phase.of_saturation.is_some() || phase.load.is_some() || phase.pour == Some(0) {
                return Some(
                    "`pour` is some events, without `for`, `warm`, `load`, `of_saturation` and `act`"
                        .to_owned(),
                );
            }
        } else if phase.length.0 == 0 {
            return Some("for is 0s: it has to be some time".to_owned());
        }
        match (&phase.of_saturation, &phase.load) {
            (None, None) if phase.pour.is_some() => {}
            (Some(_), Some(_)) | (None, None) => {
                return Some("`of_saturation`, `load` or `pour` says how many events a second".to_owned());
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
        if let Some(problem) = self.on_problem(number, phase) {
            return Some(problem);
        }
        if let Some(against) = phase.against.as_ref().filter(|against| !before.contains(&&***against)) {
            return Some(format!("against is {against:?}: phases before it are {}", before.join(", ")));
        }
        let ends = Interval(phase.warm.0.saturating_add(phase.length.0));
        phase.act.iter().find_map(|act| self.act_problem(act).or_else(|| act.time_problem(ends)))
    }

    /// Whether there is who is to have the load.
    fn on_problem(&self, number: usize, phase: &Phase) -> Option<String> {
        if phase.on != On::Wayfarer && !phase.act.is_empty() {
            return Some("`act` is for phases on wayfarer: nobody operates the others".to_owned());
        }
        let seen = || self.saturation.as_ref().is_some_and(|saturation| saturation.measure > 0);
        let mut before = self.phase[..number].iter();
        match phase.on {
            On::Beside if self.beside.is_none() => Some("on is \"beside\": there is no [beside]".to_owned()),
            On::Bare if self.sink == SinkKind::Http => {
                Some("on is \"bare\": the bare loop reads a topic, so sink has to be \"kafka\"".to_owned())
            }
            On::Bare if !seen() && !before.any(|phase| phase.on == On::Wayfarer) => Some(
                "on is \"bare\": what Wayfarer writes has to be seen before, in a phase or by [saturation] measure"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Before anybody comes there is no phase in which something could have its time.
    fn fill_problem(&self) -> Option<String> {
        let wrong = self.fill.before.iter().find_map(|act| {
            let timed = act.at.0 > 0 || act.every.is_some() || act.times.is_some();
            let other = timed || act.restart.is_some() || act.kill.is_some() || act.rows.is_some();
            let only = "only `verbs` with `journeys` are allowed there, once each, without a time";
            self.act_problem(act).or_else(|| other.then(|| only.to_owned()))
        });
        wrong.map(|problem| format!("[fill] before: {problem}"))
    }

    fn act_problem(&self, act: &Act) -> Option<String> {
        let of_verbs = act.rows.is_none() && !act.verbs.is_empty() && !act.journeys.is_empty();
        let kinds = [of_verbs, act.rows.is_some(), act.restart.is_some(), act.kill.is_some()];
        if kinds.into_iter().filter(|is| *is).count() != 1 {
            return Some(
                "an act is `verbs` with `journeys`, or `rows` for one of `journeys`, or `restart`, or `kill`"
                    .to_owned(),
            );
        }
        if let Some(rows) = act.rows {
            let (once, one) = (act.every.is_none() && self.rounds == 1, act.journeys.len() == 1);
            if !once || !one {
                return Some("a list is uploaded once, for one journey, in one round".to_owned());
            }
            if !(1..=ROWS_MAX).contains(&rows) {
                return Some(format!("rows is {rows}: from 1 to {ROWS_MAX} are allowed"));
            }
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

impl Deployment<'_> {
    fn problem(&self) -> Option<String> {
        if self.journey.is_empty() {
            return Some("there is no [[journey]]: at least one is needed".to_owned());
        }
        if let Some(file) = self.journey.iter().find(|file| !(1..=COPIES_MAX).contains(&file.copies)) {
            let (path, copies) = (file.file.display(), file.copies);
            return Some(format!("journey {path}: copies is {copies}: from 1 to {COPIES_MAX} are allowed"));
        }
        let of_events = || self.events.problem().map(|problem| format!("[events]: {problem}"));
        self.system.problem().map(|problem| format!("[system]: {problem}")).or_else(of_events)
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
