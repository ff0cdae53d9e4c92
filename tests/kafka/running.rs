//! What operators see of a running instance: health that tells the truth (I12), and numbers that move.

mod health;
mod metrics;

use crate::instances::deployment::Deployment;
use crate::instances::instance::{Instance, address, ask};
use crate::instances::wait_for;

/// Asks an instance once it listens.
fn get(instance: &Instance, path: &str) -> Option<(u16, String)> {
    ask(address(&instance.log)?, "GET", path, "", b"").ok()
}

/// Waits until `/readyz` answers so, with a body that contains `part`.
fn wait_ready(of: &Deployment, instance: &Instance, status: u16, part: &str) -> String {
    let mut last = None;
    let what = format!("{} is {status} with {part:?}", instance.name);
    wait_for(
        &what,
        || of.said(),
        || {
            last = get(instance, "/readyz");
            last.take().filter(|(is, said)| *is == status && said.contains(part)).map(|(_, said)| said)
        },
    )
}
