//! Who is killed, stopped, started and ended when; and whose the shards are meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wayfarer::cli::exit;

use super::deployment::Deployment;
use super::instance::{Instance, address, ask};
use super::operator::{Moment, Operator};
use super::{AGAIN, Random, judge, replays, traffic, wait_for};

/// The instances that come again under their names.
pub const NAMES: [&str; 2] = ["a", "b"];

/// The instances that can be asked, by name, with the files that say where they listen.
#[derive(Default)]
pub struct Fleet {
    live: Mutex<BTreeMap<String, PathBuf>>,
    dead: AtomicU64,
}

impl Fleet {
    fn live(&self) -> MutexGuard<'_, BTreeMap<String, PathBuf>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that listens.
    pub fn any(&self, random: &mut Random) -> Option<SocketAddr> {
        let mut all = self.all();
        (!all.is_empty()).then(|| all.swap_remove(random.below(all.len() as u64) as usize))
    }

    /// All that listen, by name.
    pub fn all(&self) -> Vec<SocketAddr> {
        self.live().values().filter_map(|log| address(log)).collect()
    }

    pub fn somebody_is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed) > 0
    }

    pub fn ready(&self, log: &Path) -> bool {
        address(log).is_some_and(|to| matches!(ask(to, "GET", "/readyz", "", b""), Ok((200, _))))
    }

    pub(super) fn comes(&self, instance: &Instance) {
        self.live().insert(instance.name.clone(), instance.log.clone());
    }

    pub(super) fn goes(&self, instance: &Instance) {
        self.live().remove(&instance.name);
    }
}

/// What takes longer than a strike.
#[derive(Clone, Copy, Debug)]
pub enum Interlude {
    /// One is dead for longer than its session.
    FailOver,
    /// One stands still for longer than its session, and goes on.
    Zombie,
    /// One with a fresh name joins, and leaves.
    Guest,
}

/// How many strikes lie between two of them.
const STRIKES: u64 = 3;

/// What a storm was.
#[derive(Debug, Default)]
pub struct Told {
    pub killed: u64,
    /// Who gave up brokers that were away, and was started again.
    pub revived: u64,
    /// How often a shard was seen with another instance than before.
    pub moved: u64,
    pub verbs: u64,
    pub verbs_while_dead: u64,
    pub users: u64,
    pub users_by_http: u64,
    pub poison: u64,
    pub sends: u64,
    /// Commits that a replay has decided again.
    pub replayed: u64,
    /// Users who had to enter, and did.
    pub entered_surely: u64,
    /// Users who must not enter, and did not.
    pub refused_surely: u64,
    /// From a kill to the first commit of the last of its shards elsewhere.
    pub failovers: Vec<Duration>,
}

/// Two instances under load, and who does something to them.
pub struct Storm<'a> {
    pub(super) of: &'a Deployment,
    pub(super) fleet: &'a Fleet,
    pub(super) random: Random,
    /// Beside [`NAMES`].
    pub(super) running: Vec<Instance>,
    pub(super) owners: Vec<String>,
    pub(super) told: Told,
    /// Whether one that gives up its brokers is started again, as a supervisor does.
    pub revives: bool,
}

