//! Names: ids and their form, what they must be unique among, and that what is named exists.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::{EXITS_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, NODES_MAX, beyond, targets};
use crate::journey::definition::{Definition, NodeKind};
use crate::journey::problem::{Finding, Path, did_you_mean, listed, nearest, node_ids, quoted};
use crate::lifecycle::dialects;

/// The target that means leaving, and so no node's id.
pub(super) const EXIT: &str = "exit";
const ID_FORM: &str = "1 to 64 letters (a–z, A–Z), digits, `-`, `_` and `.`, not starting with `.`";

pub(super) fn check(definition: &Definition, found: &mut Vec<Finding>) {
    id(&definition.id, Path::of("id"), found);
    dialect(definition, found);
    zone(definition, found);
    if definition.name.as_deref().is_some_and(|name| name.trim().is_empty()) {
        found.push(Finding::new("empty_name", Path::of("name"), "the name is empty").hint("leave it out"));
    }
    exits(definition, found);
    nodes(definition, found);
    goto(definition, found);
    content(definition, found);
    moved(definition, found);
}

fn id(id: &str, path: Path, found: &mut Vec<Finding>) {
    let of_form = !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && !id.starts_with('.')
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if of_form {
        return;
    }
    let suggestion: String = id
        .to_ascii_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let finding = Finding::new("bad_id", path, format!("{} is not an id", quoted(id))).allowed(ID_FORM);
    let usable = !suggestion.is_empty() && suggestion.len() <= ID_BYTES_MAX;
    found.push(finding.hint_if(usable.then(|| format!("for example `{suggestion}`"))));
}

/// A name that comes from outside: of an event, a list, a channel.
pub(super) fn name(name: &str, what: &str, path: Path, found: &mut Vec<Finding>) {
    if name.trim().is_empty() {
        found.push(
            Finding::new("empty_name", path, format!("the name of the {what} is empty")).allowed("a name"),
        );
    } else if name.len() > NAME_BYTES_MAX {
        let message = format!("the name of the {what} has {} bytes", name.len());
        let allowed = format!("at most {NAME_BYTES_MAX} bytes");
        found.push(Finding::new("long_name", path, message).allowed(allowed));
    }
}

fn dialect(definition: &Definition, found: &mut Vec<Finding>) {
    let dialect = definition.dialect.as_str();
    let dialects: Vec<&str> = dialects().iter().map(|d| d.name()).collect();
    if !dialects.contains(&dialect) {
        let message = format!("there is no dialect {}", quoted(dialect));
        let finding = Finding::new("unknown_dialect", Path::of("dialect"), message)
            .allowed(listed(dialects.iter().copied()));
        found.push(finding.hint_if(did_you_mean(dialect, dialects.iter().copied())));
    }
}

fn zone(definition: &Definition, found: &mut Vec<Finding>) {
    let zone = definition.zone.as_str();
    if TimeZone::get(zone).is_ok() {
        return;
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let finding =
        Finding::new("unknown_zone", Path::of("zone"), format!("there is no time zone {}", quoted(zone)))
            .allowed("a name of the IANA database, such as `Asia/Kolkata`, `Europe/Berlin` or `UTC`");
    // The city alone, or nearly: `Saigon` for `Asia/Saigon`, `Calcuta` for `Asia/Calcutta`.
    let city = |name: &'_ str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let cities: Vec<String> = known.iter().map(|name| city(name)).collect();
    let wanted = city(zone).replace(' ', "_");
    let near = nearest(&wanted, cities.iter().map(String::as_str));
    let hint = near
        .and_then(|near| known.iter().find(|name| city(name) == near))
        .map(|name| format!("did you mean `{name}`?"));
    found.push(finding.hint_if(hint));
}

fn exits(definition: &Definition, found: &mut Vec<Finding>) {
    if definition.exit.len() > EXITS_MAX {
        found.push(beyond(Path::of("exit"), definition.exit.len(), EXITS_MAX, "exit rules"));
    }
    for (i, exit) in definition.exit.iter().enumerate() {
        let at = Path::of("exit").index(i);
        name(&exit.event, "event", at.key("event"), found);
        if let Some(goal) = &exit.goal {
            name(goal, "goal", at.key("goal"), found);
        }
    }
}

fn nodes(definition: &Definition, found: &mut Vec<Finding>) {
    if definition.node.is_empty() {
        let finding = Finding::new("no_node", Path::of("node"), "the journey has no node");
        found.push(finding.allowed(format!("1 to {NODES_MAX} nodes")));
    }
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, node) in definition.node.iter().enumerate() {
        let path = Path::node(i).key("id");
        if node.id == EXIT {
            let message = "`exit` is the target that means leaving, and cannot be a node's id";
            found.push(
                Finding::new("bad_id", path.clone(), message).allowed(ID_FORM).hint("for example `done`"),
            );
        } else {
            id(&node.id, path.clone(), found);
        }
        if let Some(earlier) = first.get(node.id.as_str()) {
            let message = format!("the id {} is that of node {}, too", quoted(&node.id), earlier + 1);
            found.push(Finding::new("duplicate_id", path, message).allowed("each id once in a journey"));
        } else {
            first.insert(&node.id, i);
        }
    }
}

