//! Hears what librdkafka says of its connections, which no call answers with.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use crate::journal::kafka::refusal::Cause;

/// Remembers the newest reason of each cause; a clone hears into the same.
#[derive(Clone, Default)]
pub(super) struct Ear(Arc<Mutex<Vec<(Cause, String)>>>);

impl Ear {
    /// The likeliest cause of a silence: to be let in by nobody outweighs that a connection was closed, which
    /// follows from it.
    pub(super) fn heard(&self) -> Option<(Cause, String)> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = |cause: Cause| match cause {
            Cause::Denied => 0,
            Cause::Config => 1,
            _ => 2,
        };
        heard.iter().min_by_key(|(cause, _)| weight(*cause)).cloned()
    }

    fn hear(&self, code: i32, reason: &str) {
        let Some(cause) = Cause::of_code(code) else { return };
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down says less than why one of them is.
        let all_down = code == rdkafka::error::RDKafkaErrorCode::AllBrokersDown as i32;
        match heard.iter_mut().find(|(of, _)| *of == cause) {
            Some(_) if all_down => {}
            Some((_, said)) => reason.clone_into(said),
            None => heard.push((cause, reason.to_owned())),
        }
    }
}

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{text}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.hear(code as i32, reason);
        }
    }
}

impl ProducerContext for Ear {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_nobody_in_outweighs_what_follows_from_it() {
        let ear = Ear::default();
        assert_eq!(ear.heard(), None);
        for (code, reason, heard) in [
            (-187, "2/2 brokers are down", "2/2 brokers are down"),
            (-195, "connection refused", "connection refused"),
            (-187, "2/2 brokers are down", "connection refused"),
            (-169, "authentication failed", "authentication failed"),
            (-195, "disconnected", "authentication failed"),
            (4711, "nobody knows", "authentication failed"),
        ] {
            ear.hear(code, reason);
            assert_eq!(ear.heard().map(|(_, said)| said).as_deref(), Some(heard), "{code}");
        }
    }
}
