//! Where a job stands, in one sentence, and what it waits for.

use mayfly_domain::job::{JobRecord, JobState};
use mayfly_domain::label;
use mayfly_domain::runner::Runner;
use mayfly_domain::time::Timestamp;

use super::tale::Around;
use crate::moment::{When, age, span};
use crate::waits::{For, Waits, waits};
use crate::words::dollars;

/// Where a job stands.
pub(crate) struct Standing {
    /// In one sentence.
    pub(crate) summary: String,
    /// What it waits for.
    pub(crate) waits: Option<Waits>,
}

/// Says where a job stands.
pub(crate) fn standing(around: &Around<'_>) -> Standing {
    let (record, now) = (around.record, around.now);
    let waiting = |waits: Waits, what: &str| Standing {
        summary: format!("{what} since {}: {}", age(now, record.queued_at), waits.because),
        waits: Some(waits),
    };
    match record.state {
        JobState::Queued => waiting(queued(around), "waits for a runner"),
        JobState::Blocked => waiting(gated(around), "is held back"),
        JobState::Unplaced => waiting(unplaced(around), "no pool has it"),
        JobState::Running => Standing { summary: running(around), waits: None },
        JobState::Closed => Standing { summary: closed(record, around.runner), waits: None },
    }
}

fn queued(around: &Around<'_>) -> Waits {
    let row = around.pool.and_then(|pool| Some((pool, pool.look.jobs.iter().find(|row| row.id == around.record.id)?)));
    match row {
        Some((pool, row)) => waits(pool, row, Some(around.record), around.now),
        // The record was read a moment before its pool.
        None => Waits::new(For::Look, "something about it changed just now").helped("ask again"),
    }
}

fn gated(around: &Around<'_>) -> Waits {
    let reason = around.record.reason.clone().unwrap_or_else(|| "GitHub holds it back".to_owned());
    let asked = next_question(around).map(|asked| format!("; {asked}")).unwrap_or_default();
    Waits::new(For::Gate, reason)
        .helped(format!("somebody approves it on the run's page, or the run that holds its concurrency group has to end{asked}"))
}

fn unplaced(around: &Around<'_>) -> Waits {
    let reason = around.record.reason.clone().unwrap_or_else(|| "no pool takes it".to_owned());
    let waits = Waits::new(For::NoPool, reason);
    match (around.matched.and_then(|matched| matched.taker()), around.errand) {
        (Some(pool), Some(_)) => {
            waits.helped(format!("pool {pool} takes it by the pools file in force: it is moved there within a minute"))
        }
        (Some(pool), None) => waits.helped(format!("pool {pool} takes it by the pools file in force: mayfly retry {}", around.record.id)),
        (None, _) => {
            let labels: Vec<&str> = around.record.labels.iter().collect();
            let ask = format!("; see mayfly match {} --repository {}", labels.join(" "), around.record.repository.name);
            // A shell would read other labels in it than those.
            let ask = if labels.iter().all(|one| label::shown(one) == **one) { ask } else { String::new() };
            waits.helped(format!("have the job name what a pool offers (runs-on), or a pool offer what it names (pools file){ask}"))
        }
    }
}

/// When GitHub is asked about it next.
fn next_question(around: &Around<'_>) -> Option<String> {
    let open = around.errand?;
    Some(match open.not_before > around.now {
        true => format!("GitHub is asked about it at {}, should no delivery tell before", When(open.not_before).near(around.now)),
        false => "GitHub is asked about it within a minute".to_owned(),
    })
}

fn running(around: &Around<'_>) -> String {
    let record = around.record;
    let since = age(around.now, record.running_at.unwrap_or(record.queued_at));
    let waited = waited(record, around.now);
    let name = record.runner_name.as_deref().unwrap_or("a runner without a name");
    let mut summary = format!("runs on {name} since {since}, after waiting {waited}");
    match around.runner {
        None if record.runner.is_none() => summary.push_str("; that runner is none of this deployment's"),
        Some(runner) if runner.closed_at.is_some() => summary.push_str("; that runner has ended, and GitHub has not said how the job did"),
        _ => {}
    }
    for more in record.reason.clone().into_iter().chain(next_question(around)) {
        summary.push_str("; ");
        summary.push_str(&more);
    }
    summary
}

fn waited(record: &JobRecord, now: Timestamp) -> String {
    let until = record.running_at.or(record.closed_at).unwrap_or(now);
    span(until.since(record.queued_at))
}

fn closed(record: &JobRecord, runner: Option<&Runner>) -> String {
    let over = record.closed_at.unwrap_or(record.received_at);
    let conclusion = record.conclusion.as_deref().unwrap_or("nobody knows how");
    let mut summary = format!("is over: {conclusion}; waited {}", waited(record, over));
    if let Some(began) = record.running_at {
        summary.push_str(&format!(", ran {}", span(over.since(began))));
    } else if record.conclusion.as_deref() == Some("cancelled") {
        summary.push_str(", and never began");
    }
    match runner {
        Some(Runner { cost: Some(cost), .. }) => summary.push_str(&format!(", cost {}", dollars(*cost))),
        Some(_) => summary.push_str("; its runner is not gone yet, so its cost is not known"),
        None => {}
    }
    if runner.is_some_and(|runner| runner.reclaimed) {
        summary.push_str("; AWS took its runner's Spot capacity back");
    }
    if let Some(refused) = runner.and_then(|runner| runner.refused.as_ref()) {
        summary.push_str(&format!("; admission refused it: {refused}"));
    }
    if let Some(reason) = &record.reason {
        summary.push_str("; ");
        summary.push_str(reason);
    }
    summary
}
