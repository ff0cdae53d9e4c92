//! Failures that are charged to a journey, and whom a spent budget parks where there is no Error (G17).

use wayfarer::model::{Interval, Timestamp};

use crate::tables::Gate;
use crate::world::{Position, World};

/// What failed in a journey within an hour, in one shard.
#[derive(Default)]
pub(crate) struct Failures {
    since: Option<Timestamp>,
    count: u32,
    /// The enrollments that failed while the budget was not spent.
    whose: Vec<usize>,
}

impl World {
    /// A failure of a journey, for a user or for nobody in particular.
    pub fn failure(&mut self, append: Timestamp, journey: &str, user: Option<&str>) {
        self.before(append);
        let Some(j) = self.journeys.iter().position(|j| j.id == journey && j.published()) else { return };
        let budget = self.journeys[j].definition().failure_budget;
        let parks = self.journeys[j].dialect.name == "clevertap";
        if !parks && !self.can_fail(j) {
            return;
        }
        let of = |e: &&usize| user.is_some_and(|user| self.enrollments[**e].user == user);
        let theirs: Vec<usize> = self.inside(j).iter().filter(of).copied().collect();
        let shard = self.shard(user.unwrap_or(""));
        let now = self.now;
        let failures = self.failures.entry((j, shard)).or_default();
        let waits_for_error = !parks && failures.count >= budget;
        if !waits_for_error && failures.since.is_none_or(|since| now.since(since) >= Interval::from_hours(1))
        {
            *failures = Failures { since: Some(now), ..Failures::default() };
        }
        failures.count += 1;
        if failures.count < budget {
            failures.whose.extend(theirs);
            return;
        }
        let mut concerned = std::mem::take(&mut failures.whose);
        concerned.extend(theirs);
        if failures.count == budget {
            self.alarms.push(journey.to_owned());
            self.rule("G17");
        }
        if !parks {
            return;
        }
        concerned.sort_unstable();
        concerned.dedup();
        for e in concerned {
            self.park(e);
        }
    }

    fn park(&mut self, e: usize) {
        let stopped = self.journey_of(e).movement() == Gate::Shut;
        if self.enrollments[e].ended() || stopped {
            return;
        }
        // A release that is going on does not let go whom a failure concerns meanwhile.
        if let Position::Held { released, .. } = &mut self.enrollments[e].position {
            *released = false;
        }
        if !std::mem::replace(&mut self.enrollments[e].parked, true) {
            self.rule("parked");
            let node = self.enrollments[e].node.clone();
            self.tell(e, "parked", node.as_deref(), Some("failure_budget"), None);
        }
    }

    /// Only these lead to Error.
    pub(crate) fn can_fail(&self, j: usize) -> bool {
        matches!(self.journeys[j].state, "Active" | "Closed")
    }

    /// The journeys that are to go to Error as soon as somebody gets round to it, whatever happened to whom.
    #[must_use]
    pub fn spent(&self) -> Vec<String> {
        let is_spent = |j: usize| {
            let budget = || self.journeys[j].definition().failure_budget;
            let of = self.failures.iter().filter(|((journey, _), _)| *journey == j);
            self.journeys[j].dialect.name == "antsomi" && of.into_iter().any(|(_, f)| f.count >= budget())
        };
        (0..self.journeys.len()).filter(|j| is_spent(*j)).map(|j| self.journeys[j].id.clone()).collect()
    }

    /// An operator lets people of a journey go: it has its whole budget again.
    pub(crate) fn forgive(&mut self, j: usize) {
        self.failures.retain(|(journey, _), _| *journey != j);
    }
}
