//! Stories of minutes, users and words: the one place of the tests that knows the reference's functions.
//!
//! Steps stand apart by `·` or a new line, in one of these forms: `HH:MM user event [name=value …]`
//! (`ts=HH:MM` is the payload's time) · `HH:MM * verb [option …]` (the operator) · `HH:MM api user` ·
//! `HH:MM list user` · `HH:MM list-end` · `HH:MM tick` · `HH:MM release N`.

use serde_json::{Map, Value as Json, json};
use wayfarer::journey::definition::Definition;
use wayfarer::model::Timestamp;
use wayfarer::model::input::Selection;
use wayfarer_reference::{Command, Position, World};

/// 2026-03-01T00:00Z, a Sunday: minute nought of every story.
pub(crate) const MIDNIGHT: i64 = 1_772_323_200_000;

/// A story in which every verb that lets users go lets all of them go, unless it is `paced`.
pub(crate) struct Play {
    pub(crate) world: World,
    pub(crate) journey: String,
    pub(crate) paced: bool,
    pub(crate) refused: Vec<String>,
}

impl Play {
    /// A journey, published at minute nought (or as its dates say).
    pub(crate) fn new(definition: Json) -> Self {
        let mut play = Self::draft(definition);
        let verb = if play.world.state(&play.journey) == Some("Draft") { "publish" } else { "activate" };
        play.run(&format!("00:00 * {verb}"));
        assert_eq!(play.refused, Vec::<String>::new());
        play
    }

    pub(crate) fn draft(definition: Json) -> Self {
        let mut world = World::new(1);
        let definition = read(definition);
        let journey = definition.id.clone();
        world.put(at("00:00"), definition).unwrap();
        Self { world, journey, paced: false, refused: Vec::new() }
    }

    pub(crate) fn run(&mut self, story: &str) -> &mut Self {
        for step in story.split(['·', '\n']).map(str::trim).filter(|s| !s.is_empty()) {
            let words: Vec<&str> = step.split_whitespace().collect();
            let time = at(words[0]);
            match words[1..] {
                ["tick"] => self.world.advance(time),
                ["release", n] => {
                    self.world.advance(time);
                    self.world.release(n.parse().unwrap());
                }
                ["list-end"] => self.world.list_end(time, "vip"),
                ["list", user] => self.world.list_row(time, "vip", user, &Map::new()),
                ["api", user] => {
                    let entered = self.world.api_entry(time, &self.journey, user, &Map::new());
                    self.refused.extend(entered.err());
                }
                ["*", "–", ..] => {}
                ["*", verb, ref options @ ..] => self.verb(time, verb, options),
                [user, "delete"] => self.world.delete_user(time, user),
                [user, event, ref properties @ ..] => {
                    self.world.event(time, &message(user, event, properties));
                }
                _ => panic!("{step:?} is not a step"),
            }
            // Asserts conservation, after every step of every story.
            let _ = self.world.counts();
        }
        self
    }

    fn verb(&mut self, time: Timestamp, verb: &str, options: &[&str]) {
        let mut command = Command::new(&self.journey, verb);
        for option in options {
            match option.split_once('=') {
                Some(("from", node)) => command.selection = Selection::From(node.to_owned()),
                Some(("at", node)) => command.selection = Selection::At(node.to_owned()),
                _ if *option == "keep_held" => command.keep_held = true,
                _ if *option == "system" => command.system = true,
                _ => panic!("{option:?} is not an option"),
            }
        }
        self.refused.extend(self.world.act(time, &command).err());
        if !self.paced {
            self.world.release(usize::MAX);
        }
    }

    pub(crate) fn put(&mut self, time: &str, definition: Json) -> Result<(), String> {
        self.world.put(at(time), read(definition))
    }

    /// Every send: `u1 W@00:00`.
    pub(crate) fn sends(&self) -> String {
        let send = |s: &wayfarer::model::wire::SendRecord| format!("{} {}@{}", s.user, s.node, clock(s.at));
        self.world.sends.iter().map(send).collect::<Vec<_>>().join(" · ")
    }

