//! What must be there, by what a read_committed client reads. The verifier makes every decision anew, in the order
//! that the owners of the shards have committed; what only a bystander knows is judged here: that all that was
//! accepted was read, that whatever was answered holds from then on, and that every instance shows the same counts.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::thread;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wayfarer::journal::kafka::partition::Partitioner;
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};
use wayfarer_load::verify::compare;
use wayfarer_load::verify::evidence::Place;

use super::AGAIN;
use super::deployment::{Deployment, Ends, SHARDS, Seen};
use super::operator::{Given, LASTING, Moment};
use super::storm::{Fleet, Told};
use super::traffic::{Accepted, POISON};

/// A journey and a user.
type Who = (String, String);

/// A record where it stands.
struct At<T> {
    partition: usize,
    offset: i64,
    is: T,
}

fn read<T: DeserializeOwned>(of: &Deployment, topic: &str) -> Vec<At<T>> {
    let parse = |seen: Seen| At {
        partition: seen.partition.unsigned_abs() as usize,
        offset: seen.offset,
        is: serde_json::from_slice(&seen.value).expect("a line of the wire"),
    };
    of.read(topic).into_iter().map(parse).collect()
}

fn who(journey: &str, user: &str) -> Who {
    (journey.to_owned(), user.to_owned())
}

/// Whether everybody who entered a lasting journey has gone through it.
pub fn everybody_has_left(of: &Deployment) -> bool {
    let mut inside = 0_i64;
    for at in read::<TransitionRecord>(of, "transitions") {
        if LASTING.contains(&&*at.is.journey) {
            inside += i64::from(at.is.what == "entered") - i64::from(at.is.what == "exited");
        }
    }
    inside == 0
}

/// All that was read.
struct Evidence {
    /// Where each user's events stand.
    events: BTreeMap<String, Vec<(usize, i64)>>,
    /// How many records are no events.
    poison: u64,
    sends: Vec<At<SendRecord>>,
    transitions: Vec<At<TransitionRecord>>,
    /// How often each user entered each journey.
    entered: BTreeMap<Who, u64>,
    refusals: Vec<At<RefusalRecord>>,
}

impl Evidence {
    fn read(of: &Deployment) -> Self {
        let mut events: BTreeMap<String, Vec<(usize, i64)>> = BTreeMap::new();
        let mut poison = 0;
        for seen in of.read("events") {
            poison += u64::from(seen.value == POISON);
            let text: Option<Value> = serde_json::from_slice(&seen.value).ok();
            if let Some(user) = text.as_ref().and_then(|event| event["userId"].as_str()) {
                let at = (seen.partition.unsigned_abs() as usize, seen.offset);
                events.entry(user.to_owned()).or_default().push(at);
            }
        }
        let transitions = read::<TransitionRecord>(of, "transitions");
        let refusals = read::<RefusalRecord>(of, "refusals");
        let mut entered = BTreeMap::new();
        for at in transitions.iter().filter(|at| at.is.what == "entered") {
            *entered.entry(who(&at.is.journey, &at.is.user)).or_default() += 1;
        }
        Self { events, poison, sends: read(of, "sends"), transitions, entered, refusals }
    }
}

/// Whether entry and movement are open after a verb.
fn gates(given: &Given) -> (bool, bool) {
    match given.verb {
        "pause" if given.journey == "an" => (true, false),
        "pause" => (false, true),
        "freeze" | "stop" | "abort" => (false, false),
        _ => (true, true),
    }
}

/// The longest spans between verbs during which something surely was so: from after the answer to before the
/// verb that ended it, or to the end.
fn spans<'a>(given: &[&'a Given], is_so: impl Fn(&Given) -> bool) -> Vec<(&'a Moment, Option<&'a Moment>)> {
    let (mut spans, mut since) = (Vec::new(), None);
    for &verb in given {
        match (is_so(verb), since) {
            (true, None) => since = Some(&verb.after),
            (false, Some(from)) => {
                spans.push((from, Some(&verb.before)));
                since = None;
            }
            _ => {}
        }
    }
    spans.extend(since.map(|from| (from, None)));
    spans
}

fn within((partition, offset): (usize, i64), from: &Ends, to: Option<&Ends>) -> bool {
    offset >= from[partition] && to.is_none_or(|to| offset < to[partition])
}

