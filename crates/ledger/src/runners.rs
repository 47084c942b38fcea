//! Runners: how their launches went, what ECS says of their tasks, and their end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use mayfly_domain::model::end::End;
use mayfly_domain::model::id::{PoolName, RunnerAddress, RunnerId, TaskArn};
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::start_failure::Cause;
use mayfly_domain::model::start_health::Failure;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::admission::{Admission, AdmissionRequest, admit};
use mayfly_domain::transitions::close::{
    Closing, RunnerSnapshot, close, start_failure, tells_of_job,
};
use mayfly_domain::transitions::orphan::{OrphanAction, OrphanSnapshot, orphan_action};
use mayfly_domain::transitions::usage::{UsageRefusal, UsageReport, record_usage};

use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::Ledger;
use crate::store::Store;
use crate::transaction::Transaction;
use crate::version::Versioned;

/// How often a change to one runner is tried; its writers are few, and each writes seldom.
const TRIES: u32 = 5;

/// What became of a change to a runner's row.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// The row as it is now.
    Yes(Box<Versioned<Runner>>),
    /// The change does not apply to the row as it is; nothing was written.
    No(Box<Versioned<Runner>>),
    /// There is no open row.
    Closed,
}

/// The recorded decision on an admission.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmissionDecision {
    /// The answer.
    pub admission: Admission,
    /// The runner's row changed: this was not decided before.
    pub is_new: bool,
}

/// What follows from news of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskUpdate {
    /// A row closed: these pools have a free slot.
    pub wake: BTreeSet<PoolName>,
    /// The task must be stopped, for this reason: its runner is closed or marked, or runs under
    /// another ARN.
    pub stop: Option<Reason>,
    /// The row that closed shows that a person must act, and it is the first to show it: why, and
    /// what to do. The caller logs it at level `ERROR`.
    pub must_act: Option<String>,
}

