//! Tables of conditions, verdicts and refusals.

use std::collections::HashSet;

use proptest::strategy::Strategy;

use super::*;

/// Slots in the order of first mention.
#[derive(Default)]
pub(super) struct Paths(pub(super) Vec<(Root, String)>);

impl Binder for Paths {
    fn bind(&mut self, root: Root, path: &str) -> u16 {
        let known = self.0.iter().position(|(r, p)| *r == root && p == path);
        let slot = known.unwrap_or_else(|| {
            self.0.push((root, path.to_owned()));
            self.0.len() - 1
        });
        u16::try_from(slot).unwrap()
    }
}

const KNOWN: [(Root, &str, Value<'static>); 11] = [
    (Root::Properties, "value", Value::Float(19.5)),
    (Root::Properties, "count", Value::Int(3)),
    (Root::Properties, "gone", Value::Missing),
    (Root::Properties, "none", Value::Null),
    (Root::Properties, "items", Value::Composite),
    (Root::Properties, "address.city", Value::Str("Hà Nội")),
    (Root::Properties, "odd name", Value::Bool(true)),
    (Root::User, "tier", Value::Str("gold")),
    (Root::User, "vip", Value::Bool(true)),
    (Root::User, "age", Value::Int(i64::MAX)),
    (Root::Entry, "cart_id", Value::Str("c-1")),
];

struct Known(Paths);

impl Scope for Known {
    fn value(&self, root: Root, slot: u16) -> Value<'_> {
        let path = &self.0.0[usize::from(slot)];
        let found = KNOWN.iter().find(|(r, p, _)| (*r, *p) == (root, path.1.as_str()));
        found.map_or(Value::Missing, |(_, _, value)| *value)
    }
}

fn verdict(text: &str) -> Verdict {
    let expr = Expr::parse(text).unwrap_or_else(|e| panic!("{text}: {e} at {}", e.at));
    let mut paths = Paths::default();
    let program = expr.compile(&mut paths);
    program.eval(&Known(paths))
}

