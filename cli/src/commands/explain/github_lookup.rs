//! A job that the ledger does not know: what GitHub says of it, and why Mayfly was not told, or
//! does not mind.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::id::{JobId, PoolName};
use mayfly_domain::model::matching::{MatchQuery, Verdict};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::target::Repository;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::{label, timeouts};
use mayfly_github::{AppApi, Deliveries, DeliveryAttempt, JobStatus, Jobs, Lookup, WorkflowJob};
use serde::Serialize;

use super::pool_match::PoolVerdict;
use crate::commands::matching::because;
use crate::failure::Failure;
use crate::github::access::{self, GithubAccess};
use crate::github::setup::{patiently, soon};
use crate::input::job_arg::JobArg;
use crate::terminal::screen::{BAD, CAUTION, FAINT, STRONG};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::plain;
use crate::terminal::time_format::{Rfc3339, age};

/// Pages of deliveries that are read: 500 attempts.
const PAGES: usize = 5;

/// GitHub makes a delivery within minutes; its clock and that of its jobs agree to the second.
const AROUND: Duration = Duration::from_secs(10 * 60);

/// How long GitHub shows deliveries
/// (<https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/viewing-webhook-deliveries>).
const DELIVERIES_KEPT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A job as GitHub has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its run.
    pub run: i64,
    /// The run's attempt.
    pub attempt: u32,
    /// In GitHub's word.
    pub status: &'static str,
    /// How it ended.
    pub conclusion: Option<String>,
    /// `runs-on`.
    pub labels: Vec<String>,
    /// Who works, or worked, on it.
    pub runner_name: Option<String>,
    /// When it came to be.
    pub created_at: Option<Rfc3339>,
}

/// An event of the job's repository that was not delivered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Undelivered {
    /// The newest attempt.
    pub at: Rfc3339,
    /// What happened to the job.
    pub action: Option<String>,
    /// What was answered; 0 for nothing.
    pub status_code: u16,
    /// The event.
    pub guid: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outside {
    /// When it was asked.
    pub at: Rfc3339,
    /// The job.
    pub job: JobId,
    /// Its repository, as it was named.
    pub repository: Option<String>,
    /// In one sentence.
    pub summary: String,
    /// What would help.
    pub help: Option<String>,
    /// Why GitHub was not asked.
    pub not_asked: Option<String>,
    /// What GitHub says of the repository.
    pub github: Option<GithubAccess>,
    /// What it says of the job.
    pub shown: Option<Shown>,
    /// The pool that takes such a job.
    pub pool: Option<PoolName>,
    /// What each pool says.
    pub pools: Vec<PoolVerdict>,
    /// Events of its repository around its beginning that no attempt has delivered.
    pub undelivered: Vec<Undelivered>,
}

/// What is known without asking GitHub.
#[must_use]
pub fn unasked(job: &JobArg, why: impl Into<String>, now: Timestamp) -> Outside {
    Outside {
        at: Rfc3339(now),
        job: job.id,
        repository: job.repository.clone(),
        summary: format!("the ledger does not know {job}"),
        help: None,
        not_asked: Some(why.into()),
        github: None,
        shown: None,
        pool: None,
        pools: Vec::new(),
        undelivered: Vec::new(),
    }
}

