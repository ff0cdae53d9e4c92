//! Stories: minutes, users and words. The one place in these tests that knows the engine's API.
//!
//! A line is `TIME WHO WHAT …`, times as `h:mm` or `h:mm:ss` of one day (`30:00` is 6 in the morning of the next);
//! lines end with `·` or a line break.
//!
//! `*` is the operator, of the first journey; `*ID` of another one. A verb may be followed by `at NODE`, `from NODE`,
//! `keep_held`, `to ID`, `as_operator` (of what only the system may), and by `refused` if it must be. Besides verbs there are `tick` (time passes), `release N` (in
//! a paced world), `let_go` (the operator's release, with `at` or `from`), `list NAME`, `grant A,B` (with `exhausted`), `failure` and `-` (nothing).
//!
//! A user's word is an event with properties `name=value`; `ts=h:mm` is the payload's time, `id=` the message id, and
//! `zone=` the user's zone. `identify`, `enter` (by API), `row` (of a list), `remove`, `delete`, `fails` and `receipt
//! KIND NODE` are what they say; `of=ID` names a journey other than the first.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use wayfarer::control::{Act, Command, Fold, Grant, Manifest, Record as ControlRecord};
use wayfarer::engine::hold::Preview;
use wayfarer::engine::journey_state::{JourneyState, RefusalReason};
use wayfarer::engine::statistics::{ExitReason, Flow, NodeFlow, Place, Statistics};
use wayfarer::engine::{
    Body, Charge, Effects, Entry, Input, Receipt, Record, Setup, Shard, StateSink, commit,
};
use wayfarer::ingest::decode::decode;
use wayfarer::journey::definition::Definition;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::hash::shard_of;
use wayfarer::model::input::{ReceiptKind, Selection};
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};
use wayfarer::model::{Interval, Timestamp};

/// Midnight of the day on which all stories begin: a Sunday.
pub(crate) const DAY: i64 = 1_772_323_200_000; // 2026-03-01T00:00:00Z

/// `h:mm` or `h:mm:ss` of the day; hours beyond 23 are the days after.
pub(crate) fn at(clock: &str) -> Timestamp {
    let parts: Vec<i64> = clock.split(':').map(|part| part.parse().expect("h:mm or h:mm:ss")).collect();
    let (h, m, s) = (parts[0], parts[1], parts.get(2).copied().unwrap_or(0));
    Timestamp(DAY + ((h * 60 + m) * 60 + s) * 1_000)
}

