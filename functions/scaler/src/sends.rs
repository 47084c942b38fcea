//! Sending what was committed: launches, their repetitions and next tries, and stops.

use std::time::Duration;

use anyhow::Context;
use mayfly_domain::id::{RunnerAddress, TaskArn};
use mayfly_domain::job::note;
use mayfly_domain::runner::{Launch, Runner, RunnerState};
use mayfly_domain::task::End;
use mayfly_domain::time::Timestamp;
use mayfly_fleet::{LaunchAnswer, LaunchFailure, LaunchRequest, Sending, Sent, launch_all};
use mayfly_ledger::Store;
use mayfly_ledger::runners::Changed;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::plans::Committed;
use crate::{Fleet, Scaler};

/// Left of the deadline for writing down the last answers.
const TO_WRITE: Duration = Duration::from_secs(3);

/// Most tries of one launch at different places (zones, then the other capacity) before it counts as a failed start.
const MOST_ATTEMPTS: u32 = 4;

impl<S: Store, F: Fleet, W: Wakes> Scaler<S, F, W> {
    /// Sends launches and stops. When it returns nothing is under way, and every answer is written down.
    pub(crate) async fn send(&self, committed: Committed, deadline: Timestamp) -> anyhow::Result<()> {
        let marked = committed.marked.clone();
        let ((), launched) = futures::join!(self.stop_marked(&marked), self.launch(committed, deadline));
        launched
    }

    async fn launch(&self, committed: Committed, deadline: Timestamp) -> anyhow::Result<()> {
        let until = Instant::now() + deadline.since(self.now()).saturating_sub(TO_WRITE);
        let mut runners = self.taken_up(&committed.unanswered).await?;
        runners.extend(committed.launched);
        while !runners.is_empty() {
            let sendings: Vec<Sending> = runners.iter().filter_map(sending).collect();
            let answers = launch_all(&self.world.fleet, &self.pace, sendings, until).await;
            let written = answers.into_iter().filter_map(|(id, sent)| {
                let runner = runners.iter().find(|runner| runner.id == id)?;
                Some(self.write_down(runner, sent))
            });
            let again = futures::future::try_join_all(written).await?;
            runners = again.into_iter().flatten().collect();
        }
        Ok(())
    }

    /// Rows that an earlier run left unanswered, to be sent again: each is taken up by a write that only one run can make.
    async fn taken_up(&self, unanswered: &[Runner]) -> anyhow::Result<Vec<Runner>> {
        let now = self.now();
        let mut taken = Vec::new();
        for runner in unanswered {
            let take = |row: &Runner| {
                let same = row.rev == runner.rev && row.arn.is_none() && row.stop.is_none();
                same.then(|| {
                    // That nobody wrote down an answer does not mean that no task came of it.
                    let launch = Launch { sent_at: now, unsure: true, ..row.launch.clone() };
                    let mut after = Runner { launch, ..row.clone() };
                    note(&mut after.story, now, "its launch was sent again: there was no answer");
                    after
                })
            };
            if let Changed::Yes(after) = self.ledger.change_runner(&runner.address(), take).await.context("take up an unanswered launch")? {
                taken.push(*after);
            }
        }
        Ok(taken)
    }

