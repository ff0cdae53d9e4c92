//! Fields as journeys name them, by table and against serde_json.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::model::value::OwnedValue;

fn compile(paths: &[&str]) -> Fields {
    Fields::new(&paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>())
}

fn one(path: &str, object: &str) -> OwnedValue {
    let mut slots = Slots::default();
    compile(&[path]).extract(object.as_bytes(), &mut slots);
    assert_eq!(slots.len(), 1);
    slots.get(0).into()
}

#[test]
fn a_field_has_the_type_that_it_is_written_in() {
    for (written, value) in [
        ("null", OwnedValue::Null),
        ("true", OwnedValue::Bool(true)),
        ("false", OwnedValue::Bool(false)),
        ("0", OwnedValue::Int(0)),
        ("-17", OwnedValue::Int(-17)),
        ("9007199254740993", OwnedValue::Int(9_007_199_254_740_993)),
        ("9223372036854775807", OwnedValue::Int(i64::MAX)),
        ("-9223372036854775808", OwnedValue::Int(i64::MIN)),
        ("9223372036854775808", OwnedValue::Float(9.223_372_036_854_776e18)),
        ("1.0", OwnedValue::Float(1.0)),
        ("12e2", OwnedValue::Float(1200.0)),
        ("1e-999", OwnedValue::Float(0.0)),
        (r#""""#, OwnedValue::Str(String::new())),
        (r#""a \"b\" \u00e9\ud83d\ude00\n""#, OwnedValue::Str("a \"b\" é😀\n".to_owned())),
        (r#"["a\\", {"x": "]}"}]"#, OwnedValue::Composite),
        ("{}", OwnedValue::Composite),
    ] {
        for object in [
            format!(r#"{{"x":{written}}}"#),
            format!(r#"{{"w":{written},"x":{written},"y":{written}}}"#),
            format!(" {{ \"w\" : {written} ,\n\"x\"\t:\r{written}\n}} ").trim_start().to_owned(),
        ] {
            assert_eq!(one("x", &object), value, "{object}");
        }
    }
}

#[test]
fn a_path_goes_through_objects_and_the_last_of_equal_keys_counts() {
    for (path, object, value) in [
        ("a.b", r#"{"a":{"b":1}}"#, OwnedValue::Int(1)),
        ("a.b.c", r#"{"a":{"x":{"c":2},"b":{"c":3}}}"#, OwnedValue::Int(3)),
        ("a.b", r#"{"a":[{"b":1}]}"#, OwnedValue::Missing),
        ("a.b", r#"{"a":"b"}"#, OwnedValue::Missing),
        ("a.b", r#"{"a.b":1}"#, OwnedValue::Missing),
        ("a", r#"{"b":{"a":1}}"#, OwnedValue::Missing),
        ("a", r#"{"a":1,"a":"two"}"#, OwnedValue::Str("two".to_owned())),
        ("a.b", r#"{"a":{"b":1},"a":{"c":2}}"#, OwnedValue::Missing),
        ("a.b", r#"{"a":{"b":1},"a":7}"#, OwnedValue::Missing),
        ("é", r#"{"\u00e9":5}"#, OwnedValue::Int(5)),
        ("a", "", OwnedValue::Missing),
        ("a", "{}", OwnedValue::Missing),
    ] {
        assert_eq!(one(path, object), value, "{path} of {object}");
    }
}

#[test]
fn slots_stand_in_the_order_of_the_paths_and_a_path_may_stand_twice() {
    let fields = compile(&["b.c", "a", "b", "a", "none"]);
    let mut slots = Slots::default();
    fields.extract(br#"{"a":"x","b":{"c":true}}"#, &mut slots);
    let values: Vec<_> = (0..fields.len()).map(|slot| slots.get(slot)).collect();
    let expected = [Value::Bool(true), Value::Str("x"), Value::Composite, Value::Str("x"), Value::Missing];
    assert_eq!(values, expected);
    fields.extract(b"", &mut slots);
    assert_eq!((slots.len(), slots.get(1)), (5, Value::Missing), "nothing of the last event is left");
}

#[test]
fn members_come_as_they_are_written() {
    let mut text = String::new();
    let pairs: Vec<_> = members(br#"{"plan":"pro","a\"b":[1],"plan":null}"#)
        .map(|(key, raw)| (key.into_owned(), OwnedValue::from(raw.value(&mut text))))
        .collect();
    let expected = [
        ("plan".to_owned(), OwnedValue::Str("pro".to_owned())),
        ("a\"b".to_owned(), OwnedValue::Composite),
        ("plan".to_owned(), OwnedValue::Null),
    ];
    assert_eq!(pairs, expected);
    assert_eq!(members(b"").count(), 0);
}

fn document() -> impl Strategy<Value = Json> {
    let text = prop_oneof!["[a-c]{1,2}", "\\PC{0,6}", Just("\\\"}]".to_owned())];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e300..1e300).prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    let key = || prop_oneof!["[a-c]", "[a-cé\"\\\\]{1,2}"];
    let nested = leaf.prop_recursive(3, 30, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((key(), inner), 0..5).prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    });
    prop::collection::vec((key(), nested), 0..6).prop_map(|m| Json::Object(m.into_iter().collect()))
}

fn typed(json: Option<&Json>) -> OwnedValue {
    match json {
        None => OwnedValue::Missing,
        Some(Json::Null) => OwnedValue::Null,
        Some(Json::Bool(b)) => OwnedValue::Bool(*b),
        Some(Json::Number(n)) => match n.as_i64() {
            Some(n) => OwnedValue::Int(n),
            None => OwnedValue::Float(n.as_f64().unwrap()),
        },
        Some(Json::String(s)) => OwnedValue::Str(s.clone()),
        Some(_) => OwnedValue::Composite,
    }
}

proptest! {
    #[test]
    fn fields_are_what_serde_json_finds(
        object in document(), paths in prop::collection::vec("[a-c](\\.[a-c]){0,2}", 1..8), pretty: bool
    ) {
        let text = if pretty { format!("{object:#}") } else { object.to_string() };
        let mut slots = Slots::default();
        Fields::new(&paths).extract(text.as_bytes(), &mut slots);
        for (slot, path) in paths.iter().enumerate() {
            let expected = path.split('.').try_fold(&object, |at, name| at.as_object()?.get(name));
            prop_assert_eq!(OwnedValue::from(slots.get(slot)), typed(expected), "{} of {}", path, object);
        }
    }

    #[test]
    fn bytes_that_were_never_checked_cause_no_panic(
        bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\ua1-e \xc3\xff"[..]), 0..40)
    ) {
        let mut slots = Slots::default();
        compile(&["a", "a.a", "1", "u.a"]).extract(&bytes, &mut slots);
        let mut text = String::new();
        for (_, raw) in members(&bytes) {
            let _ = raw.value(&mut text);
        }
    }
}