/// Judges a deployment that has come to rest.
pub fn judge(of: &Deployment, fleet: &Fleet, given: &[Given], accepted: &Accepted, told: &mut Told) {
    let evidence = Evidence::read(of);
    told.users = evidence.events.len() as u64;
    told.users_by_http = accepted.by_http;
    told.sends = evidence.sends.len() as u64;
    let lost: Vec<&String> =
        accepted.users.iter().filter(|&user| !evidence.events.contains_key(user)).collect();
    assert!(lost.is_empty(), "accepted and not in the topic: {lost:?}");
    let letters = of.read("rejects").iter().filter(|letter| letter.value == POISON).count() as u64;
    assert!(evidence.poison >= accepted.poison, "accepted and not in the topic: {} records", accepted.poison);
    assert_eq!(letters, evidence.poison, "each record that is no event is one dead letter");
    told.poison = letters;
    let mut by_journey: BTreeMap<&str, Vec<&Given>> = BTreeMap::new();
    for verb in given {
        by_journey.entry(&verb.journey).or_default().push(verb);
    }
    let wrong = verdict(&by_journey, &evidence, told);
    let some = &wrong[..wrong.len().min(20)];
    for verb in given.iter().filter(|verb| some.iter().any(|sentence| sentence.starts_with(&verb.journey))) {
        let (before, after) = (&verb.before.events, &verb.after.events);
        let _ = writeln!(io::stderr(), "{} {}: {before:?} to {after:?}", verb.journey, verb.verb);
    }
    assert!(wrong.is_empty(), "{} are wrong: {}\n{}", wrong.len(), some.join("\n"), of.said());
    for journey in by_journey.keys() {
        counts(of, fleet, journey, &evidence);
    }
    verified(of);
    finds_what_is_wrong(&by_journey, evidence);
}

/// What the verifier says, which makes every decision anew, to the millisecond.
pub fn verified(of: &Deployment) {
    let servers = of.scene.servers().to_owned();
    let place = Place { servers, prefix: of.topic(""), events: of.topic("events"), shards: SHARDS };
    let found = compare::judge(&place.read().expect("the broker answers"));
    let some: Vec<String> = found.findings.iter().take(20).map(ToString::to_string).collect();
    assert!(found.findings.is_empty(), "{} findings: {some:#?}\n{}", found.findings.len(), of.said());
    assert!(found.sends > 0, "nothing was compared");
}

/// What is wrong, in sentences.
fn verdict(by_journey: &BTreeMap<&str, Vec<&Given>>, evidence: &Evidence, told: &mut Told) -> Vec<String> {
    let mut wrong = Vec::new();
    places(evidence, &mut wrong);
    for (journey, given) in by_journey {
        entries(journey, given, evidence, told, &mut wrong);
        movements(journey, given, evidence, &mut wrong);
    }
    wrong
}

/// The judge is judged: whatever is taken from the evidence, or put into it, is found.
fn finds_what_is_wrong(by_journey: &BTreeMap<&str, Vec<&Given>>, mut evidence: Evidence) {
    let finds = |evidence: &Evidence, what: &str, says: &str| {
        let wrong = verdict(by_journey, evidence, &mut Told::default());
        assert!(wrong.iter().any(|sentence| sentence.contains(says)), "not found is {what}: {wrong:?}");
    };
    let (user, events) = evidence.events.pop_first().expect("somebody came");
    let elsewhere = events.iter().map(|(partition, offset)| ((partition + 1) % usize::from(SHARDS), *offset));
    evidence.events.insert(user.clone(), elsewhere.collect());
    finds(&evidence, "an event in another's partition", "belongs into the partition");
    evidence.events.insert(user, events);
    let entered = std::mem::take(&mut evidence.entered);
    finds(&evidence, "that nobody entered", "qualified while entry was open");
    evidence.entered = entered;
    let stopped = by_journey.values().flatten().find(|given| ["stop", "abort"].contains(&given.verb));
    let stopped = stopped.expect("a journey was stopped");
    let of_ct = |at: &&mut At<SendRecord>| at.is.journey == LASTING[0];
    let late = evidence.sends.iter_mut().rfind(of_ct).expect("something was sent");
    stopped.journey.clone_into(&mut late.is.journey);
    late.offset = stopped.after.sends[late.partition];
    finds(&evidence, "a send of a journey that was stopped", "under a gate");
}

/// Whatever came over HTTP lies where any producer of the field would have put it.
fn places(evidence: &Evidence, wrong: &mut Vec<String>) {
    for (user, events) in &evidence.events {
        let place = usize::from(Partitioner::Murmur2.partition(user.as_bytes(), SHARDS));
        if events.iter().any(|(partition, _)| *partition != place) {
            wrong.push(format!("{user} of {events:?} belongs into the partition {place}"));
        }
    }
}

/// I1: whoever came while the gate was surely open entered, and nobody did while it was surely shut.
fn entries(journey: &str, given: &[&Given], evidence: &Evidence, told: &mut Told, wrong: &mut Vec<String>) {
    let open = spans(given, |verb| gates(verb).0);
    let shut = spans(given, |verb| !gates(verb).0);
    for (user, events) in &evidence.events {
        // Who was sent twice, since nobody knew of the first, may have been judged twice.
        let [event] = events[..] else { continue };
        let entered = evidence.entered.get(&who(journey, user)).copied().unwrap_or(0);
        let mut must = |is: bool, what: &str| {
            if !is {
                wrong.push(format!("{journey} {user} of {events:?} {what}: {entered}"));
            }
        };
        if event.1 < given[0].before.events[event.0] {
            must(entered == 0, "entered before the journey was there");
        }
        if open.iter().any(|(from, to)| within(event, &from.events, to.map(|to| &to.decided))) {
            must(entered == 1, "qualified while entry was open");
            told.entered_surely += 1;
        }
        if shut.iter().any(|(from, to)| within(event, &from.events, to.map(|to| &to.events))) {
            must(entered == 0, "came while entry was shut");
            told.refused_surely += 1;
        }
    }
}

