//! Who can have the load: the deployment that a scenario is about, a second one, the bare Kafka loop.

use std::time::Duration;

use super::bare::Bare;
use super::system::System;
use crate::error::Result;
use crate::scenario::{Deployment, On, Published};
use crate::topics::Topics;

/// What is seen of whoever has the load.
pub trait Side: Sync {
    /// What the names of its own topics begin with, and its group's is.
    fn prefix(&self) -> &str;
    /// A topic of its own, by its key in `[topics]`: `events`, `sends`.
    fn topic(&self, key: &str) -> String {
        format!("{}{key}", self.prefix())
    }
    /// The group that reads its events.
    fn group(&self) -> &str {
        self.prefix().trim_end_matches('.')
    }
    /// What its processes have had of the processors, and their resident memory in bytes.
    fn used(&self) -> (Duration, u64);
    /// That its processes go on.
    ///
    /// # Errors
    /// One has ended by itself.
    fn is_alive(&self) -> Result<()>;
}

/// A deployment that runs.
pub struct Deployed<'a> {
    /// As it was asked for.
    pub asked: Deployment<'a>,
    /// Its journeys.
    pub journeys: Vec<Published>,
    /// What runs.
    pub system: System,
}

/// All who take part in a run.
pub struct Sides<'a> {
    /// What the scenario is about.
    pub own: Deployed<'a>,
    /// The second deployment, if a scenario has one.
    pub beside: Option<Deployed<'a>>,
    /// The bare loop, if a phase is on it.
    pub bare: Option<Bare>,
}

impl Sides<'_> {
    /// All of them, with how many partitions each reads.
    #[must_use]
    pub fn all(&self) -> Vec<(On, &dyn Side, u16)> {
        let mut all: Vec<(On, &dyn Side, u16)> =
            vec![(On::Wayfarer, &self.own.system, self.own.asked.system.partitions)];
        if let Some(beside) = &self.beside {
            all.push((On::Beside, &beside.system, beside.asked.system.partitions));
        }
        if let Some(bare) = &self.bare {
            all.push((On::Bare, bare, self.own.asked.system.partitions));
        }
        all
    }

    /// The deployment that has the load; the bare loop gets that of the scenario's own.
    #[must_use]
    pub fn deployed(&self, on: On) -> &Deployed<'_> {
        match (on, &self.beside) {
            (On::Beside, Some(beside)) => beside,
            _ => &self.own,
        }
    }

    /// Deletes everybody's topics.
    pub fn forget(&self, topics: &Topics) {
        self.own.system.forget(topics);
        if let Some(beside) = &self.beside {
            beside.system.forget(topics);
        }
        if let Some(bare) = &self.bare {
            bare.forget(topics);
        }
    }

    /// Ends everybody's processes.
    pub fn end(&self) {
        self.own.system.end();
        if let Some(beside) = &self.beside {
            beside.system.end();
        }
        if let Some(bare) = &self.bare {
            bare.end();
        }
    }
}
