//! Jobs and repositories as GitHub shows them.

use mayfly_domain::model::id::{JobId, RepositoryId, RunId};
use mayfly_github::{JobStatus, Jobs as _, Repositories as _};
use mayfly_github_model::id;
use mayfly_github_model::jobs::Conclusion;

use crate::against_the_model::world::{World, name, soon};

#[tokio::test]
async fn job_is_followed_from_the_queue_to_its_end() {
    let world = World::start().await;
    let (installation, repository) = (world.app().installation, world.repository("acme/app"));
    let job = world.queue();
    let now = world
        .github
        .job(installation, &repository, job, soon())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (now.status, now.runner, now.attempt),
        (JobStatus::Queued, None, 1)
    );
    assert!(now.labels.contains("mayfly") && now.labels.len() == 2);
    let registration = world.register(&world.app(), 1).await.unwrap();
    let session = world.at(|model, now| {
        let session = model
            .open_session(registration.jit_config.expose(), now)
            .unwrap()
            .0;
        model.poll(&session, now).unwrap().unwrap();
        model.start(&session, now).unwrap();
        session
    });
    let now = world
        .github
        .job(installation, &repository, job, soon())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(now.status, JobStatus::InProgress);
    assert_eq!(
        now.runner.map(|one| (one.id, one.name)),
        Some((registration.id, name(1).to_string()))
    );
    world.at(|model, now| model.complete(&session, None, now).unwrap());
    let now = world
        .github
        .job(installation, &repository, job, soon())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (now.status, now.conclusion.as_deref()),
        (JobStatus::Completed, Some("success"))
    );
}

#[tokio::test]
async fn job_that_never_was_is_not_shown() {
    let world = World::start().await;
    let (installation, repository) = (world.app().installation, world.repository("acme/app"));
    assert_eq!(
        world
            .github
            .job(installation, &repository, JobId(1), soon())
            .await,
        Ok(None)
    );
}

#[tokio::test]
async fn the_end_of_a_runs_attempt_is_told_though_a_job_of_it_is_shown_as_queued() {
    let world = World::start().await;
    let (installation, repository) = (world.app().installation, world.repository("acme/app"));
    let job = world.queue();
    let run = world.at(|model, _| RunId(model.jobs().last().unwrap().run.0));
    let end = async |run, attempt| {
        world
            .github
            .run_end(installation, &repository, run, attempt, soon())
            .await
            .unwrap()
    };
    assert_eq!(end(run, 1).await, None);
    world.at(|model, _| model.end_run_of(id::JobId(job.0), Conclusion::StartupFailure));
    assert_eq!(
        end(run, 1).await.unwrap().conclusion.as_deref(),
        Some("startup_failure")
    );
    assert_eq!((end(run, 2).await, end(RunId(1), 1).await), (None, None));
    let now = world
        .github
        .job(installation, &repository, job, soon())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(now.status, JobStatus::Queued);
}

#[tokio::test]
async fn repository_is_private_as_long_as_github_says_so() {
    let world = World::start().await;
    let (installation, repository) = (world.app().installation, world.repository("acme/app"));
    let set = |private| {
        world.at(|model, now| {
            let id = model.accounts_mut().mention("acme/app", now);
            model.accounts_mut().repository_mut(id).unwrap().private = private;
        });
    };
    for private in [true, false, true] {
        set(private);
        let seen = world
            .github
            .private(installation, repository.id, &repository.name, soon())
            .await;
        assert_eq!(seen, Ok(Some(private)));
    }
    let unknown = world
        .github
        .private(installation, RepositoryId(1), "acme/nowhere", soon())
        .await;
    assert_eq!(unknown, Ok(None));
}
