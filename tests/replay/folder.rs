//! A directory with what a replay is given, and the one function that calls it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use wayfarer::cli::{Cli, Command};

/// What came of a replay.
pub(crate) struct Came {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A directory that is gone at the end of its test.
pub(crate) struct Folder {
    directory: tempfile::TempDir,
}

impl Folder {
    /// With these journeys, as TOML.
    pub(crate) fn with(journeys: &[&str]) -> Self {
        let folder = Self { directory: tempfile::tempdir().expect("a directory") };
        fs::create_dir(folder.path("j")).expect("a directory");
        for (number, journey) in journeys.iter().enumerate() {
            folder.write(&format!("j/{number}.toml"), journey.as_bytes());
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file of a test");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file that was written")
    }

    /// Runs `wayfarer replay --journeys j` and these words; a word with `@` before it is a file of the
    /// folder.
    pub(crate) fn replay(&self, words: &str) -> Came {
        let journeys = self.path("j").display().to_string();
        let mut args = vec!["wayfarer".to_owned(), "replay".to_owned(), "--journeys".to_owned(), journeys];
        for word in words.split_whitespace() {
            args.push(match word.split_once('@') {
                Some((before, file)) => format!("{before}{}", self.path(file).display()),
                None => word.to_owned(),
            });
        }
        let Command::Replay(args) = Cli::try_parse_from(args).expect("a command line").command else {
            panic!("it says replay");
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = wayfarer::replay::run(&args, &mut out, &mut err);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Came { code, out: text(out), err: text(err) }
    }

    /// As [`Folder::replay`] with `--out @out`, which must do what it is told: who was sent what when.
    pub(crate) fn sent(&self, words: &str) -> String {
        let came = self.replay(&format!("{words} --out @out"));
        assert!(came.code <= 1 && !came.out.is_empty(), "{}{}", came.err, came.out);
        self.lines("out/sends.jsonl", |send| {
            format!("{} {}@{}", text(send, "user"), text(send, "node"), clock(&text(send, "at")))
        })
    }

    /// The lines of a file of JSON lines, each as `tell` puts it, sorted.
    pub(crate) fn lines(&self, file: &str, tell: impl Fn(&serde_json::Value) -> String) -> String {
        let read = self.read(file);
        let parsed = read.lines().map(|line| serde_json::from_str(line).expect("JSON lines"));
        let mut told: Vec<String> = parsed.map(|value: serde_json::Value| tell(&value)).collect();
        told.sort();
        told.join(", ")
    }

    /// The names in a directory, sorted.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        names(&self.path(directory))
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

pub(crate) fn text(value: &serde_json::Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}")).to_owned()
}

/// `2026-03-01T02:10:00.000Z` as `02:10`.
fn clock(at: &str) -> String {
    at.get(11..16).expect("a time").to_owned()
}

/// Events told as `TIME USER NAME [ts=TIME]`, in Segment's form. `TIME` is `hh:mm` of 2026-03-01.
pub(crate) fn events(story: &str) -> String {
    let lines = story.split('·').map(str::trim).filter(|line| !line.is_empty());
    let event = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        serde_json::json!({
            "type": "track", "userId": words[1], "event": words[2], "timestamp": at(words[0]),
            "properties": {"value": 10}
        })
    };
    lines.map(|line| format!("{}\n", event(line))).collect()
}

/// Verbs told as `TIME VERB [OPTION…]`, about the journey `example`.
pub(crate) fn script(story: &str) -> String {
    let lines = story.split('·').map(str::trim).filter(|line| !line.is_empty());
    let line = |line: &str| {
        let (time, rest) = line.split_once(' ').expect("a time and a verb");
        let (verb, options) = rest.split_once(' ').unwrap_or((rest, ""));
        format!("{} {verb} example {options}\n", at(time))
    };
    lines.map(line).collect()
}

fn at(clock: &str) -> String {
    format!("2026-03-01T{clock}:00Z")
}

/// The journey of the specification's worked examples.
pub(crate) fn example(dialect: &str, extra: &str, entry: &str) -> String {
    format!(
        r#"
        id = "example"
        dialect = "{dialect}"
        {extra}
        [entry]
        event = "add"
        {entry}
        [[exit]]
        event = "buy"
        [[node]]
        id = "W"
        type = "send"
        channel = "push"
        content = "w"
        [[node]]
        id = "patience"
        type = "delay"
        for = "60m"
        [[node]]
        id = "R"
        type = "send"
        channel = "push"
        content = "r"
        next = "exit"
        [content.w]
        title = "Welcome"
        [content.r]
        title = "Reminder"
        "#
    )
}
