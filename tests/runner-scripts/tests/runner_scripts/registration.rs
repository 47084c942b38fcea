//! The registrar's answers, and what stands in its place when it does not answer.

use std::time::Duration;

use crate::REGISTRATION;
use crate::container::{Image, ask, credentials};
use crate::server::{Reply, Server, answer, mayfly, nobody};

/// Time between the first two requests.
fn gap(server: &Server) -> Duration {
    let requests = server.requests();
    requests[1].at - requests[0].at
}

#[test]
fn a_registration_reaches_run_sh_by_its_environment() {
    let (registrar, mut container) = ask(vec![mayfly(200, REGISTRATION)]);
    assert_eq!(container.status(), 3, "{}", container.log());
    let environment = container.environment();
    assert_eq!(environment["ACTIONS_RUNNER_INPUT_JITCONFIG"], REGISTRATION);
    assert_eq!(
        environment["ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE"],
        "1"
    );
    assert_eq!(
        environment["RUNNER_MANUALLY_TRAP_SIG"], "1",
        "run.sh passes SIGTERM on"
    );
    let requests = registrar.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "POST /registration HTTP/1.1");
    assert_eq!(requests[0].header("accept"), "text/plain");
    assert_eq!(requests[0].header("content-type"), "application/json");
    assert_eq!(
        requests[0].body,
        r#"{"runner": "linux/01jd3x0000000000000000000a"}"#
    );
}

#[test]
fn a_registration_with_a_line_end_is_taken_without_it() {
    let (_, container) = ask(vec![mayfly(200, &format!("{REGISTRATION}\n"))]);
    assert_eq!(
        container.environment()["ACTIONS_RUNNER_INPUT_JITCONFIG"],
        REGISTRATION
    );
}

#[test]
fn a_registration_as_long_as_github_makes_them_is_taken() {
    let long = "QUJD".repeat(4096);
    let (_, container) = ask(vec![mayfly(200, &long)]);
    assert_eq!(
        container.environment()["ACTIONS_RUNNER_INPUT_JITCONFIG"],
        long
    );
}

#[test]
fn an_interim_answer_is_not_taken_for_the_answer() {
    let Reply::Bytes(last) = mayfly(200, REGISTRATION) else {
        unreachable!()
    };
    let both = [
        b"HTTP/1.1 103 Early Hints\r\nX-Mayfly: 0\r\n\r\n".to_vec(),
        last,
    ]
    .concat();
    let (_, container) = ask(vec![Reply::Bytes(both)]);
    assert_eq!(
        container.environment()["ACTIONS_RUNNER_INPUT_JITCONFIG"],
        REGISTRATION
    );
}

#[test]
fn a_parked_runner_asks_again_and_is_registered() {
    let parked = answer(202, "x-mayfly: 1\r\nRetry-After: 1\r\n", "");
    let (registrar, container) = ask(vec![parked.clone(), parked, mayfly(200, REGISTRATION)]);
    assert!(container.has_run(), "{}", container.log());
    assert_eq!(registrar.requests().len(), 3);
    assert_eq!(container.log().matches("parked").count(), 1);
}

