//! What is needed against what is there, as a table.

use super::need::{MESSAGE_BYTES_MAX, Role, Rule, Wanted, settings};
use super::there::{Found, There, Topic, Value};
use super::{Action, Plan, Step, plan};
use crate::journal::kafka::refusal::Cause;

const SHARDS: u32 = 8;

fn wanted() -> Wanted {
    Wanted {
        topics: Role::ALL.into_iter().map(|role| (role, format!("w.{}", role.key()))).collect(),
        shards: SHARDS,
        replication: 3,
        min_insync: 2,
        accepted_ms: 7 * 86_400_000,
        sends_ms: 30 * 86_400_000,
    }
}

/// What is there once a plan for an empty cluster was carried out.
fn applied(wanted: &Wanted) -> There {
    let mut there = There { brokers: 3, ..There::default() };
    for step in plan(wanted, &there).steps {
        let Action::Create { partitions, replicas, settings } = step.action else { panic!("{step:?}") };
        let settings = settings.into_iter().map(|(name, text)| (name.to_owned(), Value { text, own: true }));
        let topic = Topic {
            partitions: partitions as usize,
            replicas: replicas as usize,
            leaderless: Vec::new(),
            settings: Some(settings.collect()),
        };
        there.topics.insert(step.topic, Found::Topic(topic));
    }
    there
}

fn topic<'a>(there: &'a mut There, name: &str) -> &'a mut Topic {
    match there.topics.get_mut(name) {
        Some(Found::Topic(topic)) => topic,
        other => panic!("{name}: {other:?}"),
    }
}

fn set(there: &mut There, name: &str, property: &str, text: &str) {
    let settings = topic(there, name).settings.as_mut().expect("they may be seen");
    settings.insert(property.to_owned(), Value { text: text.to_owned(), own: true });
}

fn line(step: &Step) -> String {
    let blocks = if step.blocks { "!" } else { " " };
    let how = match &step.action {
        Action::Refuse(cause) => format!("refuse {}", cause.name()),
        _ => step.verb().to_owned(),
    };
    format!("{blocks}{how} {}: {}", step.topic, step.sentence)
}

/// Plans for what is there after `change`, and compares the beginning of each line.
fn check(change: impl FnOnce(&mut There), expected: &[&str]) -> Plan {
    let wanted = wanted();
    let mut there = applied(&wanted);
    change(&mut there);
    let plan = plan(&wanted, &there);
    let lines: Vec<String> = plan.steps.iter().map(line).collect();
    let as_expected = lines.iter().zip(expected).all(|(line, expected)| line.starts_with(expected));
    assert!(lines.len() == expected.len() && as_expected, "{lines:#?}\nrather than\n{expected:#?}");
    plan
}

#[test]
fn an_empty_cluster_gets_every_topic_and_then_there_is_nothing_to_do() {
    let wanted = wanted();
    let empty = There { brokers: 3, ..There::default() };
    let first = plan(&wanted, &empty);
    assert!(first.has_work() && first.steps.len() == Role::ALL.len());
    assert_eq!(first.start_refusal().and_then(|refusal| refusal.cause), Some(Cause::Missing));
    for step in &first.steps {
        let Action::Create { partitions, replicas: 3, .. } = step.action else { panic!("{step:?}") };
        let single = ["w.control", "w.views"].contains(&step.topic.as_str());
        assert_eq!(partitions, if single { 1 } else { SHARDS }, "{}", step.topic);
    }
    let second = check(|_| {}, &[]);
    assert!(!second.has_work() && second.start_refusal().is_none());
    assert_eq!(second.text(), "8 shards: nothing to do\n");
}

