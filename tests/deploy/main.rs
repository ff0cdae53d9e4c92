//! What lies in `deploy/` is right: it parses, fits together, and names only what there is.
#![allow(missing_docs, reason = "tests")]

mod docker;
mod files;
mod kubernetes;
mod metrics;
mod promql;
mod systemd;
