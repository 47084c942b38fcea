//! A planner that looks while a transaction is half visible plans no more launches than it would
//! before or after it.
//!
//! DynamoDB shows the items of a transaction to queries one by one. Each transaction of the ledger
//! is stopped at every subset of its items that a query may show, and the pool is looked at and
//! planned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use mayfly_domain::model::id::{GithubRunnerId, JobId, RepositoryId, RunnerId, TaskArn};
use mayfly_domain::model::job::{JobAction, RefusalScope};
use mayfly_domain::model::limits::Limits;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::plan::{Plan, plan};
use mayfly_domain::transitions::registration::RefusedRegistration;
use mayfly_dynamodb_model::{Handle, Model};
use mayfly_ledger::key::Key;
use mayfly_ledger::pool_snapshot::PoolSnapshot;
use mayfly_ledger::registrations::{Candidates, ReservationWrites};
use mayfly_ledger::store::{CommitError, Item, Page, StoreError, Write};
use mayfly_ledger::{Ledger, LedgerError, Store};

use crate::fixture::{
    ARN, at, commit_mark, entry, event, linux, on, pools, queue, registered, registering,
    requested, row, started, task, waiting,
};

/// When planners look: before any wait of a job is over, so that what a half hides would be
/// launched.
const NOW: u64 = 30;

async fn planned<S: Store>(
    ledger: &Ledger<S>,
    now: Timestamp,
) -> Result<(PoolSnapshot, Plan), LedgerError> {
    planned_for(pools().get(&linux()).unwrap(), ledger, now).await
}

async fn planned_for<S: Store>(
    pool: &Pool,
    ledger: &Ledger<S>,
    now: Timestamp,
) -> Result<(PoolSnapshot, Plan), LedgerError> {
    let snapshot = ledger.pool_snapshot(&linux()).await?;
    let limits = Limits {
        launches: 40,
        ..Limits::default()
    };
    let plan = plan(
        pool,
        &snapshot.health,
        &snapshot.jobs,
        &snapshot.runners,
        &limits,
        now,
    );
    Ok((snapshot, plan))
}

/// Shows the `mask`'s items of the transaction, by the order of its actions; learns how many there
/// are.
fn shows(mask: u32, seen: Arc<Mutex<BTreeMap<Key, u32>>>) -> impl Fn(&Key) -> bool + Send {
    move |key| {
        let mut seen = seen.lock().unwrap();
        let next = u32::try_from(seen.len()).unwrap();
        let index = *seen.entry(key.clone()).or_insert(next);
        mask >> index & 1 == 1
    }
}

