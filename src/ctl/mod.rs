//! `wayfarer ctl`, and what other verbs ask a running server: the operator's API from a shell.
//!
//! Nothing is judged here: the server says what is allowed, and its sentence is printed. What is printed to
//! people are tables and sentences; with `--json` it is the server's answer as it came. Every command has
//! an id, so that
//! `--id` makes a repeat after a broken connection safe.

mod client;
pub(crate) mod flows;
mod letters;
mod look;
pub(crate) mod tables;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{CommandOptions, Ctl, CtlArgs, KeepEdit, ResumeArgs, VerbArgs, exit};
use crate::control::service::JourneyView;
use crate::http::new_id;
use crate::journey::source;
use client::{Answer, Ask, Client, Failure, in_path, one_problem};

pub use letters::rejects;
pub use look::explain;

const JSON: &str = "application/json";

/// What is to be printed, and the code to end with.
#[derive(Debug, Default)]
struct Said {
    code: u8,
    out: Vec<u8>,
}

/// Does what `ctl` was told: prints the answer to `out` and what went wrong to `err`, and gives the exit
/// code, one of [`exit`].
#[must_use]
pub fn run(args: &CtlArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let client = Client::new(&args.server.url, Some((&args.server.actor, args.server.role)));
    finish(perform(&client, &args.command, args.server.json), args.server.json, out, err)
}

fn perform(client: &Client, command: &Ctl, json: bool) -> Result<Said, Failure> {
    match command {
        Ctl::Put(put) => self::put(client, &put.file, &put.options, json),
        Ctl::List => {
            let answer = client.get("/v1/journeys")?;
            let views: Vec<JourneyView> = view(&answer, &answer.value["journeys"])?;
            Ok(answer.said(json, |_| tables::list(&views)))
        }
        Ctl::Show(show) => {
            let answer = client.get(&path(&show.journey, ""))?;
            let journey: JourneyView = view(&answer, &answer.value)?;
            Ok(answer.said(json, |_| tables::show(&journey)))
        }
        Ctl::Statistics(args) => look::statistics(client, args, json),
        Ctl::KeepEdit(args) => keep_edit(client, args, json),
        Ctl::ShowEdit(args) => {
            let answer = client.get(&path(&args.journey, "/unsaved"))?;
            Ok(answer.said(json, |value| value["text"].as_str().unwrap_or_default().to_owned()))
        }
        Ctl::DropEdit(args) => {
            let key = new_id();
            let ask = Ask { method: "DELETE", content_type: None, key: Some(&key) };
            let answer = client.send(&path(&args.journey, "/unsaved"), &ask, None)?;
            Ok(answer.taken(json, &format!("the unsaved edit of {} is dropped", args.journey)))
        }
        Ctl::Save(args) => act(client, "save", args, json!({}), json),
        Ctl::Publish(args) => act(client, "publish", args, json!({}), json),
        Ctl::Activate(args) => act(client, "activate", args, json!({}), json),
        Ctl::Pause(args) => act(client, "pause", args, json!({}), json),
        Ctl::Stop(args) => act(client, "stop", args, json!({}), json),
        Ctl::Freeze(args) => act(client, "freeze", args, json!({}), json),
        Ctl::Close(args) => act(client, "close", args, json!({}), json),
        Ctl::Abort(args) => act(client, "abort", args, json!({}), json),
        Ctl::Recover(args) => act(client, "recover", args, json!({}), json),
        Ctl::Resume(args) => release(client, "resume", args, json),
        Ctl::Release(args) => release(client, "release", args, json),
        Ctl::Reactivate(args) => {
            act(client, "reactivate", &args.verb, json!({ "keep_held": args.keep_held }), json)
        }
        Ctl::Clone(args) => act(client, "clone", &args.verb, json!({ "to": args.to }), json),
        Ctl::Copy(args) => act(client, "copy", &args.verb, json!({ "to": args.to }), json),
        Ctl::Fail(args) => act(client, "fail", &args.verb, json!({ "reason": args.reason }), json),
        Ctl::Format(args) => look::format(client, args, json),
        Ctl::Enter(args) => {
            let body = json!({ "user": args.user, "properties": args.properties });
            let key = args.id.clone().unwrap_or_else(new_id);
            let answer = post(client, &path(&args.journey, "/entries"), &body, Some(&key))?;
            let (user, journey) = (&args.user, &args.journey);
            Ok(answer.said(json, |_| {
                format!(
                    "{user} is to enter {journey}, if its entry allows it; `wayfarer explain {user}` tells\n"
                )
            }))
        }
        Ctl::ListUpload(args) => upload(client, &args.journey, &args.file, args.id.as_deref(), json),
    }
}

fn put(client: &Client, file: &Path, options: &CommandOptions, json: bool) -> Result<Said, Failure> {
    let text = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    let name = file.display().to_string();
    let reading = source::read(&name, &text);
    // The server would find the same, but does not know the file's name.
    let Some(definition) = reading.definition else {
        let problems: Vec<_> = reading.problems.iter().map(ToString::to_string).collect();
        return Err(Failure::new(exit::PROBLEM, problems.join("\n")));
    };
    let key = options.id.clone().unwrap_or_else(new_id);
    let ask = Ask { method: "PUT", content_type: Some(media_type(file)), key: Some(&key) };
    let expect = options.expect.map_or_else(String::new, |expect| format!("?expect={expect}"));
    let path = path(&definition.id, &expect);
    let answer = client.send(&path, &ask, Some(&mut text.as_slice()))?;
    Ok(answer.taken(json, &format!("{} is saved", definition.id)))
}

