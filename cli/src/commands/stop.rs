//! `mayfly stop`: a runner ends.
//!
//! The command only writes down what is wanted: scaler stops the task of a runner that GitHub
//! cannot know, sweeper takes any other away at GitHub before its task is stopped. So stopping a
//! runner needs neither the App's key nor any ECS permission.

use std::time::Duration;

use clap::{Args, ValueHint};
use mayfly_config::store::system_clock;
use mayfly_domain::model::id::{PoolName, RunnerId};
use mayfly_domain::model::runner::{Outcome, Runner, RunnerState};
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::stop::StopOutcome;
use mayfly_ledger::{Ledger, LedgerError, Store};
use mayfly_queue::Wakes;
use serde::Serialize;

use crate::deployment::caller::caller;
use crate::deployment::connect::{Connected, connect};
use crate::deployment::killed::Killed;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::input::runner_arg::{Found, find, several};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::progress::Progress;
use crate::terminal::screen::{FAINT, GOOD, Screen};
use crate::terminal::text_format::plain;

/// A runner to stop.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Removes a registered runner at GitHub first, which takes up to a minute. If it was started for a job, that job gets another runner.

Examples:
  mayfly stop 01kb2m                                       # the beginning of an id, as in mayfly runners
  mayfly stop mayfly-linux-01kb2m9dq6s0v2x8f3t5w7y9za-1    # as GitHub shows it
  mayfly stop --force 01kb2m                               # also a busy one: its job fails")]
pub struct Stop {
    /// The runner: its id or the beginning of it, or its name at GitHub
    #[arg(value_hint = ValueHint::Other)]
    runner: String,
    /// Stop it even if it has a job; the job fails
    #[arg(long)]
    force: bool,
    /// Do not wait until it is gone
    #[arg(long)]
    no_wait: bool,
}

/// How a request came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcomes {
    /// It is gone.
    Stopped,
    /// It is on its way.
    Stopping,
    /// It has a job: nothing was done.
    Busy,
    /// It was gone already.
    Gone,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The runner.
    pub runner: RunnerId,
    /// Its pool.
    pub pool: PoolName,
    /// What became of it.
    pub outcome: Outcomes,
    /// The same in words.
    pub told: String,
}

/// Says what is wanted, and wakes the runner's pool.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn say<S: Store, W: Wakes>(
    ledger: &Ledger<S>,
    wakes: &W,
    runner: &Runner,
    request: &StopRequest,
) -> Result<Stopped, LedgerError> {
    let answer = |outcome, told: String| Stopped {
        runner: runner.id.clone(),
        pool: runner.pool.clone(),
        outcome,
        told,
    };
    let address = runner.address();
    Ok(match ledger.request_stop(&address, request).await? {
        None => match ledger.runner_record(&runner.id).await? {
            Some(record) => answer(Outcomes::Gone, how_it_ended(&record)),
            None => answer(Outcomes::Gone, "it is gone".to_owned()),
        },
        Some(StopOutcome::Busy) => answer(
            Outcomes::Busy,
            "it has a job: pass --force to stop it, and its job fails".to_owned(),
        ),
        Some(StopOutcome::Ending) => {
            answer(Outcomes::Stopping, "it is stopping already".to_owned())
        }
        Some(StopOutcome::Marked) => {
            // A wake that is lost costs a minute: the tick sends another one.
            let _ = wakes.wake(&runner.pool).await;
            answer(Outcomes::Stopping, "its task is stopped at once".to_owned())
        }
        Some(StopOutcome::Requested) => answer(
            Outcomes::Stopping,
            "it is removed at GitHub within a minute, then its task is stopped".to_owned(),
        ),
    })
}

fn how_it_ended(record: &Runner) -> String {
    let reason = record
        .reason
        .as_ref()
        .map_or_else(|| "the reason is not known".to_owned(), ToString::to_string);
    match (record.outcome, Killed::of(record)) {
        (_, Some(killed)) => format!("it is gone, and its job fails: {}", killed.in_words(record)),
        (Some(Outcome::Ran), None) => format!("it ran its job and is gone: {reason}"),
        _ => format!("it is gone: {reason}"),
    }
}

/// How long a stop takes at most: a sweep is a minute away, a container has two minutes to end,
/// then ECS tells.
const PATIENCE: Duration = Duration::from_secs(4 * 60 + 30);

