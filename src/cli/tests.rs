//! The arguments of the binary.

use clap::{CommandFactory, Parser};

use super::*;
use crate::lifecycle::Verb;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

/// Calls `seen` with every verb and every verb below it, and its name from the root.
fn each(command: &clap::Command, path: &str, seen: &mut dyn FnMut(&str, &clap::Command)) {
    seen(path, command);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        each(sub, &format!("{path} {}", sub.get_name()), seen);
    }
}

#[test]
fn the_grammar_contradicts_itself_nowhere() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_and_every_argument_says_what_it_is_for() {
    each(&Cli::command(), "wayfarer", &mut |path, command| {
        assert!(command.get_about().is_some(), "{path} has no help");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {} has no help", argument.get_id());
        }
    });
}

/// The examples of the help are command lines that parse: what a user copies must not be refused.
#[test]
fn every_example_of_the_help_is_accepted() {
    let mut examples = 0;
    each(&Cli::command(), "wayfarer", &mut |path, command| {
        let Some(help) = command.get_after_long_help().map(ToString::to_string) else { return };
        for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
            let Some(start) = line.find("wayfarer ") else { continue };
            let line =
                line[start..].split(" | ").next().and_then(|l| l.split(" > ").next()).expect("a first part");
            let words = words(line);
            let parsed = Cli::try_parse_from(&words);
            assert!(parsed.is_ok(), "{path}: {line}: {}", parsed.unwrap_err());
            examples += 1;
        }
    });
    assert!(examples >= 20, "only {examples} examples were found");
}

/// As a shell would part it, as far as the examples go: blanks, and single quotation marks.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "wayfarer",
        "wayfarer run --follow",
        "wayfarer check",
        "wayfarer demo --events 0",
        "wayfarer replay --events e.jsonl",
        "wayfarer replay --journeys j --events e --threads 0",
        "wayfarer replay --journeys j --events e --late soon",
        "wayfarer replay --journeys j --events e --until tomorrow",
        "wayfarer replay --journeys j --events e --map customer=x",
        "wayfarer replay --journeys j --events e --map user=",
        "wayfarer ctl pause",
        "wayfarer ctl resume j --from a --at b",
        "wayfarer ctl enter j u --properties [1]",
        "wayfarer ctl copy j",
        "wayfarer ctl fail j",
        "wayfarer rejects show 1 --raw --json",
        "wayfarer topics",
        "wayfarer topics apply --partitions 0",
        "wayfarer completions cmd.exe",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn options_of_the_server_may_stand_on_either_side_of_the_verb() {
    for line in ["wayfarer ctl --url http://a:1 pause j", "wayfarer ctl pause j --url http://a:1"] {
        let Command::Ctl(args) = parse(line).unwrap().command else { panic!("{line}") };
        assert_eq!((args.server.url.as_str(), args.server.role), ("http://a:1", Role::Operator), "{line}");
    }
}

#[test]
fn a_release_names_its_node_as_a_resume_does() {
    let Command::Ctl(args) = parse("wayfarer ctl release j --at n").unwrap().command else {
        panic!("not ctl")
    };
    assert!(matches!(args.command, Ctl::Release(ResumeArgs { at: Some(node), .. }) if node == "n"));
}

/// The end of a list is nobody's to declare but the engine's.
#[test]
fn every_verb_of_every_dialect_is_one_of_ctl() {
    let grammar = Cli::command();
    let ctl = grammar.find_subcommand("ctl").expect("a verb");
    for verb in Verb::ALL.into_iter().filter(|verb| *verb != Verb::ListProcessed) {
        assert!(ctl.find_subcommand(verb.as_str()).is_some(), "{verb}");
    }
}

#[test]
fn every_exit_code_is_in_the_help() {
    let help = Cli::command().render_long_help().to_string();
    for code in exit::ALL {
        assert!(help.contains(&format!("\n{code:>3}  ")), "{code}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    let (mut bash, mut page) = (Vec::new(), Vec::new());
    completions(Shell::Bash, &mut bash);
    man(&mut page).unwrap();
    let directory = tempfile::tempdir().unwrap();
    man_pages(directory.path()).unwrap();
    for verb in Cli::command().get_subcommands() {
        let name = verb.get_name();
        assert!(String::from_utf8_lossy(&bash).contains(name), "bash: {name}");
        assert!(String::from_utf8_lossy(&page).contains(name), "man: {name}");
        assert!(directory.path().join(format!("wayfarer-{name}.1")).exists(), "wayfarer-{name}.1");
    }
}
