//! A journey's text, TOML or JSON, to a [`Definition`] without problems, or to all of its problems in one go.
//!
//! ```text
//! text ─▶ tree with places ─▶ shape (schema) ─▶ definition ─▶ sense (check) ─▶ problems with lines
//! ```
//! Where the shape is wrong, the sense of what is right is still checked, on a mended definition; findings
//! that touch a wrong place, and those about the graph when a node is wrong, are left out: they would only
//! echo the first.

mod directory;
mod json;
mod schema;
mod shape;
mod toml;
mod tree;

#[cfg(test)]
mod tests;

use super::check;
use super::definition::Definition;
use super::problem::{Finding, Level, PROBLEMS_MAX, Path, Problem, quoted};
use tree::{Tree, line_and_column};

pub use directory::{Directory, load_all, load_directory, load_paths};
pub use schema::schema;

/// The largest journey, in bytes. One of 500 nodes with all its content has about 200 KiB.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// What came of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The journey; nothing if one of the problems is an error.
    pub definition: Option<Definition>,
    /// All problems, warnings too, in the order of the text.
    pub problems: Vec<Problem>,
}

/// A fault of the syntax, at a byte.
struct Syntax {
    at: usize,
    message: String,
}

/// Reads and checks a journey. JSON is what has the extension `json` or, without one of the two, starts with
/// `{`.
///
/// # Errors
/// All problems, in the order of the text. Warnings alone are no error, and are only in [`read`]'s answer.
pub fn load(file_name: &str, text: &[u8]) -> Result<Definition, Vec<Problem>> {
    let reading = read(file_name, text);
    reading.definition.ok_or(reading.problems)
}

/// Reads and checks a journey, as [`load`], and gives the warnings too.
#[must_use]
pub fn read(file_name: &str, text: &[u8]) -> Reading {
    let (text, tree, faults) = match parse(file_name, text) {
        Ok(parsed) => parsed,
        Err(finding) => return refused(vec![finding.placed(file_name, (1, 1), &[])]),
    };
    if !faults.is_empty() {
        return refused(syntax_problems(file_name, text, faults));
    }
    let (json, shape) = shape::read(&tree);
    let definition: Definition = match serde_json::from_value(json) {
        Ok(definition) => definition,
        Err(error) => {
            // The shape was read by the schema of the very same types; what is left over has no place of its
            // own.
            let finding = Finding::new("wrong_form", Path::default(), format!("this is no journey: {error}"));
            return refused(located(file_name, text, &tree, shape.into_iter().chain([finding]).collect()));
        }
    };
    let mut findings = check::findings(&definition, &shape);
    findings.extend(shape);
    let problems = located(file_name, text, &tree, findings);
    let wrong = problems.iter().any(|problem| problem.level == Level::Error);
    Reading { definition: (!wrong).then_some(definition), problems }
}

fn refused(problems: Vec<Problem>) -> Reading {
    Reading { definition: None, problems }
}

type Parsed<'a> = (&'a str, Tree, Vec<Syntax>);

fn parse<'a>(file_name: &str, bytes: &'a [u8]) -> Result<Parsed<'a>, Box<Finding>> {
    let whole = |code, message: String, allowed: &str| {
        Box::new(Finding::new(code, Path::default(), message).allowed(allowed))
    };
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!("this journey has more than {FILE_BYTES_MAX} bytes");
        return Err(whole("too_large", message, "at most 1 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message =
            format!("this is not UTF-8: the byte at position {} cannot be read", error.valid_up_to());
        whole("not_utf8", message, "UTF-8 text")
    })?;
    // Editors on Windows put a byte order mark before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_json = match file_name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()) {
        Some(extension) if extension == "json" => true,
        Some(extension) if extension == "toml" => false,
        _ => text.trim_start().starts_with('{'),
    };
    if text.trim().is_empty() {
        return Err(whole("empty", "the file is empty".to_owned(), "a journey in TOML or JSON"));
    }
    let (tree, faults) = if is_json { json::parse(text) } else { toml::parse(text) };
    Ok((text, tree, faults))
}

fn syntax_problems(file: &str, text: &str, mut faults: Vec<Syntax>) -> Vec<Problem> {
    faults.sort_by_key(|fault| fault.at);
    faults.truncate(PROBLEMS_MAX);
    let problem = |fault: Syntax| {
        Finding::new("syntax", Path::default(), fault.message).placed(
            file,
            line_and_column(text, fault.at),
            &[],
        )
    };
    faults.into_iter().map(problem).collect()
}

/// Gives findings their lines, and puts them in the order of the text.
fn located(file: &str, text: &str, tree: &Tree, mut findings: Vec<Finding>) -> Vec<Problem> {
    let nodes = tree.node_ids();
    // Errors first: what is cut must not turn a wrong journey into one with warnings.
    findings.sort_by_key(|finding| finding.level);
    findings.truncate(PROBLEMS_MAX);
    let mut problems: Vec<Problem> = findings
        .into_iter()
        .map(|finding| {
            let (span, is_text) = tree.locate(&finding.path, finding.on_key);
            let inside = if is_text { inside_text(&text[span.clone()], finding.offset) } else { 0 };
            let place = line_and_column(text, span.start + inside);
            finding.placed(file, place, &nodes)
        })
        .collect();
    problems.sort_by(|a, b| {
        let order = |p: &Problem| (p.line, p.column, p.level);
        order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path)).then_with(|| a.code.cmp(b.code))
    });
    problems
}

/// How far into a quoted text its byte `offset` stands; 0 where escapes make that unknowable.
fn inside_text(source: &str, offset: usize) -> usize {
    if offset == 0 || source.contains('\\') {
        return 0;
    }
    let quotes = if source.starts_with("\"\"\"") || source.starts_with("'''") { 3 } else { 1 };
    (quotes + offset).min(source.len())
}

/// That two files have one id.
fn same_id(file: &str, id: &str, other: &str) -> Problem {
    let message = format!("the id {} is that of the journey in {other}, too", quoted(id));
    Finding::new("duplicate_id", Path::of("id"), message)
        .allowed("one file for each journey of a directory")
        .hint("versions of a journey are published one after the other, not side by side")
        .placed(file, (1, 1), &[])
}
