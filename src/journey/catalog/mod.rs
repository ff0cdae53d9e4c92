//! Everything that the shards need to know of all journeys, at one epoch, immutable.
//!
//! The [`Builder`] is part of the control log's fold: fed with the same versions in the same order it numbers plans and
//! attributes alike on every instance. What only a new version changes is compiled then; a change of gates costs one
//! small copy.

mod program;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::definition::Definition;
use super::plan::{Attributes, Compiler, Plan, PlanError, ZONE_ATTRIBUTE};
use crate::ingest::fields::Fields;
use crate::lifecycle::Lifecycle;

pub use program::{EntryRule, EventProgram, ExitHook, Hooks, Match, Test, WaitHook};

/// A plan's number: one for each version of each journey, in the order of the control log.
pub type PlanIndex = u16;
/// A journey's number, in the order of creation.
pub type JourneyIndex = u16;

/// The journeys at one epoch.
#[derive(Debug)]
pub struct Catalog {
    /// The offset of the control record after which this is what holds.
    pub epoch: u64,
    /// The journeys by number.
    pub journeys: Vec<Journey>,
    numbers: HashMap<Arc<str>, JourneyIndex>,
    compiled: Arc<Compiled>,
}

/// One journey at one epoch.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Its id.
    pub id: Arc<str>,
    /// Its folded state; a shard applies the dates by its own time.
    pub lifecycle: Lifecycle,
    /// The version that new users enter.
    pub live: Option<PlanIndex>,
}

/// What only a new version changes.
#[derive(Debug, Default)]
struct Compiled {
    plans: Vec<Arc<Plan>>,
    journey_of: Vec<JourneyIndex>,
    versions: HashMap<(JourneyIndex, u32), PlanIndex>,
    programs: HashMap<Box<str>, Arc<EventProgram>>,
    /// By plan: how a payload of the API or a row of a list enters.
    payloads: Vec<Arc<EventProgram>>,
    attributes: Attributes,
    traits: Fields,
    zone_attribute: Option<u16>,
}

impl Catalog {
    /// No journey at all.
    #[must_use]
    pub fn empty() -> Self {
        Self { epoch: 0, journeys: Vec::new(), numbers: HashMap::new(), compiled: Arc::default() }
    }

    /// A plan by its number.
    #[must_use]
    pub fn plan(&self, index: PlanIndex) -> &Arc<Plan> {
        &self.compiled.plans[usize::from(index)]
    }

    /// How many plans there are.
    #[must_use]
    pub fn plan_count(&self) -> usize {
        self.compiled.plans.len()
    }

    /// The journey of a plan.
    #[must_use]
    pub fn journey_of(&self, plan: PlanIndex) -> JourneyIndex {
        self.compiled.journey_of[usize::from(plan)]
    }

    /// What the journeys have to do with an event of that name, if anything.
    #[must_use]
    pub fn program(&self, event: &str) -> Option<&Arc<EventProgram>> {
        self.compiled.programs.get(event)
    }

    /// How a payload of the API or a row of a list enters that plan.
    #[must_use]
    pub fn payload(&self, plan: PlanIndex) -> &Arc<EventProgram> {
        &self.compiled.payloads[usize::from(plan)]
    }

    /// The user attributes that some journey mentions; slot `i` of [`Catalog::traits`] is attribute `i`.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.compiled.attributes
    }

    /// Reads the mentioned attributes out of an identify's traits.
    #[must_use]
    pub fn traits(&self) -> &Fields {
        &self.compiled.traits
    }

    /// The number of the attribute that holds a user's zone, if any journey asks for zones.
    #[must_use]
    pub fn zone_attribute(&self) -> Option<u16> {
        self.compiled.zone_attribute
    }

    /// The journey's number by its id.
    #[must_use]
    pub fn journey_index(&self, id: &str) -> Option<JourneyIndex> {
        self.numbers.get(id).copied()
    }

    /// The plan of a version of a journey.
    #[must_use]
    pub fn plan_of(&self, journey: JourneyIndex, version: u32) -> Option<PlanIndex> {
        self.compiled.versions.get(&(journey, version)).copied()
    }
}

/// Numbers and compiles versions in the order of the control log.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    compiler: Compiler,
    plans: Vec<Arc<Plan>>,
    journey_of: Vec<JourneyIndex>,
    compiled: Arc<Compiled>,
    live: Vec<Option<PlanIndex>>,
    stale: bool,
}

impl Builder {
    /// Adds a version of a journey.
    ///
    /// # Errors
    /// When the definition cannot be compiled; nothing has changed then but attribute numbers.
    pub fn add(
        &mut self,
        journey: JourneyIndex,
        definition: &Definition,
        version: u32,
        revisions: &BTreeMap<String, u32>,
    ) -> Result<PlanIndex, PlanError> {
        let plan = self.compiler.compile(definition, version, revisions)?;
        self.plans.push(Arc::new(plan));
        self.journey_of.push(journey);
        self.stale = true;
        Ok((self.plans.len() - 1) as PlanIndex)
    }

    /// Replaces a version by itself with other contents, providers or weights.
    ///
    /// # Errors
    /// As [`Builder::add`].
    pub fn edit(
        &mut self,
        plan: PlanIndex,
        definition: &Definition,
        revisions: &BTreeMap<String, u32>,
    ) -> Result<(), PlanError> {
        let slot = usize::from(plan);
        self.plans[slot] =
            Arc::new(self.compiler.compile(definition, self.plans[slot].version, revisions)?);
        self.stale = true;
        Ok(())
    }

    /// The catalog of an epoch.
    #[must_use]
    pub fn build(&mut self, epoch: u64, journeys: Vec<Journey>) -> Arc<Catalog> {
        let live: Vec<_> = journeys.iter().map(|j| j.live).collect();
        if self.stale || live != self.live {
            self.compiled = Arc::new(self.compile(&live));
            self.live = live;
            self.stale = false;
        }
        let numbers =
            journeys.iter().enumerate().map(|(i, j)| (Arc::clone(&j.id), i as JourneyIndex)).collect();
        Arc::new(Catalog { epoch, journeys, numbers, compiled: Arc::clone(&self.compiled) })
    }

    fn compile(&self, live: &[Option<PlanIndex>]) -> Compiled {
        let mut compiler = self.compiler.clone();
        let programs = program::compile_all(&self.plans, &self.journey_of, live, &mut compiler);
        let payloads = self
            .plans
            .iter()
            .enumerate()
            .map(|(i, plan)| {
                program::compile_payload(i as PlanIndex, self.journey_of[i], plan, &mut compiler)
            })
            .collect();
        let attributes = compiler.attributes().clone();
        Compiled {
            plans: self.plans.clone(),
            journey_of: self.journey_of.clone(),
            versions: (0..)
                .zip(&self.plans)
                .map(|(i, p)| ((self.journey_of[usize::from(i)], p.version), i))
                .collect(),
            programs,
            payloads,
            traits: Fields::new(attributes.names()),
            zone_attribute: attributes
                .number(ZONE_ATTRIBUTE)
                .filter(|_| self.plans.iter().any(|p| p.wants_zone)),
            attributes,
        }
    }
}
