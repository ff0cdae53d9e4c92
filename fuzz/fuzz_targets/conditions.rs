//! See `tests/fuzz/conditions.rs`.
#![no_main]

#[path = "../../tests/fuzz/conditions.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
