//! What the operator does while events flow: each at its time, over HTTP, and what was answered when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::system::System;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::report::form::{Flip, Gate, ListTaken, Restart};
use crate::scenario::{Act, Published};

/// What the operator did.
#[derive(Default)]
pub struct Done {
    /// Verbs, in the order of their answers.
    pub flips: Vec<Flip>,
    /// Instances.
    pub restarts: Vec<Restart>,
    /// Lists that were uploaded.
    pub lists: Vec<ListTaken>,
    /// What went otherwise than asked for, a sentence each.
    pub remarks: Vec<String>,
    /// How many acts came only when the phase was over, since those before them took so long.
    pub overdue: usize,
}

/// What a verb shuts, by the dialects' tables (CT, AN).
#[must_use]
pub fn shuts(dialect: &str, verb: &str) -> Vec<Gate> {
    match (dialect, verb) {
        ("clevertap", "pause") | ("antsomi", "close") => vec![Gate::Entry],
        ("antsomi", "pause") => vec![Gate::Movement],
        (_, "stop" | "abort" | "freeze") => vec![Gate::Entry, Gate::Movement],
        _ => Vec::new(),
    }
}

/// The wall clock, by which brokers stamp records; microseconds since 1970.
fn wall() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// Gives one verb to one journey, so many microseconds later than it was due.
///
/// # Errors
/// No answer, or a refusal.
pub fn give(
    (system, journeys): (&System, &[Published]),
    (journey, verb): (&str, &str),
    late: i64,
) -> Result<Flip> {
    let dialect = journeys.iter().find(|known| known.id == journey).map(|known| known.dialect.clone());
    let dialect = dialect.ok_or_else(|| {
        let some: Vec<&str> = journeys.iter().take(10).map(|known| known.id.as_str()).collect();
        Error(format!("there is no journey {journey:?}; there are {}", some.join(", ")))
    })?;
    let asked = wall();
    let answer = system.give(journey, verb)?;
    let answered = wall();
    if !(200..300).contains(&answer.status) {
        return Err(Error(format!(
            "{verb} {journey} was refused with {}: {}",
            answer.status, answer.message
        )));
    }
    Ok(Flip {
        journey: journey.to_owned(),
        shut: shuts(&dialect, verb),
        dialect,
        verb: verb.to_owned(),
        due: asked - late,
        asked,
        answered,
        status: answer.status,
        message: answer.message,
        last_start_ms: None,
        starts_before: 0,
        starts_after: 0,
    })
}

/// What is said where the load ends before its time; the watcher's own sentence comes before it.
pub const UNWATCHED: &str = "nobody watches any more";

/// Does all acts whose time comes between `from` and `to` (microseconds by the clock), each on a thread of its own: that
/// one is not answered in time delays no other one. None is left out, however late it is, unless it is to stop.
///
/// # Errors
/// A verb is refused or not answered, an instance does not start again, or it was to stop.
pub fn perform(
    (system, journeys): (&System, &[Published]),
    acts: &[Act],
    (clock, stop): (&Clock, &AtomicBool),
    (from, to): (i64, i64),
) -> Result<Done> {
    // A load that is not operated as was asked for is not what was asked for: the others need not wait for their times.
    let ends = |_: &Error| stop.store(true, Ordering::Relaxed);
    let all = std::thread::scope(|scope| {
        let act = |act| {
            let one = move || one((system, journeys), act, (clock, stop), (from, to));
            scope.spawn(move || one().inspect_err(ends))
        };
        let threads: Vec<_> = acts.iter().map(act).collect();
        let panicked = |_| Error("the operator's thread panicked".to_owned());
        let joined = threads.into_iter().map(|thread| thread.join().map_err(panicked)?);
        joined.collect::<Vec<Result<Done>>>()
    });
    // Whoever was only told to stop does not say why.
    let (told, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| one.as_ref().is_err_and(|error| error.0 == UNWATCHED));
    others.extend(told);
    let all = others.into_iter().collect::<Result<Vec<_>>>()?;
    let mut done = Done::default();
    for some in all {
        done.flips.extend(some.flips);
        done.restarts.extend(some.restarts);
        done.lists.extend(some.lists);
        done.overdue += some.overdue;
    }
    done.flips.sort_by_key(|flip| flip.asked);
    Ok(done)
}

