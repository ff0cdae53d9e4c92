//! The topics: what is needed, what is there, and what has to be done about the difference.
//!
//! - [`need`]: what is needed, from the settings. [`there`]: what is there. Both are plain values.
//! - [`mod@plan`]: their difference, as steps with a sentence each; pure. [`show`]: a plan for people and for
//!   programs.
//! - [`cluster`]: asks the brokers, and makes what is to be made. It only ever adds: no topic is deleted, no
//!   partition count changed, nothing kept for a shorter time or by fewer brokers than before.
//!
//! [`Cluster::check`] is what a start asks: all topics fit, or one refusal with its cause.

pub mod need;
pub mod there;
pub mod plan;
pub mod show;
pub mod cluster;

pub use cluster::Cluster;
pub use need::{Role, Wanted};
pub use plan::{Action, Plan, Step, plan};
pub use there::{Found, There, Topic};

#[cfg(test)]
mod tests;
