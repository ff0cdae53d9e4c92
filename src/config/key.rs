//! One list makes three things: the types of the settings, their defaults, and the table that files,
//! variables and dumps go by. So a setting cannot exist in one of them only.

use std::ops::RangeInclusive;

use super::Settings;
use super::value::{Given, Setting};

/// One key of one section.
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// Its documentation, line by line, each with a space in front.
    pub(super) doc: &'static [&'static str],
    /// Checks what was given, and puts it in its place; else the sentence that says what is wrong.
    pub(super) set: fn(&mut Settings, &Given<'_>) -> Result<(), String>,
    /// The value, as TOML, without what must not be seen.
    pub(super) show: fn(&Settings) -> String,
    /// Whether the value has something that is not shown.
    pub(super) hides: fn(&Settings) -> bool,
    /// The least and the most, where there are any, as they are written.
    pub(super) range: fn() -> Option<(String, String)>,
}

impl Key {
    /// `section.name`
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// A section's name and its documentation, line by line.
pub(super) type Section = (&'static str, &'static [&'static str]);

/// The value, if it is in its range.
pub(super) fn within<T: Setting + PartialOrd>(value: T, range: &RangeInclusive<T>) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(beside(&format!("{} is out of range", value.plain()), range))
}

/// What was given is not even of the type: the sentence, and what would have been allowed.
pub(super) fn beside<T: Setting>(sentence: &str, range: &RangeInclusive<T>) -> String {
    let (least, most) = bounds(range);
    format!("{sentence}; allowed is {least} to {most}")
}

/// The least and the most, as people write them.
pub(super) fn bounds<T: Setting>(range: &RangeInclusive<T>) -> (String, String) {
    (range.start().plain(), range.end().plain())
}

/// `section: Type { key: Type = default, least..=most; … }`, with the documentation of each.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])*
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])* $key:ident: $type:ty = $default:expr $(, $range:expr)?; )*
        }
    )*) => {
        /// Every setting of `wayfarer run`, checked: within its range, and in accord with the others.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Settings {
            $( $(#[doc = $about])* pub $section: $Section, )*
        }
        $(
            $(#[doc = $about])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section {
                $( $(#[doc = $doc])* pub $key: $type, )*
            }
            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )* }
                }
            }
        )*
        static SECTIONS: &[key::Section] = &[$( (stringify!($section), &[$($about),*]), )*];
        static KEYS: &[key::Key] = &[$($( key::Key {
            section: stringify!($section),
            name: stringify!($key),
            doc: &[$($doc),*],
            set: |settings, given| {
                let value = <$type as value::Setting>::read(given);
                $( let value = value.map_err(|sentence| key::beside(&sentence, &($range))); )?
                let value = value?;
                $( let value = key::within(value, &($range))?; )?
                settings.$section.$key = value;
                Ok(())
            },
            show: |settings| value::Setting::toml(&settings.$section.$key),
            hides: |settings| value::Setting::hides(&settings.$section.$key),
            range: || {
                let range: Option<(String, String)> = None;
                $( let range = range.or_else(|| Some(key::bounds::<$type>(&($range)))); )?
                range
            },
        }, )*)*];
    };
}
pub(super) use settings;
