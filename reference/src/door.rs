//! The door of a limited journey over several shards (G26): each shard admits no more than its share, whoever comes
//! beyond that waits, and enters in the order of coming when the share grows.

use serde_json::{Map, Value as Json};
use wayfarer::model::Timestamp;

use crate::entry::Visitor;
use crate::world::World;

/// Somebody who qualified and has not entered.
pub(crate) struct AtDoor {
    pub(crate) journey: usize,
    pub(crate) user: String,
    pub(crate) key: Option<Json>,
    pub(crate) properties: Map<String, Json>,
}

/// How many a shard may admit in all, how many it has admitted, and whether there will be no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) granted: u64,
    pub(crate) admitted: u64,
    pub(crate) exhausted: bool,
}

impl World {
    pub(crate) fn share(&mut self, j: usize, user: &str) -> &mut Share {
        let shard = self.shard(user);
        self.shares.entry((j, shard)).or_default()
    }

    /// The shards may admit that many in all from now on.
    pub fn grant(&mut self, at: Timestamp, journey: &str, granted: &[u64], exhausted: bool) {
        self.before(at);
        let Some(j) = self.journeys.iter().position(|j| j.id == journey) else { return };
        for (shard, &granted) in (0..).zip(granted) {
            let share = self.shares.entry((j, shard)).or_default();
            (share.granted, share.exhausted) = (granted.max(share.admitted), exhausted);
        }
        for waiting in std::mem::take(&mut self.door) {
            if waiting.journey != j {
                self.door.push(waiting);
                continue;
            }
            let share = *self.share(j, &waiting.user);
            let visitor = waiting.visitor(self.now);
            if share.admitted < share.granted && self.too_soon(j, &visitor, waiting.key.as_ref()) {
                self.refuse(j, &visitor, "reentry");
            } else if share.admitted < share.granted {
                self.rule("door");
                self.enroll(j, &visitor);
            } else if share.exhausted {
                self.refuse(j, &visitor, "entry_limit");
            } else {
                self.door.push(waiting);
            }
        }
    }

    /// Entry shuts: whoever is at the door will not enter.
    pub(crate) fn clear_door(&mut self, j: usize) {
        for waiting in self.leave_door(|waiting| waiting.journey == j) {
            self.refuse(j, &waiting.visitor(self.now), "entry_shut");
        }
    }

    /// Takes from the door whom `leaves` means.
    pub(crate) fn leave_door(&mut self, leaves: impl Fn(&AtDoor) -> bool) -> Vec<AtDoor> {
        let (left, stay) = std::mem::take(&mut self.door).into_iter().partition(leaves);
        self.door = stay;
        left
    }

    /// How many are at a journey's door.
    #[must_use]
    pub fn at_door(&self, journey: &str) -> u64 {
        self.door.iter().filter(|waiting| self.journeys[waiting.journey].id == journey).count() as u64
    }
}

impl AtDoor {
    fn visitor(&self, now: Timestamp) -> Visitor<'_> {
        Visitor { user: &self.user, properties: &self.properties, zone: None, time: now, late_ms: 0 }
    }
}
