//! The model's answers and payloads have the shape that GitHub publishes. Needs the packages that
//! `tests/openapi/fetch.py` installs.

use crate::app::{KEY, jwt};
use crate::world::{LABELS, World, job, mint_body};
use mayfly_github_model::deliveries::Outcome;
use mayfly_github_model::jobs::{Conclusion, Gate, NewJob};
use mayfly_test_support::openapi::{Payload, check};
use serde_json::{Value, json};

/// A world in which everything happened once, and what was delivered.
fn everything() -> (World, Vec<Payload>) {
    let mut world = World::with_key(&KEY);
    world.control("POST", "/_model/groups", &json!({ "organization": "acme", "name": "fargate", "visibility": { "selected": ["app"] } }));
    let (session, done) = world.busy();
    world.model.step(&session, "Build", world.now).unwrap();
    for gate in [Gate::Environment, Gate::Deployment] {
        world.queue(&NewJob {
            gate: Some(gate),
            ..job()
        });
    }
    let hosted = world.queue(&NewJob {
        labels: vec!["ubuntu-latest".to_owned()],
        repository: "mona/dotfiles".to_owned(),
        ..job()
    });
    world.wait(1.0);
    for wish in [
        job(),
        NewJob {
            fork: true,
            private: Some(false),
            ..job()
        },
    ] {
        let id = world.queue(&wish);
        world.model.cancel(id, world.now);
    }
    calls_of_a_token(&mut world, done.0);
    world
        .model
        .complete(&session, Some(Conclusion::Failure), world.now)
        .unwrap();
    world.model.cancel(hosted, world.now);
    world.model.ping(world.now);
    let payloads = deliver(&mut world);
    calls_of_the_app(&mut world);
    calls_of_a_token(&mut world, done.0);
    (world, payloads)
}

fn calls_of_a_token(world: &mut World, job: i64) {
    let run = world.model.jobs().next().unwrap().run;
    let busy = world.runner("busy").id;
    for path in [
        "/repos/acme/app/actions/runners".to_owned(),
        "/orgs/acme/actions/runners?per_page=1".to_owned(),
        "/orgs/acme/actions/runner-groups".to_owned(),
        format!("/repos/acme/app/actions/runners/{busy}"),
        format!("/repos/acme/app/actions/jobs/{job}"),
        "/repos/acme/app/actions/runs?status=queued".to_owned(),
        "/repos/acme/app/actions/runs?status=completed&per_page=100".to_owned(),
        format!("/repos/acme/app/actions/runs/{run}"),
        format!("/repos/acme/app/actions/runs/{run}/attempts/1"),
        format!("/repos/acme/app/actions/runs/{run}/jobs"),
        format!("/repos/acme/app/actions/runs/{run}/attempts/1/jobs"),
        "/installation/repositories".to_owned(),
        "/repos/acme/none/actions/runners".to_owned(),
    ] {
        world.call("GET", &path, &Value::Null);
    }
    world.call(
        "DELETE",
        &format!("/repos/acme/app/actions/runners/{busy}"),
        &Value::Null,
    );
    let name = format!("mayfly-{job}-{}", world.now.as_second());
    let group = json!({ "name": name, "visibility": "all", "allows_public_repositories": false });
    world.call("POST", "/orgs/acme/actions/runner-groups", &group);
    for path in [
        "/repos/acme/app/actions/runners/generate-jitconfig",
        "/orgs/acme/actions/runners/generate-jitconfig",
    ] {
        world.call("POST", path, &mint_body(&name, &LABELS));
        world.call("POST", path, &mint_body(&name, &LABELS));
        world.call("POST", path, &mint_body(&name, &[]));
    }
    let made = world.runner(&name).id;
    world.call(
        "DELETE",
        &format!("/repos/acme/app/actions/runners/{made}"),
        &Value::Null,
    );
}

fn calls_of_the_app(world: &mut World) {
    let now = world.now.as_second();
    let token = jwt(
        &KEY,
        &json!({ "alg": "RS256" }),
        &json!({ "iat": now, "exp": now + 60, "iss": "1234567" }),
    );
    let line = world
        .call_as(
            &token,
            "GET",
            "/app/hook/deliveries?per_page=3",
            &Value::Null,
        )
        .body
        .unwrap();
    let delivery = line[0]["id"].as_i64().unwrap();
    for path in [
        "/app",
        "/app/installations",
        "/app/installations/61000001",
        "/repos/acme/app/installation",
        "/orgs/acme/installation",
        "/users/mona/installation",
        "/orgs/nobody/installation",
        "/app/hook/config",
        &format!("/app/hook/deliveries/{delivery}"),
    ] {
        world.call_as(&token, "GET", path, &Value::Null);
    }
    world.call_as(
        &token,
        "POST",
        &format!("/app/hook/deliveries/{delivery}/attempts"),
        &Value::Null,
    );
    let tokens = "/app/installations/61000001/access_tokens";
    for body in [
        json!({}),
        json!({ "repositories": ["app"], "permissions": { "administration": "write" } }),
        json!({ "repositories": ["none"] }),
    ] {
        world.call_as(&token, "POST", tokens, &body);
    }
}

/// Delivers what is due; the names are those of GitHub's description.
fn deliver(world: &mut World) -> Vec<Payload> {
    let due = world.model.take_due(world.now);
    for one in &due {
        world
            .model
            .settle(one.id, Outcome::answered(world.now, 202));
    }
    due.iter()
        .map(|one| {
            let payload: Value = serde_json::from_slice(&one.body).unwrap();
            let name = match payload["action"].as_str() {
                Some(action) => format!("workflow-job-{}", action.replace('_', "-")),
                None => "ping".to_owned(),
            };
            (name, payload)
        })
        .collect()
}

#[test]
#[ignore = "needs the packages that tests/openapi/fetch.py installs"]
fn answers_and_payloads_have_the_published_shape() {
    let (world, payloads) = everything();
    let exchanges =
        serde_json::to_value(world.model.exchanges().all().collect::<Vec<_>>()).unwrap();
    let words = check(&exchanges, &payloads).unwrap();
    // Not one operation of the model is left out.
    let operations: std::collections::BTreeSet<_> = exchanges
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["operation"].as_str().unwrap())
        .collect();
    assert!(
        operations.len() >= 23,
        "{} operations: {operations:?}",
        operations.len()
    );
    assert!(words.contains(", 0 problems"), "{words}");
}

#[test]
#[ignore = "needs the packages that tests/openapi/fetch.py installs"]
fn what_does_not_have_the_published_shape_is_found() {
    let wrong = json!([
        { "operation": "apps/get-authenticated", "status": 200, "query": {}, "request": null, "response": { "id": "one" } },
        { "operation": "actions/generate-runner-jitconfig-for-repo", "status": 201, "query": {}, "request": { "name": "one" }, "response": {} },
    ]);
    let words = check(
        &wrong,
        &[(
            "workflow-job-queued".to_owned(),
            json!({ "action": "queued" }),
        )],
    )
    .unwrap_err()
    .to_string();
    for problem in [
        "/id must be integer",
        "'runner_group_id'",
        "'encoded_jit_config'",
        "'workflow_job'",
    ] {
        assert!(words.contains(problem), "{problem} in {words}");
    }
}
