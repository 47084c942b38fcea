//! A new secret under traffic: no delivery is lost, wherever it is stopped.

use std::time::Duration;

use mayfly_cli::commands::rotate::key;
use mayfly_domain::model::secret::Secret;
use mayfly_github_model::id::DeliveryId;
use serde_json::json;
use tokio::time::timeout;

use crate::setup::fixture::{APP, Fixture, GITHUB, SECRET, in_virtual_time};

const ALL: DeliveryId = DeliveryId(0);

/// A deployment at work for a while: every function has read the secret.
async fn at_work(seed: u64) -> Fixture {
    let fixture = Fixture::with_app(seed);
    fixture.keep_busy();
    tokio::time::sleep(Duration::from_secs(30)).await;
    fixture
}

fn is_settled(fixture: &Fixture) {
    assert_eq!(
        fixture.secrets(),
        json!({ "current": fixture.signed_with() })
    );
    assert_eq!(fixture.not_accepted(ALL), []);
}

#[test]
fn no_delivery_is_refused_while_the_secret_is_replaced() {
    in_virtual_time(async {
        let fixture = at_work(1).await;
        let (before, clock) = (fixture.signed_with(), fixture.clock());
        let rotated = fixture.rotate_at(&clock).await.unwrap();
        tokio::time::sleep(Duration::from_secs(400)).await;
        is_settled(&fixture);
        assert_ne!(fixture.signed_with(), before);
        insta::assert_snapshot!(
            "rotate_secret_json",
            serde_json::to_string_pretty(&rotated).unwrap()
        );
        assert!(fixture.accepted() > 100, "{}", fixture.accepted());
        let heard = fixture.ears.heard();
        assert!(
            !heard.contains(&before) && !heard.contains(&fixture.signed_with()),
            "{heard}"
        );
        insta::with_settings!({ filters => vec![(r"\d\d:\d\d:\d\d", "[time]"), (r"waiting \d+s", "waiting [n]s")] }, {
            insta::assert_snapshot!("rotate_heard", heard);
        });
    });
}

#[test]
fn no_delivery_is_refused_wherever_the_replacing_is_killed() {
    // At each step of the way, and now and then in between.
    let cuts = (0..600)
        .step_by(60)
        .chain((40_000..700_000).step_by(90_000))
        .chain((330_200..331_400).step_by(200));
    for cut in cuts.chain((660_800..662_000).step_by(200)) {
        in_virtual_time(async {
            let fixture = at_work(2).await;
            let clock = fixture.clock();
            let killed = timeout(Duration::from_millis(cut), fixture.rotate_at(&clock))
                .await
                .is_err();
            tokio::time::sleep(Duration::from_secs(cut % 13)).await;
            if killed {
                fixture.rotate_at(&clock).await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(330)).await;
            assert_eq!(fixture.not_accepted(ALL), [], "killed after {cut} ms");
            assert_eq!(
                fixture.secrets(),
                json!({ "current": fixture.signed_with() }),
                "killed after {cut} ms"
            );
        });
    }
}

#[test]
fn two_at_once_lose_nothing_and_one_more_run_settles_it() {
    for lag in [0, 5, 15, 30, 60, 120, 400, 5_000] {
        in_virtual_time(async {
            let fixture = at_work(3).await;
            let clock = fixture.clock();
            let other = async {
                tokio::time::sleep(Duration::from_millis(lag)).await;
                fixture.rotate_at(&clock).await
            };
            let (one, other) = tokio::join!(fixture.rotate_at(&clock), other);
            let refused = [&one, &other]
                .into_iter()
                .filter(|result| result.is_err())
                .count();
            assert!(refused <= 2, "{one:?} {other:?}");
            for failure in [one, other].into_iter().filter_map(Result::err) {
                assert!(failure.problem.contains("someone else wrote"), "{failure}");
            }
            fixture.rotate_at(&clock).await.unwrap();
            tokio::time::sleep(Duration::from_secs(330)).await;
            is_settled(&fixture);
        });
    }
}

