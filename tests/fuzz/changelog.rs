//! What a shard is restored from, whatever somebody has put into its topic: a sentence, or a shard.
//!
//! The first byte of an input says what the rest is: a head, a mark, an origin, a meta, a cycle, a dead letter, a
//! view, or records of a shard: key and value with their lengths before them, the meta under the empty key.

use std::sync::Arc;

use wayfarer::control::{Act, Command, Fold, Record};
use wayfarer::engine::commit::key;
use wayfarer::engine::restore::{Meta, RestoreError};
use wayfarer::engine::{Restore, Setup, Shard, cycle, page};
use wayfarer::journal::{Reject, kafka::codec};
use wayfarer::journey::catalog::Catalog;
use wayfarer::journey::source::load;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::Timestamp;
use wayfarer::worker::view::ShardView;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// The first byte of what is a shard's records.
pub const RECORDS: u8 = 7;
/// Where a meta has its digest: behind the format and four numbers.
const DIGEST: std::ops::Range<usize> = 33..49;
/// Journeys of each dialect, with keys, limits, lists, goals and rates.
const JOURNEYS: [(&str, &[u8]); 4] = [
    ("cart-rescue.toml", include_bytes!("../../config/journeys/cart-rescue.toml")),
    ("welcome-series.toml", include_bytes!("../../config/journeys/welcome-series.toml")),
    ("order-status.toml", include_bytes!("../../config/journeys/order-status.toml")),
    ("win-back.toml", include_bytes!("../../config/journeys/win-back.toml")),
];

/// Reads `bytes` as what their first one says.
pub fn run(bytes: &[u8]) {
    let Some((&what, bytes)) = bytes.split_first() else { return };
    match what {
        0 => match codec::head(3, bytes) {
            Ok((head, _)) => assert!(head.meta.len() < bytes.len()),
            Err(error) => assert!(error.to_string().contains("shard 3"), "{error}"),
        },
        1 => {
            if let Some(mark) = codec::Mark::decode(bytes) {
                assert_eq!(codec::Mark::decode(mark.encode().as_bytes()), Some(mark));
            }
        }
        2 => {
            if let Some(origin) = codec::Origin::decode(bytes) {
                assert_eq!(origin.encode(), bytes);
            }
        }
        3 => drop(Meta::decode(bytes)),
        4 => drop(cycle::decode(bytes)),
        5 => drop(Reject::decode(bytes)),
        6 => {
            let view = codec::view(bytes).and_then(|(_, shown)| ShardView::decode(shown));
            if let Some(view) = view {
                assert_eq!(ShardView::decode(&view.encode()), Some(view));
            }
        }
        RECORDS => {
            if let Err(error) = shard(bytes) {
                assert!(error.to_string().starts_with("shard 3"), "{error}");
            }
        }
        _ => {}
    }
}

/// Restores a shard. Its digest is made to fit: that alone would keep nearly everything out.
pub fn shard(bytes: &[u8]) -> Result<Shard, RestoreError> {
    let (mut meta, mut digest) = (Vec::new(), 0_u128);
    let mut restore = Restore::new(Setup::of(3, 8));
    for (key, value) in records(bytes) {
        match key.first() {
            None => meta = value.to_vec(),
            Some(kind) => {
                if *kind == key::USER {
                    let _ = page::inside_bytes(value);
                    digest =
                        digest.wrapping_add(xxh3_128_with_seed(value, xxh3_64_with_seed(key, 0x57_41_59_10)));
                }
                restore.record(key, value)?;
            }
        }
    }
    if let Some(place) = meta.get_mut(DIGEST) {
        place.copy_from_slice(&digest.to_le_bytes());
    }
    restore.finish(&meta, &catalog().0)
}

/// The records in an input; what ends too early is left out.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first()?;
        let (key, rest) = rest.split_at_checked(usize::from(*length))?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        bytes = rest;
        Some((key, value))
    })
}

