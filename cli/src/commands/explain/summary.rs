//! Where a job stands, in one sentence, and what it waits for.

use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::outbox::OutboxEntry;
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;

use super::pool_match::Matched;
use crate::deployment::killed::Killed;
use crate::deployment::pool_status::PoolStatus;
use crate::deployment::wait_reason::{WaitKind, WaitReason, wait_reason};
use crate::terminal::text_format::dollars;
use crate::terminal::time_format::{Rfc3339, age, duration_text};
use mayfly_reports::text::match_command as command;

/// What is known around a job.
pub(crate) struct ReportSources<'a> {
    /// Its record.
    pub(crate) record: &'a JobRecord,
    /// Its pool.
    pub(crate) pool: Option<&'a PoolStatus>,
    /// The runner that it runs, or ran on, if it is ours.
    pub(crate) runner: Option<&'a Runner>,
    /// How the active pools match it.
    pub(crate) matched: Option<&'a Matched>,
    /// What it would have cost on a GitHub-hosted runner of similar size.
    pub(crate) hosted: Option<NanoDollars>,
    /// What sweeper has yet to do about it.
    pub(crate) follow_up: Option<&'a OutboxEntry>,
    /// When it is.
    pub(crate) now: Timestamp,
}

/// Where a job stands.
pub(crate) struct Summary {
    /// In one sentence.
    pub(crate) summary: String,
    /// What it waits for.
    pub(crate) waits: Option<WaitReason>,
    /// What would help it the next time.
    pub(crate) help: Option<String>,
}

/// Says where a job stands.
pub(crate) fn summary(around: &ReportSources<'_>) -> Summary {
    let (record, now) = (around.record, around.now);
    let waiting = |waits: WaitReason, what: &str| Summary {
        summary: format!(
            "{what} for {}: {}",
            age(now, record.queued_at),
            waits.because
        ),
        waits: Some(waits),
        help: None,
    };
    match record.state {
        JobState::Queued => waiting(queued(around), "has been waiting for a runner"),
        JobState::Blocked => waiting(gated_summary(around), "has been held back"),
        JobState::Unplaced => waiting(unplaced(around), "no pool has taken it"),
        JobState::Running => Summary {
            summary: running(around),
            waits: None,
            help: help(around.runner),
        },
        JobState::Closed => Summary {
            summary: closed(record, around.runner, around.hosted),
            waits: None,
            help: help(
                around
                    .runner
                    .filter(|_| record.conclusion.as_deref() != Some("success")),
            ),
        },
    }
}

/// What keeps the next runner alive.
fn help(runner: Option<&Runner>) -> Option<String> {
    runner.and_then(|runner| Killed::of(runner)?.help(runner))
}

fn queued(around: &ReportSources<'_>) -> WaitReason {
    let row = around.pool.and_then(|pool| {
        Some((
            pool,
            pool.look
                .jobs
                .iter()
                .find(|row| row.id == around.record.id)?,
        ))
    });
    match row {
        Some((pool, row)) => wait_reason(pool, row, Some(around.record), around.now),
        // The record was read a moment before its pool.
        None => WaitReason::new(WaitKind::NextPlan, "it changed just now").helped("ask again"),
    }
}

fn gated_summary(around: &ReportSources<'_>) -> WaitReason {
    let reason = around
        .record
        .reason
        .as_ref()
        .map_or_else(|| "GitHub holds it back".to_owned(), ToString::to_string);
    let asked = next_check(around)
        .map(|asked| format!("; {asked}"))
        .unwrap_or_default();
    WaitReason::new(WaitKind::Gate, reason).helped(format!(
        "approve it on the run's page, or wait for the run that holds its concurrency group{asked}"
    ))
}

fn unplaced(around: &ReportSources<'_>) -> WaitReason {
    let reason = around
        .record
        .reason
        .as_ref()
        .map_or_else(|| "no pool takes it".to_owned(), ToString::to_string);
    let waits = WaitReason::new(WaitKind::NoPool, reason);
    match (
        around.matched.and_then(|matched| matched.taker()),
        around.follow_up,
    ) {
        (Some(pool), Some(_)) => waits.helped(format!(
            "pool {pool} takes it by the active pools file: it moves there within a minute"
        )),
        (Some(pool), None) => waits.helped(format!(
            "pool {pool} takes it by the active pools file: mayfly retry {}",
            around.record.id
        )),
        (None, _) => {
            let ask = command(&around.record.labels, &around.record.repository.name)
                .map(|ask| format!("; see {ask}"))
                .unwrap_or_default();
            waits.helped(format!(
                "change the job's runs-on to labels of one pool, or add its labels to a pool{ask}"
            ))
        }
    }
}

