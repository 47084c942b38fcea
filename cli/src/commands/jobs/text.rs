//! Jobs as a table.

use std::time::Duration;

use anstyle::Style;
use mayfly_domain::model::job::JobState;

use super::report::{JobsReport, Line};
use crate::terminal::screen::{BAD, CAUTION, FAINT, GOOD, STRONG};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{dollars, no_costs};
use crate::terminal::time_format::{age, duration_text};

/// The jobs, a line each. `room`: the terminal's width.
#[must_use]
pub fn text(answer: &JobsReport, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("JOB"),
        Column::new("REPOSITORY").cuts_front(10),
        Column::new("NAME").cuts(8),
        Column::new("POOL").cuts(6),
        Column::new("STATE"),
        Column::new("AGE"),
        Column::new("WAITED").hides(2),
        Column::new("RAN").hides(3),
        Column::new("COST").hides(1),
        Column::new("WHY").cuts(16),
    ]);
    for line in &answer.jobs {
        table.row([
            Cell::new(line.job.to_string()),
            line.repository.as_str().into(),
            line.name.as_str().into(),
            line.pool.as_ref().map(ToString::to_string).into(),
            Cell::new(line.state_word()).styled(state_style(line)),
            Cell::number(age(answer.at.0, line.queued_at.0)),
            Cell::number(short(line.waited_seconds)),
            Cell::number(line.ran_seconds.map(short).unwrap_or_default()),
            Cell::number(line.cost_nanodollars.map(dollars).unwrap_or_default()),
            line.because.clone().into(),
        ]);
    }
    let mut lines = vec![table.fitted(room)];
    let reasons = answer
        .jobs
        .iter()
        .filter_map(|line| line.no_cost.as_deref());
    lines.extend(no_costs(reasons));
    lines.join("\n")
}

/// A duration of whole seconds.
fn short(seconds: f64) -> String {
    duration_text(Duration::from_secs_f64(seconds.clamp(0.0, 1e9).trunc()))
}

/// How a job's state is shown.
fn state_style(line: &Line) -> Style {
    match (line.state, line.conclusion.as_deref()) {
        (JobState::Unplaced, _) => BAD,
        (JobState::Queued, _) => CAUTION,
        (JobState::Running, _) => STRONG,
        (JobState::Closed, Some("success")) => GOOD,
        (JobState::Blocked, _)
        | (JobState::Closed, Some("cancelled" | "skipped" | "neutral") | None) => FAINT,
        (JobState::Closed, Some(_)) => BAD,
    }
}
