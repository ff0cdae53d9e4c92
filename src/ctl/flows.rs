//! What moved, as people read it: who is where now, and a table by version, bucket and node.

use std::collections::BTreeMap;

use super::tables::{printable, table};
use crate::control::statistics::{Bucket, Line, Moved, NodeMoved, Places, Report};
use crate::model::Timestamp;

/// What is told of a journey.
pub(super) fn report(report: &Report) -> String {
    let Report { journey, zone, from, to, kept_from, .. } = report;
    let mut text = format!("{} from {from} to {to}, in {}\n", printable(journey), printable(zone));
    let time = |text: &str| text.parse::<Timestamp>().ok();
    if time(from) < time(kept_from) {
        text += &format!("hours before {kept_from} are no longer kept, or some of them\n");
    }
    if report.versions.is_empty() {
        return text + "no version has gone live yet\n";
    }
    let mut now = Vec::new();
    for version in &report.versions {
        now.push(place(version.version, "", &version.now));
        now.extend(version.nodes.iter().map(|(node, places)| place(version.version, node, places)));
    }
    text += "\n";
    text += &table(&["now: version", "node", "waiting", "held", "at send", "draining"], &now);
    let mut rows = Vec::new();
    for version in &report.versions {
        rows.extend(version.buckets.iter().flat_map(|bucket| bucket_rows(version.version, bucket)));
        if version.buckets.len() > 1 {
            rows.extend(moved_rows(&[version.version.to_string(), "in all".to_owned()], &version.total));
        }
    }
    text += "\n";
    if rows.is_empty() {
        return text + "nothing moved in this range\n";
    }
    text + &table(&[&["version", "at"][..], &HEADINGS].concat(), &rows)
}

/// The buckets of a replay, over all journeys.
pub(crate) fn lines(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "nothing moved\n".to_owned();
    }
    let rows = lines.iter().flat_map(|line| {
        let journey = printable(&line.journey);
        let rows = bucket_rows(line.version, &line.bucket);
        rows.into_iter().map(move |row| [vec![journey.clone()], row].concat())
    });
    table(&[&["journey", "version", "at"][..], &HEADINGS].concat(), &rows.collect::<Vec<_>>())
}

/// Behind the columns that say which bucket it is.
const HEADINGS: [&str; 7] = ["node", "entered", "started", "held", "sent", "converted", "went on and left"];

fn place(version: u32, node: &str, places: &Places) -> Vec<String> {
    let Places { waiting, held, at_send, draining } = places;
    let counts = [waiting, held, at_send, draining].map(u64::to_string);
    [vec![version.to_string(), printable(node)], counts.to_vec()].concat()
}

fn bucket_rows(version: u32, bucket: &Bucket) -> Vec<Vec<String>> {
    moved_rows(&[version.to_string(), printable(&bucket.at)], &bucket.moved)
}

/// A line for the version, and one for each node.
fn moved_rows(bucket: &[String; 2], moved: &Moved) -> Vec<Vec<String>> {
    let mut more: Vec<String> = counted(&moved.exited);
    for (count, what) in [(moved.moved_in, "moved in"), (moved.moved_out, "moved out")] {
        more.extend((count > 0).then(|| format!("{what} {count}")));
    }
    let counts = [moved.entered, 0, 0, moved.sent, moved.converted];
    let whole = row(bucket, "", &counts, &more);
    std::iter::once(whole).chain(moved.nodes.iter().map(|node| node_row(bucket, node))).collect()
}

fn node_row(bucket: &[String; 2], node: &NodeMoved) -> Vec<String> {
    let branches = node.moved.iter().map(|branch| format!("→ {} {}", printable(&branch.to), branch.count));
    let more = branches.chain(counted(&node.exited)).chain(counted(&node.receipts));
    row(bucket, &node.node, &[0, node.started, node.held, node.sent, 0], &more.collect::<Vec<_>>())
}

fn row(bucket: &[String; 2], node: &str, counts: &[u64; 5], more: &[String]) -> Vec<String> {
    let counts = counts.map(|n| if n == 0 { String::new() } else { n.to_string() });
    let mut row = bucket.to_vec();
    row.push(printable(node));
    row.extend(counts);
    row.push(more.join(", "));
    row
}

fn counted(counts: &BTreeMap<String, u64>) -> Vec<String> {
    counts.iter().map(|(what, n)| format!("{} {n}", printable(what))).collect()
}
