//! The hook: asked by a run.sh that behaves as the runner does.

use crate::container::{Container, Image, credentials};
use crate::process::{children, eventually, find, signal};
use crate::server::{Reply, Server, answer, mayfly};
use crate::{REGISTRATION, SECRET, TOKEN};

/// The runner's way: main process, worker, hook without anything but the context's variables; a
/// step follows if the hook returns, whatever it returns. A shell lets what it starts with `&`
/// ignore SIGINT, which bash then cannot trap; the runner does not.
const RUNNER: &str = r#"
worker() {
  local name context=(RUNNER_NAME=mayfly-linux-x)
  for name in "${!GITHUB_@}"; do context+=("$name=${!name}"); done
  env -i --default-signal=INT "${context[@]}" /bin/bash -e "$ACTIONS_RUNNER_HOOK_JOB_STARTED"
  echo "$?" >"$HOME/step"
}
: >"$HOME/env"
worker &
wait $!
"#;

const ADMITTED: &str = r#"{"admitted": true}"#;
const REFUSED: &str =
    r#"{"admitted": false, "reason": "repository acme/other may not use pool linux"}"#;

fn image(registrar: &Server, identity: &str) -> Image {
    Image::new(&registrar.url(), identity)
        .run_sh(RUNNER)
        .set("MAYFLY_ADMISSION_SECONDS", "20")
        .set("GITHUB_RUN_ID", "9007199254740993")
        .set("GITHUB_RUN_ATTEMPT", "2")
        .set("GITHUB_REPOSITORY", "acme/app")
        .set("GITHUB_REPOSITORY_ID", "42")
        .set(
            "GITHUB_WORKFLOW_REF",
            "acme/app/.github/workflows/ci.yml@refs/heads/main",
        )
        .set("GITHUB_REF", "refs/heads/main")
        .set("GITHUB_EVENT_NAME", "push")
}

/// Gives up soon.
fn hasty(registrar: &Server, identity: &str) -> Image {
    image(registrar, identity).set("MAYFLY_ADMISSION_SECONDS", "1")
}

/// The replies that a hook gets after a registration that went well.
fn hook(replies: Vec<Reply>) -> Server {
    Server::start([vec![mayfly(200, REGISTRATION)], replies].concat())
}

/// Ends with SIGKILL from the hook; no step ran.
fn assert_refused(mut container: Container) -> Container {
    assert_eq!(container.status(), -9, "{}", container.log());
    assert_eq!(container.file("step"), None);
    container
}

#[test]
fn an_admitted_job_runs_and_finds_no_state() {
    let registrar = hook(vec![mayfly(200, ADMITTED)]);
    let identity = credentials();
    let mut container = image(&registrar, &identity.url()).finish();
    assert_eq!(container.status(), 0, "{}", container.log());
    assert_eq!(container.file("step").as_deref(), Some("0\n"));
    let folder = container.left_over().remove(0);
    assert!(folder.join("job-started.sh").exists() && !folder.join("state").exists());
    let request = &registrar.requests()[1];
    assert_eq!(request.line, "POST /admission HTTP/1.1");
    assert_eq!(request.header("accept"), "application/json");
    assert_eq!(
        request.body,
        r#"{"runner": "linux/01jd3x0000000000000000000a", "run_id": 9007199254740993, "run_attempt": 2, "repository_id": 42, "repository": "acme/app", "workflow_ref": "acme/app/.github/workflows/ci.yml@refs/heads/main", "ref": "refs/heads/main", "event": "push"}"#
    );
}

#[test]
fn hostile_values_stay_values() {
    let registrar = hook(vec![mayfly(200, ADMITTED)]);
    let identity = credentials();
    let reference = "refs/heads/a\"b\\c\nd\te\u{1}\u{7f}ü&'$(id)`\r\nurl = \"http://192.0.2.1\"";
    let container = image(&registrar, &identity.url())
        .set("GITHUB_REF", reference)
        .finish();
    assert_eq!(container.file("step").as_deref(), Some("0\n"));
    let body = &registrar.requests()[1].body;
    let expected = "\"ref\": \"refs/heads/a\\\"b\\\\c\\nd\\te\\u0001\u{7f}ü&'$(id)`\\r\\nurl = \\\"http://192.0.2.1\\\"\"";
    assert!(body.contains(expected), "{body}");
}

