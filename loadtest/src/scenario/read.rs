//! Reads a scenario: what is wrong is said with its line, the key that may have been meant, and what is allowed.

use std::path::Path;

use toml::{Table, Value};

use super::Scenario;
use crate::error::{Error, Result, cannot};

/// Reads the scenario at `path`, and lays `sets` (`KEY=VALUE`) over it.
///
/// # Errors
/// One sentence: what is wrong, where, what is allowed.
pub fn scenario(path: &Path, sets: &[String]) -> Result<Scenario> {
    let text = std::fs::read_to_string(path).map_err(cannot(format!("read {}", path.display())))?;
    parse(&text, sets).map_err(|error| Error(format!("{}, {error}", path.display())))
}

/// Parses a scenario.
///
/// # Errors
/// One sentence, which begins with the place.
pub fn parse(text: &str, sets: &[String]) -> Result<Scenario> {
    let told = |error: &toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Error(format!("line {line}: {}", sentence(error.message())))
    };
    let mut scenario: Scenario = toml::from_str(text).map_err(|error| told(&error))?;
    if !sets.is_empty() {
        let mut value = Value::Table(text.parse::<Table>().map_err(|error| told(&error))?);
        for set in sets {
            let laid = lay(&mut value, set);
            laid.map_err(|what| Error(format!("--set {set}: {what}")))?;
        }
        let read = value.try_into();
        scenario = read.map_err(|error: toml::de::Error| {
            Error(format!("with --set {}: {}", sets.join(" --set "), sentence(error.message())))
        })?;
    }
    match scenario.problem() {
        None => Ok(scenario),
        Some(problem) => Err(Error(format!("as a whole: {problem}"))),
    }
}

/// The parser's sentence; for a key that is none: the nearest one first.
fn sentence(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (Some(wrong), true) = (quoted.next(), message.starts_with("unknown ")) else {
        return message.trim().replace('\n', " ");
    };
    let kind = if message.starts_with("unknown field") { "key" } else { "value" };
    let mut allowed: Vec<&str> = quoted.collect();
    allowed.sort_by_key(|known| strsim::damerau_levenshtein(known, wrong));
    let distance = |known: &str| strsim::damerau_levenshtein(known, wrong);
    let near = allowed.first().filter(|known| distance(known) <= (wrong.len() / 3).max(1));
    let meant =
        near.map_or_else(|| "; allowed".to_owned(), |known| format!("; did you mean `{known}`? Allowed"));
    allowed.sort_unstable();
    format!("`{wrong}` is no {kind} here{meant}: {}", allowed.join(", "))
}

/// Lays `KEY=VALUE` over a value. A key is a path with dots; a number counts in a list, `*` is all of it.
fn lay(value: &mut Value, set: &str) -> std::result::Result<(), String> {
    let (path, text) = set.split_once('=').ok_or("it is to be KEY=VALUE, such as phase.0.for=5s")?;
    // What is no value of TOML is a text without quotes.
    let new = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
    let new = new.unwrap_or_else(|| Value::String(text.to_owned()));
    let parts: Vec<&str> = path.split('.').collect();
    put(value, &parts, &new)
}

