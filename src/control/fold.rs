//! Control log → epochs: the registry decides, the catalog is what the shards get.
//!
//! Pure, and the same on every instance: whoever folds the same records hands the same epochs to its shards.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command::Record;
use super::refused::Refused;
use super::registry::{Applied, Registry};
use crate::engine::{Epoch, Grants};
use crate::journey::catalog::{Builder, Catalog, Journey, JourneyIndex, PlanIndex};
use crate::journey::check::check;
use crate::journey::definition::Definition;
use crate::journey::plan::Compiler;
use crate::model::Timestamp;

/// The journeys, as the control log has made them so far.
#[derive(Clone, Debug)]
pub struct Fold {
    registry: Registry,
    builder: Builder,
    plans: BTreeMap<(usize, u32), PlanIndex>,
    catalog: Arc<Catalog>,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            registry: Registry::new(problems),
            builder: Builder::default(),
            plans: BTreeMap::new(),
            catalog: Arc::new(Catalog::empty()),
        }
    }
}

/// Everything that keeps a definition from going live, as sentences.
fn problems(definition: &Definition) -> Vec<String> {
    let found: Vec<String> =
        check(definition).iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
    if !found.is_empty() {
        return found;
    }
    // What the checker lets pass compiles; should the two ever differ, the definition does not go live.
    let compiled = Compiler::default().compile(definition, 1, &BTreeMap::new());
    compiled.err().map(|error| error.to_string()).into_iter().collect()
}

impl Fold {
    /// No journeys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds the record at `offset`, appended at `at`: the epoch that the shards are to take, and what was decided.
    ///
    /// # Errors
    /// If the command is refused: every journey is as it was, and there is no epoch.
    pub fn apply(
        &mut self,
        offset: u64,
        at: Timestamp,
        record: &Record,
    ) -> Result<(Epoch, Applied), Refused> {
        let applied = self.registry.apply(offset, at, record)?;
        if applied.number == offset {
            self.compile(&applied);
            self.catalog = self.build(offset);
        }
        let epoch = Epoch {
            number: applied.number,
            at: applied.at,
            catalog: Arc::clone(&self.catalog),
            journey: applied.journey.map(|journey| journey as JourneyIndex),
            format: self.registry.format(),
            inside: applied.inside,
            selection: applied.selection.clone(),
            keep_held: applied.keep_held,
            grants: applied
                .grant
                .as_ref()
                .map(|g| Grants { granted: g.granted.as_slice().into(), exhausted: g.exhausted }),
        };
        Ok((epoch, applied))
    }

    fn compile(&mut self, applied: &Applied) {
        let (Some(number), Some(of)) = (applied.compile, applied.journey) else { return };
        let lineage = &self.registry.lineages()[of];
        let Some(version) = lineage.version(number) else { return };
        let key = (of, number);
        let compiled = match self.plans.get(&key) {
            Some(&plan) => self.builder.edit(plan, &version.definition, &version.revisions).map(|()| plan),
            None => {
                let journey = of as JourneyIndex;
                self.builder.add(journey, &version.definition, number, &version.revisions)
            }
        };
        let plan = compiled.expect("the registry lets only definitions go live that compile");
        self.plans.insert(key, plan);
    }

    fn build(&mut self, epoch: u64) -> Arc<Catalog> {
        let lineages = self.registry.lineages().iter().enumerate();
        let journeys = lineages
            .map(|(index, lineage)| Journey {
                id: lineage.id.as_str().into(),
                lifecycle: lineage.lifecycle.clone(),
                live: lineage.live().and_then(|version| self.plans.get(&(index, version.number)).copied()),
            })
            .collect();
        self.builder.build(epoch, journeys)
    }

    /// The journeys with all that operators want to know of them.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The journeys as the shards execute them.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }
}
