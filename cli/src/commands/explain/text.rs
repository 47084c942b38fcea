//! A job's story as text.

use std::time::Duration;

use anstyle::Style;
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::job_timeline::Phase;
use mayfly_domain::model::label;

use super::report::{Beside, JobReport};
use crate::commands::runners::text::{killed_in_a_word, outcome_in_a_word};
use crate::terminal::screen::{BAD, CAUTION, FAINT, GOOD, STRONG};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{counted, dollars, no_costs, plain};
use crate::terminal::time_format::duration_text;

/// How many last characters of a runner's id tell it from others of one story: the first tell when
/// it was made.
const SHORT: usize = 6;

/// The whole answer: what it is, where it stands, why that pool, what happened, who took part.
/// `room`: the terminal's width.
#[must_use]
pub fn text(report: &JobReport, room: Option<usize>) -> String {
    let mut parts = vec![head(report), stand(report)];
    parts.extend(matched(report));
    parts.push(story(report, room));
    parts.extend(wait(report, room));
    if !report.runners.is_empty() {
        parts.push(runners(report, room));
    }
    parts.join("\n\n")
}

fn head(report: &JobReport) -> String {
    let attempt = if report.attempt > 1 {
        format!(", attempt {}", report.attempt)
    } else {
        String::new()
    };
    let url = format!("\n{FAINT}{}{FAINT:#}", plain(&report.url));
    format!(
        "{STRONG}job {} {}{STRONG:#}\n{}, run {}{attempt}, runs-on [{}]{url}",
        report.job,
        plain(&report.name),
        plain(&report.repository),
        report.run,
        plain(&label::list(report.labels.iter().map(String::as_str)))
    )
}

fn stand(report: &JobReport) -> String {
    let style = match (report.state, report.conclusion.as_deref()) {
        (JobState::Closed, Some("success")) => GOOD,
        (JobState::Closed, Some("failure" | "timed_out")) | (JobState::Unplaced, _) => BAD,
        (JobState::Queued, _) => CAUTION,
        _ => STRONG,
    };
    let mut lines = vec![format!("{style}{}{style:#}", plain(&report.summary))];
    lines.extend(
        report
            .help
            .as_ref()
            .map(|help| format!("  {}", plain(help))),
    );
    if let Some(waits) = &report.waits {
        lines.extend(waits.ahead.map(|ahead| match ahead {
            0 => "  it is next in its pool".to_owned(),
            ahead => format!(
                "  {} in its pool {} first",
                counted(ahead, "job"),
                if ahead == 1 { "comes" } else { "come" }
            ),
        }));
        lines.extend(waits.next_try_at.map(|at| match at.0 > report.at.0 {
            true => format!(
                "  next try at {}, in {}",
                at.near(report.at.0),
                duration_text(at.0.since(report.at.0))
            ),
            false => "  the next try is due".to_owned(),
        }));
        lines.extend(waits.help.as_ref().map(|help| format!("  {}", plain(help))));
    }
    lines.extend(report.swaps.iter().map(|swap| format!("  {}", plain(swap))));
    if report.tries_nanodollars.0 > 0 {
        lines.push(format!(
            "  runners that were started for it and got no job cost {}",
            dollars(report.tries_nanodollars)
        ));
    }
    lines.extend(
        no_costs(report.no_cost.iter().map(String::as_str))
            .iter()
            .map(|line| format!("  {line}")),
    );
    lines.join("\n")
}

fn matched(report: &JobReport) -> Option<String> {
    let words = report.matched.as_ref()?.in_words();
    let lines: Vec<String> = words
        .iter()
        .map(|line| format!("{FAINT}{}{FAINT:#}", plain(line)))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn story(report: &JobReport, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("TIME (UTC)"),
        Column::new("SINCE"),
        Column::new("WHO"),
        Column::new("WHAT").wraps(24),
    ]);
    for (number, line) in report.story.iter().enumerate() {
        let since = Duration::from_secs_f64(line.since_last_seconds.clamp(0.0, 1e9));
        let since = if number == 0 {
            String::new()
        } else {
            format!("+{}", duration_text(since))
        };
        let who = line
            .runner
            .as_ref()
            .map_or("job", |runner| short(runner.as_str()));
        table.row([
            line.at.column(report.at.0).into(),
            Cell::number(since),
            who.into(),
            line.text.as_str().into(),
        ]);
    }
    let cut = if report.story_incomplete {
        format!(
            "\n{FAINT}too many runners ended in that time to read them all: parts of this story may be missing{FAINT:#}"
        )
    } else {
        String::new()
    };
    format!("{}{cut}", table.fitted(room))
}

/// What the job waited for, if it began: each phase that took time, with its share.
fn wait(report: &JobReport, room: Option<usize>) -> Option<String> {
    let began = report
        .phases
        .iter()
        .any(|one| one.phase == Phase::Assignment);
    let waited = report.waited_seconds;
    if !began || waited <= 0.0 {
        return None;
    }
    let mut table = Table::new([
        Column::new("WAITED FOR"),
        Column::new("TOOK"),
        Column::new("SHARE"),
        Column::new("UNTIL").hides(1),
        Column::new("CLOCK").hides(2),
    ]);
    for one in report
        .phases
        .iter()
        .filter(|one| one.phase.is_wait() && one.seconds > 0.0)
    {
        table.row([
            one.phase.words().into(),
            Cell::number(duration_text(Duration::from_secs_f64(one.seconds))),
            Cell::number(format!("{:.0} %", 100.0 * one.seconds / waited)),
            one.until.column(report.at.0).into(),
            one.clock.name().into(),
        ]);
    }
    Some(table.fitted(room))
}

fn short(runner: &str) -> &str {
    runner
        .get(runner.len().saturating_sub(SHORT)..)
        .unwrap_or(runner)
}

fn runners(report: &JobReport, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("WHO"),
        Column::new("RUNNER").cuts_middle(15),
        Column::new("POOL").cuts(6),
        Column::new("STATE"),
        Column::new("COST").hides(1),
        Column::new("TASK").cuts(12),
    ]);
    for beside in &report.runners {
        let (state, style) = state(beside);
        let task = beside
            .task
            .as_deref()
            .and_then(|task| task.rsplit('/').next())
            .unwrap_or_default();
        table.row([
            short(beside.runner.as_str()).into(),
            beside.runner.to_string().into(),
            beside.pool.to_string().into(),
            Cell::new(state).styled(style),
            Cell::number(beside.cost_nanodollars.map(dollars).unwrap_or_default()),
            task.into(),
        ]);
    }
    table.fitted(room)
}

fn state(beside: &Beside) -> (&'static str, Style) {
    match (beside.phase, &beside.killed, beside.outcome) {
        (Some(phase), ..) => (phase.word(), Style::new()),
        (None, Some(killed), _) => killed_in_a_word(killed),
        (None, None, Some(outcome)) => outcome_in_a_word(outcome),
        (None, None, None) => ("closed", FAINT),
    }
}