    /// Every movement of that kind: `u1@00:00`, with the detail if there is one.
    pub(crate) fn told(&self, what: &str) -> String {
        let of = self.world.transitions.iter().filter(|t| t.what == what);
        let told = of.map(|t| {
            let detail = t.detail.as_ref().map(|d| format!(" {d}")).unwrap_or_default();
            format!("{}@{}{detail}", t.user, clock(t.at))
        });
        told.collect::<Vec<_>>().join(" · ")
    }

    /// Every refusal at the door: `u1 entry_shut`.
    pub(crate) fn refusals(&self) -> String {
        let all = self.world.refusals.iter().map(|r| format!("{} {}", r.user, r.reason));
        all.collect::<Vec<_>>().join(" · ")
    }

    /// Entered, waiting, held, at send, draining, left: of all versions.
    pub(crate) fn counts(&self) -> [u64; 6] {
        let counts = self.world.counts();
        let left = counts.values().map(|c| c.exited.values().sum::<u64>()).sum();
        let sum = |of: fn(&wayfarer_reference::Counts) -> u64| counts.values().map(of).sum::<u64>();
        [
            sum(|c| c.entered),
            sum(|c| c.waiting),
            sum(|c| c.held),
            sum(|c| c.at_send),
            sum(|c| c.draining),
            left,
        ]
    }

    /// The position of a user's only enrollment.
    pub(crate) fn position(&self, user: &str) -> Position {
        let all = self.world.positions();
        all.into_iter().find(|((_, u, _), _)| u == user).expect("the user entered").1.1
    }

    pub(crate) fn state(&self) -> &'static str {
        self.world.state(&self.journey).unwrap()
    }

    #[track_caller]
    pub(crate) fn decided_by(&self, rules: &[&str]) {
        for rule in rules {
            assert!(self.world.rules[rule] > 0, "{rule} decided nothing");
        }
    }
}

pub(crate) fn read(definition: Json) -> Definition {
    serde_json::from_value(definition).unwrap()
}

fn message(user: &str, event: &str, properties: &[&str]) -> Json {
    let mut json = json!({"type": "track", "userId": user, "event": event, "properties": {}});
    if event == "identify" {
        json = json!({"type": "identify", "userId": user, "traits": {}});
    }
    let fields = if event == "identify" { "traits" } else { "properties" };
    for property in properties {
        let (name, value) = property.split_once('=').unwrap();
        if name == "ts" {
            json["timestamp"] = Json::from(at(value).to_string());
        } else {
            json[fields][name] = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value));
        }
    }
    json
}

/// `HH:MM` or `HH:MM:SS.mmm` after minute nought.
pub(crate) fn at(text: &str) -> Timestamp {
    let mut unit = 3_600_000.0;
    let mut ms = 0.0;
    for part in text.split(':') {
        ms += part.parse::<f64>().unwrap() * unit;
        unit /= 60.0;
    }
    Timestamp(MIDNIGHT + ms as i64)
}

fn clock(t: Timestamp) -> String {
    let ms = t.0 - MIDNIGHT;
    let (hours, minutes, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms % 60_000);
    let seconds = if rest == 0 { String::new() } else { format!(":{:06.3}", rest as f64 / 1e3) };
    format!("{hours:02}:{minutes:02}{seconds}")
}

/// `add` enters → `W` is sent → 60 minutes → `R`; exit on `buy`.
pub(crate) fn welcome(dialect: &str) -> Json {
    json!({
        "id": "j", "dialect": dialect, "entry": {"event": "add"}, "exit": [{"event": "buy"}],
        "node": [
            {"id": "W", "type": "send", "channel": "push", "content": "hello"},
            {"id": "wait", "type": "delay", "for": "60m"},
            {"id": "R", "type": "send", "channel": "push", "content": "again"},
        ],
        "content": {"hello": {"text": "a"}, "again": {"text": "b"}},
    })
}

/// The same with some fields set anew.
pub(crate) fn with(mut definition: Json, fields: Json) -> Json {
    let Json::Object(fields) = fields else { panic!("fields are an object") };
    for (name, value) in fields {
        definition[name] = value;
    }
    definition
}
