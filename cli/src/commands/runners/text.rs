//! Runners as a table.

use anstyle::Style;
use mayfly_domain::model::runner::Outcome;

use super::report::{Line, RunnersReport};
use crate::deployment::killed::Killed;
use crate::deployment::runner_phase::RunnerPhase;
use crate::terminal::screen::{BAD, CAUTION, FAINT, GOOD, STRONG};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{dollars, no_costs, outcome_word};
use crate::terminal::time_format::age;

/// The runners, a line each. `room`: the terminal's width.
#[must_use]
pub fn text(answer: &RunnersReport, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("RUNNER").cuts_middle(15),
        Column::new("POOL").cuts(6),
        Column::new("STATE"),
        Column::new("FOR"),
        Column::new("PLACE").cuts_front(8).hides(3),
        Column::new("JOB"),
        Column::new("AGE").hides(2),
        Column::new("COST").hides(1),
        Column::new("WHY").cuts(16),
    ]);
    for line in &answer.runners {
        let (state, style) = state(line);
        table.row([
            line.runner.to_string().into(),
            line.pool.to_string().into(),
            Cell::new(state).styled(style),
            Cell::number(age(answer.at.0, line.since.0)),
            line.place.clone().into(),
            line.job.map(|job| job.to_string()).into(),
            Cell::number(age(answer.at.0, line.requested_at.0)),
            Cell::number(line.cost_nanodollars.map(dollars).unwrap_or_default()),
            line.reason.clone().into(),
        ]);
    }
    let mut lines = vec![table.fitted(room)];
    let reasons = answer
        .runners
        .iter()
        .filter_map(|line| line.no_cost.as_deref());
    lines.extend(no_costs(reasons));
    lines.join("\n")
}

/// A runner's state in a word, and how it is shown.
fn state(line: &Line) -> (&'static str, Style) {
    match (line.phase, line.outcome) {
        (Some(phase @ RunnerPhase::Busy), _) => (phase.word(), STRONG),
        (Some(phase @ RunnerPhase::Ending), _) => (phase.word(), FAINT),
        (Some(phase), _) => (phase.word(), Style::new()),
        (None, outcome) => match &line.killed {
            Some(killed) => killed_in_a_word(killed),
            None => outcome.map_or(("closed", FAINT), outcome_in_a_word),
        },
    }
}

/// What killed a runner, and how that is shown.
#[must_use]
pub fn killed_in_a_word(killed: &Killed) -> (&'static str, Style) {
    let style = if matches!(killed, Killed::Spot | Killed::Forced { .. }) {
        CAUTION
    } else {
        BAD
    };
    (killed.word(), style)
}

/// How a runner ended, and how that is shown.
#[must_use]
pub fn outcome_in_a_word(outcome: Outcome) -> (&'static str, Style) {
    let style = match outcome {
        Outcome::Ran => GOOD,
        Outcome::Surplus => FAINT,
        Outcome::NeverAssigned => CAUTION,
        Outcome::FailedStart | Outcome::Refused | Outcome::Unknown => BAD,
    };
    (outcome_word(outcome), style)
}
