//! The demo as text: every fact as lines of at most 100 columns.

use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use super::calendar::{date, moment, time};
use super::driver::Fault;
use super::facts::{AtSend, Drained, GateState, Given, MapCell, Side, Span, StoryLine, Told};
use super::paint::{Ink, Screen, paint};
use super::play::Teller;
use super::samples::TWINS;
use super::{ledger_text, story};
use crate::lifecycle::{EntryGate, MovementGate};

/// The widest line.
pub(super) const COLUMNS: usize = 96;

/// How long a line stands before the next, where somebody watches: about ten seconds for all of them.
const PACE: Duration = Duration::from_millis(35);

/// After so long the telling waits no more: on a slow machine the work alone is slow enough to be watched.
const PACED_MAX: Duration = Duration::from_secs(15);

/// Writes facts as text.
pub(super) struct Text<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) screen: Screen,
    /// How long the telling has waited for its reader.
    pub(super) waited: Duration,
    began: Instant,
    scenes: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(out: &'a mut dyn Write, screen: Screen) -> Self {
        Self { out, screen, waited: Duration::ZERO, began: Instant::now(), scenes: 0 }
    }

    /// Writes lines as they are.
    pub(super) fn lines(&mut self, text: &str) -> Result<(), Fault> {
        for line in text.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
            if self.screen.watched && self.began.elapsed() < PACED_MAX {
                self.out.flush()?;
                std::thread::sleep(PACE);
                self.waited += PACE;
            }
        }
        Ok(())
    }

    fn title(&mut self, title: &str) -> Result<(), Fault> {
        self.scenes += 1;
        let head = format!("── {}. {title} ", self.scenes);
        let rule = "─".repeat(COLUMNS.saturating_sub(head.chars().count()));
        let head = paint(self.screen, Ink::Title, &format!("{head}{rule}"));
        self.lines(&format!("\n{head}\n"))
    }
}

impl Teller for Text<'_> {
    fn tell(&mut self, told: Told) -> Result<(), Fault> {
        let text = match told {
            Told::Scene { title, text, .. } => {
                self.title(title)?;
                if text.is_empty() { String::new() } else { format!("{text}\n\n") }
            }
            Told::Say { text } => format!("{text}\n\n"),
            Told::Moral { text } => text.lines().fold(String::new(), |all, line| all + "  ▌ " + line + "\n"),
            Told::Verbs { at, why, given } => {
                let by = if given.iter().any(|g| g.verb.is_some()) { "the operator" } else { "nobody" };
                let mut text = paint(self.screen, Ink::Title, &format!("{} · {by}", moment(at)));
                let _ = write!(text, ": {why}\n\n");
                given.iter().for_each(|given| text.push_str(&verb(self.screen, given)));
                text + "\n"
            }
            Told::Watched { states, spans } => watched(self.screen, &states, &spans) + "\n",
            Told::AtSend(at_send) => after_abort(&at_send) + "\n",
            Told::Drained(drained) => drain(self.screen, &drained) + "\n",
            Told::Explained { lines, .. } => explained(&lines) + "\n",
            Told::Map { cells } => map(self.screen, &cells) + "\n",
            Told::Summary(summary) => {
                self.title("The ledger")?;
                ledger_text::summary(self.screen, &summary)
            }
        };
        self.lines(&text)
    }
}

/// A dialect as its vendor writes it.
pub(super) fn vendor(dialect: &str) -> &str {
    match dialect {
        "clevertap" => "CleverTap",
        "antsomi" => "Antsomi",
        other => other,
    }
}

/// One verb: the state, and both gates before and after.
fn verb(screen: Screen, given: &Given) -> String {
    let (from, to) = (&given.from, &given.to);
    let who = format!("  {:<11}", vendor(from.dialect));
    let arrow = given.verb.map_or("─────▶".to_owned(), |verb| format!("── {verb} ─▶"));
    let mut text = format!("{who}{} {arrow} ", from.state);
    if let Some(refused) = &given.refused {
        text += &paint(screen, Ink::Red, "refused");
        text.push('\n');
        return text + &wrap(refused, 17);
    }
    let _ = writeln!(text, "{}", paint(screen, Ink::Title, to.state));
    if given.verb == Some("edit") {
        return text + "                 saved; it goes live at reactivate\n";
    }
    let entry = [from.entry, to.entry].map(EntryGate::as_str);
    text += &gate(screen, "entry", entry, story::entry(to.entry));
    if !from.inhabited && !to.inhabited {
        return text;
    }
    let before = if from.inhabited { from.movement.as_str() } else { "–" };
    let note = story::movement(to.movement);
    text + &gate(screen, "movement", [before, to.movement.as_str()], note)
}

