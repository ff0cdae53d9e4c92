//! A shop's customers: who does what next. The same seed gives the same events, whatever the machine.
//!
//! An event is a Segment `track` of some 440 bytes, as a shop's web site sends it. A customer fills a cart, changes it,
//! and orders now and then; then the next cart begins.

use std::io::Write;

use clap::Args;

/// What the customers are like.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Shape {
    /// How many customers there are.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub users: u64,
    /// What of all events are orders, in percent; the others change a cart.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub orders: u8,
    /// Of what the customers come: the same number, the same events.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What a customer has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Has changed the cart.
    Cart,
    /// Has ordered.
    Order,
}

/// The events of a shop, one after the other.
#[derive(Clone, Debug)]
pub struct Traffic {
    shape: Shape,
    chance: fastrand::Rng,
    number: u64,
    /// Who has a cart that waits: a bit a customer.
    carts: Vec<u64>,
}

impl Traffic {
    /// The shop before its first event.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let words = usize::try_from(shape.users.div_ceil(64)).expect("a bit a customer fits into memory");
        Self {
            chance: fastrand::Rng::with_seed(shape.seed),
            number: 0,
            carts: vec![0; words],
            shape: shape.clone(),
        }
    }

    /// Who does what next.
    pub fn step(&mut self) -> (u64, Deed) {
        let user = self.chance.u64(..self.shape.users);
        let deed = if self.chance.u8(..100) < self.shape.orders { Deed::Order } else { Deed::Cart };
        let (word, bit) = ((user / 64) as usize, 1 << (user % 64));
        match deed {
            Deed::Cart => self.carts[word] |= bit,
            Deed::Order => self.carts[word] &= !bit,
        }
        self.number += 1;
        (user, deed)
    }

    /// How many customers have a cart now and have not ordered.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.carts.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many customers there are.
    #[must_use]
    pub const fn users(&self) -> u64 {
        self.shape.users
    }

    /// Whether that customer has a cart now and has not ordered.
    ///
    /// # Panics
    /// There is no such customer.
    #[must_use]
    pub fn has_cart(&self, user: u64) -> bool {
        assert!(user < self.shape.users, "customers are counted from 0");
        self.carts[(user / 64) as usize] & (1 << (user % 64)) != 0
    }

    /// Writes the event that was next last, which happened `at` (milliseconds since 1970).
    pub fn write(&self, (user, deed): (u64, Deed), at: i64, into: &mut Vec<u8>) {
        let (name, number) = (name_of(deed), self.number);
        let (cart, cents) = (number % 100_000, user % 90_000 + 1_000);
        let (euros, rest) = (cents / 100, cents % 100);
        let time = wayfarer::model::Timestamp(at);
        into.extend_from_slice(br#"{"type":"track","messageId":"ajs-next-"#);
        let written = write!(
            into,
            r#"{number:013}-{:08x}","userId":"{}","event":"{name}","timestamp":"{time}","properties":{{"#,
            self.shape.seed as u32,
            user_id(user),
        );
        written.expect("a vector takes everything");
        let written = write!(
            into,
            r#""cart_id":"c-{cart:010}","value":{euros}.{rest:02},"currency":"EUR","quantity":3,"products":[{{"#,
        );
        written.expect("a vector takes everything");
        into.extend_from_slice(
            br#""sku":"SKU-10442","price":43.3,"quantity":3}],"coupon":null,"first":false},"#,
        );
        into.extend_from_slice(
            br#""context":{"ip":"203.0.113.42","locale":"de-DE","timezone":"Europe/Berlin","#,
        );
        into.extend_from_slice(br#""page":{"path":"/cart"}}}"#);
    }
}

/// The event's name.
#[must_use]
pub const fn name_of(deed: Deed) -> &'static str {
    match deed {
        Deed::Cart => "Cart Updated",
        Deed::Order => "Order Completed",
    }
}

/// A customer's id, 36 characters as those of most shops.
#[must_use]
pub fn user_id(user: u64) -> String {
    let spread = user.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-8b86-4011-b42d-{user:012x}", spread >> 32)
}

#[cfg(test)]
mod tests {
    use wayfarer::ingest::decode;

    use super::*;

    fn shape() -> Shape {
        Shape { users: 1_000, orders: 20, seed: 7 }
    }

    #[test]
    fn an_event_is_what_the_decoder_takes_and_of_the_usual_size() {
        let mut shop = Traffic::new(&shape());
        for _ in 0..100 {
            let (next, mut bytes) = (shop.step(), Vec::new());
            shop.write(next, 1_772_357_400_250, &mut bytes);
            let event = decode::decode(&bytes).expect("it is an event");
            assert_eq!((&*event.user, &*event.name), (user_id(next.0).as_str(), name_of(next.1)));
            assert!((430..460).contains(&bytes.len()), "{} bytes", bytes.len());
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_events_and_another_gives_others() {
        let deeds = |seed| {
            let mut shop = Traffic::new(&Shape { seed, ..shape() });
            (0..50).map(|_| shop.step()).collect::<Vec<_>>()
        };
        assert_eq!(deeds(1), deeds(1));
        assert_ne!(deeds(1), deeds(2));
    }

    #[test]
    fn whoever_ordered_last_has_no_cart() {
        let mut shop = Traffic::new(&shape());
        let mut last = std::collections::BTreeMap::new();
        for _ in 0..5_000 {
            let (user, deed) = shop.step();
            last.insert(user, deed);
        }
        assert!(last.iter().all(|(&user, &deed)| shop.has_cart(user) == (deed == Deed::Cart)));
        assert_eq!(shop.waiting(), last.values().filter(|deed| **deed == Deed::Cart).count() as u64);
    }
}
