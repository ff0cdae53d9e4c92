//! Asks the brokers what is there, and makes what a plan says.
//!
//! By rdkafka's own admin client, which is safe; what it leaves out (the text of a topic's error) is made up
//! for by what is told here. Nothing is made by looking: `allow.auto.create.topics` is off.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{Producer, ThreadedProducer};

use super::need::Wanted;
use super::plan::{Action, Plan, Step, plan};
use super::there::{Found, There, Topic, Value};
use crate::journal::kafka::client::Settings;
use crate::journal::kafka::refusal::{Cause, Refusal};

mod ear;

use ear::Ear;

/// How often is looked whether what was made is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Within what time every broker has heard of a topic that was made.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// The brokers, to be asked about topics.
pub struct Cluster {
    /// Asks for metadata; its thread hears why a broker cannot be reached.
    asker: ThreadedProducer<Ear>,
    admin: AdminClient<Ear>,
    servers: String,
    timeout: Duration,
    runtime: tokio::runtime::Runtime,
}

impl Cluster {
    /// Clients for these brokers; a request takes `timeout` at most. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Cause::Config`] if librdkafka refuses a property: an unknown one, or a certificate that is none.
    pub fn new(settings: &Settings, timeout: Duration) -> Result<Self, Refusal> {
        let mut config = ClientConfig::new();
        for (name, value) in settings.properties() {
            config.set(name, value);
        }
        config.set("allow.auto.create.topics", "false");
        let refused = |error| Refusal::new(Cause::Config, told(&error));
        let ear = Ear::default();
        let asker = config.create_with_context(ear.clone()).map_err(refused)?;
        let admin = config.create_with_context(ear).map_err(refused)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| Refusal {
            cause: None,
            sentence: format!("a thread for the brokers' answers cannot be had: {error}"),
        })?;
        Ok(Self { asker, admin, servers: settings.servers().to_owned(), timeout, runtime })
    }

    /// What a start asks: whether the topics fit. Gives the plan, whose steps are then advice at most. What is missing
    /// is looked for again, for two seconds: a broker may not have heard yet of what another one has just made.
    ///
    /// # Errors
    /// The first of the six causes that there is.
    pub fn check(&self, wanted: &Wanted) -> Result<Plan, Refusal> {
        let end = Instant::now() + HEARD_WITHIN;
        loop {
            let plan = self.plan(wanted)?;
            match plan.start_refusal() {
                None => return Ok(plan),
                Some(refusal) if refusal.cause != Some(Cause::Missing) || Instant::now() >= end => {
                    return Err(refusal);
                }
                Some(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// What is needed, against what is there.
    ///
    /// # Errors
    /// If the brokers do not answer, or let nobody in.
    pub fn plan(&self, wanted: &Wanted) -> Result<Plan, Refusal> {
        Ok(plan(wanted, &self.look(wanted)?))
    }

    /// Makes and alters what the plan says, waits until it is there, and gives the plan of what is left.
    /// To apply it twice is to apply it once; what somebody else has made meanwhile is looked at anew.
    ///
    /// # Errors
    /// If the plan refuses something (then nothing at all is done), or the brokers do.
    pub fn apply(&self, wanted: &Wanted, plan: &Plan) -> Result<Plan, Refusal> {
        if let Some(refusal) = plan.refusal() {
            return Err(refusal);
        }
        self.create(plan)?;
        self.alter(wanted, plan)?;
        let end = Instant::now() + self.timeout;
        loop {
            let there = self.look(wanted)?;
            let left = super::plan::plan(wanted, &there);
            let settled = |found: &Found| matches!(found, Found::Topic(topic) if topic.leaderless.is_empty());
            let whole = there.topics.len() == wanted.topics.len() && there.topics.values().all(settled);
            if (whole && !left.has_work()) || Instant::now() >= end {
                return Ok(left);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What a setting of a topic is, as the brokers write it; `None` if they do not say.
    ///
    /// # Errors
    /// If the brokers do not answer, or refuse.
    pub fn setting(&self, topic: &str, property: &str) -> Result<Option<String>, Refusal> {
        let asked = [ResourceSpecifier::Topic(topic)];
        let answers = self.runtime.block_on(self.admin.describe_configs(&asked, &self.options()));
        let answer = answers.map_err(|error| self.unanswered(&error))?.into_iter().next();
        match answer {
            Some(Ok(resource)) => {
                let found = resource.entries.into_iter().find(|entry| entry.name == property);
                Ok(found.and_then(|entry| entry.value))
            }
            Some(Err(code)) => Err(refused(&format!("the settings of {topic} cannot be seen"), code)),
            None => Ok(None),
        }
    }

    fn look(&self, wanted: &Wanted) -> Result<There, Refusal> {
        let client = self.asker.client();
        let mut there = There::default();
        for (_, name) in &wanted.topics {
            let metadata = client.fetch_metadata(Some(name), self.timeout);
            let metadata = metadata.map_err(|error| self.unanswered(&error))?;
            there.brokers = metadata.brokers().len();
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { continue };
            if let Some(found) = found(topic)? {
                there.topics.insert(name.clone(), found);
            }
        }
        self.settings(&mut there)?;
        Ok(there)
    }

    /// Adds the settings of the topics that are there.
    fn settings(&self, there: &mut There) -> Result<(), Refusal> {
        let mut topics: BTreeMap<&str, &mut Topic> = BTreeMap::new();
        for (name, found) in &mut there.topics {
            if let Found::Topic(topic) = found {
                topics.insert(name, topic);
            }
        }
        if topics.is_empty() {
            return Ok(());
        }
        let asked: Vec<ResourceSpecifier<'_>> =
            topics.keys().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answers = self.runtime.block_on(self.admin.describe_configs(&asked, &self.options()));
        let answers = answers.map_err(|error| self.unanswered(&error))?;
        let mut gone: Vec<String> = Vec::new();
        // In the order in which they were asked for.
        for ((name, topic), answer) in topics.into_iter().zip(answers) {
            topic.settings = match answer {
                Ok(resource) => Some(
                    resource
                        .entries
                        .into_iter()
                        .filter_map(|entry| {
                            let own = entry.source == ConfigSource::DynamicTopic;
                            Some((entry.name, Value { text: entry.value?, own }))
                        })
                        .collect(),
                ),
                Err(code) if Cause::of_code(code as i32) == Some(Cause::Denied) => None,
                // Another broker answers than before, and does not know it yet, or not any more.
                Err(code) if Cause::of_code(code as i32) == Some(Cause::Missing) => {
                    gone.push(name.to_owned());
                    None
                }
                Err(code) => return Err(refused(&format!("the settings of {name} cannot be seen"), code)),
            };
        }
        there.topics.retain(|name, _| !gone.contains(name));
        Ok(())
    }

    fn create(&self, plan: &Plan) -> Result<(), Refusal> {
        let creates = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Create { partitions, replicas, settings } => {
                Some((step.topic.as_str(), *partitions, *replicas, settings))
            }
            _ => None,
        });
        let topics: Vec<NewTopic<'_>> = creates
            .map(|(name, partitions, replicas, settings)| {
                let partitions = i32::try_from(partitions).expect("at most SHARDS_MAX of them");
                let replicas = i32::try_from(replicas).expect("the settings allow 15");
                let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
                settings.iter().fold(topic, |topic, (property, value)| topic.set(property, value))
            })
            .collect();
        if topics.is_empty() {
            return Ok(());
        }
        let results = self.runtime.block_on(self.admin.create_topics(&topics, &self.options()));
        for result in results.map_err(|error| self.unanswered(&error))? {
            match result {
                // Somebody was faster; what they made is looked at next.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(refused(&format!("{name} cannot be created"), code)),
            }
        }
        Ok(())
    }

    /// The request replaces all of a topic's own settings, so those that it has are given again.
    fn alter(&self, wanted: &Wanted, plan: &Plan) -> Result<(), Refusal> {
        let altered: BTreeSet<&str> = plan.steps.iter().filter_map(Step::altered).collect();
        if altered.is_empty() {
            return Ok(());
        }
        let there = self.look(wanted)?;
        for name in altered {
            let Some(Found::Topic(Topic { settings: Some(settings), .. })) = there.topics.get(name) else {
                continue;
            };
            let own = settings.iter().filter(|(_, value)| value.own);
            let mut entries: HashMap<&str, &str> =
                own.map(|(property, value)| (property.as_str(), value.text.as_str())).collect();
            for step in plan.steps.iter().filter(|step| step.topic == name) {
                if let Action::Alter { property, to, .. } = &step.action {
                    entries.insert(property, to);
                }
            }
            let request = AlterConfig { specifier: ResourceSpecifier::Topic(name), entries };
            let results = self.runtime.block_on(self.admin.alter_configs([&request], &self.options()));
            for result in results.map_err(|error| self.unanswered(&error))? {
                if let Err((_, code)) = result {
                    return Err(refused(&format!("the settings of {name} cannot be altered"), code));
                }
            }
        }
        Ok(())
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// Why there was no answer: what the connections said is nearer to the cause than that time ran out.
    fn unanswered(&self, error: &KafkaError) -> Refusal {
        let servers = &self.servers;
        let seconds = self.timeout.as_secs_f64();
        if let Some((cause, heard)) = self.asker.context().heard() {
            let what = match cause {
                Cause::Denied => "the brokers do not let us in",
                Cause::Config => "no connection can be made",
                _ => "no broker can be reached",
            };
            return Refusal::new(cause, format!("{what} ({servers}, {seconds} s): {heard}"));
        }
        let cause = error.rdkafka_error_code().and_then(|code| Cause::of_code(code as i32));
        match cause {
            None | Some(Cause::Unreachable) => Refusal::new(
                Cause::Unreachable,
                format!("no broker answers ({servers}, {seconds} s): {}", told(error)),
            ),
            Some(cause) => Refusal::new(cause, format!("the brokers ({servers}) refuse: {}", told(error))),
        }
    }
}

impl Step {
    fn altered(&self) -> Option<&str> {
        matches!(self.action, Action::Alter { .. }).then_some(self.topic.as_str())
    }
}

/// What the metadata say of one topic; nothing if there is none.
fn found(topic: &MetadataTopic) -> Result<Option<Found>, Refusal> {
    if let Some(error) = topic.error() {
        let code = RDKafkaErrorCode::from(error);
        return match Cause::of_code(code as i32) {
            Some(Cause::Missing) => Ok(None),
            Some(Cause::Denied) => Ok(Some(Found::Denied)),
            // Its leaders are being elected: it is there.
            _ if code == RDKafkaErrorCode::LeaderNotAvailable => Ok(Some(Found::Topic(measured(topic)))),
            _ => Err(refused(&format!("{} cannot be looked at", topic.name()), code)),
        };
    }
    Ok(Some(Found::Topic(measured(topic))))
}

fn measured(topic: &MetadataTopic) -> Topic {
    let partitions = topic.partitions();
    let mut leaderless: Vec<i32> = partitions.iter().filter(|p| p.leader() < 0).map(|p| p.id()).collect();
    leaderless.sort_unstable();
    Topic {
        partitions: partitions.len(),
        replicas: partitions.iter().map(|p| p.replicas().len()).min().unwrap_or(0),
        leaderless,
        settings: None,
    }
}

fn refused(what: &str, code: RDKafkaErrorCode) -> Refusal {
    Refusal { cause: Cause::of_code(code as i32), sentence: format!("{what}: {code}") }
}

/// An error without what must not be seen: the value of a property that is refused may be a password.
fn told(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, what, property, _) => {
            format!("librdkafka refuses the property {property}: {what}")
        }
        KafkaError::ClientCreation(what) => format!("librdkafka refuses the settings: {what}"),
        other => other.to_string(),
    }
}
