//! Versions: who stays on the one that it entered, and who takes the latest.

use super::script::{World, clock, journey, welcome};

const NEXT: &str = "W2 send content = \"hello\"
                    patience delay for = \"5m\"
                    S send content = \"again\"";

fn next(head: &str) -> String {
    let content = "content = { hello = { title = \"Hi\" }, again = { title = \"Again\" } }";
    journey("antsomi", &format!("{head}\n{content}"), NEXT)
}

/// G15: by node id, waiting or held; the deadlines of running timers stay.
#[test]
fn at_reactivate_everybody_takes_the_latest_version_by_node_id() {
    for shut in ["pause", "freeze"] {
        let mut world = World::with(&[&welcome("antsomi", "")]);
        world.tell(&format!(
            "0:00 u1 add · 0:30 u2 add · 0:35 * pause · 0:36 u3 add · 0:40 * {}",
            if shut == "pause" { "-" } else { shut }
        ));
        world.put("0:55", &next("moved = { W = \"W2\" }")).expect("a next version");
        // u1 is held before R, which is gone; u2 waits until 1:30; u3 is held before W, which is W2 now.
        world.tell("1:10 * tick · 1:21 * reactivate · 1:21 * resume");
        assert_eq!(world.left(), "u1 node_removed@1:21", "{shut}");
        assert_eq!(world.told("migrated"), "u2 patience@1:21, u3 W2@1:21", "{shut}");
        assert_eq!(world.counts_of(1), "entered 3 = node_removed 1 + moved_out 2");
        world.tell("9:00 * tick · 9:01 u4 add");
        assert_eq!(
            world.sent(),
            "u1 W@0:00, u2 W@0:30, u2 S@1:30, u3 W2@1:21, u3 S@1:26, u4 W2@9:01",
            "{shut}: u2 keeps its deadline, u3 waits as the new version says"
        );
        assert_eq!(world.counts_of(2), "entered 1 + moved_in 2 = waiting 1 + completed 2");
        let versions: Vec<u32> = world.sends().iter().map(|s| s.version).collect();
        assert_eq!(versions, [1, 1, 2, 2, 2, 2]);
    }
}

/// G15: a user who waits at a node that is gone leaves as well, unless the version maps it to another.
#[test]
fn a_node_that_is_gone_ends_its_users_unless_it_is_mapped() {
    let nodes = "W send
                 rest delay for = \"5m\"
                 R send";
    for (head, left) in
        [("", "u1 node_removed@0:20"), ("moved = { patience = \"rest\" }", "u1 completed@1:00")]
    {
        let mut world = World::with(&[&welcome("antsomi", "")]);
        world.tell("0:00 u1 add · 0:10 * pause");
        world.put("0:15", &journey("antsomi", head, nodes)).expect("a next version");
        world.tell("0:20 * reactivate · 0:20 * resume · 9:00 * tick");
        assert_eq!(world.left(), left, "{head}");
    }
}

/// G15: users at send take it when their message is out, by the names of every version between.
#[test]
fn who_is_at_send_takes_the_version_after_the_hand_over() {
    let version = |head: &str, node: &str| {
        let nodes = format!("{node} send rate = \"1/h\"\nrest delay for = \"60m\"\nR send");
        journey("antsomi", head, &nodes)
    };
    let mut world = World::with(&[&version("", "W")]);
    world.tell("0:00 u1 add · 0:00 u2 add · 0:00 u3 add · 0:10 * pause");
    world.put("0:11", &version("moved = { W = \"W2\" }", "W2")).expect("a next version");
    world.tell("0:12 * reactivate · 1:10 * pause");
    world.put("1:11", &version("moved = { W2 = \"W3\" }", "W3")).expect("a next version");
    world.tell("1:12 * reactivate · 1:12 * resume · 9:00 * tick");
    let sends: Vec<String> = world
        .sends()
        .iter()
        .map(|s| format!("{} {} {} v{}", s.user, clock(s.at), s.node, s.version))
        .collect();
    // The message is that of the node that started; u3 passes over version 2.
    assert_eq!(sends[..3], ["u1 0:00 W v1", "u1 1:00 R v2", "u2 1:00 W v1"]);
    assert_eq!(sends[3..], ["u2 2:00 R v3", "u3 2:00 W v1", "u3 3:00 R v3"]);
    assert_eq!(world.counts(), "entered 3 = completed 3");
}

