//! The paced cursor of each audience list in one shard: where it stands is committed with the shard (G8).
//!
//! A list's rows lie in one run of the shard's log of lists, which the manifest names. Shut entry halts the
//! cursor; after a stop the rest is put to the gate all the same, which refuses and counts it.

use std::collections::BTreeMap;

use crate::engine::record_digest;
use crate::journey::catalog::JourneyIndex;

/// The first byte of the state records of cursors; then the journey's number, big-endian.
pub const KEY: u8 = b'l';

/// How far one list has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// The epoch of the list's manifest.
    pub epoch: u64,
    /// The row to take next.
    pub next: u64,
    /// Behind the last row.
    pub end: u64,
}

impl Cursor {
    /// Whether the shard has taken the list's end.
    #[must_use]
    pub const fn is_done(self) -> bool {
        self.next >= self.end
    }

    fn encode(self) -> Vec<u8> {
        [self.epoch, self.next, self.end].iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.chunks_exact(8).map(|b| b.try_into().map(u64::from_le_bytes));
        let mut number = || numbers.next()?.ok();
        Some(Self { epoch: number()?, next: number()?, end: number()? })
    }
}

/// The cursors of one shard, as they are and as they were committed last.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    now: BTreeMap<JourneyIndex, Cursor>,
    committed: BTreeMap<JourneyIndex, Cursor>,
    /// What the records of those that are committed add to the digest of what is kept beside the engine's records.
    sum: u128,
}

/// What a cursor's record adds.
fn digest(journey: JourneyIndex, cursor: Cursor) -> u128 {
    let [high, low] = journey.to_be_bytes();
    record_digest(&[KEY, high, low], &cursor.encode())
}

impl Lists {
    /// Takes a state record that was stored; `None` if it is not one of a cursor that can be read.
    pub fn restore(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let journey = JourneyIndex::from_be_bytes(key.strip_prefix(&[KEY])?.try_into().ok()?);
        let cursor = Cursor::decode(value)?;
        self.now.insert(journey, cursor);
        self.committed.insert(journey, cursor);
        self.sum = self.sum.wrapping_add(digest(journey, cursor));
        Some(())
    }

    /// A list was uploaded: it takes the place of the journey's list before.
    pub fn begin(&mut self, journey: JourneyIndex, cursor: Cursor) {
        self.now.insert(journey, cursor);
    }

    /// The lists that have rows left.
    pub fn unfinished(&self) -> impl Iterator<Item = (JourneyIndex, Cursor)> {
        self.now.iter().filter(|(_, cursor)| !cursor.is_done()).map(|(journey, cursor)| (*journey, *cursor))
    }

    /// All lists, as committed.
    pub fn committed(&self) -> impl Iterator<Item = (JourneyIndex, Cursor)> {
        self.committed.iter().map(|(journey, cursor)| (*journey, *cursor))
    }

    /// Rows up to there have been taken.
    pub fn advance(&mut self, journey: JourneyIndex, next: u64) {
        if let Some(cursor) = self.now.get_mut(&journey) {
            cursor.next = next.max(cursor.next);
        }
    }

    /// Whether a commit has something to write.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.now != self.committed
    }

    /// The rows before this offset are needed no more: what the journal may forget.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        let unfinished = self.unfinished().map(|(_, cursor)| cursor.next).min();
        unfinished.or_else(|| self.now.values().map(|cursor| cursor.end).max())
    }

    /// Gives each changed record to `put`.
    pub fn write(&self, put: &mut dyn FnMut(&[u8], &[u8])) {
        for (journey, cursor) in &self.now {
            if self.committed.get(journey) != Some(cursor) {
                let [high, low] = journey.to_be_bytes();
                put(&[KEY, high, low], &cursor.encode());
            }
        }
    }

    /// What all records add to the digest, once they are written.
    #[must_use]
    pub fn sum(&self) -> u128 {
        if !self.is_dirty() {
            return self.sum;
        }
        let changed = self.now.iter().filter(|(journey, cursor)| self.committed.get(journey) != Some(cursor));
        changed.fold(self.sum, |sum, (journey, cursor)| {
            let before = self.committed.get(journey).map_or(0, |before| digest(*journey, *before));
            sum.wrapping_sub(before).wrapping_add(digest(*journey, *cursor))
        })
    }

    /// The commit has happened.
    pub fn keep(&mut self) {
        if self.is_dirty() {
            self.sum = self.sum();
            self.committed = self.now.clone();
        }
    }

    /// It has not.
    pub fn undo(&mut self) {
        if self.is_dirty() {
            self.now = self.committed.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_as_it_was_written_and_undone_to_what_was_committed() {
        let mut lists = Lists::default();
        lists.begin(3, Cursor { epoch: 7, next: 10, end: 20 });
        lists.advance(3, 15);
        let mut stored = Vec::new();
        lists.write(&mut |key, value| stored.push((key.to_vec(), value.to_vec())));
        lists.keep();
        assert_eq!(lists.position(), Some(15));
        lists.advance(3, 20);
        assert_eq!((lists.unfinished().count(), lists.position()), (0, Some(20)));
        lists.undo();
        let mut restored = Lists::default();
        restored.restore(&stored[0].0, &stored[0].1).expect("it was just written");
        assert_eq!(restored.unfinished().collect::<Vec<_>>(), lists.unfinished().collect::<Vec<_>>());
        assert_eq!(stored.len(), 1);
    }
}