#[test]
fn the_old_secret_stays_while_deliveries_are_refused() {
    in_virtual_time(async {
        let fixture = at_work(4).await;
        let (before, clock) = (fixture.signed_with(), fixture.clock());
        let system = fixture.system.clone();
        tokio::spawn(async move {
            // After GitHub was told, someone changes it there by hand.
            tokio::time::sleep(Duration::from_secs(335)).await;
            system
                .world
                .with_github(|github, _| "by hand".clone_into(&mut github.hook.secret));
        });
        // Nothing arrives between the two: no delivery but those that are refused.
        let jobless = fixture.system.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(290)).await;
            jobless
                .world
                .with_github(|github, _| github.faults.deliveries.never_made = 1.0);
            tokio::time::sleep(Duration::from_secs(60)).await;
            jobless
                .world
                .with_github(|github, _| github.faults.deliveries.never_made = 0.0);
        });
        let failure = fixture.rotate_at(&clock).await.unwrap_err();
        assert!(failure.problem.contains("were refused"), "{failure}");
        assert_eq!(fixture.secrets()["previous"], json!(before));
    });
}

#[test]
fn without_an_app_there_is_nothing_to_replace() {
    in_virtual_time(async {
        for missing in [APP, SECRET] {
            let fixture = Fixture::with_app(5);
            fixture.system.world.parameters.remove(missing);
            let clock = fixture.clock();
            let failure = fixture.rotate_at(&clock).await.unwrap_err();
            assert!(
                failure.problem.contains(missing) && failure.hint.contains("mayfly init"),
                "{failure}"
            );
        }
    });
}

#[test]
fn a_parameter_that_cannot_be_read_is_left_alone() {
    in_virtual_time(async {
        let fixture = Fixture::with_app(6);
        fixture.system.world.parameters.put(SECRET, "hush");
        let clock = fixture.clock();
        let failure = fixture.rotate_at(&clock).await.unwrap_err();
        assert!(
            failure.problem.contains("not of the form") && !failure.to_string().contains("hush"),
            "{failure}"
        );
        assert_eq!(fixture.secrets_store.writes.into_inner(), 0);
    });
}

const NEW: &str = "-----BEGIN RSA PRIVATE KEY-----\nmum\n-----END RSA PRIVATE KEY-----\n";

#[test]
fn a_new_key_is_stored_and_the_old_one_is_to_be_deleted() {
    in_virtual_time(async {
        let fixture = Fixture::with_app(7);
        let clock = fixture.clock();
        let rotated = key::rotate(&fixture.place(&clock), Secret::new(NEW))
            .await
            .unwrap();
        insta::assert_snapshot!(
            "rotate_key_json",
            serde_json::to_string_pretty(&rotated).unwrap()
        );
        let (stored, version) = fixture.system.world.parameters.get(APP).unwrap();
        assert!(stored.contains("mum") && version == 2, "{version}");
        // The address stays with the App.
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&stored).unwrap()["url"],
            "https://github.test"
        );
        assert_eq!(
            fixture.system.world.parameters.get(GITHUB).unwrap().0,
            "https://github.test"
        );
        assert!(
            fixture.ears.heard().contains("delete the old key"),
            "{}",
            fixture.ears.heard()
        );
        assert!(!fixture.ears.heard().contains("mum"));
    });
}

#[test]
fn the_key_that_is_in_use_is_no_new_key() {
    in_virtual_time(async {
        let fixture = Fixture::with_app(8);
        let clock = fixture.clock();
        let failure = key::rotate(
            &fixture.place(&clock),
            Secret::new(crate::setup::fixture::PEM),
        )
        .await
        .unwrap_err();
        assert!(failure.problem.contains("in use"), "{failure}");
        assert_eq!(fixture.secrets_store.writes.into_inner(), 0);
    });
}

#[test]
fn a_key_of_another_app_takes_nobody_s_place() {
    in_virtual_time(async {
        let fixture = Fixture::with_app(9);
        fixture.system.world.parameters.put(
            APP,
            &json!({ "app_id": 99, "private_key": crate::setup::fixture::PEM }).to_string(),
        );
        let clock = fixture.clock();
        let failure = key::rotate(&fixture.place(&clock), Secret::new(NEW))
            .await
            .unwrap_err();
        assert!(failure.problem.contains("to the App 1234567"), "{failure}");
        assert_eq!(fixture.secrets_store.writes.into_inner(), 0);
    });
}
