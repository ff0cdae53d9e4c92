//! One shard in a worker's hands: the core, what it wants to happen, and what is committed beside its state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cycle::Options;
use super::decide::Bad;
use super::feed::{Mark, Marks};
use super::lists::Lists;
use crate::engine::cycle::UNTIMED_SOURCES;
use crate::engine::restore::Meta;
use crate::engine::{Effects, Shard, StateSink};
use crate::journal::record::INPUTS_MAX;
use crate::journal::{Kind, Reject, ShardCommit, Source, Transaction};
use crate::journey::catalog::{Catalog, PlanIndex};
use crate::model::{Format, Formats, Timestamp};

/// The number by which the engine knows a log.
pub(super) const fn number_of(source: Source) -> u8 {
    match source {
        Source::Events => 0,
        Source::Lists => LISTS,
        Source::Receipts => 2,
        Source::Internal => 3,
        Source::Input(number) => INPUT + if number < INPUTS_MAX { number } else { INPUTS_MAX - 1 },
        Source::File(file) => UNTIMED_SOURCES.saturating_add(if file < 127 { file as u8 } else { 127 }),
    }
}

/// The log of lists, as the engine knows it.
pub(super) const LISTS: u8 = 1;

/// The first of the topics of events beside the anchor.
const INPUT: u8 = 4;
const _: () = assert!(INPUT + INPUTS_MAX <= UNTIMED_SOURCES, "topics and files have numbers of their own");

/// The log that the engine knows by that number.
pub(crate) const fn source_of(number: u8) -> Source {
    match number {
        0 => Source::Events,
        LISTS => Source::Lists,
        2 => Source::Receipts,
        3 => Source::Internal,
        INPUT..UNTIMED_SOURCES => Source::Input(number - INPUT),
        file => Source::File(file.saturating_sub(UNTIMED_SOURCES) as u32),
    }
}

/// A dead letter that waits for the commit.
#[derive(Debug)]
struct Rejected {
    source: Source,
    offset: u64,
    kind: Kind,
    key: Option<Vec<u8>>,
    code: String,
    bytes: Vec<u8>,
}

/// What was received: under which key, if under one.
#[derive(Clone, Copy)]
pub(super) struct Original<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) bytes: &'a [u8],
}

/// A shard, and what it commits besides its state.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) number: u16,
    pub(super) shard: Shard,
    pub(super) effects: Effects,
    pub(super) lists: Lists,
    /// The journeys as of the last commit: what a restore needs.
    pub(super) catalog: Arc<Catalog>,
    pub(super) marks: Marks,
    reads: Format,
    rejects: Vec<Rejected>,
    lists_position: u64,
    /// It was restored and has not committed since: its first act is a commit (protocol 1).
    pub(super) opening: bool,
    /// Events since the last commit: when they arrived, and how many then.
    pub(super) arrivals: Vec<(Timestamp, u64)>,
    /// Users who were let go since the last commit.
    pub(super) let_go: u64,
    /// A release under way: since when, and how many it has let go as of the last commit.
    release: Option<(Instant, u64)>,
}

struct Sink<'a>(&'a mut ShardCommit);

impl StateSink for Sink<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.put(key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.0.delete(key);
    }
}

impl Owned {
    /// A shard that was restored, or is new.
    pub(super) fn new(
        number: u16,
        shard: Shard,
        &Options { movements, reads, .. }: &Options,
        (lists, marks): (Lists, Marks),
    ) -> Self {
        let lists_position = lists.position().unwrap_or(0);
        Self {
            number,
            catalog: Arc::clone(shard.catalog()),
            shard,
            effects: Effects { feed: movements, ..Effects::default() },
            lists,
            marks,
            reads,
            rejects: Vec::new(),
            lists_position,
            opening: true,
            arrivals: Vec::new(),
            let_go: 0,
            release: None,
        }
    }

