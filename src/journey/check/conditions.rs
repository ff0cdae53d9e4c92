//! Conditions and variables: that they can be read, and see only what there is where they stand.

use crate::journey::condition::{ConditionError, Expr, Root, variable};
use crate::journey::definition::{Definition, NodeKind};
use crate::journey::problem::{Finding, Path, listed};

/// Where a condition stands, and so what it may speak of.
#[derive(Clone, Copy)]
enum Place {
    /// At the door: the event is here, an entry is not yet.
    Entry,
    /// At an event during the journey.
    Event,
    /// At a node: no event is at hand.
    Node,
}

impl Place {
    const fn roots(self) -> &'static [Root] {
        match self {
            Self::Entry => &[Root::Properties, Root::User],
            Self::Event => &Root::ALL,
            Self::Node => &[Root::User, Root::Entry],
        }
    }

    fn refuse(self, root: Root, path: Path) -> Finding {
        let (why, hint) = match self {
            Self::Entry => {
                ("before somebody has entered", "the entering event's own values are `properties.…`")
            }
            Self::Event => ("here", "write `properties.…`, `user.…` or `entry.…`"),
            Self::Node => (
                "at a node, where no event is at hand",
                "the values of the event that let the user in are `entry.…`",
            ),
        };
        Finding::new("root", path, format!("there is no `{root}` {why}"))
            .allowed(listed(self.roots().iter().map(|root| root.as_str())))
            .hint(hint)
    }
}

pub(super) fn check(definition: &Definition, found: &mut Vec<Finding>) {
    if let Some(filter) = &definition.entry.filter {
        condition(filter, Place::Entry, Path::of("entry").key("where"), found);
    }
    for (i, exit) in definition.exit.iter().enumerate() {
        if let Some(filter) = &exit.filter {
            condition(filter, Place::Event, Path::of("exit").index(i).key("where"), found);
        }
    }
    for (i, node) in definition.node.iter().enumerate() {
        let at = Path::node(i);
        match &node.kind {
            NodeKind::WaitEvent { branches, .. } => {
                for (i, branch) in branches.iter().enumerate() {
                    if let Some(filter) = &branch.filter {
                        condition(filter, Place::Event, at.key("branches").index(i).key("where"), found);
                    }
                }
            }
            NodeKind::Split { branches, .. } => {
                for (i, branch) in branches.iter().enumerate() {
                    condition(&branch.filter, Place::Node, at.key("branches").index(i).key("where"), found);
                }
            }
            NodeKind::Filter { filter, .. } => condition(filter, Place::Node, at.key("where"), found),
            NodeKind::Send { variables, .. } => {
                for (name, text) in variables {
                    filling(text, at.key("variables").key(name), found);
                }
            }
            NodeKind::Delay { .. } | NodeKind::RandomSplit { .. } | NodeKind::Exit {} => {}
        }
    }
}

fn condition(text: &str, place: Place, path: Path, found: &mut Vec<Finding>) {
    match Expr::parse(text) {
        Err(error) => found.push(unreadable("condition", text, error, path)),
        Ok(expr) => {
            let mut refused: Vec<Root> = Vec::new();
            for (root, at) in expr.roots() {
                if !place.roots().contains(&root) && !refused.contains(&root) {
                    refused.push(root);
                    found.push(place.refuse(root, path.clone()).offset(at));
                }
            }
        }
    }
}

fn filling(text: &str, path: Path, found: &mut Vec<Finding>) {
    match variable(text) {
        Ok((root, _)) if Place::Node.roots().contains(&root) => {}
        Ok((root, _)) => found.push(Place::Node.refuse(root, path)),
        Err(error) => found.push(unreadable("variable", text, error, path)),
    }
}

fn unreadable(code: &'static str, text: &str, error: ConditionError, path: Path) -> Finding {
    let at = error.at;
    let allowed = match code {
        "variable" => "one path: `entry.cart_id`, `user.first_name`",
        _ => "a condition in the subset of CEL, such as properties.value > 0 && user.tier == \"gold\"",
    };
    let characters = text.get(..at).map_or(0, |before| before.chars().count());
    let message = match characters {
        0 => error.message,
        _ => format!("at character {}: {}", characters + 1, error.message),
    };
    Finding::new(code, path, message).allowed(allowed).hint_if(error.hint).offset(at)
}