/// When GitHub is asked about it next.
fn next_check(around: &ReportSources<'_>) -> Option<String> {
    let open = around.follow_up?;
    Some(match open.not_before > around.now {
        true => format!(
            "Mayfly asks GitHub again at {}",
            Rfc3339(open.not_before).near(around.now)
        ),
        false => "Mayfly asks GitHub about it within a minute".to_owned(),
    })
}

fn running(around: &ReportSources<'_>) -> String {
    let record = around.record;
    let since = age(around.now, record.running_at.unwrap_or(record.queued_at));
    let waited = waited(record, around.now);
    let name = record
        .runner_name
        .as_deref()
        .unwrap_or("a runner without a name");
    let mut summary = format!("has been running on {name} for {since}, after waiting {waited}");
    match (around.runner, around.runner.and_then(Killed::of)) {
        (None, _) if record.runner.is_none() => {
            summary.push_str("; that runner does not belong to this deployment")
        }
        (Some(runner), Some(killed)) => {
            summary = format!(
                "{}; GitHub has not ended the job yet, which takes some 10 minutes",
                killed.in_words(runner)
            );
        }
        (Some(runner), None) if runner.closed_at.is_some() => {
            summary.push_str("; that runner has ended, and GitHub has not said how the job ended");
        }
        _ => {}
    }
    for more in record
        .reason
        .as_ref()
        .map(ToString::to_string)
        .into_iter()
        .chain(next_check(around))
    {
        summary.push_str("; ");
        summary.push_str(&more);
    }
    summary
}

fn waited(record: &JobRecord, now: Timestamp) -> String {
    let until = record.running_at.or(record.closed_at).unwrap_or(now);
    duration_text(until.since(record.queued_at))
}

fn closed(record: &JobRecord, runner: Option<&Runner>, hosted: Option<NanoDollars>) -> String {
    let over = record.closed_at.unwrap_or(record.received_at);
    let mut summary = conclusion(record.conclusion.as_deref());
    let failed = record.conclusion.as_deref() != Some("success");
    if let Some((runner, killed)) = runner
        .filter(|_| failed)
        .and_then(|runner| Some((runner, Killed::of(runner)?)))
    {
        summary.push_str(&format!(" because {}", killed.in_words(runner)));
    }
    summary.push_str(&format!("; waited {}", waited(record, over)));
    if let Some(began) = record.running_at {
        summary.push_str(&format!(", ran {}", duration_text(over.since(began))));
    } else if record.conclusion.as_deref() == Some("cancelled") {
        summary.push_str(", and never started");
    }
    match runner {
        Some(Runner {
            cost: Some(cost), ..
        }) => {
            summary.push_str(&format!(", cost {}", dollars(*cost)));
            if let Some(hosted) = hosted {
                summary.push_str(&format!(
                    " (GitHub-hosted runner of similar size: {})",
                    dollars(hosted)
                ));
            }
        }
        Some(runner) if runner.closed_at.is_none() => {
            summary.push_str("; its cost is known once its runner has ended");
        }
        // Why it is not known is said on a line of its own.
        Some(_) | None => {}
    }
    if let Some(refused) = runner.and_then(|runner| runner.refused.as_ref()) {
        summary.push_str(&format!("; admission refused it: {refused}"));
    }
    if let Some(reason) = &record.reason {
        summary.push_str("; ");
        summary.push_str(&reason.to_string());
    }
    summary
}

/// GitHub's conclusion, as a verb (REST reference, "List jobs for a workflow run").
fn conclusion(word: Option<&str>) -> String {
    match word {
        Some("success") => "succeeded".to_owned(),
        Some("failure") => "failed".to_owned(),
        Some("cancelled") => "was cancelled".to_owned(),
        Some("timed_out") => "timed out".to_owned(),
        Some("skipped") => "was skipped".to_owned(),
        Some(other) => format!("is over: {other}"),
        None => "is over, and its result is not known".to_owned(),
    }
}
