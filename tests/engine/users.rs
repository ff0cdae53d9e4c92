//! Users: limits over all shards, re-entry, keys, correlated exits, arms.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{World, at, crowd, journey, welcome};

fn entering(entry: &str) -> String {
    welcome("clevertap", &format!("entry = {{ event = \"add\", {entry} }}"))
}

/// G26: ever, whoever has left since; refusals do not count.
#[test]
fn a_limit_on_entries_is_never_exceeded_in_one_shard() {
    let mut world = World::with(&[&entering("limit = 2, late = \"5m\"")]);
    world.tell("1:00 u0 add ts=0:30 · 1:00 u1 add · 1:01 u2 add · 1:02 u3 add · 1:03 u1 buy · 1:04 u1 add");
    assert_eq!(world.refused(), "u0 late, u3 entry_limit, u1 entry_limit");
    assert_eq!(world.counts(), "entered 2 = waiting 1 + exit_rule 1");
}

/// G26: shards admit what they were leased, in the order of arrival; the others wait at the door.
#[test]
fn a_limit_on_entries_is_leased_to_shards_and_never_exceeded() {
    let mut world = World::of_shards(2).and(&[&entering("limit = 3")]);
    let (a, b) = (world.users_of(0, 3), world.users_of(1, 3));
    for (n, (a, b)) in a.iter().zip(&b).enumerate() {
        world.tell(&format!("0:0{n} {a} add · 0:0{n} {b} add"));
    }
    assert_eq!((world.counts().as_str(), world.at_door(), world.refused().as_str()), ("0 = 0", 6, ""));
    world.tell("0:10 * grant 1,1");
    assert_eq!(world.sent(), format!("{} W@0:10, {} W@0:10", a[0], b[0]));
    assert_eq!((world.counts().as_str(), world.at_door()), ("entered 2 = waiting 2", 4));
    world.tell("0:20 * grant 2,1 exhausted");
    assert_eq!((world.counts().as_str(), world.at_door()), ("entered 3 = waiting 3", 0));
    assert_eq!(world.refused(), format!("{} entry_limit, {} entry_limit, {} entry_limit", a[2], b[1], b[2]));
    world.tell(&format!("0:30 {} add", b[1]));
    assert_eq!(world.refusal_counts(), "entry_limit 4");
    assert!(
        world.sent().contains(&format!("{} W@0:20", a[1])),
        "the second of the first shard: {}",
        world.sent()
    );
}

/// G26, G1, G24: who is at the door has not entered.
#[test]
fn who_waits_at_the_door_has_not_entered() {
    for (word, refused) in
        [("{u} buy", ""), ("{u} remove", ""), ("* pause", "{u} entry_shut"), ("* stop", "{u} entry_shut")]
    {
        let mut world = World::of_shards(2).and(&[&entering("limit = 3")]);
        let user = world.users_of(0, 1)[0].clone();
        let tell = |text: &str| text.replace("{u}", &user);
        world.tell(&tell("0:00 {u} add · 0:01 {u} add"));
        assert_eq!((world.at_door(), world.refused()), (1, tell("{u} inside")), "one place at the door");
        world.tell(&tell(&format!("0:02 {word}")));
        assert_eq!((world.at_door(), world.counts().as_str()), (0, "0 = 0"), "{word}");
        assert_eq!(
            world.refused(),
            tell(&format!("{{u}} inside{}{refused}", if refused.is_empty() { "" } else { ", " }))
        );
        world.tell("0:03 * grant 2,1");
        assert_eq!(world.counts(), "0 = 0", "{word}");
    }
}

/// G26, G30: re-entry is judged again when somebody enters from the door: meanwhile an enrollment was created.
#[test]
fn more_places_at_the_door_do_not_get_around_reentry() {
    let mut world =
        World::of_shards(2).and(&[&entering("limit = 9, reentry = { at_most = 1, per = \"1d\" }")]);
    let user = world.users_of(0, 1)[0].clone();
    world.tell(&format!("0:00 {user} add · 0:01 {user} add · 0:02 * grant 5,4"));
    assert_eq!((world.counts().as_str(), world.at_door()), ("entered 1 = waiting 1", 0));
    assert_eq!(world.refused(), format!("{user} reentry"));
}

/// G26: a send node's rate, over all shards together.
#[test]
fn a_rate_is_never_exceeded_over_all_shards() {
    let mut world = World::of_shards(3).and(&[&journey("clevertap", "", "W send rate = \"2/m\"")]);
    world.tell(&crowd(30, "0:00:10", "add"));
    world.tell("2:00 * tick");
    let instants: BTreeSet<i64> = world.sends().iter().map(|s| s.at.0).collect();
    assert_eq!(instants.len(), 30, "each at an instant of its own");
    let instants: Vec<i64> = instants.into_iter().collect();
    assert!(instants.windows(2).all(|pair| pair[1] - pair[0] >= 30_000));
    let order: Vec<String> = {
        let mut one = World::with(&[&journey("clevertap", "", "W send rate = \"2/m\"")]);
        one.tell("0:00:10 u9 add · 0:00:10 u1 add · 0:00:11 u5 add · 2:00 * tick");
        one.sends().into_iter().map(|s| s.user).collect()
    };
    assert_eq!(order, ["u9", "u1", "u5"], "in the order in which the node started");
}