fn keep_edit(client: &Client, args: &KeepEdit, json: bool) -> Result<Said, Failure> {
    let text = std::fs::read(&args.file).map_err(|error| unreadable(&args.file, &error))?;
    let key = args.id.clone().unwrap_or_else(new_id);
    let ask = Ask { method: "PUT", content_type: Some(media_type(&args.file)), key: Some(&key) };
    let answer = client.send(&path(&args.journey, "/unsaved"), &ask, Some(&mut text.as_slice()))?;
    Ok(answer.taken(json, &format!("the edit of {} is kept, and not saved", args.journey)))
}

/// What a definition's file is, by its name.
fn media_type(file: &Path) -> &'static str {
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json { JSON } else { "application/toml" }
}

fn act(client: &Client, verb: &str, args: &VerbArgs, body: Value, json: bool) -> Result<Said, Failure> {
    let mut body = body;
    body["expect"] = json!(args.options.expect);
    let key = args.options.id.clone().unwrap_or_else(new_id);
    let answer = post(client, &path(&args.journey, &format!("/{verb}")), &body, Some(&key))?;
    Ok(answer.taken(json, &format!("{verb} {}: done, in every shard", args.journey)))
}

fn release(client: &Client, verb: &str, args: &ResumeArgs, json: bool) -> Result<Said, Failure> {
    let selection = match (&args.from, &args.at) {
        (Some(node), _) => json!({ "from": node }),
        (None, Some(node)) => json!({ "at": node }),
        (None, None) => json!("all"),
    };
    if !args.preview {
        return act(client, verb, &args.verb, json!({ "selection": selection }), json);
    }
    let path = path(&args.verb.journey, "/preview");
    let answer = post(client, &path, &json!({ "selection": selection }), None)?;
    Ok(answer.said(json, tables::preview))
}

fn upload(
    client: &Client,
    journey: &str,
    file: &Path,
    id: Option<&str>,
    json: bool,
) -> Result<Said, Failure> {
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    let content_type = match extension.to_str() {
        Some("csv" | "tsv") => "text/csv",
        Some("jsonl" | "ndjson" | "json") => "application/x-ndjson",
        _ => {
            let message = format!(
                "{} is neither .csv nor .jsonl (.ndjson, .json): its name must say what it is",
                file.display()
            );
            return Err(Failure::new(exit::PROBLEM, message));
        }
    };
    let mut source = File::open(file).map_err(|error| unreadable(file, &error))?;
    let key = id.map_or_else(new_id, str::to_owned);
    let ask = Ask { method: "PUT", content_type: Some(content_type), key: Some(&key) };
    let answer = client.send(&path(journey, "/list"), &ask, Some(&mut source as &mut dyn Read))?;
    Ok(answer.taken(json, &format!("the list of {journey} is uploaded")))
}

fn post(client: &Client, path: &str, body: &Value, key: Option<&str>) -> Result<Answer, Failure> {
    let ask = Ask { method: "POST", content_type: Some(JSON), key };
    client.send(path, &ask, Some(&mut body.to_string().as_bytes()))
}

fn path(journey: &str, rest: &str) -> String {
    format!("/v1/journeys/{}{rest}", in_path(journey))
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::new(exit::FILE, format!("{} cannot be read: {error}", file.display()))
}

/// Part of an answer, in a form that is known.
fn view<T: serde::de::DeserializeOwned>(answer: &Answer, value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|error| {
        let message = format!("the server's answer is not understood: {error}; is it of another version?");
        Failure { code: exit::SERVER, message, answer: Some(answer.text.clone()) }
    })
}

impl Answer {
    /// For people or, as it came, for programs.
    fn said(self, json: bool, people: impl FnOnce(&Value) -> String) -> Said {
        let text = if json { self.text } else { people(&self.value) };
        Said { code: exit::OK, out: text.into_bytes() }
    }

    /// The answer to a command: done, with warnings maybe, or pending.
    fn taken(self, json: bool, done: &str) -> Said {
        let pending = self.value["pending"].is_array();
        let said = self.said(json, |value| {
            let mut text = match value["message"].as_str().filter(|_| pending) {
                Some(message) => format!("{message}\n"),
                None => format!("{done} (epoch {})\n", value["epoch"]),
            };
            for warning in value["warnings"].as_array().into_iter().flatten() {
                text.push_str(&format!("warning: {}\n", one_problem(warning)));
            }
            text
        });
        Said { code: if pending { exit::PENDING } else { exit::OK }, ..said }
    }
}

/// Prints, and gives the exit code.
fn finish(said: Result<Said, Failure>, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match said {
        Ok(said) => match out.write_all(&said.out).and_then(|()| out.flush()) {
            Ok(()) => said.code,
            // Whoever reads has seen enough, as `head` has.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => said.code,
            Err(_) => exit::FILE,
        },
        Err(failure) => {
            // If not even this can be printed, the code still tells.
            let _ = match failure.answer.filter(|_| json) {
                Some(answer) => out.write_all(answer.as_bytes()),
                None => writeln!(err, "{}", failure.message),
            };
            failure.code
        }
    }
}
