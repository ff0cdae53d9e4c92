//! Charts as SVG: lines over a grid, with marks. No script, no font, nothing from outside.

use std::fmt::Write;

/// The colours of lines, in their order; they are told apart in grey too.
const COLOURS: [&str; 6] = ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a"];
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;
/// The most points of a line: more are more than there are pixels.
const POINTS_MAX: usize = 1_200;

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    /// The highest point of each stretch: a spike is what a line is looked at for.
    fn thinned(&self) -> impl Iterator<Item = &(f64, f64)> {
        let step = self.points.len().div_ceil(POINTS_MAX).max(1);
        self.points.chunks(step).filter_map(|chunk| chunk.iter().max_by(|a, b| a.1.total_cmp(&b.1)))
    }
}

/// A vertical mark: where, and what it says.
pub type Mark = (f64, String);

/// One chart.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// What stands above it.
    pub title: String,
    /// What the vertical axis has.
    pub unit: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Its marks.
    pub marks: Vec<Mark>,
    /// What stands below the horizontal axis: where, and what. Seconds, if there is nothing.
    pub ticks: Vec<Mark>,
    /// Whether the vertical axis is logarithmic.
    pub logarithmic: bool,
}

/// A text within a document.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The next number above that is good to read: 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let magnitude = 10_f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * magnitude)
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(value)
}

/// A number as short as it can be read.
#[must_use]
pub fn short(value: f64) -> String {
    match value.abs() {
        big if big >= 1e9 => format!("{:.4} G", value / 1e9).replace(".0000", ""),
        big if big >= 1e6 => trimmed(value / 1e6, " M"),
        big if big >= 1e3 => trimmed(value / 1e3, " k"),
        _ => trimmed(value, ""),
    }
}

fn trimmed(value: f64, unit: &str) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

