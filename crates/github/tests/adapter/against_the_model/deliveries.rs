//! What the App's webhook delivered: listed while it grows, asked for again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use mayfly_domain::model::id::DeliveryId;
use mayfly_github::{
    CallError, Deliveries as _, DeliveriesPage, DeliveryAttempt, DeliveryCursor, Redelivered,
};
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::deliveries::Outcome;
use mayfly_github_model::faults::ApiFaults;
use tokio::net::TcpListener;

use crate::against_the_model::world::{World, soon};

const LIST: &str = "apps/list-webhook-deliveries";
const REDELIVER: &str = "apps/redeliver-webhook-delivery";

/// As many jobs are queued; their deliveries are answered so at once, some days ago.
pub(crate) fn delivered(world: &World, jobs: usize, status: u16, days: i64) {
    world
        .server
        .with(|model| model.hook.url = Some("http://127.0.0.1:9/webhook".to_owned()));
    for _ in 0..jobs {
        world.at(|model, now| {
            crate::against_the_model::world::queue_in(model, now);
            for outgoing in model.take_due(now) {
                model.settle(
                    outgoing.id,
                    Outcome::answered(now - SignedDuration::from_hours(24 * days), status),
                );
            }
        });
    }
}

async fn page(world: &World, after: Option<&DeliveryCursor>) -> DeliveriesPage {
    world.github.deliveries(after, soon()).await.unwrap()
}

async fn newest(world: &World) -> DeliveryAttempt {
    page(world, None).await.deliveries.remove(0)
}

