//! Tokens: narrowed, shared, renewed, replaced.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mayfly_domain::model::id::{InstallationId, RepositoryId};
use mayfly_github::{Github, RegisterError, Registrations as _, Repositories as _, Runners as _};
use serde_json::json;

use crate::stub::{
    Clock, Key, Stub, answer, message, name, new_key, organization, registered, repository, soon,
};

fn tokens(stub: &Stub) -> usize {
    stub.lines("access_tokens").len()
}

#[tokio::test]
async fn one_token_serves_every_call_of_a_repository_and_permission() {
    let stub = Stub::start(|asked| match asked.line.split(' ').next() {
        Some("DELETE") => Some(answer(204, json!(null))),
        Some("GET") => Some(answer(200, json!({ "id": 9, "private": true }))),
        _ => asked.line.contains("jitconfig").then(registered),
    })
    .await;
    let github = stub.github();
    for wanted in 1..=5 {
        github
            .register(&repository(9), &name(wanted), soon())
            .await
            .unwrap();
    }
    github
        .delete(
            &repository(9),
            mayfly_domain::model::id::GithubRunnerId(42),
            soon(),
        )
        .await
        .unwrap();
    assert_eq!(tokens(&stub), 1);
    github
        .register(&repository(10), &name(6), soon())
        .await
        .unwrap();
    assert_eq!(tokens(&stub), 2, "another repository needs another");
    github
        .private(InstallationId(1), RepositoryId(9), "acme/app-9", soon())
        .await
        .unwrap();
    assert_eq!(tokens(&stub), 3, "and so does another permission");
    let bodies: Vec<_> = stub
        .asked()
        .into_iter()
        .filter(|one| one.line.contains("access_tokens"))
        .map(|one| one.body)
        .collect();
    assert_eq!(
        bodies[2],
        json!({ "permissions": { "metadata": "read" }, "repository_ids": [9] })
    );
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_token() {
    let stub = Stub::always(registered()).await;
    let github = stub.github();
    let (target, by) = (repository(9), soon());
    let names = [name(1), name(2), name(3), name(4)];
    let (a, b, c, d) = tokio::join!(
        github.register(&target, &names[0], by),
        github.register(&target, &names[1], by),
        github.register(&target, &names[2], by),
        github.register(&target, &names[3], by),
    );
    assert!([a, b, c, d].iter().all(Result::is_ok));
    assert_eq!(tokens(&stub), 1);
}

#[tokio::test]
async fn token_is_renewed_five_minutes_before_its_end() {
    let stub = Stub::always(registered()).await;
    let clock = Clock::default();
    let time = clock.clone();
    let github = Github::new(Key::at(&stub.url), move || time.now());
    github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    clock.pass(Duration::from_secs(55 * 60 - 1));
    github
        .register(&repository(9), &name(2), soon())
        .await
        .unwrap();
    assert_eq!(tokens(&stub), 1);
    clock.pass(Duration::from_secs(1));
    github
        .register(&repository(9), &name(3), soon())
        .await
        .unwrap();
    assert_eq!(tokens(&stub), 2);
}

#[tokio::test]
async fn token_that_github_forgot_is_replaced_once() {
    let stub = Stub::start(|asked| {
        let forgotten = asked.header("authorization") == "Bearer ghs_token_1"
            && asked.body["name"] == name(2).to_string();
        asked.line.contains("jitconfig").then(|| {
            if forgotten {
                message(401, "Bad credentials")
            } else {
                registered()
            }
        })
    })
    .await;
    let github = stub.github();
    github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    github
        .register(&repository(9), &name(2), soon())
        .await
        .unwrap();
    assert_eq!((tokens(&stub), stub.lines("jitconfig").len()), (2, 3));
}

#[tokio::test]
async fn tokens_that_never_work_are_not_asked_for_without_end() {
    let calls = AtomicUsize::new(0);
    let stub = Stub::start(move |asked| {
        let first = asked.line.contains("jitconfig") && calls.fetch_add(1, Ordering::SeqCst) == 0;
        asked.line.contains("jitconfig").then(|| {
            if first {
                registered()
            } else {
                message(401, "Bad credentials")
            }
        })
    })
    .await;
    let github = stub.github();
    github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    let error = github
        .register(&repository(9), &name(2), soon())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegisterError::Unavailable { .. }),
        "{error:?}"
    );
    assert_eq!((tokens(&stub), stub.lines("jitconfig").len()), (2, 3));
}