#[test]
fn a_refused_job_takes_no_step_and_the_main_process_dies() {
    for reply in [mayfly(403, REFUSED), mayfly(200, REFUSED)] {
        let registrar = hook(vec![reply]);
        let container = assert_refused(image(&registrar, &credentials().url()).finish());
        let log = container.log();
        assert!(
            log.contains("::error title=Mayfly::Mayfly refuses this job"),
            "{log}"
        );
        assert!(
            log.contains("repository acme/other may not use pool linux"),
            "{log}"
        );
    }
}

/// Killed at once, the runner would take the reason along, and no one would read why the job
/// failed.
#[test]
fn a_refusal_leaves_the_runner_time_to_send_its_reason() {
    let registrar = hook(vec![mayfly(403, REFUSED)]);
    let identity = credentials();
    let image = image(&registrar, &identity.url())
        .unset("ECS_CONTAINER_METADATA_URI_V4")
        .sleepless();
    let container = assert_refused(image.finish());
    assert!(
        (2.0..=2.5).contains(&container.slept()[0]),
        "{:?}",
        container.slept()
    );
}

#[test]
fn a_reason_cannot_speak_to_the_runner() {
    let registrar = hook(vec![mayfly(
        403,
        r#"{"admitted":false,"reason":"a\n::add-mask::b\u001b%0A::c::"}"#,
    )]);
    let container = assert_refused(image(&registrar, &credentials().url()).finish());
    assert!(
        container.log().contains(": a ::add-mask::b %250A::c::\n"),
        "{}",
        container.log()
    );
}

#[test]
fn a_refusal_does_not_return_not_even_when_the_job_is_cancelled() {
    let registrar = hook(vec![mayfly(403, REFUSED)]);
    let identity = credentials();
    let container = assert_refused(image(&registrar, &identity.url()).finish());
    let group = container.pid();
    let hook = eventually("the hook", || {
        find(group, |line| {
            line.contains("-e") && line.contains("job-started.sh")
        })
    });
    let mut sleeper = 0;
    for name in ["INT", "TERM", "HUP"] {
        signal(name, &hook.to_string());
        let next = || {
            children(group, hook)
                .into_iter()
                .find(|pid| *pid != sleeper)
        };
        sleeper = eventually("the hook's next round", next);
    }
    assert_eq!(container.file("step"), None);
}

#[test]
fn a_job_cancelled_while_the_hook_asks_takes_no_step() {
    for name in ["INT", "TERM"] {
        let registrar = hook(vec![Reply::Hang]);
        let identity = credentials();
        let container = image(&registrar, &identity.url()).start();
        registrar.wait_for(2);
        let group = container.pid();
        let hook = find(group, |line| {
            line.contains("-e") && line.contains("job-started.sh")
        })
        .unwrap();
        signal(name, &hook.to_string());
        assert_refused(container);
    }
}

#[test]
fn passing_trouble_is_asked_again() {
    let replies = vec![
        answer(503, "x-mayfly: 1\r\nRetry-After: 1\r\n", ""),
        answer(403, "", ""),
        Reply::Bytes(Vec::new()),
        mayfly(200, "<html>"),
        answer(200, "", ADMITTED),
        mayfly(200, ADMITTED),
    ];
    let registrar = hook(replies);
    let identity = credentials();
    let container = image(&registrar, &identity.url()).finish();
    assert_eq!(
        container.file("step").as_deref(),
        Some("0\n"),
        "{}",
        container.log()
    );
    assert_eq!(registrar.requests().len(), 7);
    assert!(
        !container.log().contains("::warning"),
        "{}",
        container.log()
    );
}

/// One request does not use up the time for all.
#[test]
fn a_registrar_that_hangs_once_is_asked_again() {
    let registrar = hook(vec![Reply::Hang, mayfly(200, ADMITTED)]);
    let identity = credentials();
    let container = image(&registrar, &identity.url())
        .set("MAYFLY_REQUEST_SECONDS", "1")
        .finish();
    assert_eq!(
        (
            container.file("step").as_deref(),
            registrar.requests().len()
        ),
        (Some("0\n"), 3),
        "{}",
        container.log()
    );
}

