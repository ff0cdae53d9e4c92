//! Dates and lengths of time: that they can be read, stand in order, and are not nothing.

use jiff::tz::TimeZone;

use crate::journey::dates::Date;
use crate::journey::definition::{Definition, NodeKind, Weekday};
use crate::journey::problem::{Finding, Path, quoted};
use crate::model::{Interval, Timestamp};

const DATE_FORM: &str =
    "`2026-03-01T09:00`, or with an offset, `2026-03-01T09:00+05:30` or `2026-03-01T03:30Z`";
const TIME_FORM: &str = "a time of day from `00:00` to `23:59`";

pub(super) fn check(definition: &Definition, found: &mut Vec<Finding>) {
    dates(definition, found);
    lasting(definition.timeout, Path::of("timeout"), "a journey time-out", found);
    for (i, node) in definition.node.iter().enumerate() {
        let at = Path::node(i);
        match &node.kind {
            NodeKind::Send { expires, .. } => {
                lasting(*expires, at.key("expires"), "an expiry", found);
            }
            NodeKind::WaitEvent { timeout, .. } => {
                lasting(*timeout, at.key("timeout"), "a time-out", found);
            }
            NodeKind::Delay { duration, until, at: time, on, timeout, .. } => {
                lasting(*timeout, at.key("timeout"), "a time-out", found);
                lasting(*duration, at.key("for"), "a delay", found);
                outlived(*duration, definition.timeout, at.key("for"), found);
                let ways = [("for", duration.is_some()), ("until", until.is_some()), ("at", time.is_some())];
                delay_ways(&at, &ways.map(|(key, given)| given.then_some(key)), found);
                if let Some(until) = until
                    && moment(until, &TimeZone::UTC).is_none()
                {
                    found.push(no_date(until, at.key("until")));
                }
                if let Some(time) = time {
                    time_of_day(time, at.key("at"), found);
                }
                days(on, time.is_some(), &at.key("on"), found);
            }
            NodeKind::Split { .. }
            | NodeKind::Filter { .. }
            | NodeKind::RandomSplit { .. }
            | NodeKind::Exit {} => {}
        }
    }
}

fn dates(definition: &Definition, found: &mut Vec<Finding>) {
    // An unknown zone is reported with the names; dates can still be compared with each other.
    let zone = TimeZone::get(&definition.zone).unwrap_or(TimeZone::UTC);
    let mut read = |date: &Option<String>, key: &str| {
        let text = date.as_deref()?;
        let moment = moment(text, &zone);
        if moment.is_none() {
            found.push(no_date(text, Path::of(key)));
        }
        moment
    };
    let (start, end) = (read(&definition.start, "start"), read(&definition.end, "end"));
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        let said = |date: &Option<String>| quoted(date.as_deref().unwrap_or_default());
        let message =
            format!("the end {} is not after the start {}", said(&definition.end), said(&definition.start));
        let finding = Finding::new("dates_order", Path::of("end"), message).allowed("an end after the start");
        found.push(finding.hint("the end itself is outside: a journey of one day ends at 00:00 of the next"));
    }
}

/// The instant that a text names; a local one in `zone`.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    Date::parse(text).ok().map(|date| date.in_zone(zone))
}

fn no_date(text: &str, path: Path) -> Finding {
    let finding = Finding::new("bad_date", path, format!("{} is not a date with a time", quoted(text)))
        .allowed(DATE_FORM);
    let day_only = text.parse::<jiff::civil::Date>().is_ok() && !text.contains(['T', 't', ' ']);
    finding.hint_if(day_only.then(|| format!("write `{text}T00:00` for the beginning of that day")))
}

fn time_of_day(text: &str, path: Path, found: &mut Vec<Finding>) {
    let number = |part: &str| (part.len() == 2).then(|| part.parse::<u8>().ok()).flatten();
    let read = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    if read.is_some_and(|(hour, minute)| hour < 24 && minute < 60) {
        return;
    }
    let finding =
        Finding::new("bad_time", path, format!("{} is not a time of day", quoted(text))).allowed(TIME_FORM);
    let shorter = text.get(..5).filter(|_| text.len() == 8).map(|short| format!("write `{short}`"));
    found.push(finding.hint_if(shorter.or_else(|| (text.len() == 4).then(|| format!("write `0{text}`")))));
}

/// A length of time that must not be nothing. That it is not too long, its own type sees to.
fn lasting(length: Option<Interval>, path: Path, what: &str, found: &mut Vec<Finding>) {
    if length.is_some_and(|length| length.as_millis() == 0) {
        let finding = Finding::new("no_time", path, format!("{what} of no length does nothing"));
        found.push(finding.allowed("a length of time above 0").hint("leave it out"));
    }
}

/// A delay that nobody lives to see the end of. A warning: users leave there, which may even be meant.
fn outlived(delay: Option<Interval>, journey: Option<Interval>, path: Path, found: &mut Vec<Finding>) {
    let (Some(delay), Some(journey)) = (delay, journey) else { return };
    // A time-out of nothing is an error of its own.
    if delay >= journey && journey > Interval::ZERO {
        let message =
            format!("the journey's time-out, {journey} after entering, ends this delay of {delay} first");
        let finding = Finding::new("outlived", path, message).warning();
        found.push(
            finding
                .allowed("a delay shorter than the journey's `timeout`")
                .hint("shorten it, or raise `timeout`"),
        );
    }
}

fn delay_ways(at: &Path, given: &[Option<&str>], found: &mut Vec<Finding>) {
    const WAYS: &str = "exactly one of `for`, `until` and `at` (with or without `on`)";
    let given: Vec<&str> = given.iter().copied().flatten().collect();
    match given.as_slice() {
        [_] => {}
        [] => {
            let finding =
                Finding::new("delay_ways", at.clone(), "the delay does not say how long").allowed(WAYS);
            found.push(finding.hint("for example for = \"1d\""));
        }
        [first, second, ..] => {
            let message = format!("the delay has both `{first}` and `{second}`");
            found.push(Finding::new("delay_ways", at.key(second), message).on_key().allowed(WAYS));
        }
    }
}

fn days(on: &[Weekday], has_time: bool, path: &Path, found: &mut Vec<Finding>) {
    if !on.is_empty() && !has_time {
        let message = "`on` names days for a time of day, and there is no `at`";
        let finding = Finding::new("delay_ways", path.clone(), message).on_key();
        found.push(finding.allowed("`on` together with `at`").hint("add for example at = \"09:00\""));
    }
    for (i, day) in on.iter().enumerate() {
        if on[..i].contains(day) {
            let finding = Finding::new("duplicate_day", path.index(i), "this day is named before");
            found.push(finding.allowed("each day once"));
        }
    }
}
