//! Processes that are measured: what they have had of the processors, and their end.

use std::fs;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};

/// What the threads of a process have had of the processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// All of them.
    pub all: Duration,
    /// Of it, those of librdkafka: what talks to the brokers.
    pub librdkafka: Duration,
}

/// The time on processors that all threads of a process have had so far; see [`cpu_times`].
///
/// # Errors
/// There is no such process any more.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    Ok(cpu_times(pid)?.all)
}

/// The time on processors that the threads of a process have had so far, as the scheduler counts it. Threads that
/// have ended are left out, so it is for steady stretches.
///
/// # Errors
/// There is no such process any more.
pub fn cpu_times(pid: u32) -> Result<CpuTime> {
    let gone = |error| Error(format!("the process {pid} that is measured has gone: {error}"));
    let mut time = CpuTime::default();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).map_err(gone)? {
        let path = thread.map_err(gone)?.path();
        // One that ends just now is of no weight.
        let text = |name| fs::read_to_string(path.join(name)).unwrap_or_default();
        let ns = text("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        let spent = Duration::from_nanos(ns);
        time.all += spent;
        if text("comm").starts_with("rdk:") {
            time.librdkafka += spent;
        }
    }
    Ok(time)
}

/// A process's resident memory in bytes; 0 if there is no such process.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// A child that does not outlive whoever measures it.
#[derive(Debug)]
pub struct Measured(Child);

impl Measured {
    /// Takes a child in hand.
    #[must_use]
    pub const fn new(child: Child) -> Self {
        Self(child)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it goes on.
    ///
    /// # Errors
    /// It has ended.
    pub fn is_alive(&mut self) -> Result<()> {
        match self.0.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error(format!("it ended by itself: {status}"))),
            Err(error) => Err(Error(format!("it cannot be waited for: {error}"))),
        }
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// It does not end within half a minute; it is killed then.
    pub fn end(mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error("it does not end although it was asked to, and was killed".to_owned()))
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
