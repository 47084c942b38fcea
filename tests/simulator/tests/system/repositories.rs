//! Jobs that no delivery tells of are found by a slow round over the repositories that jobs came
//! from.

use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_dynamodb_model::{Fault, Operation, What, When};
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob};
use mayfly_github_model::runners::Scope;
use mayfly_simulator::system::{CallFault, Start, System};

use crate::start::{begin, done, inject, job, outcomes, pool_with, queue_one, rest, story, until};

fn asked(system: &System, what: &str) -> u64 {
    system
        .world
        .calls()
        .get(&("sweeper".to_owned(), format!("GitHub {what}")))
        .copied()
        .unwrap_or_default()
}

/// The repositories that the ledger knows, by id.
fn known(system: &System) -> Vec<String> {
    system
        .world
        .table
        .dump()
        .into_keys()
        .filter(|key| key.starts_with("repositories "))
        .collect()
}

/// A system that has served these repositories.
async fn knowing(seed: u64, repositories: &[&str]) -> System {
    let system = Start::seeded(seed).begin().unwrap();
    let jobs: Vec<JobId> = repositories
        .iter()
        .flat_map(|name| system.queue_jobs(&of(name)))
        .collect();
    done(&system, 300, &jobs).await;
    rest(&system, 120).await;
    assert_eq!(known(&system).len(), repositories.len());
    system
}

fn of(repository: &str) -> NewJob {
    NewJob {
        repository: repository.to_owned(),
        ..job()
    }
}

fn never_told(wish: NewJob) -> NewJob {
    let never_made = vec![Action::Queued, Action::Waiting];
    NewJob {
        deliveries: JobDeliveries {
            never_made,
            ..JobDeliveries::default()
        },
        ..wish
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_github_never_told_of_is_found_and_runs() {
    let system = knowing(400, &["acme/app"]).await;
    let never_made = vec![Action::Queued, Action::InProgress, Action::Completed];
    let deliveries = JobDeliveries {
        never_made,
        ..JobDeliveries::default()
    };
    let job = system.queue_jobs(&NewJob {
        deliveries,
        ..job()
    })[0];
    done(&system, 900, &[job]).await;
    until(&system, 900, "the ledger knows its end", |system| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Closed)
    })
    .await;
    rest(&system, 120).await;
    assert_eq!(outcomes(&system).len(), 2, "{}", story(&system));
}

#[tokio::test(start_paused = true)]
async fn one_job_that_was_over_when_it_was_first_told_of_is_enough_to_look_at_its_repository() {
    let system = Start::seeded(409).begin().unwrap();
    let first = system.queue_jobs(&never_told(job()))[0];
    system.cancel(first);
    system.pass(5).await;
    assert!(
        system
            .job(first)
            .is_some_and(|job| job.state == JobState::Closed)
    );
    let second = system.queue_jobs(&never_told(job()))[0];
    done(&system, 900, &[second]).await;
}

#[tokio::test(start_paused = true)]
async fn jobs_are_found_of_a_repository_that_was_public_when_it_was_last_heard_of_and_none_of_one_that_is_public_by_now()
 {
    let system = knowing(410, &["acme/app", "acme/lib"]).await;
    let refused = system.queue_jobs(&NewJob {
        private: Some(false),
        ..of("acme/lib")
    })[0];
    system.pass(60).await;
    assert!(
        system
            .job(refused)
            .is_some_and(|job| job.state == JobState::Unplaced),
        "{}",
        story(&system)
    );
    system.cancel(refused);
    system.pass(60).await;
    let private = system.queue_jobs(&NewJob {
        private: Some(true),
        ..never_told(of("acme/lib"))
    });
    let public = system.queue_jobs(&NewJob {
        private: Some(false),
        ..never_told(of("acme/app"))
    })[0];
    done(&system, 900, &private).await;
    system.pass(900).await;
    assert!(
        system
            .job(public)
            .is_none_or(|job| job.state == JobState::Unplaced),
        "{}",
        story(&system)
    );
}