/// One gate; what has changed is in capitals.
fn gate(screen: Screen, name: &str, [from, to]: [&str; 2], note: &str) -> String {
    let (sign, now) = if from == to { (" ", to.to_owned()) } else { ("→", to.to_uppercase()) };
    let now = paint(screen, ink_of(to), &format!("{now:<5}"));
    format!("                 {name:<9} {from:<5}{sign} {now}  {note}\n")
}

fn ink_of(position: &str) -> Ink {
    match position {
        "open" => Ink::Green,
        "held" => Ink::Yellow,
        _ => Ink::Red,
    }
}

fn gates(state: &GateState) -> String {
    let entry = if state.entry == EntryGate::Open { "open" } else { "SHUT" };
    let movement = match state.movement {
        MovementGate::Open => "open",
        MovementGate::Held => "HELD",
        MovementGate::Shut => "SHUT",
    };
    format!("entry {entry} · movement {movement}")
}

/// The two journeys side by side.
fn watched(screen: Screen, states: &[GateState; 2], spans: &[Span]) -> String {
    const SIDE: usize = 38;
    let day = spans.first().map_or(String::new(), |span| date(span.from));
    let mut text = String::new();
    let [left, right] = states.each_ref().map(|s| format!("{}: {}", vendor(s.dialect), s.state));
    let left = paint(screen, Ink::Title, &format!("{left:<SIDE$}"));
    let _ = writeln!(text, "  {:<13}{left} │ {}", "", paint(screen, Ink::Title, &right));
    let [left, right] = states.each_ref().map(gates);
    let _ = writeln!(text, "  {day:<13}{left:<SIDE$} │ {right}");
    let head = format!("{:>7}{:>8}{:>6}{:>9}{:>8}", "entered", "away", "sent", "waiting", "held");
    let _ = writeln!(text, "  {:<13}{head} │ {head}", "");
    for span in spans {
        let when = format!("{}–{}", time(span.from), time(span.to));
        let [left, right] = span.sides.each_ref().map(|side| counts(screen, side));
        let _ = writeln!(text, "  {when:<13}{left} │ {right}");
    }
    text
}

fn counts(screen: Screen, side: &Side) -> String {
    let cell = |width: usize, ink: Ink, n: u64| {
        let text = format!("{n:>width$}");
        if n == 0 { paint(screen, Ink::Quiet, &text) } else { paint(screen, ink, &text) }
    };
    let (entered, away) = (cell(7, Ink::Green, side.entered), cell(8, Ink::Red, side.turned_away));
    let (sent, held) = (cell(6, Ink::Green, side.sent), cell(8, Ink::Yellow, side.held));
    format!("{entered}{away}{sent}{:>9}{held}", side.waiting)
}

fn after_abort(at_send: &AtSend) -> String {
    let last = at_send.last_sent.map_or("–".to_owned(), time);
    // The template's figures are right-aligned in six columns.
    let figure = |n: u64| format!("{n:>6}");
    story::LIST_AFTER
        .replace("{before:>6}", &figure(at_send.sent_before))
        .replace("{at_send:>6}", &figure(at_send.at_send))
        .replace("{after:>6}", &figure(at_send.sent_after))
        .replace("{other:>6}", &figure(at_send.sent_to_others))
        .replace("{last}", &last)
        + "\n"
}

