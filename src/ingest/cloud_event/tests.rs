//! Both modes beside the Segment message that says the same, and every reason for which one is refused.

use super::*;
use crate::ingest::decode as segment;
use crate::model::envelope::put;

type Headers = Vec<(&'static str, &'static str)>;

const BINARY: [(&str, &str); 7] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "7"),
    ("ce_source", "//shop/web"),
    ("ce_type", "Order Completed"),
    ("ce_time", "2026-03-01T09:30:00.250Z"),
    ("ce_subject", "u-1"),
    ("content-type", "application/json; charset=utf-8"),
];

/// [`BINARY`] with other values, and without those that are "-".
fn with(others: &[(&'static str, &'static str)]) -> Headers {
    let mut all: Headers = BINARY.into();
    for (name, value) in others {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => all.push((name, value)),
        }
    }
    all.retain(|(_, value)| *value != "-");
    all
}

fn laid(key: Option<&str>, headers: &[(&str, &str)], value: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
    put(key.map(str::as_bytes), headers, value.as_bytes(), &mut bytes);
    bytes
}

const STRUCTURED_TYPE: [(&str, &str); 1] = [("content-type", "application/cloudevents+json; charset=UTF-8")];

#[test]
fn both_modes_are_the_segment_message_that_says_the_same() {
    let message = br#"{"type":"track","event":"Order Completed","userId":"u-1","messageId":"//shop/web 7",
        "timestamp":"2026-03-01T09:30:00.250Z","properties":{"value": 3},"context":{"timezone":"Asia/Bangkok"}}"#;
    let expected = segment(message).expect("it is a message");
    let binary = laid(Some("k"), &with(&[("ce_timezone", "Asia/Bangkok")]), "\u{feff} {\"value\": 3} ");
    assert_eq!(decode(&binary), Ok(expected.clone()));
    let one_piece = r#"{"specversion":"1.0","id":"7","source":"//shop/web","t\u0079pe":"Order Completed",
        "time":"2026-03-01T09:30:00.250Z","subject":"u-1","timezone":"Asia/Bangkok","traceparent":null,
        "datacontenttype":"application/json","data":{"value": 3}}"#;
    assert_eq!(decode(&laid(None, &STRUCTURED_TYPE, one_piece)), Ok(expected));
}

#[test]
fn the_user_is_the_first_that_is_named() {
    for (key, others, user) in [
        (Some("k"), &[("ce_userid", "a"), ("ce_partitionkey", "p")][..], "a"),
        (Some("k"), &[("ce_partitionkey", "p")], "u-1"),
        (Some("k"), &[("ce_subject", "-"), ("ce_partitionkey", "p")], "p"),
        (Some("k"), &[("ce_subject", "-")], "k"),
    ] {
        let bytes = laid(key, &with(others), "");
        let event = decode(&bytes).expect("somebody is named");
        assert_eq!((&*event.user, event.properties), (user, &b""[..]), "{others:?}");
    }
}

#[test]
fn what_only_refines_may_be_anything() {
    for (name, value) in [("ce_time", "yesterday"), ("ce_timezone", ""), ("ce_dataschema", "x"), ("x", "y")] {
        let bytes = laid(None, &with(&[(name, value)]), "null");
        let event = decode(&bytes).unwrap_or_else(|reject| panic!("{name}: {reject}"));
        assert_eq!((event.timezone, event.properties), (None, &b""[..]));
    }
}

#[test]
fn a_bad_attribute_is_refused_with_its_reason() {
    let long = "x".repeat(600).leak();
    for (code, others, value) in [
        ("ce_missing", &[("ce_specversion", "-")][..], "{}"),
        ("ce_version", &[("ce_specversion", "0.3")], "{}"),
        ("ce_missing", &[("ce_id", "-")], "{}"),
        ("ce_missing", &[("ce_source", "")], "{}"),
        ("ce_missing", &[("ce_type", " ")], "{}"),
        ("event_too_long", &[("ce_type", long)], "{}"),
        ("message_id_too_long", &[("ce_id", long)], "{}"),
        ("user_missing", &[("ce_subject", "-")], "{}"),
        ("user_blank", &[("ce_subject", "")], "{}"),
        ("user_too_long", &[("ce_subject", long)], "{}"),
        ("user_control_character", &[("ce_userid", "a\nb")], "{}"),
        ("ce_content_type", &[("content-type", "application/avro")], "{}"),
        ("ce_content_type", &[("content-type", "application/cloudevents+avro")], "{}"),
        ("properties_not_object", &[], "[]"),
        ("not_json", &[], "{]"),
        ("truncated", &[], "{"),
        ("trailing_bytes", &[], "{} {}"),
    ] {
        let reject = decode(&laid(None, &with(others), value)).expect_err(code);
        assert_eq!(reject.code, code, "{reject}");
        assert!(Reject::CODES.contains(&reject.code));
    }
    let twice = [&BINARY[..], &[("ce_id", "8")]].concat();
    assert_eq!(decode(&laid(None, &twice, "{}")).map_err(|it| it.code), Err("duplicate_key"));
    assert_eq!(decode(b"{}").map_err(|it| it.code), Err("ce_envelope"));
    let large = " ".repeat(EVENT_BYTES_MAX);
    assert_eq!(decode(&laid(None, &BINARY, &large)).map_err(|it| it.code), Err("too_large"));
    let mut bytes = Vec::new();
    put(None, [("ce_id", Some(&b"\xff"[..]))].into_iter(), b"", &mut bytes);
    assert_eq!(decode(&bytes).map_err(|it| it.code), Err("invalid_utf8"));
}

#[test]
fn a_bad_event_in_one_piece_is_refused_with_its_reason() {
    let rest = r#""specversion":"1.0","source":"s","type":"t","subject":"u""#;
    for (code, value) in [
        ("empty", String::new()),
        ("not_object", "[]".to_owned()),
        ("ce_missing", format!("{{{rest}}}")),
        ("ce_not_string", format!("{{{rest},\"id\":7}}")),
        ("duplicate_key", format!("{{{rest},\"id\":\"7\",\"id\":\"8\"}}")),
        ("duplicate_key", format!("{{{rest},\"id\":\"7\",\"data\":{{}},\"data\":{{}}}}")),
        ("ce_content_type", format!("{{{rest},\"id\":\"7\",\"data_base64\":\"e30=\"}}")),
        ("ce_content_type", format!("{{{rest},\"id\":\"7\",\"datacontenttype\":\"text/xml\"}}")),
        ("properties_not_object", format!("{{{rest},\"id\":\"7\",\"data\":\"x\"}}")),
    ] {
        let reject = decode(&laid(None, &STRUCTURED_TYPE, &value)).expect_err(code);
        assert_eq!(reject.code, code, "{reject}");
    }
}
