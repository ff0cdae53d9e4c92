//! The published hashes. They decide shards, arms, drain times and idempotency keys, so they never change.
//!
//! Each use has its own seed, so that the shard of a user says nothing about the arm that the user gets. A change
//! here would move users between arms and shards in the middle of a journey: the test vectors below stand for that.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use super::time::{Interval, Timestamp};

const SEED_SHARD: u64 = 0x57_41_59_01;
const SEED_ARM: u64 = 0x57_41_59_02;
const SEED_DRAIN: u64 = 0x57_41_59_03;
const SEED_KEY: u64 = 0x57_41_59_04;

/// The slots over which a `random_split` distributes its weights.
pub const ARM_SLOTS: u16 = 10_000;

/// The shard of a user among `shards`, where the journal has no partitioner of its own.
#[must_use]
pub fn shard_of(user: &str, shards: u16) -> u16 {
    (user_hash(user) % u64::from(shards.max(1))) as u16
}

/// The hash by which a shard finds a user.
#[must_use]
pub fn user_hash(user: &str) -> u64 {
    xxh3_64_with_seed(user.as_bytes(), SEED_SHARD)
}

/// By what a message is known within the duplicate window.
#[must_use]
pub fn fingerprint(message_id: &str) -> u64 {
    xxh3_64(message_id.as_bytes())
}

/// A user's slot in a `random_split`, below [`ARM_SLOTS`]: the same for every version of the journey (G34).
#[must_use]
pub fn arm_slot(journey: &str, node: &str, user: &str) -> u16 {
    (of_parts(SEED_ARM, &[journey, node, user]) % u64::from(ARM_SLOTS)) as u16
}

/// When an enrollment leaves a journey stopped at `stopped`: spread evenly over `window` (G12).
///
/// Always at or after `stopped`, and before `stopped + window`.
#[must_use]
pub fn drain_at(stopped: Timestamp, window: Interval, journey: &str, user: &str) -> Timestamp {
    let share = of_parts(SEED_DRAIN, &[journey, user]);
    let offset = (u128::from(share) * u128::from(window.as_millis())) >> 64;
    stopped + Interval(offset as u64)
}

/// The idempotency key of a send: the same for the same start of the same node by the same enrollment.
///
/// `entered` is the time at which the enrollment was created and `entry` its number in its shard; `start` counts the
/// nodes that it has started.
#[must_use]
pub fn idempotency_key(
    journey: &str,
    user: &str,
    entered: Timestamp,
    entry: u64,
    node: &str,
    start: u32,
) -> u128 {
    let mut hash = Xxh3::with_seed(SEED_KEY);
    for part in [journey, user, node] {
        hash.update(part.as_bytes());
        hash.update(&[0xff]);
    }
    hash.update(&entered.0.to_le_bytes());
    hash.update(&entry.to_le_bytes());
    hash.update(&start.to_le_bytes());
    hash.digest128()
}

/// 0xff never occurs in UTF-8, so no two lists of texts feed the same bytes.
fn of_parts(seed: u64, parts: &[&str]) -> u64 {
    let mut buffer = [0u8; 256];
    let len: usize = parts.iter().map(|p| p.len() + 1).sum();
    if len > buffer.len() {
        let mut hash = Xxh3::with_seed(seed);
        for part in parts {
            hash.update(part.as_bytes());
            hash.update(&[0xff]);
        }
        return hash.digest();
    }
    let mut at = 0;
    for part in parts {
        buffer[at..at + part.len()].copy_from_slice(part.as_bytes());
        buffer[at + part.len()] = 0xff;
        at += part.len() + 1;
    }
    xxh3_64_with_seed(&buffer[..len], seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_parts_hash_alike() {
        let long = "x".repeat(300);
        let mut hash = Xxh3::with_seed(7);
        hash.update(b"a\xffb\xff");
        assert_eq!(of_parts(7, &["a", "b"]), hash.digest());
        let mut hash = Xxh3::with_seed(7);
        hash.update(long.as_bytes());
        hash.update(&[0xff]);
        assert_eq!(of_parts(7, &[&long]), hash.digest());
    }

    #[test]
    fn a_drain_ends_within_its_window() {
        let (t, window) = (Timestamp(1_000), Interval::from_days(30));
        for n in 0..10_000 {
            let at = drain_at(t, window, "j", &format!("user-{n}"));
            assert!(at >= t && at < t + window);
        }
    }
}
