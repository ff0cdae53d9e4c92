//! How many instructions each key path takes for one user, compared with the counts that are kept.
//!
//! `make instructions` runs every path under callgrind, prints a table, and fails if a path takes over 5 % more than
//! `counts.toml` says. `make instructions ARGS='--renew "why"'` writes the counts anew, with the reason
//! beside them; one that became cheaper wants that too. Instructions do not wobble with what else the machine does;
//! they do not see what waits for memory either, which is what `paths` times.
//!
//! Another compiler makes other instructions: counts of another `rustc` are printed and not judged; in CI that is a
//! failure, since nothing would ever be judged again.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's figures are its output")]

#[path = "../../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::path::Path as File;
use std::process::{Command, ExitCode};

use common::paths::{OPERATIONS, PATHS};
use serde::{Deserialize, Serialize};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.toml");
/// How much more, or less, is no change.
const TOLERANCE: f64 = 0.05;
/// Names the function below to callgrind.
const COUNTED: &str = "*only_this_is_counted*";

/// The counts that are kept.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Why they are as they are.
    reason: String,
    /// The compiler that made the instructions.
    rustc: String,
    /// By path: instructions for one user.
    instructions: BTreeMap<String, f64>,
}

#[inline(never)]
fn only_this_is_counted(work: &mut dyn FnMut()) {
    work();
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1).map_or("", String::as_str))
    };
    if let Some(name) = after("--path") {
        let path = PATHS.iter().find(|path| path.name == name).expect("its parent names what there is");
        only_this_is_counted(&mut *(path.prepare)());
        return ExitCode::SUCCESS;
    }
    let done = match after("--renew") {
        Some("") => Err("--renew wants the reason: why the counts are what they are now".to_owned()),
        Some(reason) => count_all().and_then(|counted| renew(reason, counted)),
        None => count_all().and_then(|counted| judge(&counted)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("instructions: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The counts of all paths, for one user, counted side by side.
fn count_all() -> Result<BTreeMap<String, f64>, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = |thread: usize| -> Result<Vec<(String, f64)>, String> {
        let mine = PATHS.iter().skip(thread).step_by(threads);
        mine.map(|path| Ok((path.name.to_owned(), count(path.name)? as f64 / OPERATIONS as f64))).collect()
    };
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        let mut all = BTreeMap::new();
        for counted in shares {
            all.extend(counted.join().map_err(|_| "a thread panicked".to_owned())??);
        }
        Ok(all)
    })
}

/// How many instructions callgrind saw.
fn count(path: &str) -> Result<u64, String> {
    let out = std::env::temp_dir().join(format!("wayfarer-instructions-{}-{path}", std::process::id()));
    let counted = count_into(path, &out);
    // Whatever came of it, nobody needs the file any more.
    let _ = std::fs::remove_file(&out);
    counted
}