#[test]
fn every_setting_that_is_not_as_needed_is_found_and_what_is_more_than_needed_is_left_alone() {
    for role in Role::ALL {
        let name = format!("w.{}", role.key());
        for want in settings(&wanted(), role, 3) {
            let (less, more) = match want.rule {
                Rule::Is(_) => ("something-else".to_owned(), want.rule.value()),
                Rule::AtLeast(-1) => ("1000".to_owned(), "-1".to_owned()),
                // More replicas in sync than replicas would be refused for another reason.
                Rule::AtLeast(least) => ((least - 1).to_string(), least.to_string()),
                Rule::AtMost(most) => ((most + 1.0).to_string(), (most / 2.0).to_string()),
            };
            for (value, expected) in [(less, 1), (more, 0)] {
                let mut there = applied(&wanted());
                set(&mut there, &name, want.property, &value);
                let steps = plan(&wanted(), &there).steps;
                assert_eq!(steps.len(), expected, "{name} {} = {value}: {steps:?}", want.property);
                let Some(step) = steps.first() else { continue };
                assert!(step.sentence.starts_with(&format!("{} is {value} and ", want.property)), "{step:?}");
                assert_eq!(matches!(step.action, Action::Alter { .. }), !role.is_theirs(), "{step:?}");
            }
        }
    }
}

#[test]
fn a_changed_number_of_partitions_is_refused_since_it_would_part_users_from_their_state() {
    let plan = check(
        |there| {
            for name in ["w.events", "w.internal"] {
                topic(there, name).partitions = 16;
            }
        },
        &[
            "!refuse incompatible w.receipts: it has 8 partitions and w.events has 16: a shard reads",
            "!refuse incompatible w.lists: it has 8 partitions",
            "!refuse incompatible w.state: it has 8 partitions and w.events has 16: the number was changed \
             after the state was written, and users would be parted from their state; name a topic of events \
             with 8 partitions",
            "!refuse incompatible w.sends: it has 8 partitions",
            "!refuse incompatible w.rejects: it has 8 partitions",
            "!refuse incompatible w.transitions: it has 8 partitions",
            "!refuse incompatible w.refusals: it has 8 partitions",
            "!refuse incompatible w.cycles: it has 8 partitions",
        ],
    );
    let refusal = plan.start_refusal().expect("it is refused");
    assert_eq!(refusal.cause, Some(Cause::Incompatible));
    assert!(refusal.sentence.ends_with("(and 7 more); see `wayfarer topics plan`"), "{refusal}");
}

/// What somebody has done to a topic.
type Change = fn(&mut There);

/// What was done, and what is said of it.
const MEANINGS: &[(Change, &[&str])] = &[
    (|there| topic(there, "w.control").partitions = 2, &["!refuse incompatible w.control: it has 2 part"]),
    (|there| topic(there, "w.sends").partitions = 7, &["!refuse incompatible w.sends: it has 7 partitions"]),
    (
        |there| set(there, "w.state", "cleanup.policy", "delete"),
        &["!alter w.state: cleanup.policy is delete and has to be compact: what is older"],
    ),
    (
        |there| set(there, "w.events", "cleanup.policy", "compact"),
        &["!refuse incompatible w.events: cleanup.policy is compact and has to be delete"],
    ),
    (
        |there| set(there, "w.control", "message.timestamp.type", "CreateTime"),
        &["!alter w.control: message.timestamp.type is CreateTime and has to be LogAppendTime"],
    ),
    (
        |there| set(there, "w.events", "message.timestamp.type", "CreateTime"),
        &[" advise w.events: message.timestamp.type is CreateTime and should be LogAppendTime"],
    ),
    (
        |there| set(there, "w.control", "retention.ms", "604800000"),
        &["!alter w.control: retention.ms is 604800000 and has to be -1 (without end)"],
    ),
    (
        |there| set(there, "w.sends", "retention.ms", "1000"),
        &[" alter w.sends: retention.ms is 1000 and has to be at least 2592000000"],
    ),
    (
        |there| set(there, "w.state", "max.message.bytes", "1048588"),
        &["!alter w.state: max.message.bytes is 1048588 and has to be at least 1118208"],
    ),
    (
        |there| topic(there, "w.state").settings = None,
        &["!refuse denied w.state: its settings may not be looked at"],
    ),
    (
        |there| topic(there, "w.events").settings = None,
        &[" advise w.events: its settings may not be looked at"],
    ),
    (
        |there| {
            there.topics.insert("w.sends".to_owned(), Found::Denied);
        },
        &["!refuse denied w.sends: it may not be looked at"],
    ),
    (
        |there| topic(there, "w.sends").leaderless = vec![3, 5],
        &[" advise w.sends: 2 of 8 partitions have no leader, 3 first"],
    ),
    (
        |there| topic(there, "w.sends").replicas = 2,
        &[" advise w.sends: each record is on 2 brokers and should be on 3"],
    ),
    (
        |there| topic(there, "w.sends").replicas = 1,
        &[
            " advise w.sends: each record is on 1 brokers",
            "!refuse incompatible w.sends: min.insync.replicas is 2 and each record is on 1 brokers only",
        ],
    ),
    (
        |there| {
            there.brokers = 2;
            there.topics.remove("w.sends");
        },
        &["!create w.sends: there is no such topic", "!refuse config : 2 brokers are alive and each record"],
    ),
    (|there| there.brokers = 1, &[]),
    (
        |there| {
            there.topics.remove("w.events");
        },
        &["!create w.events: there is no such topic (topics.events)"],
    ),
];

