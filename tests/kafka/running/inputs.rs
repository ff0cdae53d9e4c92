//! Several topics of events: all are read, each from where it was, in whatever order they are configured.

use wayfarer::journal::kafka::client::{Append, Appender, Header, Out};
use wayfarer::journal::kafka::partition::Partitioner;

use super::{greet, send, wait_greeted, wait_ready};
use crate::instances::deployment::{Deployment, SHARDS};
use crate::instances::instance::Instance;
use crate::instances::{replays, verified};
use crate::scene::{PATIENCE, Scene};

/// Appends bytes to a topic where the events of `user` are.
fn append(of: &Deployment, topic: &str, user: &str, value: &[u8]) {
    append_with(of, topic, user, &[], value);
}

/// The same with headers.
pub fn append_with(of: &Deployment, topic: &str, user: &str, headers: &[Header<'_>], value: &[u8]) {
    let partition = i32::from(Partitioner::Murmur2.partition(user.as_bytes(), SHARDS));
    let record = Out { partition, key: Some(user.as_bytes()), value: Some(value) };
    append_record(of, topic, record, headers);
}

/// Appends any record.
pub fn append_record(of: &Deployment, topic: &str, record: Out<'_>, headers: &[Header<'_>]) {
    let appender = Appender::new(&of.scene.settings()).expect("an appender");
    let topic = of.topic(topic);
    let answers = appender.append(&[Append { topic: &topic, record, headers }], PATIENCE);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

pub fn event(user: &str) -> String {
    format!(r#"{{"type":"track","userId":"{user}","event":"Start"}}"#)
}

fn start(of: &Deployment, topic: &str, user: &str) {
    append(of, topic, user, event(user).as_bytes());
}

fn track(instance: &Instance, user: &str) {
    send(instance, "POST", "/v1/track", "application/json", &event(user));
}

#[test]
fn an_event_accepted_over_http_lies_where_a_producer_would_have_put_its_user_and_under_that_key() {
    let deployment = Deployment::new(1);
    let instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    for user in ["u1", "u2", "u3"] {
        track(&instance, user);
    }
    let seen = deployment.read("events");
    let mut keys: Vec<&[u8]> = seen.iter().filter_map(|it| it.key.as_deref()).collect();
    keys.sort_unstable();
    assert_eq!(keys, [b"u1", b"u2", b"u3"]);
    for it in &seen {
        let key = it.key.as_deref().expect("all have one");
        assert_eq!(it.partition, i32::from(Partitioner::Murmur2.partition(key, SHARDS)));
        assert!(it.value.windows(key.len()).any(|part| part == key), "the key is another event's");
    }
}

#[test]
fn events_of_every_topic_are_decided_once_whatever_the_order_of_the_topics() {
    let two = [("TOPICS__EVENTS", "{prefix}events,{prefix}app")];
    let mut deployment = Deployment::on(Scene::shared(), 2, &two);
    let mut instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    greet(&instance);
    start(&deployment, "events", "u1");
    start(&deployment, "app", "u2");
    track(&instance, "u3");
    append(&deployment, "app", "u4", b"{\"poison\":");
    wait_greeted(&deployment, &["u1", "u2", "u3"]);
    instance.kill();
    start(&deployment, "app", "u5");

    // A further one comes before the one that is known: it keeps its number and its place.
    deployment.change(&[("TOPICS__EVENTS", "{prefix}events,{prefix}new,{prefix}app")]);
    start(&deployment, "new", "u6");
    let mut instance = deployment.start("a");
    wait_ready(&deployment, &instance, 200, "true");
    start(&deployment, "app", "u7");
    wait_greeted(&deployment, &["u1", "u2", "u3", "u5", "u6", "u7"]);
    let letters: Vec<Vec<u8>> = deployment.read("rejects").into_iter().map(|seen| seen.value).collect();
    assert_eq!(letters, [b"{\"poison\":"]);
    instance.lives();
    instance.kill();
    verified(&deployment);
    replays::as_left(&deployment, 6);

    // Another anchor would be read from the positions of the first.
    deployment.change(&[("TOPICS__EVENTS", "{prefix}app,{prefix}events")]);
    let mut instance = deployment.start("a");
    let ended = crate::instances::wait_for("it ends", || deployment.said(), || instance.ended());
    assert_eq!(ended.code(), Some(i32::from(wayfarer::cli::exit::INCOMPATIBLE)), "{}", instance.said());
    assert!(instance.said().contains("which has to stay the first"), "{}", instance.said());
}