/// G15: what the new version still mentions of the entry is kept by name, and so is an arm by node id.
#[test]
fn variables_and_arms_go_over_to_the_new_version() {
    let version = |extra: &str, a: u32| {
        let nodes = format!(
            "{extra}
             coin random_split branches = [{{ weight = {a}, to = \"A\" }}, {{ weight = {}, to = \"B\" }}]
             A send variables = {{ cart = \"entry.cart\" }}, next = \"again\"
             B send variables = {{ cart = \"entry.cart\" }}, next = \"again\"
             again delay for = \"60m\", next = \"coin\"",
            100 - a
        );
        journey("antsomi", "timeout = \"90m\"", &nodes)
    };
    let mut world = World::with(&[&version("", 50)]);
    for user in 0..40 {
        world.tell(&format!("0:00 u{user} add cart=c{user}"));
    }
    world.tell("0:10 * pause");
    world
        .put("0:11", &version("pass filter where = \"entry.aisle != 'x'\", otherwise = \"A\"", 10))
        .expect("a next version");
    world.tell("0:20 * reactivate · 0:20 * resume · 1:10 * tick");
    let (first, second): (Vec<_>, Vec<_>) = world.sends().into_iter().partition(|s| s.version == 1);
    assert_eq!((first.len(), second.len()), (40, 40));
    for send in second {
        let before = first.iter().find(|s| s.user == send.user).expect("it got one before");
        assert_eq!((&before.node, &before.variables), (&send.node, &send.variables), "{}", send.user);
        assert_eq!(send.variables["cart"], send.user.replace('u', "c"));
    }
}

/// G16: until Reactivate the version that was entered decides all: exits, nodes, and what new arrivals enter.
#[test]
fn a_saved_version_concerns_nobody_before_reactivate() {
    let mut world = World::with(&[&welcome("antsomi", "")]);
    world.tell("0:00 u1 add · 0:10 * pause");
    world.put("0:11", &next("exit = [{ event = \"bye\" }]\nmoved = { W = \"W2\" }")).expect("a next version");
    world.tell("0:12 u2 add · 0:13 u1 bye");
    assert_eq!(world.counts_of(1), "entered 2 = waiting 1 + held 1");
    world.tell("0:20 * reactivate · 0:21 u1 buy · 0:22 u1 bye");
    assert_eq!(world.left(), "u1 exit_rule@0:22", "then the new one does");
    assert_eq!(
        (world.counts_of(1).as_str(), world.counts_of(2).as_str()),
        ("entered 2 = moved_out 2", "moved_in 2 = held 1 + exit_rule 1")
    );
}

/// G16: every other opening leaves enrollments on their version; without a new version Reactivate does, too.
#[test]
fn without_a_new_version_nobody_moves() {
    for (shut, open) in
        [("pause", "reactivate"), ("freeze", "reactivate"), ("close", "reactivate"), ("fail", "recover")]
    {
        let mut world = World::with(&[&welcome("antsomi", "")]);
        world.tell(&format!("0:00 u1 add · 0:10 * {shut} · 0:20 * {open} · 9:00 * tick"));
        assert_eq!(
            (world.told("migrated").as_str(), world.counts_of(1).as_str()),
            ("", "entered 1 = completed 1")
        );
    }
}

/// Section 2: content is read when the send's node starts, and its revision is recorded.
#[test]
fn content_is_read_when_the_send_starts() {
    let titled =
        |title: &str| welcome("clevertap", &format!("content = {{ c = {{ title = \"{title}\" }} }}"));
    let mut world = World::with(&[&titled("Hello")]);
    world.tell("0:00 u1 add");
    world.put("0:10", &titled("Hello again")).expect("content may be edited");
    world.tell("0:20 u2 add · 9:00 * tick");
    let revisions: Vec<String> = world
        .sends()
        .iter()
        .map(|s| format!("{} {} v{} r{}", s.user, s.node, s.version, s.revision))
        .collect();
    assert_eq!(revisions, ["u1 W v1 r1", "u2 W v1 r2", "u1 R v1 r2", "u2 R v1 r2"]);
    assert!(
        world.put("9:10", &welcome("clevertap", "timeout = \"1d\"")).is_err(),
        "all else is a new version"
    );
}

/// Section 2: what queues at send was read when its node started.
#[test]
fn an_edit_does_not_change_what_is_at_send() {
    let titled = |title: &str| {
        let head = format!("content = {{ c = {{ title = \"{title}\" }} }}");
        journey("clevertap", &head, "W send rate = \"1/m\"")
    };
    let mut world = World::with(&[&titled("Hello")]);
    world.tell("0:00 u1 add · 0:00 u2 add");
    world.put("0:00:10", &titled("Hello again")).expect("content may be edited");
    world.tell("0:00:20 u3 add · 9:00 * tick");
    let revisions: Vec<String> =
        world.sends().iter().map(|s| format!("{} r{}", s.user, s.revision)).collect();
    assert_eq!(revisions, ["u1 r1", "u2 r1", "u3 r2"]);
}

/// G15, G26: a node that a version calls something else is the same node: those in its queue keep their instants, and
/// whoever comes now waits behind them, so that the rate holds over both names.
#[test]
fn a_renamed_send_node_has_one_queue_and_one_rate() {
    let nodes = |id: &str, rate: &str| format!("{id} send rate = \"{rate}\"");
    for (rate, sent) in [
        ("2/h", "u1 W@0:00, u2 W@0:30, u3 W@1:00, u4 N@1:30, u5 N@2:00"),
        ("1/h", "u1 W@0:00, u2 W@0:30, u3 W@1:00, u4 N@2:00, u5 N@3:00"),
        ("4/h", "u1 W@0:00, u2 W@0:30, u3 W@1:00, u4 N@1:15, u5 N@1:30"),
    ] {
        let mut world = World::with(&[&journey("antsomi", "", &nodes("W", "2/h"))]);
        world.tell("0:00 u1 add · 0:01 u2 add · 0:02 u3 add · 0:10 * pause");
        world
            .put("0:11", &journey("antsomi", "moved = { W = \"N\" }", &nodes("N", rate)))
            .expect("it is saved");
        world.tell("0:12 * reactivate · 0:13 u4 add · 0:14 u5 add · 9:00 * tick");
        assert_eq!(world.sent(), sent, "{rate}");
    }
}

/// The same when everybody is out of the queue: the instant that was used last counts under the new name too.
#[test]
fn a_renamed_send_node_remembers_its_last_instant() {
    let mut world = World::with(&[&journey("antsomi", "", "W send rate = \"1/h\"")]);
    world.tell("0:00 u1 add · 0:00 * pause");
    world
        .put("0:00", &journey("antsomi", "moved = { W = \"N\" }", "N send rate = \"1/h\""))
        .expect("it is saved");
    world.tell("0:00 * reactivate · 0:00 u2 add · 9:00 * tick");
    assert_eq!(world.sent(), "u1 W@0:00, u2 N@1:00");
}
