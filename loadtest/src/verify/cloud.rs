//! CloudEvents by their form on the wire, as the Segment messages that say the same.
//!
//! A second reader of them, on purpose: one that shared the binary's would share its mistakes. What is no event to the
//! binary is a dead letter, and not looked at; so this reader believes what it is given.

use serde_json::{Map, Value as Json, json};

/// The header that says what the value is.
const CONTENT_TYPE: &str = "content-type";

/// The message that a record with these headers is; `None` if it is no CloudEvent, or none that can be read.
#[must_use]
pub fn message(headers: &[(String, Vec<u8>)], key: Option<&[u8]>, value: &[u8]) -> Option<Json> {
    let content = headers.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
    let content = content.map(|(_, value)| String::from_utf8_lossy(value).trim().to_ascii_lowercase());
    let mut told = Map::new();
    if content.is_some_and(|content| content.starts_with("application/cloudevents")) {
        told = serde_json::from_slice::<Json>(value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(value))
            .ok()?
            .as_object()?
            .clone();
    } else {
        let all = headers.iter().filter_map(|(name, value)| Some((name.strip_prefix("ce_")?, value)));
        for (name, value) in all {
            told.insert(name.to_owned(), Json::String(String::from_utf8(value.clone()).ok()?));
        }
        if !["specversion", "id", "source", "type"].iter().any(|name| told.contains_key(*name)) {
            return None;
        }
        if !value.trim_ascii().is_empty() {
            let data = value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(value);
            told.insert("data".to_owned(), serde_json::from_slice(data).ok()?);
        }
    }
    let text = |name: &str| told.get(name).and_then(Json::as_str);
    let user = ["userid", "subject", "partitionkey"].into_iter().find_map(text);
    let user = user.map(str::to_owned).or_else(|| String::from_utf8(key?.to_vec()).ok())?;
    Some(json!({
        "type": "track",
        "event": text("type")?,
        "userId": user,
        "messageId": format!("{} {}", text("source")?, text("id")?),
        "timestamp": text("time"),
        "properties": told.get("data"),
        "context": { "timezone": text("timezone") },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn both_modes_say_the_same() {
        let binary = [("ce_specversion", "1.0"), ("ce_id", "7"), ("ce_source", "s"), ("ce_type", "Start")];
        let one = message(&headers(&binary), Some(b"u"), b"{\"a\":1}").expect("it is one");
        let piece =
            br#"{"specversion":"1.0","id":"7","source":"s","type":"Start","subject":"u","data":{"a":1}}"#;
        let content = [("Content-Type", "application/cloudevents+json")];
        assert_eq!(message(&headers(&content), Some(b"k"), piece), Some(one.clone()));
        assert_eq!(
            (&one["userId"], &one["messageId"], &one["properties"]["a"]),
            (&json!("u"), &json!("s 7"), &json!(1))
        );
        assert_eq!(message(&headers(&[("traceparent", "x")]), Some(b"u"), b"{}"), None);
    }
}
