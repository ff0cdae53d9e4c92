//! What is there beside what must be there: each record that is lost, there twice, or wrong, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use wayfarer::model::Timestamp;
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};

use super::cycle;
use super::evidence::{Evidence, Record};
use super::model::Model;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It must be there, and is not.
    Lost,
    /// It is there again.
    Doubled,
    /// It is there, and must not be; or is not what it says.
    Wrong,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// In which way.
    pub what: What,
    /// Which record, and where.
    pub which: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Lost => "lost",
            What::Doubled => "doubled",
            What::Wrong => "wrong",
        };
        write!(f, "{what}: {}", self.which)
    }
}

/// What was compared, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Commits that were made anew.
    pub commits: u64,
    /// Inputs that these took.
    pub inputs: u64,
    /// Messages that were compared.
    pub sends: u64,
    /// Movements that were compared.
    pub transitions: u64,
    /// Refusals that were compared.
    pub refusals: u64,
    /// Everything that is wrong, shard by shard.
    pub findings: Vec<Finding>,
}

/// Makes every shard anew and compares.
#[must_use]
pub fn judge(of: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    for shard in 0..of.shards {
        judge_shard(of, shard, &mut verdict);
    }
    strays(of, &mut verdict.findings);
    keys(of, &mut verdict.findings);
    letters(of, &mut verdict.findings);
    verdict
}

fn judge_shard(of: &Evidence, shard: u16, verdict: &mut Verdict) {
    let mut commits: BTreeMap<u64, &[u8]> = BTreeMap::new();
    let mut find = |what, which| verdict.findings.push(Finding { what, which });
    for (origin, bytes) in of.cycles.iter().filter(|(origin, _)| origin.shard == shard) {
        if commits.insert(origin.seq, bytes).is_some() {
            find(What::Doubled, format!("commit {} of shard {shard} is in the cycles again", origin.seq));
        }
    }
    let mut model = Model::new(of, shard);
    let last = of.heads.get(&shard).copied().unwrap_or(0);
    for seq in 1..=last.max(commits.last_key_value().map_or(0, |(seq, _)| *seq)) {
        match commits.get(&seq).map(|bytes| cycle::steps(bytes)) {
            _ if seq > last => {
                find(
                    What::Wrong,
                    format!("commit {seq} of shard {shard} is not in the changelog, which ends with {last}"),
                );
            }
            // It took nothing; what it should have taken shows as a gap.
            None => {}
            Some(None) => {
                find(What::Wrong, format!("the cycle of commit {seq} of shard {shard} cannot be read"));
            }
            Some(Some(steps)) => steps.iter().for_each(|step| model.step(step)),
        }
    }
    for (input, name) in of.names.iter().enumerate().filter(|(input, _)| *input != 1) {
        let beyond = of.inputs[input].range((shard, model.taken(input))..=(shard, u64::MAX));
        let untaken = beyond.map(|((_, offset), _)| *offset);
        for offset in untaken {
            find(What::Lost, format!("record {offset} of {name}/{shard}: no commit has taken it"));
        }
        let all = of.inputs[input].range((shard, of.base(shard, input))..(shard, model.taken(input))).count();
        verdict.inputs += all as u64;
    }
    verdict.commits += commits.len() as u64;
    for (input, offset) in &model.untaken {
        find(What::Lost, format!("record {offset} of {}/{shard}: no commit has taken it", of.names[*input]));
    }
    let wrong = model.wrong.iter().map(|which| Finding { what: What::Wrong, which: which.clone() });
    verdict.findings.extend(wrong);
    let (sends, transitions, refusals) = model.effects();
    let found = &mut verdict.findings;
    verdict.sends += compare("send", shard, &of.sends, sends, send, found);
    verdict.transitions +=
        compare("movement", shard, &of_shard(shard, &of.transitions), transitions, movement, found);
    verdict.refusals += compare("refusal", shard, &of_shard(shard, &of.refusals), refusals, refusal, found);
}

/// What lies in the partitions of workers and is a shard's, in the order of its commits: it moves between workers.
fn of_shard(shard: u16, all: &[Record]) -> Vec<Record> {
    let own = all.iter().filter_map(|record| Some((record.origin?, record)));
    let mut own: Vec<_> = own.filter(|(origin, _)| origin.shard == shard).collect();
    own.sort_by_key(|(origin, record)| (origin.seq, record.partition, record.offset));
    own.into_iter().map(|(_, record)| Record { partition: shard, ..record.clone() }).collect()
}

/// Every movement and every refusal is part of a commit.
fn strays(of: &Evidence, findings: &mut Vec<Finding>) {
    for (kind, all) in [("movement", &of.transitions), ("refusal", &of.refusals)] {
        let none = |it: &&Record| it.origin.is_none_or(|origin| origin.shard >= of.shards);
        for Record { partition, offset, .. } in all.iter().filter(none) {
            let which = format!("{kind} at offset {offset} of partition {partition} is of no shard's commit");
            findings.push(Finding { what: What::Wrong, which });
        }
    }
}

