//! Random conditions over random values, judged by the `cel` crate and by us.

use std::cell::Cell;
use std::collections::HashMap;

use cel::{Context, Value as Cel};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::tests::Paths;
use super::*;
use crate::model::value::OwnedValue;

/// Paths by what they hold most of the time. `near.x` lies within an object that is always there.
const NUMBERS: [&str; 4] = ["properties.n", "user.m", "entry.n", "properties.near.x"];
const TEXTS: [&str; 3] = ["properties.s", "user.s", "entry.t"];
const BOOLS: [&str; 2] = ["user.b", "entry.c"];

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => proptest::sample::select(&NUMBERS[..]).prop_map(str::to_owned),
        3 => proptest::sample::select(&["0", "1", "-1", "7", "9223372036854775807", "1.0", "-2.5e3"][..])
            .prop_map(str::to_owned),
        1 => proptest::sample::select(&TEXTS[..]).prop_map(|s| format!("size({s})")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            4 => (inner.clone(), proptest::sample::select(&["+", "-", "*", "/", "%"][..]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            1 => inner.prop_map(|a| format!("double({a})")),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned),
        2 => proptest::sample::select(&["''", "\"a\"", "'ab'", "\"\\u00e9\\x61\"", "r'\\n'", "'''b'''"][..])
            .prop_map(str::to_owned),
    ]
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => number(),
        3 => text(),
        2 => proptest::sample::select(&BOOLS[..]).prop_map(str::to_owned),
        1 => proptest::sample::select(&["null", "true", "false", "properties.box"][..])
            .prop_map(str::to_owned),
    ]
}

fn literals() -> impl Strategy<Value = String> {
    let literal = proptest::sample::select(&["1", "0.5", "7.0", "'a'", "'ab'", "true", "null", "-1"][..]);
    proptest::collection::vec(literal, 0..4).prop_map(|all| format!("[{}]", all.join(", ")))
}

fn condition() -> impl Strategy<Value = String> {
    let compare = proptest::sample::select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let call = proptest::sample::select(&["startsWith", "endsWith", "contains"][..]);
    let paths =
        || proptest::sample::select([&NUMBERS[..], &TEXTS[..], &BOOLS[..], &["properties.box"]].concat());
    let leaf = prop_oneof![
        6 => (number(), compare.clone(), number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        3 => (text(), compare.clone(), text()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        2 => (anything(), compare, anything()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        2 => (text(), call, text()).prop_map(|(a, call, b)| format!("{a}.{call}({b})")),
        2 => (anything(), literals()).prop_map(|(a, list)| format!("{a} in {list}")),
        2 => paths().prop_map(|path| format!("has({path})")),
        1 => proptest::sample::select(&BOOLS[..]).prop_map(str::to_owned),
    ];
    // Operands that can never be right are refused when a journey is checked; CEL leaves them to run time.
    let leaf = leaf.prop_filter("refused for its types", |text| Expr::parse(text).is_ok());
    // Whether two objects are equal is the one thing that we say otherwise: values do not carry them.
    let leaf = leaf.prop_filter("compares two objects", |text| text.matches("properties.box").count() < 2);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            4 => proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(" && "))),
            4 => proptest::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(" || "))),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b} || !({a})")),
            2 => inner.clone().prop_map(|a| format!("!({a})")),
            2 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

fn value(of: &'static str) -> BoxedStrategy<OwnedValue> {
    let odd = prop_oneof![Just(OwnedValue::Missing), Just(OwnedValue::Null), Just(OwnedValue::Bool(true))];
    let usual = if NUMBERS.contains(&of) {
        prop_oneof![
            (-3i64..9).prop_map(OwnedValue::Int),
            proptest::sample::select(&[0.0, 0.5, 1.0, -2500.0, 7.0][..]).prop_map(OwnedValue::Float),
            Just(OwnedValue::Int(i64::MIN)),
        ]
        .boxed()
    } else if TEXTS.contains(&of) {
        proptest::sample::select(&["", "a", "ab", "éa", "b"][..])
            .prop_map(|s| OwnedValue::Str(s.to_owned()))
            .boxed()
    } else {
        any::<bool>().prop_map(OwnedValue::Bool).boxed()
    };
    prop_oneof![5 => usual, 1 => odd].boxed()
}

type Values = Vec<(&'static str, OwnedValue)>;

fn values() -> impl Strategy<Value = Values> {
    let each: Vec<_> = NUMBERS
        .into_iter()
        .chain(TEXTS)
        .chain(BOOLS)
        .map(|path| value(path).prop_map(move |value| (path, value)))
        .collect();
    (each, any::<bool>()).prop_map(|(mut values, present)| {
        values.push(("properties.box", if present { OwnedValue::Composite } else { OwnedValue::Missing }));
        values
    })
}

struct Bound<'a> {
    paths: Paths,
    values: &'a Values,
}

impl Scope for Bound<'_> {
    fn value(&self, root: Root, slot: u16) -> Value<'_> {
        let name = format!("{root}.{}", self.paths.0[usize::from(slot)].1);
        let found = self.values.iter().find(|(path, _)| *path == name);
        found.map_or(Value::Missing, |(_, value)| value.as_value())
    }
}

fn to_cel(value: &OwnedValue) -> Option<Cel> {
    Some(match value {
        OwnedValue::Missing => return None,
        OwnedValue::Null => Cel::Null,
        OwnedValue::Bool(b) => (*b).into(),
        OwnedValue::Int(n) => (*n).into(),
        OwnedValue::Float(n) => (*n).into(),
        OwnedValue::Str(s) => s.as_str().into(),
        OwnedValue::Composite => HashMap::from([("inside".to_owned(), Cel::Null)]).into(),
    })
}

fn oracle(condition: &str, values: &Values) -> Verdict {
    let mut context = Context::default();
    for root in Root::ALL {
        let mut near = HashMap::new();
        let mut map: HashMap<String, Cel> = HashMap::new();
        for (path, value) in values {
            let Some(name) = path.strip_prefix(root.as_str()).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            let Some(value) = to_cel(value) else { continue };
            match name.strip_prefix("near.") {
                Some(inner) => near.insert(inner.to_owned(), value),
                None => map.insert(name.to_owned(), value),
            };
        }
        map.insert("near".to_owned(), near.into());
        context.add_variable_from_value(root.as_str(), map);
    }
    let program = cel::Program::compile(condition).unwrap_or_else(|e| panic!("{condition}: {e}"));
    match program.execute(&context) {
        Ok(Cel::Bool(truth)) => Verdict::from(truth),
        _ => Verdict::Error,
    }
}

#[test]
fn cel_agrees_on_every_condition_of_the_subset() {
    const CASES: u32 = 5_000;
    let counts: [Cell<u32>; 4] = Default::default();
    let [held, failed, errors, refused] = &counts;
    let config = Config {
        cases: CASES,
        max_local_rejects: 20 * CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(condition(), values()), |(text, values)| {
        let Ok(expr) = Expr::parse(&text) else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        let mut paths = Paths::default();
        let program = expr.compile(&mut paths);
        let ours = program.eval(&Bound { paths, values: &values });
        let count = match ours {
            Verdict::True => held,
            Verdict::False => failed,
            Verdict::Error => errors,
        };
        count.set(count.get() + 1);
        prop_assert_eq!(ours, oracle(&text, &values), "{}", text);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    for (what, count, least) in [("true", held, 400), ("false", failed, 400), ("error", errors, 400)] {
        assert!(count.get() >= least, "only {} cases of {CASES} were {what}", count.get());
    }
    assert!(refused.get() < CASES / 20, "{} cases of {CASES} were refused", refused.get());
}
