//! A shop's visitors for load tests: who does what next, in sessions, with the disorder of real trackers.
//!
//! Whatever the number of users, memory is what the open sessions take: nothing is kept of a user. The same seed and
//! settings give the same events, to the byte, whatever the machine.
//!
//! - [`settings`]: what the visitors are like. [`session`]: what one visit is. [`event`]: as Segment's JSON.

pub mod event;
pub mod session;
pub mod settings;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};

pub use self::event::Event;
use self::session::Session;
pub use self::settings::{Activity, Shoppers};

/// The events of a shop, one after the other, endlessly.
pub struct Shop {
    settings: Shoppers,
    chance: Xoshiro256PlusPlus,
    zipf: Option<Zipf<f64>>,
    sessions: Vec<Option<Session>>,
    /// How many events there were.
    number: u64,
    /// Events that come (once more) when that many have: what overtook them is out of order, or they are repeats.
    held_back: BinaryHeap<Reverse<(u64, Event)>>,
}

impl Shop {
    /// The shop before its first event.
    ///
    /// # Panics
    /// The settings were not checked ([`Shoppers::problem`]).
    #[must_use]
    pub fn new(settings: &Shoppers) -> Self {
        let zipf = match settings.activity {
            Activity::Uniform => None,
            Activity::Zipf => {
                Some(Zipf::new(settings.users as f64, settings.zipf_exponent).expect("settings were checked"))
            }
        };
        Self {
            chance: Xoshiro256PlusPlus::seed_from_u64(settings.seed),
            zipf,
            sessions: vec![None; settings.open_sessions()],
            number: 0,
            held_back: BinaryHeap::new(),
            settings: settings.clone(),
        }
    }

    /// The event that is scheduled at `now`, in microseconds since 1970.
    pub fn next(&mut self, now: i64) -> Event {
        self.number += 1;
        if self.held_back.peek().is_some_and(|Reverse((at, _))| *at <= self.number) {
            let Reverse((_, mut event)) = self.held_back.pop().expect("there is one");
            if !event.is_repeat {
                event.scheduled = now;
            }
            return event;
        }
        let mut event = self.fresh(now);
        let span = self.settings.disorder_span;
        if self.chance.random_bool(self.settings.out_of_order) {
            let (overtaken, until) = (event, self.number + self.chance.random_range(1..=span));
            self.held_back.push(Reverse((until, overtaken)));
            event = self.fresh(now);
        }
        if self.chance.random_bool(self.settings.duplicates) {
            let until = self.number + self.chance.random_range(1..=span);
            self.held_back.push(Reverse((until, Event { is_repeat: true, ..event })));
        }
        event
    }

    /// What one of the visitors does next: another step of an open session, or the first one of a new one.
    fn fresh(&mut self, now: i64) -> Event {
        let chance = &mut self.chance;
        let late = chance.random_bool(self.settings.late);
        let happened = now - if late { self.settings.late_by.0 as i64 * 1_000 } else { 0 };
        let serial = chance.random();
        let place = chance.random_range(0..self.sessions.len() as u64) as usize;
        let is_hot = chance.random_bool(self.settings.hot);
        // The hot user has a session of its own, the first place.
        let place = if is_hot {
            0
        } else {
            place.max(usize::from(self.settings.hot > 0.0 && self.sessions.len() > 1))
        };
        let mut session = match self.sessions[place].take() {
            Some(session) => session,
            None => {
                let user = if is_hot { 0 } else { self.visitor() };
                Session::open(user, &self.settings, &mut self.chance)
            }
        };
        let (user, cart) = (session.user, session.cart);
        let (deed, goes_on) = session.step();
        self.sessions[place] = goes_on.then_some(session);
        Event { happened, scheduled: now, user, cart, serial, deed, is_repeat: false }
    }

    /// Who comes in.
    fn visitor(&mut self) -> u64 {
        let users = self.settings.users;
        match &self.zipf {
            // Ranks are counted from 1, and may be one too many where a float is coarser than a user.
            Some(zipf) => (zipf.sample(&mut self.chance) as u64).clamp(1, users) - 1,
            None => self.chance.random_range(0..users),
        }
    }
}

#[cfg(test)]
mod tests;
