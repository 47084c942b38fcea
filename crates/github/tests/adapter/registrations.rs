//! What is asked for a registration, and what comes of each answer.

use std::time::Duration;

use mayfly_github::{RegisterError, Registrations as _};
use serde_json::json;

use crate::stub::{
    Answer, Clock, Key, START, Stub, TOKEN, answer, message, name, organization, registered,
    repository, soon, token,
};

fn with(mut answer: Answer, headers: &[(&'static str, &str)]) -> Answer {
    answer.1.extend(
        headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    answer
}

/// The outcome in one word, with the seconds to wait if there are any.
fn word(error: &RegisterError) -> String {
    match error {
        RegisterError::RefusedForGood { status, .. } => format!("refused {status}"),
        RegisterError::RateLimited { until, .. } => {
            format!("limited {}", until.since(START).as_secs())
        }
        RegisterError::Conflict { .. } => "conflict".to_owned(),
        RegisterError::Unsure { .. } => "unsure".to_owned(),
        RegisterError::Unavailable { .. } => "unavailable".to_owned(),
        RegisterError::Misconfigured { .. } => "misconfigured".to_owned(),
    }
}

#[tokio::test]
async fn registration_takes_one_call_besides_the_token() {
    let stub = Stub::always(registered()).await;
    let registration = stub
        .github()
        .register(&repository(9), &name(3), soon())
        .await
        .unwrap();
    assert_eq!(
        (registration.id.0, registration.jit_config.expose()),
        (42, "and-no one-must-see-it")
    );
    let asked = stub.asked();
    let lines: Vec<&str> = asked.iter().map(|one| one.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /api/v3/app/installations/1/access_tokens",
            "POST /api/v3/repos/acme/app-9/actions/runners/generate-jitconfig"
        ]
    );
    assert_eq!(
        asked[0].body,
        json!({ "permissions": { "administration": "write" }, "repository_ids": [9] })
    );
    assert_eq!(
        asked[1].body,
        json!({ "name": "mayfly-linux-01jd0000000000000000000000-3", "runner_group_id": 1, "labels": ["Linux", "self-hosted"] })
    );
    assert_eq!(asked[1].header("authorization"), "Bearer ghs_token_1");
    assert!(asked[0].header("authorization").starts_with("Bearer ey"));
    for one in &asked {
        assert_eq!(one.header("x-github-api-version"), "2022-11-28");
        assert_eq!(one.header("accept"), "application/vnd.github+json");
        assert!(one.header("user-agent").starts_with("mayfly/"), "{one:?}");
    }
}

#[tokio::test]
async fn every_answer_to_a_registration_means_one_thing() {
    for (given, expected) in [
        (answer(201, json!({ "runner": { "id": 42 } })), "unsure"),
        ((201, Vec::new(), "<html>".to_owned()), "unsure"),
        (message(301, "Moved Permanently"), "refused 301"),
        (message(400, "Problems parsing JSON"), "refused 400"),
        (message(401, "Bad credentials"), "unavailable"),
        (
            message(403, "Resource not accessible by integration"),
            "refused 403",
        ),
        (
            with(
                message(403, "Forbidden"),
                &[
                    ("x-ratelimit-remaining", "17"),
                    ("x-ratelimit-reset", "1767225700"),
                ],
            ),
            "refused 403",
        ),
        (
            with(message(403, "Slow down"), &[("retry-after", "9")]),
            "limited 9",
        ),
        (
            with(
                message(403, "API rate limit exceeded"),
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1767226200"),
                ],
            ),
            "limited 600",
        ),
        (
            message(403, "You have exceeded a secondary rate limit."),
            "limited 60",
        ),
        (message(429, "Too many requests"), "limited 60"),
        (message(404, "Not Found"), "refused 404"),
        (message(408, "Request Timeout"), "unsure"),
        (message(409, "Already exists"), "conflict"),
        (message(410, "Gone"), "refused 410"),
        (message(422, "Validation Failed"), "refused 422"),
        (message(451, "Repository access blocked"), "refused 451"),
        (message(500, "Server Error"), "unsure"),
        (
            (502, Vec::new(), "<html>Unicorn!</html>".to_owned()),
            "unsure",
        ),
        (message(503, "Service Unavailable"), "unsure"),
    ] {
        let stub = Stub::always(given.clone()).await;
        let error = stub
            .github()
            .register(&repository(9), &name(1), soon())
            .await
            .unwrap_err();
        assert_eq!(word(&error), expected, "{given:?}");
        assert_eq!(
            stub.lines("generate-jitconfig").len(),
            1,
            "asked once, whatever comes: {given:?}"
        );
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    }
}

#[tokio::test]
async fn every_answer_to_a_request_for_a_token_means_one_thing() {
    for (given, expected) in [
        (
            message(401, "A JSON web token could not be decoded"),
            "misconfigured",
        ),
        (message(404, "Integration not found"), "misconfigured"),
        (message(404, "Not Found"), "refused 404"),
        (
            message(403, "This installation has been suspended"),
            "refused 403",
        ),
        (
            message(422, "There is at least one repository that does not exist"),
            "refused 422",
        ),
        (
            with(message(403, "Slow down"), &[("retry-after", "9")]),
            "limited 9",
        ),
        (message(500, "Server Error"), "unavailable"),
        (
            answer(201, json!({ "token": "ghs_token_x", "expires_at": "soon" })),
            "unavailable",
        ),
    ] {
        let reply = given.clone();
        let stub = Stub::start(move |_| Some(reply.clone())).await;
        let error = stub
            .github()
            .register(&repository(9), &name(1), soon())
            .await
            .unwrap_err();
        assert_eq!(word(&error), expected, "{given:?}");
        assert!(
            stub.lines("jitconfig").is_empty(),
            "nothing is registered without a token: {given:?}"
        );
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    }
}

#[tokio::test]
async fn error_says_for_the_log_what_was_asked_and_what_came() {
    let stub = Stub::always(message(
        422,
        "Runner group has reached its max limit of 10000 runners.",
    ))
    .await;
    let error = stub
        .github()
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Runner group has reached its max limit of 10000 runners. \
         [POST /repos/acme/app-9/actions/runners/generate-jitconfig answered 422 (request C0DE:1)]"
    );
}

