//! Random stories: journeys in both dialects, users, events, operators, clocks.
//!
//! A story is a function of its seed and its kind, and prints as a script that a person can read. What it holds is
//! meant to collide: few users, few minutes, verbs that are refused as often as not.

use std::fmt;

use serde_json::{Value as Json, json};
use wayfarer::journey::definition::Definition;
use wayfarer::model::Timestamp;
use wayfarer::model::input::{ReceiptKind, Selection};

use crate::{Command, Sent};

/// 2026-03-01T00:00Z, a Sunday: minute nought of every story.
pub const MIDNIGHT: i64 = 1_772_323_200_000;

/// A plain congruential generator: what is drawn is a function of the seed.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// Whether an event of that chance, one in `n`, happens.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of them.
    pub fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What happens in a step.
#[derive(Clone, Debug)]
pub enum What {
    /// A message in Segment's form.
    Event(Json),
    /// An entry by API: journey, user, payload.
    Enter(String, String, Json),
    /// A row of the list of a journey: user, fields.
    Row(String, String, Json),
    /// The list of a journey has no more rows.
    ListEnd(String),
    /// An operator removes a user from a journey.
    Remove(String, String),
    /// Everything of a user ends.
    Delete(String),
    /// A journey is charged with a failure, of a user or of nobody.
    Failure(String, Option<String>),
    /// Shards may admit so many more into a limited journey, as far as the limit goes.
    Grant(String, Vec<u64>),
    /// A provider's report about a message that a user got.
    Receipt(String, Sent, ReceiptKind),
    /// A verb.
    Act(Command),
    /// A definition is put again.
    Put(Box<Definition>),
    /// Time passes.
    Tick,
    /// At most that many users whose release is under way go.
    Release(usize),
}

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at.0 - MIDNIGHT;
        write!(f, "{:02}:{:02}:{:06.3} ", ms / 3_600_000, ms / 60_000 % 60, (ms % 60_000) as f64 / 1e3)?;
        match &self.what {
            What::Event(json) => write!(f, "event {json}"),
            What::Enter(journey, user, payload) => write!(f, "enter {journey} {user} {payload}"),
            What::Row(journey, user, fields) => write!(f, "row {journey} {user} {fields}"),
            What::ListEnd(journey) => write!(f, "list-end {journey}"),
            What::Remove(journey, user) => write!(f, "remove {journey} {user}"),
            What::Delete(user) => write!(f, "delete {user}"),
            What::Failure(journey, user) => {
                write!(f, "failure of {journey} {}", user.as_deref().unwrap_or("for nobody"))
            }
            What::Grant(journey, more) => write!(f, "grant {journey} {more:?}"),
            What::Receipt(user, of, kind) => {
                write!(f, "{user} {} of {} {} {}", kind.event_name(), of.journey, of.version, of.node)
            }
            What::Act(c) => write!(
                f,
                "* {} {} {:?}{}{}",
                c.verb,
                c.journey,
                c.selection,
                if c.keep_held { " keep_held" } else { "" },
                if c.system { " system" } else { "" }
            ),
            What::Put(definition) => {
                write!(f, "put {}", serde_json::to_string(definition).expect("a definition is JSON"))
            }
            What::Tick => write!(f, "tick"),
            What::Release(max) => write!(f, "release {max}"),
        }
    }
}

