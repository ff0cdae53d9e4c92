//! What a shop's visitors are like: keys of a scenario and options of `generate`, the same.

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wayfarer::model::Interval;

/// Who comes how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Everybody as often as anybody else.
    #[default]
    Uniform,
    /// A few very often, most nearly never: the k-th visitor in proportion to 1 / k^exponent.
    Zipf,
}

/// What the visitors are like.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shoppers {
    /// How many users there are, up to a thousand million
    #[arg(long, default_value_t = 200_000)]
    pub users: u64,
    /// Who comes how often
    #[arg(long, value_enum, default_value_t)]
    pub activity: Activity,
    /// The exponent of Zipf's law, above 0 up to 10; a web shop has about 1
    #[arg(long, default_value_t = 1.0)]
    pub zipf_exponent: f64,
    /// How many sessions are open at once; 0 is as many as a tenth of the users, and 1,000 at most
    #[arg(long, default_value_t = 0)]
    pub sessions: u32,
    /// The share of sessions in which a cart is filled
    #[arg(long, default_value_t = 0.5)]
    pub adds: f64,
    /// The share of filled carts that are bought; the others are abandoned
    #[arg(long, default_value_t = 0.4)]
    pub buys: f64,
    /// The share of events that happened `late_by` before they come
    #[arg(long, default_value_t = 0.0)]
    pub late: f64,
    /// How late those are
    #[arg(long, default_value = "5m")]
    pub late_by: Interval,
    /// The share of events that come once more, to the byte
    #[arg(long, default_value_t = 0.0)]
    pub duplicates: f64,
    /// The share of events that are overtaken by later ones of the same session
    #[arg(long, default_value_t = 0.0)]
    pub out_of_order: f64,
    /// After how many other events at most an overtaken one or a repeat comes
    #[arg(long, default_value_t = 1_000)]
    pub disorder_span: u64,
    /// The share of events that one single user causes
    #[arg(long, default_value_t = 0.0)]
    pub hot: f64,
    /// Of what the events come: the same number, the same events
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Default for Shoppers {
    fn default() -> Self {
        Self {
            users: 200_000,
            activity: Activity::Uniform,
            zipf_exponent: 1.0,
            sessions: 0,
            adds: 0.5,
            buys: 0.4,
            late: 0.0,
            late_by: Interval(300_000),
            duplicates: 0.0,
            out_of_order: 0.0,
            disorder_span: 1_000,
            hot: 0.0,
            seed: 1,
        }
    }
}

/// The most users there can be.
pub const USERS_MAX: u64 = 1_000_000_000;
/// The most sessions that can be open.
pub const SESSIONS_MAX: u32 = 1_000_000;

impl Shoppers {
    /// What is wrong with them, with what is allowed; `None` if nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let shares = [
            ("adds", self.adds),
            ("buys", self.buys),
            ("late", self.late),
            ("duplicates", self.duplicates),
            ("out_of_order", self.out_of_order),
            ("hot", self.hot),
        ];
        if let Some((name, share)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Some(format!("{name} is {share}: a share is from 0 to 1"));
        }
        if !(1..=USERS_MAX).contains(&self.users) {
            return Some(format!("users is {}: from 1 to {USERS_MAX} are allowed", self.users));
        }
        if !(self.zipf_exponent > 0.0 && self.zipf_exponent <= 10.0) {
            return Some(format!("zipf_exponent is {}: above 0, up to 10", self.zipf_exponent));
        }
        if self.sessions > SESSIONS_MAX {
            return Some(format!("sessions is {}: from 0 to {SESSIONS_MAX} are allowed", self.sessions));
        }
        if !(1..=1_000_000).contains(&self.disorder_span) {
            return Some(format!("disorder_span is {}: from 1 to 1000000 are allowed", self.disorder_span));
        }
        if self.duplicates > 0.5 {
            return Some(format!(
                "duplicates is {}: at most every second event is one, 0.5",
                self.duplicates
            ));
        }
        if self.out_of_order > 0.5 {
            let share = self.out_of_order;
            return Some(format!("out_of_order is {share}: every second event can be overtaken, 0.5"));
        }
        None
    }

    /// How many sessions are open at once.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        match self.sessions {
            0 => (self.users / 10).clamp(2, 1_000) as usize,
            sessions => sessions as usize,
        }
    }
}
