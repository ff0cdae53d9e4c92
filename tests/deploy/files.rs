//! How the files of `deploy/` are read, and that all of them are looked at.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use wayfarer::cli::Cli;
use wayfarer::config::{self, ConfigError, Settings};

/// A path below the root of the repository.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML file; a key that is there twice is an error.
pub(crate) fn yaml(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A command line, whose first word is the program, is one that the program takes.
pub(crate) fn is_command_line(of: &str, words: &[&str]) {
    let words = std::iter::once("wayfarer").chain(words.iter().copied());
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("{of}: {error}");
    }
}

/// What a file of settings and variables come to, by the loader of the program itself.
pub(crate) fn settings(of: &str, text: &str, variables: &[(String, String)]) -> Settings {
    match config::read(text, Path::new(of), variables.to_vec()) {
        Ok(loaded) => loaded.settings,
        Err(ConfigError::Wrong(problems)) => panic!("{of}: {problems:#?}"),
        Err(error) => panic!("{of}: {error}"),
    }
}

#[test]
fn every_file_is_of_a_kind_that_is_checked() {
    let mut open = vec![root("deploy")];
    let mut found = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory of the repository") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root("deploy")).expect("it lies below").display().to_string();
                found.push(name);
            }
        }
    }
    found.sort();
    let checked = [
        "Dockerfile",
        "Dockerfile.dockerignore",
        "grafana/dashboard.json",
        "kubernetes/configmap.yaml",
        "kubernetes/kustomization.yaml",
        "kubernetes/networkpolicy.yaml",
        "kubernetes/poddisruptionbudget.yaml",
        "kubernetes/service.yaml",
        "kubernetes/statefulset.yaml",
        "prometheus/alerts.yaml",
        "wayfarer.service",
    ];
    assert_eq!(found, checked);
}
