//! The commands that ask, as far as they come without AWS: what is called wrongly, and what is said
//! when no one can be asked.

use std::process::{Command, Stdio};

/// Exit code, stdout and stderr, without credentials and without anywhere to find any.
fn called(arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap());
    command
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    command
        .env_clear()
        .env("HOME", folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn what_is_called_wrongly_fails_and_asks_nobody() {
    let wrong: [&[&str]; 23] = [
        &["explain"],
        &["explain", ""],
        &["explain", "0"],
        &["explain", "--", "-7"],
        &["explain", "abc"],
        &["explain", "99999999999999999999"],
        &["explain", "1", "2"],
        &["explain", "https://github.com/acme/app"],
        &["explain", "https://github.com/acme/app/actions/runs/15871"],
        &["explain", "github.com/acme/app/actions/runs/15871/job/7"],
        &["jobs", "--since", "yesterday"],
        &["jobs", "--since", "0s"],
        &["jobs", "--state", "done"],
        &["jobs", "--repository", "app"],
        &["jobs", "--pool", "No Pool"],
        &["jobs", "--limit", "-1"],
        &["runners", "--state", "queued"],
        &["runners", "--since", "1 fortnight"],
        &["status", "--watch=0"],
        &["status", "--watch=1d"],
        &["status", "--watch", "0"],
        &["match"],
        &["match", "mayfly", "--repository", "app"],
    ];
    for arguments in wrong {
        let (code, answer, said) = called(arguments);
        assert_eq!((code, answer.as_str()), (1, ""), "{arguments:?}: {said}");
        assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    }
}

#[test]
fn without_a_region_or_credentials_it_is_said_what_to_do() {
    let commands: [&[&str]; 5] = [
        &["jobs"],
        &["runners"],
        &["status"],
        &["explain", "7"],
        &["match", "mayfly"],
    ];
    for arguments in commands {
        let (code, answer, said) = called(arguments);
        assert_eq!((code, answer.as_str()), (1, ""), "{arguments:?}: {said}");
        assert_eq!(
            said,
            "error: no AWS region is set\n  pass --region, set AWS_REGION, or set one in the profile (aws configure)\n"
        );
        let (code, answer, said) = called(&[arguments, &["--region", "us-east-1"]].concat());
        assert_eq!((code, answer.as_str()), (1, ""), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: there are no AWS credentials\n  sign in"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}

/// The options of a command come before those that every command has, and no paragraph is broken by
/// hand: lines are as long as the terminal is wide.
#[test]
fn help_has_the_command_s_own_options_first_and_whole_paragraphs() {
    for command in [
        "init", "check", "match", "jobs", "runners", "status", "pools", "plan", "apply", "logs",
        "stop", "retry", "explain", "doctor", "rotate", "version",
    ] {
        let (code, answer, _) = called(&[command, "--help"]);
        assert_eq!(code, 0, "{command}");
        let own = answer.find("\nOptions:").unwrap();
        let global = answer.find("\nGlobal options:").unwrap();
        assert!(own < global, "{command}: {answer}");
        for option in [
            "--stack",
            "--region",
            "--profile",
            "--json",
            "--wide",
            "--color",
        ] {
            let line = format!("\n      {option}");
            assert!(
                answer[global..].contains(&line) && !answer[own..global].contains(&line),
                "{command} {option}: {answer}"
            );
        }
        let after = answer
            .split("\nExamples:")
            .next()
            .unwrap()
            .rsplit("--color")
            .next()
            .unwrap();
        for paragraph in after.split("\n\n").skip(1) {
            let lines: Vec<&str> = paragraph.trim_end().lines().collect();
            let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
            assert!(
                lines.len() < 2 || longest > 80,
                "{command}: broken by hand: {paragraph:?}"
            );
        }
    }
    assert_eq!(called(&["help", "jobs"]).0, 0);
}

#[test]
fn help_has_examples() {
    for command in ["jobs", "runners", "status", "explain", "match"] {
        let (code, answer, _) = called(&[command, "--help"]);
        assert!(
            code == 0 && answer.contains(&format!("Examples:\n  mayfly {command}")),
            "{answer}"
        );
    }
}
