//! Journeys as files: the samples are without a problem, and every bad one gets exactly what its expectation
//! says.
//!
//! A file in `bad/` has its expected problems in lines of a comment, `# expect LINE:COLUMN LEVEL CODE PATH`;
//! JSON, which has no comments, in a file beside it with the extension `expect`, without the `#`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wayfarer::journey::problem::{Level, Problem};
use wayfarer::journey::source::{load_all, load_directory, read};

fn here(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(here(directory)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml" || e == "json"));
    files.sort();
    files
}

fn expected(path: &Path, text: &str) -> Vec<String> {
    if path.extension().is_some_and(|e| e == "json") {
        let beside = fs::read_to_string(path.with_extension("expect")).unwrap();
        return beside.lines().map(str::to_owned).collect();
    }
    text.lines().filter_map(|line| line.strip_prefix("# expect ")).map(str::to_owned).collect()
}

fn told(problem: &Problem) -> String {
    let level = match problem.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let line = format!("{}:{} {level} {} {}", problem.line, problem.column, problem.code, problem.path);
    line.trim_end().to_owned()
}

#[test]
fn every_sample_journey_is_without_a_problem() {
    let samples = load_directory(&here("config/journeys"));
    let told: Vec<String> = samples.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(samples.journeys.len(), 5);
    let dialects: BTreeSet<&str> = samples.journeys.iter().map(|(_, d)| d.dialect.as_str()).collect();
    assert_eq!(dialects.len(), 2);
}

#[test]
fn every_bad_journey_gets_all_of_its_problems_and_no_others() {
    let mut wrong = Vec::new();
    let mut codes = BTreeSet::new();
    for path in files("tests/journeys/bad") {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let name = path.file_name().unwrap().to_str().unwrap();
        let reading = read(name, &bytes);
        let found: Vec<String> = reading.problems.iter().map(told).collect();
        codes.extend(reading.problems.iter().map(|problem| problem.code));
        let expected = expected(&path, &text);
        assert!(!expected.is_empty(), "{name} expects nothing");
        if found != expected {
            let blocks: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
            wrong.push(format!("{name}\nexpected {expected:#?}\nfound {found:#?}\n{}", blocks.join("\n")));
        }
        for problem in &reading.problems {
            let helped = problem.allowed.is_some() || problem.hint.is_some() || problem.code == "syntax";
            assert!(helped, "neither what is allowed nor a hint: {problem}");
        }
        let error = reading.problems.iter().any(|problem| problem.level == Level::Error);
        assert_eq!(reading.definition.is_none(), error, "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let missing: Vec<&str> = CODES.into_iter().filter(|code| !codes.contains(code)).collect();
    assert!(missing.is_empty(), "no bad journey shows {missing:?}");
    let unknown: Vec<&&str> = codes.iter().filter(|code| !CODES.contains(code)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not in the list of codes");
}

/// Every code that a file can have, but for those of whole files.
const CODES: [&str; 40] = [
    "bad_date",
    "bad_id",
    "bad_interval",
    "bad_property",
    "bad_rate",
    "bad_time",
    "bad_weight",
    "condition",
    "dates_order",
    "dead_end",
    "delay_ways",
    "duplicate_day",
    "duplicate_id",
    "empty_name",
    "entry_ways",
    "loop_without_wait",
    "missing_key",
    "moved_stays",
    "no_branch",
    "no_exit",
    "no_node",
    "no_time",
    "out_of_range",
    "outlived",
    "root",
    "shadowed",
    "syntax",
    "unknown_content",
    "unknown_dialect",
    "unknown_key",
    "unknown_target",
    "unknown_word",
    "unknown_zone",
    "unreachable",
    "unused_content",
    "variable",
    "weights",
    "without_effect",
    "wrong_form",
    "wrong_type",
];

#[test]
fn an_id_in_two_files_of_a_directory_is_a_problem_of_the_second() {
    let text = fs::read(here("config/journeys/win-back.toml")).unwrap();
    let both = load_all(&[("b.toml".to_owned(), text.clone()), ("a.toml".to_owned(), text)]);
    assert_eq!(both.journeys.len(), 1);
    let [problem] = both.problems.as_slice() else { panic!("{:?}", both.problems) };
    assert_eq!((problem.file.as_str(), problem.code), ("b.toml", "duplicate_id"));
    assert!(problem.message.contains("a.toml"), "{problem}");
}

#[test]
fn a_directory_that_is_not_there_is_a_problem_that_names_it() {
    let loaded = load_directory(&here("config/no-such-directory"));
    assert!(loaded.has_errors());
    assert!(loaded.problems[0].to_string().contains("no-such-directory"));
}
