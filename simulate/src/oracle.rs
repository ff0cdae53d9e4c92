//! What the engine's shards say beside what the reference says, whoever drives them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use wayfarer::engine::Shard;
use wayfarer::engine::journey_state::{JourneyState, RefusalReason};
use wayfarer::engine::statistics::{ExitReason, Flow, NodeFlow, Place};
use wayfarer::journey::catalog::Catalog;
use wayfarer::lifecycle::{EntryGate, MovementGate};
use wayfarer::model::wire::{SendRecord, TransitionRecord};
use wayfarer_reference::{Counts, Position, World};

/// Nothing, or the difference.
pub type Compared = Result<(), String>;

/// Who is where at which node, the gates, the refusals and the counts of every version.
///
/// # Errors
/// The first difference.
pub fn states(world: &World, catalog: &Catalog, shards: &[&Shard]) -> Compared {
    places(world, catalog, shards)?;
    gates(world, catalog, shards)?;
    refused(world, catalog, shards)?;
    spent(world, catalog, shards)?;
    counts(world, catalog, shards)
}

fn places(world: &World, catalog: &Catalog, shards: &[&Shard]) -> Compared {
    let mut by_reference: BTreeMap<(String, String, &str), u64> = BTreeMap::new();
    let parked = world.parked();
    for (key, (node, position)) in world.positions() {
        let place = match position {
            Position::Waiting { .. } | Position::Parked { .. } if parked.contains(&key) => Place::Held,
            Position::Waiting { .. } | Position::Parked { .. } => Place::Waiting,
            Position::Held { .. } => Place::Held,
            Position::AtSend { .. } => Place::AtSend,
            Position::Draining { .. } => Place::Draining,
            Position::Ended { .. } => continue,
        };
        *by_reference.entry((key.0, node.unwrap_or_default(), place.as_str())).or_default() += 1;
    }
    let mut by_engine = BTreeMap::new();
    for plan in 0..catalog.plan_count() as u16 {
        let id = &catalog.journeys[usize::from(catalog.journey_of(plan))].id;
        for (number, node) in catalog.plan(plan).nodes.iter().enumerate() {
            for place in Place::ALL {
                let there = shards.iter().filter_map(|s| s.statistics(plan));
                let there: u64 = there.map(|s| s.at_node(number as u16, place)).sum();
                if there > 0 {
                    let key = (id.to_string(), node.id.to_string(), place.as_str());
                    *by_engine.entry(key).or_default() += there;
                }
            }
        }
    }
    equal("places", &by_reference, &by_engine)
}

fn gates(world: &World, catalog: &Catalog, shards: &[&Shard]) -> Compared {
    for journey in &catalog.journeys {
        let mut by_reference = world.gates(&journey.id);
        if matches!(world.state(&journey.id), Some("Draft" | "Designing" | "Scheduled")) {
            // Nobody is inside yet: the vendors' tables have a dash for movement, the engine says held.
            by_reference = by_reference.map(|(entry, _)| (entry, "held"));
        }
        let number = catalog.journey_index(&journey.id).expect("the catalog has its journeys");
        for shard in shards {
            let gates = shard.journey(number).map(JourneyState::gates);
            let by_engine = gates.map(|gates| {
                let movement = match gates.movement {
                    MovementGate::Open => "open",
                    MovementGate::Held => "held",
                    MovementGate::Shut => "shut",
                };
                (gates.entry == EntryGate::Open, movement)
            });
            equal(&format!("the gates of {}", journey.id), &by_reference, &by_engine)?;
        }
    }
    Ok(())
}

/// The journeys that are to go to Error.
fn spent(world: &World, catalog: &Catalog, shards: &[&Shard]) -> Compared {
    let spent = shards.iter().flat_map(|shard| shard.spent());
    let by_engine: BTreeSet<String> =
        spent.map(|number| catalog.journeys[usize::from(number)].id.to_string()).collect();
    equal("journeys whose budget is spent", &world.spent().into_iter().collect(), &by_engine)
}

fn refused(world: &World, catalog: &Catalog, shards: &[&Shard]) -> Compared {
    let mut by_engine = BTreeMap::new();
    for (number, journey) in (0..).zip(&catalog.journeys) {
        for reason in RefusalReason::ALL {
            let states = shards.iter().filter_map(|shard| shard.journey(number));
            let refused: u64 = states.map(|state| state.refused(reason)).sum();
            if refused > 0 {
                by_engine.insert((journey.id.to_string(), reason.as_str().to_owned()), refused);
            }
        }
    }
    equal("refusals in all", &world.refused(), &by_engine)
}

