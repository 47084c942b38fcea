//! The file `.env` beside the runner. The runner sets its lines over the environment, the hook's
//! included. Source: actions/runner, src/Runner.Listener/Program.cs, LoadAndSetEnv.

use crate::REGISTRATION;
use crate::container::{Container, Image, credentials};
use crate::server::{Reply, Server, mayfly};

/// Reads `.env` as the runner does, then runs the hook and a step.
const RUNNER: &str = r#"
while IFS= read -r line || [[ -n $line ]]; do
  [[ $line == ?*=* ]] || continue
  if [[ -n ${line#*=} ]]; then export "${line%%=*}=${line#*=}"; else unset "${line%%=*}"; fi
done < <(cd "${0%/*}" && cat .env 2>/dev/null)
env -0 >"$HOME/env"
cp "${ACTIONS_RUNNER_HOOK_JOB_STARTED%/*}/state" "$HOME/state" 2>/dev/null
[[ -z ${ACTIONS_RUNNER_HOOK_JOB_STARTED:-} ]] || /bin/bash -e "$ACTIONS_RUNNER_HOOK_JOB_STARTED"
echo ran >"$HOME/step"
"#;

/// A container of a pool that fails closed, whose image has this `.env`. Mayfly refuses whatever
/// job it is asked about.
fn run(dot_env: &[u8], change: impl Fn(Image) -> Image) -> (Container, Vec<String>) {
    let refused = mayfly(403, r#"{"admitted": false, "reason": "not here"}"#);
    let (registrar, identity) = (
        Server::start(vec![mayfly(200, REGISTRATION), refused]),
        credentials(),
    );
    let image = Image::new(&registrar.url(), &identity.url())
        .run_sh(RUNNER)
        .set("MAYFLY_FAIL_CLOSED", "1")
        .set("MAYFLY_ADMISSION_SECONDS", "20")
        .set("GITHUB_RUN_ID", "1")
        .set("GITHUB_RUN_ATTEMPT", "1")
        .set("GITHUB_REPOSITORY_ID", "1")
        .file(".env", dot_env);
    let container = change(image).finish();
    (
        container,
        registrar
            .requests()
            .iter()
            .map(|request| request.line.clone())
            .collect(),
    )
}

/// Ends before anything is asked, and says which line is to go.
fn assert_refused((mut container, asked): (Container, Vec<String>), name: &str) {
    assert_eq!(
        (container.status(), asked.len(), container.file("step")),
        (22, 0, None),
        "{name}: {}",
        container.log()
    );
    assert_eq!(container.log().lines().count(), 1, "{}", container.log());
    assert!(
        container.log().contains(".env sets ") && container.log().contains(name),
        "{name}: {}",
        container.log()
    );
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once('\u{feff}')
        .chain(text.chars())
        .flat_map(|letter| u16::try_from(u32::from(letter)).unwrap().to_le_bytes())
        .collect()
}

#[test]
fn an_image_cannot_take_the_admission_hook_away() {
    const HOOK: &str = "ACTIONS_RUNNER_HOOK_JOB_STARTED";
    for line in ["=/opt/runner/cleanup.sh", "="] {
        let line = format!("{HOOK}{line}");
        let texts = [
            line.clone(),
            format!("{line}\n"),
            format!("LANG=C.UTF-8\r\n{line}\r\n"),
            format!("LANG=C.UTF-8\r{line}"),
            format!("\u{feff}{line}\n"),
        ];
        for text in texts {
            assert_refused(run(text.as_bytes(), |image| image), HOOK);
        }
        assert_refused(run(&utf16(&line), |image| image), HOOK);
    }
}

#[test]
fn nothing_that_mayfly_sets_is_left_to_the_file() {
    for name in [
        "ACTIONS_RUNNER_INPUT_JITCONFIG",
        "actions_runner_input_jitconfig",
        "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "MAYFLY_FAIL_CLOSED",
        "BASH_ENV",
    ] {
        assert_refused(run(format!("{name}=x\n").as_bytes(), |image| image), name);
    }
}

#[test]
fn the_file_is_found_where_the_runner_finds_it() {
    use std::os::unix::fs::symlink;
    // run.sh is a link into the folder where the runner really is.
    let linked = |image: Image| {
        let (home, real) = (image.path().to_path_buf(), image.path().join("real"));
        std::fs::create_dir_all(&real).unwrap();
        std::fs::rename(home.join(".env"), real.join(".env")).unwrap();
        std::fs::write(real.join("run.sh"), "#!/bin/bash\n").unwrap();
        std::fs::set_permissions(
            real.join("run.sh"),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        symlink("real/run.sh", home.join("run.sh")).unwrap();
        image.run_sh("")
    };
    assert_refused(
        run(b"ACTIONS_RUNNER_HOOK_JOB_STARTED=", linked),
        "ACTIONS_RUNNER_HOOK_JOB_STARTED",
    );
    // The runner's program is: it looks beside the folder that it is in.
    let elsewhere = |image: Image| {
        let (home, real) = (image.path().to_path_buf(), image.path().join("real"));
        std::fs::create_dir_all(real.join("bin.2.338.1")).unwrap();
        std::fs::rename(home.join(".env"), real.join(".env")).unwrap();
        std::fs::write(real.join("bin.2.338.1/Runner.Listener"), "").unwrap();
        symlink("real/bin.2.338.1", home.join("bin")).unwrap();
        image
    };
    assert_refused(
        run(b"ACTIONS_RUNNER_HOOK_JOB_STARTED=", elsewhere),
        "ACTIONS_RUNNER_HOOK_JOB_STARTED",
    );
}

#[test]
fn what_belongs_to_the_image_stays_and_the_job_is_asked_about() {
    let text = "# ACTIONS_RUNNER_HOOK_JOB_STARTED=/a/comment\nLANG=C.UTF-8\n=x\nno line\nACTIONS_RUNNER_HOOK_JOB_COMPLETED=/opt/cleanup.sh\nX=a=b c\n";
    let (mut container, asked) = run(text.as_bytes(), |image| image);
    assert_eq!(container.status(), -9, "{}", container.log());
    assert_eq!(
        asked,
        ["POST /registration HTTP/1.1", "POST /admission HTTP/1.1"]
    );
    assert_eq!(
        (
            container.file("step"),
            container.environment()["X"].as_str()
        ),
        (None, "a=b c")
    );
}

#[test]
fn an_unreadable_file_is_found_before_a_registration_is_taken() {
    if !crate::container::root() {
        return;
    }
    let closed = |image: Image| {
        let image = image.user(65534).unset("RUNNER_ALLOW_RUNASROOT").owned();
        let path = image.path().join(".env");
        std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        image
    };
    let (mut container, asked) = run(b"LANG=C\n", closed);
    assert_eq!(
        (container.status(), asked.len()),
        (25, 0),
        "{}",
        container.log()
    );
    assert!(
        container.log().contains(".env cannot be read"),
        "{}",
        container.log()
    );
}

#[test]
fn proxies_and_certificates_of_the_file_count_for_mayflys_own_requests() {
    let proxy = Server::start(vec![Reply::Bytes(b"HTTP/1.1 502 No\r\n\r\n".to_vec())]);
    let identity = credentials();
    let mut container = Image::new("https://registrar.invalid", &identity.url())
        .set("MAYFLY_PARK_SECONDS", "1")
        .set("https_proxy", "http://127.0.0.1:9")
        .file(".env", format!("https_proxy={}\n", proxy.url()).as_bytes())
        .finish();
    assert_eq!(container.status(), 20, "{}", container.log());
    assert!(
        proxy.requests()[0]
            .line
            .starts_with("CONNECT registrar.invalid:443"),
        "{:?}",
        proxy.requests()[0]
    );

    let text = "https_proxy=http://proxy.corp:3128\nSSL_CERT_FILE=/etc/corp.pem\nno_proxy=\n";
    let (container, _) = run(text.as_bytes(), |image| image.set("no_proxy", "*"));
    let state = container.file("state").unwrap();
    assert!(
        state.contains("env:https_proxy=http://proxy.corp:3128\n")
            && state.contains("env:SSL_CERT_FILE=/etc/corp.pem\n"),
        "{state}"
    );
    assert!(!state.contains("env:no_proxy"), "{state}");
}
