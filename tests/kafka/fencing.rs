//! No transaction outlives its membership (KIP-447, and what it does not cover).
//!
//! A member of the group stands still past its session, at each point of its work; another takes its
//! partitions over and commits the same inputs; then the first goes on to its commit. Whatever it does
//! before, no send is there twice for a read_committed reader, and none is lost.
//!
//! The broker refuses a member that it does not know. But one that **polls** before it commits has joined
//! anew and is known again, under another id, and the broker takes its old transaction: measured on Kafka 4.1
//! and 4.3, and shown here by leaving out the check of the id. So the check is what holds, and this test can
//! fail.

mod case;
mod plan;
mod worker;
mod work;

use std::thread;
use std::time::Duration;

use case::{Case, Outcome};

use crate::scene::Scene;

/// A member that is not heard for so long is thrown out.
const SESSION: Duration = Duration::from_secs(6);

/// Two, so that one can be revoked.
const PARTITIONS: i32 = 2;

/// Records in each partition.
const RECORDS: i64 = 12;

/// Where a worker stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// Partitions have come; their positions are read, their records are not.
    Restore,
    /// Records are read, no transaction is open.
    Idle,
    /// A transaction is open and empty.
    Open,
    /// The sends are at the broker.
    Sent,
    /// The positions have been sent too.
    Offsets,
    /// The commit is under way.
    Commit,
    /// A partition is being revoked, with a transaction open: within the callback.
    Revoke,
}

use Point::{Commit, Idle, Offsets, Open, Restore, Revoke, Sent};

/// Without a poll there is no rejoining; in a commit nobody polls.
const STRAIGHT: [Point; 7] = [Restore, Idle, Open, Sent, Offsets, Commit, Revoke];
const POLLED: [Point; 6] = [Restore, Idle, Open, Sent, Offsets, Revoke];
const STATIC: [Point; 3] = [Idle, Open, Sent];

/// Runs all cases side by side.
fn run(cases: Vec<Case>) -> Vec<(Case, Outcome)> {
    let scene = Scene::shared();
    let outcomes: Vec<Result<Outcome, String>> = thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| scope.spawn(|| case.run(&scene))).collect();
        running.into_iter().map(|case| case.join().expect("a case answers")).collect()
    });
    let failed = |(case, error): (&Case, &String)| format!("{case:?}: {error}");
    let errors = cases.iter().zip(&outcomes).filter_map(|(case, it)| it.as_ref().err().map(|it| (case, it)));
    let errors: Vec<String> = errors.map(failed).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    cases.into_iter().zip(outcomes.into_iter().flatten()).collect()
}

#[test]
fn no_send_is_doubled_or_lost_when_a_member_sleeps_through_its_session() {
    let case = |point, polls, is_static| Case { point, polls, is_static, checks: true };
    let mut cases = Vec::new();
    cases.extend(STRAIGHT.map(|point| case(point, false, false)));
    cases.extend(POLLED.map(|point| case(point, true, false)));
    cases.extend(STATIC.map(|point| case(point, false, true)));
    cases.extend(STATIC.map(|point| case(point, true, true)));
    let mut wrong = Vec::new();
    for (case, outcome) in run(cases) {
        if !outcome.doubled.is_empty() || !outcome.lost.is_empty() {
            wrong.push(format!("{case:?}: {outcome:?}"));
        }
        // Positions that were sent hold the successor up until they are decided: that commit may stand.
        if outcome.committed && !matches!(case.point, Offsets | Commit) {
            wrong.push(format!("{case:?} committed: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_the_check_of_the_member_a_poll_before_the_commit_doubles_sends() {
    let case = |point| Case { point, polls: true, is_static: false, checks: false };
    for (case, outcome) in run([Idle, Open, Sent].map(case).to_vec()) {
        assert!(outcome.committed && !outcome.doubled.is_empty(), "{case:?} must double: {outcome:?}");
    }
}
