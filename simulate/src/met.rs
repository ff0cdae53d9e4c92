//! What a run met, checked and compared, as numbers: a run that met nothing proves nothing.

use std::fmt;

/// The invariants by their ids: I1 is at index 0.
pub const INVARIANTS: [&str; 14] = [
    "I1 no loss: what the reference has done is done, or is a dead letter (lines compared)",
    "I2 no idempotency key twice (keys)",
    "I3 state, sends and positions of a commit are together (commits decided again)",
    "I4 one user's events take effect in order (movements in the order of each user)",
    "I5 no timer early, none ahead of what is unread (movements against the clock)",
    "I6 progress resumes after a fault (times that the cluster came to rest after one)",
    "I7 restored state is the fold of the input (restores, and states decided again)",
    "I8 a turn stays within its budgets (turns)",
    "I9 an answered command is durable, idempotent, and taken by every shard, one by one (commands)",
    "I10 bad input hurts only itself (dead letters)",
    "I11 a shard that is being restored leaves the others' records alone (turns beside one, which read on)",
    "I12 an instance says that it runs only with all that it was given, and reads on then (turns that say so)",
    "I13 conservation (versions of journeys)",
    "I14 what has started is sent, and a gate that does not open starts nothing (messages and starts)",
];

/// What befell the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the table below say it")]
pub enum Fault {
    Crash,
    Died,
    Refused,
    Unknown,
    Unaccepted,
    Doubled,
    Delayed,
    Short,
    Repeated,
    Moved,
    Untold,
    Frozen,
    Fenced,
    Late,
    Slow,
    Jumped,
    Torn,
    Stale,
    Untrue,
    Trusted,
    Behind,
    TooOld,
    Rolled,
}

impl Fault {
    /// Every one, with what it is.
    pub const ALL: [(Self, &str); 23] = [
        (Self::Crash, "instances that crashed between two turns"),
        (Self::Died, "instances that died in the middle of a turn, at any call"),
        (Self::Refused, "commits that were aborted"),
        (Self::Unknown, "commits whose answer was lost"),
        (Self::Unaccepted, "records and commands that were refused when appended, and given again"),
        (Self::Doubled, "records and commands whose answer was lost, and which were given again"),
        (Self::Delayed, "reads that gave nothing yet"),
        (Self::Short, "reads that gave little"),
        (Self::Repeated, "reads that gave records again"),
        (Self::Moved, "shards taken away between two turns"),
        (Self::Untold, "instances that died after a failure budget was spent, and before they told anybody"),
        (Self::Frozen, "workers stopped before a commit whose shards went elsewhere: zombies"),
        (Self::Fenced, "commits refused since the shard was another's"),
        (Self::Late, "turns without commands and restored shards that were there"),
        (Self::Slow, "commits so slow that others took turns meanwhile"),
        (Self::Jumped, "turns after a local clock jumped by a day: nobody must have looked at it"),
        (Self::Torn, "checkpoints that were torn, and not used"),
        (Self::Stale, "checkpoints too old or of another log, and not used"),
        (Self::Untrue, "checkpoints that did not lead to the committed state, and were given up"),
        (Self::Trusted, "restores from a checkpoint and what came behind it"),
        (Self::Behind, "times that the next format was refused since an owner does not read it"),
        (Self::TooOld, "instances of the program before that ended since the next format was begun"),
        (Self::Rolled, "instances that came again as another program, the newer one or the one before"),
    ];
}

/// What a run met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    faults: [u64; Fault::ALL.len()],
    checked: [u64; INVARIANTS.len()],
    /// Users who were held.
    pub held: u64,
    /// Users who drained.
    pub drained: u64,
    /// Times that several records were unread when something was due.
    pub backlogs: u64,
    /// Lists that were taken to their ends.
    pub lists: u64,
    /// Pages of the format before that were renewed.
    pub renewed: u64,
    /// Commands that were given while not everybody had heard of the one before.
    pub bursts: u64,
}

impl Met {
    /// A fault befell.
    pub fn fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    /// How often a fault befell.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u64 {
        self.faults[fault as usize]
    }

    /// The invariant of that number, from 1, was checked so many times more, and held.
    pub fn checked(&mut self, invariant: usize, times: u64) {
        self.checked[invariant - 1] += times;
    }

    /// Adds what another run met.
    pub fn add(&mut self, other: &Self) {
        let add = |to: &mut [u64], of: &[u64]| to.iter_mut().zip(of).for_each(|(to, of)| *to += of);
        add(&mut self.faults, &other.faults);
        add(&mut self.checked, &other.checked);
        self.held += other.held;
        self.drained += other.drained;
        self.backlogs += other.backlogs;
        self.lists += other.lists;
        self.renewed += other.renewed;
        self.bursts += other.bursts;
    }

    /// Everything with its count.
    fn lines(&self) -> impl Iterator<Item = (u64, &'static str)> {
        let faults = Fault::ALL.iter().map(|(fault, what)| (self.count(*fault), *what));
        let others = [
            (self.held, "users who were held"),
            (self.drained, "users who drained"),
            (self.backlogs, "times that several records were unread when something was due"),
            (self.lists, "audience lists taken to their ends"),
            (self.renewed, "users' records of the format before that were renewed"),
            (self.bursts, "times that two or three commands were given at once"),
        ];
        faults.chain(others).chain(self.checked.iter().copied().zip(INVARIANTS))
    }

    /// What it never met: a run of many seeds fails by it.
    #[must_use]
    pub fn missed(&self) -> Vec<&'static str> {
        self.lines().filter(|(count, _)| *count == 0).map(|(_, what)| what).collect()
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|(count, what)| writeln!(f, "{count:>10}  {what}"))
    }
}
