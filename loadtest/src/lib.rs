//! Load for Wayfarer: a synthetic shop's events, the race against bare Kafka and other programs, and the verifier.
//!
//! It knows the forms in which events, commands and sends are written, and Kafka; never the engine.
//!
//! - [`traffic`]: a shop's customers, from a seed. [`generate`]: their events, into a topic or a file.
//! - [`race`]: Wayfarer, the bare Kafka loop and the others do the same job in turns, and the ratio is told.
//! - [`verify`]: what must be in the topics, by the reference model, and what is.
//! - [`topics`]: made, measured, deleted. [`process`]: what a process has had of the processors.

pub mod cli;
pub mod error;
pub mod generate;
pub mod process;
pub mod race;
pub mod topics;
pub mod traffic;
pub mod verify;