/// Its one delivery said that the repository is public, and no other one comes.
#[tokio::test(start_paused = true)]
async fn a_job_that_came_while_its_repository_was_public_is_served_once_that_is_private() {
    let system = knowing(418, &["acme/lib"]).await;
    let job = system.queue_jobs(&NewJob {
        private: Some(false),
        ..of("acme/lib")
    })[0];
    system.pass(60).await;
    assert!(
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Unplaced),
        "{}",
        story(&system)
    );
    // What makes it private tells nothing, and has no runner of ours that could take the job:
    // GitHub is asked.
    let labels = vec!["gpu-of-others".to_owned()];
    system.queue_jobs(&NewJob {
        private: Some(true),
        labels,
        ..never_told(of("acme/lib"))
    });
    done(&system, 900, &[job]).await;
    assert!(
        system.job(job).unwrap().repository.private,
        "{}",
        story(&system)
    );
    rest(&system, 900).await;
}

#[tokio::test(start_paused = true)]
async fn more_runs_than_one_sweep_looks_into_are_all_looked_into() {
    let system = knowing(401, &["acme/app"]).await;
    let jobs = system.queue_jobs(&NewJob {
        count: 17,
        ..never_told(job())
    });
    done(&system, 1_200, &jobs).await;
    rest(&system, 900).await;
    assert_eq!(system.launched_and_most_live().0, 18, "{}", story(&system));
}

