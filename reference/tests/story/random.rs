//! Random stories in both dialects: nothing is lost or doubled, everybody leaves a stopped journey, and
//! every rule decides something on the way, else the stories would prove nothing.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use wayfarer_reference::RULES;

use crate::script::{Play, with};

/// A plain congruential generator: the stories are a function of their seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Every kind of node, with a queue and a loop that has a wait in it.
fn journey(dice: &mut Dice) -> Json {
    let push = json!({"type": "send", "channel": "push", "content": "c"});
    let send = |id: &str, next: &str| with(push.clone(), json!({"id": id, "next": next}));
    let arms = json!([{"weight": 60, "to": "nap"}, {"weight": 40, "to": "ask"}]);
    let buys = json!({"event": "buy", "goal": "bought", "where": "properties.cart > 0"});
    let carts = json!([{"where": "entry.cart == 1", "to": "one"}]);
    let mut rated = send("rated", "coin");
    rated["rate"] = json!("2/h");
    let mut definition = json!({
        "id": "j", "dialect": dice.one_of(&["clevertap", "antsomi"]),
        "timers": dice.one_of(&["run", "freeze", "restart", "drop"]),
        "entry": {"event": "add", "key": "cart", "limit": 40, "api": true},
        "exit": [{"event": "bye", "match": "cart"}, buys],
        "timeout": "9h", "drain": "3h", "conversion_window": "2h", "zone": "Asia/Kolkata",
        "node": [
            rated,
            {"id": "coin", "type": "random_split", "branches": arms},
            {"id": "nap", "type": "delay", "for": "45m", "timeout": "50m"},
            {"id": "dawn", "type": "delay", "at": "09:00", "timeout": "20h"},
            {"id": "who", "type": "split", "branches": carts, "otherwise": "only"},
            {"id": "only", "type": "filter", "where": "entry.cart != 3"},
            send("one", "coin"),
            {"id": "ask", "type": "wait_event", "timeout": "30m",
             "branches": [{"event": "yes", "to": "one"}, {"event": "no", "to": "out"}]},
            {"id": "out", "type": "exit"},
        ],
    });
    match dice.below(4) {
        0 => definition["start"] = json!("2026-03-01T06:00Z"),
        1 => definition["end"] = json!("2026-03-01T10:00Z"),
        2 => definition["entry"] = json!({"list": "vip", "event": "add"}),
        _ => {}
    }
    definition
}

fn step(dice: &mut Dice, minute: usize) -> String {
    let (hours, minutes) = (minute / 60, minute % 60);
    let user = format!("u{}", dice.below(12));
    let what = match dice.below(20) {
        0..6 => format!("{user} add cart={}{}", dice.below(4), dice.one_of(&["", " ts=00:20", " ts=03:00"])),
        6 => format!("{user} add"),
        7..9 => format!("{user} {} cart={}", dice.one_of(&["bye", "buy"]), dice.below(4)),
        9..11 => format!("{user} {}", dice.one_of(&["yes", "no"])),
        11 => dice.one_of(&["list u1", "list u2", "list-end", "api u3"]).to_owned(),
        12 => "tick".to_owned(),
        13 if dice.below(3) == 0 => format!("{user} delete"),
        13 => "tick".to_owned(),
        14 => "* resume from=ask".to_owned(),
        15 => dice
            .one_of(&["* fail system", "* recover system", "* list_processed system", "* close"])
            .to_owned(),
        16 if minute > 700 => dice.one_of(&["* stop", "* abort"]).to_owned(),
        _ => {
            format!("* {}", dice.one_of(&["pause", "resume", "freeze", "reactivate", "reactivate keep_held"]))
        }
    };
    format!("{hours:02}:{minutes:02} {what}")
}

#[test]
fn random_stories_conserve_and_meet_every_rule() {
    let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let definition = journey(&mut dice);
        let mut play = Play::new(definition.clone());
        let mut minute = 0;
        for _ in 0..80 {
            minute += dice.below(25);
            if dice.below(30) == 0 {
                let edited = with(definition.clone(), json!({"content": {"c": {"n": minute}}}));
                let _ = play.put(&format!("00:{minute}"), edited);
            }
            play.run(&step(&mut dice, minute));
        }
        let stop = if definition["dialect"] == "clevertap" { "stop" } else { "abort" };
        play.run(&format!("40:00 * {stop} · 60:00 tick"));
        let [entered, waiting, held, at_send, draining, left] = play.counts();
        assert_eq!((waiting, held, at_send, draining), (0, 0, 0, 0), "seed {seed}");
        assert_eq!(entered, left, "seed {seed}");
        let _ = play.world.flows(play.world.now(), play.world.now());
        for (rule, times) in &play.world.rules {
            *rules.entry(rule).or_default() += times;
        }
    }
    let silent: Vec<_> = RULES.iter().filter(|r| rules[*r] == 0).collect();
    assert_eq!(silent, Vec::<&&str>::new());
}
