//! What is allowed although it looks odd, what a limit refuses, and definitions without a text.

use super::*;
use crate::journey::source::{load, read};

/// A journey of these nodes, entered by an event; `above` stands before the nodes.
fn journey(above: &str, nodes: &str) -> String {
    format!("id = \"j\"\ndialect = \"clevertap\"\n{above}\n[entry]\nevent = \"Signed Up\"\n{nodes}")
}

fn codes(text: &str) -> Vec<&'static str> {
    read("j.toml", text.as_bytes()).problems.iter().map(|problem| problem.code).collect()
}

fn delay(id: &str, how: &str, next: &str) -> String {
    format!("[[node]]\nid = \"{id}\"\ntype = \"delay\"\n{how}\nnext = \"{next}\"\n")
}

#[test]
fn loops_are_judged_by_whether_time_passes_in_them() {
    let wait = "[[node]]\nid = \"a\"\ntype = \"wait_event\"\ntimeout = \"1h\"\notherwise = \"b\"\n\
                branches = [{ event = \"E\", to = \"b\" }]\n";
    let choose = "[[node]]\nid = \"b\"\ntype = \"random_split\"\n\
                  branches = [{ weight = 50, to = \"a\" }, { weight = 50, to = \"exit\" }]\n";
    for (first, expected) in [
        (delay("a", "for = \"1ms\"", "b"), &[][..]),
        (delay("a", "at = \"09:00\"", "b"), &[]),
        (wait.to_owned(), &[]),
        (delay("a", "until = \"2026-03-01T09:00\"", "b"), &["loop_without_wait"]),
        ("[[node]]\nid = \"a\"\ntype = \"filter\"\nwhere = \"user.x\"\n".to_owned(), &["loop_without_wait"]),
    ] {
        assert_eq!(codes(&journey("", &format!("{first}{choose}"))), expected, "{first}");
    }
}

#[test]
fn a_node_that_leads_to_itself_without_a_wait_is_a_loop() {
    let node = "[[node]]\nid = \"a\"\ntype = \"filter\"\nwhere = \"user.x\"\nnext = \"a\"\n";
    assert_eq!(codes(&journey("", node)), ["loop_without_wait"]);
}

#[test]
fn an_endless_journey_needs_an_exit_rule_or_a_timeout() {
    let daily = delay("a", "for = \"1d\"", "a");
    assert_eq!(codes(&journey("", &daily)), ["no_exit"]);
    assert_eq!(codes(&journey("timeout = \"30d\"", &daily)), [""; 0]);
    assert_eq!(codes(&journey("exit = [{ event = \"Bought\" }]", &daily)), [""; 0]);
    let timed = delay("a", "for = \"1d\"\ntimeout = \"1h\"", "a");
    assert_eq!(codes(&journey("", &timed)), [""; 0], "a node's time-out is a way out");
}

#[test]
fn users_may_arrive_at_a_node_from_the_version_before() {
    let nodes = format!("{}{}", delay("a", "for = \"1d\"", "exit"), delay("b", "for = \"1d\"", "exit"));
    assert_eq!(codes(&journey("", &nodes)), ["unreachable"]);
    assert_eq!(codes(&journey("moved = { old = \"b\" }", &nodes)), [""; 0]);
}

#[test]
fn entry_may_start_in_the_middle_and_what_lies_before_must_be_led_to() {
    let nodes = format!("{}{}", delay("a", "for = \"1d\"", "exit"), delay("b", "for = \"1d\"", "a"));
    let text = journey("", &nodes).replace("[entry]", "[entry]\nto = \"b\"");
    assert_eq!(codes(&text), [""; 0]);
}

#[test]
fn weights_add_up_in_hundredths_however_they_are_written() {
    let arms = |weights: &[&str]| {
        let arms: Vec<String> =
            weights.iter().map(|w| format!("{{ weight = {w}, to = \"exit\" }}")).collect();
        journey(
            "",
            &format!("[[node]]\nid = \"a\"\ntype = \"random_split\"\nbranches = [{}]\n", arms.join(", ")),
        )
    };
    for (weights, expected) in [
        (&["33.33", "33.33", "33.34"][..], &[][..]),
        (&["0.1", "0.2", "99.7"], &[]),
        (&["100", "0"], &[]),
        (&["29.29", "70.71"], &[]),
        (&["50", "50.01"], &["weights"]),
        (&["50", "50.001"], &["bad_weight"]),
        (&["1e2"], &[]),
    ] {
        assert_eq!(codes(&arms(weights)), expected, "{weights:?}");
    }
}

