//! The probe of `mayfly doctor`: what it finds, and that it ends.

use std::time::Duration;

use mayfly_ecs::probe::{Answered, ConnectFailure, Credentials, Registered, Report, Wrong};

use crate::container::{Container, Image, credentials_json};
use crate::server::{Reply, Server, answer, mayfly, nobody};
use crate::{SECRET, TOKEN};

const MARK: &str = "mayfly-probe/01jd3x0000000000000000000a";
const CLOSED: &str = r#"{"outcome":"closed","reason":"this runner is closed"}"#;
const PLAIN_SECRET: &str = "sEcReT/plus+AndMore0123456789";
const LISTENER: &str = r#"[[ $1 == --version ]] && echo 2.338.1"#;

/// A credentials endpoint as ECS has it: its secrets are base64.
fn identity() -> Server {
    let plain = credentials_json().replace(
        &SECRET.replace('\\', "\\\\").replace('"', "\\\""),
        PLAIN_SECRET,
    );
    Server::start(vec![answer(200, "", &plain)])
}

fn image(registrar: &str, identity: &str, reach: &str) -> Image {
    Image::new(registrar, identity)
        .script("probe.sh")
        .set("MAYFLY_PROBE", MARK)
        .set("MAYFLY_RUNNER", "mayfly-doctor/01jd3x0000000000000000000a")
        .set("MAYFLY_REACH", reach)
        .set("MAYFLY_REQUEST_SECONDS", "2")
        .runner(LISTENER)
}

fn read(container: &Container) -> Report {
    Report::read(MARK, container.log().lines())
}

/// A probe where only the registrar is as the test wants it.
fn asked(replies: Vec<Reply>) -> (Server, Container) {
    let (registrar, identity, github) = (
        Server::start(replies),
        identity(),
        Server::start(vec![answer(200, "", "Keep it simple")]),
    );
    let container = image(
        &registrar.url(),
        &identity.url(),
        &format!("api={}/zen", github.url()),
    )
    .finish();
    (registrar, container)
}

/// How the request for registration went.
fn registration(container: &Container) -> Registered {
    read(container).registration.unwrap()
}

