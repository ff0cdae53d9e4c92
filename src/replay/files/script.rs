//! The operator's script: `TIME VERB JOURNEY [OPTION…]` lines, or the same as JSON lines.

use std::path::Path;

use serde::Deserialize;

use crate::control::Act;
use crate::journey::definition::Definition;
use crate::journey::source;
use crate::lifecycle::Verb;
use crate::model::Timestamp;
use crate::model::input::Selection;
use crate::replay::error::ReplayError;

/// One line of a script.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// When it happens.
    pub(super) at: Timestamp,
    /// `FILE:LINE`, for messages.
    pub(super) place: String,
    /// The journey's id.
    pub(super) journey: String,
    /// What is asked.
    pub(super) order: Order,
}

/// What a line asks for.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// A verb.
    Act(Act),
    /// A definition, new or changed.
    Put(Box<Definition>),
    /// An entry by API.
    Enter {
        /// Who enters.
        user: String,
        /// A JSON object that stands for an event's properties.
        properties: String,
    },
}

const FORM: &str = "write TIME VERB JOURNEY [OPTION…], such as 2026-03-01T09:30:00Z pause cart-rescue";
const OPTIONS: &str = "from=NODE, at=NODE, keep_held, to=ID, reason=TEXT; file=FILE for put; \
                       user=ID and properties=JSON for enter";

/// The words of a line, before they are checked. JSON lines have the same names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    at: String,
    verb: String,
    journey: String,
    from: Option<String>,
    at_node: Option<String>,
    #[serde(default)]
    keep_held: bool,
    to: Option<String>,
    reason: Option<String>,
    file: Option<String>,
    user: Option<String>,
    properties: Option<serde_json::Value>,
}

/// Reads a script: its lines by time, those of one time as they stand.
///
/// # Errors
/// If the file cannot be read; else every line that is none, with its place and what is allowed.
pub(super) fn read(path: &Path) -> Result<Vec<Line>, ReplayError> {
    let text = std::fs::read_to_string(path).map_err(|error| ReplayError::file(path, "read", &error))?;
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let place = format!("{}:{number}", path.display());
        let words = if text.starts_with('{') {
            serde_json::from_str(text).map_err(|error| format!("{error}; {FORM}"))
        } else {
            words(text)
        };
        match words.and_then(|words| line(path, &place, words)) {
            Ok(line) => lines.push(line),
            Err(message) => wrong.push(format!("{place}: {message}")),
        }
    }
    if !wrong.is_empty() {
        return Err(ReplayError::Problem(wrong.join("\n")));
    }
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

fn words(text: &str) -> Result<Words, String> {
    let mut split = text.splitn(4, char::is_whitespace);
    let (Some(at), Some(verb), Some(journey)) = (split.next(), split.next(), split.next()) else {
        return Err(format!("{text:?} is not a line of a script; {FORM}"));
    };
    let mut words =
        Words { at: at.to_owned(), verb: verb.to_owned(), journey: journey.to_owned(), ..Words::default() };
    let mut rest = split.next().unwrap_or("").trim();
    while !rest.is_empty() {
        let option = rest.split_whitespace().next().unwrap_or("");
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        // These two may hold blanks, so they take the rest of the line.
        let is_last = matches!(name, "reason" | "properties");
        let value = if is_last { &rest[(name.len() + 1).min(rest.len())..] } else { value };
        let given = (!value.is_empty()).then(|| value.to_owned());
        match (name.trim_start_matches("--"), given) {
            ("keep_held" | "keep-held", None) => words.keep_held = true,
            ("from", Some(node)) => words.from = Some(node),
            ("at", Some(node)) => words.at_node = Some(node),
            ("to", Some(id)) => words.to = Some(id),
            ("reason", Some(why)) => words.reason = Some(why),
            ("file", Some(file)) => words.file = Some(file),
            ("user", Some(user)) => words.user = Some(user),
            ("properties", Some(json)) => {
                let parsed = serde_json::from_str(&json);
                words.properties = Some(parsed.map_err(|error| format!("properties are no JSON: {error}"))?);
            }
            _ => return Err(format!("{option:?} is not an option; the options are {OPTIONS}")),
        }
        rest = if is_last { "" } else { rest[option.len()..].trim_start() };
    }
    Ok(words)
}

fn line(script: &Path, place: &str, words: Words) -> Result<Line, String> {
    let at = words.at.parse().map_err(|error| format!("{error}"))?;
    let order = match words.verb.as_str() {
        "put" => {
            let file = words.file.ok_or("put needs the definition: file=FILE")?;
            let path = script.parent().unwrap_or(Path::new("")).join(file);
            Order::Put(Box::new(definition(&path)?))
        }
        "enter" => {
            let user = words.user.ok_or("enter needs the user: user=ID")?;
            let properties = words.properties.map_or_else(|| "{}".to_owned(), |json| json.to_string());
            Order::Enter { user, properties }
        }
        verb => {
            let unknown = |error| format!("{error}; beside them are put and enter");
            let mut act = Act::from(verb.parse::<Verb>().map_err(unknown)?);
            act.selection = match (words.from, words.at_node) {
                (None, None) => Selection::All,
                (Some(node), None) => Selection::From(node),
                (None, Some(node)) => Selection::At(node),
                (Some(_), Some(_)) => return Err("from and at exclude each other".to_owned()),
            };
            act.keep_held = words.keep_held;
            act.to = words.to;
            act.reason = words.reason;
            Order::Act(act)
        }
    };
    Ok(Line { at, place: place.to_owned(), journey: words.journey, order })
}

fn definition(path: &Path) -> Result<Definition, String> {
    let name = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    source::load(&name, &text).map_err(|problems| {
        let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
        found.join("\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Line, String> {
        words(text).and_then(|words| line(Path::new("s.txt"), "s.txt:1", words))
    }

    #[test]
    fn a_line_is_a_time_a_verb_a_journey_and_its_options() {
        let line = of("2026-03-01T10:00:00Z  resume".replace("  ", " ").as_str());
        assert!(line.unwrap_err().contains("write TIME VERB JOURNEY"));
        let line = of("2026-03-01T10:00:00Z resume j from=W reason=they waited long enough").unwrap();
        let Order::Act(act) = line.order else { panic!("a verb") };
        assert_eq!((act.verb, act.selection), (Verb::Resume, Selection::From("W".to_owned())));
        assert_eq!(act.reason.as_deref(), Some("they waited long enough"));
    }

    #[test]
    fn what_is_not_a_line_says_what_is_allowed() {
        for (text, says) in [
            ("10:00 pause j", "write RFC 3339"),
            ("2026-03-01T10:00:00Z halt j", "the verbs are"),
            ("2026-03-01T10:00:00Z pause j fast", "the options are"),
            ("2026-03-01T10:00:00Z resume j from=a at=b", "exclude"),
            ("2026-03-01T10:00:00Z put j", "file=FILE"),
            ("2026-03-01T10:00:00Z put j file=none.toml", "cannot be read"),
            ("2026-03-01T10:00:00Z enter j", "user=ID"),
            ("2026-03-01T10:00:00Z enter j user=u properties={", "no JSON"),
        ] {
            let message = of(text).expect_err(text);
            assert!(message.contains(says), "{text}: {message}");
        }
    }
}
