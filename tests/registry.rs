//! The fold of the control log: scripts of commands, and what the journeys and the shards get to see of them.

use wayfarer::control::unsaved::{EDIT_BYTES_MAX, Form};
use wayfarer::control::{Act, Applied, Command, Manifest, Record, Refused, Registry};
use wayfarer::journey::definition::{Definition, NodeKind};
use wayfarer::lifecycle::{EntryGate, Inside, Role, Verb};
use wayfarer::model::Timestamp;
use wayfarer::model::input::Selection;

/// Names are letters only in this checker: `name = "bad!"` makes a definition unfit.
fn check(definition: &Definition) -> Vec<String> {
    let name = definition.name.as_deref().unwrap_or_default();
    name.contains('!').then(|| format!("name: {name:?} has a '!'")).into_iter().collect()
}

fn journey(dialect: &str) -> Definition {
    let text = format!(
        r#"
        id = "j"
        dialect = "{dialect}"
        zone = "UTC"
        end = "2026-03-02T00:00"
        entry = {{ event = "Signed Up" }}
        content = {{ hello = {{ text = "Hello" }}, again = {{ text = "Hello again" }} }}
        [[node]]
        id = "arms"
        type = "random_split"
        branches = [{{ weight = 50.0, to = "first" }}, {{ weight = 50.0, to = "second" }}]
        [[node]]
        id = "first"
        type = "send"
        channel = "email"
        provider = "ses"
        content = "hello"
        next = "exit"
        [[node]]
        id = "second"
        type = "send"
        channel = "push"
        content = "again"
        next = "exit"
        "#
    );
    toml::from_str(&text).unwrap()
}

/// A registry with a log of its own: every command gets the next offset and a minute more.
struct Log {
    registry: Registry,
    next: u64,
}

impl Log {
    fn new() -> Self {
        Self { registry: Registry::new(check), next: 0 }
    }

    fn with(dialect: &str) -> Self {
        let mut log = Self::new();
        log.put(journey(dialect)).unwrap();
        log
    }

    fn record(&self, journey: &str, command: Command) -> Record {
        let role = match &command {
            Command::Act(act) => act.verb.role(),
            Command::Grant(_) => Role::System,
            _ => Role::Operator,
        };
        let id = format!("c{}", self.next);
        Record { id, at: None, actor: "ada".into(), role, journey: journey.into(), expect: None, command }
    }

    fn append(&mut self, record: &Record) -> Result<Applied, Refused> {
        let midnight: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let at = Timestamp(midnight.0 + 60_000 * self.next as i64);
        self.next += 1;
        let before = self.registry.lineages().to_vec();
        let answer = self.registry.apply(self.next - 1, at, record);
        if let Err(refused) = &answer {
            assert_eq!(self.registry.lineages(), before, "{refused}");
        }
        answer
    }

    fn put(&mut self, definition: Definition) -> Result<Applied, Refused> {
        let id = definition.id.clone();
        let record = self.record(&id, Command::Put { definition: Box::new(definition) });
        self.append(&record)
    }

    fn act(&mut self, act: impl Into<Act>) -> Result<Applied, Refused> {
        let record = self.record("j", Command::Act(act.into()));
        self.append(&record)
    }

    fn acts(&mut self, verbs: &[Verb]) -> &mut Self {
        for &verb in verbs {
            self.act(verb).unwrap_or_else(|refused| panic!("{refused}"));
        }
        self
    }

    fn list(&mut self, list: &str) -> Result<Applied, Refused> {
        let record = self.record("j", Command::List(Manifest { list: list.into(), rows: 3 }));
        self.append(&record)
    }

    fn state(&self) -> &'static str {
        self.registry.get("j").unwrap().lifecycle.state_name()
    }

    fn live(&self) -> &wayfarer::control::Version {
        self.registry.get("j").unwrap().live().unwrap()
    }
}

