//! Wayfarer executes customer journeys.

pub mod model;
