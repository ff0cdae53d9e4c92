//! Several instances of the binary over one set of topics, killed, stopped and ended under load while
//! operators give verbs; judged by what a bystander reads in the topics.
//!
//! - [`deployment`]: topics, group, and what is read of them. [`instance`]: one process.
//! - [`traffic`]: events by Kafka and by HTTP. [`operator`]: verbs, and where every topic ended around each.
//!   [`operators`]: two at once.
//! - [`storm`]: who is killed when. [`steps`]: at which step of a commit. [`brokers`]: brokers that are. [`upgrade`]:
//!   who is replaced by another program.
//! - [`judge`]: what must be there. [`replays`]: that it is decided again as it was.

mod brokers;
pub mod deployment;
pub mod instance;
mod judge;
mod operator;
mod operators;
pub mod replays;
mod steps;
mod storm;
mod traffic;
mod upgrade;

pub use judge::verified;

use std::env;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use wayfarer::cli::exit;

use deployment::Deployment;
use storm::{Fleet, Interlude, Told};

/// The kills of a run, over all deployments.
const KILLS: u64 = 21;
/// The kills of the longest soak, and of one storm in it: what is judged is kept in memory.
const KILLS_MAX: u64 = 500;
const STORM_MAX: u64 = 125;
/// Deployments side by side: the workers of each instance, whether they keep checkpoints, and what happens beside
/// kills, in turns.
const DEPLOYMENTS: [(u32, bool, &[Interlude]); 3] = [
    (1, false, &[Interlude::FailOver, Interlude::Zombie]),
    (2, true, &[Interlude::Zombie, Interlude::Guest]),
    (1, true, &[Interlude::Guest, Interlude::FailOver]),
];
/// What anything here may take on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often is looked again.
const AGAIN: Duration = Duration::from_millis(20);

/// A splitmix64: the same storm for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// Asks until there is an answer.
pub fn wait_for<T>(what: &str, said: impl Fn() -> String, mut answer: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < end, "{PATIENCE:?} passed before {what}:\n{}", said());
        thread::sleep(AGAIN);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn instances_that_are_killed_stopped_and_ended_under_load_lose_nothing_and_send_nothing_twice() {
    let kills = number("WAYFARER_SOAK", KILLS).min(KILLS_MAX);
    let (storms, seed) = (kills.div_ceil(STORM_MAX), number("WAYFARER_SEED", 1));
    for n in 0..storms {
        storm_over_all(seed.wrapping_add(n), kills.div_ceil(storms));
    }
}

/// Storms over all deployments at once.
fn storm_over_all(seed: u64, kills: u64) {
    let each = kills.div_ceil(DEPLOYMENTS.len() as u64);
    let told: Vec<Told> = thread::scope(|scope| {
        let storm = |(n, &(workers, keeps, interludes)): (usize, &(u32, bool, &'static [Interlude]))| {
            let seed = seed.wrapping_mul(DEPLOYMENTS.len() as u64).wrapping_add(n as u64);
            scope.spawn(move || {
                let deployment = Deployment::new(workers).with_checkpoints(keeps);
                let told = storm::run(&deployment, seed, |storm| storm.rage(each, interludes));
                let used = deployment.times_said("a shard is read from its checkpoint");
                assert_eq!(used > 0, keeps, "{used} shards were read from checkpoints");
                told
            })
        };
        let running: Vec<_> = DEPLOYMENTS.iter().enumerate().map(storm).collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|told| told.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    for (n, told) in told.iter().enumerate() {
        // What a fail-over takes is measured, and not judged: the machine may be busy.
        let _ = writeln!(io::stderr(), "instances: deployment {n} of seed {seed}: {told:?}");
    }
    let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
    assert!(sum(|it| it.killed) >= kills, "too few were killed");
    assert!(sum(|it| it.moved) > 0, "no partition moved");
    assert!(sum(|it| it.sends) > 0, "nothing was sent");
    assert!(sum(|it| it.verbs_while_dead) > 0, "no verb was given while a member was dead");
    assert!(told.iter().all(|it| it.entered_surely > 0 && it.refused_surely > 0), "nothing was certain");
}

#[test]
fn of_two_instances_with_one_name_one_goes_on_and_the_other_says_why_it_ends() {
    let deployment = Deployment::new(1);
    let fleet = Fleet::default();
    let mut twins = [deployment.start("twin"), deployment.start("twin")];
    let loser = wait_for(
        "one of them has ended",
        || deployment.said(),
        || twins.iter_mut().position(|twin| twin.ended().is_some()),
    );
    let (code, said) = (twins[loser].ended().and_then(|it| it.code()), twins[loser].said());
    assert_eq!(code, Some(i32::from(exit::FENCED)), "{said}");
    let sentences: Vec<&str> = said.lines().filter(|line| line.starts_with("wayfarer: ")).collect();
    assert_eq!(sentences.len(), 1, "{said}");
    let winner = &mut twins[1 - loser];
    wait_for("the other is ready", || deployment.said(), || fleet.ready(&winner.log).then_some(()));
    winner.lives();
}
