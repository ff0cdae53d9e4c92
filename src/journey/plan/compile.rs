//! Definition → plan. What outlives one version — attribute numbers, slot tables — is kept by the [`Compiler`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{
    Arms, Days, EntryPlan, ExitPlan, NodeIndex, NodePlan, NodeWork, Plan, Rate, Reentry, SendPlan, Target,
    Wait, WaitBranchPlan,
};
use crate::journey::condition::{self, Binder, Expr, Program, Root};
use crate::journey::dates::Date;
use crate::journey::definition::{Definition, Node, NodeKind};
use crate::model::Interval;

/// Why a definition cannot be compiled. [`crate::journey::check`] says the same and more, with lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journey {journey:?}, {path}: {message}")]
pub struct PlanError {
    /// The journey's id.
    pub journey: String,
    /// Where in it.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Compiles versions one after another, in the order of the control log.
///
/// User attributes get numbers that are never reused, and a `random_split` keeps its table of slots across versions
/// and edits, so the same log gives the same numbers everywhere.
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    attributes: Attributes,
    arms: BTreeMap<(String, String), Arc<Arms>>,
}

/// The user attributes that any journey has ever mentioned, by number.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    names: Vec<String>,
    numbers: BTreeMap<String, u16>,
}

/// The attribute that holds a user's zone.
pub const ZONE_ATTRIBUTE: &str = "timezone";

impl Attributes {
    /// The names, by number.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of a name that some journey has mentioned.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    fn intern(&mut self, name: &str) -> u16 {
        if let Some(number) = self.number(name) {
            return number;
        }
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

impl Compiler {
    /// The attributes so far.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The number of a user attribute, new if no journey mentioned it before.
    pub fn intern_attribute(&mut self, name: &str) -> u16 {
        self.attributes.intern(name)
    }

    /// Compiles one version. `revisions` are the contents' (1 where absent).
    ///
    /// # Errors
    /// The first thing that a check would have found.
    pub fn compile(
        &mut self,
        definition: &Definition,
        version: u32,
        revisions: &BTreeMap<String, u32>,
    ) -> Result<Plan, PlanError> {
        let zone = TimeZone::get(&definition.zone)
            .map_err(|_| error(definition, "zone", format!("{:?} is no IANA time zone", definition.zone)))?;
        let mut one = OneVersion {
            definition,
            version,
            compiler: self,
            zone,
            revisions,
            variables: Vec::new(),
            wants_zone: false,
        };
        let exits = one.exits()?;
        let entry = one.entry()?;
        let nodes = one.nodes()?;
        let (variables, wants_zone, zone) = (one.variables, one.wants_zone, one.zone);
        if wants_zone {
            self.intern_attribute(ZONE_ATTRIBUTE);
        }
        Ok(Plan {
            journey: definition.id.as_str().into(),
            version,
            zone,
            timeout: definition.timeout,
            timers: definition.timers,
            drain: definition.drain,
            conversion_window: definition.conversion_window,
            failure_budget: definition.failure_budget,
            entry,
            exits,
            nodes,
            variables,
            moved: definition.moved.iter().map(|(a, b)| (a.clone(), b.clone())).collect(),
            wants_zone,
        })
    }
}

fn error(definition: &Definition, path: impl Into<String>, message: impl Into<String>) -> PlanError {
    PlanError { journey: definition.id.clone(), path: path.into(), message: message.into() }
}

struct OneVersion<'a> {
    definition: &'a Definition,
    version: u32,
    compiler: &'a mut Compiler,
    zone: TimeZone,
    revisions: &'a BTreeMap<String, u32>,
    variables: Vec<String>,
    wants_zone: bool,
}

impl Binder for OneVersion<'_> {
    fn bind(&mut self, root: Root, path: &str) -> u16 {
        match root {
            Root::Entry => self.variable(path),
            Root::User => self.compiler.intern_attribute(path),
            // Places that may name `properties` are compiled for each event by the catalog.
            Root::Properties => u16::MAX,
        }
    }
}

