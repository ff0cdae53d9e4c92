//! What `wayfarer run` promises: the cycle over a journal, and the whole process killed at random.
#![allow(missing_docs, reason = "tests")]

mod world;
mod cycle;
mod batches;
mod measured;
mod shown;
mod place;
mod load;
mod kill;
mod process;
mod shared;
mod room;
mod signals;
mod operators;
