//! Who else does the job of the race, and what each may cost at most, so that nobody wins against a handicapped peer.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::report::Spread;

/// Another program that does the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// What Kafka itself allows: reads, parses, writes as many records of the same size, decides nothing.
    Bare,
    /// The obvious asynchronous program.
    Naive,
    /// Kafka Streams with its default store.
    StreamsRocksdb,
    /// Kafka Streams with stores in memory.
    StreamsMemory,
    /// Kafka Streams with timers on the heap and a parser by hand.
    StreamsLean,
}

/// How the bare loop that writes one record an event is called among the figures: what others may cost is scaled by it.
pub const YARDSTICK: &str = "yardstick";

/// Its own CPU an event where the peers' figures were taken, in nanoseconds.
const YARDSTICK_NS: f64 = 2_400.0;

/// By how much a peer may exceed its figure.
const TOLERANCE: f64 = 1.15;

impl Peer {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 5] =
        [Self::Bare, Self::Naive, Self::StreamsRocksdb, Self::StreamsMemory, Self::StreamsLean];

    /// Its name, in arguments and in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Naive => "naive",
            Self::StreamsRocksdb => "streams-rocksdb",
            Self::StreamsMemory => "streams-memory",
            Self::StreamsLean => "streams-lean",
        }
    }

    /// Which form of the program on Kafka Streams it is, if it is one.
    #[must_use]
    pub const fn form(self) -> Option<&'static str> {
        match self {
            Self::Bare | Self::Naive => None,
            Self::StreamsRocksdb => Some("rocksdb"),
            Self::StreamsMemory => Some("memory"),
            Self::StreamsLean => Some("lean"),
        }
    }

    /// What it cost where it was measured with care, in nanoseconds of its own CPU an event, beside a bare loop of
    /// [`YARDSTICK_NS`]: the upper end of what was seen, and with mimalloc where it has that. The bare loop has none,
    /// since it is the measure.
    const fn figure_ns(self) -> Option<f64> {
        match self {
            Self::Bare => None,
            Self::Naive => Some(30_000.0),
            Self::StreamsRocksdb => Some(34_000.0),
            Self::StreamsMemory => Some(19_000.0),
            Self::StreamsLean => Some(10_600.0),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|peer| peer.name() == text);
        found.ok_or_else(|| {
            let allowed = Self::ALL.map(Self::name).join(", ");
            format!("there is no peer {text:?}; allowed are {allowed}")
        })
    }
}

/// Why the race is void, a sentence a peer: who costs more here than it must is handicapped.
///
/// The figures are scaled by the [`YARDSTICK`], which is the machine's.
#[must_use]
pub fn handicapped(cpu_ns: &BTreeMap<String, Spread>) -> Vec<String> {
    let Some(yardstick) = cpu_ns.get(YARDSTICK) else { return Vec::new() };
    let scale = yardstick.median / YARDSTICK_NS;
    let judge = |peer: Peer| {
        let (figure, cpu) = (peer.figure_ns()?, cpu_ns.get(peer.name())?.median);
        let most = figure * scale * TOLERANCE;
        (cpu > most).then(|| {
            format!(
                "the race is void: {peer} took {cpu:.0} ns of CPU an event, and may take {most:.0} ns here \
                 ({figure:.0} ns where the bare loop took {YARDSTICK_NS:.0} ns; here it takes {:.0} ns; \
                 and 15 % more)",
                yardstick.median
            )
        })
    };
    Peer::ALL.into_iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_found_by_its_name_and_another_is_refused_with_the_list() {
        for peer in Peer::ALL {
            assert_eq!(peer.name().parse(), Ok(peer));
        }
        let refused = "flink".parse::<Peer>().expect_err("there is no such peer");
        assert_eq!(
            refused,
            "there is no peer \"flink\"; allowed are bare, naive, streams-rocksdb, streams-memory, streams-lean"
        );
    }

    fn figures(all: &[(&str, f64)]) -> BTreeMap<String, Spread> {
        all.iter().map(|(name, ns)| ((*name).to_owned(), Spread::of(vec![*ns]))).collect()
    }

    #[test]
    fn a_peer_may_cost_fifteen_percent_more_than_its_figure_as_the_machine_is() {
        // Name, its CPU an event, the yardstick's, whether the race is void.
        let table = [
            ("streams-lean", 12_189.0, 2_400.0, false),
            ("streams-lean", 12_191.0, 2_400.0, true),
            ("streams-lean", 12_191.0, 2_401.0, false),
            ("streams-memory", 21_900.0, 2_400.0, true),
            ("streams-rocksdb", 19_500.0, 1_200.0, false),
            ("streams-rocksdb", 19_600.0, 1_200.0, true),
            ("naive", 34_600.0, 2_400.0, true),
            ("bare", 1e9, 2_400.0, false),
        ];
        for (name, cpu, yardstick, void) in table {
            let said = handicapped(&figures(&[(name, cpu), (YARDSTICK, yardstick)]));
            assert_eq!(!said.is_empty(), void, "{name} {cpu} {yardstick}: {said:?}");
            assert!(said.iter().all(|said| said.contains(name) && said.starts_with("the race is void")));
        }
    }

    #[test]
    fn without_a_yardstick_nobody_is_judged() {
        assert_eq!(handicapped(&figures(&[("naive", 1e9)])), Vec::<String>::new());
    }
}
