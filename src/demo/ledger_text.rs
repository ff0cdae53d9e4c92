//! The ledger as text: where everybody is, who was turned away and why, and what was checked.

use std::fmt::Write as _;

use super::calendar::{date, moment};
use super::facts::Summary;
use super::paint::{Ink, Screen, paint};
use super::story;
use super::text::wrap;

/// All of it.
pub(super) fn summary(screen: Screen, summary: &Summary) -> String {
    let mut text = format!(
        "From {} to {}: {} events, {} list rows, {} shards, {} commits.\n\n",
        date(summary.from),
        moment(summary.to),
        summary.events,
        summary.rows,
        summary.shards,
        summary.commits
    );
    text += story::LEDGER;
    text += "\n\n";
    text += &versions(summary);
    text.push('\n');
    text += story::REFUSALS;
    text += "\n\n";
    text += &refusals(summary);
    text.push('\n');
    text += story::IDENTITIES;
    text += "\n\n";
    for identity in &summary.identities {
        let (mark, ink) = if identity.holds { ("  ok  ", Ink::Green) } else { ("FAILED", Ink::Red) };
        let _ = writeln!(text, "  {}  {}", paint(screen, ink, mark), identity.name);
        text += &wrap(&identity.detail, 10);
    }
    text.push('\n');
    text
}

fn versions(summary: &Summary) -> String {
    let mut text = format!(
        "  {:<22}{:>9}{:>10}{:>9}{:>6}{:>9}{:>10}{:>8}{:>11}\n",
        "journey, version",
        "entered",
        "moved in",
        "waiting",
        "held",
        "at send",
        "draining",
        "out",
        "moved out"
    );
    for v in &summary.versions {
        let name = format!("{} {}", v.journey, v.version);
        let _ = writeln!(
            text,
            "  {name:<22}{:>9}{:>10}{:>9}{:>6}{:>9}{:>10}{:>8}{:>11}",
            v.entered,
            v.moved_in,
            v.waiting,
            v.held,
            v.at_send,
            v.draining,
            v.out(),
            v.moved_out
        );
    }
    text.push('\n');
    for v in &summary.versions {
        let name = format!("{} {}", v.journey, v.version);
        let out: Vec<String> =
            v.exited.iter().map(|(reason, n)| format!("{} {n}", reason.replace('_', " "))).collect();
        let out = if out.is_empty() { "nobody".to_owned() } else { out.join(", ") };
        let line = wrap(&format!("sent {}; out: {out}", v.sent), 24);
        let _ = write!(text, "  {name:<22}{}", line.trim_start_matches(' '));
    }
    text
}

fn refusals(summary: &Summary) -> String {
    let mut text = String::new();
    for (journey, reasons) in &summary.refusals {
        // In the order in which the gate asks.
        for (reason, meaning) in story::REASONS {
            if let Some(n) = reasons.get(reason) {
                let _ = writeln!(text, "  {journey:<20} {n:>7}  {reason:<15} {meaning}");
            }
        }
    }
    text
}
