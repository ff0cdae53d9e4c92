//! A scrape: everything in the OpenMetrics text form, which Prometheus reads.

use std::fmt;
use std::sync::LazyLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::counters::{Counters, Gauges};
use super::distribution::Distribution;
use super::hub::{ANSWER_CLASSES, JourneyLabel};
use super::latency::{Recorders, Stage};
use super::names::{self, Kind, Metric};
use super::worker::{JourneyCounts, Reason, ShardNumbers, add_reasons};

/// The content type of [`Hub::render`](super::Hub::render)'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the workers had handed over at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) workers: Vec<(Counters, Gauges)>,
    /// Ascending.
    pub(super) shards: Vec<(u16, ShardNumbers)>,
    pub(super) shards_all: u64,
    pub(super) control_epoch: u64,
    pub(super) commands_pending: u64,
    pub(super) ready: bool,
    pub(super) stages: Recorders,
    pub(super) journeys: Vec<(JourneyLabel, JourneyCounts)>,
    pub(super) journeys_max: usize,
    pub(super) answers: [u64; ANSWER_CLASSES.len()],
}

/// A number of a journey's version, and the metric that shows it.
type Column = (&'static Metric, fn(&JourneyCounts) -> u64);

const COLUMNS: [Column; 11] = [
    (&names::JOURNEY_ENTERED, |c| c.entered),
    (&names::JOURNEY_MOVED_IN, |c| c.moved_in),
    (&names::JOURNEY_MOVED_OUT, |c| c.moved_out),
    (&names::JOURNEY_WAITING, |c| c.waiting),
    (&names::JOURNEY_HELD, |c| c.held),
    (&names::JOURNEY_PARKED, |c| c.parked),
    (&names::JOURNEY_AT_SEND, |c| c.at_send),
    (&names::JOURNEY_DRAINING, |c| c.draining),
    (&names::JOURNEY_CONVERTED, |c| c.converted),
    (&names::JOURNEY_SENDS, |c| c.sends),
    (&names::JOURNEY_CONSERVED, |c| u64::from(c.conserved())),
];

/// A number of an open shard, and the metric that shows it.
type ShardColumn = (&'static Metric, fn(&ShardNumbers) -> u64);

const SHARD_COLUMNS: [ShardColumn; 2] =
    [(&names::SHARD_UNREAD, |shard| shard.unread), (&names::SHARD_EPOCH, |shard| shard.epoch)];

impl Snapshot {
    pub(super) fn render(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a string takes everything");
        text
    }

    fn workers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let numbers: Vec<(String, Vec<_>)> = self
            .workers
            .iter()
            .enumerate()
            .map(|(worker, (counters, gauges))| {
                (worker.to_string(), counters.each().chain(gauges.each()).collect())
            })
            .collect();
        let metrics = Counters::default().each().chain(Gauges::default().each());
        for (column, (metric, _)) in metrics.enumerate() {
            let mut family = Family::begin(encoder, metric)?;
            for (worker, numbers) in &numbers {
                family.row(&[("worker", worker.as_str())], numbers[column].1)?;
            }
        }
        Ok(())
    }

    fn shards(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        Family::begin(encoder, &names::SHARDS)?.alone(self.shards_all)?;
        for (metric, value) in SHARD_COLUMNS {
            let mut family = Family::begin(encoder, metric)?;
            for (shard, numbers) in &self.shards {
                family.row(&[("shard", shard.to_string())], value(numbers))?;
            }
        }
        Family::begin(encoder, &names::CONTROL_EPOCH)?.alone(self.control_epoch)?;
        Family::begin(encoder, &names::COMMANDS_PENDING)?.alone(self.commands_pending)
    }

    fn latency(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = Family::begin(encoder, &names::LATENCY)?;
        for stage in Stage::ALL {
            let labels = [("stage", stage.as_str())];
            histogram(&mut family.encoder.encode_family(&labels)?, self.stages.stage(stage))?;
        }
        histogram(&mut Family::begin(encoder, &names::RELEASE_RATE)?.encoder, self.stages.release())
    }

    fn journeys(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let listed = &self.journeys[..self.journeys.len().min(self.journeys_max)];
        for (metric, value) in COLUMNS {
            let mut family = Family::begin(encoder, metric)?;
            for (label, counts) in listed {
                family.row(&[("journey", &*label.journey), ("version", &*label.version)], value(counts))?;
            }
        }
        let mut family = Family::begin(encoder, &names::JOURNEY_EXITED)?;
        for (label, counts) in listed {
            for (reason, count) in sorted(&counts.exited) {
                let labels = [("journey", &*label.journey), ("version", &*label.version), ("reason", reason)];
                family.row(&labels, count)?;
            }
        }
        let mut family = Family::begin(encoder, &names::JOURNEY_REFUSED)?;
        // Versions of one journey stand side by side: a refusal is the journey's, not the version's.
        for versions in listed.chunk_by(|(one, _), (next, _)| one.journey == next.journey) {
            let mut refused = Vec::new();
            versions.iter().for_each(|(_, counts)| add_reasons(&mut refused, &counts.refused));
            for (reason, count) in sorted(&refused) {
                family.row(&[("journey", &*versions[0].0.journey), ("reason", reason)], count)?;
            }
        }
        let unlisted = self.journeys.len() - listed.len();
        Family::begin(encoder, &names::JOURNEYS_UNLISTED)?.alone(unlisted as u64)?;
        let wrong = self.journeys.iter().filter(|(_, counts)| !counts.conserved()).count();
        Family::begin(encoder, &names::JOURNEYS_NOT_CONSERVED)?.alone(wrong as u64)
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Family::begin(&mut encoder, &names::READY)?.alone(u64::from(self.ready))?;
        self.workers(&mut encoder)?;
        self.shards(&mut encoder)?;
        self.latency(&mut encoder)?;
        self.journeys(&mut encoder)?;
        let mut family = Family::begin(&mut encoder, &names::HTTP_ANSWERS)?;
        for (class, count) in ANSWER_CLASSES.into_iter().zip(self.answers) {
            family.row(&[("class", class)], count)?;
        }
        Ok(())
    }
}

/// The reasons by name: workers meet them in orders of their own.
fn sorted(reasons: &[(Reason, u64)]) -> Vec<(Reason, u64)> {
    let mut reasons = reasons.to_vec();
    reasons.sort_unstable();
    reasons
}

/// One metric, its head written.
struct Family<'e> {
    encoder: MetricEncoder<'e>,
    kind: Kind,
}