/// G30: what counts, for each policy; the bounds of a cool-down and of a window are outside.
#[test]
fn reentry_is_judged_by_the_enrollments_that_were_created() {
    for (reentry, story, refused) in [
        ("\"never\"", "0:00 u add · 0:01 u add · 0:02 u buy · 9:00 u add", "u inside, u reentry"),
        ("\"after_exit\"", "0:00 u add · 0:01 u add · 0:02 u buy · 0:02 u add", "u inside"),
        ("\"always\"", "0:00 u add · 0:01 u add", ""),
        (
            "{ after_exit = \"5m\" }",
            "0:00 u add · 0:10 u buy · 0:14:59 u add · 0:15 u add · 0:16 u add",
            "u reentry, u inside",
        ),
        (
            "{ cooldown = \"5m\" }",
            "0:00 u add · 0:01 u buy · 0:04:59 u add · 0:05 u add · 0:06 u add",
            "u reentry, u inside",
        ),
        (
            "{ at_most = 2, per = \"1h\" }",
            "0:00 u add · 0:30 u add · 0:31 u add · 1:00 u add · 1:01 u add · 1:30 u add",
            "u reentry, u reentry",
        ),
    ] {
        let mut world = World::with(&[&entering(&format!("reentry = {reentry}"))]);
        world.tell(story);
        assert_eq!(world.refused(), refused, "{reentry}");
    }
    let mut world = World::with(&[&entering("reentry = \"never\"")]);
    world.tell("0:10 * pause · 0:20 u add · 0:30 * resume · 0:40 u add ts=0:20 · 0:50 u add");
    assert_eq!(
        (world.refused().as_str(), world.sent().as_str()),
        ("u entry_shut, u before_opening", "u W@0:50")
    );
}

