//! Where a shard's state lies: dense, chunked, and sized for ten million waiting users.
//!
//! Everything here is owned by one thread, takes the time as an argument and gives the same answers
//! whatever handles it handed out: a handle says where something lies, never what comes first. Nothing
//! grows by copying itself whole, except the parts of a hash table, which are small; and memory is given
//! back chunk by chunk as users leave.
//!
//! [`slab`] holds records, [`bytes`] their variable parts, [`user_id`] packs who they are, [`index`] finds
//! them, [`wheel`] says whose time has come and [`dedupe`] which message was here before.

pub mod slab;
pub mod bytes;
pub mod user_id;
pub mod index;
pub mod wheel;
pub mod dedupe;
mod occupancy;

pub use bytes::Bytes;
pub use dedupe::Dedupe;
pub use index::Index;
pub use slab::Slab;
pub use user_id::UserId;
pub use wheel::{Links, Timed, Wheel};

/// The handle of nothing. No record and no byte string ever has it.
pub const NONE: u32 = u32::MAX;