/// One change of a definition, by name.
fn changed(mut definition: Definition, what: &str) -> Definition {
    for what in what.split(", ") {
        match what {
            "text" => {
                definition.content.get_mut("hello").unwrap().insert("text".into(), "Hi".into());
            }
            "provider" => match &mut definition.node[1].kind {
                NodeKind::Send { provider, .. } => *provider = Some("mailgun".into()),
                other => panic!("{other:?}"),
            },
            "which content" => match &mut definition.node[2].kind {
                NodeKind::Send { content, .. } => *content = "hello".into(),
                other => panic!("{other:?}"),
            },
            "weights" => match &mut definition.node[0].kind {
                NodeKind::RandomSplit { branches } => {
                    (branches[0].weight, branches[1].weight) = (30.0, 70.0);
                }
                other => panic!("{other:?}"),
            },
            "target" => match &mut definition.node[0].kind {
                NodeKind::RandomSplit { branches } => branches[1].to = "first".into(),
                other => panic!("{other:?}"),
            },
            "event" => definition.entry.event = Some("Logged In".into()),
            "end" => definition.end = Some("2026-03-09T00:00".into()),
            "node" => drop(definition.node.pop()),
            "name" => definition.name = Some("fine".into()),
            "bad name" => definition.name = Some("bad!".into()),
            other => panic!("{other}"),
        }
    }
    definition
}

#[test]
fn a_put_makes_a_draft_and_a_second_one_replaces_it() {
    for (dialect, state) in [("clevertap", "Draft"), ("antsomi", "Designing")] {
        let mut log = Log::with(dialect);
        assert_eq!(log.state(), state);
        let edited = changed(journey(dialect), "event, node");
        let applied = log.put(edited.clone()).unwrap();
        assert_eq!((applied.verb, applied.compile, applied.number), (Some(Verb::Edit), None, 1));
        let lineage = log.registry.get("j").unwrap();
        assert_eq!((&*lineage.saved, lineage.revision, lineage.live()), (&edited, 2, None));
    }
    let mut log = Log::with("clevertap");
    log.put(journey("antsomi")).unwrap();
    assert_eq!(log.state(), "Designing", "a draft may change its dialect");
}

#[test]
fn going_live_makes_version_one_and_says_by_whom() {
    for (dialect, verb, state) in
        [("clevertap", Verb::Publish, "Running"), ("antsomi", Verb::Activate, "Active")]
    {
        let mut log = Log::with(dialect);
        let applied = log.act(verb).unwrap();
        assert_eq!((applied.compile, applied.inside), (Some(1), Inside::Nothing));
        assert_eq!(log.state(), state);
        let lineage = log.registry.get("j").unwrap();
        assert_eq!(lineage.published.as_ref().unwrap().at, applied.at);
        assert_eq!(lineage.created.by, "ada");
        assert_eq!(lineage.live().unwrap().revisions["hello"], 1);
    }
}

#[test]
fn what_is_unfit_does_not_go_live_and_all_reasons_are_given() {
    let mut log = Log::new();
    let mut definition = changed(journey("antsomi"), "bad name");
    definition.entry.event = None;
    definition.entry.list = Some("may".into());
    definition.end = Some("2026-02-01T00:00".into());
    log.put(definition).unwrap();
    let sentence = log.act(Verb::Activate).unwrap_err().to_string();
    for reason in ["has passed", "has a '!'", "\"may\" has not been uploaded"] {
        assert!(sentence.contains(reason), "{sentence}");
    }
    let mut log = Log::new();
    log.put(Definition { end: Some("soon".into()), ..journey("clevertap") }).unwrap();
    assert!(log.act(Verb::Publish).unwrap_err().to_string().contains("end: \"soon\" is not a date"));
}

