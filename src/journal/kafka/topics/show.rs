//! A plan as people read it, and as programs do.

use serde_json::{Value, json};

use super::plan::{Action, Plan, Step};

impl Plan {
    /// One line a step, and a last one that sums up.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            let name = if step.topic.is_empty() { "the cluster" } else { &step.topic };
            out.push_str(&format!("{:6} {name}: {}\n", step.verb(), step.sentence));
            if let Action::Create { partitions, replicas, settings } = &step.action {
                let settings: Vec<String> =
                    settings.iter().map(|(name, to)| format!("{name}={to}")).collect();
                let plural = |n: u32, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
                let (partitions, replicas) = (plural(*partitions, "partition"), plural(*replicas, "replica"));
                out.push_str(&format!("       {partitions}, {replicas}, {}\n", settings.join(", ")));
            }
        }
        out + &self.summary()
    }

    fn summary(&self) -> String {
        let shards = self.shards;
        let count = |verb| self.steps.iter().filter(|step| step.verb() == verb).count();
        let (create, alter, refuse, advise) =
            (count("create"), count("alter"), count("refuse"), count("advise"));
        let advised = if advise == 0 { String::new() } else { format!("; {advise} advised") };
        match (create + alter, refuse) {
            (0, 0) => format!("{shards} shards: nothing to do{advised}\n"),
            (_, 0) => format!(
                "{shards} shards: {create} to create, {alter} to alter \
                 (`wayfarer topics apply` does it){advised}\n"
            ),
            _ => format!(
                "{shards} shards: {refuse} only you can put right; {create} to create, {alter} to \
                 alter{advised}\n"
            ),
        }
    }

    /// The shards, and an array of steps with what is in them.
    #[must_use]
    pub fn json(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(Step::json).collect();
        json!({ "shards": self.shards, "steps": steps })
    }
}

impl Step {
    /// One word: `create`, `alter`, `refuse`, `advise`.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self.action {
            Action::Create { .. } => "create",
            Action::Alter { .. } => "alter",
            Action::Refuse(_) => "refuse",
            Action::Advise => "advise",
        }
    }

    /// What it is, as an object.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut value = json!({
            "topic": self.topic,
            "action": self.verb(),
            "blocks": self.blocks,
            "sentence": self.sentence,
        });
        match &self.action {
            Action::Create { partitions, replicas, settings } => {
                value["partitions"] = json!(partitions);
                value["replicas"] = json!(replicas);
                value["settings"] =
                    settings.iter().map(|(name, to)| ((*name).to_owned(), json!(to))).collect();
            }
            Action::Alter { property, from, to } => {
                value["property"] = json!(property);
                value["from"] = json!(from);
                value["to"] = json!(to);
            }
            Action::Refuse(cause) => value["cause"] = json!(cause.name()),
            Action::Advise => {}
        }
        value
    }
}
