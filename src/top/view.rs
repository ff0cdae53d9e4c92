//! From what the instances answered to what is shown: rates from two answers, quantiles from buckets, sums.
//!
//! A process that began anew counts from nothing: what it has is what it did since then.

use std::collections::VecDeque;
use std::time::Duration;

use super::poll::{Answer, Answered};
use crate::control::service::{JourneyView, VersionView};
use crate::metrics::Stage;
use crate::metrics::names::{self, Metric};
use crate::metrics::read::Buckets;

/// Over how long latencies are taken.
const WINDOW: Duration = Duration::from_secs(60);

/// The counters whose rates are shown, each under its heading.
pub(super) const RATES: [(&str, &Metric); 6] = [
    ("events/s", &names::EVENTS_READ),
    ("timers/s", &names::TIMERS_FIRED),
    ("released/s", &names::RELEASED),
    ("sends/s", &names::SENDS),
    ("commits/s", &names::COMMITS),
    ("rejects/s", &names::EVENTS_REJECTED),
];

/// Over which time latencies are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// The last minute.
    Window,
    /// Since each instance started.
    SinceStart,
}

/// What has been answered by each instance.
#[derive(Debug)]
pub(super) struct Seen(Vec<Instance>);

#[derive(Debug)]
struct Instance {
    url: String,
    /// The answers of the window, oldest first.
    answers: VecDeque<Answered>,
    /// Why the last time there was none.
    away: Option<String>,
    asked: usize,
}

impl Seen {
    pub(super) fn new(urls: &[String]) -> Self {
        let instance =
            |url: &String| Instance { url: url.clone(), answers: VecDeque::new(), away: None, asked: 0 };
        Self(urls.iter().map(instance).collect())
    }

    /// An instance has answered, or has not.
    pub(super) fn take(&mut self, instance: usize, answer: Answer) {
        let of = &mut self.0[instance];
        of.asked += 1;
        match answer {
            Err(why) => of.away = Some(why),
            Ok(answered) => {
                of.away = None;
                // The one before the window is kept: from it the window begins.
                while of.answers.get(1).is_some_and(|next| answered.at - next.at >= WINDOW) {
                    of.answers.pop_front();
                }
                of.answers.push_back(answered);
            }
        }
    }

    /// Whether each has answered twice, so that there are rates, or could not.
    pub(super) fn is_complete(&self) -> bool {
        self.0.iter().all(|of| of.away.is_some() || of.asked >= 2)
    }

    /// What is to be shown now.
    pub(super) fn view(&self, span: Span) -> View {
        let here = || self.0.iter().filter(|of| of.away.is_none());
        let latencies = Stage::ALL
            .map(|stage| distribution(here(), &names::LATENCY, Some(("stage", stage.as_str())), span));
        View {
            span,
            instances: self.0.iter().map(Instance::row).collect(),
            latencies,
            release: distribution(here(), &names::RELEASE_RATE, None, span),
            journeys: here()
                .filter_map(|of| of.answers.back())
                .max_by_key(|answered| answered.journeys.len())
                .map(|answered| answered.journeys.iter().map(Journey::of).collect())
                .unwrap_or_default(),
        }
    }
}

/// A histogram over instances.
fn distribution<'a>(
    instances: impl Iterator<Item = &'a Instance>,
    metric: &Metric,
    label: Option<(&str, &str)>,
    span: Span,
) -> Quantiles {
    let mut all = Buckets::default();
    for of in instances {
        let Some(last) = of.answers.back() else { continue };
        let now = last.metrics.buckets(metric, label);
        all.add(&match span {
            Span::SinceStart => now,
            // Of one answer alone nobody knows what is of this minute.
            Span::Window => now.since(&of.answers.front().unwrap_or(last).metrics.buckets(metric, label)),
        });
    }
    let values = all.quantile(0.5).zip(all.quantile(0.99)).zip(all.most());
    Quantiles { count: all.count(), values: values.map(|((p50, p99), most)| [p50, p99, most]) }
}

/// Everything that is shown.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) span: Span,
    pub(super) instances: Vec<Row>,
    /// In the order of [`Stage::ALL`], in seconds.
    pub(super) latencies: [Quantiles; Stage::ALL.len()],
    /// Users a second.
    pub(super) release: Quantiles,
    pub(super) journeys: Vec<Journey>,
}

