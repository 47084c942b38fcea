//! How the App proves that it is it. The tests sign with other code than the model checks with.

use crate::world::{World, message};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::wire::{Answer, Request};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Making a key takes a while: one for all tests.
pub(crate) static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());
static OTHER_KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// A JWT signed by this key.
pub(crate) fn jwt(key: &KeyPair, header: &Value, claims: &Value) -> String {
    let pem: String = key
        .private_pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let pair = RsaKeyPair::from_der(&STANDARD.decode(pem).unwrap()).unwrap();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn world() -> World {
    World::with_key(&KEY)
}

fn header() -> Value {
    json!({ "alg": "RS256", "typ": "JWT" })
}

/// Claims that are right.
fn claims(world: &World) -> Value {
    let now = world.now.as_second();
    json!({ "iat": now - 60, "exp": now + 540, "iss": world.model.app().id.to_string() })
}

fn get_app(world: &mut World, token: &str) -> Answer {
    let request = Request::new("GET", "/api/v3/app")
        .header("user-agent", "test")
        .header("authorization", &format!("Bearer {token}"));
    world.model.rest(&request, world.now)
}

/// What GitHub says to claims that differ from the right ones in this field.
fn with_claim(name: &str, value: impl Fn(i64) -> Value) -> (u16, String) {
    let mut world = world();
    let mut claims = claims(&world);
    claims[name] = value(world.now.as_second());
    let answer = get_app(&mut world, &jwt(&KEY, &header(), &claims));
    (answer.status, message(&answer).to_owned())
}

#[test]
fn a_good_jwt_is_accepted_with_either_id_as_issuer() {
    assert_eq!(with_claim("iss", |_| json!("1234567")).0, 200);
    assert_eq!(with_claim("iss", |_| json!(1_234_567)).0, 200);
    assert_eq!(with_claim("iss", |_| json!("Iv23liMayflyModel0000")).0, 200);
}

#[test]
fn a_jwt_of_another_key_is_refused() {
    let mut world = world();
    let claims = claims(&world);
    let answer = get_app(&mut world, &jwt(&OTHER_KEY, &header(), &claims));
    assert_eq!(
        (answer.status, message(&answer)),
        (401, "A JSON web token could not be decoded")
    );
}

#[test]
fn a_jwt_whose_header_names_no_real_algorithm_is_refused() {
    for alg in ["none", "HS256", "RS512"] {
        let mut world = world();
        let claims = claims(&world);
        let answer = get_app(&mut world, &jwt(&KEY, &json!({ "alg": alg }), &claims));
        assert_eq!(answer.status, 401, "{alg}");
    }
}

#[test]
fn a_jwt_may_live_ten_minutes_at_most() {
    assert_eq!(with_claim("exp", |now| json!(now + 600)).0, 200);
    let (status, words) = with_claim("exp", |now| json!(now + 601));
    assert_eq!(
        (status, words.as_str()),
        (
            401,
            "'Expiration time' claim ('exp') is too far in the future"
        )
    );
}

#[test]
fn an_expired_jwt_is_refused() {
    assert_eq!(with_claim("exp", |now| json!(now)).0, 401);
    assert_eq!(with_claim("exp", |_| Value::Null).0, 401);
}

#[test]
fn a_jwt_from_the_future_is_refused() {
    assert_eq!(with_claim("iat", |now| json!(now + 1)).0, 401);
    assert_eq!(with_claim("iat", |_| Value::Null).0, 401);
}

#[test]
fn a_jwt_of_another_app_is_nobody_s() {
    assert_eq!(
        with_claim("iss", |_| json!("7654321")),
        (404, "Integration not found".to_owned())
    );
}

#[test]
fn calls_without_credentials_or_user_agent_are_refused() {
    let mut world = world();
    let bare = Request::new("GET", "/app");
    assert_eq!(world.model.rest(&bare, world.now).status, 403);
    assert_eq!(
        world
            .model
            .rest(&bare.clone().header("user-agent", "test"), world.now)
            .status,
        401
    );
    let strange = bare
        .header("user-agent", "test")
        .header("authorization", "Bearer ghs_1234567_nobody");
    let answer = world.model.rest(&strange, world.now);
    assert_eq!((answer.status, message(&answer)), (401, "Bad credentials"));
}

#[test]
fn an_unknown_version_of_the_api_is_refused() {
    let mut world = world();
    let claims = claims(&world);
    let token = jwt(&KEY, &header(), &claims);
    for (version, status) in [
        ("2022-11-28", 200),
        ("2026-03-10", 200),
        ("2019-01-01", 400),
    ] {
        let request = Request::new("GET", "/app")
            .header("user-agent", "test")
            .header("authorization", &format!("Bearer {token}"))
            .header("x-github-api-version", version);
        assert_eq!(
            world.model.rest(&request, world.now).status,
            status,
            "{version}"
        );
    }
}

#[test]
fn the_app_finds_its_installations_and_gets_a_long_token() {
    let mut world = world();
    world.repository("acme/app");
    let claims = claims(&world);
    let jwt = jwt(&KEY, &header(), &claims);
    for path in [
        "/repos/acme/app/installation",
        "/orgs/acme/installation",
        "/api/v3/repos/ACME/App/installation",
    ] {
        let answer = world.call_as(&jwt, "GET", path, &json!({}));
        assert_eq!(answer.body.unwrap()["id"], 61_000_001, "{path}");
    }
    assert_eq!(
        world
            .call_as(&jwt, "GET", "/orgs/mona/installation", &json!({}))
            .status,
        404
    );
    assert_eq!(
        world
            .call_as(&jwt, "GET", "/users/mona/installation", &json!({}))
            .status,
        200
    );
    let body = json!({ "repositories": ["app"], "permissions": { "administration": "write" } });
    let answer = world.call_as(
        &jwt,
        "POST",
        "/app/installations/61000001/access_tokens",
        &body,
    );
    let made = answer.body.unwrap();
    let token = made["token"].as_str().unwrap();
    assert!(
        token.starts_with("ghs_1234567_") && token.len() > 400,
        "{} characters",
        token.len()
    );
    assert_eq!(
        made["permissions"],
        json!({ "administration": "write", "metadata": "read" })
    );
    assert_eq!(made["repository_selection"], "selected");
}

#[test]
fn a_jwt_is_no_installation_token_and_the_other_way_round() {
    let mut world = world();
    world.repository("acme/app");
    let claims = claims(&world);
    let jwt = jwt(&KEY, &header(), &claims);
    assert_eq!(
        world
            .call_as(&jwt, "GET", "/repos/acme/app/actions/runners", &json!({}))
            .status,
        401
    );
    assert_eq!(world.call("GET", "/app", &json!({})).status, 401);
}
