//! The page of how things are: what is stuck and why, pools, jobs, costs, failures.

use maud::{Markup, html};
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job_timeline::Step;
use mayfly_domain::model::time::Timestamp;

use crate::ended::{EndedJob, EndedRunner};
use crate::look::{Look, View};
use crate::page::{card, document, span};
use crate::status::{PoolLine, StatusReport};
use crate::summary::{jobs_since, runners_by_job};
use crate::text::{difference, dollars, plain};
use crate::time_format::{Zone, age};

/// How often a browser asks again, in seconds.
pub const REFRESH: u32 = 15;

/// Ended jobs that the timeline shows, the newest.
const BARS: usize = 150;

/// How things are.
#[must_use]
pub fn live(look: &Look, view: &View, stack: &str) -> String {
    let title = format!("Mayfly: {stack}");
    let again = if view.refresh {
        format!("; asked again every {REFRESH} s")
    } else {
        String::new()
    };
    let subtitle = format!("As of {}{again}", look.report.at);
    let body = sections(look, &filter(view), Shown::PAGE);
    document(&title, &subtitle, &body)
}

/// How much is shown, and how.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Jobs have pages of their own, which their names lead to.
    pub job_pages: bool,
    /// Whose clock tells times.
    pub zone: Zone,
    /// Most lines of a list, and most bars.
    pub lines: usize,
}

impl Shown {
    /// As a page of its own.
    pub const PAGE: Self = Self {
        job_pages: true,
        zone: Zone::UTC,
        lines: usize::MAX,
    };
}

/// All that is known of how things are, after `figures` what the reader can choose.
#[must_use]
pub fn sections(look: &Look, choice: &Markup, shown: Shown) -> Markup {
    html! {
        (problems(&look.status))
        (figures(look))
        (choice)
        (pools(&look.status.pools))
        (open_jobs(look, shown))
        (timeline(look, shown))
        (costs(look, shown))
        (failures(look, shown))
        p {
            (look.ended.read) " records of ended jobs and runners were read."
            @if look.ended.cut_at.is_some() { " Too many ended for one page: choose fewer hours." }
        }
    }
}

/// What keeps jobs from running, worst first: nothing is shown where all is well.
fn problems(status: &StatusReport) -> Markup {
    let mut notes: Vec<String> = Vec::new();
    if let Some(drift) = &status.drift {
        notes.push(format!("{}. {}", drift.problem(), drift.fix()));
    }
    for pool in &status.pools {
        for start in pool.starts.iter().filter(|start| start.failures > 0) {
            let reason = start.reason.as_deref().unwrap_or("the reason is not known");
            let help = start.help.as_deref().unwrap_or_default();
            notes.push(format!(
                "Runners of pool {} fail to start: {reason}. {help}",
                pool.pool
            ));
        }
        for place in &pool.not_assigned {
            notes.push(format!(
                "GitHub gives runners of pool {} no job of {}: {}",
                pool.pool, place.repository, place.help
            ));
        }
    }
    if status.unplaced > 0 {
        notes.push(format!(
            "{} of the jobs that wait are taken by no pool: mayfly status shows why",
            status.unplaced
        ));
    }
    for (installation, until) in &status.github_limits {
        notes.push(format!(
            "GitHub told installation {installation} to wait until {until}"
        ));
    }
    if let Some(since) = status.safety_net.overdue_since {
        notes.push(format!(
            "Sweeper is late: {} follow-ups are overdue, the first since {since}",
            status.safety_net.overdue
        ));
    }
    html! { @for note in &notes { p.note { bdi { (plain(note)) } } } }
}

fn figures(look: &Look) -> Markup {
    let sum = |of: fn(&PoolLine) -> usize| look.status.pools.iter().map(of).sum::<usize>();
    let oldest = look.status.oldest_waiting.first();
    html! {
        div.cards {
            (card(&look.status.waiting.to_string(), "jobs wait"))
            @if let Some(job) = oldest { (card(&age(look.at, job.queued_at.0), "the oldest waits")) }
            (card(&sum(|pool| pool.busy).to_string(), "runners with a job"))
            (card(&sum(|pool| pool.starting).to_string(), "runners start"))
            (card(&sum(|pool| pool.idle).to_string(), "runners are idle"))
            @if look.report.wait.count > 0 {
                (card(&span(look.report.wait.p50_seconds), "wait, half of the ended jobs"))
                (card(&span(look.report.wait.p95_seconds), "wait, 95 of 100"))
            }
        }
    }
}

