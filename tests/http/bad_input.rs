//! Every class of bad input gets a status, a code and a sentence that names what was wrong and what is
//! allowed, and affects nothing else.

use super::client::Client;
use super::memory::start;

const JSON: &str = "content-type: application/json";
const TOML: &str = "content-type: application/toml";
const CSV: &str = "content-type: text/csv";
const LINES: &str = "content-type: application/x-ndjson";

/// Method, path, headers, body; status, code, a part of the sentence.
type Row<'a> = (&'a str, &'a str, &'a [&'a str], &'a [u8], u16, &'a str, &'a str);

fn check(client: Client, rows: &[Row<'_>]) {
    for (method, path, headers, body, status, code, part) in rows {
        let answer = client.send(method, path, headers, body);
        let shown: String = path.chars().take(80).collect();
        assert_eq!(answer.status, *status, "{method} {shown}: {}", answer.body);
        let (found, message) = answer.error();
        assert_eq!(found, *code, "{method} {shown}: {message}");
        assert!(message.contains(part), "{method} {shown}: {message:?} lacks {part:?}");
        assert!(message.len() < 700, "{method} {shown}: a sentence of {} bytes", message.len());
        assert!(!message.contains(['<', '\r', '\n', '\0']), "{method} {shown}: {message:?}");
    }
}

#[test]
fn every_bad_event_is_refused_with_its_reason_and_nothing_is_accepted() {
    let (server, memory, client) = start(|_| {});
    let good = br#"{"userId":"u","event":"A"}"#;
    let deep = format!(r#"{{"userId":"u","event":"A","properties":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    let long = format!(r#"{{"userId":"{}","event":"A"}}"#, "u".repeat(4096));
    let wide: String = (0..1_100).map(|n| format!(r#","k{n}":0"#)).collect();
    let wide = format!(r#"{{"userId":"u","event":"A"{wide}}}"#);
    let large = format!(r#"{{"userId":"u","event":"A","x":"{}"}}"#, "x".repeat(300_000));
    let bomb = gzip(&vec![b' '; 20 << 20]);
    let track = "/v1/track";
    check(
        client,
        &[
            ("POST", track, &[JSON], b"", 400, "empty", "must be a JSON object"),
            ("POST", track, &[JSON], b"nonsense", 400, "not_json", "byte 1"),
            ("POST", track, &[JSON], br#"{"userId":"u""#, 400, "truncated", "ends"),
            ("POST", track, &[JSON], b"{\"userId\":\"\xff\"}", 400, "invalid_utf8", "0xff"),
            ("POST", track, &[JSON], deep.as_bytes(), 400, "too_deep", "32"),
            ("POST", track, &[JSON], wide.as_bytes(), 400, "too_many_fields", "1000"),
            ("POST", track, &[JSON], large.as_bytes(), 413, "too_large", "262144"),
            ("POST", track, &[JSON], br#"{"userId":"","event":"A"}"#, 400, "user_blank", "userId"),
            ("POST", track, &[JSON], br#"{"userId":7,"event":"A"}"#, 400, "user_not_string", "userId"),
            ("POST", track, &[JSON], br#"{"event":"A"}"#, 400, "user_missing", "userId"),
            (
                "POST",
                track,
                &[JSON],
                br#"{"userId":"a\u0000b","event":"A"}"#,
                400,
                "user_control_character",
                "",
            ),
            ("POST", track, &[JSON], long.as_bytes(), 400, "user_too_long", "512"),
            ("POST", track, &[JSON], br#"{"userId":"u"}"#, 400, "event_missing", "event"),
            ("POST", track, &[JSON], br#"{"type":"page","userId":"u"}"#, 400, "type_contradicts", "track"),
            (
                "POST",
                track,
                &[JSON],
                br#"{"userId":"u","event":"A","n":1e999}"#,
                400,
                "number_out_of_range",
                "",
            ),
            ("POST", track, &[], good, 415, "content_type", "application/json"),
            ("POST", track, &["content-type: text/plain"], good, 415, "content_type", "application/json"),
            (
                "POST",
                track,
                &["content-type: application/json; charset=latin1"],
                good,
                415,
                "content_type",
                "utf-8",
            ),
            ("POST", track, &[JSON, "content-encoding: br"], good, 415, "content_encoding", "gzip"),
            ("POST", track, &[JSON, "content-encoding: gzip"], good, 400, "not_gzip", "gzip"),
            ("POST", track, &[JSON, "content-encoding: gzip"], &bomb, 413, "too_large", "unpacked"),
            ("POST", "/v1/batch", &[JSON], b"{}", 400, "batch_missing", "batch"),
            ("POST", "/v1/batch", &[JSON], &vec![b' '; 2 << 20], 413, "too_large", "1048576"),
            ("POST", "/v1/receipts", &[JSON], br#"{"kind":"lost"}"#, 400, "wrong_form", "delivered"),
            (
                "POST",
                "/v1/receipts",
                &[JSON],
                br#"{"receipts":[{"kind":"failed","user":" ","journey":"j","version":1,"node":"n"}]}"#,
                400,
                "bad_messages",
                "1 of 1",
            ),
            ("GET", track, &[], b"", 405, "method", "POST"),
            ("POST", "/v1/tracks", &[JSON], good, 404, "no_such_path", "/v1/track"),
            ("POST", track, &[JSON, "origin: http://evil.example"], good, 403, "cross_site", "another site"),
        ],
    );
    assert!(memory.state().accepted.is_empty());
    assert_eq!(client.json("POST", track, std::str::from_utf8(good).unwrap()).status, 202);
    server.shutdown();
}

#[test]
fn a_batch_with_bad_messages_is_refused_whole_and_names_each() {
    let (server, memory, client) = start(|_| {});
    let body = r#"{"batch":[{"type":"page","userId":"u"},{"type":"page"},{"type":"page","userId":"v"},7]}"#;
    let answer = client.json("POST", "/v1/batch", body);
    assert_eq!((answer.status, answer.error().0.as_str()), (400, "bad_messages"));
    let problems = &answer.value()["error"]["problems"];
    let told = |n: usize| (problems[n]["index"].as_u64().unwrap(), problems[n]["code"].as_str().unwrap());
    assert_eq!((told(0), told(1)), ((1, "user_missing"), (3, "not_object")));
    assert!(memory.state().accepted.is_empty());
    server.shutdown();
}

#[test]
fn every_bad_command_is_refused_with_its_reason_and_changes_nothing() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    let before = memory.state().fold.registry().get("cart-rescue").cloned();
    let huge = format!("/v1/journeys/{}/pause", "x".repeat(4096));
    let publish = "/v1/journeys/cart-rescue/publish";
    let definition = b"id = \"cart-rescue\"\ndialect = \"nobody\"\nunknown = 1\n";
    let other = include_bytes!("../../config/journeys/win-back.toml");
    check(
        client,
        &[
            ("POST", "/v1/journeys/%3Cb%3Ex/publish", &[], b"", 400, "bad_id", "letters, digits"),
            ("POST", "/v1/journeys/a%0D%0Ab/publish", &[], b"", 400, "bad_id", "letters, digits"),
            ("POST", "/v1/journeys/a%00b/publish", &[], b"", 400, "bad_id", "letters, digits"),
            ("POST", "/v1/journeys/..%2F..%2Fetc/publish", &[], b"", 400, "bad_id", "letters, digits"),
            ("POST", "/v1/journeys/../publish", &[], b"", 400, "bad_id", "not beginning with '.'"),
            ("GET", "/v1/journeys/%FF", &[], b"", 400, "bad_path", "UTF-8"),
            ("POST", &huge, &[], b"", 400, "bad_id", "4096 bytes"),
            ("POST", "/v1/journeys/cart-rescue/explode", &[], b"", 404, "unknown_verb", "publish, activate"),
            ("POST", "/v1/journeys/nobody/publish", &[], b"", 404, "no_such_journey", "put its definition"),
            ("GET", "/v1/journeys/nobody", &[], b"", 404, "no_such_journey", "nobody"),
            ("GET", publish, &[], b"", 405, "method", "POST"),
            ("DELETE", "/v1/journeys/cart-rescue", &[], b"", 405, "method", "GET"),
            ("POST", publish, &["x-wayfarer-role: root"], b"", 403, "unknown_role", "operator, system"),
            ("POST", publish, &["x-wayfarer-actor: <script>"], b"", 400, "bad_actor", "letters"),
            (
                "POST",
                publish,
                &["x-wayfarer-actor: a", "x-wayfarer-actor: b"],
                b"",
                400,
                "bad_header",
                "twice",
            ),
            ("POST", publish, &["idempotency-key: ../../x"], b"", 400, "bad_key", "128"),
            ("POST", publish, &[], br#"{"expect":1}"#, 415, "content_type", "application/json"),
            ("POST", publish, &[JSON], br#"{"expect":7}"#, 409, "stale", "revision 1, not 7"),
            ("POST", publish, &[JSON], br#"{"expects":7}"#, 400, "wrong_form", "expects"),
            ("POST", publish, &[JSON], br#"{"expect":-1}"#, 400, "wrong_form", "-1"),
            ("POST", publish, &[JSON], b"{", 400, "not_json", "JSON"),
            ("POST", publish, &[JSON], br#"{"id":"a b"}"#, 400, "bad_key", "letters"),
            ("POST", publish, &[JSON], br#"{"selection":{"at":"<b>"}}"#, 400, "bad_id", "node"),
            ("POST", publish, &[JSON], br#"{"reason":"a\u0000"}"#, 400, "bad_reason", "500"),
            ("POST", "/v1/journeys/cart-rescue/clone", &[], b"", 422, "incomplete", "`to`"),
            (
                "POST",
                "/v1/journeys/cart-rescue/clone",
                &[JSON],
                br#"{"to":"../x"}"#,
                400,
                "bad_id",
                "letters",
            ),
            ("POST", "/v1/journeys/cart-rescue/pause", &[], b"", 409, "verb", "allowed are edit"),
            ("POST", "/v1/journeys/cart-rescue/freeze", &[], b"", 409, "verb", "clevertap has no freeze"),
            ("PUT", "/v1/journeys/cart-rescue", &[TOML], definition, 422, "bad_definition", "problems"),
            ("PUT", "/v1/journeys/cart-rescue", &[TOML], other, 422, "other_id", "win-back"),
            ("PUT", "/v1/journeys/cart-rescue?expects=1", &[TOML], b"", 400, "bad_query", "expect"),
            ("PUT", "/v1/journeys/cart-rescue", &[CSV], b"", 415, "content_type", "application/toml"),
            ("PUT", "/v1/journeys/%2E%2E", &[TOML], b"", 400, "bad_id", "letters"),
            ("POST", "/v1/journeys/nobody/preview", &[], b"", 404, "no_such_journey", "nobody"),
        ],
    );
    assert_eq!(memory.state().fold.registry().get("cart-rescue").cloned(), before);
    server.shutdown();
}

#[test]
fn every_bad_request_about_a_user_is_refused_with_its_reason() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    client.put_sample("birthday-offers");
    let entries = "/v1/journeys/cart-rescue/entries";
    let list = "/v1/journeys/birthday-offers/list";
    let long = format!("/v1/users/{}", "u".repeat(4096));
    check(
        client,
        &[
            ("DELETE", "/v1/users/%20", &[], b"", 400, "user_blank", "blank"),
            ("DELETE", "/v1/users/a%00", &[], b"", 400, "user_control_character", "control"),
            ("DELETE", "/v1/users/a%0D%0Ab", &[], b"", 400, "user_control_character", "control"),
            ("DELETE", &long, &[], b"", 400, "user_too_long", "512"),
            ("DELETE", "/v1/journeys/nobody/users/u", &[], b"", 404, "no_such_journey", "nobody"),
            ("GET", "/v1/explain/%00", &[], b"", 400, "user_control_character", "control"),
            ("GET", "/v1/explain/u?journey=..", &[], b"", 400, "bad_id", "journey"),
            ("GET", "/v1/explain/u?journey=nobody", &[], b"", 404, "no_such_journey", "nobody"),
            ("GET", "/v1/rejects?max=1000000000", &[], b"", 400, "out_of_range", "from 1 to 1000"),
            ("GET", "/v1/rejects?max=0", &[], b"", 400, "out_of_range", "from 1 to 1000"),
            ("GET", "/v1/rejects?from=-1", &[], b"", 400, "out_of_range", "from 0"),
            ("GET", "/v1/rejects?size=1", &[], b"", 400, "bad_query", "max=COUNT"),
            ("POST", "/v1/rejects/replay", &[], b"", 400, "bad_selection", "nothing says which"),
            (
                "POST",
                "/v1/rejects/replay",
                &[JSON],
                br#"{"numbers":[1],"all":true}"#,
                400,
                "bad_selection",
                "beside them",
            ),
            ("POST", entries, &[JSON], b"{}", 400, "wrong_form", "user"),
            ("POST", entries, &[JSON], br#"{"user":7}"#, 400, "wrong_form", "string"),
            (
                "POST",
                entries,
                &[JSON],
                br#"{"user":"u","properties":[]}"#,
                400,
                "properties_not_object",
                "object",
            ),
            ("POST", entries, &[JSON], br#"{"user":"u","extra":1}"#, 400, "wrong_form", "extra"),
            ("POST", "/v1/journeys/nobody/entries", &[JSON], br#"{"user":"u"}"#, 404, "no_such_journey", ""),
            ("PUT", list, &[JSON], b"", 415, "content_type", "text/csv"),
            ("PUT", list, &[CSV], b"name\nx\n", 422, "csv_header", "user_id"),
            ("PUT", list, &[CSV], b"user_id,a\nu\n", 422, "bad_rows", "1 row cannot"),
            ("PUT", list, &[LINES], b"{\"user_id\":\"u\"}\n[]\n{}\n", 422, "bad_rows", "2 rows"),
            ("PUT", list, &[LINES, "content-encoding: gzip"], b"no", 400, "broken_list", ""),
            ("PUT", "/v1/journeys/cart-rescue/list", &[CSV], b"user_id\nu\n", 409, "list", "by a list"),
            ("PUT", "/v1/journeys/nobody/list", &[CSV], b"user_id\nu\n", 404, "no_such_journey", "nobody"),
        ],
    );
    assert!(memory.state().accepted.is_empty());
    server.shutdown();
}

#[test]
fn a_row_without_a_user_is_told_in_the_words_of_the_list() {
    let (server, _memory, client) = start(|_| {});
    client.put_sample("birthday-offers");
    let answer = client.send("PUT", "/v1/journeys/birthday-offers/list", &[CSV], b"user_id,a\n,1\n");
    let problem = &answer.value()["error"]["problems"][0];
    assert_eq!((&problem["line"], &problem["message"]), (&2.into(), &"the row has no user_id".into()));
    server.shutdown();
}

#[test]
fn the_problems_of_a_definition_come_with_their_lines_and_all_at_once() {
    let (server, _memory, client) = start(|_| {});
    let text = b"id = \"x\"\ndialect = \"nobody\"\nunknown = 1\n";
    let answer = client.send("PUT", "/v1/journeys/x", &[TOML], text);
    let problems = answer.value()["error"]["problems"].as_array().unwrap().clone();
    let lines: Vec<_> = problems.iter().map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert!(lines.contains(&2) && lines.contains(&3), "{problems:?}");
    assert!(problems.iter().all(|problem| problem["message"].is_string() && problem["file"] == ""));
    server.shutdown();
}

#[test]
fn an_id_with_another_request_is_refused_and_the_first_answer_stands() {
    let (server, memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    let key = "idempotency-key: k-1";
    let publish =
        |body: &str| client.send("POST", "/v1/journeys/cart-rescue/publish", &[JSON, key], body.as_bytes());
    let first = publish("{}");
    assert_eq!(first.status, 200);
    assert_eq!(publish("{}").body, first.body, "the same again");
    let other = publish(r#"{"reason":"because"}"#);
    assert_eq!((other.status, other.error().0.as_str()), (409, "key_reused"));
    let stop = client.send("POST", "/v1/journeys/cart-rescue/stop", &[key], b"");
    assert_eq!((stop.status, stop.error().0.as_str()), (409, "key_reused"));
    assert_eq!(memory.state().records.len(), 2, "a put and one publish");

    let enter = |user: &str| {
        let body = format!(r#"{{"user":"{user}","id":"entry-1"}}"#);
        client.json("POST", "/v1/journeys/cart-rescue/entries", &body)
    };
    assert_eq!((enter("u").status, enter("u").status, enter("v").status), (202, 202, 409));
    assert_eq!(memory.state().accepted.len(), 1);
    server.shutdown();
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// G40: each class of what is no range, no version and no bucket.
#[test]
fn every_bad_request_for_statistics_is_refused_with_its_reason() {
    let (server, _memory, client) = start(|_| {});
    client.put_sample("cart-rescue");
    client.json("POST", "/v1/journeys/cart-rescue/publish", "");
    for (query, status, code, part) in [
        (
            "cart-rescue/statistics?from=yesterday",
            400,
            "bad_range",
            "from is \"yesterday\"; allowed are a day",
        ),
        ("cart-rescue/statistics?to=2026-02-30", 400, "bad_range", "to is \"2026-02-30\""),
        (
            "cart-rescue/statistics?from=2026-03-01T09:10",
            400,
            "bad_range",
            "T09:00:00+05:30 or 2026-03-01T10:00",
        ),
        ("cart-rescue/statistics?from=2026-03-01T09:00+05:30", 400, "bad_range", "written as %2B"),
        ("cart-rescue/statistics?from=2026-03-02&to=2026-03-01", 400, "bad_range", "is not after"),
        (
            "cart-rescue/statistics?from=2000-01-01",
            422,
            "too_many_buckets",
            "more than 1000 buckets of one day",
        ),
        (
            "cart-rescue/statistics?from=2025-12-01&by=hour",
            422,
            "too_many_buckets",
            "ask for less time, or by day",
        ),
        ("cart-rescue/statistics?by=week", 400, "bad_by", "allowed are hour and day"),
        (
            "cart-rescue/statistics?version=0",
            400,
            "out_of_range",
            "version is \"0\"; allowed is a whole number",
        ),
        ("cart-rescue/statistics?version=two", 400, "out_of_range", "from 1 to"),
        (
            "cart-rescue/statistics?version=7",
            404,
            "no_such_version",
            "has no version 7 that went live; there is 1",
        ),
        ("cart-rescue/statistics?max=10", 400, "bad_query", "allowed: from=DAY, to=DAY"),
        ("nobody/statistics", 404, "no_such_journey", "there is no journey \"nobody\""),
        ("../statistics", 400, "bad_id", "cannot be a journey's id"),
        (".x/statistics", 400, "bad_id", "cannot be a journey's id"),
    ] {
        let answer = client.get(&format!("/v1/journeys/{query}"));
        let (told, message) = answer.error();
        assert_eq!((answer.status, told.as_str()), (status, code), "{query}: {message}");
        assert!(message.contains(part) && message.lines().count() == 1, "{query}: {message} lacks {part}");
    }
    let answer = client.json("POST", "/v1/journeys/cart-rescue/statistics", "");
    assert_eq!((answer.status, answer.error().0.as_str()), (405, "method"));
    server.shutdown();
}
