//! The definitions of a directory, put and published at the start if they are new.

use std::path::Path;
use std::time::Duration;

use super::running::Running;
use crate::control::service::{CommandError, Service};
use crate::control::{Act, Command, Record};
use crate::journal::Log;
use crate::journey::definition::Definition;
use crate::journey::problem::Problem;
use crate::journey::source::load_directory;
use crate::lifecycle::{Role, Verb, dialect};

/// How long the shards may take to take a definition; nothing at the start depends on it.
const WAIT: Duration = Duration::from_secs(5);

/// Why a directory's journeys are not put.
#[derive(Debug, thiserror::Error)]
pub enum JourneysError {
    /// Some are wrong: none is put.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Problem>),
    /// A command was not taken.
    #[error("journey {journey:?} could not be put: {error}")]
    Command {
        /// The journey.
        journey: String,
        /// Why not.
        error: Box<CommandError>,
    },
}

/// Puts and publishes the journeys of a directory that are not known yet. What is known stays as it is: it
/// belongs to its operators. Again and again does nothing more.
///
/// # Errors
/// If a definition is wrong, or a new one cannot be put.
pub fn put_new<L: Log>(running: &Running<L>, directory: &Path) -> Result<(), JourneysError> {
    let loaded = load_directory(directory);
    if loaded.has_errors() {
        return Err(JourneysError::Wrong(loaded.problems));
    }
    for (file, definition) in loaded.journeys {
        let (known, published) = running.with_fold(|fold| {
            let lineage = fold.registry().get(&definition.id);
            (lineage.map(|l| *l.saved == definition), lineage.is_some_and(|l| l.published.is_some()))
        });
        let id = definition.id.clone();
        match known {
            None => {
                let put = Command::Put { definition: Box::new(definition.clone()) };
                give(running, &id, "put", put).map_err(|error| JourneysError::Command {
                    journey: id.clone(),
                    error: Box::new(error),
                })?;
            }
            Some(false) => {
                tracing::warn!(journey = id, file, "it is known with another definition, which stays");
                continue;
            }
            Some(true) if published => continue,
            Some(true) => {}
        }
        publish(running, &definition);
    }
    Ok(())
}

/// A journey that cannot go live yet, such as one whose list is missing, waits for its operator.
fn publish<L: Log>(running: &Running<L>, definition: &Definition) {
    let id = definition.id.as_str();
    let knows = |verb| dialect(&definition.dialect).is_ok_and(|dialect| dialect.knows(verb));
    let verb = if knows(Verb::Publish) { Verb::Publish } else { Verb::Activate };
    match give(running, id, verb.as_str(), Command::Act(Act::from(verb))) {
        Ok(()) => tracing::info!(journey = id, "the journey was put and went live"),
        Err(error) => tracing::warn!(journey = id, %error, "the journey was put, and is not live yet"),
    }
}

fn give<L: Log>(running: &Running<L>, id: &str, what: &str, command: Command) -> Result<(), CommandError> {
    let revision = running.with_fold(|fold| fold.registry().get(id).map_or(0, |lineage| lineage.revision));
    let record = Record {
        // A refusal of an earlier start must not answer this one.
        id: format!("journeys/{id}/{what}/{revision}/{}", super::clock::wall().as_millis()),
        at: None,
        actor: "journeys directory".to_owned(),
        role: Role::Operator,
        journey: id.to_owned(),
        expect: Some(revision),
        command,
    };
    running.command(record, WAIT).map(drop)
}