    /// Writes down the answer to one launch. Answers the runner, if it is to be tried elsewhere at once.
    async fn write_down(&self, runner: &Runner, sent: Sent) -> anyhow::Result<Option<Runner>> {
        let address = runner.address();
        match sent {
            // Nothing was sent, and the row says when: a later run takes it up.
            Sent::NotSent => Ok(None),
            Sent::Answered(LaunchAnswer::Started(arn)) => self.started(&address, &arn).await.map(|()| None),
            Sent::Answered(LaunchAnswer::Unsure { reason, .. }) => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, "no definite answer to a launch, it is sent again: {reason}");
                self.unsure(runner).await.map(|()| None)
            }
            Sent::Answered(LaunchAnswer::Failed { kind, reason }) => self.failed(runner, kind, &reason).await,
        }
    }

    async fn started(&self, address: &RunnerAddress, arn: &TaskArn) -> anyhow::Result<()> {
        let unwanted = self.ledger.launched(address, arn, self.now()).await.context("write down a task's ARN")?;
        if let Some(why) = unwanted {
            self.stop(arn, &why).await;
        }
        Ok(())
    }

    async fn unsure(&self, runner: &Runner) -> anyhow::Result<()> {
        let mark = |row: &Runner| {
            let news = row.launch.attempt == runner.launch.attempt && row.arn.is_none() && !row.launch.unsure;
            news.then(|| Runner { launch: Launch { unsure: true, ..row.launch.clone() }, ..row.clone() })
        };
        self.ledger.change_runner(&runner.address(), mark).await.context("write down that a launch is unsure").map(drop)
    }

    /// A definite failure: elsewhere if that may help, else the runner is closed, unless an earlier send may have made a task after all.
    async fn failed(&self, runner: &Runner, kind: LaunchFailure, reason: &str) -> anyhow::Result<Option<Runner>> {
        if runner.launch.unsure {
            // Sweeper asks ECS, twice, once its reads have caught up.
            warn!(runner.id = %runner.id, pool.name = %runner.pool, "a repeated launch failed, and what came of the first is unknown: {reason}");
            return Ok(None);
        }
        if kind == LaunchFailure::Capacity && runner.launch.attempt < MOST_ATTEMPTS {
            return self.elsewhere(runner, reason).await;
        }
        match kind {
            LaunchFailure::Configuration => {
                error!(runner.id = %runner.id, pool.name = %runner.pool, "ECS takes no such launch, somebody must mend it: {reason}");
            }
            LaunchFailure::Capacity | LaunchFailure::Quota => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, "ECS has no room for a runner now: {reason}");
            }
        }
        let attempt = runner.launch.attempt;
        let still = |row: &Runner| row.arn.is_none() && row.launch.attempt == attempt && !row.launch.unsure;
        let end = End::NeverStarted(kind.into(), reason);
        self.ledger.close_runner(&runner.address(), end, still, self.now()).await.context("close a runner that never started")?;
        Ok(None)
    }

    /// The next try, in another zone or on the other capacity, under a token of its own: ECS would replay the failure under the old one.
    async fn elsewhere(&self, runner: &Runner, reason: &str) -> anyhow::Result<Option<Runner>> {
        let now = self.now();
        let attempt = runner.launch.attempt + 1;
        let request = LaunchRequest::from_json(&runner.launch.request).context("read a stored launch request")?;
        let request = request.next_after_capacity_failure(attempt).to_json().context("write a launch request")?;
        let next = |row: &Runner| {
            let same = row.launch.attempt == runner.launch.attempt && row.arn.is_none() && row.stop.is_none();
            same.then(|| {
                let launch = Launch { request: request.clone(), attempt, first_sent_at: now, sent_at: now, ..row.launch.clone() };
                let mut after = Runner { launch, ..row.clone() };
                note(&mut after.story, now, format!("tried elsewhere: {reason}"));
                after
            })
        };
        Ok(match self.ledger.change_runner(&runner.address(), next).await.context("write down the next try")? {
            Changed::Yes(after) => Some(*after),
            Changed::No(_) | Changed::Closed => None,
        })
    }

    /// Stops the tasks of marked runners: repeated at every look until the row is gone. One without an ARN has nothing to stop yet.
    async fn stop_marked(&self, marked: &[Runner]) {
        let stops = marked.iter().filter(|runner| runner.state != RunnerState::Busy).filter_map(|runner| {
            let (arn, stop) = (runner.arn.as_ref()?, runner.stop.as_ref()?);
            Some(self.stop(arn, &stop.reason))
        });
        futures::future::join_all(stops).await;
    }

    /// A stop that fails is repeated at the next look.
    async fn stop(&self, arn: &TaskArn, why: &str) {
        if let Err(problem) = self.world.fleet.stop(arn, why).await {
            warn!(task.arn = %arn, "a task was not stopped, the next look tries again: {problem}");
        }
    }
}

/// What is sent for a row; a row that cannot be read back is left to sweeper.
fn sending(runner: &Runner) -> Option<Sending> {
    match LaunchRequest::from_json(&runner.launch.request) {
        Ok(request) => Some(Sending { runner: runner.id.clone(), request, client_token: runner.client_token() }),
        Err(problem) => {
            error!(runner.id = %runner.id, "its launch request cannot be read: {problem}");
            None
        }
    }
}