/// The time as `h:mm` of the day, with seconds only if there are any.
pub(crate) fn clock(at: Timestamp) -> String {
    let ms = at.0 - DAY;
    let (h, m, s, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    match (s, rest) {
        (0, 0) => format!("{h}:{m:02}"),
        (_, 0) => format!("{h}:{m:02}:{s:02}"),
        _ => format!("{h}:{m:02}:{s:02}+{rest}ms"),
    }
}

/// A journey `example` of a dialect. `head` is TOML of the top level; without an `entry`, the event `add` lets users in.
/// `nodes` has a line per node: its id, its type, and the rest of an inline table; sends go by push with content `c`, and
/// the last node leads to `exit` unless it says where.
pub(crate) fn journey(dialect: &str, head: &str, nodes: &str) -> String {
    let mut text = String::new();
    if !head.lines().any(|line| line.trim_start().starts_with("id =")) {
        text += "id = \"example\"\n";
    }
    writeln!(text, "dialect = \"{dialect}\"\n{head}").expect("a string takes text");
    if !head.lines().any(|line| line.trim_start().starts_with("entry =")) {
        text += "entry = { event = \"add\" }\n";
    }
    if !head.lines().any(|line| line.trim_start().starts_with("content =")) {
        text += "content = { c = { title = \"Hello\" } }\n";
    }
    text += "node = [\n";
    let lines: Vec<&str> = nodes.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for (n, line) in lines.iter().enumerate() {
        let mut words = line.splitn(3, ' ');
        let (id, kind) = (words.next().expect("an id"), words.next().expect("a type"));
        let mut rest = words.next().unwrap_or_default().to_owned();
        if kind == "send" {
            let content = if rest.contains("content =") { "" } else { ", content = \"c\"" };
            let own = if rest.is_empty() { String::new() } else { format!(", {rest}") };
            rest = format!("channel = \"push\"{content}{own}");
        }
        let leads_on = matches!(kind, "send" | "delay" | "filter") && !rest.contains("next =");
        if leads_on && n + 1 == lines.len() {
            rest += ", next = \"exit\"";
        }
        let comma = if rest.is_empty() { "" } else { ", " };
        writeln!(text, "  {{ id = \"{id}\", type = \"{kind}\"{comma}{rest} }},")
            .expect("a string takes text");
    }
    text + "]\n"
}

/// The journey of the worked examples: `add` enters, `W` is sent, 60 minutes, `R`; `buy` makes users leave.
pub(crate) fn welcome(dialect: &str, head: &str) -> String {
    let exit = "exit = [{ event = \"buy\" }]\n";
    let exit = if head.contains("exit = [") { "" } else { exit };
    journey(
        dialect,
        &format!("{head}\n{exit}"),
        "W send
         patience delay for = \"60m\"
         R send next = \"exit\"",
    )
}

/// The first words of a life of many: `u0`, `u1`, … say `word` at `time`.
pub(crate) fn crowd(users: usize, time: &str, word: &str) -> String {
    (0..users).map(|n| format!("{time} u{n} {word} · ")).collect()
}

struct Seat {
    shard: Shard,
    offset: u64,
}

/// Shards, their control log, and all that came out of them.
pub(crate) struct World {
    fold: Fold,
    shards: Vec<Seat>,
    effects: Effects,
    control: u64,
    /// Whether releases wait for `* release N`; else whoever is released goes at once.
    pub(crate) paced: bool,
    /// The sentences of the verbs that were refused.
    pub(crate) answers: Vec<String>,
}

impl World {
    pub(crate) fn of_shards(shards: u16) -> Self {
        let seat = |n| Seat { shard: Shard::new(Setup::of(n, shards)), offset: 0 };
        Self {
            fold: Fold::new(),
            shards: (0..shards).map(seat).collect(),
            effects: Effects::with_feed(),
            control: 0,
            paced: false,
            answers: Vec::new(),
        }
    }

    /// A world of one shard with these journeys, put and live at midnight.
    pub(crate) fn with(definitions: &[&str]) -> Self {
        Self::of_shards(1).and(definitions)
    }

    /// The same world with these journeys besides, put and live at midnight.
    pub(crate) fn and(mut self, definitions: &[&str]) -> Self {
        for text in definitions {
            let definition = self.put("0:00", text).expect("it can be put");
            let go = if definition.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
            if let Some(list) = &definition.entry.list {
                self.list(at("0:00"), &definition.id, list).expect("a list");
            }
            self.act(at("0:00"), &definition.id, Act::from(go)).expect("it goes live");
        }
        self
    }

    /// Puts a definition given as TOML: a new journey, or an edit of one.
    pub(crate) fn put(&mut self, time: &str, text: &str) -> Result<Definition, String> {
        let definition =
            wayfarer::journey::source::load("test.toml", text.as_bytes()).unwrap_or_else(|problems| {
                panic!("{}\n{text}", problems.iter().map(|p| format!("{p}\n")).collect::<String>())
            });
        let put = Command::Put { definition: Box::new(definition.clone()) };
        self.command(at(time), &definition.id, put, Role::Operator).map(|()| definition)
    }

    fn list(&mut self, now: Timestamp, journey: &str, list: &str) -> Result<(), String> {
        let manifest = Manifest { list: list.to_owned(), rows: 1 };
        self.command(now, journey, Command::List(manifest), Role::Operator)
    }

    /// Gives a verb in the role that it takes.
    fn act(&mut self, now: Timestamp, journey: &str, act: Act) -> Result<(), String> {
        let role = act.verb.role();
        self.command(now, journey, Command::Act(act), role)
    }

    /// A command to all shards at once.
    fn command(&mut self, now: Timestamp, journey: &str, command: Command, role: Role) -> Result<(), String> {
        let offset = self.control;
        self.control += 1;
        let record = ControlRecord {
            id: format!("c{offset}"),
            at: None,
            actor: "test".to_owned(),
            role,
            journey: journey.to_owned(),
            expect: None,
            command,
        };
        let (epoch, _) = self.fold.apply(offset, now, &record).map_err(|refused| refused.to_string())?;
        for shard in 0..self.shards.len() {
            self.feed(shard, now, Input::Epoch(&epoch));
        }
        Ok(())
    }

    fn feed(&mut self, shard: usize, now: Timestamp, input: Input<'_>) {
        let shard = &mut self.shards[shard].shard;
        let _ = shard.handle(now, input, &mut self.effects);
        shard.check().unwrap_or_else(|violation| panic!("after {input:?}: {violation}"));
    }

    fn feed_all(&mut self, now: Timestamp, input: Input<'_>) {
        for shard in 0..self.shards.len() {
            self.feed(shard, now, input);
        }
    }

    fn record(&mut self, now: Timestamp, user: &str, body: Body<'_>) {
        let shard = usize::from(shard_of(user, self.shards.len() as u16));
        let offset = self.shards[shard].offset;
        self.shards[shard].offset += 1;
        self.feed(shard, now, Input::Record(Record { source: 0, offset, timed: true, body }));
    }

    /// So many users of that shard.
    pub(crate) fn users_of(&self, shard: u16, count: usize) -> Vec<String> {
        let shards = self.shards.len() as u16;
        let users = (0..).map(|n| format!("s{shard}n{n}"));
        users.filter(|user| shard_of(user, shards) == shard).take(count).collect()
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        self.feed_all(now, Input::Wake { max: usize::MAX });
    }

    fn event(&mut self, now: Timestamp, user: &str, name: &str, words: &[&str]) {
        let identify = name == "identify";
        let mut message = json!({"type": "track", "userId": user, "event": name, "properties": {}});
        if identify {
            message = json!({"type": "identify", "userId": user, "traits": {}});
        }
        for word in words {
            let (key, value) = word.split_once('=').expect("name=value");
            match key {
                "ts" => message["timestamp"] = at(value).to_string().into(),
                "id" => message["messageId"] = value.into(),
                "zone" => message["context"]["timezone"] = value.into(),
                _ if identify => message["traits"][key] = parsed(value),
                _ => message["properties"][key] = parsed(value),
            }
        }
        let bytes = message.to_string();
        let event = decode(bytes.as_bytes()).expect("a message of a test decodes");
        self.record(now, user, Body::Event(&event));
    }

    /// Runs a story.
    pub(crate) fn tell(&mut self, story: &str) {
        let first = self.fold.registry().lineages()[0].id.clone();
        for line in story.split(['\n', '·']).map(str::trim).filter(|l| !l.is_empty()) {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            let named = words.iter().position(|word| word.starts_with("of="));
            let journey = named.map_or(first.as_str(), |n| words.remove(n).trim_start_matches("of="));
            let now = at(words[0]);
            match (words[1].strip_prefix('*'), words[2]) {
                (Some(""), what) => self.operate(now, &first, what, &words[3..]),
                (Some(other), what) => self.operate(now, other, what, &words[3..]),
                (None, what) => self.live(now, words[1], journey, what, &words[3..]),
            }
            for shard in 0..self.shards.len() {
                // A shard that releases nobody is not told the time.
                if !self.paced && self.shards[shard].shard.is_releasing() {
                    self.feed(shard, now, Input::Release { max: usize::MAX });
                }
            }
        }
    }

    fn live(&mut self, now: Timestamp, user: &str, journey: &str, what: &str, words: &[&str]) {
        let properties: serde_json::Map<String, Json> = words
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), parsed(value)))
            .collect();
        let properties = Json::Object(properties).to_string();
        let entry = Entry { journey, user, properties: properties.as_bytes() };
        match what {
            "enter" => self.record(now, user, Body::Enter(entry)),
            "row" => self.record(now, user, Body::Row(entry)),
            "fails" => self.record(now, user, Body::Failure(Charge { journey, user: Some(user) })),
            "remove" => self.record(now, user, Body::Remove { journey, user }),
            "delete" => self.record(now, user, Body::Delete { user }),
            "receipt" => {
                let kind = ReceiptKind::ALL.into_iter().find(|k| k.event_name().ends_with(words[0]));
                let kind = kind.expect("Delivered, Failed or Clicked");
                let receipt = Receipt { kind, user, journey, version: 1, node: words[1] };
                self.record(now, user, Body::Receipt(receipt));
            }
            name => self.event(now, user, name, words),
        }
    }

    fn operate(&mut self, now: Timestamp, journey: &str, what: &str, words: &[&str]) {
        match what {
            "-" => return,
            "tick" => {
                let max = words.first().map_or(usize::MAX, |count| count.parse().expect("a count"));
                return self.feed_all(now, Input::Wake { max });
            }
            "release" => {
                let max = words[0].parse().expect("a count");
                return self.feed_all(now, Input::Release { max });
            }
            "failure" => return self.record(now, "", Body::Failure(Charge { journey, user: None })),
            _ => {}
        }
        let answer = match what {
            "list" => self.list(now, journey, words[0]),
            "let_go" => self.command(
                now,
                journey,
                Command::Release(act_of("resume", words).selection),
                Role::Operator,
            ),
            "grant" => {
                let granted = words[0].split(',').map(|n| n.parse().expect("a count")).collect();
                let grant = Grant { granted, exhausted: words.contains(&"exhausted") };
                self.command(now, journey, Command::Grant(grant), Role::System)
            }
            verb if words.contains(&"as_operator") => {
                self.command(now, journey, Command::Act(act_of(verb, words)), Role::Operator)
            }
            verb => self.act(now, journey, act_of(verb, words)),
        };
        let refused = words.last() == Some(&"refused");
        assert_eq!(answer.is_err(), refused, "{what} at {}: {answer:?}", clock(now));
        self.answers.extend(answer.err());
    }

    pub(crate) fn sends(&self) -> Vec<SendRecord> {
        read(self.effects.sends.iter())
    }

    pub(crate) fn transitions(&self) -> Vec<TransitionRecord> {
        read(self.effects.transitions.iter())
    }

    /// What was sent, as `u1 R@1:00, u2 W@2:10`, by user and time.
    pub(crate) fn sent(&self) -> String {
        let mut sends = self.sends();
        sends.sort_by(|a, b| (&a.user, a.at).cmp(&(&b.user, b.at)));
        let words: Vec<String> =
            sends.iter().map(|s| format!("{} {}@{}", s.user, s.node, clock(s.at))).collect();
        words.join(", ")
    }

    pub(crate) fn refusals(&self) -> Vec<RefusalRecord> {
        read(self.effects.refusals.iter())
    }

    /// Who was refused why, as `u2 entry_shut`.
    pub(crate) fn refused(&self) -> String {
        let words: Vec<String> = self.refusals().iter().map(|r| format!("{} {}", r.user, r.reason)).collect();
        words.join(", ")
    }

    /// Every movement of that name in the order in which it came out, as `u1 R@1:00`, with its detail if it has one.
    pub(crate) fn told(&self, what: &str) -> String {
        let found = self.transitions().into_iter().filter(|t| t.what == what);
        let words: Vec<String> = found
            .map(|t| {
                let word = t.detail.or(t.node);
                format!("{}{}@{}", t.user, word.map_or(String::new(), |w| format!(" {w}")), clock(t.at))
            })
            .collect();
        words.join(", ")
    }

    /// Who left when and why, as `u1 completed@1:00`.
    pub(crate) fn left(&self) -> String {
        self.told("exited")
    }

    /// The name of a journey's state, by the time of the first shard.
    pub(crate) fn state_of(&self, journey: &str) -> &'static str {
        let lineage = self.fold.registry().get(journey).expect("a journey of the test");
        lineage.lifecycle.state_at(self.shards[0].shard.now()).name
    }

    /// The first journey's state.
    pub(crate) fn state(&self) -> &'static str {
        self.state_of(&self.fold.registry().lineages()[0].id)
    }

    /// The conservation identity of the first journey over all versions and shards, without zeros:
    /// `entered 3 = waiting 1 + held 2`.
    pub(crate) fn counts(&self) -> String {
        self.identity(None)
    }

    /// The same of one version.
    pub(crate) fn counts_of(&self, version: u32) -> String {
        self.identity(Some(version))
    }

    fn identity(&self, version: Option<u32>) -> String {
        let flow = |flow: Flow| self.sum(version, |s| s.total(flow));
        let came = [("entered", flow(Flow::Entered)), ("moved_in", flow(Flow::MovedIn))];
        let places = Place::ALL.map(|p| (p.as_str(), self.sum(version, |s| s.at(p))));
        let exits = ExitReason::ALL.map(|r| (r.as_str(), self.sum(version, |s| s.exited(r))));
        let moved = [("moved_out", flow(Flow::MovedOut))];
        let side = |terms: &mut dyn Iterator<Item = (&str, u64)>| {
            let terms: Vec<String> =
                terms.filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
            if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") }
        };
        // Moves between the versions cancel out over all of them.
        let moves = |(name, _): &(&str, u64)| version.is_some() || !name.starts_with("moved");
        let left = side(&mut came.into_iter().filter(moves));
        let right = side(&mut places.into_iter().chain(exits).chain(moved).filter(moves));
        format!("{left} = {right}")
    }

    fn sum(&self, version: Option<u32>, count: impl Fn(&Statistics) -> u64) -> u64 {
        let mut sum = 0;
        for seat in &self.shards {
            let catalog = seat.shard.catalog();
            for plan in 0..catalog.plan_count() as u16 {
                let wanted = version.is_none_or(|v| catalog.plan(plan).version == v);
                if catalog.journey_of(plan) == 0 && wanted {
                    sum += count(seat.shard.statistics(plan).expect("a plan of the catalog"));
                }
            }
        }
        sum
    }

    /// How often something happened at a node of the first journey.
    pub(crate) fn count_at(&self, node: &str, flow: NodeFlow) -> u64 {
        let mut sum = 0;
        for seat in &self.shards {
            let catalog = seat.shard.catalog();
            for plan in (0..catalog.plan_count() as u16).filter(|&p| catalog.journey_of(p) == 0) {
                let statistics = seat.shard.statistics(plan).expect("a plan of the catalog");
                sum += catalog.plan(plan).node_index(node).map_or(0, |n| statistics.total_at(n, flow));
            }
        }
        sum
    }

    pub(crate) fn converted(&self) -> u64 {
        self.sum(None, |s| s.total(Flow::Converted))
    }

    fn journeys(&self, number: u16) -> impl Iterator<Item = &JourneyState> {
        self.shards.iter().filter_map(move |seat| seat.shard.journey(number))
    }

    /// The counters of refusals of the first journey, without zeros, as `entry_shut 2`, in the order of the checks.
    pub(crate) fn refusal_counts(&self) -> String {
        let counts = RefusalReason::ALL.map(|r| (r, self.journeys(0).map(|j| j.refused(r)).sum::<u64>()));
        let words: Vec<String> =
            counts.iter().filter(|c| c.1 > 0).map(|(r, n)| format!("{} {n}", r.as_str())).collect();
        words.join(", ")
    }

    /// How many wait at the first journey's door for a share of its entry limit.
    pub(crate) fn at_door(&self) -> u64 {
        self.journeys(0).map(JourneyState::at_door).sum()
    }

    /// How many of the first journey's held are parked.
    pub(crate) fn parked(&self) -> u64 {
        self.sum(None, Statistics::parked)
    }

    /// Parks an enrollment of the first shard that is said to have panicked.
    pub(crate) fn park(&mut self, entry: u64) {
        let now = self.shards[0].shard.now();
        self.feed(0, now, Input::Park { entry });
    }

    /// How often a failure budget was spent.
    pub(crate) fn alarms(&self) -> usize {
        self.effects.budget_spent.len()
    }

    /// Whether the first journey's failure budget is spent in some shard, and it is to go to Error.
    pub(crate) fn is_spent(&self) -> bool {
        self.shards.iter().any(|seat| seat.shard.spent().any(|journey| journey == 0))
    }

    /// Users whom the shards know, and enrollments that are inside.
    pub(crate) fn size(&self) -> (usize, usize) {
        let sizes = self.shards.iter().map(|seat| seat.shard.size());
        sizes.fold((0, 0), |(users, inside), (u, i)| (users + u, inside + i))
    }

    /// What a release from the first journey would do in the first shard.
    pub(crate) fn preview(&self, selection: &Selection) -> Preview {
        self.shards[0].shard.preview(0, selection)
    }

    /// Takes a commit of the first shard: what it stores of each hour of the first version, as `9:30 entered 1`.
    pub(crate) fn hours(&mut self) -> String {
        let mut sink = Hours::default();
        let shard = &mut self.shards[0].shard;
        let committing = shard.commit(&mut sink);
        assert_eq!(committing.not_conserved, Vec::<u16>::new());
        shard.committed();
        sink.0.join(", ")
    }

    /// Takes a commit of the first shard, and keeps what it stores of hours.
    pub(crate) fn commit_into(&mut self, kept: &mut StoredHours) {
        let shard = &mut self.shards[0].shard;
        let _ = shard.commit(kept);
        shard.committed();
    }

    /// Forgets users who left nothing behind, as a commit does.
    pub(crate) fn commit(&mut self) {
        for seat in &mut self.shards {
            let _ = seat.shard.commit(&mut Hours::default());
            seat.shard.committed();
        }
    }
}

