//! Questions that a worker cannot go on without: asked again while brokers are away, for as long as a doubt may
//! last (`settle_timeout`). Nothing is decided meanwhile, so that nothing is lost by waiting.

use std::time::{Duration, Instant};

use super::client::Error;
use super::refusal::Cause;
use super::{Shared, storage};
use crate::journal::error::JournalError;

/// How long to wait before it is asked again.
const RETRY: Duration = Duration::from_millis(250);

impl Shared {
    /// Asks until there is an answer. What will not pass by itself is an answer: a permission that is missing at
    /// once, a topic that is missing after one call's time, since a broker that has just come back may not know it.
    pub(super) fn insist<T>(
        &self,
        doing: &'static str,
        mut ask: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, JournalError> {
        let began = Instant::now();
        loop {
            let error = match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let limit = match Cause::of_code(error.code) {
                _ if error.fatal => Duration::ZERO,
                None | Some(Cause::Unreachable) => self.options.settle_timeout,
                Some(Cause::Missing) => self.options.call_timeout,
                Some(Cause::Config | Cause::Denied | Cause::Fenced | Cause::Incompatible) => Duration::ZERO,
            };
            if began.elapsed() >= limit {
                return Err(storage(doing)(error));
            }
            tracing::warn!(doing, %error, "the brokers do not answer; they are asked again");
            std::thread::sleep(RETRY);
        }
    }
}
