//! What a shopper does, as the bytes of a Segment message: they go through the same decoder as everybody's.

use std::fmt::Write as _;

use super::shoppers::{Planned, What, Who};
use crate::model::hash::user_hash;

/// The one whose story is told.
pub(super) const TOLD: &str = "u17";

const NAMES: [&str; 12] =
    ["Asha", "Binh", "Chloe", "Dao", "Esha", "Farid", "Giang", "Hana", "Ishan", "Jaya", "Kiran", "Linh"];

/// The user's id, written into `id`.
pub(super) fn user(who: Who, id: &mut String) {
    id.clear();
    match who {
        Who::Shopper(number) => write!(id, "shopper-{number:05}"),
        Who::Told => write!(id, "{TOLD}"),
    }
    .expect("a String takes everything");
}

/// Appends the message to `out`.
pub(super) fn write(event: &Planned, user: &str, out: &mut Vec<u8>) {
    let mut text = String::with_capacity(512);
    compose(event, user, &mut text).expect("a String takes everything");
    out.extend_from_slice(text.as_bytes());
    if event.what == What::Broken {
        // Cut off in the middle, as by a connection that broke.
        out.truncate(out.len() - text.len() / 2);
    }
}

fn compose(event: &Planned, user: &str, out: &mut String) -> std::fmt::Result {
    let kind = match event.what {
        What::Identify => "identify",
        What::Page | What::Broken => "page",
        _ => "track",
    };
    write!(
        out,
        r#"{{"type":"{kind}","messageId":"m-{:08}","userId":"{user}","timestamp":"{}","#,
        event.message, event.happened
    )?;
    let (cart, value) = (event.cart, event.value);
    let order = |out: &mut String, name: &str| {
        write!(out, r#""event":"{name}","properties":{{"order_id":"o-{cart}","cart_id":"c-{cart}","#)?;
        let carrier = if cart.is_multiple_of(4) { "express" } else { "standard" };
        write!(out, r#""value":{value},"currency":"INR","carrier":"{carrier}"}}"#)
    };
    let about_cart = |out: &mut String, name: &str| {
        write!(
            out,
            r#""event":"{name}","properties":{{"cart_id":"c-{cart}","value":{value},"currency":"INR"}}"#
        )
    };
    match event.what {
        What::Identify => traits(user, out)?,
        What::Page | What::Broken => {
            write!(
                out,
                r#""name":"Product","properties":{{"path":"/p/{}","referrer":""}}"#,
                event.message % 997
            )?;
        }
        What::Cart => about_cart(out, "Cart Updated")?,
        What::Checkout => about_cart(out, "Checkout Started")?,
        What::Emptied => about_cart(out, "Cart Emptied")?,
        What::Order => order(out, "Order Completed")?,
        What::Shipped => order(out, "Order Shipped")?,
        What::Delivered => order(out, "Order Delivered")?,
        What::SignedUp => write!(out, r#""event":"Signed Up","properties":{{"source":"web"}}"#)?,
        What::Cancelled => {
            write!(out, r#""event":"Subscription Cancelled","properties":{{"plan":"plus"}}"#)?;
        }
    }
    write!(out, r#","context":{{"library":{{"name":"shop.js","version":"4.1.0"}},"ip":"203.0.113.7"}}}}"#)
}

fn traits(user: &str, out: &mut String) -> std::fmt::Result {
    let hash = user_hash(user);
    let name = NAMES[(hash % NAMES.len() as u64) as usize];
    let plan = ["free", "free", "pro", "team"][(hash >> 8) as usize % 4];
    let tier = if (hash >> 16).is_multiple_of(10) { "gold" } else { "basic" };
    let consent = !(hash >> 24).is_multiple_of(3);
    write!(out, r#""traits":{{"first_name":"{name}","email":"{user}@example.com","#)?;
    write!(out, r#""email_consent":{consent},"plan":"{plan}","tier":"{tier}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::calendar;
    use crate::ingest::decode;

    #[test]
    fn every_message_decodes_but_the_broken_one() {
        use What::{
            Broken, Cancelled, Cart, Checkout, Delivered, Emptied, Identify, Order, Page, Shipped, SignedUp,
        };
        for what in
            [Identify, Page, Cart, Checkout, Order, Emptied, Shipped, Delivered, SignedUp, Cancelled, Broken]
        {
            let at = calendar::at(1, 2, 3);
            let who = Who::Shopper(7);
            let event = Planned { happened: at, appended: at, message: 1, who, what, cart: 4, value: 200 };
            let mut bytes = Vec::new();
            write(&event, "shopper-00007", &mut bytes);
            let decoded = decode(&bytes);
            assert_eq!(decoded.is_err(), what == Broken, "{what:?}: {decoded:?}");
            if let Ok(decoded) = decoded {
                assert_eq!((decoded.user.as_ref(), decoded.timestamp), ("shopper-00007", Some(at)));
            }
        }
    }
}
