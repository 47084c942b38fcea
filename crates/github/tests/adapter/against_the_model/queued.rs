//! Jobs that wait and that no one told of; jobs that run again.

use mayfly_domain::model::id::{JobId, RunId};
use mayfly_github::{CallError, JobStatus, QueuedJobs as _, Rerun, Reruns as _};
use mayfly_github_model::accounts::{ACME, Level};
use mayfly_github_model::faults::ApiFaults;
use mayfly_github_model::jobs::{Conclusion, NewJob};

use crate::against_the_model::world::{LABELS, World, soon};

impl World {
    /// The runs of `acme/app` that may have jobs that wait.
    async fn runs(&self) -> Result<Option<Vec<RunId>>, CallError> {
        let app = self.repository("acme/app");
        self.github
            .waiting_runs(self.installation(ACME), &app, soon())
            .await
    }

    /// The jobs of all those runs: id, name and status.
    async fn found(&self) -> Vec<(JobId, String, JobStatus)> {
        let (app, mut found) = (self.repository("acme/app"), Vec::new());
        for run in self.runs().await.unwrap().unwrap() {
            let jobs = self
                .github
                .jobs_of(self.installation(ACME), &app, run, soon())
                .await
                .unwrap();
            found.extend(
                jobs.into_iter()
                    .map(|job| (job.id, job.now.name, job.now.status)),
            );
        }
        found
    }

    async fn rerun(&self, job: JobId) -> Result<Rerun, CallError> {
        let app = self.repository("acme/app");
        self.github
            .rerun(self.installation(ACME), &app, job, soon())
            .await
    }

    /// The owner allows the App to run jobs again.
    pub(crate) fn grant(&self) {
        let acme = self
            .server
            .with(|model| model.accounts().installation_on(ACME).unwrap().id);
        self.server.with(|model| {
            let granted = &mut model
                .accounts_mut()
                .installation_mut(acme)
                .unwrap()
                .permissions;
            granted.insert("actions".to_owned(), Level::Write)
        });
    }

    /// A job of `acme/app` that ran and failed.
    async fn failed(&self) -> JobId {
        let (_, session) = self.busy(1).await;
        self.at(|model, now| {
            let job = model.jobs().last().unwrap().id;
            model
                .complete(&session, Some(Conclusion::Failure), now)
                .unwrap();
            JobId(job.0)
        })
    }
}

/// A matrix of `count` jobs in one run.
fn matrix(world: &World, count: u32) {
    let labels = LABELS.iter().map(|label| (*label).to_owned()).collect();
    let wish = NewJob {
        repository: "acme/app".to_owned(),
        labels,
        name: "test".to_owned(),
        ..NewJob::default()
    };
    world.at(|model, now| {
        let first = model.queue(&wish, now)[0];
        let run = model.job(first).map(|job| job.run);
        model.queue(
            &NewJob {
                run_id: run,
                count: count - 1,
                ..wish
            },
            now,
        )
    });
}

#[tokio::test]
async fn job_that_github_never_told_of_is_found() {
    let world = World::start().await;
    let job = world.queue();
    assert_eq!(world.server.with(|model| model.deliveries().count()), 0);
    assert_eq!(
        world.found().await,
        [(job, "build".to_owned(), JobStatus::Queued)]
    );
}

#[tokio::test]
async fn jobs_that_wait_in_a_run_that_goes_on_are_found_on_every_page() {
    let world = World::start().await;
    matrix(&world, 130);
    world.busy(1).await;
    let found = world.found().await;
    let of = |status| found.iter().filter(|(.., one)| *one == status).count();
    assert_eq!(
        (
            found.len(),
            of(JobStatus::InProgress),
            of(JobStatus::Queued)
        ),
        (131, 1, 130)
    );
}

#[tokio::test]
async fn run_that_is_over_is_not_among_them() {
    let world = World::start().await;
    world.failed().await;
    assert_eq!(world.runs().await, Ok(Some(vec![])));
}

#[tokio::test]
async fn repository_that_was_renamed_is_looked_at_by_its_old_name() {
    let world = World::start().await;
    world.failed().await;
    let waiting = world.queue();
    let app = world.repository("acme/app");
    let acme = world.installation(ACME);
    world.at(|model, now| {
        let id = model.accounts_mut().mention("acme/app", now);
        model.accounts_mut().rename(id, "renamed", true);
    });
    let runs = world
        .github
        .waiting_runs(acme, &app, soon())
        .await
        .unwrap()
        .unwrap();
    let jobs = world
        .github
        .jobs_of(acme, &app, runs[0], soon())
        .await
        .unwrap();
    assert_eq!((runs.len(), jobs[0].id), (1, waiting));
}

