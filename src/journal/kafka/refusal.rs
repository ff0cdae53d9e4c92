//! Why a start, or going on, is refused: six causes that a script can tell apart, each with one sentence.
//!
//! The codes are librdkafka's: above 0 the brokers', below 0 its own.

use rdkafka::bindings::rd_kafka_resp_err_t as known;

/// What has to be put right, by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The configuration: a property, a mechanism or a certificate that does not work with these brokers.
    Config,
    /// The network: no broker answers.
    Unreachable,
    /// A topic is not there.
    Missing,
    /// A permission is missing, or the password is wrong.
    Denied,
    /// Another process runs under this one's name.
    Fenced,
    /// What is there does not fit: partition counts, compaction, another program's group.
    Incompatible,
}

impl Cause {
    /// The cause behind a code; nothing if it is none of the six.
    #[must_use]
    pub fn of_code(code: i32) -> Option<Self> {
        CAUSES.iter().find(|(of, _)| *of as i32 == code).map(|(_, cause)| *cause)
    }

    /// One word, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Unreachable => "unreachable",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Fenced => "fenced",
            Self::Incompatible => "incompatible",
        }
    }
}

const CAUSES: [(known, Cause); 37] = {
    use known as k;
    [
        (k::RD_KAFKA_RESP_ERR__INVALID_ARG, Cause::Config),
        (k::RD_KAFKA_RESP_ERR__SSL, Cause::Config),
        (k::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_INVALID_CONFIG, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, Cause::Config),
        (k::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, Cause::Config),
        (k::RD_KAFKA_RESP_ERR__TRANSPORT, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR__RESOLVE, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR__TIMED_OUT, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR__WAIT_COORD, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, Cause::Unreachable),
        (k::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, Cause::Missing),
        (k::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, Cause::Missing),
        (k::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Cause::Missing),
        (k::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID, Cause::Missing),
        (k::RD_KAFKA_RESP_ERR__AUTHENTICATION, Cause::Denied),
        (k::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, Cause::Denied),
        (k::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Cause::Denied),
        (k::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, Cause::Denied),
        (k::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Cause::Denied),
        (k::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Cause::Denied),
        (k::RD_KAFKA_RESP_ERR_SECURITY_DISABLED, Cause::Denied),
        (k::RD_KAFKA_RESP_ERR__FENCED, Cause::Fenced),
        (k::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, Cause::Fenced),
        (k::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Cause::Fenced),
        (k::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, Cause::Fenced),
        (k::RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL, Cause::Incompatible),
        (k::RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC, Cause::Incompatible),
    ]
};

/// A cause, and the sentence that says what it is here and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// The cause; nothing if it is none of the six.
    pub cause: Option<Cause>,
    /// What is wrong, with the values in it; no full stop.
    pub sentence: String,
}

impl Refusal {
    /// One with a known cause.
    #[must_use]
    pub fn new(cause: Cause, sentence: impl Into<String>) -> Self {
        Self { cause: Some(cause), sentence: sentence.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_known_by_the_codes_that_the_brokers_and_the_library_give() {
        for (code, cause) in [
            (-195, Some(Cause::Unreachable)), // _TRANSPORT
            (-187, Some(Cause::Unreachable)), // _ALL_BROKERS_DOWN
            (-181, Some(Cause::Config)),      // _SSL
            (-169, Some(Cause::Denied)),      // _AUTHENTICATION
            (-144, Some(Cause::Fenced)),      // _FENCED
            (3, Some(Cause::Missing)),        // UNKNOWN_TOPIC_OR_PARTITION
            (23, Some(Cause::Incompatible)),  // INCONSISTENT_GROUP_PROTOCOL
            (26, Some(Cause::Config)),        // INVALID_SESSION_TIMEOUT
            (29, Some(Cause::Denied)),        // TOPIC_AUTHORIZATION_FAILED
            (82, Some(Cause::Fenced)),        // FENCED_INSTANCE_ID
            (90, Some(Cause::Fenced)),        // PRODUCER_FENCED
            (0, None),
            (4711, None),
        ] {
            assert_eq!(Cause::of_code(code), cause, "{code}");
        }
    }
}
