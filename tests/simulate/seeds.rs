//! Which seeds are run, and what they must have met.

use wayfarer_reference::workload::{Story, story};

use super::journal::Mutation;
use super::story::{Ran, simulate};

const SHARDS: u16 = 4;
/// How many stories one run tells; `WAYFARER_SOAK` multiplies them.
const STORIES: usize = 200;

/// The stories: those with lists, which have a pace of their own, are left out.
fn stories() -> impl Iterator<Item = Story> {
    (0..).map(|seed| story(seed, SHARDS)).filter(|s| s.journeys.iter().all(|j| j.entry.list.is_none()))
}

fn soak() -> usize {
    std::env::var("WAYFARER_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// Adds what a run did and met.
fn add(all: &mut Ran, ran: &Ran) {
    let (tally, of) = (&mut all.tally, ran.tally);
    tally.crashed += of.crashed;
    tally.refused += of.refused;
    tally.unknown += of.unknown;
    tally.moved += of.moved;
    tally.fenced += of.fenced;
    tally.late += of.late;
    all.compared += ran.compared;
    all.held += ran.held;
    all.drained += ran.drained;
    all.backlogs += ran.backlogs;
}

#[test]
fn whatever_befalls_instances_they_do_together_what_the_reference_does() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = |thread: usize| {
        let mut all = Ran::default();
        for story in stories().skip(thread).step_by(threads).take(STORIES * soak() / threads) {
            let ran = simulate(&story, None).unwrap_or_else(|differ| panic!("{story}\n{differ}"));
            add(&mut all, &ran);
        }
        all
    };
    let all = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        let mut all = Ran::default();
        for ran in shares {
            add(&mut all, &ran.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    let tally = all.tally;
    let met = [tally.crashed, tally.refused, tally.unknown, tally.moved, tally.fenced, tally.late];
    let did = [all.compared, all.held, all.drained, all.backlogs];
    assert!(met.into_iter().chain(did).all(|n| n > 0), "a run that met nothing proves nothing: {all:?}");
}

#[test]
fn a_seed_is_the_same_to_the_byte_whenever_it_is_run() {
    for story in stories().take(20) {
        let [first, second] = [(); 2].map(|()| simulate(&story, None));
        assert_eq!(first, second, "{story}");
    }
}

/// Whether a story shows that something is broken: it differs from the reference, or from itself.
fn shows(story: &Story, mutation: Mutation) -> bool {
    let run = || {
        let run = || simulate(story, Some(mutation));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or(Err("a panic".to_owned()))
    };
    let first = run();
    first.is_err() || run() != first
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    for mutation in [
        Mutation::NoUndo,
        Mutation::NoFencing,
        Mutation::TimersBeforeBacklog,
        Mutation::DoubleRelease,
        Mutation::HashOrder,
    ] {
        let found = stories().take(1_000).position(|story| shows(&story, mutation));
        assert!(found.is_some(), "{mutation:?} is not found by a thousand stories");
    }
}
