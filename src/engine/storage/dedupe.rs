//! Which messages were here before: fingerprints of their ids, in two generations.
//!
//! New fingerprints go to the young generation. When that is a window old, or full, it becomes the old one
//! and the old one is forgotten: so a message is known for at least the window and at most two, unless the
//! young generation was full before. Then the window is shorter, and [`Dedupe::effective_window`] says by
//! how much.
//!
//! The set is part of a shard's state. What was added since the last commit is told by [`Dedupe::added`]
//! and persisted by generation; a set restored from that answers exactly as this one. Two different
//! messages with equal fingerprints are one message to this set: with 64 bits, once in 10⁶ years at 20,000
//! a second and ten minutes.

use hashbrown::HashTable;

use crate::model::{Interval, Timestamp};

/// In how many tables a generation is split, so that growing stops its shard for less than a millisecond.
const PARTS: usize = 64;
/// A table uses the lowest bits of a fingerprint and the highest seven.
const PART_SHIFT: u32 = 48;

/// A generation is split in tables; nobody walks them.
#[derive(Debug)]
struct Generation {
    number: u64,
    started: Timestamp,
    parts: Box<[HashTable<u64>; PARTS]>,
    len: usize,
}

impl Generation {
    fn new(number: u64, started: Timestamp) -> Self {
        Self { number, started, parts: Box::new([const { HashTable::new() }; PARTS]), len: 0 }
    }

    fn part(fingerprint: u64) -> usize {
        (fingerprint >> PART_SHIFT) as usize % PARTS
    }

    fn contains(&self, fingerprint: u64) -> bool {
        self.parts[Self::part(fingerprint)].find(fingerprint, |&f| f == fingerprint).is_some()
    }

    /// Whether it is new.
    fn insert(&mut self, fingerprint: u64) -> bool {
        let part = &mut self.parts[Self::part(fingerprint)];
        match part.entry(fingerprint, |&f| f == fingerprint, |&f| f) {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(place) => {
                place.insert(fingerprint);
                self.len += 1;
                true
            }
        }
    }

    fn remove(&mut self, fingerprint: u64) {
        let part = &mut self.parts[Self::part(fingerprint)];
        if let Ok(entry) = part.find_entry(fingerprint, |&f| f == fingerprint) {
            entry.remove();
            self.len -= 1;
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.parts) + self.parts.iter().map(HashTable::allocation_size).sum::<usize>()
    }
}

/// Fingerprints that were added to one generation, in the order in which they came. See [`Dedupe::added`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added<'a> {
    /// The generation's number, from 1. What was persisted of those below `generation - 1` can go.
    pub generation: u64,
    /// When the generation started.
    pub started: Timestamp,
    /// The fingerprints; none if the generation did nothing but start.
    pub fingerprints: &'a [u64],
}

/// Where in `Dedupe::added` a generation's fingerprints begin.
#[derive(Debug)]
struct Run {
    generation: u64,
    started: Timestamp,
    from: usize,
}

/// A set of fingerprints, bounded by time and by number.
#[derive(Debug)]
pub struct Dedupe {
    window: Interval,
    generation_max: usize,
    young: Generation,
    old: Generation,
    /// Since the last commit: what was added, its generations, and what was forgotten, in case it must be
    /// undone.
    added: Vec<u64>,
    runs: Vec<Run>,
    forgotten: Vec<Generation>,
}

