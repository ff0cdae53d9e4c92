//! A shop's events, into a topic, a server or a file: by a schedule that waits for nobody, or as fast as it goes.
//!
//! By a schedule an event carries the time at which it was *scheduled*: if the way into the system stalls, later events
//! are late, and whoever measures from their time sees it (open loop).
//!
//! - [`pace`]: keeps the schedule, and says when it could not. [`sink`], [`http`]: where events go.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use wayfarer::model::{Interval, Timestamp};

use self::http::Server;
use self::pace::{Keeping, Kept, Progress};
use self::sink::{Lines, Sink, Topic};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::profile::{Profile, Schedule};
use crate::shop::{Shop, Shoppers};

pub mod http;
pub mod pace;
pub mod sink;

/// What is generated, and where to.
#[derive(Args, Clone, Debug)]
pub struct Generate {
    /// For how long
    #[arg(long = "for", default_value = "10s", value_name = "TIME")]
    pub length: Interval,
    /// As fast as it goes instead, without a schedule: that many events
    #[arg(long, value_name = "EVENTS", conflicts_with_all = ["length", "file"])]
    pub pour: Option<u64>,
    /// How many events when
    #[command(flatten)]
    pub profile: Profile,
    /// Whose
    #[command(flatten)]
    pub shoppers: Shoppers,
    /// The brokers, "host:port", if it is a topic
    #[arg(long, env = "WAYFARER_KAFKA", default_value = "127.0.0.1:9092")]
    pub brokers: String,
    /// The topic, which must be there (`wayfarer topics apply` makes it); keys are user ids, spread by murmur2
    #[arg(long, default_value = "wayfarer.events")]
    pub topic: String,
    /// A file of JSON lines instead of a topic, written at once whatever the schedule
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// A server instead of a topic: http://HOST:PORT
    #[arg(long, conflicts_with = "file")]
    pub http: Option<String>,
    /// Over how many connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub connections: u16,
    /// How many events a request has at most: more than one go to /v1/batch, one to /v1/track
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub batch: u64,
    /// When the schedule of a file begins
    #[arg(long, default_value = "2026-01-01T00:00:00Z", value_name = "TIME")]
    pub start: Timestamp,
}

/// What is refused before anything is opened.
fn check(args: &Generate) -> Result<()> {
    let of_rate = if args.pour.is_some() { None } else { args.profile.problem() };
    of_rate.or_else(|| args.shoppers.problem()).map_or(Ok(()), |problem| Err(Error(problem)))
}

/// Generates.
///
/// # Errors
/// The settings make no sense, or the topic, the server or the file cannot be written to.
pub fn run(args: &Generate) -> Result<Kept> {
    check(args)?;
    let mut shop = Shop::new(&args.shoppers);
    let schedule = Schedule::new(&args.profile, args.length);
    if let Some(path) = &args.file {
        let origin = args.start.0.checked_mul(1_000);
        let origin = origin.ok_or_else(|| Error(format!("the start {} is too far away", args.start)))?;
        let mut sink = Lines::open(path)?;
        let kept = pace::write(&mut shop, schedule, origin, &mut sink)?;
        sink.close()?;
        return Ok(kept);
    }
    let mut sink: Box<dyn Sink> = match &args.http {
        Some(url) => Box::new(Server::open(url, usize::from(args.connections), args.batch)?),
        None => {
            let linger = Duration::from_millis(if args.pour.is_some() { 50 } else { 5 });
            Box::new(Topic::open(&args.brokers, &args.topic, linger)?)
        }
    };
    let (clock, progress) = (Clock::start(), Progress::default());
    let bar = bar(args.pour.unwrap_or_else(|| schedule.events()));
    let kept = std::thread::scope(|scope| {
        let shown = scope.spawn(|| show(&bar, &progress));
        let kept = match args.pour {
            Some(count) => pace::pour(&mut shop, count, &clock, sink.as_mut(), &progress),
            None => pace::drive(&mut shop, schedule, (&clock, clock.now()), sink.as_mut(), &progress),
        };
        progress.stop.store(true, Ordering::Relaxed);
        shown.thread().unpark();
        kept
    })?;
    sink.close()?;
    bar.finish_and_clear();
    Ok(kept)
}

/// Shows how far it is, until it is to stop.
fn show(bar: &ProgressBar, progress: &Progress) {
    while !progress.stop.load(Ordering::Relaxed) {
        bar.set_position(progress.events.load(Ordering::Relaxed));
        bar.set_message(format!("{:.1} ms late", progress.late.load(Ordering::Relaxed) as f64 / 1e3));
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

fn bar(events: u64) -> ProgressBar {
    let bar = ProgressBar::new(events);
    let style = "{human_pos} of {human_len} events {wide_bar} {per_sec}, {msg} {eta}";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
    bar
}

/// What was generated, as sentences.
#[must_use]
pub fn told(args: &Generate, kept: &Kept) -> String {
    let (seconds, events) = (kept.took.as_secs_f64(), kept.events);
    let rate = events as f64 / seconds.max(1e-9);
    let mut text = format!("{events} events, {} bytes, {seconds:.1} s, {rate:.0}/s\n", kept.bytes);
    if args.pour.is_none() && args.file.is_none() {
        let keeping = Keeping::default();
        text.push_str(&match kept.is_kept(&keeping) {
            Ok(()) => format!(
                "the schedule was kept: {:.2} % of the events were more than {} late, the latest {:.0} ms\n",
                kept.late_share(&keeping) * 100.0,
                keeping.late_after,
                kept.lateness.max() as f64 / 1e3
            ),
            Err(sentence) => format!("{sentence}\n"),
        });
    }
    text
}