/// I9: between the answer to a verb that shuts a gate and the next verb nothing goes through it.
fn movements(journey: &str, given: &[&Given], evidence: &Evidence, wrong: &mut Vec<String>) {
    let held = spans(given, |verb| !gates(verb).1);
    let shut = spans(given, |verb| !gates(verb).0);
    for at in evidence.transitions.iter().filter(|at| at.is.journey == journey) {
        let spans = match &*at.is.what {
            "started" => &held,
            "entered" => &shut,
            _ => continue,
        };
        let here = (at.partition, at.offset);
        if spans.iter().any(|(from, to)| within(here, &from.transitions, to.map(|to| &to.transitions))) {
            wrong.push(format!("under a gate whose shutting was answered: {:?}", at.is));
        }
    }
    for at in evidence.sends.iter().filter(|at| at.is.journey == journey) {
        let here = (at.partition, at.offset);
        if held.iter().any(|(from, to)| within(here, &from.sends, to.map(|to| &to.sends))) {
            wrong.push(format!("under a gate whose shutting was answered: {:?}", at.is));
        }
    }
}

/// What the journey's counts are, added up from the streams.
fn expected(journey: &str, evidence: &Evidence) -> Value {
    let (mut entered, mut exited, mut sent) = (0_u64, BTreeMap::new(), BTreeMap::new());
    for at in evidence.transitions.iter().filter(|at| at.is.journey == journey) {
        match &*at.is.what {
            "entered" => entered += 1,
            "exited" => *exited.entry(at.is.detail.clone().unwrap_or_default()).or_insert(0_u64) += 1,
            _ => {}
        }
    }
    for at in evidence.sends.iter().filter(|at| at.is.journey == journey) {
        *sent.entry(at.is.node.clone()).or_insert(0_u64) += 1;
    }
    let mut refused = BTreeMap::new();
    for at in evidence.refusals.iter().filter(|at| at.is.journey == journey) {
        *refused.entry(at.is.reason.clone()).or_insert(0_u64) += 1;
    }
    let left: u64 = exited.values().sum();
    let draining = entered - left;
    json!({ "entered": entered, "inside": draining, "exited": exited, "sent": sent, "refused": refused })
}

/// What an instance shows, in the form of [`expected`]; nothing if its counts do not add up.
fn shown(view: &Value) -> Option<Value> {
    let [version] = &view["versions"].as_array()?[..] else { return None };
    let pairs = |of: &Value| -> Option<BTreeMap<String, u64>> {
        let pairs: Vec<(String, u64)> = serde_json::from_value(of.clone()).ok()?;
        Some(pairs.into_iter().filter(|(_, count)| *count > 0).collect())
    };
    let count = |name: &str| version[name].as_u64();
    let inside = count("waiting")? + count("held")? + count("at_send")? + count("draining")?;
    version["conserved"].as_bool()?.then_some(())?;
    Some(json!({
        "entered": count("entered")?, "inside": inside, "exited": pairs(&version["exited"])?,
        "sent": pairs(&version["sent"])?, "refused": pairs(&view["refused"])?,
    }))
}

/// I13: every instance shows what the streams say, and all the same.
fn counts(of: &Deployment, fleet: &Fleet, journey: &str, evidence: &Evidence) {
    let expected = expected(journey, evidence);
    let state = match journey {
        "ct" => "Running",
        "an" => "Active",
        _ => "",
    };
    let mut views = Vec::new();
    let mut last = String::new();
    for address in fleet.all() {
        let url = format!("http://{address}");
        // What others have committed is shown a moment later.
        let right = (0..250).any(|_| {
            let mut command = of.command("nobody");
            command.args(["ctl", "--url", &url, "show", journey, "--json"]);
            let output = command.output().expect("the binary runs");
            last = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let view: Value = serde_json::from_str(&last).unwrap_or_default();
            if shown(&view).as_ref() == Some(&expected) {
                views.push(view);
                return true;
            }
            thread::sleep(AGAIN);
            false
        });
        assert!(right, "{journey} at {url} shows {last}\nand the streams say {expected}\n{}", of.said());
    }
    let states: Vec<(&Value, &Value)> =
        views.iter().map(|view| (&view["state"], &view["revision"])).collect();
    assert!(views.len() >= 2 && states.windows(2).all(|two| two[0] == two[1]), "{journey}: {states:?}");
    let is = states[0].0.as_str().unwrap_or_default();
    assert!(is == state || (state.is_empty() && ["Stopped", "Aborted"].contains(&is)), "{journey} is {is}");
}