impl Dedupe {
    /// An empty set that knows a message for `window`, as long as at most `generation_max` arrive in one
    /// window.
    ///
    /// It holds up to twice `generation_max`, at 10 to 20 bytes each. A window of zero knows nothing.
    ///
    /// # Panics
    /// If `generation_max` is zero.
    #[must_use]
    pub fn new(window: Interval, generation_max: usize) -> Self {
        assert!(generation_max > 0, "a generation has room for one fingerprint at least");
        Self {
            window,
            generation_max,
            // Number 0 is before the first: that starts when the first message is seen.
            young: Generation::new(0, Timestamp::MIN),
            old: Generation::new(0, Timestamp::MIN),
            added: Vec::new(),
            runs: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    /// Whether the fingerprint was here before; from now on it was. `now` is the shard's time.
    ///
    /// A message that is known does not become younger by being seen again.
    pub fn seen(&mut self, fingerprint: u64, now: Timestamp) -> bool {
        if self.window == Interval::ZERO {
            return false;
        }
        self.rotate_if_old(now);
        if self.old.contains(fingerprint) {
            return true;
        }
        if self.young.len >= self.generation_max {
            if self.young.contains(fingerprint) {
                return true;
            }
            self.rotate(self.young.number + 1, now);
        }
        if !self.young.insert(fingerprint) {
            return true;
        }
        if self.runs.is_empty() {
            self.note_run();
        }
        self.added.push(fingerprint);
        false
    }

    /// Touches what [`Dedupe::seen`] will touch of these fingerprints, so that it waits for many of them at once. The
    /// result is only there so that the touching is not optimised away.
    pub fn warm(&self, fingerprints: impl Iterator<Item = u64>) -> u32 {
        if self.window == Interval::ZERO {
            return 0;
        }
        fingerprints.map(|f| u32::from(self.old.contains(f)) + u32::from(self.young.contains(f))).sum()
    }

    fn rotate_if_old(&mut self, now: Timestamp) {
        let Generation { number, started, .. } = self.young;
        let (age, window) = (now.since(started).as_millis(), self.window.as_millis());
        if number == 0 {
            self.rotate(1, now);
        } else if age >= window.saturating_mul(2) {
            // All that is known is older than a window.
            self.rotate(number + 2, now);
        } else if age >= window {
            // It started when the other ended, though nobody was there to see it: else it would last longer.
            self.rotate(number + 1, started + self.window);
        }
    }

    fn rotate(&mut self, number: u64, started: Timestamp) {
        self.start(number, started);
        self.note_run();
    }

    /// Starts generation `number`. The one before it becomes the old one: an empty one if its number was
    /// skipped.
    fn start(&mut self, number: u64, started: Timestamp) {
        if number > self.young.number + 1 {
            self.turn(Generation::new(number - 1, started - self.window));
        }
        self.turn(Generation::new(number, started));
    }

    fn turn(&mut self, next: Generation) {
        let before = std::mem::replace(&mut self.young, next);
        self.forgotten.push(std::mem::replace(&mut self.old, before));
    }

    fn note_run(&mut self) {
        let Generation { number: generation, started, .. } = self.young;
        self.runs.push(Run { generation, started, from: self.added.len() });
    }

    /// For how long before `now` every message is known: the window, or less if generations were full.
    #[must_use]
    pub fn effective_window(&self, now: Timestamp) -> Interval {
        // Before the third generation nothing was ever forgotten.
        if self.young.number < 3 { self.window } else { self.window.min(now.since(self.old.started)) }
    }

    /// How many fingerprints are known.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.young.len + self.old.len
    }

    /// Whether no fingerprint is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory in use, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let forgotten: usize = self.forgotten.iter().map(Generation::bytes).sum();
        self.young.bytes() + self.old.bytes() + forgotten + self.added.capacity() * size_of::<u64>()
    }
}

/// What a commit needs.
impl Dedupe {
    /// Whether there is anything to take.
    #[must_use]
    pub const fn has_added(&self) -> bool {
        !self.runs.is_empty()
    }