impl View {
    /// Whether any instance has answered.
    pub(super) fn is_answered(&self) -> bool {
        self.instances.iter().any(|row| row.numbers.is_some())
    }
}

/// How many values there are; the median, what 99 in 100 do not exceed, and what none exceeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantiles {
    pub(super) count: f64,
    pub(super) values: Option<[f64; 3]>,
}

/// One instance.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) url: String,
    /// Why it is not ready, or does not answer.
    pub(super) ails: Option<String>,
    /// What it counts, if it answers.
    pub(super) numbers: Option<Numbers>,
}

/// What one instance counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Numbers {
    pub(super) shards_open: f64,
    pub(super) shards_pending: f64,
    /// How many of its shards have not taken the last command that it knows.
    pub(super) behind: usize,
    pub(super) unread: f64,
    /// The shard with the most that is unread.
    pub(super) worst: Option<(String, f64)>,
    pub(super) users: f64,
    pub(super) timers: f64,
    /// Of [`RATES`]; none before a second answer.
    pub(super) rates: Option<[f64; RATES.len()]>,
}

impl Numbers {
    /// Of all instances together.
    pub(super) fn sum<'a>(of: impl Iterator<Item = &'a Self>) -> Self {
        of.fold(Self::default(), |mut all, one| {
            all.shards_open += one.shards_open;
            all.shards_pending += one.shards_pending;
            all.behind += one.behind;
            all.unread += one.unread;
            all.users += one.users;
            all.timers += one.timers;
            let unread = |worst: &Option<(String, f64)>| worst.as_ref().map_or(0.0, |(_, unread)| *unread);
            if unread(&one.worst) > unread(&all.worst) {
                all.worst.clone_from(&one.worst);
            }
            if let Some(rates) = one.rates {
                let sums = all.rates.get_or_insert_default();
                sums.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += rate);
            }
            all
        })
    }
}

impl Instance {
    fn row(&self) -> Row {
        let url = self.url.clone();
        let (None, Some(last)) = (&self.away, self.answers.back()) else {
            let ails = Some(self.away.clone().unwrap_or_else(|| "it has not answered yet".to_owned()));
            return Row { url, ails, numbers: None };
        };
        Row { url, ails: last.ails.clone(), numbers: Some(self.numbers(last)) }
    }

    fn numbers(&self, last: &Answered) -> Numbers {
        let of = |metric| last.metrics.sum(metric).unwrap_or(0.0);
        let unread = last.metrics.by(&names::SHARD_UNREAD, "shard");
        // Of equals the first by name: what is shown does not flicker.
        let worst = unread.into_iter().reduce(|worst, next| if next.1 > worst.1 { next } else { worst });
        let known = of(&names::CONTROL_EPOCH);
        let behind = last.metrics.by(&names::SHARD_EPOCH, "shard").into_values().filter(|e| *e < known);
        Numbers {
            shards_open: of(&names::SHARDS_OPEN),
            shards_pending: of(&names::SHARDS_PENDING),
            behind: behind.count(),
            unread: of(&names::EVENTS_UNREAD),
            worst: worst.filter(|(_, n)| *n > 0.0).map(|(shard, n)| (shard.to_owned(), n)),
            users: of(&names::USERS),
            timers: of(&names::TIMERS),
            rates: self.rates(last),
        }
    }

    fn rates(&self, last: &Answered) -> Option<[f64; RATES.len()]> {
        let before = self.answers.get(self.answers.len().checked_sub(2)?)?;
        let seconds = (last.at - before.at).as_secs_f64();
        Some(RATES.map(|(_, metric)| {
            let now = last.metrics.sum(metric).unwrap_or(0.0);
            let then = before.metrics.sum(metric).unwrap_or(0.0);
            (if now < then { now } else { now - then }) / seconds
        }))
    }
}

/// One journey, over its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journey {
    pub(super) id: String,
    pub(super) dialect: String,
    pub(super) state: String,
    pub(super) entry: &'static str,
    pub(super) movement: &'static str,
    pub(super) waiting: u64,
    pub(super) held: u64,
    pub(super) at_send: u64,
    pub(super) draining: u64,
}

