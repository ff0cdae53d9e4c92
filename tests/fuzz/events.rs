//! Events: the decoder beside serde_json with the rules written down naively.

use serde_json::Value as Json;
use wayfarer::ingest::limits::{
    DEPTH_MAX, EVENT_BYTES_MAX, FIELDS_MAX, MESSAGE_ID_BYTES_MAX, NAME_BYTES_MAX, USER_BYTES_MAX,
};
use wayfarer::ingest::{Fields, Reject, decode};
use wayfarer::model::{Event, Slots, Value};

/// Codes that a tree cannot give: it has no duplicates left, and no bytes.
const BEYOND_A_TREE: [&str; 3] = ["too_large", "duplicate_key", "empty"];
/// Codes of what is no JSON at all.
const NO_JSON: [&str; 5] = ["invalid_utf8", "not_json", "truncated", "number_out_of_range", "trailing_bytes"];
/// What is looked up in the properties; the last lies in what another one names.
const PATHS: [&str; 5] = ["a", "value", "cart", "cart.id", "é"];

/// Decodes `bytes`, and holds the answer against the oracle's.
pub fn run(bytes: &[u8]) {
    let ours = decode(bytes);
    if let Err(reject) = &ours {
        sentence(reject, bytes);
    }
    let code = ours.as_ref().map_or_else(|reject| reject.code, |_| "ok");
    if BEYOND_A_TREE.contains(&code) {
        return;
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(json) = serde_json::from_slice::<Json>(text) else {
        // serde_json nests to 128 and says no more; what is too much for us may be bad further on.
        let refused = NO_JSON.contains(&code) || ["too_deep", "too_many_fields"].contains(&code);
        assert!(refused, "no JSON to serde_json, {code} to us");
        return;
    };
    match code {
        "too_deep" => assert!(depth(&json) > DEPTH_MAX),
        // Of members of one name the tree keeps one.
        "too_many_fields" => assert!(text.iter().filter(|byte| **byte == b':').count() > FIELDS_MAX),
        _ => assert_eq!(code, expected(&json), "{json}"),
    }
    if let Ok(event) = ours {
        assert!(bytes.len() <= EVENT_BYTES_MAX && depth(&json) <= DEPTH_MAX);
        same(&event, &json);
    }
}

fn sentence(reject: &Reject, bytes: &[u8]) {
    assert!(Reject::CODES.contains(&reject.code), "{reject:?}");
    assert!(reject.at <= bytes.len(), "{reject:?}");
    assert!(reject.message.len() > 10 && !reject.message.contains('\n'), "{reject:?}");
}

fn depth(json: &Json) -> usize {
    match json {
        Json::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Json::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn text<'a>(json: &'a Json, key: &str, code: &'static str) -> Result<Option<&'a str>, &'static str> {
    match &json[key] {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        _ => Err(code),
    }
}

fn object(json: &Json, code: &'static str) -> Result<(), &'static str> {
    if json.is_null() || json.is_object() { Ok(()) } else { Err(code) }
}

/// The code that an event gets by the documented rules, in their order.
fn expected(json: &Json) -> &'static str {
    rules(json).err().unwrap_or("ok")
}

fn rules(json: &Json) -> Result<(), &'static str> {
    if !json.is_object() {
        return Err("not_object");
    }
    let kind = text(json, "type", "type_not_string")?.ok_or("type_missing")?;
    if !["track", "identify", "page", "screen", "group", "alias"].contains(&kind) {
        return Err("type_unknown");
    }
    let user = match text(json, "userId", "user_not_string")? {
        Some(user) => Some(user),
        None => text(json, "anonymousId", "user_not_string")?,
    };
    let user = user.ok_or("user_missing")?;
    if user.len() > USER_BYTES_MAX {
        return Err("user_too_long");
    }
    if user.trim().is_empty() {
        return Err("user_blank");
    }
    if user.chars().any(char::is_control) {
        return Err("user_control_character");
    }
    if kind == "track" {
        let name = text(json, "event", "event_not_string")?.ok_or("event_missing")?;
        if name.len() > NAME_BYTES_MAX {
            return Err("event_too_long");
        }
        if name.trim().is_empty() {
            return Err("event_blank");
        }
    }
    object(&json["traits"], "traits_not_object")?;
    object(&json["context"], "context_not_object")?;
    if kind == "identify" && json["traits"].is_null() {
        object(&json["context"]["traits"], "traits_not_object")?;
    }
    if text(json, "messageId", "message_id_not_string")?.is_some_and(|id| id.len() > MESSAGE_ID_BYTES_MAX) {
        return Err("message_id_too_long");
    }
    object(&json["properties"], "properties_not_object")
}

/// What was read is what stands there.
fn same(event: &Event<'_>, json: &Json) {
    let is = |key: &str| json[key].as_str();
    assert_eq!(Some(&*event.user), is("userId").or(is("anonymousId")));
    assert_eq!(event.message_id.as_deref(), is("messageId").filter(|id| !id.is_empty()));
    if is("type") == Some("track") {
        assert_eq!(Some(&*event.name), is("event"));
    }
    let zone = json["context"]["timezone"].as_str().filter(|zone| !zone.is_empty());
    assert_eq!(event.timezone.as_deref(), zone);
    let tree = |bytes: &[u8]| if bytes.is_empty() { Json::Null } else { parsed(bytes) };
    assert_eq!(tree(event.properties), json["properties"]);
    let mut slots = Slots::default();
    Fields::new(&PATHS.map(str::to_owned)).extract(event.properties, &mut slots);
    for (slot, path) in PATHS.iter().enumerate() {
        let there = path.split('.').try_fold(&json["properties"], |at, name| at.get(name));
        assert!(
            alike(slots.get(slot), there),
            "{path}: {:?} is read, {there:?} stands there",
            slots.get(slot)
        );
    }
}

fn parsed(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).expect("a document of an event is JSON")
}

#[allow(clippy::float_cmp, reason = "both read the same digits")]
fn alike(ours: Value<'_>, theirs: Option<&Json>) -> bool {
    match (ours, theirs) {
        (Value::Missing, None) | (Value::Null, Some(Json::Null)) => true,
        (Value::Bool(ours), Some(Json::Bool(theirs))) => ours == *theirs,
        (Value::Int(ours), Some(Json::Number(theirs))) => theirs.as_i64() == Some(ours),
        (Value::Float(ours), Some(Json::Number(theirs))) => theirs.as_f64() == Some(ours),
        (Value::Str(ours), Some(Json::String(theirs))) => ours == theirs,
        (Value::Composite, Some(theirs)) => theirs.is_array() || theirs.is_object(),
        _ => false,
    }
}
