//! What all journeys have to do with one event name, as one program.
//!
//! An event visits only the journeys that name it, its properties are read once, and a condition that several rules
//! share is evaluated once.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{JourneyIndex, PlanIndex};
use crate::ingest::fields::Fields;
use crate::journey::condition::{Binder, Expr, Program, Root};
use crate::journey::plan::{Compiler, NodeIndex, NodeWork, Plan, Target};

/// The program of one event name.
#[derive(Debug, Default)]
pub struct EventProgram {
    /// The properties that any rule reads, by slot.
    pub fields: Fields,
    /// The distinct conditions that depend on the event and its user alone.
    pub shared: Vec<Program>,
    /// The journeys that the event may enter, in publish order.
    pub entries: Vec<EntryRule>,
    /// What the event does to those inside, by plan; sorted.
    pub hooks: Vec<(PlanIndex, Hooks)>,
}

impl EventProgram {
    /// What the event does to the enrollments of a plan.
    #[must_use]
    pub fn hooks_of(&self, plan: PlanIndex) -> Option<&Hooks> {
        let at = self.hooks.binary_search_by_key(&plan, |(p, _)| *p).ok()?;
        Some(&self.hooks[at].1)
    }
}

/// One way into one journey.
#[derive(Debug)]
pub struct EntryRule {
    /// The journey.
    pub journey: JourneyIndex,
    /// The version that is entered.
    pub plan: PlanIndex,
    /// The condition, among [`EventProgram::shared`].
    pub filter: Option<u16>,
    /// The slots of the properties that the enrollment keeps, by variable.
    pub captures: Vec<u16>,
    /// The slot of the property whose values have enrollments of their own.
    pub key: Option<u16>,
}

/// What one event does to the enrollments of one plan.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Exit rules, in order.
    pub exits: Vec<ExitHook>,
    /// Branches of waits, in node and branch order.
    pub waits: Vec<WaitHook>,
}

/// An exit rule that the event may satisfy.
#[derive(Debug)]
pub struct ExitHook {
    /// Its number in the plan.
    pub rule: u16,
    /// The condition.
    pub test: Test,
    /// The correlation.
    pub matching: Option<Match>,
}

/// A branch that the event may take.
#[derive(Debug)]
pub struct WaitHook {
    /// The waiting node.
    pub node: NodeIndex,
    /// The branch's number.
    pub branch: u16,
    /// Where it leads.
    pub to: Target,
    /// The condition.
    pub test: Test,
    /// The correlation.
    pub matching: Option<Match>,
}

/// A condition, placed where it is evaluated least often.
#[derive(Debug)]
pub enum Test {
    /// There is none.
    Always,
    /// Once per event: an index into [`EventProgram::shared`].
    Shared(u16),
    /// Once per enrollment, since it reads the entry's properties.
    Own(Program),
}

/// The slots that must be equal: the event's property and the enrollment's variable.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    /// Among the event's fields.
    pub property: u16,
    /// Among the plan's variables.
    pub variable: u16,
}

/// Compiles the programs of all event names.
pub(super) fn compile_all(
    plans: &[Arc<Plan>],
    journey_of: &[JourneyIndex],
    live: &[Option<PlanIndex>],
    compiler: &mut Compiler,
) -> HashMap<Box<str>, Arc<EventProgram>> {
    let mut drafts: HashMap<Box<str>, Draft> = HashMap::new();
    for (index, plan) in plans.iter().enumerate() {
        let index = index as PlanIndex;
        let journey = journey_of[usize::from(index)];
        if live[usize::from(journey)] == Some(index)
            && let Some(event) = &plan.entry.event
        {
            drafts.entry(event.as_str().into()).or_default().entry(index, journey, plan, compiler);
        }
        for (rule, exit) in plan.exits.iter().enumerate() {
            let draft = drafts.entry(exit.event.as_str().into()).or_default();
            let test = draft.test(exit.filter.as_ref(), plan, compiler);
            let matching = draft.matching(exit.matching.as_deref(), plan);
            draft.hooks(index).exits.push(ExitHook { rule: rule as u16, test, matching });
        }
        for (node, work) in plan.nodes.iter().enumerate() {
            let NodeWork::WaitEvent { branches, .. } = &work.kind else { continue };
            for (branch, to) in branches.iter().enumerate() {
                let draft = drafts.entry(to.event.as_str().into()).or_default();
                let test = draft.test(to.filter.as_ref(), plan, compiler);
                let matching = draft.matching(to.matching.as_deref(), plan);
                let hook =
                    WaitHook { node: node as NodeIndex, branch: branch as u16, to: to.to, test, matching };
                draft.hooks(index).waits.push(hook);
            }
        }
    }
    drafts.into_iter().map(|(name, draft)| (name, Arc::new(draft.finish()))).collect()
}

