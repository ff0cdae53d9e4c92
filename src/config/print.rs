//! Settings, as TOML: the effective ones with their origins, and the commented file with every default.

use super::key::Key;
use super::load::Loaded;
use super::{KEYS, SECTIONS, Settings};

impl Loaded {
    /// Every setting and, behind it, where its value comes from. The text is TOML and gives the same settings
    /// again, but for passwords: of those it says only that they are set.
    #[must_use]
    pub fn dump(&self) -> String {
        let lines: Vec<String> =
            KEYS.iter().map(|key| format!("{} = {}", key.name, (key.show)(&self.settings))).collect();
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        for (section, _) in SECTIONS {
            out.push_str(&format!("[{section}]\n"));
            for ((key, line), origin) in KEYS.iter().zip(&lines).zip(&self.origins) {
                if key.section == *section {
                    let hidden = if (key.hides)(&self.settings) { ", set and not shown" } else { "" };
                    out.push_str(&format!("{line:widest$}  # {origin}{hidden}\n"));
                }
            }
            out.push('\n');
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }
}

const HEAD: &str = "\
# The settings of `wayfarer run`, each with its default: a file needs only what it changes.
#
# A variable WAYFARER_SECTION__KEY overrides a key: WAYFARER_ENGINE__SHARDS=16. `wayfarer config dump` says
# what is in force, and where each value comes from. A key that is not here is refused.
# Lengths of time have a unit (ms, s, m, h, d, w), and so have sizes (B, KiB, MiB, GiB).
#
# This file is written by `wayfarer config template`.
";

/// The file with every key, its default, its unit and its reason.
#[must_use]
pub fn template() -> String {
    let defaults = Settings::default();
    let mut out = HEAD.to_owned();
    for (section, about) in SECTIONS {
        out.push('\n');
        comment(&mut out, about);
        out.push_str(&format!("[{section}]\n"));
        for key in KEYS.iter().filter(|key| key.section == *section) {
            explain(&mut out, key, &defaults);
        }
    }
    out
}

fn explain(out: &mut String, key: &Key, defaults: &Settings) {
    comment(out, key.doc);
    if let Some((least, most)) = (key.range)() {
        out.push_str(&format!("# From {least} to {most}.\n"));
    }
    out.push_str(&format!("{} = {}\n", key.name, (key.show)(defaults)));
}

fn comment(out: &mut String, lines: &[&str]) {
    for line in lines {
        out.push_str(&format!("#{line}\n"));
    }
}
