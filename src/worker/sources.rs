//! Where events come from besides the API: a file, which is its own log, and the standard input.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::board::Board;
use super::clock;
use super::feed::{FILES_MAX, FileClock, Lines, Mark};
use super::inbox::Sending;
use super::pool::Files;
use super::running::worker_of;
use crate::control::service::Unavailable;
use crate::ingest;
use crate::journal::follow::{FollowError, Follower, Lines as Read_, Mode, Next};
use crate::journal::{Append, Kind, RECORD_BYTES_MAX};
use crate::model::hash::shard_of;

/// How many lines are read at once.
const LINES_AT_ONCE: usize = 4096;
/// How long to wait for a followed file to grow: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// How long to wait for room in a worker's inbox before looking whether the process ends.
const ROOM_WAIT: Duration = Duration::from_millis(50);
/// How long to wait before records that were not accepted are given to the journal again, and before a file
/// that could not be read is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// By what health knows the file.
const NAME: &str = "the file of events";

/// The shard of a line that is no event: it has no user.
const SHARD_OF_NOBODY: u16 = 0;

/// Why a file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The journal has followed too many.
    #[error("this journal has followed {FILES_MAX} files already, the most that it can keep apart")]
    TooMany,
}

/// The number of a file among those that the journal knows: its old one, or the next.
fn number_of(path: &str, files: &[Files]) -> Result<(u8, u64, Option<Arc<Mark>>), SourceError> {
    let known = files.iter().flatten().filter_map(|(number, at)| Some((*number, at.mark.clone()?)));
    if let Some((number, mark)) = known.clone().find(|(_, mark)| mark.path == path) {
        // A worker whose shards do not know the file has read nothing of it.
        let positions = files.iter().map(|files| files.get(&number).map_or(0, |at| at.position));
        return Ok((number, positions.min().unwrap_or(0), Some(mark)));
    }
    let next = known.map(|(number, _)| number + 1).max().unwrap_or(0);
    if next >= FILES_MAX { Err(SourceError::TooMany) } else { Ok((next, 0, None)) }
}

/// A file on its way to the workers.
pub(super) struct FileSource {
    follower: Follower,
    number: u8,
    path: String,
    shards: u16,
    mark: Arc<Mark>,
    workers: Vec<Sending>,
    clock: FileClock,
}

impl FileSource {
    /// Opens a file where the shards have left it.
    pub(super) fn open(
        path: &Path,
        mode: Mode,
        files: &[Files],
        shards: u16,
        workers: Vec<Sending>,
        clock: FileClock,
    ) -> Result<Self, SourceError> {
        // By whatever name it is given, it is the same file.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let text = path.display().to_string();
        let (number, position, known) = number_of(&text, files)?;
        let follower = Follower::open(path, mode, position, known.map(|mark| mark.fingerprint))?;
        let mark = Arc::new(Mark { path: text.clone(), fingerprint: follower.fingerprint() });
        tracing::info!(file = text, position, "reading events");
        Ok(Self { follower, number, path: text, shards, mark, workers, clock })
    }

    /// Reads until the end, or until `stop`.
    ///
    /// While the file cannot be read its clock stands still, and with it the time of all shards: nobody knows
    /// what it says by now (G19). It is tried again until it is back.
    pub(super) fn run(mut self, stop: &AtomicBool, board: &Board) {
        let mut lines = Read_::default();
        let mut wait = WAITS.0;
        while !stop.load(Ordering::Relaxed) {
            let before = clock::wall();
            let next = self.follower.read(&mut lines, LINES_AT_ONCE);
            if !lines.is_empty() {
                wait = WAITS.0;
            }
            if self.hand_over(&lines, stop).is_none() {
                return;
            }
            match next {
                Ok(Next::Read) => {}
                Ok(Next::Wait) => {
                    // What was there before the look has been handed over.
                    self.clock.complete_until(before);
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(WAITS.1);
                }
                Ok(Next::End) => {
                    self.clock.end();
                    tracing::info!(file = self.path, "the file has been read to its end");
                    return;
                }
                Err(error) => self.wait_for_it(&error, stop, board),
            }
        }
    }