/// Stops the transaction of `act` at every subset of its items, and holds a plan made then against
/// those made before and after: as it is, and once the pool's last commit is another than the one
/// that launched what it is about, so that this is not looked up.
async fn at_every_half<Before, Act>(setup: Before, act: Act)
where
    Before: AsyncFn(&Ledger<Handle>),
    Act: Fn(Ledger<Handle>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
{
    let pools = pools();
    let pool = pools.get(&linux()).unwrap();
    at_every_half_in(pool, &setup, &act).await;
    let later = async |ledger: &Ledger<Handle>| {
        setup(ledger).await;
        let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
        let committed = ledger
            .commit_plan(&entry(), &snapshot, (&[], &[]), at(9))
            .await;
        assert!(committed.unwrap());
    };
    at_every_half_in(pool, &later, &act).await;
}

async fn at_every_half_in<Before, Act>(pool: &Pool, setup: &Before, act: &Act)
where
    Before: AsyncFn(&Ledger<Handle>),
    Act: Fn(Ledger<Handle>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
{
    let jobs = |plan: &Plan| -> BTreeSet<Option<JobId>> {
        plan.launch.iter().map(|start| start.job).collect()
    };
    let mut mask = 0_u32;
    loop {
        let model = Model::new();
        let ledger = model.ledger("planner");
        setup(&ledger).await;
        let (first, before) = planned_for(pool, &ledger, at(NOW)).await.unwrap();
        let items = Arc::new(Mutex::new(BTreeMap::new()));
        model.hold(Some("writer"), shows(mask, Arc::clone(&items)));
        let running = tokio::spawn(act(model.ledger("writer")));
        model.held().await;
        let half = planned_for(pool, &ledger, at(NOW)).await;
        model.release();
        running.await.unwrap();
        let (last, after) = planned_for(pool, &ledger, at(NOW)).await.unwrap();
        // Where the transaction counts as a commit, a plan of before cannot be carried out any
        // more: what can be must be one of after it, job by job.
        let commits = first.meta != last.meta;
        let most = before.launch.len().max(after.launch.len());
        let is_more = |half: &Plan| {
            half.launch.len() > most || (commits && !jobs(half).is_subset(&jobs(&after)))
        };
        match half {
            Ok((snapshot, half)) if is_more(&half) => {
                // More than the whole is allowed only where it cannot be carried out.
                let committed = ledger
                    .commit_plan(&entry(), &snapshot, (&[row(99)], &[]), at(1))
                    .await
                    .unwrap();
                assert!(
                    !committed,
                    "shown {mask:b} of {:?}: {half:?}, but before {before:?}, after {after:?}",
                    items.lock().unwrap()
                );
            }
            // Busy: nothing is planned at all.
            Ok(_) | Err(LedgerError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        mask += 1;
        if mask >> items.lock().unwrap().len() != 0 {
            break;
        }
    }
}

#[tokio::test]
async fn while_a_plan_is_committed() {
    let setup = async |ledger: &Ledger<Handle>| {
        for job in [1, 2, 3] {
            queue(ledger, job, 0).await;
        }
        requested(ledger, 1, Some(1)).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
            assert!(
                ledger
                    .commit_plan(&entry(), &snapshot, (&[row(2), row(3)], &[]), at(1))
                    .await
                    .unwrap()
            );
        })
    })
    .await;
}

/// By its repository a runner counts for a limit: one that was given another repository's job must
/// count there for who looks at the same moment.
#[tokio::test]
async fn while_a_runner_is_given_the_job_of_a_repository_that_it_did_not_count_for() {
    let pools = pools();
    let pool = Pool {
        max_per_repository: Some(1),
        ..pools.get(&linux()).unwrap().clone()
    };
    let setup = async |ledger: &Ledger<Handle>| {
        for (job, repository) in [(2, 710_000_002), (3, 710_000_003)] {
            let mut queued = event(JobAction::Queued, job, 0);
            queued.repository.id = RepositoryId(repository);
            queued.repository.name = format!("acme/{repository}");
            ledger
                .apply_delivery(&queued, &self::pools())
                .await
                .unwrap();
        }
        started(ledger, 1, None).await;
    };
    let act = |ledger: Ledger<Handle>| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            let runner = ledger.runner(&runner.address()).await.unwrap().unwrap();
            let mut choice = Candidates::of(Some(1), 10);
            let jobs = ledger
                .jobs_for(&runner, &mut choice, at(NOW))
                .await
                .unwrap();
            let job = jobs.iter().find(|job| job.id == JobId(3)).unwrap();
            let beside = ReservationWrites {
                health: None,
                version: choice.version(&runner, job),
            };
            assert!(beside.version.is_some());
            let reserved = ledger.reserve(&runner, job, beside, at(NOW)).await;
            assert!(reserved.unwrap().is_some());
        })
    };
    at_every_half_in(&pool, &setup, &act).await;
}

#[tokio::test]
async fn while_a_mark_and_a_launch_are_committed() {
    let setup = async |ledger: &Ledger<Handle>| {
        queue(ledger, 1, 0).await;
        requested(ledger, 1, Some(1)).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
            assert!(commit_mark(&ledger, &snapshot, &snapshot.runners[0]).await);
        })
    })
    .await;
}

#[tokio::test]
async fn while_a_runner_reserves_a_job() {
    let setup = async |ledger: &Ledger<Handle>| {
        queue(ledger, 1, 0).await;
        queue(ledger, 2, 1).await;
        started(ledger, 1, Some(1)).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            let runner = ledger.runner(&runner.address()).await.unwrap().unwrap();
            let job = waiting(&ledger, 2).await.unwrap();
            assert!(
                ledger
                    .reserve(&runner, &job, ReservationWrites::default(), at(NOW))
                    .await
                    .unwrap()
                    .is_some()
            );
        })
    })
    .await;
}

