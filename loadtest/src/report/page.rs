//! A result as one page that needs nothing else: no script, no font, no picture from outside.

use std::fmt::Write;

use super::chart::{Chart, Line, Mark, escaped};
use super::form::{Flip, Report, Sample};
use super::text;
use crate::generate::pace::micros;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:920px;margin:2em auto;padding:0 1em;color:#1f2328}\
h1{font-size:1.5em;margin-bottom:0}figure{margin:2em 0}figcaption{font-weight:600}\
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#57606a}\
.grid{stroke:#d8dee4;stroke-width:1}.mark{stroke:#bf8700;stroke-width:1;stroke-dasharray:3 3}\
.key{margin:0;font-size:.85em}.key i{display:inline-block;width:1em;height:.25em;margin-right:.4em;vertical-align:middle}\
.key span{margin-right:1em}.void{background:#ffebe9;border-left:4px solid #d1242f;padding:.6em 1em}\
pre{overflow-x:auto;background:#f6f8fa;padding:1em;font-size:12px}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}.void{background:#3d1114}\
svg text{fill:#9198a1}.grid{stroke:#30363d}}";

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let scenario = &report.scenario;
    let (name, about) = (escaped(&scenario.name), escaped(&scenario.about));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name} – wayfarer-load</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>{name}</h1><p>{about}</p>\n"
    );
    for reason in &report.void {
        let reason = escaped(reason);
        writeln!(out, "<p class=\"void\">No result: {reason}</p>").expect("a text takes everything");
    }
    let text = escaped(&text::text(report));
    writeln!(out, "<pre>{text}</pre>").expect("a text takes everything");
    for chart in charts(report) {
        out.push_str(&chart.svg());
    }
    let asked = toml::to_string(scenario).unwrap_or_default();
    let asked = escaped(&asked);
    write!(
        out,
        "<details><summary>What was asked for</summary><pre>{asked}</pre></details>\n</body></html>\n"
    )
    .expect("a text takes everything");
    out
}

fn charts(report: &Report) -> Vec<Chart> {
    let marks = marks(report);
    let over_time = |title: &str, unit: &str, lines: Vec<Line>| Chart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        lines,
        marks: marks.clone(),
        ..Chart::default()
    };
    let at = |sample: &Sample| (sample.at - report.began) as f64 / 1e6;
    let each = |of: &dyn Fn(&Sample) -> Option<f64>| -> Vec<(f64, f64)> {
        report.samples.iter().filter_map(|sample| Some((at(sample), of(sample)?))).collect()
    };
    let between = |of: &dyn Fn(&Sample, &Sample) -> f64| -> Vec<(f64, f64)> {
        // Over a second, so that a commit more or less does not show.
        let pairs = report.samples.iter().zip(report.samples.iter().skip(4));
        let same = pairs.filter(|(before, after)| before.on == after.on);
        same.map(|(before, after)| (at(after), of(before, after))).collect()
    };
    let line = |name: &str, points| Line { name: name.to_owned(), points };
    let sends =
        |a: &Sample, b: &Sample| b.sends.saturating_sub(a.sends) as f64 * 1e6 / (b.at - a.at).max(1) as f64;
    let load = |a: &Sample, b: &Sample| {
        b.load_cpu_ns.saturating_sub(a.load_cpu_ns) as f64 / 1e3 / (b.at - a.at).max(1) as f64
    };
    let brokers = |a: &Sample, b: &Sample| {
        let both = a.broker_cpu_ns.zip(b.broker_cpu_ns);
        both.map_or(0.0, |(a_ns, b_ns)| b_ns.saturating_sub(a_ns) as f64 / 1e3 / (b.at - a.at).max(1) as f64)
    };
    let mut charts = vec![
        percentiles(report),
        over_time(
            "Throughput",
            "a second",
            vec![line("events committed", between(&Sample::rate_to)), line("sends seen", between(&sends))],
        ),
        over_time(
            "Lag",
            "events",
            vec![line("events not committed", each(&|sample| Some(sample.lag as f64)))],
        ),
        over_time(
            "p99 from schedule to visible send, by quarters of a second",
            "ms",
            vec![line("p99", each(&|sample| sample.p99_ms))],
        ),
        over_time(
            "Memory",
            "MiB",
            vec![line(
                "resident, whoever has the load",
                each(&|sample| Some(sample.memory as f64 / f64::from(1 << 20))),
            )],
        ),
        over_time(
            "Processors",
            "processors",
            vec![
                line("who has the load", between(&Sample::cores_to)),
                line("brokers", between(&brokers)),
                line("generator and readers", between(&load)),
            ],
        ),
    ];
    if !report.flips.is_empty() {
        charts.insert(1, answers(&report.flips));
    }
    charts
}

/// Latency by percentile, the horizontal axis by the nines: what is rare has as much room as what is common.
fn percentiles(report: &Report) -> Chart {
    let nines = |percentile: f64| -((1.0 - (percentile / 100.0).min(0.999_999)).log10());
    let lines = report.phases.iter().flat_map(|phase| {
        phase.latencies.iter().map(|latency| Line {
            name: format!("{} {}", phase.name, latency.stage),
            points: latency.curve.iter().map(|(at, ms)| (nines(*at), *ms)).collect(),
        })
    });
    Chart {
        title: "Latency by percentile, from the schedule (or a wait's deadline) to the visible send"
            .to_owned(),
        unit: "ms".to_owned(),
        lines: lines.collect(),
        marks: Vec::new(),
        ticks: axis(&[50.0, 90.0, 99.0, 99.9, 99.99, 99.999], &nines),
        logarithmic: true,
    }
}

fn axis(percentiles: &[f64], place: &dyn Fn(f64) -> f64) -> Vec<Mark> {
    percentiles.iter().map(|at| (place(*at), format!("{at} %"))).collect()
}

/// How long answers took, by percentile and dialect.
fn answers(flips: &[Flip]) -> Chart {
    let line = |dialect: &str| {
        let mut all = micros();
        let of = flips.iter().filter(|flip| flip.dialect == dialect);
        of.for_each(|flip| all.saturating_record(flip.answer_us()));
        let points = (0..=100).map(|at| (f64::from(at), all.value_at_percentile(f64::from(at)) as f64 / 1e3));
        (!all.is_empty()).then(|| Line { name: dialect.to_owned(), points: points.collect() })
    };
    Chart {
        title: "Time until a verb was answered, by percentile".to_owned(),
        unit: "ms".to_owned(),
        lines: ["clevertap", "antsomi"].into_iter().filter_map(line).collect(),
        ticks: axis(&[0.0, 25.0, 50.0, 75.0, 90.0, 100.0], &|at| at),
        ..Chart::default()
    }
}

/// Where gates were flipped, instances ended, and phases begun.
fn marks(report: &Report) -> Vec<Mark> {
    let at = |micros: i64| (micros - report.began) as f64 / 1e6;
    let phases = report.phases.iter().map(|phase| (at(phase.from), format!("phase {}", phase.name)));
    let flips = report
        .flips
        .iter()
        .map(|flip| (at(flip.asked), format!("{} {} ({:.0} ms)", flip.verb, flip.journey, flip.answer_ms())));
    let ends = report.restarts.iter().map(|restart| {
        (at(restart.at), format!("instance {} (ready after {:.0} ms)", restart.instance, restart.ready_ms))
    });
    phases.chain(flips).chain(ends).collect()
}
