//! A shard that is read from a checkpoint and what came after is the shard that the changelog tells; and a
//! checkpoint in doubt is not used.
//!
//! Under kill -9 the same is judged by [`crate::instances`].

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use tempfile::TempDir;
use wayfarer::journal::kafka::{CheckpointOptions, Kafka, KafkaOptions, KafkaWorker, TopicNames};
use wayfarer::journal::{Assignment, Batch, Journal, Log, Shard, Stored, Transaction};
use wayfarer::model::Timestamp;

use crate::scene::{PATIENCE, SOON, until};
use crate::world;

const SHARDS: u16 = 2;
/// Checkpoints of a life that makes none.
const NEVER: Duration = Duration::from_hours(24);
const OFTEN: Duration = Duration::from_millis(100);
/// So many keys that a checkpoint of them has several blocks.
const MANY: u32 = 20_000;

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A deployment, the directories of its instances, and what its shards must be.
struct Deployment {
    options: KafkaOptions,
    root: TempDir,
    state: [State; SHARDS as usize],
    seq: [u64; SHARDS as usize],
}

/// One life of an instance.
struct Life {
    worker: KafkaWorker,
    // Dropped after its worker.
    _log: Kafka,
}

impl Deployment {
    fn new() -> Self {
        let options = world::fresh("checkpoints", SHARDS);
        let root = tempfile::tempdir().expect("a directory");
        Self { options, root, state: Default::default(), seq: [0; SHARDS as usize] }
    }

    fn directory(&self, instance: &str) -> PathBuf {
        self.root.path().join(instance)
    }

    fn file(&self, instance: &str, shard: Shard) -> PathBuf {
        self.directory(instance).join(format!("{shard}.checkpoint"))
    }

    /// An instance that owns all shards; with what each of them is stored as.
    fn live(&self, instance: &str, every: Duration) -> Life {
        let directory = self.directory(instance);
        let checkpoints = Some(CheckpointOptions { directory, every });
        let options = KafkaOptions { instance: instance.to_owned(), checkpoints, ..self.options.clone() };
        let log = Kafka::open(options).expect("the journal opens");
        let mut worker = log.worker(Assignment::Shared(0)).expect("the group is joined");
        let mut batch = Batch::default();
        until("all shards are given", || {
            worker.poll(&mut batch, 10).expect("it polls");
            (worker.shards().len() == usize::from(SHARDS)).then_some(())
        });
        Life { worker, _log: log }
    }

    /// Changes keys of a shard: a value, or none to delete it.
    fn commit(
        &mut self,
        life: &mut Life,
        shard: Shard,
        changes: impl IntoIterator<Item = (u32, Option<u32>)>,
    ) {
        let at = usize::from(shard);
        self.seq[at] += 1;
        let mut tx = Transaction::new();
        tx.begin(Timestamp(1));
        let part = tx.shard(shard, self.seq[at]);
        part.meta = format!("commit {}", self.seq[at]).into_bytes();
        for (key, value) in changes {
            let key = format!("key {key}").into_bytes();
            match value {
                Some(value) => {
                    let value = format!("{value}, as of commit {}", self.seq[at]).into_bytes();
                    part.put(&key, &value);
                    self.state[at].insert(key, value);
                }
                None => {
                    part.delete(&key);
                    self.state[at].remove(&key);
                }
            }
        }
        life.worker.commit(&tx).expect("it is ours");
    }

    /// Waits until a checkpoint of each shard is there that was made since then: of what is new, a fifth at least.
    fn checkpoints(&self, instance: &str, since: SystemTime) {
        let made = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
        for shard in 0..SHARDS {
            until("a checkpoint is made", || {
                std::thread::sleep(SOON);
                made(&self.file(instance, shard)).filter(|at| *at > since)
            });
        }
    }

    /// Expects a shard to be what was committed, and says whether it was read from a checkpoint, and whether that
    /// could be read to its end.
    fn check(&self, life: &mut Life, shard: Shard) -> (bool, bool) {
        let stored = life.worker.stored(shard).expect("it is ours");
        let wanted = &self.state[usize::from(shard)];
        let head = stored.head().map_or((0, Vec::new()), |head| (head.seq, head.meta.clone()));
        let seq = self.seq[usize::from(shard)];
        assert_eq!(head, (seq, format!("commit {seq}").into_bytes()));
        let again = stored.again();
        let is_used = again.is_some();
        match records(stored) {
            Ok(found) => assert_eq!(&found, wanted, "shard {shard}"),
            Err(why) => {
                let stored = again.expect("the changelog itself can be read")(&why).expect("it is read");
                assert!(stored.again().is_none(), "it is the changelog now");
                assert_eq!(&records(stored).expect("it is whole"), wanted, "shard {shard}");
                return (is_used, false);
            }
        }
        (is_used, true)
    }

    /// A deployment with a checkpoint of everything and a tail behind it, and nobody at work.
    fn with_tail() -> Self {
        let mut new = Self::new();
        let mut life = new.live("one", OFTEN);
        for shard in 0..SHARDS {
            // In one commit, so that a checkpoint has all of it.
            let (put, deleted) = ((0..MANY).map(|key| (key, Some(key))), (0..100).map(|key| (key, None)));
            new.commit(&mut life, shard, put.chain(deleted));
        }
        new.checkpoints("one", SystemTime::UNIX_EPOCH);
        drop(life);
        let mut life = new.live("one", NEVER);
        for shard in 0..SHARDS {
            assert_eq!(new.check(&mut life, shard), (true, true));
            new.commit(&mut life, shard, (90..300).map(|key| (key, (key % 3 > 0).then_some(key + 1))));
        }
        new
    }