    /// What was added since the last [`Dedupe::commit`], by generation, in the order in which it came.
    ///
    /// A generation that started is among it even if it got nothing: that it started is part of the state.
    /// More than one part means that a rotation happened, as does a first part whose generation is not that
    /// of the last commit.
    pub fn added(&self) -> impl Iterator<Item = Added<'_>> {
        self.runs.iter().enumerate().map(|(n, run)| {
            let to = self.runs.get(n + 1).map_or(self.added.len(), |next| next.from);
            let fingerprints = &self.added[run.from..to];
            Added { generation: run.generation, started: run.started, fingerprints }
        })
    }

    /// What was added is committed: it is not new any more, and what was forgotten is gone.
    pub fn commit(&mut self) {
        self.added.clear();
        self.runs.clear();
        self.forgotten.clear();
    }

    /// The fingerprints added since the last commit, appended to `out`, and whether a generation started;
    /// then commits.
    ///
    /// For callers that keep generations themselves; [`Dedupe::added`] tells them apart.
    pub fn take_added(&mut self, out: &mut Vec<u64>) -> bool {
        out.extend_from_slice(&self.added);
        let rotated = !self.forgotten.is_empty();
        self.commit();
        rotated
    }

    /// Undoes everything since the last commit.
    pub fn undo(&mut self) {
        while let Some(forgotten) = self.forgotten.pop() {
            self.young = std::mem::replace(&mut self.old, forgotten);
        }
        // What went to later generations left with them, and may be known here by an earlier time.
        let later = self.runs.iter().find(|run| run.generation != self.young.number);
        self.added.truncate(later.map_or(usize::MAX, |run| run.from));
        for &fingerprint in &self.added {
            self.young.remove(fingerprint);
        }
        self.commit();
    }

    /// Puts back what was persisted of a generation. Generations come in ascending order, each in any
    /// number of parts.
    ///
    /// The two latest generations suffice. Nothing that is restored counts as added.
    pub fn restore_generation(&mut self, generation: u64, started: Timestamp, fingerprints: &[u64]) {
        if generation > self.young.number {
            self.start(generation, started);
        }
        let target = if generation == self.young.number { &mut self.young } else { &mut self.old };
        for &fingerprint in fingerprints {
            target.insert(fingerprint);
        }
        self.commit();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Interval = Interval::from_mins(10);
    const MINUTE: i64 = 60_000;

    fn at(minute: i64) -> Timestamp {
        Timestamp(minute * MINUTE)
    }

    #[test]
    fn a_message_is_known_for_a_window_and_forgotten_after_two() {
        let mut set = Dedupe::new(WINDOW, 1_000);
        assert!(!set.seen(7, at(0)));
        assert!(set.seen(7, at(0)));
        assert!(!set.seen(8, at(9)));
        assert!(set.seen(7, at(10)) && set.seen(8, at(19)), "both are in the old generation");
        assert!(!set.seen(7, at(20)), "a message seen again does not become younger");
    }

    #[test]
    fn after_two_quiet_windows_nothing_is_known() {
        let mut set = Dedupe::new(WINDOW, 1_000);
        set.seen(7, at(0));
        assert!(!set.seen(7, at(20)));
        assert_eq!((set.len(), set.effective_window(at(20))), (1, WINDOW));
    }

    #[test]
    fn a_full_generation_shortens_the_window_and_says_so() {
        let mut set = Dedupe::new(WINDOW, 10);
        for n in 0..40 {
            assert!(!set.seen(n, Timestamp(n as i64 * MINUTE / 10)));
            assert!(set.len() <= 20);
        }
        let now = Timestamp(39 * MINUTE / 10);
        assert_eq!(set.effective_window(now), now.since(at(2)), "all since the 20th is known");
        assert!((20..40).all(|n| set.seen(n, now)));
        assert!(!set.seen(19, now));
    }

    #[test]
    fn a_window_of_zero_knows_nothing() {
        let mut set = Dedupe::new(Interval::ZERO, 10);
        assert!(!set.seen(7, at(0)) && !set.seen(7, at(0)));
        assert!(!set.has_added());
    }

    #[test]
    fn what_is_taken_names_each_generation_that_started() {
        let mut set = Dedupe::new(WINDOW, 2);
        assert_eq!([1, 2, 3].map(|n| set.seen(n, at(0))), [false; 3]);
        let parts: Vec<(u64, Vec<u64>)> =
            set.added().map(|part| (part.generation, part.fingerprints.to_vec())).collect();
        assert_eq!(parts, [(1, vec![1, 2]), (2, vec![3])]);
        let mut taken = Vec::new();
        assert!(set.take_added(&mut taken));
        assert_eq!((taken, set.has_added()), (vec![1, 2, 3], false));
        assert!(set.seen(3, at(10)), "known by the old generation of before");
        assert_eq!(set.added().map(|part| part.fingerprints.len()).collect::<Vec<_>>(), [0]);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        See(u64),
        Wait(i64),
        Commit,
        Undo,
        Restore,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0u64..60).prop_map(|n| Step::See(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            3 => (0i64..6 * MINUTE).prop_map(Step::Wait),
            1 => (0i64..30 * MINUTE).prop_map(Step::Wait),
            2 => Just(Step::Commit),
            1 => Just(Step::Undo),
            1 => Just(Step::Restore),
        ]
    }

    /// The last committed state, as a journal keeps it.
    #[derive(Default)]
    struct Journal(Vec<(u64, Timestamp, Vec<u64>)>);

    impl Journal {
        fn commit(&mut self, set: &mut Dedupe) {
            self.0.extend(set.added().map(|a| (a.generation, a.started, a.fingerprints.to_vec())));
            set.commit();
            let latest = self.0.last().map_or(0, |record| record.0);
            self.0.retain(|record| record.0 + 1 >= latest);
        }

        fn restore(&self, max: usize) -> Dedupe {
            let mut set = Dedupe::new(WINDOW, max);
            self.0.iter().for_each(|(generation, at, part)| set.restore_generation(*generation, *at, part));
            set
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn a_set_that_was_restored_or_undone_answers_like_one_that_never_left(
            max in 1usize..30,
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut set = Dedupe::new(WINDOW, max);
            // The twin never meets what is undone: it is fed when that is settled.
            let (mut twin, mut pending) = (Dedupe::new(WINDOW, max), Vec::new());
            let (mut journal, mut now) = (Journal::default(), at(1_000_000));
            for step in steps {
                match step {
                    Step::See(n) => pending.push((n, now, set.seen(n, now))),
                    Step::Wait(ms) => now.0 += ms,
                    Step::Undo => {
                        set.undo();
                        pending.clear();
                    }
                    Step::Commit | Step::Restore => {
                        journal.commit(&mut set);
                        for (n, at, known) in pending.drain(..) {
                            prop_assert_eq!(twin.seen(n, at), known);
                        }
                        prop_assert_eq!(set.effective_window(now), twin.effective_window(now));
                        if matches!(step, Step::Restore) {
                            set = journal.restore(max);
                        }
                        prop_assert_eq!(set.len(), twin.len());
                    }
                }
            }
        }

        #[test]
        fn within_the_effective_window_every_message_is_known(
            max in 1usize..30,
            steps in prop::collection::vec((0u64..60, 0i64..4 * MINUTE), 0..200),
        ) {
            let mut set = Dedupe::new(WINDOW, max);
            let mut first_seen = std::collections::BTreeMap::new();
            let mut now = at(0);
            for (n, wait) in steps {
                now.0 += wait;
                let known = set.seen(n, now);
                let since = first_seen.get(&n).map(|&at| now.since(at));
                if since.is_some_and(|age| age < set.effective_window(now)) {
                    prop_assert!(known);
                }
                if since.is_none() || since.is_some_and(|age| age >= Interval(2 * WINDOW.0)) {
                    prop_assert!(!known);
                }
                if !known {
                    first_seen.insert(n, now);
                }
            }
        }
    }
}
