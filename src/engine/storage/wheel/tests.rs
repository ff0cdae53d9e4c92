//! The timer wheel against a sorted list.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Debug)]
struct Record {
    links: Links,
    deadline: Timestamp,
    order: u64,
}

impl Timed for Record {
    fn links(&self) -> &Links {
        &self.links
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
    fn deadline(&self) -> Timestamp {
        self.deadline
    }
    fn order(&self) -> u64 {
        self.order
    }
}

/// A wheel and its slab, driven in terms of (deadline, order).
struct Timers {
    slab: Slab<Record>,
    wheel: Wheel,
}

impl Timers {
    fn new(start: i64) -> Self {
        Self { slab: Slab::new(), wheel: Wheel::new(Timestamp(start)) }
    }

    fn add(&mut self, deadline: i64, order: u64) -> u32 {
        let deadline = Timestamp(deadline);
        let handle = self.slab.insert(Record { links: Links::default(), deadline, order });
        self.wheel.insert(&mut self.slab, handle, deadline);
        handle
    }

    fn cancel(&mut self, handle: u32) {
        self.wheel.cancel(&mut self.slab, handle);
        self.slab.remove(handle);
    }

    fn pop(&mut self, now: i64, inclusive: bool) -> Option<(i64, u64)> {
        let handle = self.wheel.pop_due(&mut self.slab, Timestamp(now), inclusive)?;
        let record = self.slab.remove(handle);
        assert!(!record.links.is_linked());
        Some((record.deadline.0, record.order))
    }

    fn pop_all(&mut self, now: i64) -> Vec<(i64, u64)> {
        std::iter::from_fn(|| self.pop(now, true)).collect()
    }
}

const YEAR: i64 = 365 * 86_400_000;

#[test]
fn links_take_eight_bytes_and_start_unlinked() {
    assert_eq!(size_of::<Links>(), 8);
    assert!(!Links::default().is_linked());
}

#[test]
fn records_leave_by_deadline_and_order_whatever_the_order_in_which_they_came() {
    let mut timers = Timers::new(1_000);
    for (deadline, order) in [
        (5_000, 3),
        (1_001, 9),
        (5_000, 1),
        (900, 2),
        (30 * YEAR, 4),
        (5_000, 2),
        (i64::MAX, 5),
        (i64::MIN, 6),
    ] {
        timers.add(deadline, order);
    }
    assert_eq!(timers.pop_all(4_999), [(i64::MIN, 6), (900, 2), (1_001, 9)]);
    assert_eq!(timers.pop(5_000, false), None);
    assert_eq!(timers.pop_all(5_000), [(5_000, 1), (5_000, 2), (5_000, 3)]);
    assert_eq!(timers.pop_all(30 * YEAR), [(30 * YEAR, 4)]);
    assert_eq!(timers.pop_all(i64::MAX), [(i64::MAX, 5)]);
    assert!(timers.wheel.is_empty());
}

#[test]
fn the_ends_of_time_are_kept_apart() {
    let mut timers = Timers::new(0);
    timers.add(i64::MAX, 1);
    timers.add(i64::MAX - 1, 2);
    assert_eq!(timers.pop(i64::MIN, false), None);
    assert_eq!(timers.pop(i64::MAX, false), Some((i64::MAX - 1, 2)));
    assert_eq!(timers.pop(i64::MAX, false), None);
    timers.add(i64::MAX, 0);
    assert_eq!(timers.pop_all(i64::MAX), [(i64::MAX, 0), (i64::MAX, 1)]);
}

#[test]
fn a_record_that_comes_while_others_leave_comes_in_its_place() {
    let mut timers = Timers::new(0);
    for order in 0..10 {
        timers.add(100, order * 10);
    }
    assert_eq!(timers.pop(100, true), Some((100, 0)));
    timers.add(100, 15);
    timers.add(100, 5);
    timers.add(50, 99);
    let cancelled = timers.add(100, 25);
    timers.cancel(cancelled);
    let left = timers.pop_all(100);
    assert_eq!(left[..5], [(50, 99), (100, 5), (100, 10), (100, 15), (100, 20)]);
    assert_eq!(left.len(), 12);
}

#[test]
fn a_deadline_that_became_later_is_met_then_and_not_before() {
    let mut timers = Timers::new(0);
    let first = timers.add(100, 1);
    timers.add(200, 2);
    timers.slab[first].deadline = Timestamp(250);
    assert_eq!(timers.pop_all(249), [(200, 2)]);
    assert!(timers.slab[first].links().is_linked());
    timers.slab[first].deadline = Timestamp(YEAR);
    assert_eq!(timers.pop_all(YEAR - 1), []);
    assert_eq!(timers.pop_all(YEAR), [(YEAR, 1)]);
}

#[test]
fn a_deadline_that_became_later_among_the_due_is_met_then() {
    let mut timers = Timers::new(0);
    timers.add(100, 1);
    let second = timers.add(100, 2);
    assert_eq!(timers.pop(100, true), Some((100, 1)));
    timers.slab[second].deadline = Timestamp(101);
    assert_eq!(timers.pop(100, true), None);
    assert_eq!(timers.pop(101, true), Some((101, 2)));
}

#[test]
fn inserting_a_record_that_is_in_moves_it() {
    let mut timers = Timers::new(0);
    let handle = timers.add(YEAR, 1);
    timers.slab[handle].deadline = Timestamp(10);
    timers.wheel.insert(&mut timers.slab, handle, Timestamp(10));
    assert_eq!((timers.wheel.len(), timers.pop_all(10)), (1, vec![(10, 1)]));
}

#[test]
fn a_jump_over_a_century_looks_at_a_few_slots_only() {
    let mut timers = Timers::new(0);
    timers.add(100 * YEAR, 1);
    let mut wakes = 0;
    while let Some(at) = timers.wheel.next_deadline() {
        wakes += 1;
        if timers.pop(at.0, true).is_some() {
            break;
        }
    }
    assert!(wakes <= LEVELS, "{wakes} wakes");
}

#[test]
fn cancelling_among_the_due_over_and_over_holds_no_memory() {
    let mut timers = Timers::new(1_000);
    timers.add(10, 0);
    for n in 1..100_000 {
        let handle = timers.add(500, n);
        timers.cancel(handle);
    }
    assert!(timers.wheel.bytes() < 200_000, "{} bytes", timers.wheel.bytes());
    assert_eq!(timers.pop_all(1_000), [(10, 0)]);
}

#[test]
fn many_in_one_millisecond_leave_in_order() {
    let mut timers = Timers::new(0);
    let orders = (0..50_000u64).map(|n| n * 7_919 % 50_000);
    let handles: Vec<(u64, u32)> = orders.map(|order| (order, timers.add(777_777, order))).collect();
    let mut expected = Vec::new();
    for (n, (order, handle)) in handles.into_iter().enumerate() {
        if n % 3 == 0 {
            timers.cancel(handle);
        } else {
            expected.push((777_777, order));
        }
    }
    expected.sort_unstable();
    assert_eq!(timers.pop_all(777_777), expected);
}

#[derive(Clone, Debug)]
enum Step {
    Add { ahead: i64 },
    Cancel(prop::sample::Index),
    Postpone(prop::sample::Index, i64),
    Move(prop::sample::Index, i64),
    Pop { ahead: i64, inclusive: bool, most: usize },
    Wait,
}

/// Lengths of every magnitude, some negative, and many that are equal.
fn length() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => -50i64..200,
        2 => (0u32..41, 0i64..3).prop_map(|(bits, more)| (1i64 << bits) + more - 1),
        1 => (0i64..5).prop_map(|n| n * 60_000),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => length().prop_map(|ahead| Step::Add { ahead }),
        2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        2 => (any::<prop::sample::Index>(), 0i64..5_000).prop_map(|(i, by)| Step::Postpone(i, by)),
        1 => (any::<prop::sample::Index>(), length()).prop_map(|(i, to)| Step::Move(i, to)),
        3 => (length(), any::<bool>(), 0usize..6)
            .prop_map(|(ahead, inclusive, most)| Step::Pop { ahead, inclusive, most }),
        1 => Just(Step::Wait),
    ]
}

