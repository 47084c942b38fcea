//! Repositories and organizations that have another name than the one that was written down.

use std::time::Duration;

use mayfly_domain::model::id::{
    GithubRunnerId, InstallationId, JobId, OwnerId, RepositoryId, RunId,
};
use mayfly_domain::model::target::Repository;
use mayfly_github::{
    Deleted, Github, Jobs as _, QueuedJobs as _, RegisterError, Registrations as _,
    Repositories as _, Runners as _,
};
use serde_json::json;

use crate::stub::{
    Answer, Asked, Clock, Key, START, Stub, answer, message, name, organization, registered,
    repository, soon,
};
use crate::waiting_jobs::run;

const MINUTE: Duration = Duration::from_secs(60);

fn app() -> Repository {
    Repository {
        id: RepositoryId(9),
        name: "acme/app-9".to_owned(),
        owner: OwnerId(5),
        private: true,
    }
}

/// A token for repository 9, which has this name.
fn token_for(called: &str) -> Answer {
    let expires = jiff::Timestamp::from_millisecond(START.plus(60 * MINUTE).millis()).unwrap();
    let repositories = json!([{ "id": 9, "full_name": called }]);
    answer(
        201,
        json!({ "token": "ghs_token_0", "expires_at": expires.to_string(), "repositories": repositories }),
    )
}