#[test]
fn clevertap_edits_in_place_what_the_state_allows_and_nothing_else() {
    let scheduled = || {
        let mut log = Log::new();
        log.put(Definition { start: Some("2026-03-01T12:00".into()), ..journey("clevertap") }).unwrap();
        log.acts(&[Verb::Publish]);
        log
    };
    let live = |verbs: &[Verb]| {
        let mut log = Log::with("clevertap");
        log.acts(verbs);
        log
    };
    // change | Scheduled | Running and Paused: empty if it is allowed, else the paths that are refused
    for (what, when_scheduled, when_live) in [
        ("text", "", ""),
        ("which content", "", ""),
        ("provider", "node.first.provider", ""),
        ("weights", "node.arms.branches.0.weight, node.arms.branches.1.weight", ""),
        ("text, provider, weights", "node.arms.branches.0.weight, ", ""),
        ("target", "node.arms.branches.1.to", "node.arms.branches.1.to"),
        ("event", "entry.event", "entry.event"),
        ("text, event, name", "entry.event, name;", "entry.event, name;"),
        ("end", "end", "end"),
        ("node", "node;", "node;"),
    ] {
        for (mut log, state, paths) in [
            (scheduled(), "Scheduled", when_scheduled),
            (live(&[Verb::Publish]), "Running", when_live),
            (live(&[Verb::Publish, Verb::Pause]), "Paused", when_live),
        ] {
            let before = Definition::clone(&log.live().definition);
            let edited = changed(before.clone(), what);
            let answer = log.put(edited.clone());
            assert_eq!(log.state(), state);
            if paths.is_empty() {
                assert_eq!(answer.unwrap().compile, Some(1), "{what} in {state}");
                assert_eq!(*log.live().definition, edited);
            } else {
                let refused = answer.unwrap_err();
                assert_eq!(refused.code(), "not_in_place");
                let sentence = refused.to_string();
                assert!(sentence.contains(paths) && sentence.contains("with clone"), "{what}: {sentence}");
                assert_eq!(*log.live().definition, before);
            }
        }
    }
}

#[test]
fn an_edit_in_place_goes_live_at_once_so_it_must_be_fit_at_once() {
    let empty = |definition: &Definition| {
        let empty = definition.content.iter().filter(|(_, content)| content.is_empty());
        empty.map(|(name, _)| format!("content.{name} is empty")).collect()
    };
    let mut log = Log { registry: Registry::new(empty), next: 0 };
    log.put(journey("clevertap")).unwrap();
    log.acts(&[Verb::Publish]);
    let mut edited = journey("clevertap");
    edited.content.get_mut("hello").unwrap().clear();
    assert_eq!(
        log.put(edited).unwrap_err().to_string(),
        "the definition of \"j\" cannot be saved: content.hello is empty"
    );
    assert_eq!(*log.live().definition, journey("clevertap"));
}

#[test]
fn a_content_edit_counts_up_that_contents_revision_only() {
    let mut log = Log::with("clevertap");
    log.acts(&[Verb::Publish]);
    let revisions = |log: &Log| (log.live().revisions["hello"], log.live().revisions["again"]);
    log.put(changed(journey("clevertap"), "provider, weights")).unwrap();
    assert_eq!(revisions(&log), (1, 1));
    log.put(changed(journey("clevertap"), "text, provider")).unwrap();
    assert_eq!(revisions(&log), (2, 1));
    let same = log.put(changed(journey("clevertap"), "text, provider")).unwrap();
    assert_eq!((revisions(&log), same.compile), ((2, 1), None));
    log.put(changed(journey("clevertap"), "provider")).unwrap();
    assert_eq!(revisions(&log), (3, 1), "an old text that comes back is a new revision");
}

#[test]
fn antsomi_edits_go_live_at_reactivate() {
    for (verb, inside) in [(Verb::Pause, Inside::Adopt), (Verb::Freeze, Inside::AdoptAndRelease)] {
        let mut log = Log::with("antsomi");
        assert!(log.put(changed(journey("antsomi"), "event")).is_ok());
        log.acts(&[Verb::Activate]);
        let refused = log.put(journey("antsomi")).unwrap_err().to_string();
        assert!(refused.contains("cannot edit a journey that is Active"), "{refused}");
        log.acts(&[verb]);
        log.put(changed(journey("antsomi"), "node")).unwrap();
        let edited = changed(journey("antsomi"), "text, end");
        assert_eq!(log.put(edited.clone()).unwrap().compile, None);
        assert_eq!(log.live().number, 1, "not before Reactivate");
        let applied = log.act(Verb::Reactivate).unwrap();
        assert_eq!((applied.inside, applied.compile), (inside, Some(2)));
        assert_eq!((log.live().number, &*log.live().definition), (2, &edited));
        assert_eq!((log.live().revisions["hello"], log.live().revisions["again"]), (2, 1));
        let lineage = log.registry.get("j").unwrap();
        assert_eq!(lineage.lifecycle.schedule().end, Some("2026-03-09T00:00:00Z".parse().unwrap()));
        assert_eq!(lineage.versions.len(), 2);
    }
}

