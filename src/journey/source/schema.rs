//! The JSON Schema of a journey, from the types of [`definition`](crate::journey::definition).
//!
//! It is also what the reader reads by: a key that is added to the types is known to both, without a second
//! list.

use std::sync::LazyLock;

use schemars::schema_for;
use serde_json::Value;

use crate::journey::definition::Definition;

/// The JSON Schema (draft 2020-12) of a journey, as `wayfarer schema` prints it.
///
/// Stricter than what the types alone say: nodes and forms of re-entry take no unknown keys either.
#[must_use]
pub fn schema() -> String {
    serde_json::to_string_pretty(root()).expect("a schema is a JSON value with text keys")
}

/// The schema as a value.
pub(super) fn root() -> &'static Value {
    static ROOT: LazyLock<Value> = LazyLock::new(|| closed(schema_for!(Definition).to_value()));
    &ROOT
}

/// Says that no further keys are allowed where serde cannot say so: beside flattened and untagged enums.
fn closed(mut root: Value) -> Value {
    if let Some(definitions) = root.get_mut("$defs").and_then(Value::as_object_mut) {
        for definition in definitions.values_mut() {
            let flattened = definition.get("properties").is_some() && definition.get("oneOf").is_some();
            if flattened {
                definition["unevaluatedProperties"] = false.into();
            }
            for form in definition.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
                if form.get("properties").is_some() {
                    form["additionalProperties"] = false.into();
                }
            }
        }
    }
    root
}

/// `schema` itself, or what its `$ref` names, with the name.
pub(super) fn resolved(schema: &'static Value) -> (&'static Value, Option<&'static str>) {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
    match name {
        Some(name) => (root().get("$defs").and_then(|defs| defs.get(name)).unwrap_or(schema), Some(name)),
        None => (schema, None),
    }
}

/// Whether `null` may stand there.
pub(super) fn nullable(schema: &Value) -> bool {
    let by_type = match schema.get("type") {
        Some(Value::String(one)) => one == "null",
        Some(Value::Array(several)) => several.iter().any(|one| one == "null"),
        _ => false,
    };
    by_type || schema.get("anyOf").and_then(Value::as_array).is_some_and(|forms| forms.iter().any(nullable))
}

/// The forms of an `anyOf` or `oneOf` other than `null`.
pub(super) fn forms(schema: &'static Value) -> Vec<&'static Value> {
    let forms = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    forms.into_iter().flatten().filter(|form| form.get("type") != Some(&Value::from("null"))).collect()
}

/// The words of an enum without data, or nothing if `schema` is anything else.
pub(super) fn words(schema: &'static Value) -> Option<Vec<&'static str>> {
    let forms = forms(schema);
    if forms.is_empty() {
        return None;
    }
    forms.iter().map(|form| form.get("const").and_then(Value::as_str)).collect()
}

/// The properties of an object's schema, by name.
pub(super) fn properties(schema: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// The names of the properties that must be there.
pub(super) fn required(schema: &'static Value) -> impl Iterator<Item = &'static str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The word that a variant of a tagged enum has as its `type`.
pub(super) fn tag(form: &'static Value) -> Option<&'static str> {
    form.get("properties")?.get("type")?.get("const")?.as_str()
}
