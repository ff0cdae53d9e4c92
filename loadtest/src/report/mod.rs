//! What came out of a run: stored as JSON, told as text, shown as a page; and two of them compared.
//!
//! - [`form`]: as it is stored. [`text`], [`page`], [`chart`]: as it is shown. [`compare`]: what changed.

pub mod chart;
pub mod compare;
pub mod form;
pub mod page;
#[cfg(test)]
pub mod tests;
pub mod text;

use std::path::{Path, PathBuf};

use self::form::{FORM, Flip, Latency, ListTaken, Machine, PhaseResult, Report};
use crate::error::{Error, Result, cannot};

/// Where a report's files are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The result.
    pub json: PathBuf,
    /// The page.
    pub page: PathBuf,
    /// The log of intervals.
    pub log: PathBuf,
    /// The same while it is written.
    pub log_part: PathBuf,
    /// What the names of the instances' own files begin with.
    pub logs: PathBuf,
}

impl Files {
    /// Of a report of that name: makes the directory, and tries whether it can be written to.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn prepare(directory: &Path, name: &str) -> Result<Self> {
        let doing = || format!("write reports into {}", directory.display());
        std::fs::create_dir_all(directory).map_err(cannot(doing()))?;
        let directory = directory.canonicalize().map_err(cannot(doing()))?;
        let at = |end: &str| directory.join(format!("{name}.{end}"));
        let files = Self {
            json: at("json"),
            page: at("html"),
            log: at("hlog"),
            log_part: at("hlog.part"),
            logs: at(""),
        };
        std::fs::write(&files.log_part, b"").map_err(cannot(doing()))?;
        Ok(files)
    }

    /// Deletes what is there of an older report of that name: it is not this one's. To be done when this one can begin.
    ///
    /// # Errors
    /// Something cannot be deleted.
    pub fn clear(&self) -> Result<()> {
        let directory = self.json.parent().unwrap_or(Path::new("."));
        let doing = || format!("delete an older report in {}", directory.display());
        let parts = ["instance-", "beside.instance-", "bare.log"];
        let parts = parts.map(|part| self.log_of(part).display().to_string());
        for entry in
            std::fs::read_dir(directory).map_err(cannot(doing()))?.filter_map(std::result::Result::ok)
        {
            let path = entry.path();
            let known = [&self.json, &self.page, &self.log].contains(&&path);
            if known || parts.iter().any(|part| path.to_string_lossy().starts_with(part)) {
                std::fs::remove_file(path).map_err(cannot(doing()))?;
            }
        }
        Ok(())
    }

    /// A file of somebody who takes part, by the end of its name.
    #[must_use]
    pub fn log_of(&self, end: &str) -> PathBuf {
        let mut path = self.logs.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    }

    /// Deletes what was begun of a report that there will not be.
    pub fn forget(&self) {
        forget(&self.log_part);
    }
}

fn forget(part: &Path) {
    // If that fails, its name still says that it is a part.
    let _ = std::fs::remove_file(part);
}

/// Stores a report: all of its files get their names only when each of them is whole, the result last.
///
/// # Errors
/// A file cannot be written.
pub fn save(report: &Report, files: &Files) -> Result<()> {
    let text = serde_json::to_string_pretty(report).expect("numbers and names are JSON");
    let page = part(&files.page, page::page(report).as_bytes())?;
    let json = part(&files.json, text.as_bytes()).inspect_err(|_| forget(&page))?;
    for (part, whole) in [(&files.log_part, &files.log), (&page, &files.page), (&json, &files.json)] {
        std::fs::rename(part, whole).map_err(cannot(format!("write {}", whole.display())))?;
    }
    Ok(())
}

/// Renders the page of a result that is stored there, beside it.
///
/// # Errors
/// It cannot be written.
pub fn save_page(report: &Report, result: &Path) -> Result<PathBuf> {
    let path = result.with_extension("html");
    let part = part(&path, page::page(report).as_bytes())?;
    std::fs::rename(part, &path).map_err(cannot(format!("write {}", path.display())))?;
    Ok(path)
}

