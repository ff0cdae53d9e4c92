//! Does a definition make sense? Every problem, in one go; a definition without errors can be published.
//!
//! One topic a file: [`names`] (ids, targets, content, zones), [`entry`], [`steps`] (what each node says of
//! itself), [`schedule`] (dates and lengths of time), [`conditions`], [`graph`] (where users go). Each topic
//! sees only its own sort of fault, so that one mistake is reported once.

mod conditions;
mod entry;
mod graph;
mod names;
mod schedule;
mod steps;

use super::definition::{Definition, Node, NodeKind};
use super::problem::{Finding, PROBLEMS_MAX, Path, Problem, node_ids};

/// The most nodes a journey may have. The largest in the field have some 150.
pub const NODES_MAX: usize = 500;
/// The most exit rules: each is asked at every event of its name for everybody inside.
pub const EXITS_MAX: usize = 64;
/// The most branches of one node.
pub const BRANCHES_MAX: usize = 64;
/// The most variables of one send: they are kept with every user who waits.
pub const VARIABLES_MAX: usize = 64;
/// The longest id, in bytes: ids are in every key and every statistic.
pub const ID_BYTES_MAX: usize = 64;
/// The longest name of an event, a list, a goal, a channel, a provider, a property, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// All problems of a definition that has no text, in the order of the definition. Their line is 0.
#[must_use]
pub fn check(definition: &Definition) -> Vec<Problem> {
    let nodes = node_ids(definition);
    findings(definition, &[]).into_iter().map(|finding| finding.placed("", (0, 0), &nodes)).collect()
}

/// All findings, but for those that only echo what the `shape` of the text has shown already.
pub(super) fn findings(definition: &Definition, shape: &[Finding]) -> Vec<Finding> {
    let mut found = Vec::new();
    let count = definition.node.len();
    if count > NODES_MAX {
        // Nothing else is looked at: some checks cost the square of the count.
        return vec![beyond(Path::of("node"), count, NODES_MAX, "nodes")];
    }
    names::check(definition, &mut found);
    entry::check(definition, &mut found);
    steps::check(definition, &mut found);
    schedule::check(definition, &mut found);
    conditions::check(definition, &mut found);
    let broken = |key: &str| shape.iter().any(|finding| finding.path.touches(&Path::of(key)));
    if !broken("node") {
        graph::check(definition, &mut found);
        names::check_content_use(definition, &mut found);
    }
    found.truncate(PROBLEMS_MAX);
    found.retain(|finding| !shape.iter().any(|wrong| wrong.path.touches(&finding.path)));
    found
}

/// One way out of a node, as written.
struct Target<'a> {
    path: Path,
    to: &'a str,
}

/// All targets that a node names, in the order in which they are tried.
fn targets(index: usize, node: &Node) -> Vec<Target<'_>> {
    let at = Path::node(index);
    let mut found: Vec<Target<'_>> = Vec::new();
    match &node.kind {
        NodeKind::Send { next, .. } | NodeKind::Delay { next, .. } => {
            found.extend(next.iter().map(|to| Target { path: at.key("next"), to }));
        }
        NodeKind::Filter { next, otherwise, .. } => {
            found.extend(next.iter().map(|to| Target { path: at.key("next"), to }));
            found.extend(otherwise.iter().map(|to| Target { path: at.key("otherwise"), to }));
        }
        NodeKind::WaitEvent { branches, otherwise, .. } => {
            found.extend(branch_targets(&at, branches.iter().map(|branch| branch.to.as_str())));
            found.extend(otherwise.iter().map(|to| Target { path: at.key("otherwise"), to }));
        }
        NodeKind::Split { branches, otherwise } => {
            found.extend(branch_targets(&at, branches.iter().map(|branch| branch.to.as_str())));
            found.push(Target { path: at.key("otherwise"), to: otherwise });
        }
        NodeKind::RandomSplit { branches } => {
            found.extend(branch_targets(&at, branches.iter().map(|branch| branch.to.as_str())));
        }
        NodeKind::Exit {} => {}
    }
    found
}

fn branch_targets<'a>(at: &Path, to: impl Iterator<Item = &'a str>) -> Vec<Target<'a>> {
    let branches = at.key("branches");
    to.enumerate().map(|(i, to)| Target { path: branches.index(i).key("to"), to }).collect()
}

/// Says that a number is beyond a limit.
fn beyond(path: Path, count: usize, most: usize, of: &str) -> Finding {
    Finding::new("too_many", path, format!("there are {count} {of}")).allowed(format!("at most {most}"))
}

#[cfg(test)]
mod tests;
