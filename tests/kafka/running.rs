//! What operators see of a running instance: health that tells the truth (I12), and numbers that move.

mod cloud_events;
mod foreign;
mod health;
pub mod inputs;
mod metrics;
mod rejects;
mod secure;
mod unfit;
mod upstream;

use std::cell::RefCell;

use crate::instances::deployment::{Deployment, Seen};
use crate::instances::instance::{Instance, address, ask};
use crate::instances::wait_for;

/// Asks an instance once it listens.
fn get(instance: &Instance, path: &str) -> Option<(u16, String)> {
    ask(address(&instance.log)?, "GET", path, "", b"").ok()
}

/// Asks for something to be done; it is.
pub fn send(instance: &Instance, method: &str, path: &str, kind: &str, body: &str) {
    let to = address(&instance.log).expect("it listens");
    let head = format!("content-type: {kind}\r\n");
    let (status, said) = ask(to, method, path, &head, body.as_bytes()).expect("it answers");
    assert!(status < 300, "{method} {path}: {status} {said}");
}

/// Makes a journey by whose name it greets whoever starts, each time.
fn greet(instance: &Instance) {
    send(instance, "PUT", "/v1/journeys/greet", "application/toml", GREET);
    send(instance, "POST", "/v1/journeys/greet/publish", "application/json", "");
}

const GREET: &str = r#"
id = "greet"
dialect = "clevertap"
zone = "UTC"
[entry]
event = "Start"
reentry = "always"
[[node]]
id = "hello"
type = "send"
channel = "push"
content = "hello"
next = "exit"
[content.hello]
text = "hello"
"#;

/// Whom a message was sent to, in any order.
fn greeted(of: &Deployment) -> Vec<String> {
    let user = |seen: &Seen| -> String {
        let line: serde_json::Value = serde_json::from_slice(&seen.value).expect("a send is JSON");
        line["user"].as_str().expect("it names its user").to_owned()
    };
    let mut users: Vec<String> = of.read("sends").iter().map(user).collect();
    users.sort();
    users
}

/// Waits until exactly these were greeted, each as often as it is there.
pub fn wait_greeted(of: &Deployment, users: &[&str]) {
    let what = format!("{users:?} are greeted");
    let found = wait_for(
        &what,
        || format!("{:?} were; {}", greeted(of), of.said()),
        || {
            let found = greeted(of);
            (found.len() >= users.len()).then_some(found)
        },
    );
    assert_eq!(found, users);
}

/// Waits until `/readyz` answers so, with a body that contains `part`.
pub fn wait_ready(of: &Deployment, instance: &Instance, status: u16, part: &str) -> String {
    let last = RefCell::new(None);
    let what = format!("{} is {status} with {part:?}", instance.name);
    wait_for(
        &what,
        || format!("{:?} was the last answer; {}", last.borrow(), of.said()),
        || {
            last.replace(get(instance, "/readyz"));
            let last = last.borrow();
            last.as_ref()
                .filter(|(is, said)| *is == status && said.contains(part))
                .map(|(_, said)| said.clone())
        },
    )
}