/// Drives a wheel and a sorted set side by side.
fn agree(start: i64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut timers = Timers::new(start);
    let mut model: BTreeSet<(i64, u64, u32)> = BTreeSet::new();
    let mut now = start;
    for (n, step) in steps.into_iter().enumerate() {
        let chosen = |which: prop::sample::Index| {
            (!model.is_empty()).then(|| *model.iter().nth(which.index(model.len())).unwrap())
        };
        match step {
            Step::Add { ahead } => {
                // Orders that do not follow the order of insertion.
                let order = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let handle = timers.add(now.saturating_add(ahead), order);
                model.insert((now.saturating_add(ahead), order, handle));
            }
            Step::Cancel(which) => {
                if let Some(record) = chosen(which) {
                    timers.cancel(record.2);
                    model.remove(&record);
                }
            }
            Step::Postpone(which, by) => {
                if let Some(record @ (deadline, order, handle)) = chosen(which) {
                    let later = deadline.saturating_add(by);
                    timers.slab[handle].deadline = Timestamp(later);
                    model.remove(&record);
                    model.insert((later, order, handle));
                }
            }
            Step::Move(which, ahead) => {
                if let Some(record @ (_, order, handle)) = chosen(which) {
                    let deadline = now.saturating_add(ahead);
                    timers.slab[handle].deadline = Timestamp(deadline);
                    timers.wheel.insert(&mut timers.slab, handle, Timestamp(deadline));
                    model.remove(&record);
                    model.insert((deadline, order, handle));
                }
            }
            Step::Pop { ahead, inclusive, most } => {
                now = now.saturating_add(ahead);
                for _ in 0..most {
                    let due = model.first().copied();
                    let due = due.filter(|(at, ..)| if inclusive { *at <= now } else { *at < now });
                    prop_assert_eq!(timers.pop(now, inclusive), due.map(|(at, order, _)| (at, order)));
                    if due.is_none() {
                        break;
                    }
                    model.pop_first();
                }
            }
            Step::Wait => {
                let told = timers.wheel.next_deadline();
                prop_assert_eq!(told.is_none(), model.is_empty());
                let (Some(told), Some(&(first, ..))) = (told, model.first()) else { continue };
                prop_assert!(told.0 <= first, "told {} for {first}", told.0);
                if timers.wheel.pop_due(&mut timers.slab, told, true).map(|h| timers.slab.remove(h)).is_some()
                {
                    prop_assert_eq!(told.0, first);
                    model.pop_first();
                } else {
                    let next = timers.wheel.next_deadline().expect("a record is left");
                    prop_assert!(next > told, "no progress at {}", told.0);
                }
            }
        }
        prop_assert_eq!(timers.wheel.len(), model.len());
    }
    let rest: Vec<(i64, u64)> = model.into_iter().map(|(at, order, _)| (at, order)).collect();
    prop_assert_eq!(timers.pop_all(i64::MAX), rest);
    prop_assert_eq!(timers.wheel.next_deadline(), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_wheel_is_a_sorted_set(
        start in prop_oneof![
            Just(0), Just(1_767_225_600_000), Just((1 << 42) - 3), Just(i64::MAX - 100), any::<i64>()
        ],
        steps in prop::collection::vec(step(), 0..120),
    ) {
        agree(start, steps)?;
    }
}
