//! Conditions: parsed without a panic, and what they mean is what CEL means by them.
//!
//! The first byte of an input draws the values, the rest is the text.

use std::collections::{BTreeMap, HashMap};

use cel::{Context, Value as Cel};
use wayfarer::journey::condition::{Binder, Expr, Root, Scope, Verdict, variable};
use wayfarer::model::Value;

/// Compiles and evaluates the text, and asks the oracle.
pub fn run(bytes: &[u8]) {
    let Some((&seed, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let _ = variable(text);
    let expr = match Expr::parse(text) {
        Ok(expr) => expr,
        Err(error) => {
            assert!(error.at <= text.len() && error.message.len() > 5, "{error:?}");
            return;
        }
    };
    let mut slots = Slots::default();
    let program = expr.compile(&mut slots);
    let values = Values { paths: slots.0, seed };
    let ours = program.eval(&values);
    let roots: Vec<usize> = expr.roots().into_iter().map(|(_, at)| at).collect();
    assert!(roots.iter().all(|at| *at < text.len()), "{roots:?}");
    if let Some(theirs) = oracle(text, &values) {
        assert_eq!(ours, theirs, "{text:?} over {:?}", values.all().collect::<Vec<_>>());
    }
}

/// The paths that were bound; the place is the slot.
#[derive(Default)]
struct Slots(Vec<(Root, String)>);

impl Binder for Slots {
    fn bind(&mut self, root: Root, path: &str) -> u16 {
        let place = self.0.iter().position(|(r, p)| *r == root && p == path);
        let place = place.unwrap_or_else(|| {
            self.0.push((root, path.to_owned()));
            self.0.len() - 1
        });
        u16::try_from(place).expect("a condition has at most 256 nodes")
    }
}

struct Values {
    paths: Vec<(Root, String)>,
    seed: u8,
}

impl Values {
    fn all(&self) -> impl Iterator<Item = (Root, &str, Value<'static>)> {
        let values = (0..).map(|slot| self.drawn(slot));
        self.paths.iter().zip(values).map(|((root, path), value)| (*root, path.as_str(), value))
    }

    fn drawn(&self, slot: usize) -> Value<'static> {
        let number = usize::from(self.seed) + 3 * slot;
        match number % 11 {
            0 => Value::Missing,
            1 => Value::Null,
            2 => Value::Bool(number.is_multiple_of(2)),
            3 => Value::Int(i64::MIN),
            4..=6 => Value::Int((number % 5) as i64),
            7 => Value::Float(0.5),
            8 => Value::Float(2.0),
            9 => Value::Str("a"),
            _ => Value::Str("ab"),
        }
    }
}

impl Scope for Values {
    fn value(&self, _: Root, slot: u16) -> Value<'_> {
        self.drawn(usize::from(slot))
    }
}

/// What CEL says; nothing where the subset means something else on purpose, as its documentation says.
fn oracle(text: &str, values: &Values) -> Option<Verdict> {
    let names: Vec<(Root, Vec<&str>)> =
        values.all().map(|(root, path, _)| (root, path.split('.').collect())).collect();
    // A path that leads through another one's value: CEL would need an object where there is a text.
    let through = |(root, a): &(Root, Vec<&str>)| {
        names.iter().any(|(other, b)| other == root && b.len() > a.len() && b.starts_with(a))
    };
    // `has(x["odd name"])` is no CEL.
    if names.iter().any(through) || (text.contains("has") && text.contains('[')) {
        return None;
    }
    let mut context = Context::default();
    for root in Root::ALL {
        let of_root = values.all().filter(|(r, _, _)| *r == root);
        let mut tree = Tree::default();
        of_root.for_each(|(_, path, value)| tree.put(path, value));
        context.add_variable_from_value(root.as_str(), tree.cel());
    }
    let program = cel::Program::compile(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    Some(match program.execute(&context) {
        Ok(Cel::Bool(truth)) => Verdict::from(truth),
        _ => Verdict::Error,
    })
}

#[derive(Default)]
struct Tree {
    value: Option<Cel>,
    below: BTreeMap<String, Tree>,
}

impl Tree {
    fn put(&mut self, path: &str, value: Value<'_>) {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let below = self.below.entry(name.to_owned()).or_default();
        match rest {
            Some(rest) => below.put(rest, value),
            None => {
                below.value = Some(match value {
                    Value::Missing => return void(&mut self.below, name),
                    Value::Bool(truth) => truth.into(),
                    Value::Int(number) => number.into(),
                    Value::Float(number) => number.into(),
                    Value::Str(text) => text.into(),
                    Value::Null | Value::Composite => Cel::Null,
                });
            }
        }
    }

    fn cel(self) -> Cel {
        if let Some(value) = self.value {
            return value;
        }
        let all: HashMap<String, Cel> =
            self.below.into_iter().map(|(name, tree)| (name, tree.cel())).collect();
        all.into()
    }
}

fn void(below: &mut BTreeMap<String, Tree>, name: &str) {
    below.remove(name);
}
