//! Which slot of a `random_split` belongs to which arm (G34).
//!
//! A user's slot is a hash and never changes; the table says whose it is. New weights move as few slots as possible,
//! out of shrinking arms only, so nobody changes arms who does not have to.

use crate::model::hash::ARM_SLOTS;

/// The arm of each of the [`ARM_SLOTS`] slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arms {
    slots: Vec<u8>,
    shares: Vec<u16>,
}

impl Arms {
    /// A fresh table: each arm takes the next slots, in order. `weights` are percents that add up to 100.
    #[must_use]
    pub fn new(weights: &[f64]) -> Self {
        let shares = shares(weights);
        let slots = shares
            .iter()
            .enumerate()
            .flat_map(|(arm, &n)| std::iter::repeat_n(arm as u8, usize::from(n)))
            .collect();
        Self { slots, shares }
    }

    /// The table after a change of weights: each shrinking arm, in order, gives up its highest slots; the freed slots,
    /// lowest first, go to the growing arms in order. A change of the number of arms starts afresh.
    #[must_use]
    pub fn reweighted(&self, weights: &[f64]) -> Self {
        let shares = shares(weights);
        if shares.len() != self.shares.len() {
            return Self::new(weights);
        }
        let mut slots = self.slots.clone();
        let mut freed = Vec::new();
        for (arm, (&old, &new)) in self.shares.iter().zip(&shares).enumerate() {
            let own =
                slots.iter().enumerate().rev().filter(|&(_, &a)| usize::from(a) == arm).map(|(slot, _)| slot);
            freed.extend(own.take(usize::from(old.saturating_sub(new))));
        }
        freed.sort_unstable();
        let mut freed = freed.into_iter();
        for (arm, (&old, &new)) in self.shares.iter().zip(&shares).enumerate() {
            for slot in freed.by_ref().take(usize::from(new.saturating_sub(old))) {
                slots[slot] = arm as u8;
            }
        }
        Self { slots, shares }
    }

    /// The arm of a slot.
    #[must_use]
    pub fn arm(&self, slot: u16) -> u8 {
        self.slots[usize::from(slot)]
    }
}

/// Whole slots an arm; what rounding leaves over goes to the last arm that has any.
fn shares(weights: &[f64]) -> Vec<u16> {
    let mut shares: Vec<u16> = weights
        .iter()
        .map(|w| (w * f64::from(ARM_SLOTS) / 100.0).round().clamp(0.0, f64::from(ARM_SLOTS)) as u16)
        .collect();
    let mut total: i32 = shares.iter().map(|&s| i32::from(s)).sum();
    for share in shares.iter_mut().rev().filter(|s| **s > 0) {
        let corrected = (i32::from(*share) + i32::from(ARM_SLOTS) - total).max(0);
        total += corrected - i32::from(*share);
        *share = corrected as u16;
        if total == i32::from(ARM_SLOTS) {
            break;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(arms: &Arms, arm: u8) -> usize {
        arms.slots.iter().filter(|&&a| a == arm).count()
    }

    #[test]
    fn new_weights_move_only_users_of_shrinking_arms_and_no_more_than_needed() {
        let before = Arms::new(&[50.0, 30.0, 20.0]);
        let after = before.reweighted(&[40.0, 30.0, 30.0]);
        let moved: Vec<_> = (0..ARM_SLOTS).filter(|&s| before.arm(s) != after.arm(s)).collect();
        assert_eq!(moved.len(), 1_000);
        assert!(moved.iter().all(|&s| before.arm(s) == 0 && after.arm(s) == 2));
        assert_eq!((count(&after, 0), count(&after, 1), count(&after, 2)), (4_000, 3_000, 3_000));
    }

    #[test]
    fn every_slot_has_an_arm_whatever_the_rounding() {
        for weights in [&[33.33, 33.33, 33.34][..], &[100.0], &[0.0, 100.0], &[99.99, 0.01]] {
            assert_eq!(Arms::new(weights).slots.len(), usize::from(ARM_SLOTS), "{weights:?}");
        }
    }
}