fn parsed(value: &str) -> Json {
    serde_json::from_str(value).unwrap_or_else(|_| value.into())
}

fn act_of(verb: &str, words: &[&str]) -> Act {
    let mut act = Act::from(verb.parse::<Verb>().expect("a verb"));
    match words {
        ["at", node, ..] => act.selection = Selection::At((*node).to_owned()),
        ["from", node, ..] => act.selection = Selection::From((*node).to_owned()),
        ["keep_held", ..] => act.keep_held = true,
        ["to", id, ..] => act.to = Some((*id).to_owned()),
        _ => {}
    }
    act
}

fn read<'a, T: serde::de::DeserializeOwned>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<T> {
    lines.map(|line| serde_json::from_slice(line).expect("a line of ours reads back")).collect()
}

/// The flows of the hours of plan 0 that a commit stores: `entered`, `moved_in`, `moved_out`, `converted`, exits.
#[derive(Default)]
struct Hours(Vec<String>);

impl StateSink for Hours {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        if key[..3] != [commit::key::HOUR, 0, 0] {
            return;
        }
        let hour = Timestamp(i64::from_be_bytes(key[3..].try_into().expect("an hour has eight bytes")));
        let exits = ExitReason::ALL.map(ExitReason::as_str);
        let names = ["entered", "moved_in", "moved_out", "converted"].into_iter().chain(exits);
        let flows = names.zip(varints(value)).filter(|(_, n)| *n > 0);
        let flows: String = flows.map(|(name, n)| format!(" {name} {n}")).collect();
        self.0.push(format!("{}{flows}", clock(hour)));
    }

    fn delete(&mut self, _: &[u8]) {}
}

/// The hours that are stored after some commits.
#[derive(Default)]
pub(crate) struct StoredHours(BTreeSet<Timestamp>);

impl StoredHours {
    /// Counted from midnight of the first day.
    pub(crate) fn hours(&self) -> Vec<i64> {
        self.0.iter().map(|hour| (hour.0 - DAY) / 3_600_000).collect()
    }
}

impl StateSink for StoredHours {
    fn put(&mut self, record: &[u8], _: &[u8]) {
        self.0.extend(commit::key::beginning(record));
    }

    fn delete(&mut self, record: &[u8]) {
        commit::key::beginning(record).map(|hour| self.0.remove(&hour));
    }
}

/// Numbers of seven bits a byte, lowest first.
fn varints(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes
        .split_inclusive(|byte| byte & 0x80 == 0)
        .map(|number| number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)))
}

/// Until long after the last timer of any story.
pub(crate) fn much_later() -> Timestamp {
    at("0:00") + Interval::from_days(400)
}
