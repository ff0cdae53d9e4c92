//! The engine's promises, as stories: see `script.rs` for the language. The rules are those of the specification.

mod failures;
mod gates;
mod hold;
mod lists;
mod nodes;
mod refusals;
mod script;
mod statistics;
mod stop;
mod time;
mod users;
mod versions;
mod worked_examples;
