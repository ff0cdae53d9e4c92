//! What the engine has committed of each hour, beside what the reference counted of it (G40).

use std::collections::BTreeMap;

use wayfarer::control::range::By;
use wayfarer::control::statistics::{Bucket, Line, Moved, NodeMoved, Tally};
use wayfarer::engine::commit::{StateSink, key};
use wayfarer::engine::flows::Flows;
use wayfarer::journey::catalog::Catalog;

/// Counts by journey, version and bucket: in the words of the reference.
pub(crate) type Hours = BTreeMap<(String, u32, String), BTreeMap<String, u64>>;

/// The records of hours that one shard has committed.
#[derive(Default)]
pub(crate) struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl StateSink for Records {
    fn put(&mut self, record: &[u8], value: &[u8]) {
        if key::beginning(record).is_some() {
            self.0.insert(record.to_vec(), value.to_vec());
        }
    }

    fn delete(&mut self, record: &[u8]) {
        self.0.remove(record);
    }
}

/// What shards have committed, added up as an answer adds it up.
pub(crate) fn committed(shards: &[Records], catalog: &Catalog, by: By) -> Hours {
    let mut tally = Tally::new(by);
    for (record, row) in shards.iter().flat_map(|records| &records.0) {
        let plan = u16::from_be_bytes([record[1], record[2]]);
        let hour = key::beginning(record).expect("only hours were kept");
        tally.add(plan, hour, &catalog.plan(plan).zone, Flows::read(row).row());
    }
    let words = |line: Line| {
        let Line { journey, version, bucket: Bucket { at, moved } } = line;
        ((journey, version, at), words(&moved))
    };
    tally.lines(catalog).into_iter().map(words).collect()
}

/// The hours of the reference as days: an hour belongs to the day that its name begins with.
pub(crate) fn days(hours: &Hours) -> Hours {
    let mut days = Hours::new();
    for ((journey, version, hour), counts) in hours {
        let day = hour[.."2026-03-01".len()].to_owned();
        let day = days.entry((journey.clone(), *version, day)).or_default();
        counts.iter().for_each(|(word, n)| *day.entry(word.clone()).or_default() += n);
    }
    days
}

fn words(moved: &Moved) -> BTreeMap<String, u64> {
    let Moved { entered, moved_in, moved_out, converted, sent, exited, nodes } = moved;
    let mut words = BTreeMap::new();
    let mut count = |word: String, n: u64| *words.entry(word).or_default() += n;
    count("entered".to_owned(), *entered);
    count("moved_in".to_owned(), *moved_in);
    count("moved_out".to_owned(), *moved_out);
    count("converted".to_owned(), *converted);
    count("sent".to_owned(), *sent);
    exited.iter().for_each(|(reason, n)| count(format!("exited {reason}"), *n));
    for NodeMoved { node, started, held, sent, moved, exited, receipts } in nodes {
        count(format!("{node} started"), *started);
        count(format!("{node} held"), *held);
        count(format!("{node} sent"), *sent);
        moved.iter().for_each(|branch| count(format!("{node} to {}", branch.to), branch.count));
        exited.iter().for_each(|(reason, n)| count(format!("{node} exited {reason}"), *n));
        receipts.iter().for_each(|(kind, n)| count(format!("{node} {kind}"), *n));
    }
    words.retain(|_, n| *n > 0);
    words
}
