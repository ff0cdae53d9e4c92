//! Topics that change under a running instance: it ends with the code and the sentence of what is wrong, and nothing
//! that was decided is lost or decided again.

use std::panic::resume_unwind;
use std::thread;

use rustix::process::Signal;
use wayfarer::cli::exit;
use wayfarer::journal::kafka::partition::Partitioner;

use super::inputs::{append_with, event};
use super::{greet, greeted, wait_greeted, wait_ready};
use crate::admin::Admin;
use crate::instances::deployment::{Deployment, SHARDS};
use crate::instances::instance::Instance;
use crate::instances::{verified, wait_for};

/// What is done to a deployment at work, the code that its instance ends with, and a part of what it says.
struct Case {
    what: &'static str,
    hurt: fn(&Deployment, &Admin, &Instance),
    code: u8,
    part: &'static str,
    /// How it is put right, if it can be: then all goes on, and nothing is missing.
    heal: Option<fn(&Deployment, &Admin)>,
}

const CASES: [Case; 7] = [
    Case {
        what: "the events are deleted",
        hurt: |of, admin, _| admin.delete(&[&of.topic("events")]),
        code: exit::MISSING,
        part: "events is not there any more",
        heal: None,
    },
    Case {
        what: "the state is deleted",
        hurt: |of, admin, _| admin.delete(&[&of.topic("state")]),
        code: exit::MISSING,
        part: "state is not there any more",
        heal: None,
    },
    Case {
        what: "the sends are deleted, and there is something to send",
        hurt: |of, admin, _| {
            admin.delete(&[&of.topic("sends")]);
            start(of, "u2");
        },
        code: exit::MISSING,
        part: "sends",
        heal: None,
    },
    Case {
        what: "the events are made anew",
        hurt: |of, admin, _| {
            let events = of.topic("events");
            admin.delete(&[&events]);
            admin.create_again(&events, i32::from(SHARDS));
        },
        code: exit::INCOMPATIBLE,
        part: "made anew",
        heal: None,
    },
    Case {
        what: "the events get more partitions",
        hurt: |of, admin, _| admin.raise(&of.topic("events"), usize::from(SHARDS) + 1),
        code: exit::INCOMPATIBLE,
        part: "had 8 partitions and has 9",
        heal: None,
    },
    Case {
        what: "events are deleted before they are read",
        hurt: |of, admin, instance| {
            instance.signal(Signal::STOP);
            // A fetch that waits takes the first along.
            (0..4).for_each(|_| start(of, "u1"));
            let partition = Partitioner::Murmur2.partition(b"u1", SHARDS);
            let end = of.ends("events")[usize::from(partition)];
            admin.delete_records(&of.topic("events"), i32::from(partition), end);
            instance.signal(Signal::CONT);
        },
        code: exit::INCOMPATIBLE,
        part: "were deleted before they were read",
        heal: None,
    },
    Case {
        what: "a send is too large for its topic",
        hurt: |of, admin, _| {
            admin.set(&of.topic("sends"), &[("max.message.bytes", "100")]);
            start(of, "u2");
        },
        code: exit::INCOMPATIBLE,
        part: "raise max.message.bytes of the topic",
        heal: Some(|of, admin| admin.set(&of.topic("sends"), &[("max.message.bytes", "2000000")])),
    },
];

fn start(of: &Deployment, user: &str) {
    append_with(of, "events", user, &[], event(user).as_bytes());
}

impl Case {
    fn play(&self) {
        let deployment = Deployment::new(1);
        let admin = Admin::of(deployment.scene.servers());
        let mut instance = deployment.start("a");
        wait_ready(&deployment, &instance, 200, "true");
        greet(&instance);
        start(&deployment, "u1");
        wait_greeted(&deployment, &["u1"]);
        (self.hurt)(&deployment, &admin, &instance);
        let ended =
            wait_for(&format!("it ends, since {}", self.what), || deployment.said(), || instance.ended());
        let said = instance.said();
        let sentence = said.lines().rfind(|line| line.starts_with("wayfarer: ")).unwrap_or_default();
        assert_eq!(ended.code(), Some(i32::from(self.code)), "{}: {said}", self.what);
        assert!(sentence.contains(self.part), "{}: {sentence}\n{said}", self.what);
        if let Some(heal) = self.heal {
            assert_eq!(greeted(&deployment), ["u1"], "{}: what was refused is nowhere", self.what);
            heal(&deployment, &admin);
            let next = deployment.start("a");
            wait_greeted(&deployment, &["u1", "u2"]);
            next.end();
            verified(&deployment);
        }
    }
}

#[test]
fn a_topic_that_changes_under_an_instance_ends_it_with_what_is_wrong() {
    thread::scope(|scope| {
        let running: Vec<_> = CASES.iter().map(|case| scope.spawn(|| case.play())).collect();
        for case in running {
            case.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}
