//! A worker as a process: reads inputs, sends one record for each, commits both in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::process;
use std::thread;
use std::time::Duration;

use wayfarer::journal::kafka::client::{
    Consumer, Isolation, Membership, Messages, Partition, Producer, Rebalance, Settings,
};

use super::plan::{Plan, Role, say};
use super::work::{InCommit, Tenure, Work};
use super::{PARTITIONS, Point, RECORDS, SESSION};
use crate::scene::{PATIENCE, SOON, until};

/// Longer than any case: the broker must not end the transaction for us.
const TRANSACTION: Duration = Duration::from_secs(300);

/// Records of the first transaction, which goes well.
const FIRST: usize = 4;

#[test]
#[ignore = "the other tests of this module run it as a process of its own"]
fn worker() {
    // Somebody runs every test, ignored or not.
    let Some(plan) = Plan::from_environment() else { return };
    // Nobody is left to read our lines when it ends.
    thread::spawn(|| {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        process::exit(1);
    });
    match plan.role {
        Role::Sleeper => sleep(Worker::join(plan)),
        Role::Successor => succeed(Worker::join(plan)),
    }
}

/// What is read of each partition and not committed: from and to.
pub type Inputs = BTreeMap<i32, (i64, i64)>;

struct Worker {
    plan: Plan,
    consumer: Consumer,
    producer: Producer,
    /// Up to where each partition is committed, of those that we have.
    next: BTreeMap<i32, i64>,
    /// Those of them of which this is not known yet.
    undecided: BTreeSet<i32>,
}

impl Worker {
    fn join(plan: Plan) -> Worker {
        let settings = Settings::new(plan.servers.as_str());
        let transactional_id = format!("{}.{:?}", plan.group, plan.role);
        let membership = Membership {
            group: plan.group.clone(),
            instance: plan.is_static.then(|| format!("{:?}", plan.role)),
            session_timeout: SESSION,
            poll_interval_max: TRANSACTION,
        };
        let mut producer = Producer::new(&settings, &transactional_id, TRANSACTION).expect("a producer");
        producer.init_transactions(PATIENCE).expect("the coordinator answers");
        let consumer = Consumer::member(&settings, &membership).expect("a consumer");
        consumer.subscribe(&[&plan.events]).expect("a topic");
        Worker { plan, consumer, producer, next: BTreeMap::new(), undecided: BTreeSet::new() }
    }

    /// One poll. What came is started where the group has committed, as soon as that is decided.
    fn poll(&mut self, batch: &mut Messages, max: usize) {
        let (next, undecided) = (&mut self.next, &mut self.undecided);
        let polled = self.consumer.poll(batch, max, SOON, &mut |_, rebalance| match rebalance {
            Rebalance::Assigned(partitions) => {
                next.extend(partitions.iter().map(|partition| (partition.number, 0)));
                undecided.extend(partitions.iter().map(|partition| partition.number));
                if next.len() == all() {
                    say("has all");
                }
            }
            Rebalance::Revoked(partitions) | Rebalance::Lost(partitions) => {
                next.retain(|number, _| partitions.iter().all(|gone| gone.number != *number));
                undecided.retain(|number| partitions.iter().all(|gone| gone.number != *number));
            }
        });
        if let Err(error) = polled {
            say(&format!("is told: {error}"));
        }
        if !self.undecided.is_empty() {
            self.start_decided();
        }
    }

    /// Positions that others have sent are waited for, but not long: the group wants to be polled.
    fn start_decided(&mut self) {
        let came: Vec<Partition> =
            self.undecided.iter().map(|number| self.event_partition(*number)).collect();
        let committed = match self.consumer.committed(&came, SOON * 10) {
            Ok(committed) => committed,
            Err(error) => {
                say(&format!("is told: {error}"));
                return;
            }
        };
        let from = came.into_iter().zip(committed.iter().map(|at| at.as_ref().map_or(0, |at| at.offset)));
        let from: Vec<(Partition, i64)> = from.collect();
        match self.consumer.start(&from, PATIENCE) {
            Ok(()) => {
                self.next.extend(from.iter().map(|(partition, offset)| (partition.number, *offset)));
                self.undecided.clear();
            }
            Err(error) => say(&format!("is told: {error}")),
        }
    }

    /// Whether all partitions are ours, and it is known where they begin.
    fn has_all(&self) -> bool {
        self.next.len() == all() && self.undecided.is_empty()
    }

    /// Polls until there are records, and takes up to `max`.
    fn read(&mut self, max: usize) -> Inputs {
        let mut batch = Messages::new();
        until("there are records", || {
            self.poll(&mut batch, max);
            (!batch.is_empty()).then_some(())
        });
        inputs(&batch)
    }

