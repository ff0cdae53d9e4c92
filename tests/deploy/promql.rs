//! What an expression of Prometheus asks for: its metrics, their labels, and the values of those.

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::{AggregateExpr, Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};
use wayfarer::metrics::Stage;
use wayfarer::metrics::names::{ALL, Kind, Metric};

/// What a scrape adds to every series.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

/// Panics unless the expression parses and names only what an instance shows; the metrics that it names.
pub(crate) fn check(of: &str, expression: &str) -> BTreeSet<&'static str> {
    // Grafana puts these in; within quotation marks they are texts.
    let expression = expression.replace("$__rate_interval", "5m");
    let parsed = parse(&expression).unwrap_or_else(|error| panic!("{of}: {expression}: {error}"));
    let mut asked = Asked::default();
    if let Err(wrong) = walk_expr(&mut asked, &parsed) {
        panic!("{of}: {expression}: {wrong}");
    }
    asked.metrics
}

#[derive(Default)]
struct Asked {
    metrics: BTreeSet<&'static str>,
    labels: BTreeSet<String>,
}

impl ExprVisitor for Asked {
    type Error = String;

    fn pre_visit(&mut self, of: &Expr) -> Result<bool, String> {
        match of {
            Expr::VectorSelector(selector) => self.selector(selector)?,
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs)?,
            Expr::Aggregate(aggregate) => grouping(aggregate)?,
            _ => {}
        }
        Ok(true)
    }
}

impl Asked {
    fn selector(&mut self, selector: &VectorSelector) -> Result<(), String> {
        let name = selector.name.as_deref().ok_or("a selector without a name")?;
        if name == "up" {
            return Ok(());
        }
        let (metric, labels) = shown(name).ok_or_else(|| format!("no instance shows {name}"))?;
        self.metrics.insert(metric.name);
        for matcher in &selector.matchers.matchers {
            let label = matcher.name.as_str();
            if !labels.contains(label) {
                return Err(format!("{name} has no label {label}; it has {labels:?}"));
            }
            let is_stage = |value: &str| Stage::ALL.iter().any(|stage| stage.as_str() == value);
            if label == "stage" && !(matches!(matcher.op, MatchOp::Equal) && is_stage(&matcher.value)) {
                return Err(format!("there is no stage {:?}", matcher.value));
            }
        }
        self.labels.extend(labels.into_iter().map(str::to_owned));
        Ok(())
    }
}

/// What a sum is divided by has to be there below it.
fn grouping(aggregate: &AggregateExpr) -> Result<(), String> {
    let mut below = Asked::default();
    walk_expr(&mut below, &aggregate.expr)?;
    let by = aggregate.modifier.iter().flat_map(|modifier| &modifier.labels().labels);
    match by.into_iter().find(|label| !below.labels.contains(*label)) {
        Some(label) => Err(format!("nothing has the label {label} by which it is grouped")),
        None => Ok(()),
    }
}

/// The metric by the name of one of its series, and the labels of that.
fn shown(series: &str) -> Option<(&'static Metric, BTreeSet<&'static str>)> {
    let is = |metric: &&&'static Metric| {
        let of = |suffix| series.strip_suffix(suffix) == Some(metric.name);
        match metric.kind {
            Kind::Counter => of("_total"),
            Kind::Gauge => of(""),
            Kind::Histogram => of("_bucket") || of("_count") || of("_sum"),
        }
    };
    let metric = ALL.iter().find(is)?;
    let mut labels: BTreeSet<&str> = metric.labels.iter().copied().chain(OF_THE_SCRAPE).collect();
    if series.ends_with("_bucket") {
        labels.insert("le");
    }
    Some((metric, labels))
}

#[test]
fn an_expression_that_names_what_is_not_there_is_found() {
    for wrong in [
        "wayfarer_sends",
        "wayfarer_ready_total",
        "wayfarer_send_total",
        "rate(wayfarer_latency_seconds_bucket{stage=\"comit\"}[5m])",
        "wayfarer_shards_open{shard=\"1\"}",
        "sum by (shard) (wayfarer_shards_open)",
        "sum by (le) (rate(wayfarer_sends_total[5m]))",
        "rate(wayfarer_sends_total[5m]",
        "{job=\"wayfarer\"}",
    ] {
        let found = std::panic::catch_unwind(|| check("a test", wrong));
        assert!(found.is_err(), "{wrong} passed");
    }
    let right =
        "sum by (le, job) (rate(wayfarer_latency_seconds_bucket{stage=\"commit\"}[$__rate_interval]))";
    assert_eq!(check("a test", right).into_iter().collect::<Vec<_>>(), ["wayfarer_latency_seconds"]);
}
