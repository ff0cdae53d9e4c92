//! What `make fuzz` looks for for hours, on what it has found so far: the seeds in `fuzz/seeds`, as ordinary tests.
//!
//! A target is a function over bytes that panics when a promise is broken; the programs in `fuzz/fuzz_targets`
//! call these very functions.
#![allow(missing_docs, reason = "tests")]

mod changelog;
mod conditions;
mod definitions;
mod events;
mod wire;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// A target: the name of its program, what it does, and where its seeds are.
type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

const TARGETS: [Target; 5] = [
    ("changelog", changelog::run, &["fuzz/seeds/changelog"]),
    ("conditions", conditions::run, &["fuzz/seeds/conditions"]),
    ("definitions", definitions::run, &["config/journeys", "tests/journeys/bad"]),
    ("events", events::run, &["fuzz/seeds/events"]),
    ("wire", wire::run, &["fuzz/seeds/wire"]),
];
/// Fewer than this are no seeds.
const SEEDS_MIN: usize = 5;
/// How many beginnings of a seed are tried.
const BEGINNINGS: usize = 32;

fn files(below: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let listed = fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut all: Vec<PathBuf> = listed.map(|entry| entry.expect("it can be read").path()).collect();
    all.sort();
    all
}

#[test]
fn no_seed_breaks_a_promise_nor_does_any_beginning_of_one() {
    for (name, target, directories) in TARGETS {
        let seeds: Vec<PathBuf> = directories.iter().flat_map(|directory| files(directory)).collect();
        assert!(seeds.len() >= SEEDS_MIN, "{name} has {} seeds", seeds.len());
        for seed in seeds {
            let bytes = fs::read(&seed).expect("it can be read");
            let step = (bytes.len() / BEGINNINGS).max(1);
            for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
                let held = catch_unwind(|| target(&bytes[..end]));
                assert!(held.is_ok(), "{name}: the first {end} bytes of {}", seed.display());
            }
        }
    }
}

#[test]
fn every_target_is_a_program_for_cargo_fuzz() {
    let programs = files("fuzz/fuzz_targets");
    let stems: Vec<_> = programs.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    assert_eq!(stems, TARGETS.map(|(name, _, _)| name));
}
