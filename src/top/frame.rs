//! One frame as lines of text: the same for a terminal, where they have colours, and for a pipe.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::view::{self, Numbers, Quantiles, RATES, View};
use crate::ctl::tables::printable;
use crate::metrics::Stage;

const HEADING: Style = Style::new().add_modifier(Modifier::DIM);
const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
const BAD: Style = Style::new().fg(Color::Red);
const ODD: Style = Style::new().fg(Color::Yellow);
/// What stands where there is nothing to show.
const NONE: &str = "–";

/// A cell: its text and its colour; numbers stand to the right.
struct Cell {
    text: String,
    style: Style,
    right: bool,
}

fn text(text: &str) -> Cell {
    Cell { text: printable(text), style: Style::new(), right: false }
}

fn number(value: impl Into<f64>) -> Cell {
    Cell { text: whole(value.into()), style: Style::new(), right: true }
}

fn count(value: u64) -> Cell {
    number(value as f64)
}

impl Cell {
    /// In that colour, if it is so.
    fn styled(self, style: Style, is: bool) -> Self {
        if is { Self { style, ..self } } else { self }
    }
}

/// The whole frame.
pub(super) fn lines(view: &View) -> Vec<Line<'static>> {
    let mut lines = instances(view);
    lines.push(Line::default());
    lines.extend(latencies(view));
    lines.push(Line::default());
    lines.extend(journeys(view));
    lines
}

fn instances(view: &View) -> Vec<Line<'static>> {
    let mut answering: Vec<(&str, Numbers)> =
        view.instances.iter().filter_map(|row| Some((&*row.url, row.numbers.clone()?))).collect();
    if answering.len() > 1 {
        let all = Numbers::sum(answering.iter().map(|(_, numbers)| numbers));
        answering.push(("all", all));
    }
    let mut lines = vec![Line::styled(format!("instances ({})", view.instances.len()), TITLE)];
    if !answering.is_empty() {
        let headings = ["", "open", "pending", "behind", "unread", "worst shard", "users", "timers"];
        lines.extend(grid(&headings, answering.iter().map(|(url, of)| shards(url, of))));
        let headings: Vec<&str> = [""].into_iter().chain(RATES.map(|(heading, _)| heading)).collect();
        lines.extend(grid(&headings, answering.iter().map(|(url, of)| rates(url, of))));
    }
    for row in &view.instances {
        if let Some(why) = &row.ails {
            let what = if row.numbers.is_some() { "is not ready" } else { "does not answer" };
            lines.push(Line::styled(format!("{} {what}: {}", printable(&row.url), printable(why)), BAD));
        }
    }
    lines
}

fn shards(url: &str, of: &Numbers) -> Vec<Cell> {
    let worst = of.worst.as_ref().map_or(NONE.to_owned(), |(shard, n)| format!("{shard}: {}", whole(*n)));
    vec![
        text(url),
        number(of.shards_open),
        number(of.shards_pending).styled(ODD, of.shards_pending > 0.0),
        count(of.behind as u64).styled(ODD, of.behind > 0),
        number(of.unread),
        Cell { right: true, ..text(&worst) },
        number(of.users),
        number(of.timers),
    ]
}

fn rates(url: &str, of: &Numbers) -> Vec<Cell> {
    let none = || RATES.map(|_| Cell { right: true, ..text(NONE) });
    let rates = of.rates.map_or_else(none, |rates| rates.map(number));
    [text(url)].into_iter().chain(rates).collect()
}

fn latencies(view: &View) -> Vec<Line<'static>> {
    let over = match view.span {
        view::Span::Window => "of the last minute",
        view::Span::SinceStart => "since the start",
    };
    let cells = |name: &str, of: &Quantiles, show: fn(f64) -> String| {
        let values = of.values.map_or([NONE, NONE, NONE].map(str::to_owned), |values| values.map(show));
        let values = values.map(|value| Cell { right: true, ..text(&value) });
        [text(name), number(of.count)].into_iter().chain(values).collect()
    };
    let mut rows: Vec<Vec<Cell>> = Stage::ALL
        .iter()
        .zip(&view.latencies)
        .map(|(stage, of)| cells(&stage.as_str().replace('_', " "), of, duration))
        .collect();
    rows.push(cells("release rate (users/s)", &view.release, at_most));
    let mut lines = vec![Line::styled(format!("latency {over}"), TITLE)];
    lines.extend(grid(&["", "count", "p50", "p99", "max"], rows.into_iter()));
    lines
}

fn journeys(view: &View) -> Vec<Line<'static>> {
    let headings = [
        "journey", "dialect", "state", "entry", "movement", "inside", "waiting", "held", "at send",
        "draining",
    ];
    let rows = view.journeys.iter().map(|of| {
        vec![
            text(&of.id),
            text(&of.dialect),
            text(&of.state),
            text(of.entry).styled(ODD, of.entry != "open"),
            text(of.movement).styled(ODD, of.movement != "open"),
            count(of.inside()),
            count(of.waiting),
            count(of.held).styled(ODD, of.held > 0),
            count(of.at_send),
            count(of.draining).styled(ODD, of.draining > 0),
        ]
    });
    let mut lines = vec![Line::styled(format!("journeys ({})", view.journeys.len()), TITLE)];
    if !view.journeys.is_empty() {
        lines.extend(grid(&headings, rows));
    }
    lines
}

