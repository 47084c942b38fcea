//! Where secrets may not show up.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::container::{Container, Image, ask, credentials};
use crate::process::{command_line, eventually, find, members};
use crate::server::{Reply, Server, answer, mayfly};
use crate::{REGISTRATION, SECRET, TOKEN};

fn assert_clean(text: &str) {
    for secret in [SECRET, TOKEN, REGISTRATION] {
        assert!(!text.contains(secret), "a secret in {text}");
    }
}

/// Every file below the container's directory but what run.sh wrote for the test.
fn files(container: &Container) -> String {
    let mut text = String::new();
    let mut folders = vec![container.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "env") {
                text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
            }
        }
    }
    text
}

#[test]
fn no_command_line_holds_a_secret_while_a_request_runs() {
    let registrar = Server::start(vec![Reply::Hang]);
    let identity = credentials();
    let container = Image::new(&registrar.url(), &identity.url()).start();
    registrar.wait_for(1);
    let group = container.pid();
    let curl = eventually("curl", || find(group, |line| line.starts_with("curl ")));
    assert_eq!(command_line(curl).unwrap(), "curl -q --config - ");
    let lines: Vec<String> = members(group)
        .into_iter()
        .filter_map(command_line)
        .collect();
    assert_clean(&lines.concat());
    assert_clean(&files(&container));
}

#[test]
fn no_log_and_no_file_holds_a_secret() {
    let troubles = vec![
        answer(500, "", TOKEN),
        Reply::Bytes(Vec::new()),
        mayfly(200, REGISTRATION),
    ];
    let endings = vec![
        answer(403, "", TOKEN),
        answer(404, "", TOKEN),
        mayfly(200, &format!("{REGISTRATION} ")),
    ];
    for replies in std::iter::once(troubles).chain(endings.into_iter().map(|reply| vec![reply])) {
        let (_, container) = ask(replies);
        assert_clean(&container.log());
        assert_clean(&files(&container));
    }
}

#[test]
fn tracing_by_the_images_environment_shows_no_secret() {
    let registrar = Server::start(vec![mayfly(200, REGISTRATION)]);
    let identity = credentials();
    let image = Image::new(&registrar.url(), &identity.url()).set("SHELLOPTS", "xtrace:verbose");
    let container = image.finish();
    assert!(container.has_run());
    // `env -0` in run.sh is traced, too, but its output goes to a file.
    assert_clean(&container.log());
}

#[test]
fn the_job_does_not_get_what_it_does_not_need() {
    let registrar = Server::start(vec![mayfly(200, REGISTRATION)]);
    let identity = credentials();
    let image = Image::new(&registrar.url(), &identity.url())
        .set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token")
        .set("MAYFLY_FAIL_CLOSED", "1")
        .set("request", "the image's own")
        .set("setting", "the image's own")
        .set("child", "the image's own")
        .set("REPLY", "the image's own")
        .set("LC_ALL", "C.UTF-8");
    let container = image.finish();
    let environment = container.environment();
    let strangers: Vec<&String> = environment
        .keys()
        .filter(|name| name.starts_with("MAYFLY_") || name.starts_with("AWS_"))
        .collect();
    assert_eq!(strangers, Vec::<&String>::new());
    for name in ["request", "setting", "child", "REPLY"] {
        assert_eq!(environment[name], "the image's own");
    }
    assert_eq!(environment["LC_ALL"], "C.UTF-8");
    let ours = [
        "ACTIONS_RUNNER_HOOK_JOB_STARTED",
        "ACTIONS_RUNNER_INPUT_JITCONFIG",
    ];
    assert!(ours.iter().all(|name| environment.contains_key(*name)));
    assert!(container.file("umask").unwrap().trim() != "0077");
}

#[test]
fn a_pool_with_its_own_role_keeps_the_credentials_variables() {
    let registrar = Server::start(vec![mayfly(200, REGISTRATION)]);
    let identity = credentials();
    let container = Image::new(&registrar.url(), &identity.url())
        .set("MAYFLY_OWN_ROLE", "1")
        .finish();
    assert_eq!(
        container.environment()["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        identity.url()
    );
}

#[test]
fn hook_and_state_are_readable_by_their_user_only() {
    let (_, container) = ask(vec![mayfly(200, REGISTRATION)]);
    let hook = container.environment()["ACTIONS_RUNNER_HOOK_JOB_STARTED"].clone();
    let folder = std::path::Path::new(&hook).parent().unwrap();
    for (path, mode) in [
        (folder.to_path_buf(), 0o700),
        (folder.join("state"), 0o600),
        (hook.into(), 0o600),
    ] {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode,
            "{}",
            path.display()
        );
    }
}

#[test]
fn neither_proxies_nor_curlrc_get_between() {
    let trap = Server::start(vec![mayfly(200, "QUJDQUJDQUJDQUJDQUJDQUJD")]);
    let registrar = Server::start(vec![mayfly(200, REGISTRATION)]);
    let identity = credentials();
    let mut image = Image::new(&registrar.url(), &identity.url());
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        image = image.set(name, &trap.url());
    }
    let home = image.path().to_str().unwrap().to_owned();
    let dump = format!(
        "proxy = \"{}\"\ntrace = \"{home}/trace\"\nlocation\nheader = \"X: y\"\n",
        trap.url()
    );
    fs::write(image.path().join(".curlrc"), dump).unwrap();
    let container = image
        .set("CURL_HOME", &home)
        .set("XDG_CONFIG_HOME", &home)
        .finish();
    assert_eq!(
        container.environment()["ACTIONS_RUNNER_INPUT_JITCONFIG"],
        REGISTRATION
    );
    assert_eq!(trap.requests().len(), 0);
    assert_eq!(registrar.requests()[0].header("x"), "");
    assert_eq!(container.file("trace"), None);
}
