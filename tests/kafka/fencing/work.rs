//! The transaction of a worker, and on whose behalf it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use wayfarer::journal::kafka::client::{
    Consumer, Edge, Isolation, Messages, Partition, Rebalance, SentOffset, Transaction, overdue,
};

use super::Point;
use super::plan::{Plan, say};
use super::worker::Inputs;
use crate::process::stand_still;
use crate::scene::{PATIENCE, SOON, outs, until};

/// The member that read the inputs of a transaction, and whether it had to give one of them away since.
///
/// The rule that the test is about: who has become another member, or has lost a partition, does not commit
/// what was begun before.
pub struct Tenure {
    member: String,
    gone: bool,
}

impl Tenure {
    /// That of the member which it is now.
    pub fn of(consumer: &Consumer) -> Tenure {
        Tenure { member: consumer.member_id(), gone: false }
    }

    /// Polls until the group knows us again by another id and has given us something: then it stands firm,
    /// and would take our positions.
    pub fn rejoin(&mut self, consumer: &Consumer) {
        let mut batch = Messages::new();
        let mut given = false;
        until("it is a member again", || {
            let polled = consumer.poll(&mut batch, 1, SOON, &mut |_, rebalance| {
                given = matches!(rebalance, Rebalance::Assigned(_));
                self.gone |= !given;
            });
            if let Err(error) = polled {
                say(&format!("is told: {error}"));
            }
            let member = consumer.member_id();
            (given && !member.is_empty() && member != self.member).then_some(())
        });
    }

    /// Whether what was begun may be committed.
    fn holds(&self, consumer: &Consumer) -> Result<(), String> {
        let member = consumer.member_id();
        if member.is_empty() || member != self.member {
            return Err(format!("the member {:?} has become {member:?}", self.member));
        }
        if self.gone {
            return Err("a partition went".to_owned());
        }
        Ok(())
    }
}

/// Stands still within a commit of another thread.
///
/// A commit lasts a millisecond and a busy machine may look away for longer, so that one may be missed.
pub struct InCommit {
    met: Arc<AtomicBool>,
    stands: Option<JoinHandle<()>>,
}

impl InCommit {
    /// Waits for a commit.
    pub fn wait() -> InCommit {
        let met = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&met);
        let stands = thread::spawn(move || {
            while overdue(0).is_none_or(|call| call.call != "commit the transaction") {}
            mark.store(true, Ordering::SeqCst);
            say("stands still");
            stand_still();
        });
        InCommit { met, stands: Some(stands) }
    }

    /// Whether it has met one. If so it has stood still.
    pub fn has_met(&mut self) -> bool {
        let met = self.met.load(Ordering::SeqCst);
        if let Some(stands) = self.stands.take_if(|_| met) {
            stands.join().expect("it only stands still");
        }
        met
    }
}

/// One transaction: for each input a send, and the positions.
pub struct Work<'a> {
    pub plan: &'a Plan,
    pub consumer: &'a Consumer,
    pub inputs: &'a Inputs,
}

impl Work<'_> {
    /// All of it, with a stand at the point of the plan.
    pub fn run(&self, mut transaction: Transaction<'_>, tenure: &mut Tenure) -> Result<(), String> {
        let (plan, consumer) = (self.plan, self.consumer);
        plan.stand_at(Point::Open, consumer, tenure);
        self.produce(&mut transaction)?;
        if plan.stands_at(Point::Sent) || plan.stands_at(Point::Revoke) {
            self.wait_for_sends();
        }
        plan.stand_at(Point::Sent, consumer, tenure);
        if plan.stands_at(Point::Revoke) {
            self.be_revoked(transaction, tenure)
        } else {
            self.finish(transaction, tenure)
        }
    }

    /// A send says the position of its input.
    pub fn produce(&self, transaction: &mut Transaction<'_>) -> Result<(), String> {
        for (&partition, &(from, to)) in self.inputs {
            let sends: Vec<String> = (from..to).map(|offset| format!("{partition}/{offset}")).collect();
            let sends: Vec<&str> = sends.iter().map(String::as_str).collect();
            transaction
                .produce(&self.plan.sends, outs(partition, &sends), PATIENCE)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Waits until they are at the broker, where nobody reads them yet.
    fn wait_for_sends(&self) {
        let partitions: Vec<Partition> =
            self.inputs.keys().map(|number| Partition::new(self.plan.sends.as_str(), *number)).collect();
        until("the sends are at the broker", || {
            let ends = self.consumer.offsets(&partitions, Edge::Latest, Isolation::Uncommitted, PATIENCE);
            let ends = ends.expect("the broker answers");
            // Markers count too, so there are more offsets than sends.
            self.inputs.values().zip(ends).all(|((_, to), end)| end >= *to).then_some(())
        });
    }

    /// Adds the positions on behalf of the member that we are now: it may be another than we were.
    pub fn send_offsets(&self, transaction: &mut Transaction<'_>) -> Result<(), String> {
        let group = self.consumer.group_metadata().map_err(|error| error.to_string())?;
        let sent = |(number, (_, to)): (&i32, &(i64, i64))| SentOffset {
            partition: Partition::new(self.plan.events.as_str(), *number),
            offset: *to,
            metadata: "",
        };
        let offsets: Vec<SentOffset<'_>> = self.inputs.iter().map(sent).collect();
        transaction.send_offsets(&offsets, &group, PATIENCE).map_err(|error| error.to_string())
    }

    /// Sends the positions and commits, or aborts and says why.
    fn finish(&self, mut transaction: Transaction<'_>, tenure: &mut Tenure) -> Result<(), String> {
        let sent = self.check(tenure).and_then(|()| self.send_offsets(&mut transaction));
        let sent = sent.and_then(|()| {
            self.plan.stand_at(Point::Offsets, self.consumer, tenure);
            self.check(tenure)
        });
        if let Err(why) = sent {
            // Or who reads committed records would wait for it.
            return Err(match transaction.abort(PATIENCE) {
                Ok(()) => why,
                Err(error) => format!("{why}; {error}"),
            });
        }
        transaction.commit(PATIENCE).map_err(|error| error.to_string())
    }

    fn check(&self, tenure: &Tenure) -> Result<(), String> {
        if self.plan.checks { tenure.holds(self.consumer) } else { Ok(()) }
    }

    /// Polls until a partition is revoked, and stands still then and there. What is open is finished before
    /// the callback returns, as it should be, or after further polls.
    fn be_revoked(&self, transaction: Transaction<'_>, tenure: &mut Tenure) -> Result<(), String> {
        say("open");
        let (plan, consumer) = (self.plan, self.consumer);
        let mut batch = Messages::new();
        let mut open = Some(transaction);
        let mut stood = false;
        let finished = until("a partition is revoked", || {
            let mut finished = None;
            let polled = consumer.poll(&mut batch, 1, SOON, &mut |_, rebalance| {
                if matches!(rebalance, Rebalance::Assigned(_)) || stood {
                    return;
                }
                stood = true;
                say("stands still");
                stand_still();
                if !plan.polls {
                    finished = open.take().map(|transaction| self.finish(transaction, tenure));
                }
                tenure.gone = true;
            });
            if let Err(error) = polled {
                say(&format!("is told: {error}"));
            }
            stood.then_some(finished)
        });
        match open {
            None => finished.expect("it was finished in the callback"),
            Some(transaction) => {
                tenure.rejoin(consumer);
                self.finish(transaction, tenure)
            }
        }
    }
}
