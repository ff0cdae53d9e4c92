//! Rows of lists and what has left the shards are read by clients made on demand: they give everything, and
//! end.

use wayfarer::journal::kafka::Kafka;
use wayfarer::journal::{Append, Assignment, Batch, Intake, Journal, Kind, Log, Source, Stream, Streams};
use wayfarer::model::Timestamp;

use crate::scene::until;
use crate::world;

const ROWS: u64 = 40;

#[test]
fn rows_of_two_shards_are_read_in_turns() {
    let log = Kafka::open(world::fresh("lists", 2)).expect("the journal opens");
    let texts: Vec<String> = (0..ROWS).map(|n| format!("row {n}")).collect();
    let row = |n: u64| Append {
        shard: u16::try_from(n % 2).expect("one of two"),
        kind: Kind::ListRow,
        user: None,
        bytes: texts[n as usize].as_bytes(),
    };
    let rows: Vec<Append<'_>> = (0..ROWS).map(row).collect();
    log.append(Timestamp(1), &rows).expect("accepted");
    let mut worker = log.worker(Assignment::Shared(0)).expect("the group is joined");
    let mut batch = Batch::default();
    until("both shards are there", || {
        worker.poll(&mut batch, 0).expect("it polls");
        (worker.shards() == [0, 1]).then_some(())
    });
    let (mut next, mut read) = ([0, 0], [Vec::new(), Vec::new()]);
    for turn in 0..ROWS {
        let shard = u16::try_from(turn % 2).expect("one of two");
        let place = usize::from(shard);
        worker.read(shard, Source::Lists, next[place], 3, &mut batch).expect("rows can be read");
        for record in batch.records() {
            next[place] = record.offset + 1;
            read[place].push(String::from_utf8_lossy(record.bytes).into_owned());
        }
    }
    for (place, read) in read.into_iter().enumerate() {
        let wanted: Vec<&String> = texts.iter().skip(place).step_by(2).collect();
        assert_eq!(read.iter().collect::<Vec<_>>(), wanted, "of shard {place}");
    }
}

#[test]
fn who_reads_streams_leaves_no_threads() {
    let log = Kafka::open(world::fresh("streams", 2)).expect("the journal opens");
    let own = std::process::id();
    let clients = || {
        let tasks = std::fs::read_dir(format!("/proc/{own}/task")).expect("there are threads");
        tasks.count()
    };
    let look = || {
        log.read_stream(Stream::Sends, 0, 10, &mut |_| {}).expect("it can be read");
        log.read_state(0, b"a", b"z", &mut |_, _| {}).expect("it can be read");
    };
    look();
    let before = clients();
    (0..50).for_each(|_| look());
    // Other tests come and go meanwhile, but not with three threads for each of a hundred readers.
    until("the readers have ended", || (clients() < before + 100).then_some(()));
}
