//! The engine does what the reference does.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wayfarer_reference::RULES;
use wayfarer_reference::workload::{Story, story};

use crate::pair::Pair;
use wayfarer_simulate::shrink::{failure, shrink};

thread_local! {
    /// How often each rule decided something in the stories that were told.
    static MET: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

fn tell(story: &Story) -> Result<(), String> {
    let mut pair = Pair::new(story)?;
    for step in &story.steps {
        pair.step(step).map_err(|differ| format!("at {step}\n{differ}"))?;
    }
    pair.compare_hours().map_err(|differ| format!("at the end\n{differ}"))?;
    let now = pair.world.now();
    let _ = pair.world.flows(now, now);
    MET.with_borrow_mut(|met| {
        for (rule, times) in &pair.world.rules {
            *met.entry(rule).or_default() += times;
        }
    });
    Ok(())
}

/// Tells that many stories; the first that fails is shrunk and printed.
fn tell_all(count: u64, shards: u16) {
    let soak = std::env::var("WAYFARER_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1_u64);
    for seed in 0..count * soak {
        let whole = story(seed, shards);
        if failure(&whole, tell).is_some() {
            let short = shrink(whole, tell);
            let what = failure(&short, tell).expect("a story is only made shorter as long as it fails");
            panic!("{short}\n{what}");
        }
    }
}

#[test]
fn the_engine_does_what_the_reference_does_and_every_rule_is_met() {
    tell_all(400, 1);
    let met = MET.take();
    let silent: Vec<_> = RULES.iter().filter(|rule| met.get(*rule).is_none_or(|&n| n == 0)).collect();
    assert_eq!(silent, Vec::<&&str>::new(), "stories that meet not every rule prove nothing");
    for met_here in ["repeat", "parked"] {
        assert!(met.get(met_here).is_some_and(|&n| n > 0), "no story met: {met_here}");
    }
}

#[test]
fn three_shards_do_together_what_the_reference_does() {
    tell_all(200, 3);
    let met = MET.take();
    for met_here in ["G26", "door", "parked", "repeat"] {
        assert!(met.get(met_here).is_some_and(|&n| n > 0), "no story met: {met_here}");
    }
}
