//! What a replay of a journal tells: by shard what was decided again, and whether it is the same.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::trouble::{Difference, Verdict};
use crate::cli::exit;

/// How many lines or commits were compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Commits.
    pub commits: u64,
    /// Sends.
    pub sends: u64,
    /// Movements.
    pub transitions: u64,
    /// Users who were not let in.
    pub refusals: u64,
    /// Dead letters.
    pub rejects: u64,
    /// Commits whose state was compared: those that say what it was.
    pub states: u64,
}

/// What became of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardReport {
    /// Its number.
    pub shard: u16,
    /// How many of its commits were decided again.
    pub commits: u64,
    /// How many records they read.
    pub records: u64,
    /// What was compared.
    pub compared: Compared,
    /// Commits in the range of which something is not kept any more, and was not compared for that.
    pub partly: u64,
    /// Whether it is the same.
    pub verdict: Verdict,
}

/// What became of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// By shard, those that have committed anything.
    pub shards: Vec<ShardReport>,
}

impl Report {
    /// The code to exit with.
    #[must_use]
    pub fn code(&self) -> u8 {
        let any = |is: fn(&Verdict) -> bool| self.shards.iter().any(|shard| is(&shard.verdict));
        if any(|verdict| matches!(verdict, Verdict::Differs(_))) {
            exit::DIFFERENT
        } else if any(|verdict| matches!(verdict, Verdict::Stopped(_))) {
            exit::INCOMPLETE
        } else {
            exit::OK
        }
    }

    /// What was compared, over all shards.
    #[must_use]
    pub fn compared(&self) -> Compared {
        let sum = |of: fn(&Compared) -> u64| self.shards.iter().map(|shard| of(&shard.compared)).sum();
        Compared {
            commits: sum(|c| c.commits),
            sends: sum(|c| c.sends),
            transitions: sum(|c| c.transitions),
            refusals: sum(|c| c.refusals),
            rejects: sum(|c| c.rejects),
            states: sum(|c| c.states),
        }
    }

    /// The differences, with their shards.
    pub fn differences(&self) -> impl Iterator<Item = (u16, &Difference)> {
        self.shards.iter().filter_map(|shard| match &shard.verdict {
            Verdict::Differs(difference) => Some((shard.shard, &**difference)),
            Verdict::Same | Verdict::Stopped(_) => None,
        })
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let shard = |shard: &ShardReport| {
            let mut value = json!({
                "shard": shard.shard, "commits": shard.commits, "records": shard.records,
                "compared": shard.compared, "partly_kept": shard.partly,
            });
            match &shard.verdict {
                Verdict::Same => value["verdict"] = "same".into(),
                Verdict::Differs(difference) => {
                    value["verdict"] = "differs".into();
                    value["difference"] = json!(difference);
                }
                Verdict::Stopped(trouble) => {
                    value["verdict"] = "stopped".into();
                    value["reason"] = trouble.to_string().into();
                }
            }
            value
        };
        let shards: Vec<Value> = self.shards.iter().map(shard).collect();
        json!({ "same": self.code() == exit::OK, "compared": self.compared(), "shards": shards })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again: u64 = self.shards.iter().map(|shard| shard.commits).sum();
        let records: u64 = self.shards.iter().map(|shard| shard.records).sum();
        let Compared { commits, sends, transitions, refusals, rejects, states } = self.compared();
        let shards = self.shards.len();
        writeln!(f, "{again} commits of {shards} shards were decided again, from {records} records")?;
        writeln!(
            f,
            "{commits} commits were compared with the journal, and the state after {states} of them:"
        )?;
        writeln!(f, "  {sends} sends, {transitions} movements, {refusals} refusals, {rejects} dead letters")?;
        let partly: u64 = self.shards.iter().map(|shard| shard.partly).sum();
        if partly > 0 {
            writeln!(f, "of {partly} of them not everything is kept; what is not was not compared")?;
        }
        for shard in &self.shards {
            match &shard.verdict {
                Verdict::Same => {}
                Verdict::Differs(difference) => writeln!(f, "shard {}: {difference}", shard.shard)?,
                Verdict::Stopped(trouble) => writeln!(f, "shard {}: {trouble}", shard.shard)?,
            }
        }
        match self.code() {
            exit::OK if commits == 0 => writeln!(f, "nothing was compared: no commit lies in the range"),
            exit::OK => writeln!(f, "every decision is the same"),
            exit::DIFFERENT => writeln!(f, "the journal holds other decisions than are made now"),
            _ => writeln!(f, "what was compared is the same; not all of the range could be"),
        }
    }
}