/// The journeys, open since 2026-03-01, and the epochs that made them.
pub fn catalog() -> (Arc<Catalog>, Vec<wayfarer::engine::Epoch>) {
    let (mut fold, mut epochs) = (Fold::new(), Vec::new());
    for (name, text) in JOURNEYS {
        let definition = load(name, text).expect("a sample is right");
        let verb = if definition.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
        let journey = definition.id.clone();
        for command in [Command::Put { definition: Box::new(definition) }, Command::Act(Act::from(verb))] {
            let offset = epochs.len() as u64 + 1;
            let record = Record {
                id: offset.to_string(),
                at: None,
                actor: "fuzz".to_owned(),
                role: Role::Operator,
                journey: journey.clone(),
                expect: None,
                command,
            };
            let applied = fold.apply(offset, Timestamp(1_772_323_200_000), &record);
            epochs.push(applied.expect("a sample goes live").0);
        }
    }
    (Arc::clone(fold.catalog()), epochs)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wayfarer::engine::{Body, Effects, Input, Record, StateSink};
    use wayfarer::ingest::decode;

    use super::*;

    /// Written anew by `WAYFARER_BLESS=1 cargo test --test fuzz`, when a format has changed.
    const SEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/changelog/shard");
    const EVENTS: [&str; 6] = [
        r#"{"type":"identify","userId":"u1","traits":{"first_name":"Zoë","plan":"team"}}"#,
        r#"{"type":"track","messageId":"m1","userId":"u1","event":"Signed Up","properties":{"trial":true}}"#,
        r#"{"type":"track","messageId":"m2","userId":"u2","event":"Cart Updated","properties":{"value":9.5,"cart_id":"c1"}}"#,
        r#"{"type":"track","userId":"u2","event":"Cart Updated","properties":{"value":7,"cart_id":"c2"}}"#,
        r#"{"type":"track","userId":"u3","event":"Order Completed","properties":{"order_id":"o1","value":3}}"#,
        r#"{"type":"track","userId":"u4","event":"Subscription Cancelled","properties":{}}"#,
    ];

    #[derive(Default)]
    struct Map(BTreeMap<Vec<u8>, Vec<u8>>);

    impl StateSink for Map {
        fn put(&mut self, key: &[u8], value: &[u8]) {
            self.0.insert(key.to_vec(), value.to_vec());
        }
        fn delete(&mut self, key: &[u8]) {
            self.0.remove(key);
        }
    }

    /// A shard with people in four journeys, as its first commit leaves it.
    fn committed() -> Vec<u8> {
        let (mut shard, mut effects) = (Shard::new(Setup::of(3, 8)), Effects::default());
        let now = |minutes: i64| Timestamp(1_772_323_200_000 + minutes * 60_000);
        for epoch in catalog().1 {
            let _ = shard.handle(now(0), Input::Epoch(&epoch), &mut effects);
        }
        for (offset, event) in EVENTS.iter().enumerate() {
            let event = decode(event.as_bytes()).expect("it is one");
            let record = Record { source: 0, offset: offset as u64, timed: true, body: Body::Event(&event) };
            // After nine in Saigon, when the series opens.
            let _ = shard.handle(now(180 + offset as i64), Input::Record(record), &mut effects);
        }
        let mut map = Map::default();
        let committing = shard.commit(&mut map);
        map.0.insert(Vec::new(), committing.meta);
        let mut bytes = vec![RECORDS];
        for (key, value) in map.0 {
            bytes.push(u8::try_from(key.len()).expect("keys are short"));
            bytes.extend_from_slice(&key);
            bytes.extend_from_slice(&u16::try_from(value.len()).expect("pages are short").to_be_bytes());
            bytes.extend_from_slice(&value);
        }
        bytes
    }

    #[test]
    fn the_seed_is_a_shard_that_comes_back_with_everybody_in_it() {
        if std::env::var_os("WAYFARER_BLESS").is_some() {
            std::fs::write(SEED, committed()).expect("it is written");
        }
        let seed = std::fs::read(SEED).expect("it is there");
        let shard = shard(&seed[1..]).expect("it is whole");
        let (users, enrollments) = shard.size();
        assert!(users >= 3 && enrollments >= 4, "{users} users, {enrollments} enrollments");
    }
}
