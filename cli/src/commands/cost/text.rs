//! Costs as a table.

use mayfly_domain::model::price::NanoDollars;

use super::report::{By, CostLine, CostReport};
use crate::terminal::screen::{CAUTION, FAINT};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{counted, difference, dollars, no_costs};

/// The sums, a line each, at most `limit`, and the total. `room`: the terminal's width.
#[must_use]
pub fn text(report: &CostReport, limit: usize, room: Option<usize>) -> String {
    let what = match report.by {
        By::Repository => Column::new("REPOSITORY").cuts_front(16),
        By::Pool => Column::new("POOL").cuts(8),
        By::Workflow => Column::new("WORKFLOW").cuts_front(16),
        By::Job => Column::new("JOB").cuts_front(16),
        By::Day => Column::new("DAY"),
    };
    let mut table = Table::new([
        what,
        Column::new("JOBS"),
        Column::new("RUNNERS").hides(2),
        Column::new("COST"),
        Column::new("START-UP").hides(1),
        Column::new("UNUSED").hides(1),
        Column::new("HOSTED"),
        Column::new("SAVED"),
    ]);
    for line in report.lines.iter().take(limit).chain([&report.total]) {
        table.row(cells(line));
    }
    let mut lines = vec![table.fitted(room)];
    let hidden = report.lines.len().saturating_sub(limit);
    if hidden > 0 {
        lines.push(format!(
            "{FAINT}{} more in the total: pass a higher --limit{FAINT:#}",
            counted(hidden, "line")
        ));
    }
    if report.total.runners_without_cost > 0 {
        lines.push(format!(
            "{CAUTION}{} not in these sums{CAUTION:#}",
            match report.total.runners_without_cost {
                1 => "1 runner is".to_owned(),
                count => format!("{count} runners are"),
            }
        ));
        lines.extend(no_costs(report.no_cost.iter().map(String::as_str)));
    }
    if let Some(cut) = report.cut_at {
        lines.push(format!(
            "{CAUTION}too many ended for one report: nothing after {cut} is included; pass a shorter --since{CAUTION:#}"
        ));
    }
    lines.push(format!(
        "{FAINT}{} read; HOSTED: jobs of private repositories at GitHub's prices of {}, included minutes not counted{FAINT:#}",
        counted(report.records_read, "record"),
        report.hosted_as_of
    ));
    lines.join("\n")
}

fn cells(line: &CostLine) -> [Cell; 8] {
    let money = |money: NanoDollars| Cell::number(dollars(money));
    [
        line.what.as_str().into(),
        Cell::number(line.jobs),
        Cell::number(line.runners),
        money(line.cost_nanodollars),
        money(line.spend_nanodollars.start_up),
        money(line.spend_nanodollars.unused),
        money(line.hosted_nanodollars),
        Cell::number(difference(line.saved_nanodollars)),
    ]
}