#[tokio::test]
async fn new_key_is_used_at_once_and_old_tokens_are_dropped_with_the_old_one() {
    let stub = Stub::always(registered()).await;
    let key = Key::at(&stub.url);
    let github = Github::new(key.clone(), || crate::stub::START);
    github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    let rotated = new_key();
    key.set(&stub.url, Ok(&rotated));
    github
        .register(&repository(9), &name(2), soon())
        .await
        .unwrap();
    assert_eq!(tokens(&stub), 2);
    key.set(&stub.url, Err("SSM is away"));
    github
        .register(&repository(9), &name(3), soon())
        .await
        .unwrap();
    assert_eq!(
        tokens(&stub),
        2,
        "what was read last stands while nothing can be read"
    );
}

/// The address is part of the key: no request goes where another key would be sent.
#[tokio::test]
async fn key_of_another_server_is_used_there_and_nowhere_else() {
    let (old, new) = (
        Stub::always(registered()).await,
        Stub::always(registered()).await,
    );
    let key = Key::at(&old.url);
    let github = Github::new(key.clone(), || crate::stub::START);
    github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    let asked_before = old.asked().len();
    key.set(&new.url, Ok(&crate::stub::KEY));
    github
        .register(&repository(9), &name(2), soon())
        .await
        .unwrap();
    assert_eq!(
        old.asked().len(),
        asked_before,
        "nothing that the key signed goes to the old address"
    );
    assert_eq!(
        (tokens(&new), new.lines("jitconfig").len()),
        (1, 1),
        "the old token is not shown to the new server"
    );
}

