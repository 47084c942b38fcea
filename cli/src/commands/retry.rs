//! `mayfly retry`: a job is tried again now.

use clap::{Args, ValueHint};
use mayfly_config::store::system_clock;
use mayfly_domain::model::id::{JobId, PoolName};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::rematch::RematchOutcome;
use mayfly_domain::transitions::retry::Retry;
use mayfly_ledger::{Ledger, LedgerError, Store};
use mayfly_queue::Wakes;
use serde::Serialize;

use crate::deployment::caller::caller;
use crate::deployment::connect::connect;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::input::job_arg::JobArg;
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{GOOD, Screen};
use crate::terminal::text_format::plain;

/// A job to try again.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Clears the job's failed attempts, so that Mayfly tries it at once. If only GitHub knows the job's state, Mayfly asks GitHub within a minute. To run a finished job again, use Re-run jobs at GitHub; the job gets a new id.

Examples:
  mayfly retry 43821
  mayfly retry https://github.com/acme/app/actions/runs/15871/job/43821   # also a job that Mayfly does not know yet")]
pub struct RetryArgs {
    /// The job: its id at GitHub, or its URL
    #[arg(value_hint = ValueHint::Other)]
    job: JobArg,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It counts as never tried, and its pool is woken.
    BackoffReset,
    /// Its pool is woken: nothing of its own held it back.
    Woken,
    /// A runner is on its way for it, or works on it: nothing.
    HasRunner,
    /// GitHub is asked within a minute.
    GithubAsked,
    /// It goes to a pool now.
    Placed,
    /// No pool takes it.
    Unplaced,
    /// Its pool is gone, and it is rematched as soon as that is safe.
    Later,
    /// It is over, or GitHub has given it up.
    Over,
    /// The job is unknown.
    Unknown,
}

impl Done {
    fn exit(self) -> Exit {
        match self {
            Self::BackoffReset
            | Self::Woken
            | Self::HasRunner
            | Self::GithubAsked
            | Self::Placed
            | Self::Later => Exit::Done,
            Self::Unplaced | Self::Over => Exit::Failed,
            Self::Unknown => Exit::Nothing,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// The job.
    pub job: JobId,
    /// Its repository, where that is known.
    pub repository: Option<String>,
    /// The pool that has it now.
    pub pool: Option<PoolName>,
    /// What was done.
    pub done: Done,
    /// The same in words.
    pub told: String,
}

/// The user, the time, and the pools file.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who.
    pub by: &'a str,
    /// The active pools; none if no file was ever applied.
    pub pools: Option<&'a Pools>,
    /// When.
    pub now: Timestamp,
}

/// Tries a job again.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn retry<S: Store, W: Wakes>(
    ledger: &Ledger<S>,
    wakes: &W,
    job: &JobArg,
    asked: Asked<'_>,
) -> Result<Retried, LedgerError> {
    let none = Pools::default();
    let pools = asked.pools.unwrap_or(&none);
    let Some(retry) = ledger.retry(job.id, asked.by, pools, asked.now).await? else {
        return unknown(ledger, job).await;
    };
    let (mut done, mut told) = told(&retry);
    if let (Retry::MatchJob, Some(pools)) = (&retry, asked.pools) {
        (done, told) = placed(ledger, wakes, job.id, pools, asked.now).await?;
    }
    let record = ledger.job(job.id).await?;
    let pool = record.as_ref().and_then(|record| record.pool.clone());
    if let (Some(pool), Done::BackoffReset | Done::Woken) = (&pool, done) {
        // A wake that is lost costs a minute: the tick sends another one.
        let _ = wakes.wake(pool).await;
    }
    if let (Done::Woken | Done::Over | Done::Unplaced, Some(why)) =
        (done, record.as_ref().and_then(why))
    {
        told = format!("{told}: {why}");
    }
    Ok(Retried {
        job: job.id,
        repository: record.map(|record| record.repository.name),
        pool,
        done,
        told,
    })
}

/// What the ledger says of how it stands.
fn why(record: &JobRecord) -> Option<String> {
    record
        .reason
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| record.conclusion.clone())
}

fn told(retry: &Retry) -> (Done, String) {
    let (done, told) = match retry {
        Retry::BackoffReset { asks_github: true } => {
            (Done::BackoffReset, "retried: Mayfly asks GitHub within a minute whether it still waits, then starts a runner".to_owned())
        }
        Retry::BackoffReset { asks_github: false } => (Done::BackoffReset, "retried: its pool starts a runner for it now, within its limits".to_owned()),
        Retry::Waits => {
            (Done::Woken, "it had no failed attempts; its pool is planned again now (mayfly explain shows what it waits for)".to_owned())
        }
        Retry::Runner(runner) => (Done::HasRunner, format!("runner {runner} is starting for it, or runs it")),
        Retry::CheckJob => (Done::GithubAsked, "Mayfly asks GitHub about it within a minute".to_owned()),
        Retry::MatchJob => (Done::Unplaced, "no pools file is active".to_owned()),
        Retry::TooLate => {
            (Done::Over, "it waited for a day, and GitHub then cancels a job: run it again at GitHub (Re-run jobs)".to_owned())
        }
        Retry::Over => (Done::Over, "it is over: run it again at GitHub (Re-run jobs), where it gets a new id".to_owned()),
    };
    (done, told)
}

