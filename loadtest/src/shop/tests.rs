//! What is promised of the visitors.

use std::collections::{BTreeMap, BTreeSet};

use wayfarer::ingest::decode;

use super::event::Deed;
use super::*;

/// A Sunday in 2026, in microseconds.
const START: i64 = 1_772_357_400_000_000;

fn events(settings: &Shoppers, count: i64) -> Vec<Event> {
    let mut shop = Shop::new(settings);
    (0..count).map(|number| shop.next(START + number * 1_000)).collect()
}

fn bytes(settings: &Shoppers) -> Vec<u8> {
    let mut bytes = Vec::new();
    events(settings, 5_000).iter().for_each(|event| event.write(&mut bytes));
    bytes
}

fn disorderly() -> Shoppers {
    Shoppers { users: 500, late: 0.1, duplicates: 0.1, out_of_order: 0.1, hot: 0.1, ..Shoppers::default() }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    for activity in [Activity::Uniform, Activity::Zipf] {
        let settings = |seed| Shoppers { activity, seed, ..disorderly() };
        assert_eq!(bytes(&settings(3)), bytes(&settings(3)), "{activity:?}");
        assert_ne!(bytes(&settings(3)), bytes(&settings(4)), "{activity:?}");
    }
}

/// That of seed 1, whatever the machine: whoever changes the visitors changes what results can be compared with.
#[test]
fn the_bytes_are_those_that_they_were() {
    let sum = |activity| {
        let bytes = bytes(&Shoppers { activity, ..disorderly() });
        bytes.iter().fold(0_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte).wrapping_mul(0x9e37_79b9))
    };
    assert_eq!(
        (sum(Activity::Uniform), sum(Activity::Zipf)),
        (343_219_737_717_568_876, 17_378_285_763_021_606_798)
    );
}

#[test]
fn every_event_is_what_the_decoder_takes_and_of_the_usual_size() {
    for event in events(&disorderly(), 500) {
        let mut bytes = Vec::new();
        event.write(&mut bytes);
        let read = decode::decode(&bytes).expect("it is an event");
        assert_eq!((&*read.user, &*read.name), (event.user_id().as_str(), event.deed.name()));
        assert!((430..470).contains(&bytes.len()), "{} bytes", bytes.len());
    }
}

#[test]
fn a_session_browses_then_fills_a_cart_and_then_buys() {
    let settings = Shoppers { users: 100_000_000, ..Shoppers::default() };
    let mut visits = BTreeMap::<(u64, u32), Vec<Deed>>::new();
    for event in events(&settings, 200_000) {
        visits.entry((event.user, event.cart)).or_default().push(event.deed);
    }
    for visit in visits.values() {
        assert!(visit.is_sorted() && visit[0] == Deed::View, "{visit:?}");
        assert!(visit.iter().filter(|deed| **deed == Deed::Order).count() <= 1, "{visit:?}");
    }
    let of = |deed| visits.values().filter(|visit| visit.contains(&deed)).count() as f64;
    let bought = of(Deed::Order) / of(Deed::Cart);
    assert!(
        (0.3..0.45).contains(&bought),
        "{bought} of the carts are bought, some of the rest are still open"
    );
}

/// By Zipf's law with exponent 1 the first of n has 1 / H(n) of all.
#[test]
fn the_busiest_of_zipf_has_its_share_and_of_uniform_nobody_has_much() {
    let share = |activity| {
        let settings = Shoppers { users: 10_000, activity, adds: 0.0, ..Shoppers::default() };
        let mut by_user = BTreeMap::<u64, u32>::new();
        for event in events(&settings, 400_000) {
            *by_user.entry(event.user).or_default() += 1;
        }
        f64::from(*by_user.values().max().expect("somebody came")) / 400_000.0
    };
    let harmonic: f64 = (1..=10_000).map(|rank| 1.0 / f64::from(rank)).sum();
    let busiest = share(Activity::Zipf);
    assert!((busiest * harmonic - 1.0).abs() < 0.1, "{busiest} of all, rather than {}", 1.0 / harmonic);
    assert!(share(Activity::Uniform) < 0.001);
}

#[test]
fn the_shares_of_disorder_are_those_that_were_asked_for() {
    let settings = Shoppers { late: 0.05, duplicates: 0.02, out_of_order: 0.1, ..Shoppers::default() };
    let all = events(&settings, 200_000);
    let of = |is: &dyn Fn(&Event) -> bool| all.iter().filter(|event| is(event)).count() as f64 / 200_000.0;
    let late = of(&|event| event.scheduled - event.happened >= 300_000_000);
    let repeats = of(&|event| event.is_repeat);
    let overtaken = of(&|event| (1..300_000_000).contains(&(event.scheduled - event.happened)));
    assert!((late - 0.05).abs() < 0.01, "{late} are late");
    assert!((repeats - 0.02).abs() < 0.005, "{repeats} are repeats");
    assert!((overtaken - 0.1).abs() < 0.02, "{overtaken} are out of order");
}

#[test]
fn a_repeat_has_the_bytes_of_the_first_and_nothing_else_repeats() {
    let settings = Shoppers { duplicates: 0.1, ..disorderly() };
    let mut seen = BTreeSet::new();
    for event in events(&settings, 20_000) {
        let mut bytes = Vec::new();
        event.write(&mut bytes);
        assert_eq!(seen.insert(bytes), !event.is_repeat, "{event:?}");
    }
}

#[test]
fn the_hot_user_has_the_share_that_was_asked_for() {
    let all = events(&Shoppers { hot: 0.5, ..Shoppers::default() }, 50_000);
    let hot = all.iter().filter(|event| event.user == 0).count() as f64 / 50_000.0;
    assert!((hot - 0.5).abs() < 0.02, "{hot}");
}

#[test]
fn a_hundred_million_users_take_no_memory_of_their_own() {
    let settings = Shoppers { users: 100_000_000, activity: Activity::Zipf, ..Shoppers::default() };
    assert!(events(&settings, 1_000).iter().all(|event| event.user < 100_000_000));
    assert_eq!(settings.open_sessions(), 1_000);
}

#[test]
fn settings_that_cannot_be_are_refused_with_what_is_allowed() {
    let base = Shoppers::default;
    for (wrong, said) in [
        (Shoppers { users: 0, ..base() }, "users is 0: from 1 to 1000000000 are allowed"),
        (Shoppers { late: 1.5, ..base() }, "late is 1.5: a share is from 0 to 1"),
        (Shoppers { hot: f64::NAN, ..base() }, "hot is NaN: a share is from 0 to 1"),
        (Shoppers { zipf_exponent: 0.0, ..base() }, "zipf_exponent is 0: above 0, up to 10"),
        (Shoppers { disorder_span: 0, ..base() }, "disorder_span is 0: from 1 to 1000000 are allowed"),
    ] {
        assert_eq!(wrong.problem().as_deref(), Some(said));
    }
    assert_eq!(base().problem(), None);
}
