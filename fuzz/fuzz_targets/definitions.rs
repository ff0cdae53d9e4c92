//! See `tests/fuzz/definitions.rs`.
#![no_main]

#[path = "../../tests/fuzz/definitions.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