/// A job that no pool took, or whose pool is gone, by the pools file as it is now.
async fn placed<S: Store, W: Wakes>(
    ledger: &Ledger<S>,
    wakes: &W,
    job: JobId,
    pools: &Pools,
    now: Timestamp,
) -> Result<(Done, String), LedgerError> {
    let changes = match ledger.rematch(job, pools, now).await? {
        RematchOutcome::Changed(changes) => changes,
        RematchOutcome::Still => {
            return Ok((
                Done::Unplaced,
                "re-matched, and no pool takes it".to_owned(),
            ));
        }
        RematchOutcome::Later => {
            return Ok((
                Done::Later,
                "its pool was removed; it is re-matched as soon as no runner has it".to_owned(),
            ));
        }
        RematchOutcome::NotNeeded => {
            return Ok((Done::Woken, "it has just been matched to a pool".to_owned()));
        }
    };
    for pool in &changes.wake {
        let _ = wakes.wake(pool).await;
    }
    let record = changes.record.as_ref();
    Ok(match record.and_then(|record| record.pool.as_ref()) {
        Some(pool) => (Done::Placed, format!("goes to pool {pool} now")),
        None => (
            Done::Unplaced,
            "re-matched, and no pool takes it".to_owned(),
        ),
    })
}

/// An unknown job: if its repository had jobs lately, sweeper looks there for waiting jobs.
async fn unknown<S: Store>(ledger: &Ledger<S>, job: &JobArg) -> Result<Retried, LedgerError> {
    let answer = |done, told: String| Retried {
        job: job.id,
        repository: job.repository.clone(),
        pool: None,
        done,
        told,
    };
    let Some(name) = &job.repository else {
        return Ok(answer(
            Done::Unknown,
            "Mayfly does not know it; pass its URL to have GitHub asked".to_owned(),
        ));
    };
    let known = ledger
        .repositories()
        .await?
        .into_iter()
        .find(|seen| seen.repository.name.eq_ignore_ascii_case(name));
    let Some(mut seen) = known else {
        let told = format!(
            "Mayfly does not know it, and has seen no recent job of {name}: is the App installed there? (mayfly doctor)"
        );
        return Ok(answer(Done::Unknown, told));
    };
    // Its turn is next, and no run of it counts as looked at.
    seen.checked_at = Timestamp::from_millis(0);
    seen.looked_at.clear();
    seen.hidden = 0;
    if ledger.put_repository(seen).await?.is_none() {
        return Ok(answer(
            Done::Unknown,
            format!(
                "Mayfly does not know it, and is asking GitHub about {name} now: try again in a minute"
            ),
        ));
    }
    let told = format!(
        "Mayfly does not know it: within two minutes it asks GitHub which jobs of {name} wait"
    );
    Ok(answer(Done::GithubAsked, told))
}

impl RetryArgs {
    /// Tries the job again.
    ///
    /// # Errors
    ///
    /// If the deployment cannot be asked.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            connected.announce(screen);
            let pools = connected.active_pools(screen).await?;
            let by = caller(&connected.sdk).await;
            let (ledger, wakes) = (connected.ledger(), connected.wakes());
            let asked = Asked {
                by: &by,
                pools: pools.as_deref(),
                now: system_clock(),
            };
            let retried = retry(&ledger, &wakes, &self.job, asked)
                .await
                .map_err(|error| ledger_refused("try the job again", &error))?;
            let exit = retried.done.exit();
            if screen.json() {
                screen.print_json(&retried)?;
            } else if exit == Exit::Done {
                screen.print(in_words(&retried));
            } else {
                screen.say(in_words(&retried));
            }
            Ok(exit)
        })
    }
}

/// The answer in words, styled.
#[must_use]
pub fn in_words(retried: &Retried) -> String {
    let of = retried
        .repository
        .as_ref()
        .map(|name| format!(" of {name}"))
        .unwrap_or_default();
    let head = format!("job {}{of}:", retried.job);
    let head = if retried.done.exit() == Exit::Done {
        format!("{GOOD}{head}{GOOD:#}")
    } else {
        head
    };
    format!("{head} {}", plain(&retried.told))
}