fn put(value: &mut Value, path: &[&str], new: &Value) -> std::result::Result<(), String> {
    let Some((part, rest)) = path.split_first() else {
        *value = new.clone();
        return Ok(());
    };
    match value {
        Value::Array(all) if *part == "*" => all.iter_mut().try_for_each(|one| put(one, rest, new)),
        Value::Array(all) => {
            let count = all.len();
            let one = part.parse::<usize>().ok().and_then(|number| all.get_mut(number));
            let one =
                one.ok_or_else(|| format!("{part} counts nothing: from 0, of {count}, or * for all"))?;
            put(one, rest, new)
        }
        Value::Table(table) => {
            let empty = || Value::Table(Table::new());
            put(table.entry((*part).to_owned()).or_insert_with(empty), rest, new)
        }
        _ => Err(format!("{part} is below something that is a plain value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::base;
    use wayfarer::model::Interval;

    const TEXT: &str = "name = \"x\"\nabout = \"y\"\n[[journey]]\nfile = \"j.toml\"\n[[phase]]\nname = \"p\"\n\
                        for = \"5s\"\nload = { rate = 100 }\n";

    #[test]
    fn a_wrong_scenario_is_refused_with_its_line_and_what_is_allowed() {
        for (from, to, said) in [
            (
                "load = { rate",
                "load = { ratee",
                "line 8: `ratee` is no key here; did you mean `rate`? Allowed: burst, ",
            ),
            ("about", "zzz", "line 2: `zzz` is no key here; allowed: about, beside, "),
            (
                "rate = 100",
                "rate = 100, shape = \"ramped\"",
                "line 8: `ramped` is no value here; did you mean `ramp`?",
            ),
            (
                "rate = 100",
                "rate = -5",
                "as a whole: phase \"p\": rate is -5: above 0, up to 10000000 events a second",
            ),
            ("\"5s\"", "\"soon\"", "line 7: "),
            ("[[phase]]", "[events]\nusers = 0\n[[phase]]", "as a whole: [events]: users is 0: from 1 to"),
            (
                "for = ",
                "against = \"q\"\nfor = ",
                "as a whole: phase \"p\": against is \"q\": phases before it are ",
            ),
            (
                "load = { rate = 100 }",
                "of_saturation = 50",
                "as a whole: phase \"p\": `of_saturation` needs a [saturation]",
            ),
            (
                "[[journey]]",
                "system = { partitions = 0 }\n[[journey]]",
                "as a whole: [system]: partitions is 0: from 1",
            ),
            ("load =", "act = [{ verbs = [\"paus\"], journeys = [\"j\"] }]\nload =", "line 8: "),
            (
                "load =",
                "act = [{ at = \"1s\" }]\nload =",
                "as a whole: phase \"p\": an act is `verbs` with `journeys`",
            ),
            ("load =", "pour = 5\nload =", "as a whole: phase \"p\": `pour` is some events, without `for`, "),
            ("for = \"5s\"\n", "", "as a whole: phase \"p\": for is 0s: it has to be some time"),
            (
                "load = { rate = 100 }\n",
                "",
                "as a whole: phase \"p\": `of_saturation`, `load` or `pour` says how many events a second",
            ),
            (
                "load =",
                "act = [{ rows = 5, kill = 0 }]\nload =",
                "as a whole: phase \"p\": an act is `verbs` with `journeys`, or `rows` for one of `journeys`",
            ),
            (
                "load =",
                "act = [{ rows = 5, journeys = [\"j\", \"k\"] }]\nload =",
                "as a whole: phase \"p\": a list is uploaded once, for one journey, in one round",
            ),
            (
                "load =",
                "act = [{ rows = 0, journeys = [\"j\"] }]\nload =",
                "as a whole: phase \"p\": rows is 0: from 1 to 100000000 are allowed",
            ),
            ("[[journey]]", "rounds = 0\n[[journey]]", "as a whole: rounds is 0: from 1 to 100 are allowed"),
            (
                "load =",
                "on = \"beside\"\nload =",
                "as a whole: phase \"p\": on is \"beside\": there is no [beside]",
            ),
            (
                "load =",
                "on = \"bare\"\nload =",
                "as a whole: phase \"p\": on is \"bare\": what Wayfarer writes has to be seen before",
            ),
            (
                "[[journey]]",
                "sink = \"http\"\nsaturation = { measure = 5 }\n[[phase]]\nname = \"q\"\non = \"bare\"\nfor = \"1s\"\n\
                 of_saturation = 5\n[[journey]]",
                "as a whole: phase \"q\": on is \"bare\": the bare loop reads a topic",
            ),
            (
                "load =",
                "on = \"bare\"\nact = [{ kill = 0 }]\nload =",
                "as a whole: phase \"p\": `act` is for phases on wayfarer",
            ),
            (
                "[[journey]]",
                "[beside]\nfill = { before = [{ journeys = [\"j\"], verbs = [\"stop\"] }] }\n\
                 [[beside.journey]]\nfile = \"j\"\n[[journey]]",
                "as a whole: [beside]: [fill]: `before` is for the scenario's own deployment",
            ),
            (
                "[[journey]]",
                "[beside]\njourney = []\n[[journey]]",
                "as a whole: [beside]: there is no [[journey]]",
            ),
            (
                "load =",
                "act = [{ kill = 0, at = \"5s\" }]\nload =",
                "as a whole: phase \"p\": an act comes at 5s: the phase, `warm` included, ends at 5s",
            ),
            (
                "load =",
                "act = [{ kill = 0, at = \"1s\", every = \"2s\", times = 3 }]\nload =",
                "as a whole: phase \"p\": an act comes for the last time at 5s: the phase, `warm` included, ends at",
            ),
            (
                "load =",
                "act = [{ kill = 0, times = 2 }]\nload =",
                "as a whole: phase \"p\": an act comes 2 times: 1, or more if there is `every`, is allowed",
            ),
            (
                "[[journey]]",
                "fill = { before = [{ kill = 0 }] }\n[[journey]]",
                "as a whole: [fill] before: only `verbs` with `journeys` are allowed there",
            ),
            (
                "[[journey]]",
                "fill = { before = [{ verbs = [\"stop\"], journeys = [\"j\"], at = \"1s\" }] }\n[[journey]]",
                "as a whole: [fill] before: only `verbs` with `journeys` are allowed there",
            ),
            (
                "file = \"j.toml\"",
                "file = \"j.toml\"\ncopies = 0",
                "as a whole: journey j.toml: copies is 0: from 1 to 100000 are allowed",
            ),
            (
                "load =",
                "act = [{ kill = 1 }]\nload =",
                "as a whole: phase \"p\": there is no instance 1: they are counted",
            ),
        ] {
            let text = TEXT.replacen(from, to, 1);
            let error = parse(&text, &[]).expect_err(&text).to_string();
            assert!(error.starts_with(said), "{error}\nrather than\n{said}");
            assert!(!error.contains('\n'), "one sentence: {error}");
        }
        parse(TEXT, &[]).expect("this one is right");
    }

    #[test]
    fn from_the_second_round_on_phases_have_its_number_and_compare_within_it() {
        let two = format!(
            "rounds = 3\n{TEXT}[[phase]]\nname = \"q\"\nfor = \"1s\"\nload = {{ rate = 5 }}\nagainst = \"p\"\n"
        );
        let turns = parse(&two, &[]).expect("it is right").turns();
        let turns: Vec<_> = turns.iter().map(|turn| (turn.name.as_str(), turn.against.as_deref())).collect();
        assert_eq!(
            turns,
            [
                ("p", None),
                ("q", Some("p")),
                ("p.2", None),
                ("q.2", Some("p.2")),
                ("p.3", None),
                ("q.3", Some("p.3"))
            ]
        );
        assert_eq!((base("q.3"), base("p")), ("q", "p"));
    }

    #[test]
    fn what_is_set_lies_over_the_file_and_is_checked_as_it_is() {
        let set = |sets: &[&str]| parse(TEXT, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>());
        let laid = set(&["phase.0.for=7s", "events.users=50", "phase.*.load.rate=9.5", "system.workers=3"]);
        let laid = laid.expect("they fit");
        assert_eq!((laid.phase[0].length, laid.events.users, laid.system.workers), (Interval(7_000), 50, 3));
        assert_eq!(laid.phase[0].load.as_ref().map(|load| load.rate), Some(9.5));
        for (wrong, said) in [
            ("phase.3.for=1s", "--set phase.3.for=1s: 3 counts nothing: from 0, of 1, or * for all"),
            ("users", "--set users: it is to be KEY=VALUE, such as phase.0.for=5s"),
            ("name.x=1", "--set name.x=1: x is below something that is a plain value"),
            ("event.users=5", "with --set event.users=5: `event` is no key here; did you mean `events`?"),
        ] {
            let error = set(&[wrong]).expect_err(wrong).to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