/// Ends the others when the storm is over, however it ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lets `rage` over a deployment under load, waits until it has come to rest, and judges it.
pub fn run(of: &Deployment, seed: u64, rage: impl FnOnce(&mut Storm<'_>)) -> Told {
    let fleet = Fleet::default();
    let running = NAMES.map(|name| of.start(name)).into();
    let random = Random(seed);
    let mut storm = Storm {
        of,
        fleet: &fleet,
        random,
        running,
        owners: of.owners(),
        told: Told::default(),
        revives: false,
    };
    storm.running.iter().for_each(|instance| fleet.comes(instance));
    let mut operator = Operator::new(of, &fleet, !seed);
    operator.open();
    let over = AtomicBool::new(false);
    let accepted = thread::scope(|scope| {
        let traffic = scope.spawn(|| traffic::run(of, &fleet, Random(seed << 32), &over));
        let operating = scope.spawn(|| operator.run(&over));
        let ends = Over(&over);
        rage(&mut storm);
        drop(ends);
        operating.join().unwrap_or_else(|panic| resume_unwind(panic));
        traffic.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    storm.settle();
    let Storm { mut told, running, revives, .. } = storm;
    told.verbs = operator.given.len() as u64;
    told.verbs_while_dead = operator.given.iter().filter(|given| given.while_dead).count() as u64;
    judge::judge(of, &fleet, &operator.given, &accepted, &mut told);
    told.replayed = replays::while_running(of);
    // Whose brokers have just been away may wait in vain for one of them, and says so.
    let codes = if revives { &[exit::OK, exit::UNREACHABLE][..] } else { &[exit::OK] };
    running.into_iter().for_each(|instance| instance.end_with(codes));
    replays::as_left(of, told.sends);
    told
}

impl Storm<'_> {
    /// Strikes until so many are killed, with an interlude before every so many of them.
    pub fn rage(&mut self, kills: u64, interludes: &[Interlude]) {
        self.both_own();
        let mut next = interludes.iter().cycle();
        let mut strikes = 0;
        while self.told.killed < kills {
            let before = self.told.killed;
            if strikes == 0 {
                match next.next() {
                    Some(Interlude::FailOver) => self.fail_over(),
                    Some(Interlude::Zombie) => self.zombie(),
                    Some(Interlude::Guest) => self.guest(before),
                    None => {}
                }
                strikes = STRIKES;
            } else {
                self.strike();
                strikes -= 1;
            }
        }
    }

    /// Kills one or both after a random while, often in the middle of a restore, and starts them again.
    fn strike(&mut self) {
        let wait = self.random.millis(50, 1_500);
        if self.random.below(2) == 0 {
            self.all_ready();
        }
        thread::sleep(wait);
        let first = self.random.below(2) as usize;
        let victims = if self.random.below(4) == 0 { vec![first, 1 - first] } else { vec![first] };
        for &victim in &victims {
            self.kill(victim);
        }
        thread::sleep(self.random.millis(0, 400));
        for &victim in &victims {
            self.start(victim);
        }
    }

    /// Kills one for longer than its session.
    fn fail_over(&mut self) {
        let victim = self.random.below(2) as usize;
        let at = Instant::now();
        self.kill(victim);
        self.all_are_of(1 - victim);
        self.told.failovers.push(at.elapsed());
        self.start(victim);
        self.both_own();
    }

    /// Lets one stand still until the other has everything, and go on.
    fn zombie(&mut self) {
        self.both_own();
        let victim = self.random.below(2) as usize;
        self.fleet.goes(&self.running[victim]);
        self.fleet.dead.fetch_add(1, Ordering::Relaxed);
        self.running[victim].signal(Signal::STOP);
        self.all_are_of(1 - victim);
        self.running[victim].signal(Signal::CONT);
        self.fleet.dead.fetch_sub(1, Ordering::Relaxed);
        self.fleet.comes(&self.running[victim]);
        self.both_own();
    }

    /// One with a fresh name joins, and leaves as it should.
    pub(super) fn guest(&mut self, n: u64) {
        let of = self.of;
        let name = format!("guest-{n}");
        let guest = self.of.start(&name);
        self.fleet.comes(&guest);
        wait_for(
            "the guest has shards",
            || of.said(),
            || {
                self.look();
                self.owners.contains(&name).then_some(())
            },
        );
        self.fleet.goes(&guest);
        guest.end();
        wait_for(
            "the guest's shards have gone on",
            || of.said(),
            || {
                self.look();
                (!self.owners.contains(&name)).then_some(())
            },
        );
    }

    pub(super) fn kill(&mut self, victim: usize) {
        self.dies(victim);
        self.running[victim].kill();
        self.told.killed += 1;
        self.look();
    }

    /// One that lives is about to end; its place is taken by its next life.
    pub(super) fn dies(&mut self, victim: usize) {
        let instance = &mut self.running[victim];
        instance.lives();
        self.fleet.goes(instance);
        self.fleet.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn start(&mut self, victim: usize) {
        self.running[victim] = self.of.start(NAMES[victim]);
        self.fleet.comes(&self.running[victim]);
        self.fleet.dead.fetch_sub(1, Ordering::Relaxed);
    }

    /// Nobody ends by itself; but a call to brokers that are away for long may never return, and then the process
    /// ends and says so.
    pub(super) fn look_after(&mut self) {
        for instance in &mut self.running {
            let code = instance.ended().and_then(|status| status.code());
            if self.revives && code == Some(i32::from(exit::UNREACHABLE)) {
                *instance = self.of.start(&instance.name.clone());
                self.fleet.comes(instance);
                self.told.revived += 1;
            }
            instance.lives();
        }
    }

    /// Counts the shards that have moved since.
    pub(super) fn look(&mut self) {
        let owners = self.of.owners();
        let moved = owners.iter().zip(&self.owners).filter(|(now, then)| now != then && !then.is_empty());
        self.told.moved += moved.count() as u64;
        self.owners = owners;
    }

    /// Lets that time pass, in which all live on and say that they are not ready.
    pub fn not_ready_during(&mut self, time: Duration) {
        let (began, mut said) = (Instant::now(), false);
        while began.elapsed() < time {
            self.look_after();
            said |= self.running.iter().all(|instance| !self.fleet.ready(&instance.log));
            thread::sleep(AGAIN);
        }
        assert!(said, "none said within {time:?} that it is not ready");
    }

    /// Waits until more is decided of some shard than is now.
    pub fn goes_on(&mut self) {
        let of = self.of;
        let before = of.committed();
        wait_for(
            "something more is decided",
            || of.said(),
            || {
                let now = of.committed();
                now.iter().zip(&before).any(|((now, _), (then, _))| now > then).then_some(())
            },
        );
    }

    fn all_are_of(&mut self, heir: usize) {
        let of = self.of;
        wait_for(
            "the other has all shards",
            || of.said(),
            || {
                self.look();
                self.owners.iter().all(|owner| owner == NAMES[heir]).then_some(())
            },
        );
    }

    /// Waits until all are ready; fails if one has ended by itself.
    pub fn all_ready(&mut self) {
        let of = self.of;
        wait_for(
            "all are ready",
            || of.said(),
            || {
                self.look_after();
                self.running.iter().all(|instance| self.fleet.ready(&instance.log)).then_some(())
            },
        );
    }

    /// Waits until both have committed.
    pub fn both_own(&mut self) {
        let of = self.of;
        wait_for(
            "both have shards",
            || of.said(),
            || {
                self.look_after();
                self.look();
                NAMES.iter().all(|name| self.owners.iter().any(|owner| owner == name)).then_some(())
            },
        );
    }

    /// Waits until everything that was read is decided, and everybody has gone through.
    fn settle(&mut self) {
        let of = self.of;
        self.all_ready();
        let end = Moment::now(self.of).events;
        wait_for(
            "all events are decided",
            || of.said(),
            || {
                let decided = self.of.committed();
                decided.iter().zip(&end).all(|((at, _), end)| at >= end).then_some(())
            },
        );
        wait_for("everybody has left", || of.said(), || judge::everybody_has_left(self.of).then_some(()));
    }
}
