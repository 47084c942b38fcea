//! Sending what was committed: launches, their repetitions and next tries, and stops.

use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use futures::stream::{self, StreamExt};
use mayfly_domain::id::{RunnerAddress, TaskArn};
use mayfly_domain::runner::{Launch, Runner, StopKind};
use mayfly_domain::story::{Reason, StoryEvent, note};
use mayfly_domain::task::End;
use mayfly_domain::time::Timestamp;
use mayfly_domain::times;
use mayfly_fleet::{LaunchAnswer, LaunchFailure, LaunchRequest, Sending, Sent, launch_all};
use mayfly_ledger::Store;
use mayfly_ledger::runners::Changed;
use mayfly_queue::Wakes;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use crate::plans::Committed;
use crate::{Fleet, Scaler};

/// Most tries of one launch at different places (zones, then the other capacity) before it counts as a failed start.
const MOST_ATTEMPTS: u32 = 5;

/// A marked runner whose task is still there is stopped again after this time: the first call may have been lost.
const STOP_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Launches of earlier runs without an answer that one run sends again at most: ECS takes 20 RunTask calls a second (ECS API request throttling), and a run has some
/// twelve seconds for them.
pub(crate) const MOST_AGAIN: usize = 200;

/// How many of them are taken up at a time: each is a read and a write.
const TAKEN_UP_AT_ONCE: usize = 10;

/// StopTask calls under way at a time; ECS takes 40 a second (ECS API request throttling).
const STOPS_AT_ONCE: usize = 10;

impl<S: Store, F: Fleet, W: Wakes> Scaler<S, F, W> {
    /// Sends launches and stops. When it returns nothing is under way, and every answer is written down.
    pub(crate) async fn send(&self, committed: Committed, deadline: Timestamp) -> anyhow::Result<()> {
        let marked = committed.marked.clone();
        let ((), launched) = futures::join!(self.stop_marked(&marked, deadline), self.launch(committed, deadline));
        launched
    }

    async fn launch(&self, committed: Committed, deadline: Timestamp) -> anyhow::Result<()> {
        let until = Instant::now() + deadline.since(self.now()).saturating_sub(times::WRITE_ANSWERS);
        let mut runners = self.taken_up(&committed.unanswered, until).await;
        runners.extend(committed.launched);
        let mut lost = None;
        while !runners.is_empty() {
            let sendings: Vec<Sending> = runners.iter().filter_map(sending).collect();
            let answers = launch_all(&self.world.fleet, &self.pace, sendings, until).await;
            // The tasks that exist first. One after the other: those that failed all count in one item, the pool's health.
            let (started, others): (Vec<_>, Vec<_>) =
                answers.into_iter().partition(|(_, sent)| matches!(sent, Sent::Answered(LaunchAnswer::Started(_))));
            let mut again = Vec::new();
            for (id, sent) in started.into_iter().chain(others) {
                let Some(runner) = runners.iter().find(|runner| runner.id == id) else { continue };
                match self.write_down(runner, sent).await {
                    Ok(next) => again.extend(next),
                    // One answer that was not written down must not cost the others: its row is sent again.
                    Err(problem) => {
                        warn!(runner.id = %id, "the answer to a launch was not written down: {problem:#}");
                        lost = Some(problem);
                    }
                }
            }
            runners = again;
        }
        lost.map_or(Ok(()), Err)
    }

