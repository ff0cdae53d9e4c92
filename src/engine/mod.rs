//! The pure core.

pub mod storage;