    /// Expects the next life to have what was committed, of each shard by the checkpoint or not.
    fn expect(&self, used: [(bool, bool); SHARDS as usize]) {
        let mut life = self.live("one", NEVER);
        assert_eq!([0, 1].map(|shard| self.check(&mut life, shard)), used);
    }
}

fn records(stored: impl Stored) -> Result<State, String> {
    let mut found = State::new();
    let read = stored.records(&mut |_| ControlFlow::Continue(()), &mut |key, value| {
        assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "a key comes once");
        ControlFlow::Continue(())
    });
    read.map(|_| found).map_err(|error| error.to_string())
}

const USED: (bool, bool) = (true, true);
const NOT: (bool, bool) = (false, true);
/// Begun with, and found to be damaged on the way.
const GIVEN_UP: (bool, bool) = (true, false);

#[test]
fn a_shard_is_its_checkpoint_and_what_came_after_it() {
    let deployment = Deployment::with_tail();
    deployment.expect([USED, USED]);
    // Nobody wrote anything since.
    deployment.expect([USED, USED]);
}

#[test]
fn what_is_missing_cut_or_of_another_shard_is_read_from_the_changelog() {
    let deployment = Deployment::with_tail();
    let [zero, one] = [0, 1].map(|shard| deployment.file("one", shard));
    let whole = fs::read(&zero).expect("it is there");
    fs::remove_file(&one).expect("it is there");
    deployment.expect([USED, NOT]);
    fs::copy(&zero, &one).expect("it is there");
    fs::write(&zero, &whole[..whole.len() / 2]).expect("there is room");
    deployment.expect([NOT, NOT]);
    // In the middle of the records, where it is seen only when it is read.
    let mut bent = whole.clone();
    bent[whole.len() / 2] ^= 1;
    fs::write(&zero, &bent).expect("there is room");
    deployment.expect([GIVEN_UP, NOT]);
    assert!(!zero.exists(), "what was given up is gone");
}

#[test]
fn a_checkpoint_of_another_topic_is_not_used() {
    let other = Deployment::with_tail();
    let deployment = Deployment::with_tail();
    fs::copy(other.file("one", 0), deployment.file("one", 0)).expect("it is there");
    deployment.expect([NOT, USED]);
}

#[test]
fn a_directory_from_the_past_leads_to_the_present() {
    let mut deployment = Deployment::with_tail();
    let old = [0, 1].map(|shard| fs::read(deployment.file("one", shard)).expect("it is there"));
    let mut life = deployment.live("one", OFTEN);
    let since = SystemTime::now();
    for shard in 0..SHARDS {
        deployment.commit(&mut life, shard, (200..MANY).map(|key| (key, (key % 2 > 0).then_some(key + 2))));
    }
    deployment.checkpoints("one", since);
    drop(life);
    for (shard, bytes) in (0..SHARDS).zip(old) {
        fs::write(deployment.file("one", shard), bytes).expect("there is room");
    }
    deployment.expect([USED, USED]);
}

/// Sets how long the deletions of a topic are kept.
fn keep_deletions(options: &KafkaOptions, ms: &str) {
    let TopicNames { state, .. } = &options.topics;
    let mut config = ClientConfig::new();
    let admin: AdminClient<DefaultClientContext> =
        config.set("bootstrap.servers", world::brokers()).create().expect("a client");
    let alter = AlterConfig::new(ResourceSpecifier::Topic(state))
        .set("cleanup.policy", "compact")
        .set("delete.retention.ms", ms);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let limits = AdminOptions::new().request_timeout(Some(PATIENCE));
    let answers = runtime.block_on(admin.alter_configs([&alter], &limits)).expect("the broker answers");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[test]
fn a_checkpoint_is_not_used_once_a_deletion_may_have_left_the_changelog() {
    let deployment = Deployment::with_tail();
    // As if years had passed: what the tail deletes may be deleted from the tail.
    keep_deletions(&deployment.options, "2");
    deployment.expect([NOT, NOT]);
    // Nothing was wrong with them but that.
    keep_deletions(&deployment.options, "86400000");
    deployment.expect([USED, USED]);
}

#[test]
fn instances_that_swap_shards_have_what_the_other_made_of_them() {
    let mut deployment = Deployment::new();
    for round in 0..3 {
        for instance in ["one", "two"] {
            let mut life = deployment.live(instance, OFTEN);
            let since = SystemTime::now();
            for shard in 0..SHARDS {
                if deployment.seq[usize::from(shard)] > 0 {
                    assert_eq!(deployment.check(&mut life, shard), if round > 0 { USED } else { NOT });
                }
                let of = |key: u32| (key, (key % 5 != round).then_some(key + round));
                deployment.commit(&mut life, shard, (round..MANY / 10).map(of));
            }
            deployment.checkpoints(instance, since);
        }
    }
}

#[test]
fn a_directory_that_cannot_be_used_costs_the_checkpoints_only() {
    let mut deployment = Deployment::with_tail();
    let directory = deployment.directory("one");
    fs::remove_dir_all(&directory).expect("it is there");
    fs::write(&directory, "a file").expect("there is room");
    deployment.expect([NOT, NOT]);
    let mut life = deployment.live("one", OFTEN);
    deployment.commit(&mut life, 0, [(1, Some(1))]);
    drop(life);
    deployment.expect([NOT, NOT]);
}
