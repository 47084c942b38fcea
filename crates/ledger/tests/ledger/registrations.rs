//! Reservations, registrations, and what GitHub said to them.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::assignment::Assignment;
use mayfly_domain::model::id::{
    GithubRunnerId, InstallationId, JobId, RepositoryId, RunnerId, TaskArn,
};
use mayfly_domain::model::job::{JobAction, JobEvent, RefusalScope, WaitingJob};
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::start_health::PoolHealth;
use mayfly_domain::model::target::{Repository, TargetKey};
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::transitions::registration::RefusedRegistration;
use mayfly_ledger::key;
use mayfly_ledger::registrations::{Candidates, ReservationWrites};
use mayfly_ledger::{Ledger, Store, Versioned};

use crate::fixture::{
    OTHER_ARN, at, commit_mark, event, linux, marked, offered, on, pools, put, queue, registered,
    registering, requested, started, task, waiting,
};

/// A second runner with a task.
async fn second<S: Store>(ledger: &Ledger<S>) -> Versioned<Runner> {
    let runner = requested(ledger, 2, None).await;
    ledger
        .launched(&runner.address(), &TaskArn(OTHER_ARN.into()), at(2))
        .await
        .unwrap();
    ledger.runner(&runner.address()).await.unwrap().unwrap()
}

async fn of_two_runners_that_want_one_job_one_gets_it<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let runners = [started(&ledger, 1, None).await, second(&ledger).await];
    let job = waiting(&ledger, 1).await.unwrap();
    assert!(
        ledger
            .reserve(&runners[0], &job, ReservationWrites::default(), at(3))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        ledger
            .reserve(&runners[1], &job, ReservationWrites::default(), at(3))
            .await
            .unwrap()
            .is_none()
    );
    // The loser is as it was: nothing of its half was written.
    assert_eq!(
        ledger.runner(&runners[1].address()).await.unwrap(),
        Some(runners[1].clone())
    );
    assert_eq!(
        waiting(&ledger, 1).await.unwrap().runner.as_ref(),
        Some(&runners[0].id)
    );
}

async fn of_two_requests_of_one_runner_one_reserves<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    queue(&ledger, 2, 0).await;
    let runner = started(&ledger, 1, None).await;
    let jobs = [
        waiting(&ledger, 1).await.unwrap(),
        waiting(&ledger, 2).await.unwrap(),
    ];
    let reservation = ledger
        .reserve(&runner, &jobs[0], ReservationWrites::default(), at(3))
        .await
        .unwrap()
        .unwrap();
    assert!(
        ledger
            .reserve(&runner, &jobs[1], ReservationWrites::default(), at(3))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        (
            reservation.runner.registration_attempt,
            reservation.runner.state
        ),
        (1, RunnerState::Registering)
    );
    assert_eq!(waiting(&ledger, 2).await.unwrap().runner, None);
}

async fn a_job_that_waits_no_more_cannot_be_reserved<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, None).await;
    let job = waiting(&ledger, 1).await.unwrap();
    ledger
        .apply_delivery(&event(JobAction::Completed, 1, 2), &pools())
        .await
        .unwrap();
    assert!(
        ledger
            .reserve(&runner, &job, ReservationWrites::default(), at(3))
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_job_that_left_the_queue_and_came_back_is_not_the_one_that_was_read<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, None).await;
    let before = waiting(&ledger, 1).await.unwrap();
    ledger
        .apply_delivery(&event(JobAction::Waiting, 1, 1), &pools())
        .await
        .unwrap();
    queue(&ledger, 1, 2).await;
    assert!(waiting(&ledger, 1).await.is_some());
    assert!(
        ledger
            .reserve(&runner, &before, ReservationWrites::default(), at(3))
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_registration_counts_for_its_own_mint_only<S: Store>(ledger: Ledger<S>) {
    let first = registering(&ledger, 1, 1).await;
    let again = ledger
        .reserve(
            &first.runner,
            &first.waiting,
            ReservationWrites::default(),
            at(5),
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            again.runner.registration_attempt,
            again.runner.attempt_outcome_unknown
        ),
        (2, true)
    );
    assert!(
        !ledger
            .registered(&first.runner, GithubRunnerId(1), at(6))
            .await
            .unwrap()
    );
    assert!(
        ledger
            .registered(&again.runner, GithubRunnerId(2), at(6))
            .await
            .unwrap()
    );
    let row = ledger
        .runner(&first.runner.address())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.state, row.github),
        (RunnerState::Registered, Some(GithubRunnerId(2)))
    );
    assert!(
        !ledger
            .registered(&again.runner, GithubRunnerId(3), at(7))
            .await
            .unwrap()
    );
}

