//! A story that fails, made as short as it can be and still fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wayfarer_reference::workload::Story;

/// How often a story is told anew to make it shorter.
const TRIES_MAX: usize = 2_000;

/// What went wrong, a panic included.
pub fn failure(story: &Story, tell: impl Fn(&Story) -> Result<(), String>) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| tell(story))) {
        Ok(told) => told.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Some(format!("a panic: {}", text.unwrap_or("without words")))
        }
    }
}

/// Takes steps and journeys away, long stretches first, as long as the story fails without them.
pub fn shrink(mut story: Story, tell: impl Fn(&Story) -> Result<(), String>) -> Story {
    let mut tries = 0;
    let mut fails = |story: &Story| {
        tries += 1;
        tries <= TRIES_MAX && failure(story, &tell).is_some()
    };
    for journey in (0..story.journeys.len()).rev() {
        let mut fewer = story.clone();
        let id = fewer.journeys.remove(journey).id;
        fewer.steps.retain(|step| !step.to_string().contains(&format!(" {id} ")));
        if !fewer.journeys.is_empty() && fails(&fewer) {
            story = fewer;
        }
    }
    let mut stretch = story.steps.len().next_power_of_two();
    while stretch > 0 {
        let mut from = 0;
        while from < story.steps.len() {
            let mut fewer = story.clone();
            fewer.steps.drain(from..(from + stretch).min(fewer.steps.len()));
            if fails(&fewer) {
                story = fewer;
            } else {
                from += stretch;
            }
        }
        stretch /= 2;
    }
    story
}