    /// Waits until the file can be read again.
    fn wait_for_it(&mut self, error: &FollowError, stop: &AtomicBool, board: &Board) {
        tracing::error!(%error, "events cannot be read; no time passes until they can");
        board.ails(NAME, Some(error.to_string()));
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(RETRY);
            match self.follower.reopen() {
                Ok(()) => {
                    tracing::info!(file = self.path, "events can be read again");
                    return board.ails(NAME, None);
                }
                Err(error) => board.ails(NAME, Some(error.to_string())),
            }
        }
    }

    /// Routes lines to their shards' workers; `None` if the process ends meanwhile.
    fn hand_over(&mut self, lines: &Read_, stop: &AtomicBool) -> Option<()> {
        if lines.is_empty() {
            return Some(());
        }
        let fingerprint = self.follower.fingerprint();
        if self.mark.fingerprint != fingerprint {
            self.mark = Arc::new(Mark { path: self.path.clone(), fingerprint });
        }
        let upto = lines.iter().last().map_or(0, |line| line.next);
        let piece = || Lines {
            file: self.number,
            bytes: Vec::new(),
            lines: Vec::new(),
            upto,
            since: self.clock.now(),
            mark: Arc::clone(&self.mark),
        };
        let mut pieces: Vec<Lines> = self.workers.iter().map(|_| piece()).collect();
        for line in lines.iter().filter(|line| !line.bytes.is_empty()) {
            let shard = shard_of_line(line.bytes, |user| shard_of(user, self.shards));
            let piece = &mut pieces[worker_of(shard, self.workers.len())];
            piece.bytes.extend_from_slice(line.bytes);
            piece.lines.push((shard, piece.bytes.len(), line.next));
        }
        for (worker, piece) in self.workers.iter().zip(pieces) {
            let mut left = Some(piece);
            while let Some(piece) = left {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                left = worker.lines(piece, ROOM_WAIT).err();
            }
        }
        Some(())
    }
}

/// Whose a line is.
pub(crate) fn shard_of_line(bytes: &[u8], of: impl Fn(&str) -> u16) -> u16 {
    ingest::decode(bytes).map_or(SHARD_OF_NOBODY, |event| of(&event.user))
}

/// Gives the lines of `input` to `append` until its end; what is not accepted is tried again.
pub(super) fn read_input(
    input: impl Read,
    shard_of: impl Fn(&str) -> u16,
    stop: &AtomicBool,
    append: impl Fn(&[Append<'_>]) -> Result<(), Unavailable>,
) -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(256 << 10, input);
    let (mut arena, mut ends): (Vec<u8>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        arena.clear();
        ends.clear();
        // At least one line, then as many as are there already: nothing waits for company.
        loop {
            let start = arena.len();
            let read = input.by_ref().take(RECORD_BYTES_MAX as u64).read_until(b'\n', &mut arena)?;
            while arena.len() > start && matches!(arena.last(), Some(b'\n' | b'\r')) {
                arena.pop();
            }
            if arena.len() > start {
                ends.push(arena.len());
            }
            if read == 0 && ends.is_empty() {
                return Ok(());
            }
            if read == 0 || ends.len() >= LINES_AT_ONCE || !input.buffer().contains(&b'\n') {
                break;
            }
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let lines: Vec<(&[u8], Option<Cow<'_, str>>)> = starts
            .zip(&ends)
            .map(|(start, &end)| {
                let bytes = &arena[start..end];
                (bytes, ingest::decode(bytes).ok().map(|event| event.user))
            })
            .collect();
        let records: Vec<Append<'_>> = lines
            .iter()
            .map(|(bytes, user)| {
                let user = user.as_deref();
                let shard = user.map_or(SHARD_OF_NOBODY, &shard_of);
                Append { shard, kind: Kind::Event, user, bytes }
            })
            .collect();
        while let Err(error) = append(&records) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            tracing::warn!(%error, "events of the standard input wait");
            std::thread::sleep(RETRY);
        }
    }
}
