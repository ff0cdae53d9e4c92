//! How users enter: exactly one way (the API may stand beside it), and numbers that make sense.

use super::names::name;
use super::steps::property;
use crate::journey::definition::{Definition, Reentry};
use crate::journey::problem::{Finding, Path};

/// The most entries that may be counted within a window: their times are kept for each user.
const AT_MOST_MAX: u32 = 100;

pub(super) fn check(definition: &Definition, found: &mut Vec<Finding>) {
    let entry = &definition.entry;
    let at = Path::of("entry");
    ways(definition, &at, found);
    if let Some(event) = &entry.event {
        name(event, "event", at.key("event"), found);
    }
    if let Some(list) = &entry.list {
        name(list, "list", at.key("list"), found);
    }
    if let Some(key) = &entry.key {
        property(key, at.key("key"), found);
    }
    if entry.limit == Some(0) {
        let finding = Finding::new("out_of_range", at.key("limit"), "a limit of 0 lets nobody in");
        found.push(finding.allowed("a whole number of at least 1").hint("leave it out for no limit"));
    }
    if entry.late.is_some() && entry.event.is_none() {
        let message = "`late` judges events, and no event lets users in here";
        found.push(Finding::new("without_effect", at.key("late"), message).warning().hint("leave it out"));
    }
    reentry(&entry.reentry, &at.key("reentry"), found);
    if definition.failure_budget == 0 {
        let message = "a failure budget of 0 is spent before anything fails";
        let finding = Finding::new("out_of_range", Path::of("failure_budget"), message);
        found.push(finding.allowed("a whole number of at least 1"));
    }
}

fn ways(definition: &Definition, at: &Path, found: &mut Vec<Finding>) {
    const WAYS: &str = "`event` or `list`, with or without `api = true`, or `api = true` alone";
    let entry = &definition.entry;
    match (&entry.event, &entry.list) {
        (Some(_), Some(_)) => {
            let message = "both an event and a list let users in";
            let finding = Finding::new("entry_ways", at.key("list"), message).allowed(WAYS);
            found.push(finding.hint("make it two journeys, or keep the one that is meant"));
        }
        (None, None) if !entry.api => {
            let finding = Finding::new("entry_ways", at.clone(), "nothing lets users in").allowed(WAYS);
            found.push(finding.hint("name the event that starts the journey, such as event = \"Signed Up\""));
        }
        _ => {}
    }
}

fn reentry(reentry: &Reentry, at: &Path, found: &mut Vec<Finding>) {
    match reentry {
        Reentry::AtMost { at_most, per } => {
            if !(1..=AT_MOST_MAX).contains(at_most) {
                let finding =
                    Finding::new("out_of_range", at.key("at_most"), format!("{at_most} is out of range"));
                let finding = finding.allowed(format!("a whole number from 1 to {AT_MOST_MAX}"));
                found.push(finding.hint_if((*at_most > 0).then(|| "for no limit write `always`".to_owned())));
            }
            if per.as_millis() == 0 {
                let finding = Finding::new("no_time", at.key("per"), "a window of no length counts nothing");
                found.push(finding.allowed("a length of time above 0"));
            }
        }
        Reentry::AfterExit { .. } | Reentry::Cooldown { .. } | Reentry::Word(_) | Reentry::Default => {}
    }
}
