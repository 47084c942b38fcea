//! Our requests, and the answers to them, have the shape that GitHub publishes.

use std::collections::BTreeSet;

use mayfly_domain::model::id::{DeliveryId, JobId, RunId};
use mayfly_github::{
    Deliveries as _, Jobs as _, QueuedJobs as _, Repositories as _, Reruns as _, Runners as _,
};
use mayfly_github_model::accounts::{ACME, Visibility};
use mayfly_test_support::openapi;

use crate::against_the_model::world::{World, soon};

/// Everything that the adapter can ask, each with its answers good and bad.
async fn everything(world: &World) {
    let (app, repository) = (world.app(), world.repository("acme/app"));
    world.server.with(|model| {
        model
            .accounts_mut()
            .add_group(ACME, "build", Visibility::All, false)
    });
    for target in [
        app.clone(),
        world.organization("build"),
        world.organization("none"),
    ] {
        let _refused_or_not = world.register(&target, 1).await;
        let _conflict = world.register(&target, 1).await;
        let runners = world.github.list(&target, soon()).await.unwrap();
        for runner in &runners {
            world.github.get(&target, runner.id, soon()).await.unwrap();
            world
                .github
                .delete(&target, runner.id, soon())
                .await
                .unwrap();
            world
                .github
                .delete(&target, runner.id, soon())
                .await
                .unwrap();
        }
    }
    let (busy, _session) = world.busy(2).await;
    world.github.delete(&app, busy, soon()).await.unwrap();
    let job = world.queue();
    world
        .github
        .job(app.installation, &repository, job, soon())
        .await
        .unwrap();
    world
        .github
        .private(app.installation, repository.id, &repository.name, soon())
        .await
        .unwrap();
    world
        .github
        .waiting_runs(app.installation, &repository, soon())
        .await
        .unwrap();
    let run = world
        .server
        .with(|model| model.jobs().last().map(|job| RunId(job.run.0)))
        .unwrap();
    for run in [run, RunId(1)] {
        world
            .github
            .jobs_of(app.installation, &repository, run, soon())
            .await
            .unwrap();
        world
            .github
            .run_end(app.installation, &repository, run, 1, soon())
            .await
            .unwrap();
    }
    jobs_again(world).await;
    deliveries(world).await;
}

/// Jobs that are run again, and others that are not.
async fn jobs_again(world: &World) {
    let (app, repository) = (world.app(), world.repository("acme/app"));
    world.grant();
    let over = world.queue();
    world.at(|model, now| model.cancel(mayfly_github_model::id::JobId(over.0), now));
    for job in [over, over, JobId(1)] {
        world
            .github
            .rerun(app.installation, &repository, job, soon())
            .await
            .unwrap();
    }
}

/// Deliveries, pages of them, and one of them again.
async fn deliveries(world: &World) {
    crate::against_the_model::deliveries::delivered(world, 101, 502, 0);
    let page = world.github.deliveries(None, soon()).await.unwrap();
    world
        .github
        .deliveries(page.next.as_ref(), soon())
        .await
        .unwrap();
    for delivery in [page.deliveries[0].id, DeliveryId(1)] {
        world.github.redeliver(delivery, soon()).await.unwrap();
    }
    crate::against_the_model::deliveries::delivered(world, 1, 502, 4);
    let unknown = "v1_7".parse().unwrap();
    let _refused = world.github.deliveries(Some(&unknown), soon()).await;
}

#[tokio::test]
#[ignore = "needs the packages that `make openapi` installs"]
async fn our_requests_and_their_answers_have_the_published_shape() {
    let world = World::start().await;
    everything(&world).await;
    let exchanges = world.exchanges();
    let operations: BTreeSet<&str> = exchanges
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["operation"].as_str().unwrap())
        .collect();
    assert_eq!(
        operations.into_iter().collect::<Vec<_>>(),
        [
            "actions/delete-self-hosted-runner-from-org",
            "actions/delete-self-hosted-runner-from-repo",
            "actions/generate-runner-jitconfig-for-org",
            "actions/generate-runner-jitconfig-for-repo",
            "actions/get-job-for-workflow-run",
            "actions/get-self-hosted-runner-for-org",
            "actions/get-self-hosted-runner-for-repo",
            "actions/get-workflow-run-attempt",
            "actions/list-jobs-for-workflow-run",
            "actions/list-self-hosted-runner-groups-for-org",
            "actions/list-self-hosted-runners-for-org",
            "actions/list-self-hosted-runners-for-repo",
            "actions/list-workflow-runs-for-repo",
            "actions/re-run-job-for-workflow-run",
            "apps/create-installation-access-token",
            "apps/get-installation",
            "apps/list-webhook-deliveries",
            "apps/redeliver-webhook-delivery",
            "repos/get",
        ]
    );
    let words = openapi::check(&exchanges, &[]).unwrap();
    assert!(words.contains(" 0 problems"), "{words}");
}
