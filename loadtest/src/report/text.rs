//! A result as text for a terminal.

use std::fmt::Write;

use hdrhistogram::Histogram;
use wayfarer::model::Timestamp;

use super::form::{Flip, ListTaken, PhaseResult, Report};
use crate::generate::pace::micros;
use crate::scenario::base;

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
        let brokers =
            saturated.broker_cpu_ns.map_or_else(|| "unknown".to_owned(), |ns| format!("{ns:.0} ns"));
        let cost = format!("{:.0} ns of its own CPU an event, the brokers' {brokers}", saturated.cpu_ns);
        let how = match (saturated.measured, saturated.by_system) {
            (false, _) => "given".to_owned(),
            (true, true) => format!("measured, with the generator beside it; {cost}"),
            (true, false) => {
                format!("measured; the generator beside it was the limit, so the system takes more; {cost}")
            }
        };
        line(&mut out, format_args!("\nsaturation: {:.0} events/s, {how}", saturated.rate));
    }
    if !report.phases.is_empty() {
        out.push('\n');
        table(&mut out, &phases(&report.phases));
    }
    ratios(&mut out, &report.phases);
    flips(&mut out, &report.flips);
    for list in &report.lists {
        let ListTaken { journey, rows, entered, .. } = list;
        let upload = (list.uploaded - list.asked) as f64 / 1e6;
        let took = list.took_ms.unwrap_or_default() / 1e3;
        let rate = *entered as f64 / took.max(1e-3);
        line(
            &mut out,
            format_args!(
                "\nlist of {rows} rows for {journey}: uploaded in {upload:.2} s; by the topics {entered} rows entered, the \
                 last one {took:.2} s later ({rate:.0}/s)"
            ),
        );
    }
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

/// How each phase compares with the one that it is to be compared with, in all rounds.
fn ratios(out: &mut String, phases: &[PhaseResult]) {
    let mut told: Vec<&str> = Vec::new();
    for phase in phases {
        let (name, Some(against)) = (base(&phase.name), phase.against.as_deref().map(base)) else { continue };
        if told.contains(&name) {
            continue;
        }
        told.push(name);
        out.push('\n');
        let of = |ratio: fn(&PhaseResult) -> Option<f64>| {
            let rounds = phases.iter().filter(|phase| base(&phase.name) == name);
            let mut all: Vec<f64> = rounds.filter_map(ratio).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        for (what, all) in
            [("p99", of(|phase| phase.p99_ratio)), ("own CPU an event", of(|phase| phase.cpu_ratio))]
        {
            match &*all {
                [] => {}
                [one] => line(out, format_args!("{what} of {name} over that of {against}: {one:.2}")),
                [least, .., most] => {
                    let median = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
                    line(
                        out,
                        format_args!(
                            "{what} of {name} over that of {against}: {median:.2} (median of {} rounds, from {least:.2} to \
                             {most:.2})",
                            all.len()
                        ),
                    );
                }
            }
        }
    }
}

/// The head and a row a stage of each phase.
fn phases(phases: &[PhaseResult]) -> Vec<Vec<String>> {
    let head = [
        "phase",
        "asked/s",
        "done/s",
        "late",
        "CPU ns",
        "broker",
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
            phase.broker_cpu_ns.map_or_else(|| "?".to_owned(), |ns| format!("{ns:.0}")),
            phase.lag_max.to_string(),
            phase.memory.map(|bytes| (bytes >> 20).to_string()).join(" "),
        ];
        if phase.latencies.is_empty() {
            rows.push(
                [of_phase.clone(), vec![if phase.poured { "poured in" } else { "no latencies" }.to_owned()]]
                    .concat(),
            );
        }
        for (number, latency) in phase.latencies.iter().enumerate() {
            let first = if number == 0 { of_phase.clone() } else { vec![String::new(); 8] };
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
            if [0, 8].contains(&column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
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
