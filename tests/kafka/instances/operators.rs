//! Two operators at once, each at an instance of their own, while shards move (I9): one wins, the other is told, and
//! what was answered holds everywhere.

use std::net::SocketAddr;
use std::thread;

use super::deployment::Deployment;
use super::instance::{Instance, address, ask};
use super::operator::definition;
use super::{verified, wait_for};
use crate::running::inputs::{append_with, event};
use crate::running::{send, wait_ready};

/// How often they meet.
const ROUNDS: usize = 6;

/// Gives a verb until it is answered for good: whether it was taken, or refused.
fn give(of: &Deployment, to: SocketAddr, verb: &str, key: &str) -> bool {
    let head = format!("idempotency-key: {key}\r\ncontent-type: application/json\r\n");
    let path = format!("/v1/journeys/ct/{verb}");
    wait_for(
        &format!("{verb} of {key} is answered"),
        || of.said(),
        || match ask(to, "POST", &path, &head, b"") {
            Ok((200, _)) => Some(true),
            // Not yet everywhere; not now; nobody knows.
            Ok((202 | 500..=599, _)) | Err(_) => None,
            Ok((409, said)) if said.contains("at_work") => None,
            Ok((409, said)) => {
                assert!(said.contains(verb), "it says what was refused: {said}");
                Some(false)
            }
            Ok((status, said)) => panic!("{verb} of {key}: {status} {said}"),
        },
    )
}

/// The state that an instance shows.
fn state(of: &Instance) -> Option<String> {
    let (_, said) = ask(address(&of.log)?, "GET", "/v1/journeys/ct", "", b"").ok()?;
    let view: serde_json::Value = serde_json::from_str(&said).ok()?;
    Some(view["state"].as_str()?.to_owned())
}

#[test]
fn of_two_operators_at_once_during_a_rebalance_one_wins_and_the_other_is_told() {
    let deployment = Deployment::new(1);
    let instances = [deployment.start("a"), deployment.start("b")];
    for instance in &instances {
        wait_ready(&deployment, instance, 200, "true");
    }
    send(&instances[0], "PUT", "/v1/journeys/ct", "application/toml", &definition("ct", "clevertap"));
    send(&instances[0], "POST", "/v1/journeys/ct/publish", "application/json", "");
    let (mut open, mut guest) = (Vec::new(), None::<Instance>);
    for round in 0..ROUNDS {
        // Somebody comes or goes while they act.
        guest = match guest.take() {
            None => {
                let comes = deployment.start(&format!("guest-{round}"));
                wait_for("the guest is there", || deployment.said(), || address(&comes.log));
                Some(comes)
            }
            Some(mut goes) => {
                goes.kill();
                None
            }
        };
        let (verb, is) = if round % 2 == 0 { ("pause", "Paused") } else { ("resume", "Running") };
        let taken: Vec<bool> = thread::scope(|scope| {
            let give = |(n, instance): (usize, &Instance)| {
                let (to, key) = (address(&instance.log).expect("it listens"), format!("{round}-{n}"));
                let deployment = &deployment;
                scope.spawn(move || give(deployment, to, verb, &key))
            };
            let giving: Vec<_> = instances.iter().enumerate().map(give).collect();
            giving.into_iter().map(|it| it.join().expect("it is answered")).collect()
        });
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "round {round}, {verb}: {taken:?}");
        for instance in &instances {
            let what = format!("{} shows that it is {is}", instance.name);
            wait_for(&what, || format!("{:?}", state(instance)), || (state(instance)? == is).then_some(()));
        }
        // Who comes from here on finds the gate as it was answered, whoever has the shard by now.
        let users: Vec<String> = (0..16).map(|n| format!("r{round}-{n}")).collect();
        for user in &users {
            append_with(&deployment, "events", user, &[], event(user).as_bytes());
        }
        if is == "Running" {
            open.extend(users);
        }
    }
    let mut twice: Vec<&str> = open.iter().chain(&open).map(String::as_str).collect();
    twice.sort_unstable();
    crate::running::wait_greeted(&deployment, &twice);
    instances.into_iter().for_each(Instance::end);
    verified(&deployment);
}