    /// A transaction. One that is refused, since the group is on the move, is begun anew where it was.
    fn commit(&mut self, inputs: &Inputs) {
        let Worker { plan, consumer, producer, next, undecided } = self;
        let mut transaction = producer.begin().expect("the one before is over");
        let work = Work { plan, consumer, inputs };
        work.produce(&mut transaction).expect("the broker takes it");
        match work.send_offsets(&mut transaction) {
            Ok(()) => {
                transaction.commit(PATIENCE).expect("it is committed");
                next.extend(inputs.iter().map(|(number, (_, to))| (*number, *to)));
            }
            Err(why) => {
                say(&format!("begins anew: {why}"));
                transaction.abort(PATIENCE).expect("it can be aborted");
                undecided.extend(inputs.keys());
            }
        }
    }

    /// Polls until all partitions are ours; records are left for others to read.
    fn gain_all(&mut self) {
        let mut batch = Messages::new();
        until("partitions come", || {
            self.poll(&mut batch, 1);
            self.has_all().then_some(())
        });
    }

    /// What a restore does: reads without the group, from the positions of the group.
    fn restore(&self, tenure: &mut Tenure) -> Inputs {
        let mut batch = Messages::new();
        let settings = Settings::new(self.plan.servers.as_str());
        let reader = Consumer::reader(&settings, &self.plan.group, Isolation::Committed).expect("a reader");
        let from: Vec<(Partition, i64)> =
            self.next.iter().map(|(number, at)| (self.event_partition(*number), *at)).collect();
        reader.assign(&from).expect("they exist");
        self.plan.stand_at(Point::Restore, &self.consumer, tenure);
        until("there are records", || {
            reader.poll(&mut batch, usize::from(u8::MAX), SOON, &mut |_, _| ()).expect("records");
            (!batch.is_empty()).then_some(())
        });
        inputs(&batch)
    }

    fn event_partition(&self, number: i32) -> Partition {
        Partition::new(self.plan.events.as_str(), number)
    }
}

/// How many partitions there are.
fn all() -> usize {
    usize::try_from(PARTITIONS).expect("it is a small number")
}

/// What is in a batch: of each partition its records lie without gaps.
fn inputs(batch: &Messages) -> Inputs {
    let mut inputs = Inputs::new();
    for message in batch.iter() {
        let offset = message.offset();
        let (_, to) = inputs.entry(message.partition()).or_insert((offset, offset));
        *to = offset + 1;
    }
    inputs
}

/// Takes over what is there, and goes on for ever.
fn succeed(mut worker: Worker) {
    let mut batch = Messages::new();
    let mut done = false;
    loop {
        worker.poll(&mut batch, usize::from(u8::MAX));
        let inputs = inputs(&batch);
        if !inputs.is_empty() {
            worker.commit(&inputs);
        }
        if !done && worker.has_all() && worker.next.values().all(|next| *next >= RECORDS) {
            done = true;
            say("done");
        }
    }
}

/// One good transaction, then one during which it stands still; says what became of that.
fn sleep(mut worker: Worker) {
    let restores = worker.plan.stands_at(Point::Restore);
    if restores {
        worker.gain_all();
    } else {
        let inputs = worker.read(FIRST);
        worker.commit(&inputs);
    }
    let mut tenure = Tenure::of(&worker.consumer);
    let inputs = if restores { worker.restore(&mut tenure) } else { worker.read(usize::from(u8::MAX)) };
    let Worker { plan, consumer, producer, .. } = &mut worker;
    plan.stand_at(Point::Idle, consumer, &mut tenure);
    let mut run = |inputs: &Inputs, tenure: &mut Tenure| {
        let transaction = producer.begin().expect("the one before is over");
        Work { plan, consumer, inputs }.run(transaction, tenure)
    };
    let done = if plan.stands_at(Point::Commit) {
        // One by one, until one is met.
        let mut waiting = InCommit::wait();
        let mut runs = singly(&inputs).map(|input| run(&input, &mut tenure));
        runs.find(|_| waiting.has_met()).expect("one of several commits is met")
    } else {
        run(&inputs, &mut tenure)
    };
    match done {
        Ok(()) => say("commit ok"),
        Err(why) => say(&format!("commit refused: {why}")),
    }
}

/// Each input for itself.
fn singly(inputs: &Inputs) -> impl Iterator<Item = Inputs> {
    let each = |(&number, &(from, to)): (&i32, &(i64, i64))| (from..to).map(move |at| (number, (at, at + 1)));
    inputs.iter().flat_map(each).map(|input| Inputs::from([input]))
}
