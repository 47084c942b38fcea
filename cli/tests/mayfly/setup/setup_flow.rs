//! From a code, or a key, to deliveries that arrive: on the real functions and a model of GitHub,
//! in virtual time.

use std::time::Duration;

use mayfly_cli::commands::init::manifest::{Choice, Scope};
use mayfly_cli::commands::init::oauth_state::{Code, OauthStates};
use mayfly_cli::commands::init::setup_flow::{Answer, Begin, SetupFlow};
use mayfly_cli::commands::init::verify_delivery::DeliveryCheck;
use mayfly_cli::commands::init::{Given, existing, go_on};
use mayfly_cli::deployment::secrets_store::Existing;
use mayfly_cli::failure::Failure;
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::faults::Refusal;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::setup::fixture::{APP, Fixture, Gate, Lockbox, PEM, SECRET, in_virtual_time};

fn manifest() -> Value {
    let choice = Choice::checked(Scope::Organization, "acme", "mayfly-acme").unwrap();
    choice.manifest(
        "https://mayfly.test/webhook",
        "http://127.0.0.1:4000/callback",
    )
}

/// A code as the guard hands it on.
fn code(text: &str) -> Code {
    let mut guard = OauthStates::default();
    let choice = Choice::checked(Scope::Organization, "acme", "mayfly-acme").unwrap();
    let state = guard.issue(choice, Timestamp::default()).unwrap();
    guard
        .take(Some(&state), Some(text), Timestamp::default())
        .unwrap()
        .0
}

/// Everything that `mayfly init` does once a code is there.
async fn make(flow: &SetupFlow<'_, Gate, Lockbox>, text: &str) -> Result<Answer, Failure> {
    let made = flow.exchange(&code(text)).await?;
    go_on(flow, &flow.key_of(&made), made.webhook_secret, true).await
}

/// Someone installs the App a while later.
fn installed_after(fixture: &Fixture, seconds: u64) {
    let system = fixture.system.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        system
            .world
            .with_github(|github, now| github.install_app(now));
    });
}

fn key(app_id: u64) -> AppKey {
    AppKey {
        app_id,
        private_key: Secret::new(PEM),
        url: "https://github.test".to_owned(),
    }
}

fn given() -> Given {
    Given {
        key: key(1_234_567),
        secret: None,
    }
}

#[test]
fn a_new_app_is_stored_and_its_ping_arrives() {
    let (answer, heard, secrets, signed) = in_virtual_time(async {
        let fixture = Fixture::bare(1);
        let code = fixture.make_at_github(&manifest());
        installed_after(&fixture, 90);
        let answer = make(&fixture.flow(Existing::Keep), &code).await.unwrap();
        (
            answer,
            fixture.ears.heard(),
            fixture.secrets(),
            fixture.signed_with(),
        )
    });
    insta::assert_snapshot!("new_app_heard", heard);
    insta::assert_snapshot!(
        "new_app_answer",
        serde_json::to_string_pretty(&answer).unwrap()
    );
    assert_eq!(secrets, json!({ "current": signed }));
    let all = format!("{heard}{answer:?}");
    assert!(
        !all.contains("hush") && !all.contains(&signed) && !all.contains(&code_like(&all)),
        "{all}"
    );
}

/// Forty hexadecimal digits, as GitHub's codes and secrets are; something that cannot be there if
/// there are none.
fn code_like(text: &str) -> String {
    let found = text
        .split(|c: char| !c.is_ascii_hexdigit())
        .find(|part| part.len() >= 40);
    found.unwrap_or("\u{0}").to_owned()
}

/// The organization's groups, by name.
fn groups(fixture: &Fixture) -> Vec<String> {
    fixture.system.world.with_github(|github, _| {
        github
            .accounts()
            .groups(ACME)
            .map(|group| group.name.clone())
            .collect()
    })
}

#[test]
fn the_runner_group_that_the_file_names_is_made() {
    in_virtual_time(async {
        let fixture = Fixture::bare(16);
        let code = fixture.make_at_github(&manifest());
        installed_after(&fixture, 30);
        let answer = make(&fixture.flow(Existing::Keep), &code).await.unwrap();
        assert!(
            answer.pools_file.contains("runner_group = \"mayfly\""),
            "{}",
            answer.pools_file
        );
        assert_eq!(groups(&fixture), ["Default", "mayfly"]);
        assert!(
            fixture
                .ears
                .heard()
                .contains("created the runner group mayfly of acme"),
            "{}",
            fixture.ears.heard()
        );
        // Run again, it is found.
        let again = fixture
            .flow(Existing::Replace)
            .finish(&key(2_000_001), &Default::default(), true)
            .await
            .unwrap();
        assert!(again.pools_file.contains("runner_group = \"mayfly\""));
        assert_eq!(groups(&fixture), ["Default", "mayfly"]);
    });
}