#[test]
fn reactivate_without_an_edit_makes_no_version_and_an_unfit_edit_refuses_it() {
    let mut log = Log::with("antsomi");
    log.acts(&[Verb::Activate, Verb::Pause]);
    assert_eq!(log.act(Verb::Reactivate).unwrap().compile, None);
    log.acts(&[Verb::Pause]);
    log.put(changed(journey("antsomi"), "bad name")).unwrap();
    assert!(log.act(Verb::Reactivate).unwrap_err().to_string().contains("has a '!'"));
    assert_eq!(log.state(), "Paused");
    log.put(journey("antsomi")).unwrap();
    assert_eq!(log.act(Verb::Reactivate).unwrap().compile, None, "the edit was taken back");
    log.acts(&[Verb::Pause]);
    let mut other = journey("clevertap");
    other.entry.list = Some("may".into());
    let refused = log.put(other).unwrap_err().to_string();
    assert!(refused.contains("stays antsomi") && refused.contains("list stays"), "{refused}");
}

#[test]
fn a_copy_is_made_of_the_latest_saved_version_and_shares_no_history() {
    for (dialect, live, verb) in
        [("clevertap", Verb::Publish, Verb::Clone), ("antsomi", Verb::Activate, Verb::Copy)]
    {
        let mut log = Log::with(dialect);
        let moved = [("third".to_owned(), "second".to_owned())].into();
        log.put(Definition { moved, ..journey(dialect) }).unwrap();
        log.acts(&[live]);
        if verb == Verb::Copy {
            log.acts(&[Verb::Pause]);
        }
        let saved = Definition::clone(&log.registry.get("j").unwrap().saved);
        log.put(changed(saved, "text")).unwrap();
        let before = log.registry.get("j").unwrap().clone();
        let refused = log.act(verb).unwrap_err();
        assert_eq!(refused.to_string(), format!("{verb} needs the new journey's id, in `to`"));
        let to = |id: &str| Act { to: Some(id.into()), ..verb.into() };
        assert_eq!(log.act(to("j")).unwrap_err().code(), "exists");
        assert_eq!(log.act(to("no spaces")).unwrap_err().code(), "bad_id");
        let applied = log.act(to("k")).unwrap();
        assert_eq!((applied.journey, applied.created, applied.compile), (Some(0), Some(1), None));
        assert_eq!(log.registry.get("j"), Some(&before), "the source stays as it is");
        let copy = log.registry.get("k").unwrap();
        let expected = Definition { id: "k".into(), ..changed(journey(dialect), "text") };
        assert_eq!((&*copy.saved, copy.revision, copy.live()), (&expected, 1, None));
        assert_eq!(copy.lifecycle.state_name(), copy.lifecycle.dialect().states()[0].name);
    }
}

#[test]
fn a_repeated_command_does_nothing_and_gets_the_first_answer() {
    let mut log = Log::with("clevertap");
    let publish = log.record("j", Command::Act(Verb::Publish.into()));
    let resume = Record { id: "r".into(), ..log.record("j", Command::Act(Verb::Resume.into())) };
    let first = log.append(&publish);
    let refused = log.append(&resume);
    assert!(first.is_ok() && refused.is_err());
    log.acts(&[Verb::Pause]);
    let before = log.registry.lineages().to_vec();
    assert_eq!(log.append(&publish), first);
    assert_eq!(log.append(&resume), refused, "though Paused would take it");
    assert_eq!(log.registry.lineages(), before);
    assert_eq!(log.registry.offset(), Some(5));
    let other = Record { command: Command::Act(Verb::Stop.into()), ..publish.clone() };
    assert_eq!(log.append(&other).unwrap_err().code(), "key_reused", "another command under the same id");
    assert_eq!(log.registry.lineages(), before);
    let nameless = Record { id: String::new(), ..publish };
    assert_eq!(log.append(&nameless), Err(Refused::NoId));
}

#[test]
fn a_command_that_expects_another_revision_is_refused() {
    let mut log = Log::with("clevertap");
    let expecting = |log: &Log, expect| Record {
        expect: Some(expect),
        ..log.record("j", Command::Put { definition: Box::new(journey("clevertap")) })
    };
    let record = expecting(&log, 0);
    assert_eq!(
        log.append(&record).unwrap_err().to_string(),
        "journey \"j\" is at revision 1, not 0: look at it again, then repeat"
    );
    let record = expecting(&log, 1);
    assert!(log.append(&record).is_ok());
    let record = expecting(&log, 1);
    assert_eq!(log.append(&record).unwrap_err().code(), "stale");
}

