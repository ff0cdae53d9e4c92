//! The saturation, the fill and the phases: what is poured or scheduled, and what came of it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use wayfarer::model::Interval;

use super::acts::{self, Done, UNWATCHED};
use super::latency::{Latencies, Stage};
use super::sample::Sampler;
use super::side::{Deployed, Side, Sides};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::generate::http::Server;
use crate::generate::pace::{self, Kept};
use crate::generate::sink::{Sink, Topic};
use crate::profile::{Profile, Schedule};
use crate::report::form::{Latency, ListTaken, PhaseResult, Sample, Saturated};
use crate::scenario::{On, Phase, Scenario, SinkKind};
use crate::shop::event::{Deed, Event};
use crate::shop::{Shop, Shoppers};
use crate::topics::Topics;

/// The system's clock for lag: for so long nothing may come before it is said to get nowhere.
const STUCK: Duration = Duration::from_secs(120);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// For so long no send may come that began in the phase before it is said that all of them have been seen.
const SETTLED: Duration = Duration::from_millis(700);
/// For how long such sends are waited for once the last event is committed.
const SENDS: Duration = Duration::from_secs(600);
/// How long a record that is poured in may wait for company.
const POURED: Duration = Duration::from_millis(50);
/// How long one that is scheduled may.
const SCHEDULED: Duration = Duration::from_millis(5);
/// Over how many connections events come, and how many events a request has at most.
const HTTP: (usize, u64) = (8, 200);
/// After how many users who sign up is looked whether anybody watches.
const LOOK_AFTER: u64 = 64;
/// From this share of the poured events on the system is at its full speed, and up to that.
const STEADY: (f64, f64) = (0.2, 0.97);
/// If at least this share of the events has not been committed when the last one is in, the system is the limit.
const BEHIND: f64 = 0.05;

/// How many users' events the bare loop is tried with before it has the load: as many as reach every partition.
const TRIED: u64 = 2_000;

/// What a run has at hand.
pub struct Stand<'a> {
    /// What is asked for.
    pub scenario: &'a Scenario,
    /// Who can have the load.
    pub sides: &'a Sides<'a>,
    /// The brokers.
    pub brokers: &'a str,
    /// Their topics.
    pub topics: &'a Topics,
    /// Who watches; it knows who has the load, the generator and the time.
    pub sampler: &'a Sampler<'a>,
    /// What readers measure.
    pub latencies: &'a Latencies,
    /// The time.
    pub clock: &'a Clock,
}

