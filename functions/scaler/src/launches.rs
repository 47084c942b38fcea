//! Sending what was committed: launches, their repetitions and next tries, and stops.

use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use futures::stream::{self, StreamExt};
use mayfly_domain::model::end::End;
use mayfly_domain::model::id::{RunnerAddress, TaskArn};
use mayfly_domain::model::runner::{Runner, StopKind};
use mayfly_domain::model::size::Size;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::launch_result::{AfterRefusal, LaunchResult, after_refusal};
use mayfly_ecs::{
    LaunchAnswer, LaunchAttempt, LaunchFailure, LaunchOutcome, LaunchRequest, launch_all,
};
use mayfly_ledger::Store;
use mayfly_ledger::runners::Changed;
use mayfly_queue::Wakes;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use crate::plans::Committed;
use crate::scaler::{EcsPort, Scaler};

/// A marked runner whose task is still there is stopped again after this time: the first call may
/// have been lost.
const STOP_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Launches of earlier runs that are taken up at a time: each is a read and a write.
const TAKEN_UP_AT_ONCE: usize = 10;

/// StopTask calls under way at a time; ECS takes 40 a second (ECS API request throttling).
const STOPS_AT_ONCE: usize = 10;

impl<S: Store, F: EcsPort, W: Wakes> Scaler<S, F, W> {
    /// Sends launches and stops. When it returns nothing is under way, and every answer is written
    /// down.
    pub(crate) async fn send(
        &self,
        committed: Committed,
        deadline: Timestamp,
    ) -> anyhow::Result<()> {
        let marked = committed.marked.clone();
        let ((), launched) = futures::join!(
            self.stop_marked(&marked, deadline),
            self.launch(committed, deadline)
        );
        launched
    }

