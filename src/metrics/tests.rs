//! The metrics: names, buckets, and what a scrape shows.

use std::collections::BTreeSet;
use std::time::Duration;

use openmetrics_parser::OpenMetricsType;
use openmetrics_parser::openmetrics::parse_openmetrics;

use super::names::{ALL, Kind, Metric};
use super::*;

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn at(text: &str, series: &str) -> f64 {
    value(text, series).unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

fn counts(entered: u64, waiting: u64, exited: &[(Reason, u64)]) -> JourneyCounts {
    JourneyCounts { entered, waiting, exited: exited.to_vec(), ..JourneyCounts::default() }
}

#[test]
fn a_scrape_has_every_metric_and_no_other_each_with_its_labels() {
    let hub = Hub::new(1, 10);
    let mut worker = WorkerMetrics::new();
    let mut journey = counts(2, 1, &[("goal", 1)]);
    journey.refused = vec![("entry_shut", 4)];
    *worker.journey(hub.journey("cart", 1)) = journey;
    worker.shards = vec![(3, ShardNumbers { unread: 5, epoch: 7 })];
    hub.publish(0, &mut worker);
    let text = hub.render();

    let heads: BTreeSet<&str> =
        text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(heads, ALL.iter().map(|metric| metric.name).collect());
    for metric in ALL {
        let series = match metric.kind {
            Kind::Counter => format!("{}_total", metric.name),
            Kind::Gauge => metric.name.to_owned(),
            Kind::Histogram => format!("{}_count", metric.name),
        };
        let line = text
            .lines()
            .find(|l| l.strip_prefix(&series).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .unwrap_or_else(|| panic!("no line of {series}"));
        let labels: Vec<&str> = line
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .map_or(Vec::new(), |(labels, _)| {
                labels.split(',').filter_map(|l| l.split('=').next()).collect()
            });
        assert_eq!(labels, metric.labels, "{line}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn workers_are_added_up_and_a_worker_replaces_what_it_said_before() {
    let hub = Hub::new(2, 10);
    let cart = hub.journey("cart", 1);
    let (mut one, mut two) = (WorkerMetrics::new(), WorkerMetrics::new());
    one.counters.events_read = 5;
    *one.journey(cart) = counts(3, 3, &[]);
    hub.publish(0, &mut one);
    one.counters.events_read = 7;
    *one.journey(cart) = counts(4, 2, &[("goal", 1), ("stopped", 1)]);
    hub.publish(0, &mut one);
    two.counters.events_read = 11;
    *two.journey(cart) = counts(10, 8, &[("stopped", 2)]);
    hub.publish(1, &mut two);

    let text = hub.render();
    for (series, expected) in [
        ("wayfarer_events_read_total{worker=\"0\"}", 7.0),
        ("wayfarer_events_read_total{worker=\"1\"}", 11.0),
        ("wayfarer_journey_entered_total{journey=\"cart\",version=\"1\"}", 14.0),
        ("wayfarer_journey_waiting{journey=\"cart\",version=\"1\"}", 10.0),
        ("wayfarer_journey_exited_total{journey=\"cart\",version=\"1\",reason=\"goal\"}", 1.0),
        ("wayfarer_journey_exited_total{journey=\"cart\",version=\"1\",reason=\"stopped\"}", 3.0),
        ("wayfarer_journey_conserved{journey=\"cart\",version=\"1\"}", 1.0),
        ("wayfarer_journeys_not_conserved", 0.0),
    ] {
        assert_eq!(at(&text, series), expected, "{series}");
    }
}

#[test]
fn a_shard_is_shown_by_who_has_it_and_by_nobody_once_it_is_gone() {
    let hub = Hub::new(2, 10);
    let (mut one, mut two) = (WorkerMetrics::new(), WorkerMetrics::new());
    one.shards = vec![(0, ShardNumbers { unread: 5, epoch: 7 }), (2, ShardNumbers::default())];
    two.shards = vec![(1, ShardNumbers { unread: 0, epoch: 9 })];
    hub.publish(0, &mut one);
    hub.publish(1, &mut two);
    hub.folded(9);
    hub.folded(8);
    let text = hub.render();
    for (series, expected) in [
        ("wayfarer_shard_unread{shard=\"0\"}", 5.0),
        ("wayfarer_shard_epoch{shard=\"1\"}", 9.0),
        ("wayfarer_control_epoch", 9.0),
    ] {
        assert_eq!(at(&text, series), expected, "{series}");
    }
    one.shards.pop();
    hub.publish(0, &mut one);
    let text = hub.render();
    assert!(value(&text, "wayfarer_shard_epoch{shard=\"2\"}").is_none(), "{text}");
}

#[test]
fn a_journey_that_loses_a_user_is_shown_even_without_a_line_of_its_own() {
    let hub = Hub::new(1, 1);
    let mut worker = WorkerMetrics::new();
    *worker.journey(hub.journey("a", 1)) = counts(1, 1, &[]);
    *worker.journey(hub.journey("b", 1)) = counts(2, 1, &[]);
    hub.publish(0, &mut worker);
    let text = hub.render();
    assert_eq!(at(&text, "wayfarer_journeys_not_conserved"), 1.0);
    assert_eq!(at(&text, "wayfarer_journeys_unlisted"), 1.0);
    assert_eq!(at(&text, "wayfarer_journey_conserved{journey=\"a\",version=\"1\"}"), 1.0);
    assert!(!text.contains("journey=\"b\""));
}

#[test]
fn every_term_counts_in_the_conservation_identity() {
    let whole = || JourneyCounts {
        entered: 7,
        moved_in: 4,
        moved_out: 1,
        waiting: 2,
        held: 1,
        parked: 1,
        at_send: 1,
        draining: 1,
        converted: 9,
        sends: 9,
        exited: vec![("goal", 3), ("stopped", 2)],
        refused: vec![("entry_shut", 9)],
    };
    assert!(whole().conserved());
    let terms: [fn(&mut JourneyCounts); 8] = [
        |c| c.entered += 1,
        |c| c.moved_in += 1,
        |c| c.moved_out += 1,
        |c| c.waiting += 1,
        |c| c.held += 1,
        |c| c.at_send += 1,
        |c| c.draining += 1,
        |c| c.exited[1].1 += 1,
    ];
    for (index, term) in terms.into_iter().enumerate() {
        let mut broken = whole();
        term(&mut broken);
        assert!(!broken.conserved(), "term {index}");
    }
    let mut twice = whole();
    twice.add(&whole());
    assert!(twice.conserved());
    assert_eq!((twice.entered, twice.sends, twice.refused), (14, 18, vec![("entry_shut", 18)]));
}

#[test]
fn refusals_are_a_journeys_whatever_the_version() {
    let hub = Hub::new(1, 10);
    let mut worker = WorkerMetrics::new();
    for (version, refused) in [(1, vec![("late", 1), ("entry_shut", 2)]), (2, vec![("entry_shut", 5)])] {
        *worker.journey(hub.journey("cart", version)) = JourneyCounts { refused, ..JourneyCounts::default() };
    }
    hub.publish(0, &mut worker);
    let text = hub.render();
    assert_eq!(at(&text, "wayfarer_journey_refused_total{journey=\"cart\",reason=\"entry_shut\"}"), 7.0);
    assert_eq!(at(&text, "wayfarer_journey_refused_total{journey=\"cart\",reason=\"late\"}"), 1.0);
}

#[test]
fn quantiles_are_within_a_hundredth_and_over_all_workers() {
    let hub = Hub::new(2, 10);
    let mut workers = [WorkerMetrics::new(), WorkerMetrics::new()];
    for ms in 1..=1000 {
        workers[ms as usize % 2].record(Stage::EventToCommit, Duration::from_millis(ms));
    }
    for (number, worker) in workers.iter_mut().enumerate() {
        hub.publish(number, worker);
        hub.publish(number, worker); // Nothing new: nothing is counted twice.
    }
    let found = hub.quantiles(Stage::EventToCommit);
    assert_eq!(found.count, 1000);
    for (found, ms) in
        [(found.p50, 500.0), (found.p90, 900.0), (found.p99, 990.0), (found.p999, 999.0), (found.max, 1e3)]
    {
        let error = (found.as_secs_f64() * 1e3 - ms).abs() / ms;
        assert!(error < 0.01, "{found:?} for {ms} ms");
    }
    assert_eq!(hub.quantiles(Stage::Commit), Quantiles::default());
}

#[test]
fn buckets_count_all_that_took_no_longer_and_the_sum_is_exact() {
    let hub = Hub::new(1, 10);
    let mut worker = WorkerMetrics::new();
    worker.record(Stage::Commit, Duration::ZERO);
    worker.record_many(Stage::Commit, Duration::from_millis(1), 3);
    worker.record(Stage::Commit, Duration::from_millis(30));
    worker.record(Stage::Commit, Duration::from_secs(100_000));
    hub.publish(0, &mut worker);
    hub.record(Stage::GateFlip, Duration::from_millis(40));
    let text = hub.render();
    for (le, count) in [
        ("0.00006103515625", 1.0),
        ("0.0009765625", 1.0),
        ("0.0011613350732448448", 4.0),
        ("0.026278012976678579", 4.0),
        ("0.03125", 5.0),
        ("1024.0", 5.0),
        ("+Inf", 6.0),
    ] {
        let series = format!("wayfarer_latency_seconds_bucket{{le=\"{le}\",stage=\"commit\"}}");
        assert_eq!(at(&text, &series), count, "up to {le}");
    }
    assert_eq!(at(&text, "wayfarer_latency_seconds_count{stage=\"commit\"}"), 6.0);
    assert_eq!(at(&text, "wayfarer_latency_seconds_sum{stage=\"commit\"}"), 3600.033);
    assert_eq!(at(&text, "wayfarer_latency_seconds_count{stage=\"gate_flip\"}"), 1.0);
}

#[test]
fn a_release_is_one_observation_of_its_rate() {
    let hub = Hub::new(2, 10);
    for (number, users) in [(0, 1_000), (1, 3)] {
        let mut worker = WorkerMetrics::new();
        worker.release(users, Duration::from_millis(500));
        hub.publish(number, &mut worker);
    }
    let text = hub.render();
    for (series, expected) in
        [("_bucket{le=\"4.0\"}", 0.0), ("_bucket{le=\"2048.0\"}", 2.0), ("_count", 2.0), ("_sum", 2006.0)]
    {
        assert_eq!(at(&text, &format!("wayfarer_release_users_per_second{series}")), expected, "{series}");
    }
}

/// Everything that a hub can show, as an instance shows it.
fn whole() -> String {
    let hub = Hub::new(2, 1);
    let mut worker = WorkerMetrics::new();
    for id in ["cart \"\\\n", "other"] {
        let mut journey = counts(2, 1, &[("goal", 1)]);
        journey.refused = vec![("entry_shut", 4)];
        *worker.journey(hub.journey(id, 1)) = journey;
    }
    worker.shards = vec![(3, ShardNumbers { unread: 5, epoch: 7 })];
    worker.release(10, Duration::from_secs(1));
    for stage in Stage::ALL {
        worker.record(stage, Duration::from_millis(5));
    }
    hub.publish(0, &mut worker);
    hub.render()
}

#[test]
fn a_strict_parser_of_openmetrics_reads_a_scrape_with_types_units_and_help() {
    // The parser knows of no units of histograms, which OpenMetrics has; those are looked at as text.
    let is_of_histogram = |line: &&str| {
        let of = |metric: &&Metric| line.starts_with(&format!("# UNIT {} {}", metric.name, metric.unit));
        ALL.iter().filter(|metric| metric.kind == Kind::Histogram).any(of)
    };
    let whole = whole();
    let (units, rest): (Vec<&str>, Vec<&str>) = whole.lines().partition(is_of_histogram);
    assert_eq!(units.len(), ALL.iter().filter(|metric| metric.kind == Kind::Histogram).count());
    let text = format!("{}\n", rest.join("\n"));
    let parsed = parse_openmetrics(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for metric in ALL {
        let family = &parsed.families[metric.name];
        let kind = match metric.kind {
            Kind::Counter => OpenMetricsType::Counter,
            Kind::Gauge => OpenMetricsType::Gauge,
            Kind::Histogram => OpenMetricsType::Histogram,
        };
        assert_eq!(family.family_type, kind, "{}", metric.name);
        let unit = if metric.unit == "seconds" && metric.kind != Kind::Histogram { "seconds" } else { "" };
        assert_eq!(family.unit, unit, "{}", metric.name);
        assert_eq!(family.help, metric.help.trim());
        let labels =
            |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(
            labels(&mut family.get_label_names().iter().map(String::as_str)),
            labels(&mut metric.labels.iter().copied()),
            "{}",
            metric.name
        );
    }
    assert_eq!(parsed.families.len(), ALL.len());
}

#[test]
fn what_is_shown_is_read_back_the_same() {
    let text = whole();
    let scrape = read::Scrape::parse(&text).expect("it is a scrape");
    assert_eq!(scrape.samples().len(), text.lines().filter(|line| !line.starts_with('#')).count());
    assert_eq!(scrape.by(&names::JOURNEY_WAITING, "journey").get("cart \"\\\n"), Some(&1.0));
    let commits = scrape.buckets(&names::LATENCY, Some(("stage", "commit")));
    assert_eq!(commits.count(), 1.0);
    let median = commits.quantile(0.5).expect("there is a value");
    assert!((median / 0.005 - 1.0).abs() < 0.19, "{median} for 5 ms");
}

#[test]
fn scrapes_beside_publishing_workers_see_whole_journeys_and_lose_nothing() {
    const ROUNDS: u64 = 2_000;
    let hub = Hub::new(2, 10);
    std::thread::scope(|scope| {
        for number in 0..2 {
            let hub = hub.clone();
            scope.spawn(move || {
                let mut worker = WorkerMetrics::new();
                let cart = hub.journey("cart", 1);
                for round in 1..=ROUNDS {
                    worker.counters.events_read = round;
                    worker.record(Stage::EventToDecision, Duration::from_micros(round));
                    *worker.journey(cart) = counts(round, round / 2, &[("goal", round - round / 2)]);
                    hub.publish(number, &mut worker);
                }
            });
        }
        for _ in 0..50 {
            assert!(hub.journeys().iter().all(|(_, counts)| counts.conserved()));
        }
    });
    let text = hub.render();
    assert_eq!(
        at(&text, "wayfarer_journey_entered_total{journey=\"cart\",version=\"1\"}"),
        2.0 * ROUNDS as f64
    );
    assert_eq!(hub.quantiles(Stage::EventToDecision).count, 2 * ROUNDS);
}

#[test]
fn text_of_a_user_cannot_break_a_line() {
    let hub = Hub::new(1, 10);
    let mut worker = WorkerMetrics::new();
    *worker.journey(hub.journey("a\"} 1\nb\\", 1)) = counts(1, 1, &[]);
    hub.publish(0, &mut worker);
    let text = hub.render();
    assert_eq!(at(&text, r#"wayfarer_journey_entered_total{journey="a\"} 1\nb\\",version="1"}"#), 1.0);
}

#[test]
fn answers_are_counted_by_class() {
    let hub = Hub::new(1, 10);
    for status in [200, 202, 404, 503, 0, 999] {
        hub.answered(status);
    }
    let text = hub.render();
    for (class, count) in [("2xx", 2.0), ("4xx", 1.0), ("5xx", 1.0), ("3xx", 0.0)] {
        assert_eq!(at(&text, &format!("wayfarer_http_answers_total{{class=\"{class}\"}}")), count);
    }
}
