//! What the shoppers do, planned before the clock starts: exactly as many events as asked for, in the order
//! in which the shop's gateway takes them.
//!
//! A session is a few pages and perhaps a cart; a cart is bought, emptied, taken to the checkout and left
//! there, or just left. Orders are shipped and delivered days later. Some things go wrong as they do: an
//! event comes twice, or an hour late, or broken.

use super::calendar::{self, BUSY_DAYS};
use super::dice::Dice;
use crate::model::Timestamp;

/// The gateway hands on what it has this often, so append times are whole multiples of it.
const GATEWAY_MS: i64 = 5_000;

/// How many events one known shopper makes, about.
const EVENTS_PER_SHOPPER: u64 = 14;

/// How busy each hour of a day is.
const HOURS: [i64; 24] =
    [3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 12, 11, 11, 12, 13, 14, 15, 17, 18, 15, 10, 6];

/// How busy a day is: in the week of the script, and afterwards.
const LOAD: [i64; 2] = [10, 1];

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Identify,
    Page,
    Cart,
    Checkout,
    Order,
    Emptied,
    Shipped,
    Delivered,
    SignedUp,
    Cancelled,
    /// A message that no decoder takes.
    Broken,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// One of the many, by number.
    Shopper(u32),
    /// The one whose story is told.
    Told,
}

/// One event to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    /// When the shopper's device says that it happened.
    pub(super) happened: Timestamp,
    /// When the gateway hands it on.
    pub(super) appended: Timestamp,
    /// Its message id; the same again for a repeat.
    pub(super) message: u32,
    pub(super) who: Who,
    pub(super) what: What,
    /// The cart, which is also the order.
    pub(super) cart: u32,
    /// What the cart is worth.
    pub(super) value: u32,
}

/// Plans `events` events of the many, and those of the one whose story is told.
pub(super) fn plan(seed: u64, events: u64, told: &[(Timestamp, What)]) -> Vec<Planned> {
    let shoppers = (events / EVENTS_PER_SHOPPER).clamp(20, u64::from(u32::MAX)) as i64;
    let mut plan = Plan {
        dice: Dice::new(seed),
        events: Vec::with_capacity(events as usize + told.len() + 64),
        known: vec![false; shoppers as usize],
        wanted: events as usize,
        carts: 0,
    };
    while plan.events.len() < plan.wanted {
        plan.session();
    }
    plan.events.truncate(plan.wanted);
    for &(happened, what) in told {
        plan.put(happened, Who::Told, what, 0, 2_400);
    }
    // Stable: what the gateway hands on together stays in the order in which it was planned.
    plan.events.sort_by_key(|e| (e.appended, e.happened));
    plan.events
}

struct Plan {
    dice: Dice,
    events: Vec<Planned>,
    known: Vec<bool>,
    wanted: usize,
    carts: u32,
}

impl Plan {
    fn session(&mut self) {
        let mut now = self.start();
        let shopper = self.dice.between(0, self.known.len() as i64 - 1) as usize;
        let who = Who::Shopper(shopper as u32);
        if !std::mem::replace(&mut self.known[shopper], true) {
            now = self.put(now, who, What::Identify, 0, 0);
            if self.dice.per_mille(300) {
                now = self.put(now + crate::model::Interval(2_000), who, What::SignedUp, 0, 0);
            }
        }
        for _ in 0..self.dice.between(1, 3) {
            now = self.after(now, 15 * SECOND, 90 * SECOND);
            self.put(now, who, What::Page, 0, 0);
        }
        if self.dice.per_mille(3) {
            self.put(now, who, What::Cancelled, 0, 0);
        }
        if self.dice.per_mille(1) {
            self.put(now, who, What::Broken, 0, 0);
        }
        if self.dice.per_mille(620) {
            self.cart(now, who);
        }
    }