/// Runs whose jobs wait for another fleet stay in GitHub's list, before ours and behind them.
#[tokio::test(start_paused = true)]
async fn runs_that_wait_for_others_keep_none_of_ours_from_being_found() {
    let system = knowing(414, &["acme/app"]).await;
    let others = never_told(NewJob {
        labels: vec!["gpu-of-others".to_owned()],
        ..job()
    });
    (0..7).for_each(|_| drop(system.queue_jobs(&others)));
    let ours = system.queue_jobs(&never_told(job()))[0];
    (0..7).for_each(|_| drop(system.queue_jobs(&others)));
    done(&system, 1_200, &[ours]).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_recorded_keeps_no_other_from_being_found() {
    let system = knowing(410, &["acme/app"]).await;
    let jobs = system.queue_jobs(&NewJob {
        count: 4,
        ..never_told(job())
    });
    let bad = Fault::once(When::Before, What::Fails)
        .of("sweeper")
        .on(Operation::TransactWriteItems);
    system
        .world
        .table
        .add_fault(bad.about(&format!("job#{}", jobs[1])).times(u32::MAX));
    until(&system, 900, "the others are found", |system| {
        [0, 2, 3]
            .iter()
            .all(|which| system.job(jobs[*which]).is_some())
    })
    .await;
    assert_eq!(system.job(jobs[1]), None, "it was recorded all the same");
    system.world.table.clear_faults();
    done(&system, 900, &jobs).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_github_does_not_show_keeps_no_other_from_being_looked_into() {
    let system = knowing(411, &["acme/app"]).await;
    let jobs = system.queue_jobs(&NewJob {
        count: 3,
        ..never_told(job())
    });
    inject(&system, "sweeper", "list-jobs", CallFault::FailBefore);
    until(&system, 900, "the first look", |system| {
        asked(system, "list-jobs") > 0
    })
    .await;
    system.pass(5).await;
    let found = jobs
        .iter()
        .filter(|job| system.job(**job).is_some())
        .count();
    assert_eq!(
        (asked(&system, "list-jobs"), found),
        (3, 2),
        "{}",
        story(&system)
    );
    done(&system, 1_200, &jobs).await;
}

#[tokio::test(start_paused = true)]
async fn every_repository_has_its_turn() {
    let names: Vec<String> = (0..9).map(|number| format!("acme/app-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let system = knowing(402, &names).await;
    let jobs: Vec<JobId> = names
        .iter()
        .flat_map(|name| system.queue_jobs(&never_told(of(name))))
        .collect();
    done(&system, 1_200, &jobs).await;
    rest(&system, 900).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_hour_costs_few_calls() {
    let system = knowing(403, &["acme/app"]).await;
    system.world.forget_calls();
    system.pass(3_600).await;
    let (runs, jobs) = (asked(&system, "list-runs"), asked(&system, "list-jobs"));
    assert!(
        (8..=12).contains(&runs) && jobs == 0,
        "two calls every ten minutes: {runs}, and {jobs} for jobs"
    );
    assert!(asked(&system, "list-runners") <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_comes_after_its_job_was_found_counts_once() {
    let system = knowing(404, &["acme/app"]).await;
    // No one serves it, so that it still waits when its delivery comes.
    system.put_pools(&pool_with("max = 1"));
    system.pass(120).await;
    let other = system.queue_jobs(&NewJob {
        seconds: 4_000.0,
        ..job()
    })[0];
    until(&system, 120, "the only runner is at work", |system| {
        system.runner_at_github(other).is_some()
    })
    .await;
    let deliveries = JobDeliveries {
        late_seconds: 1_500.0,
        ..JobDeliveries::default()
    };
    let job = system.queue_jobs(&NewJob {
        deliveries,
        ..job()
    })[0];
    until(&system, 900, "it was found", |system| {
        system.job(job).is_some()
    })
    .await;
    let found = system.job(job).unwrap();
    system.pass(1_500).await;
    let told = system.job(job).unwrap();
    assert_eq!(
        (
            found.state,
            told.state,
            found.queued.len(),
            told.queued.len()
        ),
        (JobState::Queued, JobState::Queued, 1, 1)
    );
    assert_ne!(
        found.queued, told.queued,
        "the delivery takes the place of what stood for it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_two_minutes_late_is_waited_for() {
    let system = knowing(405, &["acme/app"]).await;
    system.pass(590 - 180).await;
    let deliveries = JobDeliveries {
        late_seconds: 100.0,
        ..JobDeliveries::default()
    };
    let jobs: Vec<JobId> = (0..3)
        .flat_map(|_| {
            system.queue_jobs(&NewJob {
                deliveries: deliveries.clone(),
                ..job()
            })
        })
        .collect();
    done(&system, 400, &jobs).await;
    for job in jobs {
        let record = system.job(job).unwrap();
        assert!(
            record.received_at.since(record.queued_at).as_secs() >= 100,
            "found before its delivery came"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_while_the_app_was_away_is_found_when_it_is_back() {
    let system = knowing(406, &["acme/app", "acme/site"]).await;
    let install = |installed: bool| {
        system.world.with_github(|github, now| {
            let id = github.accounts_mut().mention("acme/site", now);
            if let Some(repository) = github.accounts_mut().repository_mut(id) {
                repository.installed = installed;
            }
        });
    };
    install(false);
    let job = system.queue_jobs(&of("acme/site"))[0];
    system.world.forget_calls();
    system.pass(4 * 3_600).await;
    // Two calls every ten minutes for the one; the other is refused each time, twice at that pace
    // and then once an hour.
    let runs = asked(&system, "list-runs");
    assert!((46..=58).contains(&runs), "{runs}");
    assert_eq!((known(&system).len(), system.job(job)), (2, None));
    install(true);
    done(&system, 3_900, &[job]).await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_when_the_app_was_installed_again_goes_on_with_its_new_installation() {
    let system = knowing(410, &["acme/app"]).await;
    system
        .world
        .with_github(|github, now| github.accounts_mut().uninstall(ACME, now));
    let untold = system.queue_jobs(&job())[0];
    system.pass(60).await;
    system
        .world
        .with_github(|github, now| github.accounts_mut().install(ACME, now));
    done(&system, 3_900, &[untold]).await;
    let known = system.job(untold).map(|job| job.installation.0);
    let new = system
        .world
        .with_github(|github, _| github.accounts().installation_on(ACME).map(|one| one.id.0));
    assert_ne!(
        known, new,
        "nobody told of the new installation: GitHub was asked for it"
    );
    rest(&system, 900).await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_without_jobs_is_forgotten_after_a_week() {
    let system = knowing(407, &["acme/app", "acme/site"]).await;
    let ledger = system.world.table.ledger("test");
    let day = Duration::from_secs(24 * 3_600);
    for (mut seen, days) in ledger.repositories().await.unwrap().into_iter().zip([7, 9]) {
        seen.seen_at = system.world.clock.now().minus(day * days);
        assert!(ledger.put_repository(seen).await.unwrap().is_some());
    }
    system.pass(720).await;
    let left: Vec<String> = ledger
        .repositories()
        .await
        .unwrap()
        .into_iter()
        .map(|seen| seen.repository.name.clone())
        .collect();
    assert_eq!(left, ["acme/app"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_no_pool_takes_or_that_is_held_back_is_left_alone() {
    let system = begin(408);
    let first = queue_one(&system);
    done(&system, 120, &[first]).await;
    let hosted = system.queue_jobs(&never_told(NewJob {
        labels: vec!["ubuntu-latest".to_owned()],
        ..job()
    }))[0];
    let gated = system.queue_jobs(&never_told(NewJob {
        gate: Some(mayfly_github_model::jobs::Gate::Environment),
        ..job()
    }))[0];
    system.pass(1_500).await;
    assert_eq!(
        (
            system.job(hosted),
            system.job(gated),
            system.launched_and_most_live().0
        ),
        (None, None, 1)
    );
}

/// A repository keeps its id when it is renamed. GitHub redirects no longer once another one has
/// the old name, and jobs that wait were written down with it.
#[tokio::test(start_paused = true)]
async fn jobs_of_a_repository_run_when_it_is_renamed_and_another_one_takes_its_name() {
    for taken in [false, true] {
        let system = Start::seeded(412)
            .pools(&pool_with("max = 2"))
            .begin()
            .unwrap();
        let jobs = system.queue_jobs(&NewJob {
            count: 6,
            seconds: 60.0,
            ..job()
        });
        until(&system, 120, "two of them run", |system| {
            system
                .runners()
                .iter()
                .filter(|runner| runner.work.is_some())
                .count()
                == 2
        })
        .await;
        let renamed = system.world.with_github(|github, now| {
            let id = github.accounts_mut().mention("acme/app", now);
            github.accounts_mut().rename(id, "shop", !taken);
            if taken {
                github.accounts_mut().mention("acme/app", now);
            }
            id
        });
        done(&system, 900, &jobs).await;
        rest(&system, 300).await;
        assert_eq!(
            system.launched_and_most_live().0,
            6,
            "each registration was made at once, and at the right place\n{}",
            story(&system)
        );
        let elsewhere = |github: &mut mayfly_github_model::model::Model, _| {
            github
                .runners()
                .filter(|one| one.scope != Scope::Repository(renamed))
                .count()
        };
        assert_eq!(system.world.with_github(elsewhere), 0);
    }
}

/// Its week is over, and no job of it came: a list of all that ever had jobs would grow for ever.
#[tokio::test(start_paused = true)]
async fn a_repository_of_which_nothing_was_heard_for_a_week_is_forgotten() {
    let system = begin(640);
    let ledger = system.world.table.ledger("test");
    let repository = |id: i64, days: u64| {
        let at = system.world.clock.now().millis() - i64::try_from(days * 86_400_000).unwrap();
        mayfly_ledger::repositories::RepositorySeen {
            repository: mayfly_domain::model::target::Repository {
                id: mayfly_domain::model::id::RepositoryId(id),
                name: format!("acme/{id}"),
                owner: mayfly_domain::model::id::OwnerId(5_500_001),
                private: true,
            },
            installation: mayfly_domain::model::id::InstallationId(61_000_001),
            job: None,
            at: mayfly_domain::model::time::Timestamp::from_millis(at),
        }
    };
    for seen in [repository(1, 9), repository(2, 7)] {
        ledger.touch_repository(&seen).await.unwrap();
    }
    system.pass(150).await;
    let left = ledger.repositories().await.unwrap();
    let left: Vec<i64> = left.iter().map(|seen| seen.repository.id.0).collect();
    assert_eq!(left, [2]);
}
