//! `mayfly init` and `mayfly rotate`, as far as they come without AWS: what they are called with,
//! and what they refuse at once.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Exit code and stderr; nowhere is AWS to be found.
fn mayfly(arguments: &[&str], stdin: &str) -> (i32, String) {
    let mut child = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap())
        .args(arguments)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who refuses at once reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn an_app_s_id_and_its_key_come_together() {
    for arguments in [
        &["init", "--app-id", "1"][..],
        &["init", "--private-key-file", "app.pem"],
        &["init", "--webhook-secret-stdin"],
        &[
            "init",
            "--app-id",
            "1",
            "--private-key-file",
            "app.pem",
            "--no-browser",
        ],
        &["init", "--app-id", "one", "--private-key-file", "app.pem"],
        &["init", "--scope", "enterprise"],
        &["rotate"],
        &["rotate", "key"],
    ] {
        assert_eq!(mayfly(arguments, "").0, 1, "{arguments:?}");
    }
}

#[test]
fn a_key_is_looked_at_before_anybody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.pem");
    std::fs::write(&file, "hush").unwrap();
    let file = file.to_str().unwrap();
    for arguments in [
        &["init", "--app-id", "1", "--private-key-file", file][..],
        &["rotate", "key", "--private-key-file", file],
    ] {
        let (code, said) = mayfly(arguments, "");
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("is not an RSA private key in PEM form") && !said.contains("hush"),
            "{said}"
        );
    }
    let (code, said) = mayfly(&["rotate", "key", "--private-key-file", "-"], "hush");
    assert!(
        code == 1 && said.contains("- is not an RSA private key") && !said.contains("hush"),
        "{said}"
    );
    let (code, said) = mayfly(
        &[
            "init",
            "--app-id",
            "1",
            "--private-key-file",
            "/nowhere/app.pem",
        ],
        "",
    );
    assert!(code == 1 && said.contains("/nowhere/app.pem"), "{said}");
}

#[test]
fn two_secrets_cannot_share_stdin() {
    let (code, said) = mayfly(
        &[
            "init",
            "--app-id",
            "1",
            "--private-key-file",
            "-",
            "--webhook-secret-stdin",
        ],
        "",
    );
    assert!(
        code == 1 && said.contains("cannot both come from stdin"),
        "{said}"
    );
}

#[test]
fn without_aws_nothing_is_begun() {
    for arguments in [
        &["init"][..],
        &["init", "--no-browser", "--organization", "acme"],
        &["rotate", "webhook-secret"],
    ] {
        let (code, said) = mayfly(arguments, "");
        assert!(code == 1 && said.contains("no AWS region is set"), "{said}");
    }
}

#[test]
fn a_pools_file_that_exists_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pools.toml");
    std::fs::write(&file, "mine").unwrap();
    let init = |arguments: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap());
        command
            .arg("init")
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null());
        let output = command
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let refused = "pools.toml exists already\n  mayfly init does not overwrite it: pass --out with another name, or --out - for stdout\n";
    assert_eq!(init(&[]), format!("error: {refused}"));
    assert_eq!(init(&["--out", "pools.toml"]), format!("error: {refused}"));
    // Whatever else is missing here, it is not the file's name.
    for arguments in [&["--out", "-"][..], &["--out", "other.toml"], &["--json"]] {
        assert!(
            init(arguments).contains("no AWS region is set"),
            "{arguments:?}"
        );
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
