//! The two gates, and the vendors' states and verbs laid over them.
//!
//! The engine knows two gates and nothing else. A dialect is a table that maps a vendor's states on the gates
//! and says which verb leads where; the machine reads any such table. A third dialect is one table in one
//! file beside [`clevertap`] and [`antsomi`], and one line in [`dialects`].
//!
//! Pure: time is an argument, and a verb gives either what it does to those inside or a [`Refusal`] that
//! names the verb, the state and what is allowed instead.

pub mod gates;
pub mod verb;
pub mod dialect;
pub mod clevertap;
pub mod antsomi;
pub mod refusal;
pub mod machine;
pub mod saved;
pub mod table;

pub use dialect::{Arrow, Dialect, Edits, State, StateId, Target, UnknownDialect, dialect, dialects};
pub use gates::{EntryGate, Gates, MovementGate, Schedule};
pub use machine::{AutoMove, AutoMoves, Cause, Lifecycle, ListProgress, Terms};
pub use refusal::{Refusal, Why};
pub use verb::{Inside, Role, UnknownVerb, Verb};
