//! Runners that GitHub has, lends to a job, or does not show.

use std::time::Duration;

use mayfly_domain::model::id::GithubRunnerId;
use mayfly_github::{Deleted, RunnerLookup, Runners as _};
use mayfly_github_model::accounts::ACME;

use crate::against_the_model::world::{World, name, soon};

#[tokio::test]
async fn idle_runner_is_deleted_and_then_not_found_though_its_place_is_seen() {
    let world = World::start().await;
    let id = world.register(&world.app(), 1).await.unwrap().id;
    assert_eq!(
        world.github.delete(&world.app(), id, soon()).await,
        Ok(Deleted::Gone)
    );
    assert_eq!(
        world.github.delete(&world.app(), id, soon()).await,
        Ok(Deleted::NotFound {
            target_visible: true
        })
    );
    assert_eq!(
        world.github.get(&world.app(), id, soon()).await,
        Ok(RunnerLookup::NotFound {
            target_visible: true
        })
    );
}

#[tokio::test]
async fn busy_runner_stays_and_is_gone_after_its_job() {
    let world = World::start().await;
    let (id, session) = world.busy(1).await;
    assert_eq!(
        world.github.delete(&world.app(), id, soon()).await,
        Ok(Deleted::Busy)
    );
    let Ok(RunnerLookup::Registered(runner)) = world.github.get(&world.app(), id, soon()).await
    else {
        panic!("not seen")
    };
    assert_eq!(
        (runner.id, runner.name, runner.online, runner.busy),
        (id, name(1).to_string(), true, true)
    );
    world.at(|model, now| model.complete(&session, None, now).unwrap());
    assert_eq!(
        world.github.delete(&world.app(), id, soon()).await,
        Ok(Deleted::NotFound {
            target_visible: true
        })
    );
}

#[tokio::test]
async fn runner_of_a_repository_that_the_app_lost_is_unknown() {
    for cached in [true, false] {
        let world = World::start().await;
        let target = world.app();
        let id = if cached {
            world.register(&target, 1).await.unwrap().id
        } else {
            GithubRunnerId(1)
        };
        world.at(|model, now| {
            let repository = model.accounts_mut().mention("acme/app", now);
            model
                .accounts_mut()
                .repository_mut(repository)
                .unwrap()
                .installed = false;
        });
        assert_eq!(
            world.github.delete(&target, id, soon()).await,
            Ok(Deleted::NotFound {
                target_visible: false
            }),
            "{cached}"
        );
    }
}

#[tokio::test]
async fn runner_of_a_suspended_installation_is_never_taken_for_gone() {
    let world = World::start().await;
    let target = world.app();
    world.at(|model, now| model.accounts_mut().suspend(ACME, now));
    assert_eq!(
        world
            .github
            .delete(&target, GithubRunnerId(1), soon())
            .await,
        Ok(Deleted::NotFound {
            target_visible: false
        })
    );
}

#[tokio::test]
async fn runner_is_found_under_a_former_name_whether_or_not_github_leads_there() {
    for redirects in [true, false] {
        let world = World::start().await;
        let target = world.app();
        let id = world.register(&target, 1).await.unwrap().id;
        world.at(|model, now| {
            let repository = model.accounts_mut().mention("acme/app", now);
            model
                .accounts_mut()
                .rename(repository, "renamed", redirects);
            // Another one has the old name, and GitHub hides it or says that it may not be worked
            // at.
            let other = (!redirects).then(|| model.accounts_mut().mention("acme/app", now));
            other
                .and_then(|other| model.accounts_mut().repository_mut(other))
                .into_iter()
                .for_each(|other| other.private = false);
        });
        world.put_forward(Duration::from_secs(10));
        assert_eq!(
            world.github.delete(&target, id, soon()).await,
            Ok(Deleted::Gone),
            "{redirects}"
        );
    }
}

#[tokio::test]
async fn list_has_every_runner_of_the_place_and_no_other() {
    let world = World::start().await;
    world
        .server
        .with(|model| model.settings.points_per_minute = 100_000);
    world
        .register(&world.organization("Default"), 1000)
        .await
        .unwrap();
    for wanted in 1..=120 {
        world.register(&world.app(), wanted).await.unwrap();
    }
    let runners = world.github.list(&world.app(), soon()).await.unwrap();
    assert_eq!(runners.len(), 120);
    assert_eq!(
        world
            .github
            .list(&world.organization("Default"), soon())
            .await
            .unwrap()
            .len(),
        1
    );
}
