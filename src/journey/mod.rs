//! Journeys: as written, as checked, as compiled.
//!
//! [`source`] turns a text into a [`definition`], [`check`] says what is wrong with one, as [`problem`]s;
//! [`condition`] is the language of its conditions. A definition without problems becomes a [`plan`], and the plans of
//! all journeys at one epoch a [`catalog`]: the immutable thing that shards execute.

pub mod condition;
pub mod definition;
pub mod dates;
pub mod problem;
pub mod source;
pub mod check;
pub mod plan;
pub mod catalog;
