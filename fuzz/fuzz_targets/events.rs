//! See `tests/fuzz/events.rs`.
#![no_main]

#[path = "../../tests/fuzz/events.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
