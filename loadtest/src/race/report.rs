//! What came out of a race: a table for people, and the ratios for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::measure::Speed;

/// The least, the middle and the greatest of some figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of figures, at least one.
    #[must_use]
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let (n, half) = (figures.len(), figures.len() / 2);
        let median = if n % 2 == 1 { figures[half] } else { f64::midpoint(figures[half - 1], figures[half]) };
        Self { min: figures[0], median, max: figures[n - 1] }
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// How many rounds count.
    pub rounds: usize,
    /// What the others cost over what we cost, round by round: above 1 where we are cheaper.
    pub ratios: BTreeMap<String, Spread>,
    /// Nanoseconds of its own on processors for an event, by entrant.
    pub cpu_ns: BTreeMap<String, Spread>,
    /// Events a second, by entrant.
    pub events_per_second: BTreeMap<String, Spread>,
    /// Threads of each, events of each round.
    pub threads: u16,
    /// Events of each round.
    pub events: u64,
}

/// Our own name among the entrants.
pub const OURS: &str = "wayfarer";

impl Report {
    /// Of rounds, each with what its entrants have shown.
    #[must_use]
    pub fn new(rounds: &[BTreeMap<String, Speed>], threads: u16, events: u64) -> Self {
        let mut figures = BTreeMap::<(&str, &str), Vec<f64>>::new();
        let mut ratios = BTreeMap::<String, Vec<f64>>::new();
        for round in rounds {
            let ours = round.get(OURS);
            for (name, speed) in round {
                figures.entry((name, "cpu")).or_default().push(speed.cpu_ns);
                figures.entry((name, "rate")).or_default().push(speed.rate);
                if let Some(ours) = ours.filter(|_| name != OURS) {
                    ratios.entry(format!("{name}_cpu")).or_default().push(speed.cpu_ns / ours.cpu_ns);
                    ratios.entry(format!("{name}_wall")).or_default().push(ours.rate / speed.rate);
                }
            }
        }
        let of = |what: &str| {
            let some = figures.iter().filter(|((_, kind), _)| *kind == what);
            some.map(|((name, _), all)| ((*name).to_owned(), Spread::of(all.clone()))).collect()
        };
        Self {
            rounds: rounds.len(),
            ratios: ratios.into_iter().map(|(name, all)| (name, Spread::of(all))).collect(),
            cpu_ns: of("cpu"),
            events_per_second: of("rate"),
            threads,
            events,
        }
    }

    /// As a table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "{} rounds of {} events, {} threads; least · median · most\n\n",
            self.rounds, self.events, self.threads
        );
        let mut line = |text: std::fmt::Arguments<'_>| {
            out.write_fmt(text).expect("a text takes everything");
            out.push('\n');
        };
        line(format_args!("{:<24} {:>26} {:>34}", "", "own CPU an event, ns", "events a second"));
        for (name, cpu) in &self.cpu_ns {
            let rate = self.events_per_second[name];
            line(format_args!(
                "{name:<24} {:>8.0} {:>8.0} {:>8.0} {:>12.0} {:>10.0} {:>10.0}",
                cpu.min, cpu.median, cpu.max, rate.min, rate.median, rate.max
            ));
        }
        line(format_args!("\n{:<24} {:>26}", "its cost over ours", "above 1: we are cheaper"));
        for (name, ratio) in &self.ratios {
            line(format_args!("{name:<24} {:>8.3} {:>8.3} {:>8.3}", ratio.min, ratio.median, ratio.max));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_one_round_and_above_one_where_we_are_cheaper() {
        let speed = |cpu_ns, rate| Speed { cpu_ns, rate, took: std::time::Duration::ZERO };
        let round = |ours: f64, bare: f64| {
            BTreeMap::from([
                (OURS.to_owned(), speed(ours, 1e9 / ours)),
                ("bare".to_owned(), speed(bare, 1e9 / bare)),
            ])
        };
        let report = Report::new(&[round(1000.0, 500.0), round(100.0, 200.0), round(10.0, 10.0)], 2, 3);
        assert_eq!(report.ratios["bare_cpu"], Spread { min: 0.5, median: 1.0, max: 2.0 });
        assert_eq!(report.ratios["bare_wall"], Spread { min: 0.5, median: 1.0, max: 2.0 });
        assert!(
            report.text().contains("bare_cpu                    0.500    1.000    2.000"),
            "{}",
            report.text()
        );
    }

    #[test]
    fn the_middle_of_an_even_number_lies_between() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
    }
}
