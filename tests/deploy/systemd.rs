//! The unit of systemd: its form, and that it restarts the program exactly when that may help.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use wayfarer::cli::exit;
use wayfarer::config::Settings;

use super::files::{is_command_line, text};

const FILE: &str = "deploy/wayfarer.service";

/// The keys of each section, each with its values in their order.
fn sections() -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections = BTreeMap::<String, Vec<(String, String)>>::new();
    let mut section = None;
    for line in text(FILE).lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name.to_owned());
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{FILE}: {line}"));
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{FILE}: {line}");
        let section = section.clone().unwrap_or_else(|| panic!("{FILE}: {line} stands before any section"));
        sections.entry(section).or_default().push((key.to_owned(), value.to_owned()));
    }
    sections
}

fn service(key: &str) -> String {
    let sections = sections();
    let found: Vec<&String> =
        sections["Service"].iter().filter(|(known, _)| known == key).map(|(_, value)| value).collect();
    assert_eq!(found.len(), 1, "{key} is there once");
    found[0].clone()
}

#[test]
fn it_has_the_sections_of_a_service_and_runs_a_command_that_is_one() {
    assert_eq!(sections().into_keys().collect::<Vec<_>>(), ["Install", "Service", "Unit"]);
    let start = service("ExecStart");
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(words[0], "/usr/local/bin/wayfarer");
    is_command_line(FILE, &words[1..]);
    assert_ne!(service("User"), "root");
    // "./data", the default of journal.directory, is in what the unit may write.
    assert_eq!(service("WorkingDirectory"), format!("/var/lib/{}", service("StateDirectory")));
}

#[test]
fn it_restarts_the_program_exactly_when_that_may_help() {
    let prevented = service("RestartPreventExitStatus");
    let prevented: BTreeSet<u8> =
        prevented.split(' ').map(|code| code.parse().expect("a code is a number")).collect();
    for code in exit::ALL {
        // A journal that fails, brokers that are away (and the watchdog, which ends with this), and bugs.
        let helps = [exit::JOURNAL, exit::UNREACHABLE, exit::BUG].contains(&code);
        // `run` ends with no other codes.
        let ends_so =
            ![exit::OK, exit::SERVER, exit::PENDING, exit::DIFFERENT, exit::INCOMPLETE].contains(&code);
        assert_eq!(prevented.contains(&code), ends_so && !helps, "{code}");
    }
    assert_eq!(service("Restart"), "on-failure");
}

#[test]
fn it_leaves_the_program_the_time_that_it_takes_to_end() {
    let settings = Settings::default();
    let least = settings.http.shutdown_timeout.as_millis() + settings.kafka.request_timeout.as_millis();
    let given: u64 = service("TimeoutStopSec").parse().expect("seconds");
    assert!(given * 1000 >= 2 * least, "{given} s for {least} ms");
    assert_eq!(service("KillSignal"), "SIGTERM");
}

/// Where there is systemd, it says itself whether it understands every line.
#[test]
fn systemd_understands_every_line() {
    let directory = tempfile::tempdir().expect("a directory");
    // It asks for the program and for the manual, which this machine need not have.
    let text = text(FILE).replace("/usr/local/bin/wayfarer", env!("CARGO_BIN_EXE_wayfarer"));
    let text = text.replace("Documentation=man:wayfarer(1)\n", "");
    let unit = directory.path().join("wayfarer.service");
    fs::write(&unit, text).expect("it can be written");
    let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg(&unit).output() else { return };
    let said = String::from_utf8_lossy(&verified.stderr);
    let about = said.lines().filter(|line| line.contains("wayfarer.service"));
    assert_eq!(about.collect::<Vec<_>>(), Vec::<&str>::new(), "{said}");
}
