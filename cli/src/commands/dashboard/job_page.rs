//! The page of one job, and the one that says what went wrong. How things are is `live_page` in the
//! crate of reports, which CloudWatch's widget shows, too.

use maud::{Markup, html};

use crate::commands::explain::report::JobReport;
use crate::commands::web_page::{document, span};
use crate::terminal::text_format::{dollars, plain};

/// One job, as `mayfly explain` shows it.
#[must_use]
pub fn job(report: &JobReport, region: &str) -> String {
    let title = format!("Job {} {}", report.job, plain(&report.name));
    let subtitle = format!(
        "{}, run {}; as of {}",
        plain(&report.repository),
        report.run,
        report.at
    );
    let waits = report.waits.as_ref();
    let body = html! {
        p { a href="/" { "all jobs" } " · " a href=(report.url) rel="noreferrer" { "at GitHub" } " · " a href="?refresh=off" { "do not ask again by itself" } }
        h2 { bdi { (plain(&report.summary)) } }
        @if let Some(help) = report.help.as_ref().or(waits.and_then(|waits| waits.help.as_ref())) { p { bdi { (plain(help)) } } }
        @if !report.phases.is_empty() {
            h2 { "Phases" }
            div.wide tabindex="0" role="group" aria-label="table that may scroll" {
                table {
                    thead { tr { th { "Until" } th.n { "Took" } th { "At (UTC)" } th { "Clock" } } }
                    tbody {
                        @for line in &report.phases {
                            tr { td { (line.phase.words()) } td.n { (span(line.seconds)) } td.t { (line.until.column(report.at.0)) } td { (line.clock.name()) } }
                        }
                    }
                }
            }
        }
        h2 { "What happened" }
        div.wide tabindex="0" role="group" aria-label="table that may scroll" {
            table {
                thead { tr { th { "Time (UTC)" } th.n { "Since" } th { "Who" } th { "What" } } }
                tbody {
                    @for line in &report.story {
                        tr {
                            td.t { (line.at.column(report.at.0)) }
                            td.n { (span(line.since_last_seconds)) }
                            td { @match &line.runner { Some(runner) => (runner), None => "job" } }
                            td { bdi { (plain(&line.text)) } }
                        }
                    }
                }
            }
        }
        @if !report.runners.is_empty() {
            h2 { "Runners" }
            div.wide tabindex="0" role="group" aria-label="table that may scroll" {
                table {
                    thead { tr { th { "Runner" } th { "Pool" } th.n { "Cost" } th { "Task" } } }
                    tbody {
                        @for runner in &report.runners {
                            tr {
                                td { (runner.runner) }
                                td { (runner.pool) }
                                td.n { @if let Some(cost) = runner.cost_nanodollars { (dollars(cost)) } }
                                td { @if let Some(task) = &runner.task { (task_link(task, region)) } }
                            }
                        }
                    }
                }
            }
        }
    };
    document(&title, &subtitle, &body)
}

/// A link to a task's logs in the console:
/// `arn:aws:ecs:<region>:<account>:task/<cluster>/<id>`.
fn task_link(task: &str, region: &str) -> Markup {
    let mut parts = task.rsplitn(3, '/');
    let (id, cluster) = (
        parts.next().unwrap_or(task),
        parts.next().unwrap_or_default(),
    );
    let address = format!(
        "https://{region}.console.aws.amazon.com/ecs/v2/clusters/{cluster}/tasks/{id}/logs?region={region}"
    );
    html! { a href=(address) rel="noreferrer" { (id) } }
}

/// A page that says why there is no other one.
#[must_use]
pub fn problem(title: &str, why: &str) -> String {
    let body = html! { p.note { bdi { (plain(why)) } } p { a href="/" { "all jobs" } } };
    document(title, "", &body)
}
