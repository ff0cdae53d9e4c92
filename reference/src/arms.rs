//! How a `random_split` gives its 10,000 slots to its arms (G34).

use wayfarer::journey::definition::RandomBranch;
use wayfarer::model::hash::ARM_SLOTS;

/// How many slots each arm is to have: its percentage, to two decimals.
fn wanted(branches: &[RandomBranch], arms: usize) -> Vec<usize> {
    (0..arms).map(|arm| branches.get(arm).map_or(0, |b| (b.weight * 100.0).round() as usize)).collect()
}

/// The arm of each slot when a journey is first published: contiguous runs, in the order of the arms.
#[must_use]
pub fn first_slots(branches: &[RandomBranch]) -> Vec<usize> {
    let counts = wanted(branches, branches.len());
    let mut slots: Vec<usize> =
        counts.iter().enumerate().flat_map(|(arm, &n)| std::iter::repeat_n(arm, n)).collect();
    // A definition whose weights add up to 100 fills all slots; rounding of others falls to the last arm.
    slots.resize(usize::from(ARM_SLOTS), branches.len().saturating_sub(1));
    slots
}

/// The arm of each slot after a change of weights: the fewest slots move, and only out of shrinking arms.
///
/// Every shrinking arm gives up its highest-numbered slots. What was given up, in ascending order, goes to
/// the growing arms in the order of the arms, each taking what it lacks. Arms are told apart by their place
/// in the file.
#[must_use]
pub fn moved_slots(before: &[usize], branches: &[RandomBranch]) -> Vec<usize> {
    let arms = branches.len().max(before.iter().max().map_or(0, |m| m + 1));
    let wanted = wanted(branches, arms);
    let mut slots = before.to_vec();
    let mut freed = Vec::new();
    for (arm, &want) in wanted.iter().enumerate() {
        let own: Vec<usize> = (0..before.len()).filter(|&slot| before[slot] == arm).collect();
        freed.extend_from_slice(own.get(want..).unwrap_or(&[]));
    }
    freed.sort_unstable();
    let mut freed = freed.into_iter();
    for (arm, &want) in wanted.iter().enumerate() {
        let has = before.iter().filter(|&&a| a == arm).count();
        for slot in freed.by_ref().take(want.saturating_sub(has)) {
            slots[slot] = arm;
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branches(weights: &[f64]) -> Vec<RandomBranch> {
        weights.iter().map(|&weight| RandomBranch { weight, to: "exit".to_owned() }).collect()
    }

    #[test]
    fn new_weights_move_the_fewest_slots_out_of_shrinking_arms() {
        let before = first_slots(&branches(&[50.0, 30.0, 20.0]));
        assert_eq!((before[4_999], before[5_000], before[8_000]), (0, 1, 2));
        let after = moved_slots(&before, &branches(&[40.0, 25.0, 35.0]));
        let moved: Vec<usize> = (0..10_000).filter(|&s| before[s] != after[s]).collect();
        assert_eq!(moved, (4_000..5_000).chain(7_500..8_000).collect::<Vec<_>>());
        assert!(moved.iter().all(|&s| after[s] == 2));
        let back = moved_slots(&after, &branches(&[45.0, 25.0, 30.0]));
        // Arm 2 holds 4000..5000, 7500..8000 and 8000..10000: it gives up 9500..10000.
        assert!((9_500..10_000).all(|s| back[s] == 0));
    }
}