#[tokio::test]
async fn repository_that_the_app_may_not_see_is_none_and_one_without_jobs_is_empty() {
    let world = World::start().await;
    assert_eq!(world.runs().await, Ok(Some(vec![])));
    world.queue();
    let app = world.repository("acme/app");
    let acme = world.installation(ACME);
    world.at(|model, now| {
        let id = model.accounts_mut().mention("acme/app", now);
        model.accounts_mut().repository_mut(id).unwrap().installed = false;
    });
    assert_eq!(world.runs().await, Ok(None));
    world.at(|model, now| model.accounts_mut().uninstall(ACME, now));
    assert_eq!(
        world.github.waiting_runs(acme, &app, soon()).await,
        Ok(None)
    );
}

#[tokio::test]
async fn run_that_was_deleted_has_no_jobs() {
    let world = World::start().await;
    let app = world.repository("acme/app");
    assert_eq!(
        world
            .github
            .jobs_of(world.installation(ACME), &app, RunId(1), soon())
            .await,
        Ok(vec![])
    );
}

#[tokio::test]
async fn limits_do_not_make_a_repository_invisible() {
    let world = World::start().await;
    world.queue();
    let app = world.repository("acme/app");
    for (operation, share) in [
        ("actions/list-workflow-runs-for-repo", (1.0, 0.0)),
        ("actions/list-jobs-for-workflow-run", (0.0, 1.0)),
    ] {
        let (primary_limit, secondary_limit) = share;
        world.faults(ApiFaults {
            primary_limit,
            secondary_limit,
            operations: vec![operation.to_owned()],
            ..ApiFaults::default()
        });
        let error = match world.runs().await {
            Ok(runs) => world
                .github
                .jobs_of(world.installation(ACME), &app, runs.unwrap()[0], soon())
                .await
                .unwrap_err(),
            Err(error) => error,
        };
        assert!(
            matches!(&error, CallError::RateLimited { call, .. } if call.path.contains("actions/runs")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn rerun_is_a_new_job_that_waits() {
    let world = World::start().await;
    world.grant();
    let job = world.failed().await;
    assert_eq!(world.rerun(job).await, Ok(Rerun::Asked));
    let found = world.found().await;
    assert_eq!((found.len(), found[0].2), (1, JobStatus::Queued));
    assert_ne!(found[0].0, job);
    assert_eq!(
        world.rerun(job).await,
        Ok(Rerun::Refused(
            "The workflow run containing this job is already running".to_owned()
        ))
    );
}

#[tokio::test]
async fn rerun_waits_for_the_rest_of_the_run() {
    let world = World::start().await;
    world.grant();
    matrix(&world, 2);
    let first = world
        .server
        .with(|model| JobId(model.jobs().next().unwrap().id.0));
    world.at(|model, now| model.cancel(mayfly_github_model::id::JobId(first.0), now));
    assert!(matches!(world.rerun(first).await, Ok(Rerun::Refused(_))));
    let rest: Vec<_> = world
        .server
        .with(|model| model.jobs().map(|job| job.id).collect());
    world.at(|model, now| {
        rest.into_iter()
            .map(|job| model.cancel(job, now))
            .filter(|cancelled| *cancelled)
            .count()
    });
    assert_eq!(world.rerun(first).await, Ok(Rerun::Asked));
}

#[tokio::test]
async fn rerun_that_is_not_allowed_is_refused_in_words_and_a_limit_is_none() {
    let world = World::start().await;
    let job = world.failed().await;
    let Ok(Rerun::Refused(words)) = world.rerun(job).await else {
        panic!("not refused")
    };
    assert_eq!(
        words,
        "The permissions requested are not granted to this installation."
    );
    world.grant();
    assert_eq!(
        world.rerun(JobId(1)).await,
        Ok(Rerun::Refused("Not Found".to_owned()))
    );
    let operations = vec!["actions/re-run-job-for-workflow-run".to_owned()];
    world.faults(ApiFaults {
        secondary_limit: 1.0,
        operations,
        ..ApiFaults::default()
    });
    let error = world.rerun(job).await.unwrap_err();
    assert!(matches!(error, CallError::RateLimited { .. }), "{error:?}");
}
