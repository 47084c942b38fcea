//! The report as one page: no script, nothing loaded, light and dark as the reader's browser is set.

use maud::{Markup, html};
use mayfly_domain::model::price::NanoDollars;

use crate::page::{card, document, span};
use crate::summary::{DayLine, Report, Spread};
use crate::text::{difference, dollars, outcome_word, plain};

/// Days that the chart shows, the newest.
const DAYS: usize = 92;

/// The page.
#[must_use]
pub fn page(report: &Report, stack: &str) -> String {
    let title = format!("Mayfly report: {stack}");
    let subtitle = format!("What ended from {} to {}", report.since, report.at);
    let body = html! {
        (cards(report))
        @if report.wait.count > 0 {
            (phases(report))
            (days(report))
            (pools(report))
        }
        @if !report.runners.is_empty() {
            (costs(report))
            (runners(report))
        }
    };
    document(&title, &subtitle, &body)
}

fn cards(report: &Report) -> Markup {
    let failed: usize = report.pools.iter().map(|pool| pool.failed).sum();
    let total = &report.cost.total;
    html! {
        div.cards {
            (card(&report.jobs.to_string(), "jobs ended"))
            (card(&failed.to_string(), "of them unsuccessful"))
            @if report.wait.count > 0 {
                (card(&span(report.wait.p50_seconds), "wait, half of the jobs"))
                (card(&span(report.wait.p95_seconds), "wait, 95 of 100 jobs"))
            }
            (card(&dollars(total.cost_nanodollars), "cost of runners"))
            (card(&difference(total.saved_nanodollars), "saved against hosted runners"))
            (card(&dollars(total.spend_nanodollars.unused), "for runners without a job"))
        }
    }
}

fn spread_cells(spread: Spread) -> Markup {
    html! {
        td.n { (span(spread.p50_seconds)) }
        td.n { (span(spread.p95_seconds)) }
        td.n { (span(spread.longest_seconds)) }
    }
}

fn phases(report: &Report) -> Markup {
    let mut left = 0.0;
    let parts: Vec<(usize, f64, f64)> = report
        .phases
        .iter()
        .enumerate()
        .map(|(number, line)| {
            let part = (number, left, 1000.0 * line.share);
            left += part.2;
            part
        })
        .collect();
    html! {
        h2 { "What jobs waited for" }
        svg viewBox="0 0 1000 28" role="img" aria-label="Shares of the wait by phase, as in the table" preserveAspectRatio="none" {
            @for (number, left, width) in parts {
                rect x=(format!("{left:.1}")) y="2" width=(format!("{width:.1}")) height="24" fill=(format!("var(--p{number})")) {}
            }
        }
        div.wide tabindex="0" role="group" aria-label="table that may scroll" {
            table {
                thead { tr { th { "Phase" } th.n { "p50" } th.n { "p95" } th.n { "Longest" } th.n { "Share" } } }
                tbody {
                    @for (number, line) in report.phases.iter().enumerate() {
                        tr {
                            td { span.key style=(format!("background:var(--p{number})")) {} (line.phase.words()) }
                            (spread_cells(line.took))
                            td.n { (format!("{:.0} %", 100.0 * line.share)) }
                        }
                    }
                    tr.total { td { "all together" } (spread_cells(report.wait)) td.n {} }
                }
            }
        }
    }
}

