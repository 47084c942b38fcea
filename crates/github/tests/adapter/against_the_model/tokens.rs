//! Tokens: what they open, and how long.

use std::time::Duration;

use mayfly_domain::model::id::GithubRunnerId;
use mayfly_github::{Jobs as _, RegisterError, Runners as _};
use reqwest::Client;
use serde_json::{Value, json};

use crate::against_the_model::world::{TOKEN, World, soon};

/// The newest token that the adapter got.
fn newest(world: &World) -> Value {
    let exchanges = world.exchanges();
    let mut tokens = exchanges
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["operation"] == TOKEN);
    tokens.next_back().unwrap()["response"].clone()
}

async fn status(world: &World, token: &Value, path: &str) -> u16 {
    let request = Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("{}/api/v3{path}", world.server.url));
    let request = request
        .bearer_auth(token["token"].as_str().unwrap())
        .header("user-agent", "test");
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn token_for_registrations_opens_one_repositorys_runners_and_nothing_else() {
    let world = World::start().await;
    world.repository("acme/other");
    world.register(&world.app(), 1).await.unwrap();
    let token = newest(&world);
    assert_eq!(
        token["permissions"],
        json!({ "administration": "write", "metadata": "read" })
    );
    assert_eq!(token["repository_selection"], "selected");
    assert_eq!(
        status(&world, &token, "/repos/acme/app/actions/runners").await,
        200
    );
    for path in [
        "/repos/acme/other/actions/runners",
        "/orgs/acme/actions/runners",
        "/repos/acme/app/actions/runs",
    ] {
        assert!(
            [403, 404].contains(&status(&world, &token, path).await),
            "{path}"
        );
    }
}

#[tokio::test]
async fn token_for_looking_at_jobs_can_change_nothing() {
    let world = World::start().await;
    let (job, repository) = (world.queue(), world.repository("acme/app"));
    world
        .github
        .job(world.app().installation, &repository, job, soon())
        .await
        .unwrap();
    assert_eq!(
        newest(&world)["permissions"],
        json!({ "actions": "read", "metadata": "read" })
    );
}

#[tokio::test]
async fn organization_token_opens_no_repository() {
    let world = World::start().await;
    world
        .register(&world.organization("Default"), 1)
        .await
        .unwrap();
    let token = newest(&world);
    assert_eq!(
        token["permissions"],
        json!({ "metadata": "read", "organization_self_hosted_runners": "write" })
    );
    assert_eq!(
        status(&world, &token, "/orgs/acme/actions/runners").await,
        200
    );
    assert_eq!(
        status(&world, &token, "/repos/acme/app/actions/runners").await,
        403
    );
}

#[tokio::test]
async fn token_is_renewed_before_its_hour_is_over() {
    let world = World::start().await;
    world.register(&world.app(), 1).await.unwrap();
    world.put_forward(Duration::from_secs(54 * 60));
    world.register(&world.app(), 2).await.unwrap();
    assert_eq!(world.calls(TOKEN), 1);
    world.put_forward(Duration::from_secs(60));
    world.register(&world.app(), 3).await.unwrap();
    assert_eq!(world.calls(TOKEN), 2);
}

#[tokio::test]
async fn tokens_that_github_ended_are_replaced_unnoticed() {
    let world = World::start().await;
    let registration = world.register(&world.app(), 1).await.unwrap();
    let control = format!("{}/_model/expire-tokens", world.server.url);
    Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(control)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert!(
        world
            .github
            .delete(&world.app(), registration.id, soon())
            .await
            .is_ok()
    );
    assert_eq!(world.calls(TOKEN), 2);
}

#[tokio::test]
async fn wrong_key_and_wrong_id_are_matters_of_configuration() {
    for world in [
        World::start_with_a_wrong_key().await,
        World::start_with_a_wrong_id().await,
    ] {
        let error = world.register(&world.app(), 1).await.unwrap_err();
        let RegisterError::Misconfigured { message } = &error else {
            panic!("{error:?}")
        };
        assert!(
            message.starts_with("GitHub does not accept the App's id and private key"),
            "{message}"
        );
        assert!(
            world
                .github
                .delete(&world.app(), GithubRunnerId(1), soon())
                .await
                .is_err(),
            "unknown is not gone"
        );
    }
}