#[tokio::test]
async fn key_at_an_address_that_is_none_signs_nothing() {
    for url in ["http://github.example.com", "github.example.com", ""] {
        let key = Key::at(url);
        let error = Github::new(key, || crate::stub::START)
            .register(&repository(9), &name(1), soon())
            .await
            .unwrap_err();
        let RegisterError::Misconfigured { message } = error else {
            panic!("{error:?}")
        };
        assert!(
            message.contains("the address that is stored with the App's key"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn key_that_cannot_be_read_or_used_is_a_matter_of_configuration() {
    let stub = Stub::always(registered()).await;
    for (key, words) in [
        (
            Err("SSM is away"),
            "the GitHub App's id and key cannot be read: SSM is away",
        ),
        (
            Ok("s3cret"),
            "the private key of GitHub App 7 cannot be used (it is not in PEM form): store it as GitHub gave it",
        ),
    ] {
        let given = Key::at(&stub.url);
        given.set(&stub.url, key);
        let github = Github::new(given, || crate::stub::START);
        let error = github
            .register(&repository(9), &name(1), soon())
            .await
            .unwrap_err();
        assert_eq!(
            error,
            RegisterError::Misconfigured {
                message: words.to_owned()
            }
        );
    }
    assert_eq!(stub.asked().len(), 0);
}

/// GitHub with the App reinstalled: installation 1 is gone, 2 is there, on the account with this
/// id.
async fn installed_again(account: i64) -> Stub {
    Stub::start(move |asked| {
        if asked.line.ends_with("/installation") {
            return Some(answer(
                200,
                json!({ "id": 2, "account": { "id": account } }),
            ));
        }
        if asked.line.contains("/app/installations?") {
            return Some(answer(
                200,
                json!([{ "id": 2, "account": { "id": account } }]),
            ));
        }
        if asked.line.contains("/installations/1/") {
            return Some(message(404, "Not Found"));
        }
        if asked.line.contains("runner-groups") {
            return Some(answer(
                200,
                json!({ "runner_groups": [{ "id": 3, "name": "builders" }] }),
            ));
        }
        asked.line.contains("jitconfig").then(registered)
    })
    .await
}

#[tokio::test]
async fn app_that_was_installed_again_goes_on_with_its_new_installation_and_asks_for_it_once() {
    let stub = installed_again(5).await;
    let github = stub.github();
    for wanted in 1..=3 {
        github
            .register(&repository(9), &name(wanted), soon())
            .await
            .unwrap();
    }
    assert_eq!(
        stub.lines("/installation")
            .iter()
            .filter(|line| line.ends_with("/app-9/installation"))
            .count(),
        1
    );
    assert_eq!(stub.lines("/installations/1/").len(), 1);
    assert_eq!(
        stub.lines("/installations/2/").len(),
        1,
        "its token is kept like any other"
    );
    github
        .register(&organization("builders"), &name(4), soon())
        .await
        .unwrap();
    assert_eq!(stub.lines("GET /api/v3/orgs/acme/installation").len(), 1);
}

#[tokio::test]
async fn organization_that_has_another_ones_login_is_not_worked_for() {
    let stub = installed_again(6).await;
    let refused = stub
        .github()
        .register(&organization("builders"), &name(1), soon())
        .await;
    assert!(
        matches!(
            refused,
            Err(RegisterError::RefusedForGood { status: 404, .. })
        ),
        "{refused:?}"
    );
    assert!(stub.lines("/installations/2/").is_empty());
}

/// Repository 9 went from the account of installation 1 to that of installation 4; another
/// repository, of installation 3, has its old name. Only 4 makes a token for repository 9, and of
/// the others each refuses in a way of its own.
#[tokio::test]
async fn repository_that_was_transferred_while_another_took_its_name_is_found_by_its_id() {
    let stub = Stub::start(|asked| {
        let on = |id: i64| json!({ "id": id, "account": { "id": 50 + id } });
        if asked.line.ends_with("/app-9/installation") {
            return Some(answer(200, on(3)));
        }
        if asked.line.contains("/app/installations?") {
            return Some(answer(200, json!([on(1), on(2), on(3), on(4)])));
        }
        if asked.line.ends_with("/installations/2/access_tokens") {
            return Some(message(403, "This installation has been suspended"));
        }
        if asked.line.contains("/access_tokens") && !asked.line.contains("/installations/4/") {
            return Some(message(
                422,
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            ));
        }
        asked.line.contains("jitconfig").then(registered)
    })
    .await;
    let github = stub.github();
    for wanted in 1..=3 {
        github
            .register(&repository(9), &name(wanted), soon())
            .await
            .unwrap();
    }
    let tried = |id: i64| {
        stub.lines(&format!("/installations/{id}/access_tokens"))
            .len()
    };
    assert_eq!([tried(1), tried(2), tried(3), tried(4)], [1; 4]);
    assert_eq!(
        (
            stub.lines("/app/installations?").len(),
            stub.lines("/app-9/installation").len()
        ),
        (1, 1)
    );
}

/// By its id: another organization may have its login now.
#[tokio::test]
async fn organization_whose_login_another_one_has_is_found_by_its_id() {
    let stub = Stub::start(|asked| {
        let on = |id: i64, account: i64| json!({ "id": id, "account": { "id": account } });
        if asked.line.ends_with("/orgs/acme/installation") {
            return Some(answer(200, on(3, 6)));
        }
        if asked.line.contains("/app/installations?") {
            return Some(answer(200, json!([on(3, 6), on(4, 5)])));
        }
        if asked.line.contains("/installations/1/") {
            return Some(message(404, "Not Found"));
        }
        if asked.line.contains("runner-groups") {
            return Some(answer(
                200,
                json!({ "runner_groups": [{ "id": 3, "name": "builders" }] }),
            ));
        }
        asked.line.contains("jitconfig").then(registered)
    })
    .await;
    stub.github()
        .register(&organization("builders"), &name(1), soon())
        .await
        .unwrap();
    assert_eq!(
        (
            stub.lines("/installations/3/").len(),
            stub.lines("/installations/4/").len()
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn app_that_is_not_installed_any_more_is_looked_for_once_in_five_minutes() {
    let stub = Stub::start(|asked| {
        asked
            .line
            .contains("installation")
            .then(|| message(404, "Not Found"))
    })
    .await;
    let clock = Clock::default();
    let time = clock.clone();
    let github = Github::new(Key::at(&stub.url), move || time.now());
    for wanted in 1..=3 {
        assert!(matches!(
            github.register(&repository(9), &name(wanted), soon()).await,
            Err(RegisterError::RefusedForGood { status: 404, .. })
        ));
    }
    assert_eq!(
        (tokens(&stub), stub.lines("/app-9/installation").len()),
        (3, 1)
    );
    clock.pass(Duration::from_secs(5 * 60));
    assert!(
        github
            .register(&repository(9), &name(4), soon())
            .await
            .is_err()
    );
    assert_eq!(stub.lines("/app-9/installation").len(), 2);
}
