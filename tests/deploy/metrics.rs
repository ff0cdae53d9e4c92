//! The alert rules and the dashboard: they parse, and ask only for metrics, labels and stages that an instance shows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::files::{text, yaml};
use super::promql::check;

const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const DASHBOARD: &str = "deploy/grafana/dashboard.json";

/// What should wake somebody, or be looked at: each has its rule.
const WANTED: [&str; 14] = [
    "WayfarerCommitSlow",
    "WayfarerDeadLetters",
    "WayfarerFencedLoop",
    "WayfarerGateFlipSlow",
    "WayfarerLagGrows",
    "WayfarerNotConserved",
    "WayfarerNotReady",
    "WayfarerReceiptsCease",
    "WayfarerRejects",
    "WayfarerRestartLoop",
    "WayfarerSendsNotDelivered",
    "WayfarerShardUnowned",
    "WayfarerTimersLate",
    "WayfarerWatchdog",
];

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn every_alert_asks_for_what_there_is_and_says_how_bad_it_is() {
    let file = &yaml(ALERTS)[0];
    let mut names = BTreeSet::new();
    for group in list(&file["groups"]) {
        assert!(group["name"].is_string());
        for rule in list(&group["rules"]) {
            let name = string(&rule["alert"]);
            assert!(names.insert(name), "{name} is there twice");
            check(name, string(&rule["expr"]));
            let severity = string(&rule["labels"]["severity"]);
            assert!(["critical", "warning", "info", "none"].contains(&severity), "{name}: {severity}");
            assert!(rule["annotations"]["summary"].is_string(), "{name} has no summary");
            let known = ["alert", "annotations", "expr", "for", "labels"];
            let keys = rule.as_object().expect("a rule is an object").keys();
            keys.for_each(|key| assert!(known.contains(&key.as_str()), "{name}: {key}"));
            if let Some(wait) = rule.get("for") {
                let number = string(wait).strip_suffix('m').and_then(|minutes| minutes.parse::<u32>().ok());
                assert!(number.is_some_and(|minutes| minutes > 0), "{name}: for {wait}");
            }
        }
    }
    let missing: Vec<&str> = WANTED.into_iter().filter(|name| !names.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_panel_asks_for_what_there_is_and_has_a_place_of_its_own() {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).expect("it is JSON");
    let (mut ids, mut taken, mut metrics) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard["panels"]) {
        let title = string(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{title} has a number of another");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a number"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title} is beside the grid");
        for cell in (y..y + h).flat_map(|row| (x..x + w).map(move |column| (row, column))) {
            assert!(taken.insert(cell), "{title} lies on another panel");
        }
        let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(string(&panel["type"]) == "row" || !targets.is_empty(), "{title} asks for nothing");
        for target in targets {
            metrics.extend(check(title, string(&target["expr"])));
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        check("an annotation", string(&annotation["expr"]));
    }
    // One look is to show the most of what there is.
    let all = wayfarer::metrics::names::ALL.len();
    assert!(metrics.len() * 4 >= all * 3, "{} of {all} metrics are shown", metrics.len());
}

#[test]
fn every_variable_of_the_dashboard_is_known_and_asks_for_labels_that_there_are() {
    let dashboard: Value = serde_json::from_str(&text(DASHBOARD)).expect("it is JSON");
    let mut names = BTreeSet::from(["__rate_interval".to_owned()]);
    for variable in list(&dashboard["templating"]["list"]) {
        names.insert(string(&variable["name"]).to_owned());
        if string(&variable["type"]) != "query" {
            continue;
        }
        let query = string(&variable["query"]["query"]);
        let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) =
            inside.and_then(|inside| inside.rsplit_once(", ")).expect("a series and a label");
        check(query, &format!("sum by ({label}) ({series})"));
    }
    let whole = text(DASHBOARD);
    for used in whole.split('$').skip(1) {
        let used = used.trim_start_matches('{');
        let end = used.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(used.len());
        let used = &used[..end];
        assert!(names.contains(used) || used == "__all", "${used} is no variable");
    }
}
