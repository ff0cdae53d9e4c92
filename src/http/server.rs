//! The listening socket, its connections, and how they end.
//!
//! The server has a runtime of its own: two threads that never block, and a bounded number that may.
//! Connections are bounded too; one more is answered 503 and closed before a byte of it is read.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::app::{App, THREADS, router};
use crate::config;
use crate::control::service::Service;
use crate::metrics::Hub;

/// Threads that read, write and part requests.
const RUNTIME_THREADS: usize = 2;
/// Connections for each request that may be at work: most are idle between two requests.
const CONNECTIONS_PER_REQUEST: usize = 4;
/// The longest head of a request, in bytes: path, query and headers.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The longest that a head may take to arrive, whatever `http.request_timeout` allows.
const HEAD_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// How long to wait when the system gives no more sockets.
const NO_SOCKET_PAUSE: Duration = Duration::from_millis(50);

const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
retry-after: 1\r\nconnection: close\r\ncontent-length: 86\r\n\r\n\
{\"error\":{\"code\":\"too_many_connections\",\"message\":\"too many connections; try again\"}}\n";

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (http.listen): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system gives no threads.
    #[error("cannot start the threads of the HTTP server: {0}")]
    Threads(io::Error),
}

/// A server that is listening. Dropped, it ends at once; [`Server::shutdown`] lets requests finish.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    patience: Duration,
    accepting: Option<JoinHandle<usize>>,
    runtime: Option<Runtime>,
}

/// Listens, and answers on threads of its own until the server is shut down or dropped.
///
/// Answers are counted in `hub`. With port 0 the system chooses one: see [`Server::address`].
///
/// # Errors
/// If the address is taken or is not this machine's, or there are no threads.
pub fn serve(service: Arc<dyn Service>, settings: &config::Http, hub: Hub) -> Result<Server, ServeError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .max_blocking_threads(THREADS)
        .thread_name("http")
        .enable_io()
        .enable_time()
        .build()
        .map_err(ServeError::Threads)?;
    let listening = |source| ServeError::Listen { address: settings.listen, source };
    let listener = runtime.block_on(TcpListener::bind(settings.listen)).map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    let patience = Duration::from_millis(settings.shutdown_timeout.as_millis());
    let request_timeout = Duration::from_millis(settings.request_timeout.as_millis());
    let (stop, stopped) = watch::channel(false);
    let accepting = Accepting {
        listener,
        router: router(App::new(service, settings.clone(), hub)),
        connections: Arc::new(Semaphore::new(settings.requests_max as usize * CONNECTIONS_PER_REQUEST)),
        head_timeout: request_timeout.min(HEAD_TIMEOUT_MAX),
        patience,
        stopped,
        closing: watch::Sender::new(false),
    };
    let accepting = Some(runtime.spawn(accepting.run()));
    Ok(Server { address, stop, patience, accepting, runtime: Some(runtime) })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and waits for those at work, at most for `http.shutdown_timeout`.
    ///
    /// Gives the number of connections that were cut because their requests took longer. Must not be called
    /// from asynchronous code.
    pub fn shutdown(mut self) -> usize {
        // Nobody listens any more if the accepting task ended by itself, which it does not.
        let _ = self.stop.send(true);
        let (Some(runtime), Some(accepting)) = (self.runtime.take(), self.accepting.take()) else { return 0 };
        // What is still cut by then is cut with the runtime.
        let limit = self.patience + Duration::from_secs(1);
        let cut = runtime.block_on(async { timeout(limit, accepting).await });
        runtime.shutdown_background();
        cut.ok().and_then(Result::ok).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Accepting {
    listener: TcpListener,
    router: Router,
    connections: Arc<Semaphore>,
    head_timeout: Duration,
    patience: Duration,
    stopped: watch::Receiver<bool>,
    /// Tells the connections, once nobody listens any more.
    closing: watch::Sender<bool>,
}

impl Accepting {
    /// Until it is stopped; the number of connections that had to be cut.
    async fn run(mut self) -> usize {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                _ = self.stopped.changed() => break,
                Some(_) = open.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.connect(stream, &mut open),
                    // The client is gone again, or there are no more sockets: neither ends the server.
                    Err(_) => sleep(NO_SOCKET_PAUSE).await,
                },
            }
        }
        // The port is free from here on, while the last requests finish.
        drop(self.listener);
        self.closing.send_replace(true);
        let all = async { while open.join_next().await.is_some() {} };
        if timeout(self.patience, all).await.is_ok() {
            return 0;
        }
        let cut = open.len();
        open.abort_all();
        cut
    }

    fn connect(&self, stream: TcpStream, open: &mut JoinSet<()>) {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            // A buffer of a new socket has room for it; whoever does not read it loses nothing.
            let _ = stream.try_write(TOO_MANY);
            return;
        };
        // Answers are small, and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut closing = self.closing.subscribe();
        open.spawn(async move {
            tokio::pin!(connection);
            tokio::select! {
                // A connection that breaks is its client's affair.
                _ = connection.as_mut() => {}
                _ = closing.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_without_a_request_has_the_length_that_it_says() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{} bytes", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