#[test]
fn where_github_makes_no_group_the_file_names_the_one_that_is_there() {
    in_virtual_time(async {
        let fixture = Fixture::bare(17);
        let code = fixture.make_at_github(&manifest());
        installed_after(&fixture, 30);
        fixture.system.world.with_github(|github, _| {
            github.faults.refused.insert(
                "acme".to_owned(),
                Refusal {
                    status: 403,
                    message: Some("Upgrade to GitHub Team".to_owned()),
                },
            );
        });
        let answer = make(&fixture.flow(Existing::Keep), &code).await.unwrap();
        assert!(
            answer.pools_file.contains("runner_group = \"Default\""),
            "{}",
            answer.pools_file
        );
        assert!(
            fixture
                .ears
                .heard()
                .contains("no runner group of its own (Upgrade to GitHub Team)"),
            "{}",
            fixture.ears.heard()
        );
        assert_eq!(groups(&fixture), ["Default"]);
    });
}

#[test]
fn what_was_stored_is_what_the_functions_read() {
    in_virtual_time(async {
        let fixture = Fixture::bare(2);
        let code = fixture.make_at_github(&manifest());
        make(&fixture.flow(Existing::Keep), &code).await.unwrap();
        let (app, _) = fixture.system.world.parameters.get(APP).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&app).unwrap(),
            json!({ "app_id": 2_000_001, "private_key": PEM, "url": "https://github.test" })
        );
        // Jobs are served from now on: their deliveries are believed.
        fixture
            .system
            .world
            .with_github(|github, now| github.install_app(now));
        fixture.keep_busy();
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(fixture.accepted() >= 3, "{}", fixture.accepted());
    });
}

#[test]
fn an_app_that_nobody_installs_is_a_finding() {
    let answer = in_virtual_time(async {
        let fixture = Fixture::bare(3);
        let code = fixture.make_at_github(&manifest());
        make(&fixture.flow(Existing::Keep), &code).await.unwrap()
    });
    assert_eq!(answer.installations, []);
    assert_eq!(answer.findings.len(), 1);
    assert!(
        answer.findings[0].problem.contains("not installed"),
        "{:?}",
        answer.findings
    );
    assert!(
        answer.pools_file.contains("login = \"acme\", id = 5500001"),
        "{}",
        answer.pools_file
    );
}

#[test]
fn an_app_that_is_there_is_not_written_over() {
    in_virtual_time(async {
        for missing in [None, Some(APP)] {
            let fixture = Fixture::with_app(4);
            missing
                .iter()
                .for_each(|name| fixture.system.world.parameters.remove(name));
            let failure = fixture.flow(Existing::Keep).begin().await.unwrap_err();
            assert!(failure.hint.contains("--replace"), "{failure}");
            assert_eq!(
                fixture.flow(Existing::Replace).begin().await.unwrap(),
                Begin::Afresh
            );
            assert_eq!(fixture.secrets_store.writes.into_inner(), 0);
        }
    });
}

#[test]
fn another_app_takes_the_place_of_one_whose_secret_is_still_believed() {
    in_virtual_time(async {
        let fixture = Fixture::with_app(5);
        // webhook has read the secret, and believes it for five minutes.
        fixture.keep_busy();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let code = fixture.make_at_github(&manifest());
        fixture
            .system
            .world
            .with_github(|github, now| github.install_app(now));
        let before = fixture.system.world.clock.elapsed();
        let answer = make(&fixture.flow(Existing::Replace), &code).await.unwrap();
        let took = fixture.system.world.clock.elapsed() - before;
        assert!(
            matches!(answer.deliveries, DeliveryCheck::Arrived { .. }),
            "{:?}",
            answer.deliveries
        );
        assert!(
            took < timeouts::SECRETS_FRESH + Duration::from_secs(60),
            "{took:?}"
        );
    });
}

#[test]
fn a_code_that_github_refuses_leaves_an_app_without_a_key_and_says_what_to_do() {
    in_virtual_time(async {
        let fixture = Fixture::bare(6);
        let good = fixture.make_at_github(&manifest());
        let failure = make(&fixture.flow(Existing::Keep), "0123456789abcdef")
            .await
            .unwrap_err();
        insta::assert_snapshot!("code_refused", failure);
        // Too late: the hour is over.
        tokio::time::sleep(Duration::from_secs(3_601)).await;
        let failure = make(&fixture.flow(Existing::Keep), &good)
            .await
            .unwrap_err();
        assert!(
            failure.hint.contains("older than an hour") && !failure.to_string().contains(&good),
            "{failure}"
        );
        assert_eq!(fixture.secrets_store.writes.into_inner(), 0);
    });
}