#[test]
fn an_entry_has_exactly_one_way_and_the_api_may_stand_beside_it() {
    let entry =
        |ways: &str| journey("", &delay("a", "for = \"1d\"", "exit")).replace("event = \"Signed Up\"", ways);
    for (ways, expected) in [
        ("event = \"E\"", &[][..]),
        ("list = \"L\"", &[]),
        ("api = true", &[]),
        ("event = \"E\"\napi = true", &[]),
        ("list = \"L\"\napi = true", &[]),
        ("api = false", &["entry_ways"]),
        ("event = \"E\"\nlist = \"L\"", &["entry_ways"]),
    ] {
        assert_eq!(codes(&entry(ways)), expected, "{ways}");
    }
}

#[test]
fn limits_refuse_one_more_and_allow_the_most() {
    let nodes = |n: usize| {
        let all: Vec<String> =
            (0..n).map(|i| delay(&format!("n{i}"), "for = \"1d\"", &format!("n{}", i + 1))).collect();
        journey("", &format!("{}{}", all.concat(), delay(&format!("n{n}"), "for = \"1d\"", "exit")))
    };
    let exits = |n: usize| {
        let exits: Vec<String> = (0..n).map(|i| format!("{{ event = \"E{i}\" }}")).collect();
        journey(&format!("exit = [{}]", exits.join(", ")), &delay("a", "for = \"1d\"", "exit"))
    };
    let branches = |n: usize| {
        let branches = vec!["{ where = \"user.x\", to = \"exit\" }"; n].join(", ");
        let node = format!(
            "[[node]]\nid = \"a\"\ntype = \"split\"\notherwise = \"exit\"\nbranches = [{branches}]\n"
        );
        journey("", &node)
    };
    let variables = |n: usize| {
        let variables: Vec<String> = (0..n).map(|i| format!("v{i} = \"user.x\"")).collect();
        let node =
            "[[node]]\nid = \"a\"\ntype = \"send\"\nchannel = \"push\"\ncontent = \"c\"\nnext = \"exit\"\n";
        journey("content = { c = {} }", &format!("{node}variables = {{ {} }}\n", variables.join(", ")))
    };
    let id = |n: usize| journey("", &delay(&"a".repeat(n), "for = \"1d\"", "exit"));
    for (what, most, one_more, code) in [
        ("nodes", nodes(NODES_MAX - 1), nodes(NODES_MAX), "too_many"),
        ("exits", exits(EXITS_MAX), exits(EXITS_MAX + 1), "too_many"),
        ("branches", branches(BRANCHES_MAX), branches(BRANCHES_MAX + 1), "too_many"),
        ("variables", variables(VARIABLES_MAX), variables(VARIABLES_MAX + 1), "too_many"),
        ("id", id(ID_BYTES_MAX), id(ID_BYTES_MAX + 1), "bad_id"),
    ] {
        assert_eq!(codes(&most), [""; 0], "{what}");
        assert_eq!(codes(&one_more), [code], "{what}");
    }
}

#[test]
fn ids_cannot_leave_their_directory() {
    for id in ["../a", "a/b", "..", ".", ".hidden", "a b", "", "é", "a\\\\b", "a\\u0000", "<b>", "a\\r\\nb"]
    {
        let text =
            journey("", &delay("a", "for = \"1d\"", "exit")).replace("id = \"j\"", &format!("id = \"{id}\""));
        assert_eq!(codes(&text), ["bad_id"], "{id}");
    }
}

#[test]
fn a_definition_without_a_text_has_paths_and_no_lines() {
    let mut definition = load("j.toml", journey("", &delay("a", "for = \"1d\"", "exit")).as_bytes()).unwrap();
    assert_eq!(check(&definition), []);
    definition.zone = "Mars/Olympus".to_owned();
    let NodeKind::Delay { next, .. } = &mut definition.node[0].kind else { unreachable!("it is a delay") };
    *next = Some("nowhere".to_owned());
    let problems = check(&definition);
    let told: Vec<_> = problems.iter().map(|p| (p.code, p.path.as_str(), p.line, p.column)).collect();
    assert_eq!(told, [("unknown_zone", "zone", 0, 0), ("unknown_target", "node.a.next", 0, 0)]);
    assert!(problems[1].to_string().contains("\n  --> node.a.next\n"), "{}", problems[1]);
}
