//! The thread that writes the log of histograms, if one is wanted (`metrics.histogram_log`).
//!
//! It is nobody's trouble but its own: a log that cannot be written is one warning, and one line when it can again.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};

use crate::config;
use crate::metrics::{Hub, IntervalLog};

/// The thread; it ends with a last interval when this is dropped.
#[derive(Debug)]
pub(super) struct Histograms {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Histograms {
    /// Writes what `hub` records from now on, as `settings` has it.
    pub(super) fn start(settings: &config::Metrics, hub: &Hub) -> io::Result<Self> {
        let Some(path) = &settings.histogram_log else { return Ok(Self { stop: None, thread: None }) };
        let log = IntervalLog::new(path, hub.clone(), SystemTime::now());
        let interval = Duration::from_millis(settings.histogram_interval.as_millis());
        let (stop, stopped) = bounded::<()>(0);
        let write = move || {
            let mut writing = Writing { log, failed: false };
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                writing.write();
            }
            writing.write();
        };
        let thread = std::thread::Builder::new().name("histograms".to_owned()).spawn(write)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Histograms {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writing {
    log: IntervalLog,
    /// Whether the last interval could not be written: that is said once.
    failed: bool,
}

impl Writing {
    fn write(&mut self) {
        let written = self.log.write(SystemTime::now());
        let path = self.log.path().display();
        match &written {
            Err(error) if !self.failed => tracing::warn!(
                "the histograms cannot be written to {path} (metrics.histogram_log): {error}; all else goes on, \
                 and what was measured is written when it can be"
            ),
            Ok(()) if self.failed => tracing::info!("the histograms are written to {path} again"),
            Ok(()) | Err(_) => {}
        }
        self.failed = written.is_err();
    }
}
