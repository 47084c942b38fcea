//! What happened, as text: all of it, or what concerns a violation.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::story_run::RunResult;
use super::violation::{Violation, clock};
use crate::system::{CallOutcome, End, Event};

/// Most lines of a filtered trace.
const MOST_LINES: usize = 220;

/// One line.
pub(super) fn line((at, event): &(Duration, Event)) -> String {
    format!("{} {event}", clock(*at))
}

/// All of it.
pub(super) fn whole(told: &RunResult) -> String {
    told.trace.iter().map(|one| line(one) + "\n").collect()
}

/// What concerns a violation: lines that name what it is about, or the runners that those lines
/// name; the rest is counted.
pub(super) fn around(told: &RunResult, violation: &Violation) -> String {
    let lines: Vec<(String, &Event)> = told.trace.iter().map(|one| (line(one), &one.1)).collect();
    let mut ids: BTreeSet<String> = violation
        .about
        .iter()
        .filter(|id| !id.is_empty())
        .map(|id| short(id))
        .collect();
    for (text, _) in lines
        .iter()
        .filter(|(text, _)| names(text, &ids))
        .take(400)
        .cloned()
        .collect::<Vec<_>>()
    {
        if violation.about.len() < 3 {
            ids.extend(runners_in(&text).into_iter().take(2));
        }
        if ids.len() > 12 {
            break;
        }
    }
    let concerned = |(text, event): &(String, &Event)| names(text, &ids) || always(event);
    let mut shown: Vec<String> = Vec::new();
    let mut skipped = 0_usize;
    for one in &lines {
        if !concerned(one) {
            skipped += 1;
            continue;
        }
        if skipped > 0 {
            shown.push(format!("             … {skipped} more"));
            skipped = 0;
        }
        shown.push(one.0.clone());
    }
    if shown.len() > MOST_LINES {
        let middle = shown.len() - MOST_LINES;
        shown.splice(
            MOST_LINES / 3..MOST_LINES / 3 + middle,
            [format!(
                "             … {middle} lines of the same kind left out"
            )],
        );
    }
    let mut text = String::new();
    for one in shown {
        let _ = writeln!(text, "{one}");
    }
    text
}

/// The id that stands in lines: of a runner its ULID, which its name has, too.
fn short(id: &str) -> String {
    id.rsplit('/')
        .next()
        .unwrap_or(id)
        .trim_start_matches("mayfly-")
        .to_owned()
}

fn names(text: &str, ids: &BTreeSet<String>) -> bool {
    ids.iter().any(|id| text.contains(id.as_str()))
}

/// ULIDs in a line.
fn runners_in(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
    parts
        .filter(|part| part.len() == 26 && part.starts_with('0'))
        .map(str::to_owned)
        .collect()
}

/// What is worth a line whatever the trace is about.
fn always(event: &Event) -> bool {
    match event {
        Event::SettingsChanged { .. } => true,
        Event::Ended { end, .. } => matches!(end, End::Crashed | End::TimedOut),
        Event::Called { handling, .. } => matches!(handling, CallOutcome::Faulted(..)),
        _ => false,
    }
}
