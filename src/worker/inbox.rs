//! What a worker can be told from outside, and how it waits when it has nothing to do.
//!
//! Three channels: commands and questions are never refused, lines of a followed file press back on who reads
//! it, and a signal says that the accepted log has grown. A worker that waits is woken by any of them.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Select, Sender, TryRecvError, bounded, unbounded};

use super::desk::Step;
use super::feed::Lines;
use crate::engine::hold::Preview;
use crate::journey::catalog::JourneyIndex;
use crate::model::input::Selection;

/// How many pieces of a followed file wait for a worker before its reader waits.
const PIECES_MAX: usize = 4;

/// What a worker is told.
#[derive(Debug)]
pub enum Message {
    /// A command was accepted.
    Step(Arc<Step>),
    /// What would a release do in these shards?
    Preview(JourneyIndex, Selection, Sender<Preview>),
    /// Finish the turn, commit, end.
    Stop,
}

/// Where others put what a worker is to know; clones are the same.
#[derive(Clone, Debug)]
pub struct Sending {
    messages: Sender<Message>,
    lines: Sender<Lines>,
    signal: Sender<()>,
}

/// Where the worker finds it.
#[derive(Debug)]
pub struct Inbox {
    messages: Receiver<Message>,
    lines: Receiver<Lines>,
    signal: Receiver<()>,
}

/// An inbox and its other end.
#[must_use]
pub fn inbox() -> (Sending, Inbox) {
    let (messages, received) = unbounded();
    let (lines, pieces) = bounded(PIECES_MAX);
    let (signal, signals) = bounded(1);
    (Sending { messages, lines, signal }, Inbox { messages: received, lines: pieces, signal: signals })
}

impl Sending {
    /// Tells the worker; one that has ended hears nothing.
    pub fn tell(&self, message: Message) {
        let _ = self.messages.send(message);
    }

    /// The accepted log has grown.
    pub fn signal(&self) {
        // Full: the worker will look anyway.
        let _ = self.signal.try_send(());
    }

    /// Hands over a piece of a file, waiting at most so long for room; gives it back if there is none.
    ///
    /// # Errors
    /// The piece, if there was no room or the worker has ended.
    pub fn lines(&self, piece: Lines, wait: Duration) -> Result<(), Lines> {
        self.lines.send_timeout(piece, wait).map_err(crossbeam::channel::SendTimeoutError::into_inner)
    }
}

impl Inbox {
    /// The next message, if there is one. All senders gone means Stop.
    pub fn message(&self) -> Option<Message> {
        match self.messages.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Message::Stop),
        }
    }

    /// The next piece of a file, if there is one.
    pub fn lines(&self) -> Option<Lines> {
        self.lines.try_recv().ok()
    }

    /// Whether no piece of a file waits.
    pub fn has_no_lines(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes note of the signal: to be done before the log is looked at.
    pub fn clear_signal(&self) {
        let _ = self.signal.try_recv();
    }

    /// Waits until there is something to take, at most so long.
    pub fn wait(&self, at_most: Duration) {
        let mut select = Select::new();
        select.recv(&self.messages);
        select.recv(&self.lines);
        select.recv(&self.signal);
        let _ = select.ready_timeout(at_most);
    }

    /// Waits for messages only: after a commit that was refused, more input is no reason to try again.
    pub fn wait_for_message(&self, at_most: Duration) {
        let mut select = Select::new();
        select.recv(&self.messages);
        let _ = select.ready_timeout(at_most);
    }
}