impl<S: Store> Ledger<S> {
    /// A runner's open row.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn runner(
        &self,
        address: &RunnerAddress,
    ) -> Result<Option<Versioned<Runner>>, LedgerError> {
        self.read(key::runner(address)).await
    }

    /// A closed runner's record.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn runner_record(&self, runner: &RunnerId) -> Result<Option<Runner>, LedgerError> {
        let record = self.read(key::runner_record(runner)).await?;
        Ok(record.map(Versioned::into_inner))
    }

    /// Every open runner of a pool.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn runners(&self, pool: &PoolName) -> Result<Vec<Runner>, LedgerError> {
        self.query_values(&key::pool(pool), key::RUNNER_PREFIX)
            .await
    }

    /// Changes a runner's row: reads it, asks `change` what it becomes (`None`: leave it), and
    /// writes that if the row is still the one that was read.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn change_runner(
        &self,
        address: &RunnerAddress,
        change: impl Fn(&Runner) -> Option<Runner> + Send + Sync,
    ) -> Result<Changed, LedgerError> {
        self.with_retries(TRIES, "change a runner", || async {
            let Some(runner) = self.runner(address).await? else {
                return Ok(Attempt::Done(Changed::Closed));
            };
            let Some(after) = change(&runner) else {
                return Ok(Attempt::Done(Changed::No(Box::new(runner))));
            };
            let after = self.put(runner.with_value(after)).await?;
            Ok(after.map(|after| Changed::Yes(Box::new(after))))
        })
        .await
    }

    /// Closes a runner of which ECS, asked about `asked`, knows no task. `None`: its row is another
    /// one than that by now. It was sent again, or its task has become known: ECS's answer is from
    /// before that.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn close_missing(
        &self,
        asked: &Runner,
        now: Timestamp,
    ) -> Result<Option<Closing>, LedgerError> {
        let still = |row: &Runner| row.was_asked_about(asked);
        self.close_runner(&asked.address(), End::Missing, still, now)
            .await
    }

    /// Writes down the task that a launch made. Tells why that task must be stopped at once, if it
    /// must.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn launched(
        &self,
        address: &RunnerAddress,
        arn: &TaskArn,
        now: Timestamp,
    ) -> Result<Option<Reason>, LedgerError> {
        let adopt = |runner: &Runner| runner.launched(arn, now);
        Ok(match self.change_runner(address, adopt).await? {
            Changed::Closed => Some(Reason::RunnerClosed),
            Changed::Yes(runner) | Changed::No(runner) => unwanted(&runner, arn),
        })
    }

    /// Writes down what ECS says of a task: times, an ARN that was unknown, or the runner's end.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn task_seen(&self, task: &Task, now: Timestamp) -> Result<TaskUpdate, LedgerError> {
        let stopped = task.status == TaskStatus::Stopped;
        self.with_retries(TRIES, "record news of a task", || async {
            let Some(runner) = self.runner(&task.address).await? else {
                // A task that may have a registration is left to sweeper, which asks GitHub first;
                // so is an unknown task while it is young.
                let record = if stopped {
                    None
                } else {
                    self.runner_record(&task.address.runner).await?
                };
                let stop = match orphan_action(
                    task,
                    OrphanSnapshot {
                        row: None,
                        record: record.as_ref(),
                    },
                    now,
                ) {
                    OrphanAction::Stop(why) => Some(why),
                    OrphanAction::None | OrphanAction::Adopt | OrphanAction::DeregisterFirst(_) => {
                        None
                    }
                };
                return Ok(Attempt::Done(TaskUpdate {
                    stop,
                    ..TaskUpdate::default()
                }));
            };
            if !runner.may_own(&task.arn) {
                // Not stopped here: another task of the same runner may be one that a late answer
                // will name. It is refused a registration meanwhile.
                return Ok(Attempt::Done(TaskUpdate::default()));
            }
            if stopped {
                let closed = self.try_close(&runner, End::Stopped(task), now).await?;
                return Ok(closed.map(|closed| TaskUpdate {
                    wake: closed.changes.wake,
                    stop: None,
                    must_act: closed.must_act,
                }));
            }
            let Some(after) = runner.with_task(task) else {
                return Ok(Attempt::Done(TaskUpdate {
                    stop: unwanted(&runner, &task.arn),
                    ..TaskUpdate::default()
                }));
            };
            Ok(self
                .put(runner.with_value(after))
                .await?
                .map(|after| TaskUpdate {
                    stop: unwanted(&after, &task.arn),
                    ..TaskUpdate::default()
                }))
        })
        .await
    }

    /// Closes a runner of which no task can exist any more, if `still` holds for its row as it is
    /// now. `None`: it does not, or it is closed already.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn close_runner(
        &self,
        address: &RunnerAddress,
        end: End<'_>,
        still: impl Fn(&Runner) -> bool + Send + Sync,
        now: Timestamp,
    ) -> Result<Option<Closing>, LedgerError> {
        self.with_retries(TRIES, "close a runner", || async {
            let Some(runner) = self.runner(address).await?.filter(|runner| still(runner)) else {
                return Ok(Attempt::Done(None));
            };
            Ok(self.try_close(&runner, end, now).await?.map(Some))
        })
        .await
    }

    /// Row to record, with the pool's health and the job that still waits, in one transaction.
    async fn try_close(
        &self,
        runner: &Versioned<Runner>,
        end: End<'_>,
        now: Timestamp,
    ) -> Result<Attempt<Closing>, LedgerError> {
        let mut tx = Transaction::over(runner);
        let health = self.read_for(&mut tx, key::health(&runner.pool)).await?;
        let (waiting, record) = self.reserved(&mut tx, runner).await?;
        let job = match runner.work.as_ref().and_then(|work| work.job) {
            Some(job) if tells_of_job(runner, end) => {
                self.read_for(&mut tx, key::job_record(job)).await?
            }
            _ => None,
        };
        let around = RunnerSnapshot {
            health: health.as_ref(),
            waiting: waiting.as_ref(),
            record: record.as_ref(),
            job: job.as_ref(),
        };
        let closing = close(runner, end, around, now);
        tx.stage(&closing.changes, now)?;
        let committed = self.commit(tx, closing).await?;
        if let Attempt::Done(closed) = &committed
            && let Some(record) = &closed.changes.closed
        {
            tell(record, start_failure(runner, end, record));
        }
        Ok(committed)
    }

    /// The job that a runner holds in reserve, if it still waits in the runner's pool, and its
    /// record.
    async fn reserved(
        &self,
        tx: &mut Transaction,
        runner: &Runner,
    ) -> Result<(Option<WaitingJob>, Option<JobRecord>), LedgerError> {
        let unnamed = runner.work.as_ref().is_none_or(|work| work.job.is_none());
        let Some(job) = runner.reserved.filter(|_| unnamed) else {
            return Ok((None, None));
        };
        let waiting: Option<WaitingJob> =
            self.read_for(tx, key::waiting(&runner.pool, job)).await?;
        // Another runner may have reserved it since; then this one leaves it alone.
        let waiting = waiting.filter(|waiting| waiting.runner.as_ref() == Some(&runner.id));
        let record = if waiting.is_some() {
            self.read_for(tx, key::job_record(job)).await?
        } else {
            None
        };
        Ok((waiting, record))
    }

    /// Decides on an admission, and writes the decision before anyone is told. `None`: the runner
    /// has no open row.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn admit(
        &self,
        address: &RunnerAddress,
        pool: Option<&Pool>,
        request: &AdmissionRequest,
        private: Option<bool>,
        now: Timestamp,
    ) -> Result<Option<AdmissionDecision>, LedgerError> {
        self.with_retries(TRIES, "admit a job", || async {
            let Some(runner) = self.runner(address).await? else {
                return Ok(Attempt::Done(None));
            };
            let (admission, changes) = admit(&runner, pool, request, private, now);
            let mut tx = Transaction::over(&runner);
            tx.stage(&changes, now)?;
            let is_new = !changes.writes_nothing();
            self.commit(tx, Some(AdmissionDecision { admission, is_new }))
                .await
        })
        .await
    }

    /// Writes down what a runner's container reports of its use, with the runner and with its job.
    /// `None`: the runner has no open row. An error within: the report is refused, and nothing is
    /// written. `read` is the runner as the caller has read it: it is read again only if it has
    /// changed since.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn usage_reported(
        &self,
        read: &Versioned<Runner>,
        report: &UsageReport,
        now: Timestamp,
    ) -> Result<Option<Result<(), UsageRefusal>>, LedgerError> {
        let changed = AtomicBool::new(false);
        self.with_retries(TRIES, "record a runner's use", || async {
            let mut runner = read.clone();
            if changed.swap(true, Ordering::Relaxed) {
                match self.runner(&read.address()).await? {
                    Some(now) => runner = now,
                    None => return Ok(Attempt::Done(None)),
                }
            }
            let mut tx = Transaction::over(&runner);
            let job = match runner.work.as_ref().and_then(|work| work.job) {
                Some(job) if runner.usage.is_none() => {
                    self.read_for(&mut tx, key::job_record(job)).await?
                }
                _ => None,
            };
            match record_usage(&runner, job.as_ref(), report, now) {
                Err(refusal) => Ok(Attempt::Done(Some(Err(refusal)))),
                Ok(changes) => {
                    tx.stage(&changes, now)?;
                    self.commit(tx, Some(Ok(()))).await
                }
            }
        })
        .await
    }
}

