//! A job's story as text.

use std::time::Duration;

use anstyle::Style;
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::label;

use super::tale::{Beside, Tale};
use crate::commands::runners::{killed_in_a_word, outcome_in_a_word};
use crate::moment::span;
use crate::screen::{BAD, DOUBTFUL, FAINT, GOOD, STRONG};
use crate::table::{Cell, Column, Table};
use crate::words::{counted, dollars, plain};

/// How many last characters of a runner's id tell it from others of one story: the first tell when it was made.
const SHORT: usize = 6;

/// The whole answer: what it is, where it stands, why that pool, what happened, who took part.
/// `room`: the terminal's width.
#[must_use]
pub fn text(tale: &Tale, room: Option<usize>) -> String {
    let mut parts = vec![head(tale), stand(tale)];
    parts.extend(matched(tale));
    parts.push(story(tale, room));
    if !tale.runners.is_empty() {
        parts.push(runners(tale, room));
    }
    parts.join("\n\n")
}

fn head(tale: &Tale) -> String {
    let attempt = if tale.attempt > 1 { format!(", attempt {}", tale.attempt) } else { String::new() };
    let url = format!("\n{FAINT}{}{FAINT:#}", plain(&tale.url));
    format!(
        "{STRONG}job {} {}{STRONG:#}\n{}, run {}{attempt}, runs-on [{}]{url}",
        tale.job,
        plain(&tale.name),
        plain(&tale.repository),
        tale.run,
        plain(&label::list(tale.labels.iter().map(String::as_str)))
    )
}

fn stand(tale: &Tale) -> String {
    let style = match (tale.state, tale.conclusion.as_deref()) {
        (JobState::Closed, Some("success")) => GOOD,
        (JobState::Closed, Some("failure" | "timed_out")) | (JobState::Unplaced, _) => BAD,
        (JobState::Queued, _) => DOUBTFUL,
        _ => STRONG,
    };
    let mut lines = vec![format!("{style}{}{style:#}", plain(&tale.summary))];
    lines.extend(tale.help.as_ref().map(|help| format!("  {}", plain(help))));
    if let Some(waits) = &tale.waits {
        lines.extend(waits.ahead.map(|ahead| match ahead {
            0 => "  it is next in its pool".to_owned(),
            ahead => format!("  {} in its pool {} first", counted(ahead, "job"), if ahead == 1 { "comes" } else { "come" }),
        }));
        lines.extend(waits.next_try_at.map(|at| match at.0 > tale.at.0 {
            true => format!("  next try at {}, in {}", at.near(tale.at.0), span(at.0.since(tale.at.0))),
            false => "  the next try is due".to_owned(),
        }));
        lines.extend(waits.help.as_ref().map(|help| format!("  {}", plain(help))));
    }
    lines.extend(tale.swaps.iter().map(|swap| format!("  {}", plain(swap))));
    if tale.tries_microdollars.0 > 0 {
        lines.push(format!("  runners that were started for it and got no job cost {}", dollars(tale.tries_microdollars)));
    }
    lines.join("\n")
}

fn matched(tale: &Tale) -> Option<String> {
    let words = tale.matched.as_ref()?.in_words();
    let lines: Vec<String> = words.iter().map(|line| format!("{FAINT}{}{FAINT:#}", plain(line))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn story(tale: &Tale, room: Option<usize>) -> String {
    let mut table = Table::new([Column::new("TIME (UTC)"), Column::new("SINCE"), Column::new("WHO"), Column::new("WHAT").wraps(24)]);
    for (number, line) in tale.story.iter().enumerate() {
        let since = Duration::from_secs_f64(line.since_last_seconds.clamp(0.0, 1e9));
        let since = if number == 0 { String::new() } else { format!("+{}", span(since)) };
        let who = line.runner.as_ref().map_or("job", |runner| short(runner.as_str()));
        table.row([line.at.column(tale.at.0).into(), Cell::number(since), who.into(), line.text.as_str().into()]);
    }
    let cut = if tale.story_incomplete {
        format!("\n{FAINT}so many runners ended meanwhile that some of this story may not have been found{FAINT:#}")
    } else {
        String::new()
    };
    format!("{}{cut}", table.fitted(room))
}

fn short(runner: &str) -> &str {
    runner.get(runner.len().saturating_sub(SHORT)..).unwrap_or(runner)
}

fn runners(tale: &Tale, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("WHO"),
        Column::new("RUNNER").cuts_middle(15),
        Column::new("POOL").cuts(6),
        Column::new("STATE"),
        Column::new("COST").hides(1),
        Column::new("TASK").cuts(12),
    ]);
    for beside in &tale.runners {
        let (state, style) = state(beside);
        let task = beside.task.as_deref().and_then(|task| task.rsplit('/').next()).unwrap_or_default();
        table.row([
            short(beside.runner.as_str()).into(),
            beside.runner.to_string().into(),
            beside.pool.to_string().into(),
            Cell::new(state).styled(style),
            Cell::number(beside.cost_microdollars.map(dollars).unwrap_or_default()),
            task.into(),
        ]);
    }
    table.fitted(room)
}

fn state(beside: &Beside) -> (&'static str, Style) {
    match (beside.stage, &beside.killed, beside.outcome) {
        (Some(stage), ..) => (stage.word(), Style::new()),
        (None, Some(killed), _) => killed_in_a_word(killed),
        (None, None, Some(outcome)) => outcome_in_a_word(outcome),
        (None, None, None) => ("closed", FAINT),
    }
}
