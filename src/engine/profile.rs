//! What a shard remembers of a user beside enrollments: attributes that journeys mention, and marks of past ones.

use super::cold::{put_varint, read_values, take, take_varint, write_values};
use crate::journey::catalog::{JourneyIndex, PlanIndex};
use crate::model::{Slots, Timestamp};

/// What is remembered of a passage that counts for re-entry or conversion (G30).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MarkKind {
    /// An enrollment was created then.
    Entered = 0,
    /// One ended then.
    Left = 1,
    /// One ended without a goal; until then a goal still counts as converted.
    Convertible = 2,
}

/// One remembered passage.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// What is remembered.
    pub kind: MarkKind,
    /// Of which journey.
    pub journey: JourneyIndex,
    /// Of which version.
    pub plan: PlanIndex,
    /// The hash of the key value; 0 without a key.
    pub key: u64,
    /// When, or until when.
    pub at: Timestamp,
    /// Where the kept variables lie in [`Profile::kept`]; only of [`MarkKind::Convertible`].
    pub kept: (u32, u32),
}

/// A user's profile, taken apart. Reused.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The attributes by number.
    pub attributes: Slots,
    /// The marks, oldest first.
    pub marks: Vec<Mark>,
    kept: Vec<u8>,
}

impl Profile {
    /// Forgets everything; attributes are then all missing.
    pub fn clear(&mut self, attributes: usize) {
        self.attributes.reset(attributes);
        self.marks.clear();
        self.kept.clear();
    }

    /// Takes apart what [`Profile::encode`] wrote.
    pub fn decode(&mut self, mut bytes: &[u8], attributes: usize) {
        self.clear(attributes);
        let count = take_varint(&mut bytes);
        for _ in 0..count {
            let Some(head) = take(&mut bytes, 21) else { return };
            let kind = match head[0] {
                0 => MarkKind::Entered,
                1 => MarkKind::Left,
                _ => MarkKind::Convertible,
            };
            let len = take_varint(&mut bytes) as usize;
            let Some(kept) = take(&mut bytes, len) else { return };
            let start = self.kept.len() as u32;
            self.kept.extend_from_slice(kept);
            self.marks.push(Mark {
                kind,
                journey: u16::from_le_bytes([head[1], head[2]]),
                plan: u16::from_le_bytes([head[3], head[4]]),
                key: u64::from_le_bytes(head[5..13].try_into().unwrap_or_default()),
                at: Timestamp(i64::from_le_bytes(head[13..21].try_into().unwrap_or_default())),
                kept: (start, self.kept.len() as u32),
            });
        }
        read_values(bytes, &mut self.attributes);
    }

    /// Appends the stored form; nothing at all if there is nothing to remember.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put_varint(out, self.marks.len() as u64);
        for mark in &self.marks {
            out.push(mark.kind as u8);
            out.extend_from_slice(&mark.journey.to_le_bytes());
            out.extend_from_slice(&mark.plan.to_le_bytes());
            out.extend_from_slice(&mark.key.to_le_bytes());
            out.extend_from_slice(&mark.at.0.to_le_bytes());
            let kept = self.kept(mark);
            put_varint(out, kept.len() as u64);
            out.extend_from_slice(kept);
        }
        write_values(&self.attributes, out);
        if self.marks.is_empty() && out.len() == start + 1 {
            out.truncate(start);
        }
    }

    /// The variables that a mark keeps, as [`super::cold::write_values`] wrote them.
    #[must_use]
    pub fn kept(&self, mark: &Mark) -> &[u8] {
        &self.kept[mark.kept.0 as usize..mark.kept.1 as usize]
    }

    /// Adds a mark that keeps variables.
    pub fn mark(&mut self, mut mark: Mark, variables: Option<&Slots>) {
        let start = self.kept.len() as u32;
        if let Some(values) = variables {
            write_values(values, &mut self.kept);
        }
        mark.kept = (start, self.kept.len() as u32);
        self.marks.push(mark);
    }

    /// The marks of one kind of one journey and key value.
    pub fn of(&self, kind: MarkKind, journey: JourneyIndex, key: u64) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(move |m| m.kind == kind && m.journey == journey && m.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    #[test]
    fn a_profile_reads_back_as_written_and_an_empty_one_is_nothing() {
        let mut profile = Profile::default();
        profile.clear(3);
        let mut bytes = Vec::new();
        profile.encode(&mut bytes);
        assert!(bytes.is_empty());
        profile.attributes.set(1, Value::Str("gold"));
        let mark =
            Mark { kind: MarkKind::Left, journey: 3, plan: 7, key: 9, at: Timestamp(42), kept: (0, 0) };
        profile.mark(mark, Some(&profile.attributes.clone()));
        profile.encode(&mut bytes);
        let mut read = Profile::default();
        read.decode(&bytes, 3);
        assert_eq!(read.attributes.get(1), Value::Str("gold"));
        assert_eq!(read.marks, profile.marks);
        let mut kept = Slots::default();
        kept.reset(3);
        read_values(read.kept(&read.marks[0]), &mut kept);
        assert_eq!(kept.get(1), Value::Str("gold"));
    }
}