async fn a_marked_runner_reserves_nothing<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, None).await;
    assert!(marked(&ledger, &runner).await);
    let job = waiting(&ledger, 1).await.unwrap();
    assert!(
        ledger
            .reserve(&runner, &job, ReservationWrites::default(), at(6))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(ledger.park(&runner, None, at(6)).await.unwrap(), None);
}

async fn a_runner_that_registers_escapes_the_mark_of_an_older_look<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let runner = started(&ledger, 1, None).await;
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    let job = waiting(&ledger, 1).await.unwrap();
    let reservation = ledger
        .reserve(&runner, &job, ReservationWrites::default(), at(3))
        .await
        .unwrap()
        .unwrap();
    assert!(!commit_mark(&ledger, &snapshot, &runner).await);
    assert!(
        ledger
            .registered(&reservation.runner, GithubRunnerId(1), at(6))
            .await
            .unwrap()
    );
}

async fn a_job_refused_for_good_waits_with_githubs_words_and_frees_its_runner<S: Store>(
    ledger: Ledger<S>,
) {
    let reservation = registering(&ledger, 1, 1).await;
    let runner = ledger
        .refused(
            &reservation,
            RefusedRegistration {
                message: "archived",
                scope: RefusalScope::Repository,
            },
            at(5),
        )
        .await
        .unwrap()
        .unwrap()
        .into_inner();
    assert_eq!(
        (runner.state, runner.reserved, runner.target),
        (RunnerState::Parked, None, None)
    );
    assert!(waiting(&ledger, 1).await.unwrap().not_before.unwrap() > at(5));
    assert!(
        ledger
            .job(JobId(1))
            .await
            .unwrap()
            .unwrap()
            .reason
            .unwrap()
            .to_string()
            .contains("archived")
    );
}

/// Until its time has come, and then by that job alone.
async fn jobs_of_a_repository_that_github_refuses_are_tried_by_one_of_them<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 2, 0).await;
    let reservation = registering(&ledger, 1, 1).await;
    let own = ledger
        .refused(
            &reservation,
            RefusedRegistration {
                message: "gone",
                scope: RefusalScope::Repository,
            },
            at(5),
        )
        .await
        .unwrap()
        .unwrap();
    let asking = second(&ledger).await;
    assert_eq!(
        (
            offered(&ledger, &asking, 6).await,
            offered(&ledger, &own, 6).await
        ),
        (vec![], vec![])
    );
    assert_eq!(
        (
            offered(&ledger, &asking, 66).await,
            offered(&ledger, &own, 66).await
        ),
        (vec![JobId(1)], vec![JobId(1)])
    );
    let job = waiting(&ledger, 1).await.unwrap();
    let again = ledger
        .reserve(&asking, &job, ReservationWrites::default(), at(67))
        .await
        .unwrap()
        .unwrap();
    assert!(
        ledger
            .registered(&again.runner, GithubRunnerId(1), at(68))
            .await
            .unwrap()
    );
    assert!(
        ledger.refused_no_more(&again).await.unwrap()
            && !ledger.refused_no_more(&again).await.unwrap()
    );
    assert_eq!(offered(&ledger, &own, 69).await, [JobId(2)]);
    // What is wrong with its target holds for those of the same one.
    let job = waiting(&ledger, 2).await.unwrap();
    let third = ledger
        .reserve(&own, &job, ReservationWrites::default(), at(70))
        .await
        .unwrap()
        .unwrap();
    let own = ledger
        .refused(
            &third,
            RefusedRegistration {
                message: "a label",
                scope: RefusalScope::Target,
            },
            at(71),
        )
        .await
        .unwrap()
        .unwrap();
    queue(&ledger, 3, 72).await;
    let others = WaitingJob {
        id: JobId(4),
        target: TargetKey("of other labels".to_owned()),
        ..waiting(&ledger, 3).await.unwrap().into_inner()
    };
    let write = put(key::waiting(&linux(), others.id), &others, 1);
    ledger.store().commit(vec![write]).await.unwrap();
    assert_eq!(offered(&ledger, &own, 73).await, [JobId(4)]);
}