/// Compiles the way of a payload or a row into one plan.
pub(super) fn compile_payload(
    index: PlanIndex,
    journey: JourneyIndex,
    plan: &Plan,
    compiler: &mut Compiler,
) -> Arc<EventProgram> {
    let mut draft = Draft::default();
    draft.entry(index, journey, plan, compiler);
    Arc::new(draft.finish())
}

#[derive(Default)]
struct Draft {
    paths: Vec<String>,
    shared: Vec<Program>,
    entries: Vec<EntryRule>,
    hooks: Vec<(PlanIndex, Hooks)>,
}

impl Draft {
    fn property(&mut self, path: &str) -> u16 {
        let at = self.paths.iter().position(|p| p == path).unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        });
        at as u16
    }

    fn entry(&mut self, index: PlanIndex, journey: JourneyIndex, plan: &Plan, compiler: &mut Compiler) {
        let filter = match self.test(plan.entry.filter.as_ref(), plan, compiler) {
            Test::Shared(atom) => Some(atom),
            Test::Always | Test::Own(_) => None,
        };
        let captures = plan.variables.iter().map(|path| self.property(path)).collect();
        let key = plan.entry.key.as_deref().map(|path| self.property(path));
        self.entries.push(EntryRule { journey, plan: index, filter, captures, key });
    }

    fn test(&mut self, filter: Option<&Expr>, plan: &Plan, compiler: &mut Compiler) -> Test {
        let Some(expr) = filter else { return Test::Always };
        let own = expr.paths().iter().any(|(root, _)| *root == Root::Entry);
        let program = expr.compile(&mut Bind { draft: self, plan, compiler });
        if own {
            return Test::Own(program);
        }
        let at = self.shared.iter().position(|p| *p == program).unwrap_or_else(|| {
            self.shared.push(program);
            self.shared.len() - 1
        });
        Test::Shared(at as u16)
    }

    fn matching(&mut self, name: Option<&str>, plan: &Plan) -> Option<Match> {
        let name = name?;
        let variable = plan.variables.iter().position(|v| v == name)?;
        Some(Match { property: self.property(name), variable: variable as u16 })
    }

    /// Plans come in order, so the list stays sorted.
    fn hooks(&mut self, plan: PlanIndex) -> &mut Hooks {
        if self.hooks.last().is_none_or(|(last, _)| *last != plan) {
            self.hooks.push((plan, Hooks::default()));
        }
        let last = self.hooks.len() - 1;
        &mut self.hooks[last].1
    }

    fn finish(self) -> EventProgram {
        EventProgram {
            fields: Fields::new(&self.paths),
            shared: self.shared,
            entries: self.entries,
            hooks: self.hooks,
        }
    }
}

struct Bind<'a> {
    draft: &'a mut Draft,
    plan: &'a Plan,
    compiler: &'a mut Compiler,
}

impl Binder for Bind<'_> {
    fn bind(&mut self, root: Root, path: &str) -> u16 {
        match root {
            Root::Properties => self.draft.property(path),
            Root::User => self.compiler.intern_attribute(path),
            Root::Entry => self.plan.variables.iter().position(|v| v == path).map_or(u16::MAX, |i| i as u16),
        }
    }
}