#[test]
fn what_is_there_is_told_by_what_it_means() {
    assert_eq!(MESSAGE_BYTES_MAX, 1_118_208);
    for (change, expected) in MEANINGS {
        check(change, expected);
    }
}

#[test]
fn an_events_topic_that_is_made_again_gets_as_many_partitions_as_there_is_state_for() {
    let mut there = applied(&wanted());
    there.topics.remove("w.events");
    let plan = plan(&Wanted { shards: 64, ..wanted() }, &there);
    assert_eq!(plan.shards, SHARDS);
    assert!(matches!(&plan.steps[..], [Step { action: Action::Create { partitions: SHARDS, .. }, .. }]));
}

#[test]
fn all_topics_of_events_have_as_many_partitions_as_the_anchor() {
    let mut wanted = wanted();
    wanted.topics.insert(1, (Role::Events, "w.app".to_owned()));
    let mut there = applied(&wanted);
    assert!(plan(&wanted, &there).steps.is_empty());
    topic(&mut there, "w.app").partitions = 4;
    let steps = plan(&wanted, &there).steps;
    assert_eq!(steps.len(), 1);
    let told = line(&steps[0]);
    assert!(told.starts_with("!refuse incompatible w.app: it has 4 partitions and w.events has 8"), "{told}");
}

#[test]
fn a_plan_is_told_to_people_and_to_programs() {
    let plan = check(
        |there| {
            there.topics.remove("w.views");
            set(there, "w.state", "segment.ms", "604800000");
            set(there, "w.events", "retention.ms", "1000");
        },
        &[" advise w.events", " alter w.state", "!create w.views"],
    );
    let text = plan.text();
    for part in [
        "advise w.events: retention.ms is 1000 and should be at least 604800000",
        "alter  w.state: segment.ms is 604800000 and has to be at most 600000: a restore reads",
        "create w.views: there is no such topic (topics.views)\n       1 partition, 3 replicas, \
         cleanup.policy=compact, segment.ms=600000, min.cleanable.dirty.ratio=0.2",
        "8 shards: 1 to create, 1 to alter (`wayfarer topics apply` does it); 1 advised\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let json = plan.json();
    assert_eq!(json["shards"], 8);
    assert_eq!(json["steps"][0]["action"], "advise");
    assert_eq!(json["steps"][1]["property"], "segment.ms");
    assert_eq!(json["steps"][1]["to"], "600000");
    assert_eq!(json["steps"][2]["settings"]["cleanup.policy"], "compact");
    assert_eq!(json["steps"][2]["blocks"], true);
}