async fn a_runner_whose_earlier_mint_is_unsure_stays_registering<S: Store>(ledger: Ledger<S>) {
    let first = registering(&ledger, 1, 1).await;
    let again = ledger
        .reserve(
            &first.runner,
            &first.waiting,
            ReservationWrites::default(),
            at(5),
        )
        .await
        .unwrap()
        .unwrap();
    let runner = ledger
        .refused(
            &again,
            RefusedRegistration {
                message: "archived",
                scope: RefusalScope::Repository,
            },
            at(6),
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(runner.state, RunnerState::Registering);
    assert!(runner.target.is_some());
}

async fn the_first_request_parks_a_runner_and_mends_the_health_of_its_size<S: Store>(
    ledger: Ledger<S>,
) {
    let failed = started(&ledger, 9, None).await;
    ledger
        .task_seen(
            &task(&failed, crate::fixture::ARN, 3, TaskStatus::Stopped),
            at(1),
        )
        .await
        .unwrap();
    let runner = second(&ledger).await;
    let health = ledger.health_after_request(&runner).await.unwrap();
    assert!(health.is_some());
    let parked = ledger
        .park(&runner, health.as_ref(), at(3))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (parked.state, parked.first_polled_at, parked.last_seen_at),
        (RunnerState::Parked, Some(at(3)), Some(at(3)))
    );
    let known = ledger
        .pool_snapshot(&linux())
        .await
        .unwrap()
        .health
        .of(&runner.size);
    assert_eq!(
        (known.failures, known.verified_definition.as_deref()),
        (0, Some("d"))
    );
    assert_eq!(ledger.health_after_request(&parked).await.unwrap(), None);
    let again = ledger.park(&parked, None, at(8)).await.unwrap().unwrap();
    assert_eq!(
        (again.first_polled_at, again.last_seen_at),
        (Some(at(3)), Some(at(8)))
    );
}

async fn a_held_job_is_offered_to_others_only_when_the_reservation_is_void<S: Store>(
    ledger: Ledger<S>,
) {
    let holder = registered(&ledger, 1, 1).await;
    let asking = second(&ledger).await;
    assert_eq!(offered(&ledger, &asking, 5).await, []);
    // It turns out to do something else.
    ledger
        .apply_delivery(&on(event(JobAction::InProgress, 7, 6), &holder), &pools())
        .await
        .unwrap();
    assert_eq!(offered(&ledger, &asking, 7).await, [JobId(1)]);
}

async fn a_job_whose_holder_is_gone_is_offered<S: Store>(ledger: Ledger<S>) {
    let reservation = registering(&ledger, 1, 1).await;
    let asking = second(&ledger).await;
    assert_eq!(offered(&ledger, &asking, 5).await, []);
    ledger
        .unregistered(&reservation.runner, "limited", at(5))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(offered(&ledger, &asking, 6).await, [JobId(1)]);
}