/// How often is looked.
const LOOK: Duration = Duration::from_secs(2);

/// Waits until the runner is gone, or got a job before it could be taken away.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn wait<S: Store>(
    ledger: &Ledger<S>,
    begun: Stopped,
    force: bool,
    progress: &mut Progress,
) -> Result<Stopped, LedgerError> {
    let address = mayfly_domain::model::id::RunnerAddress {
        pool: begun.pool.clone(),
        runner: begun.runner.clone(),
    };
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        let records = ledger.runner_records(&address).await?;
        if let Some(record) = records.record {
            return Ok(Stopped {
                outcome: Outcomes::Stopped,
                told: how_it_ended(&record),
                ..begun
            });
        }
        let Some(row) = records.row else {
            return Ok(Stopped {
                outcome: Outcomes::Stopped,
                told: "it is gone".to_owned(),
                ..begun
            });
        };
        let late = row.state == RunnerState::Busy && row.at_work() && row.stop.is_none() && !force;
        if late {
            let told =
                "GitHub gave it a job before it could be removed: it keeps running".to_owned();
            return Ok(Stopped {
                outcome: Outcomes::Busy,
                told,
                ..begun
            });
        }
        progress.say(if row.retired_at.is_some() || row.stop.is_some() {
            "its task ends"
        } else {
            "it is being removed at GitHub, within a minute"
        });
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
    Ok(begun)
}

impl Stop {
    /// Stops the runner.
    ///
    /// # Errors
    ///
    /// If the deployment cannot be asked, or several runners are meant.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            connected.announce(screen);
            let pools = connected.active_pools(screen).await.unwrap_or_default();
            let failed = |error: LedgerError| ledger_refused("stop the runner", &error);
            let ledger = connected.ledger();
            let runner = match find(&ledger, pools.as_deref(), &self.runner, system_clock())
                .await
                .map_err(failed)?
            {
                Found::One(runner) => *runner,
                Found::Several(all) => return Err(several(&self.runner, &all)),
                Found::None => {
                    screen.say(format_args!(
                        "there is no runner {}: mayfly runners lists runners",
                        plain(&self.runner)
                    ));
                    return Ok(Exit::Nothing);
                }
            };
            let stopped = self
                .stop(&connected, &ledger, &runner, system_clock())
                .await
                .map_err(failed)?;
            answer(screen, &stopped)
        })
    }

    async fn stop<S: Store>(
        &self,
        connected: &Connected,
        ledger: &Ledger<S>,
        runner: &Runner,
        now: Timestamp,
    ) -> Result<Stopped, LedgerError> {
        let request = StopRequest {
            at: now,
            by: caller(&connected.sdk).await,
            force: self.force,
        };
        let stopped = say(ledger, &connected.wakes(), runner, &request).await?;
        if stopped.outcome != Outcomes::Stopping || self.no_wait {
            return Ok(stopped);
        }
        wait(ledger, stopped, self.force, &mut Progress::default()).await
    }
}

/// Shows the answer. A runner that has a job is a failure; one that is gone already is what was
/// wanted.
///
/// # Errors
///
/// If the answer cannot be written.
fn answer(screen: &Screen, stopped: &Stopped) -> Result<Exit, Failure> {
    let exit = if stopped.outcome == Outcomes::Busy {
        Exit::Failed
    } else {
        Exit::Done
    };
    if screen.json() {
        screen.print_json(stopped)?;
    } else if exit == Exit::Done {
        screen.print(in_words(stopped));
    } else {
        screen.say(in_words(stopped));
    }
    Ok(exit)
}

/// The answer in words, styled.
#[must_use]
pub fn in_words(stopped: &Stopped) -> String {
    let word = match stopped.outcome {
        Outcomes::Stopped => format!("{GOOD}stopped:{GOOD:#}"),
        Outcomes::Stopping => format!("{GOOD}stopping:{GOOD:#}"),
        Outcomes::Gone => format!("{FAINT}gone:{FAINT:#}"),
        Outcomes::Busy => "not stopped:".to_owned(),
    };
    format!(
        "{word} runner {} of pool {}: {}",
        stopped.runner,
        stopped.pool,
        plain(&stopped.told)
    )
}
