//! Ports that stay ours while a broker is down.
//!
//! A port is held by a socket that is bound and does not listen. The kernel hands it out once, keeps it from
//! connections that need a port of their own (a client that retries a dead broker could otherwise connect to
//! itself), and frees it with our process. A server that sets `SO_REUSEADDR`, as Java does, may listen there
//! all the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

use crate::error::Error;

/// A port of 127.0.0.1 that nobody else gets.
pub(crate) struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    /// The given one, or any.
    pub(crate) fn reserve(wanted: Option<u16>) -> Result<Port, Error> {
        let port = wanted.unwrap_or(0);
        hold(port).map_err(|errno| Error::Port { port, source: errno.into() })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

fn hold(port: u16) -> rustix::io::Result<Port> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Without reuse, so that of two who ask for it one is refused; with it from then on, so that Java may
    // share.
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    set_socket_reuseaddr(&socket, true)?;
    let address = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok(Port { number: address.port(), _held: socket })
}