async fn the_job_that_a_runner_was_started_for_comes_first_and_alone<S: Store>(ledger: Ledger<S>) {
    for job in [1, 2, 3] {
        queue(&ledger, job, 0).await;
    }
    let runner = started(&ledger, 1, Some(2)).await;
    assert_eq!(offered(&ledger, &runner, 3).await, [JobId(2)]);
    ledger
        .apply_delivery(&event(JobAction::Completed, 2, 4), &pools())
        .await
        .unwrap();
    assert_eq!(offered(&ledger, &runner, 5).await, [JobId(1), JobId(3)]);
}

async fn jobs_of_another_size_or_before_their_time_are_not_offered<S: Store>(ledger: Ledger<S>) {
    let reservation = registering(&ledger, 1, 1).await;
    ledger
        .refused(
            &reservation,
            RefusedRegistration {
                message: "archived",
                scope: RefusalScope::Repository,
            },
            at(5),
        )
        .await
        .unwrap()
        .unwrap();
    let asking = second(&ledger).await;
    assert_eq!(offered(&ledger, &asking, 6).await, []);
    assert_eq!(offered(&ledger, &asking, 66).await, [JobId(1)]);
}

/// A page holds a hundred rows, and none of the oldest may be one for this runner.
async fn a_job_behind_a_hundred_that_may_not_be_served_now_is_offered<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1_000, 0).await;
    let last = waiting(&ledger, 1_000).await.unwrap();
    for job in 1..=110 {
        let asked_about = WaitingJob {
            id: JobId(job),
            needs_check: true,
            ..last.clone().into_inner()
        };
        let write = put(key::waiting(&linux(), JobId(job)), &asked_about, 1);
        ledger.store().commit(vec![write]).await.unwrap();
    }
    let asking = second(&ledger).await;
    assert_eq!(offered(&ledger, &asking, 5).await, [JobId(1_000)]);
}

/// Puts rows of waiting jobs into the pool, each like the first one of the ledger's.
async fn wait_like<S: Store>(ledger: &Ledger<S>, like: &WaitingJob, rows: &[WaitingJob]) {
    for row in rows {
        assert_eq!((row.repository, row.size), (like.repository, like.size));
        let write = put(key::waiting(&linux(), row.id), row, 1);
        ledger.store().commit(vec![write]).await.unwrap();
    }
}

/// The runner was started for the other one, and its time has come, too.
async fn of_two_refused_jobs_the_one_that_was_refused_last_is_tried_for_both<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 2, 0).await;
    let first = registering(&ledger, 1, 1).await;
    let other = second(&ledger).await;
    let job = waiting(&ledger, 2).await.unwrap();
    let second = ledger
        .reserve(&other, &job, ReservationWrites::default(), at(3))
        .await
        .unwrap()
        .unwrap();
    let mut free = Vec::new();
    for (reservation, when) in [(&first, 5), (&second, 6)] {
        let refused = RefusedRegistration {
            message: "gone",
            scope: RefusalScope::Repository,
        };
        free.extend(
            ledger
                .refused(reservation, refused, at(when))
                .await
                .unwrap(),
        );
    }
    assert_eq!(free[0].intended, Some(JobId(1)));
    for runner in &free {
        assert_eq!(offered(&ledger, runner, 90).await, [JobId(2)]);
    }
}

/// The first page shows three rows, of which one could be had: its holder is gone.
async fn a_held_job_is_not_offered_where_a_later_page_shows_that_another_one_is_tried_for_it<
    S: Store,
>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1_000, 0).await;
    let like = waiting(&ledger, 1_000).await.unwrap().into_inner();
    let asked_about = |id| WaitingJob {
        id: JobId(id),
        needs_check: true,
        ..like.clone()
    };
    let held = WaitingJob {
        id: JobId(1),
        runner: Some(RunnerId::from_ulid(99)),
        ..like.clone()
    };
    let refused = WaitingJob {
        id: JobId(4),
        refused: Some(RefusalScope::Repository),
        not_before: Some(at(100)),
        ..like.clone()
    };
    let rows = [held, asked_about(2), asked_about(3), refused];
    wait_like(&ledger, &like, &rows).await;
    let asking = second(&ledger).await;
    assert_eq!(offered(&ledger, &asking, 5).await, []);
    assert_eq!(offered(&ledger, &asking, 100).await, [JobId(4)]);
}

