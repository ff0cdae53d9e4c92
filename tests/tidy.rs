//! The house's rules, as tests: what is promised of the source as a whole.
//!
//! They read the files as text. Comments are left out where code is meant.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the core may import, besides itself. Everything else is an edge, and the core knows none.
const CORE: [(&str, &[&str]); 6] = [
    ("model", &[]),
    ("lifecycle", &["model"]),
    ("ingest", &["model"]),
    ("journey", &["model", "lifecycle", "ingest"]),
    ("engine", &["model", "lifecycle", "journey"]),
    ("control", &["model", "lifecycle", "journey", "engine"]),
];

/// The modules that decide, and must decide alike wherever and whenever they run.
const PURE: [&str; 4] = ["model", "lifecycle", "journey", "engine"];

/// What the pure modules do without: clocks, files, the network, chance, runtimes, logs and metrics.
const IMPURE: [&str; 17] = [
    "std::time",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "fs::",
    "std::net",
    "std::env",
    "std::thread",
    "RandomState",
    "rand::",
    "tokio",
    "crossbeam",
    "tracing",
    "crate::metrics",
    "println!",
];

/// Reading definitions from a directory is for every edge, and beside the reader of one definition.
const MAY_READ_FILES: [&str; 2] = ["journey/source/directory.rs", "journey/source/tests.rs"];

const LINES_MAX: usize = 600;

/// Rules of the specification that the engine does not have yet, or that are others' (G37: publishing).
const NOT_YET: [u32; 6] = [10, 21, 32, 33, 37, 38];

fn here(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// The Rust files below a directory, with their paths from there, in order.
fn sources(directory: &str) -> Vec<(String, String)> {
    let root = here(directory);
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the repository") {
            let path = entry.expect("an entry that can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("it lies below").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("source is text")));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "there is source in {directory}");
    found
}

/// The lines of code, numbered from 1, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim_start()));
    lines.filter(|(_, line)| !line.starts_with("//")).map(|(n, line)| {
        let end = line.find(" // ").unwrap_or(line.len());
        (n, &line[..end])
    })
}

/// The modules at the top that a line names, as `crate::NAME`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn imports_of_the_core_point_one_way() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let module = file.split(['/', '.']).next().unwrap_or_default();
        let Some((_, allowed)) = CORE.iter().find(|(name, _)| *name == module) else { continue };
        for (line, code) in code(&text) {
            let beyond = named(code).filter(|name| *name != module && !allowed.contains(name));
            wrong.extend(beyond.map(|name| format!("src/{file}:{line} {module} names {name}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "each module of the core knows only those below it: {CORE:?}");
}

#[test]
fn who_judges_or_measures_the_engine_does_not_use_it() {
    let mut wrong = Vec::new();
    for directory in ["loadtest/src", "reference/src"] {
        for (file, text) in sources(directory) {
            let named = code(&text).filter(|(_, code)| code.contains("wayfarer::engine"));
            wrong.extend(named.map(|(line, _)| format!("{directory}/{file}:{line} names the engine")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "they know definitions and wire forms only");
}

#[test]
fn what_decides_has_no_clock_no_files_no_chance_and_no_log() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let module = file.split('/').next().unwrap_or_default();
        if !PURE.contains(&module) {
            continue;
        }
        for (line, code) in code(&text) {
            let met = IMPURE.iter().filter(|word| code.contains(**word));
            let met = met.filter(|word| !(word.contains("fs") && MAY_READ_FILES.contains(&file.as_str())));
            wrong.extend(met.map(|word| format!("src/{file}:{line} names {word}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "the same inputs give the same decisions, always and everywhere");
}

#[test]
fn every_file_says_what_it_owns_and_is_not_too_long() {
    let mut wrong = Vec::new();
    for directory in ["src", "simulate/src"] {
        for (file, text) in sources(directory) {
            // The library's own text is a file of its own.
            if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!") {
                wrong.push(format!("{directory}/{file} does not open with //!"));
            }
            let lines = text.lines().count();
            if lines > LINES_MAX {
                wrong.push(format!("{directory}/{file} has {lines} lines; {LINES_MAX} are allowed"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What the verifier may know of the library: forms on the wire, definitions as they are written, a client.
const OF_THE_WIRE: [&str; 4] =
    ["model::Timestamp", "model::wire::", "journey::definition::", "journal::kafka::client::"];

#[test]
fn the_verifier_knows_the_wire_and_the_reference_and_never_the_engine() {
    let mut wrong = Vec::new();
    for (file, text) in sources("loadtest/src/verify") {
        for (line, code) in code(&text) {
            let named = code.split("wayfarer::").skip(1);
            let beyond = named.filter(|name| !OF_THE_WIRE.iter().any(|allowed| name.starts_with(allowed)));
            wrong.extend(
                beyond.map(|name| format!("loadtest/src/verify/{file}:{line} names wayfarer::{name}")),
            );
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "who shares the engine's code shares its mistakes");
}

#[test]
fn every_rule_of_the_engine_is_named_by_a_test_of_the_engine() {
    let mut named = BTreeSet::new();
    for (_, text) in sources("tests/engine") {
        let mut rules = Vec::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("///") {
                let words = comment.split(|c: char| !c.is_ascii_alphanumeric());
                rules.extend(words.filter_map(|word| word.strip_prefix('G')?.parse::<u32>().ok()));
            } else if line.trim() == "#[test]" {
                named.append(&mut rules.drain(..).collect());
            } else if !line.starts_with("#[") {
                rules.clear();
            }
        }
    }
    let missing: Vec<u32> =
        (1..=40).filter(|rule| !named.contains(rule) && !NOT_YET.contains(rule)).collect();
    assert_eq!(missing, Vec::<u32>::new(), "rules G1 to G40 without a test in tests/engine");
}
