//! Writes that meet between what another function reads and what it writes: each ends as if one had
//! come after the other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use async_trait::async_trait;
use mayfly_domain::model::end::End;
use mayfly_domain::model::id::{JobId, TaskArn};
use mayfly_domain::model::job::{JobAction, JobState};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::start_failure::FailureKind;
use mayfly_domain::transitions::reconcile::{GithubJob, GithubJobDetails, GithubJobStatus};
use mayfly_domain::transitions::rematch::RematchOutcome;
use mayfly_dynamodb_model::{Handle, Model};
use mayfly_ledger::key::Key;
use mayfly_ledger::registrations::ReservationWrites;
use mayfly_ledger::store::{CommitError, Item, Page, StoreError, Write};
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{
    ARN, at, entry, event, linux, pools, queue, registered, requested, row, size, started, waiting,
};

type Act = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A table to which something is done right before the first write.
struct Met {
    table: Handle,
    before: Mutex<Option<Act>>,
}

fn met(model: &Model, before: impl Future<Output = ()> + Send + 'static) -> Ledger<Met> {
    Ledger::new(Met {
        table: Handle::new(model.clone(), "slow"),
        before: Mutex::new(Some(Box::pin(before))),
    })
}

#[async_trait]
impl Store for Met {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.table.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, CommitError> {
        self.table.get_many(keys).await
    }

    async fn query(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: Option<i32>,
    ) -> Result<Page, StoreError> {
        self.table.query(pk, prefix, after, limit).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let before = self.before.lock().unwrap().take();
        if let Some(before) = before {
            before.await;
        }
        self.table.commit(writes).await
    }

    async fn pause(&self, attempt: u32) {
        self.table.pause(attempt).await;
    }
}

/// Closed all the same, its task would run without a row.
#[tokio::test]
async fn a_runner_whose_task_becomes_known_while_it_is_closed_stays_open() {
    let model = Model::new();
    let ledger = model.ledger("test");
    let runner = requested(&ledger, 1, None).await;
    let address = runner.address();
    let adopted = async move {
        assert_eq!(
            ledger
                .launched(&address, &TaskArn(ARN.to_owned()), at(2))
                .await
                .unwrap(),
            None
        )
    };
    let still = |row: &mayfly_domain::model::runner::Runner| row.arn.is_none();
    let closed = met(&model, adopted)
        .close_runner(&runner.address(), End::Missing, still, at(3))
        .await
        .unwrap();
    assert_eq!(closed, None);
    let ledger = model.ledger("test");
    let row = ledger.runner(&runner.address()).await.unwrap().unwrap();
    let row = row.into_inner();
    assert_eq!(
        (row.arn, ledger.runner_record(&runner.id).await.unwrap()),
        (Some(TaskArn(ARN.to_owned())), None)
    );
}

/// Moved all the same, it would get another runner in its new pool.
#[tokio::test]
async fn a_job_that_is_reserved_while_it_is_moved_stays_with_its_runner() {
    let model = Model::new();
    let ledger = model.ledger("test");
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, Some(1)).await;
    let holder = runner.id.clone();
    let reserves = async move {
        let row = waiting(&ledger, 1).await.unwrap();
        assert!(
            ledger
                .reserve(&runner, &row, ReservationWrites::default(), at(3))
                .await
                .unwrap()
                .is_some()
        );
    };
    let mut renamed = Pools {
        version: 8,
        ..pools()
    };
    renamed
        .pools
        .iter_mut()
        .find(|pool| pool.name == linux())
        .unwrap()
        .name = "renamed".parse().unwrap();
    assert_eq!(
        met(&model, reserves)
            .rematch(JobId(1), &renamed, at(4))
            .await
            .unwrap(),
        RematchOutcome::Later
    );
    let ledger = model.ledger("test");
    assert_eq!(waiting(&ledger, 1).await.unwrap().runner, Some(holder));
    assert_eq!(
        ledger
            .waiting_jobs(&"renamed".parse().unwrap())
            .await
            .unwrap(),
        []
    );
}

/// Its row stays in its place; written over what the reservation wrote, the job would get another
/// runner at the new one.
#[tokio::test]
async fn a_job_that_is_reserved_while_its_target_changes_stays_with_its_runner() {
    let model = Model::new();
    let ledger = model.ledger("test");
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, Some(1)).await;
    let (holder, before) = (runner.id.clone(), waiting(&ledger, 1).await.unwrap());
    let row = before.clone();
    let reserves = async move {
        assert!(
            ledger
                .reserve(&runner, &row, ReservationWrites::default(), at(3))
                .await
                .unwrap()
                .is_some()
        );
    };
    let mut elsewhere = Pools {
        version: 8,
        ..pools()
    };
    let its = elsewhere
        .pools
        .iter_mut()
        .find(|pool| pool.name == linux())
        .unwrap();
    its.scope = mayfly_domain::model::target::Scope::Organization {
        group: "builders".to_owned(),
    };
    assert_eq!(
        met(&model, reserves)
            .rematch(JobId(1), &elsewhere, at(4))
            .await
            .unwrap(),
        RematchOutcome::Later
    );
    let ledger = model.ledger("test");
    let row = waiting(&ledger, 1).await.unwrap().into_inner();
    assert_eq!(
        (row.runner, row.target),
        (Some(holder), before.into_inner().target)
    );
}

