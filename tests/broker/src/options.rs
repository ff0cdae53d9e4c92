//! What can be asked of a broker, beyond being there.

/// How a broker is to be. The default is one plain listener on a free port of loopback.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port of the plain listener; of a cluster's second broker it is the next one, and so on. Without
    /// it: any free port.
    pub port: Option<u16>,
    /// Whether there is a TLS listener too, with a certificate of a certificate authority of its own.
    pub tls: bool,
    /// Who may enter by SCRAM-SHA-512 over TLS. Without users there is no such listener.
    pub users: Vec<User>,
    /// Whether access is decided by ACLs. Whoever comes by the plain listener, or by TLS without a name, is a
    /// super user and can grant; a [`User`] without an ACL is denied everything.
    pub authorizer: bool,
    /// Settings of the broker, as in `server.properties`; they win over those of this crate.
    pub settings: Vec<(String, String)>,
    /// More arguments to `java`, such as `-XX:TieredStopAtLevel=4` for a broker that is to be fast rather
    /// than soon there. They win over those of this crate.
    pub jvm: Vec<String>,
}

/// A name and a password for SCRAM-SHA-512.
#[derive(Clone, Debug)]
pub struct User {
    /// The name: letters, digits and dashes.
    pub name: String,
    /// The password: letters, digits and dashes.
    pub password: String,
}

impl User {
    /// A user of that name and password.
    pub fn new(name: &str, password: &str) -> User {
        User { name: name.to_owned(), password: password.to_owned() }
    }
}

impl Options {
    /// Whether a certificate is needed.
    pub(crate) fn certified(&self) -> bool {
        self.tls || !self.users.is_empty()
    }
}
