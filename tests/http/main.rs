//! The HTTP API and `wayfarer ctl` over a real socket, with a process behind it that lives in memory.

mod bad_input;
mod client;
mod happy_paths;
mod limits;
mod memory;
mod shell;