    /// Whether a commit has something to carry.
    pub(super) fn is_dirty(&self) -> bool {
        self.opening || self.shard.is_dirty() || self.lists.is_dirty()
    }

    /// An input is a dead letter.
    pub(super) fn reject(
        &mut self,
        (source, offset, kind): (Source, u64, Kind),
        bad: &Bad,
        original: Original<'_>,
    ) {
        let (key, bytes) = (original.key.map(<[u8]>::to_vec), original.bytes.to_vec());
        self.rejects.push(Rejected { source, offset, kind, key, code: bad.reason(), bytes });
    }

    /// An event that arrived then was decided.
    pub(super) fn arrived(&mut self, at: Timestamp) {
        match self.arrivals.last_mut() {
            Some((last, count)) if *last == at => *count += 1,
            _ => self.arrivals.push((at, 1)),
        }
    }

    /// A release lets users go from now on, unless it already does.
    pub(super) fn releasing(&mut self, now: Instant) {
        self.release.get_or_insert((now, 0));
    }

    /// The commit of what was let go has happened: how many the release let go in all and how long that took, if it
    /// is over now, be it that a gate has shut.
    pub(super) fn released(&mut self, now: Instant) -> Option<(u64, Duration)> {
        let (since, users) = self.release.as_mut()?;
        *users += self.let_go;
        let (since, users) = (*since, *users);
        if self.shard.is_releasing() {
            return None;
        }
        self.release = None;
        (users > 0).then(|| (users, now.duration_since(since)))
    }

    /// By what a file is known, if that is new.
    pub(super) fn mark(&mut self, file: u8, mark: &Arc<Mark>) {
        self.marks.note(file, mark);
    }

    /// Puts everything into a part of the transaction; the versions that are not conserved (I13), never any.
    pub(super) fn lay(&mut self, tx: &mut Transaction) -> Vec<PlanIndex> {
        self.shard.begin();
        let part = tx.shard(self.number, self.shard.seq() + 1);
        let committing = self.shard.commit(&mut Sink(part));
        part.formats = Formats { writes: committing.format, reads: self.reads };
        part.meta = committing.meta;
        part.cycles = committing.cycle;
        self.effects.exchange(part.lines());
        for Rejected { source, offset, kind, key, code, bytes } in &self.rejects {
            part.reject(&Reject {
                source: *source,
                offset: *offset,
                kind: Some(*kind),
                key: key.as_deref(),
                code,
                length: bytes.len() as u64,
                bytes,
            });
        }
        self.lists.write(&mut |key, value| part.put(key, value));
        self.marks.write(&mut |key, value| part.put(key, value));
        // After the cycle was summed up: a replay decides what the engine keeps, and nothing beside it.
        Meta::put_beside(&mut part.meta, self.lists.sum().wrapping_add(self.marks.sum()));
        let meta = Meta::decode(&part.meta).expect("a meta that was just written reads back");
        part.epoch = meta.epoch;
        for (number, next) in meta.positions {
            match source_of(number) {
                Source::Lists => {}
                source => part.set_position(source, next),
            }
        }
        if let Some(next) = self.lists.position() {
            self.lists_position = self.lists_position.max(next);
            part.set_position(Source::Lists, self.lists_position);
        }
        committing.not_conserved
    }

    /// The commit has happened: what it carried may go.
    pub(super) fn keep(&mut self) {
        self.shard.committed();
        self.opening = false;
        if !Arc::ptr_eq(&self.catalog, self.shard.catalog()) {
            self.catalog = Arc::clone(self.shard.catalog());
        }
        self.lists.keep();
        self.marks.keep();
        self.forget();
    }

    /// It has not: everything is as it was.
    pub(super) fn undo(&mut self) {
        self.shard.undo();
        self.lists.undo();
        self.forget();
    }

    fn forget(&mut self) {
        self.effects.clear();
        self.rejects.clear();
        self.arrivals.clear();
        self.let_go = 0;
    }
}
