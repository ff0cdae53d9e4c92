//! One visit: looks around, perhaps fills a cart, perhaps buys it.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use super::event::Deed;
use super::settings::Shoppers;

/// The most products that are looked at before a cart is filled, or the visitor leaves.
const VIEWS_MAX: u8 = 5;
/// The most changes of a cart in a session.
const CHANGES_MAX: u8 = 3;

/// A visit that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who has come.
    pub user: u64,
    /// The number of the cart, if there will be one.
    pub cart: u32,
    views: u8,
    changes: u8,
    buys: bool,
}

impl Session {
    /// What that user will do this time. There is at least one view or change of a cart.
    #[must_use]
    pub fn open(user: u64, settings: &Shoppers, chance: &mut Xoshiro256PlusPlus) -> Self {
        let adds = chance.random_bool(settings.adds);
        let buys = adds && chance.random_bool(settings.buys);
        Self {
            user,
            cart: chance.random(),
            views: chance.random_range(1..=VIEWS_MAX),
            changes: if adds { chance.random_range(1..=CHANGES_MAX) } else { 0 },
            buys,
        }
    }

    /// The next step, and whether another one comes after it.
    pub fn step(&mut self) -> (Deed, bool) {
        let deed = if self.views > 0 {
            self.views -= 1;
            Deed::View
        } else if self.changes > 0 {
            self.changes -= 1;
            Deed::Cart
        } else {
            self.buys = false;
            Deed::Order
        };
        (deed, self.views > 0 || self.changes > 0 || self.buys)
    }
}
