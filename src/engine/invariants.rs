//! What must hold of a shard after every input, by counting everything anew. For tests and simulation: it is slow.

use std::collections::BTreeMap;

use super::record::Status;
use super::shard::{Context, Shard};
use super::statistics::Place;
use super::storage::NONE;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id}: {what}")]
pub struct Violation {
    /// The invariant's id in the documentation, such as `I13`.
    pub id: &'static str,
    /// What was found.
    pub what: String,
}

impl Shard {
    /// Checks the shard against itself.
    ///
    /// # Errors
    /// The first invariant that does not hold: a bug of ours.
    pub fn check(&mut self) -> Result<(), Violation> {
        self.check_places()?;
        self.check_lists()?;
        self.check_timers()
    }

    /// Counts an entry that nobody made: for tests of who must notice.
    #[cfg(test)]
    pub(crate) fn make_somebody_up(&mut self, plan: crate::journey::catalog::PlanIndex) {
        self.begin();
        let mut effects = super::Effects::default();
        let cx = Context { catalog: &self.catalog, effects: &mut effects, scratch: &mut self.scratch };
        self.state.touch_statistics(&cx, plan);
        self.state.statistics[usize::from(plan)].count(super::statistics::Flow::Entered);
    }

    /// The gauges are what counting gives, and every version is conserved (I13).
    fn check_places(&mut self) -> Result<(), Violation> {
        let mut counted: BTreeMap<(usize, u16), [u64; 4]> = BTreeMap::new();
        let mut parked: BTreeMap<usize, u64> = BTreeMap::new();
        let mut effects = super::Effects::default();
        let cx = Context { catalog: &self.catalog, effects: &mut effects, scratch: &mut self.scratch };
        for (handle, _) in self.state.enrollments.iter() {
            if let Some(spot) = self.state.place(&cx, handle) {
                counted.entry((spot.plan, spot.node)).or_default()[spot.place as usize] += 1;
                *parked.entry(spot.plan).or_default() += u64::from(spot.parked);
            }
        }
        for (plan, statistics) in self.state.statistics.iter().enumerate() {
            let nodes = cx.catalog.plan(plan as u16).nodes.len() as u16;
            for (node, place) in (0..nodes).flat_map(|n| Place::ALL.map(|p| (n, p))) {
                let there = counted.get(&(plan, node)).map_or(0, |c| c[place as usize]);
                if there != statistics.at_node(node, place) {
                    let what = format!(
                        "plan {plan} node {node}: {there} {}, but the gauge says {}",
                        place.as_str(),
                        statistics.at_node(node, place)
                    );
                    return Err(Violation { id: "I13", what });
                }
            }
            let (there, said) = (parked.get(&plan).copied().unwrap_or(0), statistics.parked());
            if there != said {
                let what = format!("plan {plan}: {there} are parked, but the gauge says {said}");
                return Err(Violation { id: "I13", what });
            }
            if !statistics.is_conserved() {
                return Err(Violation { id: "I13", what: format!("plan {plan} is not conserved") });
            }
        }
        Ok(())
    }

    /// Every enrollment is in its user's list, once, oldest first.
    fn check_lists(&self) -> Result<(), Violation> {
        let state = &self.state;
        let mut listed = 0;
        for (user, record) in state.users.iter() {
            let (mut handle, mut last) = (record.first, 0);
            while handle != NONE {
                let e = &state.enrollments[handle];
                if e.user != user || e.entry() <= last {
                    return Err(Violation {
                        id: "I4",
                        what: format!("user {user}: the list of enrollments is broken"),
                    });
                }
                (handle, last) = (e.next, e.entry());
                listed += 1;
            }
        }
        if listed == state.enrollments.len() {
            return Ok(());
        }
        let what = format!("{listed} enrollments are in lists, {} exist", state.enrollments.len());
        Err(Violation { id: "I1", what })
    }

    /// Whoever is to be looked at has a timer that comes in time (I5).
    fn check_timers(&mut self) -> Result<(), Violation> {
        let mut effects = super::Effects::default();
        let mut cx = Context { catalog: &self.catalog, effects: &mut effects, scratch: &mut self.scratch };
        let handles: Vec<u32> = self.state.enrollments.iter().map(|(h, _)| h).collect();
        for handle in handles {
            let e = self.state.enrollments[handle];
            let journey = usize::from(cx.catalog.journey_of(e.plan));
            let due = match self.state.journeys[journey].stopped_at {
                _ if matches!(e.status(), Status::AtSend | Status::AtDoor) => continue,
                Some(stopped) => self.state.drain_time(&mut cx, handle, stopped),
                None => self.state.node_due(&cx, handle).min(self.state.journey_due(&mut cx, handle)),
            };
            let armed = e.links.is_linked() && e.timer() <= due;
            if due != crate::model::Timestamp::MAX && !armed {
                let what = format!("entry {}: due at {due}, but its timer is at {}", e.entry(), e.timer());
                return Err(Violation { id: "I5", what });
            }
        }
        Ok(())
    }
}
