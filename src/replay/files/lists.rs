//! Audience lists from files: JSON lines or CSV, one user a row. A row's other fields stand for an
//! event's properties.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::ListFile;
use crate::ingest::limits::USER_BYTES_MAX;
use crate::replay::error::ReplayError;

/// What a column or key with the user's id may be called.
const USER: [&str; 3] = ["user_id", "userId", "user"];

/// The rows of one list: users and their properties as JSON.
pub(super) type Rows = Vec<(String, String)>;

/// Reads every list.
///
/// # Errors
/// If a file cannot be read, a row is none (all such rows are named), or a list is given twice.
pub(super) fn read(files: &[ListFile]) -> Result<BTreeMap<String, Rows>, ReplayError> {
    let mut lists = BTreeMap::new();
    for ListFile { name, file } in files {
        let text = std::fs::read_to_string(file).map_err(|error| ReplayError::file(file, "read", &error))?;
        let is_json = text.trim_start().starts_with('{');
        let rows = if is_json { json(file, &text) } else { table(file, &text) };
        if lists.insert(name.clone(), rows.map_err(ReplayError::Problem)?).is_some() {
            return Err(ReplayError::Usage(format!("the list {name:?} is given twice; give each list once")));
        }
    }
    Ok(lists)
}

fn json(file: &Path, text: &str) -> Result<Rows, String> {
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let row = serde_json::from_str::<Map<String, Value>>(line).map_err(|error| error.to_string());
        match row.and_then(row_of) {
            Ok(row) => rows.push(row),
            Err(message) => wrong.push(format!("{}:{number}: {message}", file.display())),
        }
    }
    if wrong.is_empty() { Ok(rows) } else { Err(wrong.join("\n")) }
}

fn table(file: &Path, text: &str) -> Result<Rows, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| format!("{}: {error}", file.display()))?.clone();
    if !header.iter().any(|column| USER.contains(&column)) {
        let columns: Vec<&str> = header.iter().collect();
        return Err(format!(
            "{} has no column `user_id`; its columns are {}",
            file.display(),
            columns.join(", ")
        ));
    }
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("{}: {error}", file.display()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
        let fields = cells.map(|(column, cell)| (column.to_owned(), typed(column, cell))).collect();
        match row_of(fields) {
            Ok(row) => rows.push(row),
            Err(message) => wrong.push(format!("{}:{line}: {message}", file.display())),
        }
    }
    if wrong.is_empty() { Ok(rows) } else { Err(wrong.join("\n")) }
}

/// What is written as a number, or as true or false, is one; an id stays a text.
fn typed(column: &str, cell: &str) -> Value {
    let value =
        serde_json::from_str(cell).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
    value.filter(|_| !USER.contains(&column)).unwrap_or_else(|| cell.into())
}

fn row_of(mut fields: Map<String, Value>) -> Result<(String, String), String> {
    let user = USER.iter().find_map(|key| fields.shift_remove(*key));
    let Some(Value::String(user)) = user else {
        return Err("the row names no user; it needs a text in `user_id`".to_owned());
    };
    let fits = !user.trim().is_empty() && user.len() <= USER_BYTES_MAX && !user.contains(char::is_control);
    if !fits {
        return Err(format!(
            "{user:?} cannot be a user: 1 to {USER_BYTES_MAX} bytes, not blank, without control characters"
        ));
    }
    Ok((user, Value::Object(fields).to_string()))
}
