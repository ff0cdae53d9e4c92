//! `wayfarer topics`, and what `wayfarer run` asks of the topics before it starts.

use std::io::Write;

use crate::cli::{TopicsArgs, exit};

/// Why the process ends with another code than 0: the code, and the sentence.
pub type Ended = (u8, String);

/// Plans or applies; the code to exit with.
pub fn run(args: &TopicsArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match answer(args) {
        Ok((code, text)) => {
            // Whoever has closed it (`| head`) has seen enough.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            code
        }
        Err((code, message)) => {
            // Nobody is left to tell if the standard error is gone.
            let _ = writeln!(err, "wayfarer: {message}");
            code
        }
    }
}

#[cfg(not(feature = "kafka"))]
fn answer(_: &TopicsArgs) -> Result<(u8, String), Ended> {
    Err(without_kafka())
}

/// What is said where Kafka is asked for and was not built in.
#[cfg(not(feature = "kafka"))]
#[must_use]
pub fn without_kafka() -> Ended {
    let message = "this program was built without Kafka; build it with the feature `kafka`";
    (exit::CONFIG, message.to_owned())
}

#[cfg(feature = "kafka")]
use with_kafka::answer;
#[cfg(feature = "kafka")]
pub use with_kafka::{code, connect};

#[cfg(feature = "kafka")]
mod with_kafka {
    use std::time::Duration;

    use serde_json::json;

    use super::{Ended, TopicsArgs, exit};
    use crate::cli::Topics;
    use crate::config::{self, JournalKind, Settings};
    use crate::journal::kafka::refusal::{Cause, Refusal};
    use crate::journal::kafka::topics::{Action, Cluster, Plan, Step};

    /// The code to exit with for a cause.
    #[must_use]
    pub const fn code(cause: Option<Cause>) -> u8 {
        match cause {
            Some(Cause::Config) => exit::CONFIG,
            Some(Cause::Unreachable) => exit::UNREACHABLE,
            Some(Cause::Missing) => exit::MISSING,
            Some(Cause::Denied) => exit::DENIED,
            Some(Cause::Fenced) => exit::FENCED,
            Some(Cause::Incompatible) => exit::INCOMPATIBLE,
            None => exit::JOURNAL,
        }
    }

    fn ended(refusal: &Refusal) -> Ended {
        (code(refusal.cause), refusal.to_string())
    }

    /// The cluster of the settings, to be asked; nothing is asked yet.
    ///
    /// # Errors
    /// [`exit::CONFIG`] if the settings name none, or librdkafka refuses a property.
    pub fn connect(settings: &Settings) -> Result<Cluster, Ended> {
        if settings.journal.kind != JournalKind::Kafka {
            let message = "journal.kind is \"embedded\", and its journal has no topics; write \"kafka\"";
            return Err((exit::CONFIG, message.to_owned()));
        }
        let client = settings.kafka.client().map_err(|message| (exit::CONFIG, message))?;
        let timeout = Duration::from_millis(settings.kafka.request_timeout.as_millis());
        Cluster::new(&client, timeout).map_err(|refusal| ended(&refusal))
    }

    pub(super) fn answer(args: &TopicsArgs) -> Result<(u8, String), Ended> {
        let (Topics::Plan(options) | Topics::Apply(options)) = &args.command;
        let loaded = config::load(options.config.as_deref()).map_err(|e| (exit::CONFIG, e.to_string()))?;
        let cluster = connect(&loaded.settings)?;
        let mut wanted = loaded.settings.wanted_topics();
        wanted.shards = options.partitions.unwrap_or(wanted.shards);
        let plan = cluster.plan(&wanted).map_err(|refusal| ended(&refusal))?;
        if matches!(args.command, Topics::Plan(_)) {
            let text = if options.json { format!("{:#}\n", plan.json()) } else { plan.text() };
            return Ok((remaining(&plan), text));
        }
        if plan.refusal().is_some() {
            let text = if options.json { applied_json(&[], &plan) } else { plan.text() };
            return Ok((remaining(&plan), text));
        }
        let left = cluster.apply(&wanted, &plan).map_err(|refusal| ended(&refusal))?;
        let done: Vec<&Step> = plan.steps.iter().filter(|step| did(step).is_some()).collect();
        let text = if options.json {
            applied_json(&done, &left)
        } else {
            let lines: String = done.iter().filter_map(|step| did(step)).collect();
            lines + &left.text()
        };
        Ok((remaining(&left), text))
    }

    /// What a script is told of what is left to do.
    fn remaining(plan: &Plan) -> u8 {
        match plan.refusal() {
            Some(refusal) => code(refusal.cause),
            None if plan.has_work() => exit::PROBLEM,
            None => exit::OK,
        }
    }

    /// What was done with a step, as a line; nothing if there was nothing to do.
    fn did(step: &Step) -> Option<String> {
        let name = &step.topic;
        match &step.action {
            Action::Create { partitions, replicas, .. } => {
                Some(format!("created {name}: {partitions} partitions, {replicas} replicas\n"))
            }
            Action::Alter { property, from, to } => {
                Some(format!("altered {name}: {property} from {from} to {to}\n"))
            }
            Action::Refuse(_) | Action::Advise => None,
        }
    }

    fn applied_json(done: &[&Step], left: &Plan) -> String {
        let mut value = left.json();
        value["done"] = json!(done.iter().map(|step| step.json()).collect::<Vec<_>>());
        format!("{value:#}\n")
    }
}
