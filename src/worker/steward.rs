//! What the system itself commands: shares of entry limits, the end of a list, a journey that keeps failing.
//!
//! Its commands are records of the control log like any operator's, with ids derived from what they are
//! about, so that a repeat does nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::clock;
use super::pool::Nudge;
use super::running::Running;
use super::view::Door;
use crate::control::service::{CommandError, Service};
use crate::control::{Act, Command, Grant, Lineage, Record};
use crate::journal::Log;
use crate::journey::catalog::{Journey, JourneyIndex};
use crate::lifecycle::{ListProgress, Role, Verb};

/// The steward looks at least so often, for what a nudge has been lost of (a command that failed).
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long it waits for shards to take a command of its own; nothing depends on the answer.
const WAIT: Duration = Duration::from_secs(1);
/// What a shard is granted beyond those who wait, as a share of what is left for all: small, for what is
/// granted and not used may keep others out.
const AHEAD: u64 = 4;

/// How much more each shard of a limited journey may admit, given what it has and how many wait there.
///
/// Never above the limit in all. Those who wait come first, in the order of the shards; what then remains is
/// given out ahead in part, so that most entries need not wait for a grant. `None` if nothing is to be
/// granted.
#[must_use]
pub fn allot(limit: u64, doors: &[Door], exhausted: bool) -> Option<Grant> {
    let given: u64 = doors.iter().map(|door| door.granted).sum();
    let mut left = limit.saturating_sub(given);
    let mut granted: Vec<u64> = doors.iter().map(|door| door.granted).collect();
    // Of a limit that was raised after it had been used up, nobody waits at a door to tell.
    let mut wanted = exhausted && left > 0;
    for (granted, door) in granted.iter_mut().zip(doors) {
        let unused = door.granted.saturating_sub(door.admitted);
        let lacking = door.waiting.saturating_sub(unused);
        wanted |= lacking > 0;
        let share = lacking.min(left);
        *granted += share;
        left -= share;
    }
    let ahead = left / AHEAD / doors.len().max(1) as u64;
    if ahead > 0 {
        for (granted, door) in granted.iter_mut().zip(doors).filter(|(_, door)| door.waiting > 0) {
            *granted += ahead;
            left -= ahead;
            debug_assert!(*granted >= door.granted);
        }
    }
    wanted.then_some(Grant { granted, exhausted: left == 0 })
}

/// Looks after journeys until whoever nudges it is gone.
pub(super) fn run<L: Log>(running: &Arc<Running<L>>, nudges: &Receiver<Nudge>) {
    loop {
        let nudge = match nudges.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => Nudge::Look,
            Ok(nudge) => nudge,
        };
        match nudge {
            Nudge::Spent(journey) => alarm(running, journey),
            Nudge::Look => {
                // One that fails does not keep the others from being tried.
                for looked in [allot_all(running), end_lists(running), fail_spent(running)] {
                    if let Err(error) = looked {
                        tracing::warn!(%error, "a command of the system was not taken");
                    }
                }
            }
        }
    }
}

fn command<L: Log>(
    running: &Running<L>,
    id: String,
    journey: &str,
    command: Command,
) -> Result<(), CommandError> {
    let record = Record {
        id,
        at: None,
        actor: "system".to_owned(),
        role: Role::System,
        journey: journey.to_owned(),
        expect: None,
        command,
    };
    running.command(record, WAIT).map(drop)
}

/// A journey whose live version has a limit: its number, its id, the limit, its revision, what was granted.
type Limited = (JourneyIndex, String, u64, u64, Option<(u64, Grant)>);

