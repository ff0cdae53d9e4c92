//! Which seeds are run, and what they must have met.
#![allow(missing_docs, reason = "tests")]

use std::process::{Command, Output};

use wayfarer_reference::workload::{Story, story};
use wayfarer_simulate::many::{SHARDS, many, shows};
use wayfarer_simulate::mutation::Mutation;

/// How many stories one run tells; `WAYFARER_SOAK` multiplies them by a tenth of itself.
const STORIES: u64 = 2_000;

/// A soak's rounds are thousands: of these stories that is a night.
fn soak() -> u64 {
    let rounds: u64 = std::env::var("WAYFARER_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    rounds.div_ceil(10)
}

fn stories() -> impl Iterator<Item = Story> {
    (0..).map(|seed| story(seed, SHARDS))
}

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_wayfarer-simulate");
    Command::new(program).args(arguments).output().expect("it runs")
}

#[test]
fn whatever_befalls_instances_they_do_together_what_the_reference_does() {
    let met = many(0, STORIES * soak(), None).unwrap_or_else(|failed| {
        panic!("seed {}: make simulate ARGS='--seed {} --shrink'\n{}", failed.seed, failed.seed, failed.why)
    });
    assert_eq!(met.missed(), Vec::<&str>::new(), "a run that met nothing proves nothing:\n{met}");
}

#[test]
fn a_seed_is_the_same_to_the_byte_whenever_it_is_run() {
    for seed in ["7", "308", "18446744073709551615"] {
        let [first, second] = [(); 2].map(|()| run(&["--seed", seed, "--verbose"]));
        assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stdout));
        assert!(first.stdout == second.stdout, "seed {seed} tells two stories");
    }
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for mutation in Mutation::ALL {
        let found = stories().take(1_000).any(|story| shows(&story, mutation));
        assert!(found, "{mutation:?} is not found by a thousand stories");
    }
}

#[test]
fn a_seed_that_fails_says_why_and_how_to_come_nearer() {
    let failed = (0..1_000).map(|seed| run(&["--seed", &format!("{seed}"), "--break", "double-release"]));
    let failed = failed.into_iter().find(|done| done.status.code() != Some(0)).expect("it is found");
    let said = String::from_utf8_lossy(&failed.stdout);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    for part in ["It fails:\n", "I1: movements differ", "--break double-release --verbose", "--shrink"] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert_eq!(run(&["--break", "nothing"]).status.code(), Some(2));
}
