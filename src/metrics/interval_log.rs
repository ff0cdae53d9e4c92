//! The distributions as a file: what was recorded in each interval, in the log format of HdrHistogram (V2).
//!
//! Each interval is appended in one piece: a line for every distribution to which something was added, its tag that of
//! the metric. The file is opened anew for each, so that whoever rotates it only renames it. What cannot be written
//! is taken back to the last whole line, and its values come with the next interval: none is lost while the process
//! lives, and a full disk costs resolution.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::hub::Hub;
use super::latency::Recorders;

/// What a new log begins with, and what each start of the process adds.
const HEAD: &str = "wayfarer: microseconds, by stage; release_rate is users a second";

/// A log of what a hub has recorded.
#[derive(Debug)]
pub struct IntervalLog {
    path: PathBuf,
    hub: Hub,
    /// What is in the log, and up to when.
    written: Recorders,
    until: SystemTime,
    /// Whether this process has written a head.
    headed: bool,
}

impl IntervalLog {
    /// Of what `hub` records from now on, into the file at `path`, which is made or appended to.
    #[must_use]
    pub fn new(path: &Path, hub: Hub, now: SystemTime) -> Self {
        let written = hub.recorders();
        Self { path: path.to_owned(), hub, written, until: now, headed: false }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends what has been recorded since the last interval that was written; nothing if nothing was.
    ///
    /// # Errors
    /// If the file cannot be opened or written; what it has ends with a whole line then, as far as it can be cut.
    pub fn write(&mut self, now: SystemTime) -> io::Result<()> {
        let recorders = self.hub.recorders();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        let whole = whole_lines(&mut file)?;
        let text = self.interval(&recorders, whole == 0 || !self.headed, now)?;
        if let Err(error) = file.write_all(&text) {
            // What stays of a line that could not be written would hide the next one.
            let _ = file.set_len(whole);
            return Err(error);
        }
        (self.written, self.until, self.headed) = (recorders, now, true);
        Ok(())
    }

    fn interval(&self, recorders: &Recorders, headed: bool, now: SystemTime) -> io::Result<Vec<u8>> {
        let (mut text, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        let mut head = IntervalLogWriterBuilder::new();
        if headed {
            head.add_comment(HEAD).with_start_time(self.until);
        }
        let mut log = head.begin_log_with(&mut text, &mut serializer)?;
        let start = self.until.duration_since(UNIX_EPOCH).unwrap_or_default();
        let length = now.duration_since(self.until).unwrap_or(Duration::ZERO);
        for ((name, all), (_, before)) in recorders.each().zip(self.written.each()) {
            let new = all.since(before);
            if !new.is_empty() {
                log.write_histogram(&new, start, length, Tag::new(name)).map_err(io::Error::other)?;
            }
        }
        Ok(text)
    }
}

/// Cuts a last line that is not whole (the process or the machine died over it); how long the file is then.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    const PIECE: u64 = 4096;
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = memchr::memrchr(b'\n', &piece) {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::metrics::{Stage, WorkerMetrics};

    /// Each interval as `tag start+length count max`, each start of a process as `start`.
    fn entries(text: &[u8]) -> Vec<String> {
        let read = |entry| match entry {
            LogEntry::Interval(interval) => {
                let bytes = BASE64_STANDARD.decode(interval.encoded_histogram()).expect("it is base 64");
                let histogram: hdrhistogram::Histogram<u64> =
                    Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram reads back");
                format!(
                    "{} {}+{} {} {}",
                    interval.tag().expect("each has a tag").as_str(),
                    interval.start_timestamp().as_secs(),
                    interval.duration().as_secs(),
                    histogram.len(),
                    histogram.max(),
                )
            }
            LogEntry::StartTime(at) => format!("start {}", at.as_secs()),
            LogEntry::BaseTime(_) => panic!("times are absolute"),
        };
        IntervalLogIterator::new(text).map(|entry| read(entry.expect("the log is whole"))).collect()
    }

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    #[test]
    fn every_interval_has_what_was_recorded_in_it_and_the_crates_own_reader_reads_it() {
        let (hub, directory) = (Hub::new(2, 1), tempfile::tempdir().expect("a directory"));
        let path = directory.path().join("latency.hlog");
        let mut workers = [WorkerMetrics::new(), WorkerMetrics::new()];
        workers[0].record(Stage::Commit, Duration::from_millis(90));
        hub.publish(0, &mut workers[0]);
        let mut log = IntervalLog::new(&path, hub.clone(), at(100));
        for (worker, micros) in [(0, 100), (1, 60)] {
            workers[worker].record(Stage::Commit, Duration::from_micros(micros));
            hub.publish(worker, &mut workers[worker]);
        }
        log.write(at(110)).expect("there is room");
        log.write(at(120)).expect("there is room");
        workers[1].release(50, Duration::from_secs(1));
        hub.publish(1, &mut workers[1]);
        hub.record(Stage::GateFlip, Duration::from_micros(7));
        log.write(at(130)).expect("there is room");
        let first = ["start 100", "commit 100+10 2 100", "gate_flip 120+10 1 7", "release_rate 120+10 1 50"];
        assert_eq!(entries(&std::fs::read(&path).expect("it is there")), first);

        // A line on which the process died is cut; the next process appends.
        std::fs::write(&path, [&std::fs::read(&path).expect("it is there")[..], b"Tag=commit,17"].concat())
            .expect("it can be written");
        let mut log = IntervalLog::new(&path, hub.clone(), at(200));
        hub.record(Stage::GateFlip, Duration::from_micros(8));
        log.write(at(210)).expect("there is room");
        let all = entries(&std::fs::read(&path).expect("it is there"));
        assert_eq!(all, [&first[..], &["start 200", "gate_flip 200+10 1 8"]].concat());

        // Whoever rotates the file renames it.
        std::fs::rename(&path, directory.path().join("old")).expect("it can be renamed");
        hub.record(Stage::GateFlip, Duration::from_micros(9));
        log.write(at(220)).expect("there is room");
        let new = entries(&std::fs::read(&path).expect("it was made anew"));
        assert_eq!(new, ["start 210", "gate_flip 210+10 1 9"]);
    }

    #[test]
    fn what_could_not_be_written_comes_with_the_next_interval() {
        let (hub, directory) = (Hub::new(0, 1), tempfile::tempdir().expect("a directory"));
        let path = directory.path().join("missing").join("latency.hlog");
        let mut log = IntervalLog::new(&path, hub.clone(), at(100));
        hub.record(Stage::Commit, Duration::from_micros(5));
        assert!(log.write(at(110)).is_err());
        std::fs::create_dir(path.parent().expect("it has one")).expect("it can be made");
        hub.record(Stage::Commit, Duration::from_micros(6));
        log.write(at(120)).expect("there is room now");
        let all = entries(&std::fs::read(&path).expect("it is there"));
        assert_eq!(all, ["start 100", "commit 100+20 2 6"]);
    }
}