/// One line for a runner's end, with what it came to in numbers: once, by whichever function wrote it
/// down.
fn tell(record: &Runner, failure: Option<Failure>) {
    let (outcome, spend) = (record.outcome, record.spend());
    let cause = failure.as_ref().and_then(|failure| failure.cause);
    let ran = record
        .work
        .as_ref()
        .filter(|_| outcome == Some(Outcome::Ran));
    let over = record
        .done_at
        .or(record.timeline.stopping)
        .or(record.closed_at);
    let took = ran.and_then(|work| Some(over?.since(work.since).as_secs_f64()));
    tracing::info!(
        metrics = record.metrics.word(),
        runner.id = %record.id,
        pool.name = %record.pool,
        job.id = record.work.as_ref().and_then(|work| work.job).map(|job| job.0),
        repository.name = record.worked_for(),
        outcome = outcome.map(Outcome::word),
        reason = failure.as_ref().map(|failure| failure.kind.word()),
        exit_code = record.exit_code,
        memory_peak_mib = record.usage.map(|usage| usage.memory_peak_mib),
        cpu_seconds = record.usage.map(|usage| usage.cpu_seconds),
        ended_runners = 1,
        gha_job_execution_duration_seconds = took,
        runner_cost_dollars = spend.map(|spend| spend.total().dollars()),
        runner_waste_dollars = spend.map(|spend| spend.waste().dollars()),
        failed_starts = failure.as_ref().map(|_| 1),
        interrupted_jobs = record.interrupted.then_some(1),
        refused_runner_versions = (cause == Some(Cause::VersionRefused)).then_some(1),
        "runner ended: {}",
        record.reason.as_ref().map(ToString::to_string).unwrap_or_default()
    );
}

/// Why a task that is known to be a runner's must be stopped.
fn unwanted(runner: &Runner, arn: &TaskArn) -> Option<Reason> {
    if !runner.may_own(arn) {
        return Some(Reason::OtherTask);
    }
    runner.stop.as_ref().map(|stop| stop.reason.clone())
}