#[test]
fn where_all_is_well_it_says_so() {
    let (registrar, mut container) = asked(vec![mayfly(403, CLOSED)]);
    assert_eq!(container.status(), 0, "{}", container.log());
    let report = read(&container);
    assert_eq!(
        report
            .reached
            .iter()
            .map(|(name, it)| (name.as_str(), it.answered()))
            .collect::<Vec<_>>(),
        [("api", Answered::Status(200))]
    );
    assert_eq!(
        (report.complete, report.late, &report.credentials),
        (true, false, &Some(Credentials::Good))
    );
    assert_eq!(
        (
            report.image.lacks.as_slice(),
            report.image.runner.as_deref()
        ),
        ([].as_slice(), Some("2.338.1"))
    );
    assert!(
        report
            .image
            .curl
            .is_some_and(|curl| curl.starts_with(char::is_numeric))
    );
    let said = report.registration.unwrap();
    assert_eq!(
        (said.mayfly, said.exchange.answered(), said.body.as_str()),
        (true, Answered::Status(403), CLOSED)
    );
    assert_eq!(said.exchange.address, Some("127.0.0.1".parse().unwrap()));
    let request = &registrar.requests()[0];
    assert_eq!(
        (
            request.line.as_str(),
            request.header("x-amz-security-token")
        ),
        ("POST /registration HTTP/1.1", TOKEN)
    );
    assert!(
        request
            .header("authorization")
            .starts_with("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/")
    );
    assert_eq!(
        request.body,
        r#"{"runner": "mayfly-doctor/01jd3x0000000000000000000a"}"#
    );
    assert_eq!(container.left_over(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_403_that_is_not_mayflys_is_told_from_one_that_is() {
    let (_, mut container) = asked(vec![answer(403, "", r#"{"message":"Forbidden"}"#)]);
    assert_eq!(container.status(), 64 + 8);
    let said = registration(&container);
    assert_eq!(
        (said.mayfly, said.exchange.answered(), said.body.as_str()),
        (false, Answered::Status(403), r#"{"message":"Forbidden"}"#)
    );
}

#[test]
fn any_other_answer_is_wrong_whoever_gives_it() {
    for (reply, status) in [
        (mayfly(200, "QUJD"), 200),
        (mayfly(404, ""), 404),
        (answer(301, "Location: http://127.0.0.1:9/\r\n", ""), 301),
    ] {
        let (registrar, mut container) = asked(vec![reply]);
        assert_eq!(
            (container.status(), registrar.requests().len()),
            (64 + 8, 1),
            "{}",
            container.log()
        );
        assert_eq!(
            registration(&container).exchange.answered(),
            Answered::Status(status)
        );
    }
}

#[test]
fn what_may_pass_is_asked_once_more() {
    for reply in [
        answer(503, "", ""),
        answer(429, "", ""),
        Reply::Bytes(Vec::new()),
    ] {
        let (registrar, mut container) = asked(vec![reply, mayfly(403, CLOSED)]);
        let requests = registrar.requests();
        assert_eq!(
            (container.status(), requests.len()),
            (0, 2),
            "{}",
            container.log()
        );
        assert!(
            requests[1].at - requests[0].at >= Duration::from_millis(500),
            "what passes takes a while"
        );
    }
    let (registrar, mut container) = asked(vec![answer(503, "", "")]);
    assert_eq!(
        (container.status(), registrar.requests().len()),
        (64 + 8, 2)
    );
    assert_eq!(
        registration(&container).exchange.answered(),
        Answered::Status(503)
    );
}

#[test]
fn a_registrar_that_is_silent_or_gone_is_told_as_such() {
    let (_, mut container) = asked(vec![Reply::Hang]);
    assert_eq!(container.status(), 64 + 8);
    assert_eq!(
        registration(&container).exchange.answered(),
        Answered::Not(ConnectFailure::Silent)
    );
    let mut container = image(&nobody(), &identity().url(), "").finish();
    assert_eq!(container.status(), 64 + 8);
    assert_eq!(
        registration(&container).exchange.answered(),
        Answered::Not(ConnectFailure::Refused)
    );
}

#[test]
fn an_answer_without_end_ends_with_its_time() {
    let flood = Reply::Flood(
        b"HTTP/1.1 200 OK\r\nX-Mayfly: 1\r\n\r\n".to_vec(),
        b"QUJDQUJD".repeat(512),
    );
    let (_, mut container) = asked(vec![flood]);
    assert_eq!(container.status(), 64 + 8, "{}", container.log());
    assert!(container.log().len() < 4_000);
}

#[test]
fn what_must_answer_and_does_not_is_named_with_its_trouble() {
    let registrar = Server::start(vec![mayfly(403, CLOSED)]);
    let (works, hangs, breaks) = (
        Server::start(vec![answer(404, "", "")]),
        Server::start(vec![Reply::Hang]),
        Server::start(vec![answer(502, "", "")]),
    );
    let no_tls = works.url().replace("http:", "https:");
    let reach = format!(
        "works={} gone={} silent={} breaks={} tls={no_tls} unknown=http://no-such-host.invalid/",
        works.url(),
        nobody(),
        hangs.url(),
        breaks.url(),
    );
    let mut container = image(&registrar.url(), &identity().url(), &reach).finish();
    assert_eq!(container.status(), 64 + 2, "{}", container.log());
    let said: Vec<(String, Answered)> = read(&container)
        .reached
        .into_iter()
        .map(|(name, exchange)| (name, exchange.answered()))
        .collect();
    let expected = [
        ("works", Answered::Status(404)),
        ("gone", Answered::Not(ConnectFailure::Refused)),
        ("silent", Answered::Not(ConnectFailure::Silent)),
        ("breaks", Answered::Status(502)),
        ("tls", Answered::Not(ConnectFailure::Silent)),
        ("unknown", Answered::Not(ConnectFailure::Name)),
    ];
    assert_eq!(
        said,
        expected.map(|(name, answered)| (name.to_owned(), answered))
    );
}

/// A proxy that answers for a host that it cannot reach says 502.
#[test]
fn a_server_error_alone_is_wrong_and_any_other_answer_is_not() {
    for (status, code) in [(502, 64 + 2), (404, 0), (301, 0)] {
        let registrar = Server::start(vec![mayfly(403, CLOSED)]);
        let other = Server::start(vec![answer(status, "", "")]);
        let mut container = image(
            &registrar.url(),
            &identity().url(),
            &format!("other={}", other.url()),
        )
        .finish();
        assert_eq!(container.status(), code, "{status}: {}", container.log());
    }
}

#[test]
fn a_task_without_a_role_asks_nobody() {
    let registrar = Server::start(vec![mayfly(403, CLOSED)]);
    let mut container = image(&registrar.url(), "", "")
        .unset("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        .finish();
    assert_eq!(
        (container.status(), registrar.requests().len()),
        (64 + 4, 0)
    );
    assert_eq!(read(&container).credentials, Some(Credentials::None));
}

#[test]
fn credentials_that_do_not_come_are_told_with_what_came() {
    for (replies, failed) in [
        (
            vec![answer(500, "", "")],
            Credentials::Failed {
                curl: 0,
                status: 500,
            },
        ),
        (
            vec![answer(200, "", "{}")],
            Credentials::Failed {
                curl: 0,
                status: 200,
            },
        ),
        (
            vec![Reply::Bytes(Vec::new())],
            Credentials::Failed {
                curl: 52,
                status: 0,
            },
        ),
        // With characters that AWS's never have: nothing is put into curl's configuration that
        // could say more than it should.
        (
            vec![answer(200, "", &credentials_json())],
            Credentials::Failed {
                curl: 0,
                status: 200,
            },
        ),
    ] {
        let (registrar, endpoint) = (
            Server::start(vec![mayfly(403, CLOSED)]),
            Server::start(replies),
        );
        let mut container = image(&registrar.url(), &endpoint.url(), "").finish();
        assert_eq!(
            (
                container.status(),
                registrar.requests().len(),
                endpoint.requests().len()
            ),
            (64 + 4, 0, 3),
            "{}",
            container.log()
        );
        assert_eq!(read(&container).credentials, Some(failed));
    }
}

#[test]
fn credentials_may_come_late() {
    let good = credentials_json()
        .replace(
            &SECRET.replace('\\', "\\\\").replace('"', "\\\""),
            PLAIN_SECRET,
        )
        .replace('/', "\\/");
    let (registrar, endpoint) = (
        Server::start(vec![mayfly(403, CLOSED)]),
        Server::start(vec![answer(404, "", ""), answer(200, "", &good)]),
    );
    let mut container = image(&registrar.url(), &endpoint.url(), "").finish();
    assert_eq!(container.status(), 0, "{}", container.log());
    assert_eq!(
        registrar.requests()[0].header("x-amz-security-token"),
        TOKEN
    );
}

#[test]
fn an_image_that_lacks_something_says_what() {
    let registrar = Server::start(vec![mayfly(403, CLOSED)]);
    let whole = || image(&registrar.url(), &identity().url(), "");
    let cases: [(Image, &str, i32); 4] = [
        (whole().run_sh(""), "run.sh", 65),
        (whole().set("TMPDIR", "/nowhere"), "temporary", 65),
        (
            whole().program("curl", "echo 'curl 7.74.0 (x86_64-pc-linux-gnu)'"),
            "curl 7.75",
            65,
        ),
        (whole().program("curl", "exit 127"), "curl", 65),
    ];
    for (image, lack, code) in cases {
        let mut container = image.finish();
        assert_eq!(container.status(), code, "{lack}: {}", container.log());
        let report = read(&container);
        assert!(
            report.image.lacks.iter().any(|lacks| lacks.contains(lack)),
            "{lack}: {}",
            container.log()
        );
        assert!(report.complete && Wrong::of(code).unwrap().image);
    }
}

#[test]
fn an_image_that_can_never_run_a_job_is_found() {
    let registrar = Server::start(vec![mayfly(403, CLOSED)]);
    let whole = || image(&registrar.url(), &identity().url(), "");
    let mut cases = vec![
        (
            whole().file(".env", b"LANG=C\r\nACTIONS_RUNNER_HOOK_JOB_STARTED=\r\n"),
            "ACTIONS_RUNNER_HOOK_JOB_STARTED",
        ),
        (
            whole().file(".env", b"\xef\xbb\xbfMAYFLY_URL=x"),
            "MAYFLY_URL",
        ),
    ];
    if crate::container::root() {
        cases.push((whole().unset("RUNNER_ALLOW_RUNASROOT"), "root"));
        cases.push((whole().user(65534), "may write"));
    }
    for (image, lack) in cases {
        let mut container = image.finish();
        assert_eq!(container.status(), 65, "{lack}: {}", container.log());
        assert!(
            read(&container)
                .image
                .lacks
                .iter()
                .any(|lacks| lacks.contains(lack)),
            "{lack}: {}",
            container.log()
        );
    }
}

#[test]
fn a_proxy_of_the_runners_own_file_is_told() {
    let registrar = Server::start(vec![mayfly(403, CLOSED)]);
    let mut container = image(&registrar.url(), &identity().url(), "")
        .file(".env", b"https_proxy=http://127.0.0.1:9\n")
        .finish();
    assert_eq!(container.status(), 0, "{}", container.log());
    assert!(read(&container).image.proxy);
}

#[test]
fn an_image_without_the_runner_or_with_one_that_will_not_say_its_version_is_told() {
    let registrar = Server::start(vec![mayfly(403, CLOSED)]);
    let none = Image::new(&registrar.url(), &identity().url())
        .script("probe.sh")
        .set("MAYFLY_PROBE", MARK)
        .finish();
    assert_eq!(read(&none).image.runner.as_deref(), Some("none"));
    let broken = image(&registrar.url(), &identity().url(), "")
        .runner("echo 'libicu\nis not there' >&2; exit 134")
        .finish();
    assert_eq!(read(&broken).image.runner.as_deref(), Some("libicu"));
}

#[test]
fn a_runner_that_hangs_is_ended_with_all_else_said() {
    let registrar = Server::start(vec![mayfly(403, CLOSED)]);
    let hangs = image(&registrar.url(), &identity().url(), "")
        .runner("sleep 600")
        .set("MAYFLY_WHOLE_SECONDS", "2");
    let mut container = hangs.finish();
    assert_eq!(container.status(), -9, "{}", container.log());
    let report = read(&container);
    assert!(report.late && !report.complete && report.registration.is_some());
}

#[test]
fn a_proxy_is_told_and_never_asked_for_loopback() {
    let (registrar, proxy) = (
        Server::start(vec![mayfly(403, CLOSED)]),
        Server::start(vec![answer(502, "", "")]),
    );
    let mut container = image(&registrar.url(), &identity().url(), "")
        .set("https_proxy", &proxy.url())
        .set("http_proxy", &proxy.url())
        .finish();
    assert_eq!(
        (container.status(), proxy.requests().len()),
        (0, 0),
        "{}",
        container.log()
    );
    assert!(read(&container).image.proxy);
}

#[test]
fn nothing_secret_is_said_and_nothing_said_is_taken_for_more() {
    let (_, container) = asked(vec![mayfly(
        403,
        &format!("x\n{MARK} registration 0 403 1 - 1 1 1 forged\u{1b}[2J"),
    )]);
    let log = container.log();
    for secret in [PLAIN_SECRET, TOKEN, "ASIAEXAMPLE"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert_eq!(
        log.matches(&format!("\n{MARK} registration")).count(),
        1,
        "{log}"
    );
    assert!(!log.contains('\u{1b}'));
}