    async fn launch(&self, committed: Committed, deadline: Timestamp) -> anyhow::Result<()> {
        let until = Instant::now()
            + deadline
                .since(self.now())
                .saturating_sub(timeouts::WRITE_ANSWERS);
        let mut runners = self.taken_up(&committed.unanswered, until).await;
        runners.extend(committed.launched);
        let mut lost = None;
        while !runners.is_empty() {
            let sendings: Vec<LaunchAttempt> = runners.iter().filter_map(sending).collect();
            let answers = launch_all(&self.deps.ecs, &self.pace, sendings, until).await;
            // The tasks that exist first. One after the other: those that failed all count in one
            // item, the pool's health.
            let (started, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, sent)| {
                matches!(sent, LaunchOutcome::Answered(LaunchAnswer::Started(_)))
            });
            let mut again = Vec::new();
            for (id, sent) in started.into_iter().chain(others) {
                let Some(runner) = runners.iter().find(|runner| runner.id == id) else {
                    continue;
                };
                match self.write_down(runner, sent).await {
                    Ok(next) => again.extend(next),
                    // One answer that was not written down must not cost the others: its row is
                    // sent again.
                    Err(problem) => {
                        warn!(runner.id = %id, error = format!("{problem:#}"), "could not record the answer to a launch");
                        lost = Some(problem);
                    }
                }
            }
            runners = again;
        }
        lost.map_or(Ok(()), Err)
    }

    /// Rows that an earlier run left unanswered, to be sent again: each is taken up by a write that
    /// only one run can make. A launch that cannot be claimed is left to a later run, and so are
    /// those that remain after a third of the time until `until`: a launch that is claimed but not
    /// sent would wait for as long again.
    async fn taken_up(&self, unanswered: &[Runner], until: Instant) -> Vec<Runner> {
        let until = takes_up_until(Instant::now(), until);
        let takes: Vec<_> = unanswered
            .iter()
            .map(|runner| self.take_up(runner))
            .collect();
        let mut taking = pin!(stream::iter(takes).buffer_unordered(TAKEN_UP_AT_ONCE));
        let mut taken = Vec::new();
        loop {
            match timeout_at(until, taking.next()).await {
                Ok(Some(runner)) => taken.extend(runner),
                Ok(None) => return taken,
                Err(_) => {
                    warn!(
                        of = unanswered.len(),
                        "claimed {} launches that were not answered in time: the others are left to a later run",
                        taken.len()
                    );
                    return taken;
                }
            }
        }
    }

    /// One of them; `None` if it cannot be taken up.
    async fn take_up(&self, runner: &Runner) -> Option<Runner> {
        let now = self.now();
        let take = |row: &Runner| row.sent_again(runner, now);
        match self.ledger.change_runner(&runner.address(), take).await {
            Ok(Changed::Yes(after)) => Some(after.into_inner()),
            Ok(Changed::No(_) | Changed::Closed) => None,
            Err(problem) => {
                warn!(runner.id = %runner.id, error = %problem, "could not claim an unanswered launch");
                None
            }
        }
    }

    /// Writes down the answer to one launch. Answers the runner, if it is to be tried elsewhere at
    /// once.
    async fn write_down(
        &self,
        runner: &Runner,
        sent: LaunchOutcome,
    ) -> anyhow::Result<Option<Runner>> {
        let address = runner.address();
        match sent {
            LaunchOutcome::NotSent => self
                .answered(runner, LaunchResult::NotSent)
                .await
                .map(|()| None),
            LaunchOutcome::Answered(LaunchAnswer::Started(arn)) => {
                self.started(&address, &arn).await.map(|()| None)
            }
            LaunchOutcome::Answered(LaunchAnswer::Unsure {
                reason,
                may_have_started,
                ..
            }) => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, reason = %reason, "no definite answer to a launch: it is sent again");
                let result = if may_have_started {
                    LaunchResult::Unknown
                } else {
                    LaunchResult::NotSent
                };
                self.answered(runner, result).await.map(|()| None)
            }
            LaunchOutcome::Answered(LaunchAnswer::Failed {
                kind,
                reason,
                no_place,
            }) => {
                if after_refusal(runner, kind.into(), no_place) != AfterRefusal::Settle {
                    return self.failed(runner, kind, &reason).await;
                }
                match self.settled(runner).await? {
                    Some(row) => self.failed(&row, kind, &reason).await,
                    // It was taken up again, or news of it came.
                    None => Ok(None),
                }
            }
        }
    }

    async fn started(&self, address: &RunnerAddress, arn: &TaskArn) -> anyhow::Result<()> {
        let unwanted = self
            .ledger
            .launched(address, arn, self.now())
            .await
            .context("record a task's ARN")?;
        if let Some(why) = unwanted {
            self.stop(arn, &why).await;
        }
        Ok(())
    }

    /// Writes down what is known of the newest send, if that is still the row's.
    async fn answered(&self, runner: &Runner, result: LaunchResult) -> anyhow::Result<()> {
        let mark = |row: &Runner| row.with_result(runner, result);
        self.ledger
            .change_runner(&runner.address(), mark)
            .await
            .context("record what came of a launch")
            .map(drop)
    }

    /// No send under this token made a task, neither one of this run (within which `ecs` keeps the
    /// doubt) nor one of an earlier run, whose calls are long over. Answers the row without doubt,
    /// if it is still the one that was sent for.
    async fn settled(&self, runner: &Runner) -> anyhow::Result<Option<Runner>> {
        let settle = |row: &Runner| row.without_doubt(runner);
        let changed = self
            .ledger
            .change_runner(&runner.address(), settle)
            .await
            .context("record that no task came of a launch")?;
        Ok(if let Changed::Yes(row) = changed {
            Some(row.into_inner())
        } else {
            None
        })
    }

    /// A definite failure: elsewhere if that may help, else the runner is closed, unless an earlier
    /// send may have made a task after all.
    async fn failed(
        &self,
        runner: &Runner,
        kind: LaunchFailure,
        reason: &str,
    ) -> anyhow::Result<Option<Runner>> {
        match after_refusal(runner, kind.into(), false) {
            AfterRefusal::Settle | AfterRefusal::Record => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, reason = %reason, "a repeated launch failed: whether the first made a task is unknown");
                return self
                    .answered(runner, LaunchResult::RefusedAfterUnknown)
                    .await
                    .map(|()| None);
            }
            AfterRefusal::TryElsewhere => {
                let elsewhere = self.elsewhere(runner, reason).await?;
                if elsewhere.is_some() {
                    return Ok(elsewhere);
                }
            }
            AfterRefusal::Close => {}
        }
        match kind {
            LaunchFailure::Configuration | LaunchFailure::Denied => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, reason = %reason, "ECS refuses the launch")
            }
            LaunchFailure::Capacity | LaunchFailure::Quota => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, reason = %reason, "ECS has no room for a runner now");
            }
        }
        let end = End::NeverStarted(kind.into(), reason);
        let still = |row: &Runner| row.never_started(runner);
        let closed = self
            .ledger
            .close_runner(&runner.address(), end, still, self.now())
            .await
            .context("close a runner that never started")?;
        if let Some(why) = closed.and_then(|closed| closed.must_act) {
            error!(
                runner.id = %runner.id, pool.name = %runner.pool,
                "{why}"
            );
        }
        Ok(None)
    }

    /// The next try, in another zone or on the other capacity, under a token of its own: ECS would
    /// replay the failure under the old one.
    async fn elsewhere(&self, runner: &Runner, reason: &str) -> anyhow::Result<Option<Runner>> {
        let now = self.now();
        let attempt = runner.launch.attempt + 1;
        let request = LaunchRequest::from_json(&runner.launch.request)
            .context("read a stored launch request")?;
        let request = request.next_after_capacity_failure(attempt);
        // Where Spot has no room, the task is paid for on demand.
        let size = Size {
            capacity: request.placement.capacity,
            ..runner.size
        };
        let price = self.price_list(&self.own_prices().await?).price(&size);
        let request = request.to_json().context("write a launch request")?;
        let next = |row: &Runner| {
            row.moved(runner, &request, reason, now)
                .map(|moved| Runner {
                    price: Some(price.clone()),
                    ..moved
                })
        };
        Ok(
            match self
                .ledger
                .change_runner(&runner.address(), next)
                .await
                .context("record the next try")?
            {
                Changed::Yes(after) => Some(after.into_inner()),
                Changed::No(_) | Changed::Closed => None,
            },
        )
    }

    /// Stops the tasks of marked runners: at once, and again from time to time until the row is
    /// gone. One without an ARN has nothing to stop yet.
    async fn stop_marked(&self, marked: &[Runner], deadline: Timestamp) {
        let until = Instant::now()
            + deadline
                .since(self.now())
                .saturating_sub(timeouts::WRITE_ANSWERS);
        let now = self.now();
        let stops = marked.iter().filter_map(|runner| {
            let (arn, stop) = (runner.arn.as_ref()?, runner.stop.as_ref()?);
            let age = now.since(stop.at);
            // The task of a runner that a person marked still runs: its wake, and so this run, may
            // come a while after the mark.
            let asked = stop.kind == StopKind::UserRequest;
            (asked || age < timeouts::PLAN_FRESH || age > STOP_AGAIN_AFTER).then_some((arn, stop))
        });
        let stopping = stream::iter(stops)
            .for_each_concurrent(STOPS_AT_ONCE, |(arn, stop)| self.stop(arn, &stop.reason));
        // What is not stopped by then is stopped at a later look.
        let _ = timeout_at(until, stopping).await;
    }

    /// A stop that fails is repeated at the next look.
    async fn stop(&self, arn: &TaskArn, why: &Reason) {
        if let Err(problem) = self.deps.ecs.stop(arn, &why.to_string()).await {
            warn!(task.arn = %arn, error = %problem, "could not stop a task: the next run tries again");
        }
    }
}

/// Until when launches of earlier runs are taken up, if sending must end then: what is taken up has
/// to be sent, and so have this run's own launches.
fn takes_up_until(now: Instant, end: Instant) -> Instant {
    now + end.saturating_duration_since(now) / 3
}

/// What is sent for a row; a row that cannot be read back is left to sweeper.
fn sending(runner: &Runner) -> Option<LaunchAttempt> {
    match LaunchRequest::from_json(&runner.launch.request) {
        Ok(request) => Some(LaunchAttempt {
            runner: runner.id.clone(),
            request,
            client_token: runner.client_token(),
        }),
        Err(problem) => {
            error!(runner.id = %runner.id, error = %problem, "the runner's launch request cannot be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_launches_up_leaves_most_of_the_time_for_sending() {
        let now = Instant::now();
        let within = |seconds| takes_up_until(now, now + Duration::from_secs(seconds)) - now;
        assert_eq!([0, 3, 12].map(within), [0, 1, 4].map(Duration::from_secs));
        let over = now.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(takes_up_until(now, over), now);
    }
}
