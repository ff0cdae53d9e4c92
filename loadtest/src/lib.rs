//! Load for Wayfarer: a synthetic shop's events, the race against bare Kafka and other programs, and the verifier.
//!
//! It knows the forms in which events, commands and sends are written, and Kafka; never the engine.
//!
//! - [`shop`]: a shop's visitors, from a seed. [`profile`]: how many events when. [`generate`]: those events, into a
//!   topic, a server or a file.
//! - [`scenario`]: what a file asks for. [`run`]: that, measured from the schedule to the visible send. [`report`]: as text,
//!   JSON and HTML, and two of them compared.
//! - [`race`]: Wayfarer, the bare Kafka loop and the others do the same job in turns, and the ratio is told;
//!   [`traffic`]: its customers.
//! - [`verify`]: what must be in the topics, by the reference model, and what is.
//! - [`topics`]: made, measured, deleted. [`clock`]: one for all. [`process`]: what a process has had of the processors.

pub mod cli;
pub mod clock;
pub mod error;
pub mod generate;
pub mod process;
pub mod profile;
pub mod race;
pub mod report;
pub mod run;
pub mod scenario;
pub mod shop;
pub mod topics;
pub mod traffic;
pub mod verify;
