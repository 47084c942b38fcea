//! What an image and a task definition can get wrong.

use crate::REGISTRATION;
use crate::container::{Container, Image, credentials};
use crate::server::{Server, mayfly};

/// Runs a container that is changed in one place; nothing may be asked.
fn refused(change: impl Fn(Image) -> Image) -> Container {
    let identity = credentials();
    let registrar = Server::start(vec![mayfly(200, REGISTRATION)]);
    let mut container = change(Image::new(&registrar.url(), &identity.url())).finish();
    assert_eq!(container.status(), 22, "{}", container.log());
    assert_eq!(container.log().lines().count(), 1, "{}", container.log());
    assert_eq!((identity.requests().len(), registrar.requests().len()), (0, 0));
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
        assert!(container.log().contains(name), "{name}={value}: {}", container.log());
    }
}

#[test]
fn an_image_without_run_sh_costs_no_registration() {
    assert!(refused(|image| image.run_sh("")).log().contains("run.sh"));
}

#[test]
fn a_task_definition_without_the_hook_costs_no_registration() {
    assert!(refused(Image::without_hook).log().contains("job-started.sh"));
}

#[test]
fn an_image_without_curl_says_what_to_do() {
    let container = refused(|image| image.set("PATH", "/nowhere"));
    assert!(container.log().contains("curl is not in this image"), "{}", container.log());
}

#[test]
fn a_curl_that_cannot_sign_says_which_one_can() {
    let old = "echo 'curl 7.74.0 (x86_64-pc-linux-gnu) libcurl/7.74.0'";
    assert!(refused(|image| image.program("curl", old)).log().contains("7.75"));
}
