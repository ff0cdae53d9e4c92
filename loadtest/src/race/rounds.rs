//! The rounds: who runs when, over which topics, and whether the result is the job's.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::fill::fill;
use super::job::{Job, PATIENCE_MS};
use super::measure::{Speed, Stretch, Watch};
use super::ours::{Ours, Place};
use super::peer::{Peer, YARDSTICK};
use super::report::{OURS, Report};
use super::streams::{Streams, changelogs};
use super::waiting::Waiting;
use super::weigh::Written;
use super::{Race, bare};
use crate::error::{Error, Result, cannot};
use crate::process::Measured;
use crate::topics::Topics;
use crate::traffic::Traffic;

/// What compiles before it runs is steady from this share of the events on, in percent.
const STEADY: u64 = 20;
/// What compiles while it runs, from this one.
const WARMED_UP: u64 = 50;

/// A race that runs.
pub struct Rounds<'a> {
    /// How it is run.
    pub args: &'a Race,
    /// Who makes topics.
    pub topics: &'a Topics,
    /// The topic of events.
    pub events: &'a str,
    /// For files.
    pub directory: &'a Path,
    /// What names are made of: no other race has it.
    pub since: u128,
}

/// Who runs in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Entrant {
    Ours,
    /// The bare loop that writes one record an event.
    Yardstick,
    Peer(Peer),
}

/// What is known once the events are in the topic.
struct Course {
    /// Where the partitions of events end.
    ends: Vec<i64>,
    /// The shop after the last event.
    shop: Traffic,
    streams: Option<Streams>,
    /// What the bare loop writes, once Wayfarer has.
    shape: Option<bare::Shape>,
}

