//! How a [`Lifecycle`] is written down: dialect and states by name, so that a table may grow.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::dialect::{Dialect, StateId, dialect};
use super::gates::Schedule;
use super::machine::{Lifecycle, ListProgress};
use crate::model::Timestamp;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    dialect: String,
    settled: String,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<String>,
    list: ListProgress,
    schedule: Schedule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<Timestamp>,
}

impl Serialize for Lifecycle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |id| self.dialect.state(id).name.to_owned();
        let saved = Saved {
            dialect: self.dialect.name().to_owned(),
            settled: name(self.settled),
            state: name(self.state),
            left: self.left.map(name),
            list: self.list,
            schedule: self.schedule,
            opened: self.opened,
        };
        saved.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lifecycle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        restore(&saved).map_err(serde::de::Error::custom)
    }
}

fn restore(saved: &Saved) -> Result<Lifecycle, String> {
    let dialect = dialect(&saved.dialect).map_err(|unknown| unknown.to_string())?;
    Ok(Lifecycle {
        dialect,
        settled: state_id(dialect, &saved.settled)?,
        state: state_id(dialect, &saved.state)?,
        left: saved.left.as_deref().map(|name| state_id(dialect, name)).transpose()?,
        list: saved.list,
        schedule: saved.schedule,
        opened: saved.opened,
    })
}

fn state_id(dialect: &Dialect, name: &str) -> Result<StateId, String> {
    let names = || dialect.states().iter().map(|state| state.name).collect::<Vec<_>>().join(", ");
    dialect
        .state_named(name)
        .map(|state| state.id)
        .ok_or_else(|| format!("{name:?} is not a state of {dialect}; its states are {}", names()))
}
