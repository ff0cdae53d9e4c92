//! Looking back at journeys: what moved in a range of dates, by version, node and bucket, and who is where
//! now (G40).
//!
//! Flows come from the hours that shards have committed, added up here over shards and into days. Waiting,
//! held, at send and draining are always now: no range asks for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Fold;
use super::range::{Ask, AskError, BUCKETS_MAX, By, Range, bucket_of, name_of, written};
use crate::engine::flows::{Flows, Layout};
use crate::engine::statistics::{ExitReason, Flow, HOURS_KEPT, NodeFlow, Place, hour_of};
use crate::journey::catalog::{Catalog, PlanIndex};
use crate::journey::dates;
use crate::journey::plan::{NodeIndex, Plan, Target};
use crate::model::Timestamp;
use crate::model::input::ReceiptKind;

/// How many are at each node of a version, by place in the order of [`Place::ALL`].
pub type NodesNow = Vec<[u64; Place::ALL.len()]>;

/// What is asked, resolved against the journeys as they are.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The journey's id.
    pub journey: String,
    /// The journeys.
    pub catalog: Arc<Catalog>,
    /// The versions asked for, by number.
    pub plans: Vec<PlanIndex>,
    /// From when until when.
    pub range: Range,
    /// From when on every hour is kept.
    pub kept_from: Timestamp,
}

impl Asked {
    /// Resolves what is asked of a journey, as of `now`.
    ///
    /// # Errors
    /// If there is no such journey, version or range.
    pub fn of(fold: &Fold, journey: &str, ask: &Ask, now: Timestamp) -> Result<Self, AskError> {
        let unknown = || AskError::NoJourney(journey.to_owned());
        let lineage = fold.registry().get(journey).ok_or_else(unknown)?;
        let catalog = Arc::clone(fold.catalog());
        let index = catalog.journey_index(journey).ok_or_else(unknown)?;
        let numbers: Vec<u32> = lineage.versions.iter().map(|version| version.number).collect();
        if let Some(version) = ask.version.filter(|version| !numbers.contains(version)) {
            let there = match (numbers.first(), numbers.last()) {
                (Some(first), Some(last)) if first < last => format!("there are {first} to {last}"),
                (Some(only), _) => format!("there is {only}"),
                _ => "none did".to_owned(),
            };
            return Err(AskError::NoVersion { journey: journey.to_owned(), version, there });
        }
        let wanted =
            numbers.into_iter().filter(|number| ask.version.is_none_or(|version| version == *number));
        let plans = wanted.filter_map(|number| catalog.plan_of(index, number)).collect();
        let definition = lineage.live().map_or(&lineage.saved, |version| &version.definition);
        // What went live was checked; a draft's zone may be none yet, and nothing of it has moved.
        let zone = dates::zone(&definition.zone).unwrap_or(TimeZone::UTC);
        let kept_from = hour_of(now - HOURS_KEPT, &zone);
        let range = Range::read(ask, zone, now)?;
        Ok(Self { journey: journey.to_owned(), catalog, plans, range, kept_from })
    }

    /// The answer, of what was added up and of who is where now.
    #[must_use]
    pub fn answer(&self, tally: &Tally, now: &BTreeMap<PlanIndex, NodesNow>) -> Report {
        let zone = &self.range.zone;
        let version = |plan: &PlanIndex| {
            let of = self.catalog.plan(*plan);
            let nothing = NodesNow::new();
            let nodes = now.get(plan).unwrap_or(&nothing);
            let mut all = Places::default();
            nodes.iter().for_each(|counts| all.add(counts));
            let there = of.nodes.iter().zip(nodes).filter(|(_, counts)| counts.iter().any(|&n| n > 0));
            let nodes = there.map(|(node, counts)| (node.id.to_string(), Places::of(counts))).collect();
            let buckets = tally.of(*plan).map(|(at, flows)| Bucket {
                at: name_of(at, self.range.by, zone),
                moved: Moved::of(flows, of),
            });
            let total = Moved::of(&tally.total(*plan), of);
            VersionReport { version: of.version, now: all, nodes, total, buckets: buckets.collect() }
        };
        Report {
            journey: self.journey.clone(),
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
            by: self.range.by,
            from: written(self.range.from, zone),
            to: written(self.range.to, zone),
            kept_from: written(self.kept_from, zone),
            versions: self.plans.iter().map(version).collect(),
        }
    }
}

