//! See `tests/fuzz/changelog.rs`.
#![no_main]

#[path = "../../tests/fuzz/changelog.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