/// Every target is a node or `exit`.
fn goto(definition: &Definition, found: &mut Vec<Finding>) {
    let ids = node_ids(definition);
    let mut target = |path: Path, to: &str, exit_allowed: bool| {
        if ids.contains(&to) && to != EXIT || exit_allowed && to == EXIT {
            return;
        }
        let known = || ids.iter().copied().chain(exit_allowed.then_some(EXIT));
        let message = format!("there is no node {} to go to", quoted(to));
        let finding = Finding::new("unknown_target", path, message).allowed(listed(known()));
        found.push(finding.hint_if(did_you_mean(to, known())));
    };
    if let Some(to) = &definition.entry.to {
        target(Path::of("entry").key("to"), to, false);
    }
    for (i, node) in definition.node.iter().enumerate() {
        for t in targets(i, node) {
            target(t.path, t.to, true);
        }
    }
}

fn content(definition: &Definition, found: &mut Vec<Finding>) {
    let known = || definition.content.keys().map(String::as_str);
    for (i, node) in definition.node.iter().enumerate() {
        let NodeKind::Send { content, .. } = &node.kind else { continue };
        if definition.content.contains_key(content) {
            continue;
        }
        let allowed = if definition.content.is_empty() { "nothing yet".to_owned() } else { listed(known()) };
        let message = format!("there is no content {}", quoted(content));
        let hint = did_you_mean(content, known()).unwrap_or_else(|| format!("add [content.{content}]"));
        let finding = Finding::new("unknown_content", Path::node(i).key("content"), message);
        found.push(finding.allowed(allowed).hint(hint));
    }
    for name in definition.content.keys() {
        id(name, Path::of("content").key(name), found);
    }
}

/// Content that no send names. A warning: it may be meant for an edit to come.
pub(super) fn check_content_use(definition: &Definition, found: &mut Vec<Finding>) {
    let used: BTreeSet<&str> = definition
        .node
        .iter()
        .filter_map(|node| match &node.kind {
            NodeKind::Send { content, .. } => Some(content.as_str()),
            _ => None,
        })
        .collect();
    for name in definition.content.keys().filter(|name| !used.contains(name.as_str())) {
        let path = Path::of("content").key(name);
        let finding =
            Finding::new("unused_content", path, format!("no send uses the content {}", quoted(name)));
        found.push(finding.warning().on_key().hint("delete it, or name it in a send"));
    }
}

/// Nodes of the version before (G15): the old id is gone, the new one is here.
fn moved(definition: &Definition, found: &mut Vec<Finding>) {
    let ids = node_ids(definition);
    for (old, new) in &definition.moved {
        let path = Path::of("moved").key(old);
        id(old, path.clone(), found);
        if ids.contains(&old.as_str()) {
            let message =
                format!("{} is a node of this version, so nobody has to be moved from it", quoted(old));
            let finding = Finding::new("moved_stays", path.clone(), message).on_key();
            found.push(finding.allowed("ids of the version before that are gone in this one"));
        }
        if !ids.contains(&new.as_str()) {
            let message = format!("there is no node {} to move to", quoted(new));
            let finding = Finding::new("unknown_target", path, message).allowed(listed(ids.iter().copied()));
            found.push(finding.hint_if(did_you_mean(new, ids.iter().copied())));
        }
    }
}
