//! The engine beside itself: what a commit promises.
//!
//! A shard takes random inputs and commits at random moments into a map. Now and then the commit fails: the shard is
//! undone, takes the same inputs again, and must come to the same. And a second shard, restored from the map as some
//! commit left it, in a random order of records, and driven by what later cycles recorded, must come to the same too.
//! In the middle of it the next format is begun; from then on a record that is older than its commit keeps a shard shut.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wayfarer::control::{Act, Command as Asked, Fold, Grant, Manifest, Record as ControlRecord};
use wayfarer::engine::cycle::{Step as Taken, decode as decode_cycle};
use wayfarer::engine::restore::{Meta, RestoreError};
use wayfarer::engine::statistics::Place;
use wayfarer::engine::{
    Body, Charge, Committing, Effects, Entry, Epoch, Input, Receipt, Record, Restore, Setup, Shard, StateSink,
};
use wayfarer::ingest::decode::decode;
use wayfarer::lifecycle::{Role, Verb};
use wayfarer::model::{Format, Timestamp};
use wayfarer_reference::Command;
use wayfarer_reference::workload::{Dice, MIDNIGHT, Step, Story, What, story};

use wayfarer_simulate::shrink::{failure, shrink};

thread_local! {
    /// How many shards were restored, or undone, with such things in them.
    static MET: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

fn meet(what: &'static str, there: bool) {
    MET.with_borrow_mut(|met| *met.entry(what).or_default() += u64::from(there));
}

#[derive(Clone, Default, PartialEq)]
struct Map(BTreeMap<Vec<u8>, Vec<u8>>);

impl StateSink for Map {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.to_vec(), value.to_vec());
    }
    fn delete(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

/// An input as it was given, to be given again.
#[derive(Clone)]
enum Given {
    Step { source: u8, offset: u64, step: Step },
    Delete { offset: u64, at: Timestamp, user: String },
    Epoch { at: Timestamp, number: usize },
    Wake { at: Timestamp, max: usize },
    Release { at: Timestamp, max: usize },
    Park { at: Timestamp, entry: u64 },
    Renew { at: Timestamp, max: usize },
    Poison { source: u8, offset: u64, at: Timestamp, charge: Option<(String, Option<String>)> },
}

/// What one interval between two commits did.
#[derive(Clone, PartialEq)]
struct Done {
    effects: [Vec<u8>; 3],
    digests: [u128; 2],
    counts: String,
    records: Map,
    committing: Committing,
}

struct Run {
    setup: Setup,
    fold: Fold,
    shard: Shard,
    epochs: Vec<Epoch>,
    map: Map,
    interval: Vec<Given>,
    history: Vec<(Vec<Given>, Done)>,
    /// The map after each commit, from before the first on.
    maps: Vec<(Map, Option<Vec<u8>>)>,
    offset: u64,
    control: u64,
}

type Told = Result<(), String>;

impl Run {
    fn new(story: &Story) -> Result<Self, String> {
        // One shard of as many as the story says: of two, it waits for its share of a limit, and some are at the door.
        let setup = Setup::of(0, story.shards);
        let mut run = Self {
            setup,
            fold: Fold::new(),
            shard: Shard::new(setup),
            epochs: Vec::new(),
            map: Map::default(),
            interval: Vec::new(),
            history: Vec::new(),
            maps: vec![(Map::default(), None)],
            offset: 0,
            control: 0,
        };
        let midnight = Timestamp(MIDNIGHT);
        for journey in &story.journeys {
            let put = Asked::Put { definition: Box::new(journey.clone()) };
            run.control(midnight, &journey.id, put, false);
            if let Some(list) = &journey.entry.list {
                let manifest = Manifest { list: list.clone(), rows: 1 };
                run.control(midnight, &journey.id, Asked::List(manifest), false);
            }
            let verb = if journey.dialect == "antsomi" { Verb::Activate } else { Verb::Publish };
            run.control(midnight, &journey.id, Asked::Act(Act::from(verb)), false);
        }
        Ok(run)
    }

    fn control(&mut self, at: Timestamp, journey: &str, command: Asked, system: bool) {
        let offset = self.control;
        self.control += 1;
        let role = if system { Role::System } else { Role::Operator };
        let (id, actor, journey) = (format!("c{offset}"), "test".to_owned(), journey.to_owned());
        let record = ControlRecord { id, at: None, actor, role, journey, expect: None, command };
        if let Ok((epoch, _)) = self.fold.apply(offset, at, &record) {
            self.epochs.push(epoch);
            self.interval.push(Given::Epoch { at, number: self.epochs.len() - 1 });
        }
    }

    /// Notes the input, or inputs, that a step is.
    fn take(&mut self, dice: &mut Dice, step: &Step) {
        let at = step.at;
        match &step.what {
            What::Act(Command { journey, verb, selection, .. }) if verb == "release" => {
                self.control(at, journey, Asked::Release(selection.clone()), false);
            }
            What::Act(Command { journey, verb, selection, keep_held, system }) => {
                let verb = verb.parse::<Verb>().expect("stories use verbs that there are");
                let act = Act { selection: selection.clone(), keep_held: *keep_held, ..Act::from(verb) };
                self.control(at, journey, Asked::Act(act), *system);
            }
            What::Put(definition) => {
                let put = Asked::Put { definition: definition.clone() };
                self.control(at, &definition.id, put, false);
            }
            What::Tick => self.interval.push(Given::Wake { at, max: 1 + dice.below(20) }),
            What::Release(max) => self.interval.push(Given::Release { at, max: *max }),
            What::Delete(user) => {
                let offset = self.next_offset();
                self.interval.push(Given::Delete { offset, at, user: user.clone() });
            }
            // Of one shard of two: its share grows by what is granted it.
            What::Grant(journey, more) => {
                let granted = vec![more[0] + self.control / 2; 2];
                self.control(at, journey, Asked::Grant(Grant { granted, exhausted: false }), true);
            }
            What::Failure(_, None) if dice.once_in(2) => {
                // Some enrollment panicked by itself; of most numbers there is none any more.
                self.interval.push(Given::Park { at, entry: 1 + dice.below(40) as u64 });
            }
            What::Failure(journey, user) if dice.once_in(2) => {
                let (offset, source) = (self.next_offset(), if dice.once_in(3) { 200 } else { 0 });
                let charge = (!dice.once_in(4)).then(|| (journey.clone(), user.clone()));
                self.interval.push(Given::Poison { source, offset, at, charge });
            }
            What::Remove(journey, user) if dice.once_in(2) => {
                let grant = Grant { granted: vec![1 + self.control / 2; 2], exhausted: dice.once_in(6) };
                self.control(at, journey, Asked::Grant(grant), true);
                let offset = self.next_offset();
                self.interval.push(Given::Delete { offset, at, user: user.clone() });
            }
            _ => {
                let mut step = step.clone();
                if let What::Event(json) = &mut step.what {
                    // Few ids, so that many come twice.
                    json["messageId"] = format!("m{}", dice.below(60)).into();
                }
                let offset = self.next_offset();
                // A log that remembers append times, and one that does not.
                let source = if dice.once_in(3) { 200 } else { 0 };
                self.interval.push(Given::Step { source, offset, step });
            }
        }
    }

    /// Begins the second format, once; goes on renewing pages then.
    fn upgrade(&mut self, dice: &mut Dice, at: Timestamp) {
        if self.epochs.last().is_none_or(|epoch| epoch.format == Format::FIRST) {
            if dice.once_in(30) {
                self.control(at, "", Asked::Format(Format::WHOLE_DIGEST), false);
            }
        } else if dice.once_in(3) {
            self.interval.push(Given::Renew { at, max: 1 + dice.below(3) });
        }
    }

    fn next_offset(&mut self) -> u64 {
        self.offset += 1;
        self.offset - 1
    }

    /// Commits the interval: sometimes only after a commit that failed.
    fn commit(&mut self, dice: &mut Dice) -> Told {
        let given = std::mem::take(&mut self.interval);
        let before = self.shard_state();
        let mut done = drive(&mut self.shard, &self.epochs, &given, &mut self.map.clone(), false)?;
        if dice.once_in(2) {
            self.shard.undo();
            meet("an undone epoch", given.iter().any(|input| matches!(input, Given::Epoch { .. })));
            let has_format = |n: usize| n > 0 && self.epochs[n].format != self.epochs[n - 1].format;
            let is_format =
                |input: &Given| matches!(input, Given::Epoch { number, .. } if has_format(*number));
            meet("an undone format", given.iter().any(is_format));
            meet("an undone send", !done.effects[0].is_empty());
            same("after an undo", &before, &self.shard_state())?;
            self.shard.check().map_err(|violation| format!("after an undo: {violation}"))?;
            if dice.once_in(2) {
                // It may stop short of where it was when it was undone, and be undone again.
                let short = &given[..dice.below(given.len() + 1)];
                drive(&mut self.shard, &self.epochs, short, &mut self.map.clone(), false)?;
                self.shard.undo();
            }
            let again = drive(&mut self.shard, &self.epochs, &given, &mut self.map.clone(), false)?;
            same_done("an undo and the same inputs again", &done, &again)?;
            done = again;
        }
        self.shard.committed();
        done.digests = digests(&self.shard);
        self.map = done.records.clone();
        self.maps.push((self.map.clone(), Some(done.committing.meta.clone())));
        self.history.push((given, done));
        Ok(())
    }

    fn shard_state(&self) -> String {
        let (digests, format) = (digests(&self.shard), self.shard.format());
        format!("{} {:?} {digests:?} {format}", counts(&self.shard), self.shard.size())
    }

    /// A shard from records in a random order.
    fn restored(&self, dice: &mut Dice, map: &Map, meta: &[u8]) -> Result<Shard, RestoreError> {
        let mut records: Vec<_> = map.0.iter().collect();
        for n in (1..records.len()).rev() {
            records.swap(n, dice.below(n + 1));
        }
        let mut restore = Restore::new(self.setup);
        for (key, value) in records {
            restore.record(key, value)?;
        }
        let epoch = Meta::decode(meta).expect("a meta reads back").epoch;
        let catalog = self.epochs.iter().rfind(|e| e.number == epoch).expect("an epoch was taken");
        restore.finish(meta, &catalog.catalog)
    }

    /// What a commit left, but for one record, which is as another commit left it: that is found, since the second
    /// format whatever record it is.
    fn find_older(&self, dice: &mut Dice, from: usize) -> Told {
        let (map, meta) = &self.maps[from];
        let (meta, other) =
            (meta.as_ref().expect("a commit has a meta"), &self.maps[dice.below(self.maps.len())].0);
        let differs = |key: &&Vec<u8>| other.0.get(*key) != map.0.get(*key);
        let keys: Vec<&Vec<u8>> = map.0.keys().chain(other.0.keys()).filter(differs).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let key = keys[dice.below(keys.len())];
        let mut untrue = map.clone();
        match other.0.get(key) {
            Some(value) => drop(untrue.0.insert(key.clone(), value.clone())),
            None => drop(untrue.0.remove(key)),
        }
        let is_second = Meta::decode(meta).is_some_and(|meta| meta.format >= Format::WHOLE_DIGEST);
        let restored = self.restored(dice, &untrue, meta);
        meet("an untrue record that is no page", is_second && key[0] != b'u');
        match restored {
            Ok(_) if is_second || key[0] == b'u' => Err(format!(
                "the record {} is not that of commit {from}, and nobody says so",
                key.escape_ascii()
            )),
            _ => Ok(()),
        }
    }

    /// Restores the shard as a commit left it, and drives it through all that came after.
    fn restore_and_follow(&self, dice: &mut Dice) -> Told {
        let from = 1 + dice.below(self.maps.len() - 1);
        let (map, meta) = &self.maps[from];
        let meta = meta.as_ref().expect("a commit has a meta");
        self.find_older(dice, from)?;
        let mut shard = self.restored(dice, map, meta).map_err(|error| error.to_string())?;
        shard.check().map_err(|violation| format!("restored from commit {from}: {violation}"))?;
        if digests(&shard) != self.history[from - 1].1.digests {
            return Err(format!("restored from commit {from}: another digest"));
        }
        note(&shard, map);
        let mut map = map.clone();
        for (number, (given, done)) in self.history.iter().enumerate().skip(from) {
            let what = format!("commit {} of a shard restored from commit {from}", number + 1);
            let by_cycle = of_cycle(given, &done.committing.cycle).ok_or("a cycle does not read back")?;
            // This one looks users up ahead of their inputs, as a worker does; the first one never did.
            let mut again = drive(&mut shard, &self.epochs, &by_cycle, &mut map, true)?;
            shard.committed();
            again.digests = digests(&shard);
            same_done(&what, done, &again)?;
        }
        Ok(())
    }
}

fn digests(shard: &Shard) -> [u128; 2] {
    [shard.digest(), shard.digest_of_others()]
}

/// Notes what a restored shard holds.
fn note(shard: &Shard, map: &Map) {
    let catalog = shard.catalog();
    let journeys = || (0..catalog.journeys.len() as u16).filter_map(|number| shard.journey(number));
    let at = |place| {
        let plans = (0..catalog.plan_count() as u16).filter_map(|plan| shard.statistics(plan));
        plans.map(|statistics| statistics.at(place)).sum::<u64>() > 0
    };
    meet("waiting", at(Place::Waiting));
    meet("pages of the format before", shard.pages_to_renew() > 0);
    meet("held", at(Place::Held));
    meet("at send", at(Place::AtSend));
    meet("draining", at(Place::Draining));
    let plans = || (0..catalog.plan_count() as u16).filter_map(|plan| shard.statistics(plan));
    meet("parked", plans().any(|statistics| statistics.parked() > 0));
    meet("a release under way", shard.is_releasing());
    meet("known message ids", map.0.keys().any(|key| key[0] == b'd'));
    meet("a spent budget", shard.spent().next().is_some());
    meet("at the door", journeys().any(|journey| journey.at_door() > 0));
}

/// The inputs that a cycle says were taken, found in the logs.
fn of_cycle(given: &[Given], cycle: &[u8]) -> Option<Vec<Given>> {
    let log = |wanted: u8, number: u64| {
        given.iter().find(|input| match input {
            Given::Step { source, offset, .. } => (*source, *offset) == (wanted, number),
            Given::Delete { offset, .. } => (0, *offset) == (wanted, number),
            _ => false,
        })
    };
    let mut epochs = given.iter().filter(|input| matches!(input, Given::Epoch { .. }));
    let mut found = Vec::new();
    for step in decode_cycle(cycle)? {
        match step {
            Taken::Records { source, first, last, now } => {
                for offset in first..=last {
                    // Only a run of lines has offsets between that are none of its own.
                    let Some(mut input) = log(source, offset).cloned() else {
                        if source >= 128 { continue } else { return None }
                    };
                    if let (Given::Step { step, .. }, Some(now)) = (&mut input, now) {
                        step.at = now;
                    }
                    found.push(input);
                }
            }
            Taken::Epoch { .. } => found.push(epochs.next()?.clone()),
            Taken::Wake { now, max } => found.push(Given::Wake { at: now, max: max as usize }),
            Taken::Release { now, max } => found.push(Given::Release { at: now, max: max as usize }),
            Taken::Renew { now, max } => found.push(Given::Renew { at: now, max: max as usize }),
            Taken::Park { now, entry } => found.push(Given::Park { at: now, entry }),
            Taken::Poison { source, offset, now, charge } => {
                found.push(Given::Poison { source, offset, at: now, charge });
            }
            // What the commit left is compared as it is.
            Taken::Committed { .. } => {}
        }
    }
    Some(found)
}

/// Gives the inputs, and prepares a commit of them.
fn drive(
    shard: &mut Shard,
    epochs: &[Epoch],
    given: &[Given],
    map: &mut Map,
    ahead: bool,
) -> Result<Done, String> {
    let mut effects = Effects::with_feed();
    for (n, input) in given.iter().enumerate() {
        if ahead && n % 9 == 0 {
            look_ahead(shard, &given[n..given.len().min(n + 9)], n % 2 == 0);
        }
        give(shard, epochs, input, &mut effects);
        shard.check().map_err(|violation| violation.to_string())?;
    }
    let committing = shard.commit(map);
    if !committing.not_conserved.is_empty() {
        return Err(format!("plans {:?} are not conserved", committing.not_conserved));
    }
    let lines = [&effects.sends, &effects.transitions, &effects.refusals];
    let effects = lines.map(|lines| lines.as_bytes().to_vec());
    Ok(Done { effects, digests: [0; 2], counts: counts(shard), records: map.clone(), committing })
}

/// Looks up the users of some inputs: in their order, or in one in which they do not come.
fn look_ahead(shard: &mut Shard, given: &[Given], in_order: bool) {
    let mut users: Vec<&str> = given.iter().filter_map(user_of).collect();
    if !in_order {
        users.reverse();
    }
    shard.warm(users.into_iter());
}

fn user_of(input: &Given) -> Option<&str> {
    match input {
        Given::Delete { user, .. } => Some(user),
        Given::Step { step, .. } => match &step.what {
            What::Event(json) => json["userId"].as_str(),
            What::Enter(_, user, _) | What::Row(_, user, _) | What::Remove(_, user) => Some(user),
            What::Receipt(user, ..) => Some(user),
            _ => None,
        },
        Given::Epoch { .. }
        | Given::Wake { .. }
        | Given::Release { .. }
        | Given::Park { .. }
        | Given::Renew { .. }
        | Given::Poison { .. } => None,
    }
}

fn give(shard: &mut Shard, epochs: &[Epoch], input: &Given, effects: &mut Effects) {
    let record = |shard: &mut Shard, at, source, offset, body: Body<'_>, effects: &mut Effects| {
        // Now and then a log remembers another time than that at which a record was taken.
        let timed = source < 128 && offset % 5 != 0;
        let _ = shard.handle(at, Input::Record(Record { source, offset, timed, body }), effects);
    };
    let (source, offset, step) = match input {
        Given::Epoch { at, number } => {
            let _ = shard.handle(*at, Input::Epoch(&epochs[*number]), effects);
            return;
        }
        Given::Wake { at, max } => {
            let _ = shard.handle(*at, Input::Wake { max: *max }, effects);
            return;
        }
        Given::Release { at, max } => {
            let _ = shard.handle(*at, Input::Release { max: *max }, effects);
            return;
        }
        Given::Park { at, entry } => {
            let _ = shard.handle(*at, Input::Park { entry: *entry }, effects);
            return;
        }
        Given::Renew { at, max } => {
            let _ = shard.handle(*at, Input::Renew { max: *max }, effects);
            return;
        }
        Given::Poison { source, offset, at, charge } => {
            let charge = charge.as_ref();
            let charge = charge.map(|(journey, user)| Charge { journey, user: user.as_deref() });
            return record(shard, *at, *source, *offset, Body::Poison(charge), effects);
        }
        Given::Delete { offset, at, user } => {
            return record(shard, *at, 0, *offset, Body::Delete { user }, effects);
        }
        Given::Step { source, offset, step } => (*source, *offset, step),
    };
    let at = step.at;
    match &step.what {
        What::Event(json) => {
            let bytes = json.to_string();
            let event = decode(bytes.as_bytes()).expect("a message of a story decodes");
            record(shard, at, source, offset, Body::Event(&event), effects);
        }
        What::Enter(journey, user, payload) | What::Row(journey, user, payload) => {
            let properties = payload.to_string();
            let entry = Entry { journey, user, properties: properties.as_bytes() };
            let is_row = matches!(step.what, What::Row(..));
            let body = if is_row { Body::Row(entry) } else { Body::Enter(entry) };
            record(shard, at, source, offset, body, effects);
        }
        What::Remove(journey, user) => {
            record(shard, at, source, offset, Body::Remove { journey, user }, effects);
        }
        What::Receipt(user, of, kind) => {
            let (journey, node) = (of.journey.as_str(), of.node.as_str());
            let receipt = Receipt { kind: *kind, user, journey, version: of.version, node };
            record(shard, at, source, offset, Body::Receipt(receipt), effects);
        }
        What::ListEnd(_) => record(shard, at, source, offset, Body::Skip, effects),
        What::Failure(journey, user) => {
            let charge = Charge { journey, user: user.as_deref() };
            record(shard, at, source, offset, Body::Failure(charge), effects);
        }
        What::Act(_) | What::Put(_) | What::Tick | What::Release(_) | What::Delete(_) | What::Grant(..) => {
            unreachable!("these are no records")
        }
    }
}