#[test]
fn conditions_say_what_cel_says() {
    use Verdict::{Error, False, True};
    for (text, expected) in [
        (r#"properties.value > 0 && user.tier == "gold""#, True),
        ("properties.value == 19.5", True),
        ("properties.count == 3.0", True),
        ("3 == properties.count", True),
        ("0 > properties.count", False),
        ("properties.gone == 1", Error),
        ("properties.gone == null", Error),
        ("properties.none == null", True),
        ("properties.none != null", False),
        ("properties.none < 1", Error),
        ("properties.none == 1", False),
        ("has(properties.gone)", False),
        ("has(properties.none)", True),
        ("!has(properties.address.street)", True),
        (r#"has(properties["odd name"]) && properties["odd name"]"#, True),
        ("properties.gone == 1 || user.vip", True),
        ("user.vip || properties.gone == 1", True),
        ("properties.gone == 1 && !user.vip", False),
        ("properties.gone == 1 && user.vip", Error),
        ("properties.gone == 1 || !user.vip || properties.none == 1", Error),
        ("properties.items == 1", False),
        ("properties.items == properties.items", Error),
        ("size(properties.items) > 0", Error),
        ("size(properties.address.city) == 6", True),
        (r#"properties.address.city.startsWith("Hà")"#, True),
        (r#"properties.address["city"].endsWith('Nội')"#, True),
        (r#"user.tier.contains("ol") ? user.vip : properties.gone"#, True),
        (r#"user.tier in ["silver", "gold",]"#, True),
        ("user.tier in []", False),
        ("properties.gone in [1]", Error),
        ("properties.count in [1, 3.0, null]", True),
        ("properties.count in [\"3\"]", False),
        ("user.age + 1 > 0", Error),
        ("-user.age - 1 < 0", True),
        ("properties.count / 0 == 1", Error),
        ("properties.value / 0.0 > 1e308", True),
        ("properties.count % 2 == 1", True),
        ("properties.value * 2 > 1", Error),
        ("double(properties.count) * 2.0 == 6.0", True),
        ("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 - 2 - 1 == 4 && -7 / 2 == -3", True),
        ("-9223372036854775808 < -0x7fffffffffffffff", True),
        (r#"user.tier == 'g\u006f\x6c\144' && "a\tb" != r"a\tb" && """a"b""" == 'a"b'"#, True),
        ("user.tier >= \"go\" && user.vip > false", True),
        ("user.tier", Error),
        ("user.vip // a remark", True),
    ] {
        assert_eq!(verdict(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_a_condition_is_refused_where_it_goes_wrong_with_what_is_allowed() {
    for (text, at, said) in [
        ("", 0, "empty"),
        ("properties.value = 1", 17, "no meaning"),
        ("properties.value > 1 and user.vip", 21, "end"),
        ("properties.value >", 18, "not the end"),
        ("(user.vip", 9, "needs \")\""),
        ("user.vip)", 8, "end"),
        ("propertis.value > 1", 0, "unknown"),
        ("value > 1", 0, "starts with properties, user or entry"),
        ("user", 0, "user alone"),
        ("user.tier.matches(\"g.*\")", 10, "no function"),
        ("len(user.tier) > 1", 0, "size(text)"),
        ("user.tier == \"gold", 13, "no closing"),
        ("user.tier == \"\\q\"", 14, "no escape"),
        ("user.tier in user.tiers", 13, "list of literals"),
        ("user.tier in [user.other]", 14, "literals only"),
        ("[1] == [1]", 0, "after `in`"),
        ("5u > 1", 1, "unsigned"),
        ("b\"x\" == user.tier", 0, "bytes"),
        ("9223372036854775808 > 1", 0, "64 bits"),
        ("1e999 > 1.0", 0, "doubles"),
        ("3d > 1", 0, "without an operator"),
        ("1 == \"1\"", 0, "never equal"),
        ("user.vip && 1", 12, "a whole number"),
        ("1 + 2", 0, "true or false"),
        ("user.tier < null", 0, "no order"),
        ("1 + 1.5 > user.age", 0, "do not mix"),
        ("size(5) > 1", 5, "a text"),
        ("has(1)", 4, "a path"),
        ("user.a[0] == 1", 7, "in quotes"),
        ("user[\"a.b\"] == 1", 5, "dot"),
        ("user. == 1", 6, "a name is needed"),
        ("user.in == 1", 5, "a name is needed"),
        ("\"é\" == user.é", 13, "no meaning"),
    ] {
        let error = Expr::parse(text).expect_err(text);
        assert!(error.message.contains(said), "{text}: {}", error.message);
        assert_eq!(error.at, at, "{text}: {}", error.message);
    }
}

#[test]
fn a_slip_of_the_finger_gets_the_right_word_as_a_hint() {
    for (text, hint) in [
        ("propertis.value > 1", "write properties"),
        ("user.tier.startswith(\"g\")", "write startsWith"),
        ("user.vip && True", "write true"),
        ("user.tier == gold", "write properties.gold, user.gold or \"gold\""),
        ("user.vip & user.vip", "write &&"),
        (
            "user.age == 1 && user.tier == \"1\" && size(user.tier) == \"1\"",
            "write the number without quotes",
        ),
    ] {
        assert_eq!(Expr::parse(text).expect_err(text).hint.as_deref(), Some(hint), "{text}");
    }
}

#[test]
fn limits_are_kept_and_named() {
    let deep = format!("{}user.vip{}", "(".repeat(33), ")".repeat(33));
    let signs = format!("{}user.vip", "!".repeat(100_000 / 25));
    let tall = format!("{} > 1", vec!["user.age"; 40].join(" + "));
    let wide = vec!["user.vip"; 257].join("||");
    let long = format!("user.tier == \"{}\"", "x".repeat(TEXT_BYTES_MAX));
    for (text, said) in
        [(&deep, "32 levels"), (&signs, "32 levels"), (&tall, "32 levels"), (&wide, "256"), (&long, "4096")]
    {
        let error = Expr::parse(text).unwrap_err();
        assert!(error.message.contains(said), "{}", error.message);
    }
    assert_eq!(verdict(&vec!["user.vip"; 200].join("&&")), Verdict::True, "a chain does not nest");
}

#[test]
fn equal_conditions_are_equal_programs() {
    let mut paths = Paths::default();
    let mut programs = HashSet::new();
    for text in
        ["user.age > 5", "  5 < user.age", "(user.age) > 5 // the same", "user.age > 5.0", "user.age >= 5"]
    {
        programs.insert(Expr::parse(text).unwrap().compile(&mut paths));
    }
    assert_eq!(programs.len(), 3);
}

#[test]
fn paths_are_told_once_and_in_order() {
    let expr = Expr::parse("entry.a.b == 1 && has(user.x) || user.x > entry.a.b").unwrap();
    assert_eq!(expr.paths(), [(Root::Entry, "a.b".to_owned()), (Root::User, "x".to_owned())]);
}

#[test]
fn a_variable_is_one_path() {
    assert_eq!(variable("entry.cart_id").unwrap(), (Root::Entry, "cart_id".to_owned()));
    assert_eq!(variable("user[\"odd name\"]").unwrap(), (Root::User, "odd name".to_owned()));
    for text in ["", "entry", "cart_id", "entry.a == 1", "\"x\"", "entry.a + 1"] {
        assert!(variable(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 2_000, failure_persistence: None, ..Default::default()
    })]

    /// Scraps of conditions and any characters, in any order: read, or refused at a place within the text.
    #[test]
    fn no_text_makes_the_parser_panic(
        parts in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::sample::select(&[
                    "user.x", "entry[\"a b\"]", "has(", "size(", ".contains(", ")", "(", "[", "]", " in ",
                    " && ", "||", "!", "-", "?", ":", "==", "<", "+", "%", "'é'", "\"\\u00e", "r'", "1", "0x",
                    "1e", ".5", ".", ",", "9223372036854775808", "null", "'''", "//",
                ][..]).prop_map(str::to_owned),
                ".{0,2}",
            ],
            0..12,
        ),
    ) {
        let text = parts.concat();
        if let Err(error) = Expr::parse(&text) {
            proptest::prop_assert!(error.at <= text.len(), "{text}: {} at {}", error.message, error.at);
        }
        let _ = variable(&text);
    }
}
