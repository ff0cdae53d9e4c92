//! What came out of a race: a table for people, and the ratios for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::Race;
use super::measure::Speed;
use super::peer::{YARDSTICK, handicapped};

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
    /// What the others cost over what we cost, round by round: above 1 where we are cheaper. Those that a goal is set for.
    pub ratios: BTreeMap<String, Spread>,
    /// The other ratios, by wall clock where the goal is one of CPU, and the other way round.
    pub other_ratios: BTreeMap<String, Spread>,
    /// Why the ratios do not count, a sentence each; nothing if they do.
    pub void: Vec<String>,
    /// Who did not take part and why, a sentence each.
    pub missing: Vec<String>,
    /// Whether it was only tried out: the figures are nothing to quote then.
    pub trial: bool,
    /// Nanoseconds of its own on processors for an event, by entrant.
    pub cpu_ns: BTreeMap<String, Spread>,
    /// Of them, those of librdkafka's threads; zero for who does without.
    pub librdkafka_ns: BTreeMap<String, Spread>,
    /// Events a second, by entrant.
    pub events_per_second: BTreeMap<String, Spread>,
    /// Threads of each.
    pub threads: u16,
    /// Events of each round.
    pub events: u64,
    /// Whether Wayfarer wrote its lines of movements and refusals, which no peer writes.
    pub movements: bool,
}

/// Our own name among the entrants.
pub const OURS: &str = "wayfarer";

/// The ratios that a goal is set for.
const GOALS: [&str; 6] =
    ["bare_cpu", "bare_wall", "streams_rocksdb_cpu", "streams_memory_cpu", "streams_lean_cpu", "naive_wall"];

impl Report {
    /// Of rounds, each with what its entrants have shown.
    #[must_use]
    pub fn new(rounds: &[BTreeMap<String, Speed>], args: &Race, missing: Vec<String>) -> Self {
        let Race { threads, events, movements, trial, .. } = *args;
        let mut figures = BTreeMap::<(&str, &str), Vec<f64>>::new();
        let mut ratios = BTreeMap::<String, Vec<f64>>::new();
        for round in rounds {
            let ours = round.get(OURS);
            for (name, speed) in round {
                figures.entry((name, "cpu")).or_default().push(speed.cpu_ns);
                figures.entry((name, "librdkafka")).or_default().push(speed.librdkafka_ns);
                figures.entry((name, "rate")).or_default().push(speed.rate);
                // The yardstick measures the machine; against it nobody runs.
                if let Some(ours) = ours.filter(|_| name != OURS && name != YARDSTICK) {
                    let key = name.replace('-', "_");
                    ratios.entry(format!("{key}_cpu")).or_default().push(speed.cpu_ns / ours.cpu_ns);
                    ratios.entry(format!("{key}_wall")).or_default().push(ours.rate / speed.rate);
                }
            }
        }
        let of = |what: &str| {
            let some = figures.iter().filter(|((_, kind), _)| *kind == what);
            some.map(|((name, _), all)| ((*name).to_owned(), Spread::of(all.clone()))).collect()
        };
        let ratios = ratios.into_iter().map(|(name, all)| (name, Spread::of(all)));
        let (ratios, other_ratios) = ratios.partition(|(name, _)| GOALS.contains(&&**name));
        let cpu_ns = of("cpu");
        let void = if trial { Vec::new() } else { handicapped(&cpu_ns) };
        Self {
            rounds: rounds.len(),
            ratios,
            other_ratios,
            void,
            missing,
            trial,
            cpu_ns,
            librdkafka_ns: of("librdkafka"),
            events_per_second: of("rate"),
            threads,
            events,
            movements,
        }
    }

