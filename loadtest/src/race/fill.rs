//! The events of a race, put into their topic as fast as it takes them, before anybody runs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::generate::sink::{Sink, Topic};
use crate::traffic::{Shape, Traffic, user_id};

/// Puts that many events of the shop into a topic, and returns the shop as it is after them.
///
/// # Errors
/// The topic is not there, or does not take them.
pub fn fill(brokers: &str, topic: &str, shape: &Shape, events: u64) -> Result<Traffic> {
    let mut sink = Topic::open(brokers, topic, Duration::from_millis(50))?;
    let (mut shop, mut line) = (Traffic::new(shape), Vec::with_capacity(512));
    for _ in 0..events {
        let next = shop.step();
        line.clear();
        shop.write(next, now(), &mut line);
        sink.put(&user_id(next.0), &line)?;
    }
    sink.close()?;
    Ok(shop)
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
