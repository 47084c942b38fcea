//! Registrations that GitHub makes, and those that it refuses.

use std::time::Duration;

use mayfly_github::{RegisterError, Registrations as _};
use mayfly_github_model::accounts::{ACME, Visibility};
use mayfly_github_model::faults::Refusal;
use mayfly_github_model::id::RepositoryId;
use mayfly_github_model::runners::Scope;

use crate::against_the_model::world::{LABELS, MINT, TOKEN, World, name, soon};

#[tokio::test]
async fn runner_is_registered_with_exactly_the_jobs_labels() {
    let world = World::start().await;
    let registration = world.register(&world.app(), 1).await.unwrap();
    let runner = world
        .server
        .with(|model| model.runners().next().cloned())
        .unwrap();
    assert_eq!(
        (runner.id.0, runner.name),
        (registration.id.0, name(1).to_string())
    );
    let (mut labels, mut expected) = (runner.labels, LABELS.to_vec());
    labels.sort();
    expected.sort_unstable();
    assert_eq!(labels, expected);
    assert_eq!(runner.registration, registration.jit_config.expose());
}

#[tokio::test]
async fn fifty_jobs_of_a_repository_cost_fifty_calls_and_one_token() {
    let world = World::start().await;
    for wanted in 1..=50 {
        world.register(&world.app(), wanted).await.unwrap();
    }
    assert_eq!((world.calls(MINT), world.calls(TOKEN)), (50, 1));
}

#[tokio::test]
async fn organization_runner_goes_to_its_group() {
    let world = World::start().await;
    let group = world.server.with(|model| {
        model
            .accounts_mut()
            .add_group(ACME, "build", Visibility::All, false)
    });
    world
        .register(&world.organization("build"), 1)
        .await
        .unwrap();
    assert_eq!(
        world
            .server
            .with(|model| model.runners().next().map(|one| one.group)),
        Some(group)
    );
}

#[tokio::test]
async fn group_that_is_gone_is_refused_and_found_again_when_it_is_made_again() {
    let world = World::start().await;
    let target = world.organization("build");
    let made = world.server.with(|model| {
        model
            .accounts_mut()
            .add_group(ACME, "build", Visibility::All, false)
    });
    world.register(&target, 1).await.unwrap();
    world.server.with(|model| {
        model.accounts_mut().remove_group(ACME, made);
        model
            .accounts_mut()
            .add_group(ACME, "build", Visibility::All, false)
    });
    let error = world.register(&target, 2).await.unwrap_err();
    assert!(
        matches!(error, RegisterError::RefusedForGood { status: 404, .. }),
        "{error:?}"
    );
    assert!(world.register(&target, 3).await.is_ok());
}

#[tokio::test]
async fn name_that_is_taken_is_a_conflict() {
    let world = World::start().await;
    world.register(&world.app(), 1).await.unwrap();
    let error = world.register(&world.app(), 1).await.unwrap_err();
    assert!(matches!(error, RegisterError::Conflict { .. }), "{error:?}");
}

#[tokio::test]
async fn refusals_for_good_carry_githubs_words() {
    for (status, words) in [
        (
            403,
            "Repository level self-hosted runners are disabled on this repository.",
        ),
        (404, "Not Found"),
        (
            422,
            "Runner group has reached its max limit of 10000 runners.",
        ),
    ] {
        let world = World::start().await;
        world.server.with(|model| {
            model.faults.refused.insert(
                "acme/app".to_owned(),
                Refusal {
                    status,
                    message: None,
                },
            )
        });
        let error = world.register(&world.app(), 1).await.unwrap_err();
        let RegisterError::RefusedForGood {
            status: given,
            message,
            call,
            ..
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!((*given, message.as_str()), (status, words));
        assert!(call.request_id.is_some());
    }
}

#[tokio::test]
async fn archived_repository_is_refused_for_good() {
    let world = World::start().await;
    let target = world.app();
    world.at(|model, now| {
        let id = model.accounts_mut().mention("acme/app", now);
        model.accounts_mut().repository_mut(id).unwrap().archived = true;
    });
    let error = world.register(&target, 1).await.unwrap_err();
    assert!(
        matches!(error, RegisterError::RefusedForGood { status: 403, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn repository_outside_the_installation_is_refused_for_good() {
    let world = World::start().await;
    let target = world.target("acme/elsewhere");
    world.at(|model, now| {
        let id = model.accounts_mut().mention("acme/elsewhere", now);
        model.accounts_mut().repository_mut(id).unwrap().installed = false;
    });
    let error = world.register(&target, 1).await.unwrap_err();
    assert!(
        matches!(error, RegisterError::RefusedForGood { status: 422, .. }),
        "{error:?}"
    );
    assert_eq!(world.calls(MINT), 0);
}

/// The old name is another one's, of the same installation: nothing may be registered there.
#[tokio::test]
async fn repository_whose_name_another_one_took_is_registered_at_and_the_other_is_not() {
    let world = World::start().await;
    let target = world.app();
    let ours = world.repository("acme/app").id;
    world.register(&target, 1).await.unwrap();
    world.at(|model, now| {
        let id = model.accounts_mut().mention("acme/app", now);
        model.accounts_mut().rename(id, "renamed", true);
        model.accounts_mut().mention("acme/app", now);
    });
    world.put_forward(Duration::from_secs(10));
    for wanted in 2..=3 {
        world
            .github
            .register(&target, &name(wanted), soon())
            .await
            .unwrap();
    }
    let places: Vec<_> = world
        .server
        .with(|model| model.runners().map(|one| one.scope).collect());
    assert_eq!(places, [Scope::Repository(RepositoryId(ours.0)); 3]);
}

#[tokio::test]
async fn renamed_repository_is_still_registered_at() {
    let world = World::start().await;
    let target = world.app();
    world.at(|model, now| {
        let id = model.accounts_mut().mention("acme/app", now);
        model.accounts_mut().rename(id, "renamed", true);
    });
    let registration = world
        .github
        .register(&target, &name(1), soon())
        .await
        .unwrap();
    assert_eq!(
        world
            .server
            .with(|model| model.runners().next().map(|one| one.id.0)),
        Some(registration.id.0)
    );
}