fn drain(screen: Screen, drained: &Drained) -> String {
    const BAR: u64 = 22;
    let most = drained.days.iter().flat_map(|d| d.draining).max().unwrap_or(0).max(1);
    let mut text = format!("{}\n\n", story::DRAIN);
    let heads = ["CleverTap, draining", "Antsomi, draining"];
    let _ = writeln!(text, "  {:<17}{:<32}{:<32}{:>11}", "day", heads[0], heads[1], "memory");
    for day in &drained.days {
        let when = format!("{:>3}  {}", day.day, date(day.at));
        let cells = day.draining.map(|n| {
            // Whoever is left shows, however few they are.
            let bar = "█".repeat((n * BAR).div_ceil(most) as usize);
            let cell = format!("{n:>6} {}", format_args!("{bar:<25}"));
            if n == 0 { paint(screen, Ink::Quiet, &cell) } else { cell }
        });
        let kilobytes = day.inside_bytes.div_ceil(1_000);
        let _ = writeln!(text, "  {when:<17}{}{}{kilobytes:>8} KB", cells[0], cells[1]);
    }
    text.push('\n');
    for (side, dialect) in ["CleverTap", "Antsomi"].into_iter().enumerate() {
        let Some((user, at)) = &drained.last[side] else {
            let _ = writeln!(text, "  {dialect:<10}nobody was inside");
            continue;
        };
        let last = story::DRAINED
            .replace("{user}", user)
            .replace("{at}", &moment(*at))
            .replace("{sent}", &drained.sent_after[side].to_string())
            .replace("{bought}", &drained.converted_after[side].to_string());
        let _ = writeln!(text, "  {dialect:<10}{last}");
    }
    text
}

fn explained(lines: &[StoryLine]) -> String {
    let mut text = String::new();
    let mut journey = "";
    for line in lines {
        if line.journey != journey {
            journey = &line.journey;
            let side = if journey == TWINS[0] { "CleverTap" } else { "Antsomi" };
            let _ = writeln!(text, "  {journey}, {side}");
        }
        let _ = writeln!(text, "    {}  {}", moment(line.at), line.text);
    }
    text
}

/// The states in a table of the two gates.
fn map(screen: Screen, cells: &[MapCell]) -> String {
    const WIDTHS: [usize; 3] = [20, 24, 29];
    let line = |head: &str, cells: [String; 3]| {
        let cells = [0, 1, 2].map(|i| format!("{:<1$}", cells[i], WIDTHS[i]));
        format!("  {head:<12} │ {} │ {} │ {}\n", cells[0], cells[1], cells[2])
    };
    let gates = [MovementGate::Open, MovementGate::Held, MovementGate::Shut];
    let mut text = line("", gates.map(|gate| format!("movement {gate}")));
    text += &line("", gates.map(|gate| story::movement(gate).to_owned()));
    for row in cells.chunks(gates.len()) {
        let rules = WIDTHS.map(|width| "─".repeat(width + 2));
        let _ = writeln!(text, "  {}┼{}┼{}┼{}", "─".repeat(13), rules[0], rules[1], rules[2]);
        let deepest = row.iter().map(|cell| cell.states.len()).max().unwrap_or(0);
        for depth in 0..deepest {
            let head = if depth == 0 { format!("entry {}", row[0].entry) } else { String::new() };
            let state = |column: usize| {
                let state = row[column].states.get(depth);
                let name = state.map_or(String::new(), |(d, name)| format!("{} {name}", vendor(d)));
                let padded = format!("{name:<0$}", WIDTHS[column]);
                let ink = if name.ends_with("Paused") { Ink::Yellow } else { Ink::Title };
                paint(screen, ink, &padded)
            };
            text += &line(&head, [state(0), state(1), state(2)]);
        }
    }
    text
}

/// The text in lines that begin at that column.
pub(super) fn wrap(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            lines.push('\n');
            column = 0;
        }
        if column == 0 {
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_text_keeps_its_words_and_its_margins() {
        let text = "word ".repeat(60);
        let wrapped = wrap(&text, 17);
        assert!(wrapped.lines().all(|l| l.chars().count() <= COLUMNS && l.starts_with(&" ".repeat(17))));
        assert_eq!(wrapped.split_whitespace().count(), 60);
    }

    #[test]
    fn the_storys_lines_fit() {
        // Four columns are the mark before a moral.
        for line in story::SCENES.iter().flat_map(|s| s.moral.lines()) {
            assert!(line.chars().count() <= COLUMNS - 4, "{line}");
        }
        let scenes = story::SCENES.iter().flat_map(|s| [s.title, s.text]);
        let others = [story::INTRO, story::OUTRO, story::LEDGER, story::LIST_TAKEN, story::LIST_ABORT];
        for line in scenes.chain(others).flat_map(str::lines) {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }
}
