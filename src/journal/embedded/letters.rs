//! Dead letters that are let in once more: appended and noted by one batch.

use std::collections::BTreeMap;

use super::{Embedded, chunk, codec, store::Store, unknown};
use crate::journal::error::{IntakeError, JournalError};
use crate::journal::letters::{Letters, Verdict, collect, judge, stopped};
use crate::journal::record::Append;
use crate::model::Timestamp;

fn time(value: &[u8]) -> Option<Timestamp> {
    Some(Timestamp(i64::from_be_bytes(value.try_into().ok()?)))
}

impl Letters for Embedded {
    fn replayed(&self) -> Result<BTreeMap<u64, Timestamp>, JournalError> {
        let store = self.store();
        store.alive()?;
        let mut notes = BTreeMap::new();
        for guard in store.keys.range(codec::note_key(0)..=codec::note_key(u64::MAX)) {
            let (key, value) = guard.into_inner().map_err(Store::storage("read what was replayed"))?;
            notes.insert(codec::last_number(&key)?, time(&value).unwrap_or(Timestamp::MIN));
        }
        Ok(notes)
    }

    fn replay(&self, now: Timestamp, numbers: &[u64], again: bool) -> Result<Vec<Verdict>, IntakeError> {
        let store = self.store();
        let found = collect(self, numbers).map_err(|error| stopped(&error))?;
        self.admit(found.values().flatten().map(|letter| letter.bytes.len()).sum())?;
        // Whoever has the right to write sees every note, so that of two who replay one letter one does.
        let mut writer = store.writer();
        let mut notes = BTreeMap::new();
        for &number in numbers {
            let note = store.get(&codec::note_key(number)).map_err(|error| stopped(&error))?;
            notes.extend(note.map(|value| (number, time(&value).unwrap_or(Timestamp::MIN))));
        }
        let (chosen, verdicts) = judge(numbers, &found, |number| notes.get(&number).copied(), again);
        if chosen.is_empty() {
            return Ok(verdicts);
        }
        let at = store.append_time(now);
        let records: Vec<Append<'_>> = chosen.iter().map(|(_, letter)| letter.append()).collect();
        let (chunks, _) = chunk(&mut writer, at, &records);
        let mut batch = store.batch(chunks.len() + chosen.len());
        for ((shard, log), pieces) in chunks {
            for (base, bytes) in pieces {
                batch.insert(&store.keys, codec::accepted_key(shard, log, base), bytes);
            }
        }
        for (number, _) in &chosen {
            batch.insert(&store.keys, codec::note_key(*number), at.0.to_be_bytes());
        }
        let ticket = store.write(&mut writer, batch).map_err(|error| unknown(&error))?;
        store.appended(&writer);
        drop(writer);
        store.settle(ticket).map_err(|error| unknown(&error))?;
        Ok(verdicts)
    }
}