fn count_into(path: &str, out: &File) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find itself: {error}"))?;
    let ran = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--path", path])
        .output()
        .map_err(|error| format!("cannot start valgrind ({error}); the package valgrind brings it"))?;
    if !ran.status.success() {
        let why = String::from_utf8_lossy(&ran.stderr);
        return Err(format!("{path} under valgrind ended with {}:\n{why}", ran.status));
    }
    let text =
        std::fs::read_to_string(out).map_err(|error| format!("cannot read {}: {error}", out.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let totals = totals.and_then(|totals| totals.split(' ').next()?.parse().ok());
    totals.filter(|&total| total > 0).ok_or_else(|| format!("callgrind counted nothing of {path}"))
}

fn rustc() -> Result<String, String> {
    let asked = Command::new("rustc").arg("--version").output();
    let asked = asked.map_err(|error| format!("cannot ask rustc for its version: {error}"))?;
    let version = String::from_utf8_lossy(&asked.stdout);
    Ok(version.split(' ').nth(1).unwrap_or("unknown").to_owned())
}

fn renew(reason: &str, instructions: BTreeMap<String, f64>) -> Result<bool, String> {
    let instructions = instructions.into_iter().map(|(path, count)| (path, count.round())).collect();
    let kept = Kept { reason: reason.to_owned(), rustc: rustc()?, instructions };
    let text = toml::to_string(&kept).map_err(|error| error.to_string())?;
    std::fs::write(KEPT, text).map_err(|error| format!("cannot write {KEPT}: {error}"))?;
    println!("{} counts are kept in {KEPT}", kept.instructions.len());
    Ok(true)
}

fn judge(counted: &BTreeMap<String, f64>) -> Result<bool, String> {
    let text = std::fs::read_to_string(KEPT).map_err(|error| format!("cannot read {KEPT}: {error}"))?;
    let kept: Kept = toml::from_str(&text).map_err(|error| format!("{KEPT}: {error}"))?;
    let Verdict { table, dearer, cheaper } = compare(counted, &kept.instructions);
    print!("{table}");
    let rustc = rustc()?;
    if kept.rustc != rustc {
        let sentence = format!(
            "kept are counts of rustc {}, and this is {rustc}, so nothing can be judged: make instructions \
             ARGS='--renew \"another compiler\"'",
            kept.rustc
        );
        // Whoever tries it out has done nothing wrong. In CI it would switch the comparison off for ever.
        if std::env::var_os("CI").is_some() {
            return Err(sentence);
        }
        println!("{sentence}");
        return Ok(true);
    }
    if cheaper {
        println!("something became cheaper, or is gone: renew the counts, so that it stays so");
    }
    if dearer.is_empty() {
        return Ok(true);
    }
    let dearer = dearer.join(", ");
    Err(format!(
        "over 5 % more than is kept, or not kept at all: {dearer}. Mend it, or renew the counts with the reason: make \
         instructions ARGS='--renew \"why\"'"
    ))
}

/// What was counted beside what is kept.
#[derive(Debug, Default, PartialEq)]
struct Verdict {
    table: String,
    /// Paths that take more than is kept, or of which nothing is.
    dearer: Vec<String>,
    /// Whether one takes less, or what is kept is of none.
    cheaper: bool,
}

fn compare(counted: &BTreeMap<String, f64>, kept: &BTreeMap<String, f64>) -> Verdict {
    let table = format!("{:<28}{:>12}{:>12}\n", "instructions for one user", "counted", "kept");
    let mut verdict = Verdict { table, ..Verdict::default() };
    for (path, now) in counted {
        let Some(was) = kept.get(path) else {
            verdict.table += &format!("{path:<28}{now:>12.0}{:>12}\n", "-");
            verdict.dearer.push(path.clone());
            continue;
        };
        let change = now / was - 1.0;
        verdict.table += &format!("{path:<28}{now:>12.0}{was:>12.0}{:>+8.1} %\n", change * 100.0);
        verdict.cheaper |= change < -TOLERANCE;
        if change > TOLERANCE {
            verdict.dearer.push(path.clone());
        }
    }
    verdict.cheaper |= kept.keys().any(|path| !counted.contains_key(path));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, f64)]) -> BTreeMap<String, f64> {
        of.iter().map(|&(path, count)| (path.to_owned(), count)).collect()
    }

    #[test]
    fn beyond_five_percent_a_path_is_dearer_and_so_is_one_that_nobody_kept() {
        let kept = counts(&[("decode", 1_000.0), ("commit", 200.0)]);
        let verdict = |of: &[(&str, f64)]| {
            let verdict = compare(&counts(of), &kept);
            (verdict.dearer.join(" "), verdict.cheaper)
        };
        assert_eq!(verdict(&[("decode", 1_049.0), ("commit", 191.0)]), (String::new(), false));
        assert_eq!(verdict(&[("decode", 1_051.0), ("commit", 211.0)]), ("commit decode".to_owned(), false));
        assert_eq!(verdict(&[("decode", 1_000.0), ("commit", 189.0)]), (String::new(), true));
        assert_eq!(
            verdict(&[("decode", 1_000.0), ("commit", 200.0), ("new", 1.0)]),
            ("new".to_owned(), false)
        );
        assert_eq!(verdict(&[("decode", 1_000.0)]), (String::new(), true));
    }

    #[test]
    fn every_path_can_be_gone_and_its_counts_are_kept() {
        let text = std::fs::read_to_string(KEPT).expect("the counts are kept");
        let kept: Kept = toml::from_str(&text).expect("they can be read");
        assert!(!kept.reason.is_empty());
        for path in PATHS {
            (path.prepare)()();
            assert!(kept.instructions.get(path.name).is_some_and(|count| *count > 0.0), "{}", path.name);
        }
    }
}