/// Told that no job waits, it would end; so it is told when to come again.
async fn a_runner_is_told_for_how_long_github_makes_its_jobs_wait<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let asking = second(&ledger).await;
    let told = async |seconds| {
        let mut choice = Candidates::of(None, 10);
        let jobs = ledger.jobs_for(&asking, &mut choice, at(seconds)).await;
        (jobs.unwrap().len(), choice.limited(at(seconds)))
    };
    assert_eq!(told(5).await, (1, None));
    ledger
        .limited(InstallationId(61_000_001), at(100))
        .await
        .unwrap();
    let (jobs, wait) = told(5).await;
    assert_eq!(jobs, 0);
    assert!((95..97).contains(&wait.unwrap().as_secs()), "{wait:?}");
    assert_eq!(told(110).await, (1, None));
}

/// One runner at a time, when the wait is over, and of two that ask for it at once one. Scaler goes
/// by the same rule; a runner of the repository itself is one that it has let through.
async fn of_a_repository_whose_runners_are_given_nothing_one_is_tried_at_a_time<S: Store>(
    ledger: Ledger<S>,
) {
    let (repository, not_before) = (RepositoryId(710_000_001), at(100));
    let assignment = Assignment {
        repository,
        definition: "d".to_owned(),
        jobs: (11..=15).map(JobId).collect(),
        probes: 2,
        at: at(0),
        not_before: Some(not_before),
    };
    let health = PoolHealth {
        assignments: vec![assignment],
        ..PoolHealth::default()
    };
    let write = put(key::health(&linux()), &health, 1);
    ledger.store().commit(vec![write]).await.unwrap();
    queue(&ledger, 1, 0).await;
    let asking = [started(&ledger, 1, None).await, second(&ledger).await];
    assert_eq!(offered(&ledger, &asking[0], 50).await, []);
    let mut offers = Vec::new();
    for runner in &asking {
        let mut choice = Candidates::of(None, 10);
        let jobs = ledger.jobs_for(runner, &mut choice, at(101)).await.unwrap();
        offers.push((jobs[0].clone(), choice));
    }
    let mut reserved = Vec::new();
    for (runner, (job, choice)) in asking.iter().zip(&offers) {
        let beside = ReservationWrites {
            health: None,
            version: choice.version(runner, job),
        };
        assert!(beside.version.is_some(), "nothing keeps the other one away");
        let got = ledger.reserve(runner, job, beside, at(101)).await.unwrap();
        reserved.push(got.is_some());
    }
    assert_eq!(reserved, [true, false]);
    queue(&ledger, 2, 60).await;
    assert_eq!(offered(&ledger, &asking[1], 102).await, []);
    let let_through = |row: &Runner| {
        Some(Runner {
            repository: Some(repository),
            ..row.clone()
        })
    };
    let address = asking[1].address();
    ledger.change_runner(&address, let_through).await.unwrap();
    let own = ledger.runner(&address).await.unwrap().unwrap();
    assert_eq!(offered(&ledger, &own, 102).await, [JobId(2)]);
}

async fn a_repository_at_its_limit_is_capped_for_others<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    let asking = second(&ledger).await;
    let repository = RepositoryId(710_000_001);
    assert_eq!(
        ledger.capped(&asking, 1).await.unwrap().1,
        BTreeSet::from([repository])
    );
    assert_eq!(ledger.capped(&asking, 2).await.unwrap().1, BTreeSet::new());
    assert_eq!(ledger.capped(&runner, 1).await.unwrap().1, BTreeSet::new());
}

async fn of_two_runners_that_ask_for_a_repositorys_last_place_at_once_one_gets_it_and_no_plan_beside_them<
    S: Store,
