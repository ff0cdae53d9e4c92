//! What the client promises.

mod appending;
mod groups;
mod outages;
mod reading;
mod transactions;
