//! Processes that are measured: what they have had of the processors, and their end.

use std::fs;
use std::net::{ToSocketAddrs, UdpSocket};
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

/// What a process has had of the processors, its ended threads included, to a hundredth of a second; `None` if there is no
/// such process.
#[must_use]
pub fn whole_cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may have spaces: the 12th and 13th, in ticks.
    let (_, after) = stat.rsplit_once(')')?;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second().max(1)))
}

/// The process of this machine that listens at that address; `None` if it is another machine's, or may not be seen.
#[must_use]
pub fn listener(host: &str, port: u16) -> Option<u32> {
    let mut addresses = (host, port).to_socket_addrs().ok()?;
    // Only an address of this machine can be bound.
    if !addresses.any(|address| UdpSocket::bind((address.ip(), 0)).is_ok()) {
        return None;
    }
    let sockets: Vec<String> = ["tcp", "tcp6"].into_iter().flat_map(|kind| listening(kind, port)).collect();
    let processes = fs::read_dir("/proc").ok()?.filter_map(std::result::Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
        let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.into_iter().any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    ids.into_iter().find(has)
}

/// The sockets that listen at a port, as the files of whoever has them are called.
fn listening(kind: &str, port: u16) -> Vec<String> {
    let table = fs::read_to_string(format!("/proc/net/{kind}")).unwrap_or_default();
    let of = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (_, at) = columns.get(1)?.rsplit_once(':')?;
        // 0A: it listens.
        let is_one = u16::from_str_radix(at, 16).ok()? == port && *columns.get(3)? == "0A";
        is_one.then(|| columns.get(9).map(|inode| format!("socket:[{inode}]")))?
    };
    table.lines().filter_map(of).collect()
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_at_a_port_of_this_machine_is_found_and_nobody_elsewhere() {
        let bound = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let port = bound.local_addr().expect("it has one").port();
        assert_eq!(listener("localhost", port), Some(std::process::id()));
        // Addresses for documentation are nobody's.
        assert_eq!(listener("192.0.2.1", port), None);
        drop(bound);
        assert_eq!(listener("127.0.0.1", port), None);
    }

    #[test]
    fn what_a_process_has_had_of_the_processors_grows_with_its_work() {
        let own = std::process::id();
        let before = whole_cpu_time(own).expect("it is there");
        let until = before + Duration::from_millis(30);
        let mut turns = 0_u64;
        while whole_cpu_time(own).is_some_and(|now| now < until) {
            turns += 1;
        }
        assert!(turns > 0 && cpu_time(own).expect("it is there") > Duration::ZERO);
        assert_eq!(whole_cpu_time(u32::MAX), None);
    }
}