fn counts(world: &World, catalog: &Catalog, shards: &[&Shard]) -> Compared {
    let mut by_engine = BTreeMap::new();
    for plan in 0..catalog.plan_count() as u16 {
        let id = catalog.journeys[usize::from(catalog.journey_of(plan))].id.to_string();
        let mut counts = Counts::default();
        for statistics in shards.iter().filter_map(|shard| shard.statistics(plan)) {
            counts.entered += statistics.total(Flow::Entered);
            counts.moved_in += statistics.total(Flow::MovedIn);
            counts.moved_out += statistics.total(Flow::MovedOut);
            counts.converted += statistics.total(Flow::Converted);
            counts.waiting += statistics.at(Place::Waiting);
            counts.held += statistics.at(Place::Held);
            counts.parked += statistics.parked();
            counts.at_send += statistics.at(Place::AtSend);
            counts.draining += statistics.at(Place::Draining);
            let nodes = 0..catalog.plan(plan).nodes.len() as u16;
            counts.sent += nodes.map(|n| statistics.total_at(n, NodeFlow::Sent)).sum::<u64>();
            for reason in ExitReason::ALL {
                let left = statistics.exited(reason);
                if left > 0 {
                    *counts.exited.entry(reason.as_str().to_owned()).or_default() += left;
                }
            }
        }
        if counts != Counts::default() {
            by_engine.insert((id, catalog.plan(plan).version), counts);
        }
    }
    let mut by_reference = world.counts();
    by_reference.retain(|_, counts| *counts != Counts::default());
    equal("counts", &by_reference, &by_engine)
}

/// A send as it is compared: without its key, which the reference makes otherwise.
#[must_use]
pub fn send_text(send: &SendRecord) -> String {
    let mut json = serde_json::to_value(send).expect("a send is JSON");
    json.as_object_mut().expect("a send is an object").shift_remove("key");
    // The form in which a person compares them: by name.
    let sorted: BTreeMap<String, Json> = serde_json::from_value(json).expect("an object");
    let variables: BTreeMap<&String, &Json> = send.variables.iter().collect();
    format!("{sorted:?} {variables:?}")
}

/// A movement as it is compared.
#[must_use]
pub fn move_text(t: &TransitionRecord) -> String {
    // Of those who have left, a conversion has no node to tell.
    let node = if t.what == "converted" { None } else { t.node.as_deref() };
    let until = t.until.map(|until| until.to_string());
    format!("{} {} {} v{} {} {node:?} {:?} {until:?}", t.at, t.user, t.journey, t.version, t.what, t.detail)
}

/// Both hold the same, in whatever order.
///
/// # Errors
/// What only one of them holds.
pub fn same(what: &str, a: impl Iterator<Item = String>, b: impl Iterator<Item = String>) -> Compared {
    let (mut a, mut b): (Vec<_>, Vec<_>) = (a.collect(), b.collect());
    a.sort_unstable();
    b.sort_unstable();
    if a == b {
        return Ok(());
    }
    let mut only_engine = b.clone();
    let mut only_reference = Vec::new();
    for line in a {
        match only_engine.iter().position(|other| *other == line) {
            Some(at) => drop(only_engine.swap_remove(at)),
            None => only_reference.push(line),
        }
    }
    let (a, b) = (only_reference.join("\n    "), only_engine.join("\n    "));
    Err(format!("{what} differ\n  only the reference:\n    {a}\n  only the engine:\n    {b}"))
}

/// Both are the same.
///
/// # Errors
/// Both, if they are not.
pub fn equal<T: PartialEq + std::fmt::Debug>(what: &str, reference: &T, engine: &T) -> Compared {
    if reference == engine {
        return Ok(());
    }
    Err(format!("{what} differ\n  reference: {reference:?}\n  engine:    {engine:?}"))
}

/// Both accept, or both refuse.
///
/// # Errors
/// Both answers, if one does and the other does not.
pub fn same_answer(what: &str, reference: &Result<(), String>, engine: &Result<(), String>) -> Compared {
    if reference.is_ok() == engine.is_ok() {
        return Ok(());
    }
    Err(format!("{what} is answered differently\n  reference: {reference:?}\n  engine:    {engine:?}"))
}
