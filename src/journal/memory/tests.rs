//! What a memory journal promises beyond the contract: that it fails as it is told.

use super::*;
use crate::journal::batch::Batch;
use crate::journal::contract::{self, Bench, SHARDS};
use crate::journal::error::CommitError;
use crate::journal::record::{Kind, Source};
use crate::journal::traits::{Assignment, Journal, Stored};
use crate::journal::transaction::Transaction;

struct InMemory;

impl Bench for InMemory {
    type Log = Memory;
    fn create(&mut self) -> Memory {
        Memory::new(SHARDS)
    }
    fn crash(&mut self, log: Memory) -> Memory {
        log.crash();
        log.reopen()
    }
}

#[test]
fn memory_keeps_the_contract() {
    contract::check(|| InMemory);
}

/// As one instance of several: a worker gets what it is assigned.
struct Cluster;

impl Bench for Cluster {
    type Log = Memory;
    fn create(&mut self) -> Memory {
        Memory::shared(SHARDS, Rebalance::ByHand)
    }
    fn worker(&mut self, log: &Memory, shards: &[Shard]) -> MemoryWorker {
        let worker = log.worker(Assignment::Shared(0)).unwrap();
        shards.iter().for_each(|&shard| log.assign(shard, worker.number().unwrap()));
        worker
    }
    fn crash(&mut self, log: Memory) -> Memory {
        log.crash();
        log.reopen()
    }
}

#[test]
fn memory_that_is_shared_keeps_the_contract() {
    contract::check(|| Cluster);
}

/// What a poll says of the shards: lost, gained.
fn moved(worker: &mut MemoryWorker) -> (Vec<Shard>, Vec<Shard>) {
    let mut batch = Batch::new();
    worker.poll(&mut batch, 10).unwrap();
    (batch.lost().to_vec(), batch.gained().to_vec())
}

#[test]
fn who_has_lost_a_shard_commits_nothing_of_it_told_or_not() {
    let log = Memory::shared(1, Rebalance::ByHand);
    let mut one = log.instance("one").worker(Assignment::Shared(0)).unwrap();
    let mut two = log.instance("two").worker(Assignment::Shared(0)).unwrap();
    log.assign(0, one.number().unwrap());
    assert_eq!(moved(&mut one), (vec![], vec![0]));
    one.commit(&transaction(1)).unwrap();
    assert_eq!(log.acknowledged().unwrap()[0].owner, "one");
    log.assign(0, two.number().unwrap());
    let refused = |outcome| assert!(matches!(outcome, Err(CommitError::Refused { .. })), "{outcome:?}");
    refused(one.commit(&transaction(2)));
    assert!(matches!(one.head(0), Err(JournalError::NotOwned { .. })), "it is not told yet");
    refused(two.commit(&transaction(2)));
    assert_eq!(moved(&mut two), (vec![], vec![0]));
    assert_eq!(two.stored(0).unwrap().head().map(|head| head.seq), Some(1));
    two.commit(&transaction(2)).unwrap();
    // It comes back before the first has heard that it was gone: what the first knows of it is old.
    log.assign(0, one.number().unwrap());
    refused(one.commit(&transaction(3)));
    assert_eq!(moved(&mut one), (vec![0], vec![0]));
    one.commit(&transaction(3)).unwrap();
    log.take_away(0);
    assert_eq!((moved(&mut one), log.owner(0)), ((vec![0], vec![]), None));
}

#[test]
fn shards_are_divided_anew_when_members_come_and_go() {
    let log = Memory::shared(4, Rebalance::Evenly);
    let mut one = log.worker(Assignment::Shared(0)).unwrap();
    assert_eq!(moved(&mut one), (vec![], vec![0, 1, 2, 3]));
    let mut two = log.worker(Assignment::Shared(1)).unwrap();
    assert_eq!(moved(&mut two), (vec![], vec![1, 3]));
    assert_eq!(moved(&mut one), (vec![3, 1], vec![]));
    drop(one);
    assert_eq!((moved(&mut two), two.shards()), ((vec![], vec![0, 2]), &[0, 1, 2, 3][..]));
    assert!(log.worker(Assignment::Fixed(&[0])).unwrap_err().to_string().contains("shards of its choice"));
}

fn transaction(seq: u64) -> Transaction {
    let mut tx = Transaction::new();
    tx.begin(Timestamp(1));
    tx.shard(0, seq).put(b"k", b"v");
    tx
}

fn started(log: &Memory) -> MemoryWorker {
    let mut worker = log.worker(Assignment::Fixed(&[0])).unwrap();
    worker.start(0).unwrap();
    worker
}

