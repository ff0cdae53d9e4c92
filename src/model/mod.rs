//! The words everyone shares: time, values, events, hashes and the wire forms of what leaves.
//!
//! Nothing here decides anything, and nothing here knows who uses it.

pub mod time;
pub mod value;
pub mod hash;
pub mod event;
pub mod format;
pub mod envelope;
pub mod input;
pub mod lines;
pub mod wire;

pub use event::{Event, EventKind};
pub use format::{Format, Formats};
pub use time::{Interval, Timestamp};
pub use value::{Slots, Value};
