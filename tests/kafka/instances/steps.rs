//! Killed, ended and put to sleep at every step of a commit and around it, one by one. The instance itself says
//! where it is, by standing still there ([`steps`]); one that never comes to its step fails the test.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use wayfarer::cli::exit;
use wayfarer::journal::steps::{self, Step};

use super::deployment::Deployment;
use super::instance::{Instance, address};
use super::storm::{self, NAMES, Storm, Told};
use super::wait_for;
use crate::scene::Scene;

/// Where one is killed, in these lives, and where it is told to end. None is the first that comes after a start, but
/// for those of the start itself.
const PLANS: [&str; 15] = [
    "assigned",
    "restoring:2",
    "loaded:2",
    "idle:30",
    "read:3",
    "read-on:2",
    "decided:4",
    "open:4",
    "laid:4",
    "positioned:4",
    "committing:4",
    "committed:4",
    // To come to be in doubt, one sleeps for longer than a transaction may be open.
    "laid:4,doubt",
    "laid:4,ended",
    "revoked",
];

/// Where one sleeps for longer than its session, by round: in each, all at once, and with one shard for each of them
/// at least.
const SLEEPS: [[&str; 4]; 3] = [
    ["revoked", "restoring", "read:2", "positioned:2"],
    ["loaded", "idle:20", "open:2", "committing:2"],
    ["assigned", "read-on", "decided:2", "laid:2"],
];

/// How long a transaction may be open here, and for how long who is to be in doubt of one sleeps.
const TRANSACTION: (&str, Duration) = ("3s", Duration::from_secs(5));
/// Records are read a few at once, so that there are some more when they are decided.
const SETTINGS: [(&str, &str); 2] =
    [("KAFKA__TRANSACTION_TIMEOUT", TRANSACTION.0), ("ENGINE__BATCH_EVENTS_MAX", "2")];

/// Instances with fresh names that come and go, and after which time each.
const GUESTS: u64 = 8;
const GUEST_EVERY: Duration = Duration::from_secs(2);