impl Chart {
    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.lines.iter().flat_map(|line| &line.points)
    }

    /// As SVG; a sentence if there is nothing to draw.
    #[must_use]
    pub fn svg(&self) -> String {
        let title = escaped(&self.title);
        if self.points().next().is_none() {
            return format!("<figure><figcaption>{title}</figcaption><p>Nothing was measured.</p></figure>");
        }
        let right = self.points().map(|point| point.0).fold(f64::MIN, f64::max);
        let left = self.points().map(|point| point.0).fold(f64::MAX, f64::min);
        let most = round_up(self.points().map(|point| point.1).fold(0.0, f64::max));
        let least = self.points().map(|point| point.1).filter(|y| *y > 0.0).fold(most, f64::min);
        let bottom = if self.logarithmic { 10_f64.powf(least.log10().floor()) } else { 0.0 };
        let x = |at: f64| LEFT + (at - left) / (right - left).max(1e-9) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| {
            let part = if self.logarithmic {
                (value.max(bottom) / bottom).log10() / (most / bottom).log10().max(1e-9)
            } else {
                value / most
            };
            HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
        };
        let unit = escaped(&self.unit);
        let mut out = format!(
            "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{title}\"><text x=\"4\" y=\"10\" class=\"unit\">{unit}</text>"
        );
        self.grid(&mut out, (left, right), (bottom, most), (&x, &y));
        for (at, said) in self.marks.iter().filter(|(at, _)| (left..=right).contains(at)) {
            let (x, end) = (x(*at), HEIGHT - BOTTOM);
            let said = escaped(said);
            push(
                &mut out,
                format_args!(
                    "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{end}\"><title>{said}</title></line>"
                ),
            );
        }
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let path: Vec<String> =
                line.thinned().map(|at| format!("{:.1},{:.1}", x(at.0), y(at.1))).collect();
            let path = path.join(" ");
            push(
                &mut out,
                format_args!(
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{path}\"/>"
                ),
            );
        }
        out.push_str("</svg><p class=\"key\">");
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let name = escaped(&line.name);
            push(&mut out, format_args!("<span><i style=\"background:{colour}\"></i>{name}</span> "));
        }
        out.push_str("</p></figure>\n");
        out
    }

    fn grid(
        &self,
        out: &mut String,
        (left, right): (f64, f64),
        (bottom, most): (f64, f64),
        (x, y): (&dyn Fn(f64) -> f64, &dyn Fn(f64) -> f64),
    ) {
        let mut levels: Vec<f64> = (0..=4).map(|part| most * f64::from(part) / 4.0).collect();
        if self.logarithmic {
            let decades = (most / bottom).log10().ceil() as i32;
            levels =
                (0..=decades).map(|power| bottom * 10_f64.powi(power)).filter(|at| *at <= most).collect();
        }
        for level in levels {
            let (y, said, end) = (y(level), short(level), WIDTH - RIGHT);
            push(
                out,
                format_args!(
                    "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{end}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{said}</text>",
                    LEFT - 6.0,
                    y + 4.0
                ),
            );
        }
        let seconds = || {
            let step = round_up((right - left) / 10.0);
            let first = (left / step).ceil();
            let all = (0..=10).map(|n| (first + f64::from(n)) * step).filter(|at| *at <= right);
            all.map(|at| (at, format!("{} s", short(at)))).collect()
        };
        let ticks = if self.ticks.is_empty() { seconds() } else { self.ticks.clone() };
        for (at, said) in ticks.iter().filter(|(at, _)| (left..=right).contains(at)) {
            let (x, y, said) = (x(*at), HEIGHT - BOTTOM + 18.0, escaped(said));
            push(out, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{said}</text>"));
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a text takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be_read() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (1_500.0, "1.5 k"),
            (2_000_000.0, "2 M"),
            (3e9, "3 G"),
            (12.5, "12.5"),
        ] {
            assert_eq!(short(value), text);
        }
        for (value, up) in [(0.7, 1.0), (1.0, 1.0), (3.0, 5.0), (60.0, 100.0)] {
            assert!((round_up(value) - up).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn what_is_drawn_lies_within_the_chart_and_names_are_escaped() {
        let line = Line { name: "<a&b>".to_owned(), points: vec![(0.0, 0.0), (5.0, 80.0), (9.0, 100.0)] };
        for logarithmic in [false, true] {
            let chart = Chart {
                title: "t".to_owned(),
                lines: vec![line.clone()],
                marks: vec![(4.0, "pause \"j\"".to_owned()), (40.0, "beyond".to_owned())],
                logarithmic,
                ..Chart::default()
            };
            let svg = chart.svg();
            let points =
                svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a line");
            let within = |at: &str| {
                let (x, y) = at.split_once(',').expect("two numbers");
                let number = |text: &str| text.parse::<f64>().expect("a number");
                (LEFT..=WIDTH).contains(&number(x)) && (TOP..=HEIGHT - BOTTOM).contains(&number(y))
            };
            assert!(points.split(' ').all(within), "{points}");
            assert!(svg.contains("&lt;a&amp;b&gt;") && svg.contains("pause &quot;j&quot;"), "{svg}");
            assert!(!svg.contains("beyond"), "a mark beyond the chart is left out");
        }
    }

    #[test]
    fn a_spike_of_one_point_is_drawn_however_many_points_there_are() {
        for spike in [0, 4_999, 7_001, 9_999] {
            let of = |at: u32| (f64::from(at), if at == spike { 9.0 } else { 1.0 });
            let line = Line { name: "l".to_owned(), points: (0..10_000).map(of).collect() };
            let thinned: Vec<_> = line.thinned().collect();
            assert!(thinned.len() <= POINTS_MAX && thinned.is_sorted_by_key(|at| at.0));
            assert!(thinned.contains(&&(f64::from(spike), 9.0)), "{spike}");
        }
    }

    #[test]
    fn where_nothing_was_measured_a_sentence_says_so() {
        assert!(Chart::default().svg().contains("Nothing was measured."));
    }
}