#[test]
fn commands_for_nobody_are_refused_by_name() {
    let mut log = Log::new();
    assert_eq!(log.act(Verb::Publish).unwrap_err().code(), "no_such_journey");
    let record = log.record("k", Command::Put { definition: Box::new(journey("clevertap")) });
    assert_eq!(log.append(&record).unwrap_err().code(), "other_id");
    for (id, dialect, code) in
        [("a b", "clevertap", "bad_id"), ("", "antsomi", "bad_id"), ("j", "braze", "unusable")]
    {
        let definition = Definition { id: id.into(), ..journey(dialect) };
        assert_eq!(log.put(definition).unwrap_err().code(), code, "{id:?} {dialect}");
    }
    log.put(journey("antsomi")).unwrap();
    assert_eq!(log.act(Verb::Edit).unwrap_err().to_string(), "edit needs a definition: put it");
}

#[test]
fn a_release_goes_to_the_shards_as_it_was_selected() {
    let mut log = Log::with("antsomi");
    log.acts(&[Verb::Activate, Verb::Pause, Verb::Reactivate]);
    let resume = |selection| Act { selection, ..Verb::Resume.into() };
    let applied = log.act(resume(Selection::From("first".into()))).unwrap();
    assert_eq!((applied.inside, applied.selection), (Inside::Release, Selection::From("first".into())));
    assert_eq!(log.act(resume(Selection::At("nowhere".into()))).unwrap_err().code(), "no_such_node");
    log.acts(&[Verb::Freeze]);
    let applied = log.act(Act { keep_held: true, ..Verb::Reactivate.into() }).unwrap();
    assert_eq!((applied.inside, applied.keep_held), (Inside::AdoptAndRelease, true));
}

#[test]
fn a_failure_keeps_its_reason_until_it_is_repaired() {
    let mut log = Log::with("antsomi");
    log.acts(&[Verb::Activate]);
    log.act(Act { reason: Some("provider down".into()), ..Verb::Fail.into() }).unwrap();
    let failure = |log: &Log| log.registry.get("j").unwrap().failure.clone();
    assert_eq!((log.state(), failure(&log)), ("Error", Some("provider down".into())));
    log.acts(&[Verb::Recover]);
    assert_eq!((log.state(), failure(&log)), ("Active", None));
    let record = Record { role: Role::Operator, ..log.record("j", Command::Act(Verb::Fail.into())) };
    assert!(log.append(&record).unwrap_err().to_string().contains("only the role system may fail"));
}

#[test]
fn a_list_journey_needs_its_list_and_a_new_one_to_reopen() {
    let mut log = Log::new();
    let mut definition = journey("antsomi");
    definition.entry.event = None;
    definition.entry.list = Some("may".into());
    log.put(definition).unwrap();
    assert_eq!(log.act(Verb::Activate).unwrap_err().code(), "verb");
    assert!(log.list("june").unwrap_err().to_string().contains("its list is called \"may\""));
    log.list("may").unwrap();
    log.acts(&[Verb::Activate]);
    assert!(log.list("may").unwrap_err().to_string().contains("still being processed"));
    log.acts(&[Verb::ListProcessed]);
    assert_eq!(log.state(), "Closed");
    assert!(log.act(Verb::Reactivate).unwrap_err().to_string().contains("reopening needs a new one"));
    log.list("may").unwrap();
    let applied = log.act(Verb::Reactivate).unwrap();
    assert_eq!(log.registry.get("j").unwrap().lifecycle.gates(applied.at).entry, EntryGate::Open);
    log.acts(&[Verb::Abort]);
    assert!(log.list("may").unwrap_err().to_string().contains("nobody will enter any more"));
    let mut log = Log::with("clevertap");
    assert!(log.list("may").unwrap_err().to_string().contains("do not enter by a list"));
}