/// What is done to a deployment under load.
type Rage = fn(&mut Storm<'_>);

fn step_of(plan: &str) -> &str {
    let last = plan.rsplit(',').next().unwrap_or(plan);
    last.split(':').next().unwrap_or(last)
}

#[test]
fn no_step_is_left_out() {
    let all: BTreeSet<&str> = Step::ALL.iter().map(|step| step.name()).collect();
    assert_eq!(PLANS.iter().map(|plan| step_of(plan)).collect::<BTreeSet<_>>(), all);
    // Who is in doubt has slept through its session before.
    let slept: BTreeSet<&str> = SLEEPS.iter().flatten().map(|plan| step_of(plan)).collect();
    let missing: Vec<&&str> = all.difference(&slept).collect();
    assert_eq!(missing, [&"committed", &"doubt", &"ended"]);
}

#[test]
fn whoever_is_killed_ended_or_asleep_at_any_step_loses_nothing_and_sends_nothing_twice() {
    let rages: [(&str, Rage); 4] = [
        ("killed", |storm| PLANS.iter().for_each(|plan| storm.kill_at(plan))),
        ("ended", |storm| PLANS.iter().for_each(|plan| storm.end_at(plan))),
        ("asleep", |storm| SLEEPS.iter().for_each(|plans| storm.sleep_at(plans))),
        ("guests", |storm| storm.come_and_go()),
    ];
    let told: Vec<(&str, Told)> = thread::scope(|scope| {
        let run = |(n, (what, rage)): (usize, (&'static str, Rage))| {
            scope.spawn(move || {
                let deployment = Deployment::on(Scene::shared(), 1, &SETTINGS);
                let all = |storm: &mut Storm<'_>| {
                    storm.both_own();
                    rage(storm);
                };
                (what, storm::run(&deployment, 7 + n as u64, all))
            })
        };
        let running: Vec<_> = rages.into_iter().enumerate().map(run).collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|told| told.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    for (what, told) in told {
        let _ = writeln!(io::stderr(), "steps: {what}: {told:?}");
        assert!(told.sends > 0 && told.entered_surely > 0, "nothing was certain: {told:?}");
        assert!(told.replayed > 0, "no commit was decided again: {told:?}");
        // Who is killed or ended and comes again under its name in time has the shards that it had.
        if ["asleep", "guests"].contains(&what) {
            assert!(told.moved > 0, "no partition moved: {told:?}");
        }
    }
}

/// Waits until it stands still at the last step of the plan; at those before it sleeps for longer than a transaction
/// may be open.
fn stands(of: &Deployment, instance: &mut Instance, plan: &str) {
    let steps: Vec<&str> = plan.split(',').collect();
    for (n, step) in steps.iter().enumerate() {
        wait_for(
            &format!("{} stands still at {step}", instance.name),
            || of.said(),
            || {
                instance.lives();
                instance.stands_still().then_some(())
            },
        );
        if n + 1 < steps.len() {
            thread::sleep(TRANSACTION.1);
            instance.signal(Signal::CONT);
        }
    }
}

impl Storm<'_> {
    /// Starts a life that stands still as planned, in place of the one before, and waits until it does. The
    /// guest without whom nothing is revoked is given back.
    fn stand(&mut self, place: usize, plan: &str) -> Option<Instance> {
        let name = NAMES[place];
        let of = self.of;
        self.running[place] = of.start_with(name, &[(steps::VARIABLE, plan)]);
        let guest = (step_of(plan) == Step::Revoked.name()).then(|| {
            let log = &self.running[place].log;
            wait_for("it has its shards", || of.said(), || self.fleet.ready(log).then_some(()));
            of.start("guest")
        });
        stands(of, &mut self.running[place], plan);
        guest
    }

    /// Whether somebody has shards.
    fn owns(&mut self, name: &str) -> Option<()> {
        self.look();
        self.owners.iter().any(|owner| owner == name).then_some(())
    }

    /// Kills one, lets its next life come to a step, kills that too, and starts it once more.
    fn kill_at(&mut self, plan: &str) {
        let place = self.random.below(2) as usize;
        self.kill(place);
        let guest = self.stand(place, plan);
        self.running[place].kill();
        self.told.killed += 1;
        self.start(place);
        guest.into_iter().for_each(Instance::end);
    }

    /// Ends one, lets its next life come to a step, tells it there to end, and starts it once more.
    fn end_at(&mut self, plan: &str) {
        let place = self.random.below(2) as usize;
        // Before it listens it may not know yet what the signal means to it.
        let log = self.running[place].log.clone();
        wait_for("it listens", || self.of.said(), || address(&log));
        self.dies(place);
        self.running[place].signal(Signal::TERM);
        self.running[place].ends(&[exit::OK]);
        let guest = self.stand(place, plan);
        // Who stands still is told once it goes on.
        self.running[place].signal(Signal::TERM);
        self.running[place].signal(Signal::CONT);
        self.running[place].ends(&[exit::OK]);
        self.start(place);
        guest.into_iter().for_each(Instance::end);
    }

    /// Lets some sleep until others have all of their shards, and go on; then they are told to end.
    fn sleep_at(&mut self, plans: &[&str]) {
        let of = self.of;
        let mut sleepers: Vec<Instance> = Vec::new();
        for plan in plans {
            let name = format!("sleeper-{}", step_of(plan));
            sleepers.push(of.start_with(&name, &[(steps::VARIABLE, plan)]));
            if step_of(plan) == Step::Revoked.name() {
                wait_for("it has shards", || of.said(), || self.owns(&name));
            }
        }
        sleepers.iter_mut().zip(plans).for_each(|(sleeper, plan)| stands(of, sleeper, plan));
        wait_for(
            "none of their shards is theirs",
            || of.said(),
            || {
                self.look_after();
                self.look();
                self.owners.iter().all(|owner| NAMES.contains(&&**owner)).then_some(())
            },
        );
        for sleeper in &sleepers {
            sleeper.signal(Signal::CONT);
        }
        for sleeper in &mut sleepers {
            wait_for(
                &format!("{} is ready", sleeper.name),
                || of.said(),
                || {
                    sleeper.lives();
                    self.fleet.ready(&sleeper.log).then_some(())
                },
            );
        }
        self.goes_on();
        sleepers.into_iter().for_each(Instance::end);
        self.both_own();
    }

    /// Instances with fresh names join and leave again, every other one by being killed.
    fn come_and_go(&mut self) {
        let mut guests: Vec<Instance> = Vec::new();
        for n in 0..GUESTS {
            guests.push(self.of.start(&format!("guest-{n}")));
            thread::sleep(GUEST_EVERY);
            self.look_after();
            self.look();
            if n % 2 == 1 {
                let mut first = guests.remove(0);
                first.lives();
                first.kill();
                guests.remove(0).end();
            }
        }
        self.all_ready();
        self.goes_on();
        // A last one stays until it has shards: those before may have been too quick for that.
        self.guest(GUESTS);
    }
}
