//! Every class of bad event has its outcome here, in a row that says which; and the decoder against
//! serde_json.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::ingest::limits::{DEPTH_MAX, FIELDS_MAX};

/// A message with `userId` u1 and event E, and these further members.
fn track(members: &str) -> String {
    format!(r#"{{"type":"track","userId":"u1","event":"E"{members}}}"#)
}

fn code(bytes: impl AsRef<[u8]>) -> &'static str {
    decode(bytes.as_ref()).map_or_else(|reject| reject.code, |_| "ok")
}

fn nested(levels: usize) -> String {
    track(&format!(r#","x":{}{}"#, "[".repeat(levels), "]".repeat(levels)))
}

fn with_fields(count: usize) -> String {
    track(&(3..count).map(|n| format!(r#","k{n}":0"#)).collect::<String>())
}

#[test]
fn a_whole_message_gives_all_its_parts() {
    let message =
        br#" {"type":"track","messageId":"m-1","userId":"u1","anonymousId":"a1","event":"Cart Updated",
        "timestamp":"2026-03-01T09:30:00.250Z","properties":{"value":1},"traits":null,
        "context":{"ip":"::1","traits":{"x":1},"timezone":"Asia/Kolkata"},"unknown":[1,{"a":null}]}
        "#;
    let event = decode(message).unwrap();
    assert_eq!(
        event,
        Event {
            kind: EventKind::Track,
            name: "Cart Updated".into(),
            user: "u1".into(),
            message_id: Some("m-1".into()),
            timestamp: Some("2026-03-01T09:30:00.250Z".parse().unwrap()),
            properties: br#"{"value":1}"#,
            traits: b"",
            timezone: Some("Asia/Kolkata".into()),
        }
    );
    assert!(matches!((event.name, event.user), (Cow::Borrowed(_), Cow::Borrowed(_))), "nothing is copied");
}

#[test]
fn each_kind_has_the_name_that_journeys_call_it_by() {
    for (kind, name) in [
        (EventKind::Track, "E"),
        (EventKind::Identify, "User Identified"),
        (EventKind::Page, "Page Viewed"),
        (EventKind::Screen, "Screen Viewed"),
        (EventKind::Group, "Group Joined"),
        (EventKind::Alias, "User Aliased"),
    ] {
        let message = format!(r#"{{"type":"{}","userId":"u1","event":"E"}}"#, kind.as_str());
        let event = decode(message.as_bytes()).unwrap();
        assert_eq!((event.kind, &*event.name), (kind, name));
    }
}

#[test]
fn every_class_of_bad_event_has_its_own_code() {
    let big = track(&format!(r#","x":"{}""#, "x".repeat(EVENT_BYTES_MAX)));
    let long_user = format!(r#"{{"type":"track","event":"E","userId":"{}"}}"#, "x".repeat(4096));
    let long_name = format!(r#"{{"type":"track","userId":"u","event":"{}"}}"#, "x".repeat(513));
    let long_id = track(&format!(r#","messageId":"{}""#, "x".repeat(513)));
    let (deep, wide) = (nested(DEPTH_MAX), with_fields(FIELDS_MAX + 1));
    let rows: &[(&'static str, &[u8])] = &[
        ("empty", b""),
        ("empty", b" \r\n"),
        ("empty", b"\xef\xbb\xbf"),
        ("too_large", big.as_bytes()),
        ("invalid_utf8", b"{\"type\":\"tr\xffck\"}"),
        ("invalid_utf8", b"{\"type\":\"\xed\xa0\x80\"}"),
        ("not_json", b"hello"),
        ("not_json", b"{'type':'track'}"),
        ("not_json", b"{\"type\":\"track\",}"),
        ("not_json", b"{\"type\" \"track\"}"),
        ("not_json", b"{\"a\":01}"),
        ("not_json", b"{\"a\":NaN}"),
        ("not_json", b"{\"a\":\"\t\"}"),
        ("not_json", br#"{"a":"\x"}"#),
        ("not_json", br#"{"a":"\ud800"}"#),
        ("not_json", br#"{"a":"\ud800\u0041"}"#),
        ("not_json", br#"{"a":"\udc00"}"#),
        ("not_json", b"[1,]"),
        ("truncated", br#"{"type":"track","user"#),
        ("truncated", br#"{"type":"track""#),
        ("truncated", b"{\"type\":\"\xc3"),
        ("truncated", br#"{"a":tru"#),
        ("truncated", br#"{"a":"\u00"#),
        ("truncated", b"{\"a\":-"),
        ("not_object", b"[]"),
        ("not_object", b"\"track\""),
        ("not_object", b" 12 "),
        ("too_deep", deep.as_bytes()),
        ("too_many_fields", wide.as_bytes()),
        ("number_out_of_range", br#"{"a":1e999}"#),
        ("number_out_of_range", br#"{"a":[-1.5E+400]}"#),
        ("trailing_bytes", br#"{"type":"track","userId":"u","event":"E"}x"#),
        ("trailing_bytes", b"{}{}"),
        ("trailing_bytes", b"{}\0"),
        ("duplicate_key", br#"{"type":"track","userId":"u","event":"E","userId":"v"}"#),
        ("duplicate_key", br#"{"type":"track","userId":"u","event":"E","u\u0073erId":"u"}"#),
        ("duplicate_key", br#"{"properties":null,"properties":{}}"#),
        ("type_missing", b"{}"),
        ("type_missing", br#"{"type":null,"userId":"u"}"#),
        ("type_not_string", br#"{"type":1,"userId":"u"}"#),
        ("type_unknown", br#"{"type":"Track","userId":"u"}"#),
        ("type_unknown", br#"{"type":"","userId":"u"}"#),
        ("user_missing", br#"{"type":"track","event":"E"}"#),
        ("user_missing", br#"{"type":"track","event":"E","userId":null,"anonymousId":null}"#),
        ("user_not_string", br#"{"type":"track","event":"E","userId":12}"#),
        ("user_not_string", br#"{"type":"track","event":"E","anonymousId":{}}"#),
        ("user_blank", br#"{"type":"track","event":"E","userId":""}"#),
        ("user_blank", br#"{"type":"track","event":"E","userId":" \u00a0\t","anonymousId":"a"}"#),
        ("user_too_long", long_user.as_bytes()),
        ("user_control_character", br#"{"type":"track","event":"E","userId":"a\u0000b"}"#),
        ("user_control_character", br#"{"type":"track","event":"E","userId":"a\r\nb"}"#),
        ("user_control_character", b"{\"type\":\"track\",\"event\":\"E\",\"userId\":\"a\x7f\"}"),
        ("event_missing", br#"{"type":"track","userId":"u"}"#),
        ("event_not_string", br#"{"type":"track","userId":"u","event":[]}"#),
        ("event_blank", br#"{"type":"track","userId":"u","event":" "}"#),
        ("event_too_long", long_name.as_bytes()),
        ("message_id_not_string", br#"{"type":"track","userId":"u","event":"E","messageId":7}"#),
        ("message_id_too_long", long_id.as_bytes()),
        ("properties_not_object", br#"{"type":"track","userId":"u","event":"E","properties":"{}"}"#),
        ("traits_not_object", br#"{"type":"identify","userId":"u","traits":[]}"#),
        ("traits_not_object", br#"{"type":"identify","userId":"u","context":{"traits":1}}"#),
        ("context_not_object", br#"{"type":"track","userId":"u","event":"E","context":true}"#),
    ];
    for (expected, bytes) in rows {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
        let reject = decode(bytes).expect_err(&shown);
        assert_eq!(reject.code, *expected, "{shown}: {reject}");
        assert!(Reject::CODES.contains(&reject.code));
        assert!(reject.at <= bytes.len(), "{shown}: {reject:?}");
        assert!(reject.message.len() > 20 && reject.message.len() < 300, "{shown}: {reject}");
    }
    let covered: Vec<_> = rows.iter().map(|row| row.0).collect();
    for code in Reject::CODES.iter().take_while(|code| **code != "type_contradicts") {
        assert!(covered.contains(code), "{code} has no row here");
    }
}

#[test]
fn what_is_at_a_limit_is_allowed() {
    let filler = EVENT_BYTES_MAX - track(r#","x":"""#).len();
    let rows = [
        track(&format!(r#","x":"{}""#, "x".repeat(filler))),
        nested(DEPTH_MAX - 1),
        with_fields(FIELDS_MAX),
        format!(r#"{{"type":"page","userId":"{}"}}"#, "é".repeat(USER_BYTES_MAX / 2)),
        track(r#","a":1.7976931348623157e308,"b":1e-999,"c":123456789012345678901234567890"#),
        format!("\u{feff}{}", track("")),
        track(r#","a":"\ud83d\ude00\/\b""#),
        track(r#","other":1,"other":2,"properties":{"a":1,"a":2},"messageId":"""#),
    ];
    for message in rows {
        assert_eq!(code(&message), "ok", "{}", &message[..message.len().min(120)]);
    }
}

#[test]
fn a_timestamp_that_names_no_point_in_time_is_none_and_the_event_lives() {
    for (timestamp, expected) in [
        (r#""2026-03-01T09:30:00Z""#, Some("2026-03-01T09:30:00Z")),
        (r#""2026-03-01T15:00:00+05:30""#, Some("2026-03-01T09:30:00Z")),
        (r#""9999-12-01T00:00:00Z""#, Some("9999-12-01T00:00:00Z")),
        (r#""2026-03-01T09:30:00""#, None),
        (r#""9999-12-31T23:59:59Z""#, None),
        (r#""soon""#, None),
        ("1772357400", None),
        ("null", None),
        ("{}", None),
    ] {
        let message = track(&format!(r#","timestamp":{timestamp}"#));
        let event = decode(message.as_bytes()).unwrap();
        assert_eq!(event.timestamp, expected.map(|t| t.parse().unwrap()), "{timestamp}");
    }
    assert_eq!(decode(track("").as_bytes()).unwrap().timestamp, None);
}

#[test]
fn null_is_absent_and_the_anonymous_id_stands_in_for_the_user() {
    for (members, user) in [
        (r#""userId":"u","anonymousId":"a""#, "u"),
        (r#""userId":null,"anonymousId":"a""#, "a"),
        (r#""anonymousId":"a","messageId":null,"context":null,"properties":null"#, "a"),
        (r#""userId":" u ""#, " u "),
        (r#""userId":"J\u00fcrgen \"\ud83d\ude00\"""#, "Jürgen \"😀\""),
    ] {
        let message = format!(r#"{{"type":"page",{members}}}"#);
        let event = decode(message.as_bytes()).unwrap();
        assert_eq!((&*event.user, event.message_id, event.properties), (user, None, &b""[..]), "{members}");
    }
}

#[test]
fn traits_of_an_identify_are_its_own_else_those_of_its_context() {
    for (kind, members, expected) in [
        ("identify", r#""traits":{"a":1},"context":{"traits":{"b":2}}"#, r#"{"a":1}"#),
        ("identify", r#""traits":null,"context":{"traits":{"b":2}}"#, r#"{"b":2}"#),
        ("identify", r#""context":{"tr\u0061its":{"b":2},"traits":{"c":3}}"#, r#"{"c":3}"#),
        ("identify", r#""traits":{},"context":{"traits":{"b":2}}"#, "{}"),
        ("group", r#""context":{"traits":{"b":2}}"#, ""),
        ("track", r#""event":"E","context":{"traits":17}"#, ""),
    ] {
        let message = format!(r#"{{"type":"{kind}","userId":"u",{members}}}"#);
        let event = decode(message.as_bytes()).unwrap();
        assert_eq!(event.traits, expected.as_bytes(), "{message}");
    }
}

#[test]
fn a_reject_says_what_is_wrong_where_and_what_is_allowed() {
    for (message, sentence) in [
        (r#"{"type":"track","userId":12}"#, "userId at byte 25 is a number; it must be a string"),
        (
            r#"{"type":"order","userId":"u"}"#,
            "type at byte 8 is \"order\"; it must be track, identify, page, screen, group or alias",
        ),
        (r#"{"type":}"#, "the message is not JSON: byte 8 is '}' in place of a value"),
        (r#"{"type":"#, "the message ends at byte 8 where a value should follow; it was cut off"),
    ] {
        assert_eq!(decode(message.as_bytes()).unwrap_err().to_string(), sentence);
    }
}

/// Any JSON, with keys and texts that the decoder knows among others.
fn json() -> impl Strategy<Value = Json> {
    let text = prop_oneof!["[a-z]{0,12}", "\\PC{0,9}", Just("a\"\\\n\u{1}é😀".to_owned())];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e300..1e300).prop_map(Json::from),
        text.clone().prop_map(Json::from),
    ];
    let key = prop_oneof![
        4 => prop::sample::select(&["type", "event", "userId", "traits", "context", "properties"][..])
            .prop_map(str::to_owned),
        1 => text,
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// A good event with random documents.
fn event() -> impl Strategy<Value = Json> {
    (json(), json(), "\\PC{1,20}", "\\PC{1,20}").prop_map(|(properties, extra, user, name)| {
        let mut message = serde_json::json!({"type": "track", "userId": user, "event": name, "extra": extra});
        if properties.is_object() {
            message["properties"] = properties;
        }
        message
    })
}

/// The usual way gives up, or finds what the way for any message finds.
fn both_ways_agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Some(usual) = Found::usual(bytes) else { return Ok(()) };
    let shown = String::from_utf8_lossy(bytes);
    let text = str::from_utf8(bytes);
    prop_assert!(text.is_err() || Found::any(&shown).is_ok_and(|any| any == usual), "{usual:?}: {shown}");
    Ok(())
}

#[test]
fn the_usual_message_is_read_the_usual_way_whatever_its_length() {
    for length in 0..2_200 {
        let bytes =
            track(&format!(r#","properties":{{"a":"{}","b":[1,-2.5,true,null]}} "#, "é".repeat(length)));
        let usual = Found::usual(bytes.as_bytes());
        assert_eq!(usual.is_some(), bytes.len() <= 2_048, "{} bytes", bytes.len());
        both_ways_agree(bytes.as_bytes()).expect("the same message");
    }
}

#[test]
fn what_is_out_of_the_ordinary_is_not_read_the_usual_way() {
    let odd = [
        r#""a":"\n""#,
        "\"a\":\n1",
        r#""a":1e3"#,
        r#""event":"twice""#,
        r#""a":{"b"}"#,
        r#""a":01"#,
        r#""a""#,
        r#""a":1,"#,
        r#""a":"b"#,
    ];
    for odd in odd {
        let bytes = track(&format!(",{odd}"));
        assert!(Found::usual(bytes.as_bytes()).is_none(), "{bytes}");
    }
    for extra in ["", "  "] {
        assert!(Found::usual(format!("{extra}{}{extra}", track("")).as_bytes()).is_some());
    }
    assert!(Found::usual(nested(DEPTH_MAX - 1).as_bytes()).is_some());
    assert!(Found::usual(nested(DEPTH_MAX).as_bytes()).is_none());
}

/// Whether a code says that the bytes are no JSON document at all.
fn refuses_the_form(code: &str) -> bool {
    matches!(
        code,
        "empty" | "invalid_utf8" | "not_json" | "truncated" | "number_out_of_range" | "trailing_bytes"
    )
}

/// The same verdict as serde_json's on whether this is JSON, wherever our own limits do not speak first.
fn agrees(bytes: &[u8]) -> Result<(), TestCaseError> {
    both_ways_agree(bytes)?;
    let ours = code(bytes);
    let theirs = serde_json::from_slice::<Json>(bytes);
    let shown = String::from_utf8_lossy(bytes);
    match ours {
        "too_large" | "too_deep" | "too_many_fields" | "duplicate_key" => {}
        // A byte order mark is ours to skip.
        _ if bytes.starts_with(b"\xef\xbb\xbf") => {}
        refused if refuses_the_form(refused) => prop_assert!(theirs.is_err(), "{refused}: {shown}"),
        other => prop_assert!(theirs.is_ok(), "{other}, but {theirs:?}: {shown}"),
    }
    Ok(())
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    let byte = prop_oneof![
        prop::sample::select(&b"{}[]\",:\\ue+-.0129tfn \n\x00\x7f\x80\xc3\xff"[..]),
        any::<u8>(),
    ];
    prop_oneof![
        (at(), byte.clone()).prop_map(|(at, byte)| Mutation::Flip(at, byte)),
        at().prop_map(Mutation::Truncate),
        (at(), byte).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    if len == 0 {
        return;
    }
    match mutation {
        Mutation::Flip(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
        Mutation::Insert(at, byte) => bytes.insert(at.index(len), *byte),
        Mutation::Remove(at) => {
            bytes.remove(at.index(len));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_json_is_json_to_both(json in json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
        let text = text.unwrap();
        prop_assert!(!refuses_the_form(code(&text)), "{}: {}", code(&text), text);
        agrees(text.as_bytes())?;
    }

    #[test]
    fn mutated_events_are_json_to_both_or_to_neither(
        event in event(), mutations in prop::collection::vec(mutation(), 1..4)
    ) {
        let mut bytes = serde_json::to_vec(&event).unwrap();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
            agrees(&bytes)?;
        }
    }

    #[test]
    fn short_tokens_are_json_to_both_or_to_neither(
        text in "\\{\"a\":(-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,3})?\
            |\"(\\\\[a-z\"\\\\/]|\\\\u[dD89c0][8-9c-f0][0-9a-f]{1,2}|.){0,3}\"|[truefalsn]{3,5}| ?)\\}"
    ) {
        agrees(text.as_bytes())?;
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads(event in event()) {
        let text = serde_json::to_string(&event).unwrap();
        match decode(text.as_bytes()) {
            Err(reject) => {
                let user = event["userId"].as_str().unwrap();
                let name = event["event"].as_str().unwrap();
                let expected = match reject.code {
                    "user_blank" => user.trim().is_empty(),
                    "user_control_character" => user.chars().any(char::is_control),
                    "event_blank" => name.trim().is_empty(),
                    _ => false,
                };
                prop_assert!(expected, "{reject}: {text}");
            }
            Ok(read) => {
                prop_assert_eq!(&*read.user, event["userId"].as_str().unwrap());
                prop_assert_eq!(&*read.name, event["event"].as_str().unwrap());
                let properties = event.get("properties").map_or(String::new(), Json::to_string);
                prop_assert_eq!(std::str::from_utf8(read.properties).unwrap(), properties);
            }
        }
    }
}