fn one(
    (system, journeys): (&System, &[Published]),
    act: &Act,
    (clock, stop): (&Clock, &AtomicBool),
    (from, to): (i64, i64),
) -> Result<Done> {
    let mut done = Done::default();
    done.overdue = in_turns(act, (clock, stop), (from, to), |turn, due| {
        if let Some(instance) = act.restart.or(act.kill) {
            let (at, killed) = (clock.now(), act.kill.is_some());
            let took = system.restart(instance, !killed, stop)?;
            done.restarts.push(Restart { instance, killed, at, ready_ms: took.as_secs_f64() * 1e3 });
            return Ok(());
        }
        if let Some(rows) = act.rows {
            return list((system, journeys), act, (rows, clock.now() - due), &mut done);
        }
        let verb = act.verbs[turn % act.verbs.len()];
        for journey in &act.journeys {
            // Who waited for the answer before this one was slow for the operator, too: an open loop.
            let late = (clock.now() - due).max(0);
            done.flips.push(give((system, journeys), (journey, verb.as_str()), late)?);
        }
        Ok(())
    })?;
    Ok(done)
}

/// Uploads a list, and gives the verbs that let its users in.
fn list(
    (system, journeys): (&System, &[Published]),
    act: &Act,
    (rows, late): (u64, i64),
    done: &mut Done,
) -> Result<()> {
    for journey in &act.journeys {
        let asked = wall();
        let answer = system.upload(journey, rows)?;
        if !(200..300).contains(&answer.status) {
            let (status, message) = (answer.status, answer.message);
            return Err(Error(format!(
                "a list of {rows} rows for {journey} was refused with {status}: {message}"
            )));
        }
        let uploaded = wall();
        for verb in &act.verbs {
            done.flips.push(give((system, journeys), (journey, verb.as_str()), late.max(0))?);
        }
        done.lists.push(ListTaken { asked, uploaded, ..ListTaken::new(journey, rows) });
    }
    Ok(())
}

/// Does something at each time of an act; how often that was only after the end.
fn in_turns(
    act: &Act,
    (clock, stop): (&Clock, &AtomicBool),
    (from, to): (i64, i64),
    mut each: impl FnMut(usize, i64) -> Result<()>,
) -> Result<usize> {
    let mut overdue = 0;
    for (turn, at) in times(act, to - from).into_iter().enumerate() {
        if !clock.wait_unless(from + at, stop) {
            return Err(Error(UNWATCHED.to_owned()));
        }
        overdue += usize::from(clock.now() >= to);
        each(turn, from + at)?;
    }
    Ok(overdue)
}

/// When an act is due, in microseconds from the beginning on.
fn times(act: &Act, length: i64) -> Vec<i64> {
    let first = act.at.0 as i64 * 1_000;
    let every = act.every.map_or(i64::MAX, |every| every.0 as i64 * 1_000);
    let all = (0..).map(|turn: i64| first.saturating_add(every.saturating_mul(turn)));
    let most = act.times.map_or(usize::MAX, |times| times as usize);
    all.take_while(|at| *at < length).take(most).collect()
}

#[cfg(test)]
mod tests {
    use wayfarer::lifecycle::Verb;
    use wayfarer::model::Interval;

    use super::*;

    fn act(at: u64, every: Option<u64>, most: Option<u32>) -> Act {
        Act {
            at: Interval(at),
            every: every.map(Interval),
            times: most,
            journeys: vec!["j".to_owned()],
            verbs: vec![Verb::Pause],
            rows: None,
            restart: None,
            kill: None,
        }
    }

    #[test]
    fn an_act_comes_at_its_times_within_the_phase() {
        let of = |at, every, most| times(&act(at, every, most), 2_500_000);
        assert_eq!(of(500, None, None), [500_000]);
        assert_eq!(of(0, Some(1_000), None), [0, 1_000_000, 2_000_000]);
        assert_eq!(of(0, Some(1_000), Some(2)), [0, 1_000_000]);
        assert!(of(2_500, None, None).is_empty());
    }

    #[test]
    fn once_nobody_watches_no_further_act_comes() {
        let (clock, stop) = (Clock::start(), AtomicBool::new(false));
        // Four times in a day: only the first one is due.
        let (from, six_hours) = (clock.now(), 21_600_000);
        let mut turns = Vec::new();
        let ended = in_turns(
            &act(0, Some(six_hours), None),
            (&clock, &stop),
            (from, from + 4 * six_hours as i64 * 1_000),
            |turn, due| {
                turns.push((turn, due));
                stop.store(true, Ordering::Relaxed);
                Ok(())
            },
        );
        assert_eq!(ended.map_err(|error| error.to_string()), Err(UNWATCHED.to_owned()));
        assert_eq!(turns, [(0, from)]);
    }

    /// The two documents mean opposite things by it.
    #[test]
    fn pause_shuts_the_entry_of_one_dialect_and_the_movement_of_the_other() {
        assert_eq!(shuts("clevertap", "pause"), [Gate::Entry]);
        assert_eq!(shuts("antsomi", "pause"), [Gate::Movement]);
        assert_eq!(shuts("antsomi", "freeze"), [Gate::Entry, Gate::Movement]);
        assert_eq!(shuts("antsomi", "reactivate"), []);
    }
}
