//! Definitions: whatever a text is, its problems are sentences; and what has none can be published.

use wayfarer::control::{Act, Command, Fold, Record};
use wayfarer::journey::check::check;
use wayfarer::journey::definition::Definition;
use wayfarer::journey::problem::{PROBLEMS_MAX, Problem};
use wayfarer::journey::source::read;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::Timestamp;

/// Reads `bytes` as the text of a journey: JSON if it begins with a brace, else TOML.
pub fn run(bytes: &[u8]) {
    let name = if bytes.trim_ascii_start().starts_with(b"{") { "journey.json" } else { "journey.toml" };
    let reading = read(name, bytes);
    assert!(reading.problems.len() <= 2 * PROBLEMS_MAX, "{} problems", reading.problems.len());
    reading.problems.iter().for_each(sentence);
    let wrong = reading.problems.iter().any(Problem::is_error);
    assert_eq!(reading.definition.is_none(), wrong, "{:?}", reading.problems);
    let Some(definition) = reading.definition else { return };
    let again: Vec<Problem> = check(&definition).into_iter().filter(Problem::is_error).collect();
    assert_eq!(again, [], "right as a text, wrong without one");
    comes_back(&definition);
    goes_live(definition);
}

fn sentence(problem: &Problem) {
    assert!(problem.message.len() > 5 && !problem.message.contains(['\n', '\r', '\0']), "{problem:?}");
    assert!(!problem.code.is_empty() && problem.line >= 1 && problem.column >= 1, "{problem:?}");
}

/// As the API gives it, it is the same journey.
fn comes_back(definition: &Definition) {
    let json = serde_json::to_vec(definition).expect("a definition is JSON");
    let again = read("journey.json", &json);
    assert_eq!(again.definition.as_ref(), Some(definition), "{:?}", again.problems);
}

/// It compiles, and every shard can take it.
fn goes_live(definition: Definition) {
    let mut fold = Fold::new();
    let verb = if definition.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
    let journey = definition.id.clone();
    let put = Command::Put { definition: Box::new(definition) };
    for (offset, command) in [(1, put), (2, Command::Act(Act::from(verb)))] {
        let record = Record {
            id: offset.to_string(),
            at: None,
            actor: "fuzz".to_owned(),
            role: Role::Operator,
            journey: journey.clone(),
            expect: None,
            command,
        };
        if let Err(refused) = fold.apply(offset, Timestamp(1_772_323_200_000), &record) {
            assert!(offset == 2 || !journey.is_empty(), "{refused}");
        }
    }
}
