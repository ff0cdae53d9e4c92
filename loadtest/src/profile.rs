//! How many events a second, as time goes by: by its integral, so that no rounding adds up.

use std::f64::consts::TAU;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wayfarer::model::Interval;

/// The shape of a rate over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// The same all the time.
    #[default]
    Constant,
    /// From the rate to `peak`, evenly.
    Ramp,
    /// The rate, and `peak` for `burst` at the end of every `period`.
    Burst,
    /// A day of `period`: a wave that begins at its lowest, `peak` at noon, and the rate on average.
    Day,
}

/// How many events a second.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// How the rate goes up and down
    #[arg(long = "profile", value_enum, default_value_t)]
    pub shape: Shape,
    /// Events a second
    #[arg(long, default_value_t = 1_000.0)]
    pub rate: f64,
    /// The highest rate, where it goes up and down; a day's is at most twice the rate
    #[arg(long, default_value_t = 0.0)]
    pub peak: f64,
    /// How long a day, or from one burst to the next
    #[arg(long, default_value = "1m")]
    pub period: Interval,
    /// How long a burst is
    #[arg(long, default_value = "5s")]
    pub burst: Interval,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            shape: Shape::Constant,
            rate: 1_000.0,
            peak: 0.0,
            period: Interval(60_000),
            burst: Interval(5_000),
        }
    }
}

/// The highest rate that can be asked for, in events a second.
pub const RATE_MAX: f64 = 10_000_000.0;

impl Profile {
    /// The same rate all the time.
    #[must_use]
    pub fn constant(rate: f64) -> Self {
        Self { rate, ..Self::default() }
    }

    /// What is wrong with it, with what is allowed; `None` if nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let Self { shape, rate, peak, period, burst } = self;
        if !(*rate > 0.0 && *rate <= RATE_MAX) {
            return Some(format!("rate is {rate}: above 0, up to {RATE_MAX} events a second"));
        }
        if *shape != Shape::Constant && *peak == 0.0 {
            return Some(format!(
                "peak is missing: a rate that is no constant one goes from {rate} to `peak`"
            ));
        }
        let highest = if *shape == Shape::Day { rate * 2.0 } else { RATE_MAX };
        let lowest = if *shape == Shape::Ramp { 0.0 } else { *rate };
        if *shape != Shape::Constant && !(*peak > 0.0 && (lowest..=highest).contains(peak)) {
            return Some(format!("peak is {peak}: from {lowest} to {highest} is allowed here"));
        }
        if period.0 == 0 {
            return Some("period is 0s: it has to be some time".to_owned());
        }
        if *shape == Shape::Burst && burst > period {
            return Some(format!("burst is {burst}: at most the period, {period}, is allowed"));
        }
        None
    }

    /// How many events there have been after that many seconds of `total`.
    #[must_use]
    pub fn events(&self, seconds: f64, total: f64) -> f64 {
        let Self { shape, rate, peak, period, burst } = self;
        let (period, burst) = (period.0 as f64 / 1_000.0, burst.0 as f64 / 1_000.0);
        match shape {
            Shape::Constant => rate * seconds,
            Shape::Ramp => rate * seconds + (peak - rate) * seconds * seconds / (2.0 * total),
            Shape::Burst => {
                let (periods, rest) = ((seconds / period).floor(), seconds % period);
                let bursting = periods * burst + (rest - (period - burst)).max(0.0);
                rate * seconds + (peak - rate) * bursting
            }
            Shape::Day => rate * seconds - (peak - rate) * period / TAU * (TAU * seconds / period).sin(),
        }
    }
}

/// How long a tick is, in microseconds: within one, events are scheduled evenly.
const TICK_US: i64 = 1_000;

/// When which event is scheduled, in microseconds from the first tick on.
#[derive(Clone, Debug)]
pub struct Schedule {
    profile: Profile,
    /// In microseconds.
    total: i64,
    tick: i64,
    /// Of the tick's events, how many have been given, and how many there are.
    given: u64,
    of_tick: u64,
    /// How many events there were before the tick.
    before: u64,
}

impl Schedule {
    /// Of a profile for so long.
    #[must_use]
    pub fn new(profile: &Profile, total: Interval) -> Self {
        let mut new = Self {
            profile: profile.clone(),
            total: (total.0 as i64).saturating_mul(1_000),
            tick: 0,
            given: 0,
            of_tick: 0,
            before: 0,
        };
        new.of_tick = new.until(1);
        new
    }

