//! The bounded memory of idempotency keys: the same key with the same request gets the first answer, with
//! another request a refusal.
//!
//! For commands the control log remembers too, and outlives a restart; for API entries and uploads this
//! memory is all there is: it holds the latest [`KEYS_MAX`] keys, until the process ends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;

use super::error::{ApiError, Reply};
use super::names::shown;

/// How many keys are remembered, the latest ones. At some 400 bytes each they stay below 32 MiB.
pub const KEYS_MAX: usize = 65_536;

/// The keys that were used.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Looked up only, never walked.
    by_key: HashMap<String, Used>,
    /// The keys, oldest first.
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Used {
    request: u128,
    /// None while the first request is at work.
    reply: Option<Reply>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is the first: do it, and tell.
    First(Ticket),
    /// It was done: this was the answer.
    Again(Reply),
}

/// The duty to say what came of the first request with a key; dropped, the key is free again.
#[derive(Debug)]
pub(super) struct Ticket {
    repeats: Arc<Repeats>,
    /// None without a key: nothing is remembered.
    key: Option<String>,
}

impl Repeats {
    /// Whether this request is the first with its key. `request` is a fingerprint of all that it says.
    pub(super) fn begin(self: &Arc<Self>, key: Option<&str>, request: u128) -> Result<Turn, ApiError> {
        let ticket = |key: Option<&str>| Ticket { repeats: Arc::clone(self), key: key.map(str::to_owned) };
        let Some(key) = key else { return Ok(Turn::First(ticket(None))) };
        let mut inner = self.lock();
        match inner.by_key.get(key) {
            Some(used) if used.request != request => {
                let message = format!(
                    "the id {} was used for another request; a repeat must be the same, and what is new \
                     needs a new id",
                    shown(key)
                );
                Err(ApiError::new(StatusCode::CONFLICT, "key_reused", message))
            }
            Some(Used { reply: Some(reply), .. }) => Ok(Turn::Again(reply.clone())),
            Some(Used { reply: None, .. }) => {
                let message = format!("the first request with the id {} is still at work", shown(key));
                Err(ApiError::new(StatusCode::CONFLICT, "at_work", message).retry_after(1))
            }
            None => {
                inner.by_key.insert(key.to_owned(), Used { request, reply: None });
                inner.order.push_back(key.to_owned());
                if inner.order.len() > KEYS_MAX
                    && let Some(oldest) = inner.order.pop_front()
                {
                    inner.by_key.remove(&oldest);
                }
                Ok(Turn::First(ticket(Some(key))))
            }
        }
    }

    /// What is kept is whole after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Remembers the answer, if it is a final one; else the key stays free for a repeat that may fare better.
    pub(super) fn finish(mut self, reply: &Reply) {
        if !reply.is_final() {
            return;
        }
        if let Some(key) = self.key.take()
            && let Some(used) = self.repeats.lock().by_key.get_mut(&key)
        {
            used.reply = Some(reply.clone());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let mut inner = self.repeats.lock();
        inner.by_key.remove(&key);
        // Rare, and the key is among the latest: the walk from the end is short.
        if let Some(at) = inner.order.iter().rposition(|known| *known == key) {
            inner.order.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first(repeats: &Arc<Repeats>, key: &str, request: u128) -> Ticket {
        match repeats.begin(Some(key), request) {
            Ok(Turn::First(ticket)) => ticket,
            other => panic!("{other:?} is not the first turn"),
        }
    }

    #[test]
    fn a_repeat_gets_the_first_answer_and_another_request_is_refused() {
        let repeats = Arc::new(Repeats::default());
        let ticket = first(&repeats, "k", 1);
        assert!(repeats.begin(Some("k"), 1).is_err(), "the first is at work");
        let reply = Reply::ok(&json!({"epoch": 7}));
        ticket.finish(&reply);
        assert!(matches!(repeats.begin(Some("k"), 1), Ok(Turn::Again(again)) if again == reply));
        assert!(repeats.begin(Some("k"), 2).is_err());
    }

    #[test]
    fn what_failed_or_is_not_final_may_be_repeated() {
        let repeats = Arc::new(Repeats::default());
        drop(first(&repeats, "k", 1));
        first(&repeats, "k", 2).finish(&ApiError::busy("unavailable", "not now").into());
        first(&repeats, "k", 3).finish(&Reply::ok(&json!({})).ask_again(1));
        drop(first(&repeats, "k", 4));
    }

    #[test]
    fn the_latest_keys_are_remembered_and_no_more() {
        let repeats = Arc::new(Repeats::default());
        let reply = Reply::ok(&json!({}));
        for n in 0..=KEYS_MAX {
            first(&repeats, &n.to_string(), 1).finish(&reply);
        }
        let inner = repeats.lock();
        assert_eq!((inner.by_key.len(), inner.order.len()), (KEYS_MAX, KEYS_MAX));
        drop(inner);
        drop(first(&repeats, "0", 2));
    }
}