impl Stand<'_> {
    fn topic(&self, linger: Duration) -> Result<Topic> {
        Topic::open(self.brokers, &self.sampler.side().topic("events"), linger)
    }

    /// That the run goes on.
    fn watched(&self) -> Result<()> {
        if self.sampler.progress.stop.load(Ordering::Relaxed) {
            return Err(Error(UNWATCHED.to_owned()));
        }
        Ok(())
    }

    /// Waits until everything is committed, and until all sends are seen that count: a timer that was due within the
    /// phase may fire when the last event has long been committed, and the slowest ones are what p99 is about.
    ///
    /// # Errors
    /// It gets nowhere, sends do not end, or an instance has ended.
    pub fn settle(&self) -> Result<()> {
        let (mut moved, mut last) = (Instant::now(), u64::MAX);
        loop {
            self.watched()?;
            let (_, lag) = self.sampler.position()?;
            if lag == 0 {
                no_longer_grows(|| self.latencies.counted(), (SETTLED, SENDS))?;
                return self.watched();
            }
            if lag != last {
                (moved, last) = (Instant::now(), lag);
            }
            self.sampler.side().is_alive()?;
            if moved.elapsed() > STUCK {
                return Err(Error(format!("the system gets nowhere: {lag} events are not committed")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Pours events in, and tells how fast they were committed.
    ///
    /// # Errors
    /// The system gets nowhere, or was too fast to be seen.
    pub fn saturate(&self, count: u64) -> Result<Saturated> {
        let shoppers = Shoppers { seed: self.scenario.events.seed ^ 0x5a70, ..self.scenario.events.clone() };
        self.pour("saturation", &shoppers, count, true)?
    }

    /// Pours events into whoever has the load; what counts ends with the pouring, or goes on until all are committed. If
    /// that was too short to be seen, the inner error says so.
    fn pour(&self, what: &str, shoppers: &Shoppers, count: u64, beside: bool) -> Result<Result<Saturated>> {
        let (mut shop, mut sink) = (Shop::new(shoppers), self.topic(POURED)?);
        self.sampler.announce(what, count);
        self.sampler.progress.events.store(0, Ordering::Relaxed);
        let (before, _) = self.sampler.position()?;
        let from = self.clock.now();
        pace::pour(&mut shop, count, self.clock, &mut sink, self.sampler.progress)?;
        sink.close()?;
        let (done, lag) = self.sampler.position()?;
        let by_system = lag as f64 >= BEHIND * count as f64;
        let at_end = if by_system && beside { (done - before) as f64 } else { count as f64 };
        self.settle()?;
        let samples = self.sampler.samples();
        let mine: Vec<_> = samples.into_iter().filter(|sample| sample.at >= from).collect();
        Ok(saturated(&mine, before, (count, at_end), by_system))
    }

    /// Lets users sign up in every deployment, in the operated one after what the operator does before that.
    ///
    /// # Errors
    /// A verb is refused, or a deployment gets nowhere.
    pub fn fill(&self) -> Result<Done> {
        let (mut done, own) = (Done::default(), &self.sides.own);
        for act in &own.asked.fill.before {
            for (verb, journey) in
                act.verbs.iter().flat_map(|verb| act.journeys.iter().map(move |journey| (verb, journey)))
            {
                done.flips.push(acts::give((&own.system, &own.journeys), (journey, verb.as_str()), 0)?);
            }
        }
        if let Some(beside) = &self.sides.beside {
            self.sampler.turn_to(On::Beside);
            self.sign_up("fill beside", beside)?;
            self.sampler.turn_to(On::Wayfarer);
        }
        self.sign_up("fill", own)?;
        Ok(done)
    }

    /// Lets the users of the deployment that has the load sign up.
    fn sign_up(&self, what: &str, deployed: &Deployed<'_>) -> Result<()> {
        let users = deployed.asked.fill.users;
        if users == 0 {
            return Ok(());
        }
        self.sampler.announce(what, users);
        self.put(users, deployed.asked.fill.over, Deed::SignUp)?;
        self.settle()
    }

    /// Lets so many users do something once each, evenly over so long.
    fn put(&self, users: u64, over: Interval, deed: Deed) -> Result<()> {
        let (mut sink, mut line) = (self.topic(POURED)?, Vec::with_capacity(512));
        let (from, stop) = (self.clock.now(), &self.sampler.progress.stop);
        for user in 0..users {
            if over.0 > 0 && !self.clock.wait_unless(from + evenly(user, users, over), stop) {
                break;
            }
            if user.is_multiple_of(LOOK_AFTER) {
                self.sampler.progress.events.store(user, Ordering::Relaxed);
                self.watched()?;
            }
            let now = self.clock.now();
            let serial = !user;
            let event =
                Event { happened: now, scheduled: now, user, cart: 0, serial, deed, is_repeat: false };
            line.clear();
            event.write(&mut line);
            sink.put(&event.user_id(), &line)?;
        }
        sink.close()?;
        self.sampler.progress.events.store(users, Ordering::Relaxed);
        Ok(())
    }

    /// Starts the bare loop if it does not run yet, and waits until its group has taken partitions and reads.
    fn ready_bare(&self) -> Result<()> {
        let Some(bare) = self.sides.bare.as_ref().filter(|bare| !bare.is_started()) else { return Ok(()) };
        self.sampler.turn_to(On::Wayfarer);
        let (done, _) = self.sampler.position()?;
        bare.start(self.topics, &self.sides.own, done)?;
        self.sampler.turn_to(On::Bare);
        self.sampler.announce("the bare loop", TRIED);
        self.put(TRIED, Interval(0), Deed::View)?;
        self.settle()
    }

    /// Waits until all rows of a list are taken, as the journey's counts say; the topics are asked at the end of the run.
    fn taken(&self, list: &ListTaken) -> Result<()> {
        let (mut moved, mut last) = (Instant::now(), 0);
        loop {
            self.watched()?;
            let [entered, ..] = self.sides.own.system.counts(&list.journey).unwrap_or_default();
            if entered >= list.rows {
                return Ok(());
            }
            if entered != last {
                (moved, last) = (Instant::now(), entered);
            }
            self.sides.own.system.is_alive()?;
            if moved.elapsed() > STUCK {
                let ListTaken { journey, rows, .. } = list;
                return Err(Error(format!(
                    "the list of {journey} gets nowhere: {entered} of {rows} rows are taken"
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs one phase.
    ///
    /// # Errors
    /// A verb is refused, an instance ends, a watcher has failed, or the brokers do not answer.
    pub fn phase(
        &self,
        number: usize,
        phase: &Phase,
        most: Option<f64>,
    ) -> Result<(PhaseResult, Done, Kept)> {
        self.watched()?;
        if phase.on == On::Bare {
            self.ready_bare()?;
        }
        self.sampler.turn_to(phase.on);
        let shoppers = self.sides.deployed(phase.on).asked.events;
        let seed = shoppers.seed.wrapping_add(number as u64 + 1);
        let shoppers = Shoppers { seed, ..shoppers.clone() };
        match phase.pour {
            Some(count) => {
                let (result, remarks) = self.poured(phase, &shoppers, count)?;
                Ok((result, Done { remarks, ..Done::default() }, Kept::new()))
            }
            None => self.scheduled(phase, &shoppers, most),
        }
    }

    /// A phase of as many events as go in: no latencies, which would be those of a queue.
    fn poured(&self, phase: &Phase, shoppers: &Shoppers, count: u64) -> Result<(PhaseResult, Vec<String>)> {
        let (first, mut remarks) = (self.sampler.look()?, Vec::new());
        let steady = self.pour(&phase.name, shoppers, count, false);
        let last = self.sampler.look()?;
        let mut result = PhaseResult::of(phase, (first.at, last.at));
        seen(&mut result, &[&[first], &*self.sampler.samples(), &[last]].concat());
        (result.events, result.rate) = (count, result.throughput);
        match steady? {
            // Over the steady stretch, which has neither the beginning nor the end.
            Ok(Saturated { rate, cpu_ns, broker_cpu_ns, .. }) => {
                (result.throughput, result.cpu_ns, result.broker_cpu_ns) = (rate, cpu_ns, broker_cpu_ns);
                result.rate = rate;
            }
            Err(why) => {
                let name = &phase.name;
                remarks.push(format!("{name}: {why}; its figures are of the beginning and the end, too"));
            }
        }
        Ok((result, remarks))
    }

    /// A phase with a schedule.
    fn scheduled(
        &self,
        phase: &Phase,
        shoppers: &Shoppers,
        most: Option<f64>,
    ) -> Result<(PhaseResult, Done, Kept)> {
        let deployed = self.sides.deployed(phase.on);
        let constant = || {
            Profile::constant(phase.of_saturation.zip(most).map_or(1.0, |(part, most)| most * part / 100.0))
        };
        let profile = phase.load.clone().unwrap_or_else(constant);
        let (warm, all) = (phase.warm.0 as i64 * 1_000, Interval(phase.warm.0 + phase.length.0));
        let mut shop = Shop::new(shoppers);
        let mut sink: Box<dyn Sink> = match self.scenario.sink {
            SinkKind::Kafka => Box::new(self.topic(SCHEDULED)?),
            SinkKind::Http => Box::new(Server::open(deployed.system.url(), HTTP.0, HTTP.1)?),
        };
        let schedule = Schedule::new(&profile, all);
        let events = schedule.events();
        self.sampler.announce(&phase.name, events);
        self.sampler.progress.events.store(0, Ordering::Relaxed);
        let begins = self.clock.now() + 100_000;
        let (from, to) = (begins + warm, begins + all.0 as i64 * 1_000);
        self.latencies.open(&phase.name, self.sampler.side().topic("sends"), (from, to));
        let (operator, stop) = ((&deployed.system, &*deployed.journeys), &self.sampler.progress.stop);
        let (kept, done) = std::thread::scope(|scope| {
            let operated =
                scope.spawn(|| acts::perform(operator, &phase.act, (self.clock, stop), (begins, to)));
            let at = (self.clock, begins);
            let kept = pace::drive(&mut shop, schedule, at, sink.as_mut(), self.sampler.progress);
            // Who can send no more needs no operator either.
            if kept.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            let done = operated.join().map_err(|_| Error("the operator's thread panicked".to_owned()));
            (kept, done)
        });
        let (kept, done) = (kept?, done??);
        sink.close()?;
        self.settle()?;
        done.lists.iter().try_for_each(|list| self.taken(list))?;
        self.sampler.side().is_alive()?;
        let window = self.latencies.last().expect("it was opened");
        let keeping = &self.scenario.keeping;
        let stages = Stage::ALL.iter().filter(|_| kept.is_kept(keeping).is_ok());
        let latencies = stages.filter_map(|stage| Latency::of(stage.name(), &window.stages[*stage as usize]));
        let samples = self.sampler.samples();
        let mut result = PhaseResult {
            rate: events as f64 * 1e3 / all.0 as f64,
            events: kept.events,
            late_share: kept.late_share(keeping),
            late_max_ms: kept.lateness.max() as f64 / 1e3,
            latencies: latencies.collect(),
            ..PhaseResult::of(phase, (from, to))
        };
        seen(&mut result, &samples);
        Ok((result, done, kept))
    }
}

/// When one of so many comes, in microseconds from the first one on.
fn evenly(number: u64, of: u64, over: Interval) -> i64 {
    let at = u128::from(over.0) * 1_000 * u128::from(number) / u128::from(of.max(1));
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// Waits until a count has stayed the same for so long; at most for the second time.
fn no_longer_grows(count: impl Fn() -> u64, (quiet, most): (Duration, Duration)) -> Result<()> {
    let (began, mut moved, mut last) = (Instant::now(), Instant::now(), count());
    loop {
        std::thread::sleep(LOOK_EVERY.min(quiet));
        let now = count();
        if now != last {
            (moved, last) = (Instant::now(), now);
        } else if moved.elapsed() >= quiet {
            return Ok(());
        }
        if began.elapsed() > most {
            return Err(Error(format!(
                "{} s after the last event was committed sends of the phase still come: {last} of them so far",
                most.as_secs()
            )));
        }
    }
}

/// Adds what was seen from outside.
fn seen(result: &mut PhaseResult, samples: &[Sample]) {
    let is_of = |sample: &&Sample| sample.on == result.on && (result.from..=result.to).contains(&sample.at);
    let within: Vec<_> = samples.iter().filter(is_of).collect();
    let (Some(first), Some(last)) = (within.first(), within.last()) else { return };
    let events = last.done.saturating_sub(first.done);
    result.throughput = first.rate_to(last);
    // An instance that was started again counts from nothing: the sum of what grew.
    let cpu: u64 = within.windows(2).map(|pair| pair[1].cpu_ns.saturating_sub(pair[0].cpu_ns)).sum();
    result.cpu_ns = cpu as f64 / events.max(1) as f64;
    let brokers = first.broker_cpu_ns.zip(last.broker_cpu_ns);
    let brokers = brokers.map(|(first, last)| last.saturating_sub(first) as f64 / events.max(1) as f64);
    result.broker_cpu_ns = brokers.filter(|_| events > 0);
    result.lag_max = within.iter().map(|sample| sample.lag).max().unwrap_or(0);
    let most = within.iter().map(|sample| sample.memory).max().unwrap_or(0);
    result.memory = [first.memory, most, last.memory];
}

/// How fast poured events were committed, while they were poured.
fn saturated(
    samples: &[Sample],
    before: u64,
    (count, at_end): (u64, f64),
    by_system: bool,
) -> Result<Saturated> {
    let done = |sample: &Sample| sample.done.saturating_sub(before) as f64;
    let to = (STEADY.1 * count as f64).min(at_end);
    let from = STEADY.0 * to;
    let first = samples.iter().find(|sample| done(sample) >= from);
    let last = samples.iter().rev().find(|sample| done(sample) <= to);
    let (Some(first), Some(last)) = (first, last) else {
        return Err(Error("the system was never seen at work: pour in more events".to_owned()));
    };
    let events = done(last) - done(first);
    if events * 4.0 < to {
        return Err(Error(format!(
            "only {:.0} of {count} poured events were committed between two looks: pour in more events",
            events.max(0.0)
        )));
    }
    let cpu_ns = last.cpu_ns.saturating_sub(first.cpu_ns) as f64 / events;
    let brokers = first.broker_cpu_ns.zip(last.broker_cpu_ns);
    let broker_cpu_ns = brokers.map(|(first, last)| last.saturating_sub(first) as f64 / events);
    Ok(Saturated { rate: first.rate_to(last), measured: true, by_system, cpu_ns, broker_cpu_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: i64, done: u64, cpu_ns: u64) -> Sample {
        Sample {
            on: On::Wayfarer,
            at: seconds * 1_000_000,
            generated: 0,
            done,
            lag: 0,
            sends: 0,
            cpu_ns,
            load_cpu_ns: 0,
            broker_cpu_ns: Some(cpu_ns * 3),
            memory: seconds as u64,
            p99_ms: None,
        }
    }

    #[test]
    fn only_the_stretch_at_full_speed_says_what_the_most_is() {
        let samples = [
            sample(0, 50, 0),
            sample(1, 55, 10),
            sample(2, 70, 20),
            sample(6, 146, 96),
            sample(60, 150, 1_000),
        ];
        let found = saturated(&samples, 50, (100, 100.0), false).expect("it was seen");
        assert_eq!((found.rate, found.cpu_ns, found.by_system), (19.0, 1.0, false));
        assert_eq!(found.broker_cpu_ns, Some(3.0));
        saturated(&samples[..2], 50, (100, 100.0), false).expect_err("it was too fast to be seen");
    }

    #[test]
    fn users_sign_up_evenly_and_the_last_one_before_the_end() {
        let hour = Interval(3_600_000);
        let at = |number| evenly(number, 10_000_000, hour);
        assert_eq!([0, 1, 5_000_000, 9_999_999].map(at), [0, 360, 1_800_000_000, 3_599_999_640]);
        assert_eq!(evenly(5, 10, Interval(0)), 0);
    }

    #[test]
    fn as_long_as_sends_come_that_count_the_phase_is_waited_for() {
        let (looks, quiet) = (std::cell::Cell::new(0), Duration::from_millis(5));
        let count = |most: u64| {
            looks.set(looks.get() + 1);
            looks.get().min(most)
        };
        no_longer_grows(|| count(20), (quiet, STUCK)).expect("it ends");
        assert!(looks.get() > 20, "the last ones were waited for: {}", looks.get());
        let error = no_longer_grows(|| count(u64::MAX), (quiet, Duration::ZERO));
        let error = error.expect_err("it does not end");
        assert!(error.to_string().contains("sends of the phase still come: "), "{error}");
    }

    #[test]
    fn a_phase_has_the_samples_of_whoever_had_its_load_and_the_brokers_of_the_same_stretch() {
        let mut result = crate::report::tests::phase("p");
        (result.from, result.to) = (0, 10_000_000);
        let bare = Sample { on: On::Bare, ..sample(3, 90_000, 90_000) };
        seen(&mut result, &[sample(1, 0, 100), sample(2, 10, 200), bare]);
        assert_eq!((result.cpu_ns, result.throughput, result.broker_cpu_ns), (10.0, 10.0, Some(30.0)));
        seen(&mut result, &[sample(1, 0, 100), Sample { broker_cpu_ns: None, ..sample(2, 10, 200) }]);
        assert_eq!(result.broker_cpu_ns, None);
    }

    #[test]
    fn a_restart_within_a_phase_does_not_make_its_processors_negative() {
        let mut result = crate::report::tests::phase("p");
        (result.from, result.to) = (0, 10_000_000);
        seen(&mut result, &[sample(1, 0, 100), sample(2, 10, 200), sample(3, 20, 20), sample(4, 30, 120)]);
        assert_eq!((result.cpu_ns, result.throughput, result.memory), (200.0 / 30.0, 10.0, [1, 4, 4]));
    }
}
