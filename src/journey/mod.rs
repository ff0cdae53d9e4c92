//! Journeys: as written.

pub mod definition;
pub mod dates;
