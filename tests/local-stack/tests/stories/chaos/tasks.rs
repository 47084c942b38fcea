//! Containers that die, as a crash or the kernel's memory killer ends them.

use std::time::Duration;

use fastrand::Rng;
use mayfly_domain::model::id::RunnerId;
use mayfly_domain::model::runner::{Runner, RunnerState};
use serde_json::json;

use super::fixture::Fixture;

/// The longest pause between two.
const PAUSE: Duration = Duration::from_secs(5);

/// What was killed.
#[derive(Debug)]
pub(super) struct Reaped {
    pub(super) runner: RunnerId,
    /// How far it had come, by the ledger.
    pub(super) state: RunnerState,
}

/// Kills a container now and then: by turns one that has a job, and any other that has asked for
/// its registration. One that has not asked is left alone: all launches of its size would have to
/// wait for a minute, which one broken image brings about already.
pub(super) async fn kill_tasks(
    fixture: &Fixture<'_>,
    rng: &mut Rng,
    storm: Duration,
) -> Vec<Reaped> {
    let mut reaped: Vec<Reaped> = Vec::new();
    while fixture.begun.elapsed() < storm {
        let busy = reaped.len().is_multiple_of(2);
        if let Some(one) = kill_one(fixture, rng, busy).await {
            reaped.push(one);
            tokio::time::sleep(PAUSE.mul_f64(rng.f64())).await;
        } else {
            tokio::time::sleep(super::fixture::LOOK).await;
        }
    }
    reaped
}

async fn kill_one(fixture: &Fixture<'_>, rng: &mut Rng, busy: bool) -> Option<Reaped> {
    let (tasks, ledger) = (
        fixture.tasks().await,
        fixture.stage.watch.ledger.snapshot().await.unwrap(),
    );
    let fits = |runner: &&Runner| {
        if busy {
            runner.state == RunnerState::Busy
        } else {
            runner.first_polled_at.is_some()
        }
    };
    let runners: Vec<&Runner> = ledger
        .open
        .iter()
        .filter(fits)
        .filter(|runner| runner.done_at.is_none())
        .collect();
    let runner = *runners.get(rng.usize(..runners.len().max(1)))?;
    let task = tasks
        .iter()
        .find(|task| task.pid.is_some() && task.started_by.ends_with(runner.id.as_str()))?;
    let id = task.task_arn.rsplit('/').next()?;
    let killed = fixture
        .tell_fargate(&format!("tasks/{id}/kill"), &json!({}))
        .await;
    killed.then(|| Reaped {
        runner: runner.id.clone(),
        state: runner.state,
    })
}
