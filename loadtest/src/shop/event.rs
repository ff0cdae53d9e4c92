//! One event as a tracker sends it: Segment's JSON, some 450 bytes.

use std::io::Write;

use wayfarer::model::Timestamp;

use crate::traffic::user_id;

/// What a visitor has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Has looked at a product.
    View,
    /// Has changed the cart.
    Cart,
    /// Has bought what is in it.
    Order,
    /// Has become a customer: how a system is filled before a load, and no part of a session.
    SignUp,
}

impl Deed {
    /// The event's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "Product Viewed",
            Self::Cart => "Cart Updated",
            Self::Order => "Order Completed",
            Self::SignUp => "Signed Up",
        }
    }
}

/// One event. Its order means nothing, except that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// When it happened, in microseconds since 1970: its `timestamp`, in milliseconds.
    pub happened: i64,
    /// When it was to be sent, in microseconds since 1970: its property `scheduled`, from which latency runs.
    pub scheduled: i64,
    /// Whose it is.
    pub user: u64,
    /// The cart that it is about.
    pub cart: u32,
    /// What makes its `messageId` unique.
    pub serial: u64,
    /// What happened.
    pub deed: Deed,
    /// Whether it comes for the second time, with the bytes of the first.
    pub is_repeat: bool,
}

impl Event {
    /// The user's id, which is the key of its record.
    #[must_use]
    pub fn user_id(&self) -> String {
        user_id(self.user)
    }

    /// Appends it as one line of JSON, without the line's end.
    pub fn write(&self, into: &mut Vec<u8>) {
        let Self { scheduled, user, cart, serial, deed, .. } = *self;
        let (time, name, id) = (Timestamp(self.happened.div_euclid(1_000)), deed.name(), self.user_id());
        let cents = serial % 90_000 + 1_000;
        let (euros, rest, sku) = (cents / 100, cents % 100, user % 100_000);
        let written = write!(
            into,
            "{{\"type\":\"track\",\"messageId\":\"ajs-next-{serial:016x}-{cart:08x}\",\"userId\":\"{id}\",\
             \"event\":\"{name}\",\"timestamp\":\"{time}\",\"properties\":{{\"scheduled\":{scheduled},\
             \"cart_id\":\"c-{cart:010}\",\"value\":{euros}.{rest:02},\"currency\":\"EUR\",\
             \"products\":[{{\"sku\":\"SKU-{sku:05}\",\"price\":43.3,\"quantity\":3}}],\"first\":false}},\
             \"context\":{{\"ip\":\"203.0.113.42\",\"locale\":\"de-DE\",\"timezone\":\"Europe/Berlin\",\
             \"page\":{{\"path\":\"/cart\"}}}}}}",
        );
        written.expect("a vector takes everything");
    }
}