#[test]
fn a_broken_registrar_lets_the_job_run_where_the_pool_says_so() {
    for reply in [
        answer(500, "", ""),
        Reply::Hang,
        mayfly(200, "{}"),
        mayfly(204, ""),
    ] {
        let registrar = hook(vec![reply]);
        let identity = credentials();
        let container = hasty(&registrar, &identity.url()).finish();
        assert_eq!(
            container.file("step").as_deref(),
            Some("0\n"),
            "{}",
            container.log()
        );
        assert!(
            container.log().contains("::warning title=Mayfly::"),
            "{}",
            container.log()
        );
    }
}

#[test]
fn a_broken_registrar_ends_the_container_where_the_pool_fails_closed() {
    for reply in [
        answer(500, "", ""),
        Reply::Hang,
        mayfly(200, "{}"),
        answer(403, "", REFUSED),
    ] {
        let registrar = hook(vec![reply]);
        let identity = credentials();
        let container = hasty(&registrar, &identity.url())
            .set("MAYFLY_FAIL_CLOSED", "1")
            .finish();
        let container = assert_refused(container);
        assert!(
            container.log().contains("could not be asked"),
            "{}",
            container.log()
        );
    }
}

/// How long the hook is told to ask when no one says how long: a refusal costs a job, so it comes
/// later than permission.
#[test]
fn a_pool_that_fails_closed_asks_for_five_minutes_and_another_for_one() {
    for (closed, seconds) in [("0", 60), ("1", 300)] {
        let registrar = hook(vec![mayfly(200, ADMITTED)]);
        let identity = credentials();
        let look = "cp \"${ACTIONS_RUNNER_HOOK_JOB_STARTED%/*}/state\" \"$HOME/state\"";
        let image = image(&registrar, &identity.url())
            .unset("MAYFLY_ADMISSION_SECONDS")
            .set("MAYFLY_FAIL_CLOSED", closed);
        let state = image.run_sh(look).finish().file("state").unwrap();
        assert!(
            state.contains(&format!("\nadmission_seconds={seconds}\n")),
            "{state}"
        );
    }
}

#[test]
fn credentials_that_are_gone_are_trouble_like_any_other() {
    let registrar = hook(vec![mayfly(200, ADMITTED)]);
    let good = answer(200, "", &crate::container::credentials_json());
    let identity = Server::start(vec![good, answer(404, "", "")]);
    assert_refused(
        hasty(&registrar, &identity.url())
            .set("MAYFLY_FAIL_CLOSED", "1")
            .finish(),
    );
    assert_eq!(registrar.requests().len(), 1);
}

#[test]
fn a_runner_that_tells_no_run_is_trouble_too() {
    for (name, value) in [
        ("GITHUB_RUN_ID", ""),
        ("GITHUB_REPOSITORY_ID", "4x"),
        ("GITHUB_RUN_ATTEMPT", "a[$(id)]"),
    ] {
        let registrar = hook(vec![mayfly(200, ADMITTED)]);
        let identity = credentials();
        let broken = image(&registrar, &identity.url()).set(name, value);
        assert_refused(broken.set("MAYFLY_FAIL_CLOSED", "1").finish());
        assert_eq!(registrar.requests().len(), 1);
    }
}

#[test]
fn a_hook_without_its_state_admits_nothing() {
    let registrar = hook(vec![mayfly(200, ADMITTED)]);
    let identity = credentials();
    let twice = format!("rm \"${{ACTIONS_RUNNER_HOOK_JOB_STARTED%/*}}/state\"\n{RUNNER}");
    let container = image(&registrar, &identity.url()).run_sh(&twice).start();
    eventually("the hook's word", || {
        container.log().contains("has no state").then_some(())
    });
    assert_eq!(
        (container.file("step"), registrar.requests().len()),
        (None, 1)
    );
}

#[test]
fn the_hooks_log_holds_no_secret() {
    let registrar = hook(vec![answer(403, "", TOKEN)]);
    let identity = credentials();
    let container = hasty(&registrar, &identity.url()).finish();
    for secret in [SECRET, TOKEN, REGISTRATION] {
        assert!(!container.log().contains(secret), "{}", container.log());
    }
}

#[test]
fn the_hook_asks_past_proxies() {
    let trap = Server::start(vec![mayfly(200, ADMITTED)]);
    let registrar = hook(vec![mayfly(403, REFUSED)]);
    let identity = credentials();
    let mut image = image(&registrar, &identity.url());
    for name in ["http_proxy", "all_proxy", "ALL_PROXY"] {
        image = image.set(name, &trap.url());
    }
    assert_refused(image.finish());
    assert_eq!(trap.requests().len(), 0);
}