#[test]
fn a_draft_keeps_its_uploaded_list_as_long_as_it_names_it() {
    let by_list = |list: &str| {
        let mut definition = journey("clevertap");
        (definition.entry.event, definition.entry.list) = (None, Some(list.to_owned()));
        definition
    };
    let mut log = Log::new();
    log.put(by_list("may")).unwrap();
    log.list("may").unwrap();
    log.put(changed(by_list("may"), "text")).unwrap();
    assert!(log.registry.get("j").unwrap().list.is_some());
    log.put(by_list("june")).unwrap();
    assert!(log.act(Verb::Publish).unwrap_err().to_string().contains("\"june\" has not been uploaded"));
}

#[test]
fn two_instances_that_fold_the_same_log_agree_on_journeys_and_answers() {
    let mut log = Log::new();
    let mut records = Vec::new();
    // The last fifty are repeats.
    for n in (0..200u64).map(|n| n % 150) {
        let verb = Verb::ALL[(n * 7 % 16) as usize];
        let command = match n % 5 {
            0 => {
                let what = ["text", "event", "bad name", "end"][(n / 5 % 4) as usize];
                Command::Put { definition: Box::new(changed(journey("antsomi"), what)) }
            }
            _ => Command::Act(Act { to: Some(format!("copy-{n}")), ..verb.into() }),
        };
        log.next = n;
        records.push(Record { id: format!("c{n}"), ..log.record("j", command) });
    }
    let text: Vec<_> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let fold = || {
        let mut registry = Registry::new(check);
        let mut answers = Vec::new();
        for (n, line) in (0..).zip(&text) {
            // A broker's clock that steps back does not take the registry with it.
            let at = Timestamp(if n % 9 == 0 { 0 } else { n as i64 * 1_000 });
            answers.push(registry.apply(n, at, &serde_json::from_str(line).unwrap()));
        }
        (registry.lineages().to_vec(), answers)
    };
    let (lineages, answers) = fold();
    assert_eq!((lineages.clone(), answers.clone()), fold());
    assert!(answers.iter().filter(|answer| answer.is_ok()).count() > 20, "{answers:?}");
    assert!(answers.iter().filter(|answer| answer.is_err()).count() > 20);
    assert!(lineages.len() > 1, "a copy was made");
    let times: Vec<_> = answers[..150].iter().flatten().map(|applied| applied.at).collect();
    assert!(times.is_sorted());
}

/// G17, G36: whatever the vendor's table says of it, whoever is held can be let go wherever people may move.
#[test]
fn a_release_is_taken_where_the_movement_gate_is_open_and_nowhere_else() {
    let verbs = |dialect: &str, verbs: &[Verb]| {
        let mut log = Log::with(dialect);
        log.acts(verbs);
        log
    };
    for (mut log, allowed) in [
        (verbs("clevertap", &[]), false),
        (verbs("clevertap", &[Verb::Publish]), true),
        (verbs("clevertap", &[Verb::Publish, Verb::Pause]), true),
        (verbs("clevertap", &[Verb::Publish, Verb::Stop]), false),
        (verbs("antsomi", &[Verb::Activate]), true),
        (verbs("antsomi", &[Verb::Activate, Verb::Pause]), false),
        (verbs("antsomi", &[Verb::Activate, Verb::Pause, Verb::Reactivate]), true),
        (verbs("antsomi", &[Verb::Activate, Verb::Close]), true),
    ] {
        let state = log.state();
        let record = log.record("j", Command::Release(Selection::All));
        match log.append(&record) {
            Ok(applied) => assert!(allowed && applied.inside == Inside::Release, "{state}"),
            Err(refused) => assert!(!allowed && refused.to_string().contains(state), "{refused}"),
        }
    }
    let mut log = verbs("clevertap", &[Verb::Publish]);
    let record = log.record("j", Command::Release(Selection::At("nowhere".into())));
    assert!(matches!(log.append(&record), Err(Refused::NoSuchNode { .. })));
}

/// A draft by ada, whom `record` gives every command; `by` gives it to another.
fn keep(log: &Log, by: &str, text: &str) -> Record {
    let command = Command::KeepEdit { text: text.to_owned(), form: Form::Toml };
    Record { actor: by.to_owned(), ..log.record("j", command) }
}