    /// Rows that an earlier run left unanswered, to be sent again: each is taken up by a write that only one run can make. One
    /// that cannot be taken up is left to a later run, and so are those that are left after a third of the time until `until`: what is taken up and not sent
    /// would wait again for as long as it has.
    async fn taken_up(&self, unanswered: &[Runner], until: Instant) -> Vec<Runner> {
        let began = Instant::now();
        let until = began + until.saturating_duration_since(began) / 3;
        let takes: Vec<_> = unanswered.iter().map(|runner| self.take_up(runner)).collect();
        let mut taking = pin!(stream::iter(takes).buffer_unordered(TAKEN_UP_AT_ONCE));
        let mut taken = Vec::new();
        loop {
            match timeout_at(until, taking.next()).await {
                Ok(Some(runner)) => taken.extend(runner),
                Ok(None) => return taken,
                Err(_) => {
                    warn!(
                        of = unanswered.len(),
                        "took up {} launches that were not answered in time, the others are left to a later run",
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
        let take = |row: &Runner| {
            let same = row.rev == runner.rev && row.arn.is_none() && row.stop.is_none();
            same.then(|| {
                // That nobody wrote down an answer does not mean that no task came of it, unless it is known that nothing was sent.
                let unsure = row.launch.unsure || !row.launch.unsent;
                let launch = Launch { sent_at: now, unsure, unsent: false, ..row.launch.clone() };
                let mut after = Runner { launch, ..row.clone() };
                // What ECS said before speaks of the time before.
                (after.launch.missing, after.launch.missing_at) = (0, None);
                note(&mut after.story, now, StoryEvent::LaunchRepeated);
                after
            })
        };
        match self.ledger.change_runner(&runner.address(), take).await {
            Ok(Changed::Yes(after)) => Some(*after),
            Ok(Changed::No(_) | Changed::Closed) => None,
            Err(problem) => {
                warn!(runner.id = %runner.id, "an unanswered launch was not taken up: {problem}");
                None
            }
        }
    }

    /// Writes down the answer to one launch. Answers the runner, if it is to be tried elsewhere at once.
    async fn write_down(&self, runner: &Runner, sent: Sent) -> anyhow::Result<Option<Runner>> {
        let address = runner.address();
        match sent {
            Sent::NotSent => self.answered(runner, |launch| launch.unsent = true).await.map(|()| None),
            Sent::Answered(LaunchAnswer::Started(arn)) => self.started(&address, &arn).await.map(|()| None),
            Sent::Answered(LaunchAnswer::Unsure { reason, may_have_started, .. }) => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, "no definite answer to a launch, it is sent again: {reason}");
                let doubt = move |launch: &mut Launch| if may_have_started { launch.unsure = true } else { launch.unsent = true };
                self.answered(runner, doubt).await.map(|()| None)
            }
            Sent::Answered(LaunchAnswer::Failed { kind, reason, no_place }) => {
                if !(no_place && runner.launch.unsure) {
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
        let unwanted = self.ledger.launched(address, arn, self.now()).await.context("write down a task's ARN")?;
        if let Some(why) = unwanted {
            self.stop(arn, &why).await;
        }
        Ok(())
    }

    /// Writes down what is known of the newest send, if that is still the row's.
    async fn answered(&self, runner: &Runner, change: impl Fn(&mut Launch) + Send + Sync) -> anyhow::Result<()> {
        let mark = |row: &Runner| {
            let mut launch = row.launch.clone();
            change(&mut launch);
            let news = row.launch.attempt == runner.launch.attempt && row.arn.is_none() && launch != row.launch;
            news.then(|| Runner { launch, ..row.clone() })
        };
        self.ledger.change_runner(&runner.address(), mark).await.context("write down what came of a launch").map(drop)
    }

    /// ECS found no place under this token, so no send under it has made a task: not this one, and none of an earlier run, whose calls are long over (within a
    /// run the fleet keeps the doubt). Answers the row without doubt, if it is still the one that was sent for: the next zone may be tried.
    async fn settled(&self, runner: &Runner) -> anyhow::Result<Option<Runner>> {
        let (attempt, sent_at) = (runner.launch.attempt, runner.launch.sent_at);
        let settle = |row: &Runner| {
            let same = row.launch.attempt == attempt && row.launch.sent_at == sent_at && row.arn.is_none();
            same.then(|| Runner { launch: Launch { unsure: false, ..row.launch.clone() }, ..row.clone() })
        };
        let changed = self.ledger.change_runner(&runner.address(), settle).await.context("write down that no task came of a launch")?;
        Ok(if let Changed::Yes(row) = changed { Some(*row) } else { None })
    }

    /// A definite failure: elsewhere if that may help, else the runner is closed, unless an earlier send may have made a task after all.
    async fn failed(&self, runner: &Runner, kind: LaunchFailure, reason: &str) -> anyhow::Result<Option<Runner>> {
        if runner.launch.unsure {
            // Not sent again: ECS would replay its no. Sweeper asks ECS, twice, once its reads have caught up.
            warn!(runner.id = %runner.id, pool.name = %runner.pool, "a repeated launch failed, and what came of the first is unknown: {reason}");
            return self.answered(runner, |launch| launch.given_up = true).await.map(|()| None);
        }
        if kind == LaunchFailure::Capacity && runner.launch.attempt < MOST_ATTEMPTS {
            let elsewhere = self.elsewhere(runner, reason).await?;
            if elsewhere.is_some() {
                return Ok(elsewhere);
            }
        }
        match kind {
            LaunchFailure::Configuration => warn!(runner.id = %runner.id, pool.name = %runner.pool, "ECS takes no such launch: {reason}"),
            LaunchFailure::Capacity | LaunchFailure::Quota => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, "ECS has no room for a runner now: {reason}");
            }
        }
        let attempt = runner.launch.attempt;
        let still = |row: &Runner| row.arn.is_none() && row.launch.attempt == attempt && !row.launch.unsure;
        let end = End::NeverStarted(kind.into(), reason);
        let closed =
            self.ledger.close_runner(&runner.address(), end, still, self.now()).await.context("close a runner that never started")?;
        if let Some(why) = closed.and_then(|closing| closing.must_act) {
            error!(
                runner.id = %runner.id, pool.name = %runner.pool,
                "{why}"
            );
        }
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
                let launch = Launch {
                    request: request.clone(),
                    attempt,
                    first_sent_at: now,
                    sent_at: now,
                    missing: 0,
                    missing_at: None,
                    ..row.launch.clone()
                };
                let mut after = Runner { launch, ..row.clone() };
                note(&mut after.story, now, StoryEvent::LaunchMoved { message: reason.to_owned() });
                after
            })
        };
        Ok(match self.ledger.change_runner(&runner.address(), next).await.context("write down the next try")? {
            Changed::Yes(after) => Some(*after),
            Changed::No(_) | Changed::Closed => None,
        })
    }

    /// Stops the tasks of marked runners: at once, and again now and then until the row is gone. One without an ARN has nothing to stop yet.
    async fn stop_marked(&self, marked: &[Runner], deadline: Timestamp) {
        let until = Instant::now() + deadline.since(self.now()).saturating_sub(times::WRITE_ANSWERS);
        let now = self.now();
        let stops = marked.iter().filter_map(|runner| {
            let (arn, stop) = (runner.arn.as_ref()?, runner.stop.as_ref()?);
            let age = now.since(stop.at);
            // Nobody has stopped the task of one that a person marked: its wake, and so this look, may come a while after the mark.
            let asked = stop.kind == StopKind::Asked;
            (asked || age < times::PLAN_FRESH || age > STOP_AGAIN_AFTER).then_some((arn, stop))
        });
        let stopping = stream::iter(stops).for_each_concurrent(STOPS_AT_ONCE, |(arn, stop)| self.stop(arn, &stop.reason));
        // What is not stopped by then is stopped at a later look.
        let _ = timeout_at(until, stopping).await;
    }

    /// A stop that fails is repeated at the next look.
    async fn stop(&self, arn: &TaskArn, why: &Reason) {
        if let Err(problem) = self.world.fleet.stop(arn, &why.to_string()).await {
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