/// Asks GitHub, which people open at `url`, about a job of this repository.
///
/// # Errors
///
/// If GitHub does not answer.
pub async fn ask(
    github: &(impl AppApi + Lookup + Jobs + Deliveries),
    job: &JobArg,
    name: &str,
    pools: &Pools,
    url: &str,
    now: Timestamp,
) -> Result<Outside, Failure> {
    let at = access::ask(github, name).await?;
    let answer = Outside {
        not_asked: None,
        github: Some(at.clone()),
        ..unasked(job, "", now)
    };
    let (Some(installation), Some(repository)) = (at.installation, &at.repository) else {
        let problem = at.problem(name).unwrap_or_default();
        return Ok(Outside {
            summary: format!("the ledger does not know {job}: {problem}"),
            ..answer
        });
    };
    let Some(found) = patiently("read the job", || {
        github.job(installation, repository, job.id, soon())
    })
    .await?
    else {
        let summary = format!("neither the ledger nor GitHub knows {job}");
        return Ok(Outside {
            summary,
            help: Some("check the id; deleting a run deletes its jobs".to_owned()),
            ..answer
        });
    };
    let answer = judged(answer, &found, repository, pools, url, now);
    // A delivery that is lost matters only for what a pool takes, and GitHub keeps them for days.
    match (&answer.pool, found.created_at) {
        (Some(_), Some(created)) if now.since(created) < DELIVERIES_KEPT => {
            let undelivered = undelivered(github, repository, created).await?;
            Ok(Outside {
                undelivered,
                ..answer
            })
        }
        _ => Ok(answer),
    }
}

/// The conclusion from GitHub's answer.
fn judged(
    answer: Outside,
    found: &WorkflowJob,
    repository: &Repository,
    pools: &Pools,
    github: &str,
    now: Timestamp,
) -> Outside {
    let asked = MatchQuery {
        labels: &found.labels,
        repository: Some(repository),
        run: Some((found.run, found.attempt)),
    };
    let verdicts = pools.verdicts(asked);
    let pool = verdicts
        .iter()
        .find(|(_, verdict)| *verdict == Verdict::Takes)
        .map(|(pool, _)| pool.name.clone());
    let said = verdicts.iter().map(|(pool, verdict)| PoolVerdict {
        pool: pool.name.clone(),
        because: because(pool, verdict),
    });
    let status = status(found.status);
    let shown = Shown {
        name: found.name.clone(),
        run: found.run.0,
        attempt: found.attempt,
        status,
        conclusion: found.conclusion.clone(),
        labels: found.labels.iter().map(str::to_owned).collect(),
        runner_name: found.runner.as_ref().map(|runner| runner.name.clone()),
        created_at: found.created_at.map(Rfc3339),
    };
    let old = found
        .created_at
        .is_some_and(|created| now.since(created) >= pools.keep.duration());
    let over = found.status == JobStatus::Completed;
    let ended = found
        .conclusion
        .as_ref()
        .map(|conclusion| format!(", {conclusion}"))
        .unwrap_or_default();
    let (summary, help) = match &pool {
        None => {
            let summary = format!(
                "GitHub has it ({status}{ended}); no pool takes such a job, so Mayfly ignores it"
            );
            let help = match found.labels.is_empty() {
                true => {
                    "it names no label (runs-on: {group: …} alone), but pools take jobs by their labels: name both, runs-on: {group: …, labels: […]}"
                }
                false => {
                    "change its runs-on to labels that a pool offers, or add its labels to a pool"
                }
            };
            (summary, Some(help.to_owned()))
        }
        Some(pool) if over && old => (
            format!(
                "GitHub has it ({status}{ended}); pool {pool} takes such jobs, but records are deleted after {} days",
                pools.keep.days()
            ),
            None,
        ),
        Some(pool) => {
            let url = format!(
                "{github}/{}/actions/runs/{}/job/{}",
                repository.name, found.run, answer.job
            );
            let help =
                (!over).then(|| format!("Mayfly looks for missed jobs from time to time; to look now: mayfly retry {url}"));
            (
                format!(
                    "GitHub has it ({status}{ended}); pool {pool} takes such jobs, but Mayfly received no delivery for this one"
                ),
                help,
            )
        }
    };
    Outside {
        summary,
        help,
        shown: Some(shown),
        pool,
        pools: said.collect(),
        ..answer
    }
}

fn status(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Queued => "queued",
        JobStatus::InProgress => "in progress",
        JobStatus::Completed => "completed",
        JobStatus::Waiting => "waiting for an approval",
        JobStatus::Pending => "pending: a concurrency group holds it back",
        JobStatus::Requested => "requested",
        JobStatus::Other => "in a state unknown to this mayfly",
    }
}

