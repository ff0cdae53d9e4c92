//! CloudEvents in Kafka's forms are decided as Segment's messages are, and remembered as what they were.

use serde_json::json;
use wayfarer::journal::kafka::client::Header;

use super::inputs::{append_with, event};
use super::{greet, wait_greeted, wait_ready};
use crate::instances::deployment::Deployment;
use crate::instances::{replays, verified, wait_for};

/// Appends one in binary mode; without an id it is none that can be decided.
fn binary(of: &Deployment, user: &str, id: Option<&str>, data: &[u8]) {
    let mut headers: Vec<Header<'_>> = vec![
        ("traceparent", b"00-1-2-03"),
        ("ce_specversion", b"1.0"),
        ("ce_source", b"//shop/web"),
        ("ce_type", b"Start"),
        ("ce_subject", user.as_bytes()),
        ("content-type", b"application/json"),
    ];
    headers.extend(id.map(|id| ("ce_id", id.as_bytes())));
    append_with(of, "events", user, &headers, data);
}

fn structured(of: &Deployment, user: &str, id: &str) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "//shop/app", "type": "Start", "subject": user,
        "data": { "value": 3 },
    });
    let headers: [Header<'_>; 1] = [("content-type", b"application/cloudevents+json; charset=UTF-8")];
    append_with(of, "events", user, &headers, event.to_string().as_bytes());
}

#[test]
fn cloud_events_are_decided_as_segment_messages_are_and_so_they_are_by_whoever_decides_again() {
    let deployment = Deployment::new(1);
    let mut instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    greet(&instance);
    binary(&deployment, "u1", Some("1"), b"{\"value\":3}");
    binary(&deployment, "u1", Some("1"), b"{\"value\":3}");
    structured(&deployment, "u2", "1");
    append_with(&deployment, "events", "u3", &[("traceparent", b"00-1-2-03")], event("u3").as_bytes());
    binary(&deployment, "u4", None, b"{\"value\":4}");
    wait_greeted(&deployment, &["u1", "u2", "u3"]);
    instance.kill();

    binary(&deployment, "u5", Some("1"), b"");
    let mut instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    // The repeat of u1's is none to the instance that follows, either.
    binary(&deployment, "u1", Some("1"), b"{\"value\":3}");
    binary(&deployment, "u1", Some("2"), b"");
    wait_greeted(&deployment, &["u1", "u1", "u2", "u3", "u5"]);
    instance.lives();

    let letters = wait_for(
        "the dead letter is there",
        || deployment.said(),
        || Some(deployment.read("rejects")).filter(|letters| !letters.is_empty()),
    );
    let values: Vec<&[u8]> = letters.iter().map(|letter| &*letter.value).collect();
    assert_eq!(values, [b"{\"value\":4}"], "its data, as any tool would read it");
    instance.end();
    verified(&deployment);
    replays::as_left(&deployment, 5);
}
