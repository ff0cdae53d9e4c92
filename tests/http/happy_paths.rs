//! What is right is done: events become durable before their answer, commands are judged, lists arrive.

use serde_json::json;
use wayfarer::control::Command;
use wayfarer::control::service::AcceptedKind;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::input::Selection;

use super::bad_input::gzip;
use super::memory::start;

const JSON: &str = "content-type: application/json";

#[test]
fn every_kind_of_message_is_accepted_as_it_was_written() {
    let (server, memory, client) = start(|_| {});
    for (path, body, written) in [
        ("track", r#"{"userId":"u","event":"A"}"#, r#"{"type":"track","userId":"u","event":"A"}"#),
        ("identify", r#"{"userId":"u"}"#, r#"{"type":"identify","userId":"u"}"#),
        ("page", r#"{"anonymousId":"u"}"#, r#"{"type":"page","anonymousId":"u"}"#),
        ("screen", r#"{"type":"screen","userId":"u"}"#, r#"{"type":"screen","userId":"u"}"#),
        ("group", r#"{"userId":"u"}"#, r#"{"type":"group","userId":"u"}"#),
        ("alias", r#"{"userId":"u","previousId":"a"}"#, r#"{"type":"alias","userId":"u","previousId":"a"}"#),
    ] {
        let answer = client.json("POST", &format!("/v1/{path}"), body);
        assert_eq!((answer.status, answer.value()), (202, json!({"accepted": 1})), "{path}");
        let accepted = memory.state().accepted.pop().unwrap();
        assert_eq!((accepted.kind, accepted.user.as_str()), (AcceptedKind::Event, "u"), "{path}");
        assert_eq!(String::from_utf8(accepted.bytes).unwrap(), written, "{path}");
    }
    server.shutdown();
}

#[test]
fn a_batch_is_accepted_whole_compressed_or_not() {
    let (server, memory, client) = start(|_| {});
    let body = r#"{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"v"}],"sentAt":"x"}"#;
    assert_eq!(client.json("POST", "/v1/batch", body).value(), json!({"accepted": 2}));
    let packed = gzip(body.as_bytes());
    let headers = [JSON, "content-encoding: gzip", "authorization: Basic d3JpdGVrZXk6"];
    assert_eq!(client.send("POST", "/v1/batch", &headers, &packed).status, 202);
    let users: Vec<_> = memory.state().accepted.iter().map(|accepted| accepted.user.clone()).collect();
    assert_eq!(users, ["u", "v", "u", "v"]);
    let own = format!("origin: http://{}", client.0);
    assert_eq!(
        client.send("POST", "/v1/batch", &[JSON, &own], body.as_bytes()).status,
        202,
        "a page of ours"
    );
    memory.state().accepted.truncate(4);
    assert_eq!(client.json("POST", "/v1/batch", r#"{"batch":[]}"#).value(), json!({"accepted": 0}));
    server.shutdown();
}

#[test]
fn receipts_entries_removals_and_deletions_are_accepted_in_their_wire_forms() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    let receipt = r#"{"kind":"clicked","user":"u","journey":"cart-rescue","version":1,"node":"remind"}"#;
    client.json("POST", "/v1/receipts", receipt);
    client.json("POST", "/v1/receipts", &format!(r#"{{"receipts":[{receipt},{receipt}]}}"#));
    client.json("POST", "/v1/journeys/cart-rescue/entries", r#"{"user":"ü \"1\"","properties":{"n":1.50}}"#);
    client.json("POST", "/v1/journeys/cart-rescue/entries", r#"{"user":"u"}"#);
    client.send("DELETE", "/v1/journeys/cart-rescue/users/a%2Fb", &[], b"");
    // A user whose id looks like markup can be in an event, and so can be deleted.
    client.send("DELETE", "/v1/users/%3Cb%3E", &[], b"");
    let accepted = std::mem::take(&mut memory.state().accepted);
    let told: Vec<_> =
        accepted.iter().map(|a| (a.kind, a.user.as_str(), std::str::from_utf8(&a.bytes).unwrap())).collect();
    assert_eq!(
        told,
        [
            (AcceptedKind::Receipt, "u", receipt),
            (AcceptedKind::Receipt, "u", receipt),
            (AcceptedKind::Receipt, "u", receipt),
            (
                AcceptedKind::Enter,
                "ü \"1\"",
                r#"{"journey":"cart-rescue","user":"ü \"1\"","properties":{"n":1.50}}"#
            ),
            (AcceptedKind::Enter, "u", r#"{"journey":"cart-rescue","user":"u","properties":{}}"#),
            (AcceptedKind::Remove, "a/b", r#"{"journey":"cart-rescue","user":"a/b"}"#),
            (AcceptedKind::Delete, "<b>", r#"{"user":"<b>"}"#),
        ]
    );
    server.shutdown();
}

#[test]
fn a_journey_is_put_published_paused_and_shown() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    let by = ["x-wayfarer-actor: ann@example.com", JSON];
    let publish = client.send("POST", "/v1/journeys/cart-rescue/publish", &by, br#"{"expect":1,"id":"p"}"#);
    assert_eq!((publish.status, publish.value()), (200, json!({"epoch": 1})));
    assert_eq!(client.send("POST", "/v1/journeys/cart-rescue/pause", &[], b"").status, 200);
    let shown = client.get("/v1/journeys/cart-rescue").value();
    assert_eq!(shown["state"], "Paused");
    assert_eq!(shown["gates"], json!({"entry": "shut", "movement": "open"}));
    assert_eq!(shown["allowed"], json!(["edit", "clone", "resume", "stop"]));
    assert_eq!(
        (&shown["created_by"], &shown["published_by"]),
        (&json!("operator"), &json!("ann@example.com"))
    );
    assert_eq!(client.get("/v1/journeys").value()["journeys"], json!([shown]));
    let state = memory.state();
    assert_eq!((state.records[1].id.as_str(), state.records[1].expect), ("p", Some(1)));
    assert_ne!(state.records[0].id, state.records[2].id, "ids that nobody chose are new ones");
    drop(state);
    let refused = client.send("POST", "/v1/journeys/cart-rescue/pause", &[], b"");
    assert_eq!(refused.value()["error"]["allowed"], json!(["edit", "clone", "resume", "stop"]));
    server.shutdown();
}

#[test]
fn a_verb_takes_what_it_may_need() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    let body = r#"{"selection":{"from":"remind"},"keep_held":true,"reason":"why","to":"copy"}"#;
    client.send(
        "POST",
        "/v1/journeys/cart-rescue/clone",
        &["x-wayfarer-role: system", JSON],
        body.as_bytes(),
    );
    let record = memory.state().records[1].clone();
    assert_eq!(record.role, Role::System);
    let Command::Act(act) = record.command else { panic!("{record:?} is no verb") };
    assert_eq!((act.verb, act.keep_held), (Verb::Clone, true));
    assert_eq!(act.selection, Selection::From("remind".to_owned()));
    assert_eq!((act.reason.as_deref(), act.to.as_deref()), (Some("why"), Some("copy")));
    assert_eq!(client.get("/v1/journeys/copy").value()["state"], "Draft");
    server.shutdown();
}

#[test]
fn a_command_that_shards_have_not_taken_is_pending_and_its_repeat_asks_again() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    memory.set(|state| state.slow_shards = vec![3, 9]);
    let publish = || client.send("POST", "/v1/journeys/cart-rescue/publish", &["idempotency-key: k"], b"");
    let pending = publish();
    assert_eq!((pending.status, &pending.value()["pending"]), (202, &json!([3, 9])));
    assert!(
        pending.value()["message"].as_str().unwrap().contains("3 (of no known owner), 9 (of no known owner)")
    );
    memory.set(|state| state.slow_shards.clear());
    let done = publish();
    assert_eq!((done.status, done.value()), (200, json!({"epoch": 1})));
    server.shutdown();
}

#[test]
fn a_list_arrives_from_csv_and_from_json_lines_whole() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("birthday-offers");
    let csv = b"user_id,age,name\nu1,30,\"A, B\"\nu2,,\xC3\xA9\n";
    let put = |headers: &[&str], body: &[u8]| {
        client.send("PUT", "/v1/journeys/birthday-offers/list", headers, body)
    };
    let answer = put(&["content-type: text/csv"], csv);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let row = |user: &str, fields: &str| (user.to_owned(), fields.as_bytes().to_vec());
    let rows = std::mem::take(&mut memory.state().rows);
    assert_eq!(rows, [row("u1", r#"{"age":30,"name":"A, B"}"#), row("u2", r#"{"name":"é"}"#)]);
    let lines = b"{\"user_id\":\"u1\",\"z\":1.50,\"a\":[1]}\n\n{\"user_id\":\"u2\"}";
    let headers = ["content-type: application/x-ndjson", "content-encoding: gzip", "idempotency-key: l"];
    assert_eq!(put(&headers, &gzip(lines)).status, 200);
    assert_eq!(put(&headers, &gzip(lines)).status, 200, "a repeat");
    let rows = std::mem::take(&mut memory.state().rows);
    assert_eq!(rows, [row("u1", r#"{"a":[1],"z":1.50}"#), row("u2", "{}")]);
    let Command::List(manifest) = memory.state().records[1].command.clone() else { panic!("no manifest") };
    assert_eq!(manifest.rows, 2);
    assert_eq!(
        memory.state().fold.registry().get("birthday-offers").unwrap().list.clone().unwrap().list,
        "birthdays"
    );
    server.shutdown();
}

#[test]
fn what_can_be_looked_at_is_shown() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    let story = client.get("/v1/explain/u?journey=cart-rescue").value();
    assert_eq!((&story["user"], &story["records"][1]["node"]), (&json!("u"), &json!("patience")));
    assert_eq!((&story["records"][2]["story"], &story["left_out"]), (&json!("refused"), &json!(0)));
    client.json("POST", "/v1/journeys/cart-rescue/publish", "");
    let told =
        client.get("/v1/journeys/cart-rescue/statistics?from=2026-03-01&to=2026-03-07&version=1").value();
    assert_eq!(
        (&told["zone"], &told["by"], &told["from"], &told["to"]),
        (
            &json!("Asia/Kolkata"),
            &json!("day"),
            &json!("2026-03-01T00:00:00+05:30"),
            &json!("2026-03-08T00:00:00+05:30")
        )
    );
    let version = &told["versions"][0];
    assert_eq!((&version["version"], &version["now"]["waiting"]), (&json!(1), &json!(2)));
    assert_eq!(version["nodes"]["patience"]["waiting"], 2);
    assert_eq!(
        (&version["buckets"][0]["at"], &version["total"]["entered"]),
        (&json!("2026-03-07"), &json!(3))
    );
    let rejects = client.get("/v1/rejects?from=1&max=1").value();
    assert_eq!(rejects["rejects"][0]["number"], 1);
    assert_eq!(rejects["rejects"].as_array().unwrap().len(), 1);
    let preview = client.json("POST", "/v1/journeys/cart-rescue/preview", r#"{"selection":{"at":"remind"}}"#);
    assert_eq!(preview.value(), json!({"users": 2, "oldest_due": "2026-02-02T02:40:00.000Z"}));
    assert_eq!(client.get("/livez").status, 200);
    assert_eq!(client.get("/readyz").status, 200);
    let metrics = client.get("/metrics");
    assert!(metrics.head.contains("content-type: application/openmetrics-text"), "{}", metrics.head);
    memory.set(|state| state.full = true);
    let (code, message) = client.get("/readyz").error();
    assert_eq!((code.as_str(), message.as_str()), ("not_ready", "the disk is full"));
    assert_eq!(client.get("/livez").status, 200, "alive it is");
    server.shutdown();
}
