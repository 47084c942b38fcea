//! Where the task's credentials come from.

use crate::container::{Container, Image, credentials, credentials_json};
use crate::server::{Reply, Server, answer, mayfly, nobody};
use crate::{REGISTRATION, TOKEN};

/// Runs a container whose credentials endpoint gives these replies.
fn with(replies: Vec<Reply>) -> (Server, Server, Container) {
    let identity = Server::start(replies);
    let registrar = Server::start(vec![mayfly(200, REGISTRATION)]);
    let image = Image::new(&registrar.url(), &identity.url()).set("MAYFLY_REQUEST_SECONDS", "1");
    let container = image.finish();
    (identity, registrar, container)
}

#[test]
fn keys_may_come_in_any_order_with_blanks_escapes_and_other_values() {
    let escaped = TOKEN
        .replace('/', "\\/")
        .replace('+', "\\u002b")
        .replace('=', "\\u003D");
    let text = format!(
        " {{\r\n\t\"Expiration\" : \"2030-01-01T00:00:00Z\" , \"Token\":\"{escaped}\",\"Retries\": -1.5e3, \"Last\" :null,\n\
         \"\" : \"\\n\", \"SecretAccessKey\": \"a\\\"b\\\\c\", \"AccessKeyId\" :\"ASIAEXAMPLE\" , \"Ok\": true}} \n"
    );
    let (_, registrar, container) = with(vec![answer(200, "", &text)]);
    assert!(container.has_run(), "{}", container.log());
    assert_eq!(
        registrar.requests()[0].header("x-amz-security-token"),
        TOKEN
    );
}

#[test]
fn a_credentials_endpoint_that_recovers_is_enough() {
    let good = answer(200, "", &credentials_json());
    let replies = vec![
        answer(500, "", ""),
        Reply::Bytes(Vec::new()),
        Reply::Hang,
        good,
    ];
    let (identity, _, container) = with(replies);
    assert!(container.has_run(), "{}", container.log());
    assert_eq!(identity.requests().len(), 4);
}

#[test]
fn answers_without_credentials_end_with_their_own_exit_code() {
    let good = credentials_json();
    let cases = [
        String::new(),
        "{}".to_owned(),
        "<html></html>".to_owned(),
        good.replace("AccessKeyId", "AccessKey"),
        good.replace("SecretAccessKey", "Secret"),
        good.replace("Token", "Tokens"),
        good.replace("ASIAEXAMPLE", "ASIA:EXAMPLE"),
        good.replace(TOKEN, "to ken"),
        good.replace(TOKEN, "to\\nken: x"),
        good.replace(TOKEN, "to\\u000akken"),
        good.replace("\"Token\"", "\"Nested\":{},\"Token\""),
        good.replace('}', ""),
        format!("{good} trailing"),
        format!("[{good}]"),
    ];
    for text in cases {
        let (identity, registrar, mut container) = with(vec![answer(200, "", &text)]);
        assert_eq!(container.status(), 23, "{text}: {}", container.log());
        assert_eq!(
            (identity.requests().len(), registrar.requests().len()),
            (5, 0)
        );
        assert_eq!(container.left_over(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn an_endpoint_that_refuses_or_redirects_is_given_up() {
    let elsewhere = credentials();
    let moved = answer(302, &format!("Location: {}/\r\n", elsewhere.url()), "");
    for reply in [answer(404, "", &credentials_json()), moved] {
        let (_, registrar, mut container) = with(vec![reply]);
        assert_eq!((container.status(), registrar.requests().len()), (23, 0));
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn an_endpoint_where_nobody_listens_is_given_up() {
    let mut container = Image::new(&nobody(), &nobody()).finish();
    assert_eq!(container.status(), 23);
}

/// In the hours for which a runner may be parked, its endpoint may fail more often than it may at
/// the start.
#[test]
fn failures_of_the_endpoint_count_only_in_a_row() {
    let (fails, works) = (
        vec![answer(500, "", ""); 4],
        vec![answer(200, "", &credentials_json())],
    );
    let identity = Server::start([fails.clone(), works.clone(), fails, works].concat());
    let registrar = Server::start(vec![answer(202, "x-mayfly: 1\r\n", ""), mayfly(204, "")]);
    let mut container = Image::new(&registrar.url(), &identity.url()).finish();
    assert_eq!(
        (container.status(), registrar.requests().len()),
        (0, 2),
        "{}",
        container.log()
    );
}

#[test]
fn credentials_are_read_again_for_every_request() {
    let identity = credentials();
    let parked = answer(202, "x-mayfly: 1\r\nRetry-After: 1\r\n", "");
    let registrar = Server::start(vec![parked.clone(), parked, mayfly(204, "")]);
    Image::new(&registrar.url(), &identity.url()).finish();
    assert_eq!(identity.requests().len(), 3);
}

#[test]
fn the_authorization_token_goes_to_the_credentials_endpoint_only() {
    let identity = credentials();
    let registrar = Server::start(vec![mayfly(204, "")]);
    let image = Image::new(&registrar.url(), &identity.url());
    let mut container = image
        .set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic \"a\\b\"")
        .finish();
    assert_eq!(container.status(), 0);
    assert_eq!(
        identity.requests()[0].header("authorization"),
        "Basic \"a\\b\""
    );
    assert!(
        registrar.requests()[0]
            .header("authorization")
            .starts_with("AWS4-HMAC-SHA256 ")
    );
}

/// 169.254.170.2 cannot be had in a test: a curl in front of the real one moves it to loopback.
#[test]
fn the_relative_uri_comes_first_and_means_the_address_of_ecs() {
    let identity = credentials();
    let registrar = Server::start(vec![mayfly(204, "")]);
    let shim = format!(
        "PATH=${{PATH#*:}}; config=$(cat); exec curl \"$@\" < <(printf '%s' \"${{config//http:\\/\\/169.254.170.2\\//{}/}}\")",
        identity.url().replace('/', "\\/")
    );
    let mut container = Image::new(&registrar.url(), &nobody())
        .set(
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "/v2/credentials/4d0c1f9e?a=[b]",
        )
        .program("curl", &shim)
        .finish();
    assert_eq!(container.status(), 0, "{}", container.log());
    assert_eq!(
        identity.requests()[0].line,
        "GET /v2/credentials/4d0c1f9e?a=[b] HTTP/1.1"
    );
}

#[test]
fn plain_http_to_another_host_is_never_asked() {
    let registrar = Server::start(vec![mayfly(204, "")]);
    let hosts = [
        "http://192.0.2.1/credentials",
        "http://127.0.0.1@192.0.2.1/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://169.254.169.254/latest",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1 /",
    ];
    for url in hosts {
        let mut container = Image::new(&registrar.url(), url).finish();
        assert_eq!(container.status(), 22, "{url}: {}", container.log());
    }
    assert_eq!(registrar.requests().len(), 0);
}

#[test]
fn a_task_without_a_role_says_so() {
    let registrar = Server::start(vec![mayfly(204, "")]);
    let image = Image::new(&registrar.url(), "").unset("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let mut container = image.finish();
    assert_eq!(container.status(), 23);
    assert!(container.log().contains("task role"), "{}", container.log());
}