/// Reads a result.
///
/// # Errors
/// It cannot be read, or is none of this form.
pub fn load(path: &Path) -> Result<Report> {
    let text = std::fs::read(path).map_err(cannot(format!("read {}", path.display())))?;
    let wrong = |why: String| Error(format!("{} is no result of `wayfarer-load run`: {why}", path.display()));
    let report: Report = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if report.form == FORM {
        Ok(report)
    } else {
        Err(wrong(format!("form {} rather than {FORM}", report.form)))
    }
}

/// Writes what is to be that file under a name that says that it is a part of it.
fn part(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = std::fs::write(&part, bytes).inspect_err(|_| forget(&part));
    written.map_err(cannot(format!("write {}", path.display())))?;
    Ok(part)
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let name = rustix::system::uname();
        let part = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            system: format!("{} {} {}", part(name.sysname()), part(name.release()), part(name.machine())),
        }
    }
}

impl PhaseResult {
    /// What was measured of that stage.
    #[must_use]
    pub fn latency(&self, stage: &str) -> Option<&Latency> {
        self.latencies.iter().find(|latency| latency.stage == stage)
    }

    /// Its p99 over that of another phase: from the schedule, or from deadlines if neither has anything else. None where
    /// one of them lacks what the other one has: two different things have no ratio.
    #[must_use]
    pub fn p99_over(&self, other: &Self) -> Option<f64> {
        let (own, other) = (self.latencies.first()?, other.latencies.first()?);
        (own.stage == other.stage).then(|| own.p99 / other.p99)
    }

    /// Its own CPU an event over that of another phase; None where one of them was not seen at work.
    #[must_use]
    pub fn cpu_over(&self, other: &Self) -> Option<f64> {
        (self.cpu_ns > 0.0 && other.cpu_ns > 0.0).then(|| self.cpu_ns / other.cpu_ns)
    }
}

impl Report {
    /// Works out what follows from the rest: ratios, and why this is no result. A phase of which no send was seen is
    /// none whatever the journeys are: sends are what is measured, and `[saturation]` is there for a load without them.
    pub fn judge(&mut self) {
        for number in 0..self.phases.len() {
            let name = self.phases[number].name.clone();
            let poured = self.phases[number].poured;
            if self.phases[number].latencies.is_empty() && !poured && !self.is_void(&name) {
                self.void.push(format!("{name}: not one send was seen that began in it"));
            }
            let Some(against) = self.phases[number].against.clone() else { continue };
            let other = self.phases.iter().find(|phase| phase.name == against);
            let ratio = other.and_then(|other| self.phases[number].p99_over(other));
            let cpu = other.and_then(|other| self.phases[number].cpu_over(other));
            (self.phases[number].p99_ratio, self.phases[number].cpu_ratio) = (ratio, cpu);
            let (compared, what) = if poured { (cpu, "own CPU an event") } else { (ratio, "p99") };
            if compared.is_none() && !self.is_void(&name) {
                self.void.push(format!("{name}: its {what} cannot be compared with that of {against}"));
            }
        }
        for list in self.lists.iter().filter(|list| !list.is_whole()) {
            let ListTaken { journey, rows, entered, twice, strangers, .. } = list;
            self.void.push(format!(
                "of the {rows} rows of the list for {journey} {entered} entered, {twice} of them once more, and \
                 {strangers} others: each row is to enter once"
            ));
        }
        let broken: Vec<&Flip> = self.flips.iter().filter(|flip| flip.starts_after > 0).collect();
        let starts: u64 = broken.iter().map(|flip| flip.starts_after).sum();
        if let Some(first) = broken.first() {
            let Flip { verb, journey, answered, .. } = first;
            self.void.push(format!(
                "{starts} starts under a shut gate, after {} answers; the first of these was to {verb} {journey} at {}",
                broken.len(),
                wayfarer::model::Timestamp(answered / 1_000)
            ));
        }
    }

    /// Whether a reason against it names that phase.
    fn is_void(&self, phase: &str) -> bool {
        self.void.iter().any(|reason| reason.strip_prefix(phase).is_some_and(|rest| rest.starts_with(": ")))
    }
}
