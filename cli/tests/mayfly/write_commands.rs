//! The commands that change something, as far as they come without AWS: wrong arguments, and what
//! is refused before AWS is asked.

use std::process::{Command, Output, Stdio};

fn called(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("bad.toml"),
        "[pools.linux]\nlabels = 7\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("good.toml"), GOOD).unwrap();
    let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap());
    command
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    // No one's credentials, and nowhere to find any.
    command
        .env_clear()
        .env("HOME", folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command.output().unwrap()
}

const GOOD: &str = r#"
[github]
accounts = ["acme"]
[pools.linux]
labels = ["mayfly"]
cpu = 2
memory = "8 GiB"
max = 5
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Exit code and stderr; nothing went to stdout.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = called(arguments);
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn what_is_called_wrongly_fails_and_says_how_it_is_called() {
    let wrong: [&[&str]; 16] = [
        &["plan"],
        &["plan", "--exit-code"],
        &["plan", "--json", "--format", "github", "good.toml"],
        &["plan", "a", "b"],
        &["apply"],
        &["apply", "--force", "good.toml"],
        &["apply", "--version", "7", "good.toml"],
        &["apply", "--version", "0"],
        &["stop"],
        &["stop", "--yes", "01kb"],
        &["retry"],
        &["retry", "abc"],
        &["retry", "https://github.com/acme/app/actions/runs/15871"],
        &["logs"],
        &["pools", "--version", "3"],
        &["pools", "--file", "--version", "0"],
    ];
    for arguments in wrong {
        let (code, said) = refused(arguments);
        assert!(
            code == 1 && said.contains("--help"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_job_that_is_none_is_told_with_an_example() {
    let (_, said) = refused(&["retry", "https://github.com/acme/app/actions/runs/15871"]);
    assert!(
        said.contains("/actions/runs/15871/job/43821: this is a run, open one of its jobs"),
        "{said}"
    );
}

#[test]
fn every_command_has_examples() {
    for command in ["plan", "apply", "stop", "retry", "logs", "pools"] {
        let output = called(&[command, "--help"]);
        let said = text(&output.stdout);
        assert!(
            output.status.success() && said.contains(&format!("Examples:\n  mayfly {command}")),
            "{command}: {said}"
        );
    }
}

#[test]
fn without_a_terminal_nothing_is_confirmed() {
    let (code, said) = refused(&["apply", "good.toml"]);
    assert_eq!(
        (code, said.as_str()),
        (
            1,
            "error: there is no terminal to ask for confirmation\n  pass --yes to apply without confirmation\n"
        )
    );
}

#[test]
fn a_file_that_cannot_be_used_is_refused_before_aws_is_asked() {
    for arguments in [
        &["plan", "bad.toml"][..],
        &["apply", "--yes", "bad.toml"],
        &["plan", "nowhere.toml"],
    ] {
        let (code, said) = refused(arguments);
        assert!(
            code == 1 && !said.contains("region"),
            "{arguments:?}: {said}"
        );
    }
    let (_, said) = refused(&["apply", "--yes", "bad.toml"]);
    assert!(
        said.contains("bad.toml:2:") && said.contains("nothing was changed: fix the file first"),
        "{said}"
    );
}

#[test]
fn without_a_region_it_is_said_what_to_do() {
    for arguments in [
        &["pools"][..],
        &["plan", "good.toml"],
        &["apply", "--yes", "good.toml"],
        &["stop", "01kb"],
        &["retry", "1"],
        &["logs", "1"],
    ] {
        let (code, said) = refused(arguments);
        assert!(
            code == 1 && said.starts_with("error: no AWS region is set\n  pass --region"),
            "{arguments:?}: {said}"
        );
    }
}