/// A bar for each day: its jobs, those that failed below.
fn days(report: &Report) -> Markup {
    let days = &report.days[report.days.len().saturating_sub(DAYS)..];
    let most = days.iter().map(|day| day.jobs).max().unwrap_or(1).max(1);
    html! {
        h2 { "Jobs by day (UTC)" }
        svg viewBox="0 0 1000 150" role="img" aria-label="Jobs by day, as in the table" {
            @for (number, day) in days.iter().enumerate() {
                (bar(number, days.len(), most, day))
            }
            text x="0" y="148" { (days.first().map(|day| day.day.as_str()).unwrap_or_default()) }
            text x="1000" y="148" text-anchor="end" { (days.last().map(|day| day.day.as_str()).unwrap_or_default()) }
        }
        div.wide tabindex="0" role="group" aria-label="table that may scroll" {
            table {
                thead { tr { th { "Day" } th.n { "Jobs" } th.n { "Not well" } th.n { "Wait p50" } th.n { "Wait p95" } } }
                tbody {
                    @for day in &report.days {
                        tr {
                            td { (day.day) }
                            td.n { (day.jobs) }
                            td.n { (day.failed) }
                            td.n { (span(day.wait.p50_seconds)) }
                            td.n { (span(day.wait.p95_seconds)) }
                        }
                    }
                }
            }
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of jobs and days, for a drawing"
)]
fn bar(number: usize, days: usize, most: usize, day: &DayLine) -> Markup {
    let slot = 1000.0 / days as f64;
    let width = (slot * 0.8).min(60.0);
    let left = slot * number as f64 + (slot - width) / 2.0;
    let height = |jobs: usize| 125.0 * jobs as f64 / most as f64;
    let (all, failed) = (height(day.jobs), height(day.failed));
    html! {
        g {
            title { (format!("{}: {} jobs, {} unsuccessful", day.day, day.jobs, day.failed)) }
            rect x=(format!("{left:.1}")) y=(format!("{:.1}", 130.0 - all)) width=(format!("{width:.1}")) height=(format!("{:.1}", all - failed)) fill="var(--good)" {}
            rect x=(format!("{left:.1}")) y=(format!("{:.1}", 130.0 - failed)) width=(format!("{width:.1}")) height=(format!("{failed:.1}")) fill="var(--bad)" {}
        }
    }
}

fn pools(report: &Report) -> Markup {
    html! {
        h2 { "Pools" }
        div.wide tabindex="0" role="group" aria-label="table that may scroll" {
            table {
                thead { tr { th { "Pool" } th.n { "Jobs" } th.n { "Not well" } th.n { "Wait p50" } th.n { "Wait p95" } th.n { "Run p50" } th.n { "Run p95" } } }
                tbody {
                    @for line in &report.pools {
                        tr {
                            td { (line.pool) }
                            td.n { (line.jobs) }
                            td.n { (line.failed) }
                            td.n { (span(line.wait.p50_seconds)) }
                            td.n { (span(line.wait.p95_seconds)) }
                            td.n { (span(line.run.p50_seconds)) }
                            td.n { (span(line.run.p95_seconds)) }
                        }
                    }
                }
            }
        }
    }
}

fn costs(report: &Report) -> Markup {
    let cost = &report.cost;
    let money = |money: NanoDollars| html! { td.n { (dollars(money)) } };
    html! {
        h2 { "Costs by repository" }
        div.wide tabindex="0" role="group" aria-label="table that may scroll" {
            table {
                thead { tr { th { "Repository" } th.n { "Jobs" } th.n { "Cost" } th.n { "Start-up" } th.n { "Unused" } th.n { "Hosted" } th.n { "Saved" } } }
                tbody {
                    @for line in cost.lines.iter().chain([&cost.total]) {
                        tr.total[std::ptr::eq(line, &raw const cost.total)] {
                            td { bdi { (plain(&line.what)) } }
                            td.n { (line.jobs) }
                            (money(line.cost_nanodollars))
                            (money(line.spend_nanodollars.start_up))
                            (money(line.spend_nanodollars.unused))
                            (money(line.hosted_nanodollars))
                            td.n { (difference(line.saved_nanodollars)) }
                        }
                    }
                }
            }
        }
        p { "Hosted: jobs of private repositories at GitHub's prices of " (cost.hosted_as_of) "; included minutes are not counted." }
        @if cost.total.runners_without_cost > 0 {
            p.bad { "Runners left out of the sums, because their price is not known: " (cost.total.runners_without_cost) }
            @for why in &cost.no_cost { p { (plain(why)) } }
        }
        @if let Some(cut) = cost.cut_at {
            p.bad { "Too many ended for one report: nothing after " (cut) " is included. Pass a shorter --since." }
        }
    }
}

fn runners(report: &Report) -> Markup {
    html! {
        h2 { "How runners ended" }
        div.wide tabindex="0" role="group" aria-label="table that may scroll" {
            table {
                thead { tr { th { "Runners" } th.n { "Count" } } }
                tbody {
                    @for line in &report.runners {
                        tr {
                            td { (line.outcome.map_or("closed", |outcome| outcome_word(outcome))) }
                            td.n { (line.runners) }
                        }
                    }
                }
            }
        }
        @if !report.failures.is_empty() {
            h2 { "Why runners failed" }
            div.wide tabindex="0" role="group" aria-label="table that may scroll" {
                table {
                    thead { tr { th { "Reason" } th.n { "Count" } th { "Last (UTC)" } } }
                    tbody {
                        @for line in &report.failures {
                            tr { td { bdi { (plain(&line.reason)) } } td.n { (line.runners) } td.t { (line.last_at.column(report.at.0)) } }
                        }
                    }
                }
            }
        }
    }
}
