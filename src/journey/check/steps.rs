//! What each node says of itself: its branches, weights, channel, rate, correlations.

use std::collections::BTreeMap;

use super::names::name;
use super::{BRANCHES_MAX, VARIABLES_MAX, beyond};
use crate::journey::definition::{Definition, NodeKind, RandomBranch};
use crate::journey::problem::{Finding, Path, quoted};

/// Weights are shares in hundredths of a percent.
const WHOLE: i64 = 10_000;
/// The highest rate of a node, per unit of time.
const RATE_MAX: u32 = 1_000_000;

pub(super) fn check(definition: &Definition, found: &mut Vec<Finding>) {
    for (i, exit) in definition.exit.iter().enumerate() {
        if let Some(matching) = &exit.matching {
            property(matching, Path::of("exit").index(i).key("match"), found);
        }
    }
    let rules =
        definition.exit.iter().map(|exit| (&exit.event, exit.filter.is_none() && exit.matching.is_none()));
    shadowed(rules, &Path::of("exit"), found);
    for (i, node) in definition.node.iter().enumerate() {
        step(&node.kind, &Path::node(i), found);
    }
}

fn step(kind: &NodeKind, at: &Path, found: &mut Vec<Finding>) {
    match kind {
        NodeKind::Send { channel, provider, variables, rate, .. } => {
            name(channel, "channel", at.key("channel"), found);
            if let Some(provider) = provider {
                name(provider, "provider", at.key("provider"), found);
            }
            if variables.len() > VARIABLES_MAX {
                found.push(beyond(at.key("variables"), variables.len(), VARIABLES_MAX, "variables"));
            }
            for variable in variables.keys() {
                name(variable, "variable", at.key("variables").key(variable), found);
            }
            if let Some(text) = rate {
                send_rate(text, at.key("rate"), found);
            }
        }
        NodeKind::WaitEvent { branches, timeout, otherwise } => {
            branch_count(branches.len(), at, found);
            for (i, branch) in branches.iter().enumerate() {
                let at = at.key("branches").index(i);
                name(&branch.event, "event", at.key("event"), found);
                if let Some(matching) = &branch.matching {
                    property(matching, at.key("match"), found);
                }
            }
            let ways =
                branches.iter().map(|way| (&way.event, way.filter.is_none() && way.matching.is_none()));
            shadowed(ways, &at.key("branches"), found);
            if otherwise.is_some() && timeout.is_none() {
                let message = "`otherwise` is where users go at the time-out, and there is no time-out";
                let finding = Finding::new("without_effect", at.key("otherwise"), message).warning();
                found.push(finding.hint("add `timeout`, such as timeout = \"1d\""));
            }
        }
        NodeKind::Split { branches, .. } => branch_count(branches.len(), at, found),
        NodeKind::RandomSplit { branches } => {
            branch_count(branches.len(), at, found);
            weights(branches, at, found);
        }
        NodeKind::Delay { .. } | NodeKind::Filter { .. } | NodeKind::Exit {} => {}
    }
}

/// The first match wins, so nothing after a rule that takes every event of a name can win for that name.
fn shadowed<'a>(rules: impl Iterator<Item = (&'a String, bool)>, at: &Path, found: &mut Vec<Finding>) {
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, (event, takes_all)) in rules.enumerate() {
        if let Some(first) = taken.get(event.as_str()) {
            let message = format!(
                "this never wins: number {} of the list takes every {} before it",
                first + 1,
                quoted(event)
            );
            let finding = Finding::new("shadowed", at.index(i), message).warning();
            found.push(finding.hint("put the one with `where` or `match` first"));
        } else if takes_all {
            taken.insert(event, i);
        }
    }
}

fn branch_count(count: usize, at: &Path, found: &mut Vec<Finding>) {
    let at = at.key("branches");
    if count == 0 {
        found.push(
            Finding::new("no_branch", at, "there is no branch")
                .allowed(format!("1 to {BRANCHES_MAX} branches")),
        );
    } else if count > BRANCHES_MAX {
        found.push(beyond(at, count, BRANCHES_MAX, "branches"));
    }
}

/// Shares from 0 to 100 with two decimals, which add up to 100. A share of 0 keeps an arm for later.
fn weights(branches: &[RandomBranch], at: &Path, found: &mut Vec<Finding>) {
    let mut sum = 0;
    let mut sound = !branches.is_empty();
    for (i, branch) in branches.iter().enumerate() {
        match hundredths(branch.weight) {
            Some(share) => sum += share,
            None => {
                sound = false;
                let path = at.key("branches").index(i).key("weight");
                let finding = Finding::new("bad_weight", path, format!("{} is not a share", branch.weight));
                found.push(finding.allowed("a percentage from 0 to 100 with at most two decimals"));
            }
        }
    }
    if sound && sum != WHOLE {
        let said = |hundredths: i64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
        let message = format!("the weights add up to {}", said(sum));
        let (word, difference) =
            if sum < WHOLE { ("missing", WHOLE - sum) } else { ("too much", sum - WHOLE) };
        let finding =
            Finding::new("weights", at.key("branches"), message).allowed("weights that add up to 100");
        found.push(finding.hint(format!("{} are {word}", said(difference))));
    }
}

/// A percentage in hundredths of a percent, if it is one from 0 to 100 with two decimals.
fn hundredths(weight: f64) -> Option<i64> {
    /// `33.33 * 100` is not 3333 in binary; the error stays far below this.
    const ROUNDING: f64 = 1e-6;
    if !(0.0..=100.0).contains(&weight) {
        return None;
    }
    let scaled = weight * 100.0;
    let whole = scaled.round();
    // Within 0 and 10,000: no digit is lost.
    ((scaled - whole).abs() < ROUNDING).then_some(whole as i64)
}

fn send_rate(text: &str, at: Path, found: &mut Vec<Finding>) {
    let number =
        text.split_once('/').filter(|(_, unit)| matches!(*unit, "s" | "m" | "h")).map(|(number, _)| number);
    let sound = number
        .filter(|number| number.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|number| number.parse::<u32>().ok())
        .is_some_and(|number| (1..=RATE_MAX).contains(&number));
    if !sound {
        let finding = Finding::new("bad_rate", at, format!("{} is not a rate", quoted(text)));
        let allowed =
            format!("a number from 1 to {RATE_MAX} a second, minute or hour: `100/s`, `30/m`, `5000/h`");
        found.push(finding.allowed(allowed));
    }
}

/// A property of an event by name, or by path where it lies within an object.
pub(super) fn property(path: &str, at: Path, found: &mut Vec<Finding>) {
    const FORM: &str = "the name of a property, such as `cart_id`, or a path to it, such as `order.id`";
    if let Some((root @ ("properties" | "entry" | "user"), rest)) = path.split_once('.') {
        let message =
            format!("{} starts with `{root}.`, but only properties can be meant here", quoted(path));
        found.push(Finding::new("bad_property", at, message).allowed(FORM).hint(format!("write `{rest}`")));
    } else if path.is_empty() || path.split('.').any(|part| part.trim().is_empty()) {
        found.push(
            Finding::new("bad_property", at, format!("{} names no property", quoted(path))).allowed(FORM),
        );
    } else {
        name(path, "property", at, found);
    }
}
