//! What GitHub does to its callers: limits, failures, answers that get lost.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_github::{CallError, Deleted, RegisterError, Runners as _};
use mayfly_github_model::faults::ApiFaults;

use crate::against_the_model::world::{MINT, TOKEN, World, soon};

fn only(operation: &str) -> ApiFaults {
    ApiFaults {
        operations: vec![operation.to_owned()],
        ..ApiFaults::default()
    }
}

/// Whether a limit ends in about so many seconds; both clocks have gone on since.
fn about(until: Timestamp, seconds: u64) -> bool {
    let left = until
        .since(Timestamp::from_millis(
            jiff::Timestamp::now().as_millisecond(),
        ))
        .as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand seconds")]
    let seconds = seconds as f64;
    left <= seconds + 1.0 && left > seconds - 15.0
}

#[tokio::test]
async fn limits_say_until_when() {
    for (faults, seconds) in [
        (
            ApiFaults {
                primary_limit: 1.0,
                primary_reset: 1200,
                ..only(MINT)
            },
            1200,
        ),
        (
            ApiFaults {
                secondary_limit: 1.0,
                retry_after: 90,
                ..only(MINT)
            },
            90,
        ),
        (
            ApiFaults {
                primary_limit: 1.0,
                primary_reset: 1200,
                ..only(TOKEN)
            },
            1200,
        ),
    ] {
        let world = World::start().await;
        world.faults(faults.clone());
        let error = world.register(&world.app(), 1).await.unwrap_err();
        let RegisterError::RateLimited { until, .. } = error else {
            panic!("{faults:?}: {error:?}")
        };
        assert!(about(until, seconds), "{faults:?}: {until:?}");
        assert_eq!(world.server.with(|model| model.runners().count()), 0);
    }
}

#[tokio::test]
async fn limits_that_are_really_reached_are_understood() {
    let world = World::start().await;
    // A token and a registration cost the App and its installation five points each.
    world
        .server
        .with(|model| model.settings.points_per_minute = 10);
    world.register(&world.app(), 1).await.unwrap();
    world.register(&world.app(), 2).await.unwrap();
    let error = world.register(&world.app(), 3).await.unwrap_err();
    assert!(
        matches!(error, RegisterError::RateLimited { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn answer_that_got_lost_leaves_a_registration_and_the_caller_knows_it_may() {
    let world = World::start().await;
    world.faults(ApiFaults {
        answer_lost: 1.0,
        budget: Some(1),
        ..only(MINT)
    });
    let error = world.register(&world.app(), 1).await.unwrap_err();
    assert!(matches!(error, RegisterError::Unsure { .. }), "{error:?}");
    assert_eq!(world.server.with(|model| model.runners().count()), 1);
    assert!(
        world.register(&world.app(), 2).await.is_ok(),
        "the next name is free"
    );
}

#[tokio::test]
async fn slow_answer_that_outlives_the_budget_may_have_registered() {
    let world = World::start().await;
    world.faults(ApiFaults {
        slow: 1.0,
        slow_by: 30.0,
        ..only(MINT)
    });
    let by = tokio::time::Instant::now() + Duration::from_millis(1500);
    let error = mayfly_github::Registrations::register(
        &world.github,
        &world.app(),
        &crate::against_the_model::world::name(1),
        by,
    )
    .await
    .unwrap_err();
    assert!(matches!(error, RegisterError::Unsure { .. }), "{error:?}");
}

#[tokio::test]
async fn github_that_fails_to_make_tokens_has_registered_nothing() {
    let world = World::start().await;
    world.faults(ApiFaults {
        server_error: 1.0,
        ..only(TOKEN)
    });
    let error = world.register(&world.app(), 1).await.unwrap_err();
    assert!(
        matches!(error, RegisterError::Unavailable { .. }),
        "{error:?}"
    );
    assert_eq!(world.calls(MINT), 0);
}

#[tokio::test]
async fn deletion_whose_answer_got_lost_can_be_repeated() {
    let world = World::start().await;
    let id = world.register(&world.app(), 1).await.unwrap().id;
    world.faults(ApiFaults {
        answer_lost: 1.0,
        budget: Some(1),
        ..only("actions/delete-self-hosted-runner-from-repo")
    });
    let error = world
        .github
        .delete(&world.app(), id, soon())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unavailable { .. }), "{error:?}");
    assert_eq!(
        world.github.delete(&world.app(), id, soon()).await,
        Ok(Deleted::NotFound {
            target_visible: true
        })
    );
}