impl OneVersion<'_> {
    fn variable(&mut self, path: &str) -> u16 {
        let at = self.variables.iter().position(|v| v == path).unwrap_or_else(|| {
            self.variables.push(path.to_owned());
            self.variables.len() - 1
        });
        at as u16
    }

    /// Parses a condition and makes sure that what it needs of the entry and of the user is kept.
    fn condition(&mut self, path: &str, text: &str) -> Result<Expr, PlanError> {
        let expr = Expr::parse(text).map_err(|e| error(self.definition, path, e.to_string()))?;
        for (root, name) in expr.paths() {
            self.bind(root, &name);
        }
        Ok(expr)
    }

    fn program(&mut self, path: &str, text: &str) -> Result<Program, PlanError> {
        let expr = self.condition(path, text)?;
        Ok(expr.compile(self))
    }

    fn optional(&mut self, path: &str, text: Option<&str>) -> Result<Option<Expr>, PlanError> {
        text.map(|text| self.condition(path, text)).transpose()
    }

    fn entry(&mut self) -> Result<EntryPlan, PlanError> {
        let entry = &self.definition.entry;
        let filter = self.optional("entry.where", entry.filter.as_deref())?;
        if let Some(key) = &entry.key {
            self.variable(key);
        }
        let to = match &entry.to {
            None => 0,
            Some(id) => match self.target("entry.to", id)? {
                Target::Node(node) => node,
                Target::Exit => return Err(error(self.definition, "entry.to", "users cannot start outside")),
            },
        };
        let clevertap_late = (self.definition.dialect == "clevertap").then_some(Interval::from_mins(60));
        Ok(EntryPlan {
            event: entry.event.clone(),
            api: entry.api,
            list: entry.list.clone(),
            filter,
            reentry: Reentry::from(&entry.reentry),
            key: entry.key.clone(),
            limit: entry.limit,
            late: entry.late.or(clevertap_late),
            to,
        })
    }

    fn exits(&mut self) -> Result<Vec<ExitPlan>, PlanError> {
        let mut exits = Vec::new();
        for (i, rule) in self.definition.exit.iter().enumerate() {
            let filter = self.optional(&format!("exit[{i}].where"), rule.filter.as_deref())?;
            if let Some(name) = &rule.matching {
                self.variable(name);
            }
            exits.push(ExitPlan {
                event: rule.event.clone(),
                filter,
                matching: rule.matching.clone(),
                goal: rule.goal.as_deref().map(Into::into),
            });
        }
        Ok(exits)
    }

    fn nodes(&mut self) -> Result<Vec<NodePlan>, PlanError> {
        let definition = self.definition;
        let nodes: Result<Vec<_>, _> = definition
            .node
            .iter()
            .enumerate()
            .map(|(index, node)| Ok(NodePlan { id: node.id.as_str().into(), kind: self.work(index, node)? }))
            .collect();
        let mut nodes = nodes?;
        if nodes.is_empty() {
            return Err(error(definition, "node", "a journey needs at least one node"));
        }
        let loops: Vec<bool> = (0..nodes.len()).map(|i| on_a_loop(&nodes, i)).collect();
        for (node, looping) in nodes.iter_mut().zip(loops) {
            if let NodeWork::RandomSplit { in_loop, .. } = &mut node.kind {
                *in_loop = looping;
            }
        }
        Ok(nodes)
    }

    fn work(&mut self, index: usize, node: &Node) -> Result<NodeWork, PlanError> {
        let path = |field: &str| format!("node.{}.{field}", node.id);
        Ok(match &node.kind {
            NodeKind::Send { .. } => NodeWork::Send(self.send(index, node)?),
            NodeKind::Delay { timeout, next, .. } => NodeWork::Delay {
                wait: self.wait(node)?,
                timeout: *timeout,
                next: self.next(index, &path("next"), next.as_deref())?,
            },
            NodeKind::WaitEvent { branches, timeout, otherwise } => {
                let mut plans = Vec::new();
                for (i, branch) in branches.iter().enumerate() {
                    let filter =
                        self.optional(&path(&format!("branches[{i}].where")), branch.filter.as_deref())?;
                    if let Some(name) = &branch.matching {
                        self.variable(name);
                    }
                    plans.push(WaitBranchPlan {
                        event: branch.event.clone(),
                        filter,
                        matching: branch.matching.clone(),
                        to: self.target(&path(&format!("branches[{i}].to")), &branch.to)?,
                    });
                }
                let otherwise =
                    otherwise.as_deref().map(|to| self.target(&path("otherwise"), to)).transpose()?;
                NodeWork::WaitEvent { branches: plans, timeout: *timeout, otherwise }
            }
            NodeKind::Split { branches, otherwise } => {
                let mut arms = Vec::new();
                for (i, branch) in branches.iter().enumerate() {
                    let program = self.program(&path(&format!("branches[{i}].where")), &branch.filter)?;
                    arms.push((program, self.target(&path(&format!("branches[{i}].to")), &branch.to)?));
                }
                NodeWork::Split { branches: arms, otherwise: self.target(&path("otherwise"), otherwise)? }
            }
            NodeKind::Filter { filter, next, otherwise } => NodeWork::Filter {
                filter: self.program(&path("where"), filter)?,
                next: self.next(index, &path("next"), next.as_deref())?,
                otherwise: otherwise.as_deref().map(|to| self.target(&path("otherwise"), to)).transpose()?,
            },
            NodeKind::RandomSplit { branches } => {
                let weights: Vec<f64> = branches.iter().map(|b| b.weight).collect();
                let targets: Result<Vec<_>, _> =
                    branches.iter().map(|b| self.target(&path("branches"), &b.to)).collect();
                NodeWork::RandomSplit {
                    arms: self.arms(&node.id, &weights),
                    targets: targets?,
                    in_loop: false,
                }
            }
            NodeKind::Exit {} => NodeWork::Exit,
        })
    }

    fn send(&mut self, index: usize, node: &Node) -> Result<SendPlan, PlanError> {
        let NodeKind::Send { channel, content, provider, variables, rate, expires, next } = &node.kind else {
            unreachable!("only a send is compiled as one")
        };
        let path = |field: &str| format!("node.{}.{field}", node.id);
        let mut slots = Vec::new();
        for (name, text) in variables {
            let (root, of) = condition::variable(text)
                .map_err(|e| error(self.definition, path(&format!("variables.{name}")), e.to_string()))?;
            slots.push((name.clone(), root, self.bind(root, &of)));
        }
        let rate = match rate {
            None => None,
            Some(text) => Some(Rate::parse(text).ok_or_else(|| {
                error(self.definition, path("rate"), format!("{text:?} is no rate such as 100/s"))
            })?),
        };
        let revision = self.revisions.get(content).copied().unwrap_or(1);
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let mut fixed = format!(
            "\"journey\":{},\"version\":{},\"node\":{},\"channel\":{},\"content\":{},\"revision\":{revision}",
            text(&self.definition.id),
            self.version,
            text(&node.id),
            text(channel),
            text(content),
        );
        if let Some(provider) = provider {
            fixed.push_str(&format!(",\"provider\":{}", text(provider)));
        }
        Ok(SendPlan {
            channel: channel.clone(),
            content: content.clone(),
            revision,
            fixed,
            provider: provider.clone(),
            variables: slots,
            rate,
            expires: *expires,
            next: self.next(index, &path("next"), next.as_deref())?,
        })
    }

    fn wait(&mut self, node: &Node) -> Result<Wait, PlanError> {
        let NodeKind::Delay { duration, until, at, on, .. } = &node.kind else {
            unreachable!("only a delay is compiled as one")
        };
        let wrong = |message: String| error(self.definition, format!("node.{}", node.id), message);
        match (duration, until, at) {
            (Some(duration), None, None) => Ok(Wait::For(*duration)),
            (None, Some(date), None) => match Date::parse(date).map_err(|e| wrong(e.to_string()))? {
                Date::Instant(instant) => Ok(Wait::UntilInstant(instant)),
                Date::Local(local) => {
                    self.wants_zone = true;
                    Ok(Wait::UntilLocal(local))
                }
            },
            (None, None, Some(time)) => {
                let time = time.parse().map_err(|_| wrong(format!("at = {time:?} is no time of day")))?;
                self.wants_zone = true;
                Ok(Wait::TimeOfDay(time, Days::of(on)))
            }
            _ => Err(wrong("a delay needs exactly one of `for`, `until` and `at`".to_owned())),
        }
    }

    /// Weights of the same node of an earlier version are changed, not dealt anew.
    fn arms(&mut self, node: &str, weights: &[f64]) -> Arc<Arms> {
        let key = (self.definition.id.clone(), node.to_owned());
        let arms = match self.compiler.arms.get(&key) {
            Some(before) => before.reweighted(weights),
            None => Arms::new(weights),
        };
        let arms = Arc::new(arms);
        self.compiler.arms.insert(key, Arc::clone(&arms));
        arms
    }

    fn next(&self, index: usize, path: &str, written: Option<&str>) -> Result<Target, PlanError> {
        match written {
            Some(id) => self.target(path, id),
            None if index + 1 < self.definition.node.len() => Ok(Target::Node((index + 1) as NodeIndex)),
            None => Err(error(self.definition, path, "the last node must say where users go on")),
        }
    }

    fn target(&self, path: &str, id: &str) -> Result<Target, PlanError> {
        if id == "exit" {
            return Ok(Target::Exit);
        }
        match self.definition.node.iter().position(|n| n.id == id) {
            Some(index) => Ok(Target::Node(index as NodeIndex)),
            None => Err(error(self.definition, path, format!("there is no node {id:?}"))),
        }
    }
}

