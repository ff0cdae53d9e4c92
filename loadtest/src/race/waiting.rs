//! Whether an entrant's result is the job's: who waits when all is done, by what the entrant has written.

use std::collections::HashMap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::topics::Topics;
use crate::traffic::{Traffic, user_id};
use crate::verify::cycle;

/// By user: the number of the last word on them, and whether they wait. Nobody walks it: it is asked for one after the
/// other.
#[derive(Debug, Default)]
pub struct Waiting(HashMap<Vec<u8>, (u64, bool)>);

impl Waiting {
    /// By a topic of state, whose key is the user: everybody whose last record is no tombstone.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn by_state(topics: &Topics, topic: &str, partitions: u16) -> Result<Self> {
        let mut waiting = Self::default();
        topics.read(topic, partitions, |record| {
            let number = record.offset().unsigned_abs();
            waiting.state(record.key().unwrap_or_default(), number, record.value().is_some());
        })?;
        Ok(waiting)
    }

    fn state(&mut self, user: &[u8], number: u64, waits: bool) {
        match self.0.get_mut(user) {
            Some(known) if known.0 > number => {}
            Some(known) => *known = (number, waits),
            None => {
                self.0.insert(user.to_vec(), (number, waits));
            }
        }
    }

    /// By Wayfarer's lines of movements: everybody who entered, and did not exit since. A worker has a partition for them,
    /// so those of a shard that moved lie in two, and the number of the shard's commit says which came last.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn by_movements(topics: &Topics, topic: &str, partitions: u16) -> Result<Self> {
        let mut waiting = Self::default();
        topics.read(topic, partitions, |record| {
            // What says no commit is not ours: the comparison tells.
            let seq = record.key().and_then(cycle::origin).map_or(0, |origin| origin.seq);
            waiting.movement(seq, record.value().unwrap_or_default());
        })?;
        Ok(waiting)
    }

    fn movement(&mut self, seq: u64, line: &[u8]) {
        // What is no line has nobody moving: the comparison tells.
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        let waits = match line["what"].as_str() {
            Some("entered") => true,
            Some("exited") => false,
            _ => return,
        };
        self.state(line["user"].as_str().unwrap_or_default().as_bytes(), seq, waits);
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.values().filter(|(_, waits)| *waits).count()
    }

    fn waits(&self, user: &[u8]) -> bool {
        self.0.get(user).is_some_and(|(_, waits)| *waits)
    }

    /// Compares with the shop after its last event.
    ///
    /// # Errors
    /// Somebody is missing, or is too many.
    pub fn compare(&self, shop: &Traffic, who: &str) -> Result<()> {
        let (mut should, mut missing) = (0, None);
        for user in (0..shop.users()).filter(|user| shop.has_cart(*user)) {
            should += 1;
            let id = user_id(user);
            if !self.waits(id.as_bytes()) {
                missing.get_or_insert(id);
            }
        }
        let waits = self.count();
        let void = match missing {
            Some(id) => {
                format!("{who} has {waits} users waiting, and {id} is not among them: {should} should")
            }
            None if waits != should => format!("{who} has {waits} users waiting, and should have {should}"),
            None => return Ok(()),
        };
        Err(Error(format!("{void}; the race is void")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Shape;

    fn shop() -> Traffic {
        let mut shop = Traffic::new(&Shape { users: 300, orders: 30, seed: 5 });
        for _ in 0..2_000 {
            shop.step();
        }
        shop
    }

    fn right(shop: &Traffic) -> Waiting {
        let mut waiting = Waiting::default();
        for user in 0..shop.users() {
            waiting.state(user_id(user).as_bytes(), 1, true);
            waiting.state(user_id(user).as_bytes(), 2, shop.has_cart(user));
        }
        waiting
    }

    #[test]
    fn who_is_missing_or_too_many_makes_the_race_void() {
        let shop = shop();
        let (mut missing, mut surplus, mut swapped) = (right(&shop), right(&shop), right(&shop));
        right(&shop).compare(&shop, "x").expect("it is right");
        let user =
            |waits| (0..300).find(|user| shop.has_cart(*user) == waits).map(user_id).expect("there are both");
        missing.state(user(true).as_bytes(), 3, false);
        surplus.state(user(false).as_bytes(), 3, true);
        swapped.state(user(true).as_bytes(), 3, false);
        swapped.state(user(false).as_bytes(), 3, true);
        for wrong in [missing, surplus, swapped] {
            let said = wrong.compare(&shop, "x").expect_err("it is wrong").to_string();
            assert!(said.starts_with("x has ") && said.ends_with("the race is void"), "{said}");
        }
    }

    #[test]
    fn who_entered_and_did_not_exit_waits_whatever_is_read_first() {
        let mut waiting = Waiting::default();
        let moved = [
            ("a", 1, "entered"),
            ("a", 1, "waiting"),
            ("b", 1, "entered"),
            ("b", 1, "converted"),
            ("b", 2, "exited"),
            // The partition of the shard's former worker is read behind that of its present one.
            ("c", 7, "entered"),
            ("c", 6, "exited"),
            ("d", 7, "exited"),
            ("d", 6, "entered"),
        ];
        for (user, seq, what) in moved {
            waiting.movement(seq, format!(r#"{{"user":"{user}","what":"{what}"}}"#).as_bytes());
        }
        assert_eq!(
            ["a", "b", "c", "d"].map(|user| waiting.waits(user.as_bytes())),
            [true, false, true, false]
        );
    }
}