/// Compares lines of one kind of a shard, each user's in their order; how many were compared.
fn compare<T: DeserializeOwned>(
    kind: &str,
    shard: u16,
    there: &[Record],
    must: &[T],
    text: fn(&T) -> (String, String),
    findings: &mut Vec<Finding>,
) -> u64 {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (user, line) in must.iter().map(text) {
        wanted.entry(user).or_default().push(line);
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in there.iter().filter(|record| record.partition == shard) {
        match serde_json::from_slice::<T>(&record.value).map(|line| text(&line)) {
            Ok((user, line)) => found.entry(user).or_default().push(line),
            Err(error) => {
                let which = format!("{kind} at offset {} of shard {shard} is none: {error}", record.offset);
                findings.push(Finding { what: What::Wrong, which });
            }
        }
    }
    let users: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    for user in users {
        let none = Vec::new();
        let (wanted, found) = (wanted.get(user).unwrap_or(&none), found.get(user).unwrap_or(&none));
        if wanted != found {
            differ(kind, shard, user, wanted, found, findings);
        }
    }
    there.iter().filter(|record| record.partition == shard).count() as u64
}

/// Names what of one user's is lost, there again, wrong, or in another order.
fn differ(
    kind: &str,
    shard: u16,
    user: &str,
    wanted: &[String],
    found: &[String],
    findings: &mut Vec<Finding>,
) {
    let mut left: Vec<&String> = found.iter().collect();
    let before = findings.len();
    let mut find = |what, line: &str, more: &str| {
        findings.push(Finding { what, which: format!("{kind} of {user:?} in shard {shard}: {line}{more}") });
    };
    for line in wanted {
        match left.iter().position(|other| *other == line) {
            Some(at) => drop(left.remove(at)),
            None => find(What::Lost, line, ""),
        }
    }
    for line in left {
        let again = wanted.contains(line);
        find(if again { What::Doubled } else { What::Wrong }, line, "");
    }
    if findings.len() == before {
        let which = format!("{kind}s of {user:?} in shard {shard} are in another order: {found:?}");
        findings.push(Finding { what: What::Wrong, which });
    }
}

/// No idempotency key may come twice, in whatever shard (I2).
fn keys(of: &Evidence, findings: &mut Vec<Finding>) {
    let mut keys = BTreeSet::new();
    for record in &of.sends {
        let Ok(send) = serde_json::from_slice::<SendRecord>(&record.value) else { continue };
        if !keys.insert(send.key.clone()) {
            let which = format!("the key {} of {:?} was there before", send.key, send.user);
            findings.push(Finding { what: What::Doubled, which });
        }
    }
}

/// A dead letter is the record that stands where it says, and there is one of each.
fn letters(of: &Evidence, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for letter in &of.letters {
        let place = format!("the dead letter of {}/{} at {}", letter.topic, letter.partition, letter.offset);
        let input = of.names.iter().position(|name| *name == letter.topic);
        let record = input.and_then(|input| of.inputs[input].get(&(letter.partition, letter.offset)));
        let is = |record: &Record| letter.value.as_ref().is_none_or(|value| record.value.starts_with(value));
        if !record.is_some_and(is) {
            findings.push(Finding { what: What::Wrong, which: format!("{place} is not what stands there") });
        }
        if !seen.insert((input, letter.partition, letter.offset)) {
            findings.push(Finding { what: What::Doubled, which: place });
        }
    }
}

/// What a send is, but for its key, which names the enrollment by a number of the engine's own.
fn send(it: &SendRecord) -> (String, String) {
    let variables: BTreeMap<&String, &Json> = it.variables.iter().collect();
    let line = format!(
        "{} {} v{} {} by {} {:?} {} r{} {variables:?}, due {}, expires {}",
        it.at,
        it.journey,
        it.version,
        it.node,
        it.channel,
        it.provider,
        it.content,
        it.revision,
        it.due,
        maybe(it.expires)
    );
    (it.user.clone(), line)
}

fn movement(it: &TransitionRecord) -> (String, String) {
    // Of those who have left, a conversion has no node to tell.
    let node = if it.what == "converted" { None } else { it.node.as_deref() };
    let line = format!(
        "{} {} v{} {} {node:?} {:?}, until {}",
        it.at,
        it.journey,
        it.version,
        it.what,
        it.detail,
        maybe(it.until)
    );
    (it.user.clone(), line)
}

fn refusal(it: &RefusalRecord) -> (String, String) {
    (it.user.clone(), format!("{} {} {} {}", it.at, it.journey, it.reason, it.state))
}

fn maybe(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}