fn append(log: &Memory, text: &str) -> Result<Appended, IntakeError> {
    log.append(Timestamp(1), &[Append { shard: 0, kind: Kind::Event, user: None, bytes: text.as_bytes() }])
}

#[test]
fn each_commit_meets_the_fault_planned_for_it() {
    let mut plan = FaultPlan::default();
    plan.commits.insert(0, CommitFault::Refuse);
    plan.commits.insert(1, CommitFault::Unknown { committed: false });
    plan.commits.insert(2, CommitFault::Unknown { committed: true });
    plan.commits.insert(4, CommitFault::Crash { committed: true });
    let log = Memory::with_faults(1, plan);
    let mut worker = started(&log);
    let mut seqs = Vec::new();
    for seq in [1, 1, 1, 2] {
        let outcome = worker.commit(&transaction(seq));
        seqs.push((outcome.is_ok(), worker.head(0).unwrap().map(|head| head.seq)));
    }
    assert_eq!(seqs, [(false, None), (false, None), (false, Some(1)), (true, Some(2))]);
    assert!(matches!(worker.commit(&transaction(3)), Err(CommitError::Unknown { .. })));
    assert!(matches!(worker.head(0), Err(JournalError::Ended { .. })), "the crash ended the handle");
    assert_eq!(started(&log.reopen()).head(0).unwrap().map(|head| head.seq), Some(3));
}

#[test]
fn a_crash_loses_what_was_not_synced_and_nothing_else() {
    let log = Memory::new(1);
    log.sync_on_demand();
    append(&log, "kept").unwrap();
    log.sync();
    append(&log, "lost").unwrap();
    started(&log).commit(&transaction(1)).unwrap();
    log.crash();
    assert!(append(&log, "from the dead").is_err());
    let mut worker = started(&log.reopen());
    let mut batch = Batch::new();
    worker.poll(&mut batch, 10).unwrap();
    assert_eq!(batch.records().map(|r| r.bytes).collect::<Vec<_>>(), [b"kept"]);
    assert_eq!(worker.head(0), Ok(None));
}

#[test]
fn reads_are_repeated_delayed_and_cut_short_as_planned() {
    let log = Memory::new(1);
    for text in ["a", "b", "c"] {
        append(&log, text).unwrap();
    }
    let mut plan = FaultPlan::default();
    plan.polls.insert(0, PollFault::Delay);
    plan.polls.insert(1, PollFault::Short { max: 2 });
    plan.polls.insert(2, PollFault::Repeat { records: 1 });
    log.set_faults(plan);
    let mut worker = started(&log);
    let mut batch = Batch::new();
    let mut polls = Vec::new();
    for _ in 0..4 {
        worker.poll(&mut batch, 10).unwrap();
        polls.push(batch.records().map(|r| r.offset).collect::<Vec<_>>());
    }
    assert_eq!(polls, [vec![], vec![0, 1], vec![1, 2], vec![]]);
}

#[test]
fn appends_fail_as_planned() {
    let mut plan = FaultPlan::default();
    plan.appends.insert(0, AppendFault::Refuse);
    plan.appends.insert(1, AppendFault::Unknown { accepted: true });
    plan.appends.insert(2, AppendFault::Unknown { accepted: false });
    let log = Memory::with_faults(1, plan);
    assert!(matches!(append(&log, "a"), Err(IntakeError::Stopped { .. })));
    assert!(matches!(append(&log, "b"), Err(IntakeError::Unknown { .. })));
    assert!(matches!(append(&log, "c"), Err(IntakeError::Unknown { .. })));
    assert_eq!(append(&log, "d").unwrap().offsets, [1], "only b was accepted before");
}

#[test]
fn a_full_disk_stops_intake_and_refuses_commits_until_there_is_room() {
    let log = Memory::new(1);
    let mut worker = started(&log);
    log.set_full(Some("no room"));
    assert!(matches!(append(&log, "a"), Err(IntakeError::Stopped { .. })));
    assert!(matches!(log.intake_state(), IntakeState::Stopped { .. }));
    assert!(matches!(worker.commit(&transaction(1)), Err(CommitError::Refused { .. })));
    log.set_full(None);
    assert_eq!(log.intake_state(), IntakeState::Open);
    append(&log, "a").unwrap();
    let mut tx = transaction(1);
    tx.begin(Timestamp(2));
    tx.shard(0, 1).set_position(Source::Events, 1);
    worker.commit(&tx).unwrap();
}