impl Rounds<'_> {
    /// Runs all of them.
    ///
    /// # Errors
    /// An entrant does not run to its end, or has another result than the job has.
    pub fn run(&self) -> Result<Report> {
        let Race { rounds, warm, .. } = *self.args;
        let (peers, streams, missing) = self.peers();
        let lives = (0..rounds + warm).map(|round| self.prepare(round)).collect::<Result<Vec<_>>>()?;
        let shop = fill(&self.args.brokers, self.events, &self.args.shape, self.args.events)?;
        let ends = self.topics.ends(self.events, self.args.partitions)?;
        let mut course = Course { ends, shop, streams, shape: None };
        let mut shown = Vec::new();
        for (round, ours) in lives.iter().enumerate() {
            let mut speeds = BTreeMap::new();
            for entrant in order(round, warm, &peers) {
                let speed = self.enter(entrant, round, ours, &mut course);
                let speed = speed.map_err(|error| Error(format!("{}: {error}", name(entrant))))?;
                speeds.insert(name(entrant).to_owned(), speed);
                say(&format!("{} {:.0} ns, {:.0}/s", name(entrant), speed.cpu_ns, speed.rate));
            }
            ours.forget(self.topics);
            if round < warm {
                say("that was to warm up");
            } else {
                shown.push(speeds);
                say(&format!("that was round {} of {rounds}", shown.len()));
            }
        }
        Ok(Report::new(&shown, self.args, missing))
    }

    /// Who takes part, and why somebody does not.
    fn peers(&self) -> (Vec<Peer>, Option<Streams>, Vec<String>) {
        let mut peers: Vec<Peer> =
            Peer::ALL.into_iter().filter(|peer| self.args.peers.contains(peer)).collect();
        let on_streams: Vec<&str> =
            peers.iter().filter(|peer| peer.form().is_some()).map(|peer| peer.name()).collect();
        if on_streams.is_empty() {
            return (peers, None, Vec::new());
        }
        match Streams::build() {
            Ok(streams) => (peers, Some(streams), Vec::new()),
            Err(error) => {
                let missing = format!("without {}: {error}", on_streams.join(", "));
                say(&missing);
                peers.retain(|peer| peer.form().is_none());
                (peers, None, vec![missing])
            }
        }
    }

    fn prepare(&self, round: usize) -> Result<Ours> {
        let place = Place {
            program: &self.args.program,
            directory: self.directory,
            journeys: &self.args.journeys,
            brokers: &self.args.brokers,
            events: self.events,
            threads: self.args.threads,
            movements: self.movements(round),
        };
        Ours::prepare(&place, &format!("race-{}-{round}.", self.since))
    }

    /// Whether Wayfarer writes lines: in rounds that do not count it is judged by them.
    const fn movements(&self, round: usize) -> bool {
        self.args.movements || round < self.args.warm
    }

    fn enter(&self, entrant: Entrant, round: usize, ours: &Ours, course: &mut Course) -> Result<Speed> {
        match entrant {
            Entrant::Ours => self.ours(ours, round, course),
            Entrant::Yardstick => self.bare(&format!("{round}-yardstick"), &self.yardstick(), &course.ends),
            Entrant::Peer(Peer::Bare) => {
                let shape = course.shape.as_ref().expect("Wayfarer is first in the first round");
                self.bare(&format!("{round}-bare"), shape, &course.ends)
            }
            Entrant::Peer(peer) => self.peer(peer, round, course),
        }
    }

    fn stretch(&self, from: u64) -> Stretch {
        if self.args.trial { Stretch::Whole } else { Stretch::From(from) }
    }

    fn ours(&self, ours: &Ours, round: usize, course: &mut Course) -> Result<Speed> {
        let group = ours.prefix.trim_end_matches('.');
        let watch = Watch::new(&self.args.brokers, group, self.events, &course.ends)?;
        let mut process = ours.start()?;
        let speed = watch.follow(&mut process, self.stretch(STEADY))?;
        let should = course.shop.waiting();
        let (waits, commits) = (ours.waiting(should), ours.commits()?);
        process.end()?;
        if waits != should {
            return Err(Error(format!("{waits} users wait, and {should} should: the race is void")));
        }
        // What it writes is the same in all rounds that count, and reading it would take longer than the round.
        if round <= self.args.warm {
            course.shape = Some(self.weigh(ours, commits)?);
            if self.movements(round) {
                let lines = format!("{}transitions", ours.prefix);
                Waiting::by_movements(self.topics, &lines, self.args.partitions)?
                    .compare(&course.shop, OURS)?;
            }
        }
        Ok(speed)
    }

    /// What Wayfarer has written: the bare loop writes as many records of the same size.
    fn weigh(&self, ours: &Ours, commits: u64) -> Result<bare::Shape> {
        let written = Written::read(self.topics, &ours.prefix, self.args.partitions)?;
        if commits == 0 || written.parts == 0 || written.users.records == 0 {
            return Err(Error("it has committed nothing".to_owned()));
        }
        Ok(written.shape(self.args.events, commits, &self.yardstick()))
    }

    /// What the bare loop wrote where the peers' figures were taken: a record an event, and a commit each 100 ms.
    fn yardstick(&self) -> bare::Shape {
        bare::Shape {
            brokers: self.args.brokers.clone(),
            events: self.events.to_owned(),
            state: String::new(),
            group: String::new(),
            threads: self.args.threads,
            batch: 30_000,
            records: 1.0,
            value: 48,
            lines: 0.0,
            line: 0,
            others: 1.0,
            other: 16,
            sends: None,
        }
    }

    fn bare(&self, which: &str, shape: &bare::Shape, ends: &[i64]) -> Result<Speed> {
        let name = format!("race-{}-{which}", self.since);
        let shape = bare::Shape { state: format!("{name}.state"), group: name.clone(), ..shape.clone() };
        self.topics.make(&shape.state, self.args.partitions, true)?;
        let path = self.directory.join(format!("{name}.json"));
        let text = serde_json::to_vec(&shape).expect("numbers and names are JSON");
        std::fs::write(&path, text).map_err(cannot(format!("write {}", path.display())))?;
        let watch = Watch::new(&self.args.brokers, &name, self.events, ends)?;
        let mut process = start(Command::new(this_program()?).args(["bare", "--shape"]).arg(&path))?;
        let speed = watch.follow(&mut process, self.stretch(STEADY));
        let _ = process.end();
        self.topics.delete(&[shape.state]);
        speed
    }

    /// A peer that does the job: measured, and its result compared.
    fn peer(&self, peer: Peer, round: usize, course: &Course) -> Result<Speed> {
        let group = format!("race-{}-{round}-{peer}", self.since);
        let [carts, timers] = changelogs(&group);
        let state = peer.form().map_or_else(|| format!("{group}.state"), |_| carts);
        let job = Job {
            brokers: self.args.brokers.clone(),
            events: self.events.to_owned(),
            state,
            sends: format!("{group}.sends"),
            group,
            threads: self.args.threads,
            patience_ms: PATIENCE_MS,
        };
        self.topics.make(&job.sends, self.args.partitions, false)?;
        let watch = Watch::new(&self.args.brokers, &job.group, self.events, &course.ends)?;
        let (mut process, from) = match (peer.form(), &course.streams) {
            (Some(form), Some(streams)) => {
                (streams.start(form, &job, &self.directory.join(&job.group))?, WARMED_UP)
            }
            _ => {
                self.topics.make(&job.state, self.args.partitions, true)?;
                (start(Command::new(this_program()?).arg("naive").args(job.arguments()))?, STEADY)
            }
        };
        let speed = watch.follow(&mut process, self.stretch(from))?;
        // One that was killed since it did not end in time has committed nevertheless.
        let _ = process.end();
        let sent: i64 = self.topics.ends(&job.sends, self.args.partitions)?.iter().sum();
        if sent != 0 {
            return Err(Error(format!("{sent} reminders were sent within the day: the race is void")));
        }
        Waiting::by_state(self.topics, &job.state, self.args.partitions)?
            .compare(&course.shop, peer.name())?;
        self.topics.delete(&[job.state, job.sends, timers]);
        Ok(speed)
    }
}

