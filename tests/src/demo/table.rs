//! The table of jobs.

use std::fmt::Write;

use jiff::Timestamp;

use super::outcome::{Line, Outcome};

const HEAD: [&str; 8] = ["repository", "labels", "kind", "pool", "waited", "ran", "runner", "conclusion"];

/// One line for each job, columns as wide as what they hold.
pub(super) fn table(outcome: &Outcome) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(outcome.lines.iter().map(row));
    let widths: Vec<usize> = (0..HEAD.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn row(line: &Line) -> [String; 8] {
    let job = &line.job;
    let dash = || "-".to_owned();
    [
        job.repository.clone(),
        job.labels.join(","),
        line.kind.name().to_owned(),
        line.pool.clone().unwrap_or_else(dash),
        between(Some(&job.queued_at), job.started_at.as_ref()).unwrap_or_else(dash),
        between(job.started_at.as_ref(), job.completed_at.as_ref()).unwrap_or_else(dash),
        job.runner_name.clone().unwrap_or_else(dash),
        job.conclusion.clone().or_else(|| line.reason.clone()).unwrap_or_else(|| format!("{} at GitHub", job.status)),
    ]
}

/// Seconds between two times of the GitHub model.
fn between(from: Option<&String>, to: Option<&String>) -> Option<String> {
    let read = |text: &String| text.parse::<Timestamp>().ok();
    let span = read(to?)?.duration_since(read(from?)?);
    Some(format!("{:.1} s", span.as_secs_f64()))
}
