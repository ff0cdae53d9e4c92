//! A refused verb, as a sentence: what was asked, in which state, why not, and what is allowed instead.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::verb::Verb;

/// Why a verb did nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What was asked.
    pub verb: Verb,
    /// The name of the state in which it was asked.
    pub state: String,
    /// What an operator may ask in that state at that time, in the vendor's order.
    pub allowed: Vec<Verb>,
    /// Why not.
    pub why: Why,
}

/// The kinds of refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The state does not take this verb.
    NotInThisState,
    /// No state of this dialect takes it.
    NotInThisDialect {
        /// The dialect's name.
        dialect: String,
    },
    /// Only the role `system` may give it.
    SystemOnly,
    /// The state takes it, but not now: all the reasons, each half a sentence.
    Unfit(Vec<String>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, state, allowed, why } = self;
        write!(f, "cannot {verb} a journey that is {state}: ")?;
        match why {
            Why::NotInThisState => write!(f, "{state} does not take {verb}")?,
            Why::NotInThisDialect { dialect } => write!(f, "the dialect {dialect} has no {verb}")?,
            Why::SystemOnly => write!(f, "only the role system may {verb}")?,
            Why::Unfit(reasons) => f.write_str(&reasons.join("; "))?,
        }
        let allowed: Vec<_> = allowed.iter().map(|verb| verb.as_str()).collect();
        match allowed.as_slice() {
            [] => f.write_str("; nothing else is allowed now"),
            [only] => write!(f, "; allowed is {only}"),
            several => write!(f, "; allowed are {}", several.join(", ")),
        }
    }
}

impl std::error::Error for Refusal {}
