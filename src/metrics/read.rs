//! A scrape, read back: what `wayfarer top` goes by, and whoever else asks a running instance for its numbers.
//!
//! It reads the samples of the text forms of OpenMetrics and Prometheus and passes over the comments; a line that is
//! neither is refused with its number. It knows histograms as cumulative buckets.

use std::collections::BTreeMap;

use super::names::{Kind, Metric};

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name with what its kind adds.
    pub name: String,
    /// The labels in their order.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// A line that is no sample: its number from 1, and its beginning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the metrics is no sample: {text:?}")]
pub struct ReadError {
    /// The number of the line.
    pub line: usize,
    /// How it begins.
    pub text: String,
}

/// What was scraped at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scrape(Vec<Sample>);

impl Scrape {
    /// Reads a whole text.
    ///
    /// # Errors
    /// The first line that is no sample.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let mut samples = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || ReadError { line: number + 1, text: line.chars().take(60).collect() };
            samples.push(sample(line).ok_or_else(wrong)?);
        }
        Ok(Self(samples))
    }

    /// All samples, in the order of the text.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }

    /// A counter or a gauge over all its labels; `None` if there is no sample of it.
    #[must_use]
    pub fn sum(&self, of: &Metric) -> Option<f64> {
        let name = series(of);
        let mut found = self.0.iter().filter(|sample| sample.name == name).map(|s| s.value).peekable();
        found.peek()?;
        Some(found.sum())
    }

    /// A counter or a gauge by one of its labels, added up over the others.
    #[must_use]
    pub fn by(&self, of: &Metric, label: &str) -> BTreeMap<&str, f64> {
        let (name, mut sums) = (series(of), BTreeMap::new());
        for sample in self.0.iter().filter(|sample| sample.name == name) {
            if let Some((_, value)) = sample.labels.iter().find(|(known, _)| known == label) {
                *sums.entry(value.as_str()).or_insert(0.0) += sample.value;
            }
        }
        sums
    }

    /// A histogram, of those samples that have this label if one is given.
    #[must_use]
    pub fn buckets(&self, of: &Metric, label: Option<(&str, &str)>) -> Buckets {
        let name = format!("{}_bucket", of.name);
        let has = |sample: &Sample, (key, value): (&str, &str)| {
            sample.labels.iter().any(|(known, of)| known == key && of == value)
        };
        let mut buckets = Buckets::default();
        for sample in self.0.iter().filter(|s| s.name == name && label.is_none_or(|label| has(s, label))) {
            let bound = sample.labels.iter().find(|(key, _)| key == "le").and_then(|(_, le)| number(le));
            if let Some(bound) = bound {
                buckets.put(bound, sample.value);
            }
        }
        buckets
    }
}