/// Rows under their headings, columns as wide as they need to be and two blanks apart.
fn grid(headings: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> Vec<Line<'static>> {
    let rows: Vec<Vec<Cell>> = rows.collect();
    let long = |text: &str| text.chars().count();
    let width = |column: usize| {
        rows.iter().map(|row| long(&row[column].text)).chain([long(headings[column])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let cell = |column: usize, text: &str, right: bool| {
        let (blank, width) = (if column == 0 { "" } else { "  " }, widths[column]);
        if right { format!("{blank}{text:>width$}") } else { format!("{blank}{text:<width$}") }
    };
    let right = |column: usize| rows.first().is_some_and(|row: &Vec<Cell>| row[column].right);
    let heading = headings.iter().enumerate().map(|(n, text)| cell(n, text, right(n))).collect::<String>();
    let mut lines = vec![Line::styled(heading, HEADING)];
    for row in &rows {
        let spans = row.iter().enumerate().map(|(n, of)| Span::styled(cell(n, &of.text, of.right), of.style));
        lines.push(Line::from(spans.collect::<Vec<_>>()));
    }
    lines
}

/// A number without its fraction, in groups of three digits.
fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// The same, where the last bucket has no upper bound.
fn at_most(value: f64) -> String {
    if value.is_infinite() { "beyond".to_owned() } else { whole(value) }
}

/// Seconds in a unit that leaves three digits.
fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s.is_infinite() => return "beyond".to_owned(),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 600.0 => (s, "s"),
        s => (s / 60.0, "min"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::super::view::{Journey, Row};
    use super::*;

    fn quantiles(count: f64, values: Option<[f64; 3]>) -> Quantiles {
        Quantiles { count, values }
    }

    fn view() -> View {
        let numbers = Numbers {
            shards_open: 8.0,
            shards_pending: 0.0,
            behind: 1,
            unread: 1_234_567.0,
            worst: Some(("7".to_owned(), 1_000_000.0)),
            users: 20.0,
            timers: 3.0,
            rates: Some([50_000.0, 1.0, 0.0, 12.4, 9.0, 0.0]),
        };
        // It has answered once only.
        let new = Numbers {
            shards_open: 8.0,
            shards_pending: 2.0,
            unread: 33.0,
            users: 20.0,
            timers: 3.0,
            ..Numbers::default()
        };
        let none = quantiles(0.0, None);
        let journey = Journey {
            id: "cart\u{1b}[2J".to_owned(),
            dialect: "antsomi".to_owned(),
            state: "Paused".to_owned(),
            entry: "open",
            movement: "held",
            waiting: 5,
            held: 1_200,
            at_send: 0,
            draining: 2,
        };
        let commit = quantiles(90.0, Some([0.000_21, 0.004, f64::INFINITY]));
        View {
            span: view::Span::Window,
            instances: vec![
                Row { url: "http://a:1".to_owned(), ails: None, numbers: Some(numbers) },
                Row { url: "http://b:1".to_owned(), ails: Some("it is away".to_owned()), numbers: None },
                Row {
                    url: "http://c:1".to_owned(),
                    ails: Some("shard 3 loads".to_owned()),
                    numbers: Some(new),
                },
            ],
            latencies: [none, quantiles(7.0, Some([1.0, 75.25, 700.0])), commit, none, none, none],
            release: quantiles(2.0, Some([900.0, 1_400.0, 2_048.0])),
            journeys: vec![journey],
        }
    }

    #[test]
    fn a_frame_has_instances_latencies_and_journeys_and_obeys_no_text_of_theirs() {
        let text: Vec<String> =
            lines(&view()).iter().map(|line| line.to_string().trim_end().to_owned()).collect();
        let expected = "\
instances (3)
            open  pending  behind     unread   worst shard  users  timers
http://a:1     8        0       1  1 234 567  7: 1 000 000     20       3
http://c:1     8        2       0         33             –     20       3
all           16        2       1  1 234 600  7: 1 000 000     40       6
            events/s  timers/s  released/s  sends/s  commits/s  rejects/s
http://a:1    50 000         1           0       12          9          0
http://c:1         –         –           –        –          –          –
all           50 000         1           0       12          9          0
http://b:1 does not answer: it is away
http://c:1 is not ready: shard 3 loads

latency of the last minute
                        count     p50      p99       max
event to decision           0       –        –         –
event to commit             7  1.00 s   75.2 s  11.7 min
commit                     90  210 µs  4.00 ms    beyond
gate flip                   0       –        –         –
timer lateness              0       –        –         –
delivery                    0       –        –         –
release rate (users/s)      2     900    1 400     2 048

journeys (1)
journey   dialect  state   entry  movement  inside  waiting   held  at send  draining
cart\u{fffd}[2J  antsomi  Paused  open   held       1 207        5  1 200        0         2";
        assert_eq!(text.join("\n"), expected);
    }

    #[test]
    fn lengths_of_time_have_three_digits() {
        for (seconds, shown) in [
            (0.000_061, "61.0 µs"),
            (0.000_9, "900 µs"),
            (0.001_25, "1.25 ms"),
            (0.5, "500 ms"),
            (59.94, "59.9 s"),
            (1024.0, "17.1 min"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }
}
