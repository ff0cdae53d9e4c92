//! One shard as the reference model makes it, from the commits' cycles and the records that these name.
//!
//! The order is the owner's, as it has committed it; every decision is made anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};
use wayfarer::journey::definition::Definition;
use wayfarer::model::Timestamp;
use wayfarer::model::wire::{RefusalRecord, SendRecord, TransitionRecord};
use wayfarer_reference::{Command, Sent, World};

use super::cycle::Step;
use super::evidence::{Evidence, Record};

/// The inputs of which there is one each; the others are further topics of events.
const EVENTS: usize = 0;
const LISTS: usize = 1;
const RECEIPTS: usize = 2;
const INTERNAL: usize = 3;

/// What records of the internal topic are, by the header `wayfarer-kind`.
const ENTRY: u8 = 2;
const REMOVE: u8 = 6;
const DELETE: u8 = 7;
const FAILURE: u8 = 8;

/// A shard, made anew.
pub struct Model<'a> {
    of: &'a Evidence,
    shard: u16,
    world: World,
    definitions: BTreeMap<String, Definition>,
    /// Records that are dead letters, by input and offset.
    letters: BTreeSet<(usize, u64)>,
    /// The first offset of each input that was not taken.
    next: Vec<u64>,
    /// Records that were passed over, by input and offset.
    pub untaken: Vec<(usize, u64)>,
    /// What cannot be made anew, in sentences.
    pub wrong: Vec<String>,
}

impl<'a> Model<'a> {
    /// Of a shard that nobody has entered.
    #[must_use]
    pub fn new(of: &'a Evidence, shard: u16) -> Self {
        let input = |topic: &String| of.names.iter().position(|name| name == topic);
        let own = of.letters.iter().filter(|letter| letter.partition == shard);
        let letters = own.filter_map(|letter| Some((input(&letter.topic)?, letter.offset))).collect();
        let world = World::of_shard(shard, of.shards);
        let next = (0..of.names.len()).map(|input| of.base(shard, input)).collect();
        let definitions = BTreeMap::new();
        Self { of, shard, world, definitions, letters, next, untaken: Vec::new(), wrong: Vec::new() }
    }

    /// What has left it by now.
    #[must_use]
    pub fn effects(&self) -> (&[SendRecord], &[TransitionRecord], &[RefusalRecord]) {
        (&self.world.sends, &self.world.transitions, &self.world.refusals)
    }

    /// Up to where an input was taken: every record before it was, or is none of this shard's business.
    #[must_use]
    pub fn taken(&self, input: usize) -> u64 {
        self.next[input]
    }

