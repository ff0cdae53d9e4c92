//! Bytes to events: the edge where what others wrote becomes a [`crate::model::Event`] or a named reject.
//!
//! [`decode()`] reads one message, [`cloud_event`] one that came as a CloudEvent, [`fields`] reads the properties that journeys mention out of it,
//! [`batch`] takes HTTP bodies apart, and [`reader`] reads recorded files. Nothing here keeps state
//! between messages, asks for the time, or knows a journey. Whatever the bytes are, the answer is an
//! event or a sentence; never a panic.

pub mod limits;
pub mod reject;
mod scan;
mod usual;
pub mod timestamp;
pub mod decode;
pub mod cloud_event;
pub mod fields;
pub mod batch;
pub mod reader;

pub use decode::decode;
pub use fields::Fields;
pub use reject::Reject;