/// Who runs in a round, in which order: Wayfarer first up to the first one that counts, since it shows what the bare loop
/// is to write, and then another one each time. Rounds that warm the brokers are spared those who would take minutes.
fn order(round: usize, warm: usize, peers: &[Peer]) -> Vec<Entrant> {
    let mut all = vec![Entrant::Ours];
    let scaled = peers.iter().any(|peer| *peer != Peer::Bare);
    all.extend(scaled.then_some(Entrant::Yardstick));
    let quick = |peer: &&Peer| round >= warm || **peer == Peer::Bare;
    all.extend(peers.iter().filter(quick).map(|peer| Entrant::Peer(*peer)));
    let first = round.saturating_sub(warm) % all.len();
    all.rotate_left(first);
    all
}

fn name(entrant: Entrant) -> &'static str {
    match entrant {
        Entrant::Ours => OURS,
        Entrant::Yardstick => YARDSTICK,
        Entrant::Peer(peer) => peer.name(),
    }
}

fn this_program() -> Result<std::path::PathBuf> {
    std::env::current_exe().map_err(cannot("find this program"))
}

fn start(command: &mut Command) -> Result<Measured> {
    let child = command.stdin(Stdio::null()).spawn();
    Ok(Measured::new(child.map_err(cannot("start this program as a peer"))?))
}

fn say(text: &str) {
    use std::io::Write;
    // Nobody is left to tell if the standard error is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_begins_with_us_and_the_next_ones_with_another_each() {
        let peers = [Peer::Bare, Peer::Naive];
        let firsts = |warm| [0, 1, 2].map(|round| name(order(round, warm, &peers)[0]));
        assert_eq!(firsts(0), [OURS, YARDSTICK, "bare"]);
        assert_eq!(firsts(1), [OURS, OURS, YARDSTICK]);
        assert_eq!(order(0, 1, &peers), [Entrant::Ours, Entrant::Yardstick, Entrant::Peer(Peer::Bare)]);
        assert_eq!(order(1, 1, &peers).len(), 4);
        assert_eq!(order(0, 0, &[Peer::Bare]), [Entrant::Ours, Entrant::Peer(Peer::Bare)]);
    }
}
