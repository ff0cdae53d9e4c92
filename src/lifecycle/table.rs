//! The dialects' tables as `wayfarer states` shows them: made from the tables that the machine reads.

use std::fmt::Write;

use serde_json::{Value, json};

use super::dialect::{Arrow, Dialect, State, StateId, Target};
use super::verb::Inside;

/// The columns' headings.
const HEADINGS: [&str; 6] = ["state", "entry", "movement", "verbs", "by itself", "leaves to"];

/// The tables of `dialects` as text for a terminal; ends with a line break.
#[must_use]
pub fn text(dialects: &[&Dialect]) -> String {
    let mut out = String::new();
    for (n, dialect) in dialects.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        table(&mut out, dialect);
    }
    out
}

/// The tables of `dialects` as JSON: every verb with the states it can lead to and what it does to those
/// inside.
#[must_use]
pub fn json(dialects: &[&Dialect]) -> String {
    let dialects: Vec<_> = dialects.iter().map(|dialect| dialect_json(dialect)).collect();
    format!("{:#}\n", json!({ "dialects": dialects }))
}

fn table(out: &mut String, dialect: &Dialect) {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(dialect.states().iter().map(|state| row(dialect, state)));
    let mut widths = [0; HEADINGS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(out, &[&format!("{dialect}: {}", dialect.title())]);
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(out, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn line(out: &mut String, cells: &[&str]) {
    writeln!(out, "{}", cells.join("  ").trim_end()).expect("a String takes whatever is written");
}

fn row(dialect: &Dialect, state: &State) -> [String; HEADINGS.len()] {
    let movement = match (state.inhabited, state.drains) {
        (false, _) => "–".to_owned(),
        (true, true) => format!("{}, drains", state.movement),
        (true, false) => state.movement.to_string(),
    };
    let verbs: Vec<_> = state.verbs.iter().map(|arrow| arrow.verb.as_str()).collect();
    let by_dates = [("start", state.on_start), ("end or list processed", state.on_end)]
        .into_iter()
        .filter_map(|(cause, to)| Some(format!("{cause} → {}", dialect.state(to?).name)));
    let by_system = state.system.iter().filter(|arrow| arrow.to != Target::Stay).map(|arrow| {
        let to = arrow.to.states().into_iter().flatten().map(|id| dialect.state(id).name);
        format!("{} → {}", arrow.verb, to.collect::<Vec<_>>().join(" or "))
    });
    let next = names(dialect, &state.next());
    [
        state.name.to_owned(),
        state.entry.to_string(),
        movement,
        verbs.join(", "),
        or_dash(&by_dates.chain(by_system).collect::<Vec<_>>()),
        or_dash(&next),
    ]
}

fn or_dash(cells: &[String]) -> String {
    if cells.is_empty() { "–".to_owned() } else { cells.join(", ") }
}

fn names(dialect: &Dialect, states: &[StateId]) -> Vec<String> {
    states.iter().map(|&id| dialect.state(id).name.to_owned()).collect()
}

fn dialect_json(dialect: &Dialect) -> Value {
    let states: Vec<_> = dialect.states().iter().map(|state| state_json(dialect, state)).collect();
    json!({ "name": dialect.name(), "title": dialect.title(), "states": states })
}

fn state_json(dialect: &Dialect, state: &State) -> Value {
    let arrows = |arrows: &[Arrow]| arrows.iter().map(|arrow| arrow_json(dialect, arrow)).collect::<Vec<_>>();
    let name = |id: Option<StateId>| id.map(|id| dialect.state(id).name);
    json!({
        "name": state.name,
        "entry": state.entry,
        "movement": state.movement,
        "inhabited": state.inhabited,
        "drains": state.drains,
        "terminal": state.is_terminal(),
        "edits": state.edits,
        "verbs": arrows(state.verbs),
        "system": arrows(state.system),
        "at_start": name(state.on_start),
        "at_end": name(state.on_end),
        "next": names(dialect, &state.next()),
    })
}

fn arrow_json(dialect: &Dialect, arrow: &Arrow) -> Value {
    let to: Vec<_> =
        arrow.to.states().into_iter().flatten().map(|id| dialect.state(id).name.to_owned()).collect();
    let condition = match arrow.to {
        Target::Stay | Target::To(_) => None,
        Target::Launch { .. } => {
            Some("refused unless dates and audience are valid; the first if the start lies ahead")
        }
        Target::Return { .. } => {
            Some("the second if dates or list have ended, or if that was the state before")
        }
        Target::Reopen(_) => Some("refused if dates or list have ended"),
    };
    json!({ "verb": arrow.verb, "to": to, "condition": condition, "inside": inside(arrow.inside) })
}

fn inside(inside: Inside) -> Option<Inside> {
    (inside != Inside::Nothing).then_some(inside)
}