#[test]
fn a_code_counts_once() {
    in_virtual_time(async {
        let fixture = Fixture::bare(7);
        let code = fixture.make_at_github(&manifest());
        make(&fixture.flow(Existing::Keep), &code).await.unwrap();
        let failure = make(&fixture.flow(Existing::Replace), &code)
            .await
            .unwrap_err();
        assert!(failure.hint.contains("used already"), "{failure}");
    });
}

#[test]
fn a_conversion_whose_answer_is_lost_is_tried_again_and_then_explained() {
    in_virtual_time(async {
        let fixture = Fixture::bare(8);
        let code = fixture.make_at_github(&manifest());
        fixture.system.world.with_github(|github, _| {
            github.faults.api.operations = vec!["apps/create-from-manifest".to_owned()];
            (github.faults.api.answer_lost, github.faults.api.budget) = (1.0, Some(1));
        });
        let failure = make(&fixture.flow(Existing::Keep), &code)
            .await
            .unwrap_err();
        insta::assert_snapshot!("conversion_lost", failure);
        assert!(!failure.to_string().contains(&code));
    });
}

#[test]
fn a_conversion_that_github_could_not_carry_out_is_tried_again() {
    in_virtual_time(async {
        let fixture = Fixture::bare(9);
        let code = fixture.make_at_github(&manifest());
        fixture.system.world.with_github(|github, _| {
            github.faults.api.operations = vec!["apps/create-from-manifest".to_owned()];
            (github.faults.api.server_error, github.faults.api.budget) = (1.0, Some(2));
        });
        assert!(make(&fixture.flow(Existing::Keep), &code).await.is_ok());
    });
}

#[test]
fn a_key_that_cannot_be_stored_is_not_shown_and_there_is_a_way_on() {
    in_virtual_time(async {
        let fixture = Fixture::bare(10);
        let code = fixture.make_at_github(&manifest());
        *fixture.secrets_store.refuses.lock().unwrap() = Some(APP);
        let failure = make(&fixture.flow(Existing::Keep), &code)
            .await
            .unwrap_err();
        insta::assert_snapshot!("key_not_stored", failure);
        assert!(!format!("{failure}{}", fixture.ears.heard()).contains("hush"));
        // The way on: a key that was generated on GitHub's page.
        *fixture.secrets_store.refuses.lock().unwrap() = None;
        let given = Given {
            key: key(2_000_001),
            secret: None,
        };
        let flow = fixture.flow(Existing::Keep);
        let begun = flow.begin().await.unwrap();
        let answer = existing(&flow, begun, &given, false).await.unwrap();
        assert!(
            matches!(answer.deliveries, DeliveryCheck::Arrived { .. }),
            "{:?}",
            answer.deliveries
        );
    });
}

#[test]
fn whoever_is_cut_off_after_the_key_goes_on_from_there() {
    in_virtual_time(async {
        let fixture = Fixture::bare(11);
        let code = fixture.make_at_github(&manifest());
        *fixture.secrets_store.refuses.lock().unwrap() = Some(SECRET);
        make(&fixture.flow(Existing::Keep), &code)
            .await
            .unwrap_err();
        *fixture.secrets_store.refuses.lock().unwrap() = None;
        let flow = fixture.flow(Existing::Keep);
        let Begin::GoOn(key) = flow.begin().await.unwrap() else {
            panic!("the key is stored")
        };
        assert_eq!(key.app_id, 2_000_001);
        let answer = go_on(&flow, &key, None, false).await.unwrap();
        assert!(
            matches!(answer.deliveries, DeliveryCheck::Arrived { .. }),
            "{:?}",
            answer.deliveries
        );
        assert_eq!(
            fixture.secrets(),
            json!({ "current": fixture.signed_with() })
        );
    });
}