/// What a counter or a gauge is called in a scrape.
fn series(of: &Metric) -> String {
    if of.kind == Kind::Counter { format!("{}_total", of.name) } else { of.name.to_owned() }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, value) = rest.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            labels.push((key.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    // Behind the value there may be a time, and an exemplar: nobody here asks for them.
    let value = number(rest.strip_prefix(' ')?.split(' ').next()?)?;
    (!name.is_empty()).then(|| Sample { name: name.to_owned(), labels, value })
}

/// A label's value up to its closing quotation mark, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// A histogram's buckets: how many values were no larger than each bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// Adds what a bucket has; bounds come ascending, or are known.
    fn put(&mut self, bound: f64, upto: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, count)) => *count += upto,
            None => self.0.push((bound, upto)),
        }
    }

    /// Adds another histogram, of the same bounds.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(bound, upto)| self.put(*bound, *upto));
    }

    /// What was added since `before`; all of it if that was more, since the process began anew then.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        if before.count() > self.count() || before.0.len() != self.0.len() {
            return self.clone();
        }
        let each = self.0.iter().zip(&before.0);
        Self(each.map(|((bound, now), (_, then))| (*bound, (now - then).max(0.0))).collect())
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// What so large a share of the values does not exceed, from 0 to 1; `None` if there is no value.
    ///
    /// Within a bucket values are taken to grow by equal factors, as Prometheus takes those of native histograms;
    /// above the last bound it is that bound.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        let rank = (share * count).max(f64::MIN_POSITIVE);
        let index = self.0.iter().position(|(_, upto)| *upto >= rank).filter(|_| count > 0.0)?;
        let (upper, upto) = self.0[index];
        let Some((lower, before)) = index.checked_sub(1).map(|below| self.0[below]) else {
            return Some(upper);
        };
        if upper.is_infinite() {
            return Some(lower);
        }
        Some(lower * (upper / lower).powf((rank - before) / (upto - before)))
    }

    /// What no value exceeds: the bound of the last bucket that has one, which may be `+Inf`.
    #[must_use]
    pub fn most(&self) -> Option<f64> {
        let count = self.count();
        let last = self.0.iter().find(|(_, upto)| *upto >= count).filter(|_| count > 0.0)?;
        Some(last.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    const TEXT: &str = "\
# HELP wayfarer_sends Sends.
# TYPE wayfarer_sends counter
wayfarer_sends_total{worker=\"0\"} 5
wayfarer_sends_total{worker=\"1\"} 7.0 1520879607.789
wayfarer_journey_waiting{journey=\"a \\\"b\\\\ }\\n\",version=\"1\"} 3
wayfarer_journey_waiting{journey=\"c\",version=\"1\"} 4
wayfarer_journey_waiting{journey=\"c\",version=\"2\"} 5
wayfarer_latency_seconds_bucket{le=\"1.0\",stage=\"commit\"} 50
wayfarer_latency_seconds_bucket{le=\"4.0\",stage=\"commit\"} 100
wayfarer_latency_seconds_bucket{le=\"+Inf\",stage=\"commit\"} 100
wayfarer_latency_seconds_bucket{le=\"1.0\",stage=\"delivery\"} 9
# EOF
";

    #[test]
    fn samples_are_found_by_metric_and_label_whatever_the_label_says() {
        let scrape = Scrape::parse(TEXT).expect("it is a scrape");
        assert_eq!(scrape.sum(&names::SENDS), Some(12.0));
        assert_eq!(scrape.sum(&names::PANICS), None);
        let by = scrape.by(&names::JOURNEY_WAITING, "journey");
        assert_eq!(by.into_iter().collect::<Vec<_>>(), [("a \"b\\ }\n", 3.0), ("c", 9.0)]);
    }

    #[test]
    fn a_line_that_is_no_sample_is_named() {
        for (text, line) in [
            ("a 1\nb{ 2\n", 2),
            ("a{x=\"1} 2", 1),
            ("a", 1),
            ("<html>\n", 1),
            ("a{x=\"1\"}2", 1),
            ("a one", 1),
        ] {
            assert_eq!(Scrape::parse(text).expect_err(text).line, line, "{text}");
        }
    }

    #[test]
    fn quantiles_are_read_off_the_buckets() {
        let commits =
            Scrape::parse(TEXT).expect("it is one").buckets(&names::LATENCY, Some(("stage", "commit")));
        assert_eq!((commits.count(), commits.most()), (100.0, Some(4.0)));
        for (share, value) in [(0.5, 1.0), (0.75, 2.0), (1.0, 4.0)] {
            assert_eq!(commits.quantile(share), Some(value), "{share}");
        }
        assert_eq!((Buckets::default().quantile(0.5), Buckets::default().most()), (None, None));
        // A second instance, and a minute later; then the process begins anew.
        let mut all = commits.clone();
        all.add(&commits);
        assert_eq!(all.since(&commits), commits);
        assert_eq!(commits.since(&all), commits);
        let beyond = Buckets(vec![(1.0, 0.0), (f64::INFINITY, 2.0)]);
        assert_eq!((beyond.quantile(0.5), beyond.most()), (Some(1.0), Some(f64::INFINITY)));
    }
}
