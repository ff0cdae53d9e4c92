//! What a mapping may say, and what a cell becomes.

use super::*;

#[test]
fn what_is_no_mapping_is_refused_with_what_is() {
    for (text, part) in [
        ("", "write FIELD=COLUMN"),
        ("user", "write FIELD=COLUMN"),
        ("user=a", "no column is the event's name"),
        ("event=a", "no column is the user"),
        ("usr=a,event=b", "\"usr\" is not a field of an event; it must be user, anonymous, event"),
        ("user=a,event=b,user=c", "user is mapped twice"),
        ("user=a,event=b,properties.x=c,properties.x.y=d", "properties.x.y is mapped twice"),
        ("user=,event=b", "user has no column"),
        ("user=a,event=b,properties.=c", "is not a path"),
    ] {
        let error = text.parse::<Mapping>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    for text in [
        "user=a,event=b",
        " anonymous = a , event='x, y' ",
        "user=a,type='page'",
        "user=a,event=b,properties=*",
    ] {
        assert!(text.parse::<Mapping>().is_ok(), "{text}");
    }
}

#[test]
fn all_other_columns_become_properties_and_displace_none() {
    let mapping: Mapping = "user=u,event='E',properties.b=x,properties=*".parse().unwrap();
    let columns = ["u", "x", "a", "b", "c.d", "a", ""].map(str::to_owned);
    let cells = ["1", "2", "3", "4", "5", "6", "7"];
    let mut out = Vec::new();
    let plan = Plan::new(&mapping, &columns).unwrap();
    plan.write(&|column| cells[column].into(), &mut out).map_err(|wrong| wrong.message).unwrap();
    let expected = r#"{"type":"track","userId":"1","event":"E","properties":{"b":2,"a":3,"c":{"d":5}}}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_cell_is_a_number_only_if_json_says_so() {
    for (cell, written) in [
        ("12", "12"),
        ("-1.5e3", "-1.5e3"),
        ("9007199254740993", "9007199254740993"),
        ("007", "\"007\""),
        ("+1", "\"+1\""),
        ("1,000", "\"1,000\""),
        ("1 ", "\"1 \""),
        ("-", "\"-\""),
        ("1e999", "\"1e999\""),
        ("NaN", "\"NaN\""),
        ("[1]", "\"[1]\""),
        ("TRUE", "true"),
        ("null", "\"null\""),
        ("a\"\\\n", "\"a\\\"\\\\\\n\""),
    ] {
        let mut out = Vec::new();
        typed(cell, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), written);
    }
}

#[test]
fn a_time_without_a_zone_is_utc() {
    for (cell, expected) in [
        ("2026-03-01T10:30:00+01:00", Some("2026-03-01T09:30:00Z")),
        ("2026-03-01 09:30:00 UTC", Some("2026-03-01T09:30:00Z")),
        ("2026-03-01 09:30:00", Some("2026-03-01T09:30:00Z")),
        ("2026-03-01", Some("2026-03-01T00:00:00Z")),
        ("1772357400", Some("2026-03-01T09:30:00Z")),
        ("1772357400250", Some("2026-03-01T09:30:00.250Z")),
        ("0", Some("1970-01-01T00:00:00Z")),
        ("1772357400250000", None),
        ("01/03/2026", None),
        ("", None),
        ("é", None),
    ] {
        assert_eq!(time(cell), expected.map(|t| t.parse().unwrap()), "{cell:?}");
    }
}
