//! SIGTERM while the container waits: ECS kills what has not ended 30 s later.

use std::time::{Duration, Instant};

use crate::container::{Container, Image, credentials};
use crate::process::{eventually, find, members, signal};
use crate::server::{Reply, Server, answer};

/// The container must end by itself, far sooner than what it was waiting for.
fn stop(mut container: Container) {
    let before = Instant::now();
    signal("TERM", &container.pid().to_string());
    assert_eq!(container.status(), 0, "{}", container.log());
    assert!(before.elapsed() < Duration::from_secs(10));
    assert!(
        container.log().contains("told to stop"),
        "{}",
        container.log()
    );
    assert_eq!(container.left_over(), Vec::<std::path::PathBuf>::new());
    assert!(!container.has_run());
    let group = container.pid();
    eventually("the end of curl and sleep", || {
        members(group).is_empty().then_some(())
    });
}

fn image(registrar: &Server, identity: &Server) -> Image {
    Image::new(&registrar.url(), &identity.url()).set("MAYFLY_RETRY_MILLISECONDS", "1000")
}

#[test]
fn sigterm_while_parked_ends_at_once() {
    let registrar = Server::start(vec![answer(202, "x-mayfly: 1\r\nRetry-After: 120\r\n", "")]);
    let container = image(&registrar, &credentials()).start();
    let group = container.pid();
    eventually("the wait between two requests", || {
        find(group, |line| line.starts_with("sleep "))
    });
    stop(container);
}

#[test]
fn sigterm_while_the_registrar_hangs_ends_at_once() {
    let registrar = Server::start(vec![Reply::Hang]);
    let container = image(&registrar, &credentials()).start();
    registrar.wait_for(1);
    stop(container);
}

#[test]
fn sigterm_while_the_credentials_endpoint_hangs_ends_at_once() {
    let registrar = Server::start(vec![Reply::Hang]);
    let identity = Server::start(vec![Reply::Hang]);
    let container = image(&registrar, &identity).start();
    identity.wait_for(1);
    stop(container);
}

#[test]
fn sigterm_reaches_the_runner_once_it_runs() {
    let registrar = Server::start(vec![crate::server::mayfly(200, crate::REGISTRATION)]);
    let trap = "trap 'exit 42' TERM; : >\"$HOME/env\"; while :; do sleep 0.01; done";
    let mut container = image(&registrar, &credentials()).run_sh(trap).start();
    eventually("the runner", || container.has_run().then_some(()));
    signal("TERM", &container.pid().to_string());
    assert_eq!(container.status(), 42);
}