/// G30: per value of a property, and no value is one too.
#[test]
fn with_a_key_reentry_is_judged_per_value() {
    for (reentry, refused) in [
        ("\"after_exit\"", "u inside, u inside"),
        ("\"never\"", "u inside, u inside, u reentry"),
        ("{ at_most = 1, per = \"1h\" }", "u reentry, u reentry, u reentry"),
    ] {
        let head = format!(
            "entry = {{ event = \"add\", key = \"cart\", reentry = {reentry} }}
             exit = [{{ event = \"buy\", match = \"cart\" }}]"
        );
        let mut world = World::with(&[&welcome("clevertap", &head)]);
        world.tell("0:00 u add cart=1 · 0:01 u add cart=2 · 0:02 u add cart=1 · 0:03 u add · 0:04 u add");
        world.tell("0:05 u buy cart=1 · 0:06 u add cart=1");
        assert_eq!(world.refused(), refused, "{reentry}");
    }
}

/// G30: totals, cool-downs and what never may happen again, across versions.
#[test]
fn entries_into_older_versions_count() {
    for (entry, refused) in [
        ("reentry = \"never\"", "u1 reentry"),
        ("reentry = { cooldown = \"1d\" }", "u1 reentry"),
        ("reentry = { after_exit = \"1d\" }", "u1 reentry"),
        ("limit = 1, reentry = \"always\"", "u1 entry_limit"),
    ] {
        let entry = format!("entry = {{ event = \"add\", {entry} }}");
        let mut world = World::with(&[&welcome("antsomi", &entry)]);
        world.tell("0:00 u1 add · 0:01 u1 buy · 0:10 * pause");
        world
            .put("0:11", &welcome("antsomi", &format!("{entry}\ntimeout = \"9d\"")))
            .expect("a next version");
        world.tell("0:20 * reactivate · 0:30 u1 add");
        assert_eq!(world.refused(), refused, "{entry}");
        assert_eq!(
            (world.counts_of(1), world.counts_of(2)),
            ("entered 1 = exit_rule 1".into(), "0 = 0".into())
        );
    }
}

/// G31.
#[test]
fn a_correlated_exit_ends_the_matching_enrollment_and_an_uncorrelated_one_all() {
    let head = "entry = { event = \"add\", reentry = \"always\" }
                exit = [{ event = \"buy\", match = \"cart\" }, { event = \"bye\" }]";
    for dialect in ["clevertap", "antsomi"] {
        let mut world = World::with(&[&welcome(dialect, head)]);
        world.tell(
            "0:00 u1 add cart=1 · 0:01 u1 add cart=2 · 0:02 u1 add cart=2 · 0:03 u1 add · 0:04 u2 add cart=2",
        );
        world.tell("0:10 u1 buy cart=2");
        assert_eq!(world.left(), "u1 exit_rule@0:10, u1 exit_rule@0:10");
        world.tell("0:11 u1 buy");
        assert_eq!(
            world.counts(),
            "entered 5 = waiting 3 + exit_rule 2",
            "no cart matches no cart, not even none"
        );
        world.tell("0:12 u1 bye");
        assert_eq!(world.counts(), "entered 5 = waiting 1 + exit_rule 4", "another user stays");
    }
}

/// G31: of one user in one journey; other journeys are their own.
#[test]
fn an_exit_ends_enrollments_of_its_own_journey_only() {
    let other = welcome("clevertap", "id = \"other\"\nexit = [{ event = \"bye\" }]");
    let mut world = World::with(&[&welcome("clevertap", ""), &other]);
    world.tell("0:00 u1 add · 0:10 u1 buy · 0:20 u1 remove · 2:00 * tick");
    assert_eq!(world.left(), "u1 exit_rule@0:10, u1 completed@1:00");
}

fn coin(a: u32, b: u32) -> String {
    let nodes = format!(
        "coin random_split branches = [{{ weight = {a}, to = \"A\" }}, {{ weight = {b}, to = \"B\" }}]
         A send next = \"again\"
         B send next = \"again\"
         again delay for = \"60m\", next = \"coin\""
    );
    let head = "timeout = \"150m\"\nentry = { event = \"add\", reentry = \"always\" }";
    journey("clevertap", head, &nodes)
}

/// G34: buckets are by user, journey and node; new weights move as few as possible, out of the shrinking arm only.
#[test]
fn new_weights_move_as_few_users_as_possible_out_of_shrinking_arms_only() {
    let mut world = World::with(&[&coin(50, 50)]);
    world.tell(&crowd(400, "0:00", "add"));
    world.put("0:30", &coin(30, 70)).expect("weights may be edited");
    world.tell(&crowd(400, "0:40", "add"));
    let arms = |time: &str| -> BTreeMap<String, String> {
        world.sends().into_iter().filter(|s| s.at == at(time)).map(|s| (s.user, s.node)).collect()
    };
    let (before, after) = (arms("0:00"), arms("0:40"));
    let of_a = |arms: &BTreeMap<String, String>| arms.values().filter(|node| *node == "A").count();
    assert!(
        (170..230).contains(&of_a(&before)) && (95..145).contains(&of_a(&after)),
        "about 50 and 30 percent"
    );
    let moved: Vec<&str> =
        before.iter().filter(|(u, arm)| after[*u] != **arm).map(|(_, arm)| arm.as_str()).collect();
    assert!(
        (55..105).contains(&moved.len()) && moved.iter().all(|arm| *arm == "A"),
        "about 20 percent, of A"
    );
}

/// G34: assignment happens when the node starts, and then it is for good, round after round.
#[test]
fn an_arm_of_an_enrollment_never_changes() {
    let mut world = World::with(&[&coin(50, 50)]);
    world.tell(&crowd(60, "0:00", "add"));
    world.put("0:30", &coin(0, 100)).expect("weights may be edited");
    world.tell("1:30 late add · 9:00 * tick");
    let mut arms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for send in world.sends() {
        arms.entry(send.user).or_default().push(send.node);
    }
    assert_eq!(arms.remove("late").expect("it entered"), ["B", "B", "B"]);
    assert!(
        arms.values().all(|rounds| rounds.len() == 3 && rounds.iter().all(|arm| *arm == rounds[0])),
        "{arms:?}"
    );
    assert!(arms.values().any(|rounds| rounds[0] == "A"));
}

/// G39: of whoever is deleted while a message of theirs is at send nothing is remembered, whatever was to end them.
#[test]
fn a_deletion_leaves_no_history_of_whoever_was_leaving_already() {
    let head = "exit = [{ event = \"buy\", goal = \"bought\" }, { event = \"bye\" }]\n\
                conversion_window = \"9h\"\nentry = { event = \"add\", reentry = { after_exit = \"9h\" } }";
    for before in ["", "0:02 u2 bye · "] {
        let mut world = World::with(&[&journey("clevertap", head, "W send rate = \"1/h\"")]);
        world
            .tell(&format!("0:00 u1 add · 0:01 u2 add · {before}0:03 u2 delete · 0:04 u2 buy · 2:00 * tick"));
        assert_eq!(world.left(), "u1 completed@0:00, u2 deleted@1:00", "{before}");
        world.tell("2:01 u2 buy · 2:02 u2 add");
        assert_eq!((world.converted(), world.refused().as_str()), (0, ""), "{before}");
    }
}
