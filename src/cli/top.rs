//! `wayfarer top`: what is looked at, and how.

use clap::Args;

use super::DEFAULT_URL;

/// What `top` is given.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// An instance to look at; once for each
    #[arg(long = "instance", value_name = "URL", env = "WAYFARER_URL", default_value = DEFAULT_URL)]
    pub instances: Vec<String>,
    /// Print one frame as plain text, after a second over which the rates are taken, and end
    #[arg(long)]
    pub once: bool,
}

pub(super) const EXAMPLES: &str = "Examples:
  wayfarer top
  wayfarer top --instance http://10.0.0.1:8080 --instance http://10.0.0.2:8080
  wayfarer top --once | grep cart-rescue

It asks each instance every second. Latencies are those of the last minute over all instances; with
--once, of all time since they started. q, Escape and Ctrl-C end it; ↑ ↓ PgUp PgDn move in a long frame.
Ends with 5 if --once reached no instance at all.";
