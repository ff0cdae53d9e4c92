//! One distribution: an HDR histogram with an exact sum, and its buckets for Prometheus.
//!
//! The buckets' bounds are those of Prometheus' native histograms of schema 2: four to an octave, each
//! 2^(1/4) times the one before (19 % more). So classic buckets turn into native ones without a
//! loss, and a quantile that is read off them is wrong by 9 % at most.

use std::ops::Range;

use hdrhistogram::Histogram;

/// Two digits: an error below 1 %, in 27 KB, so that adding one to another costs microseconds.
const DIGITS: u8 = 2;

/// The fractions by which schema 2 divides the octave below 1, as Prometheus has them.
const QUARTERS: [f64; 4] = [0.5, 0.594_603_557_501_360_5, 0.707_106_781_186_547_5, 0.840_896_415_253_714_5];

/// What a distribution is of.
#[derive(Debug)]
pub(super) struct Shape {
    /// How many of what is recorded are one of what is shown: a million microseconds are one second.
    pub(super) scale: u32,
    /// The largest value that is told apart, as recorded; what is larger counts as this.
    pub(super) most: u64,
    /// The bounds go from 2 to the power of the first to 2 to the power of the last, as shown.
    pub(super) octaves: Range<i32>,
}

/// How long something took: recorded in microseconds up to an hour, shown in seconds; 61 µs to 17 minutes.
pub(super) static DURATION: Shape = Shape { scale: 1_000_000, most: 3_600_000_000, octaves: -14..10 };

/// How many a second: recorded and shown as they are.
pub(super) static RATE: Shape = Shape { scale: 1, most: 1_000_000_000, octaves: 0..24 };

impl Shape {
    /// The upper bounds of the buckets, as shown; above the last it is `+Inf`.
    fn bounds(&self) -> impl Iterator<Item = f64> {
        let quarters = |octave: i32| QUARTERS.map(|quarter| quarter * 2_f64.powi(octave + 1));
        self.octaves.clone().flat_map(quarters).chain([2_f64.powi(self.octaves.end)])
    }
}

/// What was recorded of one thing.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    shape: &'static Shape,
    histogram: Histogram<u64>,
    /// Exact, unlike what the histogram could tell.
    sum: u64,
}

impl Distribution {
    pub(super) fn new(shape: &'static Shape) -> Self {
        let histogram = Histogram::new_with_bounds(1, shape.most, DIGITS).expect("constant bounds are valid");
        Self { shape, histogram, sum: 0 }
    }

    pub(super) fn record(&mut self, value: u64, times: u64) {
        let value = value.min(self.shape.most);
        self.histogram.saturating_record_n(value, times);
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.histogram.reset();
        self.sum = 0;
    }

    pub(super) fn add(&mut self, other: &Self) {
        if !other.is_empty() {
            self.histogram.add(&other.histogram).expect("distributions of one shape have the same bounds");
            self.sum = self.sum.saturating_add(other.sum);
        }
    }

    /// What has been recorded since `before`, which is what this was at some time.
    pub(super) fn since(&self, before: &Self) -> Histogram<u64> {
        let mut new = self.histogram.clone();
        new.subtract(&before.histogram).expect("a distribution only grows");
        new
    }

    /// The sum of all values, as shown.
    pub(super) fn sum(&self) -> f64 {
        self.sum as f64 / f64::from(self.shape.scale)
    }

    pub(super) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// How many there were in each bucket (not up to it), with its upper bound as shown.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let mut buckets: Vec<(f64, u64)> =
            self.shape.bounds().chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
        let scale = f64::from(self.shape.scale);
        for step in self.histogram.iter_recorded() {
            // The least value of the step: one that was recorded as exactly a bound belongs below it.
            let value = self.histogram.lowest_equivalent(step.value_iterated_to()) as f64 / scale;
            let index = buckets.partition_point(|(bound, _)| *bound < value);
            buckets[index].1 += step.count_since_last_iteration();
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_native_histograms_and_powers_of_two_are_exact() {
        for shape in [&DURATION, &RATE] {
            let bounds: Vec<f64> = shape.bounds().collect();
            assert_eq!(bounds.len(), 4 * shape.octaves.len() + 1);
            for (index, bound) in (shape.octaves.start * 4..).zip(&bounds) {
                let ideal = 2_f64.powf(f64::from(index) / 4.0);
                assert!((bound / ideal - 1.0).abs() < 1e-15, "{bound} at {index}");
                assert!(index % 4 != 0 || *bound == ideal, "{bound} is a power of two");
            }
        }
    }

    #[test]
    fn a_value_counts_in_the_bucket_that_it_does_not_exceed() {
        for (micros, upto) in
            [(0, 2_f64.powi(-14)), (500_000, 0.5), (1_000_000, 1.0), (1_020_000, 2_f64.powf(0.25))]
        {
            let mut one = Distribution::new(&DURATION);
            one.record(micros, 3);
            let found: Vec<(f64, u64)> = one.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
            assert!(
                found.len() == 1 && (found[0].0 / upto - 1.0).abs() < 1e-15 && found[0].1 == 3,
                "{micros} µs: {found:?}"
            );
        }
        let mut beyond = Distribution::new(&DURATION);
        beyond.record(u64::MAX, 1);
        assert_eq!(beyond.buckets().last(), Some(&(f64::INFINITY, 1)));
        assert_eq!(beyond.sum(), 3600.0);
    }
}
