//! See `tests/fuzz/wire.rs`.
#![no_main]

#[path = "../../tests/fuzz/wire.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