fn filter(view: &View) -> Markup {
    let repository = view
        .repository
        .as_ref()
        .map(|pattern| pattern.0.as_str())
        .unwrap_or_default();
    html! {
        form method="get" action="/" {
            label { "Repository" input name="repository" value=(repository) placeholder="owner/name or owner/*"; }
            label { "Hours" input name="hours" type="number" min="1" max="72" value=(view.within.as_secs() / 3600); }
            label { "Ask again" select name="refresh" { option value="on" selected[view.refresh] { "by itself" } option value="off" selected[!view.refresh] { "on reload" } } }
            button { "Show" }
        }
    }
}

fn pools(pools: &[PoolLine]) -> Markup {
    html! {
        h2 { "Pools" }
        div.wide tabindex="0" role="group" aria-label="table that may scroll" {
            table {
                thead { tr { th { "Pool" } th.n { "Waiting" } th.n { "Starting" } th.n { "Idle" } th.n { "Busy" } th.n { "Ending" } th.n { "Of max" } } }
                tbody {
                    @for pool in pools {
                        tr {
                            td { (pool.pool) @if pool.gone { " (drains)" } }
                            td.n { (pool.waiting) }
                            td.n { (pool.starting) }
                            td.n { (pool.idle) }
                            td.n { (pool.busy) }
                            td.n { (pool.ending) }
                            td.n { (pool.live) " of " (pool.max) }
                        }
                    }
                }
            }
        }
    }
}

fn link(job: JobId, text: &str, shown: Shown) -> Markup {
    html! {
        @if shown.job_pages { a href=(format!("/job/{job}")) { bdi { (plain(text)) } } }
        @else { bdi { (plain(text)) } }
    }
}

fn open_jobs(look: &Look, shown: Shown) -> Markup {
    html! {
        h2 { "Jobs that are not over" }
        @if look.open.jobs.is_empty() {
            p { "none" }
        } @else {
            div.wide tabindex="0" role="group" aria-label="table that may scroll" {
                table {
                    thead { tr { th { "Job" } th { "Repository" } th { "Pool" } th { "State" } th.n { "Waited" } th.n { "Runs" } th { "Why" } } }
                    tbody {
                        @for job in look.open.jobs.iter().take(shown.lines) {
                            tr {
                                td { (link(job.job, &job.name, shown)) }
                                td { bdi { (plain(&job.repository)) } }
                                td.t { @if let Some(pool) = &job.pool { (pool) } }
                                td.t { (job.state_word()) }
                                td.n { (span(job.waited_seconds)) }
                                td.n { @if let Some(ran) = job.ran_seconds { (span(ran)) } }
                                td.why { @if let Some(why) = &job.because { bdi { (plain(why)) } } }
                            }
                        }
                    }
                }
            }
            @if look.open.more || look.open.jobs.len() > shown.lines { p { "There are more." } }
        }
    }
}