/// Journeys, which are put and go live at minute nought, and what happens then.
#[derive(Clone, Debug)]
pub struct Story {
    /// The seed that it was made of.
    pub seed: u64,
    /// Over how many shards its users are spread.
    pub shards: u16,
    /// The journeys.
    pub journeys: Vec<Definition>,
    /// What happens, in the order of time.
    pub steps: Vec<Step>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} on {} shards", self.seed, self.shards)?;
        for journey in &self.journeys {
            let json = serde_json::to_string(journey).expect("a definition is JSON");
            writeln!(f, "{json}")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// A story for that many shards.
#[must_use]
pub fn story(seed: u64, shards: u16) -> Story {
    let mut dice = Dice(seed ^ 0x9e37_79b9_7f4a_7c15);
    for _ in 0..4 {
        dice.below(2);
    }
    let count = 1 + dice.below(2);
    let journeys: Vec<Json> = (0..count).map(|n| journey(&mut dice, ["j", "k"][n])).collect();
    let mut minute = 0;
    let mut steps = Vec::new();
    for _ in 0..90 {
        minute += dice.below(25);
        let mut at = MIDNIGHT + minute as i64 * 60_000;
        if dice.once_in(12) {
            at += dice.below(60_000) as i64;
            minute += 1;
        }
        let mut what = step(&mut dice, &journeys, minute, shards);
        if let What::Event(json) = &mut what {
            json["messageId"] = json!(format!("m{}", steps.len()));
        }
        steps.push(Step { at: Timestamp(at), what });
        if let Some(what) = repeat(&mut dice, &steps, Timestamp(at)) {
            steps.push(Step { at: Timestamp(at), what });
        }
    }
    for journey in &journeys {
        let verb = if journey["dialect"] == "clevertap" { "stop" } else { "abort" };
        let at = Timestamp(MIDNIGHT + 60 * 3_600_000);
        steps.push(Step { at, what: What::Act(Command::new(text(&journey["id"]), verb)) });
    }
    // Conversions of those who drain count (G35).
    let minute = 60 * 60 + 20;
    for user in 0..12 {
        let at = Timestamp(MIDNIGHT + minute as i64 * 60_000);
        steps.push(Step { at, what: What::Event(message(&mut dice, &format!("u{user}"), "buy", minute)) });
    }
    steps.push(Step { at: Timestamp(MIDNIGHT + 100 * 3_600_000), what: What::Tick });
    let journeys = journeys.into_iter().map(read).collect();
    Story { seed, shards, journeys, steps }
}

fn text(json: &Json) -> &str {
    json.as_str().expect("an id is a text")
}

fn read(json: Json) -> Definition {
    serde_json::from_value(json).expect("a generated definition is one")
}

/// A message that was said before, now and then: within the window of repeats, or when it is surely over.
fn repeat(dice: &mut Dice, steps: &[Step], now: Timestamp) -> Option<What> {
    if !dice.once_in(6) {
        return None;
    }
    let said = &steps[dice.below(steps.len())];
    let What::Event(message) = &said.what else { return None };
    // Between ten minutes and twenty nothing is promised.
    let sure = |at: Timestamp| !(10..=20).contains(&(now.since(at).as_millis() / 60_000));
    let mut same = steps.iter().filter(|step| match &step.what {
        What::Event(other) => other["messageId"] == message["messageId"],
        _ => false,
    });
    same.all(|step| sure(step.at)).then(|| said.what.clone())
}

/// Every kind of node, with queues, and a loop that has a wait in it. Every version mentions the same properties.
fn journey(dice: &mut Dice, id: &str) -> Json {
    let dialect = dice.one_of(&["clevertap", "antsomi"]);
    let entry = match dice.below(7) {
        0 => json!({"list": format!("vip-{id}"), "api": true}),
        1 => json!({"event": "add", "where": "properties.cart != 3", "reentry": "always"}),
        2 => json!({"event": "add", "key": "cart", "api": true}),
        3 => json!({"event": "User Identified", "where": "user.tier == 'gold'"}),
        4 => json!({"event": "buy", "key": "cart", "reentry": "always"}),
        _ => json!({"event": "add", "key": "cart", "api": true, "reentry": reentry(dice)}),
    };
    let mut definition = json!({
        "id": id, "dialect": dialect, "zone": dice.one_of(&["Asia/Kolkata", "America/New_York"]),
        "timers": dice.one_of(&["run", "freeze", "restart", "drop"]), "entry": entry,
        "exit": [
            {"event": "bye", "match": "cart"},
            {"event": "buy", "goal": "bought", "where": "properties.cart > 0"},
            {"event": "leave", "where": "entry.cart == 2 || user.tier == 'gold'", "goal": "left"},
        ],
        "drain": "3h", "node": nodes(dice),
        "content": {"c": {"n": 0}, "d": {"n": 0}},
    });
    if dice.below(3) > 0 {
        definition["timeout"] = json!(dice.one_of(&["9h", "90m", "45m"]));
    }
    if dice.below(3) > 0 {
        definition["conversion_window"] = json!(dice.one_of(&["2h", "30m"]));
    }
    if dice.once_in(3) {
        definition["entry"]["limit"] = json!(12);
    }
    if dice.below(3) > 0 {
        definition["failure_budget"] = json!(1 + dice.below(2));
    }
    if dice.once_in(3) {
        definition["entry"]["late"] = json!("30m");
    }
    if dice.once_in(6) {
        // More nodes that take no time than one input may start.
        let instant: Vec<Json> =
            (0..70).map(|n| json!({"id": format!("f{n}"), "type": "filter", "where": "true"})).collect();
        let nodes = definition["node"].as_array_mut().expect("nodes are a list");
        nodes.splice(2..2, instant);
        nodes[1]["branches"][0]["to"] = json!("f0");
    }
    match dice.below(6) {
        0 => definition["start"] = json!("2026-03-01T06:00Z"),
        1 => definition["end"] = json!("2026-03-01T10:00Z"),
        _ => {}
    }
    definition
}

fn reentry(dice: &mut Dice) -> Json {
    match dice.below(6) {
        0 => json!("never"),
        1 => json!({"after_exit": "40m"}),
        2 => json!({"cooldown": "90m"}),
        3 => json!({"at_most": 2, "per": "3h"}),
        4 => json!("always"),
        _ => json!("after_exit"),
    }
}

fn nodes(dice: &mut Dice) -> Json {
    let send = |id: &str, content: &str, next: &str| {
        json!({"id": id, "type": "send", "channel": "push", "content": content, "next": next,
               "variables": {"cart": "entry.cart", "tier": "user.tier"}})
    };
    let mut rated = send("rated", "c", "coin");
    rated["rate"] = json!(dice.one_of(&["2/h", "7/h", "1/m"]));
    let mut one = send("one", "d", "coin");
    one["expires"] = json!("1h");
    if dice.once_in(3) {
        one["rate"] = json!("3/h");
    }
    let mut nap = json!({"id": "nap", "type": "delay", "for": "45m"});
    if dice.once_in(2) {
        nap["timeout"] = json!(dice.one_of(&["50m", "30m"]));
    }
    let mut dawn = json!({"id": "dawn", "type": "delay", "at": "09:00"});
    match dice.below(4) {
        0 => dawn["timeout"] = json!("20h"),
        1 => dawn["on"] = json!(["mon", "tue"]),
        2 => dawn = json!({"id": "dawn", "type": "delay", "until": "2026-03-01T08:00"}),
        _ => {}
    }
    let mut ask = json!({"id": "ask", "type": "wait_event", "timeout": "30m", "branches": [
        {"event": "yes", "to": "one"},
        {"event": "no", "to": "out", "match": "cart"},
        {"event": "Message Clicked", "to": "dawn", "where": "properties.node == 'rated'"},
    ]});
    if dice.once_in(2) {
        ask["otherwise"] = json!("who");
    }
    let arms = json!([{"weight": 60, "to": "nap"}, {"weight": 40, "to": "ask"}]);
    let carts = json!([{"where": "entry.cart == 1", "to": "one"}]);
    json!([
        rated,
        {"id": "coin", "type": "random_split", "branches": arms},
        nap,
        dawn,
        {"id": "who", "type": "split", "branches": carts, "otherwise": "only"},
        {"id": "only", "type": "filter", "where": "entry.cart != 3 && user.tier != 'none'"},
        one,
        ask,
        {"id": "out", "type": "exit"},
    ])
}

/// The journey with something changed that may be edited in place, or anything.
fn edited(dice: &mut Dice, journey: &Json, minute: usize) -> Json {
    let mut next = journey.clone();
    match dice.below(8) {
        0 | 1 => next["content"]["c"] = json!({"n": minute}),
        2 => {
            next["node"][1]["branches"][0]["weight"] = json!(30);
            next["node"][1]["branches"][1]["weight"] = json!(70);
        }
        3 => {
            next["timers"] = json!(dice.one_of(&["run", "freeze", "restart", "drop"]));
            next["timeout"] = json!(dice.one_of(&["5h", "2h"]));
        }
        4 => next["node"] = nodes(dice),
        // Behind many instant nodes nothing else would lead to the one.
        5 if next["node"][2]["id"] == "nap" => {
            // The waits change places, and one send is called something else.
            for node in next["node"].as_array_mut().expect("nodes are a list") {
                match text(&node["id"]) {
                    "nap" => node["id"] = json!("ask"),
                    "ask" => node["id"] = json!("nap"),
                    _ => {}
                }
            }
        }
        6 => {
            let renamed = next.to_string().replace("\"rated\"", "\"first\"");
            next = serde_json::from_str(&renamed).expect("an id was replaced in it");
            next["moved"] = json!({"rated": "first"});
        }
        _ => {
            let renamed = next.to_string().replace("\"nap\"", "\"rest\"");
            next = serde_json::from_str(&renamed).expect("an id was replaced in it");
        }
    }
    next
}

fn step(dice: &mut Dice, journeys: &[Json], minute: usize, shards: u16) -> What {
    let journey = &journeys[dice.below(journeys.len())];
    let id = text(&journey["id"]).to_owned();
    let user = format!("u{}", dice.below(12));
    let act = |verb: &str| Command::new(&id, verb);
    match dice.below(29) {
        0..6 => What::Event(message(dice, &user, "add", minute)),
        6 => What::Event(message(dice, &user, dice.clone().one_of(&["bye", "leave"]), minute)),
        7 => What::Event(message(dice, &user, "buy", minute)),
        8..10 => {
            let name = dice.one_of(&["yes", "no"]);
            What::Event(message(dice, &user, name, minute))
        }
        10 => What::Event(identify(dice, &user)),
        11 => What::Row(id, user, json!({"cart": dice.below(4)})),
        12 if dice.once_in(4) => What::ListEnd(id),
        12 => What::Enter(id, user, json!({"cart": dice.below(4)})),
        13 => {
            let node = dice.one_of(&["rated", "one", "first"]).to_owned();
            let sent = Sent { journey: id, version: 1 + dice.below(2) as u32, node };
            What::Receipt(user, sent, ReceiptKind::ALL[dice.below(3)])
        }
        14 if dice.once_in(2) => What::Remove(id, user),
        14 if dice.once_in(3) => What::Delete(user),
        14 | 15 => What::Tick,
        24 if shards > 1 => What::Grant(id, (0..shards).map(|_| dice.below(4) as u64).collect()),
        24..28 => What::Failure(id, (!dice.once_in(5)).then_some(user)),
        28 => {
            let node = dice.one_of(&["nap", "ask", "rated", "coin"]).to_owned();
            let selection = [Selection::All, Selection::At(node.clone()), Selection::From(node)];
            What::Act(Command { selection: selection[dice.below(3)].clone(), ..act("release") })
        }
        16 => What::Release(if shards == 1 { 1 + dice.below(4) } else { usize::MAX }),
        17 => What::Put(Box::new(read(edited(dice, journey, minute)))),
        18 => {
            let node = dice.one_of(&["ask", "one", "rated", "coin", "nowhere"]).to_owned();
            let selection = if dice.once_in(2) { Selection::From(node) } else { Selection::At(node) };
            What::Act(Command { selection, ..act("resume") })
        }
        19 => {
            let verb = dice.one_of(&["fail", "recover", "recover", "close"]);
            What::Act(Command { system: !dice.once_in(4), ..act(verb) })
        }
        20 if minute > 700 => What::Act(act(dice.one_of(&["stop", "abort"]))),
        20 => What::Act(Command { keep_held: dice.once_in(2), ..act("reactivate") }),
        _ => {
            What::Act(act(dice.one_of(&["pause", "resume", "freeze", "reactivate", "reactivate", "resume"])))
        }
    }
}

fn message(dice: &mut Dice, user: &str, name: &str, minute: usize) -> Json {
    let mut json = json!({"type": "track", "userId": user, "event": name, "properties": {}});
    match dice.below(6) {
        0 => {}
        1 => json["properties"]["cart"] = json!(dice.below(4) as f64),
        _ => json["properties"]["cart"] = json!(dice.below(4)),
    }
    if dice.once_in(4) {
        // Mostly a little late, sometimes ahead of its time.
        let late = dice.below(100) as i64 - 10;
        let at = MIDNIGHT + (minute as i64 - late) * 60_000;
        json["timestamp"] = json!(Timestamp(at).to_string());
    }
    if dice.once_in(8) {
        json["context"] = json!({"timezone": dice.one_of(&["Europe/Berlin", "Mars/Base", "Asia/Tokyo"])});
    }
    json
}

fn identify(dice: &mut Dice, user: &str) -> Json {
    let mut json = json!({"type": "identify", "userId": user,
        "traits": {"tier": dice.one_of(&["gold", "none", "tin"]), "cart": dice.below(4)}});
    if dice.once_in(2) {
        json["context"] = json!({"timezone": dice.one_of(&["Europe/Berlin", "Asia/Tokyo"])});
    }
    json
}
