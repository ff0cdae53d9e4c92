//! Whether an entrant's result is the job's: who waits when all is done, by what the entrant has written.

use std::collections::HashSet;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::topics::Topics;
use crate::traffic::{Traffic, user_id};

/// Who waits. Nobody walks it: it is asked for one after the other.
#[derive(Debug, Default, PartialEq)]
pub struct Waiting(HashSet<Vec<u8>>);

impl Waiting {
    /// By a topic of state, whose key is the user: everybody whose last record is no tombstone.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn by_state(topics: &Topics, topic: &str, partitions: u16) -> Result<Self> {
        let mut waiting = Self::default();
        topics.read(topic, partitions, |record| {
            waiting.state(record.key().unwrap_or_default(), record.value().is_some());
        })?;
        Ok(waiting)
    }

    fn state(&mut self, user: &[u8], waits: bool) {
        if waits {
            self.0.insert(user.to_vec());
        } else {
            self.0.remove(user);
        }
    }

    /// By Wayfarer's lines of movements: everybody who entered, and did not exit since.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn by_movements(topics: &Topics, topic: &str, partitions: u16) -> Result<Self> {
        let mut waiting = Self::default();
        topics.read(topic, partitions, |record| waiting.movement(record.value().unwrap_or_default()))?;
        Ok(waiting)
    }

    fn movement(&mut self, line: &[u8]) {
        // What is no line has nobody moving: the comparison tells.
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        let waits = match line["what"].as_str() {
            Some("entered") => true,
            Some("exited") => false,
            _ => return,
        };
        self.state(line["user"].as_str().unwrap_or_default().as_bytes(), waits);
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
            if !self.0.contains(id.as_bytes()) {
                missing.get_or_insert(id);
            }
        }
        let waits = self.0.len();
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
            waiting.state(user_id(user).as_bytes(), true);
            waiting.state(user_id(user).as_bytes(), shop.has_cart(user));
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
        missing.state(user(true).as_bytes(), false);
        surplus.state(user(false).as_bytes(), true);
        swapped.state(user(true).as_bytes(), false);
        swapped.state(user(false).as_bytes(), true);
        for wrong in [missing, surplus, swapped] {
            let said = wrong.compare(&shop, "x").expect_err("it is wrong").to_string();
            assert!(said.starts_with("x has ") && said.ends_with("the race is void"), "{said}");
        }
    }

    #[test]
    fn who_entered_and_did_not_exit_waits() {
        let mut waiting = Waiting::default();
        for (user, what) in
            [("a", "entered"), ("a", "waiting"), ("b", "entered"), ("b", "converted"), ("b", "exited")]
        {
            waiting.movement(format!(r#"{{"user":"{user}","what":"{what}"}}"#).as_bytes());
        }
        assert_eq!(waiting, Waiting([b"a".to_vec()].into()));
    }
}