/// Flows added up over shards, by version and bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    by: By,
    rows: BTreeMap<(PlanIndex, Timestamp), Flows>,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(by: By) -> Self {
        Self { by, rows: BTreeMap::new() }
    }

    /// Adds an hour of one shard; an hour in which nothing moved makes no bucket.
    pub fn add(&mut self, plan: PlanIndex, hour: Timestamp, zone: &TimeZone, row: &[u64]) {
        if row.iter().any(|&n| n > 0) {
            self.rows.entry((plan, bucket_of(hour, self.by, zone))).or_default().add(row);
        }
    }

    /// Adds another tally of the same buckets.
    pub fn merge(&mut self, other: &Self) {
        for (key, flows) in &other.rows {
            self.rows.entry(*key).or_default().add(flows.row());
        }
    }

    /// Whether it has no more buckets than an answer may have.
    ///
    /// # Errors
    /// If it has.
    pub fn fits(&self) -> Result<(), AskError> {
        if self.rows.len() > BUCKETS_MAX { Err(AskError::TooMany { by: self.by }) } else { Ok(()) }
    }

    /// The buckets of a version, by time.
    pub fn of(&self, plan: PlanIndex) -> impl Iterator<Item = (Timestamp, &Flows)> {
        let span = (plan, Timestamp::MIN)..=(plan, Timestamp::MAX);
        self.rows.range(span).map(|((_, at), flows)| (*at, flows))
    }

    fn total(&self, plan: PlanIndex) -> Flows {
        let mut total = Flows::default();
        self.of(plan).for_each(|(_, flows)| total.add(flows.row()));
        total
    }

    /// Every bucket by journey, version and time, each in its version's own zone: what a replay writes down.
    #[must_use]
    pub fn lines(&self, catalog: &Catalog) -> Vec<Line> {
        let mut plans: Vec<PlanIndex> = self.rows.keys().map(|(plan, _)| *plan).collect();
        plans.dedup();
        plans.sort_by_key(|plan| (&catalog.plan(*plan).journey, catalog.plan(*plan).version));
        let lines = plans.into_iter().flat_map(|plan| {
            let of = catalog.plan(plan);
            self.of(plan).map(move |(at, flows)| Line {
                journey: of.journey.to_string(),
                version: of.version,
                bucket: Bucket { at: name_of(at, self.by, &of.zone), moved: Moved::of(flows, of) },
            })
        });
        lines.collect()
    }
}

/// What is told of a journey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The journey.
    pub journey: String,
    /// Its zone: that of the live version.
    pub zone: String,
    /// What one bucket is.
    pub by: By,
    /// Where the range begins.
    pub from: String,
    /// Where it ends, which is not in it.
    pub to: String,
    /// From when on every hour is kept; of those before some are gone.
    pub kept_from: String,
    /// By version.
    pub versions: Vec<VersionReport>,
}

/// What is told of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionReport {
    /// Its number.
    pub version: u32,
    /// Who is where now, whatever the range.
    pub now: Places,
    /// The same by node; nodes with nobody are left out.
    pub nodes: BTreeMap<String, Places>,
    /// What moved in the whole range.
    pub total: Moved,
    /// What moved in each bucket, by time; those in which nothing did are left out.
    pub buckets: Vec<Bucket>,
}

/// How many are where now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Waiting.
    pub waiting: u64,
    /// Held.
    pub held: u64,
    /// Queued by a send node's rate.
    pub at_send: u64,
    /// Waiting or held in a stopped journey.
    pub draining: u64,
}

impl Places {
    fn of(counts: &[u64; Place::ALL.len()]) -> Self {
        let at = |place: Place| counts[place as usize];
        Self {
            waiting: at(Place::Waiting),
            held: at(Place::Held),
            at_send: at(Place::AtSend),
            draining: at(Place::Draining),
        }
    }

