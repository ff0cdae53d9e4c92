//! Who owns which shard of a [`super::Memory`] that several instances share: assigned by hand or evenly, and
//! taken away at any moment, told to nobody until the next poll.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::journal::record::Shard;

/// One worker of one instance, in the order in which they joined. Never given twice.
pub type Member = u64;

/// How shards come to members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// By [`super::Memory::assign`] and [`super::Memory::take_away`] only.
    ByHand,
    /// Anew whenever a member joins or leaves: shard by shard in turn.
    Evenly,
}

/// The members, and what is whose.
#[derive(Debug)]
pub(super) struct Members {
    rebalance: Rebalance,
    joined: Member,
    names: BTreeMap<Member, Arc<str>>,
    /// By shard: the owner, and the number of the assignment. A member that gets a shard back has another
    /// assignment of it.
    owners: BTreeMap<Shard, (Member, u64)>,
    assignments: u64,
}

impl Members {
    pub(super) fn new(rebalance: Rebalance) -> Self {
        Self { rebalance, joined: 0, names: BTreeMap::new(), owners: BTreeMap::new(), assignments: 0 }
    }

    pub(super) fn join(&mut self, name: &Arc<str>, shards: u16) -> Member {
        let member = self.joined;
        self.joined += 1;
        self.names.insert(member, Arc::clone(name));
        self.balance(shards);
        member
    }

    /// What a member had stays its own until somebody else gets it, as after a crash.
    pub(super) fn leave(&mut self, member: Member, shards: u16) {
        self.names.remove(&member);
        self.balance(shards);
    }

    fn balance(&mut self, shards: u16) {
        if self.rebalance == Rebalance::ByHand || self.names.is_empty() {
            return;
        }
        let members: Vec<Member> = self.names.keys().copied().collect();
        for shard in 0..shards {
            let member = members[usize::from(shard) % members.len()];
            if self.owners.get(&shard).is_none_or(|(owner, _)| *owner != member) {
                self.assign(shard, member);
            }
        }
    }

    pub(super) fn assign(&mut self, shard: Shard, member: Member) {
        self.assignments += 1;
        self.owners.insert(shard, (member, self.assignments));
    }

    pub(super) fn take_away(&mut self, shard: Shard) {
        self.owners.remove(&shard);
    }

    pub(super) fn name(&self, member: Member) -> Option<&Arc<str>> {
        self.names.get(&member)
    }

    pub(super) fn owner(&self, shard: Shard) -> Option<Member> {
        self.owners.get(&shard).map(|(member, _)| *member)
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.names.keys().copied().collect()
    }

    /// Whether an assignment still holds.
    pub(super) fn holds(&self, shard: Shard, member: Member, assignment: u64) -> bool {
        self.owners.get(&shard) == Some(&(member, assignment))
    }

    /// The member's shards and the numbers of their assignments, ascending by shard.
    pub(super) fn of(&self, member: Member) -> impl Iterator<Item = (Shard, u64)> {
        self.owners.iter().filter(move |(_, (owner, _))| *owner == member).map(|(&shard, &(_, n))| (shard, n))
    }
}
