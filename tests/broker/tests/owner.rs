//! A broker ends with its owner, and the program `kafka` says what it lacks.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const KAFKA: &str = env!("CARGO_BIN_EXE_kafka");

const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a process runs: one that was killed and that nobody has reaped does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // 123 (java) S ...
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Reads until the line that begins so, and returns its rest.
fn rest_of_line(lines: &mut BufReader<ChildStdout>, begin: &str) -> String {
    let mut line = String::new();
    while lines.read_line(&mut line).expect("its output is text") > 0 {
        if let Some(rest) = line.strip_prefix(begin) {
            return rest.trim().to_owned();
        }
        line.clear();
    }
    panic!("it never said {begin:?}");
}

fn spawn() -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(KAFKA)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    (child, out)
}

#[test]
fn java_and_the_data_are_gone_after_their_owner_was_killed() {
    let (mut owner, mut lines) = spawn();
    let pid = rest_of_line(&mut lines, "Process: ");
    let log = PathBuf::from(rest_of_line(&mut lines, "Log: "));
    let directory = log.ancestors().nth(2).expect("it lies two directories down");
    assert!(runs(&pid) && directory.is_dir());
    owner.kill().expect("it runs"); // SIGKILL
    owner.wait().expect("it was ours");
    let deadline = Instant::now() + PATIENCE;
    while runs(&pid) || directory.exists() {
        assert!(Instant::now() < deadline, "process {pid} and {} are still there", directory.display());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn it_runs_a_command_with_a_broker_and_ends_with_its_code() {
    let script = r#"echo "$WAYFARER_KAFKA"; exit 7"#;
    let done = Command::new(KAFKA)
        .args(["run", "--", "sh", "-c", script])
        .env_remove("WAYFARER_KAFKA")
        .output()
        .expect("it runs");
    assert_eq!(done.status.code(), Some(7), "{}", String::from_utf8_lossy(&done.stderr));
    let address = String::from_utf8(done.stdout).expect("an address is text");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
}

/// What it says on the standard error with these programs in the PATH and nothing fetched yet.
fn said_with(programs: &[&Path]) -> String {
    let path = tempfile::tempdir().expect("a directory can be made");
    let target = tempfile::tempdir().expect("a directory can be made");
    for program in programs {
        let name = program.file_name().expect("it is a file");
        symlink(program, path.path().join(name)).expect("a link can be made");
    }
    let done = Command::new(KAFKA)
        .env("PATH", path.path())
        .env("CARGO_TARGET_DIR", target.path())
        .env_remove("JAVA_HOME")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(done.status.code(), Some(1));
    String::from_utf8(done.stderr).expect("a sentence is text")
}

fn java() -> PathBuf {
    let path = env::var_os("PATH").expect("there is a PATH");
    let mut candidates = env::split_paths(&path).map(|directory| directory.join("java"));
    candidates.find(|java| java.is_file()).expect("the tests need java")
}

#[test]
fn what_is_missing_is_named_with_the_package_that_brings_it() {
    let table = [
        (vec![], "java is missing", "openjdk-17-jre-headless"),
        (vec![java()], "mvn is missing", "package maven "),
    ];
    for (programs, missing, package) in table {
        let programs: Vec<&Path> = programs.iter().map(PathBuf::as_path).collect();
        let sentence = said_with(&programs);
        assert!(sentence.contains(missing) && sentence.contains(package), "{sentence}");
        assert_eq!(sentence.lines().count(), 1, "one sentence: {sentence}");
    }
}
