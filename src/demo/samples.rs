//! The journeys that the demo runs: those of `config/journeys`, as they stand there.

use super::driver::Fault;
use crate::journey::definition::Definition;
use crate::journey::source;

/// The journey that is shown under both dialects, CleverTap's first.
pub(super) const TWINS: [&str; 2] = ["cart-rescue", "cart-rescue-antsomi"];

/// The journey that takes its users from a list.
pub(super) const BIRTHDAY: &str = "birthday-offers";

/// The others, which run beside them, with the verb that puts each live.
pub(super) const OTHERS: [&str; 3] = ["welcome-series", "order-status", "win-back"];

const FILES: [(&str, &str); 5] = [
    ("cart-rescue.toml", include_str!("../../config/journeys/cart-rescue.toml")),
    ("birthday-offers.toml", include_str!("../../config/journeys/birthday-offers.toml")),
    ("welcome-series.toml", include_str!("../../config/journeys/welcome-series.toml")),
    ("order-status.toml", include_str!("../../config/journeys/order-status.toml")),
    ("win-back.toml", include_str!("../../config/journeys/win-back.toml")),
];

/// All journeys of the demo.
///
/// The second of the twins is the first one's definition with another id and dialect, and nothing else.
pub(super) fn definitions() -> Result<Vec<Definition>, Fault> {
    let mut all = Vec::with_capacity(FILES.len() + 1);
    for (name, text) in FILES {
        let definition = source::load(name, text.as_bytes())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        if definition.id == TWINS[0] {
            let twin =
                Definition { id: TWINS[1].to_owned(), dialect: "antsomi".to_owned(), ..definition.clone() };
            all.push(definition);
            all.push(twin);
        } else {
            all.push(definition);
        }
    }
    Ok(all)
}

/// The definition with the reminder's text mended.
pub(super) fn mended(definition: &Definition) -> Definition {
    let mut definition = definition.clone();
    if let Some(reminder) = definition.content.get_mut("reminder") {
        reminder
            .insert("body".to_owned(), "{{first_name}}, your cart is still here: {{value}} in all.".into());
    }
    definition
}
