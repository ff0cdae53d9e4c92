//! Whether the brokers answer: what the thread that asks where the inputs end finds out besides.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Timestamp;

/// A question that is open for longer is not being answered. A call's own time-out comes much later.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// What became of the questions.
#[derive(Debug, Default)]
pub(super) struct Link(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the question was asked that is open.
    asked: Option<Instant>,
    /// When the first was asked that was not answered, and why the last one was not.
    failed: Option<(Instant, String)>,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and remembers whether there was an answer.
    pub(super) fn ask<T, E: ToString>(&self, question: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let asked = Instant::now();
        self.lock().asked = Some(asked);
        let answer = question();
        let mut state = self.lock();
        state.asked = None;
        state.failed = match &answer {
            Ok(_) => None,
            Err(error) => Some((state.failed.as_ref().map_or(asked, |(since, _)| *since), error.to_string())),
        };
        drop(state);
        answer
    }

    /// Why nobody may rely on the brokers, if they do not answer; `now` is the time of the sentence.
    pub(super) fn silence(&self, now: Timestamp) -> Option<String> {
        let state = self.lock();
        let open = state.asked.filter(|asked| asked.elapsed() >= SILENT_AFTER);
        let (since, why) = match (&state.failed, open) {
            (Some((since, why)), _) => (*since, why.clone()),
            (None, Some(asked)) => (asked, "a question is open".to_owned()),
            (None, None) => return None,
        };
        let lasts = since.elapsed();
        let began = Timestamp(now.0.saturating_sub(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX)));
        Some(format!("no broker has answered since {began}, for {} s: {why}", lasts.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_lasts_from_the_first_question_without_an_answer_to_the_next_answer() {
        let link = Link::default();
        let now = Timestamp(1_000_000);
        assert_eq!(link.silence(now), None);
        let _ = link.ask(|| Err::<(), _>("timed out"));
        let since = link.lock().failed.as_ref().map(|(since, _)| *since);
        let _ = link.ask(|| Err::<(), _>("refused"));
        assert_eq!(link.lock().failed.as_ref().map(|(since, _)| *since), since);
        let said = link.silence(now).expect("nobody answers");
        assert!(said.contains("since 1970-01-01T00:16:") && said.ends_with(": refused"), "{said}");
        let _ = link.ask(|| Ok::<_, String>(()));
        assert_eq!(link.silence(now), None);
    }
}
