//! What a peer that does the job is told: the same arguments for all of them.

use clap::Args;

/// Where from, where to, as whom.
#[derive(Args, Clone, Debug)]
pub struct Job {
    /// The brokers, "host:port"
    #[arg(long)]
    pub brokers: String,
    /// The topic of events
    #[arg(long)]
    pub events: String,
    /// Where carts are written, by user; Kafka Streams has a topic of its own for that
    #[arg(long)]
    pub state: String,
    /// Where reminders are sent
    #[arg(long)]
    pub sends: String,
    /// The group, and what it names after itself
    #[arg(long)]
    pub group: String,
    /// How many threads
    #[arg(long)]
    pub threads: u16,
    /// For how long a cart waits before its user is reminded, in milliseconds
    #[arg(long, default_value_t = PATIENCE_MS)]
    pub patience_ms: u32,
}

/// That of `loadtest/journeys/cart-abandonment.toml`: a day.
pub const PATIENCE_MS: u32 = 86_400_000;

impl Job {
    /// As arguments of a program.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let (threads, patience) = (self.threads.to_string(), self.patience_ms.to_string());
        let pairs = [
            ("--brokers", &self.brokers),
            ("--events", &self.events),
            ("--state", &self.state),
            ("--sends", &self.sends),
            ("--group", &self.group),
            ("--threads", &threads),
            ("--patience-ms", &patience),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value.clone()]).collect()
    }
}
