//! The Dockerfile: its instructions, what it copies, and as whom and how the program runs.

use std::fs;

use wayfarer::cli::DEFAULT_URL;

use super::files::{is_command_line, root, settings, text};

const FILE: &str = "deploy/Dockerfile";
/// What may stand at the beginning of a line, of all that Dockerfiles know.
const INSTRUCTIONS: [&str; 13] = [
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The instructions with their arguments, each on one line.
fn instructions() -> Vec<(String, String)> {
    let text = text(FILE);
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let whole = lines.replace("\\\n", " ");
    let each = whole.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let (instruction, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{FILE}: {line}"));
        (instruction.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    each.collect()
}

fn all<'a>(of: &'a [(String, String)], instruction: &str) -> Vec<&'a str> {
    of.iter().filter(|(known, _)| known == instruction).map(|(_, rest)| rest.as_str()).collect()
}

/// The words of an instruction in JSON form.
fn words(of: &str) -> Vec<String> {
    serde_json::from_str(of).unwrap_or_else(|error| panic!("{FILE}: {of}: {error}"))
}

#[test]
fn every_instruction_is_one_and_stages_come_first() {
    let file = instructions();
    assert_eq!(file[0].0, "FROM");
    for (instruction, rest) in &file {
        assert!(INSTRUCTIONS.contains(&instruction.as_str()), "{instruction} {rest}");
    }
    let stages = all(&file, "FROM");
    let rust = text("Cargo.toml");
    let oldest = rust.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let oldest = oldest.expect("the workspace says which Rust it needs");
    assert!(
        stages[0].starts_with(&format!("rust:{oldest}-")) && stages[0].ends_with(" AS build"),
        "{stages:?}"
    );
    assert_eq!(stages.len(), 2, "what builds is not what runs");
}

#[test]
fn what_is_copied_is_there_and_not_ignored_and_is_all_that_cargo_reads() {
    let file = instructions();
    let ignored = text("deploy/Dockerfile.dockerignore");
    let mut copied = Vec::new();
    for copy in all(&file, "COPY") {
        if let Some(rest) = copy.strip_prefix("--from=") {
            assert!(rest.starts_with("build /out/wayfarer "), "{copy}");
            continue;
        }
        let paths: Vec<&str> = copy.split(' ').collect();
        let (_, sources) = paths.split_last().expect("a copy goes somewhere");
        copied.extend(sources.iter().map(|path| (*path).to_owned()));
    }
    for path in &copied {
        assert!(root(path).exists(), "{path} is copied and not there");
        assert!(ignored.lines().any(|line| line == format!("!{path}")), "{path} is copied and ignored");
    }
    // Cargo reads the manifest of every member, and asks for every target that a manifest names.
    let manifest: toml::Table = toml::from_str(&text("Cargo.toml")).expect("it is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("there are members");
    let members = members.iter().filter_map(|member| member.as_str()).filter(|member| *member != ".");
    for needed in members.chain(["src", "tests", "benches", "Cargo.toml", "Cargo.lock"]) {
        let is_there = copied.iter().any(|path| needed == path || needed.starts_with(&format!("{path}/")));
        assert!(is_there, "{needed} is needed and not copied");
    }
    // What the source takes in by include_str! from beyond it.
    let config = fs::read_dir(root("config")).expect("it is there").count();
    assert!(config > 0 && copied.iter().any(|path| path == "config"));
}

#[test]
fn it_is_built_with_what_the_readme_names() {
    let file = instructions();
    let installs = all(&file, "RUN").into_iter().find(|run| run.contains("apt-get install")).expect("one");
    let readme = text("README.md");
    for (package, named) in
        [("g++", "a C++ compiler"), ("pkg-config", "`pkg-config`"), ("libssl-dev", "OpenSSL's headers")]
    {
        assert!(installs.split(' ').any(|word| word == package), "{package}: {installs}");
        assert!(readme.contains(named), "{named}");
    }
    assert!(
        all(&file, "RUN").iter().any(|run| run.contains("cargo build --locked --release --package wayfarer"))
    );
}

#[test]
fn it_runs_as_nobody_in_particular_with_settings_and_commands_that_are_right() {
    let file = instructions();
    let user = all(&file, "USER");
    let (uid, gid) = user[0].split_once(':').expect("a user and a group");
    assert!(
        uid.parse::<u32>().is_ok_and(|id| id > 0) && gid.parse::<u32>().is_ok_and(|id| id > 0),
        "{user:?}"
    );
    let variables: Vec<(String, String)> = all(&file, "ENV")
        .into_iter()
        .flat_map(|env| env.split(' '))
        .map(|set| set.split_once('=').unwrap_or_else(|| panic!("{set}")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let settings = settings(FILE, "", &variables);
    assert_eq!(all(&file, "EXPOSE"), [settings.http.listen.port().to_string()]);
    // Where the health check asks.
    assert_eq!(DEFAULT_URL, format!("http://127.0.0.1:{}", settings.http.listen.port()));
    let kept = all(&file, "VOLUME")[0].to_owned();
    assert!(settings.journal.directory.starts_with(&kept), "{kept}");
    assert_eq!(words(all(&file, "ENTRYPOINT")[0]), ["wayfarer"]);
    let health = all(&file, "HEALTHCHECK")[0].split_once("CMD ").expect("a command").1;
    for command in [words(all(&file, "CMD")[0]), words(health).split_off(1)] {
        is_command_line(FILE, &command.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(all(&file, "STOPSIGNAL"), ["SIGTERM"]);
}
