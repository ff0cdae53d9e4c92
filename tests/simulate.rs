//! `wayfarer simulate` runs the program that lies beside it. What that does is tested where it is: `simulate/tests`.
#![allow(missing_docs, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// The program under another roof, where nothing lies beside it.
fn moved_to(directory: &Path) -> impl Fn(&[&str]) -> Output {
    let program = directory.join("wayfarer");
    let from = env!("CARGO_BIN_EXE_wayfarer");
    fs::hard_link(from, &program).or_else(|_| fs::copy(from, &program).map(drop)).expect("there is room");
    move |arguments| Command::new(&program).args(arguments).output().expect("it runs")
}

#[test]
fn without_the_simulator_it_is_said_what_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let done = moved_to(directory.path())(&["simulate", "--seed", "7"]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(7), "{said}");
    assert!(said.contains("wayfarer-simulate") && said.contains("make simulate"), "{said}");
}

#[test]
fn the_simulator_is_given_everything_and_its_code_is_passed_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = moved_to(directory.path());
    let beside = directory.path().join("wayfarer-simulate");
    fs::write(&beside, "#!/bin/sh\necho \"$@\"\nexit 1\n").expect("it is written");
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let done = run(&["simulate", "--seed", "7", "--verbose", "--help"]);
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "--seed 7 --verbose --help\n");
}
