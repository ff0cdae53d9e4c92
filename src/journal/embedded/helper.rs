//! A thread beside the data's way that ends with the journal.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A thread that is told to end when this is dropped, and has ended then.
pub(super) struct Helper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What tells the thread to end.
pub(super) struct Ending(Receiver<()>);

impl Ending {
    /// Rests for so long. Whether to go on.
    pub(super) fn rest(&self, time: Duration) -> bool {
        matches!(self.0.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}

impl Helper {
    pub(super) fn start(name: &str, live: impl FnOnce(Ending) + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || live(Ending(stopped)))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It panicked if this fails; the journal's own state does not depend on it.
            let _ = thread.join();
        }
    }
}
