//! A result as text for a terminal.

use std::fmt::Write;

use hdrhistogram::Histogram;
use wayfarer::model::Timestamp;

use super::form::{Flip, PhaseResult, Report};
use crate::generate::pace::micros;

/// What is promised of a report: nothing that is void is told as a result.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let scenario = &report.scenario;
    line(&mut out, format_args!("{}: {}", scenario.name, scenario.about));
    let (machine, began) = (&report.machine, Timestamp(report.began / 1_000));
    let cores = machine.cores;
    line(&mut out, format_args!("{}, {cores} processors, {}, {began}", report.version, machine.system));
    for reason in &report.void {
        line(&mut out, format_args!("\nNO RESULT: {reason}"));
    }
    for remark in &report.remarks {
        line(&mut out, format_args!("\nnote: {remark}"));
    }
    if let Some(saturated) = &report.saturation {
        let how = match (saturated.measured, saturated.by_system) {
            (false, _) => "given".to_owned(),
            (true, true) => format!(
                "measured, with the generator beside it; {:.0} ns of its own CPU an event",
                saturated.cpu_ns
            ),
            (true, false) => format!(
                "measured; the generator beside it was the limit, so the system takes more; {:.0} ns of its own CPU an \
                 event",
                saturated.cpu_ns
            ),
        };
        line(&mut out, format_args!("\nsaturation: {:.0} events/s, {how}", saturated.rate));
    }
    if !report.phases.is_empty() {
        out.push('\n');
        table(&mut out, &phases(&report.phases));
    }
    for phase in report.phases.iter().filter(|phase| phase.p99_ratio.is_some()) {
        let against = scenario.phase.iter().find(|asked| asked.name == phase.name);
        let against = against.and_then(|asked| asked.against.as_deref()).unwrap_or_default();
        let ratio = phase.p99_ratio.unwrap_or_default();
        line(&mut out, format_args!("\np99 of {} over that of {against}: {ratio:.2}", phase.name));
    }
    flips(&mut out, &report.flips);
    for restart in &report.restarts {
        let how = if restart.killed { "killed" } else { "ended" };
        let ready = restart.ready_ms / 1e3;
        line(
            &mut out,
            format_args!("\ninstance {} was {how}: all ready again after {ready:.2} s", restart.instance),
        );
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a text takes everything");
    out.push('\n');
}

/// The head and a row a stage of each phase.
fn phases(phases: &[PhaseResult]) -> Vec<Vec<String>> {
    let head = [
        "phase",
        "asked/s",
        "done/s",
        "late",
        "CPU ns",
        "lag",
        "MiB",
        "stage (ms)",
        "count",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for phase in phases {
        let of_phase = vec![
            phase.name.clone(),
            format!("{:.0}", phase.rate),
            format!("{:.0}", phase.throughput),
            format!("{:.2} %", phase.late_share * 100.0),
            format!("{:.0}", phase.cpu_ns),
            phase.lag_max.to_string(),
            phase.memory.map(|bytes| (bytes >> 20).to_string()).join(" "),
        ];
        if phase.latencies.is_empty() {
            rows.push([of_phase.clone(), vec!["no latencies".to_owned()]].concat());
        }
        for (number, latency) in phase.latencies.iter().enumerate() {
            let first = if number == 0 { of_phase.clone() } else { vec![String::new(); 7] };
            let times = [latency.p50, latency.p90, latency.p99, latency.p999, latency.max];
            let times = times.map(|ms| format!("{ms:.1}")).to_vec();
            rows.push([first, vec![latency.stage.clone(), latency.count.to_string()], times].concat());
        }
    }
    rows
}

/// Columns as wide as what they have; numbers to the right.
fn table(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if [0, 7].contains(&column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let cells: Vec<String> = cells.collect();
        line(out, format_args!("{}", cells.join("  ").trim_end()));
    }
}

/// Milliseconds at p50, p99 and the most; of microseconds.
#[must_use]
pub fn spread(of: &Histogram<u64>) -> [f64; 3] {
    [of.value_at_quantile(0.5), of.value_at_quantile(0.99), of.max()].map(|value| value as f64 / 1e3)
}

/// The answers to all verbs, and to those of a dialect.
fn flips(out: &mut String, flips: &[Flip]) {
    if flips.is_empty() {
        return;
    }
    out.push('\n');
    for dialect in ["clevertap", "antsomi"] {
        let of: Vec<&Flip> = flips.iter().filter(|flip| flip.dialect == dialect).collect();
        if of.is_empty() {
            continue;
        }
        let (mut answers, mut lasts) = (micros(), micros());
        of.iter().for_each(|flip| answers.saturating_record(flip.answer_us()));
        let starts = of.iter().filter_map(|flip| flip.last_start_ms);
        starts.for_each(|ms| lasts.saturating_record((ms * 1e3) as u64));
        let [p50, p99, max] = spread(&answers).map(|ms| format!("{ms:.1}"));
        let pending = of.iter().filter(|flip| flip.status != 200).count();
        let before: u64 = of.iter().map(|flip| flip.starts_before).sum();
        let after: u64 = of.iter().map(|flip| flip.starts_after).sum();
        line(
            out,
            format_args!(
                "{dialect}: {} verbs, answered after {p50} ms (p50), {p99} ms (p99), {max} ms (most); {pending} pending; \
             {after} starts under a shut gate after an answer, {before} in the seconds before the questions",
                of.len()
            ),
        );
        if !lasts.is_empty() {
            let [p50, p99, max] = spread(&lasts).map(|ms| format!("{ms:.0}"));
            line(
                out,
                format_args!(
                    "  the last start under the old gate came {p50} ms (p50), {p99} ms (p99), {max} ms (most) after the question"
                ),
            );
        }
    }
}