#[test]
fn a_stop_marked_runner_ends_well_without_having_run() {
    let (_, mut container) = ask(vec![mayfly(204, "")]);
    assert_eq!((container.status(), container.has_run()), (0, false));
    assert_eq!(container.left_over(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_refusal_by_mayfly_ends_with_its_reason() {
    let (registrar, mut container) = ask(vec![mayfly(403, "runner\x1b[31m is closed\n")]);
    assert_eq!((container.status(), registrar.requests().len()), (1, 1));
    assert!(
        container.log().contains("runner [31m is closed"),
        "{}",
        container.log()
    );
}

#[test]
fn a_403_that_is_not_mayflys_has_its_own_exit_code() {
    let (registrar, mut container) = ask(vec![answer(403, "", r#"{"message":"Forbidden"}"#)]);
    assert_eq!((container.status(), registrar.requests().len()), (21, 3));
    assert!(
        container.log().contains("VPC endpoint"),
        "{}",
        container.log()
    );
}

#[test]
fn a_403_that_passes_costs_no_runner() {
    let forbidden = answer(403, "", r#"{"message":"Forbidden"}"#);
    let parked = answer(202, "x-mayfly: 1\r\nRetry-After: 1\r\n", "");
    let twice = [forbidden.clone(), forbidden];
    let replies = [
        &twice[..],
        &[parked],
        &twice[..],
        &[mayfly(200, REGISTRATION)],
    ]
    .concat();
    let (registrar, container) = ask(replies);
    assert!(container.has_run(), "{}", container.log());
    assert_eq!(registrar.requests().len(), 6);
}

#[test]
fn a_403_that_is_not_mayflys_is_asked_again_after_half_a_minute() {
    let registrar = Server::start(vec![answer(403, "Retry-After: 1\r\n", ""), mayfly(204, "")]);
    let identity = credentials();
    let image =
        Image::new(&registrar.url(), &identity.url()).set("MAYFLY_RETRY_MILLISECONDS", "20");
    assert_eq!(image.finish().status(), 0);
    assert!(
        gap(&registrar) >= Duration::from_millis(600),
        "{:?}",
        gap(&registrar)
    );
}

#[test]
fn a_second_registration_is_refused() {
    let (_, mut container) = ask(vec![mayfly(409, "")]);
    assert_eq!((container.status(), container.has_run()), (26, false));
}

#[test]
fn every_passing_trouble_is_asked_again() {
    let replies = vec![
        answer(429, "", ""),
        answer(500, "", "Internal Server Error"),
        answer(502, "x-mayfly: 1\r\n", ""),
        answer(503, "x-mayfly: 1\r\nRetry-After: 1\r\n", ""),
        answer(504, "", ""),
        Reply::Bytes(Vec::new()),
        Reply::Bytes(b"not http at all\r\n\r\n".to_vec()),
        mayfly(200, REGISTRATION),
    ];
    let count = replies.len();
    let (registrar, container) = ask(replies);
    assert!(container.has_run(), "{}", container.log());
    assert_eq!(registrar.requests().len(), count);
}

#[test]
fn half_an_answer_is_no_registration() {
    let half =
        b"HTTP/1.1 200 OK\r\nX-Mayfly: 1\r\nContent-Length: 9000\r\n\r\nQUJDQUJDQUJDQUJDQUJD"
            .to_vec();
    let (registrar, mut container) = ask(vec![Reply::Bytes(half), mayfly(409, "")]);
    assert_eq!(
        (
            container.status(),
            container.has_run(),
            registrar.requests().len()
        ),
        (26, false, 2)
    );
}

#[test]
fn a_hanging_registrar_is_left_and_asked_again() {
    let registrar = Server::start(vec![Reply::Hang, mayfly(200, REGISTRATION)]);
    let identity = credentials();
    let image = Image::new(&registrar.url(), &identity.url()).set("MAYFLY_REQUEST_SECONDS", "1");
    assert!(image.finish().has_run());
}

#[test]
fn retry_after_is_honoured() {
    let registrar = Server::start(vec![
        answer(503, "x-mayfly: 1\r\nRetry-After: 9\r\n", ""),
        mayfly(204, ""),
    ]);
    let identity = credentials();
    let image =
        Image::new(&registrar.url(), &identity.url()).set("MAYFLY_RETRY_MILLISECONDS", "50");
    assert_eq!(image.finish().status(), 0);
    assert!(
        gap(&registrar) >= Duration::from_millis(450),
        "{:?}",
        gap(&registrar)
    );
}

#[test]
fn a_huge_retry_after_is_cut_to_120_seconds() {
    let head = "x-mayfly: 1\r\nRetry-After: 99999999999999999999\r\n";
    let (registrar, mut container) = ask(vec![answer(202, head, ""), mayfly(204, "")]);
    assert_eq!(container.status(), 0);
    // 120 waits of 5 ms.
    assert!(
        gap(&registrar) >= Duration::from_millis(600),
        "{:?}",
        gap(&registrar)
    );
}

#[test]
fn a_retry_after_that_is_no_number_is_not_one() {
    let garbage = [
        "-5",
        "soon",
        "1.5",
        "Fri, 31 Dec 2100 23:59:59 GMT",
        "0",
        "08",
        "$(id)",
        "",
    ];
    let mut replies: Vec<Reply> = garbage
        .iter()
        .map(|value| answer(202, &format!("x-mayfly: 1\r\nRetry-After: {value}\r\n"), ""))
        .collect();
    replies.push(mayfly(204, ""));
    let (registrar, mut container) = ask(replies);
    assert_eq!(
        (container.status(), registrar.requests().len()),
        (0, garbage.len() + 1)
    );
}

#[test]
fn the_park_limit_ends_the_container_in_time() {
    let registrar = Server::start(vec![answer(202, "x-mayfly: 1\r\nRetry-After: 120\r\n", "")]);
    let identity = credentials();
    let image = Image::new(&registrar.url(), &identity.url())
        .set("MAYFLY_PARK_SECONDS", "1")
        .set("MAYFLY_RETRY_MILLISECONDS", "1000");
    let mut container = image.finish();
    assert_eq!(container.status(), 20, "{}", container.log());
    assert_eq!(container.left_over(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_registrar_that_nobody_runs_is_asked_until_the_park_limit() {
    let identity = credentials();
    // bash counts whole seconds: 2 are more than 1.
    let image = Image::new(&nobody(), &identity.url()).set("MAYFLY_PARK_SECONDS", "2");
    let mut container = image.finish();
    assert_eq!(container.status(), 20);
    assert_eq!(
        container.log().matches("refused").count(),
        1,
        "{}",
        container.log()
    );
    assert!(identity.requests().len() > 2);
}

#[test]
fn answers_that_are_no_registration_start_no_runner() {
    let flood = b"HTTP/1.1 200 OK\r\nX-Mayfly: 1\r\n\r\n".to_vec();
    let cases = [
        mayfly(200, "<html><body>Sign in to the network</body></html>"),
        mayfly(200, ""),
        mayfly(200, "QUJD"),
        mayfly(200, &format!("{REGISTRATION}\nACTIONS=1")),
        mayfly(200, &format!("{REGISTRATION} x")),
        mayfly(200, &"QUJD".repeat(20_000)),
        Reply::Flood(flood.clone(), b"QUJDQUJD".repeat(512)),
        Reply::Bytes([flood, b"QUJDQUJDQUJDQUJD\0QUJD".to_vec()].concat()),
        answer(200, "", REGISTRATION),
        answer(200, "x-mayfly: 2\r\n", REGISTRATION),
        answer(202, "", ""),
        answer(204, "", ""),
        answer(404, "", r#"{"message":"Not Found"}"#),
        mayfly(418, ""),
    ];
    for reply in cases {
        let (registrar, mut container) = ask(vec![reply]);
        assert_eq!(
            (container.status(), container.has_run()),
            (24, false),
            "{}",
            container.log()
        );
        assert_eq!(registrar.requests().len(), 1);
        assert_eq!(container.log().lines().count(), 1, "{}", container.log());
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![mayfly(200, REGISTRATION)]);
    for status in [301, 302, 307, 308] {
        let location = format!(
            "x-mayfly: 1\r\nLocation: {}/registration\r\n",
            elsewhere.url()
        );
        let (_, mut container) = ask(vec![answer(status, &location, "")]);
        assert_eq!((container.status(), container.has_run()), (24, false));
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

/// Runners that were started together would ask together for hours.
#[test]
fn each_wait_is_up_to_a_quarter_longer_than_was_asked_for_by_chance() {
    let parked = answer(202, "x-mayfly: 1\r\nRetry-After: 4\r\n", "");
    let registrar = Server::start([vec![parked; 12], vec![mayfly(204, "")]].concat());
    let identity = credentials();
    let slept = Image::new(&registrar.url(), &identity.url())
        .sleepless()
        .finish()
        .slept();
    assert!(
        slept.len() == 12 && slept.iter().all(|seconds| (4.0..=5.0).contains(seconds)),
        "{slept:?}"
    );
    assert!(
        slept
            .iter()
            .any(|seconds| seconds.total_cmp(&slept[0]).is_ne()),
        "{slept:?}"
    );
}

#[test]
fn waits_double_up_to_a_minute_begin_again_once_parked_and_are_never_longer_than_two_minutes() {
    let (down, parked) = (answer(503, "", ""), answer(202, "x-mayfly: 1\r\n", ""));
    let long = answer(503, "x-mayfly: 1\r\nRetry-After: 999\r\n", "");
    let registrar = Server::start(
        [
            vec![down.clone(); 8],
            vec![parked, down, long, mayfly(204, "")],
        ]
        .concat(),
    );
    let identity = credentials();
    let slept = Image::new(&registrar.url(), &identity.url())
        .sleepless()
        .finish()
        .slept();
    let wanted = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 1.0, 2.0, 120.0];
    let fits = slept
        .iter()
        .zip(wanted)
        .all(|(slept, wanted)| (wanted..=wanted * 1.25).contains(slept));
    assert!(slept.len() == wanted.len() && fits, "{slept:?}");
}
