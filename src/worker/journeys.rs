//! The definitions of a directory, put and published at the start if they are new.

use std::path::Path;
use std::time::Duration;

use super::running::Running;
use crate::control::service::{CommandError, Service};
use crate::control::{Act, Command, Fold, Record};
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
                let given = give(running, &id, "put", put);
                // Another instance may have put the same directory meanwhile.
                let is_saved = |fold: &Fold| {
                    fold.registry().get(&id).is_some_and(|lineage| *lineage.saved == definition)
                };
                if let Err(error) = given
                    && !running.with_fold(is_saved)
                {
                    return Err(JourneysError::Command { journey: id, error: Box::new(error) });
                }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::memory::Memory;
    use crate::metrics::Hub;
    use crate::worker::board::Board;
    use crate::worker::desk::Desk;
    use crate::worker::samples;

    #[test]
    fn of_two_instances_that_put_the_same_directory_at_once_neither_fails() {
        let log = Memory::new(1);
        let instance = || {
            let board = Arc::new(Board::new(1, 0));
            board.committed([(0, u64::MAX)].into_iter());
            Running::new(log.clone(), Desk::new(), board, Hub::new(0, 1), vec![])
        };
        let put = |running: &Running<Memory>, text: &str| {
            let directory = tempfile::tempdir().expect("a directory");
            std::fs::write(directory.path().join("hello.toml"), text).expect("it is written");
            put_new(running, directory.path())
        };
        let greeting = |event: &str| samples::greeting("hello", &format!("event = \"{event}\""));
        // None has seen what the others did when it begins.
        let (one, two, three) = (instance(), instance(), instance());
        put(&one, &greeting("Start")).expect("nobody was faster");
        put(&two, &greeting("Start")).expect("another was faster, with the same");
        let other = put(&three, &greeting("Begin")).expect_err("another was faster");
        assert!(matches!(other, JourneysError::Command { .. }), "{other}");
        assert_eq!(two.journeys()[0].state, "Running");
    }
}