    /// One step of a commit.
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Records { log, first, last, at } => {
                for offset in *first..=*last {
                    self.record(*log, offset, *at);
                }
            }
            Step::Epoch { at, number } => self.epoch(Timestamp(*at), *number),
            Step::Wake { at } => self.world.advance(Timestamp(*at)),
            Step::Release { at, max } => {
                self.world.before(Timestamp(*at));
                self.world.release(usize::try_from(*max).unwrap_or(usize::MAX));
            }
            Step::Poison { log, offset, at, charge } => {
                let _ = self.take(*log, *offset);
                match charge {
                    Some((journey, user)) => self.world.failure(Timestamp(*at), journey, user.as_deref()),
                    None => self.world.before(Timestamp(*at)),
                }
            }
            Step::Park => self.wrong.push(format!("shard {}: somebody was parked after a panic", self.shard)),
            Step::Renew | Step::Committed => {}
        }
    }

    /// Notes that a record was taken: in order, once, and none before it left out. Which input it is of.
    fn take(&mut self, log: u8, offset: u64) -> Option<usize> {
        let (of, shard) = (self.of, self.shard);
        let Some(input) = of.input(shard, log).filter(|input| *input < self.next.len()) else {
            self.wrong.push(format!(
                "shard {shard}: record {offset} is of log {log}, which its head does not name"
            ));
            return None;
        };
        let next = &mut self.next[input];
        // Rows of several lists take turns in one log.
        if input != LISTS {
            if offset < *next {
                let name = &of.names[input];
                self.wrong.push(format!("shard {shard}: record {offset} of {name} was taken twice"));
            }
            let passed = of.inputs[input].range((shard, *next)..(shard, offset.max(*next)));
            self.untaken.extend(passed.map(|((_, offset), _)| (input, *offset)));
        }
        *next = offset + 1;
        Some(input)
    }

    fn record(&mut self, log: u8, offset: u64, at: Option<i64>) {
        let Some(input) = self.take(log, offset) else { return };
        // Between records there are markers of transactions, which are none.
        let of: &'a Evidence = self.of;
        let Some(record) = of.inputs[input].get(&(self.shard, offset)) else { return };
        let at = Timestamp(at.unwrap_or(record.at));
        if self.letters.contains(&(input, offset)) {
            return self.world.before(at);
        }
        if self.heard(input, record, at).is_none() {
            self.world.before(at);
            let (shard, name) = (self.shard, &of.names[input]);
            self.wrong.push(format!(
                "shard {shard}: record {offset} of {name} cannot be understood, and is no dead letter"
            ));
        }
    }

    /// Lets the model hear a record; nothing if it is not of its kind's form.
    fn heard(&mut self, input: usize, record: &Record, at: Timestamp) -> Option<()> {
        let is_event = input == EVENTS || input > INTERNAL;
        let value = if is_event { record.cloud.as_ref() } else { None };
        let json: Json = serde_json::from_slice(strip(value.unwrap_or(&record.value))).ok()?;
        let text = |key: &str| json[key].as_str();
        match (input, record.kind) {
            _ if is_event => self.world.event(at, &json),
            (INTERNAL, 0 | 1) => self.world.event(at, &json),
            (LISTS, _) => {
                let journey = self.definitions.get(text("journey")?);
                let list = journey.and_then(|journey| journey.entry.list.clone());
                match list {
                    Some(list) => self.world.list_row(at, &list, text("user")?, &object(&json["properties"])),
                    None => self.world.before(at),
                }
            }
            (RECEIPTS, _) => {
                let version = u32::try_from(json["version"].as_u64()?).ok()?;
                let of =
                    Sent { journey: text("journey")?.to_owned(), version, node: text("node")?.to_owned() };
                let kind = serde_json::from_value(json["kind"].clone()).ok()?;
                self.world.receipt(at, text("user")?, &of, kind);
            }
            (_, ENTRY) => {
                let (journey, user) = (text("journey")?, text("user")?);
                let _ = self.world.api_entry(at, journey, user, &object(&json["properties"]));
            }
            (_, REMOVE) => {
                let _ = self.world.remove_user(at, text("journey")?, text("user")?);
            }
            (_, DELETE) => self.world.delete_user(at, text("user")?),
            (_, FAILURE) => self.world.failure(at, text("journey")?, text("user")),
            _ => self.world.before(at),
        }
        Some(())
    }

    /// A command that every shard takes: it was accepted, or there would be no epoch.
    fn epoch(&mut self, at: Timestamp, number: u64) {
        let of: &'a Evidence = self.of;
        let record = number.checked_sub(1).and_then(|offset| of.control.get(&(0, offset)));
        let told = record.and_then(|it| Some((it.at, serde_json::from_slice::<Json>(&it.value).ok()?)));
        let done = match told {
            Some((given, told)) => self.command((Timestamp(given), at), &told["record"]),
            None => Err("no such command is in the control log".to_owned()),
        };
        if let Err(why) = done {
            let shard = self.shard;
            self.wrong
                .push(format!("shard {shard}: epoch {number} was taken, and the reference says: {why}"));
        }
    }

    /// A command that was given at a time, and taken at another.
    fn command(&mut self, (given, at): (Timestamp, Timestamp), record: &Json) -> Result<(), String> {
        let journey = record["journey"].as_str().unwrap_or_default().to_owned();
        let command = &record["command"];
        let put = ["put", "save_edit"].iter().find_map(|key| command[key].get("definition"));
        if let Some(definition) = put {
            return self.put(at, definition);
        }
        if let Some(act) = command.get("act") {
            return self.act((given, at), journey, act, record["role"] == "system");
        }
        if let Some(selection) = command.get("release") {
            let selection = serde_json::from_value(selection.clone()).map_err(|e| e.to_string())?;
            return self.world.act(at, &Command { selection, ..Command::new(&journey, "release") });
        }
        if let Some(grant) = command.get("grant") {
            let granted: Vec<u64> =
                serde_json::from_value(grant["granted"].clone()).map_err(|e| e.to_string())?;
            self.world.grant(at, &journey, &granted, grant["exhausted"] == true);
        }
        // A list's rows come by themselves; edits that are not saved, and formats, are nobody's business.
        Ok(())
    }

    fn put(&mut self, at: Timestamp, definition: &Json) -> Result<(), String> {
        let definition: Definition = serde_json::from_value(definition.clone()).map_err(|e| e.to_string())?;
        self.definitions.insert(definition.id.clone(), definition.clone());
        self.world.put(at, definition)
    }

    fn act(
        &mut self,
        (given, at): (Timestamp, Timestamp),
        journey: String,
        act: &Json,
        system: bool,
    ) -> Result<(), String> {
        let verb = act["verb"].as_str().unwrap_or_default().to_owned();
        if let (Some(to), Some(from)) = (act["to"].as_str(), self.definitions.get(&journey)) {
            let copy = Definition { id: to.to_owned(), ..from.clone() };
            self.definitions.insert(to.to_owned(), copy.clone());
            return self.world.put(at, copy);
        }
        let selection = act.get("selection").map(|s| serde_json::from_value(s.clone())).transpose();
        let selection = selection.map_err(|e| e.to_string())?.unwrap_or_default();
        let keep_held = act["keep_held"] == true;
        let command = Command { journey, verb, selection, keep_held, system };
        self.world.command(given, at, |world| world.act(at, &command))
    }
}

/// Without the byte order mark that a message may begin with.
fn strip(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn object(json: &Json) -> Map<String, Json> {
    json.as_object().cloned().unwrap_or_default()
}
