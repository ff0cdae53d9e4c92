//! `wayfarer-simulate`, which `wayfarer simulate` runs: a seed → its story → what came of it, and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use wayfarer_reference::workload::{Story, story};
use wayfarer_simulate::many::{Failed, SHARDS, many, ran};
use wayfarer_simulate::mutation::Mutation;
use wayfarer_simulate::shrink::shrink;
use wayfarer_simulate::story::tell;

/// What ends with another code than 0: a difference, or a command line that is none (clap).
const DIFFERENT: u8 = 1;

/// Steps three instances through a random story on a virtual clock, with faults at every step, and compares what
/// they do together with the reference model.
///
/// A seed gives the same bytes whenever and wherever it is run. Ends with 1 if something differs from the reference,
/// or an invariant (I1 to I14) does not hold.
#[derive(Debug, Parser)]
#[command(name = "wayfarer-simulate", bin_name = "wayfarer simulate", version, max_term_width = 110)]
struct Arguments {
    /// The seed; of several the first
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds, on all cores: what they met together is told
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Tell every step of the story, and what befell the instances in between
    #[arg(long)]
    verbose: bool,
    /// If the seed fails, look for the shortest part of its story that still does
    #[arg(long)]
    shrink: bool,
    /// Break something on purpose, to see what finds it
    #[arg(long = "break", value_name = "WHAT", value_parser = broken)]
    broken: Option<Mutation>,
}

fn broken(name: &str) -> Result<Mutation, String> {
    let known = || Mutation::ALL.map(Mutation::name).join(", ");
    let found = Mutation::ALL.into_iter().find(|mutation| mutation.name() == name);
    found.ok_or_else(|| format!("known are {}", known()))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What fails is told once, and not by each of its tries.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = io::stdout().lock();
    let done = if arguments.seeds > 1 { several(&arguments, &mut out) } else { one(&arguments, &mut out) };
    // Whoever has closed the output has seen enough.
    ExitCode::from(done.unwrap_or(0))
}

fn several(arguments: &Arguments, out: &mut impl Write) -> io::Result<u8> {
    let Arguments { seed, seeds, broken, .. } = *arguments;
    match many(seed, seeds, broken) {
        Ok(met) => {
            let missed = met.missed();
            writeln!(out, "{seeds} seeds from {seed} on: together the same as the reference\n{met}")?;
            if missed.is_empty() {
                return Ok(0);
            }
            writeln!(out, "Nothing is proven of what was never met: {}", missed.join("; "))?;
            Ok(DIFFERENT)
        }
        Err(Failed { seed, why }) => {
            writeln!(out, "seed {seed} fails\n{why}\n\n{}", how(seed, broken))?;
            Ok(DIFFERENT)
        }
    }
}

fn one(arguments: &Arguments, out: &mut impl Write) -> io::Result<u8> {
    let Arguments { seed, broken, verbose, .. } = *arguments;
    let whole = story(seed, SHARDS);
    let counts = (whole.journeys.len(), whole.steps.len());
    writeln!(
        out,
        "seed {seed}: {} journeys and {} steps on {SHARDS} shards, three instances",
        counts.0, counts.1
    )?;
    match ran(&whole, broken) {
        Ok(ran) => {
            if verbose && let Ok(told) = tell(&whole, broken) {
                told.told.iter().try_for_each(|line| writeln!(out, "{line}"))?;
            }
            writeln!(
                out,
                "{}\ntrace {:032x}\nThe instances did together what the reference does.",
                ran.met, ran.trace
            )?;
            Ok(0)
        }
        Err(why) => {
            let fails = |story: &Story| ran(story, broken).map(drop);
            let short = if arguments.shrink { shrink(whole, fails) } else { whole };
            let why = if arguments.shrink { ran(&short, broken).err().unwrap_or(why) } else { why };
            if verbose {
                let told = std::panic::catch_unwind(|| tell(&short, broken));
                let lines =
                    told.map_or_else(|_| Vec::new(), |told| told.map_or_else(|(_, told)| told, |r| r.told));
                lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
            } else if arguments.shrink {
                writeln!(out, "{short}")?;
            }
            writeln!(out, "It fails:\n{why}\n\n{}", how(seed, broken))?;
            Ok(DIFFERENT)
        }
    }
}

/// How to come nearer to the cause.
fn how(seed: u64, broken: Option<Mutation>) -> String {
    let broken = broken.map_or_else(String::new, |mutation| format!(" --break {}", mutation.name()));
    format!(
        "To have it again, with what happened and befell: wayfarer simulate --seed {seed}{broken} --verbose\n\
         To have it short: wayfarer simulate --seed {seed}{broken} --shrink"
    )
}