/// CT: unsaved edits are kept for the user who made them, to be restored or dropped; they may be incomplete.
#[test]
fn unsaved_edits_of_a_draft_are_each_users_own_and_change_nothing_for_others() {
    let mut log = Log::with("clevertap");
    let before = log.registry.get("j").unwrap().clone();
    for (by, text) in [("ada", "id = "), ("bob", "nodes? later"), ("ada", "id = \"j")] {
        let record = keep(&log, by, text);
        log.append(&record).unwrap();
    }
    let mut now = log.registry.get("j").unwrap().clone();
    let texts: Vec<_> = now.unsaved.iter().map(|(by, edit)| (by.as_str(), edit.text.as_str())).collect();
    assert_eq!(texts, [("ada", "id = \"j"), ("bob", "nodes? later")]);
    now.unsaved.clear();
    assert_eq!(now, before, "nobody else sees anything of it");
    let dropped = log.record("j", Command::DropEdit);
    log.append(&dropped).unwrap();
    assert_eq!(log.registry.get("j").unwrap().unsaved.keys().collect::<Vec<_>>(), ["bob"]);
    let again = log.record("j", Command::DropEdit);
    assert!(matches!(log.append(&again), Err(Refused::NoEdit { .. })), "there is none any more");
}

/// CT: saved, the edit is the draft that everybody sees, and is no unsaved edit any more.
#[test]
fn a_saved_edit_is_the_draft_unless_somebody_saved_another_meanwhile() {
    let mut log = Log::with("clevertap");
    let save = |log: &Log, edit: u64| {
        let definition = Box::new(changed(journey("clevertap"), "text"));
        log.record("j", Command::SaveEdit { definition, edit })
    };
    let record = keep(&log, "ada", "x");
    let edit = log.append(&record).unwrap().number;
    let record = save(&log, edit + 1);
    assert!(matches!(log.append(&record), Err(Refused::NoEdit { .. })), "another edit than she has seen");
    log.put(changed(journey("clevertap"), "event")).unwrap();
    let record = save(&log, edit);
    assert!(matches!(log.append(&record), Err(Refused::Stale { .. })), "somebody was faster");
    let record = keep(&log, "ada", "x");
    let edit = log.append(&record).unwrap().number;
    let record = save(&log, edit);
    log.append(&record).unwrap();
    let lineage = log.registry.get("j").unwrap();
    assert_eq!(*lineage.saved, changed(journey("clevertap"), "text"));
    assert!(lineage.unsaved.is_empty());
}

/// CT has unsaved edits, of drafts only; what was kept before publishing can still be dropped.
#[test]
fn only_a_draft_of_a_dialect_that_saves_keeps_unsaved_edits() {
    let mut log = Log::with("antsomi");
    let record = keep(&log, "ada", "x");
    assert!(matches!(log.append(&record), Err(Refused::Verb(_))));
    let mut log = Log::with("clevertap");
    let record = keep(&log, "ada", "x");
    let edit = log.append(&record).unwrap().number;
    log.acts(&[Verb::Publish]);
    let record = keep(&log, "ada", "y");
    assert!(log.append(&record).unwrap_err().to_string().contains("Running"));
    let definition = Box::new(journey("clevertap"));
    let record = log.record("j", Command::SaveEdit { definition, edit });
    assert!(matches!(log.append(&record), Err(Refused::Verb(_))));
    let record = log.record("j", Command::DropEdit);
    log.append(&record).unwrap();
    let long = "x".repeat(EDIT_BYTES_MAX + 1);
    let mut log = Log::with("clevertap");
    let record = keep(&log, "ada", &long);
    assert!(matches!(log.append(&record), Err(Refused::EditTooLong { .. })));
}

#[test]
fn a_record_has_this_json() {
    let text = r#"{"id":"c1","actor":"ada","role":"operator","journey":"j","expect":3,
        "command":{"act":{"verb":"resume","selection":{"at":"remind"}}}}"#;
    let record: Record = serde_json::from_str(text).unwrap();
    assert_eq!(record.expect, Some(3));
    let act = Act { selection: Selection::At("remind".into()), ..Verb::Resume.into() };
    assert_eq!(record.command, Command::Act(act));
    let again = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&again).unwrap(), record);
    let unknown = text.replace("\"expect\"", "\"unexpected\"");
    assert!(serde_json::from_str::<Record>(&unknown).is_err(), "what is not understood is not passed over");
    assert!(serde_json::from_str::<Record>(&text.replace("resume", "explode")).is_err());
}