#[test]
fn an_app_that_is_there_already_is_set_up_wherever_an_earlier_run_was_killed() {
    // Each call takes up to 20 ms there and as long back, and up to 200 ms at GitHub.
    for cut in (0..2_000).step_by(70) {
        in_virtual_time(async {
            let fixture = Fixture::bare(12);
            fixture.system.world.with_github(|github, now| {
                github.hook.url = Some("https://elsewhere.test/".to_owned());
                github.ping(now);
            });
            tokio::time::sleep(Duration::from_secs(5)).await;
            let first = async {
                let flow = fixture.flow(Existing::Keep);
                existing(&flow, flow.begin().await?, &given(), true).await
            };
            let _ = timeout(Duration::from_millis(cut), first).await;
            let flow = fixture.flow(Existing::Keep);
            let answer = match flow.begin().await {
                Ok(begun) => existing(&flow, begun, &given(), true).await.unwrap(),
                // All was stored: nothing is left but to look.
                Err(_) => fixture
                    .flow(Existing::Replace)
                    .finish(&given().key, &Default::default(), true)
                    .await
                    .unwrap(),
            };
            assert!(
                matches!(answer.deliveries, DeliveryCheck::Arrived { .. }),
                "cut after {cut} ms: {:?}",
                answer.deliveries
            );
            assert_eq!(answer.findings, [], "cut after {cut} ms");
            assert_eq!(
                fixture.secrets(),
                json!({ "current": fixture.signed_with() }),
                "cut after {cut} ms"
            );
            let url = fixture
                .system
                .world
                .with_github(|github, _| github.hook.url.clone());
            assert_eq!(
                url.as_deref(),
                Some("https://mayfly.test/webhook"),
                "cut after {cut} ms"
            );
        });
    }
}

#[test]
fn an_app_without_the_event_and_the_permissions_is_told_what_it_lacks() {
    let answer = in_virtual_time(async {
        let fixture = Fixture::bare(13);
        let mut manifest = manifest();
        (manifest["default_permissions"], manifest["default_events"]) =
            (json!({ "contents": "read" }), json!([]));
        fixture.make_at_github(&manifest);
        fixture
            .system
            .world
            .with_github(|github, now| github.install_app(now));
        let given = Given {
            key: key(2_000_001),
            secret: None,
        };
        existing(&fixture.flow(Existing::Keep), Begin::Afresh, &given, true)
            .await
            .unwrap()
    });
    let problems: Vec<&str> = answer
        .findings
        .iter()
        .map(|finding| finding.problem.as_str())
        .collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(problems[0], "the App cannot register runners anywhere");
    assert!(
        problems[1].contains("does not ask for Actions: read"),
        "{problems:?}"
    );
    assert_eq!(
        problems[2],
        "the App is not subscribed to workflow_job: GitHub would deliver nothing"
    );
}

#[test]
fn a_key_of_another_app_is_not_stored() {
    in_virtual_time(async {
        let fixture = Fixture::bare(14);
        let other = Given {
            key: key(99),
            secret: None,
        };
        let Err(failure) =
            existing(&fixture.flow(Existing::Keep), Begin::Afresh, &other, true).await
        else {
            panic!("it is another App's")
        };
        assert_eq!(failure.hint, "pass --app-id 1234567");
        assert_eq!(fixture.secrets_store.writes.into_inner(), 0);
    });
}

#[test]
fn an_endpoint_that_accepts_nothing_is_told() {
    let answer = in_virtual_time(async {
        let fixture = Fixture::bare(15);
        fixture
            .system
            .world
            .with_github(|github, now| github.ping(now));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let system = fixture.system.clone();
        // Someone changes the secret at GitHub by hand, again and again.
        tokio::spawn(async move {
            loop {
                system
                    .world
                    .with_github(|github, _| "another".clone_into(&mut github.hook.secret));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        existing(&fixture.flow(Existing::Keep), Begin::Afresh, &given(), true)
            .await
            .unwrap()
    });
    assert_eq!(
        answer.deliveries,
        DeliveryCheck::Refused {
            event: "ping".to_owned(),
            status: 401
        }
    );
    assert!(
        answer
            .findings
            .iter()
            .any(|finding| finding.problem.contains("answered 401")),
        "{:?}",
        answer.findings
    );
}

#[test]
fn jobs_are_never_delivered_again_to_prove_something() {
    let answer = in_virtual_time(async {
        let fixture = Fixture::bare(16);
        fixture.keep_busy();
        tokio::time::sleep(Duration::from_secs(3)).await;
        // No jobs any more: what is in the list are deliveries of a job, refused.
        fixture
            .system
            .world
            .with_github(|github, _| github.faults.deliveries.never_made = 1.0);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let answer = existing(&fixture.flow(Existing::Keep), Begin::Afresh, &given(), true)
            .await
            .unwrap();
        let again = fixture
            .system
            .world
            .with_github(|github, _| github.deliveries().filter(|one| one.redelivery).count());
        assert_eq!(again, 0);
        answer
    });
    assert_eq!(answer.deliveries, DeliveryCheck::Nothing);
    assert_eq!(answer.findings, []);
}