/// GitHub, where repository 9 is `acme/app-9` until so much time has passed, and then
/// `globex/shop`; `other` answers whatever is asked at the old name then.
async fn renamed_after(
    time: Duration,
    other: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (Stub, Github, Clock) {
    let clock = Clock::default();
    let (at_github, here) = (clock.clone(), clock.clone());
    let stub = Stub::start(move |asked| {
        let called = if at_github.now() < START.plus(time) {
            "acme/app-9"
        } else {
            "globex/shop"
        };
        if asked.line.ends_with("/access_tokens") {
            return Some(token_for(called));
        }
        if !asked.line.contains(&format!("/repos/{called}")) {
            return Some(other(asked));
        }
        Some(match asked.line.split(' ').next() {
            Some("POST") => registered(),
            Some("DELETE") => answer(204, json!(null)),
            _ if asked.line.contains("/runs?") => {
                answer(200, json!({ "workflow_runs": [run(3, 9)] }))
            }
            _ if asked.line.contains("/jobs/") => answer(
                200,
                json!({ "id": 77, "run_id": 3, "status": "queued", "labels": [] }),
            ),
            _ => answer(200, json!({ "id": 9, "private": true })),
        })
    })
    .await;
    let github = Github::new(Key::at(&stub.url), move || here.now());
    (stub, github, clock)
}

#[tokio::test]
async fn repository_is_asked_for_by_the_name_that_it_has_now_at_no_call_more() {
    let (stub, github, _) = renamed_after(Duration::ZERO, |_| message(404, "Not Found")).await;
    github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    assert_eq!(
        stub.lines(""),
        [
            "POST /api/v3/app/installations/1/access_tokens",
            "POST /api/v3/repos/globex/shop/actions/runners/generate-jitconfig"
        ]
    );
}

/// No registration is handed out at another repository: the token is good for the one alone.
#[tokio::test]
async fn repository_that_is_renamed_while_its_name_is_known_is_found_again_whoever_has_the_old_name()
 {
    for refusal in [
        message(404, "Not Found"),
        message(403, "Resource not accessible by integration"),
    ] {
        let given = refusal.clone();
        let (stub, github, clock) = renamed_after(10 * MINUTE, move |_| given.clone()).await;
        github
            .register(&repository(9), &name(1), soon())
            .await
            .unwrap();
        clock.pass(10 * MINUTE);
        github
            .register(&repository(9), &name(2), soon())
            .await
            .unwrap();
        let minted = stub.lines("jitconfig");
        let places: Vec<&str> = minted
            .iter()
            .map(|line| line.split('/').nth(5).unwrap())
            .collect();
        assert_eq!(
            (places, stub.lines("access_tokens").len()),
            (vec!["app-9", "app-9", "shop"], 2),
            "{refusal:?}"
        );
        // Whatever follows is asked where it is.
        assert_eq!(
            github
                .delete(&repository(9), GithubRunnerId(42), soon())
                .await,
            Ok(Deleted::Gone)
        );
        assert_eq!(stub.lines("access_tokens").len(), 2);
    }
}

#[tokio::test]
async fn jobs_of_a_repository_that_is_renamed_are_found_again() {
    let (_, github, clock) = renamed_after(10 * MINUTE, |_| message(404, "Not Found")).await;
    for _ in 0..2 {
        let job = github
            .job(InstallationId(1), &app(), JobId(77), soon())
            .await
            .unwrap();
        assert_eq!(job.map(|job| job.run), Some(RunId(3)));
        clock.pass(10 * MINUTE);
    }
}

/// Everyone may read what is public, so the answer is none of our repository's and still a 200.
#[tokio::test]
async fn public_repository_that_took_the_name_is_not_taken_for_ours() {
    let others = |asked: &Asked| {
        let runs = json!({ "workflow_runs": [run(1, 8), run(2, 8)] });
        answer(
            200,
            if asked.line.contains("/runs?") {
                runs
            } else {
                json!({ "id": 8, "private": false })
            },
        )
    };
    let (_, github, clock) = renamed_after(10 * MINUTE, others).await;
    let seen = async || {
        let runs = github
            .waiting_runs(InstallationId(1), &app(), soon())
            .await
            .unwrap();
        (
            runs,
            github
                .private(InstallationId(1), RepositoryId(9), "acme/app-9", soon())
                .await
                .unwrap(),
        )
    };
    assert_eq!(seen().await, (Some(vec![RunId(3)]), Some(true)));
    clock.pass(10 * MINUTE);
    assert_eq!(seen().await, (Some(vec![RunId(3)]), Some(true)));
    // Where GitHub says that ours still has the name, nothing of the other one is believed.
    let stub = Stub::start(move |asked| {
        Some(if asked.line.ends_with("/access_tokens") {
            token_for("acme/app-9")
        } else {
            others(asked)
        })
    })
    .await;
    let github = stub.github();
    assert_eq!(
        github.waiting_runs(InstallationId(1), &app(), soon()).await,
        Ok(Some(Vec::new()))
    );
    assert_eq!(
        github
            .private(InstallationId(1), RepositoryId(9), "acme/app-9", soon())
            .await,
        Ok(None)
    );
}

#[tokio::test]
async fn what_is_gone_costs_a_token_now_and_then_and_is_not_asked_for_twice() {
    let (stub, github, clock) = renamed_after(600 * MINUTE, |_| message(404, "Not Found")).await;
    github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    let gone = Stub::start(|asked| {
        Some(if asked.line.ends_with("/access_tokens") {
            token_for("acme/app-9")
        } else {
            message(404, "Not Found")
        })
    })
    .await;
    let here = clock.clone();
    let github = Github::new(Key::at(&gone.url), move || here.now());
    for _ in 0..20 {
        assert_eq!(
            github
                .job(InstallationId(1), &app(), JobId(77), soon())
                .await,
            Ok(None)
        );
        clock.pass(Duration::from_secs(1));
    }
    assert_eq!(
        (
            gone.lines("access_tokens").len(),
            gone.lines("/jobs/77").len()
        ),
        (2, 20)
    );
    assert_eq!(stub.lines("access_tokens").len(), 1);
}

#[tokio::test]
async fn name_that_leads_elsewhere_is_not_followed() {
    let stub = Stub::start(|asked| {
        Some(if asked.line.ends_with("/access_tokens") {
            token_for("../../app")
        } else {
            registered()
        })
    })
    .await;
    stub.github()
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    assert_eq!(
        stub.lines("jitconfig"),
        ["POST /api/v3/repos/acme/app-9/actions/runners/generate-jitconfig"]
    );
}

/// Another organization may have the old login by now; the installation says which login ours has.
#[tokio::test]
async fn organization_with_another_login_is_found_by_its_installation() {
    for (account, found) in [(5, true), (6, false)] {
        let stub = Stub::start(move |asked| {
            if asked.line.ends_with("/access_tokens") {
                return None;
            }
            Some(match asked.line.as_str() {
                "GET /api/v3/app/installations/1" => answer(
                    200,
                    json!({ "id": 1, "account": { "id": account, "login": "acme-inc" } }),
                ),
                line if line.contains("/orgs/acme-inc/actions/runner-groups") => answer(
                    200,
                    json!({ "runner_groups": [{ "id": 3, "name": "builders" }] }),
                ),
                line if line.contains("/orgs/acme-inc/") => registered(),
                _ => message(403, "Resource not accessible by integration"),
            })
        })
        .await;
        let github = stub.github();
        for wanted in 1..=3 {
            let made = github
                .register(&organization("builders"), &name(wanted), soon())
                .await;
            assert_eq!(made.is_ok(), found, "{made:?}");
        }
        assert_eq!(stub.lines("GET /api/v3/app/installations/1").len(), 1);
        assert!(
            stub.lines("jitconfig")
                .iter()
                .all(|line| line.contains("/orgs/acme-inc/"))
        );
    }
}

/// Transferred to an account with an installation of its own: the old one has it no more.
#[tokio::test]
async fn repository_of_another_installation_is_found_where_it_is_and_one_that_is_nowhere_is_looked_for_now_and_then()
 {
    for (now_at, found) in [(2, true), (1, false)] {
        let stub = Stub::start(move |asked| {
            Some(match asked.line.as_str() {
                line if line.contains("/installations/1/") => message(
                    422,
                    "There is at least one repository that does not exist or is not accessible",
                ),
                line if line.contains("/installations/2/") => token_for("globex/app-9"),
                line if line.ends_with("/installation") => {
                    answer(200, json!({ "id": now_at, "account": { "id": 6 } }))
                }
                line if line.contains("/repos/globex/app-9/") => registered(),
                _ => message(404, "Not Found"),
            })
        })
        .await;
        let github = stub.github();
        for wanted in 1..=3 {
            let made = github.register(&repository(9), &name(wanted), soon()).await;
            assert!(
                made.is_ok() == found
                    && (found
                        || matches!(made, Err(RegisterError::RefusedForGood { status: 422, .. }))),
                "{made:?}"
            );
        }
        assert_eq!(stub.lines("/app-9/installation").len(), 1);
    }
}
