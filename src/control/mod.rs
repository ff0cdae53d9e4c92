//! What operators may do: commands, and the registry that is their fold.
//!
//! A command is a record of the control log. Every instance folds the log with the same pure machine, so all
//! agree on every journey's state, and a command that is refused is refused everywhere with the same words.

pub mod command;
pub mod refused;
pub mod edit;
pub mod lineage;
pub mod unsaved;
pub mod answers;
pub mod registry;
pub mod fold;
pub mod range;
pub mod statistics;
pub mod story;
pub mod letters;
pub mod service;

pub use command::{Act, Command, Grant, Manifest, Record};
pub use fold::Fold;
pub use lineage::{Lineage, Mark, Version};
pub use refused::Refused;
pub use registry::{Applied, Check, Registry};