#[tokio::test]
async fn while_a_job_begins_on_the_runner_that_waits_for_it() {
    let setup = async |ledger: &Ledger<Handle>| {
        registered(ledger, 1, 1).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            ledger
                .apply_delivery(&on(event(JobAction::InProgress, 1, 9), &runner), &pools())
                .await
                .unwrap();
        })
    })
    .await;
}

#[tokio::test]
async fn while_a_job_begins_on_a_runner_that_was_meant_for_another() {
    let setup = async |ledger: &Ledger<Handle>| {
        registered(ledger, 1, 1).await;
        queue(ledger, 2, 0).await;
        requested(ledger, 2, Some(2)).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            ledger
                .apply_delivery(&on(event(JobAction::InProgress, 2, 9), &runner), &pools())
                .await
                .unwrap();
        })
    })
    .await;
}

#[tokio::test]
async fn while_a_job_is_over() {
    let setup = async |ledger: &Ledger<Handle>| {
        let runner = registered(ledger, 1, 1).await;
        ledger
            .apply_delivery(&on(event(JobAction::InProgress, 1, 9), &runner), &pools())
            .await
            .unwrap();
        queue(ledger, 2, 0).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            ledger
                .apply_delivery(&on(event(JobAction::Completed, 1, 19), &runner), &pools())
                .await
                .unwrap();
        })
    })
    .await;
}

#[tokio::test]
async fn while_a_waiting_job_is_cancelled() {
    let setup = async |ledger: &Ledger<Handle>| {
        queue(ledger, 1, 0).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            ledger
                .apply_delivery(&event(JobAction::Completed, 1, 9), &pools())
                .await
                .unwrap();
        })
    })
    .await;
}

/// Its row goes, the question about its job comes: shown the first without the second, the job
/// would be launched for at once.
#[tokio::test]
async fn while_a_runner_closes_whose_job_must_be_asked_about() {
    let setup = async |ledger: &Ledger<Handle>| {
        registered(ledger, 1, 1).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            ledger
                .task_seen(&task(&runner, ARN, 9, TaskStatus::Stopped), at(NOW))
                .await
                .unwrap();
        })
    })
    .await;
}

/// Its row goes, the pool's health comes: shown the first without the second, the next start would
/// not wait.
#[tokio::test]
async fn while_a_runner_closes_that_failed_to_start() {
    let setup = async |ledger: &Ledger<Handle>| {
        queue(ledger, 1, 0).await;
        started(ledger, 1, Some(1)).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            ledger
                .task_seen(&task(&runner, ARN, 9, TaskStatus::Stopped), at(NOW))
                .await
                .unwrap();
        })
    })
    .await;
}

#[tokio::test]
async fn while_github_refuses_a_job_for_good() {
    let setup = async |ledger: &Ledger<Handle>| {
        registering(ledger, 1, 1).await;
    };
    at_every_half(setup, |ledger| {
        Box::pin(async move {
            let runner = ledger.runners(&linux()).await.unwrap().remove(0);
            let runner = ledger.runner(&runner.address()).await.unwrap().unwrap();
            let waiting = waiting(&ledger, 1).await.unwrap();
            let job = ledger.job(JobId(1)).await.unwrap().unwrap();
            let reservation = mayfly_ledger::registrations::Reservation {
                runner,
                waiting,
                job,
            };
            ledger
                .refused(
                    &reservation,
                    RefusedRegistration {
                        message: "archived",
                        scope: RefusalScope::Repository,
                    },
                    at(NOW),
                )
                .await
                .unwrap();
        })
    })
    .await;
}

