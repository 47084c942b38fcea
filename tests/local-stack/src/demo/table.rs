//! The table of jobs.

use std::fmt::Write;

use jiff::Timestamp;

use super::outcome::{Line, Outcome};

const HEAD: [&str; 8] = [
    "repository",
    "labels",
    "kind",
    "pool",
    "waited",
    "ran",
    "runner",
    "result",
];

/// Enough of a runner's name to tell it from the others of the demo.
const RUNNER_LETTERS: usize = 8;

/// One line for each job, columns as wide as what they hold, then Mayfly's reasons: with them in
/// the table it would fit no terminal.
pub(super) fn table(outcome: &Outcome) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut reasons = Vec::new();
    rows.extend(outcome.lines.iter().map(|line| row(line, &mut reasons)));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    for (number, reason) in reasons.iter().enumerate() {
        let _ = writeln!(text, "({}) {reason}", number + 1);
    }
    text
}

fn row(line: &Line, reasons: &mut Vec<String>) -> [String; 8] {
    let job = &line.job;
    let dash = || "-".to_owned();
    let labels: Vec<&str> = job
        .labels
        .iter()
        .map(String::as_str)
        .filter(|label| *label != "self-hosted")
        .collect();
    let mut result = job
        .conclusion
        .clone()
        .unwrap_or_else(|| "left alone".to_owned());
    if job.conclusion.is_none()
        && let Some(reason) = &line.reason
    {
        reasons.push(reason.clone());
        result = format!("{result} ({})", reasons.len());
    }
    [
        job.repository.clone(),
        labels.join(","),
        line.kind.name().to_owned(),
        line.pool.clone().unwrap_or_else(dash),
        between(Some(&job.queued_at), job.started_at.as_ref()).unwrap_or_else(dash),
        between(job.started_at.as_ref(), job.completed_at.as_ref()).unwrap_or_else(dash),
        job.runner_name.as_deref().map_or_else(dash, end_of),
        result,
    ]
}

/// The end of a runner's name, where the names differ.
fn end_of(name: &str) -> String {
    let first = name
        .char_indices()
        .rev()
        .nth(RUNNER_LETTERS - 1)
        .map_or(0, |(at, _)| at);
    name[first..].to_owned()
}

/// Seconds between two times of the GitHub model.
fn between(from: Option<&String>, to: Option<&String>) -> Option<String> {
    let read = |text: &String| text.parse::<Timestamp>().ok();
    let span = read(to?)?.duration_since(read(from?)?);
    Some(format!("{:.1} s", span.as_secs_f64()))
}