fn allot_all<L: Log>(running: &Running<L>) -> Result<(), CommandError> {
    let limited: Vec<Limited> = running.with_fold(|fold| {
        let catalog = fold.catalog();
        let limit = |live| catalog.plan(live).entry.limit;
        let lineages = catalog.journeys.iter().zip(fold.registry().lineages()).enumerate();
        let of = |(n, (journey, lineage)): (usize, (&Journey, &Lineage))| {
            let limit = limit(journey.live?)?;
            Some((n as JourneyIndex, lineage.id.clone(), limit, lineage.revision, lineage.granted.clone()))
        };
        lineages.filter_map(of).collect()
    });
    if limited.is_empty() {
        return Ok(());
    }
    let views = running.board().views();
    for (journey, id, limit, revision, before) in limited {
        let shown = views.iter().flat_map(|(_, view)| &view.doors);
        let mut doors: Vec<Door> = shown.filter(|(of, _)| *of == journey).map(|(_, door)| *door).collect();
        if doors.len() != running.shards() {
            // Some shard has not been heard of yet.
            continue;
        }
        // The log knows what was granted, a shard perhaps not yet.
        let (basis, before) = before.map_or((0, None), |(number, grant)| (number, Some(grant)));
        if let Some(before) = &before {
            let granted = doors.iter_mut().zip(&before.granted);
            granted.for_each(|(door, granted)| door.granted = door.granted.max(*granted));
        }
        let Some(grant) = allot(limit, &doors, before.as_ref().is_some_and(|grant| grant.exhausted)) else {
            continue;
        };
        if before.as_ref() == Some(&grant) {
            continue;
        }
        // Of all who grant on top of the same grant, one is heard.
        let command_id = format!("grant/{id}/{revision}/{basis}");
        heard(command(running, command_id, &id, Command::Grant(grant)))?;
    }
    Ok(())
}

/// Another instance may have been faster: then there is nothing left to be done.
fn heard(given: Result<(), CommandError>) -> Result<(), CommandError> {
    match given {
        Err(CommandError::Refused(refused)) => {
            tracing::debug!(%refused, "another instance was faster");
            Ok(())
        }
        other => other,
    }
}

/// A list is processed when every shard has taken its end (G8).
///
/// Where the state has no such verb (the journey was stopped), the list's end changes nothing, and nobody is
/// told: the command would be refused, and given again at every look.
fn end_lists<L: Log>(running: &Running<L>) -> Result<(), CommandError> {
    let unfinished: Vec<(JourneyIndex, String, u64)> = running.with_fold(|fold| {
        let lineages = fold.registry().lineages().iter().enumerate();
        let now = clock::wall();
        lineages
            .filter(|(_, l)| l.lifecycle.list() == ListProgress::Unfinished && l.live().is_some())
            .filter(|(_, l)| l.lifecycle.state_at(now).arrow(Verb::ListProcessed).is_some())
            .map(|(number, l)| (number as JourneyIndex, l.id.clone(), l.revision))
            .collect()
    });
    if unfinished.is_empty() {
        return Ok(());
    }
    let views = running.board().views();
    for (journey, id, revision) in unfinished {
        let shown = views.iter().flat_map(|(_, view)| &view.lists);
        let cursors: Vec<_> = shown.filter(|(of, _)| *of == journey).map(|(_, cursor)| *cursor).collect();
        let Some(epoch) = cursors.iter().map(|cursor| cursor.epoch).max() else { continue };
        let ended = cursors.iter().filter(|cursor| cursor.epoch == epoch && cursor.is_done()).count();
        if ended == running.shards() {
            let act = Command::Act(Act::from(Verb::ListProcessed));
            heard(command(running, format!("list/{id}/{epoch}/{revision}"), &id, act))?;
        }
    }
    Ok(())
}

/// Journeys whose failure budget is spent go to Error, in dialects that have it (G17).
///
/// What a shard has committed says so, until it has taken the command: whoever dies before it has told anybody, or
/// cannot give the command, is asked again. A shard that has not taken the journey's newest command may speak of a time
/// before that, so it is not heard yet: of an Error that was recovered there is no echo.
fn fail_spent<L: Log>(running: &Running<L>) -> Result<(), CommandError> {
    let views = running.board().views();
    let spent: BTreeSet<_> = views.iter().flat_map(|(_, view)| view.spent.iter().copied()).collect();
    for (journey, epoch) in spent {
        let now = clock::wall();
        let found = running.with_fold(|fold| {
            let lineage = fold.registry().lineages().get(usize::from(journey))?;
            let can_fail = lineage.lifecycle.state_at(now).arrow(Verb::Fail).is_some();
            (can_fail && epoch >= lineage.number).then(|| (lineage.id.clone(), lineage.revision))
        });
        let Some((id, revision)) = found else { continue };
        tracing::error!(journey = id, "the journey's failure budget is spent, so it goes to Error");
        let reason = Some("its failure budget is spent".to_owned());
        let act = Act { reason, ..Act::from(Verb::Fail) };
        heard(command(running, format!("fail/{id}/{revision}"), &id, Command::Act(act)))?;
    }
    Ok(())
}