    /// A moment at which somebody comes to the shop.
    fn start(&mut self) -> Timestamp {
        let quiet = calendar::DAYS - BUSY_DAYS;
        let busy = self.dice.weighted(&[LOAD[0] * BUSY_DAYS, LOAD[1] * quiet]) == 0;
        let day = if busy {
            self.dice.between(0, BUSY_DAYS - 1)
        } else {
            self.dice.between(BUSY_DAYS, calendar::DAYS - 1)
        };
        let hour = self.dice.weighted(&HOURS) as i64;
        Timestamp(calendar::at(day, hour, 0).0 + self.dice.between(0, HOUR - 1))
    }

    fn cart(&mut self, start: Timestamp, who: Who) {
        self.carts += 1;
        let (cart, value) = (self.carts, self.dice.between(150, 4_500) as u32);
        let mut now = self.after(start, 20 * SECOND, 2 * MINUTE);
        self.put(now, who, What::Cart, cart, value);
        if self.dice.per_mille(250) {
            // A second thing into the same cart: whoever is inside for this cart is not let in twice.
            now = self.after(now, 20 * SECOND, 3 * MINUTE);
            self.put(now, who, What::Cart, cart, value + 200);
        }
        match self.dice.weighted(&[30, 18, 45, 7]) {
            0 => {
                now = self.after(now, MINUTE, 6 * MINUTE);
                self.put(now, who, What::Checkout, cart, value);
                let bought = self.after(now, MINUTE, 8 * MINUTE);
                self.order(bought, who, cart, value);
            }
            1 => {
                now = self.after(now, MINUTE, 12 * MINUTE);
                self.put(now, who, What::Checkout, cart, value);
                self.perhaps_later(now, who, cart, value);
            }
            2 => self.perhaps_later(now, who, cart, value),
            _ => {
                now = self.after(now, 2 * MINUTE, 20 * MINUTE);
                self.put(now, who, What::Emptied, cart, value);
            }
        }
    }

    /// Some of those who left come back by themselves and buy.
    fn perhaps_later(&mut self, now: Timestamp, who: Who, cart: u32, value: u32) {
        if self.dice.per_mille(180) {
            let bought = self.after(now, HOUR, 20 * HOUR);
            self.order(bought, who, cart, value);
        }
    }

    fn order(&mut self, bought: Timestamp, who: Who, cart: u32, value: u32) {
        self.put(bought, who, What::Order, cart, value);
        let shipped = self.after(bought, 12 * HOUR, 4 * DAY);
        self.put(shipped, who, What::Shipped, cart, value);
        let delivered = self.after(shipped, DAY, 3 * DAY);
        self.put(delivered, who, What::Delivered, cart, value);
    }

    fn after(&mut self, now: Timestamp, least: i64, most: i64) -> Timestamp {
        Timestamp(now.0 + self.dice.between(least, most))
    }

    /// Plans one event, unless it lies behind the last day, and gives its time.
    fn put(&mut self, happened: Timestamp, who: Who, what: What, cart: u32, value: u32) -> Timestamp {
        let many = who != Who::Told;
        let late = many && what == What::Cart && self.dice.per_mille(6);
        let slot = happened.0 / GATEWAY_MS * GATEWAY_MS + GATEWAY_MS;
        let appended = Timestamp(if late { slot + 90 * MINUTE } else { slot });
        if appended.0 + GATEWAY_MS >= calendar::END.0 {
            return happened;
        }
        let event = Planned { happened, appended, message: self.events.len() as u32, who, what, cart, value };
        self.events.push(event);
        if many && self.dice.per_mille(2) {
            self.events.push(Planned { appended: Timestamp(appended.0 + GATEWAY_MS), ..event });
        }
        happened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_events_as_asked_for_in_the_gateways_order() {
        for events in [1, 19, 20_000] {
            let plan = plan(3, events, &[(calendar::at(2, 11, 0), What::Cart)]);
            assert_eq!(plan.len() as u64, events + 1);
            assert!(plan.is_sorted_by_key(|e| e.appended));
            assert!(plan.iter().all(|e| e.happened < e.appended && e.appended < calendar::END));
        }
    }
}
