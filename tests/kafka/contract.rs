//! The journal on a real Kafka keeps what every journal promises.

use wayfarer::journal::contract::{self, Bench, SHARDS};
use wayfarer::journal::kafka::{Kafka, KafkaOptions, KafkaWorker};
use wayfarer::journal::{Assignment, Log, Shard};

use crate::world;

struct OnKafka {
    options: Option<KafkaOptions>,
}

impl Bench for OnKafka {
    type Log = Kafka;

    fn create(&mut self) -> Kafka {
        let options = world::fresh("contract", SHARDS);
        self.options = Some(options.clone());
        Kafka::open(options).expect("the journal opens")
    }

    fn worker(&mut self, log: &Kafka, _shards: &[Shard]) -> KafkaWorker {
        log.worker(Assignment::Shared(0)).expect("the group is joined")
    }

    fn crash(&mut self, log: Kafka) -> Kafka {
        drop(log);
        let options = self.options.clone().expect("it was created");
        Kafka::open(options).expect("the journal opens again")
    }
}

#[test]
fn the_journal_on_kafka_keeps_every_promise() {
    contract::check(|| OnKafka { options: None });
}
