//! What an image and a task definition can get wrong.

use crate::REGISTRATION;
use crate::container::{Container, Image, credentials, root};
use crate::server::{Server, mayfly};

/// Runs a container that is changed in one place; nothing may be asked.
fn refused(change: impl Fn(Image) -> Image) -> Container {
    refused_with(22, change)
}

fn refused_with(code: i32, change: impl Fn(Image) -> Image) -> Container {
    let identity = credentials();
    let registrar = Server::start(vec![mayfly(200, REGISTRATION)]);
    let mut container = change(Image::new(&registrar.url(), &identity.url())).finish();
    assert_eq!(container.status(), code, "{}", container.log());
    assert_eq!(container.log().lines().count(), 1, "{}", container.log());
    assert_eq!(
        (identity.requests().len(), registrar.requests().len()),
        (0, 0)
    );
    assert_eq!(container.left_over(), Vec::<std::path::PathBuf>::new());
    container
}

#[test]
fn a_missing_variable_is_named() {
    for name in ["MAYFLY_URL", "MAYFLY_RUNNER", "MAYFLY_REGION"] {
        assert!(refused(|image| image.unset(name)).log().contains(name));
    }
}

#[test]
fn a_variable_that_makes_no_sense_is_named() {
    let cases = [
        ("MAYFLY_URL", "http://192.0.2.1"),
        ("MAYFLY_URL", "http://127.0.0.1@192.0.2.1"),
        ("MAYFLY_URL", "https://a b"),
        ("MAYFLY_URL", "https://host/x\"\nurl = \"http://192.0.2.1"),
        ("MAYFLY_RUNNER", "linux"),
        ("MAYFLY_RUNNER", "linux/a\", \"x\": \""),
        ("MAYFLY_REGION", "eu:central"),
        ("MAYFLY_PARK_SECONDS", "x[$(id)]"),
        ("MAYFLY_PARK_SECONDS", "0"),
        ("MAYFLY_FAIL_CLOSED", "yes"),
        ("MAYFLY_OWN_ROLE", "true"),
        ("MAYFLY_RUNNER_HOME", "/nowhere"),
        ("TMPDIR", "/nowhere"),
    ];
    for (name, value) in cases {
        let container = refused(|image| image.set(name, value));
        assert!(
            container.log().contains(name),
            "{name}={value}: {}",
            container.log()
        );
    }
}

#[test]
fn an_image_without_run_sh_costs_no_registration() {
    assert!(refused(|image| image.run_sh("")).log().contains("run.sh"));
}

#[test]
fn an_image_that_runs_as_root_costs_no_registration() {
    if root() {
        let container = refused_with(25, |image| image.unset("RUNNER_ALLOW_RUNASROOT"));
        assert!(
            container.log().contains("root") && container.log().contains("USER"),
            "{}",
            container.log()
        );
        refused_with(25, |image| image.set("RUNNER_ALLOW_RUNASROOT", ""));
    }
}

#[test]
fn an_image_whose_user_may_not_write_the_runners_folder_costs_no_registration() {
    if !root() {
        return;
    }
    let plain = |image: Image| image.user(65534).unset("RUNNER_ALLOW_RUNASROOT");
    let container = refused_with(25, plain);
    assert!(
        container.log().contains("cannot be written") && container.log().contains("65534"),
        "{}",
        container.log()
    );
    for left in ["_diag", "_work", ".credentials"] {
        let container = refused_with(25, |image| {
            let image = plain(image).owned();
            std::fs::create_dir(image.path().join(left)).unwrap();
            image
        });
        assert!(container.log().contains(left), "{}", container.log());
    }
}

#[test]
fn an_image_whose_user_owns_the_runners_folder_gets_its_registration() {
    if root() {
        let (identity, registrar) = (
            credentials(),
            Server::start(vec![mayfly(200, REGISTRATION)]),
        );
        let image = Image::new(&registrar.url(), &identity.url())
            .user(65534)
            .unset("RUNNER_ALLOW_RUNASROOT")
            .owned();
        assert!(image.finish().has_run());
    }
}

#[test]
fn a_task_definition_without_the_hook_costs_no_registration() {
    assert!(
        refused(Image::without_hook)
            .log()
            .contains("job-started.sh")
    );
}

#[test]
fn an_image_without_curl_says_what_to_do() {
    let container = refused(|image| image.set("PATH", "/nowhere"));
    assert!(
        container.log().contains("curl is not in this image"),
        "{}",
        container.log()
    );
}

#[test]
fn a_curl_that_cannot_sign_says_which_one_can() {
    let old = "echo 'curl 7.74.0 (x86_64-pc-linux-gnu) libcurl/7.74.0'";
    assert!(
        refused(|image| image.program("curl", old))
            .log()
            .contains("7.75")
    );
}