/// Everything of a shard that can be asked, but its memory.
fn counts(shard: &Shard) -> String {
    let catalog = shard.catalog();
    let plans = (0..catalog.plan_count() as u16).map(|plan| format!("{:?}\n", shard.statistics(plan)));
    let journeys = (0..catalog.journeys.len() as u16).map(|number| {
        let journey = shard.journey(number).expect("the shard has a state of every journey");
        format!(
            "{:?} {:?} {:?}\n",
            journey.gates(),
            journey.share(),
            (journey.at_door(), journey.stopped_at())
        )
    });
    let rest = (shard.now(), shard.epoch(), shard.position(0), shard.position(200), shard.is_releasing());
    plans.chain(journeys).chain([format!("{rest:?}")]).collect()
}

fn same(what: &str, expected: &str, found: &str) -> Told {
    if expected == found {
        return Ok(());
    }
    let lines = expected.lines().zip(found.lines()).filter(|(a, b)| a != b);
    let lines: Vec<_> = lines.map(|(a, b)| format!("  before: {a}\n  now:    {b}")).collect();
    Err(format!("{what}, this is another:\n{}", lines.join("\n")))
}

fn same_done(what: &str, expected: &Done, found: &Done) -> Told {
    for (a, b) in expected.effects.iter().zip(&found.effects) {
        same(what, &String::from_utf8_lossy(a), &String::from_utf8_lossy(b))?;
    }
    same(what, &expected.counts, &found.counts)?;
    for key in expected.records.0.keys().chain(found.records.0.keys()) {
        let (a, b) = (expected.records.0.get(key), found.records.0.get(key));
        if a != b {
            let key = key.escape_ascii();
            return Err(format!(
                "{what}: the record {key} is another:\n  before: {a:02x?}\n  now:    {b:02x?}"
            ));
        }
    }
    if expected.digests != found.digests || expected.committing != found.committing {
        let texts = [expected, found].map(|done| format!("{:?} {:?}", done.digests, done.committing));
        return same(what, &texts[0], &texts[1]);
    }
    Ok(())
}

