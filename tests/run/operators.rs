//! A journey that fails, as those see it who have to deal with it over the API (G17).

use serde_json::{Value, json};

use super::place::{JSON, Place, Server, until};
use super::world::REMINDER;

/// A journey that is entered by the event of its name, and whose second message comes after a wait.
fn journey(id: &str, dialect: &str, wait: &str) -> String {
    let text = REMINDER.replace("10m", wait).replace("\"reminder\"", &format!("{id:?}"));
    text.replace("clevertap", dialect).replace("\"Start\"", &format!("{id:?}"))
}

/// Why the system makes it fail.
const WHY: &str = "the provider refuses everything";

fn show(server: &mut Server, journey: &str) -> Value {
    server.get(&format!("/v1/journeys/{journey}")).expect("an answer").value()
}

fn enter(server: &mut Server, journey: &str, user: &str) {
    let event = json!({ "type": "track", "userId": user, "event": journey }).to_string();
    assert_eq!(server.post("/v1/track", &event).map(|answer| answer.status), Some(202));
}

/// A verb in some role: the status, and the sentence of a refusal.
fn act(server: &mut Server, journey: &str, verb: &str, role: &str) -> (u16, Value) {
    let headers = format!("{JSON}x-wayfarer-role: {role}\r\nx-wayfarer-actor: ann\r\n");
    let path = format!("/v1/journeys/{journey}/{verb}");
    let body = format!(r#"{{"reason":"{WHY}"}}"#);
    let answer = server.ask("POST", &path, &headers, &body).expect("an answer");
    (answer.status, answer.value())
}

#[test]
fn an_antsomi_journey_that_fails_is_in_error_until_the_system_recovers_it() {
    let place = Place::new(&[&journey("an", "antsomi", "6s")]);
    let mut server = place.start(place.command());
    server.wait_ready();
    enter(&mut server, "an", "u1");
    until("u1 is in", || (show(&mut server, "an")["versions"][0]["entered"] == 1).then_some(()));
    let (status, answer) = act(&mut server, "an", "fail", "operator");
    assert_eq!(status, 409, "{answer}");
    let (status, answer) = act(&mut server, "an", "fail", "system");
    assert_eq!(status, 200, "{answer}");
    let view = show(&mut server, "an");
    assert_eq!((&view["state"], &view["failure"]), (&json!("Error"), &json!(WHY)));
    assert_eq!((&view["gates"]["entry"], &view["gates"]["movement"]), (&json!("shut"), &json!("held")));
    assert_eq!(view["allowed"], json!(["abort", "copy"]));
    // Also after a kill.
    server.kill();
    let mut server = place.start(place.command());
    server.wait_ready();
    let view = show(&mut server, "an");
    assert_eq!((&view["state"], &view["failure"]), (&json!("Error"), &json!(WHY)));
    enter(&mut server, "an", "u2");
    until("u2 is refused", || {
        (show(&mut server, "an")["refused"] == json!([["entry_shut", 1]])).then_some(())
    });
    until("u1 is held", || (show(&mut server, "an")["versions"][0]["held"] == 1).then_some(()));
    for (verb, role) in [("recover", "operator"), ("reactivate", "operator"), ("fail", "operator")] {
        let (status, answer) = act(&mut server, "an", verb, role);
        assert_eq!(status, 409, "{verb} by {role}: {answer}");
        assert_eq!(answer["error"]["allowed"], json!(["abort", "copy"]), "{verb} by {role}: {answer}");
        let sentence = answer["error"]["message"].as_str().expect("a sentence");
        assert!(sentence.contains(verb), "{sentence}");
    }
    let (status, answer) = act(&mut server, "an", "recover", "system");
    assert_eq!(status, 200, "{answer}");
    let view = show(&mut server, "an");
    assert_eq!((&view["state"], &view["failure"]), (&json!("Active"), &Value::Null));
    until("the held go on", || (place.sends().len() == 2).then_some(()));
    let sends: Vec<_> = place.sends().into_iter().map(|send| (send.user, send.node)).collect();
    assert_eq!(sends, [("u1".to_owned(), "hello".to_owned()), ("u1".to_owned(), "again".to_owned())]);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_clevertap_journey_has_no_error_and_goes_on() {
    let place = Place::new(&[&journey("ct", "clevertap", "100ms")]);
    let mut server = place.start(place.command());
    server.wait_ready();
    for (verb, role) in [("fail", "operator"), ("fail", "system"), ("recover", "system")] {
        let (status, answer) = act(&mut server, "ct", verb, role);
        assert_eq!(status, 409, "{verb} by {role}: {answer}");
        let sentence = answer["error"]["message"].as_str().expect("a sentence");
        assert!(sentence.contains(verb), "{sentence}");
    }
    assert_eq!(show(&mut server, "ct")["state"], "Running");
    enter(&mut server, "ct", "u1");
    until("u1 goes on", || (place.sends().len() == 2).then_some(()));
    assert_eq!(server.terminate(), Some(0));
}