impl Journey {
    fn of(view: &JourneyView) -> Self {
        let sum = |of: fn(&VersionView) -> u64| view.versions.iter().map(of).sum();
        Self {
            id: view.id.clone(),
            dialect: view.dialect.clone(),
            state: view.state.clone(),
            entry: view.gates.entry.as_str(),
            movement: view.gates.movement.as_str(),
            waiting: sum(|version| version.waiting),
            held: sum(|version| version.held),
            at_send: sum(|version| version.at_send),
            draining: sum(|version| version.draining),
        }
    }

    pub(super) fn inside(&self) -> u64 {
        self.waiting + self.held + self.at_send + self.draining
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::metrics::read::Scrape;

    fn answered(at: Instant, text: &str) -> Answer {
        let metrics = Scrape::parse(text).expect("it is a scrape");
        Ok(Answered { at, ails: None, metrics, journeys: Vec::new() })
    }

    /// A minute and more of one instance: so many events in all at each second.
    fn seen(events: &[(u64, u64)]) -> Seen {
        let (mut seen, start) = (Seen::new(&["a".to_owned()]), Instant::now());
        for (second, count) in events {
            let text = format!(
                "wayfarer_events_read_total{{worker=\"0\"}} {count}\n\
                 wayfarer_latency_seconds_bucket{{le=\"1.0\",stage=\"commit\"}} {count}\n\
                 wayfarer_latency_seconds_bucket{{le=\"+Inf\",stage=\"commit\"}} {count}\n"
            );
            seen.take(0, answered(start + Duration::from_secs(*second), &text));
        }
        seen
    }

    #[test]
    fn a_rate_is_that_of_the_last_second_and_a_process_that_began_anew_counts_from_nothing() {
        for (events, rate) in [
            (&[(0, 10)][..], None),
            (&[(0, 10), (1, 30)], Some(20.0)),
            (&[(0, 10), (1, 30), (3, 50)], Some(10.0)),
            (&[(0, 10), (1, 4)], Some(4.0)),
        ] {
            let view = seen(events).view(Span::Window);
            let numbers = view.instances[0].numbers.as_ref().expect("it answered");
            assert_eq!(numbers.rates.map(|rates| rates[0]), rate, "{events:?}");
        }
    }

    #[test]
    fn latencies_are_those_of_the_window_or_of_all_time() {
        for (events, window, start) in [
            (&[(0, 10)][..], 0.0, 10.0),
            (&[(0, 10), (1, 30)], 20.0, 30.0),
            (&[(0, 10), (1, 30), (61, 35)], 5.0, 35.0),
            (&[(0, 10), (1, 4)], 4.0, 4.0),
        ] {
            let count = |span| seen(events).view(span).latencies[Stage::Commit as usize].count;
            assert_eq!((count(Span::Window), count(Span::SinceStart)), (window, start), "{events:?}");
        }
    }

    #[test]
    fn an_instance_that_goes_away_keeps_its_row_and_leaves_the_sums() {
        let mut seen = seen(&[(0, 10), (1, 30)]);
        seen.take(0, Err("it cannot be reached: no".to_owned()));
        let view = seen.view(Span::SinceStart);
        assert_eq!(view.instances[0].ails.as_deref(), Some("it cannot be reached: no"));
        assert_eq!((view.is_answered(), view.latencies[Stage::Commit as usize].count), (false, 0.0));
        assert!(seen.is_complete());
    }

    #[test]
    fn a_shard_that_is_behind_and_the_one_that_lags_most_are_told() {
        let mut seen = Seen::new(&["a".to_owned()]);
        let text = "wayfarer_control_epoch 7\n\
            wayfarer_shard_epoch{shard=\"0\"} 7\nwayfarer_shard_epoch{shard=\"1\"} 6\n\
            wayfarer_shard_unread{shard=\"0\"} 2\nwayfarer_shard_unread{shard=\"1\"} 9\n";
        seen.take(0, answered(Instant::now(), text));
        let numbers = seen.view(Span::Window).instances[0].numbers.clone().expect("it answered");
        assert_eq!((numbers.behind, numbers.worst), (1, Some(("1".to_owned(), 9.0))));
    }
}
