//! Answers as people read them: tables with as wide columns as they need, and sentences.

use serde_json::Value;

use crate::control::letters::Replay;
use crate::control::service::{FormatsView, JourneyView, RejectView, ShardFormats, VersionView};
use crate::control::story::StoryView;

/// Rows under their headings, columns apart by two blanks; numbers to the right.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let number = |column: usize| rows.iter().all(|row| row[column].bytes().all(|byte| byte.is_ascii_digit()));
    let right: Vec<bool> = (0..headings.len()).map(|column| !rows.is_empty() && number(column)).collect();
    let line = |cells: &[&str]| {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let (blank, width) = (if column == 0 { "" } else { "  " }, widths[column]);
            line += &if right[column] {
                format!("{blank}{cell:>width$}")
            } else {
                format!("{blank}{cell:width$}")
            };
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(headings);
    for row in rows {
        text += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

fn dash(text: Option<&str>) -> String {
    text.map_or_else(|| "–".to_owned(), printable)
}

/// Without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What is written, and a line for each shard.
pub(super) fn formats(view: &FormatsView) -> String {
    let number = |number: Option<String>| number.unwrap_or_else(|| "–".to_owned());
    let row = |of: &ShardFormats| {
        vec![
            of.shard.to_string(),
            dash(of.owner.as_deref()),
            number(of.writes.map(|format| format.to_string())),
            number(of.reads.map(|format| format.to_string())),
            number(of.to_renew.map(|left| left.to_string())),
        ]
    };
    let rows: Vec<_> = view.shards.iter().map(row).collect();
    let FormatsView { written, reads, .. } = view;
    let text =
        format!("everything is written in format {written}; this server reads formats up to {reads}\n\n");
    text + &table(&["shard", "owner", "written in", "owner reads", "users of the format before"], &rows)
}

/// All journeys, one line each.
pub(super) fn list(views: &[JourneyView]) -> String {
    if views.is_empty() {
        return "there is no journey yet; `wayfarer ctl put FILE` makes one\n".to_owned();
    }
    let sum = |view: &JourneyView, of: fn(&VersionView) -> u64| {
        view.versions.iter().map(of).sum::<u64>().to_string()
    };
    let row = |view: &JourneyView| {
        vec![
            printable(&view.id),
            printable(&view.state),
            view.gates.entry.to_string(),
            view.gates.movement.to_string(),
            dash(view.version.map(|version| version.to_string()).as_deref()),
            sum(view, |version| version.entered),
            sum(view, |version| version.waiting),
            sum(view, |version| version.held),
            sum(view, |version| version.at_send),
            sum(view, |version| version.draining),
            printable(&view.created_by),
            dash(view.published_by.as_deref()),
            allowed(view),
        ]
    };
    let headings = [
        "journey",
        "state",
        "entry",
        "movement",
        "version",
        "entered",
        "waiting",
        "held",
        "at send",
        "draining",
        "created by",
        "published by",
        "allowed",
    ];
    table(&headings, &views.iter().map(row).collect::<Vec<_>>())
}

/// The verbs that an operator may give now.
fn allowed(view: &JourneyView) -> String {
    let verbs: Vec<_> = view.allowed.iter().map(|verb| verb.as_str()).collect();
    if verbs.is_empty() { "–".to_owned() } else { verbs.join(", ") }
}

/// One journey, with all that is known.
pub(super) fn show(view: &JourneyView) -> String {
    let by = |who: Option<&str>, at: Option<crate::model::Timestamp>| match (who, at) {
        (Some(who), Some(at)) => format!("{} at {at}", printable(who)),
        _ => "–".to_owned(),
    };
    let mut lines = vec![
        ("journey", printable(&view.id)),
        ("name", dash(view.name.as_deref())),
        ("dialect", view.dialect.clone()),
        ("state", view.state.clone()),
        ("entry gate", view.gates.entry.to_string()),
        ("movement gate", view.gates.movement.to_string()),
        ("allowed now", allowed(view)),
        ("revision", view.revision.to_string()),
        ("live version", dash(view.version.map(|version| version.to_string()).as_deref())),
        ("created by", by(Some(&view.created_by), Some(view.created_at))),
        ("published by", by(view.published_by.as_deref(), view.published_at)),
    ];
    if let Some(failure) = &view.failure {
        lines.push(("failure", printable(failure)));
    }
    if !view.refused.is_empty() {
        lines.push(("entry refused", counts(&view.refused)));
    }
    let mut text = String::new();
    for (name, value) in lines {
        text += &format!("{name:14} {value}\n");
    }
    if !view.versions.is_empty() {
        text += "\n";
        text += &versions(&view.versions);
    }
    text
}

fn counts(counts: &[(String, u64)]) -> String {
    let each: Vec<_> = counts.iter().map(|(name, count)| format!("{} {count}", printable(name))).collect();
    if each.is_empty() { "–".to_owned() } else { each.join(", ") }
}

fn versions(versions: &[VersionView]) -> String {
    let row = |version: &VersionView| {
        let numbers = [
            u64::from(version.version),
            version.entered,
            version.moved_in,
            version.waiting,
            version.held,
            version.parked,
            version.at_send,
            version.draining,
            version.moved_out,
            version.converted,
        ];
        let mut row: Vec<String> = numbers.iter().map(u64::to_string).collect();
        row.push(counts(&version.exited));
        row.push(if version.conserved { "holds" } else { "BROKEN" }.to_owned());
        row
    };
    let headings = [
        "version",
        "entered",
        "moved in",
        "waiting",
        "held",
        "parked",
        "at send",
        "draining",
        "moved out",
        "converted",
        "exited",
        "identity",
    ];
    let mut text = table(&headings, &versions.iter().map(row).collect::<Vec<_>>());
    let sent = |version: &VersionView| {
        let number = version.version.to_string();
        let row =
            move |(node, count): &(String, u64)| vec![number.clone(), printable(node), count.to_string()];
        version.sent.iter().map(row).collect::<Vec<_>>()
    };
    let sent: Vec<_> = versions.iter().flat_map(sent).collect();
    if !sent.is_empty() {
        text += "\n";
        text += &table(&["version", "node", "sent"], &sent);
    }
    text
}

/// What a release would do.
pub(super) fn preview(value: &Value) -> String {
    let users = value["users"].as_u64().unwrap_or(0);
    match value["oldest_due"].as_str() {
        Some(due) => format!("{users} held users would go on; the first is due since {due}\n"),
        None => format!("{users} held users would go on\n"),
    }
}

/// One user's story, a line a record.
pub(crate) fn story(story: &StoryView) -> String {
    let user = printable(&story.user);
    if story.records.is_empty() {
        return format!("nothing is told of {user}\n");
    }
    let mut text = match story.left_out {
        0 => String::new(),
        older => format!("{older} older records of {user} are left out\n"),
    };
    for chapter in &story.records {
        text += &format!("{}\n", printable(&chapter.to_string()));
    }
    text
}

/// Dead letters, one line each.
pub(crate) fn rejects(rejects: &[RejectView]) -> String {
    if rejects.is_empty() {
        return "there is no dead letter\n".to_owned();
    }
    let row = |reject: &RejectView| {
        let position = format!("{}:{}", printable(&reject.source), reject.offset);
        let replayed = reject.replayed.map_or_else(String::new, |at| at.to_string());
        let (code, message) = (reject.code.clone(), printable(&reject.message));
        vec![reject.number.to_string(), position, reject.at.to_string(), replayed, code, message]
    };
    let head = ["number", "position", "at", "let in again", "code", "reason"];
    table(&head, &rejects.iter().map(row).collect::<Vec<_>>())
}

/// One dead letter, with its bytes as far as a terminal can show them.
pub(crate) fn reject(reject: &RejectView, bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c })
        .collect();
    let cut = match reject.length > bytes.len() as u64 {
        true => format!(" of {}: it is cut", reject.length),
        false => String::new(),
    };
    let header =
        |(name, of): &(String, String)| format!("header    {}: {}\n", printable(name), printable(of));
    let headers: String = reject.headers.iter().map(header).collect();
    let replayed = reject.replayed.map_or_else(|| "never".to_owned(), |at| at.to_string());
    format!(
        "number    {}\nposition  {}:{}\nshard     {}\nat        {}\nkind      {}\ncode      {}\nreason    {}\n\
         again     {replayed}\nkey       {}\n{headers}bytes     {}{cut}\n\n{text}\n",
        reject.number,
        printable(&reject.source),
        reject.offset,
        reject.shard,
        reject.at,
        reject.kind.as_deref().unwrap_or("not known"),
        reject.code,
        printable(&reject.message),
        reject.key.as_deref().map_or_else(|| "none".to_owned(), printable),
        bytes.len(),
    )
}

/// What became of dead letters that were to be let in once more.
pub(crate) fn replay(told: &Replay) -> String {
    let Replay { dry_run, replayed, left, more } = told;
    let count = replayed.len();
    let (letters, are) = match (count, dry_run) {
        (1, true) => ("letter", "would be"),
        (1, false) => ("letter", "is"),
        (_, true) => ("letters", "would be"),
        (_, false) => ("letters", "are"),
    };
    let numbers: Vec<String> = replayed.iter().map(u64::to_string).collect();
    let numbers = if numbers.is_empty() { String::new() } else { format!(": {}", numbers.join(" ")) };
    let mut text = format!("{count} dead {letters} {are} let in once more{numbers}\n");
    for left in left {
        text.push_str(&format!("not {}: {}\n", left.number, printable(&left.why)));
    }
    if *more {
        text.push_str("there are more; the same again goes on\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_and_numbers_stand_to_the_right() {
        let rows = [vec!["é".to_owned(), "7".to_owned()], vec!["long".to_owned(), "1200".to_owned()]];
        assert_eq!(table(&["a", "n"], &rows), "a        n\né        7\nlong  1200\n");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_comes_from_elsewhere() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
    }
}