    /// How many events there are until that tick begins.
    fn until(&self, tick: i64) -> u64 {
        let at = (tick * TICK_US).min(self.total) as f64 / 1e6;
        // The integral of a rate that never falls below zero; the epsilon is for what ought to be whole.
        (self.profile.events(at, self.total as f64 / 1e6) + 1e-6).floor() as u64
    }

    /// How many events there are in all.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.until(self.total.div_euclid(TICK_US) + 1)
    }
}

impl Iterator for Schedule {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        while self.given == self.of_tick {
            self.tick += 1;
            if self.tick * TICK_US >= self.total {
                return None;
            }
            self.before += self.of_tick;
            self.of_tick = self.until(self.tick + 1).saturating_sub(self.before);
            self.given = 0;
        }
        let within = TICK_US * self.given as i64 / self.of_tick as i64;
        self.given += 1;
        Some(self.tick * TICK_US + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(profile: &Profile, total: u64) -> Vec<usize> {
        let mut seconds = vec![0; total as usize];
        for at in Schedule::new(profile, Interval(total * 1_000)) {
            seconds[(at / 1_000_000) as usize] += 1;
        }
        seconds
    }

    fn of(shape: Shape, rate: f64, peak: f64) -> Profile {
        Profile { shape, rate, peak, period: Interval(10_000), burst: Interval(2_000) }
    }

    #[test]
    fn every_profile_has_the_events_of_its_integral_in_every_second() {
        for (profile, expected) in [
            (Profile::constant(1_000.0), vec![1_000; 10]),
            (Profile::constant(0.5), vec![0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
            (of(Shape::Ramp, 1_000.0, 3_000.0), (0..10).map(|s| 1_100 + 200 * s).collect()),
            (of(Shape::Ramp, 2_000.0, 1_000.0), (0..10).map(|s| 1_950 - 100 * s).collect()),
            (of(Shape::Burst, 100.0, 5_000.0), [[100; 8].to_vec(), vec![5_000; 2]].concat()),
        ] {
            let found = seconds(&profile, 10);
            let near = found.iter().zip(&expected).all(|(found, expected)| found.abs_diff(*expected) <= 1);
            assert!(near, "{profile:?}: {found:?}");
        }
    }

    #[test]
    fn a_day_has_its_peak_at_noon_and_its_rate_on_average() {
        let day = seconds(&of(Shape::Day, 10_000.0, 20_000.0), 20);
        assert_eq!(day.iter().sum::<usize>(), 200_000);
        assert!(day[4] > 19_000 && day[0] < 1_000 && day[14] > 19_000 && day[10] < 1_000, "{day:?}");
    }

    #[test]
    fn events_are_scheduled_in_order_and_as_many_as_announced() {
        for shape in [Shape::Constant, Shape::Ramp, Shape::Burst, Shape::Day] {
            let schedule = Schedule::new(&of(shape, 3_333.0, 6_000.0), Interval(7_001));
            let (announced, all) = (schedule.events(), schedule.collect::<Vec<_>>());
            assert!(all.is_sorted(), "{shape:?}");
            assert_eq!(all.len() as u64, announced, "{shape:?}");
        }
    }

    #[test]
    fn a_rate_that_cannot_be_is_refused_with_what_is_allowed() {
        for (profile, said) in [
            (Profile::constant(0.0), "rate is 0: above 0, up to 10000000 events a second"),
            (Profile::constant(f64::NAN), "rate is NaN: above 0, up to 10000000 events a second"),
            (of(Shape::Burst, 100.0, 50.0), "peak is 50: from 100 to 10000000 is allowed here"),
            (
                of(Shape::Ramp, 100.0, 0.0),
                "peak is missing: a rate that is no constant one goes from 100 to `peak`",
            ),
            (of(Shape::Day, 100.0, 500.0), "peak is 500: from 100 to 200 is allowed here"),
            (
                Profile { burst: Interval(20_000), ..of(Shape::Burst, 1.0, 2.0) },
                "burst is 20s: at most the period, 10s, is allowed",
            ),
        ] {
            assert_eq!(profile.problem().as_deref(), Some(said));
        }
    }
}