/// Written over what the reservation wrote, the job would get another runner.
#[tokio::test]
async fn a_job_that_is_reserved_while_github_says_that_it_waits_stays_with_its_runner() {
    let model = Model::new();
    let ledger = model.ledger("test");
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, Some(1)).await;
    let holder = runner.id.clone();
    let reserves = async move {
        let row = waiting(&ledger, 1).await.unwrap();
        assert!(
            ledger
                .reserve(&runner, &row, ReservationWrites::default(), at(3))
                .await
                .unwrap()
                .is_some()
        );
    };
    let said = GithubJob::Found(GithubJobDetails {
        status: GithubJobStatus::Queued,
        runner: None,
        conclusion: None,
        created_at: None,
        started_at: None,
        completed_at: None,
    });
    met(&model, reserves)
        .reconcile_job(JobId(1), &said, &pools(), at(4))
        .await
        .unwrap();
    let row = waiting(&model.ledger("test"), 1).await.unwrap();
    assert_eq!(
        (row.runner.clone(), row.checked_at_github),
        (Some(holder), Some(at(4)))
    );
}

/// A runner that gave its job up holds it no more, and another one may have it by then.
#[tokio::test]
async fn a_job_that_another_runner_reserves_while_the_first_ends_stays_with_the_other() {
    let model = Model::new();
    let ledger = model.ledger("test");
    let first = registered(&ledger, 1, 1).await;
    let second = started(&ledger, 2, None).await;
    let holder = second.id.clone();
    let reserves = async move {
        let row = waiting(&ledger, 1).await.unwrap();
        assert!(
            ledger
                .reserve(&second, &row, ReservationWrites::default(), at(5))
                .await
                .unwrap()
                .is_some()
        );
    };
    met(&model, reserves)
        .close_runner(&first.address(), End::Missing, |_| true, at(6))
        .await
        .unwrap()
        .unwrap();
    let row = waiting(&model.ledger("test"), 1).await.unwrap();
    assert_eq!((row.runner.clone(), row.needs_check), (Some(holder), false));
}

/// A failed start that is lost is one that costs nothing: the next is made at once.
#[tokio::test]
async fn failed_starts_of_two_sizes_that_close_at_once_are_both_counted() {
    let model = Model::new();
    let ledger = model.ledger("test");
    let small = requested(&ledger, 1, None).await;
    let large = Runner {
        size: Size {
            cpu: 4096,
            ..size()
        },
        ..row(2)
    };
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert!(
        ledger
            .commit_plan(
                &entry(),
                &snapshot,
                (std::slice::from_ref(&large), &[]),
                at(1)
            )
            .await
            .unwrap()
    );
    let end = End::NeverStarted(FailureKind::Transient, "no capacity");
    let address = small.address();
    let fails = async move {
        ledger
            .close_runner(&address, end, |_| true, at(3))
            .await
            .unwrap()
            .unwrap();
    };
    met(&model, fails)
        .close_runner(&large.address(), end, |_| true, at(4))
        .await
        .unwrap()
        .unwrap();
    let ledger = model.ledger("test");
    let health = ledger.pool_snapshot(&linux()).await.unwrap().health;
    assert_eq!(
        (
            health.of(&small.size).failures,
            health.of(&large.size).failures
        ),
        (1, 1)
    );
}

/// The record guards its row, and both the job's end: written all the same, what GitHub said before
/// would bring the job back.
#[tokio::test]
async fn a_job_that_is_over_while_an_older_word_of_github_is_written_down_stays_over() {
    let model = Model::new();
    let ledger = model.ledger("test");
    queue(&ledger, 1, 0).await;
    let ends = async move {
        ledger
            .apply_delivery(&event(JobAction::Completed, 1, 500), &pools())
            .await
            .unwrap();
    };
    let said = GithubJob::Found(GithubJobDetails {
        status: GithubJobStatus::Gated,
        runner: None,
        conclusion: None,
        created_at: None,
        started_at: None,
        completed_at: None,
    });
    met(&model, ends)
        .reconcile_job(JobId(1), &said, &pools(), at(501))
        .await
        .unwrap();
    let ledger = model.ledger("test");
    let record = ledger.job(JobId(1)).await.unwrap().unwrap();
    assert_eq!(record.state, JobState::Closed, "{:?}", record.story);
}

/// Each of them writes the record, and nothing else that both know.
#[tokio::test]
async fn a_job_that_is_over_while_an_older_delivery_is_written_down_stays_over() {
    let model = Model::new();
    let ledger = model.ledger("test");
    queue(&ledger, 1, 0).await;
    let ends = async move {
        let over = event(JobAction::Completed, 1, 20);
        ledger.apply_delivery(&over, &pools()).await.unwrap();
    };
    met(&model, ends)
        .apply_delivery(&event(JobAction::InProgress, 1, 10), &pools())
        .await
        .unwrap();
    let ledger = model.ledger("test");
    let record = ledger.job(JobId(1)).await.unwrap().unwrap();
    assert_eq!(record.state, JobState::Closed, "{:?}", record.story);
}

/// Closed all the same, the task that this send makes would run without a row.
#[tokio::test]
async fn a_launch_that_is_sent_again_while_ecs_is_asked_about_it_stays_open() {
    let model = Model::new();
    let ledger = model.ledger("test");
    let asked = requested(&ledger, 1, None).await;
    let again = |row: &Runner| {
        let mut after = row.clone();
        after.launch.sent_at = at(60);
        Some(after)
    };
    ledger.change_runner(&asked.address(), again).await.unwrap();
    assert!(
        ledger
            .close_missing(&asked, at(61))
            .await
            .unwrap()
            .is_none()
    );
    let row = ledger.runner(&asked.address()).await.unwrap().unwrap();
    assert_eq!(row.launch.sent_at, at(60));
    assert!(ledger.close_missing(&row, at(62)).await.unwrap().is_some());
}
