//! The configuration: where values come from, and what is said of wrong ones.

use std::path::Path;

use super::value::{Given, Setting};
use super::*;

const FILE: &str = include_str!("../../config/wayfarer.toml");
const LOCAL: &str = include_str!("../../config/local.toml");
const KAFKA: &str = include_str!("../../config/kafka.toml");

pub(super) fn with(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    read(text, Path::new("w.toml"), environment.collect::<Vec<_>>())
}

pub(super) fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match with(text, environment) {
        Err(ConfigError::Wrong(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(e) => panic!("{e}"),
        Ok(loaded) => panic!("accepted: {loaded:?}"),
    }
}

#[test]
fn the_file_has_every_key_with_its_default_and_its_reason() {
    // Rewrite it with: cargo run -- config template > config/wayfarer.toml
    assert_eq!(FILE, template(), "config/wayfarer.toml is not what `wayfarer config template` prints");
    let loaded = with(FILE, &[]).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    assert!(loaded.origins.iter().all(|origin| *origin != Origin::Default), "a key is not in the file");
    for key in KEYS {
        assert!(!key.doc.is_empty(), "{} has no reason", key.path());
    }
    assert!(FILE.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn the_sample_files_are_accepted_and_change_something() {
    for file in [LOCAL, KAFKA] {
        assert_ne!(with(file, &[]).unwrap().settings, Settings::default());
    }
}

#[test]
fn every_default_is_within_its_range() {
    for key in KEYS {
        let mut settings = Settings::default();
        let shown = (key.show)(&settings);
        let plain = shown.trim_matches('"');
        (key.set)(&mut settings, &Given::Variable(plain)).unwrap_or_else(|e| panic!("{}: {e}", key.path()));
        assert_eq!(settings, Settings::default(), "{}", key.path());
    }
}

#[test]
fn all_problems_are_told_in_one_go_each_with_its_place_and_what_is_allowed() {
    let text = "[journal]\ndirectry = \"x\"\nfsync = \"sometimes\"\n\
                [engine]\nshards = 0\nlisten = \"x\"\nworkers = 1.5\n\
                [htpp]\nlisten = 1\n\
                [http]\nlisten = \"here\"\nbody_max = \"1MB\"\nrequest_timeout = \"2h\"\n";
    let found =
        problems(text, &[("WAYFARER_ENGINE__BATCH_EVENTS_MAX", "many"), ("WAYFARER_LOG__COLOUR", "no")]);
    let expected = [
        "w.toml:2: journal.directry: there is no such key; did you mean journal.directory?",
        "w.toml:3: journal.fsync: \"sometimes\" is not \"always\", \"never\" or \"every\" and a length of \
         time, such as \"every 100ms\"",
        "w.toml:5: engine.shards: 0 is out of range; allowed is 1 to 4096",
        "w.toml:6: engine.listen: there is no such key; did you mean http.listen?",
        "w.toml:7: engine.workers: a number with a point is neither \"cores\" nor a whole number from 1 to \
         1024",
        "w.toml:8: htpp: there is no such section; did you mean [http]?",
        "w.toml:11: http.listen: \"here\" is not an address and a port such as \"127.0.0.1:8080\" \
         or \"[::1]:8080\"",
        "w.toml:12: http.body_max: \"1MB\" is not a size; write a whole number and a unit (B, KiB, MiB, \
         GiB), such as 1MiB; allowed is 1KiB to 256MiB",
        "w.toml:13: http.request_timeout: 2h is out of range; allowed is 100ms to 1h",
        "environment WAYFARER_ENGINE__BATCH_EVENTS_MAX: engine.batch_events_max: \"many\" stands where \
         a whole number must be, without a sign; allowed is 1 to 1000000",
        "environment WAYFARER_LOG__COLOUR: log.colour: there is no such key; [log] has level, format",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_contradicts_another_setting_is_refused_where_it_was_given() {
    for (text, expected) in [
        ("[engine]\nworkers = 8\nshards = 4\n", "w.toml:2: engine.workers: 8 workers cannot share 4 shards"),
        (
            "[engine]\nduplicate_window = \"2d\"\n[journal]\naccepted_retention = \"1d\"\n",
            "w.toml:2: engine.dup",
        ),
        (
            "[http]\nlist_max = \"512KiB\"\n",
            "default: http.body_max: 1MiB is more than a whole list may have",
        ),
        ("[log]\nlevel = \"wayfarer=loud\"\n", "w.toml:2: log.level: \"wayfarer=loud\" is not a level"),
    ] {
        let found = problems(text, &[]);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
    }
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    let found = problems("[engine]\nshards = = 3\n[http]\nlisten = \"127.0.0.1:1\n", &[]);
    assert!(found.len() >= 2, "both lines are wrong: {found:?}");
    assert!(found[0].starts_with("w.toml:2: "), "{found:?}");
    let found = problems("engine = 3\n", &[]);
    assert_eq!(found, ["w.toml:1: engine: a whole number stands where the section [engine] must be"]);
}

#[test]
fn the_environment_goes_over_the_file_and_the_file_over_the_default() {
    let text = "[engine]\nshards = 16\nworkers = 2\n";
    let loaded =
        with(text, &[("WAYFARER_ENGINE__SHARDS", "8"), ("HOME", "/"), ("WAYFARER_URL", "x")]).unwrap();
    assert_eq!((loaded.settings.engine.shards, loaded.settings.engine.workers), (8, Workers::Count(2)));
    let dump = loaded.dump();
    for (key, origin) in [
        ("shards = 8", "# environment WAYFARER_ENGINE__SHARDS"),
        ("workers = 2", "# w.toml:3"),
        ("batch_events_max = 10000", "# default"),
    ] {
        let line = dump.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}: {dump}"));
        assert!(line.ends_with(origin), "{line}");
    }
    assert_eq!(with(&dump, &[]).unwrap().settings, loaded.settings, "a dump is a configuration");
}

#[test]
fn a_variable_that_is_one_underscore_short_is_refused_and_a_foreign_one_is_not() {
    assert_eq!(
        problems("", &[("WAYFARER_ENGINE_SHARDS", "8")]),
        ["environment WAYFARER_ENGINE_SHARDS: there is no such variable; did you mean \
             WAYFARER_ENGINE__SHARDS?"]
    );
    assert!(with("", &[("WAYFARER_SERVICE_PORT", "8"), ("WAYFARER_SOAK", "1")]).is_ok());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Some(Path::new("no/such.toml"))).unwrap_err().to_string();
    assert!(error.contains("\"no/such.toml\" cannot be read"), "{error}");
}

#[test]
fn values_are_read_as_they_are_written() {
    fn same<T: Setting + PartialEq + std::fmt::Debug>(text: &str, value: T) {
        assert_eq!(T::read(&Given::Text(text)), Ok(value), "{text}");
        assert_eq!(T::read(&Given::Text(text)).unwrap().plain(), text);
    }
    same("every 100ms", Fsync::Every(Interval::from_millis(100)));
    same("never", Fsync::Never);
    same("1536KiB", Size::kib(1536));
    same("0B", Size(0));
    same("-", SendsTo::Stdout);
    same("out/sends.jsonl", SendsTo::File("out/sends.jsonl".into()));
    same("json", Format::Json);
    for wrong in ["", "1", "KiB", "-1B", "1.5MiB", "1 MiB", "99999999999999999999GiB"] {
        assert!(wrong.parse::<Size>().is_err(), "{wrong:?}");
    }
    for wrong in ["every", "every 0s", "every day", "ALWAYS"] {
        assert!(Fsync::read(&Given::Text(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn there_is_never_more_than_one_worker_a_shard_and_never_none() {
    assert_eq!(Workers::Count(7).count(4), 4);
    assert_eq!(Workers::Count(3).count(64), 3);
    assert_eq!(Workers::Cores.count(1), 1);
    assert!(Workers::Cores.count(64) >= 1);
}