#[tokio::test]
async fn registration_is_not_shown_by_debug() {
    let stub = Stub::always(registered()).await;
    let registration = stub
        .github()
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap();
    assert!(
        !format!("{registration:?}").contains("no one"),
        "{registration:?}"
    );
}

#[tokio::test]
async fn renamed_repository_is_followed_within_github() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "POST /api/v3/repositories/9/actions/runners/generate-jitconfig" => Some(registered()),
        line if line.contains("generate-jitconfig") => {
            let location =
                "https://evil.example/api/v3/repositories/9/actions/runners/generate-jitconfig";
            Some(with(
                message(307, "Temporary Redirect"),
                &[("location", location)],
            ))
        }
        _ => None,
    })
    .await;
    let registration = stub
        .github()
        .register(&repository(9), &name(1), soon())
        .await;
    assert_eq!(registration.map(|one| one.id.0), Ok(42));
    let asked = stub.asked();
    assert_eq!(
        (asked[2].header("authorization"), &asked[2].body),
        (asked[1].header("authorization"), &asked[1].body)
    );
}

/// 100 groups on the first page, "build" on the second.
fn groups(line: &str) -> Option<Answer> {
    let group = |id: usize, name: String| json!({ "id": id, "name": name });
    if line.ends_with("&page=1") {
        let page: Vec<_> = (1..=100)
            .map(|id| group(id, format!("group {id}")))
            .collect();
        return Some(answer(
            200,
            json!({ "total_count": 101, "runner_groups": page }),
        ));
    }
    line.contains("runner-groups").then(|| {
        answer(
            200,
            json!({ "runner_groups": [group(312, "build".to_owned())] }),
        )
    })
}

#[tokio::test]
async fn organization_needs_the_groups_id_once_in_five_minutes() {
    let stub = Stub::start(|asked| {
        groups(&asked.line).or_else(|| asked.line.contains("jitconfig").then(registered))
    })
    .await;
    let clock = Clock::default();
    let time = clock.clone();
    let github = mayfly_github::Github::new(Key::at(&stub.url), move || time.now());
    for wanted in 1..=3 {
        github
            .register(&organization("build"), &name(wanted), soon())
            .await
            .unwrap();
    }
    assert_eq!(stub.lines("runner-groups").len(), 2, "two pages, once");
    let asked = stub.asked();
    assert_eq!(
        asked[0].body,
        json!({ "permissions": { "organization_self_hosted_runners": "write" } })
    );
    let last = asked.last().unwrap();
    assert_eq!(
        last.line,
        "POST /api/v3/orgs/acme/actions/runners/generate-jitconfig"
    );
    assert_eq!(last.body["runner_group_id"], 312);
    clock.pass(Duration::from_secs(301));
    github
        .register(&organization("build"), &name(4), soon())
        .await
        .unwrap();
    assert_eq!(stub.lines("runner-groups").len(), 4);
}

#[tokio::test]
async fn unknown_group_is_refused_with_the_groups_there_are() {
    let stub = Stub::start(|asked| {
        let page = json!({ "runner_groups": [{ "id": 1, "name": "Default" }, { "id": 2, "name": "build" }] });
        asked.line.contains("runner-groups").then(|| answer(200, page))
    })
    .await;
    let error = stub
        .github()
        .register(&organization("Build"), &name(1), soon())
        .await
        .unwrap_err();
    let RegisterError::RefusedForGood {
        status, message, ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        (*status, message.as_str()),
        (
            404,
            "the organization has no runner group \"Build\"; it has Default, build"
        )
    );
    assert_eq!(stub.lines("jitconfig").len(), 0);
}

#[tokio::test]
async fn group_that_github_refuses_is_looked_up_again() {
    let stub = Stub::start(|asked| {
        groups(&asked.line).or_else(|| {
            asked
                .line
                .contains("jitconfig")
                .then(|| message(404, "Not Found"))
        })
    })
    .await;
    let github = stub.github();
    for wanted in 1..=2 {
        let error = github
            .register(&organization("build"), &name(wanted), soon())
            .await
            .unwrap_err();
        assert_eq!(word(&error), "refused 404");
    }
    assert_eq!(stub.lines("runner-groups").len(), 4);
}

#[tokio::test]
async fn repository_whose_name_is_a_path_is_refused_unasked() {
    let stub = Stub::start(|_| Some(token(0, 3600))).await;
    let mut target = repository(9);
    target.scope = mayfly_domain::model::target::TargetScope::Repository {
        id: mayfly_domain::model::id::RepositoryId(9),
        name: "acme/app/../../orgs/acme".to_owned(),
    };
    let error = stub
        .github()
        .register(&target, &name(1), soon())
        .await
        .unwrap_err();
    assert_eq!(
        (word(&error), stub.asked().len()),
        ("refused 404".to_owned(), 0)
    );
}
