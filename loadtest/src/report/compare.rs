//! What changed between two results, as ratios: above 1 where the second one has more.

use std::fmt::Write;

use super::form::{PhaseResult, Report};

/// A figure of a phase, and how it is called.
type Figure = (&'static str, fn(&PhaseResult) -> Option<f64>);

/// What is compared of a phase.
const FIGURES: [Figure; 11] = [
    ("schedule_to_send p50", |phase| Some(phase.latency("schedule_to_send")?.p50)),
    ("schedule_to_send p99", |phase| Some(phase.latency("schedule_to_send")?.p99)),
    ("schedule_to_send p99.9", |phase| Some(phase.latency("schedule_to_send")?.p999)),
    ("deadline_to_send p99", |phase| Some(phase.latency("deadline_to_send")?.p99)),
    ("events done a second", |phase| Some(phase.throughput)),
    ("CPU ns an event", |phase| Some(phase.cpu_ns)),
    ("brokers' CPU ns an event", |phase| phase.broker_cpu_ns),
    ("p99 over that of against", |phase| phase.p99_ratio),
    ("CPU over that of against", |phase| phase.cpu_ratio),
    ("highest lag", |phase| Some(phase.lag_max as f64)),
    ("highest memory", |phase| Some(phase.memory[1] as f64)),
];

/// The comparison, line by line.
#[must_use]
pub fn text(before: &Report, after: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        out.write_fmt(text).expect("a text takes everything");
        out.push('\n');
    };
    for (which, report) in [("before", before), ("after", after)] {
        for reason in &report.void {
            line(format_args!("{which} is NO RESULT: {reason}"));
        }
    }
    if before.scenario != after.scenario {
        line(format_args!("the two were asked for different things; ratios may say nothing"));
    }
    if before.machine != after.machine {
        line(format_args!("the two ran on different machines: ratios compare those too"));
    }
    if let (Some(a), Some(b)) = (&before.saturation, &after.saturation) {
        row(&mut line, "saturation", a.rate, b.rate);
    }
    for phase in &after.phases {
        let Some(other) = before.phases.iter().find(|other| other.name == phase.name) else {
            line(format_args!("{}: only the second one has it", phase.name));
            continue;
        };
        line(format_args!("{}", phase.name));
        for (name, figure) in FIGURES {
            if let (Some(a), Some(b)) = (figure(other), figure(phase)) {
                row(&mut line, name, a, b);
            }
        }
    }
    for phase in
        before.phases.iter().filter(|phase| !after.phases.iter().any(|other| other.name == phase.name))
    {
        line(format_args!("{}: only the first one has it", phase.name));
    }
    out
}

fn row(line: &mut dyn FnMut(std::fmt::Arguments<'_>), name: &str, before: f64, after: f64) {
    if before > 0.0 {
        line(format_args!("  {name:<24} {before:>14.1} → {after:>14.1}  × {:.2}", after / before));
    } else if after > 0.0 {
        line(format_args!("  {name:<24} {before:>14.1} → {after:>14.1}"));
    }
}