#[tokio::test]
async fn list_is_read_to_its_end_though_it_grows_at_its_head() {
    let world = World::start().await;
    delivered(&world, 250, 202, 0);
    let mut found: Vec<DeliveryId> = Vec::new();
    let mut next = None;
    loop {
        let DeliveriesPage {
            deliveries,
            next: following,
            ..
        } = page(&world, next.as_ref()).await;
        found.extend(deliveries.into_iter().map(|one| one.id));
        delivered(&world, 30, 202, 0);
        next = following;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(world.calls(LIST), 3);
    assert!(
        found.is_sorted_by(|newer, older| newer > older),
        "newest first, and none twice"
    );
    let oldest: BTreeSet<i64> = world
        .server
        .with(|model| model.deliveries().take(250).map(|one| one.id.0).collect());
    assert_eq!(found.iter().map(|id| id.0).collect::<BTreeSet<_>>(), oldest);
}

#[tokio::test]
async fn delivery_is_shown_with_job_repository_and_answer() {
    let world = World::start().await;
    delivered(&world, 1, 503, 0);
    let shown = newest(&world).await;
    assert_eq!(
        (shown.event.as_str(), shown.action.as_deref()),
        ("workflow_job", Some("queued"))
    );
    assert_eq!(
        (shown.installation, shown.repository),
        (
            Some(world.installation(ACME)),
            Some(world.repository("acme/app").id)
        )
    );
    assert_eq!(
        (shown.status_code, shown.succeeded(), shown.redelivery),
        (503, false, false)
    );
    let guid = world
        .server
        .with(|model| model.deliveries().next().map(|one| one.guid.clone()));
    assert_eq!(Some(shown.guid), guid);
}

/// A webhook that answers 503 once, and 202 from then on. Where it is, and whose deliveries came.
async fn endpoint(guids: Arc<std::sync::Mutex<Vec<String>>>) -> String {
    let calls = AtomicUsize::new(0);
    let take = Arc::new(move |headers: HeaderMap| {
        guids
            .lock()
            .unwrap()
            .push(headers["x-github-delivery"].to_str().unwrap().to_owned());
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::ACCEPTED
        }
    });
    let router = Router::new().fallback(move |headers: HeaderMap| {
        let take = Arc::clone(&take);
        async move { take(headers) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The list once it has so many lines: each look is a call, so this spins on nothing.
async fn lines(world: &World, count: usize) -> Vec<DeliveryAttempt> {
    let by = soon();
    loop {
        let shown = page(world, None).await.deliveries;
        if shown.len() >= count {
            return shown;
        }
        assert!(tokio::time::Instant::now() < by, "{shown:?}");
    }
}

#[tokio::test]
async fn delivery_that_failed_arrives_again_under_its_guid() {
    let world = World::start().await;
    let guids = Arc::default();
    let url = endpoint(Arc::clone(&guids)).await;
    world.server.with(|model| {
        model.hook.url = Some(url);
        // Looks until something has happened are no abuse.
        (
            model.settings.points_per_minute,
            model.settings.primary_per_hour,
        ) = (u32::MAX, u32::MAX);
    });
    world.queue();
    let failed = lines(&world, 1).await.remove(0);
    assert_eq!((failed.status_code, failed.succeeded()), (503, false));
    assert_eq!(
        world.github.redeliver(failed.id, soon()).await,
        Ok(Redelivered::Asked)
    );
    let shown = lines(&world, 2).await;
    assert_eq!(
        (shown[0].succeeded(), shown[0].redelivery, &shown[0].guid),
        (true, true, &failed.guid)
    );
    assert_ne!(shown[0].id, failed.id);
    assert_eq!(*guids.lock().unwrap(), [failed.guid.clone(), failed.guid]);
}

#[tokio::test]
async fn delivery_of_four_days_ago_cannot_be_had_again() {
    let world = World::start().await;
    delivered(&world, 1, 502, 4);
    let failed = newest(&world).await;
    let answer = world.github.redeliver(failed.id, soon()).await.unwrap();
    assert_eq!(
        answer,
        Redelivered::Impossible("This delivery cannot be redelivered.".to_owned())
    );
    let unknown = world.github.redeliver(DeliveryId(1), soon()).await.unwrap();
    assert_eq!(unknown, Redelivered::Impossible("Not Found".to_owned()));
    assert_eq!(world.server.with(|model| model.deliveries().count()), 1);
}

#[tokio::test]
async fn cursor_that_github_does_not_know_is_refused() {
    let world = World::start().await;
    let unknown: DeliveryCursor = "v1_7".parse().unwrap();
    let error = world
        .github
        .deliveries(Some(&unknown), soon())
        .await
        .unwrap_err();
    assert!(
        matches!(error, CallError::Refused { status: 400, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn limits_of_the_app_are_no_refusals() {
    let world = World::start().await;
    delivered(&world, 1, 502, 0);
    let failed = newest(&world).await;
    for (operation, faults) in [
        (
            LIST,
            ApiFaults {
                primary_limit: 1.0,
                ..ApiFaults::default()
            },
        ),
        (
            LIST,
            ApiFaults {
                secondary_limit: 1.0,
                limited_with: 429,
                ..ApiFaults::default()
            },
        ),
        (
            REDELIVER,
            ApiFaults {
                primary_limit: 1.0,
                ..ApiFaults::default()
            },
        ),
        (
            REDELIVER,
            ApiFaults {
                secondary_limit: 1.0,
                limited_with: 429,
                ..ApiFaults::default()
            },
        ),
    ] {
        world.faults(ApiFaults {
            operations: vec![operation.to_owned()],
            ..faults.clone()
        });
        let error = match operation {
            LIST => world.github.deliveries(None, soon()).await.unwrap_err(),
            _ => world.github.redeliver(failed.id, soon()).await.unwrap_err(),
        };
        assert!(
            matches!(error, CallError::RateLimited { .. }),
            "{faults:?}: {error:?}"
        );
    }
    assert_eq!(
        world.server.with(|model| model.deliveries().count()),
        1,
        "nothing was asked for"
    );
}

#[tokio::test]
async fn app_that_github_does_not_know_is_a_matter_of_configuration() {
    for world in [
        World::start_with_a_wrong_key().await,
        World::start_with_a_wrong_id().await,
    ] {
        let error = world.github.deliveries(None, soon()).await.unwrap_err();
        assert!(
            matches!(error, CallError::Misconfigured { .. }),
            "{error:?}"
        );
        let error = world
            .github
            .redeliver(DeliveryId(1), soon())
            .await
            .unwrap_err();
        assert!(
            matches!(error, CallError::Misconfigured { .. }),
            "{error:?}"
        );
    }
}
