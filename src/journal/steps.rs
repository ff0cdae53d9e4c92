//! The steps of a commit, and of what is around it, at which a process can be made to stand still.
//!
//! Crashes and sleeps are to be tried at every one of them, and from outside none can be met by chance. So a process
//! that finds [`VARIABLE`] in its environment stops itself (SIGSTOP) when it comes to the step that is named there,
//! and whoever has started it kills it, or lets it go on. Without the variable a step costs one look at a pointer.

use std::collections::VecDeque;
use std::env;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use signal_hook::consts::SIGSTOP;
use signal_hook::low_level::raise;

/// The steps to stand still at, one after the other: `laid:3,doubt` is the third time that some worker comes to
/// [`Step::Laid`], and after that the first time that one comes to [`Step::Doubt`]. For tests.
pub const VARIABLE: &str = "WAYFARER_STANDS_AT";

/// How long the clients' threads may work on before the process stands still: what was given to them is then at the
/// brokers, and what the brokers have answered is known.
const WORK_ON: Duration = Duration::from_millis(100);

macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident = $name:literal,)*) => {
        /// A step, in the order of a life.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step {
            $($(#[$doc])* $step,)*
        }

        impl Step {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$step,)*];

            /// Its name in [`VARIABLE`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)*
                }
            }
        }
    };
}

steps! {
    /// The group has given shards; nothing of them is known.
    Assigned = "assigned",
    /// The records of a shard are read, and it is not compared yet with the group's offset.
    Restoring = "restoring",
    /// A shard is loaded, and about to be announced.
    Loaded = "loaded",
    /// Nothing is decided that is not committed, and a poll begins.
    Idle = "idle",
    /// A poll has given records; none is decided.
    Read = "read",
    /// Records are decided and not committed, and the next poll begins: it may find another membership.
    ReadOn = "read-on",
    /// A commit is asked for, and nothing is done about it.
    Decided = "decided",
    /// A transaction is open, and empty.
    Open = "open",
    /// All records are given to it.
    Laid = "laid",
    /// The positions are, too.
    Positioned = "positioned",
    /// The commit is asked for and its outcome not known here: the brokers may have it or not.
    Committing = "committing",
    /// It is answered, and memory does not know it.
    Committed = "committed",
    /// What became of a transaction is not known.
    Doubt = "doubt",
    /// It is ended, and how is not known.
    Ended = "ended",
    /// The group takes shards away: within the callback.
    Revoked = "revoked",
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where to stand still: the step, and how often it is yet to be passed before.
type Plan = VecDeque<(Step, u32)>;

static PLAN: OnceLock<Mutex<Plan>> = OnceLock::new();

/// Has this process stand still where its environment says.
///
/// # Errors
/// If that is no list of steps.
pub fn arm() -> Result<(), String> {
    let text = match env::var(VARIABLE) {
        Ok(text) => text,
        Err(env::VarError::NotPresent) => return Ok(()),
        Err(error) => return Err(format!("environment {VARIABLE}: {error}")),
    };
    let plan = parse(&text).map_err(|why| format!("environment {VARIABLE}: {why}"))?;
    // Not to be overlooked where nobody meant it.
    tracing::error!("this process will stand still at {text}, as {VARIABLE} says, which is for tests");
    // Whoever is armed stays so.
    let _ = PLAN.set(Mutex::new(plan));
    Ok(())
}

fn parse(text: &str) -> Result<Plan, String> {
    let step = |text: &str| {
        let (name, time) = text.split_once(':').unwrap_or((text, "1"));
        let Some(step) = Step::ALL.iter().find(|step| step.name() == name) else {
            let all: Vec<&str> = Step::ALL.iter().map(|step| step.name()).collect();
            return Err(format!("there is no step {name:?}; there are {}", all.join(", ")));
        };
        let time: u32 = time.parse().map_err(|error| format!("{name}:{time}: {error}"))?;
        Ok((*step, time.saturating_sub(1)))
    };
    text.split(',').map(step).collect()
}

/// Whether the process is to stand still now, `step` having been reached.
fn is_next(plan: &mut Plan, step: Step) -> bool {
    match plan.front_mut() {
        Some((next, 0)) if *next == step => plan.pop_front().is_some(),
        Some((next, before)) if *next == step => {
            *before -= 1;
            false
        }
        _ => false,
    }
}

fn stands(step: Step) -> bool {
    let Some(plan) = PLAN.get() else { return false };
    is_next(&mut plan.lock().unwrap_or_else(PoisonError::into_inner), step)
}

/// A step has been reached: stands still if it is the next one that was asked for.
pub fn reach(step: Step) {
    if stands(step) {
        thread::sleep(WORK_ON);
        stand_still(step);
    }
}

/// A step begins which the call takes that comes next: another thread has the process stand still beside it.
///
/// That thread is waited for until nothing but the signal is left for it to do, and an answer takes a way to a broker
/// and back: so the outcome of the call is not known.
pub fn enter(step: Step) {
    if stands(step) {
        let (ready, is_ready) = mpsc::sync_channel(0);
        thread::spawn(move || {
            tracing::warn!(%step, "stands still");
            // Whoever enters waits for it.
            let _ = ready.send(());
            raise_and_go_on(step);
        });
        let _ = is_ready.recv();
    }
}

fn stand_still(step: Step) {
    tracing::warn!(%step, "stands still");
    raise_and_go_on(step);
}

fn raise_and_go_on(step: Step) {
    // It fails for no signal that there is.
    let _ = raise(SIGSTOP);
    tracing::warn!(%step, "goes on");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_gone_through_step_by_step() {
        let mut plan = parse("laid:3,doubt").expect("it is one");
        let steps = [Step::Doubt, Step::Laid, Step::Open, Step::Laid, Step::Laid, Step::Laid, Step::Doubt];
        let stood: Vec<bool> = steps.iter().map(|step| is_next(&mut plan, *step)).collect();
        assert_eq!(stood, [false, false, false, false, true, false, true]);
        assert!(!is_next(&mut plan, Step::Doubt), "once is once");
    }

    #[test]
    fn what_is_no_plan_is_said() {
        for (text, part) in
            [("", "there is no step \"\""), ("here", "there are assigned,"), ("laid:x", "laid:x: ")]
        {
            let why = parse(text).expect_err(text);
            assert!(why.contains(part), "{why}");
        }
    }
}
