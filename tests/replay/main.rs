//! `wayfarer replay`, from files to files: what its help promises.

mod folder;
mod worked_examples;
mod order;
mod sources;
mod mistakes;
mod statistics;
mod stories;
