//! Conditions and variables, by the `cel` crate, and equality of two properties.

use std::collections::HashMap;

use cel::{Context, Program, Value as Cel};
use serde_json::{Map, Number, Value as Json};

/// What an expression may name.
pub(crate) struct Scope<'a> {
    /// The properties of the event that is judged, where there is one.
    pub(crate) properties: Option<&'a Map<String, Json>>,
    /// The properties of the event that let the user in, where the user is in.
    pub(crate) entry: Option<&'a Map<String, Json>>,
    /// The user's attributes; a user who has none has an empty object.
    pub(crate) user: Option<&'a Map<String, Json>>,
}

impl Scope<'_> {
    /// Whether a condition holds. No condition holds always; one that cannot be computed does not hold.
    pub(crate) fn holds(&self, condition: Option<&str>) -> bool {
        condition.is_none_or(|c| matches!(self.compute(c), Some(Cel::Bool(true))))
    }

    /// The value of a variable; `None` if it cannot be computed or JSON has no such value.
    pub(crate) fn value(&self, expression: &str) -> Option<Json> {
        from_cel(&self.compute(expression)?)
    }

    fn compute(&self, expression: &str) -> Option<Cel> {
        let program = Program::compile(expression).ok()?;
        let mut context = Context::default();
        for (name, map) in [("properties", self.properties), ("entry", self.entry)] {
            if let Some(map) = map {
                context.add_variable_from_value(name, object(map));
            }
        }
        context.add_variable_from_value("user", self.user.map_or_else(|| object(&Map::new()), object));
        program.execute(&context).ok()
    }
}

fn object(map: &Map<String, Json>) -> Cel {
    map.iter().map(|(k, v)| (k.clone(), to_cel(v))).collect::<HashMap<String, Cel>>().into()
}

fn to_cel(value: &Json) -> Cel {
    match value {
        Json::Null => Cel::Null,
        Json::Bool(b) => Cel::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Cel::Float(n.as_f64().unwrap_or(f64::NAN)), Cel::Int),
        Json::String(s) => s.as_str().into(),
        Json::Array(items) => items.iter().map(to_cel).collect::<Vec<_>>().into(),
        Json::Object(map) => object(map),
    }
}

fn from_cel(value: &Cel) -> Option<Json> {
    Some(match value {
        Cel::Null => Json::Null,
        Cel::Bool(b) => Json::Bool(*b),
        Cel::Int(n) => Json::from(*n),
        Cel::Float(n) => Json::Number(Number::from_f64(*n)?),
        Cel::String(s) => Json::String(s.to_string()),
        _ => return None,
    })
}

/// Whether two properties are equal: what is missing, an array or an object equals nothing; 1 equals 1.0.
pub(crate) fn equal(a: Option<&Json>, b: Option<&Json>) -> bool {
    match (a, b) {
        (Some(Json::Number(a)), Some(Json::Number(b))) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Some(Json::Array(_) | Json::Object(_)), _) | (None, _) | (_, None) => false,
        (Some(a), Some(b)) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(json: &str) -> Map<String, Json> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_cannot_be_computed_does_not_hold() {
        let (properties, user) = (map(r#"{"n": 2, "s": "x", "z": null, "f": 1.0}"#), map("{}"));
        let scope = Scope { properties: Some(&properties), entry: None, user: Some(&user) };
        for (condition, holds) in [
            ("properties.n > 1", true),
            ("properties.f == 1", true),
            ("properties.missing > 1", false),
            ("!(properties.missing > 1)", false),
            ("has(properties.missing) || properties.s == 'x'", true),
            ("properties.missing == 1 || properties.s == 'x'", true),
            ("properties.z == null", true),
            ("entry.n == 2", false),
            ("properties.n", false),
        ] {
            assert_eq!(scope.holds(Some(condition)), holds, "{condition}");
        }
        assert_eq!(scope.value("properties.n * 2"), Some(Json::from(4)));
        assert_eq!(scope.value("user.name"), None);
    }

    #[test]
    fn a_missing_property_equals_nothing() {
        let one = Json::from(1);
        assert!(equal(Some(&one), Some(&Json::from(1.0))));
        assert!(!equal(Some(&one), Some(&Json::from("1"))));
        assert!(!equal(None, None));
    }
}