    /// As a table.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = if self.movements { "with" } else { "without" };
        let mut out = format!(
            "{} rounds of {} events, {} threads, {lines} Wayfarer's lines of movements; least · median · most\n\n",
            self.rounds, self.events, self.threads
        );
        let mut line = |text: std::fmt::Arguments<'_>| {
            out.write_fmt(text).expect("a text takes everything");
            out.push('\n');
        };
        line(format_args!(
            "{:<24} {:>26} {:>12} {:>34}",
            "", "own CPU an event, ns", "librdkafka", "events a second"
        ));
        for (name, cpu) in &self.cpu_ns {
            let (client, rate) = (self.librdkafka_ns[name].median, self.events_per_second[name]);
            line(format_args!(
                "{name:<24} {:>8.0} {:>8.0} {:>8.0} {client:>12.0} {:>12.0} {:>10.0} {:>10.0}",
                cpu.min, cpu.median, cpu.max, rate.min, rate.median, rate.max
            ));
        }
        line(format_args!("\n{:<24} {:>26}", "its cost over ours", "above 1: we are cheaper"));
        for (name, ratio) in self.ratios.iter().chain(&self.other_ratios) {
            line(format_args!("{name:<24} {:>8.3} {:>8.3} {:>8.3}", ratio.min, ratio.median, ratio.max));
        }
        if self.trial {
            line(format_args!("\nit was only tried out: these figures are nothing to quote"));
        }
        for said in self.missing.iter().chain(&self.void) {
            line(format_args!("\n{said}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(all: &[(&str, f64)]) -> BTreeMap<String, Speed> {
        let speed = |cpu_ns| Speed {
            cpu_ns,
            librdkafka_ns: cpu_ns / 4.0,
            rate: 1e9 / cpu_ns,
            took: std::time::Duration::ZERO,
        };
        all.iter().map(|(name, cpu_ns)| ((*name).to_owned(), speed(*cpu_ns))).collect()
    }

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        race: Race,
    }

    fn args(more: &[&str]) -> Race {
        let arguments = ["race"].iter().chain(more);
        <Arguments as clap::Parser>::parse_from(arguments).race
    }

    fn report(rounds: &[BTreeMap<String, Speed>], missing: &[&str]) -> Report {
        let missing = missing.iter().map(|said| (*said).to_owned()).collect();
        Report::new(rounds, &args(&[]), missing)
    }

    #[test]
    fn a_ratio_is_of_one_round_and_above_one_where_we_are_cheaper() {
        let of = |ours, bare| round(&[(OURS, ours), ("bare", bare)]);
        let report = report(&[of(1000.0, 500.0), of(100.0, 200.0), of(10.0, 10.0)], &[]);
        assert_eq!(report.librdkafka_ns[OURS].median, 25.0);
        assert_eq!(report.ratios["bare_cpu"], Spread { min: 0.5, median: 1.0, max: 2.0 });
        assert_eq!(report.ratios["bare_wall"], Spread { min: 0.5, median: 1.0, max: 2.0 });
        assert!(
            report.text().contains("bare_cpu                    0.500    1.000    2.000"),
            "{}",
            report.text()
        );
    }

    #[test]
    fn the_ratios_are_those_that_a_goal_is_set_for_and_the_rest_stands_beside() {
        let names = [OURS, YARDSTICK, "bare", "naive", "streams-rocksdb", "streams-memory", "streams-lean"];
        let report = report(&[round(&names.map(|name| (name, 1e3)))], &[]);
        let keys = |of: &BTreeMap<String, Spread>| of.keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(
            keys(&report.ratios),
            "bare_cpu bare_wall naive_wall streams_lean_cpu streams_memory_cpu streams_rocksdb_cpu"
        );
        assert_eq!(
            keys(&report.other_ratios),
            "naive_cpu streams_lean_wall streams_memory_wall streams_rocksdb_wall"
        );
        let json = serde_json::to_value(&report).expect("it is JSON");
        assert_eq!(json["ratios"]["bare_cpu"], serde_json::json!({"min": 1.0, "median": 1.0, "max": 1.0}));
        assert_eq!((&json["rounds"], &json["void"]), (&serde_json::json!(1), &serde_json::json!([])));
    }

    #[test]
    fn who_is_handicapped_or_missing_is_told_in_text_and_json() {
        let rounds = [round(&[(OURS, 3e3), (YARDSTICK, 2.4e3), ("streams-lean", 2e4)])];
        let report = report(&rounds, &["without streams-memory: mvn is missing"]);
        let json = serde_json::to_value(&report).expect("it is JSON");
        let void = json["void"][0].as_str().expect("it is void");
        assert!(void.starts_with("the race is void: streams-lean took 20000 ns"), "{void}");
        assert_eq!(json["missing"][0], "without streams-memory: mvn is missing");
        for said in [void, "without streams-memory: mvn is missing"] {
            assert!(report.text().lines().any(|line| line == said), "{}", report.text());
        }
        let tried = Report::new(&rounds, &args(&["--trial"]), Vec::new());
        assert_eq!((tried.void.len(), tried.trial), (0, true));
    }

    #[test]
    fn the_middle_of_an_even_number_lies_between() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
    }
}
