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

use self::form::{FORM, Flip, Latency, Machine, PhaseResult, Report};
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
    /// Of a report of that name: makes the directory, and tries whether it can be written to. What is there of an
    /// older report of that name is deleted: it is not this one's.
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
        let old = std::fs::read_dir(&directory).map_err(cannot(doing()))?;
        let of_instance = format!("{name}.instance-");
        for entry in old.filter_map(std::result::Result::ok) {
            let known = [&files.json, &files.page, &files.log].contains(&&entry.path());
            if known || entry.file_name().to_string_lossy().starts_with(&of_instance) {
                std::fs::remove_file(entry.path()).map_err(cannot(doing()))?;
            }
        }
        Ok(files)
    }

    /// Deletes what was begun of a report that there will not be.
    pub fn forget(&self) {
        // If that fails, its name still says that it is a part.
        let _ = std::fs::remove_file(&self.log_part);
    }
}

/// Stores a report: each file under its name only when it is whole, the result last.
///
/// # Errors
/// A file cannot be written.
pub fn save(report: &Report, files: &Files) -> Result<()> {
    let log = std::fs::rename(&files.log_part, &files.log);
    log.map_err(cannot(format!("write {}", files.log.display())))?;
    write(&files.page, page::page(report).as_bytes())?;
    let text = serde_json::to_string_pretty(report).expect("numbers and names are JSON");
    write(&files.json, text.as_bytes())
}

/// Renders the page of a result that is stored there, beside it.
///
/// # Errors
/// It cannot be written.
pub fn save_page(report: &Report, result: &Path) -> Result<PathBuf> {
    let path = result.with_extension("html");
    write(&path, page::page(report).as_bytes())?;
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

/// What cannot be written whole does not look as if it were.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // Half a file is of no use to anybody, and the disk may be full.
        let _ = std::fs::remove_file(&part);
        cannot(format!("write {}", path.display()))(error)
    })
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
}

impl Report {
    /// Works out what follows from the rest: ratios, and why this is no result. A phase of which no send was seen is
    /// none whatever the journeys are: sends are what is measured, and [saturation] is there for a load without them.
    pub fn judge(&mut self) {
        for number in 0..self.phases.len() {
            let name = self.phases[number].name.clone();
            if self.phases[number].latencies.is_empty() && !self.is_void(&name) {
                self.void.push(format!("{name}: not one send was seen that began in it"));
            }
            let against = self.scenario.phase.get(number).and_then(|phase| phase.against.clone());
            let Some(against) = against else { continue };
            let other = self.phases.iter().find(|phase| phase.name == against);
            let ratio = other.and_then(|other| self.phases[number].p99_over(other));
            self.phases[number].p99_ratio = ratio;
            if ratio.is_none() && !self.is_void(&name) {
                self.void.push(format!("{name}: its p99 cannot be compared with that of {against}"));
            }
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
