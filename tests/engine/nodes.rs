//! Each kind of node, each outcome.

use std::collections::BTreeSet;

use serde_json::json;

use super::script::{World, at, clock, journey, much_later};

fn told(head: &str, nodes: &str, story: &str) -> World {
    let mut world = World::with(&[&journey("clevertap", head, nodes)]);
    world.tell(story);
    world.wake(much_later());
    world
}

/// A send says all that delivery needs.
#[test]
fn a_send_carries_its_content_variables_times_and_key() {
    let nodes = "wait delay for = \"1h\"
                 W send provider = \"acme\", expires = \"2h\", variables = { cart = \"entry.cart\", name = \"user.name\", none = \"entry.none\" }";
    let world = told("", nodes, "0:00 u1 identify name=Ann · 0:10 u1 add cart=7 value=9");
    let sends = world.sends();
    let [send] = sends.as_slice() else { panic!("one send: {sends:?}") };
    assert_eq!(
        (send.journey.as_str(), send.version, send.node.as_str(), send.user.as_str()),
        ("example", 1, "W", "u1")
    );
    assert_eq!((send.channel.as_str(), send.content.as_str(), send.revision), ("push", "c", 1));
    assert_eq!(send.provider.as_deref(), Some("acme"));
    assert_eq!((send.due, send.at, send.expires), (at("1:10"), at("1:10"), Some(at("3:10"))));
    assert_eq!(json!(send.variables), json!({"cart": 7, "name": "Ann"}), "what is not known is left out");
    assert_eq!(send.key.len(), 32, "{}", send.key);
}

/// A key names one start of one node of one enrollment, and is the same whenever the same is done again.
#[test]
fn idempotency_keys_are_unique_and_deterministic() {
    let nodes = "W send next = \"wait\"
                 wait delay for = \"1h\", next = \"W\"";
    let head = "timeout = \"150m\"\nentry = { event = \"add\", reentry = \"always\" }";
    let keys = || -> Vec<String> {
        let world = told(head, nodes, "0:00 u1 add · 0:00 u1 add · 0:00 u2 add");
        world.sends().into_iter().map(|s| s.key).collect()
    };
    let once = keys();
    assert_eq!((once.len(), once.iter().collect::<BTreeSet<_>>().len()), (9, 9));
    assert_eq!(once, keys());
}

/// A delay for a duration, until a date, until a time of day; with a time-out that comes first or not.
#[test]
fn a_delay_ends_at_its_moment_or_at_its_time_out() {
    for (wait, sent, left) in [
        ("for = \"90s\"", "u1 R@0:01:30", "u1 completed@0:01:30"),
        ("until = \"2026-03-01T08:00\"", "u1 R@8:00", "u1 completed@8:00"),
        ("until = \"2026-02-01T08:00\"", "u1 R@0:00", "u1 completed@0:00"),
        ("at = \"08:00\"", "u1 R@8:00", "u1 completed@8:00"),
        ("at = \"08:00\", on = [\"tue\"]", "u1 R@56:00", "u1 completed@56:00"),
        ("at = \"08:00\", timeout = \"1h\"", "", "u1 node_timeout@1:00"),
        ("for = \"1h\", timeout = \"59m\"", "", "u1 node_timeout@0:59"),
        ("for = \"1h\", timeout = \"1h\"", "u1 R@1:00", "u1 completed@1:00"),
    ] {
        let world = told("", &format!("wait delay {wait}\nR send"), "0:00 u1 add");
        assert_eq!((world.sent().as_str(), world.left().as_str()), (sent, left), "{wait}");
    }
}

const ASK: &str = "Y send next = \"exit\"
                   N send next = \"exit\"
                   L send";