/// A bar for each ended job: its wait, its runner's start, and its run in the colour of its end.
fn timeline(look: &Look, shown: Shown) -> Markup {
    let jobs = jobs_since(&look.ended, look.since);
    let jobs = &jobs[jobs.len().saturating_sub(BARS.min(shown.lines))..];
    let runners = runners_by_job(&look.ended);
    let height = 8 * jobs.len() + 20;
    let (from, to) = (
        shown.zone.column(look.since, look.at),
        shown.zone.column(look.until, look.at),
    );
    html! {
        h2 { "What ended" }
        @if jobs.is_empty() {
            p { "no job" }
        } @else {
            svg viewBox=(format!("0 0 1000 {height}")) role=(if shown.job_pages { "group" } else { "img" }) aria-label="Jobs that ended, the oldest first: each bar begins when the job was queued" {
                @for (row, (id, job)) in jobs.iter().enumerate() {
                    @let bar = bar(look, 8 * row, job, runners.get(id).copied());
                    @if shown.job_pages { a href=(format!("/job/{id}")) aria-label=(plain(&in_words(job))) { (bar) } } @else { g { (bar) } }
                }
                text x="0" y=(height - 4) { (from) " " (shown.zone.name()) }
                text x="1000" y=(height - 4) text-anchor="end" { (to) " " (shown.zone.name()) }
            }
            p {
                span.key style="background:var(--p7)" {} "waited "
                span.key style="background:var(--p4)" {} "its runner started "
                span.key style="background:var(--good)" {} "ran and ended well "
                span.key style="background:var(--bad)" {} "ran and did not"
            }
        }
    }
}

/// An ended job in a line.
fn in_words(job: &EndedJob) -> String {
    format!(
        "{} {}: {}, waited {}",
        job.repository_name,
        job.name,
        job.conclusion.as_deref().unwrap_or("ended"),
        job.waited.map_or_else(
            || "until its end".to_owned(),
            |waited| span(waited.as_secs_f64())
        )
    )
}

fn bar(look: &Look, top: usize, job: &EndedJob, runner: Option<&EndedRunner>) -> Markup {
    let x = |at: Timestamp| {
        1000.0 * at.max(look.since).since(look.since).as_secs_f64()
            / look.until.since(look.since).as_secs_f64().max(1.0)
    };
    let began = job
        .ran
        .map_or(job.closed_at, |ran| job.closed_at.minus(ran));
    // Clocks differ, and a runner may be older than its job.
    let planned = runner
        .and_then(|runner| runner.timeline.at(Step::Planned))
        .map_or(began, |planned| {
            planned.clamp(job.queued_at.min(began), began)
        });
    let color = if job.ended_well() {
        "var(--good)"
    } else {
        "var(--bad)"
    };
    let parts = [
        (job.queued_at, planned, "var(--p7)"),
        (planned, began, "var(--p4)"),
        (began, job.closed_at, color),
    ];
    html! {
        title { (plain(&in_words(job))) }
        @for (from, to, color) in parts {
            @if to > from {
                rect x=(format!("{:.1}", x(from))) y=(top) height="6" width=(format!("{:.1}", (x(to) - x(from)).max(0.5))) fill=(color) {}
            }
        }
    }
}

fn costs(look: &Look, shown: Shown) -> Markup {
    html! {
        h2 { "What it cost" }
        @if look.report.cost.lines.is_empty() {
            p { "nothing that ended" }
        } @else {
            div.wide tabindex="0" role="group" aria-label="table that may scroll" {
                table {
                    thead { tr { th { "Repository" } th.n { "Jobs" } th.n { "Cost" } th.n { "Unused" } th.n { "Hosted" } th.n { "Saved" } } }
                    tbody {
                        @for line in look.report.cost.lines.iter().take(shown.lines.min(20)).chain([&look.report.cost.total]) {
                            tr {
                                td { bdi { (plain(&line.what)) } }
                                td.n { (line.jobs) }
                                td.n { (dollars(line.cost_nanodollars)) }
                                td.n { (dollars(line.spend_nanodollars.unused)) }
                                td.n { (dollars(line.hosted_nanodollars)) }
                                td.n { (difference(line.saved_nanodollars)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn failures(look: &Look, shown: Shown) -> Markup {
    html! {
        @if !look.report.failures.is_empty() {
            h2 { "Why runners failed" }
            div.wide tabindex="0" role="group" aria-label="table that may scroll" {
                table {
                    thead { tr { th { "Reason" } th.n { "Count" } th { "Last (" (shown.zone.name()) ")" } } }
                    tbody {
                        @for line in look.report.failures.iter().take(shown.lines) {
                            tr { td { bdi { (plain(&line.reason)) } } td.n { (line.runners) } td.t { (shown.zone.column(line.last_at.0, look.at)) } }
                        }
                    }
                }
            }
        }
    }
}