    fn add(&mut self, counts: &[u64; Place::ALL.len()]) {
        let more = Self::of(counts);
        self.waiting += more.waiting;
        self.held += more.held;
        self.at_send += more.at_send;
        self.draining += more.draining;
    }
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its day, or the beginning of its hour with the zone's offset.
    pub at: String,
    /// What moved in it.
    #[serde(flatten)]
    pub moved: Moved,
}

/// One bucket of one version of one journey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The journey.
    pub journey: String,
    /// The version.
    pub version: u32,
    /// The bucket.
    #[serde(flatten)]
    pub bucket: Bucket,
}

/// How many moved how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Enrollments created.
    pub entered: u64,
    /// Enrollments that came from another version.
    pub moved_in: u64,
    /// Enrollments that went to another version.
    pub moved_out: u64,
    /// Goals reached.
    pub converted: u64,
    /// Messages handed over.
    pub sent: u64,
    /// Left, by reason.
    pub exited: BTreeMap<String, u64>,
    /// By node, in the order of the definition; those where nothing moved are left out.
    pub nodes: Vec<NodeMoved>,
}

/// How many moved how at a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMoved {
    /// The node.
    pub node: String,
    /// Starts of the node.
    pub started: u64,
    /// Those who were held before it.
    pub held: u64,
    /// Messages handed over.
    pub sent: u64,
    /// Those who went on, by branch; branches that nobody took are left out.
    pub moved: Vec<Branch>,
    /// Those who left the journey from here, by reason.
    pub exited: BTreeMap<String, u64>,
    /// What providers reported of its messages, by kind.
    pub receipts: BTreeMap<String, u64>,
}

/// How many went on by a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Its number in the definition, from 0; what comes after the written ones is `otherwise`.
    pub branch: u16,
    /// The node that it leads to, or `exit`.
    pub to: String,
    /// How many.
    pub count: u64,
}

impl Moved {
    fn of(flows: &Flows, plan: &Plan) -> Self {
        let layout = Layout::of(plan);
        let nodes = (0..plan.nodes.len() as NodeIndex).map(|node| NodeMoved::of(flows, &layout, plan, node));
        let nodes: Vec<NodeMoved> = nodes.filter(|moved| !moved.is_empty()).collect();
        Self {
            entered: flows.total(Flow::Entered),
            moved_in: flows.total(Flow::MovedIn),
            moved_out: flows.total(Flow::MovedOut),
            converted: flows.total(Flow::Converted),
            sent: nodes.iter().map(|node| node.sent).sum(),
            exited: reasons(|reason| flows.exited(reason)),
            nodes,
        }
    }
}

impl NodeMoved {
    fn of(flows: &Flows, layout: &Layout, plan: &Plan, node: NodeIndex) -> Self {
        let count = |flow| flows.at(layout, node, flow);
        let branches = (0u16..).zip(plan.targets(node)).map(|(branch, target)| {
            let to = match target {
                Target::Node(to) => plan.node(to).id.to_string(),
                Target::Exit => "exit".to_owned(),
            };
            Branch { branch, to, count: count(NodeFlow::Branch(branch)) }
        });
        let receipts =
            ReceiptKind::ALL.map(|kind| (kind.as_str().to_owned(), count(NodeFlow::Receipt(kind))));
        Self {
            node: plan.node(node).id.to_string(),
            started: count(NodeFlow::Started),
            held: count(NodeFlow::Held),
            sent: count(NodeFlow::Sent),
            moved: branches.filter(|branch| branch.count > 0).collect(),
            exited: reasons(|reason| count(NodeFlow::Exited(reason))),
            receipts: receipts.into_iter().filter(|(_, n)| *n > 0).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        let Self { node: _, started, held, sent, moved, exited, receipts } = self;
        started + held + sent == 0 && moved.is_empty() && exited.is_empty() && receipts.is_empty()
    }
}

fn reasons(count: impl Fn(ExitReason) -> u64) -> BTreeMap<String, u64> {
    let all = ExitReason::ALL.into_iter().map(|reason| (reason.as_str().to_owned(), count(reason)));
    all.filter(|(_, n)| *n > 0).collect()
}