#[tokio::test]
async fn a_runner_of_the_last_commit_that_has_closed_is_not_missed() {
    let model = Model::new();
    let ledger = model.ledger("planner");
    let runner = requested(&ledger, 1, None).await;
    ledger
        .task_seen(&task(&runner, ARN, 9, TaskStatus::Stopped), at(9))
        .await
        .unwrap();
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert_eq!(snapshot.meta.launched, [RunnerId::from_ulid(1)]);
    assert!(snapshot.runners.is_empty());
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_at_the_next_look() {
    use mayfly_dynamodb_model::{Fault, Operation, What, When};
    let model = Model::new();
    let ledger = model.ledger("planner");
    model.add_fault(Fault::once(When::After, What::Fails).on(Operation::TransactWriteItems));
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    let lost = ledger
        .commit_plan(&entry(), &snapshot, (&[row(1)], &[]), at(1))
        .await;
    assert!(matches!(lost, Err(LedgerError::Unavailable(_))));
    assert_eq!(
        ledger.pool_snapshot(&linux()).await.unwrap().runners.len(),
        1
    );
}

#[tokio::test]
async fn a_mark_whose_answer_was_lost_is_known_by_its_own_registration_only() {
    use mayfly_dynamodb_model::{Fault, Operation, What, When};
    let model = Model::new();
    let ledger = model.ledger("registrar");
    let reservation = registering(&ledger, 1, 1).await;
    // The SDK's repetition meets what its first try has written.
    model.add_fault(Fault::once(When::After, What::Conflicts).on(Operation::PutItem));
    assert!(
        ledger
            .registered(&reservation.runner, GithubRunnerId(1), at(5))
            .await
            .unwrap()
    );
    assert!(!model.clear_faults());
    assert!(
        !ledger
            .registered(&reservation.runner, GithubRunnerId(2), at(6))
            .await
            .unwrap()
    );
    let row = ledger
        .runner(&reservation.runner.address())
        .await
        .unwrap()
        .unwrap()
        .into_inner();
    assert_eq!(
        (row.github, row.arn),
        (Some(GithubRunnerId(1)), Some(TaskArn(ARN.into())))
    );
}

/// A table to which something is done right before one of the reads of a look.
struct Meanwhile {
    table: Handle,
    reads_left: AtomicU32,
    act: Mutex<Option<Act>>,
}

type Act = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Meanwhile {
    async fn read(&self) {
        if self.reads_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            let act = self.act.lock().unwrap().take();
            act.unwrap().await;
        }
    }
}

#[async_trait]
impl Store for Meanwhile {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.read().await;
        self.table.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, CommitError> {
        self.read().await;
        self.table.get_many(keys).await
    }

    async fn query(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: Option<i32>,
    ) -> Result<Page, StoreError> {
        self.read().await;
        self.table.query(pk, prefix, after, limit).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.table.commit(writes).await
    }

    async fn pause(&self, attempt: u32) {
        self.table.pause(attempt).await;
    }
}

/// A look is no snapshot: what it reads first may be over when it reads the rest. In the second
/// story GitHub gave the runner another one's job, which no one held in reserve for it.
#[tokio::test]
async fn a_job_that_is_over_with_its_runner_during_a_look_has_no_other_runner_launched() {
    for (job, reads) in [1, 2]
        .into_iter()
        .flat_map(|job| (0..9).map(move |reads| (job, reads)))
    {
        let model = Model::new();
        let ledger = model.ledger("writer");
        let runner = registered(&ledger, 1, 1).await;
        if job == 2 {
            queue(&ledger, 2, 0).await;
            requested(&ledger, 2, Some(2)).await;
        }
        let (_, before) = planned(&ledger, at(NOW)).await.unwrap();
        let ends = async move {
            let over = on(event(JobAction::Completed, job, 20), &runner);
            ledger.apply_delivery(&over, &pools()).await.unwrap();
            let stopped = task(&runner, ARN, 9, TaskStatus::Stopped);
            ledger.task_seen(&stopped, at(21)).await.unwrap();
        };
        let looking = Ledger::new(Meanwhile {
            table: Handle::new(model.clone(), "planner"),
            reads_left: AtomicU32::new(reads),
            act: Mutex::new(Some(Box::pin(ends))),
        });
        let (_, during) = planned(&looking, at(NOW)).await.unwrap();
        assert_eq!(
            (before.launch.len(), during.launch.len()),
            (0, 0),
            "job {job} ends before read {reads}: {during:?}"
        );
        let reached = looking.store().act.lock().unwrap().is_none();
        assert!(reached || reads > 3, "a look has more reads");
    }
}
