//! Colours, or none. A terminal only, and never if `NO_COLOR` is set: the text says everything without them.

use std::io::IsTerminal as _;

/// Who reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Whether colours are welcome.
    pub colour: bool,
    /// Whether somebody watches, so that the telling keeps to a pace that can be read.
    pub watched: bool,
}

impl Screen {
    /// That of the standard output.
    #[must_use]
    pub fn of_stdout() -> Self {
        let watched = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: watched && !plain, watched }
    }
}

/// A colour, as the number of the terminal's attribute.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ink {
    Title = 1,
    Quiet = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// The text in that colour. Pad before painting: the codes count as characters.
pub(super) fn paint(screen: Screen, ink: Ink, text: &str) -> String {
    if screen.colour && !text.trim().is_empty() {
        format!("\x1b[{}m{text}\x1b[0m", ink as u8)
    } else {
        text.to_owned()
    }
}
