//! The report for a terminal.

use std::time::Duration;

use super::summary::{Report, Spread};
use crate::commands::cost;
use crate::commands::runners::text::outcome_in_a_word;
use crate::terminal::screen::{BAD, FAINT, STRONG};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{counted, plain};
use crate::terminal::time_format::duration_text;

/// Repositories that are listed; the total has all.
const REPOSITORIES: usize = 20;

/// The report. `room`: the terminal's width.
#[must_use]
pub fn text(report: &Report, room: Option<usize>) -> String {
    let mut parts = vec![head(report)];
    if report.wait.count > 0 {
        parts.push(phases(report, room));
        parts.push(pools(report, room));
        parts.push(days(report, room));
    }
    if !report.runners.is_empty() {
        parts.push(runners(report, room));
        parts.push(cost::text::text(&report.cost, REPOSITORIES, room));
    }
    parts.join("\n\n")
}

fn head(report: &Report) -> String {
    let conclusions: Vec<String> = report
        .conclusions
        .iter()
        .map(|(word, count)| format!("{count} {}", plain(word)))
        .collect();
    let conclusions = match conclusions.is_empty() {
        true => String::new(),
        false => format!(": {}", conclusions.join(", ")),
    };
    let never = match report.never_began {
        0 => String::new(),
        count => format!("; {count} never began"),
    };
    format!(
        "{STRONG}{} ended since {}{STRONG:#}{conclusions}{never}",
        counted(report.jobs, "job"),
        report.since
    )
}

fn span(seconds: f64) -> Cell {
    Cell::number(duration_text(Duration::from_secs_f64(
        seconds.clamp(0.0, 1e9),
    )))
}

fn spread(spread: Spread) -> [Cell; 3] {
    [
        span(spread.p50_seconds),
        span(spread.p95_seconds),
        span(spread.longest_seconds),
    ]
}

fn phases(report: &Report, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("WAITED FOR"),
        Column::new("P50"),
        Column::new("P95"),
        Column::new("LONGEST"),
        Column::new("SHARE"),
    ]);
    for line in &report.phases {
        let [p50, p95, longest] = spread(line.took);
        let share = Cell::number(format!("{:.0} %", 100.0 * line.share));
        table.row([line.phase.words().into(), p50, p95, longest, share]);
    }
    let [p50, p95, longest] = spread(report.wait);
    table.row(["all together".into(), p50, p95, longest, Cell::number("")]);
    table.fitted(room)
}

fn pools(report: &Report, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("POOL").cuts(8),
        Column::new("JOBS"),
        Column::new("FAILED"),
        Column::new("WAIT P50"),
        Column::new("WAIT P95"),
        Column::new("RUN P50"),
        Column::new("RUN P95"),
    ]);
    for line in &report.pools {
        table.row([
            line.pool.to_string().into(),
            Cell::number(line.jobs),
            Cell::number(line.failed),
            span(line.wait.p50_seconds),
            span(line.wait.p95_seconds),
            span(line.run.p50_seconds),
            span(line.run.p95_seconds),
        ]);
    }
    table.fitted(room)
}

fn days(report: &Report, room: Option<usize>) -> String {
    let mut table = Table::new([
        Column::new("DAY (UTC)"),
        Column::new("JOBS"),
        Column::new("FAILED"),
        Column::new("WAIT P50"),
        Column::new("WAIT P95"),
    ]);
    for line in &report.days {
        table.row([
            line.day.as_str().into(),
            Cell::number(line.jobs),
            Cell::number(line.failed),
            span(line.wait.p50_seconds),
            span(line.wait.p95_seconds),
        ]);
    }
    table.fitted(room)
}

fn runners(report: &Report, room: Option<usize>) -> String {
    let mut table = Table::new([Column::new("RUNNERS"), Column::new("COUNT")]);
    for line in &report.runners {
        let (word, style) = line.outcome.map_or(("closed", FAINT), outcome_in_a_word);
        table.row([Cell::new(word).styled(style), Cell::number(line.runners)]);
    }
    let mut lines = vec![table.fitted(room)];
    lines.extend(report.failures.iter().map(|line| {
        format!(
            "{BAD}{}{BAD:#} failed, the last at {}: {}",
            line.runners,
            line.last_at,
            plain(&line.reason)
        )
    }));
    lines.join("\n")
}
