//! Records that somebody else has written into our topics: counted, and nobody's trouble but their writer's. Only what
//! the state would be made of stops a start, with its place.

use wayfarer::cli::exit;
use wayfarer::journal::kafka::client::{Header, Out};

use super::inputs::{append_record, append_with, event};
use super::{get, greet, wait_greeted, wait_ready};
use crate::instances::deployment::{Deployment, SHARDS};
use crate::instances::{replays, verified, wait_for};

/// Key, value and headers of a record.
type Foreign<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [Header<'a>]);

/// Appends a record to every partition of a topic.
fn everywhere(
    of: &Deployment,
    topic: &str,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
) {
    for partition in 0..i32::from(SHARDS) {
        append_record(of, topic, Out { partition, key, value }, headers);
    }
}

#[test]
fn foreign_records_in_the_inputs_are_dead_letters_and_in_other_topics_nothing_and_everybody_goes_on() {
    let deployment = Deployment::new(1);
    let mut instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    greet(&instance);
    let giant = vec![b'k'; 200 << 10];
    let poison: &[Foreign<'_>] = &[
        (None, Some(b"\xff\x00 poison"), &[]),
        (Some(b"u"), None, &[]),
        (Some(&giant), Some(b"{"), &[]),
        (Some(b""), Some(b""), &[("wayfarer-kind", b"\xff"), ("", b""), ("wayfarer-reason", b"mine")]),
        (None, Some(b"[]"), &[("ce_id", b""), ("ce_type", b"\xff")]),
    ];
    for topic in ["events", "internal", "receipts"] {
        for (key, value, headers) in poison {
            everywhere(&deployment, topic, *key, *value, headers);
        }
    }
    everywhere(&deployment, "internal", None, Some(b"{}"), &[("wayfarer-kind", b"7")]);
    everywhere(&deployment, "lists", None, Some(b"nothing reads it"), &[]);
    for topic in ["control", "views"] {
        for value in [None, Some(&b"\xff\x00"[..]), Some(b"{\"type\":\"track\"}")] {
            append_record(&deployment, topic, Out { partition: 0, key: Some(b"xx"), value }, &[]);
        }
    }
    append_with(&deployment, "events", "u1", &[], event("u1").as_bytes());
    wait_greeted(&deployment, &["u1"]);
    instance.lives();
    let all = usize::from(SHARDS) * (3 * poison.len() + 1);
    wait_for(
        "all are dead letters",
        || deployment.said(),
        || (deployment.read("rejects").len() >= all).then_some(()),
    );
    let (_, metrics) = get(&instance, "/metrics").expect("it answers");
    let sum = |name: &str| -> usize {
        let of = |line: &str| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<f64>().ok();
        metrics.lines().filter_map(of).sum::<f64>() as usize
    };
    assert_eq!(sum("wayfarer_events_rejected_total{") + sum("wayfarer_records_rejected_total{"), all);

    // Commands are taken behind what is none, and so they are after a restart.
    super::send(&instance, "POST", "/v1/journeys/greet/pause", "application/json", "");
    super::send(&instance, "POST", "/v1/journeys/greet/resume", "application/json", "");
    instance.kill();
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    append_with(&deployment, "events", "u2", &[], event("u2").as_bytes());
    wait_greeted(&deployment, &["u1", "u2"]);
    instance.end();
    assert_eq!(deployment.read("rejects").len(), all, "each is one, once");
    verified(&deployment);
    replays::as_left(&deployment, 2);
}

#[test]
fn a_foreign_record_of_the_state_stops_a_start_with_its_place_until_it_is_put_right() {
    let deployment = Deployment::new(1);
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    greet(&instance);
    append_with(&deployment, "events", "u1", &[], event("u1").as_bytes());
    wait_greeted(&deployment, &["u1"]);
    instance.end();
    for (partition, key, what) in
        [(3, &b"?what"[..], "record ?what cannot be read"), (5, b"unobody", "user \"nobody\"")]
    {
        let at = deployment.ends("state")[partition as usize];
        append_record(&deployment, "state", Out { partition, key: Some(key), value: Some(b"\xff") }, &[]);
        let mut instance = deployment.start("a");
        let ended = wait_for("it ends", || deployment.said(), || instance.ended());
        assert_eq!(ended.code(), Some(i32::from(exit::INCOMPATIBLE)), "{}", instance.said());
        let place = format!("it is record {at} of {}", deployment.topic("state"));
        for part in [what, &place, "put back what stood under the key before"] {
            assert!(instance.said().contains(part), "{part:?}: {}", instance.said());
        }
        append_record(&deployment, "state", Out { partition, key: Some(key), value: None }, &[]);
    }
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    append_with(&deployment, "events", "u2", &[], event("u2").as_bytes());
    wait_greeted(&deployment, &["u1", "u2"]);
    instance.end();
    verified(&deployment);
}
