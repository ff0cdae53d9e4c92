//! Which events can concern any journey of a replay, whatever the script does to them.
//!
//! An event that no version of any journey mentions does nothing in a shard but let time pass, and time
//! passes by the rounds: so it is left out where it is decoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::journey::catalog::{Builder, Catalog, Journey};
use crate::journey::definition::Definition;
use crate::lifecycle::{Lifecycle, Schedule, dialect};
use crate::model::{Event, EventKind};
use crate::replay::error::ReplayError;

/// What some journey mentions, and the user whose story is told.
#[derive(Debug)]
pub(super) struct Interest {
    catalog: Arc<Catalog>,
    told: Option<String>,
}

impl Interest {
    /// What these definitions mention, as if all were live at once.
    pub(super) fn of(definitions: &[&Definition], told: Option<&str>) -> Result<Self, ReplayError> {
        let problem = |d: &Definition, e: &dyn std::fmt::Display| {
            ReplayError::Problem(format!("the journey {:?} cannot go live: {e}", d.id))
        };
        let mut builder = Builder::default();
        let mut journeys = Vec::new();
        for (number, definition) in (0..).zip(definitions) {
            let dialect = dialect(&definition.dialect).map_err(|error| problem(definition, &error))?;
            let plan = builder.add(number, definition, 1, &BTreeMap::new());
            journeys.push(Journey {
                id: format!("{number}").into(),
                lifecycle: Lifecycle::new(dialect, Schedule::default(), false),
                live: Some(plan.map_err(|error| problem(definition, &error))?),
            });
        }
        let told = told.map(str::to_owned);
        Ok(Self { catalog: builder.build(0, journeys), told })
    }

    /// Whether an event can do anything.
    pub(super) fn wants(&self, event: &Event<'_>) -> bool {
        let learns = || event.kind == EventKind::Identify && !self.catalog.attributes().names().is_empty();
        let told = || self.told.as_ref().is_some_and(|user| *user == event.user);
        self.catalog.program(&event.name).is_some() || learns() || told()
    }
}