/// Events of a repository's jobs since shortly before one of them came to be that no attempt has
/// delivered, as far as five pages tell.
async fn undelivered(
    github: &impl Deliveries,
    repository: &Repository,
    created: Timestamp,
) -> Result<Vec<Undelivered>, Failure> {
    let begin = created.minus(timeouts::TICK);
    let mut cursor = None;
    let mut delivered: BTreeSet<String> = BTreeSet::new();
    let mut failed: Vec<DeliveryAttempt> = Vec::new();
    for _ in 0..PAGES {
        let page = patiently("read the list of deliveries", || {
            github.deliveries(cursor.as_ref(), soon())
        })
        .await?;
        let past = page.deliveries.iter().all(|one| one.delivered_at < begin);
        let of_it = |one: &DeliveryAttempt| {
            one.event == "workflow_job"
                && one.repository == Some(repository.id)
                && (begin..=created.plus(AROUND)).contains(&one.delivered_at)
        };
        for one in page.deliveries {
            if one.succeeded() {
                delivered.insert(one.guid);
            } else if of_it(&one) && !failed.iter().any(|known| known.guid == one.guid) {
                failed.push(one);
            }
        }
        cursor = page.next;
        if cursor.is_none() || past {
            break;
        }
    }
    failed.retain(|one| !delivered.contains(&one.guid));
    let line = |one: DeliveryAttempt| Undelivered {
        at: Rfc3339(one.delivered_at),
        action: one.action,
        status_code: one.status_code,
        guid: one.guid,
    };
    Ok(failed.into_iter().rev().map(line).collect())
}

/// The answer as text.
/// `room`: the terminal's width.
#[must_use]
pub fn text(answer: &Outside, room: Option<usize>) -> String {
    let mut parts = Vec::new();
    if let Some(shown) = &answer.shown {
        let age = shown
            .created_at
            .map(|at| format!(", made {} ago", age(answer.at.0, at.0)))
            .unwrap_or_default();
        let runner = shown
            .runner_name
            .as_ref()
            .map(|name| format!("\nrunner {}", plain(name)))
            .unwrap_or_default();
        parts.push(format!(
            "{STRONG}job {} {}{STRONG:#}\n{}, run {}, runs-on [{}]{age}{runner}",
            answer.job,
            plain(&shown.name),
            plain(answer.repository.as_deref().unwrap_or_default()),
            shown.run,
            plain(&label::list(shown.labels.iter().map(String::as_str)))
        ));
    }
    let mut stand = vec![format!("{CAUTION}{}{CAUTION:#}", plain(&answer.summary))];
    stand.extend(
        answer
            .not_asked
            .as_ref()
            .map(|why| format!("  GitHub was not asked: {}", plain(why))),
    );
    stand.extend(
        answer
            .help
            .as_ref()
            .map(|help| format!("  {}", plain(help))),
    );
    parts.push(stand.join("\n"));
    let said = answer.pools.iter().filter_map(|said| {
        Some(format!(
            "{FAINT}{}: {}{FAINT:#}",
            said.pool,
            plain(said.because.as_ref()?)
        ))
    });
    let said: Vec<String> = said.collect();
    if !said.is_empty() {
        parts.push(said.join("\n"));
    }
    if !answer.undelivered.is_empty() {
        let mut table = Table::new([
            Column::new("NOT DELIVERED (UTC)"),
            Column::new("ACTION"),
            Column::new("ANSWER"),
            Column::new("GUID").cuts(8),
        ]);
        for one in &answer.undelivered {
            let code = if one.status_code == 0 {
                "no answer".to_owned()
            } else {
                one.status_code.to_string()
            };
            table.row([
                one.at.column(answer.at.0).into(),
                one.action.clone().into(),
                Cell::new(code).styled(BAD),
                one.guid.as_str().into(),
            ]);
        }
        parts.push(format!(
            "{}\n{FAINT}(of its repository around that time; sweeper requests them again){FAINT:#}",
            table.fitted(room)
        ));
    }
    parts.join("\n\n")
}
