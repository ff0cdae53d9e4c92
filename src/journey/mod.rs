//! Journeys: as written, as checked.

pub mod condition;
pub mod definition;
pub mod dates;
pub mod problem;
pub mod source;
pub mod check;
