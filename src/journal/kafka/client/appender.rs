//! Appends outside of transactions: durable, and where, before it is answered. Shared by threads.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::Error;
use super::native::Native;
use super::out::{Header, Out, Single};
use super::raw::code;
use super::reports::{Report, Reports, Told};
use super::settings::Settings;
use super::topics::Topics;

/// How long librdkafka tries to deliver a record.
const MESSAGE_TIMEOUT_MS: &str = "10000";

/// How many records one call may have: their numbers are half of a token.
pub const APPENDS_MAX: usize = 1 << 20;

const _: () = assert!(usize::BITS == 64, "a token is the number of a call and of a record in it");

/// A record to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Partition, key and value.
    pub record: Out<'a>,
    /// The headers.
    pub headers: &'a [Header<'a>],
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, milliseconds since 1970: the broker's where the topic has LogAppendTime.
    pub timestamp: i64,
}

/// Why a record is not known to be appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It is not in the log and never will be.
    #[error("not appended: {0}")]
    Refused(Error),
    /// It may be in the log, or come into it later.
    #[error("it is unknown whether it is appended: {0}")]
    Unknown(Error),
}

/// An idempotent producer (`acks=all`) without transactions.
#[derive(Debug)]
pub struct Appender {
    // In the order in which they have to end: the thread, the handles, the client.
    _reports: Reports,
    /// Locked while records are put into the queue, so that those of one call follow each other.
    topics: Mutex<Topics>,
    native: Arc<Native>,
    calls: Arc<Calls>,
}

type Outcome = Result<Appended, AppendError>;

/// The calls that wait for reports, by number.
#[derive(Debug, Default)]
struct Calls(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    last: usize,
    open: BTreeMap<usize, Sender<(usize, Outcome)>>,
}

impl Calls {
    /// The number of a new call, and where its outcomes come.
    fn begin(&self) -> (usize, Receiver<(usize, Outcome)>) {
        let (send, receive) = mpsc::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.last += 1;
        let call = waiting.last;
        waiting.open.insert(call, send);
        (call, receive)
    }

    fn end(&self, call: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&call);
    }
}

impl Told for Calls {
    fn report(&self, report: Report) {
        let (call, at) = (report.token / APPENDS_MAX, report.token % APPENDS_MAX);
        let outcome = match report.failure {
            None => Ok(Appended { offset: report.offset, timestamp: report.timestamp }),
            Some(error) if report.possibly => Err(AppendError::Unknown(error)),
            Some(error) => Err(AppendError::Refused(error)),
        };
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = waiting.open.get(&call) {
            // Whoever called may have gone at its deadline.
            let _ = call.send((at, outcome));
        }
    }

    fn fatal(&self, _: Error) {
        // Every record is reported with it; the next ones are refused with it.
    }
}

impl Appender {
    /// An appender.
    ///
    /// # Errors
    /// librdkafka refuses a property, or there are too few threads or files. Brokers are not asked yet.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let conf = settings.producer(&[
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("message.timeout.ms", MESSAGE_TIMEOUT_MS),
            ("delivery.report.only.error", "false"),
            // Somebody waits for the answer.
            ("linger.ms", "0"),
        ])?;
        let native = Native::producer(conf)?;
        let calls = Arc::new(Calls::default());
        let reports = Reports::begin(&native, &calls)?;
        Ok(Self { _reports: reports, topics: Mutex::new(Topics::new(&native)), native, calls })
    }

    /// Appends at most [`APPENDS_MAX`] records; one answer for each, in their order, within `deadline`.
    ///
    /// Records for one partition lie there in the order given. One that fails does not keep later ones of
    /// the same call from being appended.
    pub fn append(&self, records: &[Append<'_>], deadline: Duration) -> Vec<Result<Appended, AppendError>> {
        let end = Instant::now() + deadline;
        let (call, reports) = self.calls.begin();
        let mut outcomes: Vec<Option<Outcome>> = self.enqueue(call, records, end);
        let mut open = outcomes.iter().filter(|outcome| outcome.is_none()).count();
        while open > 0 {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((at, outcome)) = reports.recv_timeout(left) else { break };
            outcomes[at] = Some(outcome);
            open -= 1;
        }
        self.calls.end(call);
        let late = || {
            let text = format!("no acknowledgement within {deadline:?}");
            Err(AppendError::Unknown(Error::new("append a record", code::TIMED_OUT, text)))
        };
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(late)).collect()
    }

    /// Puts records into the queue; what is refused has its outcome at once.
    fn enqueue(&self, call: usize, records: &[Append<'_>], end: Instant) -> Vec<Option<Outcome>> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(at, append): (usize, &Append<'_>)| {
            if at >= APPENDS_MAX {
                let text = format!("one call takes {APPENDS_MAX} records, this one has {}", records.len());
                return Some(Error::new("append a record", code::INVALID_ARG, text));
            }
            let Append { topic, record, headers } = *append;
            let token = call * APPENDS_MAX + at;
            let mut single = Single { topic, record, headers, timestamp: None, token };
            single.produce(&self.native, &mut topics, end).err()
        };
        let refused = records.iter().enumerate().map(one);
        refused.map(|error| error.map(|error| Err(AppendError::Refused(error)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(token: usize, failure: Option<Error>, possibly: bool) -> Report {
        Report { token, offset: 7, timestamp: 9, failure, possibly }
    }

    #[test]
    fn a_report_reaches_its_call_and_says_what_is_known() {
        let calls = Calls::default();
        let (first, to_first) = calls.begin();
        let (second, to_second) = calls.begin();
        let error = || Some(Error::of_code("deliver", code::TIMED_OUT));
        calls.report(report(second * APPENDS_MAX + 3, error(), true));
        calls.report(report(second * APPENDS_MAX, error(), false));
        calls.report(report(first * APPENDS_MAX + 1, None, true));
        assert_eq!(to_first.try_iter().collect::<Vec<_>>(), [(1, Ok(Appended { offset: 7, timestamp: 9 }))]);
        let said: Vec<_> = to_second.try_iter().collect();
        assert!(matches!(said[0], (3, Err(AppendError::Unknown(_)))), "{said:?}");
        assert!(matches!(said[1], (0, Err(AppendError::Refused(_)))), "{said:?}");
    }

    #[test]
    fn a_report_for_a_call_that_is_over_is_dropped() {
        let calls = Calls::default();
        let (call, reports) = calls.begin();
        calls.end(call);
        calls.report(report(call * APPENDS_MAX, None, true));
        assert!(reports.try_recv().is_err());
    }

    #[test]
    fn without_a_broker_nothing_is_appended_and_it_is_said_in_time() {
        let appender = Appender::new(&Settings::new("127.0.0.1:1")).expect("no broker asked");
        let record = Out { partition: 0, key: None, value: Some(b"v") };
        let append = Append { topic: "t", record, headers: &[] };
        let said = appender.append(&[append, append], Duration::from_millis(20));
        assert_eq!(said.len(), 2);
        for outcome in said {
            assert!(matches!(outcome, Err(AppendError::Refused(_))), "{outcome:?}");
        }
    }
}