/// The first event wins; where one event satisfies several branches, the first of them counts.
#[test]
fn a_wait_goes_on_by_the_first_event_that_satisfies_a_branch() {
    let branches = "branches = [
        { event = \"yes\", where = \"properties.n > 5\", to = \"Y\" }, { event = \"no\", match = \"cart\", to = \"N\" },
        { event = \"yes\", where = \"properties.n > 3 && user.tier == 'gold'\", to = \"N\" }]"
        .replace('\n', " ");
    for (story, sent) in [
        ("0:10 u1 yes n=9", "u1 Y@0:10"),
        ("0:10 u1 yes n=5 · 0:11 u1 yes n=6", "u1 Y@0:11"),
        ("0:10 u1 no cart=8 · 0:11 u1 no cart=7", "u1 N@0:11"),
        ("0:10 u1 no", "u1 L@1:00"),
        ("0:09 u1 identify tier=gold · 0:10 u1 yes n=4", "u1 N@0:10"),
        ("0:09 u1 identify tier=gold · 0:10 u1 yes n=6", "u1 Y@0:10"),
        ("0:10 u2 yes n=9 · 0:11 u1 other", "u1 L@1:00"),
        ("1:00 u1 yes n=9", "u1 Y@1:00"),
    ] {
        let nodes = format!("ask wait_event timeout = \"60m\", otherwise = \"L\", {branches}\n{ASK}");
        let world = told("", &nodes, &format!("0:00 u1 add cart=7 · {story}"));
        assert_eq!(world.sent(), sent, "{story}");
    }
}

/// Its time-out leads to `otherwise`, else out; without one it lasts until the journey's own.
#[test]
fn a_wait_without_an_event_ends_by_the_time_out_that_it_has() {
    for (head, rest, left) in [
        ("", "timeout = \"60m\", otherwise = \"L\"", "u1 completed@1:00"),
        ("", "timeout = \"60m\"", "u1 node_timeout@1:00"),
        ("timeout = \"2h\"", "", "u1 timed_out@2:00"),
        ("timeout = \"2h\"", "timeout = \"3h\"", "u1 timed_out@2:00"),
        ("", "", ""),
    ] {
        let last = if rest.contains("otherwise") { "L send" } else { "" };
        let nodes = format!(
            "ask wait_event {rest}{} branches = [{{ event = \"yes\", to = \"exit\" }}]\n{last}",
            if rest.is_empty() { "" } else { "," }
        );
        assert_eq!(told(head, &nodes, "0:00 u1 add").left(), left, "{head} {rest}");
    }
}

/// Conditions in order, and an else; they see the entry and the user as known when the node starts.
#[test]
fn a_split_goes_the_way_of_the_first_condition_that_holds() {
    let nodes = "wait delay for = \"1h\"
                 split split branches = [{ where = \"entry.value > 100\", to = \"A\" }, { where = \"entry.value > 10 || user.tier == 'gold'\", to = \"B\" }], otherwise = \"C\"
                 A send next = \"exit\"
                 B send next = \"exit\"
                 C send";
    let world = told(
        "",
        nodes,
        "0:00 u1 add value=500 · 0:00 u2 add value=50 · 0:00 u3 add value=5 · 0:00 u4 add · 0:00 u5 add
                                 0:30 u4 identify tier=gold · 1:30 u5 identify tier=gold",
    );
    assert_eq!(world.sent(), "u1 A@1:00, u2 B@1:00, u3 C@1:00, u4 B@1:00, u5 C@1:00");
}

/// It lets on, turns aside, or ends.
#[test]
fn a_filter_lets_on_or_turns_aside_or_ends() {
    for (rest, sent, left) in [
        ("next = \"Y\", otherwise = \"N\"", "u1 Y@0:00, u2 N@0:00", "u1 completed@0:00, u2 completed@0:00"),
        ("next = \"Y\"", "u1 Y@0:00", "u1 completed@0:00, u2 filtered@0:00"),
        ("next = \"exit\"", "", "u1 completed@0:00, u2 filtered@0:00"),
    ] {
        let last = match rest {
            "next = \"exit\"" => "",
            "next = \"Y\"" => "Y send",
            _ => "Y send next = \"exit\"\nN send",
        };
        let nodes = format!("pass filter where = \"entry.value > 10\", {rest}\n{last}");
        let world = told("", &nodes, "0:00 u1 add value=11 · 0:00 u2 add value=10");
        assert_eq!((world.sent().as_str(), world.left().as_str()), (sent, left), "{rest}");
    }
}

/// An `exit` node ends with `completed`, wherever it stands; `entry.to` says where to start.
#[test]
fn an_exit_node_completes_and_entry_may_start_anywhere() {
    let nodes = "A send next = \"end\"
                 B send next = \"A\"
                 end exit";
    let world = told("entry = { event = \"add\", to = \"B\" }", nodes, "0:00 u1 add");
    assert_eq!((world.sent().as_str(), world.left().as_str()), ("u1 B@0:00, u1 A@0:00", "u1 completed@0:00"));
}

/// More nodes than one input may start park the enrollment until timers fire, at the same time.
#[test]
fn more_nodes_than_one_input_may_start_go_on_when_timers_fire() {
    let steps: String = (0..150).map(|n| format!("f{n} filter where = \"true\"\n")).collect();
    let nodes = format!("{steps}S send");
    for dialect in ["clevertap", "antsomi"] {
        let mut world = World::with(&[&journey(dialect, "", &nodes)]);
        world.tell("0:00 u1 add");
        assert_eq!((world.sent().as_str(), world.counts().as_str()), ("", "entered 1 = waiting 1"));
        world.tell("0:00 * tick");
        assert_eq!((world.sent().as_str(), world.left().as_str()), ("u1 S@0:00", "u1 completed@0:00"));
    }
    let mut world = World::with(&[&journey("antsomi", "", &nodes)]);
    world.tell("0:00 u1 add · 0:00 * pause · 0:00 * tick");
    assert_eq!(world.told("held"), "u1 f64@0:00", "the gate is asked before it goes on");
    let mut world = World::with(&[&journey("clevertap", "", &nodes)]);
    world.tell("0:00 u1 add · 0:00 * stop · 0:00 * tick");
    assert_eq!((world.counts().as_str(), world.sent().as_str()), ("entered 1 = draining 1", ""));
}

/// A rate spreads the messages of one node over instants of a fixed grid; users go on from their own.
#[test]
fn a_send_with_a_rate_hands_over_at_the_instants_of_its_grid() {
    let nodes = "W send rate = \"4/m\"
                 wait delay for = \"60m\"
                 R send";
    let mut world = World::with(&[&journey("clevertap", "", nodes)]);
    world.tell(
        "0:00:05 u1 add · 0:00:05 u2 add · 0:00:05 u3 add · 0:00:50 u4 add · 0:01 u5 add · 0:09 * tick",
    );
    assert_eq!(world.sent(), "u1 W@0:00:15, u2 W@0:00:30, u3 W@0:00:45, u4 W@0:01, u5 W@0:01:15");
    world.tell("2:00 * tick");
    let second: Vec<String> = world.sends().iter().filter(|s| s.node == "R").map(|s| clock(s.at)).collect();
    assert_eq!(second, ["1:00:15", "1:00:30", "1:00:45", "1:01", "1:01:15"]);
}

/// A journey time-out does not recall what is at send: the user leaves when it is out.
#[test]
fn a_journey_time_out_waits_for_the_message_at_send() {
    let mut world = World::with(&[&journey(
        "clevertap",
        "timeout = \"90s\"",
        "W send rate = \"1/m\"\nwait delay for = \"9h\"\nR send",
    )]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 9:30 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u2 W@0:01, u3 W@0:02");
    assert_eq!(world.left(), "u1 timed_out@0:01:30, u2 timed_out@0:01:30, u3 timed_out@0:02");
}

/// A message id that was seen does nothing the second time.
#[test]
fn a_repeated_message_does_nothing() {
    let nodes = "ask wait_event branches = [{ event = \"add\", to = \"Y\" }]\nY send";
    let mut world = World::with(&[&journey("clevertap", "timeout = \"9d\"", nodes)]);
    world.tell("0:00 u1 add id=m1 · 0:01 u1 add id=m1 · 0:02 u1 add id=m2");
    assert_eq!((world.sent().as_str(), world.refused().as_str()), ("u1 Y@0:02", ""));
}