impl<'e> Family<'e> {
    fn begin(encoder: &'e mut DescriptorEncoder<'_>, metric: &'static Metric) -> Result<Self, fmt::Error> {
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let (name, unit) = name_and_unit(metric);
        let encoder = encoder.encode_descriptor(name, metric.help.trim(), unit, kind)?;
        Ok(Self { encoder, kind: metric.kind })
    }

    fn row(&mut self, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
        write(&mut self.encoder.encode_family(labels)?, self.kind, value)
    }

    fn alone(&mut self, value: u64) -> fmt::Result {
        write(&mut self.encoder, self.kind, value)
    }
}

/// The units that OpenMetrics is told of: those with which a name ends.
static UNITS: LazyLock<[Unit; 2]> =
    LazyLock::new(|| [Unit::Seconds, Unit::Other("users_per_second".to_owned())]);

/// A name without its unit, which the encoder adds, and the unit.
fn name_and_unit(metric: &Metric) -> (&'static str, Option<&'static Unit>) {
    let named =
        |unit: &'static Unit| Some((metric.name.strip_suffix(unit.as_str())?.strip_suffix('_')?, Some(unit)));
    UNITS.iter().find_map(named).unwrap_or((metric.name, None))
}

fn histogram(encoder: &mut MetricEncoder<'_>, of: &Distribution) -> fmt::Result {
    encoder.encode_histogram::<NoLabelSet>(of.sum(), of.histogram().len(), &of.buckets(), None)
}

fn write(encoder: &mut MetricEncoder<'_>, kind: Kind, value: u64) -> fmt::Result {
    match kind {
        Kind::Counter => encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None),
        Kind::Gauge | Kind::Histogram => encoder.encode_gauge(&value),
    }
}