fn tell(story: &Story) -> Told {
    let mut dice = Dice(story.seed);
    let mut run = Run::new(story)?;
    run.commit(&mut dice)?;
    for step in &story.steps {
        run.take(&mut dice, step);
        run.upgrade(&mut dice, step.at);
        if dice.once_in(6) {
            run.commit(&mut dice)?;
        }
    }
    run.commit(&mut dice)?;
    for _ in 0..3 {
        run.restore_and_follow(&mut dice)?;
    }
    Ok(())
}

fn tell_all(count: u64, shards: u16) {
    let soak = std::env::var("WAYFARER_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1_u64);
    for seed in 0..count * soak {
        // With the limits of a single shard, though there are two.
        let whole = Story { shards, ..story(seed, 1) };
        if failure(&whole, tell).is_some() {
            let short = shrink(whole, tell);
            let what = failure(&short, tell).expect("a story is only made shorter as long as it fails");
            panic!("{short}\n{what}");
        }
    }
}

fn assert_all_met(but: &[&str]) {
    let met = MET.take();
    let silent: Vec<_> = met.iter().filter(|(what, times)| **times == 0 && !but.contains(what)).collect();
    assert!(silent.is_empty() && met.len() == 14, "never restored or undone: {silent:?} of {met:?}");
}

#[test]
fn a_shard_that_is_undone_or_restored_goes_on_as_if_nothing_had_happened() {
    tell_all(150, 1);
    assert_all_met(&["at the door"]);
}

#[test]
fn so_does_one_of_two_shards_with_people_at_the_door() {
    tell_all(150, 2);
    assert_all_met(&[]);
}