fn on_a_loop(nodes: &[NodePlan], start: usize) -> bool {
    let mut seen = vec![false; nodes.len()];
    let mut todo = vec![start];
    while let Some(at) = todo.pop() {
        for target in targets_of(&nodes[at].kind) {
            let Target::Node(next) = target else { continue };
            if usize::from(next) == start {
                return true;
            }
            if !std::mem::replace(&mut seen[usize::from(next)], true) {
                todo.push(usize::from(next));
            }
        }
    }
    false
}

/// Every target of a node, in the order of its outcomes.
pub(super) fn targets_of(work: &NodeWork) -> Vec<Target> {
    match work {
        NodeWork::Send(send) => vec![send.next],
        NodeWork::Delay { next, .. } => vec![*next],
        NodeWork::WaitEvent { branches, otherwise, .. } => {
            branches.iter().map(|b| b.to).chain(*otherwise).collect()
        }
        NodeWork::Split { branches, otherwise } => {
            branches.iter().map(|(_, to)| *to).chain([*otherwise]).collect()
        }
        NodeWork::Filter { next, otherwise, .. } => [*next].into_iter().chain(*otherwise).collect(),
        NodeWork::RandomSplit { targets, .. } => targets.clone(),
        NodeWork::Exit => vec![],
    }
}
