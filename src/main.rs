//! `wayfarer`: arguments → configuration → a verb → an exit code.

fn main() {}