/// A spent budget is an alarm where the dialect has no Error (G17).
fn alarm<L: Log>(running: &Running<L>, journey: JourneyIndex) {
    let of_dialect_without = running.with_fold(|fold| {
        let lineage = fold.registry().lineages().get(usize::from(journey))?;
        (!lineage.lifecycle.dialect().knows(Verb::Fail)).then(|| lineage.id.clone())
    });
    if let Some(id) = of_dialect_without {
        tracing::error!(
            journey = id,
            "the journey's failure budget is spent; whoever fails is parked until released"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Manifest;
    use crate::journal::ControlLog;
    use crate::journal::memory::Memory;
    use crate::journey::definition::Definition;
    use crate::metrics::Hub;
    use crate::worker::board::Board;
    use crate::worker::desk::Desk;
    use crate::worker::lists::Cursor;
    use crate::worker::samples;
    use crate::worker::view::ShardView;

    fn vips(entry: &str) -> Definition {
        let text = samples::greeting("vips", entry);
        crate::journey::source::load("t.toml", text.as_bytes()).expect("it is right")
    }

    fn give(running: &Running<Memory>, id: &str, command: Command) {
        let (actor, journey) = ("test".to_owned(), "vips".to_owned());
        let record = Record {
            id: id.to_owned(),
            at: None,
            actor,
            role: Role::Operator,
            journey,
            expect: None,
            command,
        };
        running.command(record, Duration::ZERO).expect("it is taken");
    }

    #[test]
    fn a_list_is_ended_once_and_not_at_all_after_its_journey_was_stopped() {
        for (stopped, commands, state) in [(false, 1, "Completed"), (true, 0, "Stopped")] {
            let (log, board) = (Memory::new(2), Arc::new(Board::new(2, 0)));
            board.committed([(0, u64::MAX), (1, u64::MAX)].into_iter());
            let running =
                Arc::new(Running::new(log.clone(), Desk::new(), Arc::clone(&board), Hub::new(0, 1), vec![]));
            let definition = vips("list = \"vips\"");
            give(&running, "put", Command::Put { definition: Box::new(definition) });
            give(&running, "list", Command::List(Manifest { list: "vips".to_owned(), rows: 0 }));
            give(&running, "publish", Command::Act(Act::from(Verb::Publish)));
            if stopped {
                give(&running, "stop", Command::Act(Act::from(Verb::Stop)));
            }
            for shard in 0..2 {
                let lists = vec![(0, Cursor { epoch: 1, next: 0, end: 0 })];
                board.see(shard, 1, Arc::new(ShardView { lists, ..ShardView::default() }));
            }
            let before = log.control_end().expect("it can be asked");
            for _ in 0..4 {
                end_lists(&running).expect("nothing is in its way");
            }
            assert_eq!(
                (log.control_end().expect("it can be asked") - before, running.journeys()[0].state.as_str()),
                (commands, state)
            );
        }
    }

    /// G17: two shards of two instances say it, one of them from before the Error was recovered.
    #[test]
    fn a_spent_budget_makes_one_error_whoever_says_it_and_how_often() {
        let log = Memory::new(2);
        let instance = || {
            let board = Arc::new(Board::new(2, 0));
            board.committed([(0, u64::MAX), (1, u64::MAX)].into_iter());
            Arc::new(Running::new(log.clone(), Desk::new(), board, Hub::new(0, 1), vec![]))
        };
        let (one, two) = (instance(), instance());
        let mut definition = vips("event = \"Start\"");
        definition.dialect = "antsomi".to_owned();
        give(&one, "put", Command::Put { definition: Box::new(definition) });
        give(&one, "activate", Command::Act(Act::from(Verb::Activate)));
        two.fold().expect("it reads");
        let newest = || one.with_fold(|fold| fold.catalog().epoch);
        let say = |running: &Running<Memory>, shard, seq, epoch| {
            running.board().see(
                shard,
                seq,
                Arc::new(ShardView { spent: vec![(0, epoch)], ..ShardView::default() }),
            );
        };
        let epoch = newest();
        let errors = || {
            one.fold().expect("it reads");
            let records = log.read_control(0, 1000).expect("it reads");
            let commands =
                records.iter().filter(|record| String::from_utf8_lossy(&record.bytes).contains("fail/"));
            (one.journeys()[0].state.clone(), commands.count())
        };
        say(&one, 0, 1, epoch);
        say(&two, 1, 1, epoch);
        for running in [&one, &one, &two, &two] {
            fail_spent(running).expect("to be too late is no failure");
        }
        assert_eq!(errors(), ("Error".to_owned(), 2), "both gave the same command");
        let recovered = |running: &Running<Memory>, id: &str| {
            super::command(running, id.to_owned(), "vips", Command::Act(Act::from(Verb::Recover)))
        };
        recovered(&one, "recover").expect("it is in Error");
        two.fold().expect("it reads");
        // Neither shard has been heard of since; then one has taken all commands, and has failed anew.
        for running in [&one, &two] {
            fail_spent(running).expect("nothing is to be done");
        }
        assert_eq!(errors(), ("Active".to_owned(), 2));
        say(&two, 1, 2, newest());
        fail_spent(&two).expect("nothing is in its way");
        assert_eq!(errors(), ("Error".to_owned(), 3));
    }

    #[test]
    fn of_two_instances_that_grant_at_once_one_is_heard_and_the_limit_holds() {
        let log = Memory::new(2);
        let instance = |waiting: [u64; 2]| {
            let board = Arc::new(Board::new(2, 0));
            board.committed([(0, u64::MAX), (1, u64::MAX)].into_iter());
            for (shard, waiting) in (0..).zip(waiting) {
                let doors = vec![(0, Door { waiting, ..Door::default() })];
                board.see(shard, 1, Arc::new(ShardView { doors, ..ShardView::default() }));
            }
            Arc::new(Running::new(log.clone(), Desk::new(), board, Hub::new(0, 1), vec![]))
        };
        // What each has seen of the doors differs; alone, either would give away all ten.
        let (one, two) = (instance([10, 0]), instance([0, 10]));
        let definition = vips(
            "event = \"Start\"
limit = 10",
        );
        give(&one, "put", Command::Put { definition: Box::new(definition) });
        give(&one, "publish", Command::Act(Act::from(Verb::Publish)));
        two.fold().expect("it reads");
        allot_all(&one).expect("nothing is in its way");
        allot_all(&two).expect("to be too late is no failure");
        allot_all(&two).expect("now it knows, and nothing is left");
        for running in [&one, &two] {
            running.fold().expect("it reads");
            let granted = running.with_fold(|fold| fold.registry().lineages()[0].granted.clone());
            assert_eq!(granted.map(|(_, grant)| grant.granted), Some(vec![10, 0]));
        }
        let more = |granted: Vec<u64>| {
            let (id, command) = (format!("{granted:?}"), Command::Grant(Grant { granted, exhausted: true }));
            super::command(&one, id, "vips", command)
        };
        for (granted, why) in [(vec![9, 1], "would have 9, and has 10"), (vec![10, 1], "the limit is 10")] {
            let refused = more(granted).expect_err("it is not to be had").to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn shares_never_exceed_the_limit_and_reach_it_under_demand() {
        let mut doors = vec![Door::default(); 4];
        let (limit, mut admitted) = (1_000, 0);
        for round in 0.. {
            for (n, door) in doors.iter_mut().enumerate() {
                door.waiting += (n as u64 + 1) * 7;
                let let_in = door.waiting.min(door.granted - door.admitted);
                door.admitted += let_in;
                door.waiting -= let_in;
                admitted += let_in;
            }
            let Some(grant) = allot(limit, &doors, false) else { continue };
            assert!(grant.granted.iter().sum::<u64>() <= limit);
            assert_eq!(grant.exhausted, grant.granted.iter().sum::<u64>() == limit);
            for (door, granted) in doors.iter_mut().zip(&grant.granted) {
                assert!(*granted >= door.granted, "what was granted is never taken back");
                door.granted = *granted;
            }
            if grant.exhausted && admitted == limit {
                return;
            }
            assert!(round < 1_000, "the limit is never reached: {doors:?}");
        }
    }
}
