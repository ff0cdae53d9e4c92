//! The control log, folded by the code that instances fold it by, and given out epoch by epoch.

use std::collections::VecDeque;
use std::sync::Arc;

use super::trouble::{Stop, Trouble};
use crate::control::story::Chapter;
use crate::journal::JournalError;
use crate::journal::history::History;
use crate::replay::story::verb;
use crate::worker::desk::{Desk, DeskError, Step, Stored};

/// How many records are read at once.
const AT_ONCE: usize = 256;

/// The epochs that some shard still has to take.
pub(super) struct Steps<'a, H> {
    history: &'a H,
    desk: Desk,
    window: VecDeque<Arc<Step>>,
}

fn trouble(error: DeskError) -> Stop {
    match error {
        DeskError::Journal(error) => error.into(),
        DeskError::Unreadable { .. } => Trouble::Control(error.to_string()).into(),
    }
}

impl<'a, H: History> Steps<'a, H> {
    pub(super) fn new(history: &'a H) -> Self {
        Self { history, desk: Desk::new(), window: VecDeque::new() }
    }

    /// The step of an epoch. The records up to it must be there, all of them.
    pub(super) fn get(&mut self, number: u64) -> Result<Arc<Step>, Stop> {
        while self.desk.next() < number {
            let records = self.history.control(self.desk.next(), AT_ONCE)?;
            if records.is_empty() {
                break;
            }
            for record in &records {
                if let Some(Ok((_, Some(step)))) = self.desk.apply(record).map_err(trouble)? {
                    self.window.push_back(step);
                }
            }
        }
        let known = self.window.binary_search_by_key(&number, |step| step.epoch.number);
        known.map(|at| Arc::clone(&self.window[at])).map_err(|_| {
            let end = self.desk.next();
            Trouble::Control(format!(
                "the control log has no command that makes epoch {number}; it was read to {end}"
            ))
            .into()
        })
    }

    /// No shard will ask for epochs up to this one any more.
    pub(super) fn forget(&mut self, taken: u64) {
        while self.window.pop_front_if(|step| step.epoch.number <= taken).is_some() {}
    }
}

/// Every command of the log, as a story tells it.
pub(super) fn verbs(history: &impl History) -> Result<Vec<Chapter>, JournalError> {
    let (mut desk, mut verbs) = (Desk::new(), Vec::new());
    loop {
        let records = history.control(desk.next(), AT_ONCE)?;
        if records.is_empty() {
            return Ok(verbs);
        }
        for record in &records {
            // Whoever replays has said already what cannot be read.
            let Ok(answered) = desk.apply(record) else { return Ok(verbs) };
            let Some(answered) = answered else { continue };
            let Ok(stored) = serde_json::from_slice::<Stored>(&record.bytes) else { return Ok(verbs) };
            let answered = answered.map(drop);
            verbs.push(verb(record.appended, &stored.record, answered.as_ref().err(), desk.fold()));
        }
    }
}