>(
    ledger: Ledger<S>,
) {
    for job in [1, 2, 3] {
        queue(&ledger, job, 0).await;
    }
    let asking = [started(&ledger, 1, None).await, second(&ledger).await];
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    let mut offers = Vec::new();
    for runner in &asking {
        let mut choice = Candidates::of(Some(1), 10);
        let jobs = ledger.jobs_for(runner, &mut choice, at(3)).await.unwrap();
        offers.push((runner, jobs, choice));
    }
    let mut reserved = Vec::new();
    for (which, (runner, jobs, choice)) in offers.iter().enumerate() {
        let beside = ReservationWrites {
            health: None,
            version: choice.version(runner, &jobs[which]),
        };
        reserved.push(
            ledger
                .reserve(runner, &jobs[which], beside, at(3))
                .await
                .unwrap()
                .is_some(),
        );
    }
    assert_eq!(reserved, [true, false]);
    assert!(
        !commit_mark(&ledger, &snapshot, &asking[1]).await,
        "a plan that was made before counts one too few"
    );
    let snapshot = ledger.pool_snapshot(&linux()).await.unwrap();
    assert_eq!(snapshot.meta.given, Some(asking[0].id.clone()));
    assert!(commit_mark(&ledger, &snapshot, &asking[1]).await);
}

async fn what_github_told_an_installation_is_seen_by_every_look<S: Store>(ledger: Ledger<S>) {
    let installation = InstallationId(61_000_001);
    ledger.limited(installation, at(100)).await.unwrap();
    queue(&ledger, 1, 0).await;
    assert_eq!(
        ledger.pool_snapshot(&linux()).await.unwrap().limits,
        BTreeMap::from([(installation, at(100))])
    );
}

async fn a_job_of_an_organization_with_another_owner_is_no_news_of_our_runner<S: Store>(
    ledger: Ledger<S>,
) {
    let runner = registered(&ledger, 1, 1).await;
    let mut elsewhere = on(event(JobAction::InProgress, 7, 6), &runner);
    elsewhere.repository = Repository {
        id: RepositoryId(1),
        name: "acme/other".into(),
        ..elsewhere.repository
    };
    ledger
        .apply_delivery(&JobEvent { ..elsewhere }, &pools())
        .await
        .unwrap();
    assert_eq!(
        ledger.runner(&runner.address()).await.unwrap(),
        Some(runner)
    );
}

on_both! {
    of_two_refused_jobs_the_one_that_was_refused_last_is_tried_for_both
    a_held_job_is_not_offered_where_a_later_page_shows_that_another_one_is_tried_for_it
    a_runner_is_told_for_how_long_github_makes_its_jobs_wait
    of_a_repository_whose_runners_are_given_nothing_one_is_tried_at_a_time
    of_two_runners_that_want_one_job_one_gets_it
    of_two_requests_of_one_runner_one_reserves
    a_job_that_waits_no_more_cannot_be_reserved
    a_job_that_left_the_queue_and_came_back_is_not_the_one_that_was_read
    a_registration_counts_for_its_own_mint_only
    a_marked_runner_reserves_nothing
    a_runner_that_registers_escapes_the_mark_of_an_older_look
    a_job_refused_for_good_waits_with_githubs_words_and_frees_its_runner
    jobs_of_a_repository_that_github_refuses_are_tried_by_one_of_them
    a_runner_whose_earlier_mint_is_unsure_stays_registering
    the_first_request_parks_a_runner_and_mends_the_health_of_its_size
    a_held_job_is_offered_to_others_only_when_the_reservation_is_void
    a_job_whose_holder_is_gone_is_offered
    the_job_that_a_runner_was_started_for_comes_first_and_alone
    jobs_of_another_size_or_before_their_time_are_not_offered
    a_job_behind_a_hundred_that_may_not_be_served_now_is_offered
    a_repository_at_its_limit_is_capped_for_others
    of_two_runners_that_ask_for_a_repositorys_last_place_at_once_one_gets_it_and_no_plan_beside_them
    what_github_told_an_installation_is_seen_by_every_look
    a_job_of_an_organization_with_another_owner_is_no_news_of_our_runner
}
